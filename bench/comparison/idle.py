"""Resident memory per idle connection: before and after many connections that made one request each and stay open."""

import contextlib
import dataclasses
import http.client
import resource
import socket

from .load import ask, probe
from .processes import BenchError

# This process holds one descriptor for each connection, and a few more.
_OTHER_DESCRIPTORS = 200


@dataclasses.dataclass(frozen=True)
class Sample:
    """`fault` is empty for a valid run; a run with a fault counts for nothing."""
    bytes_per_connection: float
    fault: str = ""

    def __str__(self):
        return self.fault or f"{self.bytes_per_connection:7.0f} bytes"


def measure(process, port, request, connections):
    """Sample of `process`, freshly started: an allocator keeps what earlier connections have used."""
    _allow_descriptors(connections + _OTHER_DESCRIPTORS)
    fault = probe(port, request)
    before = process.resident_bytes()
    with contextlib.ExitStack() as stack:
        held = [http.client.HTTPConnection("127.0.0.1", port, timeout=10) for _ in range(connections)]
        for connection in held:
            stack.callback(connection.close)
            fault = fault or ask(connection, request)
        after = process.resident_bytes()
        closed = 0 if fault else sum(_is_closed(connection.sock) for connection in held)
        if closed:
            fault = f"{closed} of {connections} connections were closed"
    return Sample((after - before) / connections, fault)


def _is_closed(sock):
    """True if the peer has closed, or sent what nobody asked for."""
    if sock is None:
        return True
    sock.setblocking(False)
    try:
        sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def _allow_descriptors(count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= count:
        return
    if hard != resource.RLIM_INFINITY and hard < count:
        raise BenchError(f"{count} open files are needed, the limit is {hard} (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
