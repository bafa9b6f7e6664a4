"""The set-ups of docs/identity.md: every example is checked as it is, then started and asked with real tokens."""

import hashlib
import hmac
import json
import re
import signal

import pytest

from harness.examples import EXAMPLES, ROOT, Example
from harness.problems import expect_problem
from harness.providers import Auth0, Keycloak, Provider
from harness.tokens import Issuer, Key, bearer, encode
from harness.ums import FakeUms
from harness.wait import eventually

DOCUMENT = (ROOT / "docs" / "identity.md").read_text(encoding="utf-8")
NAMES = sorted(path.name for path in (EXAMPLES / "identity").glob("*.yaml"))

_SETUP = re.compile(r"^### [^\n]*\n(.*?)(?=^#|\Z)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(\.\./examples/identity/([\w-]+\.yaml)\)")
_YAML = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(name="example")
def _example(tmp_path):
    return lambda name: Example(f"identity/{name}", tmp_path / "checkout")


@pytest.mark.parametrize("name", NAMES)
def test_every_example_passes_the_check(example, name):
    checked = example(name).check()
    assert (checked.returncode, checked.stderr) == (0, "")


def test_every_example_is_linked_and_listed():
    assert sorted(set(_LINK.findall(DOCUMENT))) == NAMES
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert [name for name in NAMES if f"(identity/{name})" not in listed] == []


def test_what_the_document_shows_of_an_example_is_in_it():
    """Each block of YAML below a link is a run of the example's lines."""
    shown = 0
    for section in _SETUP.findall(DOCUMENT):
        for block in _YAML.findall(section):
            name, = _LINK.findall(section)
            lines = [line.strip() for line in (EXAMPLES / "identity" / name).read_text(encoding="utf-8").splitlines()]
            wanted = [line.strip() for line in block.splitlines() if line.strip()]
            lines = [line for line in lines if line]
            assert any(lines[at : at + len(wanted)] == wanted for at in range(len(lines))), f"{name}: {block}"
            shown += 1
    assert shown == len(NAMES)


@pytest.fixture(name="server")
def _server(backend):
    return backend()


class Caller:
    """Asks a started example, and knows what its service got."""

    def __init__(self, instance, server):
        self.instance = instance
        self.server = server

    def ask(self, method, target, fields):
        with self.instance.client() as client:
            return client.request(method, target, fields)

    def passes(self, fields, target="/api/v1/models", method="GET"):
        """The request as the service got it."""
        seen = len(self.server.requests)
        response = self.ask(method, target, fields)
        assert response.status == 200, response.body
        return self.server.requests[seen]

    def refused(self, fields, code, reason, target="/api/v1/models", method="GET"):
        """The client gets the code; the log has the reason, the answer has not."""
        seen = len(self.server.requests)
        response = self.ask(method, target, fields)
        expect_problem(response, code)
        assert reason.encode() not in response.body and reason not in str(response.fields)
        record, = self.instance.wait_log(where=lambda line: line["request_id"] == response.json()["request_id"])
        assert (record["code"], record["reason"]) == (code, reason)
        assert len(self.server.requests) == seen


@pytest.fixture(name="start")
def _start(gateway, server):
    return lambda config: Caller(gateway(config), server)


def own_tokens(audience):
    """An issuer as the examples with keys.json have it."""
    issuer = Issuer.__new__(Issuer)
    issuer.name, issuer.audience, issuer.keys = "https://id.example", audience, {"ES256": Key("ES256", "own")}

    def mint(subject="alice", header=None, **claims):
        return bearer(issuer.mint(subject, "ES256", header={"typ": "at+jwt", **(header or {})}, **claims))

    return issuer.jwks(), mint


def test_own_issuer(example, start, server):
    keys, mint = own_tokens("models")
    own = example("own-issuer.yaml")
    own.write("keys.json", keys)
    caller = start(own.config({"http://127.0.0.1:7002": server.url}))
    request = caller.passes(mint(roles=["viewer"]))
    assert (request.get("X-Auth-Subject"), request.get("X-Auth-Roles")) == ("alice", "viewer")
    assert not request.has("Authorization")
    caller.refused(mint(roles=["viewer"]), "forbidden", "missing_permission", method="POST")
    caller.passes(mint(roles=["viewer", "trainer"]), method="POST")
    caller.refused(mint(), "forbidden", "missing_permission")
    caller.refused(mint(roles=["viewer"], header={"typ": "JWT"}), "invalid_token", "header_typ_mismatch")
    caller.refused(mint(roles=["viewer"], aud="other"), "invalid_token", "claim_aud_mismatch")


def test_keycloak(example, start, server, backend, issuer):
    provider = backend.keep(Keycloak(issuer.keys["RS256"], Key("RS256", "encryption")))
    caller = start(example("keycloak.yaml").config({"http://127.0.0.1:7002": server.url, "https://sso.example": provider.url}))
    request = caller.passes(bearer(provider.access_token()))
    assert request.get("X-Auth-Subject") == "keycloak:f1c4f64e-2c0c-4cda-8c9f-9f3f8f3a2b0e"
    assert request.tokens("X-Auth-Roles") == ["default-roles-lotabots", "offline_access", "models-viewer"]
    assert (request.get("X-Auth-Client"), request.get("X-Auth-Username")) == ("lotabots-web", "ada")
    caller.refused(bearer(provider.access_token()), "forbidden", "missing_permission", method="POST")
    caller.passes(bearer(provider.access_token(roles=["models-trainer"])), method="POST")
    # Clients without the setting, users of other APIs, sign-ins, tokens without the client.
    caller.refused(bearer(provider.access_token(typ="JWT")), "invalid_token", "header_typ_mismatch")
    caller.refused(bearer(provider.id_token()), "invalid_token", "header_typ_mismatch")
    caller.refused(bearer(provider.access_token(aud="account")), "invalid_token", "claim_aud_mismatch")
    caller.refused(bearer(provider.access_token(azp=None)), "invalid_token", "claim_required_missing")
    # A role that cannot be told apart in a list is passed over.
    request = caller.passes(bearer(provider.access_token(roles=["models-trainer", "Realm Manager"])))
    assert request.tokens("X-Auth-Roles") == ["default-roles-lotabots", "offline_access", "models-trainer"]
    caller.instance.wait_stderr("key 'encryption' is not used: key_not_for_signatures")


def test_keycloak_tells_sign_ins_by_their_audience(example, start, server, backend, issuer):
    """What the document says of clients without at+jwt: without `typ`, the audience keeps ID tokens out."""
    provider = backend.keep(Keycloak(issuer.keys["RS256"], Key("RS256", "encryption")))
    config = example("keycloak.yaml").config({"http://127.0.0.1:7002": server.url, "https://sso.example": provider.url})
    del config["authentication"]["issuers"][0]["typ"]
    caller = start(config)
    caller.passes(bearer(provider.access_token(typ="JWT")))
    caller.refused(bearer(provider.id_token()), "invalid_token", "claim_aud_mismatch")


def test_auth0(example, start, server, backend, issuer):
    provider = backend.keep(Auth0(issuer.keys["RS256"], Key("RS256", "next")))
    auth0 = example("auth0.yaml")
    caller = start(auth0.config({"http://127.0.0.1:7002": server.url, "https://lotabots.eu.auth0.com": provider.url}))
    request = caller.passes(bearer(provider.access_token()))
    assert request.get("X-Auth-Subject") == "auth0|6553da60a54af58e29493993"
    assert (request.get("X-Auth-Tenant"), request.get("X-Auth-Email")) == ("acme", "ada@lotabots.example")
    caller.refused(bearer(provider.access_token()), "forbidden", "missing_permission", method="POST")
    both = ["read:models", "write:models"]
    caller.refused(bearer(provider.access_token(both)), "forbidden", "missing_scope", method="POST")
    caller.passes(bearer(provider.access_token(both, scope="openid write:models")), method="POST")
    request = caller.passes(bearer(provider.machine_token(both)), method="POST")
    assert request.get("X-Auth-Subject") == "awZfdIir8YFdGZWkvCejDoUb7SjTDicx@clients" and not request.has("X-Auth-Email")
    caller.refused(bearer(provider.access_token([])), "forbidden", "missing_permission")
    caller.refused(bearer(provider.access_token(aud=provider.issuer + "userinfo")), "invalid_token", "claim_aud_mismatch")


def test_names_of_claims_with_dots(example, start, server, backend, issuer):
    """The whole name, else parts at its dots; no part but the last one has a dot of its own."""
    provider = backend.keep(Auth0(issuer.keys["RS256"], Key("RS256", "next")))
    caller = start(example("auth0.yaml").config({
        "http://127.0.0.1:7002": server.url, "https://lotabots.eu.auth0.com": provider.url}))
    name = "https://lotabots.example/tenant"
    for claims, tenant in [
        ({name: "whole"}, "whole"), ({"https://lotabots": {"example/tenant": "parts"}}, "parts"),
        ({"https://lotabots": {"example": {"tenant": "x"}}}, None), ({"https://lotabots.example": {"tenant": "x"}}, None),
        ({name: "whole", "https://lotabots": {"example/tenant": "parts"}}, "whole"), ({}, None),
    ]:
        token = provider.access_token(**{name: None, **claims})
        assert caller.passes(bearer(token)).get("X-Auth-Tenant") == tenant, claims


def test_auth0_without_the_last_slash(example, start, server, backend, issuer):
    """The issuer is compared exactly, in tokens and in the metadata."""
    provider = backend.keep(Auth0(issuer.keys["RS256"], Key("RS256", "next")))
    caller = start(example("auth0.yaml").config({
        "http://127.0.0.1:7002": server.url, "https://lotabots.eu.auth0.com/": provider.url}))
    caller.refused(bearer(provider.access_token()), "invalid_token", "claim_iss_unknown")
    issuers = json.loads(caller.instance.admin("/status").body)["issuers"]
    assert issuers[0]["problem"] == "discovery: unusable: its `issuer` is another one"


def test_several_issuers(example, start, server, backend):
    own, partner = Key("ES256", "same-kid"), Key("ES256", "same-kid")
    keys = {}
    for name, key in (("own", own), ("partner", partner)):
        keys[name] = backend.keep(Provider(key))
        keys[name].documents["/.well-known/jwks.json"] = {"keys": [key.jwk()]}
    keys["partner"].documents["/.well-known/openid-configuration"] = {
        "issuer": keys["partner"].url, "jwks_uri": keys["partner"].url + "/.well-known/jwks.json"}
    ums = backend.keep(FakeUms())
    ums.add("alice", ["models:*"], tenant="acme")
    caller = start(example("several-issuers.yaml").config({
        "http://127.0.0.1:7002": server.url, "http://127.0.0.1:7001": keys["own"].url,
        "http://127.0.0.1:7101": ums.url, "https://login.partner.example": keys["partner"].url}))
    ums.wait_feed()

    def mint(key, issuer, **claims):
        made = Issuer.__new__(Issuer)
        made.name, made.audience, made.keys = issuer, "lotabots", {"ES256": key}
        return bearer(made.mint("alice", "ES256", **claims))

    ours = mint(own, "https://users.lotabots.example")
    theirs = mint(partner, keys["partner"].url, groups=["lotabots-readers"])
    request = caller.passes(ours, method="POST")
    assert (request.get("X-Auth-Subject"), request.get("X-Auth-Tenant")) == ("alice", "acme")
    request = caller.passes(theirs)
    assert (request.get("X-Auth-Subject"), request.get("X-Auth-Tenant")) == ("partner:alice", None)
    assert ums.lookups == {"alice": 1}
    # Nobody asked the partner about tenants.
    posing = mint(partner, keys["partner"].url, groups=["lotabots-readers"], tenant="acme")
    assert not caller.passes(posing).has("X-Auth-Tenant")
    caller.refused(theirs, "forbidden", "missing_permission", method="POST")
    caller.passes(ours, target="/api/v1/training")
    caller.refused(theirs, "invalid_token", "issuer_not_accepted", target="/api/v1/training")
    caller.refused(mint(partner, "https://users.lotabots.example"), "invalid_token", "signature_mismatch")


def test_shared_secret(example, start, server):
    shared = example("shared-secret.yaml")
    secret = shared.resolve("../../var/shared-secret").read_bytes().removesuffix(b"\n")
    caller = start(shared.config({"http://127.0.0.1:7002": server.url}))
    issuer = Issuer.__new__(Issuer)
    issuer.name, issuer.audience = "https://legacy.example", "models"

    def mint(key=secret, algorithm="HS256", **claims):
        claims = issuer.claims(permissions=["models:read"], **claims)
        return bearer(encode({"alg": algorithm}, claims, lambda data: hmac.digest(key, data, algorithm.replace("HS", "sha"))))

    assert caller.passes(mint()).get("X-Auth-Subject") == "alice"
    caller.refused(mint(), "forbidden", "missing_permission", method="POST")
    caller.refused(mint(secret + b"\n"), "invalid_token", "signature_mismatch")
    caller.refused(mint(algorithm="HS512"), "invalid_token", "algorithm_not_allowed")
    caller.refused(mint(aud=None), "invalid_token", "claim_aud_mismatch")
    # Another secret counts from the reload on, and the old one no more.
    shared.write("../../var/shared-secret", "n" * 32)
    caller.instance.signal(signal.SIGHUP)
    caller.instance.wait_stderr("configuration reloaded")
    eventually(lambda: caller.ask("GET", "/api/v1/models", mint(b"n" * 32)).status == 200, "the new secret")
    caller.refused(mint(), "invalid_token", "signature_mismatch")


KEY = "lgk_" + "k" * 43


def test_api_keys(example, start, server, backend):
    ums = backend.keep(FakeUms())
    ums.add("robot", ["infer:run", "models:read"], tenant="acme", roles=["machine"])
    ums.add_key(KEY, "robot", ["infer:run"])
    caller = start(example("api-keys.yaml").config({"http://127.0.0.1:7002": server.url, "http://127.0.0.1:7101": ums.url}))
    ums.wait_feed()
    infer, shown = "/api/v1/infer", [("X-API-Key", KEY)]
    request = caller.passes(shown, infer, "POST")
    assert (request.get("X-Auth-Subject"), request.get("X-Auth-Tenant")) == ("robot", "acme")
    assert request.get("X-Auth-Key-Id").startswith("key_") and not request.has("X-API-Key")
    assert list(ums.key_lookups) == [hashlib.sha256(KEY.encode()).hexdigest()]
    caller.refused([], "missing_token", "no Authorization", infer)
    caller.refused([("X-API-Key", "lgk_" + "x" * 43)], "invalid_token", "api_key_unknown", infer)
    caller.refused([("X-API-Key", "short")], "invalid_token", "api_key_malformed", infer)
    caller.refused([*shown, *shown], "bad_request", "repeated API key", infer)
    caller.refused([*shown, *bearer("a.b.c")], "bad_request", "a token and an API key", infer)
    ums.change_key(KEY, "robot", permissions=["models:read"])
    eventually(lambda: caller.ask("POST", infer, shown).status == 403, "the key being narrowed")
    ums.change_key(KEY, "robot", disabled=True)
    eventually(lambda: caller.ask("POST", infer, shown).status == 401, "the key being revoked")
    caller.refused(shown, "invalid_token", "api_key_disabled", infer)


def test_ownership(example, start, server):
    keys, mint = own_tokens("users")
    own = example("ownership.yaml")
    own.write("keys.json", keys)
    caller = start(own.config({"http://127.0.0.1:7001": server.url}))
    alice, notes = mint("alice"), "/api/v1/users/alice/notes"
    for method in ("GET", "PUT"):
        caller.passes(alice, "/api/v1/users/alice", method)
        caller.passes(alice, "/api/v1/users/%61lice/address", method)
        caller.refused(alice, "forbidden", "not_owner", "/api/v1/users/bob", method)
        caller.refused(alice, "forbidden", "not_owner", "/api/v1/users/alice;a=b", method)
    caller.passes(alice, notes)
    support = mint("support", permissions=["users:read"])
    caller.passes(support, "/api/v1/users/alice")
    caller.refused(support, "forbidden", "not_owner", "/api/v1/users/alice", "PUT")
    caller.refused(mint("root", permissions=["*:*"]), "forbidden", "not_owner", notes)


def test_report_only(example, start, server):
    keys, mint = own_tokens("models")
    own = example("report-only.yaml")
    own.write("keys.json", keys)
    caller = start(own.config({"http://127.0.0.1:7002": server.url}))
    caller.passes(mint(permissions=["models:read"]), method="POST")
    record, = caller.instance.wait_log()
    assert (record["status"], record["policy"], record["reason"]) == (200, "would_deny", "missing_permission")
    decision = 'lotagate_policy_decisions_total{route="/api/v1/models",service="models",decision="would_deny"} 1'
    assert decision in caller.instance.admin("/metrics").body.decode().splitlines()
    caller.refused([], "missing_token", "no Authorization")
    caller.refused(mint(exp=1), "expired_token", "claim_exp_passed")


def test_claims_to_headers(example, start, server):
    keys, mint = own_tokens("models")
    own = example("claims-to-headers.yaml")
    own.write("keys.json", keys)
    caller = start(own.config({"http://127.0.0.1:7002": server.url}))
    request = caller.passes(mint(email="a@example.com", email_verified=True, groups=["red", "blue"],
                                 org={"id": "acme", "name": "Acme Inc."}))
    assert [request.get(name) for name in ("X-User-Email", "X-User-Email-Verified", "X-User-Groups", "X-User-Organisation",
                                           "X-Auth-Tenant")] == ["a@example.com", "true", "red,blue", "Acme Inc.", "acme"]
    # The whole name comes first, then the path.
    request = caller.passes(mint(**{"org.name": "whole", "org": {"name": "nested"}}))
    assert request.get("X-User-Organisation") == "whole"
    # What does not fit a header stays away, and so does the client's own.
    spoofed = [("X-User-Groups", "admin"), ("X-User-Email", "root@example.com"), ("x_user_email", "root@example.com")]
    request = caller.passes(mint(groups=["a,b", "c"], email=None) + spoofed)
    assert not request.has("X-User-Groups") and not request.has("X-User-Email")
    assert b"root@" not in b"".join(bytes(c.received) for c in caller.server.connections)
    caller.refused(mint(org={"id": 7}), "invalid_token", "claim_tenant_malformed")
