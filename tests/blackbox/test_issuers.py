"""Several issuers before one gateway: whose tokens count where, whom they name, and what each asks of its tokens."""

import time

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from harness import configs
from harness.key_sets import SecretIssuer, SmallIssuer
from harness.problems import expect_problem
from harness.tokens import bearer
from harness.ums import FakeUms
from harness.wait import eventually

SKEW_S = 30
# Time that may pass between making a token and its check.
SLACK_S = 15
SECRET = bytes(range(33, 97))  # 64 bytes, the least that HS512 takes
SMALL_SECRET = b"s" * 32
REQUIRED = ["jti", "client.id", "https://claims.test/tier"]
GOOD = {"jti": "t-1", "client": {"id": "c-1"}, "https://claims.test/tier": "gold"}


class Place:
    """The gateway of this file, its issuers by name, the service that knows users of two of them, the backend."""

    def __init__(self, start, backend, rsa, directory):
        self.rsa = rsa
        self.a, self.b, self.typed, self.full = (SmallIssuer(f"https://{name}.test") for name in ("a", "b", "typed", "full"))
        self.secret = SecretIssuer("https://secret.test", SECRET)
        self.small = SecretIssuer("https://small.test", SMALL_SECRET)
        self.server, self.ums = backend(), backend.keep(FakeUms())
        sections = [
            self._section(directory, self.a, subject_prefix="a:"), self._section(directory, self.b, subject_prefix="b:"),
            self._section(directory, self.typed, subject_prefix="typed:", user_management=False, typ="at+jwt"),
            self._section(directory, self.full, subject_prefix="full:", user_management=False, required_claims=REQUIRED),
            self._section(directory, rsa, subject_prefix="rsa:", user_management=False, algorithms=["RS256"]),
            self._shared(directory, self.secret, ["HS256", "HS384", "HS512"]),
            self._shared(directory, self.small, ["HS256"]),
        ]
        route = {"service": "backend"}
        routes = [
            {"path": "/", **route}, {"path": "/a", **route, "issuers": [self.a.name]},
            {"path": "/a-or-typed", **route, "issuers": [self.a.name, self.typed.name]},
            {"path": "/models", **route, "require": "models:read"}, {"path": "/limited", **route, "limits": ["per_user"]},
        ]
        self.gateway = start(configs.base(
            {"backend": self.server.url}, routes,
            authentication={"clock_skew": f"{SKEW_S}s", "issuers": sections},
            authorization={"user_management": self.ums.write_token(directory)},
            rate_limits={"per_user": {"key": "user", "tokens": 2, "refill": "1/h"}}))
        self.ums.wait_feed()

    @staticmethod
    def _section(directory, issuer, **more):
        folder = directory / issuer.name.rpartition("/")[2]
        folder.mkdir()
        algorithms = list(issuer.keys)
        return {"issuer": issuer.name, "audiences": [issuer.audience], "algorithms": algorithms, "jwks": issuer.write_jwks(folder), **more}

    @staticmethod
    def _shared(directory, issuer, algorithms):
        path = directory / (issuer.name.rpartition("/")[2] + ".secret")
        path.write_bytes(issuer.secret + b"\n")
        return {"issuer": issuer.name, "audiences": [issuer.audience], "algorithms": algorithms, "secret_file": str(path),
                "subject_prefix": "secret:", "user_management": False}

    def get(self, token, target="/"):
        return self.gateway.get(target, bearer(token))

    def expect_caller(self, token, subject, target="/"):
        assert self.get(token, target).status == 200
        assert self.server.requests[-1].get("X-Auth-Subject") == subject

    def refuse(self, token, reason, code="invalid_token", target="/"):
        """Refused for that reason, which only the log tells, and unheard by the service."""
        heard = len(self.server.requests)
        response = self.get(token, target)
        problem = expect_problem(response, code)
        record, = self.gateway.wait_log(where=lambda line: line["request_id"] == problem["request_id"])
        assert record["reason"] == reason and reason.encode() not in response.body
        assert len(self.server.requests) == heard


@pytest.fixture(name="place", scope="module")
def _place(module_gateway, module_backend, issuer, tmp_path_factory):
    return Place(module_gateway, module_backend, issuer, tmp_path_factory.mktemp("issuers"))


# Whose tokens count where.


def test_a_route_takes_the_issuers_that_it_names(place):
    place.ums.add("a:alice")
    place.expect_caller(place.a.mint(), "a:alice", "/a")
    place.expect_caller(place.a.mint(), "a:alice", "/a-or-typed")
    place.expect_caller(place.typed.mint(header={"typ": "at+jwt"}), "typed:alice", "/a-or-typed")


def test_a_route_refuses_all_other_issuers_before_anybody_is_asked_for(place):
    place.ums.add("b:alice", ["*:*"])
    asked = place.ums.attempts
    for token in (place.b.mint(), place.rsa.mint(), place.secret.mint_hmac(), place.full.mint(**GOOD)):
        for _ in range(2):  # verified, then recognised
            place.refuse(token, "issuer_not_accepted", target="/a")
            place.refuse(token, "issuer_not_accepted", target="/a-or-typed")
    assert "b:alice" not in place.ums.lookups and place.ums.attempts == asked
    place.expect_caller(place.b.mint(), "b:alice")


def test_an_issuer_that_nobody_configured(place):
    place.refuse(SmallIssuer("https://c.test").mint(), "claim_iss_unknown")


# Whom they name.


def test_the_same_sub_of_two_issuers_is_two_people(place):
    place.ums.add("a:erin", ["models:read"], tenant="tenant-a")
    place.ums.add("b:erin", [], tenant="tenant-b")
    place.ums.add("erin", ["*:*"], tenant="tenant-of-nobody")
    place.expect_caller(place.a.mint("erin"), "a:erin", "/models")
    assert place.server.requests[-1].get("X-Auth-Tenant") == "tenant-a"
    place.refuse(place.b.mint("erin"), "missing_permission", "forbidden", "/models")
    assert place.ums.lookups["a:erin"] == place.ums.lookups["b:erin"] == 1 and "erin" not in place.ums.lookups


@pytest.mark.parametrize("sub", ["a:victim", "victim:a", ":victim", "a:", "A:victim"])
def test_an_issuer_cannot_name_the_users_of_another(place, sub):
    place.ums.add("a:victim", ["models:read"])
    place.refuse(place.b.mint(sub), "unknown_user", "forbidden", "/models")
    assert "b:" + sub in place.ums.lookups


def test_the_same_sub_of_two_issuers_has_two_buckets(place):
    for subject in ("a:bob", "b:bob"):
        place.ums.add(subject)
    for issuer in (place.a, place.b):
        answered = [place.get(issuer.mint("bob"), "/limited").status for _ in range(3)]
        assert answered == [200, 200, 429]


def test_issuers_that_share_a_prefix_share_their_users(place):
    tokens = [issuer.mint_hmac(subject="lou") for issuer in (place.secret, place.small)]
    for token in tokens:
        place.expect_caller(token, "secret:lou")
    assert [place.get(token, "/limited").status for token in tokens * 2] == [200, 200, 429, 429]


def test_a_change_names_the_user_with_the_prefix(place):
    """What is heard of somebody's namesake elsewhere changes nothing."""
    for subject in ("a:zoe", "b:zoe"):
        place.ums.add(subject, ["models:read"])
    for issuer in (place.a, place.b):
        assert place.get(issuer.mint("zoe"), "/models").status == 200
    place.ums.change("zoe", permissions=[])
    place.ums.change("a:zoe", permissions=[])
    eventually(lambda: place.get(place.a.mint("zoe"), "/models").status == 403, "the change")
    assert place.get(place.b.mint("zoe"), "/models").status == 200 and place.ums.lookups["b:zoe"] == 1


def test_users_whom_the_user_management_service_does_not_know(place):
    place.expect_caller(place.rsa.mint("carol"), "rsa:carol")
    place.expect_caller(place.secret.mint_hmac(subject="carol"), "secret:carol")
    assert not [name for name in place.ums.lookups if name.endswith("carol")]


# What each asks of its tokens.


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "At+Jwt", "application/at+jwt", "APPLICATION/AT+JWT"])
def test_the_type_that_is_asked_for(place, typ):
    place.expect_caller(place.typed.mint(header={"typ": typ}), "typed:alice")


@pytest.mark.parametrize("typ", ["JWT", "jwt", "id+jwt", "", "at", "at+jwt ", "at+jwtx", "text/at+jwt", "application/",
    "application/application/at+jwt",
                                 "application/jwt", "logout+jwt", None])
def test_another_type(place, typ):
    place.refuse(place.typed.mint(header={"typ": typ}), "header_typ_mismatch")


@pytest.mark.parametrize("typ", [5, ["at+jwt"], True, {"at+jwt": 1}])
def test_a_type_that_is_no_text(place, typ):
    expect_problem(place.get(place.typed.mint(header={"typ": typ})), "invalid_token")
    expect_problem(place.get(place.a.mint(header={"typ": typ})), "invalid_token")


def test_other_issuers_ask_for_no_type(place):
    place.ums.add("a:alice")
    for typ in ("at+jwt", "JWT", "anything", None):
        place.expect_caller(place.a.mint(header={"typ": typ}), "a:alice")


def test_all_required_claims(place):
    place.expect_caller(place.full.mint(**GOOD), "full:alice")


@pytest.mark.parametrize("value", [0, False, "", [], {}])
def test_a_required_claim_may_have_any_value(place, value):
    place.expect_caller(place.full.mint(**{**GOOD, "jti": value, "client": {"id": value}}), "full:alice")


@pytest.mark.parametrize("changes", [
    {"jti": None}, {"client": None}, {"client": {}}, {"client": {"id": None}}, {"client": "id"}, {"client": ["id"]},
    {"client": None, "id": "c-1"},
    {"https://claims.test/tier": None}, {"https://claims.test/tier": None, "tier": "gold"},
    {"https://claims.test/tier": None, "https://claims": {"test/tier": None}}, {"jti": None, "Jti": "t-1"},
])
def test_a_required_claim_is_missing(place, changes):
    place.refuse(place.full.mint(**{**GOOD, **changes}), "claim_required_missing")


def test_names_joined_by_a_dot_are_one_claim_too(place):
    place.expect_caller(place.full.mint(**{**GOOD, "client": None, "client.id": "c-1"}), "full:alice")


# Clocks.


@pytest.mark.parametrize("claim,offset", [("exp", SLACK_S - SKEW_S), ("nbf", SKEW_S - 1), ("iat", SKEW_S - 1), ("nbf", -10**9), ("iat", 0)])
def test_within_the_clock_skew(place, claim, offset):
    place.expect_caller(place.typed.mint(header={"typ": "at+jwt"}, **{claim: int(time.time()) + offset}), "typed:alice")


@pytest.mark.parametrize("claim,offset,reason,code", [
    ("exp", -SKEW_S, "claim_exp_passed", "expired_token"), ("exp", -SKEW_S - 0.001, "claim_exp_passed", "expired_token"),
    ("nbf", SKEW_S + SLACK_S, "claim_nbf_in_future", "invalid_token"), ("iat", SKEW_S + SLACK_S, "claim_iat_in_future", "invalid_token"),
])
def test_beyond_the_clock_skew(place, claim, offset, reason, code):
    place.refuse(place.typed.mint(header={"typ": "at+jwt"}, **{claim: time.time() + offset}), reason, code)


def test_the_edges_are_sharp_to_the_millisecond(gateway, backend, tmp_path):
    """Asked without a pause: refused before `nbf`, accepted between, refused from `exp` on; one clock, no skew."""
    issuer = SmallIssuer("https://sharp.test")
    config = configs.base({"backend": backend().url}, [{"path": "/", "service": "backend"}],
                          authentication=configs.authentication(issuer, issuer.write_jwks(tmp_path), clock_skew="0s"))
    instance = gateway(config)
    begin, seen = time.time() + 0.5, set()
    token = issuer.mint(iat=None, nbf=begin, exp=begin + 0.5)
    with instance.client() as client:
        while (before := time.time()) < begin + 0.7:
            response = client.get("/", bearer(token))
            after = time.time()
            code = "accepted" if response.status == 200 else response.json()["code"]
            # The gateway looked at the clock somewhere between: only what holds all the time can be said.
            expected = "invalid_token" if after < begin else "accepted" if begin < before and after < begin + 0.5 else None
            expected = "expired_token" if before > begin + 0.5 else expected
            assert expected in (None, code), (before - begin, after - begin)
            seen.add(code)
    assert seen == {"invalid_token", "accepted", "expired_token"}


# Shared secrets.


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("header", [{}, {"kid": "anything"}, {"kid": ""}])
def test_tokens_of_a_shared_secret(place, algorithm, header):
    for _ in range(2):
        place.expect_caller(place.secret.mint_hmac(algorithm, header=header), "secret:alice")


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("secret", [b"", SECRET[:-1], SECRET + b"\n", SECRET[:32], SMALL_SECRET, bytes(64)])
def test_another_secret(place, algorithm, secret):
    place.refuse(place.secret.mint_hmac(algorithm, secret), "signature_mismatch")


@pytest.mark.parametrize("signed,named", [("HS256", "HS512"), ("HS512", "HS256"), ("HS384", "HS512")])
def test_the_named_hmac_is_the_one_that_counts(place, signed, named):
    expect_problem(place.get(place.secret.mint_hmac(signed, header={"alg": named})), "invalid_token")


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_an_hmac_that_the_issuer_does_not_use(place, algorithm):
    place.refuse(place.small.mint_hmac(algorithm), "algorithm_not_allowed")
    place.expect_caller(place.small.mint_hmac("HS256"), "secret:alice")


def test_a_public_key_is_no_secret(place):
    """Whatever form of its public key an attacker takes for the HMAC, an issuer with keys takes no HMAC."""
    public = place.rsa.keys["RS256"].private.public_key()
    forms = [public.public_bytes(encoding, form) for encoding, form in (
        (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), (Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        (Encoding.PEM, PublicFormat.PKCS1), (Encoding.DER, PublicFormat.PKCS1))]
    attacker = SecretIssuer(place.rsa.name, b"")
    for secret in [*forms, *(form.strip() for form in forms), b"", SECRET]:
        for header in ({}, {"kid": place.rsa.keys["RS256"].kid}):
            place.refuse(attacker.mint_hmac(secret=secret, header=header), "algorithm_not_allowed")


def test_a_signature_is_no_hmac(place):
    for algorithm in ("RS256", "EdDSA", "ES256"):
        token = place.rsa.mint(algorithm=algorithm, iss=place.secret.name)
        place.refuse(token, "algorithm_not_allowed")


def test_a_secret_is_for_its_issuer_alone(place):
    for issuer in (place.a, place.rsa, place.small):
        token = place.secret.mint_hmac(iss=issuer.name)
        expect_problem(place.get(token), "invalid_token")
    place.refuse(place.small.mint_hmac(iss=place.secret.name), "signature_mismatch")
