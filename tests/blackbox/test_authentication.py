"""Who is asking: tokens that are accepted, tokens that are not, and where their keys come from."""

import hmac
import json
import time

import pytest

from harness import configs
from harness.problems import expect_problem
from harness.tokens import Issuer, Key, b64url, bearer, encode
from harness.wait import eventually


def config(server, issuer, jwks, **more):
    routes = [{"path": "/", "service": "backend"}, {"path": "/public", "service": "backend", "public": True}]
    return configs.base({"backend": server.url}, routes, authentication=configs.authentication(issuer, jwks, **more))


@pytest.fixture(name="server", scope="module")
def _server(module_backend):
    return module_backend()


@pytest.fixture(name="instance", scope="module")
def _instance(module_gateway, server, issuer, tmp_path_factory):
    return module_gateway(config(server, issuer, issuer.write_jwks(tmp_path_factory.mktemp("keys"))))


def refuse(instance, server, fields, *codes):
    """The request is refused with one of `codes` and never reaches the backend."""
    seen = len(server.requests)
    response = instance.get("/", fields)
    problem = expect_problem(response, *codes)
    assert len(server.requests) == seen
    return problem, response


def unsigned(_):
    return b""


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_good_token_is_accepted(instance, server, issuer, algorithm):
    for _ in range(2):  # verified, then recognised
        assert instance.get("/", bearer(issuer.mint("alice", algorithm))).status == 200
    assert server.requests[-1].get("X-Auth-Subject") == "alice"


def test_the_scheme_is_case_insensitive(instance, issuer):
    assert instance.get("/", [("Authorization", f"bEaReR {issuer.mint()}")]).status == 200


def test_audience_as_a_list(instance, issuer):
    assert instance.get("/", bearer(issuer.mint(aud=["other", issuer.audience]))).status == 200


def test_clock_skew_is_allowed(instance, issuer):
    now = int(time.time())
    assert instance.get("/", bearer(issuer.mint(exp=now - 5, nbf=now + 5))).status == 200


def test_no_token(instance, server):
    _, response = refuse(instance, server, [], "missing_token")
    assert "error=" not in response.get("WWW-Authenticate")


def test_a_public_route_needs_no_token(instance):
    assert instance.get("/public").status == 200
    assert instance.get("/public", bearer("nonsense")).status == 200


@pytest.mark.parametrize("value", ["Basic YTpi", "Bearer", "Bearer ", "Bearertoken", "Token abc"])
def test_authorization_without_a_bearer_token(instance, server, value):
    refuse(instance, server, [("Authorization", value)], "missing_token", "invalid_token", "bad_request")


def test_a_token_in_the_query_does_not_count(instance, issuer):
    expect_problem(instance.get(f"/?access_token={issuer.mint()}"), "missing_token")


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_bad_signature(instance, server, issuer, algorithm):
    key = Key(algorithm, issuer.keys[algorithm].kid)
    refuse(instance, server, bearer(issuer.mint(algorithm=algorithm, key=key)), "invalid_token")


def test_changed_claims(instance, server, issuer):
    head, _, signature = issuer.mint().split(".")
    body = b64url(json.dumps(issuer.claims("mallory")).encode())
    refuse(instance, server, bearer(f"{head}.{body}.{signature}"), "invalid_token")


@pytest.mark.parametrize("algorithm", ["none", "None", "nOnE", "", None, 5, ["RS256"], "HS256", "RS512", "ES384", "rs256"])
def test_a_wrong_algorithm(instance, server, issuer, algorithm):
    refuse(instance, server, bearer(issuer.mint(header={"alg": algorithm})), "invalid_token")


def test_an_algorithm_that_does_not_fit_the_key(instance, server, issuer):
    token = issuer.mint(algorithm="RS256", header={"alg": "ES256"})
    refuse(instance, server, bearer(token), "invalid_token")


@pytest.mark.parametrize("algorithm", ["none", "RS256"])
def test_no_signature(instance, server, issuer, algorithm):
    header = {"alg": algorithm, "kid": issuer.keys["RS256"].kid}
    refuse(instance, server, bearer(encode(header, issuer.claims(), unsigned)), "invalid_token")


def test_hs256_with_the_public_key(instance, server, issuer):
    """The classic confusion: the public key used as an HMAC secret."""
    secret = json.dumps(issuer.keys["RS256"].jwk()).encode()
    header = {"alg": "HS256", "kid": issuer.keys["RS256"].kid}
    refuse(instance, server, bearer(encode(header, issuer.claims(), lambda data: hmac.digest(secret, data, "sha256"))), "invalid_token")


@pytest.mark.parametrize("claims,codes", [
    ({"exp": 1_000_000_000}, ["expired_token"]), ({"exp": None}, ["invalid_token"]), ({"exp": "soon"}, ["invalid_token"]),
    ({"exp": -1}, ["invalid_token", "expired_token"]), ({"nbf": 4_000_000_000}, ["invalid_token"]),
    ({"nbf": "now"}, ["invalid_token"]), ({"iss": "https://evil.test"}, ["invalid_token"]), ({"iss": None}, ["invalid_token"]),
    ({"iss": "https://users.gateway.test.evil.test"}, ["invalid_token"]), ({"iss": 5}, ["invalid_token"]),
    ({"aud": "other"}, ["invalid_token"]), ({"aud": None}, ["invalid_token"]), ({"aud": []}, ["invalid_token"]),
    ({"aud": {"a": 1}}, ["invalid_token"]),
])
def test_wrong_claims(instance, server, issuer, claims, codes):
    refuse(instance, server, bearer(issuer.mint(**claims)), *codes)


@pytest.mark.parametrize("header", [
    {"kid": "unknown"}, {"kid": "../../etc/passwd"}, {"kid": 5}, {"crit": ["x"], "x": 1}, {"crit": []}, {"b64": False, "crit": ["b64"]},
])
def test_wrong_headers(instance, server, issuer, header):
    refuse(instance, server, bearer(issuer.mint(header=header)), "invalid_token")


def test_keys_in_the_header_are_not_used(instance, server, issuer, backend):
    """A token signed with the attacker's key, which it brings along in every way there is."""
    attacker, elsewhere = Key("RS256", issuer.keys["RS256"].kid), backend()
    header = {"jwk": attacker.jwk(), "jku": elsewhere.url + "/keys", "x5u": elsewhere.url + "/cert"}
    refuse(instance, server, bearer(issuer.mint(key=attacker, header=header)), "invalid_token")
    assert not elsewhere.connections


@pytest.mark.parametrize("damage", [
    lambda t: t + "=", lambda t: t + ".x", lambda t: t.rsplit(".", 1)[0], lambda t: "." + t, lambda t: t.replace(".", "..", 1),
    lambda t: t[:-3] + "+/" + t[-1], lambda t: "x" * 9000, lambda t: "a.b.c", lambda t: "...", lambda t: t + "\u00e9",
])
def test_damaged_tokens(instance, server, issuer, damage):
    token = damage(issuer.mint())
    seen = len(server.requests)
    response = instance.get("/", [("Authorization", f"Bearer {token}")])
    assert response.status in (400, 401, 431) and len(server.requests) == seen
    assert token.encode("latin-1") not in response.body


@pytest.mark.parametrize("claims", [b'{"iss":"x","iss":"y"}', b"[]", b"null", b"{", b"\xff", b'{"a":' + b"[" * 3000, b""])
def test_claims_that_are_no_object(instance, server, issuer, claims):
    key = issuer.keys["EdDSA"]
    refuse(instance, server, bearer(encode({"alg": "EdDSA", "kid": key.kid}, claims, key.sign)), "invalid_token")


def test_all_refusals_look_alike(instance, server, issuer):
    """The reason is for the log; a client learns no more than that the token is bad."""
    tokens = [issuer.mint(header={"kid": "unknown"}), issuer.mint(iss="https://evil.test"), issuer.mint(key=Key("EdDSA", "key-eddsa"))]
    assert len({refuse(instance, server, bearer(token), "invalid_token")[0]["detail"] for token in tokens}) == 1


def test_a_cached_token_dies_when_it_expires(gateway, backend, issuer, jwks):
    instance = gateway(config(backend(), issuer, jwks, clock_skew="0s"))
    token = issuer.mint(exp=int(time.time()) + 2)
    assert instance.get("/", bearer(token)).status == 200

    def expired():
        response = instance.get("/", bearer(token))
        return response.status != 200 and response

    expect_problem(eventually(expired, "the token expiring"), "expired_token")


def test_keys_by_url(gateway, backend, issuer, jwks_server):
    keys = jwks_server()
    instance = gateway(config(backend(), issuer, {"url": keys.jwks_url}))
    for algorithm in issuer.keys:
        assert instance.get("/", bearer(issuer.mint(algorithm=algorithm))).status == 200
    assert keys.requests[0].target == "/.well-known/jwks.json"


@pytest.mark.parametrize("fault", ["error", "drop", "refuse"])
def test_keys_unavailable_at_the_start(gateway, backend, issuer, jwks_server, fault):
    """The gateway starts, says that it is not ready, keeps public routes open, and recovers by itself."""
    keys = jwks_server(listening=False) if fault == "refuse" else jwks_server(mode=fault)
    instance = gateway(config(backend(), issuer, {"url": keys.jwks_url}))
    expect_problem(instance.get("/", bearer(issuer.mint())), "keys_unavailable")
    expect_problem(instance.get("/"), "missing_token")
    assert instance.get("/public").status == 200
    assert instance.admin("/readyz").status == 503 and instance.admin("/healthz").status == 200
    if fault == "refuse":
        keys.listen()
    keys.mode = "ok"
    eventually(lambda: instance.get("/", bearer(issuer.mint())).status == 200, "the keys being fetched", timeout=30)
    eventually(lambda: instance.admin("/readyz").status == 200, "readiness")


def test_a_new_key_is_found_by_its_kid(gateway, backend, jwks_server, issuer):
    rotating = Issuer(issuer.name, issuer.audience)
    keys = jwks_server()
    keys.issuer = rotating
    instance = gateway(config(backend(), rotating, {"url": keys.jwks_url}))
    assert instance.get("/", bearer(rotating.mint(algorithm="EdDSA"))).status == 200
    rotating.keys["EdDSA"] = Key("EdDSA", "key-after-rotation")
    token = rotating.mint(algorithm="EdDSA")
    eventually(lambda: instance.get("/", bearer(token)).status == 200, "the new key being used", timeout=40)


def test_unknown_kids_do_not_flood_the_issuer(gateway, backend, issuer, jwks_server):
    keys = jwks_server()
    instance = gateway(config(backend(), issuer, {"url": keys.jwks_url}))
    with instance.client() as client:
        for i in range(200):
            expect_problem(client.get("/", bearer(issuer.mint(algorithm="EdDSA", header={"kid": f"unknown-{i}"}))), "invalid_token")
    assert len(keys.requests) <= 3


def test_keys_stay_in_use_when_their_issuer_goes_down(gateway, backend, issuer, jwks_server):
    keys = jwks_server()
    instance = gateway(config(backend(), issuer, {"url": keys.jwks_url, "refresh": "1s"}))
    assert instance.get("/", bearer(issuer.mint())).status == 200
    keys.mode = "error"
    seen = len(keys.requests)
    keys.wait_for(lambda k: len(k.requests) >= seen + 2, "two failed refreshes", timeout=40)
    assert instance.get("/", bearer(issuer.mint("bob"))).status == 200


def test_two_issuers_do_not_mix(gateway, backend, issuer, tmp_path):
    """Equal key ids, different keys: a token is verified with the keys of its own issuer alone."""
    other = Issuer("https://other.gateway.test", "lotabots")
    sections = []
    for number, one in enumerate((issuer, other)):
        folder = tmp_path / str(number)
        folder.mkdir()
        section = configs.authentication(one, one.write_jwks(folder))["issuers"][0]
        sections.append({**section, "subject_prefix": f"{number}:"})
    server = backend()
    instance = gateway(configs.base({"backend": server.url}, [{"path": "/", "service": "backend"}], authentication={"issuers": sections}))
    for one in (issuer, other):
        assert instance.get("/", bearer(one.mint())).status == 200
    expect_problem(instance.get("/", bearer(issuer.mint(iss=other.name))), "invalid_token")
    expect_problem(instance.get("/", bearer(other.mint(iss=issuer.name))), "invalid_token")
