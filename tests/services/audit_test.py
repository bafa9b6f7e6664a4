"""The audit log: one entry for every change that is documented, none for anything else, and none that changes."""

import json
import time

import pytest
from administration import PASSWORD, Member, Organisation, admin, fresh, made
from openapi_document import Belongings, operations

CHANGES = [one for one in operations() if one.audit]


@pytest.fixture(name="organisation", scope="module")
def fixture_organisation(users):
    return Organisation(users)


def entries(users, query=""):
    return users.as_admin("GET", f"/api/v1/audit?limit=1000{query}").json["entries"]


def test_every_operation_that_changes_something_says_its_action():
    for operation in operations():
        assert bool(operation.audit) == operation.is_change or operation.id == "refresh", operation.id


@pytest.mark.parametrize("operation", CHANGES, ids=str)
def test_a_change_is_one_entry(users, operation):
    belongings = Belongings(users)
    path, body = operation.where(belongings.ids(operation)), belongings.body(operation)
    before = {entry["id"] for entry in entries(users)}
    boss = admin(users)
    begun = int(time.time())
    answer = boss.call(operation.method, path, body, X_Request_Id="req-7", X_Forwarded_For="203.0.113.9, 192.0.2.1")
    assert answer.status == operation.success, answer.body
    new, = [entry for entry in entries(users) if entry["id"] not in before]
    assert new["action"] == operation.audit
    assert new["target_kind"] == operation.audit.split(".")[0]
    assert new["request_id"] == "req-7" and new["client"] == "203.0.113.9, 192.0.2.1"
    assert begun <= new["time"] <= time.time()
    if not operation.is_public:
        assert new["actor"] == boss.id and "actor_key" not in new
    made_id = json.loads(answer.body)["id"] if answer.status == 201 else None
    if made_id:
        assert new["target_id"] == made_id
    assert boss.call("GET", f"/api/v1/audit/{new['id']}").json == new


@pytest.mark.parametrize("operation", [one for one in CHANGES if not one.is_public], ids=str)
def test_a_refused_change_is_no_entry(users, operation):
    belongings = Belongings(users)
    nobody = belongings.organisation.member()
    foreign = Belongings(users)
    path, body = operation.where(foreign.ids(operation)), belongings.body(operation)
    before = entries(users)
    assert nobody.call(operation.method, path, body).status in (403, 404)
    assert entries(users) == before


@pytest.mark.parametrize("operation", [one for one in operations() if not one.is_change], ids=str)
def test_reading_is_no_entry(users, operation):
    path = operation.where(Belongings(users).ids(operation))
    before = entries(users)
    assert admin(users).call("GET", path).status == 200
    assert entries(users) == before


def test_the_same_once_more_is_no_entry(users, organisation):
    role = organisation.new_role("models:read")
    member = organisation.member(role["name"])
    key = made(member.call("POST", f"/api/v1/users/{member.id}/api-keys", {"name": "k"}))
    before = entries(users)
    for path, body in ((f"/api/v1/users/{member.id}", {"disabled": False, "roles": [role["name"]]}),
                       (f"/api/v1/users/{member.id}/api-keys/{key['id']}", {"name": "k"}),
                       (f"/api/v1/roles/{role['id']}", {"permissions": ["models:read"]}),
                       (f"/api/v1/tenants/{organisation.id}", {"plan": "pro", "state": "active"})):
        tag = users.as_admin("GET", path).headers["ETag"]
        answer = users.as_admin("PATCH", path, body)
        assert answer.status == 200 and answer.headers["ETag"] == tag
    assert entries(users) == before


def test_an_entry_tells_what_changed(users, organisation):
    member = organisation.member()
    users.as_admin("PATCH", f"/api/v1/users/{member.id}", {"disabled": True, "roles": ["viewer"]})
    newest = entries(users, f"&target={member.id}")[0]
    assert newest["detail"] == {"disabled": {"from": False, "to": True}, "roles": {"from": [], "to": ["viewer"]}}
    assert newest["tenant"] == organisation.id


def test_an_entry_names_the_key_that_was_used(users, organisation):
    manager = organisation.manager
    key = made(manager.call("POST", f"/api/v1/users/{manager.id}/api-keys", {"name": "k"}))
    made(Member(users, manager.account, key["id"]).call("POST", "/api/v1/roles", {"name": fresh("r"), "permissions": []}))
    newest = entries(users, f"&actor={manager.id}")[0]
    assert newest["action"] == "role.create" and newest["actor_key"] == key["id"]


def test_no_entry_holds_a_secret(users, organisation):
    password = "a very particular password"
    person = made(users.as_admin("POST", "/api/v1/users", {
        "username": fresh("secretive"), "password": password, "roles": [], "tenant": organisation.id}))
    tokens = users.login(person["username"], password).json
    users.login(person["username"], password + "!")
    stored, = users.database.sql(f"SELECT password_hash FROM accounts WHERE id = '{person['id']}'")
    text = str(users.database.sql("SELECT * FROM audit"))
    assert person["id"] in text
    for secret in [password, *stored, *[value for value in tokens.values() if isinstance(value, str) and len(value) > 20]]:
        assert secret not in text
    assert "scrypt" not in text and PASSWORD not in text


def test_headers_cannot_forge_lines_or_grow_the_log(users, organisation):
    organisation.manager.call("POST", "/api/v1/roles", {"name": fresh("r"), "permissions": []},
                              X_Request_Id="x" * 1000, X_Forwarded_For="é" * 10 + "1" * 500)
    newest = entries(users, f"&actor={organisation.manager.id}")[0]
    assert newest["request_id"] == "x" * 128 and newest["client"] == "1" * 256


def test_the_log_is_read_by_pages_newest_first(users, organisation):
    for _ in range(5):
        organisation.new_role("models:read")
    whole = entries(users, f"&tenant={organisation.id}")
    assert whole == sorted(whole, key=lambda entry: entry["id"], reverse=True)
    assert [entry["time"] for entry in whole] == sorted((entry["time"] for entry in whole), reverse=True)
    paged, after = [], ""
    while after is not None:
        page = users.as_admin("GET", f"/api/v1/audit?tenant={organisation.id}&limit=2&after={after}").json
        paged += page["entries"]
        after = page.get("next")
    assert paged == whole


def test_the_log_is_filtered(users, organisation):
    member = organisation.member("viewer")
    whole = entries(users)
    wanted = {
        f"&target={member.id}": lambda entry: entry["target_id"] == member.id,
        f"&actor={admin(users).id}": lambda entry: entry["actor"] == admin(users).id,
        "&action=role.create": lambda entry: entry["action"] == "role.create",
        f"&tenant={organisation.id}": lambda entry: entry["tenant"] == organisation.id,
        f"&since={whole[0]['time']}": lambda entry: entry["time"] >= whole[0]["time"],
        f"&until={whole[0]['time']}": lambda entry: entry["time"] < whole[0]["time"],
        "&actor=nobody": lambda entry: False,
    }
    for query, fits in wanted.items():
        assert entries(users, query) == [entry for entry in whole if fits(entry)], query
    for query in ("since=x", "until=-1", "target=a%20b", "since=99999999999999999999"):
        assert users.as_admin("GET", f"/api/v1/audit?{query}").status == 400


def test_a_tenant_reads_its_own_log_only(users):
    one, two = Organisation(users), Organisation(users)
    seen = one.manager.call("GET", "/api/v1/audit?limit=1000").json["entries"]
    assert seen and {entry["tenant"] for entry in seen} == {one.id}
    # Also what an admin of the platform did in it.
    assert admin(users).id in {entry["actor"] for entry in seen}
    assert one.manager.call("GET", f"/api/v1/audit?tenant={two.id}").json["entries"] == []
    foreign = entries(users, f"&tenant={two.id}")[0]["id"]
    assert one.manager.call("GET", f"/api/v1/audit/{foreign}").status == 404
    assert one.member("trainer").call("GET", "/api/v1/audit").status == 403


@pytest.mark.parametrize("statement", ["UPDATE audit SET actor = 'somebody else'", "DELETE FROM audit"])
def test_the_database_itself_refuses_to_change_the_log(users, statement):
    before = users.database.sql("SELECT * FROM audit ORDER BY id")
    assert before
    with pytest.raises(Exception) as refusal:
        users.database.sql(statement)
    assert "append-only" in str(refusal.value) + str(getattr(refusal.value, "stderr", ""))
    assert users.database.sql("SELECT * FROM audit ORDER BY id") == before


def test_a_change_and_its_entry_are_one(users, organisation):
    # What cannot be logged is not done.
    member = organisation.member()
    since = users.revision()
    name = fresh("broken")
    guard = broken_log(users, name)
    try:
        answer = users.as_admin("PATCH", f"/api/v1/users/{member.id}", {"disabled": True})
        assert answer.status == 500
        assert users.as_admin("GET", f"/api/v1/users/{member.id}").json["disabled"] is False
        assert users.revision() == since
    finally:
        users.database.sql(guard)
    assert users.as_admin("PATCH", f"/api/v1/users/{member.id}", {"disabled": True}).status == 200


def broken_log(users, name):
    """Makes every insertion into the log fail; returns the statement that mends it."""
    if users.database.url:
        users.database.sql("ALTER TABLE audit RENAME TO audit_elsewhere")
        return "ALTER TABLE audit_elsewhere RENAME TO audit"
    users.database.sql(f'CREATE TRIGGER "{name}" BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, \'broken\'); END')
    return f'DROP TRIGGER "{name}"'
