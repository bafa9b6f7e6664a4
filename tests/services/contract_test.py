"""The internal contract with the gateway, as docs/user-management-contract.yaml states it."""

import hashlib
import threading

import jsonschema
import pytest
import yaml
from administration import Organisation, fresh, made
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


# What the service answers, held against the document. A gateway refuses members that the document does not name.

CONTRACT = yaml.safe_load((ROOT / "docs" / "user-management-contract.yaml").read_text())


def check(path, answer):
    """Status, type and shape as the document says for this path. Unknown members are refused as a gateway does."""
    responses = CONTRACT["paths"][path]["get"]["responses"]
    response = resolved(responses[str(answer.status)])
    (kind, content), = response["content"].items()
    assert answer.headers["Content-Type"] == kind
    schema = content["schema"]
    if kind == "application/json" and path.startswith("/internal/"):
        schema["additionalProperties"] = False
    jsonschema.Draft202012Validator(schema).validate(answer.json)
    return answer.json


def resolved(node):
    if isinstance(node, list):
        return [resolved(item) for item in node]
    if not isinstance(node, dict):
        return node
    whole = {}
    if "$ref" in node:
        target = CONTRACT
        for name in node["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        whole = resolved(target)
    return whole | {name: resolved(value) for name, value in node.items() if name != "$ref"}


def test_the_document_and_the_service_know_the_same_operations(users):
    assert CONTRACT["openapi"].startswith("3.1")
    for path, operations in CONTRACT["paths"].items():
        assert set(operations) == {"get"}
        filled = path.replace("{subject}", users.account_id("admin")).replace("{digest}", "0" * 64)
        answer = users.internal(filled) if path.startswith("/internal/") else users.call("GET", filled)
        assert answer.status == (404 if "{digest}" in path else 200), path
        check(path, answer)


def test_access_is_as_the_document_says(users):
    organisation = Organisation(users, permissions=["*:read", "models:*", "a-b_c:d"])
    for subject in (organisation.manager.id, organisation.member().id, organisation.member("admin", "viewer").id):
        access = check("/internal/v1/users/{subject}/access", users.internal(f"/internal/v1/users/{subject}/access"))
        assert access["subject"] == subject and access["tenant"] == organisation.id
    check("/internal/v1/users/{subject}/access", users.internal("/internal/v1/users/usr_nobody/access"))


def test_the_largest_access_is_one_that_a_gateway_takes(users):
    # As many roles as an account may have, with as many and as long permissions as they may, in a long tenant.
    tenant = fresh("t").ljust(32, "t")
    made(users.as_admin("POST", "/api/v1/tenants", {"id": tenant, "plan": "enterprise"}))
    names = []
    for number in range(16):
        permissions = [f"{'r' * 28}-{number:03}:{'a' * 28}-{which:03}" for which in range(50)]
        names.append(made(users.as_admin("POST", "/api/v1/roles", {
            "name": f"{'n' * 28}-{number:02}", "tenant": tenant, "permissions": permissions}))["name"])
    account = made(users.as_admin("POST", "/api/v1/users", {
        "username": fresh("heavy"), "kind": "service", "tenant": tenant, "roles": names}))
    answer = users.internal(f"/internal/v1/users/{account['id']}/access")
    access = check("/internal/v1/users/{subject}/access", answer)
    assert len(access["permissions"]) == 800 and len(access["roles"]) == 16
    assert all(len(role) <= 64 for role in access["roles"])
    # src/access/access_answer.cc reads 64 KiB; ended sessions take up to 256 times an id of 28 bytes and its commas.
    assert len(answer.body) + 256 * 31 < 64 * 1024


def test_a_key_is_as_the_document_says(users):
    member = Organisation(users).member()
    for body in ({}, {"expires_at": 4102444800}, {"permissions": ["models:read", "infer:run", "models:read"]}, {"permissions": []}):
        key = made(member.call("POST", f"/api/v1/users/{member.id}/api-keys", {"name": "k"} | body))
        digest = hashlib.sha256(key["key"].encode()).hexdigest()
        told = check("/internal/v1/api-keys/{digest}", users.internal(f"/internal/v1/api-keys/{digest}"))
        assert told["key_id"] == key["id"] and told["subject"] == member.id
        assert told["permissions"] == sorted(set(body.get("permissions", ["*:*"])))


def test_changes_are_as_the_document_says(users):
    since = users.revision()
    member = Organisation(users).member()
    made(member.call("POST", f"/api/v1/users/{member.id}/api-keys", {"name": "k"}))
    for query in ("", f"?since={since}", "?since=0", f"?since={users.revision()}&wait=0", "?since=x"):
        check("/internal/v1/changes", users.internal(f"/internal/v1/changes{query}"))
