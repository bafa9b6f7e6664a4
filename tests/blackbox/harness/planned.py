"""A backend that answers planned traffic (harness.traffic) and remembers what it saw; and the comparison afterwards."""

import email
import hashlib
import json
import re
import threading
from dataclasses import dataclass
from urllib.parse import parse_qsl

from harness import http1
from harness.traffic import NO_CONTENT

_NAME = re.compile(r"/([a-z][0-9]+)(?:[/?]|$)")
# Fields of one connection or of the framing: each hop writes its own (RFC 9110 7.6.1, 10.1.1).
HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "te",
    "expect",
    "transfer-encoding",
    "content-length",
    "upgrade",
    "http2-settings",
}
GATEWAY_ADDS = {
    "via",
    "forwarded",
    "x-forwarded-for",
    "x-real-ip",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-request-id",
    "traceparent",
}
# What the gateway or the client's own library may put beside the backend's fields.
ANSWER_EXTRAS = {"content-length", "transfer-encoding", "connection", "keep-alive", "x-request-id"}
_BOUNDARY = re.compile("boundary=[^;]*")
_CHUNK_SIZES = [1, 1000, 16384, 7]


@dataclass
class Seen:
    """One request as it arrived; of the body only what the comparison needs."""

    method: str
    target: str
    fields: list
    length: int
    sha256: str
    form: list


def _form(request):
    """The pairs of a form, whichever way it is encoded; None if it is no form. A file's name is dropped."""
    media = request.get("Content-Type", "")
    if media.startswith("application/x-www-form-urlencoded"):
        return [list(pair) for pair in parse_qsl(request.body.decode(), keep_blank_values=True)]
    if not media.startswith("multipart/form-data"):
        return None
    parts = email.message_from_bytes(b"Content-Type: " + media.encode() + b"\r\n\r\n" + request.body).get_payload()
    return [
        [part.get_param("name", header="Content-Disposition"), part.get_payload(decode=True).decode()] for part in parts
    ]


def _head(answer, framing):
    fields = list(answer.fields)
    if framing == "chunked":
        fields.append(("Transfer-Encoding", "chunked"))
    elif framing == "close":
        fields.append(("Connection", "close"))
    elif answer.status not in NO_CONTENT:  # a 304 may have a length, but that is one of the plan's fields
        fields.append(("Content-Length", str(len(answer.body))))
    return http1.response_text(answer.status, fields, reason=answer.reason)


class PlannedBackend:
    """The handler of a scripted backend. `files` maps paths outside the plan to (content type, body)."""

    def __init__(self, cases, files=None):
        self.cases = {case.name: case for case in cases}
        self.seen = {case.name: [] for case in cases}
        self.strays = []
        self.reports = []
        self.files = files or {}
        self.changed = threading.Condition()

    def __call__(self, connection):
        keep = True
        while keep:
            request = connection.read_head()
            if request.has("Expect"):
                connection.send(http1.response_text(100))
            connection.finish(request)
            keep = self._answer(connection, request)
            del connection.received[:]
            connection.requests.clear()

    def _answer(self, connection, request):
        match = _NAME.match(request.target)
        if match and match[1] in self.cases:
            return self._answer_case(connection, request, self.cases[match[1]])
        if request.target == "/report":
            with self.changed:
                self.reports.append(json.loads(request.body))
                self.changed.notify_all()
            connection.send(http1.response_text(204))
        elif request.target in self.files:
            media, body = self.files[request.target]
            connection.send(http1.response_text(200, [("Content-Type", media)], body))
        else:
            self.strays.append((request.method, request.target))
            connection.send(http1.response_text(404, [], b""))
        return True

    def _answer_case(self, connection, request, case):
        seen = Seen(
            request.method,
            request.target,
            request.fields,
            len(request.body),
            hashlib.sha256(request.body).hexdigest(),
            _form(request) if any(step.form for step in case.steps) else None,
        )
        with self.changed:
            steps = self.seen[case.name]
            step = case.steps[min(len(steps), len(case.steps) - 1)]
            steps.append(seen)
            self.changed.notify_all()
        request.body = b""
        answer = step.answer
        framing = "close" if request.version == 0 and answer.framing == "chunked" else answer.framing
        if answer.status in NO_CONTENT:
            framing = "length"
        head = _head(answer, framing)
        if answer.hints and request.version == 1:
            connection.send(http1.response_text(103, [("Link", "</style.css>; rel=preload; as=style")]))
        if request.method == "HEAD" or answer.status in NO_CONTENT:
            connection.send(head)
        elif framing == "chunked":
            connection.send(head + http1.chunked(answer.body, _CHUNK_SIZES))
        else:
            connection.send(head + answer.body)
        return framing != "close" and request.version == 1

    def requests_seen(self):
        return sum(len(steps) for steps in self.seen.values())

    def all_seen(self):
        return all(len(self.seen[name]) >= len(case.steps) for name, case in self.cases.items())

    def wait(self, probe, what, timeout):
        with self.changed:
            assert self.changed.wait_for(probe, timeout), f"not within {timeout} s: {what}"


def end_to_end(fields, port):
    """What must pass: name and value in their order, without what belongs to a hop or differs from run to run.

    Host is written anew, as the first field; `port` is the listener's.
    """
    host, others = [], []
    for name, value in fields:
        value = _BOUNDARY.sub("boundary=ANY", value.replace(f":{port}", ":PORT"))
        if name.lower() == "host":
            host.append(("Host", value))
        elif name.lower() not in HOP_BY_HOP | GATEWAY_ADDS:
            others.append((name, value))
    return host + others


def compare_with_direct(through, through_port, direct, direct_port):
    """Differences between the same requests (lists of Seen) with the gateway and without it."""
    out = []
    for one, other in zip(through, direct):
        with_gateway, without = end_to_end(one.fields, through_port), end_to_end(other.fields, direct_port)
        if with_gateway != without:
            lost, new = [pair for pair in without if pair not in with_gateway], [
                pair for pair in with_gateway if pair not in without
            ]
            out.append(f"fields lost {lost}, new {new}, or in another order: {[name for name, _ in with_gateway]}")
    return out


def compare_requests(case, seen):
    """Differences between what the case was to send and what arrived."""
    if len(seen) != len(case.steps):
        return [f"{len(seen)} requests instead of {len(case.steps)}: {[(one.method, one.target) for one in seen]}"]
    out = []
    for step, one in zip(case.steps, seen):
        if (one.method, one.target) != (step.method, step.target):
            out.append(f"{one.method} {one.target!r} arrived instead of {step.method} {step.target!r}")
        if step.form is not None and one.form != step.form:
            out.append(f"form {one.form!r} instead of {step.form!r}")
        if step.form is None and one.sha256 != hashlib.sha256(step.body).hexdigest():
            out.append(f"another body of {one.length} bytes instead of {len(step.body)}")
        for name in {name.lower() for name, _ in step.fields} - HOP_BY_HOP:
            given = [value for key, value in step.fields if key.lower() == name]
            arrived = [value for key, value in one.fields if key.lower() == name]
            if arrived != given:
                out.append(f"{name}: {arrived!r} instead of {given!r}")
    return out


def compare_result(case, result):
    """Differences between the backend's last answer and what the client reported. Lines of one name count joined."""
    if result is None:
        return ["the client reported nothing"]
    if result.get("error"):
        return [f"the client failed: {result['error']}"]
    out = []
    if result["status"] != case.status:
        out.append(f"status {result['status']} instead of {case.status}")
    if result.get("reason", case.steps[-1].answer.reason) != case.steps[-1].answer.reason:
        out.append(f"reason {result['reason']!r} instead of {case.steps[-1].answer.reason!r}")
    if case.steps[-1].answer.hints and not case.options.get("http10") and 103 not in result.get("interim", [103]):
        out.append("the 103 did not arrive")
    if result["sha256"] != case.digest():
        out.append(f"another body of {result['size']} bytes instead of {len(case.read)}")
    if result.get("fields") is None or case.kind == "revalidated":
        return out
    arrived, sent = {}, {}
    for name, value in result["fields"]:
        arrived.setdefault(name.lower(), []).append(value)
    for name, value in case.steps[-1].answer.fields:
        sent.setdefault(name.lower(), []).append(value)
    for name, values in sent.items():
        if ", ".join(arrived.get(name, ["(missing)"])) != ", ".join(values):
            out.append(f"{name}: {arrived.get(name)} instead of {values}")
    if unknown := set(arrived) - set(sent) - ANSWER_EXTRAS:
        out.append(f"fields from nowhere: {unknown}")
    return out
