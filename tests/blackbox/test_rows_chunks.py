"""Rows F11 to F15: the chunked coding. Sizes, line ends, extensions and trailers; strict, bounded and written anew."""

import pytest

from harness import configs, http1
from harness.backend import answer_all, echo
from harness.scene import CHUNKED, SMUGGLED, Scene, post

HEAD = post(CHUNKED.strip())
REST = b"\r\nhello\r\n0\r\n\r\n"
END = b"0\r\n\r\n"


@pytest.fixture(name="scene", scope="module")
def _scene(module_gateway, module_backend):
    server = module_backend(answer_all(echo))
    return Scene(module_gateway(configs.public(server.url)), server)


def refuse_everywhere(scene, fault):
    """As the first chunk, where the backend hears nothing; behind a good one, where it never sees the end."""
    scene.refuse(HEAD + fault + SMUGGLED, "bad_request", method="POST")
    scene.break_off(HEAD + http1.chunk(b"good"), fault + SMUGGLED, "bad_request")


@pytest.mark.parametrize("size", [
    b"0x5", b"+5", b"-5", b"5_0", b" 5", b"5 ", b"5\t", b"", b"g", b'"5"', b"5,5", b"5.", b"\x005", b"5\x00",
    b"\xef\xbc\x95",
    b"0000000000000005", b"10000000000000005", b"fffffffffffffffff", b"ffffffffffffffff", b"8000000000000000",
    b"1" * 30, b"0" * 40 + b"5",
])
def test_F11_odd_sizes(scene, size):
    refuse_everywhere(scene, size + REST)


@pytest.mark.parametrize("size", [b"5", b"05", b"000000000000005", b"A", b"a", b"0000A"])
def test_F11_good_sizes_are_written_anew(scene, size):
    body = b"0123456789"[: int(size, 16)]
    request = scene.accept(HEAD + size + b"\r\n" + body + b"\r\n000\r\n\r\n")
    assert request.body == body
    assert scene.body_on_the_wire(request).startswith(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))


@pytest.mark.parametrize("extension", [
    b";a", b";a=b", b'; a = b\t;c="d;e\\"f"', b';a="\xc3\xa4"', b";a=b;c=d;e", b';a=""',
    b";a=" + b"x" * 4000,
], ids=lambda extension: extension.decode("latin-1")[:20])
def test_F12_extensions_are_dropped(scene, extension):
    request = scene.accept(HEAD + b"5" + extension + b"\r\nhello\r\n0;last\r\n\r\n")
    assert request.body == b"hello"
    assert scene.body_on_the_wire(request).startswith(b"5\r\nhello\r\n0\r\n\r\n")


@pytest.mark.parametrize("extension", [
    b";", b";;a", b";=b", b";a=", b";a\nb", b";a\rb", b";a\x00b", b';a="b\nc"', b';a="b\rc"', b';a="b\r\n"',
        b';a="\\\r\n"', b';a="\x00"', b";a(b)",
        b";a,b", b";a=\x01",
    b";a=\x7f", b";a=\xc3\xa4", b';a="\x7f"', b" ;a", b"\t;a", b";\n", b";a\n\r", b";a=b\r\r",
])
def test_F12_odd_extensions(scene, extension):
    refuse_everywhere(scene, b"5" + extension + REST)


@pytest.mark.parametrize("chunks,size", [(1, 4097), (1, 20_000), (50, 100), (1000, 5)])
def test_F12_extensions_are_bounded_in_total(scene, chunks, size):
    """4 KiB for a body, in one extension or in many."""
    fault = (b"1;" + b"e" * (size - 1) + b"\r\nx\r\n") * chunks + END
    scene.break_off(HEAD + http1.chunk(b"good"), fault, "bad_request")


@pytest.mark.parametrize("fault", [
    b"4\r\nhello\r\n0\r\n\r\n", b"5\r\nhello0\r\n\r\n", b"5\r\nhelloX\r\n0\r\n\r\n", b"5\r\nhell\r\n0\r\n\r\n",
    b"5\r\nhello\r\n0\r\nXX\r\n\r\n",
    b"5\r\nhello\r\nXX", b"5\r\nhello\r\n0\r\n\rX", b"0\r\nXX", b"0\r\nGET / HTTP/1.1\r\n\r\n", b"5\r\nhelloGE\r\n",
])
def test_F13_spilled_data_and_missing_ends(scene, fault):
    refuse_everywhere(scene, fault)


@pytest.mark.parametrize("fault", [
    b"5\nhello\r\n0\r\n\r\n", b"5\rhello\r\n0\r\n\r\n", b"5\r\nhello\n0\r\n\r\n", b"5\r\nhello\r0\r\n\r\n",
    b"5\r\nhello\r\n0\n\r\n",
    b"5\r\nhello\r\n0\r\r\n", b"5\r\nhello\r\n0\r\n\n", b"5\r\nhello\r\n0\r\n\r\r", b"5;a\nhello\r\n0\r\n\r\n",
    b"5\r\r\nhello\r\n0\r\n\r\n",
    b"5\r\nhello\r\r\n0\r\n\r\n", b"5\r\nhello\n\r\n0\r\n\r\n", b"0\r\nA: b\n\r\n", b"0\r\nA: b\r\r\n\r\n",
    b"0\r\nA: b\rC: d\r\n\r\n",
    b"0\r\nA: b\r\n\n", b"5\n\nhello\n0\n\n", b"0\n\n", b"\r\n5\r\nhello\r\n0\r\n\r\n", b"\n5\r\nhello\r\n0\r\n\r\n",
])
def test_F14_lone_line_ends(scene, fault):
    refuse_everywhere(scene, fault)


TRAILERS = [
    b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Host: evil.test", b"Authorization: Bearer x", b"Cookie: a=1",
        b"X-Forwarded-For: 1.2.3.4",
    b"X-Forwarded-Host: evil.test", b"Forwarded: for=1.2.3.4", b"X-Auth-Subject: root", b"X-Auth-Roles: admin",
        b"x_auth_roles: admin",
    b"X-Request-Id: mine", b"Content-Type: text/html", b"Connection: close", b"Expect: 100-continue",
    b"Cache-Control: no-store",
    b"X-Sum: 1\r\nX-Sum: 2", b"X-Empty:", b"X-Obs: \xe9",
]


@pytest.mark.parametrize("trailer", TRAILERS)
def test_F15_trailers_are_read_and_dropped(scene, trailer):
    """Neither forwarded nor merged into the head; the next request is read as if they had not been there."""
    data = HEAD + b"5\r\nhello\r\n0\r\n" + trailer + b"\r\n\r\n"
    request = scene.accept(data)
    assert (request.body, request.trailers, request.get("Host")) == (b"hello", [], "gateway.test")
    plain = scene.accept(HEAD + http1.chunked(b"hello", [5]))
    changing = {"X-Request-Id", "traceparent"}
    fields = [[field for field in seen.fields if field[0] not in changing] for seen in (request, plain)]
    assert fields[0] == fields[1]


@pytest.mark.parametrize("line", [
    b" A: b", b"\tA: b", b"A : b", b"A", b":", b": b", b"A(: b", b"A\x80: b", b"A: \x01", b"A: \x7f", b"A: \x00",
    b"A: b\r\n c", b"A\r: b",
    b"A: b\x00", b"A=b", b"GET / HTTP/1.1",
])
def test_F15_trailers_have_the_grammar_of_fields(scene, line):
    refuse_everywhere(scene, b"0\r\n" + line + b"\r\n\r\n")


@pytest.mark.parametrize("trailers", [b"A: " + b"x" * 8200 + b"\r\n", b"A: b\r\n" * 1400, b"A: " + b"x" * 100_000],
    ids=["long", "many", "endless"])
def test_F15_trailers_are_bounded(scene, trailers):
    scene.break_off(HEAD + http1.chunk(b"good"), b"0\r\n" + trailers + b"\r\n", "bad_request")


@pytest.mark.parametrize("trailer", TRAILERS + [b"Set-Cookie: a=1", b"X-Request-Id: theirs"])
def test_F15_trailers_of_an_answer_are_dropped(gateway, backend, trailer):
    def answer(request):
        trailers = trailer + b"\r\n" if request.target == "/with" else b""
        return http1.response_text(200, [("Transfer-Encoding", "chunked")]) + b"2\r\nok\r\n0\r\n" + trailers + b"\r\n"

    server = backend(answer_all(answer))
    with gateway(configs.public(server.url)).client() as client:
        response = client.get("/with")
        assert (response.body, response.trailers) == (b"ok", [])
        assert [name for name, _ in response.fields] == [name for name, _ in client.get("/without").fields]
    assert len(server.connections) == 1
