"""Steps that a reader can follow: each shows the curl command as a user would type it, what came back, and its checks."""

import json
import os
import pathlib
import re
import shlex
import subprocess
import time

CURL_SECONDS = 30
SHOWN_CHARACTERS = 320


class Answer:
    """status, fields (names in lower case) and body of one answer."""

    def __init__(self, raw):
        head, _, body = raw.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.status_line = lines[0]
        self.status = int(lines[0].split()[1]) if lines[0].startswith("HTTP/") else 0
        self.fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        self.body = body.decode(errors="replace")

    def json(self):
        """The body as JSON; an empty object if it is none, so that checks fail instead of the script."""
        try:
            return json.loads(self.body)
        except ValueError:
            return {}


class Walkthrough:
    """Prints and counts. `names` replaces long values by what a user would type: {token: "$ADMIN"}."""

    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.names = {}
        self._step = 0

    def step(self, title):
        self._step += 1
        print(f"\n[{self._step}] {title}", flush=True)

    def check(self, what, holds, seen=None):
        if holds:
            self.passed += 1
            print(f"    ok      {what}", flush=True)
        else:
            self.failed += 1
            print(f"    FAILED  {what}" + ("" if seen is None else f", but saw {seen!r}"), flush=True)
        return bool(holds)

    def call(self, url, *, method=None, token=None, api_key=None, body=None, show_fields=(), expect=200, brief=False):
        """One request with curl; shows it (brief: without the body) and checks the status."""
        arguments = _arguments(method, token, body, api_key) + [url]
        self._show_command(arguments)
        answer = _curl(["-i", *arguments])
        self.show(answer, show_fields, brief)
        self.check(f"status {expect}", answer.status == expect, answer.status)
        return answer

    def quiet(self, url, token=None, api_key=None):
        """The answer to one request that is not part of what the reader sees."""
        return _curl(["-i", *_arguments(None, token, None, api_key), url])

    def command(self, arguments, expect=0):
        """Another program than curl: its output, shown; checks its exit status."""
        self._print(shlex.join(["lotagate", *arguments[1:]]))
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=CURL_SECONDS, check=False)
        output = done.stdout + done.stderr
        print(output.rstrip().replace("\n", "\n    ").join(("    ", "")))
        self.check(f"exit status {expect}", done.returncode == expect, done.returncode)
        return output

    def burst(self, url, token, count, directory):
        """`count` requests as fast as one connection takes them; the answers in order. `directory` is for curl's files."""
        arguments = ["-i", *_arguments(None, token, None), f"{url}?n=[1-{count}]"]
        self._show_command(arguments)
        subprocess.run(["curl", "-sS", "--max-time", str(CURL_SECONDS), "-o", f"{directory}/answer-#1", *arguments],
                       check=False)
        files = [pathlib.Path(directory, f"answer-{number}") for number in range(1, count + 1)]
        answers = [Answer(file.read_bytes()) for file in files if file.exists()]
        statuses = [answer.status for answer in answers]
        print("    " + ", ".join(f"{statuses.count(status)} x {status}" for status in sorted(set(statuses))))
        return answers

    def stream(self, url, token, body):
        """One request whose body is read as it arrives: (answer, [(seconds since the first piece, text), ...])."""
        arguments = ["-N", *_arguments("POST", token, body), url]
        self._show_command(arguments)
        head, pieces = b"", []
        with subprocess.Popen(["curl", "-sS", "-i", "--max-time", str(CURL_SECONDS), *arguments],
                              stdout=subprocess.PIPE) as curl:
            while piece := os.read(curl.stdout.fileno(), 65536):
                if b"\r\n\r\n" not in head:
                    head, separator, piece = (head + piece).partition(b"\r\n\r\n")
                    head += separator
                if piece:
                    pieces.append((time.monotonic(), piece))
        answer = Answer(head + b"".join(piece for _, piece in pieces))
        print(f"    {answer.status_line}   content-type: {answer.fields.get('content-type', '-')}")
        return answer, [(at - pieces[0][0], piece.decode(errors="replace")) for at, piece in pieces]

    def problem(self, answer, code, **members):
        """Checks the one error format (RFC 9457 with the members of docs/error-handling.md)."""
        problem = answer.json()
        self.check("application/problem+json", answer.fields.get("content-type", "").startswith("application/problem+json"),
                   answer.fields.get("content-type"))
        self.check(f'code "{code}"', problem.get("code") == code, problem.get("code"))
        self.check("it names the request", bool(problem.get("request_id")), problem)
        for name, value in members.items():
            self.check(f"{name} {json.dumps(value)}", problem.get(name) == value, problem.get(name))

    def show(self, answer, show_fields=(), brief=False):
        """Status line, the named fields, and the shortened body unless `brief`."""
        shown = [f"{name}: {answer.fields[name]}" for name in show_fields if name in answer.fields]
        print("    " + "   ".join([answer.status_line, *shown]))
        if answer.body.strip() and not brief:
            text = _shortened(" ".join(answer.body.split()))
            for value, name in self.names.items():
                text = text.replace(value, name)
            print(f"    {text}")

    def summary(self):
        print(f"\n{self.passed} passed, {self.failed} failed", flush=True)
        return 0 if self.failed == 0 and self.passed > 0 else 1

    def _show_command(self, arguments):
        self._print(shlex.join(["curl", *arguments]))

    def _print(self, text):
        for value, name in self.names.items():
            text = text.replace(value, name)
        # The names are shell variables: within single quotes they would be taken literally.
        for name in self.names.values():
            text = re.sub(rf"'([\w-]+: [^']*{re.escape(name)})'", r'"\1"', text)
        print(f"  $ {_shortened(text)}", flush=True)


def _curl(arguments):
    done = subprocess.run(["curl", "-sS", "--max-time", str(CURL_SECONDS), *arguments], capture_output=True, check=False)
    return Answer(done.stdout or b"no answer: " + done.stderr)


def _arguments(method, token, body, api_key=None):
    arguments = []
    if method and method != ("POST" if body is not None else "GET"):
        arguments += ["-X", method]
    if token:
        arguments += ["-H", f"Authorization: Bearer {token}"]
    if api_key:
        arguments += ["-H", f"X-API-Key: {api_key}"]
    if body is not None:
        arguments += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
    return arguments


def _shortened(text):
    text = re.sub(r"\beyJ[\w-]{10}[\w-]*\.[\w-]+\.[\w-]+", "eyJ...", text)  # a token
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + " ..."
