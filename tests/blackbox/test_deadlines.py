"""Whoever is silent for too long is cut off, on either side. Time-outs are configured short; nothing here sleeps."""

import socket
import threading

import pytest

from harness import configs, http1
from harness.backend import ok
from harness.client import RawClient
from harness.gateway import measure
from harness.http1 import Cut
from harness.problems import expect_problem

SHORT = "300ms"


def start(gateway, url, **timeouts):
    return gateway(configs.with_timeouts(configs.public(url), **timeouts))


def test_an_idle_client_is_closed_without_a_word(gateway, backend):
    instance = start(gateway, backend().url, client_idle=SHORT)
    with instance.client() as client:
        assert client.get("/").status == 200
        client.expect_closed()


def test_an_idle_upstream_connection_is_closed(gateway, backend):
    server = backend()
    instance = start(gateway, server.url, upstream_idle=SHORT)
    assert instance.get("/").status == 200
    server.wait_disconnected(0)
    assert instance.get("/").status == 200
    assert len(server.connections) == 2


def test_an_endpoint_that_takes_no_connection(gateway):
    """A full accept queue drops every further SYN, as a black hole would."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = []
        try:
            for _ in range(8):
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", port))
                fillers.append(filler)
            url = f"http://127.0.0.1:{port}"
            config = configs.base({"backend": configs.service(url, connect=SHORT)}, [{"path": "/", "service": "backend", "public": True}])
            expect_problem(gateway(config).get("/"), "upstream_timeout", "upstream_unreachable")
        finally:
            for filler in fillers:
                filler.close()


def silent(gateway, backend, handler, **timeouts):
    server = backend(handler)
    config = configs.base({"backend": configs.service(server.url, **timeouts)}, [{"path": "/", "service": "backend", "public": True}])
    return server, gateway(config)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_backend_that_never_answers(gateway, backend, method):
    def handler(connection):
        connection.read_request()
        connection.wait_closed_by_peer()

    server, instance = silent(gateway, backend, handler, first_byte=SHORT)
    with instance.client() as client:
        response = client.request(method, "/", body=b"x" if method == "POST" else None)
        expect_problem(response, "upstream_timeout")
    server.wait_disconnected()
    assert len(server.requests) == 1, "a time-out is no reason to ask again"


def test_an_answer_that_begins_and_stops_within_its_head(gateway, backend):
    def handler(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Le")
        connection.wait_closed_by_peer()

    server, instance = silent(gateway, backend, handler, first_byte=SHORT, between_bytes=SHORT)
    expect_problem(instance.get("/"), "upstream_timeout")
    server.wait_disconnected()


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_an_answer_that_stops_within_its_body_is_cut_visibly(gateway, backend, framing):
    fields = {"length": [("Content-Length", "100")], "chunked": [("Transfer-Encoding", "chunked")], "close": []}[framing]

    def handler(connection):
        connection.read_request()
        connection.send(http1.response_text(200, fields) + (http1.chunk(b"part") if framing == "chunked" else b"part"))
        connection.wait_closed_by_peer()

    server, instance = silent(gateway, backend, handler, between_bytes=SHORT)
    with instance.client() as client:
        client.send(http1.request_text("GET", "/"))
        response = client.head()
        assert response.status == 200
        with pytest.raises(Cut) as cut:
            client.finish(response)
        assert cut.value.partial in (b"part", b"")
    server.wait_disconnected()


def test_a_slow_but_steady_answer_is_not_cut(gateway, backend):
    """The time between bytes counts, not the sum: the whole answer takes longer than the time-out."""

    def handler(connection):
        connection.read_request()
        connection.send(http1.response_text(200, [("Content-Length", "10")]))
        pause = threading.Event()
        for i in range(10):
            connection.send(b"%d" % i)
            pause.wait(0.05)

    _, instance = silent(gateway, backend, handler, between_bytes="400ms")
    response, seconds = measure(lambda: instance.get("/"))
    assert response.body == b"0123456789"
    assert seconds > 0.4


def test_one_silent_backend_does_not_hold_up_another(gateway, backend):
    def hold(connection):
        connection.read_request()
        connection.wait_closed_by_peer()

    slow, quick = backend(hold), backend()
    config = configs.base({"slow": slow.url, "quick": quick.url}, [
        {"path": "/slow", "service": "slow", "public": True}, {"path": "/quick", "service": "quick", "public": True}])
    instance = gateway(config)
    with RawClient(instance.port) as waiting:
        waiting.send(http1.request_text("GET", "/slow"))
        slow.wait_requests(1)
        for _ in range(20):
            assert instance.get("/quick").body == ok(None)[-2:]
