"""One measured run: probe, load, CPU time before and after, probe."""

import dataclasses
import http.client
import re
import subprocess

from .candidates import BODY, find_program
from .processes import BenchError


@dataclasses.dataclass(frozen=True)
class Sample:
    """Times in microseconds. `fault` is empty for a valid run; a run with a fault counts for nothing."""
    cpu_us: float
    requests_per_second: float
    p50_us: float
    p99_us: float
    fault: str = ""


_UNIT_US = {"us": 1.0, "ms": 1e3, "s": 1e6, "m": 60e6}


def measure(process, port, headers, options, core):
    """Loads `process` on `port` with wrk on `core`. options: connections, seconds."""
    fault = probe(port, headers)
    before = process.cpu_seconds()
    output = _wrk(port, headers, options, core)
    cpu_seconds = process.cpu_seconds() - before
    fault = fault or ("" if process.alive() else "ended under load") or _load_fault(output) or probe(port, headers)

    requests, elapsed = _requests(output)
    if requests == 0:
        return Sample(0, 0, 0, 0, fault or "no request was answered")
    if cpu_seconds == 0:
        fault = fault or "no CPU time in /proc/PID/task/*/schedstat"
    return Sample(cpu_seconds / requests * 1e6, requests / elapsed, _latency_us(output, "50"),
                  _latency_us(output, "99"), fault)


def probe(port, headers):
    """Empty if a single request is answered 200 with the backend's body; wrk itself sees only the class of a status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/", headers=headers)
        answer = connection.getresponse()
        body = answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return f"no answer: {error}"
    finally:
        connection.close()
    if answer.status != 200:
        return f"answered {answer.status}: {body[:200].strip()}"
    return "" if body == BODY else "the answer is not the backend's"


def _wrk(port, headers, options, core):
    command = ["taskset", "-c", str(core), find_program("wrk"), "-t1", f"-c{options.connections}",
               f"-d{options.seconds}s", "--latency"]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    done = subprocess.run([*command, f"http://127.0.0.1:{port}/"], capture_output=True, text=True, check=False,
                          timeout=options.seconds + 60)
    if done.returncode != 0:
        raise BenchError(f"wrk failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


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
