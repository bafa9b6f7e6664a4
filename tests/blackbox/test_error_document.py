"""docs/error-handling.md against src/base/error.cc and against the answers of the running gateway."""

import json
import pathlib
import re

import pytest

from harness import configs, http1
from harness.backend import answer_all, ok
from harness.tokens import bearer
from harness.ums import FakeUms

_ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = (_ROOT / "docs" / "error-handling.md").read_text(encoding="utf-8")

_SOURCE_ROW = re.compile(r'^    \{"(\w+)", (\d+), (true|false), "([^"]*)"\},$', re.MULTILINE)
_TABLE_ROW = re.compile(r"^\| \[`(\w+)`\]\(#(\w+)\) \| (\d+) \| `(true|false)` \| [^|]+ \| [^|]+ \|$", re.MULTILINE)
_SECTION = re.compile(r"^### `(\w+)`\n(.*?)(?=^#|\Z)", re.MULTILINE | re.DOTALL)
_LOG_LINE = re.compile(r'^```json\n(\{"time":.*)\n```$', re.MULTILINE)
_EXAMPLE = re.compile(r"^```http\n(HTTP/1\.1 .*?)\n```$", re.MULTILINE | re.DOTALL)

# They change from answer to answer.
_CHANGING_FIELDS = {"X-Request-Id", "RateLimit", "Retry-After"}
_CHANGING_MEMBERS = {"time", "request_id", "trace_id", "endpoint", "duration_ms", "upstream_ms"}
# No client can make the gateway answer these; client_closed is not answered at all.
_NOT_PROVOKABLE = {"overloaded", "internal", "client_closed"}

# code: (status, retryable, detail), in the order of the source.
SOURCE = {
    name: (int(status), retryable == "true", detail)
    for name, status, retryable, detail in _SOURCE_ROW.findall((_ROOT / "src" / "base" / "error.cc").read_text(encoding="utf-8"))
}


def _parse_example(text):
    """An example of the document as (status, fields, members of the body)."""
    head, _, body = text.partition("\n\n")
    status_line, *lines = head.splitlines()
    return int(status_line.split()[1]), [tuple(line.split(": ", 1)) for line in lines], body


EXAMPLES = {code: [_parse_example(text) for text in _EXAMPLE.findall(section)] for code, section in _SECTION.findall(DOCUMENT)}


LOG_LINES = {line["code"]: line for line in map(json.loads, _LOG_LINE.findall(DOCUMENT))}


def _expect_log_example(record):
    """The line is the document's example for its code: its members in their order, and all values that do not change."""
    documented = LOG_LINES[record["code"]]
    assert list(record) == list(documented)
    for name, value in documented.items():
        same_kind = type(record[name]) is type(value) and (not isinstance(value, str) or len(record[name]) == len(value))
        assert same_kind if name in _CHANGING_MEMBERS - {"endpoint"} else name == "endpoint" or record[name] == value, name


def test_the_source_was_read():
    header = (_ROOT / "src" / "base" / "error.h").read_text(encoding="utf-8")
    names = re.search(r"enum class ErrorCode[^{]*\{(.*?)\};", header, re.DOTALL)[1]
    assert list(SOURCE) == re.findall(r"^  (\w+),", names, re.MULTILINE)


def test_the_table_is_that_of_the_source():
    rows = _TABLE_ROW.findall(DOCUMENT)
    assert all(code == anchor for code, anchor, _, _ in rows)
    documented = [(code, int(status), retryable == "true") for code, _, status, retryable in rows]
    assert documented == [(code, status, retryable) for code, (status, retryable, _) in SOURCE.items()]


def test_every_code_has_a_section_in_the_same_order():
    assert [code for code, _ in _SECTION.findall(DOCUMENT)] == list(SOURCE)


@pytest.mark.parametrize("code", [code for code in SOURCE if code != "client_closed"])
def test_every_example_is_whole(code):
    (status, fields, body), = EXAMPLES[code]
    problem = json.loads(body)
    assert ("Content-Length", str(len(body.encode()))) in fields
    assert ("X-Request-Id", problem["request_id"]) in fields
    assert (problem["code"], problem["type"], problem["status"]) == (code, f"urn:lotagate:error:{code}", status)
    if code != "upstream_error":
        assert (status, problem["retryable"], problem["detail"]) == SOURCE[code]


def _failing(connection):
    connection.read_request()
    connection.reset()


def _silent(connection):
    connection.read_request()
    connection.wait_closed_by_peer()


def _garbage(connection):
    connection.read_request()
    connection.send(b"SSH-2.0-OpenSSH_9.2\r\n")
    connection.wait_closed_by_peer()


def _catalogue(request):
    if request.target != "/models/7":
        return ok(request)
    return http1.response_text(404, [("Content-Type", "application/json")], b'{"error":{"message":"There is no model 7."}}')


class Scene:
    """The gateway of the document's examples: what stands behind it, and whom it knows."""

    def __init__(self, start, backend, issuer, directory):
        self.issuer = issuer
        self.catalogue = backend(answer_all(_catalogue))
        self.ums = backend.keep(FakeUms())
        self.ums.add("alice", ["models:read"])
        services = {
            "catalogue": self.catalogue.url,
            "billing": backend(listening=False).url,
            "reports": backend(_failing).url,
            "training": configs.service(backend(_silent).url, first_byte="300ms"),
            "legacy": backend(_garbage).url,
        }
        self.inference = backend(_silent)
        routes = [{"path": f"/{name}", "service": name, "public": True} for name in services if name != "catalogue"] + [
            {"path": "/infer", "service": "inference", "public": True, "concurrency": ["per_user"]},
            {"path": "/models", "service": "catalogue", "public": True, "methods": ["GET", "HEAD"]},
            {"path": "/upload", "service": "catalogue", "public": True, "max_body": "1KiB"},
            {"path": "/search", "service": "catalogue", "public": True, "limits": ["per_address"]},
            {"path": "/account", "service": "catalogue", "require": {"GET": "models:read", "*": "models:write"}},
        ]
        config = configs.base(
            services, routes, authentication=configs.authentication(issuer, issuer.write_jwks(directory)),
            authorization={"user_management": self.ums.write_token(directory)},
            rate_limits={"per_address": {"key": "address", "tokens": 1, "refill": "1/m"}},
            concurrency_limits={"per_user": {"key": "user", "requests": 1}})
        config["services"]["inference"] = {"endpoints": [self.inference.url]}
        self.gateway = start(configs.with_timeouts(config, header="1s"))
        self.ums.wait_feed()

    def raw(self, data):
        with self.gateway.client() as client:
            client.send_tolerantly(data)
            return client.response()

    def request(self, method, target, fields=()):
        return self.raw(http1.request_text(method, target, fields))

    def with_token(self, subject="alice", method="GET", **claims):
        return self.request(method, "/account", bearer(self.issuer.mint(subject, **claims)))

    def limited(self):
        self.gateway.get("/search")
        return self.gateway.get("/search")

    def busy(self):
        with self.gateway.client() as client:
            client.send(http1.request_text("GET", "/infer"))
            self.inference.wait_requests(1)
            return self.gateway.get("/infer")

    def looped(self):
        seen = len(self.catalogue.requests)
        self.gateway.get("/models")
        return self.gateway.get("/models", [("Via", self.catalogue.requests[seen].get("Via"))])

    def without_directory(self):
        self.ums.set_mode("raw")
        return self.with_token("bob")


@pytest.fixture(name="scene", scope="module")
def _scene(module_gateway, module_backend, issuer, tmp_path_factory):
    return Scene(module_gateway, module_backend, issuer, tmp_path_factory.mktemp("scene"))


# code: what provokes it, as the document tells it.
PROVOCATIONS = {
    "bad_request": lambda s: s.raw(b"GET /models HTTP/1.1\r\n\r\n"),
    "ambiguous_path": lambda s: s.request("GET", "/models/a%2Fb"),
    "missing_token": lambda s: s.request("GET", "/account"),
    "invalid_token": lambda s: s.request("GET", "/account", bearer("a.b.c")),
    "expired_token": lambda s: s.with_token(exp=1_700_000_000),
    "forbidden": lambda s: s.with_token(method="DELETE"),
    "route_not_found": lambda s: s.request("GET", "/nowhere"),
    "method_not_allowed": lambda s: s.request("DELETE", "/models"),
    "request_timeout": lambda s: s.raw(b"GET /models HTTP/1.1\r\nHost: api.example\r\n"),
    "body_too_large": lambda s: s.request("POST", "/upload", [("Content-Length", "2000")]),
    "uri_too_long": lambda s: s.request("GET", "/models?q=" + "x" * 20_000),
    "expectation_failed": lambda s: s.request("GET", "/models", [("Expect", "200-ok")]),
    "headers_too_large": lambda s: s.request("GET", "/models", [("X-Large", "x" * 100_000)]),
    "rate_limited": Scene.limited,
    "concurrency_limited": Scene.busy,
    "not_implemented": lambda s: s.request("TRACE", "/models"),
    "version_not_supported": lambda s: s.raw(b"GET /models HTTP/2.0\r\nHost: api.example\r\n\r\n"),
    "loop_detected": Scene.looped,
    "authorization_unavailable": Scene.without_directory,
    "upstream_unreachable": lambda s: s.request("GET", "/billing"),
    "upstream_reset": lambda s: s.request("GET", "/reports"),
    "upstream_timeout": lambda s: s.request("GET", "/training"),
    "upstream_invalid": lambda s: s.request("GET", "/legacy"),
    "upstream_error": lambda s: s.request("GET", "/models/7"),
}


def _expect_example(response, code):
    """The answer is the document's example, apart from what changes every time."""
    (status, fields, body), = EXAMPLES[code]
    assert response.status == status
    documented, answered = json.loads(body), response.json()
    assert len(documented.pop("request_id")) == len(answered.pop("request_id"))
    assert answered == documented
    assert [name for name, _ in response.fields] == [name for name, _ in fields]
    for name, value in fields:
        assert name in _CHANGING_FIELDS or response.get(name) == value, name


@pytest.mark.parametrize("code", list(PROVOCATIONS))
def test_the_gateway_answers_as_documented(scene, code):
    _expect_example(PROVOCATIONS[code](scene), code)


def test_keys_unavailable_as_documented(gateway, backend, issuer, jwks_server):
    keys = jwks_server(listening=False)
    routes = [{"path": "/account", "service": "catalogue"}]
    instance = gateway(configs.base(
        {"catalogue": backend().url}, routes, authentication=configs.authentication(issuer, {"url": keys.jwks_url})))
    _expect_example(instance.get("/account", bearer(issuer.mint())), "keys_unavailable")


def test_limits_unavailable_as_documented(gateway, backend):
    nobody = backend(listening=False)
    limits = {"all_gateways": {"key": "address", "tokens": 10, "refill": "1/s", "shared": True, "on_store_failure": "closed"}}
    routes = [{"path": "/batch", "service": "catalogue", "public": True, "limits": ["all_gateways"]}]
    instance = gateway(configs.base({"catalogue": backend().url}, routes, rate_limits=limits,
                                    limit_store=nobody.url.replace("http://", "redis://")))
    _expect_example(instance.get("/batch"), "limits_unavailable")


def test_draining_as_documented(gateway, backend):
    server = backend(_silent)
    config = configs.base({"training": server.url}, [{"path": "/training", "service": "training", "public": True}])
    instance = gateway(configs.with_timeouts(config, drain="1s"))
    with instance.client() as client:
        client.send(http1.request_text("GET", "/training"))
        server.wait_requests(1)
        instance.terminate()
        _expect_example(client.response(), "draining")


def test_client_closed_is_only_logged(gateway, backend):
    server = backend(_silent)
    instance = gateway(configs.base({"training": server.url}, [{"path": "/training", "service": "training", "public": True}]))
    client = instance.client()
    client.send(http1.request_text("GET", "/training"))
    server.wait_requests(1)
    client.reset()
    record, = instance.wait_log()
    assert (record["status"], record["code"], record["reason"]) == (499, "client_closed", "client gone")
    _expect_log_example(record)


@pytest.mark.parametrize("code", ["upstream_reset", "forbidden"])
def test_a_request_id_finds_the_log_line(scene, code):
    response = PROVOCATIONS[code](scene)
    record, = scene.gateway.wait_log(where=lambda line: line["request_id"] == response.json()["request_id"])
    assert record["code"] == code and record["reason"] and record["reason"].encode() not in response.body
    _expect_log_example(record)


def test_every_log_line_of_the_document_is_checked():
    assert set(LOG_LINES) == {"upstream_reset", "forbidden", "client_closed"}


def test_every_answerable_code_is_provoked():
    assert set(SOURCE) - _NOT_PROVOKABLE == set(PROVOCATIONS) | {"keys_unavailable", "limits_unavailable", "draining"}
