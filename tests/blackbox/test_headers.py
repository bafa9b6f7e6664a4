"""Fields that end at the gateway, fields it owns, and fields it passes on."""

import re

import pytest

from harness import configs, http1
from harness.backend import answer_all, ok
from harness.problems import expect_problem
from harness.tokens import bearer

GATEWAY_OWNED = [
    "X-Auth-Subject", "X-Auth-Tenant", "X-Auth-Roles", "X-Auth-Anything", "X-User-Id", "X-Forwarded-For",
    "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Prefix", "Forwarded", "X-Real-IP", "X-Request-Id",
    "X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override",
]
ALIASES = ["X_Auth_Subject", "x_auth_roles", "X-Auth_Tenant", "X_Forwarded_For", "x-auth.subject", "X.Forwarded.For", "X_REQUEST_ID"]
PROTECTED_FROM_NOMINATION = [
    "Host", "Content-Length", "Transfer-Encoding", "Authorization", "Cookie", "Cache-Control", "X-Forwarded-For",
    "x-auth-subject", "forwarded", "X-Request-Id",
]


def exchange(gateway, backend, fields, answer=ok, listener=None, target="/"):
    """One GET; returns (the request as the backend saw it, the response, the gateway)."""
    server = backend(answer_all(answer))
    config = configs.public(server.url)
    config["listeners"][0].update(listener or {})
    instance = gateway(config)
    response = instance.get(target, fields)
    return server.wait_requests(1)[0], response, instance


def test_hop_by_hop_fields_of_a_request_are_removed(gateway, backend):
    request, response, _ = exchange(gateway, backend, [
        ("Connection", "keep-alive, X-Hop"), ("connection", "x-second"), ("X-Hop", "1"), ("X-Second", "2"),
        ("Keep-Alive", "timeout=5"), ("Proxy-Connection", "keep-alive"), ("TE", "gzip"), ("Upgrade", "websocket"),
        ("Proxy-Authorization", "Basic eA=="), ("HTTP2-Settings", "AAMAAABk"), ("X-Kept", "yes"), ("Accept", "*/*")])
    assert response.status == 200
    for name in ("X-Hop", "X-Second", "Keep-Alive", "Proxy-Connection", "TE", "Upgrade", "Proxy-Authorization", "HTTP2-Settings"):
        assert not request.has(name), name
    assert set(request.tokens("Connection")) <= {"keep-alive"}
    assert request.get("X-Kept") == "yes" and request.get("Accept") == "*/*"


def test_hop_by_hop_fields_of_a_response_are_removed(gateway, backend):
    answer = http1.response_text(200, [
        ("Connection", "X-Hop"), ("X-Hop", "1"), ("Keep-Alive", "timeout=5"), ("Proxy-Connection", "keep-alive"),
        ("Upgrade", "h2c"), ("X-Kept", "yes")], b"ok")
    _, response, _ = exchange(gateway, backend, [], lambda _: answer)
    for name in ("X-Hop", "Keep-Alive", "Proxy-Connection", "Upgrade"):
        assert not response.has(name), name
    assert response.get("X-Kept") == "yes"


@pytest.mark.parametrize("name", PROTECTED_FROM_NOMINATION)
def test_a_protected_field_named_in_connection_is_refused(gateway, backend, name):
    server = backend()
    with gateway(configs.public(server.url)).client() as client:
        expect_problem(client.get("/", [("Connection", f"close, {name}")]), "bad_request")
        client.expect_closed()
    assert not server.requests


def test_forwarding_fields_are_set(gateway, backend):
    request, _, _ = exchange(gateway, backend, [])
    assert request.get("X-Forwarded-For") == "127.0.0.1"
    assert request.get("X-Forwarded-Proto") == "http"
    assert request.get("X-Forwarded-Host") == "gateway.test"
    parameters = {k.lower(): v.strip('"') for k, v in (p.split("=", 1) for p in request.get("Forwarded").replace(" ", "").split(";"))}
    assert (parameters["for"], parameters["proto"], parameters["host"]) == ("127.0.0.1", "http", "gateway.test")
    assert re.fullmatch(r"1\.1 \S+", request.get("Via"))
    assert request.get("Host") == "gateway.test"


@pytest.mark.parametrize("name", GATEWAY_OWNED + ALIASES)
def test_spoofed_fields_are_removed(gateway, backend, name):
    request, response, _ = exchange(gateway, backend, [(name, "spoofed-value"), (name.lower(), "spoofed-value")])
    assert response.status == 200
    assert not [value for _, value in request.fields if "spoofed-value" in value]


def test_identity_fields_are_absent_without_an_identity(gateway, backend):
    request, _, _ = exchange(gateway, backend, [])
    assert not [name for name, value in request.fields if name.lower().startswith("x-auth-") and value]


def test_a_proxy_that_is_not_trusted_names_no_client(gateway, backend):
    request, _, instance = exchange(gateway, backend, [("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Proto", "https")])
    assert request.get("X-Forwarded-For") == "127.0.0.1" and request.get("X-Forwarded-Proto") == "http"
    assert instance.wait_log()[0]["client"] == "127.0.0.1"


@pytest.mark.parametrize("forwarded,client", [
    (["198.51.100.7"], "198.51.100.7"),
    (["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
    (["203.0.113.9, 198.51.100.7, 127.0.0.2"], "198.51.100.7"),
    (["203.0.113.9", "198.51.100.7, 127.0.0.3"], "198.51.100.7"),
    (["2001:db8::1"], "2001:db8::1"),
    ([], "127.0.0.1"),
])
def test_trusted_proxies_are_read_right_to_left(gateway, backend, forwarded, client):
    request, response, instance = exchange(
        gateway, backend, [("X-Forwarded-For", value) for value in forwarded], listener={"trusted_proxies": ["127.0.0.0/8"]})
    assert response.status == 200
    assert instance.wait_log()[0]["client"] == client
    assert client in request.tokens("X-Forwarded-For")


def test_request_id_is_one_everywhere(gateway, backend):
    request, response, instance = exchange(gateway, backend, [("X-Request-Id", "from-the-client")])
    request_id = response.get("X-Request-Id")
    assert request_id and request_id != "from-the-client"
    assert request.get("X-Request-Id") == request_id
    assert instance.wait_log()[0]["request_id"] == request_id


def test_request_ids_differ(gateway, backend):
    server = backend()
    with gateway(configs.public(server.url)).client() as client:
        assert len({client.get("/").get("X-Request-Id") for _ in range(100)}) == 100


@pytest.mark.parametrize("forward", [False, True])
def test_the_token_is_forwarded_only_on_request(gateway, backend, issuer, jwks, forward):
    server = backend()
    config = configs.base({"backend": server.url}, [
        {"path": "/", "service": "backend", "forward_token": forward}], authentication=configs.authentication(issuer, jwks))
    token = issuer.mint()
    assert gateway(config).get("/", bearer(token)).status == 200
    assert server.requests[0].get("Authorization") == (f"Bearer {token}" if forward else None)


def test_authorization_stops_at_the_gateway_on_public_routes(gateway, backend):
    request, response, _ = exchange(gateway, backend, [("Authorization", "Bearer of-somebody")])
    assert response.status == 200 and not request.has("Authorization")


def test_repeated_and_odd_fields_pass_unchanged(gateway, backend):
    answer = http1.response_text(200, [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Obs", b"caf\xe9"), ("X-Empty", "")], b"ok")
    request, response, _ = exchange(gateway, backend, [
        ("Cookie", "s=1; t=2"), ("X-Many", "one"), ("x-many", "two, three"), ("X-Obs", b"\xff\xfe ok"), ("X-Empty", "")],
        lambda _: answer)
    assert request.all("X-Many") in (["one", "two, three"], ["one, two, three"])
    assert request.get("X-Obs") == "\xff\xfe ok" and request.get("Cookie") == "s=1; t=2" and request.get("X-Empty") == ""
    assert response.all("Set-Cookie") == ["a=1", "b=2"] and response.get("X-Obs") == "caf\xe9"
