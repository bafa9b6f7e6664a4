"""API keys: shown once, kept as a digest, bounded by their owner and by themselves, told to the gateways."""

import concurrent.futures
import hashlib
import re
import time
from urllib.parse import quote

import pytest
from administration import Member, Organisation, admin, changes_since, fresh, made


@pytest.fixture(name="organisation", scope="module")
def fixture_organisation(users):
    return Organisation(users)


def keys_of(member):
    return f"/api/v1/users/{member.id}/api-keys"


def new_key(member, owner=None, **body):
    return made(member.call("POST", keys_of(owner or member), {"name": "key"} | body))


def digest(key):
    return hashlib.sha256(key["key"].encode()).hexdigest()


def known(users, key):
    """What a gateway is told about the key; None if there is none."""
    answer = users.internal(f"/internal/v1/api-keys/{digest(key)}")
    assert answer.status in (200, 404), answer.body
    return answer.json if answer.status == 200 else None


def test_a_key_from_beginning_to_end(users, organisation):
    member = organisation.member("viewer")
    since = users.revision()
    answer = member.call("POST", keys_of(member), {"name": "laptop"})
    key = made(answer)
    assert re.fullmatch(r"lgk_[A-Za-z0-9_-]{43}", key["key"])
    assert key["hint"] == f"lgk_...{key['key'][-4:]}" and key["permissions"] == ["*:*"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert known(users, key) == {"key_id": key["id"], "subject": member.id, "permissions": ["*:*"],
                                 "revision": users.revision(), "disabled": False}
    assert changes_since(users, since) == {"revision": since + 1, "subjects": [], "api_keys": [digest(key)]}

    path = answer.headers["Location"]
    shown = {name: value for name, value in key.items() if name != "key"}
    assert member.call("GET", path).json == shown
    assert member.call("GET", keys_of(member)).json == {"api_keys": [shown]}

    since = users.revision()
    assert member.call("PATCH", path, {"disabled": True}).json == shown | {"disabled": True}
    assert known(users, key)["disabled"] is True
    assert changes_since(users, since)["api_keys"] == [digest(key)]
    since = users.revision()
    assert member.call("DELETE", path).status == 204
    assert known(users, key) is None
    assert changes_since(users, since)["api_keys"] == [digest(key)]
    assert member.call("GET", path).status == 404


def test_the_key_is_nowhere_but_in_the_answer(users, organisation):
    member = organisation.member()
    key = new_key(member)
    secret = key["key"].removeprefix("lgk_")
    rows = users.database.sql("SELECT * FROM api_keys") + users.database.sql("SELECT * FROM audit")
    assert rows and digest(key) in str(rows)
    assert secret not in str(rows) and secret not in "\n".join(users.log)
    assert digest(key) not in str(users.database.sql("SELECT * FROM audit"))
    for path in (keys_of(member), f"{keys_of(member)}/{key['id']}", "/api/v1/audit"):
        text = admin(users).call("GET", path).body.decode()
        assert secret not in text and digest(key) not in text, path


def test_keys_differ(users, organisation):
    member = organisation.member()
    keys = [new_key(member) for _ in range(5)]
    assert len({key["key"] for key in keys}) == len({key["id"] for key in keys}) == 5
    whole = member.call("GET", keys_of(member)).json["api_keys"]
    page = member.call("GET", f"{keys_of(member)}?limit=3").json
    rest = member.call("GET", f"{keys_of(member)}?limit=3&after={page['next']}").json
    assert page["api_keys"] + rest["api_keys"] == whole and "next" not in rest


def test_an_account_has_at_most_fifty(users, organisation):
    member = organisation.member()
    keys = [new_key(member) for _ in range(50)]
    answer = member.call("POST", keys_of(member), {"name": "one more"})
    assert answer.status == 409 and answer.json["code"] == "too_many_api_keys"
    assert member.call("DELETE", f"{keys_of(member)}/{keys[0]['id']}").status == 204
    assert member.call("POST", keys_of(member), {"name": "one more"}).status == 201


def test_many_at_once_do_not_make_one_too_many(users, organisation):
    member = organisation.member()
    for _ in range(46):
        new_key(member)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: member.call("POST", keys_of(member), {"name": "x"}), range(8)))
    assert sorted(answer.status for answer in answers) == [201] * 4 + [409] * 4


def test_a_key_may_expire(users, organisation):
    member = organisation.member()
    now = int(time.time())
    for past in (now, now - 1, 0, -1, -2**63):
        answer = member.call("POST", keys_of(member), {"name": "late", "expires_at": past})
        assert answer.status == 422 and answer.json["code"] == "expired_already", past
    key = new_key(member, expires_at=now + 1000)
    assert key["expires_at"] == now + 1000 == known(users, key)["expires_at"]
    assert Member(users, member.account, key["id"]).call("GET", "/api/v1/users/me").status == 200
    users.database.sql(f"UPDATE api_keys SET expires_at = {now - 1} WHERE id = '{key['id']}'")
    answer = Member(users, member.account, key["id"]).call("GET", "/api/v1/users/me")
    assert answer.status == 403 and answer.json["code"] == "api_key_not_active"


def test_a_key_that_ended_is_refused_though_the_gateway_let_it_through(users, organisation):
    member = organisation.member()
    key, other = new_key(member), new_key(organisation.manager)
    caller = Member(users, member.account, key["id"])
    assert caller.call("GET", "/api/v1/users/me").status == 200
    # Somebody else's key is none of his.
    assert Member(users, member.account, other["id"]).call("GET", "/api/v1/users/me").status == 403
    assert Member(users, member.account, "key_unknown").call("GET", "/api/v1/users/me").status == 403
    member.call("PATCH", f"{keys_of(member)}/{key['id']}", {"disabled": True})
    answer = caller.call("GET", "/api/v1/users/me")
    assert answer.status == 403 and answer.json["code"] == "api_key_not_active"


def test_a_key_bounds_the_call_that_came_with_it(users, organisation):
    manager = organisation.manager
    weak = Member(users, manager.account, new_key(manager, permissions=["users:read", "api_keys:write"])["id"])
    assert weak.call("GET", "/api/v1/users").status == 200
    assert weak.call("GET", "/api/v1/roles").json["code"] == "forbidden"
    assert weak.call("POST", "/api/v1/roles", {"name": "x", "permissions": []}).json["code"] == "forbidden"
    # Also what needs no permission of the owner's: reading his own keys.
    assert weak.call("GET", keys_of(manager)).status == 403
    # And it makes no key that may do more.
    member = organisation.member()
    for wanted in ({}, {"permissions": ["*:*"]}, {"permissions": ["users:*"]}, {"permissions": ["users:read", "roles:read"]}):
        answer = weak.call("POST", keys_of(member), {"name": "stronger"} | wanted)
        assert answer.status == 403 and answer.json["code"] == "escalation", wanted
    assert weak.call("POST", keys_of(member), {"name": "as weak", "permissions": ["users:read"]}).status == 201


def test_a_key_makes_and_enables_none_of_its_owners(users, organisation):
    # Else a key that leaked would leave others behind when it expires or is revoked, and undo its own revocation.
    manager = organisation.manager
    leaked = new_key(manager, expires_at=int(time.time()) + 1000)
    other = new_key(manager)
    path = f"{keys_of(manager)}/{other['id']}"
    for boss in (manager, admin(users)):
        for permissions in (["*:*"], ["models:read"]):
            caller = Member(users, boss.account, new_key(boss)["id"])
            answer = caller.call("POST", keys_of(boss), {"name": "child", "permissions": permissions})
            assert answer.status == 403 and answer.json["code"] == "forbidden"
    caller = Member(users, manager.account, leaked["id"])
    assert caller.call("POST", keys_of(manager), {"name": "child", "expires_at": leaked["expires_at"]}).status == 403
    # Less than there was is always possible: a machine may end a key.
    assert caller.call("PATCH", path, {"disabled": True}).status == 200
    answer = caller.call("PATCH", path, {"disabled": False})
    assert answer.status == 403 and answer.json["code"] == "forbidden"
    assert known(users, other)["disabled"] is True
    assert manager.call("PATCH", path, {"disabled": False}).status == 200
    assert caller.call("DELETE", path).status == 204


def test_a_key_makes_none_for_others_that_outlives_it(users, organisation):
    manager, member = organisation.manager, organisation.member()
    end = int(time.time()) + 1000
    caller = Member(users, manager.account, new_key(manager, expires_at=end)["id"])
    wanted = {"name": "for a machine", "permissions": ["models:read"]}
    for more in ({}, {"expires_at": end + 1}, {"expires_at": 2**63 - 1}):
        answer = caller.call("POST", keys_of(member), wanted | more)
        assert answer.status == 403 and answer.json["code"] == "escalation", more
    for more in (end, end - 1):
        key = made(caller.call("POST", keys_of(member), wanted | {"expires_at": more}))
    # And it enables none of them, nor does another.
    path = f"{keys_of(member)}/{key['id']}"
    assert caller.call("PATCH", path, {"disabled": True}).status == 200
    for one in (caller, Member(users, manager.account, new_key(manager)["id"])):
        assert one.call("PATCH", path, {"disabled": False}).json["code"] == "forbidden"
    assert manager.call("PATCH", path, {"disabled": False}).status == 200
    # A key without an end bounds nothing.
    lasting = Member(users, manager.account, new_key(manager)["id"])
    assert "expires_at" not in made(lasting.call("POST", keys_of(member), wanted))


def test_what_another_has_disabled_is_not_for_the_owner_to_enable(users):
    organisation = Organisation(users)
    boss, manager, owner = admin(users), organisation.manager, organisation.member()
    second = organisation.member("manager")
    key = new_key(owner, permissions=["models:read"])
    path = f"{keys_of(owner)}/{key['id']}"

    def say(who, disabled):
        return who.call("PATCH", path, {"disabled": disabled})

    def is_refused(who, code):
        answer = say(who, False)
        return answer.status == 403 and answer.json["code"] == code and known(users, key)["disabled"] is True

    for who in (owner, manager):  # each undoes what he did
        assert say(who, True).status == say(who, False).status == 200
    assert say(manager, True).status == 200
    assert is_refused(owner, "forbidden")
    assert say(second, False).status == 200  # another manager could as well make a new one

    assert say(boss, True).status == 200
    for who, code in ((owner, "forbidden"), (manager, "admins_only"), (second, "admins_only")):
        assert is_refused(who, code)
        assert say(who, True).status == 200  # and saying it once more does not make it his own decision
        assert is_refused(who, code)
    assert say(boss, False).status == 200

    # Whoever comes later and counts for more takes the decision over.
    for first, then in ((owner, manager), (owner, boss), (manager, boss)):
        assert say(first, True).status == say(then, True).status == 200
        assert is_refused(first, "admins_only" if first is manager else "forbidden")
        assert say(boss, False).status == 200


def test_nobody_knows_who_disabled_a_key_then_only_an_admin_enables_it(users):
    organisation = Organisation(users)
    manager, owner, gone = organisation.manager, organisation.member(), organisation.member("manager")
    old, orphan = (new_key(owner, permissions=["models:read"]) for _ in range(2))
    # As it was written before the service noted who did it.
    users.database.sql(f"UPDATE api_keys SET disabled = 1 WHERE id = '{old['id']}'")
    assert gone.call("PATCH", f"{keys_of(owner)}/{orphan['id']}", {"disabled": True}).status == 200
    assert users.as_admin("DELETE", f"/api/v1/users/{gone.id}").status == 204
    for key in (old, orphan):
        path = f"{keys_of(owner)}/{key['id']}"
        assert owner.call("PATCH", path, {"disabled": False}).json["code"] == "forbidden"
        assert manager.call("PATCH", path, {"disabled": False}).json["code"] == "admins_only"
        assert users.as_admin("PATCH", path, {"disabled": False}).json["disabled"] is False


def test_an_admin_with_a_lesser_key_is_no_admin(users):
    boss = admin(users)
    key = new_key(boss, permissions=["users:*"])
    lesser = Member(users, boss.account, key["id"])
    foreign = Organisation(users).manager
    assert boss.call("GET", f"/api/v1/users/{foreign.id}").status == 200
    assert lesser.call("GET", f"/api/v1/users/{foreign.id}").status == 404
    answer = lesser.call("POST", "/api/v1/users", {"username": fresh("usurper"), "kind": "service", "roles": ["admin"]})
    assert answer.status == 403 and answer.json["code"] == "admins_only"


def test_ones_own_keys_need_no_permission_and_others_do(users, organisation):
    one, two = organisation.member(), organisation.member()
    key = new_key(two)
    path = f"{keys_of(two)}/{key['id']}"
    for method, where, body in (("GET", keys_of(two), None), ("POST", keys_of(two), {"name": "x"}), ("GET", path, None),
                                ("PATCH", path, {"disabled": True}), ("DELETE", path, None)):
        answer = one.call(method, where, body)
        assert answer.status == 403 and answer.json["code"] == "forbidden", (method, where)
    assert known(users, key)["disabled"] is False


def test_a_key_in_another_name_is_bounded_by_its_maker_not_its_owner(users):
    # Its owner may be given more tomorrow; who made the key for him must not have that then.
    organisation = Organisation(users, permissions=["api_keys:*", "models:read"])
    owner = organisation.member("viewer")
    for wanted in ({}, {"permissions": ["*:*"]}, {"permissions": ["models:write"]}, {"permissions": ["infer:run"]}):
        answer = organisation.manager.call("POST", keys_of(owner), {"name": "x"} | wanted)
        assert answer.status == 403 and answer.json["code"] == "escalation", wanted
    key = new_key(organisation.manager, owner, permissions=["models:read"])
    assert known(users, key)["subject"] == owner.id
    # A stronger key of the owner's own can be revoked by the manager, and not be given back.
    strong = new_key(owner)
    path = f"{keys_of(owner)}/{strong['id']}"
    assert organisation.manager.call("PATCH", path, {"disabled": True}).status == 200
    assert organisation.manager.call("PATCH", path, {"disabled": False}).json["code"] == "escalation"


def test_nobody_but_an_admin_makes_an_admins_key(users):
    organisation = Organisation(users, permissions=["*:*"])
    deputy = organisation.member("admin")
    answer = organisation.manager.call("POST", keys_of(deputy), {"name": "x", "permissions": ["models:read"]})
    assert answer.status == 403 and answer.json["code"] == "admins_only"
    assert admin(users).call("POST", keys_of(deputy), {"name": "x"}).status == 201
    assert users.as_admin("DELETE", f"/api/v1/users/{deputy.id}").status == 204


def test_only_an_admin_ends_or_renames_an_admins_keys(users, organisation):
    deputy, manager = organisation.member("admin"), organisation.manager
    key = new_key(deputy)
    path = f"{keys_of(deputy)}/{key['id']}"
    for method, body in (("PATCH", {"disabled": True}), ("PATCH", {"name": "mine"}), ("DELETE", None)):
        answer = manager.call(method, path, body)
        assert answer.status == 403 and answer.json["code"] == "admins_only", (method, body)
    assert known(users, key)["disabled"] is False
    assert deputy.call("PATCH", path, {"name": "renamed"}).status == 200
    # Also with a key that is less than an admin: it is his own.
    lesser = Member(users, deputy.account, new_key(deputy, permissions=["api_keys:write"])["id"])
    assert lesser.call("PATCH", path, {"disabled": True}).status == 200
    assert users.as_admin("DELETE", path).status == 204
    assert users.as_admin("DELETE", f"/api/v1/users/{deputy.id}").status == 204


def test_a_key_from_somebody_else_is_no_admins_key_when_its_owner_becomes_one(users):
    organisation = Organisation(users, permissions=["*:*"])
    manager, member = organisation.manager, organisation.member()
    for wanted in ({}, {"permissions": ["*:*"]}, {"permissions": ["models:read", "*:*"]}):
        answer = manager.call("POST", keys_of(member), {"name": "x"} | wanted)
        assert answer.status == 403 and answer.json["code"] == "escalation", wanted
    widest = new_key(manager, member, permissions=["*:read", "*:write", "tenants:*", "users:*"])
    assert users.as_admin("PATCH", f"/api/v1/users/{member.id}", {"roles": ["admin"]}).status == 200
    caller = Member(users, member.account, widest["id"])
    foreign = Organisation(users).manager
    assert caller.call("GET", "/api/v1/tenants").json["code"] == "admins_only"
    assert caller.call("GET", f"/api/v1/users/{foreign.id}").status == 404
    assert caller.call("GET", f"/api/v1/users/{manager.id}").status == 200
    # A key of his own is.
    own = Member(users, member.account, new_key(member)["id"])
    assert own.call("GET", "/api/v1/tenants").status == 200
    # Nor does the manager enable such a key of the member's own, while that one is no admin.
    strong = f"{keys_of(member)}/{new_key(member)['id']}"
    assert users.as_admin("PATCH", f"/api/v1/users/{member.id}", {"roles": []}).status == 200
    assert manager.call("PATCH", strong, {"disabled": True}).status == 200
    assert manager.call("PATCH", strong, {"disabled": False}).json["code"] == "escalation"
    # An admin may give one.
    assert users.as_admin("POST", keys_of(member), {"name": "x"}).status == 201


def test_keys_end_with_their_owner(users, organisation):
    member = organisation.member()
    key = new_key(member)
    assert users.as_admin("PATCH", f"/api/v1/users/{member.id}", {"disabled": True}).status == 200
    # Its owner's access says so: the key only tells who calls.
    assert known(users, key)["disabled"] is False
    assert users.internal(f"/internal/v1/users/{member.id}/access").json["disabled"] is True
    assert users.as_admin("DELETE", f"/api/v1/users/{member.id}").status == 204
    assert known(users, key) is None


def test_a_change_of_a_key_may_name_its_revision(users, organisation):
    member = organisation.member()
    answer = member.call("POST", keys_of(member), {"name": "x"})
    path, first = answer.headers["Location"], answer.headers["ETag"]
    second = member.call("PATCH", path, {"name": "y"}, If_Match=first).headers["ETag"]
    for method, body in (("PATCH", {"disabled": True}), ("DELETE", None)):
        assert member.call(method, path, body, If_Match=first).status == 412
    assert member.call("DELETE", path, If_Match=second).status == 204


@pytest.mark.parametrize("text", ["", "x" * 64, "0" * 63, "0" * 65, "%00", "é", "G" * 64])
def test_a_digest_that_nothing_has(users, text):
    answer = users.internal(f"/internal/v1/api-keys/{quote(text, safe='%')}")
    assert answer.status in (400, 404)
