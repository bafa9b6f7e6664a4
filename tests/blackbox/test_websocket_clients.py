"""WebSockets between real ends through the gateway: npm's `ws` on both sides, and Chromium."""

import json
import queue
import subprocess
import threading
import time

import pytest

from harness import configs
from harness.gateway import SANITIZED
from harness.real_clients import NODE, NODE_ENVIRONMENT, PROGRAMS, Chromium
from harness.wait import TIMEOUT

CONNECTIONS = 8
MESSAGES = 160 if SANITIZED else 640  # in each direction of each connection: 10,240 in all; a quarter with a sanitizer
LONG = 90
MIB = 1024 * 1024
FLOOD = 1600  # messages of 64 KiB: 100 MiB
MEMORY_LIMIT = 64 * MIB
IN_FLIGHT_LIMIT = 48 * MIB  # what kernel buffers on four sockets and the gateway's window may hold together
ABNORMAL = 1006  # no close frame came (RFC 6455 7.4.1)


class NodeProgram:
    """A node process and its lines."""

    def __init__(self, name, *arguments):
        self.process = subprocess.Popen(
            [NODE, str(PROGRAMS / name), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=NODE_ENVIRONMENT,
        )
        self.lines = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.decode())
        self.lines.put("")

    def line(self, timeout=TIMEOUT):
        text = self.lines.get(timeout=timeout)
        assert text, f"ended with {self.process.wait(TIMEOUT)}"
        return text

    def kill(self):
        self.process.kill()
        self.process.wait(TIMEOUT)
        self._reader.join(TIMEOUT)
        self.process.stdin.close()
        self.process.stdout.close()


class Server(NodeProgram):
    """ws_server.js; what it reports is kept until somebody asks for it."""

    def __init__(self):
        super().__init__("ws_server.js")
        self.port = int(self.line().split()[1])
        self._kept = []

    def expect(self, where, timeout=TIMEOUT):
        """The first report, past or future, for which `where(report)` is true."""
        deadline = time.monotonic() + timeout
        checked = 0
        while True:
            for report in self._kept[checked:]:
                if where(report):
                    return report
            checked = len(self._kept)
            self._kept.append(json.loads(self.line(max(0.0, deadline - time.monotonic()))))

    def closed(self, name):
        return self.expect(lambda report: report.get("id") == name and "closed" in report)


@pytest.fixture
def server():
    instance = Server()
    yield instance
    instance.kill()


@pytest.fixture
def clients():
    """Factory: clients(instance, scenario, **options) starts ws_client.js."""
    started = []

    def start(port, scenario, **options):
        started.append(NodeProgram("ws_client.js", f"http://127.0.0.1:{port}", scenario, json.dumps(options)))
        return started[-1]

    yield start
    for client in started:
        client.kill()


def result(client, timeout=TIMEOUT):
    """What the client found in the end; lines before are skipped."""
    while True:
        line = json.loads(client.line(timeout))
        assert "error" not in line, line["error"]
        if "result" in line:
            return line["result"]


def start(gateway, server, upgrade=True, **timeouts):
    service = configs.service(f"http://127.0.0.1:{server.port}", **timeouts)
    route = {"path": "/", "service": "ws", "public": True, "errors": "passthrough"}
    if upgrade:
        route["upgrade"] = ["websocket"]
    return gateway(configs.base({"ws": service}, [route]))


def expect_small(instance):
    if not SANITIZED:
        assert instance.memory_peak() < MEMORY_LIMIT


def expect_sums(server, one):
    """Both ends counted and hashed the same messages in the same order."""
    other = server.expect(lambda report: report.get("id") == str(one["id"]) and "sent" in report)
    assert one["sent"] == other["received"] and one["received"] == other["sent"], (one, other)
    return one["sent"]["count"] + one["received"]["count"]


def test_ten_thousand_messages(gateway, server, clients):
    """1 byte to 1 MiB, text and binary, both directions at once, several connections, one of them compressing."""
    instance = start(gateway, server)
    found = result(clients(instance.port, "exchange", connections=CONNECTIONS, count=MESSAGES), LONG)
    assert sum(expect_sums(server, one) for one in found) == 2 * CONNECTIONS * MESSAGES
    assert [bool(one["extensions"]) for one in found] == [True] + [False] * (CONNECTIONS - 1)
    for one in found:
        assert one["closed"] == {"code": 1000, "reason": "enough"}
        assert server.closed(str(one["id"]))["reason"] == "enough"
    expect_small(instance)
    records = instance.wait_log(CONNECTIONS)
    assert [(record["status"], record["code"]) for record in records] == [(101, None)] * CONNECTIONS


def test_chromium(gateway, server, tmp_path):
    instance = start(gateway, server)
    with Chromium(f"http://127.0.0.1:{instance.port}/ws_page.html", tmp_path):
        page = server.expect(lambda report: "page" in report, LONG)["page"]
    assert "error" not in page, page
    assert sum(expect_sums(server, one) for one in page["exchanges"]) == 2 * 4 * 100
    for one in page["exchanges"]:
        assert one["extensions"].startswith("permessage-deflate")
        assert one["closed"] == {"code": 4000, "reason": "fertig, schön", "clean": True}
        assert (server.closed(one["id"])["closed"], server.closed(one["id"])["reason"]) == (4000, "fertig, schön")
    assert page["byServer"] == {"code": 4321, "reason": "für heute", "clean": True}
    assert page["refused"]["code"] == ABNORMAL


def test_close_codes_and_reasons_pass_both_ways(gateway, server, clients):
    instance = start(gateway, server)
    found = result(clients(instance.port, "close", code=4001, reason="für heute"))
    assert found == {
        "byClient": {"code": 4001, "reason": "für heute"},
        "byServer": {"code": 4001, "reason": "für heute"},
    }
    for name in ("by-client", "by-server"):
        assert (server.closed(name)["closed"], server.closed(name)["reason"]) == (4001, "für heute")


def test_pings_and_pongs_pass_both_ways(gateway, server, clients):
    instance = start(gateway, server)
    assert result(clients(instance.port, "ping")) == {"ping": "from the server", "pong": "from the client"}
    assert server.expect(lambda report: "pong" in report)["pong"] == "from the server"


def test_protocols_extensions_and_fields_pass(gateway, server, clients):
    instance = start(gateway, server)
    found = result(clients(instance.port, "protocol"))
    assert found["protocol"] == "chat.v2" and found["extensions"].startswith("permessage-deflate") and found["echoed"]
    headers = server.expect(lambda report: report.get("id") == "protocol" and "headers" in report)["headers"]
    assert headers["sec-websocket-protocol"] == "chat.v1,chat.v2" and headers["x-custom"] == "é"


def test_the_servers_abrupt_end_reaches_the_client(gateway, server, clients):
    instance = start(gateway, server)
    assert result(clients(instance.port, "terminated_by_server"))["code"] == ABNORMAL


def test_the_clients_abrupt_end_reaches_the_server(gateway, server, clients):
    instance = start(gateway, server)
    result(clients(instance.port, "terminates"))
    assert server.closed("terminates")["closed"] == ABNORMAL


def test_the_servers_death_reaches_the_client(gateway, server, clients):
    instance = start(gateway, server)
    client = clients(instance.port, "wait")
    assert json.loads(client.line()) == {"open": True}
    server.process.kill()
    assert result(client)["code"] == ABNORMAL


def test_the_clients_death_reaches_the_server(gateway, server, clients):
    instance = start(gateway, server)
    client = clients(instance.port, "wait")
    assert json.loads(client.line()) == {"open": True}
    client.process.kill()
    assert server.closed("wait")["closed"] == ABNORMAL


@pytest.mark.parametrize("status, body", [(403, "not so"), (426, "other")])
def test_a_refused_upgrade_is_an_ordinary_answer(gateway, server, clients, status, body):
    instance = start(gateway, server)
    found = result(clients(instance.port, "refused", target=f"/refuse/{status}"))
    assert (found["status"], found["body"]) == (status, body)
    assert instance.wait_log()[0]["status"] == status


def test_without_permission_the_server_sees_a_plain_get(gateway, server, clients):
    instance = start(gateway, server, upgrade=False)
    found = result(clients(instance.port, "refused", target="/echo?id=plain"))
    assert (found["status"], found["body"]) == (426, "this is for WebSockets")
    assert server.expect(lambda report: "plain" in report) == {"plain": "/echo?id=plain", "upgrade": None}


def test_a_server_that_does_not_read_holds_the_client_back(gateway, server, clients):
    instance = start(gateway, server)
    client = clients(instance.port, "hold", count=FLOOD)
    assert json.loads(client.line(LONG))["stalled"] < IN_FLIGHT_LIMIT
    found = result(client, LONG)
    assert (
        server.expect(lambda report: report.get("id") == "hold" and "received" in report)["received"] == found["sent"]
    )
    expect_small(instance)


def test_a_client_that_does_not_read_holds_the_server_back(gateway, server, clients):
    instance = start(gateway, server)
    client = clients(instance.port, "flood", count=FLOOD)
    assert json.loads(client.line()) == {"paused": True}
    with pytest.raises(queue.Empty):  # that the server does not come to its end can only be seen over time
        server.expect(lambda report: report.get("id") == "flood" and "sent" in report, 2.0)
    client.process.stdin.write(b"go on\n")
    client.process.stdin.flush()
    found = result(client, LONG)
    assert server.expect(lambda report: report.get("id") == "flood" and "sent" in report)["sent"] == found["received"]
    expect_small(instance)


def test_a_silent_connection_ends(gateway, server, clients):
    instance = start(gateway, server, upgrade_idle="500ms")
    assert result(clients(instance.port, "wait"))["code"] == ABNORMAL
    assert server.closed("wait")["closed"] == ABNORMAL
    assert [(record["end"], record["reason"]) for record in instance.wait_log()] == [("timed_out", "idle")]


def test_pings_keep_a_connection(gateway, server, clients):
    instance = start(gateway, server, upgrade_idle="1s")
    assert result(clients(instance.port, "wait", pings=50, then=3000)) == {"code": 1000, "reason": "alive"}
