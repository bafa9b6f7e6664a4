"""Who calls: one RSA key, one RS256 token, and a stand-in for the User Management Service that knows its subject.

The stand-in answers the contract of docs/user-management-contract.yaml from constants, so that every candidate that
checks tokens sees the same token and the same roles in every run. It runs beside the measured core, not on it.
"""

import base64
import http.server
import json
import pathlib
import subprocess
import threading
import time

from .processes import BenchError

ISSUER = "https://users.bench.example"
AUDIENCE = "bench"
SUBJECT = "user-42"
PERMISSION = "bench:read"
_KEY_ID = "bench-1"
_TOKEN_LIFETIME_SECONDS = 24 * 3600
_LONG_POLL_SECONDS = 25


def _base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _openssl(*arguments, data=None):
    done = subprocess.run(["openssl", *map(str, arguments)], input=data, capture_output=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"openssl {arguments[0]} failed: {done.stderr.decode().strip()}")
    return done.stdout


class Identity:
    """A fresh key pair in `directory` and a token signed with it.

    public_key_file: PEM, for HAProxy.   jwks: the same key as a JWK set.   token: the compact JWS, about 500 bytes.
    """

    def __init__(self, directory):
        private = pathlib.Path(directory, "rsa.pem")
        self.public_key_file = pathlib.Path(directory, "rsa.pub")
        _openssl("genrsa", "-out", private, "2048")
        _openssl("rsa", "-in", private, "-pubout", "-out", self.public_key_file)
        modulus = _openssl("rsa", "-in", private, "-noout", "-modulus").decode().strip().partition("=")[2]
        self.jwks = {"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": _KEY_ID,
                               "n": _base64url(bytes.fromhex(modulus)), "e": "AQAB"}]}
        self.token = self._sign(private)

    @staticmethod
    def _sign(private):
        now = int(time.time())
        header = {"alg": "RS256", "typ": "JWT", "kid": _KEY_ID}
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": SUBJECT, "iat": now, "exp": now + _TOKEN_LIFETIME_SECONDS,
                  "roles": ["reader"]}
        signed = ".".join(_base64url(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
        return f"{signed}.{_base64url(_openssl('dgst', '-sha256', '-sign', private, data=signed.encode()))}"


class UserManagement:
    """The stand-in service on a free loopback port, in threads of this process. A context manager."""

    def __init__(self, identity):
        self._closing = threading.Event()
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                path = self.path.partition("?")[0]
                if path == "/.well-known/jwks.json":
                    self.answer(200, identity.jwks)
                elif path == f"/internal/v1/users/{SUBJECT}/access":
                    self.answer(200, {"subject": SUBJECT, "tenant": "bench", "plan": "enterprise", "roles": ["reader"],
                                      "permissions": [PERMISSION], "revision": 1, "disabled": False})
                elif path == "/internal/v1/changes":
                    service._closing.wait(_LONG_POLL_SECONDS)  # nothing ever changes here
                    self.answer(200, {"revision": 1, "subjects": []})
                else:
                    self.answer(404, {"error": {"message": "not found"}})

            def answer(self, status, body):
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                """The gateway hangs up in mid-answer when it is stopped: no news."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
