"""Roles and what they give: made, changed, deleted; and that nobody gives what he does not hold."""

import pytest
from administration import Organisation, access_of, admin, changes_since, fresh, made
from reference_services import identity


@pytest.fixture(name="organisation", scope="module")
def fixture_organisation(users):
    return Organisation(users)


def test_a_role_from_beginning_to_end(users, organisation):
    manager = organisation.manager
    name = fresh("curator")
    answer = manager.call("POST", "/api/v1/roles", {
        "name": name, "description": "Looks after models", "permissions": ["models:write", "models:read", "models:read"]})
    role = made(answer)
    assert role["permissions"] == ["models:read", "models:write"]  # in order, each once
    assert role["tenant"] == organisation.id and role["built_in"] is False
    path = answer.headers["Location"]
    assert manager.call("GET", path).json == role
    assert role in manager.call("GET", "/api/v1/roles").json["roles"]

    member = organisation.member(name)
    since = users.revision()
    changed = manager.call("PATCH", path, {"permissions": ["models:read"]})
    assert changed.status == 200 and changed.json == role | {"permissions": ["models:read"]}
    assert access_of(users, member.id)["permissions"] == ["models:read"]
    assert changes_since(users, since)["subjects"] == [member.id]

    answer = manager.call("DELETE", path)
    assert answer.status == 409 and answer.json["code"] == "role_in_use"
    assert manager.call("PATCH", f"/api/v1/users/{member.id}", {"roles": []}).status == 200
    assert manager.call("DELETE", path).status == 204
    assert manager.call("GET", path).status == 404


def test_a_new_name_of_a_role_reaches_its_holders(users, organisation):
    role = organisation.new_role("models:read")
    member = organisation.member(role["name"])
    name = fresh("renamed")
    since = users.revision()
    assert organisation.manager.call("PATCH", f"/api/v1/roles/{role['id']}", {"name": name}).json["name"] == name
    assert changes_since(users, since)["subjects"] == [member.id]
    assert access_of(users, member.id)["roles"] == [f"{organisation.id}/{name}"]
    assert member.call("GET", "/api/v1/users/me").json["roles"] == [name]


def test_a_description_is_nobodys_access(users, organisation):
    role = organisation.new_role("models:read")
    organisation.member(role["name"])
    since = users.revision()
    assert organisation.manager.call("PATCH", f"/api/v1/roles/{role['id']}", {"description": "other"}).status == 200
    assert changes_since(users, since) == {"revision": since, "subjects": []}


def test_the_built_in_roles_stay(users, organisation):
    for caller in (organisation.manager, admin(users)):
        for role in ("admin", "trainer", "viewer"):
            before = caller.call("GET", f"/api/v1/roles/{role}")
            assert before.json["built_in"] is True and "tenant" not in before.json
            for method, body in (("PATCH", {"permissions": ["*:*"]}), ("DELETE", None)):
                answer = caller.call(method, f"/api/v1/roles/{role}", body)
                assert answer.status == 403 and answer.json["code"] == "built_in_role"
            assert caller.call("GET", f"/api/v1/roles/{role}").json == before.json


def test_a_name_is_taken_once_in_a_tenant_and_never_a_built_in_one(users, organisation):
    role = organisation.new_role("models:read")
    other = organisation.new_role("models:read")
    for name in (role["name"], "admin", "viewer"):
        answer = organisation.manager.call("POST", "/api/v1/roles", {"name": name, "permissions": []})
        assert answer.status == 409 and answer.json["code"] == "role_name_taken", name
        answer = organisation.manager.call("PATCH", f"/api/v1/roles/{other['id']}", {"name": name})
        assert answer.status == 409, name
    # Another tenant's names are its own.
    assert Organisation(users).new_role("models:read", name=role["name"])["name"] == role["name"]


def test_a_tenants_role_cannot_pose_as_another_towards_the_gateway(users):
    # A route may require a role by its name: what one tenant calls so must not satisfy it for another's.
    one, two = Organisation(users), Organisation(users)
    ours, theirs = (each.new_role("models:read", name="auditor") for each in (one, two))
    assert ours["id"] != theirs["id"]
    assert access_of(users, one.member("auditor", "viewer").id)["roles"] == [f"{one.id}/auditor", "viewer"]
    assert access_of(users, two.member("auditor").id)["roles"] == [f"{two.id}/auditor"]


def test_an_account_has_roles_of_its_own_tenant_only(users, organisation):
    foreign = Organisation(users).new_role("models:read")
    member = organisation.member()
    for caller in (organisation.manager, admin(users)):
        for name in (foreign["name"], foreign["id"]):
            answer = caller.call("PATCH", f"/api/v1/users/{member.id}", {"roles": [name]})
            assert answer.status == 422 and answer.json["code"] == "unknown_role"


@pytest.mark.parametrize("permission", ["", "models", "models:", ":read", "models:read:all", "Models:read", "models:re ad",
                                        "mod*:read", "*", "**:*", "m" * 33 + ":read", "models:read\n", "modèles:read"])
def test_a_malformed_permission_is_refused(users, permission):
    answer = users.as_admin("POST", "/api/v1/roles", {"name": fresh("role"), "permissions": ["models:read", permission]})
    assert answer.status == 422 and answer.json["code"] == "invalid_permission"


# What somebody who holds the first may and may not give.
COVERED = [
    (["models:read"], ["models:read"], ["models:write", "models:*", "*:read", "*:*"]),
    (["models:*"], ["models:read", "models:write", "models:*"], ["images:read", "*:*", "*:read"]),
    (["*:read"], ["models:read", "users:read", "*:read"], ["models:write", "models:*", "*:*"]),
    (["models:read", "models:write"], ["models:read", "models:write"], ["models:*"]),
    (["*:*"], ["*:*", "models:*", "*:read", "anything:at-all"], []),
]


@pytest.mark.parametrize("held, may, may_not", COVERED)
def test_nobody_gives_what_he_does_not_hold(users, held, may, may_not):
    organisation = Organisation(users, permissions=["roles:*", "users:*", "api_keys:*", *held])
    manager = organisation.manager
    own = organisation.new_role(*organisation.role["permissions"])
    member = organisation.member()
    for permission in may:
        given = made(manager.call("POST", "/api/v1/roles", {"name": fresh("given"), "permissions": [permission]}))
        assert manager.call("PATCH", f"/api/v1/users/{member.id}", {"roles": [given["name"]]}).status == 200
        key = {"name": "given", "permissions": [permission]}
        # A key for everything is for admins to give (api_keys_test.py says why).
        wanted = 403 if permission == "*:*" else 201
        assert manager.call("POST", f"/api/v1/users/{member.id}/api-keys", key).status == wanted
    for permission in may_not:
        strong = organisation.new_role(permission)
        tries = [
            ("POST", "/api/v1/roles", {"name": fresh("taken"), "permissions": [permission]}),
            ("PATCH", f"/api/v1/roles/{own['id']}", {"permissions": own["permissions"] + [permission]}),
            ("PATCH", f"/api/v1/users/{member.id}", {"roles": [strong["name"]]}),
            ("PATCH", f"/api/v1/users/{manager.id}", {"roles": ["manager", strong["name"]]}),
            ("POST", "/api/v1/users", {"username": fresh("strong"), "kind": "service", "roles": [strong["name"]]}),
            ("POST", f"/api/v1/users/{member.id}/api-keys", {"name": "strong", "permissions": [permission]}),
        ]
        for method, path, body in tries:
            answer = manager.call(method, path, body)
            assert answer.status == 403 and answer.json["code"] == "escalation", (method, path, body)
    assert access_of(users, manager.id)["permissions"] == sorted(organisation.role["permissions"])


def test_a_role_that_one_has_already_may_stay(users):
    # Somebody with more than the manager holds can still be given less, or something else besides.
    organisation = Organisation(users, permissions=["users:*", "models:read"])
    strong = organisation.new_role("models:delete")
    weak = organisation.new_role("models:read")
    member = organisation.member(strong["name"])
    path = f"/api/v1/users/{member.id}"
    both = [strong["name"], weak["name"]]
    assert organisation.manager.call("PATCH", path, {"roles": both}).json["roles"] == sorted(both)
    assert organisation.manager.call("PATCH", path, {"roles": [weak["name"]]}).status == 200
    assert organisation.manager.call("PATCH", path, {"roles": both}).json["code"] == "escalation"


def test_a_role_that_was_taken_away_gives_nothing_any_more(users):
    # The gateway may still send the role along, and its own decision may be a second old.
    organisation = Organisation(users)
    manager = organisation.manager
    users.as_admin("PATCH", f"/api/v1/users/{manager.id}", {"roles": []})
    assert "manager" in manager.headers["X-Auth-Roles"]
    answer = manager.call("PATCH", f"/api/v1/users/{manager.id}", {"roles": ["manager"]})
    assert answer.status == 403 and answer.json["code"] == "forbidden"


def test_what_is_known_as_a_permission(users, organisation):
    organisation.new_role("spaceships:launch")
    mine = {one["name"]: one["description"] for one in organisation.manager.call("GET", "/api/v1/permissions").json["permissions"]}
    assert mine["users:write"] and mine["models:read"] and mine["*:*"] == ""
    assert mine["spaceships:launch"] == ""
    # What other tenants' roles name is theirs.
    others = Organisation(users).manager.call("GET", "/api/v1/permissions").json["permissions"]
    assert "spaceships:launch" not in [one["name"] for one in others]
    # And what a route of the example configuration requires is known.
    assert {"users:read", "users:write", "models:read", "models:write", "infer:run"} <= set(mine)


def test_roles_need_permissions(users):
    viewer = identity(users.account_id("viewer"), roles="viewer")
    for method, path in (("GET", "/api/v1/roles"), ("GET", "/api/v1/roles/viewer"), ("GET", "/api/v1/permissions")):
        assert users.call(method, path, headers=viewer).status == 403
    trainer = identity(users.account_id("trainer"), roles="trainer")
    assert users.call("GET", "/api/v1/roles", headers=trainer).status == 200
    assert users.call("POST", "/api/v1/roles", {"name": "x", "permissions": []}, trainer).status == 403


def test_many_holders_are_told_as_everybody(users):
    organisation = Organisation(users)
    role = organisation.new_role("models:read")
    few = [organisation.member(role["name"]).id for _ in range(3)]
    path = f"/api/v1/roles/{role['id']}"
    since = users.revision()
    organisation.manager.call("PATCH", path, {"permissions": []})
    assert sorted(changes_since(users, since)["subjects"]) == sorted(few)
    # Made by SQL: five hundred calls would prove nothing more.
    for statement in insert_many(organisation.id, role["id"]):
        users.database.sql(statement)
    since = users.revision()
    organisation.manager.call("PATCH", path, {"permissions": ["models:read"]})
    assert changes_since(users, since)["all"] is True


def insert_many(tenant, role):
    numbers = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 501)"
    return (f"""{numbers} INSERT INTO accounts (id, username, username_key, password_hash, tenant, kind, created_at)
                SELECT '{role}-' || i, '{role}-' || i, '{role}-' || i, '', '{tenant}', 'service', 1 FROM n""",
            f"{numbers} INSERT INTO account_roles (account, role) SELECT '{role}-' || i, '{role}' FROM n")
