"""Rows L01 to L08 and L13: lines and fields of a request head are what the grammar says, byte by byte."""

import pytest

from harness import configs, http1
from harness.backend import answer_all, echo
from harness.problems import expect_problem
from harness.scene import HOST, SMUGGLED, Scene, get, post

GET = b"GET / HTTP/1.1\r\n"


@pytest.fixture(name="scene", scope="module")
def _scene(module_gateway, module_backend):
    server = module_backend(answer_all(echo))
    return Scene(module_gateway(configs.public(server.url)), server)


def version(text):
    return b"GET / " + text + b"\r\n" + HOST + b"\r\n"


@pytest.mark.parametrize("data", [
    b"GET / HTTP/1.1\n" + HOST + b"\r\n", GET + b"Host: gateway.test\nX: 1\r\n\r\n",
    b"GET / HTTP/1.1\nHost: gateway.test\n\n",
    GET + HOST + b"X: a\nb\r\n\r\n", GET + HOST + b"X: 1\n\r\n", GET + HOST + b"\n", GET + HOST + b"\n\r\n",
    GET + HOST + b"X: 1\r\n\n",
    GET + HOST + b"X: 1\n\n", b"\n" + GET + HOST + b"\r\n", GET + HOST + b"X: a\nTransfer-Encoding: chunked\r\n\r\n",
])
def test_L01_bare_line_feeds(scene, data):
    scene.refuse(data + SMUGGLED, "bad_request")


@pytest.mark.parametrize("data", [
    GET + HOST + b"X:\rb\r\n\r\n", GET + HOST + b"X:\r\r\n\r\n", GET + HOST + b"X: a\rb\r\n\r\n",
    GET + HOST + b"X: \r\r\n\r\n", GET + HOST + b"X\r: a\r\n\r\n",
    GET + HOST + b"\r\rX: 1\r\n\r\n",
    GET + HOST + b"\r\r\n\r\n", GET + HOST + b"X: 1\r\r\n\r\n", b"GET /\rx HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET / HTTP/1.1\r" + HOST + b"\r\n\r\n",
    b"GET\r/ HTTP/1.1\r\n" + HOST + b"\r\n", b"\r" + GET + HOST + b"\r\n", GET + HOST + b"X: 1\r\n\rX: 2\r\n\r\n",
    GET + HOST + b"X: a\rTransfer-Encoding: chunked\r\n\r\n", b"\r\r\n" + GET + HOST + b"\r\n",
    b"GE\rT / HTTP/1.1\r\n" + HOST + b"\r\n",
])
def test_L02_bare_carriage_returns(scene, data):
    scene.refuse(data + SMUGGLED, "bad_request")


def test_L02_an_end_that_is_none(scene):
    """`\\r\\n\\rX` neither ends the head nor goes on with it: the end does not come, and what does is refused."""
    scene.refuse(GET + HOST + b"X: 1\r\n\rX\r\n\r\n" + SMUGGLED, "bad_request")


@pytest.mark.parametrize("data", [
    GET + HOST + b"X: a\r\n b\r\n\r\n", GET + HOST + b"X: a\r\n\tb\r\n\r\n", GET + HOST + b"X:\r\n a\r\n\r\n",
    GET + HOST + b"X: a\r\n \r\n\r\n", GET + HOST + b"X:\r\n \r\n\r\n",
    GET + HOST + b"X: a\r\n b\r\n c\r\n\r\n", GET + b"Host:\r\n gateway.test\r\n\r\n",
    GET + b"Host: gateway\r\n .test\r\n\r\n",
    GET + HOST + b"X: a\r\n\t\r\nY: 1\r\n\r\n", b"GET /\r\n HTTP/1.1\r\n" + HOST + b"\r\n",
    GET + HOST + b"X: a\r\n Transfer-Encoding: chunked\r\n\r\n",
])
def test_L03_folded_fields(scene, data):
    scene.refuse(data + SMUGGLED, "bad_request")


@pytest.mark.parametrize("line", [
    b"X : 1", b"X\t: 1", b"X  : 1", b"X \t : 1", b"Host : gateway.test", b"Content-Length : 0", b"X Y: 1", b"X\xa0: 1",
    b"X\x0b: 1",
])
def test_L04_white_space_before_the_colon(scene, line):
    scene.refuse(get(line) + SMUGGLED, "bad_request")


@pytest.mark.parametrize("data", [
    GET + b" " + HOST + b"\r\n", GET + b"\t" + HOST + b"\r\n", GET + b" \r\n" + HOST + b"\r\n",
    GET + b" X: 1\r\n" + HOST + b"\r\n",
], ids=["a space", "a tab", "a blank line", "a field"])
def test_L05_white_space_before_the_first_field(scene, data):
    scene.refuse(data + SMUGGLED, "bad_request")


@pytest.mark.parametrize("line", [b"nonsense", b"X", b"X 1", b"GET / HTTP/1.1", b"=1", b"\"X\""])
def test_L05_a_line_without_a_colon(scene, line):
    scene.refuse(get(line) + SMUGGLED, "bad_request")


@pytest.mark.parametrize("line", [b":", b": ", b": 1", b" : 1", b"::", b":x: 1"])
@pytest.mark.parametrize("place", ["first", "last"])
def test_L05_an_empty_name(scene, line, place):
    """First or last: an empty name must not hide what stands behind it (CVE-2023-25725)."""
    fields = line + b"\r\n" + HOST if place == "first" else HOST + line + b"\r\n"
    scene.refuse(GET + fields + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED, "bad_request")


TCHAR = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def test_L05_bytes_of_a_name(scene):
    """Every one of the 256, in the middle of a name."""
    seen, heard = len(scene.server.requests), scene.heard()
    for byte in range(256):
        if byte in TCHAR or byte == ord(":"):
            continue
        with scene.gateway.client() as client:
            client.send_tolerantly(get(b"Na" + bytes([byte]) + b"me: 1"))
            expect_problem(client.response(), "bad_request")
            client.expect_closed()
    assert scene.heard() == heard
    scene.expect_heard(seen, [])
    request = scene.accept(get(*(b"N" + bytes([byte]) + b": 1" for byte in TCHAR)))
    forwarded = {name for name, value in request.fields if name.startswith("N") and len(name) == 2 and value == "1"}
    assert forwarded == {"N" + chr(byte) for byte in TCHAR}


@pytest.mark.parametrize("position", ["first", "middle", "last"])
def test_L06_control_characters_of_a_value(scene, position):
    seen, heard = len(scene.server.requests), scene.heard()
    for byte in [*range(0x20), 0x7F]:
        if byte == 0x09:
            continue
        value = {"first": b"%cab", "middle": b"a%cb", "last": b"ab%c"}[position] % byte
        with scene.gateway.client() as client:
            client.send_tolerantly(get(b"X: " + value, b"Y: 1") + SMUGGLED)
            expect_problem(client.response(), "bad_request")
            client.expect_closed()
    assert scene.heard() == heard
    scene.expect_heard(seen, [])


def test_L06_obs_text_passes_byte_for_byte(scene):
    values = {f"X-{byte:02X}": bytes([0x61, byte, 0x62]) for byte in [0x09, *range(0x20, 0x7F), *range(0x80, 0x100)]}
    for names in (list(values)[:90], list(values)[90:180], list(values)[180:]):
        request = scene.accept(get(*(name.encode() + b": " + values[name] for name in names)))
        assert {name: request.get(name).encode("latin-1") for name in names} == {name: values[name] for name in names}


@pytest.mark.parametrize("condition,value,matches", [
    ("plain", b"plain", True), ("plain", b"plain\xff", False), ("plain", b"\xa0plain", False),
    ("plain", b"plain\x85", False),
    ("plain", b"Plain", False),
])
def test_L06_rules_compare_bytes(gateway, backend, condition, value, matches):
    servers = {"any": backend(), "special": backend()}
    instance = gateway(configs.base({name: server.url for name, server in servers.items()}, [
        {"path": "/", "service": "any", "public": True},
        {"path": "/", "name": "special", "service": "special", "public": True, "headers": {"X-Kind": condition}}]))
    assert instance.get("/", [("X-Kind", value)]).status == 200
    assert len(servers["special"].requests) == matches and len(servers["any"].requests) == (not matches)


@pytest.mark.parametrize("text", [
    b"http/1.1", b"Http/1.1", b"HTTP/1", b"HTTP/1.", b"HTTP/.1", b"HTTP/01.1", b"HTTP/1.01", b"HTTP/1.10", b"HTTP/10.1",
    b"HTTP/1,1", b"HTTP/1.1x",
    b"HTTP/ 1.1", b"HTTP /1.1", b"HTTP/1 .1", b"HTTP/1. 1", b"HTTP1.1", b"HTTP", b"FTP/1.1", b"ICE/1.0", b"RTSP/1.0",
    b"HTTPS/1.1", b"HTTP/-1.1",
    b"HTTP/a.b", b"HTTP/\xb9.1", b"HTTP/1.1\x00", b"xHTTP/1.1", b"HTTP//1.1", b"HTTP/0.9", b"HTTP/1.1;",
])
def test_L07_odd_versions(scene, text):
    scene.refuse(version(text) + SMUGGLED, "bad_request")


@pytest.mark.parametrize("minor", range(2, 10))
def test_L07_later_minor_versions_are_1_1(scene, minor):
    request = scene.accept(version(b"HTTP/1.%d" % minor))
    assert request.version == 1 and request.get("Via").startswith("1.1 ")


@pytest.mark.parametrize("text", [b"HTTP/2.0", b"HTTP/2.1", b"HTTP/3.0", b"HTTP/9.9"])
def test_L07_other_major_versions(scene, text):
    scene.refuse(version(text) + SMUGGLED, "version_not_supported")


@pytest.mark.parametrize("data", [
    b"GET /\r\n\r\n", b"GET / \r\n\r\n", b"GET\r\n\r\n", b"\x20\r\n\r\n", b"GET HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET  HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET\t/ HTTP/1.1\r\n" + HOST + b"\r\n", b"GET /\tHTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /  HTTP/1.1\r\n" + HOST + b"\r\n", b"GET / HTTP/1.1 \r\n" + HOST + b"\r\n",
    b" GET / HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET\x0b/ HTTP/1.1\r\n" + HOST + b"\r\n", b"GET /\x0cHTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET\n/ HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET\xa0/ HTTP/1.1\r\n" + HOST + b"\r\n", b"GET / HTTP/1.1 HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET / x HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /\x00HTTP/1.1\r\n" + HOST + b"\r\n", b"/ HTTP/1.1\r\n" + HOST + b"\r\n", b" / HTTP/1.1\r\n" + HOST + b"\r\n",
    b"nonsense\r\n\r\n",
    b"GET / HTTP/1.1\t\r\n" + HOST + b"\r\n",
])
def test_L08_odd_request_lines(scene, data):
    scene.refuse(data, "bad_request")


OTHER_PROTOCOLS = {
    "TLS": bytes.fromhex("16030100f4010000f00303") + bytes(range(200)), "random": bytes(range(128, 256)) * 4,
    "zeros": bytes(100),
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n", "SMTP": b"EHLO a.test\r\n",
    "a proxy's head": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + SMUGGLED,
    "a binary proxy's head": b"\r\n\r\n\x00\r\nQUIT\n!\x11\x00\x0c" + bytes(12) + SMUGGLED,
}


@pytest.mark.parametrize("data", OTHER_PROTOCOLS.values(), ids=list(OTHER_PROTOCOLS))
def test_L08_other_protocols(scene, data):
    scene.refuse(data, "bad_request")


def test_L08_the_http_2_preface(scene):
    scene.refuse(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "version_not_supported")


@pytest.mark.parametrize("lines", [1, 2, 4])
def test_L13_empty_lines_before_a_request_are_skipped(scene, lines):
    request = scene.accept(b"\r\n" * lines + get(target=b"/after-blanks"))
    assert request.target == "/after-blanks"


def test_L13_in_single_bytes_and_between_requests(scene):
    with scene.gateway.client() as client:
        for byte in b"\r\n" + get():
            client.send(bytes([byte]))
        assert client.response().status == 200
        client.send(b"\r\n" + http1.request_text("POST", "/", body=b"hello") + b"\r\n" + get())
        assert client.response().body == b"hello"
        assert client.response().status == 200


@pytest.mark.parametrize("data", [b"\r\n" * 5 + get(), b"\r\n" * 10_000, b"\r\n\n" + get(), b"\r\n \r\n" + get(),
    b"\r\n\r" + get()])
def test_L13_but_not_without_end(scene, data):
    scene.refuse(data, "bad_request")


def test_L13_a_post_behind_an_empty_line_keeps_its_body(scene):
    assert scene.accept(b"\r\n" + post(b"Content-Length: 4") + b"\r\n\r\n").body == b"\r\n\r\n"
