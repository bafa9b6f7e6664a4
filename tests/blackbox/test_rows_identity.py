"""Rows I01 to I06: who asks, and for whom, is the gateway's to say. What a client says about it is removed."""

import re

import pytest
import yaml

from harness import configs
from harness.backend import answer_all, ok
from harness.gateway import run_command
from harness.problems import expect_problem
from harness.scene import Scene, get
from harness.tokens import bearer

OWNED = [
    "X-Auth-Subject", "X-Auth-Tenant", "X-Auth-Roles", "X-Auth-Anything", "X-User-Id", "X-User-Anything",
    "X-Consumer-Name",
    "X-Consumer-Groups", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port",
    "X-Forwarded-Server",
    "X-Forwarded-Client-Cert", "Forwarded", "X-Real-IP", "X-Request-Id",
]
REWRITING = ["X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override",
    "X-Forwarded-Prefix"]
EVIL = "spoofed-value"


@pytest.fixture(name="scene", scope="module")
def _scene(module_gateway, module_backend):
    server = module_backend()
    return Scene(module_gateway(configs.public(server.url)), server)


@pytest.fixture(name="known", scope="module")
def _known(module_gateway, module_backend, issuer, tmp_path_factory):
    """A gateway whose every route needs a token."""
    server = module_backend()
    routes = [{"path": "/", "service": "backend"}, {"path": "/probe", "service": "backend", "public": True},
              {"path": "/with-token", "service": "backend", "forward_token": True}]
    jwks = issuer.write_jwks(tmp_path_factory.mktemp("keys"))
    config = configs.base({"backend": server.url}, routes, authentication=configs.authentication(issuer, jwks))
    return Scene(module_gateway(config), server, after="/probe/after")


def expect_unspoofed(scene, name, *more):
    lines = [f"{spelling}: {EVIL}".encode() for spelling in (name, name.lower(), name.upper())]
    request = scene.accept(get(*lines, b"X-Kept: 1", *more))
    assert EVIL.encode() not in bytes(scene.connection_of(request).received)
    assert request.get("X-Kept") == "1"
    return request


@pytest.mark.parametrize("name", OWNED)
def test_I01_fields_of_the_gateway_are_removed(scene, name):
    expect_unspoofed(scene, name)


@pytest.mark.parametrize("name", ["X-Auth-Subject", "X-Auth-Roles", "X-User-Id", "X-Forwarded-For", "X-Request-Id",
    "Forwarded"])
def test_I01_empty_or_odd_ones_too(scene, name):
    plain = scene.accept(get())
    for value in (b"", b" ", b",", b"a, b", b'"', b"\xff"):
        request = scene.accept(get(name.encode() + b": " + value))
        assert [field for field, _ in request.fields] == [field for field, _ in plain.fields]


@pytest.mark.parametrize("name", OWNED[:7])
def test_I01_what_the_gateway_knows_replaces_what_the_client_says(known, issuer, name):
    """The claim is set; what no claim says is absent, never the client's."""
    request = expect_unspoofed(known, name, b"Authorization: Bearer " + issuer.mint("alice").encode())
    assert request.get("X-Auth-Subject") == "alice"
    assert not [field for field, _ in request.fields if field.lower() in ("x-auth-roles", "x-auth-anything",
        "x-user-id")]


def test_I01_without_an_identity_there_are_no_identity_fields(scene):
    assert not [name for name, _ in scene.accept(get()).fields if name.lower().startswith(("x-auth", "x-user",
        "x-consumer"))]


def test_I01_forwarding_fields_are_set(scene):
    request = scene.accept(get())
    assert request.get("X-Forwarded-For") == request.get("X-Real-IP") == "127.0.0.1"
    assert request.get("X-Forwarded-Proto") == "http"
    assert request.get("X-Forwarded-Host") == "gateway.test" == request.get("Host")
    pairs = (pair.split("=", 1) for pair in request.get("Forwarded").replace(" ", "").split(";"))
    parameters = {name.lower(): value.strip('"') for name, value in pairs}
    assert (parameters["for"], parameters["proto"], parameters["host"]) == ("127.0.0.1", "http", "gateway.test")


def test_I01_request_ids_are_the_gateways_and_one_everywhere(scene):
    ids = set()
    for _ in range(50):
        seen = len(scene.server.requests)
        response = scene.gateway.get("/", [("X-Request-Id", "from-the-client")])
        ids.add(response.get("X-Request-Id"))
        assert scene.server.requests[seen].get("X-Request-Id") == response.get("X-Request-Id")
    assert len(ids) == 50 and all(re.fullmatch(r"[0-9a-f]{32}", request_id) for request_id in ids)
    assert ids <= {record["request_id"] for record in scene.gateway.wait_log(50,
        lambda line: line["request_id"] in ids)}


@pytest.mark.parametrize("name", [
    "X_Auth_Subject", "x_auth_roles", "X-Auth_Tenant", "X_Forwarded_For", "x-auth.subject", "X.Forwarded.For",
    "X_REQUEST_ID", "X.Real.IP", "x_user.id",
    "X_Consumer-Name", "X_Original_URL", "X.HTTP.Method.Override", "X_Forwarded_Prefix", "x_rewrite.url",
    "X_Auth.Roles_Extra",
])
def test_I02_aliases_are_removed(scene, name):
    expect_unspoofed(scene, name)


@pytest.mark.parametrize("name", ["X_Custom", "x.custom", "X-Authority", "XAuth-Subject", "X-Authentic", "X-Users",
    "Auth-Subject", "X--Auth-Subject"])
def test_I02_other_names_pass(scene, name):
    assert scene.accept(get(name.encode() + b": mine")).get(name) == "mine"


@pytest.mark.parametrize("name", ["Content_Length", "Transfer_Encoding", "Host_", "Authorization", "Via"])
def test_I02_aliases_of_known_fields_are_no_second_source(scene, name):
    request = scene.accept(get(name.replace("-", "_").encode() + b": mine"))
    assert request.get("Host") == "gateway.test" and request.body == b""
    assert not request.has("Content_Length") and not request.has("Transfer_Encoding")


@pytest.mark.parametrize("values,special", [
    ([b"2"], True), ([b" 2 "], True), ([b"2", b"3"], False), ([b"3", b"2"], False), ([b"2", b"2"], False),
    ([b"2, 3"], False), ([b"2,2"], False),
    ([b"3"], False), ([], False),
])
def test_I03_a_rule_sees_every_value(gateway, backend, values, special):
    """A condition holds for a field that came once, whatever the first of several says."""
    servers = {name: backend() for name in ("any", "special")}
    instance = gateway(configs.base({name: server.url for name, server in servers.items()}, [
        {"path": "/", "service": "any", "public": True},
        {"path": "/", "name": "special", "service": "special", "public": True, "headers": {"X-Version": "2"}}]))
    assert instance.get("/", [("X-Version" if i else "x-version", value) for i,
        value in enumerate(values)]).status == 200
    assert (len(servers["special"].requests), len(servers["any"].requests)) == (special, not special)


@pytest.mark.parametrize("name", [*OWNED, *REWRITING, "X_Auth_Roles", "x.user.id", "Authorization", "Cookie", "X-API-Key", "Host"])
def test_I03_no_rule_sees_what_clients_must_not_say(tmp_path, name):
    """A condition on the client's own X-Auth-Roles would believe it, though the service never gets it."""
    config = configs.public("http://127.0.0.1:1", {"path": "/", "headers": {name: "admin"}})
    file = tmp_path / "gateway.yaml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    result = run_command("check", "-c", file)
    assert result.returncode == 1 and f"`{name}` cannot be a condition" in result.stderr


@pytest.fixture(name="trusting", scope="module")
def _trusting(module_gateway, module_backend):
    """A gateway that believes the proxies on loopback."""
    server = module_backend()
    config = configs.public(server.url)
    config["listeners"][0]["trusted_proxies"] = ["127.0.0.0/8", "10.0.0.0/8"]
    return Scene(module_gateway(config), server)


def client_of(scene, response):
    record, = scene.gateway.wait_log(where=lambda line: line["request_id"] == response.get("X-Request-Id"))
    return record["client"]


@pytest.mark.parametrize("forwarded", [["203.0.113.9"], ["127.0.0.1"], ["203.0.113.9, 127.0.0.1"], ["10.0.0.1",
    "203.0.113.9"]])
def test_I04_a_proxy_that_is_not_trusted_names_nobody(scene, forwarded):
    seen = len(scene.server.requests)
    response = scene.gateway.get("/", [*(("X-Forwarded-For", value) for value in forwarded), ("X-Forwarded-Proto",
        "https"),
                                       ("Forwarded", "for=203.0.113.9"), ("X-Real-IP", "203.0.113.9")])
    request = scene.server.requests[seen]
    assert request.get("X-Forwarded-For") == "127.0.0.1" and request.get("X-Forwarded-Proto") == "http"
    assert "203.0.113.9" not in request.get("Forwarded") and request.get("X-Real-IP") == "127.0.0.1"
    assert client_of(scene, response) == "127.0.0.1"


@pytest.mark.parametrize("forwarded,client", [
    (["198.51.100.7"], "198.51.100.7"), (["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
    (["203.0.113.9, 198.51.100.7, 127.0.0.2"], "198.51.100.7"),
    (["203.0.113.9", "198.51.100.7, 127.0.0.3"], "198.51.100.7"), (["198.51.100.7", "10.1.2.3"], "198.51.100.7"),
    (["2001:db8::1"], "2001:db8::1"),
    ([], "127.0.0.1"), (["127.0.0.2"], "127.0.0.2"), (["203.0.113.9, unknown"], "127.0.0.1"),
    (["203.0.113.9, "], "127.0.0.1"), (["nonsense"], "127.0.0.1"),
    (["203.0.113.9, 256.1.1.1, 10.0.0.1"], "10.0.0.1"), (["198.51.100.7:4711"], "127.0.0.1"),
])
def test_I04_trusted_proxies_are_read_from_right_to_left(trusting, forwarded, client):
    """The rightmost address that is no trusted proxy; behind something unreadable nobody is believed."""
    seen = len(trusting.server.requests)
    response = trusting.gateway.get("/", [("X-Real-IP", "192.0.2.1"), *(("X-Forwarded-For", value) for value in forwarded)])
    assert response.status == 200
    assert client_of(trusting, response) == client == trusting.server.requests[seen].get("X-Real-IP")


@pytest.mark.parametrize("fields,expected", [
    ([("X-Forwarded-For", "198.51.100.7")], {"X-Forwarded-For": "198.51.100.7, 127.0.0.1"}),
    ([("X-Forwarded-Proto", "https")], {"X-Forwarded-Proto": "https"}),
    ([("X-Forwarded-Proto", "javascript")], {"X-Forwarded-Proto": "http"}),
    ([("X-Forwarded-Host", "API.example")], {"X-Forwarded-Host": "API.example"}),
    ([("X-Forwarded-Host", "a b")], {"X-Forwarded-Host": "gateway.test"}),
    ([("X-Request-Id", "proxy-7")], {"X-Request-Id": "proxy-7"}),
])
def test_I04_what_a_trusted_proxy_says_is_checked(trusting, fields, expected):
    seen = len(trusting.server.requests)
    assert trusting.gateway.get("/", fields).status == 200
    request = trusting.server.requests[seen]
    assert {name: request.get(name) for name in expected} == expected


@pytest.mark.parametrize("values", [["a b"], ["x" * 65], [""], ["a", "b"], ["a,b"], ["\xff"]])
def test_I04_an_odd_request_id_of_a_trusted_proxy_is_replaced(trusting, values):
    response = trusting.gateway.get("/", [("X-Request-Id", value.encode("latin-1")) for value in values])
    assert re.fullmatch(r"[0-9a-f]{32}", response.get("X-Request-Id"))


@pytest.mark.parametrize("name", ["X-Auth-Subject", "X-User-Id", "x_auth_roles", "X-Original-URL", "X-Real-IP",
    "X-Consumer-Name"])
def test_I04_a_trusted_proxy_names_no_user(trusting, name):
    expect_unspoofed(trusting, name)


@pytest.mark.parametrize("name", REWRITING)
def test_I05_fields_that_rewrite_are_removed(scene, name):
    request = expect_unspoofed(scene, name)
    assert (request.method, request.target) == ("GET", "/")


@pytest.mark.parametrize("name,value", [("X-HTTP-Method-Override", "DELETE"), ("X-Original-URL", "/admin"),
    ("X-Rewrite-URL", "/admin")])
def test_I05_they_choose_no_route(gateway, backend, name, value):
    servers = {key: backend() for key in ("open", "admin")}
    instance = gateway(configs.base({key: server.url for key, server in servers.items()}, [
        {"path": "/", "service": "open", "public": True, "methods": ["GET"]},
        {"path": "/admin", "service": "admin", "public": True}]))
    assert instance.get("/", [(name, value)]).status == 200
    assert [request.method for request in servers["open"].requests] == ["GET"] and not servers["admin"].requests


@pytest.mark.parametrize("target,forwarded", [("/", False), ("/with-token", True)])
def test_I06_the_token_ends_at_the_gateway(known, issuer, target, forwarded):
    token = issuer.mint()
    data = get(b"Authorization: Bearer " + token.encode(), b"Cookie: s=1", target=target.encode())
    request = known.accept(data)
    assert request.get("Authorization") == (f"Bearer {token}" if forwarded else None)
    assert request.get("Cookie") == "s=1"


def test_I06_credentials_end_at_the_gateway_on_public_routes(scene):
    request = scene.accept(get(b"Authorization: Basic eA==", b"Proxy-Authorization: Basic eA=="))
    assert not request.has("Authorization") and not request.has("Proxy-Authorization")


def test_I06_no_credential_in_an_error(known):
    for value in ("Bearer secret-token-of-somebody", "Basic secret-token-of-somebody"):
        response = known.gateway.get("/x?token=secret-token-of-somebody",
            [("Authorization", value), ("Cookie", "s=secret-token-of-somebody")])
        expect_problem(response, "invalid_token", "missing_token")
        assert b"secret-token" not in response.body and not [v for _, v in response.fields if "secret-token" in v]


def test_I06_the_user_management_service_sees_no_credentials_of_clients(gateway, backend, issuer, jwks, ums, tmp_path):
    ums.add("alice", ["models:read"])
    server = backend(answer_all(ok))
    config = configs.base(
        {"backend": server.url}, [{"path": "/", "service": "backend", "require": "models:read"}],
        authentication=configs.authentication(issuer, jwks),
            authorization={"user_management": ums.write_token(tmp_path)})
    instance = gateway(config)
    ums.wait_feed()
    token = issuer.mint("alice")
    assert instance.get("/", [*bearer(token), ("Cookie", "s=secret-cookie"), ("X-Secret",
        "secret-field")]).status == 200
    assert ums.lookups == {"alice": 1} and ums.wrong_tokens == 0
    for connection in ums.connections:
        assert token.encode() not in connection.received and b"secret" not in bytes(connection.received)
