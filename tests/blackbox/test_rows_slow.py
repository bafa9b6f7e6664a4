"""Rows S02 to S04 and S07: clients that take their time. Deadlines are short; a slow client's pace is the fault itself."""

import gzip
import json
import socket
import threading

import pytest

from harness import configs, http1
from harness.backend import answer_all, echo
from harness.gateway import SANITIZED
from harness.problems import expect_problem
from harness.scene import HOST
from harness.wait import eventually

SHORT = "300ms"
START = b"GET / HTTP/1.1\r\n" + HOST
MIB = 1024 * 1024


def start(gateway, url, limits=None, **timeouts):
    config = configs.with_timeouts(configs.public(url, {"max_body": "200MiB"}), **timeouts)
    return gateway({**config, "limits": limits or {}})


def trickle(client, pieces, pause=0.05):
    """One piece after another until the peer has said something or closed; True if it has."""
    client.sock.settimeout(pause)
    try:
        for piece in pieces:
            client.send_tolerantly(piece)
            try:
                client.sock.recv(1, socket.MSG_PEEK)
                return True
            except TimeoutError:
                continue
            except ConnectionResetError:
                return True
        return False
    finally:
        client.sock.settimeout(10)


def expect_too_slow(client):
    expect_problem(client.response(), "request_timeout")
    client.expect_closed()


@pytest.mark.parametrize("data", [b"G", b"GET / HTTP/1.1\r\n", START, START + b"X-Slow: ", START + b"\r", b"\r\n",
    b"GET /" + b"a" * 5000])
def test_S02_a_head_that_stops(gateway, backend, data):
    server = backend()
    with start(gateway, server.url, header=SHORT).client() as client:
        client.send(data)
        expect_too_slow(client)
    assert not server.connections


@pytest.mark.parametrize("first,pieces", [
    (START + b"X-Slow: ", [b"x"] * 200), (START, [b"X-Slow: 1\r\n"] * 90), (b"", [bytes([byte]) for byte in START * 5]),
], ids=["a value", "fields", "from the start"])
def test_S02_no_byte_prolongs_the_deadline_of_a_head(gateway, backend, first, pieces):
    """It is one for the whole head: the answer comes although bytes keep coming."""
    server = backend()
    with start(gateway, server.url, header=SHORT).client() as client:
        client.send(first)
        assert trickle(client, pieces), "no deadline"
        expect_problem(client.response(), "request_timeout")
    assert not server.connections


def test_S02_not_even_an_empty_line_does(gateway, backend):
    server = backend()
    with start(gateway, server.url, header=SHORT).client() as client:
        client.send(b"\r\n")
        assert trickle(client, [b"\r", b"\n"] * 100), "no deadline"
        expect_problem(client.response(), "request_timeout", "bad_request")
    assert not server.connections


@pytest.mark.parametrize("good", [
    http1.request_text("GET", "/"), http1.request_text("POST", "/", body=b"hello"),
    http1.request_text("POST", "/", [("Transfer-Encoding", "chunked")]) + http1.chunked(b"hello", [2]),
], ids=["GET", "length", "chunks"])
@pytest.mark.parametrize("together", [True, False])
def test_S02_the_next_head_has_its_deadline_too(gateway, backend, good, together):
    """No shortcut clears it: neither a kept connection nor bytes that came with the request before."""
    server = backend(answer_all(echo))
    with start(gateway, server.url, header=SHORT).client() as client:
        client.send(good + (START if together else b""))
        assert client.response().status == 200
        if not together:
            client.send(START)
        expect_too_slow(client)
    assert len(server.requests) == 1


def test_S02_a_client_that_never_says_anything_is_closed(gateway, backend):
    server = backend()
    with start(gateway, server.url, client_idle=SHORT, header=SHORT).client() as client:
        client.expect_closed()
    assert not server.connections


def cut_sink(connection):
    connection.finish(connection.read_head())  # raises Cut
    raise AssertionError("the body looked complete")


@pytest.mark.parametrize("data", [
    http1.request_text("POST", "/", [("Content-Length", "10")]) + b"abc",
    http1.request_text("POST", "/", [("Transfer-Encoding", "chunked")]) + b"5\r\nhello\r\n",
    http1.request_text("POST", "/", [("Transfer-Encoding", "chunked")]) + b"5\r\nhel",
    http1.request_text("POST", "/", [("Transfer-Encoding", "chunked")]) + b"0\r\n",
], ids=["length", "between chunks", "in a chunk", "in the last chunk"])
def test_S03_a_body_that_stops(gateway, backend, data):
    server = backend(cut_sink)
    with start(gateway, server.url, body_progress=SHORT).client() as client:
        client.send(data)
        expect_too_slow(client)
    server.wait_disconnected()
    assert not server.requests[0].complete


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_S03_a_body_below_the_least_rate(gateway, backend, framing):
    """20 bytes a second where 1,000 are asked for: progress alone does not help, however often it is made."""
    server = backend(cut_sink)
    instance = start(gateway, server.url, limits={"body_rate": "1000B"}, body_grace=SHORT)
    field = ("Content-Length", "100000") if framing == "length" else ("Transfer-Encoding", "chunked")
    with instance.client() as client:
        client.send(http1.request_text("POST", "/", [field]))
        piece = b"x" if framing == "length" else http1.chunk(b"x")
        assert trickle(client, [piece] * 200), "no least rate"
        expect_problem(client.response(), "request_timeout")
    server.wait_disconnected()
    assert not server.requests[0].complete


@pytest.mark.parametrize("rate,piece", [("100B", b"x" * 200), (0, b"x")], ids=["fast enough", "no least rate"])
def test_S03_a_steady_body_is_not_cut(gateway, backend, rate, piece):
    """It takes longer than the grace: at 4,000 bytes a second, or at 20 where no rate is asked for."""
    server = backend(answer_all(echo))
    instance = start(gateway, server.url, limits={"body_rate": rate}, body_grace="300ms")
    with instance.client() as client:
        client.send(http1.request_text("POST", "/", [("Content-Length", str(len(piece) * 15))]))
        assert not trickle(client, [piece] * 14)
        client.send(piece)
        assert client.response().body == piece * 15


def test_S03_part_of_a_seconds_bytes_earns_part_of_a_second(gateway, backend):
    """9,900 bytes of 10,000 a second are good for 990 ms beyond the grace, not for none."""
    server = backend(answer_all(echo))
    instance = start(gateway, server.url, limits={"body_rate": "10000B"}, body_grace="10ms")
    with instance.client() as client:
        client.send(http1.request_text("POST", "/", [("Content-Length", "9910")]))
        assert not trickle(client, [b"x" * 9900, *[b"x"] * 5])
        client.send(b"x" * 5)
        assert client.response().body == b"x" * 9910


def test_S03_a_slow_service_is_not_the_clients_fault(gateway, backend):
    """Only the time that the gateway waits for the client counts. The service stops for longer than the grace."""
    full = threading.Event()

    def handler(connection):
        request = connection.read_head()
        assert full.wait(20)
        count = sum(len(part) for part in http1.body_parts(connection.reader, request))
        connection.send(http1.response_text(200, [], b"%d" % count))

    server = backend(handler)
    instance = start(gateway, server.url, limits={"body_rate": "1MiB"}, body_grace="100ms", body_progress="20s")
    with instance.client() as client:
        total = 64 * MIB
        client.send(http1.request_text("POST", "/", [("Content-Length", str(total))]))
        data, sent = bytes(total), 0
        client.sock.settimeout(0.5)  # nothing moves any more: only time can show it
        with pytest.raises(TimeoutError):
            while True:
                sent += client.sock.send(memoryview(data)[sent:])
        client.sock.settimeout(20)
        full.set()
        client.send(memoryview(data)[sent:])
        assert client.response().body == b"%d" % total


def endless(connection):
    connection.read_request()
    connection.send(http1.response_text(200, [("Content-Length", str(200 * MIB))]))
    while True:
        connection.send(bytes(MIB))  # raises once the gateway has given up


def test_S04_a_client_that_does_not_read_is_cut_off(gateway, backend):
    server = backend(endless)
    instance = start(gateway, server.url, write_progress=SHORT)
    with instance.client(receive_buffer=65536) as client:
        client.send(http1.request_text("GET", "/"))
        server.wait_disconnected()
    record, = instance.wait_log()
    assert record["end"] != "complete" and record["code"] == "request_timeout"


def test_S04_a_client_that_does_not_read_an_answer_of_the_gateway_is_cut_off(gateway, backend):
    """Pipelined requests whose answers nobody takes: the gateway stops reading, and then ends the connection."""
    server = backend()
    instance = start(gateway, server.url, write_progress=SHORT)
    with instance.client(receive_buffer=4096) as client:
        block = http1.request_text("OPTIONS", "*") * 1000
        assert any(not client.send_tolerantly(block) for _ in range(2000)), "no end"
    assert instance.get("/").status == 200


def test_S04_a_reader_that_makes_progress_is_not_cut(gateway, backend):
    """The whole takes longer than the deadline; there is never so long a time in which nothing is taken."""
    total = 32 * MIB
    server = backend(answer_all(lambda _: http1.response_text(200, [], bytes(total))))
    instance = start(gateway, server.url, write_progress="500ms")
    pause = threading.Event()
    with instance.client(receive_buffer=65536) as client:
        client.send(http1.request_text("GET", "/"))
        response = client.head()
        read, pauses = 0, 0
        for part in client.body_parts(response):
            read += len(part)
            if read > (pauses + 1) * 2 * MIB:
                pauses += 1
                pause.wait(0.05)
        assert read == total and pauses * 0.05 > 0.5


def test_S04_readers_that_do_not_read_cost_windows(gateway, backend):
    """50 of them, 10 MiB each; the services are held back, and others are served meanwhile."""
    block = bytes(10 * MIB)

    def handler(connection):
        request = connection.read_request()
        if request.target == "/quick":
            connection.send(http1.response_text(200, [], b"ok"))
        else:
            connection.send(http1.response_text(200, [("Content-Length", str(len(block)))]))
            connection.send_until_stalled(block, quiet=0.3)
            connection.wait_closed_by_peer()

    server = backend(handler)
    instance = start(gateway, server.url)
    before = instance.memory_peak()
    clients = [instance.client(receive_buffer=4096) for _ in range(50)]
    try:
        for client in clients:
            client.send(http1.request_text("GET", "/large"))
        eventually(lambda: len(server.connections) == 50 and all(c.sent for c in server.connections), "50 stalled answers")
        assert instance.get("/quick").body == b"ok"
        assert all(connection.sent < len(block) for connection in server.connections[:50])
        if not SANITIZED:
            assert instance.memory_peak() - before < 50 * 256 * 1024
    finally:
        for client in clients:
            client.close()


BOMB = gzip.compress(bytes(50 * MIB))
COMPRESSED = [("Content-Encoding", "gzip"), ("Content-Type", "application/json")]


@pytest.mark.parametrize("status", [200, 404, 500])
def test_S07_a_compressed_answer_is_not_unpacked(gateway, backend, status):
    """It passes as it is; that of an error is replaced without a look inside."""
    server = backend(answer_all(lambda _: http1.response_text(status, COMPRESSED, BOMB)))
    instance = start(gateway, server.url)
    before = instance.memory_peak()
    response = instance.get("/")
    if status == 200:
        assert response.body == BOMB and response.get("Content-Encoding") == "gzip"
    else:
        assert expect_problem(response, "upstream_error", status=status) and not response.has("Content-Encoding")
    if not SANITIZED:
        assert instance.memory_peak() - before < 4 * MIB


@pytest.mark.parametrize("pack", [gzip.compress, bytes], ids=["compressed", "only said to be"])
def test_S07_a_compressed_message_is_not_read(gateway, backend, pack):
    body = pack(json.dumps({"message": "hidden"}).encode())
    server = backend(answer_all(lambda _: http1.response_text(404, COMPRESSED, body)))
    problem = expect_problem(start(gateway, server.url).get("/"), "upstream_error", status=404)
    assert problem["detail"] == "The service reported an error."


def test_S07_a_compressed_request_passes_as_it_is(gateway, backend):
    server = backend(answer_all(echo))
    instance = start(gateway, server.url)
    before = instance.memory_peak()
    with instance.client() as client:
        assert client.request("POST", "/", COMPRESSED, BOMB).body == BOMB
    assert server.requests[0].get("Content-Encoding") == "gzip"
    if not SANITIZED:
        assert instance.memory_peak() - before < 4 * MIB
