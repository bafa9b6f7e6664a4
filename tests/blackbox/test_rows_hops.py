"""Rows P01 to P04 and P12: what belongs to one connection ends here; no tunnels, no loops, hops counted."""

import re
import socket

import pytest

from harness import configs, http1
from harness.backend import answer_all, echo, ok
from harness.problems import expect_problem
from harness.scene import HOST, SMUGGLED, Scene, get, head, post

PROTECTED = [
    b"Host", b"Content-Length", b"Transfer-Encoding", b"Authorization", b"Cookie", b"Set-Cookie", b"Cache-Control",
    b"Content-Type", b"Via",
    b"Forwarded", b"X-Forwarded-For", b"X-Forwarded-Host", b"X-Forwarded-Proto", b"X-Real-IP", b"X-Request-Id",
    b"X-Auth-Subject", b"X-Auth-Roles",
    b"X-Auth-Anything", b"X-User-Id", b"X-Consumer-Name", b"X-Original-URL", b"X-HTTP-Method-Override", b"traceparent",
    b"X_Auth_Subject",
    b"x.forwarded.for", b"Transfer_Encoding",
]


@pytest.fixture(name="scene", scope="module")
def _scene(module_gateway, module_backend):
    server = module_backend(answer_all(echo))
    config = configs.public(server.url)
    config["routes"].append({"path": "/socket", "service": "backend", "public": True, "upgrade": ["websocket"]})
    return Scene(module_gateway(config), server)


@pytest.mark.parametrize("name", PROTECTED)
@pytest.mark.parametrize("lines", [
    [b"Connection: %b"], [b"Connection: close, %b"], [b"connection: keep-alive", b"CONNECTION: %b"],
    [b"Connection: X-A,%b ,, X-B"],
    [b"Connection:\t%b\t", b"X-Between: 1", b"Connection: close"],
], ids=["alone", "in a list", "in a second line", "among others", "with tabs"])
def test_P01_protected_fields_cannot_be_nominated(scene, name, lines):
    for spelling in (name, name.lower(), name.upper()):
        scene.refuse(get(*(line.replace(b"%b", spelling) for line in lines)) + SMUGGLED, "bad_request")


@pytest.mark.parametrize("lines", [
    [b"Connection: X-Hop, X-Second"], [b"connection: x-hop", b"Connection: keep-alive, X-SECOND"],
    [b"Connection: ,x-hop,,\tX-Second ,"],
    [b"Connection: X-Hop", b"Connection: X-Second", b"Connection: X-Absent"],
])
def test_P01_nominated_fields_are_removed(scene, lines):
    request = scene.accept(get(b"X-Hop: 1", *lines, b"X-Second: 2", b"x-hop: again", b"X-Kept: yes", b"X-Hopp: yes"))
    for name in ("X-Hop", "X-Second", "Connection"):
        assert not request.has(name), name
    assert request.get("X-Kept") == "yes" and request.get("X-Hopp") == "yes"


def test_P01_fields_of_one_connection_are_removed(scene):
    request = scene.accept(get(
        b"Keep-Alive: timeout=5", b"Proxy-Connection: keep-alive", b"TE: trailers", b"TE: gzip", b"Trailer: X-Sum",
        b"Proxy-Authorization: Basic eA==", b"Proxy-Authenticate: Basic", b"Connection: keep-alive, TE",
            b"Accept: */*"))
    for name in ("Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Proxy-Authorization", "Proxy-Authenticate",
        "Connection"):
        assert not request.has(name), name
    assert request.get("Accept") == "*/*"


@pytest.mark.parametrize("nominated", [["X-Hop"], ["keep-alive, x-hop", "X-Other"], ["Content-Length, X-Hop"],
    ["Transfer-Encoding, x-hop"]])
def test_P01_fields_of_one_connection_of_an_answer_are_removed(gateway, backend, nominated):
    fields = [*(("Connection", value) for value in nominated), ("X-Hop", "1"), ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"),
              ("Upgrade", "h2c"), ("Trailer", "X-Sum"), ("Proxy-Authenticate", "Basic"), ("X-Kept", "yes")]
    server = backend(answer_all(lambda _: http1.response_text(200, fields, b"body")))
    with gateway(configs.public(server.url)).client() as client:
        for _ in range(2):
            response = client.get("/")
            for name in ("X-Hop", "Keep-Alive", "Proxy-Connection", "Upgrade", "Trailer", "Proxy-Authenticate",
                "Connection"):
                assert not response.has(name), name
            assert (response.get("X-Kept"), response.get("Content-Length"), response.body) == ("yes", "4", b"body")


@pytest.mark.parametrize("fields", [
    [b"Connection: Upgrade", b"Upgrade: websocket"], [b"Connection: upgrade", b"Upgrade: TLS/1.0, HTTP/2.0"],
    [b"Upgrade: websocket"],
    [b"Connection: Upgrade", b"Upgrade: anything", b"Upgrade: else"], [b"Connection: Upgrade", b"Upgrade:"],
])
@pytest.mark.parametrize("method", [b"GET", b"POST", b"OPTIONS"])
def test_P02_upgrade_is_removed(scene, method, fields):
    """What stands behind such a request is an ordinary next request, answered in its turn."""
    seen = len(scene.server.requests)
    with scene.gateway.client() as client:
        client.send(head(method + b" /x HTTP/1.1", *fields, b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            b"Sec-WebSocket-Version: 13")
                    + get(target=b"/next"))
        assert client.response().status == 200
        assert client.response().status == 200
    request = scene.server.requests[seen]
    assert not request.has("Upgrade") and not request.has("Connection")
    scene.expect_heard(seen, ["/x", "/next"])


@pytest.mark.parametrize("fields", [
    [b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__"],
    [b"Connection: Upgrade", b"Upgrade: h2c"], [b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"],
    [b"Connection: HTTP2-Settings", b"HTTP2-Settings: x"],
    [b"connection: upgrade", b"connection: http2-settings", b"upgrade: H2C", b"http2-settings: x"],
    [b"Connection: Upgrade", b"Upgrade: h2c, h2"],
    [b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: foo, h2c", b"HTTP2-Settings: x"],
])
@pytest.mark.parametrize("target", [b"/", b"/socket"])
def test_P03_h2c_is_never_forwarded(scene, target, fields):
    request = scene.accept(get(*fields, target=target))
    for name in ("Upgrade", "HTTP2-Settings", "Connection"):
        assert not request.has(name), name
    assert b"h2c" not in bytes(scene.connection_of(request).received).lower()


def test_P03_h2c_beside_websocket_is_dropped(gateway, backend):
    server = backend(answer_all(ok))
    instance = gateway(configs.public(server.url, {"upgrade": ["websocket"]}))
    instance.get("/", [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c, websocket"), ("HTTP2-Settings",
        "AAMAAABk"),
                       ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")])
    request, = server.requests
    assert request.get("Upgrade") == "websocket" and request.get("Connection") == "Upgrade" and not request.has("HTTP2-Settings")


@pytest.mark.parametrize("line", [
    b"CONNECT gateway.test:80 HTTP/1.1", b"CONNECT 127.0.0.1:22 HTTP/1.1", b"CONNECT / HTTP/1.1",
    b"CONNECT http://gateway.test/ HTTP/1.1",
    b"CONNECT * HTTP/1.1", b"CONNECT gateway.test:80 HTTP/1.0", b"CONNECT [::1]:80 HTTP/1.1",
    b"CONNECT /socket HTTP/1.1",
])
@pytest.mark.parametrize("fields", [[], [b"Content-Length: 5"], [b"Connection: Upgrade", b"Upgrade: websocket"]])
def test_P04_connect_is_refused_with_everything_behind_it(scene, line, fields):
    scene.refuse(head(line, *fields) + SMUGGLED + b"\x16\x03\x01", "not_implemented", "bad_request")


def test_P04_connect_behind_a_good_request(scene):
    seen = len(scene.server.requests)
    with scene.gateway.client() as client:
        client.send(get(target=b"/good") + head(b"CONNECT gateway.test:80 HTTP/1.1") + SMUGGLED)
        assert client.response().status == 200
        expect_problem(client.response(), "not_implemented")
        client.expect_closed()
    scene.expect_heard(seen, ["/good"])


def test_P12_via_is_added(scene):
    for version in (b"1.0", b"1.1"):
        request = scene.accept(b"GET / HTTP/" + version + b"\r\n" + HOST + b"Via: 1.0 fred, 1.1 other (x)\r\nvia: 2 third\r\n\r\n")
        *others, own = request.all("Via")
        assert others == ["1.0 fred, 1.1 other (x)", "2 third"]
        assert re.fullmatch(rf"{version.decode()} \S+", own)


def test_P12_two_gateways_have_two_names(gateway, backend):
    server = backend()
    for _ in range(2):
        assert gateway(configs.public(server.url)).get("/").status == 200
    assert len({request.get("Via") for request in server.requests}) == 2


def unused_port():
    """A port below those of outgoing connections: nothing else takes it until the gateway does."""
    for port in range(20_000, 30_000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no free port")


def looping(port, url):
    config = configs.public(url, {"errors": "passthrough"})
    config["listeners"][0]["address"] = f"127.0.0.1:{port}"
    return config


def expect_loop(response):
    """The answer of the gateway that noticed; those before it passed it on."""
    assert response.status == 508 and response.json()["code"] == "loop_detected"


def test_P12_a_gateway_before_itself(gateway):
    port = unused_port()
    instance = gateway(looping(port, f"http://127.0.0.1:{port}"))
    expect_loop(instance.get("/loop"))
    assert [(record["status"], record["code"]) for record in instance.wait_log(2)] == [(508, "loop_detected"),
        (508, None)]


def test_P12_two_gateways_in_a_row_that_loop_back(gateway):
    port = unused_port()
    second = gateway(configs.public(f"http://127.0.0.1:{port}", {"errors": "passthrough"}))
    first = gateway(looping(port, f"http://127.0.0.1:{second.port}"))
    expect_loop(first.get("/loop"))
    expect_loop(second.get("/loop"))
    for instance in (first, second):  # each saw its own request twice, and the other's once
        assert sorted(record["code"] or "" for record in instance.wait_log(3)) == ["", "", "loop_detected"]


def test_P12_a_name_in_via_is_looked_for_in_every_line(gateway, backend):
    server = backend()
    instance = gateway(configs.public(server.url))
    assert instance.get("/").status == 200
    own = server.requests[0].get("Via").split(" ")[1]
    for values in ([f"1.1 {own}"], [f"1.0 fred, 1.1 {own}, 1.1 last"], ["1.0 fred", f"HTTP/1.1 {own} (comment)"]):
        with instance.client() as client:
            response = client.get("/", [("Via", value) for value in values])
            expect_problem(response, "loop_detected")
            client.expect_closed()
    assert len(server.requests) == 1


def options(*fields, target=b"/x"):
    return head(b"OPTIONS " + target + b" HTTP/1.1", *fields)


@pytest.mark.parametrize("value,forwarded", [("1", "0"), ("2", "1"), ("10", "9"), ("0010", "9"), ("4294967296",
    "4294967295")])
def test_P12_max_forwards_of_options_counts_down(scene, value, forwarded):
    assert scene.accept(options(b"max-forwards: " + value.encode())).get("Max-Forwards") == forwarded


@pytest.mark.parametrize("value", [b"0", b"00"])
def test_P12_max_forwards_ends_here(scene, value):
    seen = len(scene.server.requests)
    with scene.gateway.client() as client:
        client.send(options(b"Max-Forwards: " + value))
        response = client.response("OPTIONS")
        assert (response.status, response.body) == (204, b"") and "get" in response.tokens("Allow")
        client.expect_consistent(response, "/after")
    scene.expect_heard(seen, ["/after"])


@pytest.mark.parametrize("fields", [
    [b"Max-Forwards: "], [b"Max-Forwards: x"], [b"Max-Forwards: -1"], [b"Max-Forwards: +1"], [b"Max-Forwards: 1.0"],
    [b"Max-Forwards: 1, 2"],
    [b"Max-Forwards: 1", b"Max-Forwards: 1"], [b"Max-Forwards: 99999999999999999999"], [b"Max-Forwards: 0x1"],
])
def test_P12_odd_max_forwards_of_options(scene, fields):
    scene.refuse(options(*fields), "bad_request")


@pytest.mark.parametrize("value", ["0", "5", "x", "-1"])
def test_P12_max_forwards_of_other_methods_says_nothing(scene, value):
    assert scene.accept(get(b"Max-Forwards: " + value.encode())).get("Max-Forwards") == value
    request = scene.accept(post(b"Max-Forwards: " + value.encode(), b"Content-Length: 2") + b"hi")
    assert (request.get("Max-Forwards"), request.body) == (value, b"hi")
