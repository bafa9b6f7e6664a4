"""A backend dies without a word (kill -9) and comes back, again and again, under a steady load: no GET fails.

What a kill does to the gateway: idle kept connections end, or are reset under a request just sent; connects are refused
until the process is back; connections that the kernel has accepted but the process has not are reset. All of that comes
before the first byte of an answer, where a GET may be repeated. An answer that is cut in the middle is out of reach:
its head is with the client already. So the answers here are small and sent at once.
"""

import pathlib
import socket
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest

from harness import configs, http1
from harness.client import RawClient
from harness.wait import TIMEOUT

SERVER = pathlib.Path(__file__).parent / "programs" / "name_server.py"
RATE = 500  # GETs a second
CLIENTS = 25  # kept connections, each with its share of the rate
SECONDS = 12
KILL_EVERY = 2.0
# How long the killed backend stays away: back at once, within the second in which it is suspect, and after it.
AWAY = [0.0, 0.4, 1.2]


def unused_port(taken):
    """A port that no outgoing connection can take while its server is away, and cannot connect to itself."""
    lowest_outgoing = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    for port in range(lowest_outgoing - 1, 1024, -1):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            if port not in taken:
                return port
    raise AssertionError("no free port below the outgoing ones")


class Server:
    """One backend process on a fixed port."""

    def __init__(self, port, name):
        self.port = port
        self.name = name
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [sys.executable, str(SERVER), str(self.port), self.name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
        assert self.process.stdout.readline() == b"listening\n"

    def kill(self):
        self.process.kill()
        self.process.wait(TIMEOUT)
        self.process.stdout.close()


@pytest.fixture
def servers():
    ports = []
    started = []
    try:
        for name in ("one", "two", "three"):
            ports.append(unused_port(ports))
            started.append(Server(ports[-1], name))
        yield started
    finally:
        for server in started:
            server.kill()


class Load:
    """Sends `total` GETs at fixed moments, whether or not earlier ones have been answered."""

    def __init__(self, port, total):
        self.port = port
        self.total = total
        self.answers = [None] * total
        self.begin = time.monotonic()
        self.threads = [threading.Thread(target=self._run, args=(i,)) for i in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def _run(self, client_number):
        client = RawClient(self.port)
        for number in range(client_number, self.total, CLIENTS):
            left = self.begin + number / RATE - time.monotonic()
            if left > 0:
                time.sleep(left)  # the pace of the load, not a wait for something
            try:
                response = client.get(f"/n/{number}")
                self.answers[number] = (response.status, response.body)
            except (http1.Closed, http1.Cut, AssertionError) as failure:
                self.answers[number] = (0, repr(failure).encode())
                client.close()
                client = RawClient(self.port)
        client.close()

    def join(self):
        for thread in self.threads:
            thread.join(SECONDS + TIMEOUT)
            assert not thread.is_alive()


def kill_and_restart(server, away):
    server.kill()
    back_at = time.monotonic() + away
    while (left := back_at - time.monotonic()) > 0:
        time.sleep(left)  # the fault lasts this long
    server.start()


def test_no_get_fails_while_backends_are_killed(gateway, servers):
    entry = {"endpoints": [f"http://127.0.0.1:{server.port}" for server in servers]}
    instance = gateway(configs.base({"names": entry}, [{"path": "/", "service": "names", "public": True}], workers=2))
    load = Load(instance.port, RATE * SECONDS)
    kills = 0
    while (next_kill := load.begin + (kills + 0.5) * KILL_EVERY) < load.begin + SECONDS:
        time.sleep(max(0.0, next_kill - time.monotonic()))
        kill_and_restart(servers[kills % len(servers)], AWAY[(kills // len(servers) + kills) % len(AWAY)])
        kills += 1
    load.join()
    assert kills >= 5

    failed = [(number, answer) for number, answer in enumerate(load.answers) if answer[0] != 200]
    records = instance.wait_log(load.total)
    errors = Counter((record["status"], record["code"], record["reason"]) for record in records if record["code"])
    assert not failed, f"{len(failed)} of {load.total} failed, first {failed[:3]}; log: {errors}"
    names = Counter()
    for number, (_, body) in enumerate(load.answers):
        name, target = body.split(b" ")
        names[name.decode()] += 1
        assert target == b"/n/%d" % number
    assert set(names) == {server.name for server in servers}, names

    assert len(records) == load.total and not errors
    assert Counter(record["path"] for record in records) == Counter(f"/n/{number}" for number in range(load.total))
    attempts = Counter(record["attempts"] for record in records)
    assert set(attempts) == {1, 2}, attempts  # nobody noticed, but the log shows the retries


def test_the_retry_goes_to_another_endpoint(gateway, backend):
    """Round robin alone would come back to the one that has just failed: another request took its turn meanwhile."""
    release = threading.Event()

    def dying(connection):
        connection.read_request()
        assert release.wait(TIMEOUT)
        connection.reset()

    first, second = backend(dying), backend()
    entry = {"endpoints": [first.url, second.url]}
    instance = gateway(configs.base({"pair": entry}, [{"path": "/", "service": "pair", "public": True}]))
    with instance.client() as client:
        client.send(http1.request_text("GET", "/victim"))
        first.wait_requests(1)
        assert instance.get("/bystander").status == 200
        release.set()
        assert client.response().status == 200
    assert instance.wait_log(2)[-1]["attempts"] == 2
    assert [request.target for request in first.requests] == ["/victim"]
    assert [request.target for request in second.requests] == ["/bystander", "/victim"]
