"""The same bytes sent to a server without the gateway: what a client could make each server believe."""

import concurrent.futures
import contextlib
import socket

from harness import http1
from harness.client import RawClient, get

from differential import readings
from differential.cases import HOST
from differential.column import running_server

# A server that waits for more says nothing: that can only be seen over time. Informative, so it need not be exact.
_QUIET_SECONDS = 0.5
_AT_ONCE = 8  # nearly all of the time is waiting
# Debian's tornado 6.2 never comes back from a chunk size of -5; gunicorn 20.1 with threads leaves a pipelined request
# lying until the next one arrives, so that nothing could be said about the marker.
UNFIT = ("tornado", "gunicorn")
_MARKER = http1.request_text("GET", "/marker/direct", [("Connection", "close")], host=HOST)


def read_all(name, cases):
    """{case key: what the server read}: one word per request, in order."""
    with running_server(name) as port, concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
        get(port, "/warm-up", host=HOST)  # the first request may compile things
        return dict(zip((case.key for case in cases), pool.map(lambda case: _read(port, case), cases)))


def _read(port, case):
    """The readings of a case and of a marker behind it, on one connection."""
    words = []
    with RawClient(port) as client:
        client.send_tolerantly(case.data + _MARKER)
        client.sock.settimeout(_QUIET_SECONDS)
        with contextlib.suppress(http1.Closed, http1.Cut, AssertionError, ConnectionError, socket.timeout, ValueError):
            while len(words) < 10:
                method = "HEAD" if not words and case.data.lstrip(b"\r\n").startswith(b"HEAD ") else "GET"
                words.append(_word(client.response(method)))
    return tuple(words)


def _word(answer):
    field = answer.get(readings.FIELD)
    if field is None:
        return "refused"
    read = readings.decode(field)
    return f"{read.method} {read.target} {read.host} {read.octets} {read.digest}"
