"""WWW-Authenticate: what a client is told about the credentials that it lacks (RFC 9110 11.6.1, RFC 6750 3)."""

import re

import pytest

from harness import configs
from harness.key_sets import SmallIssuer
from harness.tokens import Key, bearer
from harness.ums import FakeUms

_PARAMETER = r'[a-z_]+="[\x20\x21\x23-\x5b\x5d-\x7e]*"'
_CHALLENGE = rf"(\w+) ({_PARAMETER}(?:, {_PARAMETER})*)"
_CHALLENGES = re.compile(rf"{_CHALLENGE}(?:, {_CHALLENGE})*")
KEY = "lgk_" + "c" * 43


def bearer_challenge(response):
    """The parameters of the first challenge, which is Bearer's; others, such as one for API keys, may follow."""
    fields = response.all("WWW-Authenticate")
    assert fields and all(_CHALLENGES.fullmatch(field) for field in fields), fields
    scheme, parameters = re.match(_CHALLENGE, fields[0]).groups()
    assert scheme == "Bearer" and len(re.findall(r"\bBearer ", ", ".join(fields))) == 1
    found = re.findall(r'([a-z_]+)="([^"]*)"', parameters)
    assert len(dict(found)) == len(found)
    return dict(found)


class Place:
    """A gateway whose routes take tokens, keys or both, and whose service knows alice."""

    def __init__(self, start, backend, directory):
        self.issuer, self.silent = SmallIssuer("https://users.test"), SmallIssuer("https://silent.test")
        self.server, self.ums = backend(), backend.keep(FakeUms())
        self.ums.add("alice", ["models:read"])
        self.ums.add("gone", ["*:*"], revoked_sessions=["s-1"])
        self.ums.add_key(KEY, "alice", disabled=True)
        authentication = configs.authentication(self.issuer, self.issuer.write_jwks(directory))
        own, = authentication["issuers"]
        own["subject_prefix"] = ""
        nowhere = {"url": backend(listening=False).url + "/keys"}
        authentication["issuers"].append({**own, "issuer": self.silent.name, "jwks": nowhere, "subject_prefix": "silent:"})
        routes = [
            {"path": "/tokens", "service": "backend"}, {"path": "/both", "service": "backend", "api_keys": True},
            {"path": "/keys", "service": "backend", "api_keys": True, "issuers": []},
            {"path": "/public", "service": "backend", "public": True},
            {"path": "/models", "service": "backend", "require": {"*": "models:write"}},
        ]
        self.gateway = start(configs.base({"backend": self.server.url}, routes, authentication=authentication,
                                          authorization={"user_management": self.ums.write_token(directory)}))

    def ask(self, target, fields, method="GET"):
        with self.gateway.client() as client:
            return client.request(method, target, fields)


@pytest.fixture(name="place", scope="module")
def _place(module_gateway, module_backend, tmp_path_factory):
    return Place(module_gateway, module_backend, tmp_path_factory.mktemp("challenges"))


@pytest.mark.parametrize("target", ["/tokens", "/both", "/keys", "/models"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
@pytest.mark.parametrize("fields", [[], [("Authorization", "Basic YTpi")], [("Authorization", "Bearer")]])
def test_no_credential_is_no_error_yet(place, target, method, fields):
    """RFC 6750 3.1: who shows no token is told no error code."""
    response = place.ask(target, fields, method)
    assert response.status == 401 and set(bearer_challenge(response)) == {"realm"}


BAD = {
    "nonsense": lambda p: bearer("nonsense"), "no signature": lambda p: bearer("a.b.c"),
    "another key": lambda p: bearer(p.issuer.mint(key=Key("EdDSA", "key-1"))),
    "another issuer": lambda p: bearer(p.issuer.mint(iss="https://evil.test")),
    "not yet": lambda p: bearer(p.issuer.mint(nbf=4_000_000_000)), "an ended session": lambda p: bearer(p.issuer.mint("gone", sid="s-1")),
    "a token too large": lambda p: bearer("x" * 9000), "quotes": lambda p: bearer('"\\", error="none'),
}


@pytest.mark.parametrize("credential", BAD.values(), ids=list(BAD))
@pytest.mark.parametrize("target", ["/tokens", "/both", "/models"])
def test_a_bad_token(place, credential, target):
    """Told to be bad, and nothing of why: which check failed is the log's."""
    for method in ("GET", "HEAD"):
        response = place.ask(target, credential(place), method)
        assert response.status == 401
        challenge = bearer_challenge(response)
        assert set(challenge) == {"realm", "error"} and challenge["error"] == "invalid_token"


@pytest.mark.parametrize("target", ["/tokens", "/both"])
def test_an_expired_token_is_told_to_be(place, target):
    """The one reason that a client can act on: it fetches another token."""
    response = place.ask(target, bearer(place.issuer.mint(exp=1)))
    challenge = bearer_challenge(response)
    assert response.status == 401 and challenge["error"] == "invalid_token" and "expired" in challenge["error_description"]


@pytest.mark.parametrize("api_key", [KEY, "lgk_" + "u" * 43, "short"])
@pytest.mark.parametrize("target", ["/both", "/keys"])
def test_a_bad_api_key(place, target, api_key):
    response = place.ask(target, [("X-API-Key", api_key)])
    assert response.status == 401 and bearer_challenge(response)["realm"]
    assert api_key not in str(response.fields) + response.body.decode()


def test_the_realm_is_one(place):
    fields = ([], bearer("x"), bearer(place.issuer.mint(exp=1)))
    assert len({bearer_challenge(place.ask("/tokens", one))["realm"] for one in fields}) == 1


def test_a_missing_permission(place):
    """403 may say so (RFC 6750 3.1): the token is good and not enough."""
    response = place.ask("/models", bearer(place.issuer.mint()))
    assert response.status == 403 and bearer_challenge(response)["error"] == "insufficient_scope"


@pytest.mark.parametrize("target,credential,status", [
    ("/public", lambda p: [], 200), ("/tokens", lambda p: bearer(p.issuer.mint()), 200), ("/nowhere", lambda p: [], 404),
    ("/tokens%2F", lambda p: [], 400),
    ("/tokens", lambda p: bearer(p.silent.mint()), 503), ("/both", lambda p: [*bearer(p.issuer.mint()), ("X-API-Key", KEY)], 400),
])
def test_no_other_answer_asks_for_credentials(place, target, credential, status):
    response = place.ask(target, credential(place))
    assert response.status == status and not response.has("WWW-Authenticate")
