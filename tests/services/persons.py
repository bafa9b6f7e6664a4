"""People who log in: what tests of sessions, passwords and guessing have in common."""

import itertools

from access_tokens import claims_of, eventually
from reference_services import identity

PASSWORD = "correct horse battery"
counter = itertools.count()


class Person:
    """An account of its own for a test, who calls from an address of its own."""

    def __init__(self, users, roles=("viewer",), **more):
        self.users = users
        self.number = next(counter)
        self.username = f"person-{self.number}"
        self.password = PASSWORD
        self.address = f"10.{self.number >> 8}.{self.number & 255}.1"
        body = {"username": self.username, "password": PASSWORD, "roles": list(roles), **more}
        made = users.as_admin("POST", "/api/v1/users", body)
        assert made.status == 201, made.body
        self.id = made.json["id"]
        self.tenant = made.json["tenant"]

    def log_in(self, password=None, address=None):
        return log_in(self.users, self.username, password or self.password, address or self.address)

    def session(self):
        answer = self.log_in()
        assert answer.status == 200, answer.body
        return answer.json

    def call(self, method, path, body=None, **more):
        return self.users.call(method, f"/api/v1/users/{self.id}{path}", body,
                               {**identity(self.id, self.tenant), "X-Real-IP": self.address, **more})

    def access(self):
        return self.users.internal(f"/internal/v1/users/{self.id}/access").json

    def revoked(self):
        return self.access().get("revoked_sessions", [])


def log_in(users, username, password, address):
    return users.call("POST", "/api/v1/users/login", {"username": username, "password": password},
                      {"X-Real-IP": address})


def patiently(call, *arguments):
    """As a client does that was told 503: hashing has no room for everybody at once."""
    return eventually(lambda: next((answer for answer in [call(*arguments)] if answer.status != 503), None))


def refresh(users, token):
    return users.call("POST", "/api/v1/users/refresh", {"refresh_token": token})


def log_out(users, token):
    return users.call("POST", "/api/v1/users/logout", {"refresh_token": token})


def sid_of(tokens):
    return claims_of(tokens["access_token"])["sid"]


def audited(users, target):
    """Actions of the audit log, oldest first."""
    return [row[0] for row in users.database.sql(f"SELECT action FROM audit WHERE target_id = '{target}' ORDER BY id")]
