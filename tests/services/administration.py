"""What tests of the administration make: tenants, roles and accounts, and calls in the name of anybody."""

import itertools

from access_tokens import eventually
from reference_services import identity

PASSWORD = "correct horse"
_numbers = itertools.count(1)


def fresh(word):
    """A name that no other test has."""
    return f"{word}-{next(_numbers)}"


def made(answer):
    assert answer.status == 201, answer.body
    return answer.json


def unless_busy(ask):
    """The answer to `ask()` once it is not 503: on a busy machine a password waits longer for its turn than it may."""

    def probe():
        answer = ask()
        return answer if answer.status != 503 else None

    return eventually(probe)


class Member:
    """Somebody who calls the service, named by the gateway as it names him."""

    def __init__(self, users, account, key=None):
        self.users = users
        self.account = account
        self.key = key

    @property
    def id(self):
        return self.account["id"]

    @property
    def headers(self):
        headers = identity(self.id, self.account["tenant"], ",".join(self.account["roles"]))
        if self.key:
            headers["X-Auth-Key-Id"] = self.key
        return headers

    def call(self, method, path, body=None, **headers):
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.users.call(method, path, body, self.headers | more)


class Organisation:
    """A tenant of its own with a manager, who holds what `permissions` say."""

    def __init__(self, users, permissions=("users:*", "roles:*", "api_keys:*", "audit:read", "models:*", "infer:run")):
        self.users = users
        self.id = fresh("tenant")
        made(users.as_admin("POST", "/api/v1/tenants", {"id": self.id, "plan": "pro"}))
        self.role = made(users.as_admin("POST", "/api/v1/roles", {
            "name": "manager", "tenant": self.id, "permissions": list(permissions)}))
        self.manager = self.member("manager")

    def member(self, *roles, kind="service", by=None):
        """An account with these roles. A service, unless it must log in: hashing passwords takes time."""
        body = {"username": fresh("member"), "roles": list(roles), "tenant": self.id, "kind": kind}
        if kind == "person":
            body["password"] = PASSWORD
        call = by.call if by else self.users.as_admin
        return Member(self.users, made(unless_busy(lambda: call("POST", "/api/v1/users", body))))

    def new_role(self, *permissions, name=None):
        return made(self.users.as_admin("POST", "/api/v1/roles", {
            "name": name or fresh("role"), "tenant": self.id, "permissions": list(permissions)}))


def admin(users):
    """The demo account that administers the platform."""
    subject = users.identity("admin")["X-Auth-Subject"]
    return Member(users, users.as_admin("GET", f"/api/v1/users/{subject}").json)


def changes_since(users, revision):
    answer = users.internal(f"/internal/v1/changes?since={revision}&wait=0")
    assert answer.status == 200, answer.body
    return answer.json


def access_of(users, subject):
    answer = users.internal(f"/internal/v1/users/{subject}/access")
    assert answer.status == 200, answer.body
    return answer.json
