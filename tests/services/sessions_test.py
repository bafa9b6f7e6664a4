"""Sessions: refresh tokens and their theft, logging out, the list, and what is removed."""

import base64
import concurrent.futures
import hashlib
import time

import pytest
from access_tokens import claims_of, eventually, published_keys, verify
from administration import access_of
from persons import PASSWORD, Person, audited, counter, log_in, log_out, refresh, sid_of
from reference_services import Users, identity

# Refreshing


def test_a_refresh_continues_the_session(users, person):
    first = person.session()
    assert first["refresh_token"].startswith("lgr_") and len(first["refresh_token"]) == 90
    assert first["refresh_expires_in"] == 30 * 24 * 3600
    answer = refresh(users, first["refresh_token"])
    assert answer.status == 200 and answer.headers["Cache-Control"] == "no-store"
    second = answer.json
    assert second["refresh_token"] != first["refresh_token"]
    old, new = (verify(tokens["access_token"], published_keys(users)) for tokens in (first, second))
    assert (new["sub"], new["sid"], new["tenant"]) == (old["sub"], old["sid"], old["tenant"])
    assert new["jti"] != old["jti"]
    assert refresh(users, second["refresh_token"]).status == 200
    assert sid_of(person.session()) != old["sid"]


def test_J19_a_used_refresh_token_ends_the_session(users, person):
    stolen = person.session()
    other = person.session()
    current = refresh(users, refresh(users, stolen["refresh_token"]).json["refresh_token"]).json
    since = users.revision()
    answer = refresh(users, stolen["refresh_token"])
    assert answer.status == 401 and answer.json["code"] == "invalid_refresh_token"
    # Everything of it: also what its user holds, because nobody knows who of the two that is.
    assert refresh(users, current["refresh_token"]).status == 401
    assert person.revoked() == [sid_of(stolen)]
    assert users.internal(f"/internal/v1/changes?since={since}").json["subjects"] == [person.id]
    assert audited(users, sid_of(stolen)) == ["session.begin", "session.reuse"]
    # And nothing else.
    assert refresh(users, other["refresh_token"]).status == 200


def test_of_refreshes_at_once_the_third_is_a_reuse(users):
    for _ in range(5):
        person = Person(users)
        token = person.session()["refresh_token"]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _, token=token: refresh(users, token), range(8)))
        assert sorted(answer.status for answer in answers) == [200] * 2 + [401] * 6
        done = [answer.json["refresh_token"] for answer in answers if answer.status == 200]
        assert [refresh(users, token).status for token in done] == [401, 401]
        assert len(person.revoked()) == 1


@pytest.mark.parametrize("spoil", [
    lambda token: "", lambda token: "x", lambda token: token[:-1], lambda token: token + "A",
    lambda token: token[4:], lambda token: token.replace("lgr_", "lgk_"), lambda token: token + "=",
    lambda token: token + "\0", lambda token: "lgr_" + "A" * 86, lambda token: "é" * 90])
def test_what_is_no_refresh_token_is_refused_and_harms_nobody(users, person, spoil):
    token = person.session()["refresh_token"]
    answer = refresh(users, spoil(token))
    assert answer.status == 401 and answer.json["code"] == "invalid_refresh_token"
    assert refresh(users, token).status == 200


def test_a_forged_token_does_not_end_a_session(users, person):
    """Only who has held a token of the session can end it: its id, which services see, is not enough."""
    tokens = person.session()
    forged = "lgr_" + base64.urlsafe_b64encode(hashlib.sha256(sid_of(tokens).encode()).digest() + bytes(32)).decode().rstrip("=")
    assert refresh(users, forged).status == 401
    assert refresh(users, tokens["refresh_token"]).status == 200


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"refresh_token":1}', b'{"refresh_token":"a","x":1}'])
@pytest.mark.parametrize("path", ["refresh", "logout"])
def test_a_malformed_call_is_refused(users, path, body):
    assert users.call("POST", f"/api/v1/users/{path}", body).status == 400


def test_refresh_tokens_are_kept_as_digests(users, person):
    token = person.session()["refresh_token"]
    stored = [text for row in users.database.sql("SELECT * FROM sessions") for text in row]
    octets = base64.urlsafe_b64decode(token[4:] + "==")
    for secret in (octets[:32], octets[32:]):
        assert secret.hex() not in stored
        assert base64.urlsafe_b64encode(secret).decode().rstrip("=") not in " ".join(stored)
    assert hashlib.sha256(octets[:32]).hexdigest() in stored
    assert hashlib.sha256(octets).hexdigest() in stored
    for name in users.database.files():
        assert token.encode() not in (users.data / name).read_bytes()


def test_a_session_ends_when_it_is_not_refreshed(start, tmp_path, database):
    users = start(Users, tmp_path, "--session-idle", "2s", "--session-life", "6s", "--token-ttl", "1s", database=database)
    begun = time.monotonic()
    idle = users.login_demo("viewer").json["refresh_token"]
    busy = users.login_demo("viewer").json["refresh_token"]

    def goes_on():
        nonlocal busy
        answer = refresh(users, busy)
        if answer.status != 200:
            return True
        busy = answer.json["refresh_token"]
        assert answer.json["refresh_expires_in"] <= 2
        return False

    eventually(goes_on, pause=0.3)
    assert time.monotonic() - begun > 4, "refreshing did not continue the session"
    assert refresh(users, idle).status == 401
    assert users.call("GET", "/api/v1/users/" + users.account_id("viewer") + "/sessions",
                      headers=identity(users.account_id("viewer"))).json["sessions"] == []


def test_a_refresh_prolongs_no_session_beyond_its_life(users, person):
    tokens = person.session()
    users.database.sql(f"UPDATE sessions SET expires_at = {int(time.time()) + 100} WHERE id = '{sid_of(tokens)}'")
    answer = refresh(users, tokens["refresh_token"])
    assert answer.status == 200 and 0 < answer.json["refresh_expires_in"] <= 100


def test_a_disabled_account_cannot_refresh(users, person):
    token = person.session()["refresh_token"]
    users.as_admin("PATCH", f"/api/v1/users/{person.id}", {"disabled": True})
    answer = refresh(users, token)
    assert answer.status == 403 and answer.json["code"] == "account_disabled"
    users.as_admin("PATCH", f"/api/v1/users/{person.id}", {"disabled": False})
    assert refresh(users, token).status == 200
    assert users.as_admin("DELETE", f"/api/v1/users/{person.id}").status == 204
    assert refresh(users, token).status == 401


def test_a_suspended_tenant_cannot_refresh(users):
    number = next(counter)
    tenant = f"tenant-{number}"
    assert users.as_admin("POST", "/api/v1/tenants", {"id": tenant, "name": tenant, "plan": "free"}).status == 201
    person = Person(users, tenant=tenant)
    token = person.session()["refresh_token"]
    assert users.as_admin("PATCH", f"/api/v1/tenants/{tenant}", {"state": "suspended"}).status == 200
    assert refresh(users, token).status == 403
    assert person.log_in().status == 403


# Logging out


def test_J19_a_logout_ends_one_session_and_is_told(users, person):
    gone, kept = person.session(), person.session()
    since = users.revision()
    assert log_out(users, gone["refresh_token"]).status == 204
    assert users.internal(f"/internal/v1/changes?since={since}").json["subjects"] == [person.id]
    assert person.revoked() == [sid_of(gone)]
    assert refresh(users, gone["refresh_token"]).status == 401
    assert refresh(users, kept["refresh_token"]).status == 200
    assert audited(users, sid_of(gone)) == ["session.begin", "session.end"]


def test_a_logout_of_nobody_is_a_logout(users, person):
    token = person.session()["refresh_token"]
    since = users.revision()
    assert log_out(users, "lgr_" + "A" * 86).status == 204
    assert log_out(users, "nonsense").status == 204
    assert users.revision() == since
    for _ in range(2):
        assert log_out(users, token).status == 204
    assert users.revision() == since + 1


def test_ended_sessions_are_told_until_their_tokens_are_over(start, tmp_path, database):
    users = start(Users, tmp_path, "--token-ttl", "1s", database=database)
    person = Person(users)
    tokens = person.session()
    log_out(users, tokens["refresh_token"])
    assert person.revoked() == [sid_of(tokens)]
    # A gateway may take the token for valid up to a minute after its end; seen from there it is over now.
    database.sql("UPDATE sessions SET access_until = access_until - 62")
    assert person.revoked() == []


def test_the_end_of_a_session_is_told_as_long_as_its_newest_token_lives(users, person):
    tokens = person.session()
    users.database.sql(f"UPDATE sessions SET access_until = access_until - 3600 WHERE id = '{sid_of(tokens)}'")
    renewed = refresh(users, tokens["refresh_token"]).json
    log_out(users, renewed["refresh_token"])
    assert person.revoked() == [sid_of(tokens)]
    (until,), = users.database.sql(f"SELECT access_until FROM sessions WHERE id = '{sid_of(tokens)}'")
    # Gateways forgive clocks up to a minute.
    assert int(until) >= claims_of(renewed["access_token"])["exp"] + 60


# The list of sessions


def test_a_user_sees_and_ends_its_sessions(users, person):
    here, there = person.session(), person.session()
    bystander = Person(users).session()
    listed = person.call("GET", "/sessions", **{"X-Auth-Session": sid_of(here)}).json["sessions"]
    assert {session["id"] for session in listed} == {sid_of(here), sid_of(there)}
    assert [session["id"] for session in listed if session["current"]] == [sid_of(here)]
    for session in listed:
        assert session["client"] == person.address
        assert time.time() - 60 < session["created_at"] <= session["used_at"] <= time.time()
    assert person.call("DELETE", f"/sessions/{sid_of(there)}").status == 204
    assert person.call("DELETE", f"/sessions/{sid_of(there)}").status == 404
    assert refresh(users, there["refresh_token"]).status == 401
    assert person.revoked() == [sid_of(there)]
    person.session()
    since = users.revision()
    assert person.call("DELETE", "/sessions").status == 204
    assert users.internal(f"/internal/v1/changes?since={since}").json["subjects"] == [person.id]
    assert person.call("GET", "/sessions").json == {"sessions": []}
    assert refresh(users, here["refresh_token"]).status == 401
    assert len(person.revoked()) == 3
    since = users.revision()
    assert person.call("DELETE", "/sessions").status == 204
    assert users.revision() == since, "there was nothing to end"
    assert refresh(users, bystander["refresh_token"]).status == 200


def test_a_user_agent_is_kept_within_bounds(users, person):
    body = {"username": person.username, "password": PASSWORD}
    headers = {"X-Real-IP": person.address, "User-Agent": "\tx\xe9" + "y" * 1000}
    assert users.call("POST", "/api/v1/users/login", body, headers).status == 200
    (session,) = person.call("GET", "/sessions").json["sessions"]
    assert session["user_agent"].startswith("x?y") and len(session["user_agent"]) <= 200


def test_sessions_of_others_need_a_permission(users, person):
    mine = person.session()
    other = Person(users)
    trainer = Person(users, roles=["trainer"])
    admin = Person(users, roles=["admin"])
    theirs = admin.session()

    def calls(caller, account, session):
        headers = identity(caller.id, caller.tenant)
        path = f"/api/v1/users/{account.id}/sessions"
        return [users.call("GET", path, headers=headers).status,
                users.call("DELETE", f"{path}/{session}", headers=headers).status,
                users.call("DELETE", path, headers=headers).status]

    assert calls(other, person, sid_of(mine)) == [403, 403, 403]
    assert calls(trainer, person, sid_of(mine)) == [200, 403, 403]  # users:read, not users:write
    assert calls(trainer, admin, sid_of(theirs)) == [200, 403, 403]
    assert refresh(users, mine["refresh_token"]).status == 200
    # One's own account is no way to another's session.
    assert other.call("DELETE", f"/sessions/{sid_of(mine)}").status == 404
    assert calls(admin, person, sid_of(mine)) == [200, 204, 204]
    for method, path in (("GET", "/sessions"), ("DELETE", "/sessions"), ("DELETE", "/sessions/ses_x")):
        assert users.call(method, f"/api/v1/users/{person.id}{path}").status == 401


def test_the_hundredth_session_is_the_last(users, person):
    """The one that was refreshed longest ago makes room, and gateways refuse its access token as any other's."""
    oldest = person.session()
    users.database.sql(f"UPDATE sessions SET used_at = used_at - 10 WHERE id = '{sid_of(oldest)}'")
    tokens = [oldest["refresh_token"]]
    now = int(time.time())
    columns = "id, account, family_digest, token_digest, created_at, used_at, idle_until, expires_at, access_until, client, user_agent"
    rows = ", ".join(f"('ses_{person.number}_{i}', '{person.id}', 'f{person.number}_{i}', 't', {now}, {now + 1}, "
                     f"{now + 900}, {now + 900}, {now + 900}, '', '')" for i in range(98))
    users.database.sql(f"INSERT INTO sessions ({columns}) VALUES {rows}")
    tokens.append(person.session()["refresh_token"])
    assert len(person.call("GET", "/sessions").json["sessions"]) == 100
    bystander = Person(users).session()
    users.database.sql(f"UPDATE sessions SET used_at = used_at - 20 WHERE id = '{sid_of(bystander)}'")
    since = users.revision()
    tokens.append(person.session()["refresh_token"])
    assert len(person.call("GET", "/sessions").json["sessions"]) == 100
    assert person.revoked() == [sid_of(oldest)]
    assert users.internal(f"/internal/v1/changes?since={since}").json["subjects"] == [person.id]
    assert "account.end_sessions" in audited(users, person.id)
    assert [refresh(users, token).status for token in tokens] == [401, 200, 200]
    assert refresh(users, bystander["refresh_token"]).status == 200


def test_gateways_are_never_told_of_more_than_they_take(users, person):
    last = person.session()
    now = int(time.time())
    columns = ("id, account, family_digest, token_digest, created_at, used_at, idle_until, expires_at, access_until, "
               "ended_at, client, user_agent")
    rows = ", ".join(f"('end_{person.number}_{i}', '{person.id}', 'e{person.number}_{i}', 't', {now}, {now}, "
                     f"{now + 900}, {now + 900}, {now + 900}, {now}, '', '')" for i in range(255))
    users.database.sql(f"INSERT INTO sessions ({columns}) VALUES {rows}")
    answer = person.log_in()
    assert answer.status == 429 and answer.json["code"] == "too_many_sessions"
    assert int(answer.headers["Retry-After"]) > 0
    # Ending one always works, and is told.
    assert log_out(users, last["refresh_token"]).status == 204
    assert len(person.revoked()) == 256 and sid_of(last) in person.revoked()


# Housekeeping


def test_sessions_that_are_over_are_removed(start, tmp_path, database):
    users = start(Users, tmp_path, "--session-idle", "1s", "--token-ttl", "1s", database=database)
    assert users.login_demo("viewer").status == 200
    users.login("viewer", "wrong horse battery")
    assert users.stop() == 0
    database.sql("UPDATE sessions SET access_until = access_until - 3600, idle_until = idle_until - 3600")
    database.sql("UPDATE login_failures SET last_at = last_at - 3600, blocked_until = 0")
    start(Users, tmp_path, database=database)
    eventually(lambda: not database.sql("SELECT id FROM sessions") and not database.sql("SELECT who FROM login_failures"))


def test_what_is_not_over_is_kept(start, tmp_path, database):
    users = start(Users, tmp_path, database=database)
    live, idle, ended, gone = (Person(users) for _ in range(4))
    tokens = {person: person.session() for person in (live, idle, ended, gone)}
    for person in (ended, gone):
        log_out(users, tokens[person]["refresh_token"])
    for _ in range(5):
        log_in(users, "nobody", "wrong horse battery", "")
    log_in(users, "somebody", "wrong horse battery", "")
    assert users.stop() == 0
    # One whose access token is over goes on; one that is too late to refresh may still be ended.
    database.sql(f"UPDATE sessions SET access_until = access_until - 7200 WHERE account = '{live.id}'")
    database.sql(f"UPDATE sessions SET idle_until = 0 WHERE account = '{idle.id}'")
    database.sql(f"UPDATE sessions SET idle_until = 0, access_until = 0 WHERE account = '{gone.id}'")
    database.sql("UPDATE login_failures SET last_at = last_at - 3600 WHERE blocked_until > 0")
    users = start(Users, tmp_path, database=database)
    eventually(lambda: not database.sql(f"SELECT id FROM sessions WHERE account = '{gone.id}'"))
    assert refresh(users, tokens[live]["refresh_token"]).status == 200
    assert refresh(users, tokens[idle]["refresh_token"]).status == 401
    assert access_of(users, ended.id)["revoked_sessions"] == [sid_of(tokens[ended])]
    assert database.sql(f"SELECT id FROM sessions WHERE account = '{idle.id}'") == [[sid_of(tokens[idle])]]
    assert log_in(users, "nobody", "wrong horse battery", "").status == 429
    assert len(database.sql("SELECT who FROM login_failures WHERE who LIKE 'account:%' AND failures = 1")) == 1
