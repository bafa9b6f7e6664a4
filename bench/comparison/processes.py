"""Child processes: started on a chosen core, watched for CPU time, ended by pid."""

import os
import pathlib
import re
import shutil
import socket
import subprocess
import time


class BenchError(Exception):
    """Something the user can act on; its text is the whole message."""


def free_ports(count):
    """Distinct free loopback ports. All are held until the last is known, so none is given twice."""
    held = []
    try:
        for _ in range(count):
            holder = socket.socket()
            holder.bind(("127.0.0.1", 0))
            held.append(holder)
        return [holder.getsockname()[1] for holder in held]
    finally:
        for holder in held:
            holder.close()


class Process:
    """One started program. `log` keeps its stdout and stderr for the message when it fails."""

    def __init__(self, name, command, log, core):
        self.name = name
        self.log = pathlib.Path(log)
        # A session of its own: Ctrl-C in the terminal reaches this script only, which then stops everything in order.
        with open(log, "wb") as output:
            self._child = subprocess.Popen(
                ["taskset", "-c", str(core), *map(str, command)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)

    @property
    def pid(self):
        return self._child.pid

    def alive(self):
        return self._child.poll() is None

    def wait_for_port(self, port, seconds=10):
        """Returns once the program accepts connections on `port`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not self.alive():
                raise BenchError(f"{self.name} ended at start:\n{self.last_words()}")
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise BenchError(f"{self.name} did not open port {port} within {seconds} s:\n{self.last_words()}")

    def last_words(self, lines=15):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def cpu_seconds(self):
        """CPU time so far, user and system, of every thread of the program and of its children."""
        return sum(_cpu_nanoseconds(pid) for pid in _family(self.pid)) / 1e9

    def resident_bytes(self):
        """Resident memory of the program and its children."""
        return sum(_resident_bytes(pid) for pid in _family(self.pid))

    def stop(self, seconds=5):
        self._child.terminate()
        try:
            self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


def _family(pid):
    """`pid` and its descendants (nginx does its work in a child of the process that was started)."""
    found = [pid]
    for parent in found:
        for children in pathlib.Path(f"/proc/{parent}/task").glob("*/children"):
            found += map(int, children.read_text().split())
    return found


def _cpu_nanoseconds(pid):
    total = 0
    for statistics in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
        total += int(statistics.read_text().split()[0])
    return total


def _resident_bytes(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)[1]) * 1024


def pick_cores():
    """(measured, other): the core that proxy, load and backend share, and one for everything else."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[-1], cores[0]


_PACKAGES = {"nginx": "nginx", "haproxy": "haproxy", "wrk": "wrk", "taskset": "util-linux", "openssl": "openssl",
             "redis-server": "redis-server"}


def find_program(name):
    """Path of a program of the system; nothing is installed from here."""
    # Debian keeps nginx and haproxy in /usr/sbin, which is not on every user's path.
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if path is None:
        raise BenchError(f"{name} is missing (Debian package {_PACKAGES[name]}). "
                         "`scripts/packages --bench` lists what the comparison needs, `scripts/setup --bench` installs it.")
    return path
