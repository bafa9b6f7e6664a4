"""What is wrong with an observation: the gateway's verdict, what the server read, whether all are still in step."""

from dataclasses import dataclass

from differential import readings
from differential.cases import SPOOFED, Answered, Cut, Early, Forwarded, Refused


@dataclass(frozen=True)
class Difference:
    """One line of the report."""

    case: str
    server: str
    expected: str
    found: str


@dataclass(frozen=True)
class Refusal:
    """The server understood one request, and refused it: in step, but not what the client hoped for."""

    case: str
    server: str
    status: int
    request: str


@dataclass
class Verdict:
    differences: list
    refusals: list
    outcome: tuple  # the same for every server, or the gateway's behaviour depends on the server


# Of the client's connection, or (Expect) answered by the gateway itself.
_NEVER_FORWARDED = ("connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade", "http2-settings",
                    "proxy-authorization",
                    "proxy-authenticate", "expect")
PROBLEM = "application/problem+json"


def is_own(answer):
    """The gateway's own answer: an error, or one that no server's application or refusal could be."""
    return answer.get("Content-Type") == PROBLEM


def judge(server, seen):
    return _Judge(server, seen).verdict()


class _Judge:
    def __init__(self, server, seen):
        self.server = server
        self.seen = seen
        self.case = seen.case
        self.differences = []
        self.refusals = []
        self.markers = (seen.same, seen.next)

    def verdict(self):
        for fault in self.seen.faults:
            self._differ("one answer per request", fault)
        if self.seen.client_fault and not self._may_be_cut():
            self._differ("whole answers", self.seen.client_fault)
        self._check_fields()
        self._check_server()
        self._check_order()
        self._check_next()
        if self.case.steps is not None:
            self._check_steps()
        return Verdict(self.differences, self.refusals, self._outcome())

    def _differ(self, expected, found):
        self.differences.append(Difference(self.case.key, self.server, str(expected), str(found)))

    def _may_be_cut(self):
        """The steps that explain an end without an answer."""
        return self.case.steps is None or any(isinstance(step, Cut) for step in self.case.steps)

    def _check_fields(self):
        """Nothing of the client's connection, and nothing that only the gateway may say."""
        for exchange in self.seen.exchanges:
            for name, value in exchange.request.fields:
                if name.lower() in _NEVER_FORWARDED or SPOOFED.decode() in value:
                    self._differ("a field that ends at the gateway", f"{name}: {value}")
            if exchange.request.trailers:
                self._differ("no trailers", exchange.request.trailers)

    def _check_server(self):
        """Every request on the wire was read as itself, or refused as one request."""
        for exchange in self.seen.exchanges:
            sent = readings.of_request(exchange.request)
            if exchange.answer is None:
                self._differ(sent, "no answer")
                continue
            field = exchange.answer.get(readings.FIELD)
            if field is None:
                self._refusal(sent, exchange.answer)
                continue
            read = readings.decode(field)
            if read != sent:
                self._differ(sent, read)
            front = exchange.answer.get("X-Front")
            if front is not None and front != f"{sent.method} {sent.target} {sent.host}":
                self._differ(sent, f"the front read {front}")
        for answer in self.seen.unfinished_answers:
            if answer.has(readings.FIELD):
                self._differ("an unfinished request is not read as a whole one",
                             readings.decode(answer.get(readings.FIELD)))

    def _refusal(self, sent, answer):
        if sent in self.markers or not 400 <= answer.status < 600:
            self._differ(sent, f"{answer.status} {answer.fields}")
        else:
            self.refusals.append(Refusal(self.case.key, self.server, answer.status, str(sent)))

    def _forwarded(self):
        """What reached the server as whole requests, without the markers."""
        sent = [readings.of_request(exchange.request) for exchange in self.seen.exchanges]
        return [read for read in sent if read not in self.markers]

    def _check_order(self):
        """The client's answers are those of its requests, in order."""
        answered = [exchange.request for exchange in self.seen.exchanges if exchange.answer is not None]
        sent = [read for read in map(readings.of_request, answered) if read != self.seen.next]
        got = [answer for answer in self.seen.answers if not self._is_gateways(answer) and answer.status != 202]
        if len(sent) != len(got):
            self._differ(f"{len(sent)} answers of the server", f"{len(got)}: {[answer.status for answer in got]}")
        for read, answer in zip(sent, got):
            field = answer.get(readings.FIELD)
            if field is not None and readings.decode(field) != read:
                self._differ(f"the answer to {read}", f"the answer to {readings.decode(field)}")
        for answer in self.seen.answers:
            if is_own(answer) and answer.status >= 500 and answer.status not in (501, 505):
                self._differ("no trouble with the server", f"{answer.status} {answer.body[:300]!r}")

    def _is_gateways(self, answer):
        return is_own(answer) or (answer.status in (200, 204) and not answer.has(readings.FIELD))

    def _check_next(self):
        answer = self.seen.next_answer
        field = answer and answer.get(readings.FIELD)
        if answer is not None and (field is None or readings.decode(field) != self.seen.next):
            self._differ(f"the next request answered as itself: {self.seen.next}",
                         field and readings.decode(field) or answer.status)

    def _check_steps(self):
        steps = self.case.steps
        closes = any(self._closes(step) for step in steps)
        expected = [step.read for step in steps if isinstance(step, Forwarded)] + ([] if closes else [self.seen.same])
        found = [readings.of_request(exchange.request) for exchange in self.seen.exchanges]
        found = [read for read in found if read != self.seen.next]
        if found != expected:
            self._differ("forwarded: " + _list(expected), _list(found) or f"nothing; answers: {self._statuses()}")
        may_be_unfinished = any(isinstance(step, (Cut, Early)) or getattr(step, "midway", False) for step in steps)
        if self.seen.unfinished and not may_be_unfinished:
            self._differ("nothing else on the server's wire", repr(self.seen.unfinished[:200]))
        self._check_answers(steps if closes else [*steps, Forwarded(self.seen.same)])

    def _closes(self, step):
        refused = isinstance(step, Refused) and not step.keeps
        return refused or isinstance(step, (Cut, Early)) or getattr(step, "last", False)

    def _check_answers(self, steps):
        if len(steps) != len(self.seen.answers):
            self._differ(f"{len(steps)} answers", f"{len(self.seen.answers)}: {self._statuses()}")
        for step, answer in zip(steps, self.seen.answers):
            if isinstance(step, (Refused, Answered)) and answer.status not in step.statuses:
                self._differ(f"{' or '.join(map(str, step.statuses))} from the gateway", answer.status)
            if isinstance(step, Early) and answer.status != 202:
                self._differ("202 from the server", answer.status)
            if isinstance(step, Cut) and answer.status != 400:
                self._differ("400 from the gateway", answer.status)
            if isinstance(step, (Refused, Cut)) and not is_own(answer):
                self._differ("the gateway's refusal", f"the server's {answer.status}")
            if isinstance(step, Forwarded) and self._is_gateways(answer):
                self._differ(f"forwarded: {step.read}", f"{answer.status} {answer.body[:200]!r}")

    def _statuses(self):
        return [answer.status for answer in self.seen.answers]

    def _outcome(self):
        own = tuple(answer.status for answer in self.seen.answers if is_own(answer))
        return (own, tuple(str(read).replace(self.seen.endpoint, "endpoint") for read in self._forwarded()))


def _list(reads):
    return " | ".join(map(str, reads))
