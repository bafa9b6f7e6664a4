"""Accounts over the API that the gateway protects: making, listing, changing and removing them."""

import pytest
from reference_services import identity

PASSWORD = "correct horse"


def create(users, username, roles=("viewer",), **more):
    return users.as_admin("POST", "/api/v1/users",
                          {"username": username, "password": PASSWORD, "roles": list(roles), **more})


def test_an_account_from_beginning_to_end(users):
    made = create(users, "ada")
    assert made.status == 201
    path = made.headers["Location"]
    assert path == f"/api/v1/users/{made.json['id']}"
    assert made.json["roles"] == ["viewer"] and made.json["tenant"] == "lotabots"
    assert "password" not in made.body.decode()

    assert users.as_admin("GET", path).json == made.json
    changed = users.as_admin("PUT", path, {"roles": ["trainer", "viewer"], "disabled": True})
    assert changed.status == 200
    assert changed.json["roles"] == ["trainer", "viewer"] and changed.json["disabled"] is True
    # What is not given stays.
    assert users.as_admin("PUT", path, {"disabled": False}).json["roles"] == ["trainer", "viewer"]

    assert users.as_admin("DELETE", path).status == 204
    assert users.as_admin("GET", path).status == 404
    assert users.as_admin("DELETE", path).status == 404
    assert users.login("ada", PASSWORD).status == 401


def test_a_username_is_taken_once_in_any_case(users):
    assert create(users, "grace").status == 201
    answer = create(users, "GRACE")
    assert answer.status == 409 and answer.json["code"] == "username_taken"


@pytest.mark.parametrize("body, status", [
    ({"username": "x", "password": PASSWORD}, 400),
    ({"username": "x", "password": PASSWORD, "roles": "viewer"}, 400),
    ({"username": "x", "password": PASSWORD, "roles": [1]}, 400),
    ({"username": "", "password": PASSWORD, "roles": []}, 422),
    ({"username": "a b", "password": PASSWORD, "roles": []}, 422),
    ({"username": "x" * 65, "password": PASSWORD, "roles": []}, 422),
    ({"username": "x", "password": "short", "roles": []}, 422),
    ({"username": "x", "password": PASSWORD, "roles": ["emperor"]}, 422),
    ({"username": "x", "password": PASSWORD, "roles": [], "tenant": "nowhere"}, 422),
])
def test_a_bad_account_is_refused(users, body, status):
    answer = users.as_admin("POST", "/api/v1/users", body)
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["status"] == status


def test_a_refused_change_changes_nothing(users):
    path = create(users, "linus").headers["Location"]
    revision = users.revision()
    assert users.as_admin("PUT", path, {"roles": ["trainer", "emperor"]}).status == 422
    assert users.as_admin("PUT", path, {}).status == 400
    assert users.as_admin("PUT", path, {"role": ["trainer"]}).status == 400
    assert users.as_admin("GET", path).json["roles"] == ["viewer"]
    assert users.revision() == revision


def test_lists_come_in_pages(users):
    for name in ("page-a", "page-b", "page-c"):
        assert create(users, name).status == 201
    whole = users.as_admin("GET", "/api/v1/users").json["users"]
    assert "next" not in users.as_admin("GET", "/api/v1/users").json
    paged, after = [], ""
    while True:
        page = users.as_admin("GET", f"/api/v1/users?limit=2&after={after}").json
        assert len(page["users"]) <= 2
        paged += page["users"]
        if "next" not in page:
            break
        after = page["next"]
    assert paged == whole
    assert users.as_admin("GET", "/api/v1/users?limit=0").status == 400


def test_a_call_without_identity_gets_nowhere(users):
    for method, path in (("GET", "/api/v1/users"), ("GET", "/api/v1/users/me"), ("POST", "/api/v1/users"),
                         ("DELETE", f"/api/v1/users/{users.account_id('viewer')}")):
        assert users.call(method, path).status == 401, path


def test_a_caller_sees_its_own_tenant_only(users):
    assert users.as_admin("PUT", "/api/v1/tenants/acme", {"plan": "free", "state": "active"}).status in (200, 201)
    theirs = create(users, "wile", tenant="acme").json
    ours = create(users, "road-runner").json
    acme = identity(tenant="acme", roles="trainer")
    seen = users.call("GET", "/api/v1/users", headers=acme).json["users"]
    assert [user["id"] for user in seen] == [theirs["id"]]
    for method, body in (("GET", None), ("PUT", {"disabled": True}), ("DELETE", None)):
        assert users.call(method, f"/api/v1/users/{ours['id']}", body, acme).status == 404, method
    made = {"username": "spy", "password": PASSWORD, "roles": [], "tenant": "lotabots"}
    assert users.call("POST", "/api/v1/users", made, acme).status == 403


def test_only_an_admin_makes_or_changes_admins(users):
    trainer = identity(roles="trainer")
    made = {"username": "usurper", "password": PASSWORD, "roles": ["admin"]}
    assert users.call("POST", "/api/v1/users", made, trainer).status == 403
    path = create(users, "climber").headers["Location"]
    assert users.call("PUT", path, {"roles": ["admin"]}, trainer).status == 403
    admin = f"/api/v1/users/{users.account_id('admin')}"
    assert users.call("PUT", admin, {"disabled": True}, trainer).status == 403
    assert users.call("DELETE", admin, headers=trainer).status == 403


def test_the_last_admin_stays(users):
    path = f"/api/v1/users/{users.account_id('admin')}"
    for method, body in (("PUT", {"roles": []}), ("PUT", {"disabled": True}), ("DELETE", None)):
        answer = users.as_admin(method, path, body)
        assert answer.status == 409 and answer.json["code"] == "last_admin"
    assert users.as_admin("GET", path).json["roles"] == ["admin"]
    second = create(users, "deputy", roles=["admin"])
    assert users.as_admin("PUT", path, {"disabled": True}).status == 200
    assert users.as_admin("DELETE", second.headers["Location"]).status == 409
    assert users.as_admin("PUT", path, {"disabled": False}).status == 200
    assert users.as_admin("DELETE", second.headers["Location"]).status == 204


def test_tenants_are_for_admins(users):
    assert users.call("GET", "/api/v1/tenants", headers=identity(roles="trainer")).status == 403
    answer = users.call("PUT", "/api/v1/tenants/x", {"plan": "pro", "state": "active"}, identity(roles="trainer"))
    assert answer.status == 403
    assert users.as_admin("PUT", "/api/v1/tenants/x", {"plan": "gold", "state": "active"}).status == 422
    assert users.as_admin("PUT", "/api/v1/tenants/No", {"plan": "pro", "state": "active"}).status == 422
    tenants = users.as_admin("GET", "/api/v1/tenants").json["tenants"]
    assert {"id": "lotabots", "plan": "pro", "state": "active"} in tenants
