"""Rows L09 to L12: methods, the forms and bytes of a request target, and the one authority of a request."""

import pytest

from harness import configs, http1
from harness.backend import answer_all, echo
from harness.problems import expect_problem
from harness.scene import HOST, SMUGGLED, Scene, get

GET = b"GET / HTTP/1.1\r\n"
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "MKCOL", "REPORT", "SEARCH", "LOCK"]


@pytest.fixture(name="scene", scope="module")
def _scene(module_gateway, module_backend):
    server = module_backend(answer_all(echo))
    config = configs.public(server.url)
    config["routes"].append({"path": "/read-only", "service": "backend", "public": True, "methods": ["GET", "HEAD"]})
    return Scene(module_gateway(config), server)


def line(method=b"GET", target=b"/"):
    return method + b" " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n"


@pytest.mark.parametrize("method", METHODS)
def test_L09_methods_pass_unchanged(scene, method):
    assert scene.accept(line(method.encode())).method == method


@pytest.mark.parametrize("method", [b"G(T", b"GE\x00T", b"G\xe9T", b"GET:", b"G\"T", b"{GET}", b"GET/", b"[GET]", b"@",
    b"\x7f", b"G,T", b"GE\x01T"])
def test_L09_a_method_that_is_no_token(scene, method):
    scene.refuse(line(method) + SMUGGLED, "bad_request")


@pytest.mark.parametrize("method", [b"get", b"Get", b"post", b"BREW", b"GETX", b"XGET", b"G", b"GET-", b"_",
    b"M" * 5000])
def test_L09_an_unknown_method(scene, method):
    scene.refuse(line(method) + SMUGGLED, "not_implemented")


def test_L09_a_method_has_no_end(scene):
    scene.refuse(line(b"M" * 20_000), "uri_too_long")


@pytest.mark.parametrize("data", [
    line(b"CONNECT", b"gateway.test:80"), line(b"CONNECT", b"/"), line(b"TRACE"), line(b"TRACE", b"/") + SMUGGLED,
    line(b"TRACK"),
    line(b"CONNECT", b"10.0.0.1:22") + SMUGGLED,
])
def test_L09_connect_and_trace_are_off(scene, data):
    scene.refuse(data, "not_implemented")


@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS"])
def test_L09_a_known_method_that_no_route_takes(scene, method):
    seen = len(scene.server.requests)
    with scene.gateway.client() as client:
        response = client.request(method, "/read-only")
        expect_problem(response, "method_not_allowed")
        assert response.get("Allow") == "GET, HEAD"
        client.expect_consistent(response, "/after")
    scene.expect_heard(seen, ["/after"])


REFUSED_IN_TARGETS = [byte for byte in range(256) if byte <= 0x20 or byte >= 0x7F or byte in b'"#<>\\^`{|}']


@pytest.mark.parametrize("place", [b"/a%cb", b"/%c", b"/a?b%cc", b"http://gateway.test/%c", b"%c"],
    ids=["path", "end", "query", "absolute", "alone"])
def test_L10_bytes_that_no_target_has(scene, place):
    seen, heard = len(scene.server.requests), scene.heard()
    for byte in REFUSED_IN_TARGETS:
        with scene.gateway.client() as client:
            client.send_tolerantly(line(target=place % byte) + SMUGGLED)
            expect_problem(client.response(), "bad_request")
            client.expect_closed()
    assert scene.heard() == heard
    scene.expect_heard(seen, [])


def test_L10_every_other_byte_passes(scene):
    allowed = bytes(byte for byte in range(0x21, 0x7F) if byte not in REFUSED_IN_TARGETS and byte not in b"%?/;.")
    target = "/x" + allowed.decode() + "?" + allowed.decode() + "?/;."
    assert scene.accept(line(target=target.encode())).target == target


@pytest.mark.parametrize("target", [
    b"*", b"*x", b"a/b", b"gateway.test:80", b"gateway.test", b"ftp://gateway.test/", b"://gateway.test/", b"http:/x",
    b"http:///x", b"http://",
    b"http:", b"javascript:x", b"?a=b", b"http://?x", b"file:///etc/passwd", b"httpx://gateway.test/",
        b"http:\\\\gateway.test\\",
])
def test_L10_forms_that_no_request_has(scene, target):
    scene.refuse(line(target=target) + SMUGGLED, "bad_request")


@pytest.mark.parametrize("target", [b"*x", b"**", b"gateway.test:80"])
def test_L10_options_of_nothing(scene, target):
    scene.refuse(line(b"OPTIONS", target), "bad_request")


def test_L10_options_asterisk_is_answered_by_the_gateway(scene):
    seen = len(scene.server.requests)
    with scene.gateway.client() as client:
        response = client.request("OPTIONS", "*")
        assert (response.status, response.body) == (204, b"") and "get" in response.tokens("Allow")
        assert client.expect_consistent(response, "/after").status == 200
    scene.expect_heard(seen, ["/after"])


@pytest.mark.parametrize("data", [
    GET + b"\r\n", GET + b"X: 1\r\n\r\n", GET + HOST + HOST + b"\r\n", GET + HOST + b"host: gateway.test\r\n\r\n",
    GET + HOST + b"Host: other.test\r\n\r\n",
    b"GET http://gateway.test/ HTTP/1.1\r\n\r\n", b"OPTIONS * HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.0\r\n" + HOST + HOST + b"\r\n",
])
def test_L11_host_missing_or_repeated(scene, data):
    scene.refuse(data + SMUGGLED, "bad_request")


BAD_HOSTS = [
    b"", b" ", b"a, b", b"a,b", b"u@a", b"u:p@a", b"a/b", b"a?b", b"a#b", b"a:8x", b"a:-1", b"a:+1", b"a:0x50",
    b"a:99999", b"a:65536", b"a: 80", b"a:80:80",
    b"a:080", b"a:0", b"a b", b"a\tb", b"caf\xe9", b"a%00b", b"a%2eb", b"a\\b", b"http://a", b".a", b"a..b", b"[::1",
    b"::1", b"[::1]x", b"[::g]",
    b"[127.0.0.1]", b"[]", b":80", b"a;b", b"a<b", b'"a"', b"a\x00b", b"a\x7fb", b"*.a",
]


@pytest.mark.parametrize("value", BAD_HOSTS)
def test_L11_bad_hosts(scene, value):
    scene.refuse(GET + b"Host: " + value + b"\r\n\r\n" + SMUGGLED, "bad_request")


@pytest.mark.parametrize("value", [value for value in BAD_HOSTS if value not in (b"", b" ", b"a/b", b"a?b", b":80",
    b"http://a") and b" " not in value])
def test_L11_bad_hosts_in_an_absolute_target(scene, value):
    scene.refuse(line(target=b"http://" + value + b"/x") + SMUGGLED, "bad_request")


@pytest.mark.parametrize("value,canonical", [
    ("a.test", "a.test"), ("A.Test:8080", "a.test:8080"), ("127.0.0.1", "127.0.0.1"), ("[::1]:8080", "[::1]:8080"),
    ("a.test:", "a.test"),
    ("xn--bcher-kva.test", "xn--bcher-kva.test"), ("a_b.test", "a_b.test"), ("a-b.test:65535", "a-b.test:65535"),
])
def test_L11_good_hosts(scene, value, canonical):
    request = scene.accept(http1.request_text("GET", "/", host=value))
    assert (request.get("Host"), request.get("X-Forwarded-Host")) == (canonical, canonical)


def test_L11_http_1_0_needs_no_host(scene):
    request = scene.accept(b"GET /old HTTP/1.0\r\n\r\n")
    assert request.get("Host") == f"127.0.0.1:{scene.server.port}" and not request.has("X-Forwarded-Host")


@pytest.fixture(name="hosts")
def _hosts(gateway, backend):
    """A service and a route per host."""
    servers = {name: backend() for name in ("a", "b")}
    routes = [{"path": "/", "name": name, "host": f"{name}.test", "service": name, "public": True} for name in servers]
    return gateway(configs.base({name: server.url for name, server in servers.items()}, routes)), servers


@pytest.mark.parametrize("target,host,chosen,authority", [
    ("http://a.test/p?q", "b.test", "a", "a.test"), ("http://b.test/p?q", "a.test", "b", "b.test"),
    ("HTTP://A.TEST:80/p?q", "b.test", "a", "a.test"),
    ("http://a.test.:8080/p?q", "b.test", "a", "a.test:8080"), ("https://a.test/p?q", "b.test", "a", "a.test"),
    ("/p?q", "b.test", "b", "b.test"),
    ("http://a.test/p?q", "a.test", "a", "a.test"),
])
def test_L12_one_authority_for_everything(hosts, target, host, chosen, authority):
    """Routing, the forwarded Host, the forwarding fields and the log agree."""
    instance, servers = hosts
    assert instance.get(target, host=host).status == 200
    request, = servers[chosen].requests
    assert (request.target, request.get("Host"), request.get("X-Forwarded-Host")) == ("/p?q", authority, authority)
    assert f'host="{authority}"' in request.get("Forwarded")
    assert sum(len(server.requests) for server in servers.values()) == 1
    record, = instance.wait_log()
    assert (record["route"], record["service"], record["path"].split("?")[0]) == (chosen, chosen, "/p")


@pytest.mark.parametrize("target,host", [("http://c.test/", "a.test"), ("http://c.test", "b.test"), ("/", "c.test")])
def test_L12_an_authority_without_a_route(hosts, target, host):
    instance, servers = hosts
    expect_problem(instance.get(target, host=host), "route_not_found")
    assert not any(server.requests for server in servers.values())


@pytest.mark.parametrize("target,path", [("http://gateway.test", "/"), ("http://gateway.test?q=1", "/?q=1"),
    ("http://gateway.test/a/../b", "/b")])
def test_L12_paths_of_absolute_targets(scene, target, path):
    assert scene.accept(line(target=target.encode())).target == path


def test_L12_options_of_a_whole_server(scene):
    """`OPTIONS http://host` without a path: forwarded as a path, never as an authority."""
    assert scene.accept(line(b"OPTIONS", b"http://gateway.test")).target in ("/", "*")


def test_L12_a_bad_host_is_refused_even_if_replaced(scene):
    scene.refuse(b"GET http://gateway.test/ HTTP/1.1\r\nHost: a b\r\n\r\n", "bad_request")
    scene.refuse(get(b"Host: gateway.test", target=b"http://gateway.test/"), "bad_request")
