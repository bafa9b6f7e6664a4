"""docs/rate-limiting.md and its examples: what is shown is what happens, and every example does what it says."""

import json
import re

import pytest

from harness import http1
from harness.client import get
from harness.examples import EXAMPLES, ROOT, Example
from harness.fleet import Fleet
from harness.gateway import run_command
from harness.limits import admitted, parse_items, remaining, statuses
from harness.problems import expect_problem
from harness.prometheus import parse
from harness.tokens import Issuer, Key, bearer
from harness.ums import FakeUms
from harness.wait import eventually

DOCUMENT = (ROOT / "docs" / "rate-limiting.md").read_text(encoding="utf-8")
NAMES = sorted(path.name for path in (EXAMPLES / "rate-limits").glob("*.yaml") if path.name != "concurrency.yaml")

_YAML = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HTTP = re.compile(r"^```http\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CONSOLE = re.compile(r"^```console\n\$ lotagate ([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(\.\./examples/rate-limits/([\w-]+\.yaml)\)")


def lines_of(text):
    """Without comments and white space around."""
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines())
    return [line for line in lines if line]


def is_within(wanted, lines):
    """Whether the lines occur in this order, with or without others between."""
    rest = iter(lines)
    return all(any(line == one for one in rest) for line in wanted)


@pytest.mark.parametrize("name", NAMES)
def test_every_example_passes_the_check(tmp_path, name):
    checked = Example(f"rate-limits/{name}", tmp_path / "checkout").check()
    assert (checked.returncode, checked.stderr) == (0, "")


def test_every_example_is_linked_and_listed():
    assert sorted(set(_LINK.findall(DOCUMENT))) == NAMES
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert [name for name in NAMES if f"(rate-limits/{name})" not in listed] == []


@pytest.mark.parametrize("block", _YAML.findall(DOCUMENT), ids=range(len(_YAML.findall(DOCUMENT))))
def test_what_the_document_shows_is_in_an_example(block):
    examples = [lines_of((EXAMPLES / "rate-limits" / name).read_text(encoding="utf-8")) for name in NAMES]
    assert any(is_within(lines_of(block), lines) for lines in examples), block


@pytest.mark.parametrize("command,output", _CONSOLE.findall(DOCUMENT))
def test_the_output_of_explain(command, output):
    words = [EXAMPLES / "rate-limits" / word if word.endswith(".yaml") else word for word in command.split()]
    done = run_command(*words)
    assert (done.stdout, done.stderr, done.returncode) == (output, "", 0)


# What the sources say, and how the document says it.
NUMBERS = [
    ("src/config/config.h", "milliseconds timeout = milliseconds(20)", "does not answer within 20 ms (`timeout`;"),
    ("src/limit/shared_policy.h", "lease_life{1200}", "Tokens that lie unspent for 1.2 s go back"),
    ("src/limit/shared_policy.h", "lease_life{1200}", "tokens + refill × (t + 1.2) + (G - 1) × ⌈tokens / G⌉ + G"),
    ("src/limit/shared_policy.h", "probe_every{250}", "one probe every 250 ms"),
    ("src/limit/shared_policy.h", "heartbeat_every{500}", "announce themselves every 0.5 s"),
    ("src/limit/shared_policy.h", "gateway_life{3000}", "not heard of for 3 s is missed, and not counted when it has been missing for 3 s more"),
    ("src/limit/lease.h", "kAskEveryNs = 2'000'000", "the same one at most every 2 ms"),
    ("src/limit/bucket_table.h", "3e-5", "probability of 3 in 100,000"),
    ("src/access/access_answer.cc", '"free", "pro", "enterprise"', "A plan is `free`, `pro` or `enterprise`"),
    ("tests/blackbox/harness/fleet.py", "LEASE_LIFE = 1.2", "*L* the life of a lease (1.2 s)"),
]


@pytest.mark.parametrize("source,says,shown", NUMBERS)
def test_the_numbers_are_those_of_the_sources(source, says, shown):
    assert says in (ROOT / source).read_text(encoding="utf-8")
    assert shown in " ".join(DOCUMENT.split()) or shown in DOCUMENT


def test_the_metrics_exist(gateway, backend, redis):
    server = redis()
    them = Fleet(gateway, backend, server.url, {"/": {"tokens": 5, "refill": "1/s"}}, 1).wait_members(server)
    instance, = them.gateways
    assert instance.get("/").status == 200

    def scrape():
        found = parse(instance.admin("/metrics").body.decode())
        return found if found.find("lotagate_limit_store_last_success_seconds") else None

    found = eventually(scrape, "an answer of the store")
    for name in re.findall(r"`(lotagate_[a-z_]+)", DOCUMENT):
        assert found.find(name), name
        for label in re.findall(rf"`{name}\{{([a-z,]+)\}}`", DOCUMENT):
            assert set(label.split(",")) <= set(found.find(name)[0][0]), name


# The examples at work


class Place:
    """An example, started with a service, an issuer of tokens and, where it needs them, users and a store."""

    def __init__(self, name, start, backend, directory, handler=None, **addresses):
        self.server = backend(handler)
        self.issuer = Issuer.__new__(Issuer)
        self.issuer.name, self.issuer.audience = "https://id.example", "models"
        self.issuer.keys = {"RS256": Key("RS256", "own")}
        self.keys = backend(self._serve_keys)
        example = Example(f"rate-limits/{name}", directory / "checkout")
        self.gateway = start(example.config({
            **({"http://127.0.0.1:7001": self.keys.url} if "jwks" in example.text else {}), **addresses,
            **{f"http://127.0.0.1:{port}": self.server.url for port in (7002, 7003) if f":{port}" in example.text}}))
        if "jwks" in example.text:
            eventually(lambda: self.gateway.admin("/readyz").status == 200, "the keys")

    def _serve_keys(self, connection):
        while True:
            connection.read_request()
            connection.send(http1.response_text(200, [("Content-Type", "application/json")], json.dumps(self.issuer.jwks()).encode()))

    def user(self, subject="alice", **claims):
        return bearer(self.issuer.mint(subject, "RS256", **claims))


def without_id(text):
    return re.sub(r'"request_id":"[^"]*"', '"request_id":"PLACE"', text)


def test_per_user_and_the_answers_shown(gateway, backend, tmp_path):
    place = Place("per-user.yaml", gateway, backend, tmp_path)
    told, refusal = _HTTP.findall(DOCUMENT)
    instance, alice = place.gateway, place.user()
    with instance.client() as client:
        first = client.get("/api/v1/training", alice)
        assert told == "".join(f"{name}: {first.get(name)}\n" for name in ("RateLimit-Policy", "RateLimit"))
        responses = [client.get("/api/v1/training", alice) for _ in range(10)]
    assert [response.status for response in responses] == [200] * 9 + [429]
    response = responses[-1]
    head, _, body = refusal.partition("\n\n")
    for line in head.splitlines()[1:]:
        name, _, value = line.partition(": ")
        # A bucket may have gained a token since, and seconds pass.
        assert re.sub(r"[0-9]+", "#", response.get(name)) == re.sub(r"[0-9]+", "#", value)
    assert parse_items(response.get("RateLimit-Policy")) == {"per_user": {"q": 20, "w": 2}, "jobs": {"q": 10, "w": 360}}
    assert without_id(response.body.decode()) == body.strip()
    assert admitted(instance, "/api/v1/models/search", place.user("bob")) in (4, 5)


def test_the_log_says_which_limit_refused(gateway, backend, tmp_path):
    place = Place("per-user.yaml", gateway, backend, tmp_path)
    assert 10 <= admitted(place.gateway, "/api/v1/training", place.user()) <= 11
    record, = place.gateway.wait_log(where=lambda line: line["status"] == 429)
    assert (record["code"], record["reason"]) == ("rate_limited", "jobs")


def test_per_plan(gateway, backend, tmp_path):
    ums = backend.keep(FakeUms())
    addresses = {"http://127.0.0.1:7101": ums.url, "https://users.example": "https://id.example"}
    place = Place("per-plan.yaml", gateway, backend, tmp_path, **addresses)
    users = {"alice": ("a", "pro"), "bob": ("b", "free"), "bill": ("b", "free"), "carol": ("c", "enterprise"), "dave": ("", "")}
    for name, (tenant, plan) in users.items():
        ums.add(name, ["*:*"], [], tenant, plan)
    assert remaining(place.gateway.get("/api/v1/models", place.user("alice")), "per_plan") == 999
    assert statuses(place.gateway, "/api/v1/models", place.user("bob"), 5) == [200] * 5
    assert admitted(place.gateway, "/api/v1/models", place.user("bill")) == 15, "of one tenant"
    assert not place.gateway.get("/api/v1/models", place.user("carol")).has("RateLimit")
    assert remaining(place.gateway.get("/api/v1/models", place.user("dave")), "per_plan") == 99
    assert admitted(place.gateway, "/api/v1/exports", place.user("carol", tier="silver")) == 6
    assert remaining(place.gateway.get("/api/v1/exports", place.user("carol", tier="gold")), "exports") == 59


def test_addresses(gateway, backend, tmp_path):
    place = Place("addresses.yaml", gateway, backend, tmp_path)
    junk = bearer("junk")
    assert statuses(place.gateway, "/api/v1/models", junk, 12) == [401] * 10 + [429] * 2
    assert statuses(place.gateway, "/healthz", count=60) == [200] * 60
    good = [get(place.gateway.port, "/api/v1/models", place.user(), source="127.0.0.5").status for _ in range(15)]
    assert good == [200] * 15
    behind = [("X-Forwarded-For", "10.1.2.3"), *place.user()]
    assert {get(place.gateway.port, "/api/v1/models", behind, source="127.0.0.2").status for _ in range(60)} == {200}


def test_logins(gateway, backend, tmp_path):
    def handler(connection):
        while True:
            request = connection.read_request()
            connection.send(http1.response_text(200 if b"right" in request.body else 401, [], b"{}"))

    server = backend(handler)
    example = Example("rate-limits/logins.yaml", tmp_path / "checkout")
    instance = gateway(example.config({"http://127.0.0.1:7001": server.url}))
    with instance.client() as client:
        assert [client.request("POST", "/login", body=b"right").status for _ in range(20)] == [200] * 20
        assert [client.request("POST", "/login", body=b"wrong").status for _ in range(12)] == [401] * 10 + [429] * 2
        assert expect_problem(client.request("POST", "/login", body=b"right"), "rate_limited")["violated-policies"] == ["failed_logins"]


def test_model_cost(gateway, backend, tmp_path):
    def handler(connection):
        while True:
            request = connection.read_request()
            connection.send(http1.response_text(200, [("X-Tokens-Used", request.target.rpartition("?")[2])], b"{}"))

    place = Place("model-cost.yaml", gateway, backend, tmp_path, handler)
    assert remaining(place.gateway.get("/api/v1/infer/small?80", place.user()), "model_tokens") == 10000 - 80
    assert statuses(place.gateway, "/api/v1/infer/small?9800", place.user(), 2) == [200, 429]
    assert admitted(place.gateway, "/api/v1/infer/large?1", place.user("bob")) == 6


def test_cluster_wide(gateway, backend, tmp_path, redis):
    server = redis()
    place = Place("cluster-wide.yaml", gateway, backend, tmp_path, **{"127.0.0.1:6379": f"127.0.0.1:{server.port}"})

    def pay():
        return place.gateway.get("/api/v1/payments", place.user()).status

    eventually(lambda: pay() == 200 and len(server.keys("lotagate:limit:p*")) == 2, "both shared buckets in the store, and no other")
    server.kill()
    eventually(lambda: pay() == 503, "payments to be closed")
    assert place.gateway.get("/api/v1/models", place.user()).status == 200

