"""Rows P05 to P07: services that answer badly. One clear error or a visible cut; the connection is not used again."""

import itertools
import socket
import threading

import pytest

from harness import configs, http1
from harness.backend import ok
from harness.http1 import Cut
from harness.problems import expect_problem
from harness.scene import HOST, Scene
from harness.wait import TIMEOUT

CHUNKED = [("Transfer-Encoding", "chunked")]
POISON = http1.response_text(200, [], b"for somebody else")


class Stage(Scene):
    """A backend whose answer to a target is a script: a function of the connection. True: the connection goes on."""

    def __init__(self, start, backend, config):
        self.scripts = {}
        self._numbers = itertools.count(1)
        server = backend(self._play)
        super().__init__(start(config(server.url)), server)

    def _play(self, connection):
        while True:
            request = connection.read_request()
            script = self.scripts.get(request.target, lambda c, r=request: c.send(ok(r)) or True)
            if not script(connection):
                return

    def script(self, script):
        """A new target that is answered by `script`."""
        target = f"/script/{next(self._numbers)}"
        self.scripts[target] = script
        return target

    def requests_for(self, target):
        return [request for request in self.server.requests if request.target == target]

    def expect_given_up(self, target):
        """The connection that answered `target` carries nothing else."""
        connection = self.connection_of(self.requests_for(target)[-1])
        self.server.wait_for(lambda _: connection.closed_by_peer, "the gateway giving up the upstream connection")
        assert self.gateway.get("/other").body == b"ok"
        assert connection.requests[-1].target == target


@pytest.fixture(name="stage", scope="module")
def _stage(module_gateway, module_backend):
    return Stage(module_gateway, module_backend, lambda url: configs.public(url, {"errors": "passthrough"}))


def sending(data, end="hold"):
    """A script that sends `data`, then holds the connection until it is closed, closes it, resets it, or goes on."""

    def script(connection):
        connection.send(data)
        if end == "hold":
            connection.wait_closed_by_peer()
        elif end == "reset":
            connection.reset()
        elif end == "half-close":
            connection.sock.shutdown(socket.SHUT_WR)
            connection.wait_closed_by_peer()
        return end == "keep"

    return script


# name: (method, the head of the answer)
BODYLESS = {
    "HEAD with a length": ("HEAD", http1.response_text(200, [("Content-Length", "5")])),
    "HEAD in chunks": ("HEAD", http1.response_text(200, CHUNKED)),
    "HEAD without either": ("HEAD", http1.response_text(200)),
    "HEAD of an error": ("HEAD", http1.response_text(404, [("Content-Length", "5")])),
    "204": ("GET", http1.response_text(204)),
    "204 with a length": ("GET", http1.response_text(204, [("Content-Length", "5")])),
    "204 in chunks": ("GET", http1.response_text(204, CHUNKED)),
    "304": ("GET", http1.response_text(304, [("ETag", '"v1"')])),
    "304 with a length": ("GET", http1.response_text(304, [("Content-Length", "5")])),
    "304 in chunks": ("GET", http1.response_text(304, CHUNKED)),
    "304 to HEAD": ("HEAD", http1.response_text(304, [("Content-Length", "5")])),
    "204 to POST": ("POST", http1.response_text(204)),
}


@pytest.mark.parametrize("method,answer", BODYLESS.values(), ids=list(BODYLESS))
def test_P05_answers_without_a_body_keep_both_connections(stage, method, answer):
    target = stage.script(sending(answer, "keep"))
    with stage.gateway.client() as client:
        for _ in range(2):
            response = client.request(method, target)
            assert response.body == b"" and not response.chunked and "close" not in response.tokens("Connection")
            if b"Content-Length" in answer and response.status != 204:
                assert response.get("Content-Length") == "5"
            else:
                assert not response.has("Content-Length")
            assert client.get("/next").body == b"ok"
    first, second = stage.requests_for(target)
    assert stage.connection_of(first) is stage.connection_of(second)


@pytest.mark.parametrize("surplus", [b"hello", http1.chunked(b"hello", [5]), b"x", POISON],
    ids=["body", "chunks", "a byte", "an answer"])
@pytest.mark.parametrize("method,answer", BODYLESS.values(), ids=list(BODYLESS))
def test_P05_a_body_that_must_not_be_reaches_nobody(stage, method, answer, surplus):
    """Neither as a body, nor as the answer to the next request, whoever asks."""
    target = stage.script(sending(answer + surplus))
    with stage.gateway.client() as client:
        assert client.request(method, target).body == b""
        assert client.get("/next").body == b"ok"
    stage.expect_given_up(target)


ANSWERS = {
    "length": http1.response_text(200, [], b"mine"), "chunks": http1.response_text(200,
    CHUNKED) + http1.chunked(b"mine", [2]),
    "empty": http1.response_text(200, [], b""), "404": http1.response_text(404, [], b"mine"),
}


@pytest.mark.parametrize("surplus", [b"x", b"\r\n", POISON], ids=["a byte", "a line end", "an answer"])
@pytest.mark.parametrize("answer", ANSWERS.values(), ids=list(ANSWERS))
def test_P05_bytes_behind_an_answer_reach_nobody(stage, answer, surplus):
    target = stage.script(sending(answer + surplus))
    with stage.gateway.client() as client:
        assert client.get(target).body in (b"mine", b"")
        assert client.get("/next").body == b"ok"
    stage.expect_given_up(target)


@pytest.mark.parametrize("surplus", [b"x", POISON], ids=["a byte", "an answer"])
def test_P05_bytes_on_an_idle_connection_reach_nobody(stage, surplus):
    """The answer was whole and the connection kept; what comes afterwards was asked for by nobody."""
    answered, sent = threading.Event(), threading.Event()

    def script(connection):
        connection.send(ok(None))
        assert answered.wait(TIMEOUT)
        connection.send(surplus)
        sent.set()
        connection.wait_closed_by_peer()

    target = stage.script(script)
    assert stage.gateway.get(target).body == b"ok"
    answered.set()
    assert sent.wait(TIMEOUT)
    assert stage.gateway.get("/next").body == b"ok"
    stage.expect_given_up(target)


def test_P06_informational_answers_are_forwarded_to_those_who_know_them(stage):
    links = ["</style.css>; rel=preload", "</script.js>; rel=preload"]
    interim = b"".join(http1.response_text(103, [("Link", link)]) for link in links) + http1.response_text(102,
        [("Content-Length", "5")])
    target = stage.script(sending(http1.response_text(100) + interim + ok(None), "keep"))
    with stage.gateway.client() as client:
        response = client.get(target)
        assert response.body == b"ok"
        assert [(head.status, head.get("Link")) for head in response.interim] == [(103, links[0]), (103, links[1]),
            (102, None)]
        client.expect_consistent(response, "/next")
    with stage.gateway.client() as client:
        client.send(f"GET {target} HTTP/1.0\r\n".encode() + HOST + b"\r\n")
        response = client.response()
        assert response.body == b"ok" and response.interim == []


def test_P06_informational_answers_are_bounded_in_number(stage):
    def script(connection):
        while True:
            connection.send(http1.response_text(103) * 100)  # raises once the gateway has given up

    target = stage.script(script)
    with stage.gateway.client() as client:
        response = client.get(target)
        expect_problem(response, "upstream_invalid")
        assert len(response.interim) < 20
        client.expect_consistent(response, "/next")
    stage.expect_given_up(target)


@pytest.mark.parametrize("data", [
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", http1.response_text(101),
    http1.response_text(101) + ok(None),
    http1.response_text(103) + http1.response_text(101), http1.response_text(103) + b"hello" + ok(None),
    http1.response_text(103, [("Link", b"a\x00")]) + ok(None),
    http1.response_text(103)[:-2] + b"Folded: a\r\n b\r\n\r\n" + ok(None),
])
def test_P06_a_bad_informational_answer(stage, data):
    expect_invalid(stage, data)


def expect_invalid(stage, data):
    """502, the connection to the service is given up, that of the client goes on."""
    target = stage.script(sending(data))
    with stage.gateway.client() as client:
        response = client.get(target)
        expect_problem(response, "upstream_invalid")
        client.expect_consistent(response, "/next")
    stage.expect_given_up(target)
    assert len(stage.requests_for(target)) == 1, "an answer that has begun is not asked for again"


def with_field(*lines):
    return b"HTTP/1.1 200 OK\r\n" + b"".join(line + b"\r\n" for line in lines) + b"Content-Length: 0\r\n\r\n"


NOT_HTTP = {
    "garbage": b"\x00\x01\x02\x03 this is not HTTP\r\n\r\n", "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "SMTP": b"220 mail.test ESMTP\r\n",
    "a TLS alert": b"\x15\x03\x01\x00\x02\x02\x46", "a body alone": b"hello world\r\n",
    "a request": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "an empty line first": b"\r\n" + ok(None), "a blank first": b" " + ok(None),
    "HTTP/2 frames": b"\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    "high bytes": bytes(range(128, 256)) * 4, "HTML": b"<html>\r\n</html>\r\n",
}
STATUS_LINES = [
    b"HTTP/9.9 200 OK", b"HTTP/2.0 200 OK", b"HTTP/2 200", b"http/1.1 200 OK", b"HTTP/1.1 OK", b"HTTP/1.1 20 OK",
    b"HTTP/1.1 2000 OK", b"HTTP/1.1 099 Low",
    b"HTTP/1.1 000 Zero", b"HTTP/1.1 600 High", b"HTTP/1.1 999 High", b"HTTP/1.1 +20 OK", b"HTTP/1.1  200 OK",
    b"HTTP/1.1\t200 OK", b"HTTP/1.1 200\tOK",
    b"HTTP/1.1 2x0 OK", b"HTTP/1.1 200OK", b"HTTP/01.1 200 OK", b"HTTP/1.10 200 OK", b"HTTP/1.1", b"HTTP/1.1 ",
    b"HTTP/1.1 200 O\x00K", b"HTTP/1.1 200 O\rK",
    b"HTTP/1.1 200 \x7f", b"ICY 200 OK",
]
FIELD_LINES = [
    b"X: a\r\n b", b"X: a\r\n\tb", b"X:\r\n a", b"X: a\x00b", b"X: a\rb", b"X: a\nb", b"X: a\x01b", b"X: a\x7fb",
    b"X : 1", b"X\t: 1", b" X: 1", b"nonsense",
    b": 1", b"X(: 1", b"X\xe9: 1", b"X\x00: 1", b"X Y: 1",
]
FRAMINGS = {
    "CL and TE": http1.response_text(200, [("Content-Length", "5")] + CHUNKED) + b"0\r\n\r\n",
    "TE and CL": http1.response_text(200, CHUNKED + [("Content-Length", "5")]) + b"0\r\n\r\n",
    "two different CL": http1.response_text(200, [("Content-Length", "5"), ("Content-Length", "6")]) + b"hello",
    "two equal CL": http1.response_text(200, [("Content-Length", "5"), ("content-length", "5")]) + b"hello",
    "two TE": http1.response_text(200, CHUNKED + CHUNKED) + b"0\r\n\r\n",
    "TE in HTTP/1.0": http1.response_text(200, CHUNKED).replace(b"HTTP/1.1", b"HTTP/1.0") + b"0\r\n\r\n",
    **{f"CL {text}": http1.response_text(200, [("Content-Length", text)]) + b"hello"
       for text in ("-5", "+5", "5, 5", "5, 6", "0x5", "5 5", "", "five", "5.0", "18446744073709551621",
           "9223372036854775808")},
    **{f"TE {text}": http1.response_text(200, [("Transfer-Encoding", text)]) + b"0\r\n\r\n"
       for text in ("gzip, chunked", "identity", "chunked, chunked", "xchunked", "chunked;x", "", ",chunked",
           "chunked, gzip")},
}
SIZES = {
    "a large head": http1.response_text(200, [("X", "x" * 200_000)]),
    "many fields": http1.response_text(200, [(f"X-{i}", "1") for i in range(101)], b""),
    "a long reason": b"HTTP/1.1 200 " + b"x" * 70_000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("data", NOT_HTTP.values(), ids=list(NOT_HTTP))
def test_P07_what_is_not_http(stage, data):
    expect_invalid(stage, data)


@pytest.mark.parametrize("line", STATUS_LINES)
def test_P07_odd_status_lines(stage, line):
    expect_invalid(stage, line + b"\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize("line", FIELD_LINES)
def test_P07_odd_fields(stage, line):
    expect_invalid(stage, with_field(b"A: 1", line, b"B: 1"))


def test_P07_bare_line_feeds(stage):
    for data in (b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", with_field(b"A: 1").replace(b"1\r\n", b"1\n"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n"):
        expect_invalid(stage, data)


@pytest.mark.parametrize("data", FRAMINGS.values(), ids=list(FRAMINGS))
def test_P07_framing_that_could_be_read_in_two_ways(stage, data):
    expect_invalid(stage, data)


@pytest.mark.parametrize("data", SIZES.values(), ids=list(SIZES))
def test_P07_heads_that_are_too_large(stage, data):
    target = stage.script(sending(data))  # the gateway may be gone before all of it was sent
    expect_problem(stage.gateway.get(target), "upstream_invalid")
    stage.expect_given_up(target)


@pytest.mark.parametrize("start,more", [
    (b"", b"x" * 1000), (b"HTTP/1.1 200 OK\r\n", b"X: " + b"x" * 1000 + b"\r\n"),
    (b"HTTP/1.1 200 OK\r\nX: ", b"x" * 1000), (b"HTTP/1.1 200 ", b"x" * 1000),
    (b"HTTP/1.1 200 OK\r\n", b"X: 1\r\n"), (b"", b"\r\n"),
], ids=["no line", "fields", "one field", "a reason", "small fields", "empty lines"])
def test_P07_heads_without_an_end(stage, start, more):
    def script(connection):
        connection.send(start)
        while True:
            connection.send(more * 100)  # raises once the gateway has given up

    target = stage.script(script)
    with stage.gateway.client() as client:
        response = client.get(target)
        expect_problem(response, "upstream_invalid")
        client.expect_consistent(response, "/next")
    stage.expect_given_up(target)


BAD_CHUNKS = {
    "a bad size": b"xyz\r\n", "a huge size": b"1" + b"0" * 20 + b"\r\n", "an odd size": b"0x5\r\nhello\r\n",
    "a spill": b"2\r\nparts\r\n0\r\n\r\n",
    "a bare LF": b"5\nhello\n0\n\n", "no last line end": b"0\r\nXX\r\n\r\n",
    "a bad extension": b"5;a\x00\r\nhello\r\n0\r\n\r\n", "a bad trailer": b"0\r\nbad trailer\r\n\r\n",
    "endless extensions": b"1;" + b"e" * 5000 + b"\r\n", "endless trailers": b"0\r\n" + b"A: b\r\n" * 2000,
}


@pytest.mark.parametrize("fault", BAD_CHUNKS.values(), ids=list(BAD_CHUNKS))
def test_P07_chunks_that_are_broken_at_once(stage, fault):
    """Nothing of the answer has been sent yet, so it can still be a 502; a fault that came in another piece is a cut."""
    target = stage.script(sending(http1.response_text(200, CHUNKED) + fault))
    with stage.gateway.client() as client:
        client.send(http1.request_text("GET", target))
        response = client.head()
        if response.status == 502:
            expect_problem(client.finish(response), "upstream_invalid")
        else:
            with pytest.raises(Cut):
                client.finish(response)
    stage.expect_given_up(target)


HEADS = {
    "length": http1.response_text(200, [("Content-Length", "100")]) + b"part",
    "chunks": http1.response_text(200, CHUNKED) + http1.chunk(b"part"),
    "chunk": http1.response_text(200, CHUNKED) + b"64\r\npart", "until close": http1.response_text(200) + b"part",
}
# What follows a start, and the end of the connection: each breaks an answer whose head is with the client already.
BREAKS = {
    **{f"{start}, {end}": (start, b"", end) for start in ("length", "chunks", "chunk") for end in ("close", "reset",
    "half-close")},
    "until close, reset": ("until close", b"", "reset"), "no end of the last chunk": ("chunks", b"0\r\n", "close"),
    "no end of the trailers": ("chunks", b"0\r\nA: b\r\n", "close"), "still too short": ("length", b"more", "close"),
    **{name: ("chunks", fault, "hold") for name, fault in BAD_CHUNKS.items()},
}


@pytest.mark.parametrize("minor", [1, 0])
@pytest.mark.parametrize("start,fault,end", BREAKS.values(), ids=list(BREAKS))
def test_P07_an_answer_that_breaks_later_is_cut_visibly(stage, start, fault, end, minor):
    """Never a clean end: a short length, a missing last chunk, or a reset where the end of the connection is the end."""
    seen = threading.Event()

    def script(connection):
        connection.send(HEADS[start])
        assert seen.wait(TIMEOUT)
        return sending(fault, end)(connection)

    target = stage.script(script)
    with stage.gateway.client() as client:
        client.send(f"GET {target} HTTP/1.{minor}\r\n".encode() + HOST + b"\r\n")
        response = client.head()
        parts = client.body_parts(response)
        assert response.status == 200 and next(parts) == b"part"
        seen.set()
        if minor == 0 and start != "length":
            with pytest.raises(ConnectionResetError):
                while client.sock.recv(65536):
                    pass
        else:
            with pytest.raises(Cut):
                list(parts)
    record, = stage.gateway.wait_log(where=lambda line: line["path"] == target)
    assert record["status"] == 200 and record["code"] in ("upstream_invalid",
        "upstream_reset") and record["end"] != "complete"
    assert len(stage.requests_for(target)) == 1
    assert stage.gateway.get("/next").body == b"ok"


@pytest.mark.parametrize("end", ["close", "half-close"])
def test_P07_an_answer_until_close_is_whole_at_its_close(stage, end):
    for body in (b"", b"x" * 100_000):
        with stage.gateway.client() as client:
            response = client.get(stage.script(sending(http1.response_text(200) + body, end)))
            assert response.body == body and response.chunked
            client.expect_consistent(response, "/next")


@pytest.mark.parametrize("end", ["close", "reset", "half-close"])
@pytest.mark.parametrize("data", [b"H", b"HTTP/1.1 200 OK\r\nContent-", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
    http1.response_text(103), http1.response_text(100)])
def test_P07_an_end_within_the_head(stage, data, end):
    target = stage.script(sending(data, end))
    with stage.gateway.client() as client:
        response = client.get(target)
        expect_problem(response, "upstream_reset")
        client.expect_consistent(response, "/next")
    assert len(stage.requests_for(target)) == 1, "an answer that has begun is not asked for again"


def test_P07_a_half_closed_service_is_not_asked_again(stage):
    target = stage.script(sending(ok(None), "half-close"))
    assert stage.gateway.get(target).body == b"ok"
    stage.expect_given_up(target)


@pytest.mark.parametrize("fields", [[("Connection", "close")], [("connection", "x, CLOSE")]])
def test_P07_a_service_that_says_close_is_believed(stage, fields):
    target = stage.script(sending(http1.response_text(200, fields, b"ok")))
    with stage.gateway.client() as client:
        response = client.get(target)
        assert response.body == b"ok" and "close" not in response.tokens("Connection")
        client.expect_consistent(response, "/next")
    stage.expect_given_up(target)


@pytest.mark.parametrize("data", [b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok"])
def test_P07_a_service_of_http_1_0_is_asked_once_a_connection(stage, data):
    target = stage.script(sending(data))
    assert stage.gateway.get(target).body == b"ok"
    stage.expect_given_up(target)
