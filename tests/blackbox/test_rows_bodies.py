"""Rows F16 to F20: bodies where nobody expects them, answers before the body's end, Expect, cut bodies, pipelines."""

import pytest

from harness import configs, http1
from harness.backend import answer_all, echo, ok
from harness.http1 import Cut
from harness.problems import expect_problem
from harness.scene import HOST, SMUGGLED, Scene, get
from harness.tokens import bearer

NEXT = http1.request_text("GET", "/open/next")
FRAMINGS = ["length", "chunked"]
# code: the target that answers with it whatever the body.
REFUSALS = {
    "missing_token": "/protected", "invalid_token": "/protected", "route_not_found": "/nowhere",
    "method_not_allowed": "/read-only",
    "rate_limited": "/limited",
}


def framed(body, framing):
    """(field, the body as it is sent)."""
    if framing == "length":
        return ("Content-Length", str(len(body))), body
    return ("Transfer-Encoding", "chunked"), http1.chunked(body, [7, 3])


def answer(request):
    return http1.response_text(200, [("Content-Length", "0")]) if request.method == "HEAD" else echo(request)


@pytest.fixture(name="scene", scope="module")
def _scene(module_gateway, module_backend, issuer, tmp_path_factory):
    server = module_backend(answer_all(answer))
    routes = [
        {"path": "/open", "service": "backend", "public": True},
        {"path": "/probe", "service": "backend", "public": True},
        {"path": "/protected", "service": "backend"}, {"path": "/small", "service": "backend", "public": True,
        "max_body": "10B"},
        {"path": "/read-only", "service": "backend", "public": True, "methods": ["GET"]},
        {"path": "/limited", "service": "backend", "public": True, "limits": ["once"]},
    ]
    jwks = issuer.write_jwks(tmp_path_factory.mktemp("keys"))
    config = configs.base(
        {"backend": server.url}, routes, authentication=configs.authentication(issuer, jwks),
        rate_limits={"once": {"key": "address", "tokens": 1, "refill": "1/h"}})
    instance = module_gateway(config)
    assert instance.get("/limited").status == 200  # from here on there is no token left
    return Scene(instance, server)


def fields_for(code, *fields):
    return [*fields, *(bearer("a.b.c") if code == "invalid_token" else [])]


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE", "POST", "PUT", "PATCH"])
def test_F16_framing_does_not_depend_on_the_method(scene, method, framing):
    seen = len(scene.server.requests)
    field, body = framed(SMUGGLED, framing)
    with scene.gateway.client() as client:
        client.send(http1.request_text(method, "/open/first", [field]) + body + NEXT)
        assert client.response(method).body == (b"" if method == "HEAD" else SMUGGLED)
        assert client.response().status == 200
    request = scene.server.requests[seen]
    assert (request.method, request.body, request.chunked) == (method, SMUGGLED, framing == "chunked")
    assert request.get("Content-Length") == (None if framing == "chunked" else str(len(SMUGGLED)))
    scene.expect_heard(seen, ["/open/first", "/open/next"])


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE", "POST"])
@pytest.mark.parametrize("code", [code for code in REFUSALS if code != "method_not_allowed"])
def test_F16_a_refused_request_takes_its_body_along(scene, code, method, framing):
    """The whole body is there already: it is read and dropped, and what follows is the next request."""
    seen = len(scene.server.requests)
    field, body = framed(SMUGGLED, framing)
    with scene.gateway.client() as client:
        client.send(http1.request_text(method, REFUSALS[code], fields_for(code, field)) + body + NEXT)
        response = client.response(method)
        if method != "HEAD":
            expect_problem(response, code)
        assert response.status in (401, 404, 429) and "close" not in response.tokens("Connection")
        assert client.response().status == 200
    scene.expect_heard(seen, ["/open/next"])


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("target,method,status", [("/read-only", "DELETE", 405), ("*", "OPTIONS", 204)])
def test_F16_a_body_on_an_answer_of_the_gateway(scene, target, method, status, framing):
    seen = len(scene.server.requests)
    field, body = framed(SMUGGLED, framing)
    with scene.gateway.client() as client:
        client.send(http1.request_text(method, target, [field]) + body + NEXT)
        response = client.response(method)
        assert response.status == status and response.has("Allow")
        assert client.response().status == 200
    scene.expect_heard(seen, ["/open/next"])


def start_of(body, framing):
    """As `framed`, but the last byte of the body, and what would end it, is missing."""
    if framing == "length":
        return ("Content-Length", str(len(body))), body[:-1]
    return ("Transfer-Encoding", "chunked"), http1.chunk(body[:-1])


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("code", [*REFUSALS, "body_too_large"])
def test_F17_a_refusal_before_the_end_of_the_body_closes(scene, code, framing):
    seen, heard = len(scene.server.requests), scene.heard()
    field, body = start_of(b"x" * 100, framing)
    with scene.gateway.client() as client:
        client.send(http1.request_text("POST", REFUSALS.get(code, "/small"), fields_for(code, field)) + body)
        response = client.response("POST")
        expect_problem(response, code)
        assert "close" in response.tokens("Connection")
        client.send_tolerantly(SMUGGLED)
        client.expect_closed()
    assert scene.heard() == heard
    scene.expect_heard(seen, [])


@pytest.mark.parametrize("code", ["missing_token", "body_too_large"])
def test_F17_a_refusal_survives_a_body_on_its_way(scene, code):
    """The client writes on while the answer comes: it must not be lost to a reset."""
    for _ in range(10):
        with scene.gateway.client() as client:
            client.send_tolerantly(http1.request_text("POST", REFUSALS.get(code, "/small"), body=b"x" * 1_000_000))
            expect_problem(client.response("POST"), code)
            client.expect_closed()


def test_F17_the_drain_is_bounded(scene):
    """A client that writes on for ever, and reads nothing, is cut off."""
    with scene.gateway.client() as client:
        client.send(http1.request_text("POST", "/protected", [("Content-Length", "9999999")]))
        block = bytes(65536)
        assert any(not client.send_tolerantly(block) for _ in range(1024)), "64 MiB were taken"


@pytest.mark.parametrize("finish", ["never", "later"])
@pytest.mark.parametrize("framing", FRAMINGS)
def test_F17_an_answer_before_the_body_spoils_the_upstream_connection(gateway, backend, framing, finish):
    """Its request was never written whole: what it would answer next is unknown."""

    def handler(connection):
        request = connection.read_head()
        if connection.number:
            connection.send(ok(connection.finish(request)))
        else:
            connection.send(http1.response_text(200, [], b"early"))
        connection.wait_closed_by_peer()

    server = backend(handler)
    instance = gateway(configs.public(server.url))
    field, body = start_of(b"x" * 100_000, framing)
    with instance.client() as client:
        client.send(http1.request_text("POST", "/x", [field]) + body[:1000])
        assert client.response().body == b"early"
        if finish == "later":
            client.send_tolerantly(body[1000:] + SMUGGLED)
        client.expect_closed()
    server.wait_disconnected(0)
    assert not server.requests[0].complete
    assert instance.get("/next").body == b"ok"
    assert [request.target for request in server.requests] == ["/x", "/next"] and len(server.connections) == 2


@pytest.mark.parametrize("framing", FRAMINGS)
def test_F17_an_early_error_of_the_service_announces_the_close(gateway, backend, framing):
    def handler(connection):
        connection.read_head()
        connection.send(http1.response_text(413, [], b"too much"))
        connection.wait_closed_by_peer()

    instance = gateway(configs.public(backend(handler).url))
    field, body = start_of(b"x" * 100_000, framing)
    with instance.client() as client:
        client.send(http1.request_text("POST", "/x", [field]) + body[:1000])
        response = client.response()
        assert response.status == 413 and "close" in response.tokens("Connection")
        client.expect_closed()


def expecting(target, *fields, length=5, version=b"1.1"):
    return http1.request_text("POST", target, [("Expect", "100-continue"), ("Content-Length", str(length)),
        *fields]).replace(
        b"HTTP/1.1", b"HTTP/" + version, 1)


def test_F18_continue_comes_when_the_body_is_wanted(scene):
    seen = len(scene.server.requests)
    with scene.gateway.client() as client:
        client.send(expecting("/open/x"))
        assert client.interim().status == 100
        client.send(b"hello")
        response = client.response()
        assert (response.status, response.body, response.interim) == (200, b"hello", [])
        client.expect_consistent(response, "/open/next")
    assert not scene.server.requests[seen].has("Expect")
    scene.expect_heard(seen, ["/open/x", "/open/next"])


@pytest.mark.parametrize("code", [*REFUSALS, "body_too_large"])
def test_F18_a_refusal_comes_instead_of_continue(scene, code):
    seen = len(scene.server.requests)
    with scene.gateway.client() as client:
        client.send(expecting(REFUSALS.get(code, "/small"), *fields_for(code), length=100))
        response = client.response("POST")
        expect_problem(response, code)
        assert response.interim == [] and "close" in response.tokens("Connection")
        client.expect_closed()
    scene.expect_heard(seen, [])


def test_F18_no_continue_if_the_service_cannot_be_reached(gateway, backend):
    with gateway(configs.public(backend(listening=False).url)).client() as client:
        client.send(expecting("/x"))
        response = client.response("POST")
        expect_problem(response, "upstream_unreachable")
        assert response.interim == []
        client.expect_closed()


@pytest.mark.parametrize("data", [
    expecting("/open/x") + b"hello", http1.request_text("GET", "/open/x", [("Expect", "100-continue")]),
    expecting("/open/x", length=0), expecting("/open/x").replace(b"100-c", b"100-C") + b"hello",
], ids=["body already sent", "no body", "empty body", "another case"])
def test_F18_no_continue_without_need(scene, data):
    with scene.gateway.client() as client:
        client.send(data)
        response = client.response()
        assert response.status == 200 and response.interim == []
        client.expect_consistent(response, "/open/next")


def test_F18_an_expectation_in_http_1_0_is_ignored(scene):
    seen = len(scene.server.requests)
    with scene.gateway.client() as client:
        client.send(expecting("/open/x", version=b"1.0"))
        scene.server.wait_requests(seen + 1)
        client.send(b"hello")
        response = client.response()
        assert (response.body, response.interim) == (b"hello", [])
    assert not scene.server.requests[seen].has("Expect")


@pytest.mark.parametrize("values", [
    ["200-ok"], ["y 100-continue"], ["100-continue, x"], ["100-continue, 100-continue"],
    ["100-continue", "100-continue"], ["100-continue", "x"],
    ["100-continue;q=1"], ['"100-continue"'], [""], ["100"], ["100-continu"], ["100 -continue"], ["100-continue\t;"],
])
def test_F18_an_unknown_expectation(scene, values):
    head = http1.request_text("POST", "/open/x", [*(("Expect", value) for value in values), ("Content-Length", "2")])
    scene.refuse(head + b"hi" + SMUGGLED, "expectation_failed")


@pytest.mark.parametrize("line", [b"Expect : 100-continue", b"Expect\x00: 100-continue", b"Expect: 100-continue\x0b",
    b"Expect:\r\n 100-continue"])
def test_F18_a_hidden_expectation(scene, line):
    scene.refuse(get(line, target=b"/open/x"), "bad_request")


@pytest.mark.parametrize("answered", [200, 403])
def test_F18_a_final_answer_instead_of_the_body(gateway, backend, answered):
    """The service answers without reading the body. Neither connection carries another request."""

    def handler(connection):
        connection.read_head()
        connection.send(http1.response_text(answered, [], b"no need"))
        connection.wait_closed_by_peer()

    server = backend(handler)
    instance = gateway(configs.public(server.url, {"errors": "passthrough"}))
    with instance.client() as client:
        client.send(expecting("/x", length=len(SMUGGLED)))
        response = client.response()
        assert (response.status, response.body) == (answered, b"no need")
        client.send_tolerantly(SMUGGLED)
        client.expect_closed()
    server.wait_disconnected(0)
    assert instance.get("/next").status == answered
    assert [request.target for request in server.requests] == ["/x", "/next"] and len(server.connections) == 2


@pytest.mark.parametrize("end", ["FIN", "RST"])
@pytest.mark.parametrize("start", [
    http1.request_text("POST", "/x", [("Content-Length", "1000")]) + b"x" * 500,
    http1.request_text("POST", "/x", [("Transfer-Encoding", "chunked")]) + b"5\r\nhello\r\n",
    http1.request_text("POST", "/x", [("Transfer-Encoding", "chunked")]) + b"9\r\nhello",
    http1.request_text("POST", "/x", [("Transfer-Encoding", "chunked")]) + b"5\r\nhello\r\n0\r\n",
    http1.request_text("POST", "/x", [("Transfer-Encoding", "chunked")]) + b"5\r\nhello\r\n0\r\nA: b\r\n",
], ids=["length", "between chunks", "in a chunk", "in the last chunk", "in the trailers"])
def test_F19_a_cut_body_never_looks_complete(gateway, backend, start, end):
    cuts = []

    def handler(connection):
        request = connection.read_head()
        try:
            connection.finish(request)
        except Cut as cut:
            cuts.append(cut.partial)
            raise

    server = backend(handler)
    instance = gateway(configs.public(server.url))
    client = instance.client()
    client.send(start)
    server.wait_for(lambda s: s.connections and s.connections[0].received.endswith((b"hello\r\n", b"x" * 500,
        b"hello")), "the body's start")
    if end == "RST":
        client.reset()
    else:
        client.shutdown_write()
        expect_problem(client.response("POST"), "bad_request")
        client.expect_closed()
        client.close()
    server.wait_disconnected(0)
    assert cuts and not server.requests[0].complete
    record, = instance.wait_log()
    assert (record["code"], record["status"]) == (("client_closed", 499) if end == "RST" else ("bad_request", 400))


def test_F20_pipelined_requests_are_answered_in_order(scene):
    seen = len(scene.server.requests)
    requests, bodies = b"", []
    for i in range(20):
        bodies.append(b"%d" % i * i)
        field, body = framed(bodies[-1], FRAMINGS[i % 2])
        requests += http1.request_text("POST", f"/open/{i}", [field]) + body
    with scene.gateway.client() as client:
        client.send(requests)
        assert [client.response().body for _ in bodies] == bodies
    scene.expect_heard(seen, [f"/open/{i}" for i in range(20)])


GARBAGE = [b"BAD\r\n\r\n", b"\x00\x01\x02", b"GET /open HTTP/1.1\r\n\r\n", b"0\r\n\r\n",
    b"GET /open HTTP/1.1\nHost: a\n\n", b"hello\r\n"]


@pytest.mark.parametrize("framing", [None, *FRAMINGS])
@pytest.mark.parametrize("garbage", GARBAGE)
def test_F20_a_good_request_before_garbage_is_answered(scene, garbage, framing):
    seen = len(scene.server.requests)
    field, body = framed(b"hello", framing) if framing else (("X", "1"), b"")
    with scene.gateway.client() as client:
        client.send_tolerantly(http1.request_text("POST", "/open/good", [field]) + body + garbage + SMUGGLED)
        assert client.response().status == 200
        expect_problem(client.response(), "bad_request")
        client.expect_closed()
    scene.expect_heard(seen, ["/open/good"])


@pytest.mark.parametrize("last", [
    http1.request_text("GET", "/open/last", [("Connection", "close")]),
    http1.request_text("GET", "/open/last", [("connection", "x, Close")]),
    b"GET /open/last HTTP/1.0\r\n" + HOST + b"\r\n", http1.request_text("POST", "/open/last", [("Connection", "close")],
    b"hello"),
], ids=["close", "in a list", "1.0", "with a body"])
@pytest.mark.parametrize("behind", [SMUGGLED, b"\x00garbage"])
def test_F20_what_follows_the_last_request_is_discarded(scene, last, behind):
    seen = len(scene.server.requests)
    with scene.gateway.client() as client:
        client.send_tolerantly(last + behind)
        response = client.response()
        assert response.status == 200 and "close" in response.tokens("Connection")
        client.expect_closed()
    scene.expect_heard(seen, ["/open/last"])
