"""What somebody with bad intentions, or a client that is merely stubborn, must not reach with logins and passwords."""

import base64
import concurrent.futures
import hashlib
import os

import pytest
from access_tokens import eventually
from administration import fresh, made
from reference_services import identity

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
        slow = hashlib.scrypt(PASSWORD.encode(), salt=salt, n=1 << 15, r=8, p=30, maxmem=1 << 27, dklen=32)
        text = "$".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (salt, slow))
        self.users.database.sql(f"UPDATE accounts SET password_hash = '$scrypt$ln=15,r=8,p=30${text}' WHERE id = '{self.id}'")


def coming_from(address):
    return {"X-Forwarded-For": address}


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
