"""What log and metrics say about callers: who came with what, why somebody was refused, what a route's rule said."""

import pathlib
import random

import pytest

from harness import configs, prometheus
from harness.key_sets import SmallIssuer
from harness.tokens import Key, bearer
from harness.ums import FakeUms, digest_of
from harness.wait import eventually

_SOURCE = "".join(path.read_text(encoding="utf-8") for path in pathlib.Path(__file__).resolve().parents[2].glob("src/*/*.cc"))
_OTHER_KEY = Key("EdDSA", "key-1")
KEY, REVOKED = "lgk_" + "r" * 43, "lgk_" + "v" * 43
ROUTES = {
    "/public": {"public": True}, "/any": {"api_keys": True},
    "/models": {"api_keys": True, "require": {"GET": "models:read", "*": "models:write"}},
    "/trial": {"report_only": True, "require": {"*": "models:write"}}, "/mine/{subject}": {},
    "/limited": {"public": True, "limits": ["few"]},
}


def refusals(instance):
    """{(code, reason): count} of lotagate_access_refusals_total."""
    scrape = prometheus.parse(instance.admin("/metrics").body.decode())
    assert scrape.types["lotagate_access_refusals_total"] == scrape.types["lotagate_policy_decisions_total"] == "counter"
    found = scrape.find("lotagate_access_refusals_total")
    assert all(set(labels) == {"code", "reason"} for labels, _ in found)
    return {(labels["code"], labels["reason"]): value for labels, value in found}


def decisions(instance):
    """{(route, decision): count} of lotagate_policy_decisions_total."""
    found = prometheus.parse(instance.admin("/metrics").body.decode()).find("lotagate_policy_decisions_total")
    assert all(set(labels) == {"route", "service", "decision"} and labels["service"] == "backend" for labels, _ in found)
    return {(labels["route"], labels["decision"]): value for labels, value in found}


def grown(before, after):
    """What counts more than before, by how much."""
    return {name: value - before.get(name, 0) for name, value in after.items() if value != before.get(name, 0)}


class Place:
    """The gateway of this file, an issuer of tokens, one whose keys cannot be had, and the service behind them."""

    def __init__(self, start, backend, directory, workers=1):
        self.issuer, self.silent = SmallIssuer("https://users.test"), SmallIssuer("https://silent.test")
        self.server, self.ums = backend(), backend.keep(FakeUms())
        self.ums.add("alice", ["models:read"])
        self.ums.add("dora", ["*:*"], disabled=True)
        self.ums.add("gone", ["*:*"], revoked_sessions=["s-1"])
        self.ums.add_key(KEY, "alice")
        self.ums.add_key(REVOKED, "alice", disabled=True)
        authentication = configs.authentication(self.issuer, self.issuer.write_jwks(directory))
        own, = authentication["issuers"]
        own["subject_prefix"] = ""
        nowhere = {"url": backend(listening=False).url + "/keys"}
        authentication["issuers"].append({**own, "issuer": self.silent.name, "jwks": nowhere, "subject_prefix": "silent:"})
        self.config = configs.base(
            {"backend": self.server.url}, [{"path": path, "service": "backend", **rule} for path, rule in ROUTES.items()],
            authentication=authentication, authorization={"user_management": self.ums.write_token(directory)},
            rate_limits={"few": {"key": "address", "tokens": 1, "refill": "1/h"}})
        self.gateway = start({**self.config, "workers": workers})
        self.ums.wait_feed()

    def ask(self, request_line, fields):
        """The line of the log about one request; once it is written, the request is counted too."""
        method, target = request_line.split(" ", 1)
        with self.gateway.client() as client:
            response = client.request(method, target, fields)
        record, = self.gateway.wait_log(where=lambda line: line["request_id"] == response.get("X-Request-Id"))
        assert record["status"] == response.status
        return record


@pytest.fixture(name="place", scope="module")
def _place(module_gateway, module_backend, tmp_path_factory):
    place = Place(module_gateway, module_backend, tmp_path_factory.mktemp("records"))
    place.ask("GET /limited", [])
    return place


def token(subject="alice", **changes):
    return lambda place: bearer(place.issuer.mint(subject, **changes))


def key(text):
    return lambda _: [("X-API-Key", text)]


def nothing(_):
    return []


def key_id(text):
    return "key_" + digest_of(text)[:8]


# (request, what it brings; then of the log: code, reason, credential, user, key_id, policy)
RECORDS = {
    "public": ("GET /public", token(), None, None, None, None, None, None),
    "no token": ("GET /any", nothing, "missing_token", "no Authorization", None, None, None, None),
    "another scheme": ("GET /any", lambda _: [("Authorization", "Basic YTpi")], "missing_token", "not a bearer token", None,
                       None, None, None),
    "a bad token": ("GET /any", lambda _: bearer("a.b.c"), "invalid_token", ..., "token", None, None, None),
    "an unknown issuer": ("GET /any", token(iss="https://evil.test"), "invalid_token", "claim_iss_unknown", "token", None, None, None),
    "a bad signature": ("GET /any", token(key=Key("EdDSA", "key-1")), "invalid_token", "signature_mismatch", "token", None, None, None),
    "expired": ("GET /any", token(exp=1), "expired_token", "claim_exp_passed", "token", None, None, None),
    "an ended session": ("GET /any", token("gone", sid="s-1"), "invalid_token", "session_ended", "token", "gone", None, None),
    "no keys": ("GET /any", lambda p: bearer(p.silent.mint()), "keys_unavailable", "keys_never_fetched", "token", None, None, None),
    "an unknown user": ("GET /models", token("nobody"), "forbidden", "unknown_user", "token", "nobody", None, None),
    "a disabled user": ("GET /trial", token("dora"), "forbidden", "disabled_user", "token", "dora", None, None),
    "any caller": ("GET /any", token(), None, None, "token", "alice", None, None),
    "allowed": ("GET /models", token(), None, None, "token", "alice", None, "allow"),
    "denied": ("PUT /models", token(), "forbidden", "missing_permission", "token", "alice", None, "deny"),
    "not the owner": ("GET /mine/bob", token(), "forbidden", "not_owner", "token", "alice", None, "deny"),
    "the owner": ("GET /mine/alice", token(), None, None, "token", "alice", None, "allow"),
    "would be denied": ("GET /trial", token(), None, "missing_permission", "token", "alice", None, "would_deny"),
    "a key": ("GET /any", key(KEY), None, None, "api_key", "alice", key_id(KEY), None),
    "a key that is allowed": ("GET /models", key(KEY), None, None, "api_key", "alice", key_id(KEY), "allow"),
    "a key that is denied": ("PUT /models", key(KEY), "forbidden", "missing_permission", "api_key", "alice", key_id(KEY), "deny"),
    "a revoked key": ("GET /models", key(REVOKED), "invalid_token", "api_key_disabled", "api_key", None, key_id(REVOKED), None),
    "an unknown key": ("GET /any", key("lgk_" + "u" * 43), "invalid_token", "api_key_unknown", "api_key", None, None, None),
    "a malformed key": ("GET /any", key("short"), "invalid_token", "api_key_malformed", "api_key", None, None, None),
    "both": ("GET /any", lambda p: [*token()(p), *key(KEY)(p)], "bad_request", "a token and an API key", None, None, None, None),
    "no route": ("GET /nowhere", token(), "route_not_found", "no route", None, None, None, None),
    "too many": ("GET /limited", token(), "rate_limited", "few", None, None, None, None),
}
ABOUT_THE_CALLER = {"missing_token", "invalid_token", "expired_token", "forbidden", "keys_unavailable", "authorization_unavailable"}


@pytest.mark.parametrize("request_line,fields,code,reason,credential,user,of_key,policy", RECORDS.values(), ids=list(RECORDS))
def test_a_request_is_logged_and_counted(place, request_line, fields, code, reason, credential, user, of_key, policy):
    """One refusal is one count under its reason, and one decision one under its route; all others count nothing there."""
    refused, decided = refusals(place.gateway), decisions(place.gateway)
    record = place.ask(request_line, fields(place))
    logged = (record["code"], record["credential"], record["user"], record["key_id"], record["policy"])
    assert logged == (code, credential, user, of_key, policy)
    assert record["reason"] == (record["reason"] if reason is ... else reason)
    assert grown(refused, refusals(place.gateway)) == ({(code, record["reason"]): 1} if code in ABOUT_THE_CALLER else {})
    assert grown(decided, decisions(place.gateway)) == ({(record["route"], policy): 1} if policy else {})


def test_the_service_is_down(gateway, backend, tmp_path):
    place = Place(gateway, backend, tmp_path)
    place.ums.set_mode("error")
    for fields, credential, user in ((token(), "token", "alice"), (key(KEY), "api_key", None)):
        record = place.ask("GET /models", fields(place))
        assert (record["status"], record["credential"], record["user"], record["policy"]) == (503, credential, user, None)
        assert refusals(place.gateway)[("authorization_unavailable", record["reason"])] >= 1
    assert sum(refusals(place.gateway).values()) == 2


def test_callers_make_no_series(place):
    """However a credential is wrong, the reasons are texts of the program's own."""
    generator = random.Random(7)
    parts = ["", "a", "e30", "eyJhbGciOiJub25lIn0", "!", "=", "x" * 3000, "eyJhbGciOiJFZERTQSJ9"]
    with place.gateway.client() as client:
        for _ in range(500):
            text = ".".join(generator.choices(parts, k=generator.randint(1, 5)))
            subject, key_used = generator.choice(["", "a b", "nobody", 5]), generator.choice([None, _OTHER_KEY])
            odd = place.issuer.mint(subject, header={"kid": text[:50]}, aud=text, key=key_used)
            client.get("/any", generator.choice([bearer(text), [("X-API-Key", text)], bearer(odd)]))
            client.get(f"/mine/{generator.randint(0, 10**9)}", bearer(place.issuer.mint(str(generator.randint(0, 5)))))
    reasons = {reason for _, reason in refusals(place.gateway)}
    assert len(reasons) > 15 and not [reason for reason in reasons if f'"{reason}"' not in _SOURCE]
    assert {route for route, _ in decisions(place.gateway)} <= set(ROUTES)


def test_counts_are_those_of_all_workers_and_outlive_a_reload(gateway, backend, tmp_path):
    place = Place(gateway, backend, tmp_path, workers=3)
    for _ in range(40):
        for request_line, fields in (("GET /any", nothing), ("PUT /models", token()), ("GET /trial", token())):
            method, target = request_line.split()
            with place.gateway.client() as client:
                client.request(method, target, fields(place))
    place.gateway.wait_log(120)
    expected = {("missing_token", "no Authorization"): 40, ("forbidden", "missing_permission"): 40}
    assert refusals(place.gateway) == expected
    assert decisions(place.gateway) == {("/models", "deny"): 40, ("/trial", "would_deny"): 40}
    routes = [*place.config["routes"], {"path": "/new", "service": "backend", "public": True}]
    place.gateway.reload({**place.config, "workers": 3, "routes": routes})
    eventually(lambda: place.gateway.get("/new").status == 200, "the new route")
    assert refusals(place.gateway) == expected and decisions(place.gateway)[("/models", "deny")] == 40
