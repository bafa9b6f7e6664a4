"""Rate limits from outside: configurations with limits, crowds of clients, and what arithmetic allows them."""

import contextlib
import re
import threading
import time
from dataclasses import dataclass

from harness import configs
from harness.client import RawClient
from harness.problems import expect_problem
from harness.tokens import bearer
from harness.ums import FakeUms

_ITEM = re.compile(r'"([^"]+)"((?:;[a-z]+=[0-9]+)+)')
# Workers read the clock once per turn, so on a busy machine a refusal may be as much behind its time.
_STALL = 0.1
# Nothing comes back within a test.
NEVER = "1/h"


def parse_items(value):
    """A RateLimit or RateLimit-Policy field: {policy: {parameter: number}}."""
    items = {}
    for part in value.split(", "):
        match = _ITEM.fullmatch(part)
        assert match, f"bad structured field: {value!r}"
        items[match[1]] = {name: int(number) for name, number in (p.split("=") for p in match[2].split(";")[1:])}
    return items


def remaining(response, policy="limit"):
    """How many tokens the answer says are left."""
    return parse_items(response.get("RateLimit"))[policy]["r"]


def open_routes(url, limits, routes, **more):
    """Public routes: {path: names of its limits}; one worker."""
    entries = [{"path": path, "service": "backend", "public": True, "limits": names} for path, names in routes.items()]
    return configs.base({"backend": url}, entries, rate_limits=limits, **more)


def public(url, tokens=5, refill=NEVER, workers=1, **limit):
    """Everything goes to one backend, under one limit called `limit`."""
    return open_routes(url, {"limit": {"tokens": tokens, "refill": refill, **limit}}, {"/": ["limit"]}, workers=workers)


class Club:
    """A gateway with members: an issuer of tokens, and a User Management Service that knows plans and API keys."""

    def __init__(self, backend, issuer, directory):
        self.server = backend()
        self.ums = backend.keep(FakeUms())
        self.issuer = issuer
        self._directory = directory
        self.gateway = None

    def config(self, limits, routes, **more):
        """Protected routes, which take API keys, too: {path: names of its limits}, or whole routes."""
        entries = []
        for path, entry in routes.items():
            entry = entry if isinstance(entry, dict) else {"limits": entry}
            entries.append({"path": path, "service": "backend", **({} if entry.get("public") else {"api_keys": True}), **entry})
        return configs.base(
            {"backend": self.server.url}, entries, rate_limits=limits,
            authentication=configs.authentication(self.issuer, self.issuer.write_jwks(self._directory), api_keys={"header": "X-API-Key"}),
            authorization={"user_management": self.ums.write_token(self._directory)}, **more)

    def member(self, subject, tenant="acme", plan="pro", roles=("member",), **claims):
        """The field that presents a token of a user whom the service knows; nobody was asked about the user before."""
        self.ums.add(subject, ["*:*"], roles, tenant, plan)
        return bearer(self.issuer.mint(subject, **claims))

    def key_of(self, subject, api_key):
        """The field that presents an API key of a member."""
        self.ums.add_key(api_key, subject)
        return [("X-API-Key", api_key)]


def statuses(instance, target, fields=(), count=8):
    """The statuses of as many requests in a row, on one connection."""
    with instance.client() as client:
        return [client.get(target, list(fields)).status for _ in range(count)]


def admitted(instance, target, fields=(), most=40):
    """How many requests in a row are not refused: what the bucket has."""
    with instance.client() as client:
        for count in range(most):
            response = client.get(target, list(fields))
            if response.status == 429:
                expect_problem(response, "rate_limited")
                return count
    raise AssertionError(f"not one of {most} requests was refused")


@dataclass(frozen=True)
class Event:
    """A request, by the clock that the gateway's limits use, too."""

    sent: float
    received: float
    status: int


class Crowd:
    """Clients that ask, each on a connection of its own, as fast as they are answered.

    `ports`: one client for each of them; the same one several times for several clients there; several in a tuple for
    a client that goes from one to the next, twenty requests at each.
    """

    def __init__(self, ports, target="/", fields=(), source=None):
        self.events = [[] for _ in ports]
        self._failures = []
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(port, target, list(fields), source, events), daemon=True)
            for port, events in zip(ports, self.events)]
        for thread in self._threads:
            thread.start()

    def _ask(self, port, target, fields, source, events):
        try:
            with contextlib.ExitStack() as stack:
                stops = port if isinstance(port, tuple) else (port,)
                clients = [stack.enter_context(RawClient(stop, source=source)) for stop in stops]
                while not self._stop.is_set():
                    client = clients[len(events) // 20 % len(clients)]
                    sent = time.monotonic()
                    status = client.get(target, fields).status
                    events.append(Event(sent, time.monotonic(), status))
        except Exception as failure:  # pylint: disable=broad-except
            self._failures.append(failure)

    def wait(self, count, span=0.0, timeout=60.0):
        """Until all clients together had so many answers, over `span` seconds at least; returns the crowd."""
        deadline = time.monotonic() + timeout
        until = time.monotonic() + span
        while sum(map(len, self.events)) < count or time.monotonic() < until:
            assert time.monotonic() < deadline, "the clients are not answered"
            self._check()
            time.sleep(0.005)
        return self

    def _check(self):
        if self._failures:
            raise self._failures[0]

    def stop(self):
        """All events, in the order of the answers."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()
        self._check()
        return sorted((event for events in self.events for event in events), key=lambda event: event.received)


def passed(events):
    """The admitted ones; whatever is not 200 must be 429."""
    assert {event.status for event in events} <= {200, 429}, {event.status for event in events}
    return [event for event in events if event.status == 200]


def expect_no_more(events, burst, rate):
    """In no span of time more than burst + rate x time, plus one for the rounding. Spans begin with any request."""
    good = sorted(passed(events), key=lambda event: event.sent)
    for start in good[:: max(1, len(good) // 200)]:
        behind = sorted(event.received for event in good if event.sent >= start.sent)
        for count, received in enumerate(behind, 1):
            allowed = burst + rate * (received - start.sent) + 1
            assert count <= allowed, f"{count} admitted in {received - start.sent:.3f} s, {allowed:.2f} are right"
    return len(good)


def expect_exact(events, burst, rate):
    """No more than the arithmetic allows, and no fewer: when a request was refused, everything there was had gone.

    Fewer than that less one only by what came in while the bucket was full: a machine that stands still just after the
    first requests lets it fill up again. No more than `lost` can have gone that way, as every answer comes after its take.
    """
    count = expect_no_more(events, burst, rate)
    good = sorted(passed(events), key=lambda event: event.received)
    refused = [event for event in events if event.status == 429]
    assert refused, "nobody was refused"
    began = good[0].received
    last = max(event.sent for event in refused)
    lost = max(rate * (event.received - began) - taken for taken, event in enumerate(good))
    least = burst - lost + rate * (last - began - _STALL) - 1
    assert count > least, f"only {count} admitted in {last - began:.3f} s, {least:.2f} are right"
    return count
