"""One server's column of the comparison: the server, a tap in front of it, a gateway before that, and all cases."""

import contextlib
import os
import pathlib
import re
import tempfile
from dataclasses import dataclass, field

from harness import configs, http1
from harness.client import RawClient
from harness.gateway import Gateway

from differential import readings
from differential.cases import HOST
from differential.readings import reading
from differential.servers.kinds import KINDS, RECORDER, Site
from differential.servers.origin import Origin, ScgiServer
from differential.servers.process import ServerError, ServerProcess, free_port
from differential.tap import Tap


_REQUEST_LINE = re.compile(rb"(?:^|\r\n)([A-Z]+) \S+ HTTP/1\.[0-9]\r\n")
# Each costs a whole time-out: a server that cannot be worked with must not hold up everything.
_MAX_STALLS = 5


@dataclass
class Exchange:
    """A request on the server's wire and the server's answer to it."""

    request: http1.Message
    answer: http1.Message = None


@dataclass
class Observation:
    """All that one case caused. `answers` are the client's; `exchanges` and `faults` the server's side."""

    case: object
    endpoint: str = ""  # what Host is to the server if the client sent none
    answers: list = field(default_factory=list)
    client_fault: str = ""
    same: object = None  # what the marker behind the case, on the same connection, has to be read as
    next: object = None  # and the one on a connection of its own
    next_answer: http1.Message = None
    exchanges: list = field(default_factory=list)
    unfinished: bytes = b""
    unfinished_answers: list = field(default_factory=list)
    faults: list = field(default_factory=list)


def marker(number, where):
    """A request that nobody could mistake for another, and how it has to be read."""
    target = f"/marker/{number}/{where}"
    return http1.request_text("GET", target, host=HOST), reading("GET", target, HOST)


@contextlib.contextmanager
def running_server(name):
    """The port of a server of its own; it ends with the block."""
    with contextlib.ExitStack() as stack:
        origin = Origin()
        stack.callback(origin.stop)
        if name == RECORDER:
            yield origin.port
            return
        scgi = ScgiServer()
        stack.callback(scgi.stop)
        directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"lotagate-{name}-")))
        os.chmod(directory, 0o755)  # workers of nginx and Apache may run as another user
        site = Site(directory, free_port(), origin.port, scgi.port)
        process = ServerProcess(name, KINDS[name](site), directory, site.port)
        stack.callback(process.stop)
        process.wait_for_port()
        yield site.port


class Column:
    """Runs cases against one server through a gateway; a context manager."""

    def __init__(self, name):
        self.name = name
        self._stack = contextlib.ExitStack()
        self._number = 0
        self._stalls = 0

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            port = stack.enter_context(running_server(self.name))
            self.tap = Tap(port)
            stack.callback(self.tap.stop)
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="lotagate-gateway-"))
            config = configs.public(self.tap.url, {"errors": "passthrough"}, limits={"body": "256KiB"})
            self.gateway = Gateway(config, directory)
            stack.callback(self.gateway.stop)
            self.gateway.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    def run(self, case):
        self._number += 1
        seen = Observation(case, f"127.0.0.1:{self.tap.port}")
        same, seen.same = marker(self._number, "same")
        self._play(case, same, seen)
        text, seen.next = marker(self._number, "next")
        with RawClient(self.gateway.port) as client:
            client.send(text)
            try:
                seen.next_answer = client.response()
            except (http1.ProtocolError, ConnectionError, AssertionError) as fault:
                seen.faults.append(f"the next request got no answer: {fault}")
        self._collect(seen)
        return seen

    def _play(self, case, same, seen):
        """Sends everything, ends the sending side, and reads all answers there are."""
        with RawClient(self.gateway.port) as client:
            parts = case.parts if case.is_cut else [*case.parts[:-1], case.parts[-1] + same]
            for number, part in enumerate(parts):
                before = self.tap.total()
                if not client.send_tolerantly(part):
                    break
                if number < len(parts) - 1 and not self.tap.wait_for_bytes(before):
                    seen.faults.append(f"nothing of part {number + 1} reached the server's side")
            try:
                if case.is_early:  # else the end of what the client sends might come before the answer
                    seen.answers.append(client.response("POST"))
                with contextlib.suppress(OSError):
                    client.shutdown_write()
                while True:
                    # The first word of what was sent tells HEAD, whose answer ends with its head.
                    seen.answers.append(client.response(_method_of(case, len(seen.answers))))
            except (http1.Closed, http1.Cut) as end:
                if isinstance(end, http1.Cut):
                    seen.client_fault = str(end)
            except (http1.ProtocolError, AssertionError) as fault:
                seen.client_fault = str(fault)

    def _collect(self, seen):
        """Waits until every connection is at rest, then takes what went over it."""
        pending = {}

        def at_rest():
            return all([self._take(link, pending, seen) for link in self.tap.links])

        if not self.tap.wait_for(at_rest):
            seen.faults.append("the server's side does not come to rest")
            self._stalls += 1
            if self._stalls > _MAX_STALLS:
                raise ServerError(f"{self.name} stalls again and again; the last time: {seen.case.key}")
        for link in list(self.tap.links):
            for request in pending.get(link, []):
                seen.exchanges.append(Exchange(request))
            if link.answered:
                seen.faults.append(f"bytes that answer nothing: {bytes(link.answered[:100])!r}")
                link.answered.clear()
            if link.sent:
                seen.unfinished += bytes(link.sent)
                link.sent.clear()
        self.tap.forget([link for link in self.tap.links if link.over])

    def _take(self, link, pending, seen):
        """Takes whole messages from a connection. True if nothing more is due on it."""
        waiting = pending.setdefault(link, [])
        try:
            waiting += readings.take_requests(link.sent)
        except http1.ProtocolError as fault:
            seen.faults.append(f"the gateway wrote: {fault}")
            link.sent.clear()
        try:
            answers = readings.take_answers(link.answered, [request.method for request in waiting], link.server_closed)
        except http1.ProtocolError as fault:
            seen.faults.append(f"the server wrote: {fault}")
            link.answered.clear()
            answers = []
        for answer in answers:
            if waiting:
                seen.exchanges.append(Exchange(waiting.pop(0), answer))
            elif link.sent:
                seen.unfinished_answers.append(answer)
            else:
                seen.faults.append(f"an answer to nothing: {answer.status} {answer.fields}")
        if link.gateway_closed:
            return link.server_closed
        return not waiting and not link.sent


def _method_of(case, index):
    """The method of request `index` of a case, which says whether its answer has a body: as stated, or by its line."""
    steps = case.steps or []
    if index < len(steps) and hasattr(steps[index], "read"):
        return steps[index].read.method
    lines = _REQUEST_LINE.findall(case.data)
    return lines[index].decode() if index < len(lines) else "GET"
