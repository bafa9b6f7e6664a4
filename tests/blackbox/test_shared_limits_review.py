"""The store of shared limits is something else: it drips, floods, speaks HTTP, repeats secrets, refuses what is needed."""

import contextlib
import socket
import threading
import time

import pytest

from harness.fleet import Fleet
from harness.limits import NEVER
from harness.problems import expect_problem
from harness.wait import TIMEOUT, eventually

LIMIT = {"tokens": 20, "refill": NEVER}
CLOSED = {**LIMIT, "on_store_failure": "closed"}


class Impostor:
    """Listens in the store's place. `begin` is sent for whatever comes, then `again` for ever, every `pause` seconds."""

    def __init__(self, begin, again=b"", pause=0.005):
        self.failures = []
        self.heard = 0
        self._script = (begin, again, pause)
        self._ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.1)
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._ended.is_set():
            with contextlib.suppress(OSError):
                sock, _ = self._listener.accept()
                with sock:
                    self._talk(sock)

    def _talk(self, sock):
        begin, again, pause = self._script
        sock.settimeout(1)
        while (data := sock.recv(65536)) and not self._ended.is_set():
            self.heard += 1
            sock.sendall(begin.replace(b"%s", data.replace(b"\r\n", b" ")))
            while again and not self._ended.is_set():
                sock.sendall(again)
                time.sleep(pause)

    def stop(self):
        self._ended.set()
        self._thread.join(TIMEOUT)
        self._listener.close()


IMPOSTORS = {
    "drips": (b"$1000000\r\n", b"x"),
    "floods": (b"+", b"x" * 65536, 0),
    "a line in pieces": (b"*5\r\n", b":1"),
    "an endless array": (b"*2147483647\r\n", b"*2147483647\r\n"),
    "http": (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",),
    "echo": (b"-ERR unknown command %s\r\n",),
    "silence": (b"",),
    "says OK to all": (b"+OK\r\n",),
}


@pytest.mark.parametrize("name", IMPOSTORS)
def test_what_is_no_store_is_away_and_holds_nobody_up(gateway, backend, tmp_path, name):
    impostor = backend.keep(Impostor(*IMPOSTORS[name]))
    secret = tmp_path / "redis.password"
    secret.write_text("hunter2\n", encoding="ascii")
    them = Fleet(gateway, backend, {"url": impostor.url, "password_file": str(secret)}, {"/": LIMIT, "/closed": CLOSED}, 1)
    instance = them.gateways[0]
    instance.wait_stderr("limit store is away")
    eventually(lambda: impostor.heard > 3, "it was probed again")
    assert [instance.get("/").status for _ in range(30)] == [200] * 20 + [429] * 10
    expect_problem(instance.get("/closed"), "limits_unavailable")
    told = instance.admin("/status").body.decode() + "".join(instance.stderr)
    assert "hunter2" not in told
    assert instance.memory() < 300 << 20
    instance.terminate()
    assert instance.wait_exit() == 0


def test_a_store_that_cannot_count_gateways_is_away(gateway, backend, redis):
    """Each would believe to be the only one, and four would admit four times the limit."""
    server = redis()
    server.command("SET", "lotagate:gateways", "somebody else's")
    them = Fleet(gateway, backend, server.url, {"/": CLOSED}, 2)
    for instance in them.gateways:
        instance.wait_stderr("limit store is away .*WRONGTYPE")
        expect_problem(instance.get("/"), "limits_unavailable")
    server.command("DEL", "lotagate:gateways")
    for instance in them.gateways:
        instance.wait_stderr("limit store .* is back")
        assert instance.get("/").status == 200
