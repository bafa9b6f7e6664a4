"""The administration through a gateway: what is changed in the service is what the next requests meet.

The gateway keeps what it learned for an hour here, so that only the changes feed can tell it otherwise.
"""

import contextlib
import http.client
import time

import pytest
from access_tokens import claims_of
from administration import PASSWORD, Organisation, admin, fresh, made
from gateway_platform import ANYBODY, IN_FORCE, ROLES_READ, Platform
from reference_services import CALL_SECONDS


@pytest.fixture(name="platform", scope="module")
def fixture_platform(users, tmp_path_factory):
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


# What ends a session reaches its access token


def sid_of(tokens):
    return claims_of(tokens["access_token"])["sid"]


def end_by_logout(platform, person, ended, other):
    begun = time.monotonic()
    assert platform.log_out(ended["refresh_token"]).status == 204
    return begun


def end_by_reuse(platform, person, ended, other):
    newest = platform.refresh(ended["refresh_token"]).json["refresh_token"]
    assert platform.refresh(newest).status == 200
    begun = time.monotonic()
    assert platform.refresh(ended["refresh_token"]).status == 401
    return begun


def end_from_the_list(platform, person, ended, other):
    begun = time.monotonic()
    path = f"/api/v1/users/{person.id}/sessions/{sid_of(ended)}"
    assert platform.call("DELETE", path, token=other["access_token"]).status == 204
    return begun


def change_password(platform, person, ended, other):
    """In the other session, which goes on, whatever a client writes into the field that names it."""
    sql = platform.users.database.sql
    (before,), = sql(f"SELECT password_hash FROM accounts WHERE id = '{person.id}'")
    body = {"current_password": PASSWORD, "new_password": "another " + PASSWORD}
    answer = platform.call("PUT", f"/api/v1/users/{person.id}/password", body, token=other["access_token"],
                           headers={"X-Auth-Session": sid_of(ended)})
    changed = time.monotonic()  # hashing, before anything is changed, takes its time
    assert answer.status == 204, answer.body
    sql(f"UPDATE accounts SET password_hash = '{before}' WHERE id = '{person.id}'")  # for the next time
    return changed


@pytest.mark.parametrize("end", [end_by_logout, end_by_reuse, end_from_the_list, change_password])
def test_J19_an_ended_session_is_out_within_a_second(platform, users, record_property, end):
    person = Organisation(users).member("viewer", kind="person")
    name = person.account["username"]
    other = platform.session(name, PASSWORD)
    slowest = 0.0
    for _ in range(3):
        ended = platform.session(name, PASSWORD)
        for tokens in (ended, other):
            assert platform.call("GET", ANYBODY, token=tokens["access_token"]).status == 200
        changed = end(platform, person, ended, other)
        slowest = max(slowest, platform.seconds_until(401, ANYBODY, changed, token=ended["access_token"]))
        assert platform.refresh(ended["refresh_token"]).status == 401
        for tokens in (other, platform.session(name, PASSWORD)):
            assert platform.call("GET", ANYBODY, token=tokens["access_token"]).status == 200
    record_property("slowest_s", f"{slowest:.4f}")
    assert slowest < IN_FORCE


def test_J19_logging_out_everywhere_is_in_force_within_a_second(platform, users):
    person = Organisation(users).member("viewer", kind="person")
    sessions = [platform.session(person.account["username"], PASSWORD) for _ in range(4)]
    continued = platform.refresh(sessions[0]["refresh_token"]).json
    tokens = [tokens["access_token"] for tokens in (*sessions, continued)]
    assert {platform.call("GET", ANYBODY, token=token).status for token in tokens} == {200}
    begun = time.monotonic()
    assert platform.call("DELETE", f"/api/v1/users/{person.id}/sessions", token=tokens[-1]).status == 204
    for token in tokens:
        assert platform.seconds_until(401, ANYBODY, begun, token=token) < IN_FORCE


def test_J19_a_reset_password_shuts_out_who_knew_the_old_one(platform, users):
    organisation = Organisation(users)
    person = organisation.member("viewer", kind="person")
    name = person.account["username"]
    tokens = platform.session(name, PASSWORD)
    assert platform.call("GET", ANYBODY, token=tokens["access_token"]).status == 200
    key = made(organisation.manager.call("POST", f"/api/v1/users/{organisation.manager.id}/api-keys", {"name": "k"}))["key"]
    path, body = f"/api/v1/users/{person.id}/password", {"new_password": "another horse battery"}
    assert platform.call("PUT", path, body, key=key).status == 204
    assert platform.seconds_until(401, ANYBODY, time.monotonic(), token=tokens["access_token"]) < IN_FORCE
    assert platform.login(name, PASSWORD).status == 401
    assert platform.login(name, "another horse battery").status == 200


def test_a_session_of_this_call_is_named_by_the_gateway(platform, users):
    person = Organisation(users).member("viewer", kind="person")
    here, there = (platform.session(person.account["username"], PASSWORD) for _ in range(2))
    answer = platform.call("GET", f"/api/v1/users/{person.id}/sessions", token=here["access_token"],
                           headers={"X-Auth-Session": sid_of(there)})
    assert [entry["id"] for entry in answer.json["sessions"] if entry["current"]] == [sid_of(here)]
    assert {entry["client"] for entry in answer.json["sessions"]} == {"127.0.0.1"}


def test_the_lock_out_counts_the_clients_own_address(platform, users):
    """What a client writes into X-Forwarded-For itself does not count: it can neither hide nor have others wait."""
    victim = Organisation(users).member("viewer", kind="person").account["username"]
    for i in range(21):
        answer = platform.call("POST", "/api/v1/users/login", {"username": fresh("guess"), "password": "wrong horse"},
                               headers={"X-Forwarded-For": f"198.51.100.{i}"})
    assert answer.status == 429 and int(answer.headers["Retry-After"]) > 0
    rows = {row[0] for row in users.database.sql("SELECT who FROM login_failures WHERE who LIKE 'address:%'")}
    assert rows == {"address:127.0.0.1"}
    assert platform.login(victim, PASSWORD).status == 429
    users.database.sql("DELETE FROM login_failures")
    assert platform.login(victim, PASSWORD).status == 200
