"""docs/users-api.yaml as tests use it: its operations, with references resolved, and requests that fit them."""

import copy
import functools
import re

import jsonschema
import yaml
from administration import PASSWORD, Organisation, fresh, made
from reference_services import ROOT

PATH = ROOT / "docs" / "users-api.yaml"
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


@functools.lru_cache
def document():
    return yaml.safe_load(PATH.read_text())


def resolved(node):
    """A copy without references; what stands beside a reference adds to it."""
    if isinstance(node, list):
        return [resolved(item) for item in node]
    if not isinstance(node, dict):
        return node
    whole = {}
    if "$ref" in node:
        target = document()
        for name in node["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        whole = resolved(target)
    return whole | {name: resolved(value) for name, value in node.items() if name != "$ref"}


class Operation:
    def __init__(self, path, method, common, description):
        self.path = path
        self.method = method.upper()
        self.id = description["operationId"]
        self.description = resolved(description)
        self.parameters = resolved(common) + self.description.get("parameters", [])
        self.audit = self.description.get("x-audit")
        self.permission = self.description.get("x-permission")
        self.is_public = self.description.get("security") == []
        self.responses = {int(status): response for status, response in self.description["responses"].items()}
        content = self.description.get("requestBody", {}).get("content", {})
        self.schema = content["application/json"]["schema"] if content else None

    @property
    def kinds(self):
        """What the path's parameters stand for: ["user", "api_key"]."""
        return re.findall(r"\{(\w+)\}", self.path)

    @property
    def query(self):
        return [parameter for parameter in self.parameters if parameter["in"] == "query"]

    @property
    def success(self):
        return next(status for status in self.responses if status < 300)

    @property
    def is_change(self):
        return self.method != "GET"

    def __str__(self):
        return self.id

    def where(self, ids):
        """The path with these ids."""
        return re.sub(r"\{(\w+)\}", lambda found: ids[found[1]], self.path)

    def body(self):
        """One that fits; None if there is none to send."""
        if self.schema is None:
            return None
        members = {name: example_of(name, schema) for name, schema in self.schema["properties"].items()}
        return {name: value for name, value in members.items() if name not in LEFT_OUT.get(self.id, ())}

    def check(self, answer):
        """Status, type and content of an answer as the document says."""
        assert answer.status in self.responses, f"{self.id} answers {answer.status}: {answer.body}"
        response = self.responses[answer.status]
        for name, header in response.get("headers", {}).items():
            assert name in answer.headers, f"{self.id} says no {name}"
            jsonschema.validate(number_or_text(answer.headers[name], header["schema"]), header["schema"])
        if "content" not in response:
            assert answer.body == b"", self.id
            return
        (kind, content), = response["content"].items()
        assert answer.headers["Content-Type"] == kind, self.id
        value = answer.json if kind.endswith("json") else answer.body.decode()
        jsonschema.Draft202012Validator(content["schema"]).validate(value)
        if kind == "application/problem+json":
            assert value["status"] == answer.status


# What an example for every member at once must not have: another tenant is for admins, and has a test of its own.
LEFT_OUT = {"createUser": ["tenant"], "createRole": ["tenant"]}


def example_of(name, schema):
    assert "example" in schema, f"the document gives no example for `{name}`"
    return fresh(schema["example"]) if schema.get("x-unique") else copy.deepcopy(schema["example"])


def number_or_text(text, schema):
    return int(text) if schema.get("type") == "integer" else text


@functools.lru_cache
def operations():
    found = []
    for path, item in document()["paths"].items():
        for method, description in item.items():
            if method in METHODS:
                found.append(Operation(path, method, item.get("parameters", []), description))
    return found


class Belongings:
    """A tenant with one of everything, each made when it is first asked for. A path's parameter names what it needs:
    whoever documents an operation on something new must say here how to make one."""

    def __init__(self, users):
        self.users = users
        self.organisation = Organisation(users, permissions=["*:*"])

    @property
    def manager(self):
        return self.organisation.manager

    @functools.cached_property
    def member(self):
        return self.organisation.member("viewer")

    def ids(self, operation):
        made_here = {kind: getattr(self, kind) for kind in operation.kinds}
        if operation.id in ("changePassword", "unlockUser", "listSessions", "endSessions", "endSession"):
            assert self.login
            made_here["user"] = self.person.id
        if operation.id == "deleteTenant":
            made_here["tenant"] = made(self.users.as_admin("POST", "/api/v1/tenants", {
                "id": fresh("empty"), "plan": "free"}))["id"]
        return made_here

    @functools.cached_property
    def person(self):
        """Who has a password: hashing it takes time, so only what needs one has one."""
        return self.organisation.member("viewer", kind="person")

    @functools.cached_property
    def login(self):
        answer = self.users.login(self.person.account["username"], PASSWORD)
        assert answer.status == 200, answer.body
        return answer.json

    @functools.cached_property
    def session(self):
        assert self.login
        return self.person.call("GET", f"/api/v1/users/{self.person.id}/sessions").json["sessions"][0]["id"]

    @functools.cached_property
    def tenant(self):
        return self.organisation.id

    @functools.cached_property
    def user(self):
        return self.member.id

    @functools.cached_property
    def role(self):
        return self.organisation.new_role("models:read")["id"]

    @functools.cached_property
    def api_key(self):
        return made(self.users.as_admin("POST", f"/api/v1/users/{self.user}/api-keys", {"name": "key"}))["id"]

    @functools.cached_property
    def entry(self):
        entries = self.users.as_admin("GET", f"/api/v1/audit?target={self.user}").json["entries"]
        return entries[0]["id"]

    def body(self, operation):
        """A body for the operation, with what only this tenant knows."""
        body = operation.body()
        if operation.id == "login":
            body = {"username": self.person.account["username"], "password": PASSWORD}
        if operation.id in ("refresh", "logout"):
            body = {"refresh_token": self.login["refresh_token"]}
        return body
