"""What somebody with bad intentions, or a client that is merely stubborn, must not reach with logins and passwords."""

import base64
import concurrent.futures
import hashlib
import os
import time

import pytest
from access_tokens import eventually
from administration import fresh, made
from gateway_platform import Platform
from postgres_server import PostgresServer
from reference_services import Database, Users, identity

PASSWORD = "correct horse battery"
RESET = "set by the administrator"


class Person:
    """An account of its own, whose calls come from an address of its own."""

    def __init__(self, users, **more):
        self.users = users
        self.username = fresh("person")
        number = int(self.username.rpartition("-")[2])
        self.address = f"10.77.{number >> 8}.{number & 255}"
        body = {"username": self.username, "password": PASSWORD, "roles": ["viewer"], **more}
        self.id = made(users.as_admin("POST", "/api/v1/users", body))["id"]

    def log_in(self, password=PASSWORD, address=None):
        body = {"username": self.username, "password": password}
        return self.users.call("POST", "/api/v1/users/login", body, coming_from(address or self.address))

    def change_password(self, new, current=PASSWORD):
        body = {"current_password": current, "new_password": new}
        return self.users.call("PUT", f"/api/v1/users/{self.id}/password", body,
                               identity(self.id) | coming_from(self.address))

    def reset(self, password=RESET):
        answer = self.users.as_admin("PUT", f"/api/v1/users/{self.id}/password", {"new_password": password})
        assert answer.status == 204, answer.body

    @property
    def digest(self):
        return hashlib.sha256(self.username.encode()).hexdigest()

    def being_checked(self):
        """Whether an attempt has been counted and its password is being looked at."""
        return self.users.database.sql(f"SELECT failures FROM login_failures WHERE who LIKE '%{self.digest}%' AND failures > 0")

    def make_checks_slow(self):
        """Gives it a hash of the same password that takes a second or more to check."""
        salt = os.urandom(16)
        slow = hashlib.scrypt(PASSWORD.encode(), salt=salt, n=1 << 15, r=8, p=15, maxmem=1 << 27, dklen=32)
        text = "$".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (salt, slow))
        self.users.database.sql(f"UPDATE accounts SET password_hash = '$scrypt$ln=15,r=8,p=15${text}' WHERE id = '{self.id}'")


def coming_from(address):
    return {"X-Real-IP": address}


@pytest.fixture(name="person")
def fixture_person(users):
    return Person(users)


# An old password is worth nothing once another was set


def test_a_reset_is_not_undone_by_who_knew_the_old_password(users, person):
    """The change was begun with the right password, and would be stored after the reset."""
    person.make_checks_slow()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        change = pool.submit(person.change_password, "what the thief wants")
        eventually(person.being_checked)
        person.reset()
        assert not change.done(), "the change was too fast for this test"
        answer = change.result()
    assert answer.status == 403 and answer.json["code"] == "wrong_password"
    assert person.log_in("what the thief wants").status == 401
    assert person.log_in(RESET).status == 200


# Failures are forgotten, waits end


def time_passes(users, seconds):
    users.database.sql(f"UPDATE login_failures SET blocked_until = blocked_until - {seconds}, last_at = last_at - {seconds}")


def guess(users, username, address):
    body = {"username": username, "password": "wrong horse battery"}
    return users.call("POST", "/api/v1/users/login", body, coming_from(address))


def remember(users, who, failures, seconds_ago):
    """As if `who` had failed so often, the last time so long ago."""
    users.database.sql(f"INSERT INTO login_failures VALUES ('{who}', {failures}, {int(time.time()) - seconds_ago}, 0)")


def test_an_office_where_somebody_mistypes_now_and_then_does_not_wait(users, person):
    """Nineteen colleagues have failed there, but not lately: of twenty, one is forgotten every 45 seconds."""
    remember(users, f"address:{person.address}", 19, seconds_ago=600)
    assert guess(users, fresh("colleague"), person.address).status == 401
    assert person.log_in().status == 200


def test_one_colleague_with_an_old_password_does_not_lock_out_the_office(users, person):
    """However often an account fails at an address, it counts once there."""
    remember(users, f"address:{person.address}", 18, seconds_ago=0)
    colleague = fresh("colleague")
    for _ in range(3):
        assert guess(users, colleague, person.address).status == 401
    assert person.log_in().status == 200


def test_an_address_that_tries_accounts_faster_than_that_has_to_wait(users, person):
    remember(users, f"address:{person.address}", 20, seconds_ago=40)
    assert guess(users, fresh("prey"), person.address).status == 401
    assert person.log_in().status == 429


def test_a_device_with_an_old_password_does_not_lock_its_account(users, person):
    """It tries every ten minutes, less often than a person may fail."""
    remember(users, f"account:{person.digest}", 4, seconds_ago=600)
    assert person.log_in("wrong horse battery").status == 401
    assert person.log_in().status == 200


def test_a_clock_that_was_ahead_locks_nobody(users, person):
    """It was set a day ahead while somebody guessed, and then set right."""
    remember(users, f"account:{person.digest}", 4, seconds_ago=0)
    assert person.log_in("wrong horse battery").status == 401
    assert person.log_in().status == 429
    time_passes(users, -86400)
    assert person.log_in().status == 200


# One user does not take the processor from the others


def test_an_unchanged_password_is_refused_and_costs_nothing(users, person):
    answer = person.change_password(PASSWORD)
    assert answer.status == 422 and answer.json["code"] == "invalid_password"
    assert not person.being_checked()


def test_one_account_has_one_password_checked_at_a_time(users, person):
    person.make_checks_slow()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        slow = pool.submit(person.log_in)
        eventually(person.being_checked)
        answer = person.log_in(address="10.78.0.1")
        assert not slow.done()
        assert answer.status == 429 and answer.json["code"] == "too_many_attempts" and answer.headers["Retry-After"] == "1"
        assert Person(users).log_in().status == 200, "others do not wait for it"
    assert slow.result().status == 200


def test_one_caller_changes_one_password_at_a_time(users, person):
    person.make_checks_slow()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        slow = pool.submit(person.change_password, "another horse battery")
        eventually(person.being_checked)
        assert person.change_password("a third horse battery").status == 429
        assert not slow.done()
    assert slow.result().status == 204


def test_a_password_is_changed_a_few_times_an_hour(users, person):
    remember(users, f"change:{person.id}", 9, seconds_ago=0)
    assert person.change_password("another horse battery").status == 204
    answer = person.change_password(PASSWORD, "another horse battery")
    assert answer.status == 429 and int(answer.headers["Retry-After"]) > 20
    person.reset()  # by somebody else it can be changed
    time_passes(users, 600)
    assert person.change_password(PASSWORD, RESET).status == 204


def test_who_does_not_know_the_password_uses_up_no_changes(users, person):
    remember(users, f"change:{person.id}", 9, seconds_ago=0)
    assert person.change_password("another horse battery", "wrong horse battery").status == 403
    assert person.change_password("another horse battery").status == 204


# Where a client is, the gateway alone says


@pytest.fixture(name="proxied")
def fixture_proxied(start, tmp_path):
    """A gateway that trusts proxies at 127.0.0.1 and in 192.0.2.0/24."""
    platform = Platform(start(Users, tmp_path, database=Database(tmp_path / "users.db")), tmp_path,
                        trusted_proxies=["127.0.0.1/32", "192.0.2.0/24"])
    yield platform
    platform.gateway.stop()


def test_behind_trusted_proxies_of_the_gateway_their_clients_count(proxied):
    """All come by the same two proxies: who guesses must not have the others wait."""
    users = proxied.users
    viewer = users.demo["viewer"]

    def log_in(password, chain, username=viewer["username"]):
        body = {"username": username, "password": password}
        return proxied.call("POST", "/api/v1/users/login", body, headers={"X-Forwarded-For": chain}).status

    for i in range(3):
        assert log_in("wrong horse battery", f"198.51.100.{i}, 192.0.2.9", f"prey-{i}") == 401
    addresses = users.database.sql("SELECT who FROM login_failures WHERE who LIKE 'address:%'")
    assert sorted(row[0] for row in addresses) == [f"address:198.51.100.{i}" for i in range(3)]
    users.database.sql("UPDATE login_failures SET failures = 19 WHERE who = 'address:198.51.100.2'")
    assert log_in("wrong horse battery", "203.0.113.1, 198.51.100.2, 192.0.2.9", "prey-4") == 401
    assert log_in(viewer["password"], "198.51.100.2, 192.0.2.9") == 429
    assert log_in(viewer["password"], "198.51.100.3, 192.0.2.9") == 200


def test_without_a_word_of_the_gateway_whoever_connected_counts(users):
    for headers in ({}, {"X-Real-IP": "nonsense"}, {"X-Forwarded-For": "198.51.100.77"}):
        body = {"username": fresh("prey"), "password": "wrong horse battery"}
        users.database.sql("DELETE FROM login_failures WHERE who LIKE 'address:%'")
        assert users.call("POST", "/api/v1/users/login", body, headers).status == 401
        assert users.database.sql("SELECT who FROM login_failures WHERE who LIKE 'address:%'") == [["address:127.0.0.1"]]


# An answer that got lost


def refresh(users, token):
    return users.call("POST", "/api/v1/users/refresh", {"refresh_token": token})


def begin_session(person):
    answer = person.log_in()
    assert answer.status == 200, answer.body
    return answer.json["refresh_token"]


def test_a_lost_answer_to_a_refresh_may_be_asked_for_once_more(users, person):
    first = begin_session(person)
    lost = refresh(users, first).json["refresh_token"]
    again = refresh(users, first)
    assert again.status == 200
    newest = refresh(users, again.json["refresh_token"])
    assert newest.status == 200
    # Whoever has what was lost has a copy.
    assert refresh(users, lost).status == 401
    assert refresh(users, newest.json["refresh_token"]).status == 401


def test_a_refresh_token_is_repeated_once_only(users, person):
    first = begin_session(person)
    newest = [refresh(users, first).json["refresh_token"] for _ in range(2)][1]
    assert refresh(users, first).status == 401
    assert refresh(users, newest).status == 401


def test_a_refresh_token_is_repeated_while_the_next_is_unused_only(users, person):
    first = begin_session(person)
    newest = refresh(users, refresh(users, first).json["refresh_token"]).json["refresh_token"]
    assert refresh(users, first).status == 401
    assert refresh(users, newest).status == 401


def test_a_refresh_token_is_repeated_soon_only(users, person):
    first = begin_session(person)
    newest = refresh(users, first).json["refresh_token"]
    users.database.sql(f"UPDATE sessions SET rotated_at = rotated_at - 16 WHERE account = '{person.id}'")
    assert refresh(users, first).status == 401
    assert refresh(users, newest).status == 401


@pytest.fixture(name="lonely")
def fixture_lonely():
    """A server of its own, whose commits can be made to wait for a standby that does not exist."""
    server = PostgresServer()
    yield server
    server.stop()


def confirm_commits(server, standby):
    server.sql(f"ALTER SYSTEM SET synchronous_standby_names = '{standby}'", "postgres")
    server.sql("SELECT pg_reload_conf()", "postgres")
    eventually(lambda: server.sql("SHOW synchronous_standby_names", "postgres") == [[standby]])


def test_a_commit_that_is_not_confirmed_is_not_said_to_have_failed(start, tmp_path, lonely):
    users = start(Users, tmp_path, database=Database(tmp_path / "users.db", lonely))
    token = begin_session(Person(users))
    confirm_commits(lonely, "none_there")
    answer = refresh(users, token)
    confirm_commits(lonely, "")
    assert answer.status == 504 and answer.json["code"] == "outcome_unknown"
    assert "Retry-After" not in answer.headers
    # It was done, as it turns out; the client may ask once more.
    again = refresh(users, token)
    assert again.status == 200
    assert refresh(users, again.json["refresh_token"]).status == 200


# A guesser does not keep out the owner


def lock(person):
    remember(person.users, f"account:{person.digest}", 9, seconds_ago=0)
    assert person.log_in("wrong horse battery", "10.79.0.1").status == 401
    assert person.log_in(address="10.79.0.2").status == 429


def test_who_guesses_elsewhere_does_not_lock_out_the_owner_at_home(users, person):
    begin_session(person)
    lock(person)
    assert person.log_in().status == 200
    assert person.log_in(address="10.79.0.3").status == 429, "a login at home gives the guesser no new guesses"


def test_at_home_guesses_are_counted_too(users, person):
    begin_session(person)
    remember(users, f"pair:{person.digest}@{person.address}", 4, seconds_ago=0)
    assert person.log_in("wrong horse battery").status == 401
    assert person.log_in().status == 429
    assert person.log_in(address="10.79.1.1").status == 200


def test_a_home_is_known_for_thirty_days(users, person):
    begin_session(person)
    lock(person)
    users.database.sql(f"UPDATE known_addresses SET last_at = last_at - 30 * 86400 WHERE account = '{person.id}'")
    assert person.log_in().status == 429


def test_a_reset_ends_the_wait(users, person):
    lock(person)
    person.reset()
    assert person.log_in(RESET).status == 200


def test_an_account_is_unlocked_by_who_may_set_its_password(users, person):
    path = f"/api/v1/users/{person.id}/unlock"
    lock(person)
    assert users.call("POST", path, None, identity(person.id)).status == 403
    assert users.call("POST", path, None, identity(Person(users).id)).status == 403
    admin = users.identity("admin")
    assert users.call("POST", f"/api/v1/users/{admin['X-Auth-Subject']}/unlock", None, admin).status == 403
    assert person.log_in(address="10.79.0.2").status == 429
    assert users.as_admin("POST", path).status == 204
    assert person.log_in(address="10.79.0.2").status == 200
    actions = users.database.sql(f"SELECT action FROM audit WHERE target_id = '{person.id}'")
    assert ["account.unlock"] in actions
