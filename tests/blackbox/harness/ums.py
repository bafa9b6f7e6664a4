"""A User Management Service that keeps the contract, or breaks it on demand."""

import hashlib
import json
import re
import threading
import time
import urllib.parse

from harness import http1
from harness.backend import ScriptedBackend
from harness.wait import TIMEOUT

_ACCESS = re.compile(r"/internal/v1/users/([^/?]+)/access")
_API_KEY = re.compile(r"/internal/v1/api-keys/([^/?]+)")
_JSON = [("Content-Type", "application/json")]
# The contract lets a changes request wait this long before an empty answer.
_CHANGES_WAIT = 30.0


def digest_of(api_key):
    """What an API key is stored under."""
    return hashlib.sha256(api_key.encode()).hexdigest()


class FakeUms(ScriptedBackend):
    """Accounts with roles and permissions, and API keys.

    `mode` governs look-ups and the changes feed: ok, error (500), drop (resets), and for look-ups alone raw (answers
    the bytes `raw_answer`, or `raw_body` as a good answer's) and hold (answers after `release()`). `lookups` counts
    look-ups by subject, `key_lookups` by digest, `attempts` counts requests and refused connections of any kind.
    """

    def __init__(self, token="service-token-for-tests", port=0):
        self.token = token
        self.mode = "ok"
        self.raw_body = b""
        self.raw_answer = None
        self.users = {}
        self.api_keys = {}
        self.lookups = {}
        self.key_lookups = {}
        self.attempts = 0
        self.wrong_tokens = 0
        self._feed_waits = False
        self.revision = 1
        self._changes = []  # (revision, "subjects" or "api_keys", name)
        self._released = threading.Event()
        super().__init__(self._serve_contract, port=port)

    def write_token(self, directory):
        """Writes the service token; returns the `user_management` section of the configuration."""
        path = directory / "service.token"
        path.write_text(self.token + "\n", encoding="ascii")
        path.chmod(0o600)
        return {"url": self.url, "token_file": str(path)}

    def add(self, subject, permissions=(), roles=("member",), tenant="acme", plan="pro", disabled=False,
            revoked_sessions=()):
        """Adds or replaces an account, silently; `change` tells the feed too."""
        with self.changed:
            self.users[subject] = {
                "subject": subject, "tenant": tenant, "plan": plan, "roles": list(roles),
                "permissions": list(permissions), "revision": self.revision, "disabled": disabled,
                **({"revoked_sessions": list(revoked_sessions)} if revoked_sessions else {}),
            }

    def change(self, subject, **account):
        """Replaces an account and publishes the change; returns when that was, by the monotonic clock."""
        return self._publish("subjects", subject, lambda: self.add(subject, **account))

    def remove(self, subject):
        """Deletes an account; returns as `change`."""
        return self._publish("subjects", subject, lambda: self.users.pop(subject))

    def add_key(self, api_key, subject, permissions=("*:*",), disabled=False, expires_at=None):
        """Adds or replaces an API key, silently."""
        with self.changed:
            self.api_keys[digest_of(api_key)] = {
                "key_id": "key_" + digest_of(api_key)[:8], "subject": subject, "permissions": list(permissions),
                "revision": self.revision, "disabled": disabled,
                **({} if expires_at is None else {"expires_at": expires_at}),
            }

    def change_key(self, api_key, subject, **key):
        """Replaces an API key and publishes the change; returns as `change`."""
        return self._publish("api_keys", digest_of(api_key), lambda: self.add_key(api_key, subject, **key))

    def remove_key(self, api_key):
        """Deletes an API key; returns as `change`."""
        return self._publish("api_keys", digest_of(api_key), lambda: self.api_keys.pop(digest_of(api_key)))

    def _publish(self, kind, name, commit):
        with self.changed:
            self.revision += 1
            commit()
            committed = time.monotonic()
            self._changes.append((self.revision, kind, name))
            self.changed.notify_all()
        return committed

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
            return self._look_up(urllib.parse.unquote(match[1]), self.users, self.lookups)
        if match := _API_KEY.fullmatch(url.path):
            return self._look_up(match[1], self.api_keys, self.key_lookups)
        if url.path == "/internal/v1/changes":
            return self._feed(urllib.parse.parse_qs(url.query))
        return http1.response_text(404, _JSON, b'{"error":{"message":"no such page"}}')

    def _look_up(self, name, known, counts):
        with self.changed:
            counts[name] = counts.get(name, 0) + 1
            self.changed.notify_all()
        if self.mode == "hold":
            self._released.wait(TIMEOUT)
        if self.mode == "drop":
            return None
        if self.mode == "error":
            return http1.response_text(500, _JSON, b'{"error":{"message":"broken"}}')
        if self.mode == "raw":
            return http1.response_text(200, _JSON, self.raw_body) if self.raw_answer is None else self.raw_answer
        found = known.get(name)
        if found is None:
            return http1.response_text(404, _JSON, b'{"error":{"message":"unknown"}}')
        return http1.response_text(200, _JSON, json.dumps(found).encode())

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
            changed = {kind: sorted({name for revision, of, name in self._changes if revision > since and of == kind})
                       for kind in ("subjects", "api_keys")}
            if not changed["api_keys"]:
                del changed["api_keys"]
            body = {"revision": self.revision, **changed}
        return http1.response_text(200, _JSON, json.dumps(body).encode())
