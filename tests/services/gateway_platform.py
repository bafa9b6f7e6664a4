"""A real gateway in front of a users service, with the routes of the administration."""

import contextlib
import http.client
import json
import sys
import time

from reference_services import CALL_SECONDS, ROOT, Answer, Users

sys.path.insert(0, str(ROOT / "tests" / "blackbox"))

# pylint: disable=wrong-import-position
from harness.gateway import BINARY, Gateway
from harness.wait import eventually

# pylint: enable=wrong-import-position

# The routes of the administration as one would write them. Its own paths first: one's own keys need no permission.
ROUTES = [
    {"path": "/api/v1/users/login", "methods": ["POST"], "public": True},
    {"path": "/api/v1/users/refresh", "methods": ["POST"], "public": True},
    {"path": "/api/v1/users/logout", "methods": ["POST"], "public": True},
    {"path": "/api/v1/users/openapi.json", "methods": ["GET"], "public": True},
    {"path": "/api/v1/users/me", "api_keys": True},
    {"path": "/api/v1/users/{subject}", "api_keys": True,
     "require": {"GET": {"owner_or": "users:read"}, "*": {"owner_or": "users:write"}}},
    {"path": "/api/v1/users/{subject}/api-keys", "api_keys": True,
     "require": {"GET": {"owner_or": "api_keys:read"}, "*": {"owner_or": "api_keys:write"}}},
    {"path": "/api/v1/users", "api_keys": True, "require": {"GET": "users:read", "*": "users:write"}},
    {"path": "/api/v1/roles", "api_keys": True, "require": {"GET": "roles:read", "*": "roles:write"}},
    {"path": "/api/v1/permissions", "api_keys": True, "require": "roles:read"},
    {"path": "/api/v1/tenants", "api_keys": True, "require": {"*": {"roles": "admin"}}},
    {"path": "/api/v1/audit", "api_keys": True, "require": "audit:read"},
    # The service answers these to anybody: a refusal is the gateway's own.
    {"path": "/healthz", "api_keys": True},
    {"path": "/.well-known/jwks.json", "api_keys": True, "require": "roles:read"},
]
ANYBODY, ROLES_READ = "/healthz", "/.well-known/jwks.json"
# docs/user-management-contract.yaml: "a change is in force within a second".
IN_FORCE = 1.0


class Cut(Exception):
    """An answer that began with `status` and broke off: its service died in the middle of it."""

    def __init__(self, status):
        super().__init__(status)
        self.status = status


class Platform:
    """A gateway in front of a users service. It keeps what it learned for an hour, unless told otherwise."""

    def __init__(self, users, directory, trusted_proxies=(), **user_management):
        assert BINARY.exists(), f"{BINARY} is not built"
        self.users = users
        issuer = {"issuer": Users.ISSUER, "audiences": [Users.AUDIENCE], "algorithms": ["RS256"],
                  "jwks": {"url": f"{users.origin}/.well-known/jwks.json"},
                  "claims_to_headers": {"sid": "X-Auth-Session"}}
        self.gateway = Gateway({
            "listeners": [{"address": "127.0.0.1:0", "trusted_proxies": list(trusted_proxies)}],
            "services": {"users": {"endpoints": [users.origin]}},
            "authentication": {"issuers": [issuer], "api_keys": {"header": "X-API-Key"}},
            "authorization": {"user_management": {
                "url": f"http://{users.internal_address}", "token_file": str(users.data / "service.token"),
                "fresh_for": "1h", **user_management}},
            "routes": [{"service": "users", **route} for route in ROUTES],
        }, directory).start()

    def call(self, method, path, body=None, token=None, key=None, headers=None):
        headers = dict(headers or {})
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        headers |= {"X-API-Key": key} if key else {}
        if body is not None:
            body = json.dumps(body)
            headers["Content-Type"] = "application/json"
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=CALL_SECONDS)) as own:
            own.request(method, path, body, headers)
            response = own.getresponse()
            try:
                return Answer(response, response.read())
            except http.client.IncompleteRead:
                raise Cut(response.status) from None

    def login(self, username, password):
        return self.call("POST", "/api/v1/users/login", {"username": username, "password": password})

    def session(self, username, password):
        answer = self.login(username, password)
        assert answer.status == 200, answer.body
        return answer.json

    def token(self, username, password):
        return self.session(username, password)["access_token"]

    def refresh(self, token):
        return self.call("POST", "/api/v1/users/refresh", {"refresh_token": token})

    def log_out(self, token):
        return self.call("POST", "/api/v1/users/logout", {"refresh_token": token})

    def admin_token(self):
        demo = self.users.demo["admin"]
        return self.token(demo["username"], demo["password"])

    def becomes(self, status, path, **who):
        """Asks until the answer has this status, and returns it."""
        def probe():
            answer = self.call("GET", path, **who)
            return answer if answer.status == status else None
        return eventually(probe, f"{status} from {path}")

    def seconds_until(self, status, path, since, **who):
        """From `since` to the first answer with this status, asking without a pause; until then all are allowances."""
        while True:
            answered = self.call("GET", path, **who).status
            if answered == status:
                return time.monotonic() - since
            assert answered == 200 and time.monotonic() - since < 5 * IN_FORCE, answered
