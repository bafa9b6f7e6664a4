"""docs/identity.md: the outputs it shows, the numbers and metrics it names. Its other parts: test_identity_*.py."""

import json
import re

import pytest

from harness import configs
from harness.examples import ROOT, Example
from harness.gateway import run_command
from harness.prometheus import parse
from harness.tokens import Issuer, Key, bearer

DOCUMENT = (ROOT / "docs" / "identity.md").read_text(encoding="utf-8")

_CONSOLE = re.compile(r"^```console\n\$ lotagate ([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def own_issuer(directory):
    """The first example with a key that the test has, and a token of a `viewer`."""
    example = Example("identity/own-issuer.yaml", directory)
    issuer = Issuer.__new__(Issuer)
    issuer.name, issuer.audience, issuer.keys = "https://id.example", "models", {"ES256": Key("ES256", "own")}
    example.write("keys.json", issuer.jwks())
    return example, lambda **claims: issuer.mint("alice", "ES256", header={"typ": "at+jwt"}, roles=["viewer"], **claims)


# The access log


def test_the_log_and_the_metric_of_a_refusal(gateway, backend, tmp_path):
    shown, = (json.loads(text) for text in re.findall(r"^```json\n(.*?)\n```$", DOCUMENT, re.MULTILINE))
    metric, = re.findall(r"^```\n(lotagate_.*)\n```$", DOCUMENT, re.MULTILINE)
    example, mint = own_issuer(tmp_path)
    instance = gateway(example.config({"http://127.0.0.1:7002": backend().url}))
    assert instance.get("/api/v1/models", bearer(mint(aud="other"))).status == 401
    record, = instance.wait_log()
    assert list(record) == list(shown)
    changing = ("time", "request_id", "duration_ms")
    assert [record[name] for name in record if name not in changing] == [shown[name] for name in shown if name not in changing]
    assert metric in instance.admin("/metrics").body.decode().splitlines()


# lotagate explain


@pytest.mark.parametrize("command,output", _CONSOLE.findall(DOCUMENT))
def test_the_output_of_explain(tmp_path, command, output):
    example, mint = own_issuer(tmp_path)
    example.write("token", mint())
    words = [str(example.resolve(word)) if word in ("own-issuer.yaml", "token") else word for word in command.split()]
    done = run_command(*words)
    assert (done.stdout, done.stderr, done.returncode) == (output, "", 3)


def test_explain_is_shown_as_text_and_as_json():
    assert ["--json" in command for command, _ in _CONSOLE.findall(DOCUMENT)] == [False, True]


# Numbers

# What the sources say, and how the document says it.
NUMBERS = [
    ("src/gateway/key_source.h", "fetch_timeout{3000}", "takes up to 3 s and 256 KiB"),
    ("src/gateway/key_source.h", "retry_first{1000}", "again within 1 s, 2 s, 4 s, ... 30 s"),
    ("src/gateway/key_source.h", "retry_last{30000}", "at most 30 s later"),
    ("src/gateway/key_source.h", "retry_without_keys{2000}", "2 s at most while there are no keys at all"),
    ("src/gateway/key_source.h", "file_check{5000}", "are read again every 5 s"),
    ("src/gateway/key_source.h", "shortest_refresh{30000}", "fetches are 30 s apart"),
    ("src/gateway/key_source.h", "metadata_refresh{3600000}", "is read again every hour"),
    ("src/gateway/discovery.h", "kMaxDiscoveryBytes = 64UZ * 1024", "and 64 KiB"),
    ("src/access/key_set.h", "kMaxJwksBytes = 256", "up to 3 s and 256 KiB"),
    ("src/config/config.h", "seconds refresh = std::chrono::minutes(5)", "within `refresh` (5 m)"),
    ("src/config/config.h", "max_stale = std::chrono::hours(24)", "`max_stale` (24 h)"),
    ("src/config/config.h", "cooldown = seconds(10)", "`cooldown` (10 s)"),
    ("src/config/config.h", "fresh_for = seconds(5)", "`fresh_for` (5 s)"),
    ("src/config/config.h", "stale_for = std::chrono::minutes(10)", "`stale_for` (10 m 5 s)"),
    ("src/config/config.h", "timeout = seconds(2)", "`timeout` (2 s)"),
    ("src/access/role_directory.h", "unknown_for{5000}", "is remembered as such for 5 s at most"),
    ("src/access/role_directory.h", "retry_after{500}", "asked again after 0.5 s"),
    ("src/access/circuit_breaker.h", "failures = 5;", "five failures in a row"),
    ("src/access/circuit_breaker.h", "first_pause{1000}", "single probes 1 s to 10 s apart"),
    ("src/access/circuit_breaker.h", "last_pause{10000}", "single probes 1 s to 10 s apart"),
    ("src/gateway/changes_feed.h", "retry_first{200}", "tried again after 0.2 s to 5 s"),
    ("src/gateway/changes_feed.h", "retry_last{5000}", "tried again after 0.2 s to 5 s"),
    ("src/access/access_answer.h", "kMaxRevokedSessions = 256", "up to 256 ended sessions"),
    ("src/access/claims.h", "kMaxSubjectBytes = 256", "1 to 256 bytes of visible ASCII"),
    ("src/access/issued_rights.h", "kMaxClaimEntries = 256", "a text or list of up to 256"),
    ("src/access/issued_rights.h", "kMaxClaimHeaderBytes = 4096", "past 4 KiB of all such headers"),
    ("src/access/api_key.h", "kMinApiKeyBytes = 20", "20 to 256 characters"),
    ("src/jose/key.h", "kMaxKidBytes = 256", "`kid` is over 256 bytes"),
    ("services/users/flags.h", "token_ttl = std::chrono::minutes(15)", "15 minutes with the User Management Service"),
]


@pytest.mark.parametrize("source,number,words", NUMBERS, ids=[number for _, number, _ in NUMBERS])
def test_the_numbers_are_those_of_the_sources(source, number, words):
    assert number in (ROOT / source).read_text(encoding="utf-8")
    assert words in DOCUMENT


# Metrics


def test_every_metric_that_is_named_exists(gateway, backend, issuer, jwks, ums, tmp_path):
    instance = gateway(configs.base(
        {"backend": backend().url}, [{"path": "/", "service": "backend"}],
        authentication=configs.authentication(issuer, jwks), authorization={"user_management": ums.write_token(tmp_path)}))
    names = set(re.findall(r"\blotagate_\w+", DOCUMENT))
    # A family without samples yet has its TYPE.
    assert names and names <= set(parse(instance.admin("/metrics").body.decode()).types)


# What services get


def test_the_headers_of_services(gateway, backend, issuer, jwks, ums, tmp_path):
    server, api_key = backend(), "lgk_" + "k" * 43
    ums.add("me:alice", roles=["viewer", "trainer"], tenant="acme")
    ums.add_key(api_key, "me:alice")
    authentication = configs.authentication(issuer, jwks, api_keys={})
    authentication["issuers"][0] |= {"subject_prefix": "me:", "roles_claim": "roles", "claims_to_headers": {"email": "X-User-Email"}}
    instance = gateway(configs.base(
        {"backend": server.url}, [{"path": "/", "service": "backend", "api_keys": True},
                                  {"path": "/public", "service": "backend", "public": True}],
        authentication=authentication, authorization={"user_management": ums.write_token(tmp_path)}))
    token = bearer(issuer.mint("alice", roles=["viewer"], tenant="other", email="a@example.com"))
    claimed = [("X-Auth-Subject", "root"), ("X_Auth_Roles", "admin"), ("X-Consumer-Name", "root")]

    def identity(target, fields):
        seen = len(server.requests)
        assert instance.get(target, fields + claimed).status == 200
        return {name: value for name, value in server.requests[seen].fields
                if name.lower().replace("_", "-").startswith(("x-auth-", "x-user-", "x-consumer-"))}

    known = {"X-Auth-Subject": "me:alice", "X-Auth-Tenant": "acme", "X-Auth-Roles": "viewer,viewer,trainer"}
    assert identity("/", token) == {**known, "X-User-Email": "a@example.com"}
    by_key = identity("/", [("X-API-Key", api_key)])
    assert by_key.pop("X-Auth-Key-Id").startswith("key_") and by_key == {**known, "X-Auth-Roles": "viewer,trainer"}
    assert identity("/public", token) == {}
    ums.add("me:bob", roles=[], tenant="", plan="")
    assert identity("/", bearer(issuer.mint("bob", tenant="other"))) == {"X-Auth-Subject": "me:bob"}

    taken = (ROOT / "src" / "config" / "read_claims.cc").read_text(encoding="utf-8").partition("kTakenHeaders{")[2].partition("}")[0]
    assert re.findall(r"^\| `(X-[\w-]+)` \|", DOCUMENT, re.MULTILINE) == re.findall(r'"([^"]+)"', taken)
