"""A real server as a child process: its folder, its port, its end."""

import ctypes
import os
import pathlib
import signal
import socket
import subprocess
import time

# Java needs a while on a busy machine.
START_TIMEOUT = 60.0
STOP_TIMEOUT = 10.0
_INTERVAL = 0.05
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


class ServerError(Exception):
    """A server did not start or went away; the message is for people."""


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def end_with_parent():
    """In a new process: SIGTERM when whoever started it dies, even by SIGKILL. Nothing is left running."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class ServerProcess:
    """Runs `command` in a process group of its own until `stop`. Output goes to `directory`/output."""

    def __init__(self, name, command, directory, port, environment=()):
        self.name = name
        self.port = port
        self._output = pathlib.Path(directory) / "output"
        with open(self._output, "wb") as output:
            self._process = subprocess.Popen(
                [str(part) for part in command], cwd=directory, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env={**os.environ, **dict(environment)}, start_new_session=True, preexec_fn=end_with_parent)

    def wait_for_port(self):
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise ServerError(f"{self.name} ended with {self._process.returncode}:\n{self.last_words()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(_INTERVAL)
        raise ServerError(f"{self.name} does not listen after {START_TIMEOUT:.0f} s:\n{self.last_words()}")

    def last_words(self):
        return self._output.read_text(errors="replace")[-2000:]

    def stop(self):
        """Ends the process and what it started: the group was made for it."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, number)
            except ProcessLookupError:
                pass
            try:
                self._process.wait(STOP_TIMEOUT)
                if number == signal.SIGKILL:
                    return
            except subprocess.TimeoutExpired:
                pass
