"""The administration through a gateway: what is changed in the service is what the next requests meet.

The gateway keeps what it learned for an hour here, so that only the changes feed can tell it otherwise.
"""

import contextlib
import http.client
import json
import sys

import pytest
from administration import PASSWORD, Organisation, admin, fresh, made
from reference_services import CALL_SECONDS, ROOT, Answer, Users

sys.path.insert(0, str(ROOT / "tests" / "blackbox"))

# pylint: disable=wrong-import-position
from harness.gateway import BINARY, Gateway
from harness.wait import eventually

# pylint: enable=wrong-import-position

# The routes of the administration as one would write them. Its own paths first: one's own keys need no permission.
ROUTES = [
    {"path": "/api/v1/users/login", "methods": ["POST"], "public": True},
    {"path": "/api/v1/users/openapi.json", "methods": ["GET"], "public": True},
    {"path": "/api/v1/users/me", "api_keys": True},
    {"path": "/api/v1/users/{subject}", "api_keys": True,
     "require": {"GET": {"owner_or": "users:read"}, "*": {"owner_or": "users:write"}}},
    {"path": "/api/v1/users/{subject}/api-keys", "api_keys": True,
     "require": {"GET": {"owner_or": "api_keys:read"}, "*": {"owner_or": "api_keys:write"}}},
    {"path": "/api/v1/users", "api_keys": True, "require": {"GET": "users:read", "*": "users:write"}},
    {"path": "/api/v1/roles", "api_keys": True, "require": {"GET": "roles:read", "*": "roles:write"}},
    {"path": "/api/v1/permissions", "api_keys": True, "require": "roles:read"},
    {"path": "/api/v1/tenants", "api_keys": True, "require": {"*": {"roles": "admin"}}},
    {"path": "/api/v1/audit", "api_keys": True, "require": "audit:read"},
    # The service answers these to anybody: a refusal is the gateway's own.
    {"path": "/healthz", "api_keys": True},
    {"path": "/.well-known/jwks.json", "api_keys": True, "require": "roles:read"},
]
ANYBODY, ROLES_READ = "/healthz", "/.well-known/jwks.json"


class Platform:
    """A gateway in front of a users service."""

    def __init__(self, users, directory):
        self.users = users
        issuer = {"issuer": Users.ISSUER, "audiences": [Users.AUDIENCE], "algorithms": ["RS256"],
                  "jwks": {"url": f"{users.origin}/.well-known/jwks.json"}}
        self.gateway = Gateway({
            "listeners": [{"address": "127.0.0.1:0"}],
            "services": {"users": {"endpoints": [users.origin]}},
            "authentication": {"issuers": [issuer], "api_keys": {"header": "X-API-Key"}},
            "authorization": {"user_management": {
                "url": f"http://{users.internal_address}", "token_file": str(users.data / "service.token"),
                "fresh_for": "1h"}},
            "routes": [{"service": "users", **route} for route in ROUTES],
        }, directory).start()

    def call(self, method, path, body=None, token=None, key=None):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= {"X-API-Key": key} if key else {}
        if body is not None:
            body = json.dumps(body)
            headers["Content-Type"] = "application/json"
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=CALL_SECONDS)) as own:
            own.request(method, path, body, headers)
            response = own.getresponse()
            return Answer(response, response.read())

    def token(self, username, password):
        answer = self.call("POST", "/api/v1/users/login", {"username": username, "password": password})
        assert answer.status == 200, answer.body
        return answer.json["access_token"]

    def admin_token(self):
        demo = self.users.demo["admin"]
        return self.token(demo["username"], demo["password"])

    def becomes(self, status, path, **who):
        """Asks until the answer has this status, and returns it."""
        def probe():
            answer = self.call("GET", path, **who)
            return answer if answer.status == status else None
        return eventually(probe, f"{status} from {path}")


@pytest.fixture(name="platform", scope="module")
def fixture_platform(users, tmp_path_factory):
    assert BINARY.exists(), f"{BINARY} is not built"
    platform = Platform(users, tmp_path_factory.mktemp("gateway"))
    yield platform
    platform.gateway.stop()


def test_a_suspended_tenant_is_shut_out_and_let_in_again(platform, users):
    organisation = Organisation(users)
    person = organisation.member("viewer", kind="person")
    token = platform.token(person.account["username"], PASSWORD)
    key = made(person.call("POST", f"/api/v1/users/{person.id}/api-keys", {"name": "k"}))["key"]
    boss = platform.admin_token()
    path = f"/api/v1/tenants/{organisation.id}"
    for who in ({"token": token}, {"key": key}):
        assert platform.call("GET", ANYBODY, **who).status == 200
    assert platform.call("PATCH", path, {"state": "suspended"}, token=boss).status == 200
    for who in ({"token": token}, {"key": key}):
        platform.becomes(403, ANYBODY, **who)
    assert platform.call("PATCH", path, {"state": "active"}, token=boss).status == 200
    for who in ({"token": token}, {"key": key}):
        platform.becomes(200, ANYBODY, **who)


def test_a_key_opens_until_it_is_revoked(platform, users):
    person = Organisation(users).member("viewer", kind="person")
    token = platform.token(person.account["username"], PASSWORD)
    keys = f"/api/v1/users/{person.id}/api-keys"
    first, second = (made(platform.call("POST", keys, {"name": "laptop"}, token=token)) for _ in range(2))
    assert platform.call("GET", "/api/v1/users/me", key=first["key"]).json["id"] == person.id
    assert platform.call("GET", "/api/v1/users/me", key=second["key"]).status == 200
    assert platform.call("PATCH", f"{keys}/{first['id']}", {"disabled": True}, token=token).status == 200
    platform.becomes(401, "/api/v1/users/me", key=first["key"])
    assert platform.call("DELETE", f"{keys}/{second['id']}", token=token).status == 204
    platform.becomes(401, "/api/v1/users/me", key=second["key"])
    platform.call("PATCH", f"{keys}/{first['id']}", {"disabled": False}, token=token)
    platform.becomes(200, "/api/v1/users/me", key=first["key"])


def test_a_key_is_bounded_at_the_gateway_and_behind_it(platform, users):
    organisation = Organisation(users)
    manager = organisation.manager
    keys = f"/api/v1/users/{manager.id}/api-keys"
    reader = made(manager.call("POST", keys, {"name": "r", "permissions": ["users:read"]}))["key"]
    assert platform.call("GET", "/api/v1/users", key=reader).status == 200
    for method, path, body in (("GET", "/api/v1/roles", None), ("POST", "/api/v1/users", {}), ("GET", "/api/v1/audit", None)):
        assert platform.call(method, path, body, key=reader).status == 403
    # The gateway lets this one pass, the service does not: the key may not give what it does not hold.
    writer = made(manager.call("POST", keys, {"name": "w", "permissions": ["roles:*"]}))["key"]
    answer = platform.call("POST", "/api/v1/roles", {"name": fresh("r"), "permissions": ["users:write"]}, key=writer)
    assert answer.status == 403 and "`users:write`" in answer.json["detail"]
    assert platform.call("POST", "/api/v1/roles", {"name": fresh("r"), "permissions": ["roles:read"]}, key=writer).status == 201
    newest = users.as_admin("GET", f"/api/v1/audit?actor={manager.id}&limit=1").json["entries"][0]
    assert newest["actor_key"].startswith("key_") and newest["client"] == "127.0.0.1" and newest["request_id"]


def test_a_permission_that_leaves_a_role_is_gone(platform, users):
    organisation = Organisation(users)
    role = organisation.new_role("users:read", "roles:read")
    member = organisation.member(role["name"])
    key = made(member.call("POST", f"/api/v1/users/{member.id}/api-keys", {"name": "k"}))["key"]
    assert platform.call("GET", ROLES_READ, key=key).status == 200
    boss = platform.admin_token()
    body = {"permissions": ["users:read"]}
    assert platform.call("PATCH", f"/api/v1/roles/{role['id']}", body, token=boss).status == 200
    platform.becomes(403, ROLES_READ, key=key)
    assert platform.call("GET", "/api/v1/users", key=key).status == 200


def test_a_tenants_admin_role_is_not_the_platforms(platform, users):
    # A route requires the role `admin`; a tenant's role of every permission is another one.
    organisation = Organisation(users, permissions=["*:*"])
    key = made(organisation.manager.call("POST", f"/api/v1/users/{organisation.manager.id}/api-keys", {"name": "k"}))["key"]
    assert platform.call("GET", "/api/v1/users", key=key).status == 200
    assert platform.call("GET", "/api/v1/tenants", key=key).status == 403
    boss = admin(users)
    strong = made(boss.call("POST", f"/api/v1/users/{boss.id}/api-keys", {"name": "k"}))["key"]
    assert platform.call("GET", "/api/v1/tenants", key=strong).status == 200


def test_identity_comes_from_the_gateway_alone(platform, users):
    # What a client says about itself is replaced, so a key cannot be un-named to be unbounded.
    organisation = Organisation(users)
    manager = organisation.manager
    keys = f"/api/v1/users/{manager.id}/api-keys"
    reader = made(manager.call("POST", keys, {"name": "r", "permissions": ["users:read"]}))
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", platform.gateway.port, timeout=CALL_SECONDS)) as own:
        own.request("GET", keys, headers={"X-API-Key": reader["key"], "X-Auth-Subject": admin(users).id,
                                          "X-Auth-Key-Id": "", "X-Auth-Roles": "admin"})
        assert own.getresponse().status == 403


def test_the_document_is_for_everybody(platform):
    answer = platform.call("GET", "/api/v1/users/openapi.json")
    assert answer.status == 200 and answer.json["openapi"].startswith("3.1")
