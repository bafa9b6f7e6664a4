"""An entry of the corpus: bytes a client sends, the row of the threat model it belongs to, what must come of it."""

from dataclasses import dataclass

from differential.readings import reading

HOST = "gateway.test"
HOST_LINE = b"Host: gateway.test\r\n"
SPOOFED = b"spoofed-value"  # of a field that only the gateway may set: must not get to a server
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: gateway.test\r\n\r\n"


@dataclass(frozen=True)
class Forwarded:
    """The request reaches the server, as exactly this one."""

    read: object
    last: bool = False  # the gateway closes the client's connection behind the answer


@dataclass(frozen=True)
class Refused:
    """The gateway answers with one of `statuses` and closes; the server gets no whole request of it.

    `midway`: the fault is in the body, so that the server may get the beginning of the request, but never its end.
    """

    statuses: tuple
    midway: bool = False
    keeps: bool = False  # the connection may go on: the request was understood, and not wanted


@dataclass(frozen=True)
class Answered:
    """The gateway answers by itself and the connection goes on."""

    statuses: tuple


@dataclass(frozen=True)
class Cut:
    """The client ends its side within the request: no marker follows. The gateway answers 400; the server gets no whole request."""


@dataclass(frozen=True)
class Early:
    """The server answers 202 before the body has ended; the body never does. No connection of it is used again."""


# What applications do with EARLY_TARGET; the other servers, or their applications, read the whole body first.
EARLY_TARGET = b"/early"
EARLY_SERVERS = ("recorder", "haproxy", "node")


@dataclass
class Case:
    """`parts` are sent one after the other: each once the server's side has seen a byte of the one before.

    `steps` are the outcomes in the order of the requests in the bytes; None: only consistency is checked.
    """

    row: str
    name: str
    parts: list
    steps: list = None

    @property
    def data(self):
        return b"".join(self.parts)

    @property
    def is_cut(self):
        return bool(self.steps) and isinstance(self.steps[-1], (Cut, Early))

    @property
    def is_early(self):
        return bool(self.steps) and isinstance(self.steps[-1], Early)

    def suits(self, server):
        """Whether this server does what the case is about."""
        return not self.is_early or server in EARLY_SERVERS

    @property
    def key(self):
        return f"{self.row} {self.name}"


def shown(data):
    """Bytes as they stand in the name of a case."""
    return repr(data)[2:-1]


def forwarded(target="/", method="GET", host=HOST, body=b"", last=False):
    return Forwarded(reading(method, target, host, body), last)


def refused(*statuses, midway=False, keeps=False):
    return Refused(statuses or (400,), midway, keeps)


def get(target=b"/", fields=b"", host=HOST_LINE, version=b"HTTP/1.1"):
    return b"GET " + target + b" " + version + b"\r\n" + host + fields + b"\r\n"


def post(fields, body=b"", target=b"/", host=HOST_LINE, version=b"HTTP/1.1"):
    return b"POST " + target + b" " + version + b"\r\n" + host + fields + b"\r\n" + body


def chunked_post(body, fields=b"", target=b"/"):
    return post(b"Transfer-Encoding: chunked\r\n" + fields, body, target)
