"""Servers of key sets, honest and hostile, and the issuers whose keys they serve."""

import hmac
import json

from harness import http1
from harness.backend import ScriptedBackend
from harness.tokens import Issuer, Key, encode

METADATA = "/.well-known/openid-configuration"
_JSON = [("Content-Type", "application/json")]


def document(body, fields=(), status=200):
    """An answer with a JSON document: a dict, or the bytes themselves."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return http1.response_text(status, [*_JSON, *fields], body)


class SmallIssuer(Issuer):
    """An issuer with Ed25519 keys alone, which cost nothing to make; the first signs."""

    def __init__(self, name, *kids, audience="lotabots"):  # pylint: disable=super-init-not-called
        self.name = name
        self.audience = audience
        self.signing = [Key("EdDSA", kid) for kid in kids or ("key-1",)]

    @property
    def keys(self):
        return {"EdDSA": self.signing[0]}

    def jwks(self):
        return {"keys": [key.jwk() for key in self.signing]}

    def mint(self, subject="alice", algorithm="EdDSA", header=None, key=None, **claims):
        return super().mint(subject, algorithm, header, key, **claims)


class SecretIssuer(SmallIssuer):
    """An issuer whose tokens carry HMACs of one shared secret."""

    def __init__(self, name, secret):
        super().__init__(name)
        self.secret = secret

    def mint_hmac(self, algorithm="HS256", secret=None, header=None, **claims):
        digest = "sha" + algorithm[2:]
        key = self.secret if secret is None else secret
        head = {"alg": algorithm, "typ": "JWT", **(header or {})}
        return encode(head, self.claims(**claims), lambda data: hmac.digest(key, data, digest))


class KeyServer(ScriptedBackend):
    """Serves the keys of an issuer, and its metadata.

    `misbehave`: what is done in place of an honest answer for keys, a function of the connection that returns whether
    the connection goes on; None: an honest answer. Everything asked for is in `requests`.
    """

    def __init__(self, *kids, name=None, listening=True):
        self.misbehave = None
        self.metadata = {}  # members that differ from honest ones
        super().__init__(self._serve_keys, listening)
        self.issuer = SmallIssuer(name or self.url, *kids)
        self.jwks_url = self.url + "/keys"

    def honest(self):
        return document(self.issuer.jwks())

    def honest_metadata(self):
        return {"issuer": self.issuer.name, "jwks_uri": self.jwks_url, "response_types_supported": ["code"], **self.metadata}

    def fetches(self, target="/keys"):
        """How often the keys were asked for."""
        return sum(request.target == target for request in list(self.requests))

    def wait_fetches(self, count, timeout=30):
        self.wait_for(lambda server: server.fetches() >= count, f"{count} fetches of the keys", timeout)

    def section(self, **jwks):
        """The issuer in the gateway's configuration; by URL unless `jwks` says otherwise."""
        place = {} if "discovery" in jwks else {"url": self.jwks_url}
        return {"issuer": self.issuer.name, "audiences": [self.issuer.audience], "algorithms": ["EdDSA"], "jwks": {**place, **jwks}}

    def _serve_keys(self, connection):
        while True:
            request = connection.read_request()
            if request.target == METADATA:
                connection.send(document(self.honest_metadata()))
            elif self.misbehave is None:
                connection.send(self.honest())
            elif not self.misbehave(connection):
                return


def answer(data):
    """Misbehaviour that sends `data` and goes on."""

    def send(connection):
        connection.send(data)
        return True

    return send


def answer_and_close(data):
    """The same, and then the connection ends."""

    def send(connection):
        connection.send(data)
        return False

    return send


def drop(_connection):
    """Closes without an answer."""
    return False


def reset(connection):
    """Resets without an answer."""
    connection.reset()
    return False


def silent(connection):
    """Takes the request and never answers."""
    connection.wait_closed_by_peer()
    return False


def trickle(data, pause):
    """Sends byte by byte with `pause` seconds between two: each byte comes in time, the whole does not."""

    def send(connection):
        connection.sock.settimeout(pause)
        for i in range(len(data)):
            connection.send(data[i : i + 1])
            try:
                if not connection.sock.recv(1):
                    return False
            except TimeoutError:
                pass
        return False

    return send
