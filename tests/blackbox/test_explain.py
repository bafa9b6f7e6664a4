"""`lotagate explain`: what it says is what the gateway does, and it says why."""

import json
import subprocess
import time

import pytest

from harness import configs, http1
from harness.gateway import BINARY
from harness.key_sets import SmallIssuer
from harness.tokens import Key, bearer
from harness.ums import FakeUms

LIMITS = {
    "per_user": {"key": "user", "tokens": 1000, "refill": "1000/s"},
    "doors": {"key": ["address", "route", "service"], "rate": "1000/min", "count": [403, 401], "exempt": {
        "addresses": ["198.51.100.0/24"], "paths": ["/healthz"]}},
    "plans": {"key": "tenant", "by": "plan", "cases": {"pro": "600/h", "*": "60/h"}},
    "models": {"key": "api_key", "tokens": 500, "refill": "1000/d", "cost": {"field": "X-Tokens-Used", "reserve": 5, "most": 90}},
    "parts": {"key": [{"header": "X-Team"}, {"claim": "org.id"}], "rate": "40/s", "exempt": {"users": ["gone"]}},
    "roles": {"by": "role", "cases": {"chief": "unlimited", "member": {"tokens": 300, "refill": "2.5/s"}, "*": "30/s"}},
    "tiers": {"by": {"claim": "tiers"}, "cases": {"gold": "70/s", "silver": "7/s", "*": "1/s"}, "report_only": True},
    "free": {"key": "user", "rate": "999/d", "cost": 9}, "trial": {"key": "user", "rate": "50/s", "exempt": {"users": ["2:sam"]}},
}
KEYS = {name: f"lgk_{name}" + "k" * 30 for name in ("good", "narrow", "disabled", "expired", "orphan", "unknown")}
ALLOWED, REFUSED, FAILED = 0, 3, 1
ROUTES = {
    "/public": {"public": True}, "/any": {}, "/models": {"require": {"GET": "models:read", "*": "models:write"}, "limits": ["per_user"]},
    "/keys": {"api_keys": True, "require": {"*": "models:read"}}, "/only-keys": {"api_keys": True, "issuers": []},
    "/users/{subject}": {"require": {"GET": {"owner_or": "users:read"},
        "*": {"roles": ["chief"], "owner_or": ["users:read", "users:write"]}}},
    "/mine/{subject}": {}, "/trial": {"report_only": True, "require": {"*": {"any": ["models:write", "a:b"]}}},
    "/claims": {"require": {"*": {"scopes": ["openid", "models"], "roles": ["trainer", "chief"]}}},
    "/named": {"methods": ["GET", "POST"], "require": {"GET": "models:read", "POST": "models:write"}},
    "/first": {"issuers": ["https://first.test"]},
    "/socket": {"public": True, "upgrade": ["websocket"]}, "/small": {"public": True, "max_body": "1KiB"},
    "/limits": {"limits": ["doors", "plans", {"name": "models", "cost": 7}, "parts"], "api_keys": True},
    "/limits/public": {"public": True, "limits": ["plans", "roles", "doors"]},
    "/limits/cases": {"limits": ["roles", "tiers", "free", "trial"]}, "/healthz": {"public": True, "limits": ["doors"]},
    "/hosts": {"host": "inner.test", "public": True}, "/headers": {"headers": {"X-Edition": "beta"}},
}


def run(config_path, *arguments, stdin=""):
    """Runs the command; returns the finished process with text output."""
    return subprocess.run([str(BINARY), "explain", *map(str, arguments), "-c", str(config_path)], input=stdin, capture_output=True,
                          text=True, timeout=20, check=False)


class Place:
    """The gateway that is asked the same, its issuers, and the service that knows the users of the first."""

    def __init__(self, start, backend, directory):
        self.first, self.second, self.silent = (SmallIssuer(f"https://{name}.test") for name in ("first", "second", "silent"))
        self.server, self.ums = backend(), backend.keep(FakeUms())
        silent = backend(listening=False)
        self.ums.add("alice", ["models:read"], roles=["member"], tenant="acme")
        self.ums.add("dora", ["*:*"], disabled=True)
        self.ums.add("gone", ["*:*"], revoked_sessions=["s-1"])
        self.ums.add_key(KEYS["good"], "alice")
        self.ums.add_key(KEYS["narrow"], "alice", permissions=["models:write"])
        self.ums.add_key(KEYS["disabled"], "alice", disabled=True)
        self.ums.add_key(KEYS["expired"], "alice", expires_at=1)
        self.ums.add_key(KEYS["orphan"], "nobody")
        sections = [self._section(directory, self.first, subject_prefix=""),
                    self._section(directory, self.second, subject_prefix="2:", user_management=False,
                        roles_claim="realm_access.roles", typ="at+jwt"),
                    self._section(directory, self.silent, subject_prefix="3:", jwks={"url": silent.url + "/keys"})]
        self.gateway = start(configs.base(
            {"backend": self.server.url}, [{"path": path, "service": "backend", **rule} for path, rule in ROUTES.items()],
            authentication={"issuers": sections},
            authorization={"user_management": self.ums.write_token(directory), "roles": {"chief": ["models:write"]}},
            rate_limits=LIMITS))
        self.ums.wait_feed()

    @staticmethod
    def _section(directory, issuer, **more):
        folder = directory / issuer.name.rpartition("/")[2]
        folder.mkdir()
        return {"issuer": issuer.name, "audiences": [issuer.audience], "algorithms": ["EdDSA"], "jwks": issuer.write_jwks(folder), **more}

    def explain(self, *arguments, stdin=""):
        return run(self.gateway.config_path, *arguments, stdin=stdin)

    def text(self, *arguments):
        """The lines as a dict; a line that comes several times as a list."""
        found = {}
        for line in self.explain(*arguments).stdout.splitlines():
            name, value = line.split(None, 1)
            found[name] = value if name not in found else [*([found[name]] if isinstance(found[name], str) else found[name]), value]
        return found

    def json(self, *arguments):
        ran = self.explain(*arguments, "--json")
        assert not ran.stderr
        found = json.loads(ran.stdout)
        assert ran.returncode == (ALLOWED if found["allowed"] else REFUSED) and found["allowed"] == (found["code"] is None)
        return found

    def second_token(self, **claims):
        return self.second.mint("sam", header={"typ": "at+jwt"}, **claims)


@pytest.fixture(name="place", scope="module")
def _place(module_gateway, module_backend, tmp_path_factory):
    return Place(module_gateway, module_backend, tmp_path_factory.mktemp("explain"))


# The same requests to both.


def token(subject="alice", **changes):
    return lambda place: {"token": place.first.mint(subject, **changes)}


def second(**claims):
    return lambda place: {"token": place.second_token(**claims)}


def key(name):
    return lambda _: {"api_key": KEYS[name]}


def raw(text):
    return lambda _: {"token": text}


def nothing(_):
    return {}


def with_fields(*fields):
    """A good token, and these."""
    return lambda place: {**token()(place), "headers": list(fields)}


SKILLED = {"realm_access": {"roles": ["chief"]}, "scope": "models openid"}
# What is asked, and with what: the code and the reason of the refusal; None: allowed.
REQUESTS = {
    "public": ("GET /public/x?y=z", nothing, None, None),
    "no route": ("GET /nowhere", nothing, "route_not_found", "no route"),
    "no route with a token": ("GET /models/../nowhere", token(), "route_not_found", "no route"),
    "another method": ("DELETE /named", token(), "method_not_allowed", "method"),
    "an odd path": ("GET /models%2F7", token(), "ambiguous_path", None),
    "a bad path": ("GET /models%00", token(), "bad_request", None),
    "a method that nobody knows": ("PURGE /any", token(), "not_implemented", "method"),
    "a method that is never forwarded": ("TRACE /any", token(), "not_implemented", "method"),
    "no token": ("GET /any", nothing, "missing_token", "no Authorization"),
    "no token for a key's route": ("GET /keys", nothing, "missing_token", "no Authorization"),
    "no token of three parts": ("GET /any", raw("a.b"), "invalid_token", None),
    "no token at all": ("GET /any", raw("nonsense"), "invalid_token", None),
    "two tokens in one": ("GET /any", raw("a.b.c d.e.f"), "invalid_token", None),
    "a token that is too large": ("GET /any", raw("x" * 9000), "invalid_token", "token_too_large"),
    "another issuer": ("GET /any", token(iss="https://evil.test"), "invalid_token", "claim_iss_unknown"),
    "another audience": ("GET /any", token(aud="other"), "invalid_token", "claim_aud_mismatch"),
    "another key": ("GET /any", token(key=Key("EdDSA", "key-1")), "invalid_token", "signature_mismatch"),
    "an unknown key": ("GET /any", token(header={"kid": "key-9"}), "invalid_token", "key_unknown"),
    "another algorithm": ("GET /any", token(header={"alg": "RS256"}), "invalid_token", "algorithm_not_allowed"),
    "no algorithm": ("GET /any", token(header={"alg": "none"}), "invalid_token", None),
    "another type": ("GET /any", lambda p: {"token": p.second.mint()}, "invalid_token", "header_typ_mismatch"),
    "expired": ("GET /any", token(exp=1_700_000_000), "expired_token", "claim_exp_passed"),
    "not yet": ("GET /any", token(nbf=4_000_000_000), "invalid_token", "claim_nbf_in_future"),
    "no expiry": ("GET /any", token(exp=None), "invalid_token", "claim_exp_missing"),
    "roles that are none": ("GET /any", second(realm_access={"roles": 5}), "invalid_token", "claim_roles_malformed"),
    "an issuer that the route does not take": ("GET /first", second(), "invalid_token", "issuer_not_accepted"),
    "keys that cannot be had": ("GET /any", lambda p: {"token": p.silent.mint()}, "keys_unavailable", "keys_never_fetched"),
    "allowed": ("GET /models/7", token(), None, None),
    "a missing permission": ("POST /models", token(), "forbidden", "missing_permission"),
    "an unknown user": ("GET /any", token("nobody"), "forbidden", "unknown_user"),
    "a disabled user": ("GET /any", token("dora"), "forbidden", "disabled_user"),
    "an ended session": ("GET /any", token("gone", sid="s-1"), "invalid_token", "session_ended"),
    "another session": ("GET /any", token("gone", sid="s-2"), None, None),
    "claims alone": ("GET /claims", second(**SKILLED), None, None),
    "a role's permission": ("POST /models", second(**SKILLED), None, None),
    "a missing role": ("GET /claims", token(scope="models openid"), "forbidden", "missing_role"),
    "a missing scope": ("GET /claims", second(realm_access={"roles": ["chief"]}), "forbidden", "missing_scope"),
    "the owner": ("GET /users/%61lice/x", token(), None, None),
    "another's": ("GET /users/bob", token(), "forbidden", "not_owner"),
    "the owner with a parameter": ("GET /users/alice;v=1", token(), "forbidden", "not_owner"),
    "owner and role": ("PUT /users/alice", token(), "forbidden", "missing_role"),
    "the owner with a prefix": ("GET /mine/2:sam", second(), None, None),
    "the owner without its prefix": ("GET /mine/sam", second(), "forbidden", "not_owner"),
    "a key": ("GET /keys", key("good"), None, None),
    "a key that may less": ("GET /keys", key("narrow"), "forbidden", "missing_permission"),
    "a key that may enough": ("GET /only-keys", key("narrow"), None, None),
    "a disabled key": ("GET /keys", key("disabled"), "invalid_token", "api_key_disabled"),
    "an expired key": ("GET /keys", key("expired"), "invalid_token", "api_key_expired"),
    "an unknown key of the service": ("GET /keys", key("unknown"), "invalid_token", "api_key_unknown"),
    "a key of nobody": ("GET /keys", key("orphan"), "forbidden", "unknown_user"),
    "a malformed key": ("GET /keys", lambda _: {"api_key": "short"}, "invalid_token", "api_key_malformed"),
    "a key where none counts": ("GET /any", key("good"), "missing_token", "no Authorization"),
    "a key on a public route": ("GET /public", key("good"), None, None),
    "a token where only keys count": ("GET /only-keys", token(), "invalid_token", "issuer_not_accepted"),
    "only reported": ("GET /trial", token(), None, "missing_permission"),
    "nothing to report": ("GET /trial", second(**SKILLED), None, None),
    "only reported, but expired": ("GET /trial", token(exp=1), "expired_token", "claim_exp_passed"),
    "only reported, but disabled": ("GET /trial", token("dora"), "forbidden", "disabled_user"),
    "another host": ("GET /hosts", nothing, "route_not_found", "no route"),
    "its host": ("GET /hosts", lambda _: {"host": "INNER.test:8080"}, None, None),
    "without its header": ("GET /headers", token(), "route_not_found", "no route"),
    "with its header": ("GET /headers", lambda p: {**token()(p), "headers": [("X-Edition", "beta")]}, None, None),
    "a token in the header": ("GET /any", lambda p: {"headers": bearer(p.first.mint())}, None, None),
    "a key in the header": ("GET /keys", lambda _: {"headers": [("x-api-key", KEYS["good"])]}, None, None),
    "both": ("GET /keys", lambda p: {"api_key": KEYS["good"], "headers": bearer(p.first.mint())}, "bad_request", "a token and an API key"),
    "two keys": ("GET /keys", lambda p: {"api_key": KEYS["good"], "headers": [("X-API-Key", "x")]}, "bad_request", "repeated API key"),
    "two tokens": ("GET /any", lambda p: {**token()(p), "headers": bearer(p.first.mint())}, "bad_request", "repeated Authorization or Content-Type"),
    "an expectation": ("GET /any", with_fields(("Expect", "x")), "expectation_failed", "Expect"),
    "two framings": ("POST /any", with_fields(("Transfer-Encoding", "chunked"), ("Content-Length", "5")), "bad_request", None),
    "two lengths": ("POST /any", with_fields(("Content-Length", "5"), ("Content-Length", "6")), "bad_request", None),
    "an unknown coding": ("POST /any", with_fields(("Transfer-Encoding", "gzip, chunked")), "not_implemented", None),
    "a body that is announced too large": ("POST /small", with_fields(("Content-Length", "1025")), "body_too_large", "Content-Length"),
    "a field that must stay": ("GET /any", with_fields(("Connection", "Host")), "bad_request", None),
    "no number of hops": ("OPTIONS /public", with_fields(("Max-Forwards", "x")), "bad_request", "Max-Forwards"),
    "two types": ("POST /any", with_fields(("Content-Type", "a/b"), ("Content-Type", "a/b")), "bad_request", None),
    "a handshake that is none": ("GET /socket", with_fields(("Connection", "Upgrade"), ("Upgrade", "websocket")), "bad_request",
        "Sec-WebSocket-Version"),
    "a handshake where none counts": ("GET /public", with_fields(("Connection", "Upgrade"), ("Upgrade", "websocket")), None, None),
    "another scheme": ("GET /any", lambda _: {"headers": [("Authorization", "Basic YTpi")]}, "missing_token", "not a bearer token"),
}


def ask_gateway(place, method, target, options):
    """(code, reason, policy) as answer and log have them."""
    fields = list(options.get("headers", []))
    if "token" in options:
        fields += bearer(options["token"])
    if "api_key" in options:
        fields += [("X-API-Key", options["api_key"])]
    with place.gateway.client() as client:
        client.send(http1.request_text(method, target, fields, host=options.get("host", "localhost")))
        response = client.response(method)
    record, = place.gateway.wait_log(where=lambda line: line["request_id"] == response.get("X-Request-Id"))
    assert record["status"] == response.status and (record["code"] is None) == (response.status == 200)
    return record


def arguments_of(method, target, options):
    flags = {"token": "--token", "api_key": "--api-key", "host": "--host"}
    arguments = [method, target]
    for name, flag in flags.items():
        arguments += [flag, options[name]] if name in options else []
    for name, value in options.get("headers", []):
        arguments += ["-H", f"{name}: {value}"]
    return arguments


@pytest.mark.parametrize("request_line,credential,code,reason", REQUESTS.values(), ids=list(REQUESTS))
def test_it_says_what_the_gateway_does(place, request_line, credential, code, reason):
    method, target = request_line.split(" ", 1)
    options = credential(place)
    record = ask_gateway(place, method, target, options)
    assert record["code"] == code and reason in (None, record["reason"])
    said = place.json(*arguments_of(method, target, options))
    # The log has the query's names besides, and a path that could not be read; who shows a token where it does not count is only said here.
    logged = {**record, "status": record["status"] if code else None, "path": said["path"] and record["path"].partition("?")[0]}
    for name in ("status", "code", "reason", "method", "path", "route", "service", "credential", "key_id"):
        assert said[name] == logged[name], name
    assert record["user"] == (None if reason == "issuer_not_accepted" else said["subject"])
    assert (record["policy"] == "would_deny") == (said["allowed"] and said["reason"] is not None)


# What it says besides.


def test_what_it_knows_of_a_token(place):
    said = place.json("GET", "/models", "--token", place.first.mint(scope="a b"))
    assert (said["issuer"], said["tenant"], said["plan"], said["roles"], said["permissions"]) == (
        "https://first.test", "acme", "pro", ["member"], ["models:read"])
    assert (said["scopes"], said["needs"]) == (["a", "b"], ["permission models:read"])
    assert ([limit["name"] for limit in said["limits"]], said["key_permissions"]) == (["per_user"], [])
    note, = said["notes"]
    assert note.startswith("key set of https://silent.test: ")
    assert place.text("GET", "/models", "--token", place.first.mint(scope="a b")) == {
        "request": "GET /models", "route": "/models -> backend", "caller": "alice", "by": "token of https://first.test",
        "tenant": "acme (pro)",
        "roles": "member", "permissions": "models:read", "scopes": "a, b", "needs": "permission models:read",
        "limit": "per_user: user alice, 1000 tokens, 1000/s, costs 1",
        "note": note, "decision": "allowed"}


def test_what_it_knows_of_a_key(place):
    said = place.text("GET", "/keys", "--api-key", KEYS["narrow"])
    assert said["by"].startswith("API key key_") and said["key"] == "may      models:write" and said["caller"] == "alice"
    assert (said["decision"], said["reason"]) == ("refused with 403 forbidden", "missing_permission")


@pytest.mark.parametrize("target,needs", [
    ("GET /users/bob", ["to be the path's {subject}, or to hold users:read"]),
    ("PUT /users/bob", ["to be the path's {subject}, or to hold users:read, users:write", "role chief"]),
    ("GET /mine/bob", ["to be the path's {subject}"]), ("GET /trial", ["any permission of models:write, a:b"]),
    ("GET /claims", ["any role of trainer, chief", "all scopes of openid, models"]), ("GET /any", []), ("GET /public", []),
])
def test_what_a_route_needs(place, target, needs):
    assert place.json(*target.split())["needs"] == needs


def test_how_it_says_the_rest(place):
    assert place.text("GET", "/public") == {"request": "GET /public", "route": "/public -> backend (public)", "decision": "allowed"}
    assert place.text("GET", "/nowhere") == {
        "request": "GET /nowhere", "decision": "refused with 404 route_not_found", "reason": "no route"}
    assert place.text("OPTIONS", "/any", "-H", "Max-Forwards: 0") == {
        "request": "OPTIONS /any", "note": "the gateway answers this itself", "decision": "allowed"}
    assert place.text("DELETE", "/named")["note"] == "allowed here: GET, POST"
    trial = place.text("GET", "/trial", "--token", place.first.mint())
    assert (trial["decision"], trial["reason"]) == ("allowed, because the route is `report_only`", "missing_permission")
    assert place.text("GET", "/any", "--api-key", KEYS["good"])["note"] == "the route takes no API keys"


# Rate limits: which hold, for whom, and how much there is.


def limits_of(place, *arguments):
    """The limits of the request's route as text, by name."""
    lines = [line.split(None, 1)[1] for line in place.explain(*arguments).stdout.splitlines() if line.startswith("limit ")]
    return dict(line.split(": ", 1) for line in lines)


def test_limits_by_everything_that_a_request_has(place):
    mint = place.first.mint("alice", org={"id": "o-1"})
    proxy = ["--address", "192.0.2.7", "--from-proxy", "-H", "X-Team: red"]
    assert limits_of(place, "GET", "/limits/x", "--token", mint, *proxy) == {
        "doors": "address 192.0.2.7, route /limits, service backend, 1000 tokens, 1000/min, costs 1 if the answer is 401 or 403, "
                 "before authentication",
        "plans": "tenant acme, case pro, 600 tokens, 10/min, costs 1",
        "models": "user alice (no API key), 500 tokens, 1000/d, reserves 7, costs what x-tokens-used says, at most 90",
        "parts": "header x-team red, claim org.id o-1, 40 tokens, 40/s, costs 1"}


def test_limits_by_what_stands_in(place):
    team = ["-H", "X-Team: red"]
    said = limits_of(place, "GET", "/limits", "--token", place.first.mint(), *team)
    assert said["doors"] == ("address of the client, route /limits, service backend, 1000 tokens, 1000/min, costs 1 if the answer is "
                             "401 or 403, before authentication, but some addresses are exempt")
    assert said["parts"] == ("user alice (header x-team counts from trusted proxies alone), user alice (no claim org.id), 40 tokens, "
                             "40/s, costs 1")
    assert limits_of(place, "GET", "/limits", "--token", place.first.mint())["parts"].startswith("user alice (no header x-team), ")
    said = limits_of(place, "GET", "/limits", "--api-key", KEYS["good"], "--address", "2001:db8::7")
    assert said["models"].startswith("api_key key_") and said["doors"].startswith("address 2001:db8::7 (its /64), route /limits, ")


def test_values_that_no_terminal_should_see(place):
    said = limits_of(place, "GET", "/limits", "--token", place.first.mint(org={"id": ["a\x1b[2J", "b\u00e9"]}))
    assert said["parts"] == "user alice (no header x-team), claim org.id a?[2J,b??, 40 tokens, 40/s, costs 1"


def test_limits_of_nobody(place):
    assert limits_of(place, "GET", "/limits/public", "--token", place.first.mint(), "--address", "192.0.2.7") == {
        "plans": "address 192.0.2.7 (no tenant), case *, 60 tokens, 1/min, costs 1",
        "roles": "address 192.0.2.7 (no user), case *, 30 tokens, 30/s, costs 1",
        "doors": "address 192.0.2.7, route /limits/public, service backend, 1000 tokens, 1000/min, costs 1 if the answer is 401 or 403, "
                 "before authentication"}


def test_cases_of_limits(place):
    """The first that fits, in the order of the configuration."""
    target = ["GET", "/limits/cases", "--token"]
    assert limits_of(place, *target, place.first.mint(tiers=["silver", "gold"])) == {
        "roles": "user alice, case member, 300 tokens, 150/min, costs 1",
        "tiers": "user alice, case gold, 70 tokens, 70/s, costs 1, report only",
        "free": "user alice, 999 tokens, 999/d, costs 9", "trial": "user alice, 50 tokens, 50/s, costs 1"}
    said = limits_of(place, *target, place.second_token(realm_access={"roles": ["member", "chief"]}, tiers="bronze"))
    assert said == {"roles": "user 2:sam, case chief, unlimited", "tiers": "user 2:sam, case *, 1 token, 1/s, costs 1, report only",
                    "free": "user 2:sam, 999 tokens, 999/d, costs 9", "trial": "exempt by its user"}


def test_limits_that_do_not_hold(place):
    early = limits_of(place, "GET", "/healthz", "--address", "192.0.2.7")
    assert early == {"doors": "exempt by its path"}
    said = limits_of(place, "GET", "/limits", "--token", place.first.mint(exp=1), "--address", "198.51.100.3")
    assert said == {"doors": "exempt by its address", "plans": "not reached", "models": "not reached", "parts": "not reached"}
    assert not limits_of(place, "POST", "/limits/public", "-H", "Content-Length: 99999999999")


def test_limits_for_scripts(place):
    said = place.json("GET", "/limits", "--token", place.first.mint(), "--address", "198.51.100.3")["limits"]
    common = {"reached": True, "stage": "after_authentication", "case": None, "cost_field": None, "most": None, "count": [],
              "shared": False, "report_only": False, "exempt": None, "address_decides": False}
    assert said == [
        {**common, "name": "doors", "stage": "before_authentication", "tokens": 1000, "refill": "1000/min", "cost": 1,
         "count": [401, 403], "exempt": "address", "key": [{"part": "address", "kind": "address", "value": "198.51.100.3", "why": None},
            {"part": "route", "kind": "route", "value": "/limits", "why": None},
            {"part": "service", "kind": "service", "value": "backend", "why": None}]},
        {**common, "name": "plans", "case": "pro", "tokens": 600, "refill": "10/min", "cost": 1,
         "key": [{"part": "tenant", "kind": "tenant", "value": "acme", "why": None}]},
        {**common, "name": "models", "tokens": 500, "refill": "1000/d", "cost": 7, "cost_field": "x-tokens-used", "most": 90,
         "key": [{"part": "api_key", "kind": "user", "value": "alice", "why": "no API key"}]},
        {**common, "name": "parts", "tokens": 40, "refill": "40/s", "cost": 1, "key": [
            {"part": "header x-team", "kind": "user", "value": "alice", "why": "no header x-team"},
            {"part": "claim org.id", "kind": "user", "value": "alice", "why": "no claim org.id"}]}]
    late = place.json("GET", "/limits")["limits"][1]
    assert late == {**common, "name": "plans", "reached": False, "key": [], "tokens": None, "refill": None, "cost": 1}


@pytest.mark.parametrize("target,options", [("/limits/cases", {"tiers": ["gold"]}), ("/limits/cases", {}), ("/limits", {}), ("/models", {})])
def test_the_gateway_has_the_same_limits(place, target, options):
    """Its RateLimit-Policy names the bucket that the request took from."""
    text = place.first.mint(**options)
    with place.gateway.client() as client:
        client.send(http1.request_text("GET", target, bearer(text)))
        sent = client.response("GET").get("RateLimit-Policy")
    found = {item.split(";")[0].strip(' "'): int(item.split(";q=")[1].split(";")[0]) for item in sent.split(",")}
    said = place.json("GET", target, "--token", text, "--address", "127.0.0.1")["limits"]
    assert found == {limit["name"]: limit["tokens"] for limit in said if not limit["report_only"]}


def test_an_address_that_is_none(place):
    ran = place.explain("GET", "/limits", "--address", "localhost")
    assert ran.returncode == FAILED and "--address" in ran.stderr and not ran.stdout


@pytest.mark.parametrize("mode", ["error", "drop"])
def test_the_user_management_service_cannot_be_had(gateway, backend, tmp_path, mode):
    place = Place(gateway, backend, tmp_path)
    place.ums.set_mode(mode)
    for flags, target in ((["--token", place.first.mint()], "/any"), (["--api-key", KEYS["good"]], "/keys")):
        options = {flags[0][2:].replace("-", "_"): flags[1]}
        said = place.json("GET", target, *flags)
        assert (said["status"], said["code"]) == (503, "authorization_unavailable") and place.ums.url in said["notes"][-1]
        assert ask_gateway(place, "GET", target, options)["code"] == "authorization_unavailable"


# How it is called.


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\nsecond line\n"])
def test_credentials_from_files_and_standard_input(place, tmp_path, end):
    """On a command line other users of the machine could read them."""
    text, path = place.first.mint(), tmp_path / "credential"
    path.write_text(text + end, encoding="ascii", newline="")
    stdin = text + end
    for arguments in (["--token-file", path], ["--token-file", "-"], ["--token", "-"]):
        ran = place.explain("GET", "/models", *arguments, stdin=stdin)
        assert ran.returncode == ALLOWED and "alice" in ran.stdout, (arguments, ran.stdout, ran.stderr)
    path.write_text(KEYS["good"] + end, encoding="ascii", newline="")
    for arguments in (["--api-key-file", path], ["--api-key-file", "-"]):
        assert place.explain("GET", "/keys", *arguments, stdin=KEYS["good"] + end).returncode == ALLOWED


def test_no_credential_is_printed(place):
    service_token = place.ums.token
    for options in ([], ["--json"]):
        for text in (place.first.mint(), place.first.mint(exp=1), place.first.mint(key=Key("EdDSA", "key-1")), "not-a-token-at-all",
            place.silent.mint()):
            ran = place.explain("GET", "/any", "--token", text, *options)
            assert text not in ran.stdout + ran.stderr and text.split(".")[-1] not in ran.stdout + ran.stderr
            assert service_token not in ran.stdout + ran.stderr
        for text in [*KEYS.values(), "short-key"]:
            ran = place.explain("GET", "/keys", "--api-key", text, *options)
            assert text not in ran.stdout + ran.stderr and service_token not in ran.stdout + ran.stderr
    received = b"".join(bytes(connection.received) for connection in place.ums.connections)
    assert not [text for text in KEYS.values() if text.encode() in received]


def test_a_configuration_that_does_not_load(tmp_path):
    missing = run(tmp_path / "none.yaml", "GET", "/")
    (tmp_path / "bad.yaml").write_text("listeners: 5\nroute: []\n", encoding="ascii")
    bad = run(tmp_path / "bad.yaml", "GET", "/")
    for ran in (missing, bad):
        assert ran.returncode == FAILED and ran.stderr and not ran.stdout
    assert "bad.yaml:1" in bad.stderr and "bad.yaml:2" in bad.stderr


@pytest.mark.parametrize("arguments", [["--token-file", "/nonexistent"], ["--api-key-file", "/nonexistent"], ["--token", "-"],
    ["--token-file", "-"]])
def test_a_credential_that_cannot_be_read(place, arguments):
    """Nothing on standard input is no credential either."""
    ran = place.explain("GET", "/any", *arguments, stdin="")
    assert ran.returncode == FAILED and ran.stderr and not ran.stdout


@pytest.mark.parametrize("arguments", [[], ["GET"], ["GET", "/", "--token", "a", "--api-key", "b"],
    ["GET", "/", "--token", "a", "--token-file", "b"],
                                       ["GET", "/", "--unknown"], ["GET", "/", "third"]])
def test_a_command_line_that_makes_no_sense(place, arguments):
    ran = place.explain(*arguments)
    assert ran.returncode not in (ALLOWED, REFUSED) and ran.stderr and not ran.stdout


def test_it_does_not_wait_for_a_service_for_long(place, backend, tmp_path):
    """A source of keys that never answers ends in the answer that the gateway has for it."""
    silent = backend(lambda connection: connection.wait_closed_by_peer())
    issuer = SmallIssuer("https://slow.test")
    config = configs.base({"backend": place.server.url}, [{"path": "/", "service": "backend"}],
                          authentication=configs.authentication(issuer, {"url": silent.url + "/keys"}))
    config["authentication"]["issuers"][0]["algorithms"] = ["EdDSA"]
    path = tmp_path / "slow.yaml"
    path.write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML
    begin = time.monotonic()
    ran = run(path, "GET", "/", "--token", issuer.mint(), "--json")
    assert ran.returncode == REFUSED and json.loads(ran.stdout)["code"] == "keys_unavailable", time.monotonic() - begin
