"""Rows J01 to J11 and J15: tokens that must not pass. Outside they all look the same; the reason is in the access log alone."""

import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from harness.door import Door, config
from harness.gateway import run_command
from harness.tokens import PUBLIC, SECRET, Issuer, Key, b64url, encode, unb64url

ECDSA = ("ES256", "ES384", "ES512")
ORDERS = {
    "ES256": 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551,
    "ES384": 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973,
    "ES512": 0x01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409,
}
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493


@pytest.fixture(name="everything", scope="module")
def _everything():
    """An issuer with a key for each algorithm that public keys verify."""
    return Issuer(algorithms=PUBLIC)


@pytest.fixture(name="door", scope="module")
def _door(module_gateway, module_backend, everything, tmp_path_factory):
    server = module_backend()
    jwks = everything.write_jwks(tmp_path_factory.mktemp("keys"))
    return Door(module_gateway(config(server, everything, jwks)), server, everything)


def raw(header, claims, key):
    """A token whose header and claims are these bytes or dicts, signed by `key` all the same."""
    return encode(header, claims, key.sign)


@pytest.mark.parametrize("algorithm", PUBLIC)
def test_good_tokens_of_every_algorithm(door, algorithm):
    door.accept(door.issuer.mint(algorithm=algorithm))


@pytest.mark.parametrize("algorithm", ["none", "None", "nOnE", "NONE", "", "rs256", "RS256 ", "RS1"])
def test_J01_algorithms_that_are_none(door, algorithm):
    header = {"alg": algorithm, "kid": "key-rs256"}
    door.refuse(encode(header, door.issuer.claims(), lambda _: b""), "token_not_signed")
    door.refuse(encode(header, door.issuer.claims(), lambda _: b"x"), "header_algorithm_unsupported")
    door.refuse(door.issuer.mint(header=header), "header_algorithm_unsupported")


@pytest.mark.parametrize("algorithm", [None, 5, ["RS256"], {"a": "RS256"}, True])
def test_J01_an_algorithm_that_is_no_text(door, algorithm):
    door.refuse(door.issuer.mint(header={"alg": algorithm}), "header_algorithm_missing")
    door.refuse(raw(json.dumps({"alg": algorithm}).encode(), door.issuer.claims(), door.issuer.keys["EdDSA"]), "header_algorithm_missing")


@pytest.mark.parametrize("algorithm", PUBLIC)
def test_J01_no_signature(door, algorithm):
    token = door.issuer.mint(algorithm=algorithm)
    door.refuse(token[: token.rindex(".") + 1], "token_not_signed")


@pytest.mark.parametrize("algorithm", SECRET)
def test_J02_a_public_key_is_no_secret(door, algorithm):
    """The classic confusion: what everybody may know, used as an HMAC key in each spelling of it."""
    for key in door.issuer.keys.values():
        for spelling in (json.dumps(key.jwk()), json.dumps(key.jwk(), separators=(",", ":")), key.jwk().get("n", key.jwk().get("x"))):
            forged = Key(algorithm, key.kid, private=spelling.encode())
            door.refuse(door.sign(forged), "algorithm_not_allowed")


@pytest.mark.parametrize("named", PUBLIC)
def test_J02_the_key_decides_the_algorithm(door, named):
    """A token for `kid` of one key, under the name of an algorithm that another key of the same issuer is for."""
    for key in door.issuer.keys.values():
        if key.algorithm != named:
            door.refuse(door.sign(key, header={"alg": named}), "key_unknown")


def test_J02_numbers_of_a_key_serve_one_algorithm(door):
    """PS <-> RS and SHA-256 <-> SHA-512 with the very same RSA key: `alg` of the JWK counts."""
    for key in door.issuer.keys.values():
        if key.algorithm[:2] not in ("RS", "PS"):
            continue
        for other in PUBLIC[:6]:
            if other != key.algorithm:
                door.refuse(door.sign(Key(other, key.kid, private=key.private)), "key_unknown")


def test_J02_an_algorithm_beyond_the_list(gateway, backend, everything, tmp_path):
    """The list of the configuration counts even if the issuer publishes a key for more."""
    server = backend()
    door = Door(gateway(config(server, everything, everything.write_jwks(tmp_path), algorithms=["ES384"])), server, everything)
    door.accept(everything.mint(algorithm="ES384"))
    for algorithm in PUBLIC:
        if algorithm != "ES384":
            door.refuse(everything.mint(algorithm=algorithm), "algorithm_not_allowed")


def test_J02_a_key_without_alg_stands_for_one_algorithm(gateway, backend, tmp_path):
    """An RSA key for RS256, an EC key for its curve's."""
    issuer = Issuer(algorithms=PUBLIC)
    shared = issuer.keys["RS256"].private
    issuer.keys.update({name: Key(name, "rsa", private=shared) for name in PUBLIC[:6]})
    keys = [issuer.keys[name].jwk() for name in ("RS256", *ECDSA, "EdDSA")]
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [{k: v for k, v in jwk.items() if k != "alg"} for jwk in keys]}))
    server = backend()
    door = Door(gateway(config(server, issuer, {"file": str(tmp_path / "keys.json")})), server, issuer)
    for name in PUBLIC:
        if name in ("RS256", *ECDSA, "EdDSA"):
            door.accept(issuer.mint(algorithm=name))
        else:
            door.refuse(issuer.mint(algorithm=name), "key_unknown")


def test_J03_keys_in_the_header_are_not_used(door, backend):
    """A token of the attacker's key, which it brings along in every way there is; nobody is asked for it."""
    elsewhere = backend()
    for algorithm in ("RS256", "ES256", "EdDSA"):
        attacker = Key(algorithm, door.issuer.keys[algorithm].kid)
        for header in ({"jwk": attacker.jwk()}, {"jku": elsewhere.url + "/keys"}, {"x5u": elsewhere.url + "/cert"},
                       {"x5c": ["MIIB"]}, {"x5t": "AAAA", "x5t#S256": "AAAA"}):
            door.refuse(door.sign(attacker, header=header), "signature_mismatch")
            door.accept(door.issuer.mint(algorithm=algorithm, header=header))
    assert not elsewhere.connections


@pytest.mark.parametrize("kid", ["unknown", "KEY-RS256", "key-rs256 ", "../../../etc/passwd", "' OR 1=1 --", "key-rs256\0", "\0", "",
                                 "key-\u00e9", "k" * 256, "|cat /etc/passwd", "key-es256"])
def test_J04_a_kid_is_an_exact_name(door, kid):
    door.refuse(door.issuer.mint(header={"kid": kid}), "key_unknown")


@pytest.mark.parametrize("kid", [5, True, ["key-rs256"], {"kid": "key-rs256"}, 0])
def test_J04_a_kid_that_is_no_text(door, kid):
    door.refuse(door.issuer.mint(header={"kid": kid}), "header_kid_malformed")
    door.refuse(raw(b'{"alg":"RS256","kid":null}', door.issuer.claims(), door.issuer.keys["RS256"]), "header_kid_malformed")


def test_J04_a_kid_beyond_its_limit(door):
    door.refuse(door.issuer.mint(header={"kid": "k" * 257}), "header_kid_too_long")
    door.refuse(door.issuer.mint(header={"kid": "k" * 10_000}), "token_too_large")


@pytest.mark.parametrize("algorithm", PUBLIC)
def test_J04_without_a_kid_the_keys_that_fit_are_tried(door, algorithm):
    key = door.issuer.keys[algorithm]
    door.accept(raw({"alg": algorithm}, door.issuer.claims(), key))
    door.refuse(raw({"alg": algorithm}, door.issuer.claims(), Key(algorithm, key.kid)), "signature_mismatch")


def test_J04_without_a_kid_four_keys_are_tried(gateway, backend, tmp_path):
    issuer = Issuer(algorithms=["EdDSA"])
    keys = [Key("EdDSA", f"key-{i}") for i in range(6)]
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [key.jwk() for key in keys]}))
    server = backend()
    door = Door(gateway(config(server, issuer, {"file": str(tmp_path / "keys.json")})), server, issuer)
    for number, key in enumerate(keys):
        token = raw({"alg": "EdDSA"}, issuer.claims(), key)
        if number < 4:
            door.accept(token)
        else:
            door.refuse(token, "signature_mismatch")
        door.accept(door.sign(key))


@pytest.mark.parametrize("crit", [["exp"], [], "exp", ["alg"], ["b64"], [""], {}, False])
def test_J05_critical_extensions(door, crit):
    door.refuse(door.issuer.mint(header={"crit": crit, "exp": 1}), "header_critical_extension")


def test_J05_crit_null(door):
    door.refuse(raw(b'{"alg":"EdDSA","crit":null}', door.issuer.claims(), door.issuer.keys["EdDSA"]), "header_critical_extension")


def test_J06_unencoded_payloads(door):
    key = door.issuer.keys["EdDSA"]
    door.refuse(door.issuer.mint(header={"b64": False}), "header_b64")
    door.refuse(door.issuer.mint(header={"b64": True}), "header_b64")
    door.refuse(door.issuer.mint(header={"b64": False, "crit": ["b64"]}), "header_critical_extension")
    head = b64url(json.dumps({"alg": "EdDSA", "b64": False, "crit": ["b64"]}).encode())
    payload = json.dumps(door.issuer.claims(), separators=(",", ":"))
    signature = b64url(key.sign(f"{head}.{payload}".encode()))
    door.refuse(f"{head}.{payload}.{signature}", "token_not_three_parts", "token_not_base64url")


def _numbers(signature):
    half = len(signature) // 2
    return int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"), half


@pytest.mark.parametrize("algorithm", ECDSA)
@pytest.mark.parametrize("form", ["zeros", "r is 0", "s is 0", "r is n", "s is n", "all ones", "der", "longer", "shorter", "zero before",
                                  "wider halves", "halves swapped", "one half", "nothing but a byte"])
def test_J07_ecdsa_signatures_of_another_form(door, algorithm, form):
    """CVE-2022-21449 and its relatives."""
    order = ORDERS[algorithm]

    def change(good):
        r, s, half = _numbers(good)
        zero, n = bytes(half), order.to_bytes(half, "big")
        return {
            "zeros": zero + zero, "r is 0": zero + good[half:], "s is 0": good[:half] + zero, "r is n": n + good[half:],
            "s is n": good[:half] + n, "all ones": b"\xff" * (2 * half), "der": encode_dss_signature(r, s),
            "longer": good + b"\0", "shorter": good[:-1], "zero before": b"\0" + good,
            "wider halves": b"\0" + good[:half] + b"\0" + good[half:], "halves swapped": good[half:] + good[:half],
            "one half": good[:half], "nothing but a byte": b"\0",
        }[form]

    door.refuse(door.sign(door.issuer.keys[algorithm], signature=change), "signature_mismatch")


def test_J07_numbers_beyond_the_order_of_p521(door):
    """Seven bits are left above the order: r + n and s + n would be second spellings."""
    def change(which):
        def apply(good):
            numbers = list(_numbers(good)[:2])
            numbers[which] += ORDERS["ES512"]
            return b"".join(number.to_bytes(66, "big") for number in numbers)
        return apply

    for which in (0, 1):
        door.refuse(door.sign(door.issuer.keys["ES512"], signature=change(which)), "signature_mismatch")


@pytest.mark.parametrize("algorithm", PUBLIC)
def test_J07_signatures_have_one_length(door, algorithm):
    for change in (lambda s: s + b"\0", lambda s: b"\0" + s, lambda s: s[1:], lambda s: s[:-1], lambda s: s + s,
                   lambda s: bytes(len(s)), lambda s: b"\xff" * len(s)):
        door.refuse(door.sign(door.issuer.keys[algorithm], signature=change), "signature_mismatch")


@pytest.mark.parametrize("algorithm", ["PS256", "PS384", "PS512"])
def test_J07_the_salt_of_pss_is_as_long_as_the_hash(door, algorithm):
    key = door.issuer.keys[algorithm]
    size = key.hash.digest_size
    for salt in (0, 20, size - 1, size + 1, 256 - size - 2):
        door.refuse(door.sign(key, salt=salt), "signature_mismatch")
    door.accept(door.sign(key, salt=size))


@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
def test_J07_a_leading_zero_belongs_to_an_rsa_signature(door, algorithm):
    key = door.issuer.keys[algorithm]
    tokens = (door.sign(key, door.issuer.claims(jti=str(number))) for number in range(20_000))
    token = next(token for token in tokens if unb64url(token.rpartition(".")[2])[0] == 0)  # one in 256
    head, _, signature = token.rpartition(".")
    door.accept(token)
    door.refuse(f"{head}.{b64url(unb64url(signature)[1:])}", "signature_mismatch")


def test_J07_eddsa_has_one_spelling(door):
    """s + L verifies where the range of s is not checked (RFC 8032 5.1.7)."""
    def change(good):
        return good[:32] + (int.from_bytes(good[32:], "little") + ED25519_ORDER).to_bytes(32, "little")

    door.refuse(door.sign(door.issuer.keys["EdDSA"], signature=change), "signature_mismatch")


@pytest.fixture(name="weak", scope="module")
def _weak(module_gateway, module_backend, tmp_path_factory):
    """An issuer whose set holds one sound key among weak ones."""
    issuer = Issuer(algorithms=["EdDSA", "RS256", "ES256"])
    small = Key("RS256", "rsa-1024", rsa_bits=1024)
    modulus = issuer.keys["RS256"].jwk()["n"]
    off_curve = issuer.keys["ES256"].jwk()["x"]
    point = {"kty": "OKP", "crv": "Ed25519"}
    keys = [issuer.keys["EdDSA"].jwk(), small.jwk(),
            {"kty": "RSA", "kid": "exponent-1", "n": modulus, "e": "AQ"}, {"kty": "RSA", "kid": "exponent-2", "n": modulus, "e": "Ag"},
            {"kty": "EC", "crv": "P-256", "kid": "off-curve", "x": off_curve, "y": off_curve},
            {**point, "kid": "identity", "x": b64url(b"\1" + bytes(31))}, {**point, "kid": "p-plus-1", "x": b64url(b"\xee" + b"\xff" * 30 + b"\x7f")},
            {"kty": "XYZ", "kid": "unknown-type"}, {**issuer.keys["RS256"].jwk(), "kid": "for-encryption", "use": "enc"}]
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    path.write_text(json.dumps({"keys": keys}))
    issuer.small = small
    server = module_backend()
    return Door(module_gateway(config(server, issuer, {"file": str(path)})), server, issuer)


def test_J08_one_sound_key_among_weak_ones(weak):
    weak.accept(weak.issuer.mint(algorithm="EdDSA"))


def test_J08_an_rsa_key_of_1024_bits(weak):
    weak.refuse(weak.sign(weak.issuer.small), "key_unknown")


def test_J08_exponent_1_signs_for_everybody(weak):
    """The signature is the padded hash itself: no private key is needed."""
    digest_info = bytes.fromhex("3031300d060960864801650304020105000420")

    def forge(data):
        return b"\0\1" + b"\xff" * (256 - 54) + b"\0" + digest_info + hashlib.sha256(data).digest()

    weak.refuse(encode({"alg": "RS256", "kid": "exponent-1"}, weak.issuer.claims(), forge), "key_unknown")


@pytest.mark.parametrize("kid", ["identity", "p-plus-1"])
def test_J08_a_point_of_small_order_signs_for_everybody(weak, kid):
    """With the neutral element as key, R = 0 and s = 0 fit every message."""
    header = {"alg": "EdDSA", "kid": kid}
    weak.refuse(encode(header, weak.issuer.claims(), lambda _: b"\1" + bytes(63)), "key_unknown")
    weak.refuse(encode({"alg": "EdDSA"}, weak.issuer.claims(), lambda _: b"\1" + bytes(63)), "signature_mismatch")


@pytest.mark.parametrize("kid", ["exponent-2", "off-curve", "unknown-type", "for-encryption"])
def test_J08_keys_that_cannot_verify(weak, kid):
    algorithm = "ES256" if kid == "off-curve" else "RS256"
    weak.refuse(weak.issuer.mint(algorithm=algorithm, header={"kid": kid}), "key_unknown")


def test_J08_a_secret_shorter_than_the_hash_does_not_load(tmp_path):
    issuer = Issuer(algorithms=["HS512"])
    (tmp_path / "secret").write_bytes(bytes(63))
    path = tmp_path / "gateway.yaml"

    class Nowhere:
        url = "http://127.0.0.1:1"

    path.write_text(json.dumps(config(Nowhere, issuer, {"secret_file": "secret"})))
    done = run_command("check", "-c", path)
    assert done.returncode != 0 and "HS512 needs a secret of at least 64 bytes" in done.stdout + done.stderr
    (tmp_path / "secret").write_bytes(bytes(range(64)))
    assert run_command("check", "-c", path).returncode == 0


@pytest.mark.parametrize("insertion", ["=", "==", "%3D", "?", "+", "/", "_=", "\u00e9", " ", "\t"])
def test_J09_a_part_has_one_spelling(door, insertion):
    good = door.issuer.mint()
    for end in (good.index("."), good.rindex(".")):
        door.refuse(good[:end] + insertion + good[end:], "token_not_base64url")
    if insertion.strip():  # behind a field, white space is no part of it
        door.refuse(good + insertion, "token_not_base64url", "token_not_three_parts")
    door.refuse(insertion.strip() + "." + good, "token_not_three_parts")


@pytest.mark.parametrize("algorithm", ["RS256", "ES512"])
def test_J09_unused_bits(door, algorithm):
    good = door.issuer.mint(algorithm=algorithm)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(good[-1])
    if len(unb64url(good.rpartition(".")[2])) % 3:
        assert last % 4 == 0
        door.refuse(good[:-1] + alphabet[last + 1], "token_not_base64url")
    door.refuse(good[:-1], "token_not_base64url", "signature_mismatch")
    door.refuse(good + "A", "token_not_base64url", "signature_mismatch")


JSON_THAT_IS_NONE = [
    (b'{"alg":"EdDSA","alg":"EdDSA"%s}', "json_duplicate_member"), (b'{"alg":"EdDSA","x":{"a":1,"a":2}%s}', "json_duplicate_member"),
    (b'{"alg":"EdDSA","\\u0061lg":"none"%s}', "json_duplicate_member"), (b'{"alg":"EdDSA"%s}{}', "json_malformed"),
    (b'{"alg":"EdDSA"%s} x', "json_malformed"), (b'{"alg":"EdDSA",%s}', "json_malformed"), (b'{"alg":"EdDSA"%s}\0', "json_malformed"),
    (b'\xef\xbb\xbf{"alg":"EdDSA"%s}', "json_byte_order_mark"), (b'{"alg":"EdDSA","x":"\xff"%s}', "json_invalid_utf8"),
    (b'{"alg":"EdDSA","x":"\xc0\xaf"%s}', "json_invalid_utf8"), (b'{"alg":"EdDSA","x":"\xed\xa0\x80"%s}', "json_invalid_utf8"),
    (b'{"alg":"EdDSA","x":"\\ud800"%s}', "json_malformed"), (b'{"alg":"EdDSA","x":NaN%s}', "json_malformed"),
    (b'{"alg":"EdDSA","x":Infinity%s}', "json_malformed"), (b'{"alg":"EdDSA"/**/%s}', "json_malformed"), (b"{'alg':'EdDSA'%s}", "json_malformed"),
    (b'{"alg":"EdDSA","x":01%s}', "json_malformed"), (b'{"alg":"EdDSA","x":"\n"%s}', "json_malformed"),
]
REASONS_FOR_BAD_JSON = ("json_malformed", "json_number_out_of_range")  # which of them a number gets is the reader's matter


@pytest.mark.parametrize("text,reason", JSON_THAT_IS_NONE)
def test_J10_a_header_has_one_reading(door, text, reason):
    reasons = REASONS_FOR_BAD_JSON if reason == "json_malformed" else (reason,)
    door.refuse(raw(text.replace(b"%s", b""), door.issuer.claims(), door.issuer.keys["EdDSA"]), *reasons)


@pytest.mark.parametrize("text,reason", JSON_THAT_IS_NONE)
def test_J10_claims_have_one_reading(door, text, reason):
    members = b"," + json.dumps(door.issuer.claims()).encode()[1:-1]
    reasons = REASONS_FOR_BAD_JSON if reason == "json_malformed" else (reason,)
    door.refuse(raw({"alg": "EdDSA"}, text.replace(b"%s", members), door.issuer.keys["EdDSA"]), *reasons)


def test_J10_two_subjects(door):
    claims = json.dumps(door.issuer.claims()).encode()
    door.refuse(raw({"alg": "EdDSA"}, claims[:-1] + b',"sub":"admin"}', door.issuer.keys["EdDSA"]), "json_duplicate_member")


@pytest.mark.parametrize("text", [b"[]", b'"text"', b"5", b"null", b"true"])
def test_J10_no_object(door, text):
    key = door.issuer.keys["EdDSA"]
    door.refuse(raw(text, door.issuer.claims(), key), "header_not_an_object")
    door.refuse(raw({"alg": "EdDSA"}, text, key), "claims_not_an_object")


@pytest.mark.parametrize("opening,inner,closing", [(b"[", b"", b"]"), (b"[", b"1", b"]"), (b'{"a":', b"{}", b"}")])
def test_J11_depth(door, opening, inner, closing):
    key = door.issuer.keys["EdDSA"]

    def nested(levels, members):
        return b'{"x":' + opening * levels + inner + closing * levels + b"," + json.dumps(members).encode()[1:]

    fits = 15 if inner != b"{}" else 14  # the object around it, and the empty one inside, are levels, too
    door.accept(raw(nested(fits, {"alg": "EdDSA"}), nested(fits, door.issuer.claims()), key))
    for levels in (fits + 1, 400):
        door.refuse(raw(nested(levels, {"alg": "EdDSA"}), door.issuer.claims(), key), "json_too_deep")
        door.refuse(raw({"alg": "EdDSA"}, nested(levels, door.issuer.claims()), key), "json_too_deep")


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"1" * 400, b"18446744073709551616", b"1e" + b"9" * 400])
def test_J11_numbers_without_bounds(door, number):
    key = door.issuer.keys["EdDSA"]
    members = json.dumps(door.issuer.claims()).encode()[1:]
    door.refuse(raw(b'{"x":' + number + b',"alg":"EdDSA"}', door.issuer.claims(), key), *REASONS_FOR_BAD_JSON)
    door.refuse(raw({"alg": "EdDSA"}, b'{"x":' + number + b"," + members, key), *REASONS_FOR_BAD_JSON)


def test_J11_size(door):
    """8 KiB at most, whatever is in it; as many members as fit are read."""
    key = door.issuer.keys["EdDSA"]

    def sized(total):
        claims = door.issuer.claims(**{f"m{i}": i for i in range(200)})
        for fill in range(total):
            token = raw({"alg": "EdDSA"}, {**claims, "fill": "f" * fill}, key)
            if len(token) >= total:
                return token
        raise AssertionError("no such size")

    door.accept(sized(8 * 1024 - 2))
    door.refuse(sized(8 * 1024 + 1), "token_too_large")
    door.refuse("." * (8 * 1024 + 1), "token_too_large")
    door.refuse("." * (8 * 1024), "token_not_three_parts")


@pytest.mark.parametrize("damage", [
    lambda t: t.rpartition(".")[0], lambda t: t + ".", lambda t: t + ".AAAA", lambda t: t + ".AAAA.AAAA", lambda t: "." + t,
    lambda t: t.replace(".", "", 1), lambda t: t.partition(".")[0], lambda t: t.replace(".", "..", 1),
])
def test_J15_other_numbers_of_parts(door, damage):
    door.refuse(damage(door.issuer.mint()), "token_not_three_parts")


def test_J15_json_serialisations(door):
    protected, payload, signature = door.issuer.mint().split(".")
    flat = {"payload": payload, "protected": protected, "signature": signature}
    general = {"payload": payload, "signatures": [{"protected": protected, "signature": signature}]}
    for form in (flat, general):
        door.refuse(json.dumps(form, separators=(",", ":")), "token_not_three_parts")


def test_J15_encrypted_tokens(door):
    header = b64url(json.dumps({"alg": "dir", "enc": "A256GCM"}).encode())
    door.refuse(f"{header}..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA", "token_not_three_parts")
    for algorithm in ("RSA-OAEP", "RSA1_5", "dir", "A256KW", "ECDH-ES"):
        door.refuse(door.issuer.mint(header={"alg": algorithm, "enc": "A256GCM"}), "header_algorithm_unsupported")


def test_J15_a_token_within_a_token(door):
    """Whatever the inner one says: claims are an object of the outer one."""
    inner = door.issuer.mint().encode()
    key = door.issuer.keys["EdDSA"]
    door.refuse(raw({"alg": "EdDSA", "cty": "JWT"}, inner, key), "json_malformed")
    door.refuse(raw({"alg": "EdDSA", "cty": "JWT"}, json.dumps(inner.decode()).encode(), key), "claims_not_an_object")
