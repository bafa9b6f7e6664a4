"""Accounts over the API that the gateway protects: making, listing, changing and removing them."""

import concurrent.futures

import pytest
from administration import PASSWORD, Member, Organisation, admin, fresh, made
from reference_services import identity


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
    changed = users.as_admin("PATCH", path, {"roles": ["trainer", "viewer"], "disabled": True})
    assert changed.status == 200
    assert changed.json["roles"] == ["trainer", "viewer"] and changed.json["disabled"] is True
    # What is not given stays.
    assert users.as_admin("PATCH", path, {"disabled": False}).json["roles"] == ["trainer", "viewer"]

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
    ({"username": "x", "password": PASSWORD, "roles": [], "tenant": "\u0000"}, 422),
    ({"username": "x", "password": PASSWORD, "roles": ["\u0000"]}, 422),
    ({"username": "x", "password": PASSWORD, "roles": ["r"] * 17}, 422),
    ({"username": "x", "password": PASSWORD, "roles": [], "kind": "robot"}, 422),
    ({"username": "x", "roles": []}, 400),
])
def test_a_bad_account_is_refused(users, body, status):
    answer = users.as_admin("POST", "/api/v1/users", body)
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["status"] == status


def test_a_refused_change_changes_nothing(users):
    path = create(users, "linus").headers["Location"]
    revision = users.revision()
    assert users.as_admin("PATCH", path, {"roles": ["trainer", "emperor"]}).status == 422
    assert users.as_admin("PATCH", path, {}).status == 400
    assert users.as_admin("PATCH", path, {"role": ["trainer"]}).status == 400
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


def test_a_list_is_filtered(users):
    organisation = Organisation(users)
    one = organisation.member("viewer")
    two = organisation.member("trainer", kind="person")
    users.as_admin("PATCH", f"/api/v1/users/{one.id}", {"disabled": True})

    def found(query):
        answer = organisation.manager.call("GET", f"/api/v1/users?{query}")
        assert answer.status == 200, answer.body
        return {user["id"] for user in answer.json["users"]}

    assert found("role=viewer") == {one.id}
    assert found("role=manager") == {organisation.manager.id}
    assert found("kind=person") == {two.id}
    assert found("disabled=true") == {one.id}
    assert found("disabled=false") == {two.id, organisation.manager.id}
    assert found(f"username={one.account['username'].upper()}") == {one.id}
    assert found("tenant=lotabots") == set()
    assert found("role=nobody-has-this") == set()


def test_nothing_is_looked_for_in_a_tenant_that_the_caller_does_not_see(users):
    # How long looking takes would tell that a tenant is there and how large it is. Without the tables it cannot look.
    ours, theirs = Organisation(users), Organisation(users)
    lists = {"users": "users", "roles": "roles", "audit": "entries"}

    def answers(tenant):
        return {path: ours.manager.call("GET", f"/api/v1/{path}?tenant={tenant}") for path in lists}

    for table in ("roles", "audit"):
        users.database.sql(f"ALTER TABLE {table} RENAME TO {table}_away")
    try:
        own = answers(ours.id)
        foreign = [answers(tenant) for tenant in (theirs.id, "lotabots", "there-is-none")]
    finally:
        for table in ("roles", "audit"):
            users.database.sql(f"ALTER TABLE {table}_away RENAME TO {table}")
    assert {answer.status for answer in own.values()} == {500}
    for tenant in foreign:
        for path, answer in tenant.items():
            assert answer.status == 200 and answer.json == {lists[path]: []}, path
    assert all(answer.status == 200 and answer.json[lists[path]] for path, answer in answers(ours.id).items())


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "limit=", "after=%00", "rolle=viewer", "limit=1&limit=2",
                                   "disabled=maybe", "tenant=%ff", "role=a%20b"])
def test_a_bad_query_is_refused(users, query):
    answer = users.as_admin("GET", f"/api/v1/users?{query}")
    assert answer.status == 400 and answer.json["code"].endswith("_parameter"), answer.body


def test_a_call_without_identity_gets_nowhere(users):
    for method, path in (("GET", "/api/v1/users"), ("GET", "/api/v1/users/me"), ("POST", "/api/v1/users"),
                         ("DELETE", f"/api/v1/users/{users.account_id('viewer')}")):
        answer = users.call(method, path)
        assert answer.status == 401 and answer.json["code"] == "no_identity", path


def test_the_callers_rights_are_those_of_the_store(users):
    # Headers may be stale, and are no reason to believe anything but who calls.
    viewer = users.identity("viewer") | {"X-Auth-Roles": "admin", "X-Auth-Tenant": "elsewhere"}
    assert users.call("GET", "/api/v1/tenants", headers=viewer).status == 403
    me = users.call("GET", "/api/v1/users/me", headers=viewer).json
    assert me["tenant"] == "lotabots" and me["roles"] == ["viewer"]


def test_a_caller_without_account_is_refused(users):
    stranger = identity("okta:somebody", "lotabots", "admin")
    answer = users.call("GET", "/api/v1/users", headers=stranger)
    assert answer.status == 403 and answer.json["code"] == "unknown_caller"


def test_who_enables_an_account_holds_what_it_may_do(users):
    organisation = Organisation(users)
    organisation.new_role("users:write", name="clerk")
    clerk, member = organisation.member("clerk"), organisation.member("viewer", "manager")
    path = f"/api/v1/users/{member.id}"
    assert clerk.call("PATCH", path, {"disabled": True}).status == 200
    for change in ({"disabled": False}, {"disabled": False, "username": fresh("renamed")}, {"disabled": False, "roles": ["viewer"]}):
        answer = clerk.call("PATCH", path, change)
        assert answer.status == 403 and answer.json["code"] == "escalation", change
    assert users.as_admin("GET", path).json["disabled"] is True
    # What it keeps is what counts.
    assert clerk.call("PATCH", path, {"disabled": False, "roles": []}).json == member.account | {"roles": []}
    assert clerk.call("PATCH", path, {"disabled": True}).status == 200
    assert organisation.manager.call("PATCH", path, {"disabled": False, "roles": ["viewer"]}).status == 200


def test_a_disabled_caller_is_refused(users):
    organisation = Organisation(users)
    assert organisation.manager.call("GET", "/api/v1/users").status == 200
    users.as_admin("PATCH", f"/api/v1/users/{organisation.manager.id}", {"disabled": True})
    answer = organisation.manager.call("GET", "/api/v1/users")
    assert answer.status == 403 and answer.json["code"] == "caller_disabled"


def test_a_caller_sees_its_own_tenant_only(users):
    theirs, ours = Organisation(users), Organisation(users)
    seen = theirs.manager.call("GET", "/api/v1/users").json["users"]
    assert [user["id"] for user in seen] == [theirs.manager.id]
    foreign = f"/api/v1/users/{ours.manager.id}"
    missing = "/api/v1/users/usr_000000000000000000000000"
    for method, body in (("GET", None), ("PATCH", {"disabled": True}), ("DELETE", None)):
        answers = [theirs.manager.call(method, path, body) for path in (foreign, missing)]
        assert [answer.status for answer in answers] == [404, 404], method
        assert answers[0].body == answers[1].body
    made = {"username": "spy", "password": PASSWORD, "roles": [], "tenant": ours.id}
    answers = [theirs.manager.call("POST", "/api/v1/users", made | {"tenant": tenant}) for tenant in (ours.id, "missing")]
    assert [answer.status for answer in answers] == [403, 403]
    assert answers[0].body == answers[1].body


def test_an_account_reads_itself_without_a_permission(users):
    member = Organisation(users).member()
    assert member.call("GET", f"/api/v1/users/{member.id}").json == member.account
    assert member.call("GET", "/api/v1/users/me").json["permissions"] == []
    for method, body in (("PATCH", {"disabled": True}), ("DELETE", None)):
        assert member.call(method, f"/api/v1/users/{member.id}", body).status == 403, method


def test_a_new_username(users):
    member = Organisation(users).member(kind="person")
    name = fresh("Renamed")
    path = f"/api/v1/users/{member.id}"
    assert users.as_admin("PATCH", path, {"username": name}).json["username"] == name
    assert users.login(name.lower(), PASSWORD).status == 200
    assert users.login(member.account["username"], PASSWORD).status == 401
    # Its own name in another case is not taken, another's is.
    assert users.as_admin("PATCH", path, {"username": name.upper()}).status == 200
    assert users.as_admin("PATCH", path, {"username": "ADMIN"}).status == 409


def test_a_service_has_no_password_and_cannot_log_in(users):
    organisation = Organisation(users)
    machine = organisation.member("viewer")
    assert machine.account["kind"] == "service"
    for password in ("", PASSWORD):
        assert users.login(machine.account["username"], password).status == 401
    refused = {"username": fresh("machine"), "kind": "service", "password": PASSWORD, "roles": [], "tenant": organisation.id}
    answer = users.as_admin("POST", "/api/v1/users", refused)
    assert answer.status == 422 and answer.json["code"] == "password_not_allowed"


def test_a_change_may_name_the_revision_it_means(users):
    member = Organisation(users).member()
    path = f"/api/v1/users/{member.id}"
    first = users.as_admin("GET", path).headers["ETag"]
    boss = admin(users)
    second = boss.call("PATCH", path, {"disabled": True}, If_Match=first).headers["ETag"]
    assert second != first
    # Who has read the first no longer changes anything.
    for method, body in (("PATCH", {"disabled": False}), ("DELETE", None)):
        for tags in (first, f"W/{second}", '"x"'):
            answer = boss.call(method, path, body, If_Match=tags)
            assert answer.status == 412 and answer.json["code"] == "revision_changed", (method, tags)
    # The same once more is no change.
    assert boss.call("PATCH", path, {"disabled": True}, If_Match="*").headers["ETag"] == second
    assert boss.call("DELETE", path, If_Match=f"{first}, {second}").status == 204


def test_only_an_admin_makes_or_changes_admins(users):
    # Every permission, and still no admin of the platform.
    organisation = Organisation(users, permissions=["*:*"])
    manager = organisation.manager
    made = {"username": "usurper", "password": PASSWORD, "roles": ["admin"]}
    assert manager.call("POST", "/api/v1/users", made).json["code"] == "admins_only"
    climber = organisation.member()
    for path in (f"/api/v1/users/{climber.id}", f"/api/v1/users/{manager.id}"):
        assert manager.call("PATCH", path, {"roles": ["admin"]}).json["code"] == "admins_only"
    deputy = f"/api/v1/users/{organisation.member('admin').id}"
    for method, body in (("PATCH", {"disabled": True}), ("PATCH", {"roles": []}), ("DELETE", None)):
        assert manager.call(method, deputy, body).json["code"] == "admins_only"
    assert users.as_admin("DELETE", deputy).status == 204


def at_once(*calls):
    """The answers of calls that are under way together."""
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def test_two_admins_cannot_remove_each_other_at_once(users):
    first = Member(users, made(create(users, fresh("first"), roles=["admin"])))
    second = Member(users, made(create(users, fresh("second"), roles=["admin"])))
    path = "/api/v1/users/{}".format
    demo = path(users.account_id("admin"))
    assert first.call("PATCH", demo, {"disabled": True}).status == 200
    for _ in range(5):
        answers = at_once(lambda: first.call("PATCH", path(second.id), {"disabled": True}),
                          lambda: second.call("PATCH", path(first.id), {"disabled": True}))
        # The later one finds that it is the last, or is disabled itself by then.
        assert sorted(answer.status for answer in answers) in ([200, 403], [200, 409]), [one.body for one in answers]
        left, gone = (first, second) if answers[0].status == 200 else (second, first)
        assert left.call("PATCH", path(gone.id), {"disabled": False}).status == 200
    assert first.call("PATCH", demo, {"disabled": False}).status == 200
    for one in (first, second):
        assert users.as_admin("DELETE", path(one.id)).status == 204


def test_one_of_many_gets_a_username(users):
    name = fresh("wanted")
    body = {"username": name, "kind": "service", "roles": []}
    boss = admin(users)
    answers = at_once(*[lambda: boss.call("POST", "/api/v1/users", body)] * 8)
    assert sorted(answer.status for answer in answers) == [201] + [409] * 7


def test_one_of_many_changes_the_revision_that_all_read(users):
    member = Organisation(users).member()
    path = f"/api/v1/users/{member.id}"
    boss = admin(users)
    tag = boss.call("GET", path).headers["ETag"]
    calls = [lambda name=name: boss.call("PATCH", path, {"username": name}, If_Match=tag) for name in map(fresh, ["n"] * 8)]
    assert sorted(answer.status for answer in at_once(*calls)) == [200] + [412] * 7


def test_the_last_admin_stays(users):
    path = f"/api/v1/users/{users.account_id('admin')}"
    machine = made(users.as_admin("POST", "/api/v1/users", {
        "username": fresh("machine"), "kind": "service", "roles": ["admin"]}))
    for method, body in (("PATCH", {"roles": []}), ("PATCH", {"disabled": True}), ("DELETE", None)):
        answer = users.as_admin(method, path, body)
        assert answer.status == 409 and answer.json["code"] == "last_admin"  # a machine cannot log in and mend things
    assert users.as_admin("GET", path).json["roles"] == ["admin"]
    second = made(create(users, "deputy", roles=["admin"]))
    deputy = Member(users, second)
    assert users.as_admin("PATCH", path, {"disabled": True}).status == 200
    assert deputy.call("DELETE", f"/api/v1/users/{deputy.id}").status == 409
    assert deputy.call("PATCH", path, {"disabled": False}).status == 200
    assert deputy.call("DELETE", f"/api/v1/users/{deputy.id}").status == 204
    assert users.as_admin("DELETE", f"/api/v1/users/{machine['id']}").status == 204
