"""What is too large is refused early, without reading it all, and without a word to the backend."""

import pytest

from harness import configs, http1
from harness.backend import answer_all, echo
from harness.problems import expect_problem

LIMITS = {"head": "4KiB", "fields": 20, "target": "1KiB", "body": "10KiB"}


@pytest.fixture(name="server", scope="module")
def _server(module_backend):
    return module_backend(answer_all(echo))


@pytest.fixture(name="instance", scope="module")
def _instance(module_gateway, server):
    config = configs.public(server.url, limits=LIMITS)
    config["routes"].append({"path": "/large", "service": "backend", "public": True, "max_body": "20KiB"})
    return module_gateway(config)


@pytest.fixture(name="client")
def _client(instance):
    with instance.client() as client:
        yield client


def refuse(client, server, request, *codes):
    """Sends `request` and expects one of `codes` and a closed connection; the backend saw nothing of it."""
    seen = len(server.requests)
    client.send_tolerantly(request)
    expect_problem(client.response(), *codes)
    client.expect_closed()
    assert len(server.requests) == seen


def test_head_too_large(client, server):
    refuse(client, server, http1.request_text("GET", "/", [("X-Large", "x" * 5000)]), "headers_too_large")


def test_head_too_large_without_an_end(client, server):
    refuse(client, server, b"GET / HTTP/1.1\r\nHost: a\r\nX-Large: " + b"x" * 8000, "headers_too_large")


def test_head_too_large_in_many_lines(client, server):
    refuse(client, server, http1.request_text("GET", "/", [(f"X-{i}", "x" * 300) for i in range(18)]), "headers_too_large")


def test_head_within_the_limit(client):
    assert client.get("/", [("X-Large", "x" * 3800)]).status == 200


def test_too_many_fields(client, server):
    refuse(client, server, http1.request_text("GET", "/", [(f"X-{i}", "1") for i in range(20)]), "headers_too_large")


def test_fields_within_the_limit(client):
    assert client.get("/", [(f"X-{i}", "1") for i in range(19)]).status == 200


@pytest.mark.parametrize("size", [1025, 2000, 8000])
def test_target_too_long(client, server, size):
    refuse(client, server, http1.request_text("GET", "/".ljust(size, "a")), "uri_too_long")


def test_target_within_the_limit(client):
    assert client.get("/".ljust(1024, "a")).status == 200


def test_body_too_large_by_content_length(client, server):
    """The answer comes before the body, which is never sent."""
    refuse(client, server, http1.request_text("POST", "/", [("Content-Length", "10241")]), "body_too_large")


def test_body_too_large_with_expect(client, server):
    refuse(client, server, http1.request_text("POST", "/", [("Content-Length", "10241"), ("Expect", "100-continue")]), "body_too_large")


@pytest.mark.parametrize("length", ["9223372036854775808", "18446744073709551615"])
def test_body_length_beyond_any_number(client, server, length):
    refuse(client, server, http1.request_text("POST", "/", [("Content-Length", length)]), "body_too_large", "bad_request")


def test_body_too_large_by_count_of_chunks(client, server):
    client.send(http1.request_text("POST", "/", [("Transfer-Encoding", "chunked")]))
    client.send_tolerantly(http1.chunk(b"x" * 1000) * 30)
    expect_problem(client.response("POST"), "body_too_large")
    client.expect_closed()
    assert not any(request.complete and request.chunked for request in server.requests)


def test_bodies_at_the_limit(client):
    assert client.request("POST", "/", body=b"x" * 10240).body == b"x" * 10240
    client.send(http1.request_text("POST", "/", [("Transfer-Encoding", "chunked")]) + http1.chunked(b"y" * 10240, [1000]))
    assert client.response().body == b"y" * 10240


def test_a_route_has_a_limit_of_its_own(client, server):
    assert client.request("POST", "/large", body=b"x" * 20480).body == b"x" * 20480
    refuse(client, server, http1.request_text("POST", "/large", [("Content-Length", "20481")]), "body_too_large")


def test_an_early_refusal_survives_a_body_already_on_its_way(instance, server):
    """The client writes on while the answer comes: it must not be lost to a reset."""
    for _ in range(20):
        with instance.client() as client:
            refuse(client, server, http1.request_text("POST", "/", body=b"x" * 100_000), "body_too_large")


def test_a_thousand_clients_kept_alive(instance):
    clients = []
    try:
        for _ in range(1000):
            clients.append(instance.client())
        for _ in range(2):
            for client in clients:
                client.send(http1.request_text("GET", "/"))
            for client in clients:
                assert client.response().status == 200
    finally:
        for client in clients:
            client.close()
    assert instance.get("/").status == 200
