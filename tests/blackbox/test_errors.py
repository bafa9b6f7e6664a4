"""Every error of the gateway has the one documented form."""

import pytest

from harness import configs
from harness.problems import expect_problem

MEMBERS = {"type", "title", "status", "detail", "instance", "code", "request_id", "retryable"}
DETAILS = {
    "route_not_found": "No route matches this path.",
    "method_not_allowed": "This path does not take this method.",
    "ambiguous_path": "The request path can be read in more than one way.",
    "missing_token": "This route needs a bearer token.",
    "invalid_token": "The bearer token is not valid.",
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
def test_members(instance, code):
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
def test_head_has_the_same_fields_and_no_body(instance, code):
    _, target, fields = CASES[code]
    plain = instance.get(target, fields)
    with instance.client() as client:
        response = client.request("HEAD", target, fields)
        assert response.status == plain.status and response.body == b""
        assert response.get("Content-Type") == "application/problem+json"
        again = client.expect_consistent(response, "/read-only")
        assert again is None or again.status == 200


def test_http_1_0_gets_the_same_form(instance):
    with instance.client() as client:
        client.send(b"GET /nowhere HTTP/1.0\r\nHost: gateway.test\r\n\r\n")
        expect_problem(client.response(), "route_not_found")
        client.expect_closed()


def test_a_malformed_request_gets_the_same_form(instance):
    with instance.client() as client:
        client.send(b"nonsense\r\n\r\n")
        response = client.response()
        problem = expect_problem(response, "bad_request")
        assert MEMBERS - {"instance"} <= set(problem)


def test_the_instance_is_escaped(instance):
    response = instance.get("/nowhere/%22%3C'&()")
    assert expect_problem(response, "route_not_found")["instance"].startswith("/nowhere/%22%3C")


def test_ids_of_errors_differ(instance):
    with instance.client() as client:
        assert len({client.get("/nowhere").json()["request_id"] for _ in range(50)}) == 50
