"""An issuer of tokens: keys, their public set, and JWS made by hand so that every part of it can be wrong."""

import base64
import json
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from harness import http1
from harness.backend import ScriptedBackend


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(value, length):
    return b64url(value.to_bytes(length, "big"))


class Key:
    """A signing key of one algorithm."""

    def __init__(self, algorithm, kid):
        self.algorithm = algorithm
        self.kid = kid
        make = {
            "RS256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
            "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate,
        }
        self.private = make[algorithm]()

    def sign(self, data):
        if self.algorithm == "RS256":
            return self.private.sign(data, padding.PKCS1v15(), hashes.SHA256())
        if self.algorithm == "ES256":
            r, s = decode_dss_signature(self.private.sign(data, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return self.private.sign(data)

    def jwk(self):
        return {"kid": self.kid, "alg": self.algorithm, "use": "sig", **self._public()}

    def _public(self):
        public = self.private.public_key()
        if self.algorithm == "RS256":
            numbers = public.public_numbers()
            return {"kty": "RSA", "n": _number(numbers.n, 256), "e": _number(numbers.e, 3)}
        if self.algorithm == "ES256":
            numbers = public.public_numbers()
            return {"kty": "EC", "crv": "P-256", "x": _number(numbers.x, 32), "y": _number(numbers.y, 32)}
        return {"kty": "OKP", "crv": "Ed25519", "x": b64url(public.public_bytes(Encoding.Raw, PublicFormat.Raw))}


def encode(header, claims, sign):
    """A compact JWS; `header` and `claims` are dicts or bytes, `sign` makes the signature of the first two parts."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims)]
    text = ".".join(b64url(part) for part in parts)
    return text + "." + b64url(sign(text.encode()))


class Issuer:
    """An issuer with one key per algorithm."""

    def __init__(self, name="https://users.gateway.test", audience="lotabots"):
        self.name = name
        self.audience = audience
        self.keys = {algorithm: Key(algorithm, f"key-{algorithm.lower()}") for algorithm in ("RS256", "ES256", "EdDSA")}

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
