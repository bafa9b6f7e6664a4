"""Tenants: made, changed, suspended, deleted; and the walls between them, for every operation that is documented."""

import itertools

import pytest
from administration import PASSWORD, Member, Organisation, access_of, admin, changes_since, fresh, made
from openapi_document import Belongings, operations
from reference_services import identity


def test_a_tenant_from_beginning_to_end(users):
    id_ = fresh("acme")
    answer = users.as_admin("POST", "/api/v1/tenants", {"id": id_, "name": "Acme, Inc.", "plan": "free"})
    tenant = made(answer)
    path = answer.headers["Location"]
    assert path == f"/api/v1/tenants/{id_}"
    assert tenant["name"] == "Acme, Inc." and tenant["plan"] == "free" and tenant["state"] == "active"
    assert users.as_admin("GET", path).json == tenant
    changed = users.as_admin("PATCH", path, {"plan": "enterprise"}).json
    assert changed == tenant | {"plan": "enterprise"}
    assert users.as_admin("DELETE", path).status == 204
    for method, body in (("GET", None), ("PATCH", {"plan": "pro"}), ("DELETE", None)):
        assert users.as_admin(method, path, body).status == 404


def test_an_id_is_used_once(users):
    # The audit log still tells what was done in the first: the second shall not read it.
    body = {"id": fresh("once"), "plan": "free"}
    assert made(users.as_admin("POST", "/api/v1/tenants", body))
    assert users.as_admin("POST", "/api/v1/tenants", body).json["code"] == "tenant_exists"
    assert users.as_admin("DELETE", f"/api/v1/tenants/{body['id']}").status == 204
    answer = users.as_admin("POST", "/api/v1/tenants", body)
    assert answer.status == 409 and answer.json["code"] == "tenant_id_used"


def test_only_an_empty_tenant_is_deleted(users):
    id_ = fresh("full")
    path = f"/api/v1/tenants/{id_}"
    made(users.as_admin("POST", "/api/v1/tenants", {"id": id_, "plan": "free"}))
    role = made(users.as_admin("POST", "/api/v1/roles", {"name": "one", "tenant": id_, "permissions": []}))
    user = made(users.as_admin("POST", "/api/v1/users", {
        "username": fresh("one"), "kind": "service", "tenant": id_, "roles": []}))
    for last in (f"/api/v1/roles/{role['id']}", f"/api/v1/users/{user['id']}"):
        answer = users.as_admin("DELETE", path)
        assert answer.status == 409 and answer.json["code"] == "tenant_not_empty"
        assert users.as_admin("DELETE", last).status == 204
    assert users.as_admin("DELETE", path).status == 204


def test_tenants_come_in_pages_and_filtered(users):
    for plan in ("free", "free", "enterprise"):
        made(users.as_admin("POST", "/api/v1/tenants", {"id": fresh("paged"), "plan": plan, "state": "suspended"}))
    whole = users.as_admin("GET", "/api/v1/tenants?limit=1000").json["tenants"]
    assert [tenant["id"] for tenant in whole] == sorted(tenant["id"] for tenant in whole)
    paged, after = [], ""
    while after is not None:
        page = users.as_admin("GET", f"/api/v1/tenants?limit=2&after={after}").json
        paged += page["tenants"]
        after = page.get("next")
    assert paged == whole
    found = users.as_admin("GET", "/api/v1/tenants?plan=free&state=suspended&limit=1000").json["tenants"]
    assert found == [one for one in whole if one["plan"] == "free" and one["state"] == "suspended"] and len(found) >= 2


def test_a_suspended_tenant_disables_its_users(users):
    organisation = Organisation(users)
    person = organisation.member("viewer", kind="person")
    members = sorted([person.id, organisation.manager.id])
    path = f"/api/v1/tenants/{organisation.id}"
    for state, disabled in (("suspended", True), ("active", False)):
        since = users.revision()
        assert users.as_admin("PATCH", path, {"state": state}).status == 200
        assert sorted(changes_since(users, since)["subjects"]) == members
        assert access_of(users, person.id)["disabled"] is disabled
        assert users.login(person.account["username"], PASSWORD).status == (403 if disabled else 200)
        answer = organisation.manager.call("GET", "/api/v1/users/me")
        assert answer.status == (403 if disabled else 200)


def test_a_plan_reaches_the_gateways_and_a_name_does_not(users):
    organisation = Organisation(users)
    path = f"/api/v1/tenants/{organisation.id}"
    since = users.revision()
    assert users.as_admin("PATCH", path, {"name": "Another"}).status == 200
    assert changes_since(users, since) == {"revision": since, "subjects": []}
    assert users.as_admin("PATCH", path, {"plan": "enterprise"}).status == 200
    assert changes_since(users, since)["subjects"] == [organisation.manager.id]
    assert access_of(users, organisation.manager.id)["plan"] == "enterprise"


def test_a_large_tenant_is_told_as_everybody(users):
    organisation = Organisation(users)
    users.database.sql(f"""WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 501)
        INSERT INTO accounts (id, username, username_key, password_hash, tenant, kind, created_at)
        SELECT '{organisation.id}-' || i, '{organisation.id}-' || i, '{organisation.id}-' || i, '', '{organisation.id}',
               'service', 1 FROM n""")
    since = users.revision()
    assert users.as_admin("PATCH", f"/api/v1/tenants/{organisation.id}", {"state": "suspended"}).status == 200
    assert changes_since(users, since) == {"revision": since + 1, "all": True}


def test_the_tenant_of_the_last_admin_is_not_suspended(users):
    answer = users.as_admin("PATCH", "/api/v1/tenants/lotabots", {"state": "suspended"})
    assert answer.status == 409 and answer.json["code"] == "last_admin"
    assert users.as_admin("GET", "/api/v1/tenants/lotabots").json["state"] == "active"
    # Another admin elsewhere, who can log in, makes the difference.
    deputy = Organisation(users).member("admin", kind="person")
    assert deputy.call("PATCH", "/api/v1/tenants/lotabots", {"state": "suspended"}).status == 200
    assert deputy.call("PATCH", f"/api/v1/tenants/{deputy.account['tenant']}", {"state": "suspended"}).status == 409
    assert deputy.call("PATCH", "/api/v1/tenants/lotabots", {"state": "active"}).status == 200
    assert users.as_admin("DELETE", f"/api/v1/users/{deputy.id}").status == 204


@pytest.mark.parametrize("id_", ["", "-x", "No", "a b", "a/b", "é", "x" * 33, "a_b", "a\u0000b"])
def test_a_bad_id_is_refused(users, id_):
    answer = users.as_admin("POST", "/api/v1/tenants", {"id": id_, "plan": "pro"})
    assert answer.status == 422 and answer.json["code"] == "invalid_tenant_id"


@pytest.mark.parametrize("operation", [one for one in operations() if one.path.startswith("/api/v1/tenants")], ids=str)
def test_tenants_are_for_admins(users, operation):
    # Also for one who may do everything in his own tenant, and for an admin with a key that may not.
    belongings = Belongings(users)
    boss = admin(users)
    key = made(boss.call("POST", f"/api/v1/users/{boss.id}/api-keys", {"name": "k", "permissions": ["tenants:*", "users:*"]}))
    callers = [belongings.manager, Member(users, boss.account, key["id"]), trainer(users)]
    path, body = operation.where(belongings.ids(operation)), belongings.body(operation)
    before = portrait(users, belongings)
    for caller in callers:
        answer = caller.call(operation.method, path, body)
        operation.check(answer)
        assert answer.status == 403 and answer.json["code"] == "admins_only"
    assert portrait(users, belongings) == before


def trainer(users):
    return Member(users, users.as_admin("GET", f"/api/v1/users/{users.account_id('trainer')}").json)


# From here on: the walls. The operations come from the document, so that a new one cannot be forgotten; openapi_test.py
# holds the document against the service's routes. Whose kinds of things an operation takes, its path says.

MISSING = {"tenant": "missing", "user": "usr_" + "0" * 24, "role": "rol_" + "0" * 24, "api_key": "key_" + "0" * 24,
           "entry": "aud_" + "0" * 38, "session": "ses_" + "0" * 24}
PRIVATE = [one for one in operations() if not one.is_public]


def portrait(users, belongings):
    """All that an admin sees of a tenant, to prove that nothing in it changed."""
    tenant = belongings.organisation.id

    def seen(path):
        answer = users.as_admin("GET", path)
        assert answer.status == 200, answer.body
        return answer.headers.get("ETag"), answer.json

    accounts = seen(f"/api/v1/users?tenant={tenant}&limit=1000")[1]["users"]
    return {
        "tenant": seen(f"/api/v1/tenants/{tenant}"),
        "users": [seen(f"/api/v1/users/{user['id']}") for user in accounts],
        "roles": seen(f"/api/v1/roles?tenant={tenant}&limit=1000"),
        "keys": [seen(f"/api/v1/users/{user['id']}/api-keys") for user in accounts],
        "audit": seen(f"/api/v1/audit?tenant={tenant}&limit=1000"),
        "sessions": users.database.sql(
            f"SELECT s.id, s.ended_at FROM sessions s JOIN accounts a ON a.id = s.account WHERE a.tenant = '{tenant}' ORDER BY s.id"),
    }


@pytest.fixture(name="walls", scope="module")
def fixture_walls(users):
    """(ours, theirs): two tenants with one of everything. Our manager may do everything in his own."""
    return Belongings(users), Belongings(users)


def id_mixes(operation):
    """Every way to put something foreign into the path: {"user": "theirs", "api_key": "ours"}, but not all of ours."""
    for owners in itertools.product(("ours", "theirs"), repeat=len(operation.kinds)):
        if "theirs" in owners:
            yield dict(zip(operation.kinds, owners))


@pytest.mark.parametrize("operation", [one for one in PRIVATE if one.kinds], ids=str)
def test_what_is_foreign_answers_as_if_it_were_missing(users, walls, operation):
    sides = dict(zip(("ours", "theirs"), walls))
    ids = {side: belongings.ids(operation) for side, belongings in sides.items()}
    body = sides["ours"].body(operation)
    before = [portrait(users, belongings) for belongings in walls]
    for mix in id_mixes(operation):
        foreign = {kind: ids[side][kind] for kind, side in mix.items()}
        missing = {kind: MISSING[kind] if side == "theirs" else ids["ours"][kind] for kind, side in mix.items()}
        answers = [sides["ours"].manager.call(operation.method, operation.where(which), body) for which in (foreign, missing)]
        operation.check(answers[0])
        assert answers[0].status in (403, 404), mix
        assert (answers[0].status, answers[0].body) == (answers[1].status, answers[1].body), mix
        assert "ETag" not in answers[0].headers
    assert [portrait(users, belongings) for belongings in walls] == before


@pytest.mark.parametrize("operation", [one for one in PRIVATE if one.kinds], ids=str)
def test_a_foreign_id_in_a_path_of_ones_own_is_still_foreign_without_permissions(users, walls, operation):
    nobody = walls[0].organisation.member()
    before = portrait(users, walls[1])
    answer = nobody.call(operation.method, operation.where(walls[1].ids(operation)), walls[0].body(operation))
    assert answer.status in (403, 404)
    assert portrait(users, walls[1]) == before


@pytest.mark.parametrize("operation", [one for one in PRIVATE if one.method == "GET" and not one.kinds], ids=str)
def test_a_list_has_nothing_foreign(users, walls, operation):
    ours, theirs = walls
    ids = {kind: getattr(theirs, kind) for kind in ("tenant", "user", "role", "api_key", "entry")}
    ids["manager"] = theirs.manager.id
    queries = [""] + [f"?{parameter['name']}={wanted}" for parameter in operation.query for wanted in ids.values()
                      if parameter["name"] in ("tenant", "actor", "target", "after", "role", "username")]
    for query in queries:
        answer = ours.manager.call("GET", operation.path + query)
        operation.check(answer)
        assert answer.status in (200, 403), query
        for kind, foreign in ids.items():
            assert foreign not in answer.body.decode(), (kind, query)


@pytest.mark.parametrize("operation", [one for one in PRIVATE if one.schema and "tenant" in one.schema["properties"]], ids=str)
def test_nothing_is_made_in_another_tenant(users, walls, operation):
    ours, theirs = walls
    body = ours.body(operation)
    before = portrait(users, theirs)
    answers = [ours.manager.call(operation.method, operation.path, body | {"tenant": tenant})
               for tenant in (theirs.organisation.id, "missing")]
    assert [answer.status for answer in answers] == [403, 403]
    assert answers[0].body == answers[1].body
    assert portrait(users, theirs) == before


@pytest.mark.parametrize("operation", [one for one in PRIVATE if one.schema and "roles" in one.schema["properties"]], ids=str)
def test_a_foreign_role_is_no_role(users, walls, operation):
    ours, theirs = walls
    before = portrait(users, theirs)
    foreign = users.as_admin("GET", f"/api/v1/roles/{theirs.role}").json
    for name in (foreign["name"], foreign["id"], f"{theirs.organisation.id}/{foreign['name']}"):
        body = ours.body(operation) | {"roles": [name]}
        answer = ours.manager.call(operation.method, operation.where(ours.ids(operation)), body)
        assert answer.status == 422 and answer.json["code"] == "unknown_role"
    assert portrait(users, theirs) == before


def test_the_kinds_of_things_are_all_known():
    """An operation on something new must come with a way to make one, and an id that nothing has."""
    for operation in operations():
        for kind in operation.kinds:
            assert kind in MISSING and hasattr(Belongings, kind), f"{operation.id}: {kind}"


def test_a_stranger_to_the_service_gets_nowhere(users):
    stranger = identity("okta:somebody", "lotabots", "admin")
    for operation in PRIVATE:
        path = operation.where(MISSING)
        answer = users.call(operation.method, path, operation.body(), stranger)
        assert answer.status == 403 and answer.json["code"] == "unknown_caller", operation.id
