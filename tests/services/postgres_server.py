"""A PostgreSQL server of the tests' own: a folder and a port that nobody else uses, killed and restarted at will."""

import contextlib
import glob
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

from reference_services import lasting_port

START_SECONDS = 30
PASSWORD = "pass word@/:?"  # as awkward as an operator's may be
ENCODED_PASSWORD = "pass%20word%40%2F%3A%3F"


def _programs():
    """Debian keeps the server's programs apart from PATH, by version."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"))
    assert found, "PostgreSQL is missing; scripts/setup installs it"
    return pathlib.Path(found[-1]).parent


def _runs(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class PostgresServer:
    """Started at once; `url(database)` says how to reach it. stop() removes everything."""

    def __init__(self):
        self._bin = _programs()
        # PostgreSQL refuses to run as root; Debian's package has made a user for it.
        self._as_user = []
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="lotagate-postgres-", dir="/tmp"))
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.directory, user.pw_uid, user.pw_gid)
            self._as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        self.port = lasting_port()
        self._process = None
        self._databases = 0
        (self.directory / "password").write_text(PASSWORD)
        os.chmod(self.directory / "password", 0o644)
        subprocess.run([*self._as_user, self._bin / "initdb", "-D", self._data, "-U", "lotagate", "-E", "UTF8",
                        "--locale=C.UTF-8", "--auth=scram-sha-256", "--no-sync", f"--pwfile={self.directory}/password"],
                       check=True, stdout=subprocess.DEVNULL, cwd="/")
        self.start()

    @property
    def _data(self):
        return self.directory / "data"

    def start(self, wait=True):
        with open(self.directory / "log", "ab") as log:
            self._process = subprocess.Popen(
                [*self._as_user, self._bin / "postgres", "-D", self._data, "-p", str(self.port), "-c",
                 "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.directory}", "-c",
                 "max_connections=60"],
                stdout=log, stderr=log, cwd="/", start_new_session=True)
        deadline = time.monotonic() + START_SECONDS
        while wait and not self._answers():
            assert self._process.poll() is None and time.monotonic() < deadline, self.log()
            time.sleep(0.02)

    def _answers(self):
        ready = [self._bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port), "-t", "1"]
        return subprocess.run(ready, check=False, cwd="/").returncode == 0

    def log(self):
        return (self.directory / "log").read_text(errors="replace")[-4000:]

    def kill(self):
        """As a power failure would: no process of it does anything more."""
        self.freeze()  # nothing is begun while the processes are counted
        children = self._children()
        self._signal(signal.SIGKILL)
        self._process.wait()
        # A new server refuses to start while one of them still has the shared memory.
        deadline = time.monotonic() + START_SECONDS
        while any(_runs(child) for child in children):
            assert time.monotonic() < deadline, children
            time.sleep(0.005)
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def freeze(self):
        """It listens and does not answer, neither on old connections nor on new ones."""
        os.kill(self._process.pid, signal.SIGSTOP)
        self._signal(signal.SIGSTOP)

    def thaw(self):
        self._signal(signal.SIGCONT)

    def _children(self):
        pid = self._process.pid
        return list(map(int, pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()))

    def _signal(self, number):
        """To every process: each of them is a child of the first one, and leader of a group of its own."""
        for one in [*self._children(), self._process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, number)

    def restart(self):
        """As an administrator does it: connections are ended."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(START_SECONDS)
        self.start()

    def stop(self):
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(START_SECONDS)
        shutil.rmtree(self.directory)

    def url(self, database):
        return f"postgresql://lotagate:{ENCODED_PASSWORD}@127.0.0.1:{self.port}/{database}"

    def new_database(self):
        """Its URL."""
        self._databases += 1
        name = f"users_{self._databases}"
        self.sql(f"CREATE DATABASE {name}", "postgres")
        return self.url(name)

    def sql(self, statement, database):
        """The rows as lists of texts. `database` is a name or a URL."""
        url = database if "://" in database else self.url(database)
        done = subprocess.run([self._bin / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-F", "\t", "-d", url, "-c", statement],
                              check=True, capture_output=True, text=True, cwd="/")
        return [line.split("\t") for line in done.stdout.splitlines()]
