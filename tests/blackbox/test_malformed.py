"""What is malformed or ambiguous is refused, the connection closed, and the backend hears nothing of it."""

import pytest

from harness import configs, http1
from harness.backend import answer_all, echo
from harness.problems import expect_problem

HOST = b"Host: gateway.test\r\n"
GET = b"GET / HTTP/1.1\r\n"
POST = b"POST / HTTP/1.1\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: gateway.test\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKED_POST = POST + HOST + CHUNKED + b"\r\n"

LINES = {
    "bare LF after the request line": b"GET / HTTP/1.1\n" + HOST + b"\r\n",
    "bare LF after a field": GET + b"Host: gateway.test\nX: 1\r\n\r\n",
    "bare LF only": b"GET / HTTP/1.1\nHost: gateway.test\n\n",
    "bare CR in a value": GET + HOST + b"X: a\rb\r\n\r\n",
    "bare CR in the request line": b"GET /\rx HTTP/1.1\r\n" + HOST + b"\r\n",
    "CR in front of the end": GET + HOST + b"\r\rX: 1\r\n\r\n",
    "folded field": GET + HOST + b"X: a\r\n b\r\n\r\n",
    "folded with a tab": GET + HOST + b"X: a\r\n\tb\r\n\r\n",
    "space before the colon": GET + HOST + b"X : 1\r\n\r\n",
    "tab before the colon": GET + HOST + b"X\t: 1\r\n\r\n",
    "space before the first field": GET + b" " + HOST + b"\r\n",
    "a line without a colon": GET + HOST + b"nonsense\r\n\r\n",
    "an empty name": GET + HOST + b": 1\r\n\r\n",
    "a name with a bad byte": GET + HOST + b"X(y: 1\r\n\r\n",
    "a name with a high byte": GET + HOST + b"X\xe9: 1\r\n\r\n",
    "NUL in a value": GET + HOST + b"X: a\x00b\r\n\r\n",
    "control in a value": GET + HOST + b"X: a\x0bb\r\n\r\n",
    "DEL in a value": GET + HOST + b"X: a\x7fb\r\n\r\n",
    "tab as separator": b"GET\t/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n",
    "space at the end of the line": b"GET / HTTP/1.1 \r\n" + HOST + b"\r\n",
    "no target": b"GET HTTP/1.1\r\n" + HOST + b"\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "a method with a bad byte": b"G(T / HTTP/1.1\r\n" + HOST + b"\r\n",
    "lower-case version": b"GET / http/1.1\r\n" + HOST + b"\r\n",
    "version without minor": b"GET / HTTP/1\r\n" + HOST + b"\r\n",
    "version with a zero": b"GET / HTTP/01.1\r\n" + HOST + b"\r\n",
    "version with two digits": b"GET / HTTP/1.10\r\n" + HOST + b"\r\n",
    "another protocol": b"GET / FTP/1.1\r\n" + HOST + b"\r\n",
}

TARGETS = {
    "fragment": b"/a#b", "quote": b'/a"b', "angle bracket": b"/a<b", "backslash": b"/a\\b", "caret": b"/a^b",
    "backtick": b"/a`b", "brace": b"/a{b", "bar": b"/a|b", "high byte": b"/caf\xe9", "control": b"/a\x01b",
    "asterisk with GET": b"*", "no slash": b"a/b", "other scheme": b"ftp://gateway.test/",
    "userinfo": b"http://user@gateway.test/", "authority with GET": b"gateway.test:80", "no authority": b"http:///x",
    "raw space": b"/a b",
}

HOSTS = {
    "missing": b"", "twice": HOST + HOST, "two different": HOST + b"Host: other.test\r\n", "empty": b"Host: \r\n",
    "list": b"Host: a, b\r\n", "userinfo": b"Host: u@a\r\n", "path": b"Host: a/b\r\n", "bad port": b"Host: a:8x\r\n",
    "port too large": b"Host: a:99999\r\n", "space": b"Host: a b\r\n", "high byte": b"Host: caf\xe9\r\n",
    "percent-encoded": b"Host: a%00b\r\n",
}

FRAMING = {
    "CL and TE": POST + HOST + b"Content-Length: 5\r\n" + CHUNKED + b"\r\n0\r\n\r\n" + SMUGGLED,
    "TE and CL": POST + HOST + CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "two different CL": POST + HOST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "two equal CL": POST + HOST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "CL list": POST + HOST + b"Content-Length: 5, 5\r\n\r\nhello",
    **{f"CL {text!r}": POST + HOST + b"Content-Length: " + text + b"\r\n\r\nhello"
       for text in (b"+5", b"-5", b"-0", b"0x5", b"5.0", b"5e1", b"1_0", b'"5"', b"5;x", b"5 5", b"", b"five", b"\xb2")},
    "TE in HTTP/1.0": b"POST / HTTP/1.0\r\n" + HOST + CHUNKED + b"\r\n0\r\n\r\n",
    "two TE": POST + HOST + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n",
    **{f"TE {text!r}": POST + HOST + b"Transfer-Encoding: " + text + b"\r\n\r\n0\r\n\r\n"
       for text in (b"chunked, gzip", b"identity", b"xchunked", b"chunk", b"chunked, chunked", b",chunked", b"chunked,",
                    b"chunked;x=1", b'"chunked"', b"", b"\x0bchunked")},
    "TE with space before the colon": POST + HOST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
}

CHUNKS = {
    **{f"size {text!r}": text + b"\r\nhello\r\n0\r\n\r\n"
       for text in (b"0x5", b"+5", b"-5", b"5_0", b" 5", b"5 ", b"", b"g", b"11111111111111111", b"ffffffffffffffff0")},
    "data longer than the size": b"4\r\nhello\r\n0\r\n\r\n",
    "no CRLF after the data": b"5\r\nhello0\r\n\r\n",
    "bare LF after the size": b"5\nhello\r\n0\r\n\r\n",
    "bare LF after the data": b"5\r\nhello\n0\r\n\r\n",
    "bare CR after the size": b"5\rhello\r\n0\r\n\r\n",
    "other bytes for the last CRLF": b"5\r\nhello\r\n0\r\nXX\r\n\r\n",
    "bare LF at the very end": b"5\r\nhello\r\n0\r\n\n",
    "LF in an extension": b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    "CR in an extension": b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    "NUL in an extension": b"5;a\x00b\r\nhello\r\n0\r\n\r\n",
    "a bad trailer": b"5\r\nhello\r\n0\r\nbad trailer\r\n\r\n",
}

OTHER = {
    "TLS client hello": bytes.fromhex("16030100f4010000f00303") + bytes(range(200)),
    "random bytes": bytes(range(128, 256)) * 4,
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "NUL bytes": bytes(100),
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
}

VERSIONS = {b"HTTP/2.0": "version_not_supported", b"HTTP/9.9": "version_not_supported", b"HTTP/3.0": "version_not_supported"}


@pytest.fixture(name="server", scope="module")
def _server(module_backend):
    """An unread request body must not fail the server: the gateway may cut it off."""
    return module_backend(answer_all(echo))


@pytest.fixture(name="instance", scope="module")
def _instance(module_gateway, server):
    return module_gateway(configs.public(server.url))


def refuse(instance, server, data, *codes):
    """Sends `data` on a connection of its own; expects one of `codes`, then a close, and nothing at the backend."""
    before = [bytes(connection.received) for connection in server.connections]
    with instance.client() as client:
        client.send_tolerantly(data)
        expect_problem(client.response(), *codes)
        client.expect_closed()
    assert [bytes(connection.received) for connection in server.connections if connection.received] == [b for b in before if b]


def table(cases):
    return pytest.mark.parametrize("data", cases.values(), ids=list(cases))


@table(LINES)
def test_lines(instance, server, data):
    refuse(instance, server, data, "bad_request")


@table(TARGETS)
def test_targets(instance, server, data):
    refuse(instance, server, b"GET " + data + b" HTTP/1.1\r\n" + HOST + b"\r\n", "bad_request", "ambiguous_path")


@table(HOSTS)
def test_hosts(instance, server, data):
    refuse(instance, server, GET + data + b"\r\n", "bad_request")


@table(FRAMING)
def test_framing(instance, server, data):
    refuse(instance, server, data, "bad_request")


@table(CHUNKS)
def test_chunks(instance, server, data):
    """The backend may have seen the head; it never sees a complete request, nor bytes beyond the fault."""
    with instance.client() as client:
        client.send_tolerantly(CHUNKED_POST + data)
        expect_problem(client.response("POST"), "bad_request")
        client.expect_closed()
    assert not any(request.chunked and request.complete for request in server.requests)


@table(OTHER)
def test_other_protocols(instance, server, data):
    refuse(instance, server, data, "bad_request", "version_not_supported")


@pytest.mark.parametrize("version", list(VERSIONS))
def test_versions(instance, server, version):
    refuse(instance, server, b"GET / " + version + b"\r\n" + HOST + b"\r\n", VERSIONS[version])


def test_a_later_minor_version_is_taken_as_1_1(instance):
    with instance.client() as client:
        client.send(b"GET / HTTP/1.2\r\n" + HOST + b"\r\n")
        response = client.response()
        assert response.status == 200 and response.version == 1


def test_an_unknown_transfer_coding_is_not_implemented(instance, server):
    refuse(instance, server, POST + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "not_implemented")


@pytest.mark.parametrize("value", [b"200-ok", b"y 100-continue", b"100-continue, x"])
def test_an_unknown_expectation(instance, server, value):
    refuse(instance, server, POST + HOST + b"Content-Length: 2\r\nExpect: " + value + b"\r\n\r\nhi", "expectation_failed", "bad_request")


@pytest.mark.parametrize("line", [b"CONNECT gateway.test:80", b"TRACE /"])
def test_connect_and_trace_are_off(instance, server, line):
    seen = len(server.requests)
    with instance.client() as client:
        client.send(line + b" HTTP/1.1\r\n" + HOST + b"\r\n")
        expect_problem(client.response(), "method_not_allowed", "not_implemented", "bad_request")
    assert len(server.requests) == seen


def test_options_asterisk_is_answered_by_the_gateway(instance, server):
    seen = len(server.requests)
    with instance.client() as client:
        response = client.request("OPTIONS", "*")
        assert response.status in (200, 204)
        assert client.expect_consistent(response).status == 200
    assert all(request.target != "*" for request in server.requests[seen:])


def test_absolute_form_replaces_the_host(instance, server):
    with instance.client() as client:
        response = client.get("http://other.test/path?q", host="gateway.test")
        assert response.status == 200
    request = server.requests[-1]
    assert (request.target, request.get("Host"), request.get("X-Forwarded-Host")) == ("/path?q", "other.test", "other.test")


def test_empty_lines_before_a_request_are_skipped(instance):
    with instance.client() as client:
        client.send(b"\r\n" + http1.request_text("GET", "/") + b"\r\n" + http1.request_text("GET", "/"))
        assert client.response().status == 200
        assert client.response().status == 200


def test_a_good_request_before_a_bad_one_is_answered(instance, server):
    seen = len(server.requests)
    with instance.client() as client:
        client.send(http1.request_text("GET", "/good") + b"BAD\r\n\r\n" + SMUGGLED)
        assert client.response().status == 200
        expect_problem(client.response(), "bad_request")
        client.expect_closed()
    assert [request.target for request in server.requests[seen:]] == ["/good"]


def test_what_follows_connection_close_is_discarded(instance, server):
    seen = len(server.requests)
    with instance.client() as client:
        client.send(http1.request_text("GET", "/last", [("Connection", "close")]) + SMUGGLED)
        assert client.response().status == 200
        client.expect_closed()
    assert [request.target for request in server.requests[seen:]] == ["/last"]


def test_two_authorization_fields(instance, server):
    seen = len(server.requests)
    response = instance.get("/", [("Authorization", "Bearer a"), ("Authorization", "Bearer b")])
    expect_problem(response, "bad_request")
    assert len(server.requests) == seen
