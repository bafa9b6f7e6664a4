"""WebSocket pass-through (threats.md P02): held until 101, then byte for byte in both directions, never a pooled connection.

Frames are opaque to the gateway, so raw bytes stand for them here; real clients are in test_real_clients.py.
"""

import socket
import time

import pytest

from harness import configs, http1
from harness.backend import answer_all, ok
from harness.problems import expect_problem
from harness.tokens import bearer
from harness.wait import eventually

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
HANDSHAKE = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", KEY)]
SWITCHED = http1.fields_text([("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Accept", ACCEPT)])
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\n" + SWITCHED + b"\r\n"


def start(gateway, backend, handler, **timeouts):
    server = backend(handler)
    route = {"path": "/", "service": "backend", "public": True, "upgrade": ["websocket"]}
    return server, gateway(configs.base({"backend": configs.service(server.url, **timeouts)}, [route]))


def switching(then):
    """A handler that accepts the upgrade and goes on with `then(connection)`."""

    def handler(connection):
        connection.read_head()
        connection.send(SWITCH)
        then(connection)

    return handler


def read_exactly(reader, size):
    data = b""
    while len(data) < size:
        part = reader.some(size - len(data))
        assert part, f"ended after {len(data)} of {size} bytes"
        data += part
    return data


def echo(connection):
    while data := connection.reader.some(65536):
        connection.send(data)
    connection.mark_closed()


def upgrade(client, fields=None):
    client.send(http1.request_text("GET", "/socket?x=1", fields or HANDSHAKE))
    response = client.head()
    assert response.status == 101, response
    return response


def test_P02_bytes_flow_both_ways_after_101(gateway, backend):
    server, instance = start(gateway, backend, switching(echo))
    with instance.client() as client:
        response = upgrade(client, HANDSHAKE + [("Sec-WebSocket-Protocol", "chat"), ("Sec-WebSocket-Extensions", "permessage-deflate")])
        assert response.get("Sec-WebSocket-Accept") == ACCEPT
        assert response.tokens("Connection") == ["upgrade"] and response.get("Upgrade") == "websocket"
        for size in (1, 125, 65536, 1_000_000):
            data = bytes(i % 251 for i in range(size))
            client.send(data)
            assert read_exactly(client.reader, size) == data
        client.shutdown_write()
        client.expect_closed()
    server.wait_disconnected()
    request = server.requests[0]
    assert (request.method, request.target) == ("GET", "/socket?x=1")
    assert request.tokens("Connection") == ["upgrade"] and request.get("Upgrade") == "websocket"
    assert request.get("Sec-WebSocket-Key") == KEY and request.get("Sec-WebSocket-Protocol") == "chat"
    record = instance.wait_log()[0]
    total = 1 + 125 + 65536 + 1_000_000
    assert (record["status"], record["bytes_in"], record["bytes_out"]) == (101, total, total)
    assert "code" not in record or record["code"] in (None, "")


def test_P02_bytes_behind_the_head_wait_for_the_101(gateway, backend):
    """A smuggled request in these bytes never reaches the service before it has agreed to another protocol."""
    early = b"GET /smuggled HTTP/1.1\r\nHost: gateway.test\r\n\r\n"

    def handler(connection):
        connection.read_head()
        connection.sock.settimeout(0.2)
        with pytest.raises(socket.timeout):
            connection.sock.recv(1)
        connection.sock.settimeout(10)
        connection.send(SWITCH + b"early answer")
        assert read_exactly(connection.reader, len(early)) == early
        connection.send(b"got it")

    _, instance = start(gateway, backend, handler)
    with instance.client() as client:
        client.send(http1.request_text("GET", "/", HANDSHAKE) + early)
        assert client.head().status == 101
        assert read_exactly(client.reader, 18) == b"early answergot it"


@pytest.mark.parametrize("status", [200, 403, 426, 503])
def test_P02_another_answer_ends_both_connections(gateway, backend, status):
    early = b"GET /smuggled HTTP/1.1\r\nHost: gateway.test\r\n\r\n"
    server, instance = start(gateway, backend, answer_all(lambda _: http1.response_text(status, [], b"no")))
    with instance.client() as client:
        client.send(http1.request_text("GET", "/", HANDSHAKE) + early)
        response = client.response()
        assert response.status == status and "close" in response.tokens("Connection")
        client.expect_closed()
    server.wait_disconnected(0)
    assert [request.target for request in server.requests] == ["/"]
    assert b"smuggled" not in server.connections[0].received


@pytest.mark.parametrize("fields,route,minor", [
    (HANDSHAKE, {}, 1),
    (HANDSHAKE, {"upgrade": ["websocket"]}, 0),
    ([("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAAQAAP__")], {"upgrade": ["websocket"]}, 1),
    ([("Upgrade", "websocket")], {"upgrade": ["websocket"]}, 1),
], ids=["route without upgrade", "HTTP/1.0", "P03 h2c", "not nominated in Connection"])
def test_P02_P03_upgrade_is_removed(gateway, backend, fields, route, minor):
    server = backend()
    instance = gateway(configs.public(server.url, route))
    with instance.client() as client:
        client.send(http1.request_text("GET", "/", fields).replace(b"HTTP/1.1", b"HTTP/1.%d" % minor, 1))
        assert client.response().status == 200
    request = server.requests[0]
    assert not request.has("Upgrade") and not request.has("HTTP2-Settings") and "upgrade" not in request.tokens("Connection")


@pytest.mark.parametrize("changes", [
    {"Sec-WebSocket-Version": "8"}, {"Sec-WebSocket-Version": None}, {"Sec-WebSocket-Key": None}, {"Sec-WebSocket-Key": "short"},
    {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ!="}, {"Content-Length": "5"}, {"Transfer-Encoding": "chunked"},
], ids=str)
def test_P02_a_bad_handshake_is_refused(gateway, backend, changes):
    server, instance = start(gateway, backend, answer_all(ok))
    fields = [(name, value) for name, value in {**dict(HANDSHAKE), **changes}.items() if value is not None]
    with instance.client() as client:
        client.send(http1.request_text("GET", "/", fields) + b"0\r\n\r\n")
        expect_problem(client.response(), "bad_request")
        client.expect_closed()
    assert not server.requests


def test_P02_two_keys_are_refused(gateway, backend):
    server, instance = start(gateway, backend, answer_all(ok))
    expect_problem(instance.get("/", HANDSHAKE + [("Sec-WebSocket-Key", KEY)]), "bad_request")
    assert not server.requests


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    SWITCH.replace(b"Upgrade: websocket", b"Upgrade: h2c"),
    SWITCH.replace(ACCEPT.encode(), b"x"),
    SWITCH.replace(b"\r\n\r\n", b"\r\nContent-Length: 0\r\n\r\n"),
    SWITCH.replace(b"HTTP/1.1", b"HTTP/1.0"),
], ids=["nothing", "another protocol", "no accept", "with a length", "HTTP/1.0"])
def test_P06_a_101_that_was_not_asked_for(gateway, backend, answer):
    def handler(connection):
        connection.read_head()
        connection.send(answer)
        connection.wait_closed_by_peer()

    server, instance = start(gateway, backend, handler)
    with instance.client() as client:
        client.send(http1.request_text("GET", "/", HANDSHAKE))
        expect_problem(client.response(), "upstream_invalid")
        client.expect_closed()
    server.wait_disconnected()


def test_P02_an_upgraded_connection_is_never_a_pooled_one(gateway, backend):
    def handler(connection):
        while True:
            request = connection.read_head()
            if request.has("Upgrade"):
                connection.send(SWITCH)
                return
            connection.send(ok(request))

    server, instance = start(gateway, backend, handler)
    assert instance.get("/").status == 200
    with instance.client() as client:
        upgrade(client)
        client.expect_closed()
    assert instance.get("/").status == 200
    assert [len(connection.requests) for connection in server.connections] == [2, 1]


def test_an_idle_tunnel_ends(gateway, backend):
    server, instance = start(gateway, backend, switching(lambda c: c.wait_closed_by_peer()), upgrade_idle="200ms")
    with instance.client() as client:
        upgrade(client)
        client.expect_closed()
    server.wait_disconnected()
    assert instance.wait_log()[0]["end"] == "timed_out"


def test_bytes_in_one_direction_keep_a_tunnel_alive(gateway, backend):
    """Idle means no byte at all: twenty bytes, each half a deadline after the other, arrive."""

    def trickle(connection):
        connection.sock.settimeout(0.15)
        for _ in range(10):
            connection.send(b"x")
            with pytest.raises(socket.timeout):
                connection.sock.recv(1)

    _, instance = start(gateway, backend, switching(trickle), upgrade_idle="300ms")
    with instance.client() as client:
        upgrade(client)
        assert read_exactly(client.reader, 10) == b"x" * 10
        client.expect_closed()


@pytest.mark.parametrize("side", ["client", "service"])
def test_a_reset_of_one_side_reaches_the_other(gateway, backend, side):
    def then(connection):
        if side == "service":
            assert read_exactly(connection.reader, 1) == b"x"
            connection.reset()
        else:
            with pytest.raises((ConnectionResetError, AssertionError)):
                while connection.sock.recv(1):
                    pass
                raise AssertionError("an orderly end")
            connection.mark_closed()

    server, instance = start(gateway, backend, switching(then))
    with instance.client() as client:
        upgrade(client)
        client.send(b"x")
        if side == "client":
            client.reset()
            server.wait_disconnected()
        else:
            with pytest.raises(ConnectionResetError):
                client.sock.recv(1)
    instance.wait_log()


def test_a_slow_reader_stops_the_sender(gateway, backend):
    taken = []

    def flood(connection):
        taken.append(connection.send_until_stalled(bytes(64 * 1024 * 1024), quiet=0.5))

    _, instance = start(gateway, backend, switching(flood))
    before = instance.memory_peak()
    with instance.client(receive_buffer=65536) as client:
        upgrade(client)
        eventually(lambda: taken, "the sender stalls")
        assert taken[0] < 64 * 1024 * 1024
    assert instance.memory_peak() - before < 4 * 1024 * 1024


def test_an_upgrade_needs_a_caller_who_may(gateway, backend, issuer, jwks):
    """Like any other request: nothing of it reaches the service before."""
    server = backend(switching(lambda c: c.wait_closed_by_peer()))
    route = {"path": "/", "service": "backend", "upgrade": ["websocket"], "require": {"*": {"scopes": "sockets"}}}
    config = configs.base({"backend": server.url}, [route], authentication=configs.authentication(issuer, jwks))
    instance = gateway(config)
    for fields, code in (([], "missing_token"), (bearer("a.b.c"), "invalid_token"), (bearer(issuer.mint(exp=1)), "expired_token"),
                         (bearer(issuer.mint(scope="other")), "forbidden")):
        expect_problem(instance.get("/socket", [*HANDSHAKE, *fields]), code)
    assert not server.connections
    with instance.client() as client:
        upgrade(client, [*HANDSHAKE, *bearer(issuer.mint(scope="sockets")), ("X-Auth-Subject", "spoofed")])
        assert server.connections[0].requests[0].get("X-Auth-Subject") == "alice"
        assert b"Authorization" not in server.connections[0].received
    record, = instance.wait_log(where=lambda line: line["status"] == 101)
    assert (record["user"], record["credential"], record["policy"]) == ("alice", "token", "allow")


def test_J17_a_tunnel_ends_with_its_callers_token(gateway, backend, issuer, jwks):
    """Nobody asks again while it lasts, so it must not outlive what it was opened with."""
    server = backend(switching(echo))
    route = {"path": "/", "service": "backend", "upgrade": ["websocket"]}
    config = configs.base({"backend": server.url}, [route], authentication=configs.authentication(issuer, jwks))
    config["authentication"]["clock_skew"] = "0s"
    instance = gateway(config)
    with instance.client() as client:
        ends = int(time.time()) + 2
        upgrade(client, [*HANDSHAKE, *bearer(issuer.mint(exp=ends))])
        client.send(b"x")
        assert read_exactly(client.reader, 1) == b"x"
        client.expect_closed()
    record, = instance.wait_log(where=lambda line: line["status"] == 101)
    assert time.time() >= ends
    assert (record["code"], record["reason"], record["end"], record["route"]) == ("expired_token", "claim_exp_passed", "aborted", "/")


def test_drain_ends_a_tunnel_at_its_limit(gateway, backend):
    server = backend(switching(lambda c: c.wait_closed_by_peer()))
    config = configs.public(server.url, {"upgrade": ["websocket"]})
    config["timeouts"]["drain"] = "200ms"
    instance = gateway(config)
    with instance.client() as client:
        upgrade(client)
        instance.terminate()
        client.expect_closed()
    assert instance.wait_exit() == 0
