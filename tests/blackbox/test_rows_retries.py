"""Rows P09 to P11: what may be sent twice, what never, and clients that leave."""

import select
import socket
import threading

import pytest

from harness import configs, http1
from harness.backend import answer_all, ok
from harness.problems import expect_problem
from harness.scene import HOST
from harness.wait import TIMEOUT

IDEMPOTENT = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]
OTHERS = ["POST", "PATCH"]


def has_body(method):
    return method in ("PUT", "POST", "PATCH")


def stale(end):
    """The first connection answers its first request and meets the next one with `end`; all others answer everything."""

    def handler(connection):
        while True:
            request = connection.read_head()
            if connection.number == 0 and len(connection.requests) > 1:
                getattr(connection, end)()
                return
            connection.finish(request)
            connection.send(http1.response_text(200, [("Content-Length",
            "2")]) if request.method == "HEAD" else ok(request))

    return handler


def start(gateway, backend, handler):
    server = backend(handler)
    return server, gateway(configs.public(server.url))


@pytest.mark.parametrize("end", ["reset", "close"])
@pytest.mark.parametrize("method", IDEMPOTENT)
def test_P10_a_stale_connection_is_replaced_by_a_fresh_one(gateway, backend, method, end):
    server, instance = start(gateway, backend, stale(end))
    assert instance.get("/first").status == 200
    with instance.client() as client:
        response = client.request(method, "/second", body=b"body" if has_body(method) else None)
        assert response.status == 200
        client.expect_consistent(response, "/third")
    assert [request.target for request in server.requests] == ["/first", "/second", "/second", "/third"]
    assert {request.body for request in server.requests[1:3] if request.complete} == {b"body" if has_body(method) else b""}
    assert len(server.connections) == 2
    record, = instance.wait_log(where=lambda line: line["path"] == "/second")
    assert record["attempts"] == 2 and record["status"] == 200


@pytest.mark.parametrize("end", ["reset", "close"])
@pytest.mark.parametrize("method", OTHERS)
@pytest.mark.parametrize("body", [b"once", b"", b"x" * 100_000], ids=["small", "empty", "large"])
def test_P10_what_is_not_idempotent_is_not_sent_twice(gateway, backend, method, end, body):
    server, instance = start(gateway, backend, stale(end))
    assert instance.get("/first").status == 200
    with instance.client() as client:
        response = client.request(method, "/second", body=body)
        expect_problem(response, "upstream_reset")
        if "close" not in response.tokens("Connection"):
            client.expect_consistent(response, "/third")
    assert [request.target for request in server.requests if request.method == method] == ["/second"]


def test_P10_a_connection_closed_while_idle_costs_nothing(gateway, backend):
    """The end is seen before the next request: even a POST is sent, once, on another connection."""
    closed = threading.Semaphore(0)

    def handler(connection):
        connection.send(ok(connection.read_request()))
        connection.close()
        closed.release()

    server, instance = start(gateway, backend, handler)
    with instance.client() as client:
        for number in range(20):
            method, body = ("POST", b"x") if number % 2 else ("GET", None)
            assert client.request(method, "/", body=body).status == 200
            assert closed.acquire(timeout=TIMEOUT)
    assert len(server.requests) == 20 and all(request.complete for request in server.requests)


@pytest.mark.parametrize("end", ["reset", "close"])
@pytest.mark.parametrize("method", IDEMPOTENT + OTHERS)
def test_P09_one_repetition_at_most(gateway, backend, method, end):
    def handler(connection):
        connection.read_request()
        getattr(connection, end)()

    server, instance = start(gateway, backend, handler)
    with instance.client() as client:
        response = client.request(method, "/", body=b"body" if has_body(method) else None)
        assert response.status == 502
        if method != "HEAD":
            expect_problem(response, "upstream_reset")
        assert "close" not in response.tokens("Connection")
    assert len(server.requests) == (1 if method in OTHERS else 2)
    assert instance.wait_log()[0]["attempts"] == len(server.requests)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_P09_a_connection_reset_before_the_request_is_read(gateway, backend, method):
    server, instance = start(gateway, backend, lambda connection: connection.reset())
    with instance.client() as client:
        response = client.request(method, "/", body=b"x" if method == "POST" else None)
        expect_problem(response, "upstream_reset", "upstream_unreachable")
        client.expect_consistent(response)
    assert len(server.connections) <= 4 and not server.requests


@pytest.mark.parametrize("start_of_answer", [b"H", b"HTTP/1.1 200 OK\r\n", http1.response_text(103)])
def test_P09_nothing_is_repeated_once_an_answer_has_begun(gateway, backend, start_of_answer):
    def handler(connection):
        connection.read_request()
        connection.send(start_of_answer)

    server, instance = start(gateway, backend, handler)
    expect_problem(instance.get("/"), "upstream_reset")
    assert len(server.requests) == 1


def test_P09_a_body_that_was_streamed_is_not_repeated(gateway, backend):
    """PUT is idempotent, but its body has gone by."""

    def reset_midway(connection):
        connection.read_head()
        while len(connection.received) < 100_000:
            assert connection.reader.fill()
        connection.reset()

    server, instance = start(gateway, backend, reset_midway)
    with instance.client() as client:
        client.send_tolerantly(http1.request_text("PUT", "/", body=b"x" * 1_000_000))
        expect_problem(client.response("PUT"), "upstream_reset")
    assert len(server.requests) == 1


@pytest.mark.parametrize("method", IDEMPOTENT + OTHERS)
def test_P09_a_refused_connect_is_tried_elsewhere(gateway, backend, method):
    """Nothing was sent, so any method may go to another endpoint, its body with it."""
    closed, server = backend(listening=False), backend(answer_all(lambda r: http1.response_text(200,
        [("Content-Length", "0")])))
    config = configs.base(
        {"backend": {"endpoints": [closed.url, server.url]}}, [{"path": "/", "service": "backend", "public": True}])
    instance = gateway(config)
    with instance.client() as client:
        for _ in range(4):
            assert client.request(method, "/", body=b"body" if has_body(method) else None).status == 200
    assert [request.body for request in server.requests] == [b"body" if has_body(method) else b""] * 4


def test_P09_a_service_that_is_down_is_said_to_be(gateway, backend):
    server = backend(listening=False)
    instance = gateway(configs.public(server.url))
    with instance.client() as client:
        response = client.get("/")
        expect_problem(response, "upstream_unreachable")
        client.send(http1.request_text("POST", "/", body=b"x"))
        expect_problem(client.response("POST"), "upstream_unreachable")
    server.listen()
    assert instance.get("/").status == 200


def test_P09_a_time_out_is_no_reason_to_repeat(gateway, backend):
    def handler(connection):
        connection.read_request()
        connection.wait_closed_by_peer()

    server = backend(handler)
    config = configs.base({"backend": configs.service(server.url, first_byte="200ms")},
        [{"path": "/", "service": "backend", "public": True}])
    expect_problem(gateway(config).get("/"), "upstream_timeout")
    server.wait_disconnected(0)
    assert len(server.requests) == 1


def test_P09_repetitions_have_a_budget(gateway, backend):
    """A failing service is not sent twice the load: at most a fifth more, plus ten to begin with."""
    server, instance = start(gateway, backend, lambda connection: connection.read_request() and connection.reset())
    with instance.client() as client:
        for _ in range(200):
            expect_problem(client.get("/"), "upstream_reset")
    assert 200 + 10 <= len(server.requests) <= 200 + 200 // 5 + 12


@pytest.fixture(name="waiting")
def _waiting(gateway, backend):
    """(server, gateway, release): /wait is answered after `release()`, unless the gateway has left by then."""
    told, tell = socket.socketpair()

    def handler(connection):
        while True:
            request = connection.read_request()
            if request.target == "/wait":
                ready, _, _ = select.select([connection.sock, told], [], [], TIMEOUT)
                if connection.sock in ready and not connection.reader.fill():
                    connection.mark_closed()
                    return
            connection.send(ok(request))

    with told, tell:
        yield *start(gateway, backend, handler), lambda: tell.send(b"x")


@pytest.mark.parametrize("minor", [0, 1])
def test_P11_a_half_closed_client_gets_its_answer(waiting, minor):
    server, instance, release = waiting
    with instance.client() as client:
        client.send(f"GET /wait HTTP/1.{minor}\r\n".encode() + HOST + b"\r\n")
        server.wait_requests(1)
        client.shutdown_write()
        release()
        response = client.response()
        assert (response.status, response.body) == (200, b"ok")
        client.expect_closed()
    record, = instance.wait_log()
    assert (record["status"], record["code"]) == (200, None)


@pytest.mark.parametrize("leave", ["reset", "close"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_P11_a_client_that_leaves_ends_the_request(waiting, method, leave):
    """With a reset, or with an orderly end that no reader stands behind. The service is told at once, not at its answer."""
    server, instance, release = waiting
    client = instance.client()
    client.send(http1.request_text(method, "/wait", body=b"x" if method == "POST" else None))
    server.wait_requests(1)
    getattr(client, leave)()
    server.wait_disconnected(0)
    release()
    record, = instance.wait_log()
    assert (record["status"], record["code"]) == (499, "client_closed")
    assert instance.get("/next").body == b"ok" and len(server.connections) == 2


def test_P11_a_client_that_leaves_with_a_pipeline_behind_it(waiting):
    server, instance, release = waiting
    client = instance.client()
    client.send(http1.request_text("GET", "/wait") + http1.request_text("GET", "/never"))
    server.wait_requests(1)
    client.reset()
    server.wait_disconnected(0)
    release()
    assert instance.get("/next").status == 200
    assert [request.target for request in server.requests] == ["/wait", "/next"]
