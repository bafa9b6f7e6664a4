"""Clients of a gateway while what is behind it dies and comes back: what was promised to them, and what never may be.

What was answered with 2xx must be there afterwards, whole; what was not may be there or not, but never in part."""

import itertools
import threading

from access_tokens import eventually
from administration import PASSWORD, Organisation, fresh
from gateway_platform import ANYBODY, Cut

AWAY = {502, 503, 504}
RECOVERY_SECONDS = 30


class Intruders:
    """Requests that nobody may ever answer with 2xx. Who has just lost his right is added by add()."""

    def __init__(self, platform, users):
        organisation = Organisation(users)
        self._viewer = organisation.member("viewer", kind="person")
        token = platform.token(self._viewer.account["username"], PASSWORD)
        disabled = organisation.member("viewer", kind="person")
        disabled_token = platform.token(disabled.account["username"], PASSWORD)
        ended = platform.session(self._viewer.account["username"], PASSWORD)
        key = self._viewer.call("POST", f"/api/v1/users/{self._viewer.id}/api-keys", {"name": "k"}).json
        for path, who in ((ANYBODY, {"token": token}), (ANYBODY, {"token": disabled_token}),
                          (ANYBODY, {"token": ended["access_token"]}), (ANYBODY, {"key": key["key"]})):
            assert platform.call("GET", path, **who).status == 200
        users.as_admin("PATCH", f"/api/v1/users/{disabled.id}", {"disabled": True})
        platform.log_out(ended["refresh_token"])
        self._viewer.call("DELETE", f"/api/v1/users/{self._viewer.id}/api-keys/{key['id']}")
        self.requests = {
            "nobody": ("GET", ANYBODY, {}),
            "who names himself": ("GET", "/api/v1/users", {"headers": {"X-Auth-Subject": self._viewer.id}}),
            "a forged token": ("GET", ANYBODY, {"token": token[:-20] + "A" * 20}),
            "an unknown key": ("GET", ANYBODY, {"key": "lgk_" + "k" * 43}),
            "a viewer among the tenants": ("GET", "/api/v1/tenants", {"token": token}),
            "a viewer who makes accounts": ("POST", "/api/v1/users", {
                "token": token, "body": {"username": fresh("intruder"), "kind": "service", "roles": []}}),
            "a disabled user": ("GET", ANYBODY, {"token": disabled_token}),
            "an ended session": ("GET", ANYBODY, {"token": ended["access_token"]}),
            "a deleted key": ("GET", ANYBODY, {"key": key["key"]}),
        }
        self.answers = {}
        self._platform = platform
        for name in self.requests:
            eventually(lambda name=name: self.ask(name) in (401, 403))
        self.answers.clear()

    def ask(self, name):
        method, path, more = self.requests[name]
        try:
            status = self._platform.call(method, path, **more).status
        except Cut as cut:
            status = cut.status
        self.answers.setdefault(name, set()).add(status)
        return status

    def add(self, name, token):
        """Once it is known that the token is refused, it must stay so."""
        request = {"token": token}
        eventually(lambda: self._platform.call("GET", ANYBODY, **request).status in (401, 403), RECOVERY_SECONDS)
        self.requests = {**self.requests, name: ("GET", ANYBODY, request)}

    def check(self):
        assert set(self.answers) == set(self.requests)
        for name, statuses in self.answers.items():
            assert statuses & {401, 403}, name
            assert statuses <= {401, 403} | AWAY, (name, statuses)


class Load:
    """Several clients at once: making accounts, logging in, refreshing, calling with a right and without."""

    def __init__(self, platform, users):
        self.platform = platform
        self.intruders = Intruders(platform, users)
        self.made, self.sessions = {}, {}
        self.statuses = {"make": set(), "log in": set(), "refresh": set(), "call": set()}
        self.counts = dict.fromkeys(self.statuses, 0)
        self._admin = platform.admin_token()
        self._demo = users.demo
        self._faults = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        loops = [(self._make,)] * 3 + [(self._log_in,), (self._call,), (self._intrude,)]
        loops += [(self._refresh, number) for number in range(2)]
        self._threads = [threading.Thread(target=self._run, args=loop) for loop in loops]
        for thread in self._threads:
            thread.start()

    def _run(self, loop, *arguments):
        try:
            loop(*arguments)
        except Exception as fault:  # pylint: disable=broad-exception-caught
            self._faults.append(repr(fault))  # the gateway always answers: anything else is its failure

    def _ask(self, what, call, *arguments, **more):
        """The JSON of a good answer, or nothing. One that breaks off promised nothing: its service was killed."""
        try:
            answer = call(*arguments, **more)
        except Cut:
            return None
        with self._lock:
            self.statuses[what].add(answer.status)
            self.counts[what] += answer.status in (200, 201)
        return answer.json if answer.status in (200, 201) else None

    def _make(self):
        while not self._stop.is_set():
            name = fresh("loaded")
            # A machine's account: made without hashing a password, so many can be made.
            body = {"username": name, "kind": "service", "roles": ["viewer", "trainer"]}
            account = self._ask("make", self.platform.call, "POST", "/api/v1/users", body, token=self._admin)
            if account:
                self.made[account["id"]] = name

    def _log_in(self):
        for number in itertools.count(1000):
            if self._stop.is_set():
                return
            demo = self._demo["trainer"]
            session = self._ask("log in", self.platform.login, demo["username"], demo["password"])
            if session:
                self.sessions[number] = session["refresh_token"]

    def _refresh(self, number):
        """One session after the other: after an answer that is lost, nobody knows which token is the good one."""
        token, demo = None, self._demo["viewer"]
        while not self._stop.is_set():
            if token is None:
                session = self._ask("log in", self.platform.login, demo["username"], demo["password"])
            else:
                self.sessions.pop(number, None)
                session = self._ask("refresh", self.platform.refresh, token)
            token = session["refresh_token"] if session else None
            if token:
                self.sessions[number] = token

    def _call(self):
        while not self._stop.is_set():
            self._ask("call", self.platform.call, "GET", "/api/v1/users?limit=1", token=self._admin)
            self._stop.wait(0.02)

    def _intrude(self):
        while not self._stop.is_set():
            for name in self.intruders.requests:
                self.intruders.ask(name)
            self._stop.wait(0.02)  # they get their answers at once, and would take the machine from the others

    def wait_until_it_is_noticed(self):
        """Clients of every kind were told that something is away."""
        eventually(lambda: all(statuses & AWAY for what, statuses in self.statuses.items() if what != "refresh"),
                   RECOVERY_SECONDS)

    def wait_for_more(self, count=10):
        """Everything works again, by itself."""
        before = dict(self.counts)
        wanted = {"make": count, "log in": 2, "refresh": 2, "call": count}
        eventually(lambda: self._faults or all(self.counts[what] >= before[what] + wanted[what] for what in wanted),
                   RECOVERY_SECONDS)

    def forget_statuses(self):
        with self._lock:
            for statuses in self.statuses.values():
                statuses.clear()

    def finish(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(RECOVERY_SECONDS)
            assert not thread.is_alive()

    def check(self, database):
        """After all that happened."""
        assert not self._faults, self._faults
        self.intruders.check()
        assert self.made and self.sessions
        self._check_accounts(database)
        for token in self.sessions.values():
            assert self.platform.refresh(token).status == 200, "an acknowledged session is lost"

    def _check_accounts(self, database):
        rows = database.sql("SELECT accounts.id, username, count(role) FROM accounts LEFT JOIN account_roles "
                            "ON account = accounts.id WHERE username LIKE 'loaded-%' GROUP BY accounts.id, username")
        stored = {row[0]: row[1] for row in rows}
        assert {row[2] for row in rows} == {"2"}, "an account without its roles"
        assert self.made.items() <= stored.items(), "an acknowledged account is lost"
        assert len(stored) == len(set(stored.values())), "an account was made twice"
        # Each account has its audit entry and its change, or it would not have been made.
        audited = {row[0] for row in database.sql("SELECT target_id FROM audit WHERE action = 'account.create'")}
        changed = {row[0] for row in database.sql("SELECT subject FROM changes WHERE subject IS NOT NULL")}
        assert set(stored) <= audited and set(stored) <= changed
