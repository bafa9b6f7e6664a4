"""The reasons of refusals in docs/identity.md: those of the sources, each provoked, logged, counted and explained."""

import json
import re
import time

import pytest

from harness import configs, http1
from harness.backend import answer_all
from harness.examples import ROOT
from harness.gateway import run_command
from harness.prometheus import parse
from harness.tokens import Key, b64url, bearer, encode
from harness.ums import FakeUms

DOCUMENT = (ROOT / "docs" / "identity.md").read_text(encoding="utf-8")

_SECTION = re.compile(r"^## ([^\n]*)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_CALLER_ROW = re.compile(r"^\| (`[^|]+`) \| `(\w+)` \| [^|]+ \|$", re.MULTILINE)
_OTHER_ROW = re.compile(r"^\| (`[^|]+`) \| [^|`]*(?:`[^|]*)? \|$", re.MULTILINE)
_QUOTED = re.compile(r"`([^`]+)`")

REASONS = dict(_SECTION.findall(DOCUMENT))["How a request is identified"].partition("### Reasons")[2]
_CALLERS, _BEHIND, _KEYS, _ANSWERS = re.split(r"^Behind these|^\*\*Keys that|^\*\*Answers of", REASONS, flags=re.MULTILINE)

# reason: code, for everything a caller can be refused with.
CALLER_REASONS = {reason: code for row, code in _CALLER_ROW.findall(_CALLERS) for reason in _QUOTED.findall(row)}
KEY_REASONS = {reason for row in _OTHER_ROW.findall(_KEYS) for reason in _QUOTED.findall(row)}
ANSWER_REASONS = {reason for row in _OTHER_ROW.findall(_ANSWERS) for reason in _QUOTED.findall(row)}
UNREACHABLE = set(_QUOTED.findall(_BEHIND))


# The sources

_LITERAL = re.compile(r'"([a-z0-9]+(?:_[a-z0-9]+)+)"')
_REFUSAL = re.compile(r'\b(?:fail|invalid|missing|bad_request)\((?:ErrorCode::\w+, Origin::\w+, )?"([^"]+)"\)')
# Where the gateway itself refuses callers: those that exist.
_GATEWAY = ("access_check.cc", "credentials.cc", "explain.cc")
# Of the head and of routing, which explain looks at too.
_OTHERS = {"no route", "method", "line syntax"}
_REPEATED = "repeated Authorization or Content-Type"
# Names of members in JSON, which look like reasons.
_MEMBERS = {"revoked_sessions", "expires_at", "key_id", "api_keys", "key_ops"}


def reasons_of_the_source():
    found = set()
    for folder in ("jose", "access"):
        for path in (ROOT / "src" / folder).glob("*.cc"):
            if not path.stem.endswith(("_test", "_fuzz", "_bench")):
                found |= set(_LITERAL.findall(path.read_text(encoding="utf-8")))
    assert _MEMBERS <= found
    texts = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "src" / "gateway").glob("*.cc")}
    for name in set(_GATEWAY) & set(texts):
        found |= set(_REFUSAL.findall(texts[name]))
    found |= {_REPEATED} if any(f'"{_REPEATED}"' in text for text in texts.values()) else set()
    return found - _MEMBERS - _OTHERS


def test_every_reason_is_documented_and_no_other():
    documented = set(CALLER_REASONS) | KEY_REASONS | ANSWER_REASONS | UNREACHABLE
    assert documented == reasons_of_the_source()


# Reasons of callers: each is provoked, in the gateway and in `explain`


class Ask:
    """A request; `token` and `api_key` are what explain is given, `fields` what only a request can have."""

    def __init__(self, method="GET", target="/models", token=None, api_key=None, fields=()):
        self.method = method
        self.target = target
        self.token = token
        self.api_key = api_key
        self.fields = list(fields)

    def all_fields(self):
        shown = bearer(self.token) if self.token else []
        return self.fields + shown + ([("X-API-Key", self.api_key)] if self.api_key else [])


KEY, DISABLED_KEY, EXPIRED_KEY = ("lgk_" + letter * 43 for letter in "kde")


class Scene:
    """A gateway with all that callers can be refused for."""

    def __init__(self, start, backends, issuer, directory):
        self.issuer = issuer
        self.directory = directory
        self.ums = backends.keep(FakeUms())
        self.ums.add("alice", ["models:read"], revoked_sessions=["ended"])
        self.ums.add("bob", ["*:*"], disabled=True)
        self.ums.add_key(KEY, "alice")
        self.ums.add_key(DISABLED_KEY, "alice", disabled=True)
        self.ums.add_key(EXPIRED_KEY, "alice", expires_at=1)
        down = "https://down.test"
        issuers = [
            {"issuer": issuer.name, "audiences": [issuer.audience], "algorithms": ["RS256", "ES256"], "typ": "JWT",
             "jwks": issuer.write_jwks(directory), "required_claims": ["email"], "subject_prefix": "",
             "tenant_claim": "tenant", "roles_claim": "roles", "permissions_claim": "permissions"},
            {"issuer": down, "algorithms": ["ES256"], "subject_prefix": "down:",
             "jwks": {"url": backends(listening=False).url + "/keys"}}]
        rules = {"GET": "models:read", "PUT": {"roles": "admin"}, "DELETE": {"scopes": "models"}, "*": "models:write"}
        routes = [{"path": "/models", "api_keys": True, "require": rules}, {"path": "/users/{subject}"},
                  {"path": "/partners", "issuers": [down]}]
        self.gateway = start(configs.base(
            {"models": backends().url}, [{"service": "models", **route} for route in routes],
            authentication={"issuers": issuers, "api_keys": {}},
            authorization={"user_management": self.ums.write_token(directory)}))
        self.ums.wait_feed()

    def token(self, header=None, key=None, algorithm="ES256", **claims):
        return self.issuer.mint("alice", algorithm, header, key, **{"email": "alice@example.com", **claims})

    def raw(self, header=b'{"alg":"ES256"}', claims=b"{}"):
        return encode(header, claims, self.issuer.keys["ES256"].sign)

    def ask(self, ask):
        """The code of the answer, and what the log has of it."""
        with self.gateway.client() as client:
            response = client.request(ask.method, ask.target, ask.all_fields())
        code = response.json()["code"]
        record, = self.gateway.wait_log(where=lambda line: line["request_id"] == response.json()["request_id"])
        return code, record

    def explain(self, ask):
        """What `lotagate explain --json` says."""
        arguments = ["explain", ask.method, ask.target, "-c", self.gateway.config_path, "--json"]
        for flag, text in (("--token-file", ask.token), ("--api-key-file", ask.api_key)):
            if text:
                path = self.directory / "credential"
                path.write_text(text + "\n", encoding="ascii")
                arguments += [flag, path]
        done = run_command(*arguments)
        said = json.loads(done.stdout)
        assert done.returncode == (0 if said["allowed"] else 3) and not done.stderr
        return said


@pytest.fixture(name="scene", scope="module")
def _scene(module_gateway, module_backend, issuer, tmp_path_factory):
    return Scene(module_gateway, module_backend, issuer, tmp_path_factory.mktemp("scene"))


_LATER = int(time.time()) + 100_000


def _with(**claims):
    return lambda s: Ask(token=s.token(**claims))


def _header(**header):
    return lambda s: Ask(token=s.token(header=header))


def _raw(header):
    return lambda s: Ask(token=s.raw(header))


# What needs no state of the service; the others are below.
PROVOCATIONS = {
    "no Authorization": lambda s: Ask(),
    "not a bearer token": lambda s: Ask(fields=[("Authorization", "Basic YTpi")]),
    _REPEATED: lambda s: Ask(token=s.token(), fields=bearer(s.token())),
    "repeated API key": lambda s: Ask(fields=[("X-API-Key", KEY), ("x-api-key", KEY)]),
    "a token and an API key": lambda s: Ask(token=s.token(), fields=[("X-API-Key", KEY)]),
    "token_too_large": lambda s: Ask(token="x" * 9000),
    "token_not_three_parts": lambda s: Ask(token="a.b"),
    "token_not_base64url": lambda s: Ask(token="a=.b.c"),
    "token_not_signed": lambda s: Ask(token="e30.e30."),
    "json_malformed": _raw(b"{"),
    "json_invalid_utf8": _raw(b'{"alg":"\xff"}'),
    "json_byte_order_mark": _raw(b"\xef\xbb\xbf{}"),
    "json_number_out_of_range": _raw(b'{"a":1e999}'),
    "json_too_deep": _raw(b'{"a":' + b"[" * 60 + b"]" * 60 + b"}"),
    "json_duplicate_member": _raw(b'{"alg":"ES256","alg":"RS256"}'),
    "header_not_an_object": _raw(b"[]"),
    "claims_not_an_object": lambda s: Ask(token=s.raw(claims=b"[]")),
    "header_algorithm_missing": _raw(b"{}"),
    "header_algorithm_unsupported": _raw(b'{"alg":"none"}'),
    "header_critical_extension": _header(crit=["exp"]),
    "header_b64": _header(b64=True),
    "header_kid_malformed": _header(kid=7),
    "header_kid_too_long": _header(kid="k" * 257),
    "header_typ_malformed": _header(typ=7),
    "header_typ_mismatch": _header(typ="at+jwt"),
    "algorithm_not_allowed": lambda s: Ask(token=s.token(algorithm="EdDSA")),
    "claim_iss_missing": _with(iss=None),
    "claim_iss_malformed": _with(iss=7),
    "claim_iss_unknown": _with(iss="https://users.gateway.test/"),
    "issuer_not_accepted": lambda s: Ask(target="/partners", token=s.token()),
    "key_unknown": _header(kid="nobodys"),
    "signature_mismatch": lambda s: Ask(token=s.token(key=Key("ES256", s.issuer.keys["ES256"].kid))),
    "claim_aud_mismatch": _with(aud="other"),
    "claim_aud_malformed": _with(aud=7),
    "claim_exp_malformed": _with(exp="soon"),
    "claim_nbf_malformed": _with(nbf="now"),
    "claim_iat_malformed": _with(iat="now"),
    "claim_exp_missing": _with(exp=None),
    "claim_nbf_in_future": _with(nbf=_LATER),
    "claim_iat_in_future": _with(iat=_LATER),
    "claim_exp_passed": _with(exp=1),
    "claim_sub_missing": _with(sub=None),
    "claim_sub_malformed": _with(sub="al ice"),
    "claim_required_missing": _with(email=None),
    "claim_tenant_malformed": _with(tenant=7),
    "claim_sid_malformed": _with(sid="s" * 129),
    "claim_roles_malformed": _with(roles=[5]),
    "claim_permissions_malformed": _with(permissions={}),
    "claim_scope_malformed": _with(scope=["s"] * 257),
    "session_ended": _with(sid="ended"),
    "api_key_malformed": lambda s: Ask(api_key="short"),
    "api_key_unknown": lambda s: Ask(api_key="lgk_" + "u" * 43),
    "api_key_disabled": lambda s: Ask(api_key=DISABLED_KEY),
    "api_key_expired": lambda s: Ask(api_key=EXPIRED_KEY),
    "unknown_user": _with(sub="nobody"),
    "disabled_user": _with(sub="bob"),
    "not_owner": lambda s: Ask(target="/users/bob", token=s.token()),
    "missing_permission": lambda s: Ask("POST", token=s.token()),
    "missing_role": lambda s: Ask("PUT", token=s.token()),
    "missing_scope": lambda s: Ask("DELETE", token=s.token()),
    "keys_never_fetched": _with(iss="https://down.test"),
}


@pytest.mark.parametrize("reason", list(PROVOCATIONS))
def test_a_reason_is_logged_counted_and_explained(scene, reason):
    ask, code = PROVOCATIONS[reason](scene), CALLER_REASONS[reason]
    answered, record = scene.ask(ask)
    assert (answered, record["code"], record["reason"]) == (code, code, reason)
    metrics = parse(scene.gateway.admin("/metrics").body.decode())
    assert bool(metrics.find("lotagate_access_refusals_total", code=code, reason=reason)) == (code != "bad_request")
    if not ask.fields:
        said = scene.explain(ask)
        assert (said["code"], said["reason"]) == (code, reason)


def test_nothing_but_these_is_refused(scene):
    for ask in (Ask(token=scene.token()), Ask(api_key=KEY), Ask(target="/users/alice", token=scene.token(sid="another"))):
        with scene.gateway.client() as client:
            assert client.request(ask.method, ask.target, ask.all_fields()).status == 200
        assert scene.explain(ask)["allowed"]


def test_every_reason_is_provoked():
    assert set(PROVOCATIONS) | {"no answer about the user", "no answer about the API key"} == set(CALLER_REASONS)


# Reasons of keys


def _bad_keys(rsa, ec):
    """reason: a JWK that is left out for it; its kid is the reason, where that is possible."""
    without_type = {name: value for name, value in ec.items() if name != "kty"}
    without_curve = {name: value for name, value in ec.items() if name != "crv"}
    return {
        "key_not_for_signatures": {**rsa, "use": "enc"},
        "key_not_for_verifying": {**rsa, "key_ops": ["encrypt"]},
        "key_type_missing": without_type,
        "key_type_unsupported": {**ec, "kty": "XYZ"},
        "key_curve_missing": without_curve,
        "key_curve_unsupported": {**ec, "crv": "secp256k1"},
        "key_algorithm_malformed": {**ec, "alg": 7},
        "key_algorithm_unsupported": {**rsa, "alg": "RSA1_5"},
        "key_algorithm_contradicts_type": {**ec, "alg": "RS256"},
        "key_modulus_too_short": {**rsa, "n": b64url(b"\xff" * 128)},
        "key_modulus_even": {**rsa, "n": b64url(b"\xff" * 255 + b"\xfe")},
        "key_exponent_weak": {**rsa, "e": b64url(b"\x01")},
        "key_modulus_malformed": {**rsa, "n": "="},
        "key_exponent_malformed": {**rsa, "e": ""},
        "key_coordinate_malformed": {**ec, "x": "AA"},
        "key_use_malformed": {**ec, "use": 7},
        "key_id_malformed": {**ec, "kid": 7},
        "key_id_too_long": {**ec, "kid": "k" * 257},
        "key_not_an_object": "a text",
        "key_point_off_curve": {**ec, "x": b64url(bytes(32))},
        "key_point_of_small_order": {"kty": "OKP", "crv": "Ed25519", "x": b64url(b"\x01" + bytes(31))},
    }


def test_a_key_that_is_left_out_is_named_with_its_reason(gateway, backend, issuer, tmp_path):
    bad = _bad_keys(issuer.keys["RS256"].jwk(), issuer.keys["ES256"].jwk())
    assert set(bad) == KEY_REASONS
    keys = [{**key, "kid": key["kid"] if reason.startswith("key_id") else reason} if isinstance(key, dict) else key
            for reason, key in bad.items()]
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [*keys, issuer.keys["ES256"].jwk()]}), encoding="utf-8")
    instance = gateway(configs.base({"backend": backend().url}, [{"path": "/", "service": "backend"}],
                                    authentication=configs.authentication(issuer, {"file": str(path)})))
    for reason in bad:
        named = reason not in ("key_id_malformed", "key_id_too_long", "key_not_an_object")
        instance.wait_stderr(f"key '{reason if named else '.*'}' is not used: {reason}$")
    assert instance.get("/", bearer(issuer.mint(algorithm="ES256"))).status == 200


# Reasons of answers that are not understood

_USER = {"subject": "carol", "tenant": "acme", "plan": "pro", "roles": [], "permissions": [], "revision": 1, "disabled": False}
_API_KEY = {"key_id": "key_1", "subject": "carol", "permissions": [], "revision": 1, "disabled": False}
BAD_ANSWERS = {
    "answer_not_an_object": [],
    "answer_member_unknown": {**_USER, "only_on": "monday"},
    "answer_for_another_subject": {**_USER, "subject": "mallory"},
    "answer_subject_malformed": {**_USER, "subject": 7},
    "answer_tenant_malformed": {**_USER, "plan": "gold"},
    "answer_roles_malformed": {**_USER, "roles": ["a,b"]},
    "answer_permissions_malformed": {**_USER, "permissions": "*:*"},
    "answer_revoked_sessions_malformed": {**_USER, "revoked_sessions": [""]},
    "answer_revision_malformed": {**_USER, "revision": -1},
    "answer_disabled_malformed": {**_USER, "disabled": "no"},
    "answer_key_id_malformed": {**_API_KEY, "key_id": ""},
    "answer_expiry_malformed": {**_API_KEY, "expires_at": 1.5},
}
BAD_CHANGES = {
    "answer_subjects_malformed": {"revision": 1},
    "answer_api_keys_malformed": {"revision": 1, "subjects": [], "api_keys": [""]},
}


@pytest.mark.parametrize("reason", list(BAD_ANSWERS))
def test_an_answer_that_is_not_understood_is_explained(scene, reason):
    scene.ums.raw_body = json.dumps(BAD_ANSWERS[reason]).encode()
    scene.ums.set_mode("raw")
    of_key = "key_id" in BAD_ANSWERS[reason]
    ask = Ask(api_key=f"lgk_{reason}_{'c' * 20}") if of_key else Ask(token=scene.token(sub="carol"))
    said = scene.explain(ask)
    assert (said["code"], said["reason"]) == ("authorization_unavailable", reason)
    code, record = scene.ask(ask)
    assert (code, record["reason"]) == (said["code"], f"no answer about the {'API key' if of_key else 'user'}")
    scene.ums.set_mode("ok")


def test_no_answer_is_explained_with_what_happened(scene):
    scene.ums.set_mode("error")
    said = scene.explain(Ask(token=scene.token(sub="carol")))
    assert (said["code"], said["reason"]) == ("authorization_unavailable", "no answer")
    assert f"User Management Service at {scene.ums.url}: answered with status 500" in said["notes"]
    scene.ums.set_mode("ok")


@pytest.mark.parametrize("reason", list(BAD_CHANGES))
def test_changes_that_are_not_understood_are_logged(gateway, backend, issuer, jwks, tmp_path, reason):
    body = json.dumps(BAD_CHANGES[reason]).encode()
    service = backend(answer_all(lambda _: http1.response_text(200, [("Content-Type", "application/json")], body)))
    (tmp_path / "token").write_text("service-token", encoding="ascii")
    instance = gateway(configs.base(
        {"backend": backend().url}, [{"path": "/", "service": "backend"}],
        authentication=configs.authentication(issuer, jwks),
        authorization={"user_management": {"url": service.url, "token_file": str(tmp_path / "token")}}))
    instance.wait_stderr(f"changes feed: not understood: {reason}; trying again")


def test_every_bad_answer_is_made():
    assert set(BAD_ANSWERS) | set(BAD_CHANGES) | {"no answer"} == ANSWER_REASONS
