"""An issuer of tokens: keys, their public set, and JWS made by hand so that every part of it can be wrong."""

import base64
import hmac
import json
import os
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from harness import http1
from harness.backend import ScriptedBackend


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _number(value, length):
    return b64url(value.to_bytes(length, "big"))


# What public keys verify, and what a shared secret does.
PUBLIC = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
SECRET = ("HS256", "HS384", "HS512")
_HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
_CURVES = {"ES256": ("P-256", ec.SECP256R1()), "ES384": ("P-384", ec.SECP384R1()), "ES512": ("P-521", ec.SECP521R1())}


class Key:
    """A signing key of one algorithm; `private` takes over another key's numbers, or a secret's bytes."""

    def __init__(self, algorithm, kid, private=None, rsa_bits=2048):
        self.algorithm = algorithm
        self.kid = kid
        self.private = private or self._generate(rsa_bits)

    def _generate(self, rsa_bits):
        if self.algorithm in SECRET:
            return os.urandom(self.hash.digest_size)
        if self.algorithm in _CURVES:
            return ec.generate_private_key(_CURVES[self.algorithm][1])
        if self.algorithm == "EdDSA":
            return ed25519.Ed25519PrivateKey.generate()
        return rsa.generate_private_key(public_exponent=65537, key_size=rsa_bits)

    @property
    def hash(self):
        return _HASHES[self.algorithm[2:]]

    @property
    def half(self):
        """The length of either number of an ECDSA signature."""
        return (self.private.curve.key_size + 7) // 8

    def sign(self, data, salt=None):
        """The signature as JWS has it. `salt`: its length with PSS, if not the hash's."""
        if self.algorithm in SECRET:
            return hmac.digest(self.private, data, self.hash.name)
        if self.algorithm == "EdDSA":
            return self.private.sign(data)
        if self.algorithm in _CURVES:
            r, s = decode_dss_signature(self.private.sign(data, ec.ECDSA(self.hash)))
            return r.to_bytes(self.half, "big") + s.to_bytes(self.half, "big")
        if self.algorithm.startswith("PS"):
            salt = self.hash.digest_size if salt is None else salt
            return self.private.sign(data, padding.PSS(padding.MGF1(self.hash), salt), self.hash)
        return self.private.sign(data, padding.PKCS1v15(), self.hash)

    def jwk(self):
        return {"kid": self.kid, "alg": self.algorithm, "use": "sig", **self._public()}

    def _public(self):
        if self.algorithm in SECRET:
            return {"kty": "oct", "k": b64url(self.private)}
        public = self.private.public_key()
        if self.algorithm == "EdDSA":
            return {"kty": "OKP", "crv": "Ed25519", "x": b64url(public.public_bytes(Encoding.Raw, PublicFormat.Raw))}
        numbers = public.public_numbers()
        if self.algorithm in _CURVES:
            return {"kty": "EC", "crv": _CURVES[self.algorithm][0], "x": _number(numbers.x, self.half), "y": _number(numbers.y, self.half)}
        return {"kty": "RSA", "n": _number(numbers.n, public.key_size // 8), "e": _number(numbers.e, 3)}


def encode(header, claims, sign):
    """A compact JWS; `header` and `claims` are dicts or bytes, `sign` makes the signature of the first two parts."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims)]
    text = ".".join(b64url(part) for part in parts)
    return text + "." + b64url(sign(text.encode()))


class Issuer:
    """An issuer with one key per algorithm."""

    def __init__(self, name="https://users.gateway.test", audience="lotabots", algorithms=("RS256", "ES256", "EdDSA")):
        self.name = name
        self.audience = audience
        self.keys = {algorithm: Key(algorithm, f"key-{algorithm.lower()}") for algorithm in algorithms}

    def jwks(self):
        return {"keys": [key.jwk() for key in self.keys.values()]}

    def write_jwks(self, directory):
        """Writes the key set; returns what `jwks` in the configuration says."""
        path = directory / "keys.json"
        path.write_text(json.dumps(self.jwks()), encoding="utf-8")
        return {"file": str(path)}

    def claims(self, subject="alice", **changes):
        """Good claims with changes; a change to None leaves the claim out."""
        now = int(time.time())
        claims = {"iss": self.name, "aud": self.audience, "sub": subject, "iat": now, "exp": now + 3600, **changes}
        return {name: value for name, value in claims.items() if value is not None}

    def mint(self, subject="alice", algorithm="RS256", header=None, key=None, **claims):
        """A token; `header` changes its header, `key` signs instead of the algorithm's own, `claims` change claims."""
        key = key or self.keys[algorithm]
        head = {"alg": algorithm, "typ": "JWT", "kid": key.kid, **(header or {})}
        head = {name: value for name, value in head.items() if value is not None}
        return encode(head, self.claims(subject, **claims), key.sign)


def bearer(token):
    """The field that presents a token."""
    return [("Authorization", f"Bearer {token}")]


class JwksServer(ScriptedBackend):
    """Serves an issuer's key set. `mode`: ok, error (500), drop (closes without an answer). Counts in `requests`."""

    def __init__(self, issuer, mode="ok", listening=True):
        self.issuer = issuer
        self.mode = mode
        super().__init__(self._serve_keys, listening)
        self.jwks_url = self.url + "/.well-known/jwks.json"

    def _serve_keys(self, connection):
        while True:
            connection.read_request()
            if self.mode == "drop":
                return
            if self.mode == "error":
                connection.send(http1.response_text(500, [], b"broken"))
                continue
            body = json.dumps(self.issuer.jwks()).encode()
            connection.send(http1.response_text(200, [("Content-Type", "application/jwk-set+json")], body))
