"""The internal contract with the gateway, as docs/user-management-contract.yaml states it."""

import threading

import pytest
import yaml
from reference_services import ROOT, Users

PASSWORD = "correct horse"


@pytest.fixture(name="account")
def fixture_account(users, request):
    name = request.node.name.replace("[", ".").replace("]", "")[-60:]
    body = {"username": name, "password": PASSWORD, "roles": ["viewer"]}
    return users.as_admin("POST", "/api/v1/users", body).json["id"]


class Waiting:
    """A long poll in progress on a thread of its own."""

    def __init__(self, users, since):
        self.answer = None
        # Connected and sent here, so that only waiting for the answer is left to the thread.
        self.connection = users.connect(users.internal_address)
        self.connection.request("GET", f"/internal/v1/changes?since={since}",
                                headers={"Authorization": f"Bearer {users.service_token}"})
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        try:
            response = self.connection.getresponse()
            self.answer = response.status, response.read()
        except ConnectionError:
            pass  # closed before the service had read the request

    def result(self):
        self.thread.join(20)
        assert not self.thread.is_alive(), "the long poll did not end"
        return self.answer


def changes(users, query):
    answer = users.internal(f"/internal/v1/changes{query}")
    assert answer.status == 200, answer.body
    return answer.json


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic {token}", "{token}",
                                           "Bearer {token}x", "Bearer x{token}"])
def test_the_service_token_is_required(users, authorization):
    headers = {}
    if authorization is not None:
        headers["Authorization"] = authorization.format(token=users.service_token)
    for path in (f"/internal/v1/users/{users.account_id('admin')}/access", "/internal/v1/changes"):
        answer = users.call_inside("GET", path, headers)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert "revision" not in answer.body.decode()


def test_internal_paths_are_not_for_clients(users):
    bearer = {"Authorization": f"Bearer {users.service_token}"}
    for path in (f"/internal/v1/users/{users.account_id('admin')}/access", "/internal/v1/changes"):
        assert users.call("GET", path, headers=bearer).status == 404
        assert users.call_inside("GET", path, bearer).status == 200
    # And clients' paths are not there, not even for who shows the token.
    assert users.call_inside("GET", "/api/v1/users", bearer).status == 404
    assert users.call_inside("GET", "/api/v1/users").status == 401


def test_access_of_each_demo_account(users):
    wanted = {"admin": ["*:*"], "trainer": ["infer:run", "models:read", "models:write", "roles:read", "users:read"],
              "viewer": ["infer:run", "models:read"]}
    for role, permissions in wanted.items():
        subject = users.account_id(role)
        answer = users.internal(f"/internal/v1/users/{subject}/access")
        assert answer.status == 200
        assert answer.json == {"subject": subject, "tenant": "lotabots", "plan": "pro", "roles": [role],
                               "permissions": permissions, "revision": users.revision(), "disabled": False}


def test_an_unknown_subject_is_404(users):
    assert users.internal("/internal/v1/users/usr_nobody/access").status == 404


def test_a_disabled_account_says_so(users, account):
    users.as_admin("PATCH", f"/api/v1/users/{account}", {"disabled": True})
    access = users.internal(f"/internal/v1/users/{account}/access").json
    assert access["disabled"] is True and access["roles"] == ["viewer"]


def test_without_since_the_revision_comes_at_once(users):
    assert changes(users, "") == {"revision": users.revision(), "subjects": []}


def test_every_change_of_access_is_told(users, account):
    since = users.revision()
    path = f"/api/v1/users/{account}"
    users.as_admin("PATCH", path, {"roles": ["trainer"]})
    users.as_admin("PATCH", path, {"roles": ["trainer"]})  # the same once more is no change
    assert changes(users, f"?since={since}") == {"revision": since + 1, "subjects": [account]}
    users.as_admin("PATCH", path, {"disabled": True})
    users.as_admin("DELETE", path)
    told = changes(users, f"?since={since}")
    assert told == {"revision": since + 3, "subjects": [account]}
    assert changes(users, f"?since={since + 3}&wait=0") == {"revision": since + 3, "subjects": []}


def test_a_role_change_ends_the_wait(users, account):
    since = users.revision()
    waiting = Waiting(users, since)
    users.as_admin("PATCH", f"/api/v1/users/{account}", {"roles": ["trainer"]})
    status, body = waiting.result()
    assert status == 200
    assert yaml.safe_load(body) == {"revision": since + 1, "subjects": [account]}
    assert "models:write" in users.internal(f"/internal/v1/users/{account}/access").json["permissions"]


def test_many_waits_end_together(users, account):
    since = users.revision()
    waits = [Waiting(users, since) for _ in range(40)]
    # Served while forty others wait.
    assert users.revision() == since
    users.as_admin("PATCH", f"/api/v1/users/{account}", {"disabled": True})
    assert {yaml.safe_load(wait.result()[1])["revision"] for wait in waits} == {since + 1}


@pytest.mark.parametrize("offset", [-1_000_000, 1])
def test_an_unknown_revision_means_everything(users, offset):
    revision = users.revision()
    assert changes(users, f"?since={revision + offset}") == {"revision": revision, "all": True}


def test_revisions_of_before_this_database_mean_everything(users):
    assert changes(users, "?since=0")["all"] is True


@pytest.mark.parametrize("query", ["?since=", "?since=-1", "?since=x", "?since=99999999999999999999", "?since=1&wait=31"])
def test_a_bad_query_is_refused(users, query):
    assert users.internal(f"/internal/v1/changes{query}").status == 400


def test_a_stop_ends_the_wait(start, tmp_path, database):
    users = start(Users, tmp_path, database=database)
    since = users.revision()
    waiting = Waiting(users, since)
    assert users.call("GET", "/healthz").status == 200
    assert users.stop() == 0  # which waits less long than the poll would
    answer = waiting.result()
    if answer is not None:
        assert answer[0] == 200 and yaml.safe_load(answer[1]) == {"revision": since, "subjects": []}


def test_the_document_names_what_the_service_answers(users):
    document = yaml.safe_load((ROOT / "docs" / "user-management-contract.yaml").read_text())
    assert document["openapi"].startswith("3.1")
    schemas = document["components"]["schemas"]
    access = users.internal(f"/internal/v1/users/{users.account_id('admin')}/access").json
    assert set(schemas["Access"]["required"]) <= set(access) <= set(schemas["Access"]["properties"])
    for path, operations in document["paths"].items():
        example = path.replace("{subject}", users.account_id("admin")).replace("{digest}", "0" * 64)
        answer = users.internal(example) if path.startswith("/internal/") else users.call("GET", example)
        assert answer.status == (404 if "{digest}" in path else 200), path
        assert set(operations) == {"get"}
