"""CPU time per request: probe, load, CPU time before and after, probe."""

import dataclasses
import http.client
import pathlib
import re
import subprocess

from .processes import BenchError, find_program

_UPLOAD_SCRIPT = pathlib.Path(__file__).with_name("upload.lua")


@dataclasses.dataclass(frozen=True)
class Sample:
    """Times in microseconds. `fault` is empty for a valid run; a run with a fault counts for nothing."""
    cpu_us: float
    requests_per_second: float
    p50_us: float
    p99_us: float
    fault: str = ""

    def __str__(self):
        return self.fault or f"{self.cpu_us:7.1f} us  {self.requests_per_second:8.0f}/s"


_UNIT_US = {"us": 1.0, "ms": 1e3, "s": 1e6, "m": 60e6}


@dataclasses.dataclass(frozen=True)
class Load:
    """wrk with one thread on `core`."""
    connections: int
    seconds: int
    core: int

    def measure(self, process, port, request):
        """Sample of `process`, which listens on `port`."""
        fault = probe(port, request)
        before = process.cpu_seconds()
        output = self._wrk(port, request)
        cpu_seconds = process.cpu_seconds() - before
        fault = fault or ("" if process.alive() else "ended under load") or _load_fault(output) or probe(port, request)

        requests, elapsed = _requests(output)
        if requests == 0:
            return Sample(0, 0, 0, 0, fault or "no request was answered")
        if cpu_seconds == 0:
            fault = fault or "no CPU time in /proc/PID/task/*/schedstat"
        return Sample(cpu_seconds / requests * 1e6, requests / elapsed, _latency_us(output, "50"),
                      _latency_us(output, "99"), fault)

    def _wrk(self, port, request):
        command = ["taskset", "-c", str(self.core), find_program("wrk"), "-t1", f"-c{self.connections}",
                   f"-d{self.seconds}s", "--latency"]
        for name, value in request.headers:
            command += ["-H", f"{name}: {value}"]
        if request.upload_bytes:
            command += ["-s", _UPLOAD_SCRIPT]
        command += [f"http://127.0.0.1:{port}{request.path}", "--", str(request.upload_bytes)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=self.seconds + 60)
        if done.returncode != 0:
            raise BenchError(f"wrk failed: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout


def probe(port, request):
    """Empty if a single request is answered 200 with the backend's body; wrk itself sees only the class of a status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        return ask(connection, request)
    finally:
        connection.close()


def ask(connection, request):
    """Empty if `request` is answered as it should be on `connection` (http.client), which stays open."""
    method, body = ("POST", b"x" * request.upload_bytes) if request.upload_bytes else ("GET", None)
    try:
        connection.request(method, request.path, body=body, headers=dict(request.headers))
        answer = connection.getresponse()
        content = answer.read()
    except (OSError, http.client.HTTPException) as error:
        return f"no answer: {error}"
    if answer.status != 200:
        return f"answered {answer.status}: {content[:200].decode(errors='replace').strip()}"
    return "" if content == request.answer else "the answer is not the backend's"


def _requests(output):
    found = re.search(r"(\d+) requests in ([\d.]+)(us|ms|s|m)\b", output)
    if found is None:
        raise BenchError(f"wrk's output is not understood:\n{output}")
    return int(found[1]), float(found[2]) * _UNIT_US[found[3]] / 1e6


def _latency_us(output, percent):
    found = re.search(rf"^\s*{percent}%\s+([\d.]+)(us|ms|s|m)\s*$", output, re.MULTILINE)
    return float(found[1]) * _UNIT_US[found[2]] if found else 0.0


def _load_fault(output):
    """wrk prints these lines only when there was something to say."""
    faults = re.findall(r"^\s*(Socket errors: .*|Non-2xx or 3xx responses: \d+)$", output, re.MULTILINE)
    return "; ".join(faults)
