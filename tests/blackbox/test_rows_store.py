"""Row R04: the store of shared limits fails in every way it can; requests neither wait nor pass beyond what is stated."""

import pytest

from harness.clock import DAY, WallClock
from harness.fleet import Fleet, elapsed, most_admitted, steady
from harness.gateway import SANITIZED
from harness.limits import NEVER, Crowd, passed
from harness.problems import expect_problem
from harness.redis_server import Relay
from harness.wait import eventually

BURST, RATE = 80, 100
LIMIT = {"tokens": BURST, "refill": f"{RATE}/s"}
SLOW = 0.5


@pytest.fixture(name="fleet")
def _fleet(gateway, backend):
    """fleet(server, limits, count): gateways that all know of each other; `store`: where they think it is."""
    def start(server, limits=None, count=4, store=None):
        return Fleet(gateway, backend, store or server.url, limits or {"/": LIMIT}, count).wait_members(server)

    return start


class Faults:
    """A server with a slow relay before it, and ways to break it and to mend it."""

    def __init__(self, redis, backend):
        self.server = redis()
        self.relay = backend.keep(Relay(self.server.port))
        self.other = redis()

    def kill(self):
        self.server.kill()
        return self.server.start

    def suspend(self):
        self.server.suspend()
        return self.server.resume

    def slow(self):
        self.relay.delay = SLOW

        def mend():
            self.relay.delay = 0.0

        return mend

    def no_copies(self):
        self.server.command("CONFIG", "SET", "min-replicas-to-write", "1")
        return lambda: self.server.command("CONFIG", "SET", "min-replicas-to-write", "0")

    def read_only(self):
        """A copy whose master is gone."""
        self.server.follow(self.other)
        self.other.kill()
        return lambda: self.server.follow(None)

    def out_of_memory(self):
        self.server.command("CONFIG", "SET", "maxmemory", "1")
        return lambda: self.server.command("CONFIG", "SET", "maxmemory", "0")

    def other_password(self):
        with self.server.client() as client:
            client.command("CONFIG", "SET", "requirepass", "changed")
            self.relay.cut()

        def mend():
            with self.server.client(password="changed") as client:
                client.command("CONFIG", "SET", "requirepass", "")

        return mend


FAULTS = ["kill", "suspend", "slow", "no_copies", "read_only", "out_of_memory", "other_password"]
SHARES = {"/local": LIMIT, "/closed": {**LIMIT, "on_store_failure": "closed"}, "/open": {**LIMIT, "on_store_failure": "open"}}


@pytest.fixture(name="faults")
def _faults(redis, backend):
    return Faults(redis, backend)


@pytest.mark.parametrize("fault", FAULTS)
def test_R04_a_store_that_fails(fleet, faults, fault):
    """Each policy does what it says; nobody waits; when the store is back, so is the bound."""
    them = fleet(faults.server, SHARES, store=faults.relay.url)
    crowd = Crowd(them.skewed(), "/local")
    eventually(lambda: elapsed(crowd) > 0.5, "a start")
    mend = getattr(faults, fault)()
    them.wait_store(False)
    for instance in them.gateways:
        closed = instance.get("/closed")
        expect_problem(closed, "limits_unavailable")
        assert closed.status == 503 and int(closed.get("Retry-After")) >= 1
        assert [instance.get("/open").status for _ in range(50)] == [200] * 50
    down = elapsed(crowd)
    eventually(lambda: elapsed(crowd) > down + 1, "a while of it")
    mend()
    seconds = them.wait_store(True)
    eventually(lambda: elapsed(crowd) > down + 1 + seconds + 1.6, "a while after it", timeout=30)
    events = crowd.stop()
    # Without the store each gateway has its share once more: a full bucket between them, at most.
    expect_within_outage(events, gateways=4)
    assert len(passed(steady(events))) > 0.5 * RATE - 10, "the rate is back"
    eventually(lambda: them.gateways[0].get("/closed").status == 200, "what was closed to be open again")
    # A busy machine holds one up now and then; a wait for the store would hold up every worker.
    assert them.waited(0.25) < len(them.gateways), "requests waited for the store"


def expect_within_outage(events, gateways):
    good = passed(events)
    seconds = max(event.received for event in good) - min(event.sent for event in good)
    assert len(good) <= most_admitted(BURST, RATE, seconds, gateways) + BURST


def test_R04_local_shares_are_the_limit_divided_by_the_gateways(fleet, faults):
    them = fleet(faults.server, {"/": {"tokens": 40, "refill": NEVER}}, store=faults.relay.url)
    faults.kill()
    them.wait_store(False)
    counts = [len(passed(Crowd([instance.port]).wait(200).stop())) for instance in them.gateways]
    assert counts == [10] * 4


def test_R04_a_store_that_is_not_there_at_the_start(gateway, backend, redis):
    server = redis()
    server.kill()
    them = Fleet(gateway, backend, server.url, SHARES, 2)
    assert [instance.get("/open").status for instance in them.gateways] == [200, 200]
    assert [instance.get("/local").status for instance in them.gateways] == [200, 200]
    assert [instance.get("/closed").status for instance in them.gateways] == [503, 503]
    server.start()
    them.wait_store(True)
    them.wait_members(server)
    assert [instance.get("/closed").status for instance in them.gateways] == [200, 200]


@pytest.mark.parametrize("loss", ["keys", "scripts", "one key", "restart"])
def test_R04_a_store_that_forgets(fleet, redis, loss):
    """What gateways remember is not had twice, and a script that is gone is sent again."""
    server = redis()
    them = fleet(server, {"/": {"tokens": 60, "refill": NEVER}}, 3)
    crowd = Crowd(them.ports)
    eventually(lambda: len(passed(sum(crowd.events, []))) >= 60, "the burst")
    them.wait_told()
    key, = server.keys("*limit*")
    actions = {"keys": ["FLUSHALL"], "scripts": ["SCRIPT", "FLUSH"], "one key": ["DEL", key]}
    if loss == "restart":
        server.restart()
        them.wait_store(True)
    else:
        server.command(*actions[loss])
    seen = elapsed(crowd)
    eventually(lambda: elapsed(crowd) > seen + 3, "three more seconds")
    count = len(passed(crowd.stop()))
    assert count <= most_admitted(60, 0, 0, gateways=3) + (60 if loss == "restart" else 0)


@pytest.mark.parametrize("value", [
    ["LPUSH", "x"], ["SET", "junk"], ["SET", "9" * 40], ["SET", "-5"], ["SET", "nan"], ["HSET", "a", "b"],
], ids=lambda value: value[-1])
def test_R04_a_key_of_another_kind(fleet, redis, value):
    """Whoever writes nonsense there: other buckets are not touched, and this one holds as well as it can."""
    server = redis()
    them = fleet(server, {"/one": LIMIT, "/two": LIMIT}, count=2)
    one, two = Crowd(them.ports, "/one"), Crowd(them.ports, "/two")
    key = eventually(lambda: server.keys("*:limit:two:*") and server.keys("*:limit:one:*"), "both buckets")[0]
    with server.client() as client:
        client.command("MULTI")
        client.command("DEL", key)
        client.command(value[0], key, *value[1:])
        client.command("EXEC")
    seen = elapsed(two)
    eventually(lambda: elapsed(two) > seen + 1.5, "a while")
    events = one.stop()
    assert len(passed(events)) <= most_admitted(BURST, RATE, elapsed(events), 2) + BURST
    assert len(passed(steady(events))) > 0.5 * RATE - 10
    assert len(passed(steady(two.stop()))) > 0.7 * RATE - 10
    them.wait_store(True)


def test_R04_a_master_that_dies_and_its_copy_that_takes_over(fleet, redis):
    master, copy = redis(), redis()
    copy.follow(master)
    them = fleet(master, count=3, store={"url": [master.url, copy.url]})
    crowd = Crowd(them.ports * 2)
    eventually(lambda: elapsed(crowd) > 1, "a start")
    master.kill()
    copy.follow(None)
    eventually(lambda: copy.calls("evalsha") + copy.calls("eval") > 10, "the gateways at the copy")
    them.wait_store(True)
    seen = elapsed(crowd)
    eventually(lambda: elapsed(crowd) > seen + 2, "a while after it")
    events = crowd.stop()
    expect_within_outage(events, 3)
    assert len(passed(steady(events))) > 0.7 * RATE - 10
    assert them.waited(0.25) < len(them.gateways)


def test_R02_R04_a_store_whose_clock_is_set(fleet, redis, tmp_path):
    clock = WallClock(tmp_path)
    them = fleet(redis(environment=clock.environment), count=3)
    crowd = Crowd(them.ports * 2)
    for shift in (DAY, -DAY, 0, -60, 60, 0):
        clock.shift(shift)
        seen = elapsed(crowd)
        eventually(lambda seen=seen: elapsed(crowd) > seen + 0.7, "a while", timeout=30)
    events = crowd.stop()
    # A clock set ahead fills every bucket once: three times here. Set back it must not shut anybody out for a day.
    assert len(passed(events)) <= most_admitted(BURST, RATE, elapsed(events), 3) + 3 * 2 * BURST
    assert len(passed(steady(events))) > 0.5 * RATE - 10


def junk(connection):
    connection.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    connection.wait_closed_by_peer()


def answers_of_another_kind(connection):
    """RESP, and never what was asked for."""
    for answer in (b"*-1\r\n", b"+OK\r\n", b":-9223372036854775808\r\n", b"*3\r\n:1\r\n$-1\r\n*0\r\n", b"$-1\r\n") * 200:
        connection.reader.fill()
        connection.send(answer)


def deep_lists(connection):
    connection.reader.fill()
    connection.send(b"*1\r\n" * 100_000)
    connection.wait_closed_by_peer()


def large_numbers(connection):
    connection.reader.fill()
    connection.send(b"*2147483647\r\n$2147483647\r\n" + b"x" * 100_000)
    connection.wait_closed_by_peer()


def without_end(connection):
    connection.reader.fill()
    connection.send(b"$1000000000\r\n")
    try:
        while True:
            connection.send(b"x" * 65536)
    except OSError:
        pass


@pytest.mark.parametrize("handler", [
    junk, answers_of_another_kind, deep_lists, large_numbers, without_end, lambda connection: connection.reset(),
    lambda connection: connection.wait_closed_by_peer(),
], ids=["HTTP", "another kind", "deep", "large", "without end", "reset", "silent"])
def test_R04_a_store_that_is_none(gateway, backend, handler):
    """Whatever listens there: policies do what they say, and nothing grows."""
    false = backend(handler)
    them = Fleet(gateway, backend, f"redis://127.0.0.1:{false.port}", SHARES, 1)
    instance, = them.gateways
    before = instance.memory()
    eventually(lambda: len(false.connections) > 5 or false.connections and len(false.connections[0].received) > 500, "some attempts")
    assert [instance.get(path).status for path in ("/local", "/open")] == [200, 200]
    eventually(lambda: instance.get("/closed").status == 503, "what is closed to be closed")
    # AddressSanitizer keeps 256 MiB of what was freed.
    assert instance.memory() - before < (400 if SANITIZED else 20) * 1024 * 1024
    assert them.waited(0.25) < len(them.gateways)


def test_R04_a_store_that_is_slow_from_the_beginning(gateway, backend, faults):
    """Half a second a round trip: every request is of a new key, and none waits."""
    faults.slow()
    them = Fleet(gateway, backend, faults.relay.url, {"/": LIMIT}, 2)
    for number in range(2, 30):
        assert {instance.get("/", source=f"127.0.2.{number}").status for instance in them.gateways} == {200}
    assert them.waited(0.25) < len(them.gateways)
