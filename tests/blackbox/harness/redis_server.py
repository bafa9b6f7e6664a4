"""Real Redis servers on free ports of 127.0.0.1: killed, stopped, emptied, copied, clustered, slowed down."""

import asyncio
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import threading

from harness.signals import suspend
from harness.wait import TIMEOUT, eventually

_SLOTS = 16384
_READY = ("PONG", "NOAUTH", "LOADING", "MASTERDOWN", "MISCONF", "CLUSTERDOWN", "READONLY")


class RedisError(Exception):
    """What the server answered in place of a value; the first word is its kind (NOAUTH, READONLY, MOVED)."""

    @property
    def kind(self):
        return str(self).partition(" ")[0]


class RedisClient:
    """One connection that speaks RESP 2; a context manager that closes it."""

    def __init__(self, port, password=None, user=None, database=0, timeout=TIMEOUT):
        self._sock = socket.create_connection(("127.0.0.1", port), timeout)
        self._file = self._sock.makefile("rb")
        try:
            if password is not None:
                self.command("AUTH", *([user] if user else []), password)
            if database:
                self.command("SELECT", database)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._file.close()
        self._sock.close()

    def command(self, *words):
        """The answer: str, int, None or a list of those. An error answer is raised as RedisError."""
        data = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self._sock.sendall(b"*%d\r\n" % len(data) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in data))
        answer = self._read()
        if isinstance(answer, RedisError):
            raise answer
        return answer

    def _read(self):
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionResetError("the server closed within an answer")
        kind, rest = line[:1], line[1:-2].decode("utf-8", "replace")
        if kind == b"+":
            return rest
        if kind == b"-":
            return RedisError(rest)
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return self._bulk(int(rest))
        assert kind == b"*", f"not RESP: {line!r}"
        return None if rest == "-1" else [self._read() for _ in range(int(rest))]

    def _bulk(self, length):
        if length < 0:
            return None
        data = self._file.read(length + 2)
        if len(data) != length + 2:
            raise ConnectionResetError("the server closed within an answer")
        return data[:-2].decode("utf-8", "replace")


def _free_port():
    """A port that nobody gets by chance while its server is down: none of those for outgoing connections."""
    lowest = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    while True:
        port = random.randrange(10000, max(lowest, 20000))
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class RedisServer:
    """A redis-server. It keeps its port over any number of lives; each begins empty.

    `options` are settings of redis.conf with `_` for `-`: requirepass, maxmemory, replicaof=another RedisServer.
    Start it on a thread that lives on: the process ends with the thread that started it, should the tests be killed.
    """

    def __init__(self, directory, user=None, database=0, environment=None, **options):
        """`user`: (name, password) of an ACL user who may do everything; the default user is then off."""
        assert shutil.which("redis-server"), "redis-server is missing; scripts/setup installs it"
        self.directory = pathlib.Path(directory)
        self.user = user
        self.database = database
        self.environment = environment or {}
        self.failures = []  # as every other server of the fixtures
        self._options = {name.replace("_", "-"): value for name, value in options.items()}
        self._process = None
        self.port = _free_port()
        self.start()

    @property
    def password(self):
        return self.user[1] if self.user else self._options.get("requirepass")

    @property
    def url(self):
        """Without credentials."""
        return f"redis://127.0.0.1:{self.port}/{self.database}"

    @property
    def pid(self):
        return self._process.pid

    def start(self):
        """A new life, empty. Returns once it answers."""
        assert self._process is None, "it runs already"
        with open(self.directory / "redis.log", "ab") as log:
            self._process = subprocess.Popen(  # pylint: disable=consider-using-with
                ["setpriv", "--pdeathsig", "KILL", "redis-server", "-"], stdin=subprocess.PIPE, stdout=log,
                stderr=subprocess.STDOUT, cwd=self.directory, env={**os.environ, **self.environment})
        self._process.stdin.write("".join(line + "\n" for line in self._settings()).encode())
        self._process.stdin.close()
        eventually(self._answers, "Redis to answer")

    def _settings(self):
        yield f"port {self.port}"
        yield "bind 127.0.0.1"
        yield 'save ""'
        yield "enable-debug-command yes"
        yield "repl-diskless-sync-delay 0"
        yield f"dir {self.directory}"
        if self.user:
            yield "user default off"
            yield f"user {self.user[0]} on >{self.user[1]} ~* &* +@all"
        for name, value in self._options.items():
            yield f"{name} 127.0.0.1 {value.port}" if isinstance(value, RedisServer) else f"{name} {value}"

    def _answers(self):
        code = self._process.poll()
        assert code is None, f"redis-server ended with {code}:\n" + (self.directory / "redis.log").read_text()
        try:
            with RedisClient(self.port) as client:
                return client.command("PING") == "PONG"
        except RedisError as error:
            return error.kind in _READY
        except OSError:
            return False

    def client(self, **options):
        """A connection with the server's credentials and database."""
        options = {"password": self.password, "user": self.user and self.user[0], "database": self.database, **options}
        return RedisClient(self.port, **options)

    def command(self, *words):
        """One command on a connection of its own."""
        with self.client() as client:
            return client.command(*words)

    def keys(self, pattern="*"):
        return sorted(self.command("KEYS", pattern))

    def info(self, section):
        """INFO as a dict of texts."""
        lines = self.command("INFO", section).splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def calls(self, command):
        """How often clients have run a command, by its name in lower case."""
        stats = self.info("commandstats").get(f"cmdstat_{command}", "calls=0")
        return int(stats.partition("calls=")[2].partition(",")[0])

    def follow(self, master):
        """Becomes a read-only copy of `master`; None: a master of its own, with what it has. Waits until it is."""
        self.command("REPLICAOF", *(("127.0.0.1", master.port) if master else ("NO", "ONE")))
        if master:
            eventually(lambda: self.info("replication").get("master_link_status") == "up", "the copy to be one")

    def pause(self, milliseconds):
        """It takes commands and answers none of them for that long."""
        self.command("CLIENT", "PAUSE", milliseconds, "ALL")

    def suspend(self):
        """The whole process stands still until `resume`; connections to it still open."""
        suspend(self.pid)

    def resume(self):
        self._process.send_signal(signal.SIGCONT)

    def kill(self):
        """Ends it at once, as a crash would; all it knew is gone."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait(TIMEOUT)
        self._process = None

    def restart(self):
        self.kill()
        self.start()

    def stop(self):
        self.kill()


class RedisCluster:
    """Three masters that share the slots; `nodes` are RedisServers."""

    def __init__(self, directory, **options):
        self.failures = []
        self.nodes = []
        try:
            for number in range(3):
                home = pathlib.Path(directory) / f"node{number}"
                home.mkdir()
                self.nodes.append(RedisServer(home, cluster_enabled="yes", cluster_port=_free_port(), cluster_node_timeout=2000,
                                              cluster_announce_ip="127.0.0.1", **options))
            self._join()
        except BaseException:
            self.stop()
            raise

    def _join(self):
        for number, node in enumerate(self.nodes):
            node.command("CLUSTER", "ADDSLOTSRANGE", number * _SLOTS // 3, (number + 1) * _SLOTS // 3 - 1)
            node.command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node in self.nodes[1:]:
            bus = node.command("CONFIG", "GET", "cluster-port")[1]
            self.nodes[0].command("CLUSTER", "MEET", "127.0.0.1", node.port, bus)
        eventually(self.healthy, "the cluster to be one", timeout=3 * TIMEOUT)

    def healthy(self):
        """Every node knows every slot's master, and all masters."""
        return all("cluster_state:ok" in info and "cluster_known_nodes:3" in info
                   for info in (node.command("CLUSTER", "INFO") for node in self.nodes))

    @staticmethod
    def slot(key):
        """CRC-16/XMODEM of the key, or of what stands in its first braces."""
        start, end = key.find("{"), key.find("}", key.find("{"))
        part = key[start + 1 : end] if 0 <= start < end - 1 else key
        crc = 0
        for byte in part.encode():
            crc ^= byte << 8
            for _ in range(8):
                crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
        return crc % _SLOTS

    def owner(self, slot):
        """The node that has the slot, by its own opinion."""
        for node in self.nodes:
            for first, last, (_, port, *_), *_ in node.command("CLUSTER", "SLOTS"):
                if first <= slot <= last and port == node.port:
                    return node
        raise AssertionError(f"nobody has slot {slot}")

    def begin_move(self, slot, target):
        """From now on the owner answers ASK for keys of the slot that it does not have."""
        source = self.owner(slot)
        target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", source.command("CLUSTER", "MYID"))
        source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", target.command("CLUSTER", "MYID"))

    def end_move(self, slot, target):
        """Takes the slot's keys there; from then on the former owner answers MOVED."""
        source = self.owner(slot)
        while keys := source.command("CLUSTER", "GETKEYSINSLOT", slot, 100):
            source.command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
        for node in (target, *(node for node in self.nodes if node is not target)):
            node.command("CLUSTER", "SETSLOT", slot, "NODE", target.command("CLUSTER", "MYID"))

    def move(self, slot, target):
        self.begin_move(slot, target)
        self.end_move(slot, target)

    def keys(self, pattern="*"):
        return sorted(key for node in self.nodes for key in node.keys(pattern))

    def stop(self):
        for node in self.nodes:
            node.stop()


class Relay:
    """A TCP relay to a port of 127.0.0.1. `delay`: seconds that every piece of an answer is late from now on."""

    def __init__(self, target, delay=0.0):
        """`target`: the port connected to; may be changed, for connections to come."""
        self.target = target
        self.delay = delay
        self.connections = 0  # ever
        self.failures = []
        self._open = set()
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    async def _serve(self, reader, writer):
        self.connections += 1
        self._open.add(writer)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            self._abort(writer)
            return
        self._open.add(far_writer)
        await asyncio.gather(self._pump(reader, far_writer, lambda: 0.0), self._pump(far_reader, writer, lambda: self.delay))
        self._abort(writer)
        self._abort(far_writer)

    async def _pump(self, reader, writer, delay):
        """Passes bytes on in order, each piece `delay()` seconds after it came, and the end likewise."""
        pieces = asyncio.Queue()
        sender = asyncio.ensure_future(self._send(pieces, writer))
        data = b"."
        while data:
            try:
                data = await reader.read(65536)
            except OSError:
                data = b""
            pieces.put_nowait((self._loop.time() + delay(), data))
        await sender

    async def _send(self, pieces, writer):
        while True:
            due, data = await pieces.get()
            await asyncio.sleep(max(0.0, due - self._loop.time()))
            if not data:
                self._abort(writer)
                return
            writer.write(data)

    def _abort(self, writer):
        self._open.discard(writer)
        writer.transport.abort()

    def _call(self, function):
        """Runs `function` on the relay's thread, and waits for it."""
        done = threading.Event()

        def run():
            function()
            done.set()

        self._loop.call_soon_threadsafe(run)
        assert done.wait(TIMEOUT)

    def cut(self):
        """Resets all connections."""
        self._call(lambda: [self._abort(writer) for writer in list(self._open)])

    def stop(self):
        self._call(self._server.close)
        self.cut()
        self._call(lambda: [task.cancel() for task in asyncio.all_tasks(self._loop)])
        eventually(lambda: not asyncio.all_tasks(self._loop), "the relay's tasks to end")
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(TIMEOUT)
        self._loop.close()
