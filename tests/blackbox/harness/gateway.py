"""The gateway's process: started on free ports from a configuration given as a dict, watched, and ended cleanly."""

import json
import os
import pathlib
import re
import signal
import subprocess
import threading
import time

import yaml

from harness.client import RawClient, get
from harness.wait import TIMEOUT, eventually

_ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = _ROOT / os.environ.get("LOTAGATE_BUILD", "build/release")
BINARY = BUILD / "src" / "lotagate"
SANITIZED = any(name in BUILD.name for name in ("asan", "tsan", "ubsan", "debug"))

_LISTENING = re.compile(r"\blistening on .*:(\d+)$")
_ADMIN = re.compile(r"\badmin on .*:(\d+)$")
_READY = re.compile(r"(^|.* )ready$")
_SANITIZER_REPORT = re.compile(r"Sanitizer|runtime error:|check failed", re.IGNORECASE)
_START_TIMEOUT = 20.0


def run_command(*arguments, timeout=_START_TIMEOUT):
    """Runs the binary to its end; returns the finished process with text output."""
    return subprocess.run([str(BINARY), *map(str, arguments)], capture_output=True, text=True, timeout=timeout, check=False)


class Gateway:
    """One running gateway. `port` is its first listener, `ports` all of them, `admin_port` the admin listener."""

    def __init__(self, config, directory, descriptors=None, environment=None):
        """`descriptors`: how many the process may open, if not as many as this one; `environment`: what it has beside ours."""
        self.descriptors = descriptors
        self.environment = environment or {}
        self.directory = pathlib.Path(directory)
        self.config_path = self.directory / "gateway.yaml"
        self.log_path = self.directory / "access.log"
        self.config = config
        self.stderr = []
        self.ports = []
        self.admin_port = None
        self._changed = threading.Condition()
        self._ready = False
        self._ended = False
        self.process = None

    def start(self):
        """Starts the process and returns once it accepts connections."""
        self.write_config(self.config)
        limit = ["prlimit", f"--nofile={self.descriptors}"] if self.descriptors else []
        with open(self.directory / "stdout", "wb") as stdout:
            self.process = subprocess.Popen(
                [*limit, str(BINARY), "run", "-c", str(self.config_path)], stdin=subprocess.DEVNULL,
                stdout=stdout, stderr=subprocess.PIPE, cwd=self.directory, env={**os.environ, **self.environment})
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        self._wait(lambda: self._ready or self._ended, "the gateway's `ready`", _START_TIMEOUT)
        assert self._ready, "the gateway did not start:\n" + "\n".join(self.stderr)
        return self

    def write_config(self, config):
        """Replaces the configuration file at once, so that no reader sees half of it."""
        text = config if isinstance(config, str) else yaml.safe_dump(self._with_log(config), sort_keys=False)
        draft = self.config_path.with_suffix(".new")
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, self.config_path)

    def _with_log(self, config):
        return {**config, "access_log": config.get("access_log", {"file": str(self.log_path)})}

    def _watch(self):
        for raw in self.process.stderr:
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            with self._changed:
                self._note(line)
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _note(self, line):
        self.stderr.append(line)
        if match := _LISTENING.search(line):
            self.ports.append(int(match[1]))
        elif match := _ADMIN.search(line):
            self.admin_port = int(match[1])
        elif _READY.fullmatch(line):
            self._ready = True

    def _wait(self, probe, what, timeout=TIMEOUT):
        with self._changed:
            assert self._changed.wait_for(probe, timeout), f"not within {timeout} s: {what}\n" + "\n".join(self.stderr)

    @property
    def port(self):
        return self.ports[0]

    def client(self, **options):
        return RawClient(self.port, **options)

    def get(self, target, fields=(), host="gateway.test", source=None):
        """GET on a connection of its own."""
        return get(self.port, target, fields, host, source)

    def admin(self, target):
        """GET on the admin listener."""
        return get(self.admin_port, target, host="localhost")

    def wait_stderr(self, pattern, after=0):
        """The first line from number `after` on that contains `pattern`."""
        found = []

        def probe():
            found[:] = [line for line in self.stderr[after:] if re.search(pattern, line, re.IGNORECASE)]
            return found

        self._wait(probe, f"a line with {pattern!r} on stderr")
        return found[0]

    def log(self):
        """The access log as a list of dicts; a half-written last line is left out."""
        if not self.log_path.exists():
            return []
        text = self.log_path.read_text(encoding="utf-8")
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def wait_log(self, count=1, where=lambda record: True):
        """The records that satisfy `where`, once there are at least `count`."""

        def probe():
            records = [record for record in self.log() if where(record)]
            return records if len(records) >= count else None

        return eventually(probe, f"{count} lines in the access log")

    def memory(self):
        """Resident memory in bytes."""
        return self._status_bytes("VmRSS")

    def memory_peak(self):
        """The most that was ever resident, in bytes."""
        return self._status_bytes("VmHWM")

    def _status_bytes(self, name):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(re.search(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)[1]) * 1024

    def cpu_seconds(self):
        """What the process has used so far, in user and system mode."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptors_open(self):
        return {int(name) for name in os.listdir(f"/proc/{self.process.pid}/fd")}

    def signal(self, number):
        self.process.send_signal(number)

    def reload(self, config):
        """Writes a configuration and sends SIGHUP. It takes effect a little later: wait for its effect."""
        self.write_config(config)
        self.signal(signal.SIGHUP)

    def kill(self):
        """Ends it as a crash would; nothing is checked of it afterwards."""
        self.process.kill()
        self.wait_exit()
        self.process = None

    def terminate(self):
        self.signal(signal.SIGTERM)

    def wait_exit(self, timeout=TIMEOUT):
        """The exit status."""
        code = self.process.wait(timeout)
        self._watcher.join(TIMEOUT)
        return code

    def stop(self):
        """SIGTERM if it still runs, then the checks that every test ends with."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.terminate()
        try:
            code = self.wait_exit(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("did not end after SIGTERM:\n" + "\n".join(self.stderr)) from None
        report = [line for line in self.stderr if _SANITIZER_REPORT.search(line)]
        assert not report and code == 0, f"exit status {code}:\n" + "\n".join(self.stderr)


def measure(call):
    """The result of `call()` and the seconds it took."""
    start = time.monotonic()
    result = call()
    return result, time.monotonic() - start
