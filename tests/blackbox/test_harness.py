"""The harness itself: a reader that lets anything pass would make every other test worthless."""

import base64
import json
import socket

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from harness import http1, prometheus
from harness.backend import answer_all, echo
from harness.client import RawClient, fetch, get
from harness.tokens import Issuer, bearer
from harness.ums import FakeUms


def read_from(data, read):
    """Runs `read(reader)` on a peer that says `data` and closes."""
    left, right = socket.socketpair()
    with left, right:
        right.settimeout(5)
        left.sendall(data)
        left.close()
        return read(http1.Reader(right))


def whole_response(reader, method="GET"):
    return http1.read_body(reader, http1.read_response_head(reader, method))


@pytest.mark.parametrize("data,body", [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"hi"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n", b"hi"),
    (b"HTTP/1.1 200 OK\r\n\r\nhi", b"hi"), (b"HTTP/1.1 204 \r\n\r\n", b""),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
])
def test_good_responses(data, body):
    response = read_from(data, whole_response)
    assert response.complete and response.body == body


@pytest.mark.parametrize("data", [
    b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 200 OK\r\nX : 1\r\n\r\n", b"HTTP/1.1 200\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 02\r\n\r\nhi", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x\r\nh\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nhi\r\n0\r\n\r\n",
    b"HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n",
])
def test_bad_responses(data):
    with pytest.raises(http1.ProtocolError):
        read_from(data, whole_response)


@pytest.mark.parametrize("data", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", b"HTTP/1.1 200 OK\r\nContent-Le",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
])
def test_cut_responses(data):
    with pytest.raises(http1.Cut):
        read_from(data, whole_response)


@pytest.mark.parametrize("data", [
    b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", b"GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
])
def test_bad_requests(data):
    with pytest.raises(http1.ProtocolError):
        read_from(data, http1.read_request_head)


def test_client_and_backend_understand_each_other(backend):
    server = backend(answer_all(echo))
    body = bytes(range(256)) * 1000
    with RawClient(server.port) as client:
        assert client.request("POST", "/x", body=body).body == body
        client.send(http1.request_text("POST", "/y", [("Transfer-Encoding", "chunked")]) + http1.chunked(body, [7, 5000]))
        response = client.response()
        assert response.body == body and client.expect_consistent(response).body == b""
    assert [(r.method, r.target) for r in server.requests] == [("POST", "/x"), ("POST", "/y"), ("GET", "/")]
    server.wait_disconnected()


def test_a_failing_handler_is_noticed(backend):
    def handler(connection):
        connection.read_request()
        raise ValueError("on purpose")

    server = backend(handler)
    with RawClient(server.port) as client, pytest.raises(http1.Closed):
        client.get("/")
    server.stop()
    assert isinstance(server.failures.pop(), ValueError)


GOOD_SCRAPE = """# HELP a A.
# TYPE a counter
a{x="1",y="q\\"\\\\\\n"} 3
a{x="2"} 4
# TYPE h histogram
h_bucket{le="0.1"} 1
h_bucket{le="+Inf"} 2
h_sum 0.5
h_count 2
"""


def test_a_good_scrape():
    scrape = prometheus.parse(GOOD_SCRAPE)
    assert scrape.sum("a") == 7 and scrape.sum("a", x="1") == 3 and scrape.types["h"] == "histogram"


@pytest.mark.parametrize("before,after", [
    ('le="+Inf"} 2', 'le="+Inf"} 0'), ("h_count 2", "h_count 3"), ("h_count 2\n", "h_count 2"), ('a{x="2"}', 'a{x=2}'),
    ('a{x="2"} 4', 'a{x="1",y="q\\"\\\\\\n"} 4'), ("# TYPE a counter\n", ""), ("h_sum 0.5", "b 1"), ('x="1"', 'x="1",x="1"'),
    ("# TYPE h histogram\n", "\n# TYPE h histogram\n"),
])
def test_bad_scrapes(before, after):
    assert before in GOOD_SCRAPE
    with pytest.raises((AssertionError, ValueError)):
        prometheus.parse(GOOD_SCRAPE.replace(before, after))


def test_tokens_verify(issuer):
    signed, _, signature = issuer.mint().rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    issuer.keys["RS256"].private.public_key().verify(raw, signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    assert [key["kty"] for key in issuer.jwks()["keys"]] == ["RSA", "EC", "OKP"]


def test_jwks_server(jwks_server):
    server = jwks_server()
    keys = get(server.port, "/.well-known/jwks.json").json()["keys"]
    assert {key["alg"] for key in keys} == set(Issuer().keys)
    server.mode = "error"
    assert get(server.port, "/.well-known/jwks.json").status == 500


def ask(ums, target):
    return fetch(ums.port, "GET", target, bearer(ums.token))


def test_the_user_service_keeps_its_contract(ums: FakeUms):
    ums.add("a b", ["x:y"], roles=["r"])
    access = ask(ums, "/internal/v1/users/a%20b/access").json()
    assert access["subject"] == "a b" and access["permissions"] == ["x:y"] and access["disabled"] is False
    assert ask(ums, "/internal/v1/users/nobody/access").status == 404
    assert get(ums.port, "/internal/v1/users/a/access").status == 401 and ums.wrong_tokens == 1
    first = ask(ums, "/internal/v1/changes?since=0").json()["revision"]
    ums.change("a b", permissions=[])
    assert ask(ums, f"/internal/v1/changes?since={first}").json() == {"revision": first + 1, "subjects": ["a b"]}
    ums.set_mode("raw")
    ums.raw_body = json.dumps([]).encode()
    assert ask(ums, "/internal/v1/users/x/access").body == b"[]"


def test_the_user_service_can_fail(ums):
    ums.set_mode("error")
    assert ask(ums, "/internal/v1/users/a/access").status == 500
    ums.set_mode("drop")
    with pytest.raises(ConnectionError):
        ask(ums, "/internal/v1/users/a/access")
