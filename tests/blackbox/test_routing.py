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


def test_an_endpoint_may_be_a_host_name(gateway, backend):
    server = backend()
    assert gateway(configs.public(f"http://localhost:{server.port}")).get("/").body == b"ok"


def test_an_endpoint_whose_name_nobody_knows_is_unreachable(gateway):
    instance = gateway(configs.public("http://no-such-host.invalid:80"))
    expect_problem(instance.get("/"), "upstream_unreachable")
    instance.wait_stderr("cannot resolve no-such-host.invalid")
