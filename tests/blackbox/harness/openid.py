"""A real OpenID Provider in a process of its own (tests/oidc), and clients that get tokens from it."""

import base64
import hashlib
import http.cookiejar
import json
import pathlib
import re
import secrets
import signal
import socket
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request

from harness.real_clients import NODE
from harness.signals import suspend

_FOLDER = pathlib.Path(__file__).resolve().parents[2] / "oidc"
_PROGRAM = _FOLDER / "provider.mjs"
_PATIENCE = 60.0  # for starting Node on a busy machine
_CALLBACK = "http://127.0.0.1:1/callback"  # nobody is there: the redirect to it is not followed


def make_keys(*kids):
    """New private keys as JWKs; `kids` are pairs of an algorithm and a key id."""
    words = [word for pair in kids for word in pair]
    done = subprocess.run([NODE, str(_PROGRAM), "keys", *words], capture_output=True, text=True, timeout=_PATIENCE, check=True)
    return json.loads(done.stdout)["keys"]


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):  # pylint: disable=signature-differs
        return None


class OpenIdProvider:
    """The provider. It keeps its port, and so its name, over any number of lives; what it knows dies with each."""

    def __init__(self, directory, audience):
        assert (_FOLDER / "node_modules").is_dir(), "tests/oidc is not installed; scripts/setup does that"
        self.audience = audience
        self.port = _free_port()
        self.issuer = f"http://127.0.0.1:{self.port}"
        self._settings = directory / "provider.json"
        self._client = {
            "client_id": "service", "client_secret": secrets.token_urlsafe(32), "redirect_uris": [_CALLBACK],
            "grant_types": ["client_credentials", "authorization_code"], "response_types": ["code"],
        }
        self._process = None
        self._reader = None

    def start(self, keys):
        """Starts a life with these keys; the first of an algorithm signs. Returns when it takes requests."""
        settings = {"port": self.port, "jwks": {"keys": keys}, "client": self._client, "audience": self.audience}
        self._settings.write_text(json.dumps(settings), encoding="utf-8")
        self._process = subprocess.Popen(  # pylint: disable=consider-using-with
            [NODE, str(_PROGRAM), "serve", str(self._settings)], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        ready, output = threading.Event(), []
        self._reader = threading.Thread(target=self._read, args=(self._process, ready, output), daemon=True)
        self._reader.start()
        assert ready.wait(_PATIENCE) and self._process.poll() is None, "the provider did not start:\n" + "".join(output)

    @staticmethod
    def _read(process, ready, output):
        for line in process.stdout:
            output.append(line)
            if line == "ready\n":
                ready.set()
        ready.set()

    def kill(self):
        """Ends it at once, as a crash would."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait(_PATIENCE)
        self._reader.join(_PATIENCE)
        self._process.stdout.close()
        self._process = None

    def restart(self, keys):
        self.kill()
        self.start(keys)

    def freeze(self):
        """It takes connections and answers nothing until `thaw`."""
        suspend(self._process.pid)

    def thaw(self):
        self._process.send_signal(signal.SIGCONT)

    def service_token(self, algorithm=None):
        """An access token of the client itself; without an algorithm an opaque one."""
        more = {"resource": f"urn:lotagate:{algorithm}"} if algorithm else {}
        return self._token(grant_type="client_credentials", **more)["access_token"]

    def user_tokens(self, name, algorithm):
        """Signs a user in as a browser would; what the token endpoint answers: access_token, id_token."""
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        resource = f"urn:lotagate:{algorithm}"
        query = urllib.parse.urlencode({
            "client_id": "service", "response_type": "code", "redirect_uri": _CALLBACK, "scope": "openid read",
            "resource": resource, "code_challenge": challenge, "code_challenge_method": "S256"})
        code = self._sign_in(f"{self.issuer}/auth?{query}", name)
        return self._token(grant_type="authorization_code", code=code, redirect_uri=_CALLBACK, code_verifier=verifier, resource=resource)

    def _token(self, **form):
        credentials = base64.b64encode(f"service:{self._client['client_secret']}".encode()).decode()
        request = urllib.request.Request(
            self.issuer + "/token", urllib.parse.urlencode(form).encode(), {"Authorization": f"Basic {credentials}"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=_PATIENCE) as response:
            return json.load(response)

    def _sign_in(self, url, name):
        """Follows the redirects, fills in the forms for signing in and for consent; returns the code."""
        browser = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), _NoRedirect, urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
        form = None
        for _ in range(12):
            try:
                with browser.open(url, form, timeout=_PATIENCE) as response:
                    page = response.read().decode()
                prompt = re.search(r'name="prompt" value="(\w+)"', page)[1]
                form = urllib.parse.urlencode({"prompt": prompt, "login": name, "password": "any"}).encode()
            except urllib.error.HTTPError as redirect:
                with redirect:
                    assert redirect.code in (302, 303), f"{redirect.code}: {redirect.read()[:500]!r}"
                url, form = urllib.parse.urljoin(url, redirect.headers["Location"]), None
                if url.startswith(_CALLBACK):
                    return urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)["code"][0]
        raise AssertionError(f"the sign-in does not end: {url}")
