"""A User Management Service in a process of its own: one that can be killed or stopped as a whole."""

import json
import pathlib
import signal
import subprocess
import sys
import urllib.request

from harness import http1
from harness.signals import suspend
from harness.ums import FakeUms
from harness.wait import TIMEOUT


class UmsProcess:
    """Serves `users` (FakeUms.add's arguments by subject) until it is killed; `start` again uses the same port."""

    token = "service-token-for-tests"

    def __init__(self, users):
        self._users = users
        self._process = None
        self.port = 0
        self.failures = []
        self.start()

    def start(self):
        order = json.dumps({"users": self._users, "port": self.port, "token": self.token})
        self._process = subprocess.Popen(
            [sys.executable, "-m", "harness.ums_process", order], cwd=pathlib.Path(__file__).resolve().parents[1],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.port = int(self._process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"

    def settings(self, directory):
        """Writes the service token; returns the `user_management` section of the configuration."""
        path = directory / "service.token"
        path.write_text(self.token + "\n", encoding="ascii")
        path.chmod(0o600)
        return {"url": self.url, "token_file": str(path)}

    def lookups(self):
        """Look-ups by subject, since the last start."""
        with urllib.request.urlopen(self.url + "/test/lookups", timeout=TIMEOUT) as answer:
            return json.load(answer)

    def kill(self):
        self._process.kill()
        self._process.wait(TIMEOUT)
        self._process.stdin.close()
        self._process.stdout.close()

    def suspend(self):
        suspend(self._process.pid)

    def resume(self):
        self._process.send_signal(signal.SIGCONT)

    def stop(self):
        if self._process.poll() is None:
            self.resume()
            self.kill()


class _Observable(FakeUms):
    """Tells its counts to whoever asks: its attributes are out of the test's reach."""

    def _answer(self, request):
        if request.target == "/test/lookups":
            return http1.response_text(200, [("Content-Type", "application/json")], json.dumps(self.lookups).encode())
        return super()._answer(request)


def _main(order):
    """Serves until its parent ends."""
    ums = _Observable(order["token"], order["port"])
    for subject, account in order["users"].items():
        ums.add(subject, **account)
    print(ums.port, flush=True)
    sys.stdin.read()
    ums.stop()


if __name__ == "__main__":
    _main(json.loads(sys.argv[1]))
