"""Rows J12 to J14 and J16 to J18: what a good signature does not excuse, where a token may be, and how long a verdict lives."""

import json
import math
import time

import pytest

from harness import prometheus
from harness.client import fetch
from harness.door import Door, config
from harness.problems import expect_problem
from harness.tokens import SECRET, Issuer, Key, b64url, bearer, encode, unb64url
from harness.wait import eventually

SKEW = 30
YEARS = 10**9


@pytest.fixture(name="door", scope="module")
def _door(module_gateway, module_backend, issuer, tmp_path_factory):
    server = module_backend()
    jwks = issuer.write_jwks(tmp_path_factory.mktemp("keys"))
    return Door(module_gateway(config(server, issuer, jwks)), server, issuer)


def with_a_secret(algorithm, folder):
    """An issuer of HMACs, and what the configuration says of its keys."""
    issuer = Issuer(algorithms=[algorithm])
    key = issuer.keys[algorithm]
    key.private = bytes(byte % 94 + 33 for byte in key.private)  # no line end but the one that a file may have at its end
    (folder / "secret").write_bytes(key.private + b"\n")
    return issuer, {"secret_file": str(folder / "secret")}


def with_claim(door, name, text):
    """A good token but for one claim, which is `text` as JSON has it; `text` None leaves it out."""
    claims = {key: value for key, value in door.issuer.claims().items() if key != name}
    body = json.dumps(claims).encode()
    if text is not None:
        body = body[:-1] + b',"' + name.encode() + b'":' + text.encode() + b"}"
    return encode({"alg": "EdDSA"}, body, door.issuer.keys["EdDSA"].sign)


def seconds(offset):
    return str(int(time.time()) + offset)


NOT_A_DATE = ['"%s"', '"soon"', "null", "true", "[%s]", '{"a":%s}', '""']


@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("text", NOT_A_DATE)
def test_J12_a_date_is_a_number(door, claim, text):
    date = seconds(100 if claim == "exp" else -100)
    door.refuse(with_claim(door, claim, text.replace("%s", date)), f"claim_{claim}_malformed")


@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999", "0x10", "+1", "1.", "01"])
def test_J12_a_number_of_json(door, claim, text):
    door.refuse(with_claim(door, claim, text), "json_malformed", "json_number_out_of_range")


def test_J12_exp_is_required(door):
    door.refuse(with_claim(door, "exp", None), "claim_exp_missing")
    door.accept(with_claim(door, "nbf", None))
    door.accept(with_claim(door, "iat", None))


@pytest.mark.parametrize("text", ["0", "-1", "-1e20", "-9223372036854775808", "1000000000", "1000000000.999"])
def test_J12_expired_long_ago(door, text):
    door.refuse(with_claim(door, "exp", text), "claim_exp_passed", code="expired_token")


@pytest.mark.parametrize("text", ["1e20", "18446744073709551615", "9223372036854775807", "1e300", "4000000000.5"])
def test_J12_no_date_wraps(door, text):
    """Far away is far away: nothing becomes a small number."""
    door.accept(with_claim(door, "exp", text))
    door.refuse(with_claim(door, "nbf", text), "claim_nbf_in_future")
    door.refuse(with_claim(door, "iat", text), "claim_iat_in_future")
    door.accept(with_claim(door, "nbf", "-" + text.replace("18446744073709551615", "9223372036854775807")))


def test_J12_leeway_is_what_is_configured(door):
    door.accept(with_claim(door, "exp", seconds(-SKEW + 10)))
    door.refuse(with_claim(door, "exp", seconds(-SKEW - 1)), "claim_exp_passed", code="expired_token")
    for claim in ("nbf", "iat"):
        door.accept(with_claim(door, claim, seconds(SKEW - 1)))
        door.refuse(with_claim(door, claim, seconds(SKEW + 20)), f"claim_{claim}_in_future")


@pytest.mark.parametrize("text,reason", [
    ('"other"', "claim_aud_mismatch"), ("[]", "claim_aud_mismatch"), ('""', "claim_aud_mismatch"), (None, "claim_aud_mismatch"),
    ('["other","lotabot"]', "claim_aud_mismatch"), ('"lotabots "', "claim_aud_mismatch"), ('"LOTABOTS"', "claim_aud_mismatch"),
    ('"lotabots,other"', "claim_aud_mismatch"), ('"lotabots\\u0000"', "claim_aud_mismatch"), ('{"lotabots":1}', "claim_aud_malformed"),
    ("5", "claim_aud_malformed"), ("null", "claim_aud_malformed"), ('["lotabots",5]', "claim_aud_malformed"), ('[["lotabots"]]', "claim_aud_malformed"),
])
def test_J13_audiences_that_are_others(door, text, reason):
    door.refuse(with_claim(door, "aud", text), reason)


@pytest.mark.parametrize("text", ['"lotabots"', '["lotabots"]', '["other","lotabots"]', '["lotabots","lotabots"]'])
def test_J13_audiences_that_are_ours(door, text):
    door.accept(with_claim(door, "aud", text))


@pytest.mark.parametrize("change", [
    lambda name: name + "/", lambda name: name + ".evil.test", lambda name: name.upper(), lambda name: name[:-1], lambda name: " " + name,
    lambda name: name.replace("https", "http"), lambda name: "", lambda name: name + "\\u0000", lambda name: name + "?x", lambda name: name + "#",
])
def test_J13_issuers_that_are_others(door, change):
    door.refuse(with_claim(door, "iss", f'"{change(door.issuer.name)}"'), "claim_iss_unknown")


@pytest.mark.parametrize("text,reason", [(None, "claim_iss_missing"), ("5", "claim_iss_malformed"), ("null", "claim_iss_malformed"),
                                         ('["https://users.gateway.test"]', "claim_iss_malformed")])
def test_J13_an_issuer_is_one_text(door, text, reason):
    door.refuse(with_claim(door, "iss", text), reason)


@pytest.mark.parametrize("text,reason", [
    (None, "claim_sub_missing"), ("5", "claim_sub_malformed"), ('""', "claim_sub_malformed"), ('"a b"', "claim_sub_malformed"),
    ('"a\\r\\nX-Auth-Roles: admin"', "claim_sub_malformed"), ('"\\u00e9"', "claim_sub_malformed"), ('["alice"]', "claim_sub_malformed"),
    ('"' + "a" * 1000 + '"', "claim_sub_malformed"),
])
def test_J13_a_subject_is_fit_for_a_header(door, text, reason):
    door.refuse(with_claim(door, "sub", text), reason)


@pytest.fixture(name="typed", scope="module")
def _typed(module_gateway, module_backend, issuer, tmp_path_factory):
    server = module_backend()
    jwks = issuer.write_jwks(tmp_path_factory.mktemp("keys"))
    entry = {"typ": "at+jwt", "required_claims": ["sid", "realm.roles"]}
    return Door(module_gateway(config(server, issuer, jwks, **entry)), server, issuer)


def typed_token(door, typ, **claims):
    claims = {"sid": "s-1", "realm": {"roles": []}, **claims}
    return door.issuer.mint(algorithm="EdDSA", header={"typ": typ}, **claims)


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"])
def test_J14_access_tokens(typed, typ):
    typed.accept(typed_token(typed, typ))


@pytest.mark.parametrize("configured", ["application/at+jwt", "Application/AT+JWT"])
def test_J14_the_configured_type_may_say_application(gateway, backend, issuer, tmp_path, configured):
    """Both spellings are one type (RFC 7515 4.1.9), on both sides."""
    server = backend()
    door = Door(gateway(config(server, issuer, issuer.write_jwks(tmp_path), typ=configured)), server, issuer)
    for typ in ("at+jwt", "application/at+jwt"):
        door.accept(typed_token(door, typ))
    door.refuse(typed_token(door, "application/jwt"), "header_typ_mismatch")


@pytest.mark.parametrize("typ", ["JWT", None, "", "id+jwt", "logout+jwt", "at+jwt ", "at+jwtx", "at", "x/at+jwt", "application/application/at+jwt",
                                 "secevent+jwt", "application/"])
def test_J14_tokens_for_something_else(typed, typ):
    """An ID token, a logout token, any JWT of the same issuer and key."""
    typed.refuse(typed_token(typed, typ), "header_typ_mismatch")


@pytest.mark.parametrize("typ", [5, ["at+jwt"], True, {"typ": "at+jwt"}])
def test_J14_a_type_is_text(typed, typ):
    typed.refuse(typed_token(typed, typ), "header_typ_malformed")


@pytest.mark.parametrize("claims", [{"sid": None}, {"realm": None}, {"realm": {}}, {"realm": "roles"}, {"realm": [{"roles": 1}]}])
def test_J14_required_claims(typed, claims):
    typed.refuse(typed_token(typed, "at+jwt", **claims), "claim_required_missing")


def without_token(door, target="/", fields=()):
    seen = len(door.server.requests)
    expect_problem(door.gateway.get(target, fields), "missing_token")
    assert len(door.server.requests) == seen


def test_J16_only_the_authorization_field_counts(door):
    token = door.issuer.mint()
    without_token(door, f"/?access_token={token}")
    without_token(door, f"/?token={token}&authorization=Bearer%20{token}")
    for name, value in [("Cookie", f"access_token={token}; token={token}; Authorization=Bearer {token}"), ("X-Access-Token", token),
                        ("Proxy-Authorization", f"Bearer {token}"), ("X-Authorization", f"Bearer {token}"), ("Sec-WebSocket-Protocol", token)]:
        without_token(door, fields=[(name, value)])


def test_J16_not_in_a_form_either(door):
    body = f"access_token={door.issuer.mint()}".encode()
    seen = len(door.server.requests)
    response = fetch(door.gateway.port, "POST", "/", [("Content-Type", "application/x-www-form-urlencoded")], body)
    expect_problem(response, "missing_token")
    assert len(door.server.requests) == seen


@pytest.mark.parametrize("second", ["Bearer {token}", "Basic YTpi", ""])
def test_J16_two_methods_at_once(door, second):
    token = door.issuer.mint()
    seen = len(door.server.requests)
    fields = [("Authorization", f"Bearer {token}"), ("authorization", second.format(token=token))]
    expect_problem(door.gateway.get("/", fields), "bad_request")
    expect_problem(door.gateway.get("/", fields[::-1]), "bad_request")
    assert len(door.server.requests) == seen


@pytest.mark.parametrize("value,code", [
    ("bearer {}", None), ("BEARER {}", None), ("Bearer  {}", "invalid_token"), ("Bearer\t{}", "missing_token"), ("Bearer{}", "missing_token"),
    ("Bearer {0}, Bearer {0}", "invalid_token"), ("Bearer {0} {0}", "invalid_token"), ("Bearer token={}", "invalid_token"),
    ('Bearer "{}"', "invalid_token"), ("Basic {}", "missing_token"), ("{}", "missing_token"), ("Token {}", "missing_token"), ("DPoP {}", "missing_token"),
])
def test_J16_one_scheme_one_space(door, value, code):
    seen = len(door.server.requests)
    response = door.gateway.get("/", [("Authorization", value.format(door.issuer.mint()))])
    if code is None:
        assert response.status == 200
    else:
        expect_problem(response, code)
    assert len(door.server.requests) == seen + (code is None)


def test_J17_a_verdict_is_for_every_byte_of_its_token(door):
    """Neither `kid` nor `sub` nor `jti` nor a part of the token leads to what was verified before."""
    token = door.issuer.mint(algorithm="EdDSA", jti="one")
    for _ in range(3):
        door.accept(token)
    head, body, signature = token.split(".")
    changed = bytearray(unb64url(signature))
    changed[0] ^= 1
    claims = {**json.loads(unb64url(body)), "tenant": "other"}
    door.refuse(f"{head}.{body}.{b64url(bytes(changed))}", "signature_mismatch")
    door.refuse(f"{head}.{b64url(json.dumps(claims).encode())}.{signature}", "signature_mismatch")
    door.refuse(f"{b64url(json.dumps({'alg': 'EdDSA', 'kid': 'key-eddsa'}, indent=1).encode())}.{body}.{signature}", "signature_mismatch")
    stranger = Key("EdDSA", door.issuer.keys["EdDSA"].kid)
    door.refuse(encode(json.loads(unb64url(head)), json.loads(unb64url(body)), stranger.sign), "signature_mismatch")
    door.accept(token)


def test_J17_a_verdict_dies_with_its_token(gateway, backend, issuer, jwks):
    server = backend()
    door = Door(gateway(config(server, issuer, jwks, {"clock_skew": "0s"})), server, issuer)
    end = int(time.time()) + 2
    token = issuer.mint(algorithm="EdDSA", exp=end)
    door.accept(token)
    while time.time() < end - 0.5:
        door.accept(token)
    eventually(lambda: time.time() >= end, "the end of the token")
    door.refuse(token, "claim_exp_passed", code="expired_token")


def test_J17_a_verdict_dies_with_its_key(gateway, backend, jwks_server):
    """A key that its issuer withdraws verifies nothing any more, not even what it verified before; others stay."""
    issuer = Issuer(algorithms=["EdDSA", "ES256"])
    keys, server = jwks_server(), backend()
    keys.issuer = issuer
    door = Door(gateway(config(server, issuer, {"url": keys.jwks_url, "refresh": "1s"})), server, issuer)
    withdrawn, kept = issuer.mint("alice", "EdDSA"), issuer.mint("bob", "ES256")
    door.accept(withdrawn)
    door.accept(kept, "bob")
    issuer.keys = {"ES256": issuer.keys["ES256"]}
    eventually(lambda: door.gateway.get("/", bearer(withdrawn)).status == 401, "the key being forgotten", timeout=30)
    door.refuse(withdrawn, "key_unknown")
    door.accept(kept, "bob")


def test_J17_a_key_that_keeps_its_name(gateway, backend, jwks_server):
    """Another key under the same kid: what the old one signed is no longer good."""
    issuer = Issuer(algorithms=["EdDSA"])
    keys, server = jwks_server(), backend()
    keys.issuer = issuer
    door = Door(gateway(config(server, issuer, {"url": keys.jwks_url, "refresh": "1s"})), server, issuer)
    token = issuer.mint(algorithm="EdDSA")
    door.accept(token)
    issuer.keys = {"EdDSA": Key("EdDSA", issuer.keys["EdDSA"].kid)}
    eventually(lambda: door.gateway.get("/", bearer(token)).status == 401, "the key being exchanged", timeout=30)
    door.refuse(token, "signature_mismatch")
    door.accept(issuer.mint(algorithm="EdDSA"))


def test_J17_verdicts_are_bounded(gateway, backend, tmp_path):
    """More tokens than there is room for: all are answered, the memory of verdicts stays below its bound."""
    issuer, keys = with_a_secret("HS256", tmp_path)
    server, bound = backend(), 64 * 1024
    instance = gateway(config(server, issuer, keys, {"token_cache": "64KiB"}))
    with instance.client() as client:
        for number in range(600):
            assert client.get("/", bearer(issuer.mint(algorithm="HS256", jti=str(number)))).status == 200
            assert client.get("/", bearer(issuer.mint(algorithm="HS256", jti=str(number), key=Key("HS256", "k")))).status == 401
    scrape = eventually(lambda: _scrape_after(instance, 1200), "the counters")
    assert 0 < scrape.sum("lotagate_token_cache_bytes") <= bound


def _scrape_after(instance, misses):
    scrape = prometheus.parse(instance.admin("/metrics").body.decode())
    return scrape if scrape.sum("lotagate_token_cache_misses_total") >= misses else None


@pytest.fixture(name="shared", scope="module", params=SECRET)
def _shared(request, module_gateway, module_backend, tmp_path_factory):
    """An issuer that shares a secret with the gateway."""
    issuer, keys = with_a_secret(request.param, tmp_path_factory.mktemp("secret"))
    server = module_backend()
    door = Door(module_gateway(config(server, issuer, keys)), server, issuer)
    door.key = issuer.keys[request.param]
    return door


def test_good_tokens_with_a_secret(shared):
    """With any kid and without: there is one secret."""
    for header in ({}, {"kid": None}, {"kid": "whatever"}, {"kid": ""}):
        shared.accept(shared.issuer.mint(algorithm=shared.key.algorithm, header=header))


def test_J18_macs_are_compared_whole(shared):
    size = shared.key.hash.digest_size
    for change in [lambda s: s[:1], lambda s: s[: size // 2], lambda s: s[:-1], lambda s: s + b"\0", lambda s: s[:-1] + bytes([s[-1] ^ 1]),
                   lambda s: bytes([s[0] ^ 0x80]) + s[1:], lambda s: bytes(len(s)), lambda s: s[::-1]]:
        shared.refuse(shared.sign(shared.key, signature=change), "signature_mismatch")


def test_J18_another_secret_of_any_likeness(shared):
    algorithm, secret = shared.key.algorithm, shared.key.private
    for private in (secret[:-1], secret + b"\n", secret + b"x", secret.swapcase(), bytes(len(secret)), b"x"):
        shared.refuse(shared.sign(Key(algorithm, "k", private=private)), "signature_mismatch")


def test_J02_a_secret_serves_the_algorithms_it_is_for(shared):
    """The same secret under another hash, and every algorithm of public keys."""
    for algorithm in SECRET:
        if algorithm != shared.key.algorithm:
            shared.refuse(shared.sign(Key(algorithm, "k", private=shared.key.private)), "algorithm_not_allowed")
    for algorithm in ("RS256", "ES256", "EdDSA"):
        shared.refuse(shared.sign(Key(algorithm, "k")), "algorithm_not_allowed")


def test_J18_how_much_of_a_mac_is_right_changes_nothing_that_is_seen(shared):
    """The comparison itself takes constant time (CRYPTO_memcmp); here: one answer, byte for byte, for any first difference."""
    answers = set()
    for position in range(shared.key.hash.digest_size):
        token = shared.sign(shared.key, signature=lambda s, at=position: s[:at] + bytes([s[at] ^ 1]) + s[at + 1:])
        response = shared.gateway.get("/", bearer(token))
        problem = {name: value for name, value in response.json().items() if name not in ("request_id", "instance")}
        answers.add((response.status, len(response.body), json.dumps(problem), response.get("WWW-Authenticate")))
    assert len(answers) == 1


def test_J12_times_are_compared_with_the_wall_clock(door):
    """The same claims a second later: `exp` counts, not how long ago the token was issued."""
    door.accept(with_claim(door, "iat", str(math.floor(time.time()) - YEARS)))
