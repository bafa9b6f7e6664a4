"""Which service takes a request, and under which path it sees it."""

import pytest

from harness import configs, http1
from harness.backend import answer_all
from harness.problems import expect_problem

ROUTES = [
    {"path": "/api/v1/users", "service": "users", "public": True},
    {"path": "/api/v1/users/admin", "service": "admin", "public": True},
    {"path": "/api/v1/models", "service": "models", "public": True, "methods": ["GET", "POST"]},
    {"path": "/api/v1/models", "service": "deleter", "public": True, "methods": ["DELETE"]},
    {"path": "/hosted", "service": "users", "public": True, "host": "a.test"},
    {"path": "/hosted", "service": "models", "public": True, "host": "b.test"},
    {"path": "/versioned", "service": "users", "public": True},
    {"path": "/versioned", "service": "models", "public": True, "headers": {"X-Version": "2"}},
]
NAMES = ("users", "admin", "models", "deleter")


def naming(name):
    """Answers with the service's name and the target it was asked for."""
    return answer_all(lambda request: http1.response_text(200, [("X-Service", name)], request.target.encode()))


@pytest.fixture(name="servers", scope="module")
def _servers(module_backend):
    return {name: module_backend(naming(name)) for name in NAMES}


@pytest.fixture(name="instance", scope="module")
def _instance(module_gateway, servers):
    return module_gateway(configs.base({name: server.url for name, server in servers.items()}, ROUTES))


def expect_untouched(servers, request):
    """Runs `request`; no service hears of it."""
    seen = [len(server.requests) for server in servers.values()]
    response = request()
    assert [len(server.requests) for server in servers.values()] == seen
    return response


@pytest.mark.parametrize("target,service", [
    ("/api/v1/users", "users"), ("/api/v1/users/", "users"), ("/api/v1/users/7", "users"), ("/api/v1/users?x=1", "users"),
    ("/api/v1/users/adm", "users"), ("/api/v1/users/administrator", "users"), ("/api/v1/users/admin", "admin"),
    ("/api/v1/users/admin/x", "admin"), ("/api/v1/users/admin?y", "admin"), ("/api/v1/models/1", "models"),
])
def test_the_longest_path_wins_on_segment_boundaries(instance, target, service):
    response = instance.get(target)
    assert (response.status, response.get("X-Service"), response.body.decode()) == (200, service, target)


@pytest.mark.parametrize("target", [
    "/", "/api", "/api/v1", "/api/v1/usersX", "/api/v1/user", "/api/v1/users-admin", "/API/V1/users", "/api/v1/Users",
])
def test_no_route(instance, servers, target):
    problem = expect_problem(expect_untouched(servers, lambda: instance.get(target)), "route_not_found")
    assert problem["instance"] == target


@pytest.mark.parametrize("method,service", [("GET", "models"), ("POST", "models"), ("DELETE", "deleter")])
def test_methods_choose_among_routes_of_one_path(instance, method, service):
    with instance.client() as client:
        assert client.request(method, "/api/v1/models").get("X-Service") == service


def test_a_method_that_no_route_takes(instance, servers):
    with instance.client() as client:
        response = expect_untouched(servers, lambda: client.request("PUT", "/api/v1/models", body=b"x"))
    expect_problem(response, "method_not_allowed")
    assert set(response.tokens("Allow")) >= {"get", "post", "delete"}


@pytest.mark.parametrize("host,service", [
    ("a.test", "users"), ("b.test", "models"), ("A.TEST", "users"), ("b.test.", "models"), ("a.test:80", "users"),
    ("b.test:8080", "models"),
])
def test_hosts(instance, host, service):
    assert instance.get("/hosted", host=host).get("X-Service") == service


def test_a_host_without_a_route(instance, servers):
    expect_problem(expect_untouched(servers, lambda: instance.get("/hosted", host="c.test")), "route_not_found")


@pytest.mark.parametrize("value,service", [(None, "users"), ("2", "models"), ("3", "users")])
def test_headers_refine(instance, value, service):
    fields = [("X-Version", value)] if value else []
    assert instance.get("/versioned", fields).get("X-Service") == service


@pytest.mark.parametrize("target,canonical,service", [
    ("/api/v1/x/../users/7", "/api/v1/users/7", "users"),
    ("/api/v1/./users/7", "/api/v1/users/7", "users"),
    ("/api/v1/users/x/../admin", "/api/v1/users/admin", "admin"),
    ("/api/v1/users/%2e%2e/models", "/api/v1/models", "models"),
    ("/api/v1/users/.%2E/models", "/api/v1/models", "models"),
    ("/api/v1/users/admin/..", "/api/v1/users/", "users"),
    ("/api/v1/%75sers", "/api/v1/users", "users"),
    ("/api/v1/users/%61dmin", "/api/v1/users/admin", "admin"),
    ("/api/v1/users/caf%c3%a9", "/api/v1/users/caf%C3%A9", "users"),
    ("/api/v1/users/%7Ex%2Dy", "/api/v1/users/~x-y", "users"),
])
def test_the_service_sees_the_canonical_path(instance, target, canonical, service):
    response = instance.get(target)
    assert (response.status, response.body.decode(), response.get("X-Service")) == (200, canonical, service)


@pytest.mark.parametrize("target", [
    "/api/v1/users/a%2fb", "/api/v1/users/a%2Fb", "/api/v1/users%2fadmin", "/api/v1/users/a%5cb", "/api/v1/users/..%2fadmin",
    "/api/v1/users/..;x=1/admin", "/api/v1/users/%2e%2e;x/admin", "/../etc", "/api/../../etc", "/%2e%2e/etc", "/api/v1/users/%00",
    "/api/v1/users/%0d%0aX:%201", "/api/v1/users/%zz", "/api/v1/users/%2", "/api/v1/users/%", "/api/v1/users/%c0%af",
])
def test_ambiguous_paths_are_refused(instance, servers, target):
    expect_problem(expect_untouched(servers, lambda: instance.get(target)), "ambiguous_path", "bad_request")


@pytest.mark.parametrize("target", ["/api/v1/users/a%2fb", "/api/v1/users/a%5cb"])
def test_an_encoded_slash_is_ambiguous(instance, target):
    expect_problem(instance.get(target), "ambiguous_path")


@pytest.mark.parametrize("target", ["//api/v1/users", "/api//v1/users", "/api/v1/users//admin", "/api/v1//users/7", "//evil.test/x"])
def test_double_slashes_are_merged_or_refused(instance, target):
    response = instance.get(target)
    if response.status == 200:
        assert b"//" not in response.body
        assert response.get("X-Service") == ("admin" if "admin" in target else "users")
    else:
        expect_problem(response, "ambiguous_path", "bad_request", "route_not_found")


@pytest.mark.parametrize("target", ["/api/v1/users/%252e%252e/admin", "/api/v1/users/%252fadmin"])
def test_nothing_is_decoded_twice(instance, target):
    response = instance.get(target)
    if response.status == 200:
        assert (response.body.decode(), response.get("X-Service")) == (target, "users")
    else:
        expect_problem(response, "ambiguous_path", "bad_request")


@pytest.mark.parametrize("target", ["/api/v1/users/admin;a=b", "/api/v1/users;x/admin", "/api/v1/users/;x/admin"])
def test_path_parameters_hide_no_route(instance, target):
    response = instance.get(target)
    if response.status == 200:
        assert response.get("X-Service") == "admin"
    else:
        expect_problem(response, "ambiguous_path", "bad_request")


@pytest.mark.parametrize("query", [
    "?", "?a=1&a=2", "?q=%2F..%2f&x=a//b", "?&&y=;z=?/?", "?u=http://x/y", "?%7E=%41", "?a=../../b", "?a+b=%20c",
])
def test_the_query_passes_byte_for_byte(instance, query):
    assert instance.get("/api/v1/users/7" + query).body.decode() == "/api/v1/users/7" + query


def test_what_is_authorised_is_what_is_forwarded(gateway, servers):
    """A public path is no way around a protected one beside it."""
    config = configs.base({"users": servers["users"].url}, [
        {"path": "/open", "service": "users", "public": True}, {"path": "/open/secret", "service": "users"}],
        authentication={"issuers": [{"issuer": "https://i.test", "algorithms": ["EdDSA"], "jwks": {"url": "http://127.0.0.1:1/keys"}}]})
    instance = gateway(config)
    for target in ("/open/secret", "/open/x/../secret", "/open/%73ecret", "/open/./secret", "/open//secret", "/open/secret;a",
                   "/open/secret/", "/open/secret?open", "/open/%2e/secret", "/open/secret/..;/secret", "http://x.test/open/secret"):
        response = expect_untouched({"users": servers["users"]}, lambda t=target: instance.get(t))
        assert response.status in (400, 401, 503), target
