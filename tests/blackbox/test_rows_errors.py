"""Rows P08 and P13: no text from outside splits a message, and every error has the one documented form."""

import json

import pytest

from harness import configs, http1
from harness.backend import answer_all
from harness.problems import expect_problem
from harness.tokens import bearer

MEMBERS = {"type", "title", "status", "detail", "instance", "code", "request_id", "retryable"}
DETAILS = {
    "route_not_found": "No route matches this path.",
    "method_not_allowed": "This path does not take this method.",
    "ambiguous_path": "The request path can be read in more than one way.",
    "missing_token": "This route needs a bearer token.",
    "invalid_token": "The token or API key is not valid.",
    "upstream_unreachable": "The service cannot be reached.",
    "body_too_large": "The request body is larger than this route accepts.",
}
# code: (method, target, fields)
CASES = {
    "route_not_found": ("GET", "/nowhere?secret=1", []),
    "method_not_allowed": ("DELETE", "/read-only?secret=1", []),
    "ambiguous_path": ("GET", "/read-only/a%2fb", []),
    "missing_token": ("GET", "/protected/thing?secret=1", []),
    "invalid_token": ("GET", "/protected/thing", [("Authorization", "Bearer a.b.c")]),
    "upstream_unreachable": ("GET", "/down/thing?secret=1", []),
    "body_too_large": ("POST", "/down", [("Content-Length", "99999999")]),
}


@pytest.fixture(name="instance", scope="module")
def _instance(module_gateway, module_backend, issuer, tmp_path_factory):
    services = {"backend": module_backend().url, "down": module_backend(listening=False).url}
    routes = [
        {"path": "/read-only", "service": "backend", "public": True, "methods": ["GET", "HEAD"]},
        {"path": "/protected", "service": "backend"},
        {"path": "/down", "service": "down", "public": True},
    ]
    jwks = issuer.write_jwks(tmp_path_factory.mktemp("keys"))
    return module_gateway(configs.base(services, routes, authentication=configs.authentication(issuer, jwks)))


@pytest.mark.parametrize("code", list(CASES))
def test_P13_members(instance, code):
    method, target, fields = CASES[code]
    with instance.client() as client:
        response = client.request(method, target, fields)
    problem = expect_problem(response, code)
    required = MEMBERS - {"instance"} if code == "ambiguous_path" else MEMBERS  # P13: a raw path is not echoed
    assert required <= set(problem) <= MEMBERS | {"service"}
    assert problem["detail"] == DETAILS[code]
    if code != "ambiguous_path":
        assert problem["instance"] == target.split("?", maxsplit=1)[0]
    assert b"secret" not in response.body
    assert int(response.get("Content-Length")) == len(response.body)


@pytest.mark.parametrize("code", [code for code, case in CASES.items() if case[0] == "GET"])
def test_P13_head_has_the_same_fields_and_no_body(instance, code):
    _, target, fields = CASES[code]
    plain = instance.get(target, fields)
    with instance.client() as client:
        response = client.request("HEAD", target, fields)
        assert response.status == plain.status and response.body == b""
        assert response.get("Content-Type") == "application/problem+json"
        again = client.expect_consistent(response, "/read-only")
        assert again is None or again.status == 200


def test_P13_http_1_0_gets_the_same_form(instance):
    with instance.client() as client:
        client.send(b"GET /nowhere HTTP/1.0\r\nHost: gateway.test\r\n\r\n")
        expect_problem(client.response(), "route_not_found")
        client.expect_closed()


def test_P13_a_malformed_request_gets_the_same_form(instance):
    with instance.client() as client:
        client.send(b"nonsense\r\n\r\n")
        response = client.response()
        problem = expect_problem(response, "bad_request")
        assert MEMBERS - {"instance"} <= set(problem)


def test_P13_the_instance_is_escaped(instance):
    response = instance.get("/nowhere/%22%3C'&()")
    assert expect_problem(response, "route_not_found")["instance"].startswith("/nowhere/%22%3C")


def test_P13_ids_of_errors_differ(instance):
    with instance.client() as client:
        assert len({client.get("/nowhere").json()["request_id"] for _ in range(50)}) == 50


CHALLENGES = {
    "missing_token": ([], 'Bearer realm="lotagate"'),
    "invalid_token": (bearer("secret.token.text"), 'Bearer realm="lotagate", error="invalid_token"'),
}


@pytest.mark.parametrize("code", list(CHALLENGES))
def test_P13_a_401_says_what_is_missing_and_repeats_no_token(instance, code):
    """`error` is there only if a token was (RFC 6750 3.1)."""
    fields, challenge = CHALLENGES[code]
    response = instance.get("/protected/thing?access_token=secret", fields)
    expect_problem(response, code)
    assert response.get("WWW-Authenticate") == challenge and b"secret" not in response.body


def test_P13_a_405_says_what_is_allowed(instance):
    with instance.client() as client:
        assert client.request("PUT", "/read-only", body=b"").get("Allow") == "GET, HEAD"


@pytest.mark.parametrize("target", ["/%3Cscript%3E%0d", "/a%2fsecret-path", "/secret-path//x", "/%c0%afsecret-path",
    "/../secret-path"])
def test_P13_a_raw_path_is_not_echoed(instance, target):
    response = instance.get(target)
    problem = expect_problem(response, "ambiguous_path", "bad_request")
    assert "instance" not in problem and b"secret-path" not in response.body and b"script" not in response.body


# What would end a line, or is no visible ASCII where nothing else is agreed upon.
SPLITTERS = ["a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rX-Evil: 1", "a\x00b", "a\x7fb", "\u00fc", "a\u2028b", "\u010d\u010a",
    " a", "a\tb"]


@pytest.fixture(name="users")
def _users(gateway, backend, issuer, jwks, ums, tmp_path):
    """(gateway, backend, user management) of a route with permissions, and /any for whoever has a token."""
    server = backend()
    routes = [{"path": "/", "service": "backend", "require": "models:read"}, {"path": "/any", "service": "backend"}]
    authentication = configs.authentication(issuer, jwks)
    authentication["issuers"][0]["tenant_claim"] = "tenant"
    instance = gateway(configs.base({"backend": server.url}, routes, authentication=authentication,
                                    authorization={"user_management": ums.write_token(tmp_path)}))
    ums.wait_feed()
    return instance, server, ums


def expect_unsplit(server):
    assert not server.requests and not any(b"Evil" in connection.received for connection in server.connections)


@pytest.mark.parametrize("claim", ["sub", "tenant"])
def test_P08_claims_that_would_split_a_head(users, issuer, claim):
    """They end the request, they are not left out: without them it would be somebody else's."""
    instance, server, _ = users
    for value in SPLITTERS:
        token = issuer.mint(value) if claim == "sub" else issuer.mint("alice", tenant=value)
        expect_problem(instance.get("/any", bearer(token)), "invalid_token")
    expect_unsplit(server)


@pytest.mark.parametrize("member", ["roles", "tenant"])
def test_P08_roles_that_would_split_a_head(users, issuer, member):
    instance, server, ums = users
    for number, value in enumerate(SPLITTERS):
        ums.add(f"user-{number}", ["models:read"], **{member: ["good", value] if member == "roles" else value})
        expect_problem(instance.get("/", bearer(issuer.mint(f"user-{number}"))), "authorization_unavailable")
    expect_unsplit(server)


def test_P08_a_role_is_not_two(users, issuer):
    """Roles are joined with commas on the way to the service."""
    instance, server, ums = users
    ums.add("alice", ["models:read"], roles=["viewer,admin"])
    expect_problem(instance.get("/", bearer(issuer.mint("alice"))), "authorization_unavailable")
    expect_unsplit(server)


@pytest.mark.parametrize("text", ["a\r\nX-Evil: 1", "a\r\n\r\n<html>", "\x00", '"}, {"', "</script>", "\u2028"])
def test_P08_the_text_of_an_error_stays_in_its_member(gateway, backend, text):
    body = json.dumps({"detail": text}).encode()
    server = backend(answer_all(lambda _: http1.response_text(404, [("Content-Type", "application/json")], body)))
    with gateway(configs.public(server.url)).client() as client:
        response = client.get("/x")
        assert expect_problem(response, "upstream_error", status=404)["detail"] == text
        assert not response.has("X-Evil") and all(byte >= 0x20 for byte in response.body)
        client.expect_consistent(response)


@pytest.mark.parametrize("target", ["/a%0d%0aX-Evil:%201", "/a%0aX-Evil", "/?a=%0d%0aX-Evil:%201",
    "http://gateway.test%0d%0aX-Evil/"])
def test_P08_an_encoded_line_end_stays_encoded(gateway, backend, target):
    server = backend(answer_all(lambda r: http1.response_text(302, [("Location", r.target)], b"")))
    instance = gateway(configs.public(server.url))
    response = instance.get(target)
    if "?" in target:
        assert response.get("Location") == target and server.requests[0].target == target
    else:
        expect_problem(response, "bad_request")
        assert not server.requests
    assert not response.has("X-Evil")
    assert len(instance.wait_log()) == 1
