"""Signals whose effect a test relies on."""

import os
import pathlib
import signal

from harness.wait import eventually


def suspend(pid):
    """SIGSTOP, and waits until it holds: threads on other cores run on for a moment after the signal was sent."""
    os.kill(pid, signal.SIGSTOP)

    def stopped():
        stats = (thread.read_text() for thread in pathlib.Path(f"/proc/{pid}/task").glob("*/stat"))
        return all(stat.rpartition(")")[2].split()[0] == "T" for stat in stats)

    eventually(stopped, f"process {pid} stopped")
