"""Several gateways that share limits through one store, and what the arithmetic allows all of them together."""

import itertools
import math
import time

from harness.limits import open_routes, passed
from harness.prometheus import parse
from harness.wait import TIMEOUT, eventually

# StoreSettings::lease_life in src/limit/shared_policy.h: an unspent lease goes back after so many seconds.
LEASE_LIFE = 1.2


def most_admitted(burst, rate, seconds, gateways, life=LEASE_LIFE):
    """The bound of docs/rate-limiting.md for all gateways together in any span of so many seconds."""
    return burst + rate * (seconds + life) + (gateways - 1) * math.ceil(burst / gateways) + gateways


def expect_within(events, burst, rate, gateways):
    """The bound holds for the span of the events, and for spans that begin with any admitted request."""
    good = sorted(passed(events), key=lambda event: event.sent)
    for start in good[:: max(1, len(good) // 100)]:
        behind = sorted(event.received for event in good if event.sent >= start.sent)
        for count, received in enumerate(behind, 1):
            most = most_admitted(burst, rate, received - start.sent, gateways)
            assert count <= most, f"{count} admitted in {received - start.sent:.3f} s, {most:.1f} is the bound"
    return len(good)


def elapsed(crowd):
    """Seconds from the first answer to the last, of a crowd or of events."""
    events = crowd if isinstance(crowd, list) else sum(crowd.events, [])
    times = [event.received for event in events]
    return max(times, default=0.0) - min(times, default=0.0)


def steady(events, seconds=1.0):
    """The events of the last so many seconds."""
    end = max(event.received for event in events)
    return [event for event in events if event.sent > end - seconds]


class Fleet:
    """Gateways with the same configuration; `limits` are shared ones, one for each path."""

    def __init__(self, start, backend, store, limits, count=4, **more):
        """`store`: the `limit_store` section; `limits`: {path: limit without its key}."""
        store = store if isinstance(store, dict) else {"url": store}
        store = {"timeout": "200ms", **store}  # a machine that is busy with tests is not a store that is away
        self.server = backend()
        self._start = start
        names = {path: path.strip("/") or "limit" for path in limits}
        rules = {names[path]: {"key": "address", "shared": True, **limit} for path, limit in limits.items()}
        self.config = open_routes(self.server.url, rules, {path: [name] for path, name in names.items()}, limit_store=store, **more)
        self.gateways = [self.add() for _ in range(count)]

    def add(self):
        return self._start(self.config)

    @property
    def ports(self):
        return [instance.port for instance in self.gateways]

    def skewed(self):
        """Nearly all clients at the first gateway."""
        return [port for port, clients in zip(self.ports, itertools.chain((6, 2), itertools.repeat(1))) for _ in range(clients)]

    @staticmethod
    def connected(instance):
        """Whether a gateway has the store, by the last it said about it."""
        said = [line for line in instance.stderr if "limit store" in line and ("is away" in line or "is back" in line)]
        return not said or "is back" in said[-1]

    def wait_store(self, connected, timeout=TIMEOUT):
        """Until all gateways have the store, or none has; returns how long that took."""
        start = time.monotonic()
        eventually(lambda: all(self.connected(instance) is connected for instance in self.gateways),
                   f"all gateways saying connected: {connected}", timeout)
        return time.monotonic() - start

    def wait_members(self, *servers, count=None, prefix="lotagate"):
        """Until every gateway knows of all of them: each has asked again since all were in the store's list."""
        count = count or len(self.gateways)

        def members():
            for server in servers:
                for key in server.keys(f"{prefix}:gateways"):
                    found = server.command("ZRANGE", key, 0, -1, "WITHSCORES")
                    return {name: float(score) for name, score in zip(found[::2], found[1::2])}
            return {}

        eventually(lambda: len(members()) == count, f"{count} gateways in the list")
        before = members()
        eventually(lambda: all(score > before.get(name, 0) for name, score in members().items()), "everybody's next heartbeat")
        return self

    def wait_told(self):
        """Until the store has told every gateway how things are now: the second answer from here was asked for since."""
        def answers():
            scrapes = [parse(instance.admin("/metrics").body.decode()) for instance in self.gateways]
            return [scrape.sum("lotagate_rate_limit_store_calls_total") for scrape in scrapes]

        before = answers()
        eventually(lambda: all(now >= then + 2 for now, then in zip(answers(), before)), "everybody's next two answers")

    def waited(self, seconds):
        """How many requests spent more than that in the gateways; a bucket of the histogram of their own time."""
        late = 0
        for instance in self.gateways:
            scrape = parse(instance.admin("/metrics").body.decode())
            name = "lotagate_gateway_overhead_seconds"
            buckets = scrape.find(name + "_bucket")
            assert str(seconds) in {labels["le"] for labels, _ in buckets}
            within = sum(value for labels, value in buckets if labels["le"] == str(seconds))
            late += scrape.sum(name + "_count") - within
        return late
