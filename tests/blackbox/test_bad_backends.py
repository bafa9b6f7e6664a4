"""Backends that fail: the client gets one clear error, or a stream that is visibly cut. Nothing internal leaks."""

import pytest

from harness import configs, http1
from harness.backend import ok
from harness.http1 import Cut
from harness.problems import expect_problem

CHUNKED = [("Transfer-Encoding", "chunked")]

# Whole answers that are not valid HTTP.
INVALID = {
    "garbage": b"\x00\x01\x02\x03 this is not HTTP\r\n\r\n",
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "bad version": b"HTTP/9.9 200 OK\r\n\r\n",
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "status of two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "CL and TE": http1.response_text(200, [("Content-Length", "5")] + CHUNKED) + b"0\r\n\r\n",
    "two different CL": http1.response_text(200, [("Content-Length", "5"), ("Content-Length", "6")]) + b"hello",
    "negative CL": http1.response_text(200, [("Content-Length", "-5")]) + b"hello",
    "unknown TE": http1.response_text(200, [("Transfer-Encoding", "gzip, chunked")]) + b"0\r\n\r\n",
    "folded field": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "NUL in a value": b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n",
    "a line without a colon": b"HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 0\r\n\r\n",
    "oversized head": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
    "too many fields": http1.response_text(200, [(f"X-{i}", "1") for i in range(2000)], b""),
    "unsolicited 101": b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
}

# Answers that go wrong after a good head.
BROKEN_BODIES = {
    "short body": http1.response_text(200, [("Content-Length", "100")]) + b"part",
    "no last chunk": http1.response_text(200, CHUNKED) + http1.chunk(b"part"),
    "cut inside a chunk": http1.response_text(200, CHUNKED) + b"64\r\npart",
    "bad chunk size": http1.response_text(200, CHUNKED) + http1.chunk(b"part") + b"xyz\r\n",
    "chunk longer than its size": http1.response_text(200, CHUNKED) + b"2\r\nparts\r\n0\r\n\r\n",
    "bare LF in chunks": http1.response_text(200, CHUNKED) + http1.chunk(b"part") + b"5\nhello\n0\n\n",
    "no CRLF at the end": http1.response_text(200, CHUNKED) + http1.chunk(b"part") + b"0\r\nXX",
}


def answering(data, end="close"):
    """A handler that answers the first request with `data`, then closes, resets or holds."""

    def handler(connection):
        connection.read_request()
        if data:
            connection.send(data)
        if end == "reset":
            connection.reset()
        elif end == "hold":
            connection.wait_closed_by_peer()

    return handler


def start(gateway, backend, handler, route=None):
    server = backend(handler)
    return server, gateway(configs.public(server.url, route))


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("end", ["close", "reset"])
def test_no_answer_at_all(gateway, backend, end, method):
    server, instance = start(gateway, backend, answering(b"", end))
    with instance.client() as client:
        response = client.request(method, "/", body=b"x" if method == "POST" else None)
        expect_problem(response, "upstream_reset")
        client.expect_consistent(response)
    posts = [request for request in server.requests if request.method == "POST"]
    assert len(posts) == (method == "POST"), "a POST is never sent twice"
    assert len(server.requests) <= 4, "one retry at most"


@pytest.mark.parametrize("end", ["close", "reset"])
def test_an_end_within_the_head(gateway, backend, end):
    server, instance = start(gateway, backend, answering(b"HTTP/1.1 200 OK\r\nContent-", end))
    with instance.client() as client:
        response = client.get("/")
        expect_problem(response, "upstream_reset", "upstream_invalid")
        client.expect_consistent(response)
    assert server.requests


@pytest.mark.parametrize("data", INVALID.values(), ids=list(INVALID))
def test_invalid_answers(gateway, backend, data):
    server, instance = start(gateway, backend, answering(data, "hold"))
    with instance.client() as client:
        response = client.get("/")
        expect_problem(response, "upstream_invalid")
        client.expect_consistent(response)
    server.wait_disconnected(0)


@pytest.mark.parametrize("data", BROKEN_BODIES.values(), ids=list(BROKEN_BODIES))
def test_broken_bodies_are_cut_visibly(gateway, backend, data):
    """Unless nothing of the answer was sent yet: then a 502 is better still."""
    server, instance = start(gateway, backend, answering(data))
    with instance.client() as client:
        client.send(http1.request_text("GET", "/"))
        response = client.head()
        if response.status == 502:
            expect_problem(client.finish(response), "upstream_invalid", "upstream_reset")
        else:
            with pytest.raises(Cut):
                client.finish(response)
    assert len(server.requests) == 1, "an answer that has begun is not asked for again"


def test_a_reset_within_the_body_is_cut_visibly(gateway, backend):
    _, instance = start(gateway, backend, answering(http1.response_text(200, [("Content-Length", "100000")]) + b"x" * 50000, "reset"))
    with instance.client() as client:
        client.send(http1.request_text("GET", "/"))
        response = client.head()
        if response.status == 502:
            expect_problem(client.finish(response), "upstream_reset")
        else:
            with pytest.raises(Cut):
                client.finish(response)


@pytest.mark.parametrize("extra", [b"x", http1.response_text(200, [], b"for somebody else")])
def test_bytes_after_an_answer_reach_nobody(gateway, backend, extra):
    """A connection with surplus bytes is dropped: what it holds could answer the next client's request."""

    def handler(connection):
        while True:
            request = connection.read_request()
            connection.send(http1.response_text(200, [], request.target.encode()) + extra)

    _, instance = start(gateway, backend, handler)
    for i in range(10):
        assert instance.get(f"/{i}").body == f"/{i}".encode()


def test_a_body_after_a_head_answer_reaches_nobody(gateway, backend):
    def handler(connection):
        while True:
            request = connection.read_request()
            connection.send(http1.response_text(200, [], request.target.encode()))

    _, instance = start(gateway, backend, handler)
    with instance.client() as client:
        for i in range(5):
            assert client.request("HEAD", f"/head/{i}").status == 200
            assert client.get(f"/get/{i}").body == f"/get/{i}".encode()


def stale(connection):
    """The first request of every connection but the first is answered; the second on the first one is met by a reset."""
    connection.send(ok(connection.read_request()))
    if connection.number:
        connection.send(ok(connection.read_request()))
        return
    connection.read_request()
    connection.reset()


def test_a_get_on_a_stale_connection_is_sent_again(gateway, backend):
    server, instance = start(gateway, backend, stale)
    assert instance.get("/first").status == 200
    assert instance.get("/second").status == 200
    assert [request.target for request in server.requests] == ["/first", "/second", "/second"]
    assert instance.wait_log(2)[1]["attempts"] == 2


def test_a_post_on_a_stale_connection_is_not_sent_again(gateway, backend):
    server, instance = start(gateway, backend, stale)
    with instance.client() as client:
        assert client.get("/first").status == 200
        response = client.request("POST", "/second", body=b"once")
        expect_problem(response, "upstream_reset")
        client.expect_consistent(response)
    assert [request.target for request in server.requests if request.method == "POST"] == ["/second"]


def test_a_connection_closed_while_idle_does_not_matter(gateway, backend):
    def handler(connection):
        connection.send(ok(connection.read_request()))

    server, instance = start(gateway, backend, handler)
    with instance.client() as client:
        for _ in range(20):
            assert client.get("/").status == 200
    assert len(server.requests) == 20


def test_another_endpoint_takes_over_when_one_refuses(gateway, backend):
    closed, server = backend(listening=False), backend()
    config = configs.base({"backend": {"endpoints": [closed.url, server.url]}}, [{"path": "/", "service": "backend", "public": True}])
    instance = gateway(config)
    for _ in range(10):
        assert instance.get("/").status == 200


def test_a_backend_that_comes_up_late(gateway, backend):
    server = backend(listening=False)
    instance = gateway(configs.public(server.url))
    with instance.client() as client:
        expect_problem(client.get("/"), "upstream_unreachable")
    server.listen()
    assert instance.get("/").status == 200


def test_an_answer_of_many_interim_heads(gateway, backend):
    """Interim heads are bounded in number: a backend cannot keep a client waiting with them for ever."""

    def handler(connection):
        connection.read_request()
        for _ in range(10_000):
            connection.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        connection.wait_closed_by_peer()

    server, instance = start(gateway, backend, handler)
    with instance.client() as client:
        client.send(http1.request_text("GET", "/"))
        try:
            expect_problem(client.response(), "upstream_invalid")
        except ConnectionError:
            pass  # cut off is right, too
    server.wait_disconnected(0)
