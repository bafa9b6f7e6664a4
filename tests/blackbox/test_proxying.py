"""Requests reach the backend and answers the client, byte for byte, whatever their framing."""

import random

import pytest

from harness import configs, http1
from harness.backend import answer_all, echo
from harness.client import RawClient

# One byte around the sizes at which buffers, windows and chunk lengths change.
SIZES = [0, 1, 2, 4095, 4096, 16383, 16384, 16385, 32768, 65535, 65536, 65537, 131072, 1048577]
FRAMINGS = ["length", "chunked"]


def random_bytes(size):
    return random.Random(size).randbytes(size)


def chunked_echo(request):
    """Answers with the request's body in chunks of odd sizes."""
    body = http1.chunked(request.body, [1, 16384, 7, 65537, 300])
    return http1.response_text(200, [("Transfer-Encoding", "chunked")]) + body


@pytest.fixture(name="echo_port", scope="module")
def _echo_port(module_gateway, module_backend):
    def answer(request):
        return chunked_echo(request) if request.target.startswith("/chunked") else echo(request)

    server = module_backend(answer_all(answer))
    return module_gateway(configs.public(server.url)).port


def test_get_is_forwarded(gateway, backend):
    server = backend(answer_all(lambda _: http1.response_text(
        200, [("Content-Type", "application/json"), ("X-Served-By", "seven")], b'{"a":1}', reason="Fine")))
    response = gateway(configs.public(server.url)).get("/some/path?q=1", [("Accept", "application/json")])
    request = server.requests[0]
    assert (request.method, request.target, request.version) == ("GET", "/some/path?q=1", 1)
    assert request.get("Accept") == "application/json" and request.body == b""
    assert (response.status, response.body) == (200, b'{"a":1}')
    assert response.get("Content-Type") == "application/json" and response.get("X-Served-By") == "seven"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_methods_with_a_body(echo_port, method):
    with RawClient(echo_port) as client:
        response = client.request(method, "/x", [("Content-Type", "text/plain")], b"hello")
        assert (response.status, response.body) == (200, b"hello")


def test_keep_alive_reuses_connections_on_both_sides(gateway, backend):
    server = backend()
    instance = gateway(configs.public(server.url))
    with instance.client() as client:
        for i in range(50):
            assert client.get(f"/{i}").body == b"ok"
    for i in range(10):
        assert instance.get(f"/single/{i}").body == b"ok"
    assert len(server.requests) == 60
    assert len(server.connections) == 1


def test_connection_close_of_the_client_leaves_the_upstream_connection(gateway, backend):
    server = backend()
    instance = gateway(configs.public(server.url))
    for _ in range(3):
        with instance.client() as client:
            response = client.get("/", [("Connection", "close")])
            assert response.body == b"ok" and "close" in response.tokens("Connection")
            client.expect_closed()
    assert len(server.connections) == 1


def test_connection_close_of_the_backend_leaves_the_client_connection(gateway, backend):
    def handler(connection):
        connection.read_request()
        connection.send(http1.response_text(200, [("Connection", "close")], b"once"))

    server = backend(handler)
    with gateway(configs.public(server.url)).client() as client:
        for _ in range(5):
            response = client.get("/")
            assert response.body == b"once" and "close" not in response.tokens("Connection")
    assert len(server.connections) == 5


def test_a_request_in_single_bytes(echo_port):
    with RawClient(echo_port) as client:
        for byte in http1.request_text("POST", "/x", [("A", "b")], b"slow"):
            client.send(bytes([byte]))
        assert client.response().body == b"slow"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("answer", FRAMINGS)
@pytest.mark.parametrize("upload", FRAMINGS)
def test_bodies_are_identical(echo_port, upload, answer, size):
    body = random_bytes(size)
    with RawClient(echo_port) as client:
        if upload == "length":
            client.send(http1.request_text("POST", f"/{answer}", body=body))
        else:
            client.send(http1.request_text("POST", f"/{answer}", [("Transfer-Encoding", "chunked")]))
            client.send(http1.chunked(body, [16384, 1, 16383, 100000, 17]))
        response = client.response()
        assert response.status == 200 and response.body == body
        assert client.get("/next").status == 200


def test_a_chunked_upload_in_chunks_of_one_byte(echo_port):
    body = random_bytes(3000)
    with RawClient(echo_port) as client:
        client.send(http1.request_text("POST", "/x", [("Transfer-Encoding", "chunked")]) + http1.chunked(body, [1]))
        assert client.response().body == body


def test_a_body_until_close_becomes_a_framed_one(gateway, backend):
    body = random_bytes(200_000)

    def handler(connection):
        connection.read_request()
        connection.send(http1.response_text(200) + body)

    server = backend(handler)
    with gateway(configs.public(server.url)).client() as client:
        for _ in range(2):
            response = client.get("/")
            assert response.body == body and response.chunked


def test_http_1_0_client(gateway, backend):
    body = random_bytes(100_000)
    server = backend(answer_all(
        lambda _: http1.response_text(200, [("Transfer-Encoding", "chunked")]) + http1.chunked(body, [9999])))
    with gateway(configs.public(server.url)).client() as client:
        client.send(b"GET /old HTTP/1.0\r\nHost: gateway.test\r\n\r\n")
        response = client.response()
        assert response.status == 200 and response.body == body and not response.chunked
        client.expect_closed()
    assert server.requests[0].version == 1


def test_repeated_and_odd_fields_pass_unchanged(gateway, backend):
    fields = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Obs", b"caf\xe9"), ("X-Empty", "")]
    server = backend(answer_all(lambda _: http1.response_text(200, fields, b"ok")))
    response = gateway(configs.public(server.url)).get("/", [
        ("Cookie", "s=1; t=2"), ("X-Many", "one"), ("x-many", "two, three"), ("X-Obs", b"\xff\xfe ok"), ("X-Empty", "")])
    request, = server.requests
    assert request.all("X-Many") == ["one", "two, three"]
    assert request.get("X-Obs") == "\xff\xfe ok" and request.get("Cookie") == "s=1; t=2" and request.get("X-Empty") == ""
    assert response.all("Set-Cookie") == ["a=1", "b=2"] and response.get("X-Obs") == "caf\xe9"
