"""Runs the real clients over planned cases; each returns the results by case name.

A client that is not installed is an error: scripts/packages lists them all.
"""

import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

from harness.planned import PlannedBackend

PROGRAMS = pathlib.Path(__file__).resolve().parents[1] / "clients"
CURL, NODE, CHROMIUM = "/usr/bin/curl", "/usr/bin/node", "/usr/bin/chromium"
# Debian's node modules are outside of the places where Node looks by itself.
NODE_ENVIRONMENT = {**os.environ, "NODE_PATH": "/usr/share/nodejs:/usr/lib/nodejs"}
CHROMIUM_OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
CURL_BATCH = 40


def write_plan(path, port, cases):
    path.write_text(json.dumps({"port": port, "cases": [case.plan() for case in cases]}), encoding="utf-8")
    return path


def _run_program(command, timeout):
    done = subprocess.run(command, capture_output=True, env=NODE_ENVIRONMENT, timeout=timeout, check=False)
    assert (
        done.returncode == 0
    ), f"{command} ended with {done.returncode}: {done.stderr.decode(errors='replace')[-2000:]}"
    results = [json.loads(line) for line in done.stdout.splitlines()]
    return {result["name"]: result for result in results}


def http_client(port, cases, directory, timeout):
    plan = write_plan(directory / "http.client.json", port, cases)
    return _run_program([sys.executable, str(PROGRAMS / "http_client.py"), str(plan)], timeout)


def node(client, port, cases, directory, timeout):
    plan = write_plan(directory / f"{client}.json", port, cases)
    return _run_program([NODE, str(PROGRAMS / "node_client.js"), client, str(plan)], timeout)


def fetch(port, cases, directory, timeout):
    return node("fetch", port, cases, directory, timeout)


def undici(port, cases, directory, timeout):
    return node("undici", port, cases, directory, timeout)


def _quoted(text):
    """A value in a curl configuration file."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t") + '"'


def _curl_lines(case, port, directory):
    out = [
        f"url = {_quoted(f'http://127.0.0.1:{port}{case.target}')}",
        "path-as-is",
        "globoff",
        "silent",
        "max-time = 30",
        f"output = {directory}/{case.name}.body",
        f"dump-header = {directory}/{case.name}.head",
        f'write-out = "{case.name} %{{exitcode}} %{{errormsg}}\\n"',
    ]
    if case.method == "HEAD":
        out.append("head")
    elif case.method != "GET" or case.body:
        out.append(f"request = {case.method}")
    for name, value in case.fields:
        out.append("header = " + _quoted(f"{name}: {value}" if value else f"{name};"))  # `Name;` is curl's empty field
    if host := case.options.get("proxied_host"):
        out[0] = f"url = {_quoted(f'http://{host}{case.target}')}"
        out.append(f"proxy = http://127.0.0.1:{port}")
    switches = {"http10": "http1.0", "http2": "http2", "compressed": "compressed", "follow": "location"}
    out += [switches[name] for name in switches if case.options.get(name)]
    for number, (name, value) in enumerate(case.options.get("form", [])):
        if case.options["encoding"] == "urlencoded":
            out.append("data-urlencode = " + _quoted(f"{name}={value}"))
        elif number % 2:
            part = directory / f"{case.name}.part{number}"
            part.write_text(value, encoding="utf-8")
            out.append("form = " + _quoted(f"{name}=@{part}"))
        else:
            out.append("form-string = " + _quoted(f"{name}={value}"))
    if case.body:
        body = directory / f"{case.name}.upload"
        body.write_bytes(case.body.octets())
        if case.options.get("pieces"):
            out.append('header = "Transfer-Encoding: chunked"')
        # Behind a slash curl would add the file's name to the path.
        streams = case.options.get("pieces") and not case.target.split("?")[0].endswith("/")
        out.append(f"upload-file = {body}" if streams else f'data-binary = "@{body}"')
    return out + ["next"]


def _curl_result(name, directory):
    head = (directory / f"{name}.head").read_bytes().decode("latin-1")
    heads = [part.split("\r\n") for part in head.split("\r\n\r\n") if part]
    last = heads[-1]
    fields = [re.fullmatch(r"([^:]+):[ \t]*(.*?)[ \t]*", line).groups() for line in last[1:]]
    path = directory / f"{name}.body"
    # `--head` writes the head as output.
    body = path.read_bytes() if path.exists() else b""
    return {
        "status": int(last[0].split(" ")[1]),
        "reason": last[0].split(" ", 2)[2],
        "interim": [int(one[0].split(" ")[1]) for one in heads[:-1]],
        "fields": fields,
        "size": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
    }


def _curl_batch(port, cases, directory, timeout):
    lines = [line for case in cases for line in _curl_lines(case, port, directory)]
    config = directory / f"{cases[0].name}.curl"
    config.write_bytes("\n".join(lines[:-1]).encode("latin-1"))
    done = subprocess.run([CURL, "-q", "--config", str(config)], capture_output=True, timeout=timeout, check=False)
    results = {}
    for line in done.stdout.decode(errors="replace").splitlines():
        name, code, message = line.split(" ", 2)
        results[name] = {"error": f"curl {code} {message}"} if code != "0" else _curl_result(name, directory)
    for case in cases:
        if case.method == "HEAD" and case.name in results:
            results[case.name].update(size=0, sha256=hashlib.sha256(b"").hexdigest())
        if case.name not in results:
            results[case.name] = {"error": f"curl exit {done.returncode}: {done.stderr.decode(errors='replace')}"}
    return results


def curl(port, cases, directory, timeout):
    """Several processes, each with many requests on kept connections."""
    batches = [cases[at : at + CURL_BATCH] for at in range(0, len(cases), CURL_BATCH)]
    results = {}
    with ThreadPoolExecutor(3) as pool:
        for part in pool.map(lambda batch: _curl_batch(port, batch, directory, timeout), batches):
            results.update(part)
    return results


def page_files(cases):
    """What the browser loads first, through the gateway like all else."""
    files = {
        f"/{name}": (media, (PROGRAMS / name).read_bytes())
        for name, media in (
            ("page.html", "text/html; charset=utf-8"),
            ("page.js", "text/javascript"),
            ("fetch_case.js", "text/javascript"),
        )
    }
    files["/plan.json"] = (
        "application/json",
        json.dumps({"cases": [case.plan() for case in cases if case.client == "b"]}).encode(),
    )
    return files


class Chromium:
    """A headless browser on one page; ended by its process."""

    def __init__(self, url, directory):
        profile = directory / "profile"
        profile.mkdir()
        self._log = open(directory / "chromium.log", "wb")
        # It leaves its socket behind when it is ended, and a test's own directory is too deep for the name of a socket.
        self._temporary = tempfile.TemporaryDirectory(prefix="lotagate-chromium-", ignore_cleanup_errors=True)
        self._process = subprocess.Popen(
            [CHROMIUM, *CHROMIUM_OPTIONS, f"--user-data-dir={profile}", url],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env={**os.environ, "HOME": str(directory), "TMPDIR": self._temporary.name},
            start_new_session=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, 9)  # a session of its own: the browser and its children
            self._process.wait()
        self._temporary.cleanup()
        self._log.close()


def chromium(port, planned: PlannedBackend, directory, timeout, answered):
    """`answered()` returns when the answers to everything that was planned are on their way: the browser ends then."""
    with Chromium(f"http://127.0.0.1:{port}/page.html", directory):
        planned.wait(lambda: planned.reports, "the browser's report", timeout)
        planned.wait(planned.all_seen, "the beacons", timeout)  # a page is not told when they have been sent
        answered()
    return {result["name"]: result for result in planned.reports[0]}
