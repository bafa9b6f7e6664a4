"""A User Management Service that keeps the contract, or breaks it on demand."""

import json
import re
import threading
import urllib.parse

from harness import http1
from harness.backend import ScriptedBackend
from harness.wait import TIMEOUT

_ACCESS = re.compile(r"/internal/v1/users/([^/?]+)/access")
_JSON = [("Content-Type", "application/json")]
# The contract lets a changes request wait this long before an empty answer.
_CHANGES_WAIT = 30.0


class FakeUms(ScriptedBackend):
    """Accounts with roles and permissions.

    `mode` governs access look-ups and the changes feed: ok, error (500), drop (resets), and for look-ups alone raw
    (answers `raw_body`) and hold (answers after `release()`). `lookups` counts look-ups by subject, `attempts`
    counts requests and refused connections of any kind.
    """

    def __init__(self, token="service-token-for-tests"):
        self.token = token
        self.mode = "ok"
        self.raw_body = b""
        self.users = {}
        self.lookups = {}
        self.attempts = 0
        self.wrong_tokens = 0
        self._feed_waits = False
        self.revision = 1
        self._changes = []  # (revision, subject)
        self._released = threading.Event()
        super().__init__(self._serve_contract)

    def write_token(self, directory):
        """Writes the service token; returns the `user_management` section of the configuration."""
        path = directory / "service.token"
        path.write_text(self.token + "\n", encoding="ascii")
        path.chmod(0o600)
        return {"url": self.url, "token_file": str(path)}

    def add(self, subject, permissions=(), roles=("member",), tenant="acme", plan="pro", disabled=False):
        """Adds or replaces an account, silently; `change` tells the feed too."""
        with self.changed:
            self.users[subject] = {
                "subject": subject, "tenant": tenant, "plan": plan, "roles": list(roles),
                "permissions": list(permissions), "revision": self.revision, "disabled": disabled,
            }

    def change(self, subject, **account):
        """Replaces an account and publishes the change."""
        with self.changed:
            self.revision += 1
            self.add(subject, **account)
            self._changes.append((self.revision, subject))
            self.changed.notify_all()

    def set_mode(self, mode):
        """Changes the mode; `drop` also resets what is connected."""
        with self.changed:
            self.mode = mode
            self.changed.notify_all()
        if mode == "drop":
            self.drop_connections()

    def release(self):
        """Lets held look-ups be answered."""
        self._released.set()

    def wait_feed(self):
        """Waits until the gateway waits for changes: from then on it forgets only what a change names."""
        self.wait_for(lambda ums: ums._feed_waits, "the gateway waiting for changes")

    def stop(self):
        self.release()
        self.set_mode("drop")
        super().stop()

    def _serve_contract(self, connection):
        while True:
            if self.mode == "drop":
                self._attempt()
                connection.reset()
                return
            request = connection.read_request()
            self._attempt()
            answer = self._answer(request)
            if answer is None:
                connection.reset()
                return
            connection.send(answer)

    def _attempt(self):
        with self.changed:
            self.attempts += 1
            self.changed.notify_all()

    def _answer(self, request):
        if request.get("Authorization") != f"Bearer {self.token}":
            with self.changed:
                self.wrong_tokens += 1
            return http1.response_text(401, [("WWW-Authenticate", "Bearer")], b"")
        url = urllib.parse.urlsplit(request.target)
        if match := _ACCESS.fullmatch(url.path):
            return self._access(urllib.parse.unquote(match[1]))
        if url.path == "/internal/v1/changes":
            return self._feed(urllib.parse.parse_qs(url.query))
        return http1.response_text(404, _JSON, b'{"error":{"message":"no such page"}}')

    def _access(self, subject):
        with self.changed:
            self.lookups[subject] = self.lookups.get(subject, 0) + 1
            self.changed.notify_all()
        if self.mode == "hold":
            self._released.wait(TIMEOUT)
        if self.mode == "drop":
            return None
        if self.mode == "error":
            return http1.response_text(500, _JSON, b'{"error":{"message":"broken"}}')
        if self.mode == "raw":
            return http1.response_text(200, _JSON, self.raw_body)
        account = self.users.get(subject)
        if account is None:
            return http1.response_text(404, _JSON, b'{"error":{"message":"unknown user"}}')
        return http1.response_text(200, _JSON, json.dumps(account).encode())

    def _feed(self, query):
        since = int(query.get("since", ["0"])[0] or 0)
        if self.mode == "error":
            return http1.response_text(500, _JSON, b"{}")
        with self.changed:
            self._feed_waits = self._feed_waits or self.revision <= since
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.revision > since or self.mode in ("drop", "error"), _CHANGES_WAIT)
            if self.mode in ("drop", "error"):
                return None
            subjects = sorted({subject for revision, subject in self._changes if revision > since})
            body = {"revision": self.revision, "subjects": subjects}
        return http1.response_text(200, _JSON, json.dumps(body).encode())
