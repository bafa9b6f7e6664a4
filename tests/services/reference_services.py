"""Starting the reference services as their users do: real binaries, a free port, a directory of their own."""

import base64
import contextlib
import http.client
import json
import os
import pathlib
import random
import signal
import socket
import sqlite3
import subprocess
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("LOTAGATE_BUILD", "build/release")
START_SECONDS = 30
CALL_SECONDS = 20


class Answer:
    def __init__(self, response, body):
        self.status = response.status
        self.headers = response.headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)


def lasting_port():
    """A free port that nobody gets by chance, so that a server can have it again: below those of outgoing connections."""
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", random.randrange(20000, 32000)))
            return probe.getsockname()[1]


class Service:
    """One running service. Its standard error is kept in `log`."""

    def __init__(self, name, *flags):
        self.command = [str(BUILD / "services" / f"lotagate-{name}"), *map(str, flags)]
        self.process = subprocess.Popen(self.command, stderr=subprocess.PIPE, text=True)
        self.log = []
        self.address = None
        self.internal_address = None
        self._listening = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        heard = self._listening.wait(START_SECONDS)
        if not heard or self.address is None:
            self.kill()
            raise AssertionError(f"{name} did not start: {self.log}")

    def _read(self):
        for line in self.process.stderr:
            self.log.append(line.rstrip("\n"))
            if line.startswith("internal endpoints listening on "):
                self.internal_address = line.split()[-1]
            if line.startswith("listening on "):
                self.address = line.split()[-1]
                self._listening.set()
        self._listening.set()

    @property
    def port(self):
        return int(self.address.rsplit(":", 1)[1])

    @property
    def internal_port(self):
        return int(self.internal_address.rsplit(":", 1)[1])

    @property
    def origin(self):
        return f"http://{self.address}"

    def connect(self, address=None):
        return http.client.HTTPConnection(address or self.address, timeout=CALL_SECONDS)

    def call(self, method, path, body=None, headers=None, connection=None):
        """One exchange; `body` is sent as JSON unless it is bytes."""
        own = connection or self.connect()
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body)
        own.request(method, path, body, headers or {})
        response = own.getresponse()
        answer = Answer(response, response.read())
        if connection is None:
            own.close()
        return answer

    def stop(self, number=signal.SIGTERM):
        """Asks it to stop and returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(CALL_SECONDS)
        self._reader.join(CALL_SECONDS)
        self.process.stderr.close()
        return status

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(CALL_SECONDS)


class Database:
    """Where accounts are kept: a file, or a new database of a PostgreSQL server."""

    def __init__(self, path, server=None):
        self.path = path
        self.server = server
        self.url = server.new_database() if server else None
        if server:
            path.with_suffix(".url").write_text(self.url + "\n")

    @property
    def flags(self):
        return ["--database-file", self.path.with_suffix(".url")] if self.url else []

    def files(self):
        """Names of what lies in the data directory."""
        return [] if self.url else sorted(file.name for file in self.path.parent.glob(self.path.name + "*"))

    def sql(self, statement):
        """The rows as lists of texts; a change is committed."""
        if self.url:
            return self.server.sql(statement, self.url)
        with contextlib.closing(sqlite3.connect(self.path, timeout=20)) as connection, connection:
            return [[str(value) for value in row] for row in connection.execute(statement)]


class Users(Service):
    ISSUER = "https://users.example"
    AUDIENCE = "lotabots"

    def __init__(self, data, *flags, database=None, ports=(0, 0)):
        """`ports`: those of another one that has ended, to take its place."""
        self.data = pathlib.Path(data)
        token_file = self.data / "service.token"
        super().__init__("users", "--listen", f"127.0.0.1:{ports[0]}", "--internal-listen", f"127.0.0.1:{ports[1]}", "--data", data, "--issuer", self.ISSUER, "--audience",
                         self.AUDIENCE, "--service-token-file", token_file, "--seed",
                         *(database.flags if database else []), *flags)
        self.database = database
        self.service_token = token_file.read_text().strip()
        self.subjects = {}
        self.demo = {a["role"]: a for a in json.loads((self.data / "demo-accounts.json").read_text())}

    def login(self, username, password):
        return self.call("POST", "/api/v1/users/login", {"username": username, "password": password})

    def login_demo(self, role):
        return self.login(self.demo[role]["username"], self.demo[role]["password"])

    def as_admin(self, method, path, body=None):
        """A call as the gateway forwards it for an admin."""
        return self.call(method, path, body, self.identity("admin"))

    def identity(self, role):
        """The headers in which the gateway names the demo account of this role."""
        if role not in self.subjects:
            claims = self.login_demo(role).json["access_token"].split(".")[1]
            self.subjects[role] = json.loads(base64.urlsafe_b64decode(claims + "=="))["sub"]
        return identity(self.subjects[role], roles=role)

    def internal(self, path, method="GET", body=None):
        """A call as the gateway itself makes it."""
        return self.call_inside(method, path, {"Authorization": f"Bearer {self.service_token}"}, body)

    def call_inside(self, method, path, headers=None, body=None):
        with contextlib.closing(self.connect(self.internal_address)) as connection:
            return self.call(method, path, body, headers, connection)

    def account_id(self, username):
        users = self.as_admin("GET", "/api/v1/users?limit=1000").json["users"]
        return next(user["id"] for user in users if user["username"] == username)

    def revision(self):
        return self.internal("/internal/v1/changes").json["revision"]


def identity(subject="usr_caller", tenant="lotabots", roles="viewer"):
    """The headers in which the gateway names the caller."""
    return {"X-Auth-Subject": subject, "X-Auth-Tenant": tenant, "X-Auth-Roles": roles}


def run_to_failure(name, *flags):
    """A start that must fail: (exit status, lines on standard error)."""
    done = subprocess.run([str(BUILD / "services" / f"lotagate-{name}"), *map(str, flags)], stderr=subprocess.PIPE,
                          text=True, timeout=START_SECONDS, check=False)
    return done.returncode, done.stderr.splitlines()
