"""What somebody read of a request, and how that is said on the wire: the field X-Read of an answer.

X-Read: <method>.<target>.<host>.<octets of body>.<SHA-1 of body>, the first three in base64, so that every byte of them
survives. Every server's application writes it; a server's answer without it is the server's own (a refusal).
"""

import base64
import hashlib
from dataclasses import dataclass

from harness import http1

FIELD = "X-Read"


@dataclass(frozen=True)
class Reading:
    """One request as somebody read it."""

    method: str
    target: str
    host: str
    octets: int
    digest: str

    def __str__(self):
        target = self.target if len(self.target) <= 80 else f"{self.target[:60]}...({len(self.target)})"
        return f"{self.method} {target} host={self.host} body={self.octets}:{self.digest[:8]}"


def reading(method, target, host, body=b""):
    return Reading(method, target, host, len(body), hashlib.sha1(body).hexdigest())


def of_request(message):
    """The reading of a strictly parsed request."""
    return reading(message.method, message.target, message.get("Host", ""), message.body)


def encode(read):
    parts = [base64.b64encode(text.encode("latin-1")).decode() for text in (read.method, read.target, read.host)]
    return ".".join([*parts, str(read.octets), read.digest])


def decode(text):
    method, target, host, octets, digest = text.split(".")
    decoded = [base64.b64decode(part, validate=True).decode("latin-1") for part in (method, target, host)]
    return Reading(*decoded, int(octets), digest.lower())


class _Bytes:
    """The part of a socket that http1.Reader uses, over bytes that have been received."""

    def __init__(self, data):
        self._data = data

    def recv(self, _size):
        data, self._data = self._data, b""
        return data


def take_requests(data):
    """Whole requests at the start of `data` (a bytearray), removed from it. ProtocolError if they are not strict."""
    requests = []
    while data:
        reader = http1.Reader(_Bytes(bytes(data)))
        try:
            requests.append(http1.read_body(reader, http1.read_request_head(reader)))
        except http1.Cut:
            break
        del data[: len(data) - len(reader.buffer)]
    return requests


def take_answers(data, methods, ended):
    """Whole answers at the start of `data`, removed from it; `methods` are those of the requests, in order.

    An answer without a length ends with the connection: `ended` says whether that has happened.
    """
    answers = []
    while data:
        method = methods[len(answers)] if len(answers) < len(methods) else "GET"
        reader = http1.Reader(_Bytes(bytes(data)))
        try:
            answer = http1.read_response_head(reader, method)
            framed = answer.chunked or answer.has("Content-Length") or http1.has_no_body(answer)
            if not framed and not ended:
                break
            http1.read_body(reader, answer)
        except (http1.Cut, http1.Closed):
            break
        del data[: len(data) - len(reader.buffer)]
        answers.append(answer)
    return answers
