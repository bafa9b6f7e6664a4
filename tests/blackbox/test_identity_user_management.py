"""The set-up of docs/identity.md with the User Management Service itself: logins, sessions, API keys, its database down."""

import json
import sys

import pytest

from harness.examples import ROOT, Example
from harness.problems import expect_problem
from harness.prometheus import parse
from harness.tokens import bearer
from harness.wait import eventually

sys.path.insert(0, str(ROOT / "tests" / "services"))

# pylint: disable=wrong-import-position
from postgres_server import PostgresServer
from reference_services import Database, Users

# pylint: enable=wrong-import-position

MODELS = "/api/v1/models"


class ExampleUsers(Users):
    ISSUER = "https://users.lotabots.example"  # as the example names it


class Platform:
    """The example, started with a service of users that keeps its data in `database`, or else in a file."""

    def __init__(self, start, backend, directory, database=None):
        data = directory / "users"
        data.mkdir()
        self.users = ExampleUsers(data, database=database)
        self.models = backend()
        example = Example("identity/user-management.yaml", directory / "checkout")
        example.write("../../var/users/service-token", self.users.service_token + "\n")
        config = example.config({
            "http://127.0.0.1:7001": self.users.origin, "http://127.0.0.1:7002": self.models.url,
            "http://127.0.0.1:7101": "http://" + self.users.internal_address})
        config["authorization"]["user_management"]["fresh_for"] = "100ms"
        self.gateway = start(config)

    def request(self, method, target, fields, body=None):
        with self.gateway.client() as client:
            return client.request(method, target, fields, body)

    def post(self, path, **members):
        return self.request("POST", "/api/v1/users" + path, [("Content-Type", "application/json")], json.dumps(members).encode())

    def log_in(self, role):
        """The answer."""
        account = self.users.demo[role]
        return self.post("/login", username=account["username"], password=account["password"])

    def tokens(self, role):
        """What presents the access token, and the refresh token."""
        tokens = self.log_in(role).json()
        return bearer(tokens["access_token"]), tokens["refresh_token"]

    def passes(self, fields, method="GET"):
        """The request as the service of models got it."""
        assert self.request(method, MODELS, fields).status == 200
        return self.models.requests[-1]

    def becomes(self, status, fields, reason):
        """Asks until this is the answer, and the reason in the log."""
        response = eventually(lambda: (r := self.request("GET", MODELS, fields)).status == status and r, f"a {status}")
        record, = self.gateway.wait_log(where=lambda line: line["request_id"] == response.json()["request_id"])
        assert record["reason"] == reason

    def failed_fetches(self):
        scrape = parse(self.gateway.admin("/metrics").body.decode())
        return scrape.sum("lotagate_role_directory_fetch_failures_total")


@pytest.fixture(name="platform")
def _platform(gateway, backend, tmp_path):
    platform = Platform(gateway, backend, tmp_path)
    yield platform
    assert platform.users.stop() == 0


def test_roles_and_api_keys(platform):
    users, (viewer, _), (trainer, _) = platform.users, platform.tokens("viewer"), platform.tokens("trainer")
    request = platform.passes(viewer)
    assert request.get("X-Auth-Subject").startswith("usr_") and request.get("X-Auth-Roles") == "viewer"
    assert request.get("X-Auth-Session").startswith("ses_")
    expect_problem(platform.request("POST", MODELS, viewer), "forbidden")
    platform.passes(trainer, "POST")

    own = users.account_id(users.demo["viewer"]["username"])
    made = users.as_admin("POST", f"/api/v1/users/{own}/api-keys", {"name": "laptop"}).json
    key = [("X-API-Key", made["key"])]
    request = platform.passes(key)
    assert request.get("X-Auth-Subject") == own and request.get("X-Auth-Key-Id") == made["id"]
    assert users.as_admin("PATCH", f"/api/v1/users/{own}", {"disabled": True}).status == 200
    platform.becomes(403, viewer, "disabled_user")
    platform.becomes(403, key, "disabled_user")


def test_sessions(platform):
    """Every access token of a session ends when an old refresh token of it is shown again, and with a logout."""
    first, refresh = platform.tokens("trainer")
    newer = platform.post("/refresh", refresh_token=refresh).json()
    second = bearer(newer["access_token"])
    platform.passes(first)
    platform.passes(second)
    assert platform.post("/refresh", refresh_token=newer["refresh_token"]).status == 200
    assert platform.post("/refresh", refresh_token=refresh).status == 401
    platform.becomes(401, first, "session_ended")
    platform.becomes(401, second, "session_ended")

    token, refresh = platform.tokens("trainer")
    platform.passes(token)
    assert platform.post("/logout", refresh_token=refresh).status == 204
    platform.becomes(401, token, "session_ended")


@pytest.fixture(name="postgres")
def _postgres():
    server = PostgresServer()
    yield server
    server.stop()


def test_postgresql_down(gateway, backend, postgres, tmp_path):
    """The service answers 503 then: who is known goes on, others get 503, keys are served, and it ends by itself."""
    platform = Platform(gateway, backend, tmp_path, Database(tmp_path / "users.db", postgres))
    try:
        (viewer, _), (trainer, _) = platform.tokens("viewer"), platform.tokens("trainer")
        platform.passes(viewer)
        postgres.kill()
        expect_problem(platform.request("GET", MODELS, trainer), "authorization_unavailable")
        failures = platform.failed_fetches()
        eventually(lambda: platform.passes(viewer) and platform.failed_fetches() > failures, "a failed refresh")
        platform.passes(viewer)
        assert platform.log_in("viewer").status == 503
        assert platform.users.call("GET", "/.well-known/jwks.json").status == 200
        postgres.start()
        eventually(lambda: platform.request("GET", MODELS, trainer).status == 200, "the return", timeout=60)
    finally:
        platform.users.stop()
