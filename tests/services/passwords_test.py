"""Changing passwords: who may, and what it ends."""

import base64
import concurrent.futures
import hashlib
import os

import pytest
from administration import PASSWORD as ORGANISATION_PASSWORD
from administration import Organisation, access_of
from persons import PASSWORD, Person, audited, log_in, patiently, refresh, sid_of
from reference_services import identity


def test_changing_the_password_ends_the_other_sessions(users, person):
    here, there = person.session(), person.session()
    bystander = Person(users).session()
    body = {"current_password": PASSWORD, "new_password": "another horse battery"}
    assert person.call("PUT", "/password", body, **{"X-Auth-Session": sid_of(here)}).status == 204
    assert refresh(users, here["refresh_token"]).status == 200
    assert refresh(users, there["refresh_token"]).status == 401
    assert refresh(users, bystander["refresh_token"]).status == 200
    assert person.revoked() == [sid_of(there)]
    assert person.log_in(PASSWORD).status == 401
    assert person.log_in("another horse battery").status == 200
    assert "account.change_password" in audited(users, person.id)
    detail = users.database.sql(f"SELECT detail FROM audit WHERE target_id = '{person.id}'")
    assert "horse" not in str(detail) and "scrypt" not in str(detail)


def test_without_a_known_session_all_of_them_end(users, person):
    tokens = person.session()
    body = {"current_password": PASSWORD, "new_password": "another horse battery"}
    assert person.call("PUT", "/password", body).status == 204
    assert refresh(users, tokens["refresh_token"]).status == 401


@pytest.mark.parametrize("new", ["", "short", "elevenbytes", "x" * 1025, "\0" * 3])
def test_a_bad_new_password_is_refused(users, person, new):
    answer = person.call("PUT", "/password", {"current_password": PASSWORD, "new_password": new})
    assert answer.status == 422 and answer.json["code"] == "invalid_password"
    assert person.log_in().status == 200


def test_a_username_is_no_password(users):
    person = Person(users)
    longer = {"username": f"a-rather-long-name-{person.number}", "password": PASSWORD, "roles": []}
    made = users.as_admin("POST", "/api/v1/users", longer).json
    answer = users.call("PUT", f"/api/v1/users/{made['id']}/password",
                        {"current_password": PASSWORD, "new_password": longer["username"].upper()}, identity(made["id"]))
    assert answer.status == 422


def test_a_password_is_changed_with_the_old_one_only(users, person):
    tokens = person.session()
    for body, status in (({"new_password": "another horse battery"}, 400),
                         ({"current_password": "wrong horse battery", "new_password": "another horse battery"}, 403)):
        assert person.call("PUT", "/password", body).status == status
    assert refresh(users, tokens["refresh_token"]).status == 200
    # A session that was left open is no way to guess it.
    body = {"current_password": "wrong horse battery", "new_password": "another horse battery"}
    statuses = [person.call("PUT", "/password", body).status for _ in range(5)]
    assert statuses == [403] * 4 + [429]
    assert person.log_in().status == 429


def test_an_admin_resets_a_password_without_the_old_one(users, person):
    tokens = person.session()
    trainer, admin = Person(users, roles=["trainer"]), Person(users, roles=["admin"])
    path, body = f"/api/v1/users/{person.id}/password", {"new_password": "another horse battery"}
    assert users.call("PUT", path, body, identity(trainer.id)).status == 403
    assert users.call("PUT", path, body).status == 401
    assert users.call("PUT", path, body, identity(admin.id)).status == 204
    assert refresh(users, tokens["refresh_token"]).status == 401
    assert person.log_in("another horse battery").status == 200
    # But its own needs the old one.
    assert users.call("PUT", f"/api/v1/users/{admin.id}/password", body, identity(admin.id)).status == 400


def test_who_holds_less_than_an_account_sets_no_password_of_it(users):
    """Or it could log in as somebody who may do more."""
    organisation = Organisation(users, permissions=["users:*", "models:read"])
    less, more = (organisation.new_role(*permissions)["name"] for permissions in (["models:read"], ["models:write"]))
    body = {"new_password": "another horse battery"}
    weak, strong = (organisation.member(role, kind="person") for role in (less, more))
    assert organisation.manager.call("PUT", f"/api/v1/users/{weak.id}/password", body).status == 204
    answer = organisation.manager.call("PUT", f"/api/v1/users/{strong.id}/password", body)
    assert answer.status == 403 and answer.json["code"] == "escalation"
    assert users.login(strong.account["username"], ORGANISATION_PASSWORD).status == 200


def test_a_manager_who_holds_everything_touches_no_admin_of_the_platform(users):
    organisation = Organisation(users, permissions=["*:*"])
    admin = organisation.member("admin", kind="person")
    tokens = users.login(admin.account["username"], ORGANISATION_PASSWORD).json
    path = f"/api/v1/users/{admin.id}"
    for method, target, body in (("PUT", f"{path}/password", {"new_password": "another horse battery"}),
                                 ("DELETE", f"{path}/sessions", None),
                                 ("DELETE", f"{path}/sessions/{sid_of(tokens)}", None)):
        answer = organisation.manager.call(method, target, body)
        assert answer.status == 403 and answer.json["code"] == "admins_only", target
    assert refresh(users, tokens["refresh_token"]).status == 200


def test_no_key_changes_the_password_of_its_owner(users, person):
    made = person.call("POST", "/api-keys", {"name": "k"}).json
    body = {"current_password": PASSWORD, "new_password": "another horse battery"}
    assert person.call("PUT", "/password", body, **{"X-Auth-Key-Id": made["id"]}).status == 403
    assert person.log_in().status == 200


def test_another_tenants_sessions_and_passwords_are_out_of_reach(users):
    mine, theirs = Organisation(users), Organisation(users)
    victim = theirs.member("viewer", kind="person")
    tokens = users.login(victim.account["username"], ORGANISATION_PASSWORD).json
    path = f"/api/v1/users/{victim.id}"
    own = f"/api/v1/users/{mine.manager.id}"
    for method, target, body in (("GET", f"{path}/sessions", None), ("DELETE", f"{path}/sessions", None),
                                 ("DELETE", f"{path}/sessions/{sid_of(tokens)}", None),
                                 ("DELETE", f"{own}/sessions/{sid_of(tokens)}", None),
                                 ("PUT", f"{path}/password", {"new_password": "another horse battery"})):
        assert mine.manager.call(method, target, body).status == 404, target
    assert access_of(users, victim.id).get("revoked_sessions", []) == []
    assert refresh(users, tokens["refresh_token"]).status == 200
    assert theirs.manager.call("DELETE", f"{path}/sessions").status == 204


def test_a_login_that_was_checked_before_the_change_begins_no_session_after_it(users):
    """Logins all through a change of the password: whoever got a session by the old password lost it."""
    for _ in range(3):
        person = Person(users)
        body = {"current_password": PASSWORD, "new_password": "another horse battery"}

        def sessions_until_it_is_wrong(person=person):
            begun = []
            while (answer := person.log_in(PASSWORD)).status in (200, 503):
                begun += [answer.json] if answer.status == 200 else []
            assert answer.status in (401, 429)
            return begun

        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            logins = [pool.submit(sessions_until_it_is_wrong) for _ in range(2)]
            changed = pool.submit(patiently, person.call, "PUT", "/password", body)
        assert changed.result().status == 204
        begun = [tokens for login in logins for tokens in login.result()]
        assert begun and {refresh(users, tokens["refresh_token"]).status for tokens in begun} == {401}
        assert person.call("GET", "/sessions").json["sessions"] == []


def test_of_two_changes_with_one_old_password_one_is_made(users):
    """Or who stole the old one could answer the owner's change with his own."""
    for _ in range(3):
        person = Person(users)
        new = ["first horse battery", "second horse battery"]
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda password, person=person: patiently(
                person.call, "PUT", "/password", {"current_password": PASSWORD, "new_password": password}), new))
        # 429: it came while the other was being checked.
        assert sorted(answer.status for answer in answers) in ([204, 403], [204, 429])
        made = [password for password, answer in zip(new, answers) if answer.status == 204]
        assert person.log_in(made[0]).status == 200


def test_a_cheap_hash_is_replaced_at_the_next_login(users, person):
    salt = os.urandom(16)
    cheap = hashlib.scrypt(PASSWORD.encode(), salt=salt, n=1 << 14, r=8, p=1, dklen=32)
    text = "$".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (salt, cheap))
    users.database.sql(f"UPDATE accounts SET password_hash = '$scrypt$ln=14,r=8,p=1${text}' WHERE id = '{person.id}'")

    def stored():
        return users.database.sql(f"SELECT password_hash FROM accounts WHERE id = '{person.id}'")[0][0]

    assert person.log_in("wrong horse battery").status == 401
    assert stored().startswith("$scrypt$ln=14,")
    assert person.log_in().status == 200
    renewed = stored()
    assert renewed.startswith("$scrypt$ln=15,r=8,p=3$")
    assert person.log_in().status == 200
    assert stored() == renewed
