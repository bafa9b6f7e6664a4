"""docs/users-api.yaml and the service say the same: routes, statuses, shapes, and the codes of problems."""

import json
import re
import subprocess

import pytest
import yaml
from administration import admin
from openapi_document import PATH, Belongings, document, operations
from reference_services import BUILD, ROOT

TOO_LARGE = 10 * 1024 * 1024 + 1


def each(which=lambda operation: True):
    """A test of every operation that `which` says."""
    return pytest.mark.parametrize("operation", [one for one in operations() if which(one)], ids=str)


def has_body(operation):
    return operation.schema is not None


def test_the_document_says_it_is_openapi():
    assert document()["openapi"].startswith("3.1")
    ids = [operation.id for operation in operations()]
    assert len(ids) == len(set(ids))
    for operation in operations():
        assert operation.permission, f"{operation.id} has no x-permission"
        declared = {parameter["name"] for parameter in operation.parameters if parameter["in"] == "path"}
        assert declared == set(operation.kinds), operation.id


def test_every_route_is_documented_and_every_documented_route_is_there(tmp_path):
    done = subprocess.run([BUILD / "services" / "lotagate-users", "--listen", "127.0.0.1:0", "--data", tmp_path,
                           "--issuer", "https://x.example", "--audience", "x", "--service-token-file", tmp_path / "token",
                           "--routes"], stdout=subprocess.PIPE, text=True, check=True, timeout=30)
    routes = [line for line in done.stdout.splitlines() if " /internal/" not in line]
    documented = [f"{operation.method} {re.sub(r'{[^}]*}', '{}', operation.path)}" for operation in operations()]
    assert sorted(routes) == sorted(documented)


def test_the_service_serves_its_document(users):
    answer = users.call("GET", "/api/v1/users/openapi.json")
    assert answer.headers["Content-Type"] == "application/json"
    # Names of statuses are texts in JSON as well as in YAML, so nothing is lost.
    assert answer.json == yaml.safe_load(PATH.read_text())
    assert users.call("GET", "/api/v1/users/openapi.yaml").body == PATH.read_bytes()


def test_every_code_of_a_problem_is_documented():
    sources = [*ROOT.glob("services/users/*.cc"), *ROOT.glob("services/common/*.cc"), *ROOT.glob("services/common/*.h")]
    text = "\n".join(path.read_text() for path in sources)
    used = set(re.findall(r'(?:refuse\(|Problem\{|problem = \{|problem_response\(\{)\s*(?:\d{3}|response\.status),\s*"(\w+)"', text))
    schemas = document()["components"]["schemas"]
    assert used == set(schemas["ProblemCode"]["enum"]) | set(INTERNAL_CODES)
    assert schemas["ProblemCode"]["enum"] == sorted(schemas["ProblemCode"]["enum"])


# Of user-management-contract.yaml alone.
INTERNAL_CODES = ["invalid_service_token", "invalid_since", "invalid_wait", "not_empty"]


@each()
def test_a_valid_request_gets_what_is_documented(users, operation):
    belongings = Belongings(users)
    path = operation.where(belongings.ids(operation))
    answer = admin(users).call(operation.method, path, belongings.body(operation))
    operation.check(answer)
    assert answer.status == operation.success, answer.body


@each(lambda operation: not operation.is_public)
def test_without_identity_nothing_is_served(users, operation):
    belongings = Belongings(users)
    answer = users.call(operation.method, operation.where(belongings.ids(operation)), belongings.body(operation))
    operation.check(answer)
    assert answer.status == 401 and answer.json["code"] == "no_identity"


@each(lambda operation: operation.query)
def test_a_parameter_that_is_not_documented_is_refused(users, operation):
    path = operation.where(Belongings(users).ids(operation))
    for query in ("color=red", "limit=1&limit=2", "limit=0", "limit=-1", "limit=99999999999999999999", "after=%00"):
        answer = admin(users).call(operation.method, f"{path}?{query}")
        operation.check(answer)
        assert answer.status == 400, query


WRONG = {"string": [7, True, None, ["x"], {"x": 1}], "boolean": ["true", 1, None], "integer": ["1", 1.5, None, True],
         "array": ["viewer", {"x": 1}, None, [1], [None], [["x"]]]}


def bad_bodies(operation, good):
    """(what is wrong, body) for everything that the schema forbids."""
    schema = operation.schema
    yield "not JSON", b"{"
    yield "empty", b""
    yield "no object", b"[]"
    yield "not UTF-8", b'{"\xff": 1}'
    yield "unknown member", good | {"surprise": 1}
    name, value = next(iter(good.items()))
    yield "member given twice", (json.dumps(good)[:-1] + f", {json.dumps(name)}: {json.dumps(value)}}}").encode()
    for name in schema.get("required", []):
        yield f"no {name}", {key: value for key, value in good.items() if key != name}
    if "minProperties" in schema:
        yield "nothing", {}
    for name, member in schema["properties"].items():
        kind = member.get("type", "string")
        for wrong in WRONG[kind]:
            yield f"{name} is {wrong!r}", good | {name: wrong}
        for what, wrong in forbidden_values(member):
            yield f"{name} {what}", good | {name: wrong}


def forbidden_values(schema):
    if "maxLength" in schema:
        yield "too long", "x" * (schema["maxLength"] + 1)
        yield "with a NUL", "long enough\0"
    if schema.get("minLength"):
        yield "too short", "x" * (schema["minLength"] - 1)
    if "pattern" in schema:
        yield "of other characters", "not é allowed"
    if "enum" in schema:
        yield "not one of those", "else"
    if "maxItems" in schema:
        yield "too many", ["a:b"] * (schema["maxItems"] + 1)
    if "pattern" in schema.get("items", {}):
        yield "malformed", ["a:b:c"]


# The password of a login is compared, not judged.
FREE_TEXTS = {"createUser": ["password with a NUL"], "changePassword": ["new_password with a NUL"]}


@each(has_body)
def test_a_bad_body_is_refused_and_changes_nothing(users, operation):
    belongings = Belongings(users)
    path = operation.where(belongings.ids(operation))
    caller = admin(users)
    good = belongings.body(operation)
    before = newest_entry(users)
    for what, body in bad_bodies(operation, good):
        if what in FREE_TEXTS.get(operation.id, []):
            continue
        answer = caller.call(operation.method, path, body)
        operation.check(answer)
        assert answer.status in (400, 422), f"{what}: {answer.status} {answer.body}"
    assert newest_entry(users) == before


@each(has_body)
def test_a_body_that_is_too_large_is_refused(users, operation):
    path = operation.where(Belongings(users).ids(operation))
    answer = admin(users).call(operation.method, path, b'{"name":"' + b"x" * TOO_LARGE + b'"}')
    operation.check(answer)
    assert answer.status == 413


def newest_entry(users):
    return users.as_admin("GET", "/api/v1/audit?limit=1").json["entries"][0]["id"]
