"""Reading access tokens as a gateway does: with the published keys and nothing else."""

import base64
import hashlib
import json
import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

THUMBPRINT_MEMBERS = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}


def from_base64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def to_base64url(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def number(text):
    return int.from_bytes(from_base64url(text), "big")


def parts_of(token):
    header, claims, signature = token.split(".")
    return json.loads(from_base64url(header)), json.loads(from_base64url(claims)), from_base64url(signature)


def claims_of(token):
    return parts_of(token)[1]


def kid_of(token):
    return parts_of(token)[0]["kid"]


def published_keys(users):
    return {key["kid"]: key for key in users.call("GET", "/.well-known/jwks.json").json["keys"]}


def thumbprint(jwk):
    canonical = json.dumps({name: jwk[name] for name in THUMBPRINT_MEMBERS[jwk["kty"]]}, separators=(",", ":"))
    return to_base64url(hashlib.sha256(canonical.encode()).digest())


def verify(token, keys):
    """Returns the claims; raises KeyError for an unknown key, InvalidSignature for another one's signature."""
    header, claims, signature = parts_of(token)
    key = keys[header["kid"]]
    signed = token.rpartition(".")[0].encode()
    assert key["alg"] == header["alg"] and key["use"] == "sig" and set(key).isdisjoint("dpqik")
    if header["alg"] == "RS256":
        assert number(key["n"]).bit_length() >= 2048
        public = RSAPublicNumbers(number(key["e"]), number(key["n"])).public_key()
        public.verify(signature, signed, padding.PKCS1v15(), SHA256())
    elif header["alg"] == "ES256":
        if len(signature) != 64:
            raise InvalidSignature
        public = ec.EllipticCurvePublicNumbers(number(key["x"]), number(key["y"]), ec.SECP256R1()).public_key()
        halves = [int.from_bytes(half, "big") for half in (signature[:32], signature[32:])]
        public.verify(encode_dss_signature(*halves), signed, ec.ECDSA(SHA256()))
    else:
        assert header["alg"] == "EdDSA"
        ed25519.Ed25519PublicKey.from_public_bytes(from_base64url(key["x"])).verify(signature, signed)
    return claims


def eventually(condition, seconds=20, pause=0.02):
    """What `condition` returns once that is true."""
    deadline = time.monotonic() + seconds
    while True:
        outcome = condition()
        if outcome:
            return outcome
        assert time.monotonic() < deadline, "this did not happen in time"
        time.sleep(pause)
