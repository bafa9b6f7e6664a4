"""One limit over many gateways: four processes, a real Redis, skewed load. What happens when it fails: test_rows_store.py."""

import contextlib
import re
import time

import pytest

from harness import http1
from harness.examples import ROOT
from harness.fleet import Fleet, elapsed, expect_within, most_admitted, steady
from harness.limits import NEVER, Crowd, passed
from harness.redis_server import RedisCluster
from harness.wait import eventually

BURST, RATE = 80, 100
LIMIT = {"tokens": BURST, "refill": f"{RATE}/s"}


@pytest.fixture(name="fleet")
def _fleet(gateway, backend):
    """fleet(server, limits, count): gateways that all know of each other."""
    return lambda server, limits=None, count=4: Fleet(gateway, backend, server.url, limits or {"/": LIMIT}, count).wait_members(server)


# The bound


@pytest.mark.parametrize("load", ["even", "skewed", "one", "wandering"])
def test_four_gateways_admit_what_one_would_and_no_more_than_the_bound(fleet, redis, load):
    them = fleet(redis())
    ports = {"even": them.ports * 2, "skewed": them.skewed(), "one": them.ports[:1] * 6, "wandering": [tuple(them.ports)] * 4}[load]
    crowd = Crowd(ports)
    eventually(lambda: elapsed(crowd) > 3, "three seconds of it")
    events = crowd.stop()
    count = expect_within(events, BURST, RATE, gateways=4)
    # It lasts: of what refills in the last seconds hardly anything is left lying.
    late = passed(steady(events, 2.0))
    assert len(late) > 0.8 * RATE * 2 - 10, "the rate is there for those who ask"
    assert count >= BURST + 0.8 * RATE * (elapsed(events) - 0.2) - 10
    assert len(them.server.requests) == count


def test_the_whole_burst_can_be_had_at_one_gateway(fleet, redis):
    them = fleet(redis(), {"/": {"tokens": 100, "refill": NEVER}})
    crowd = Crowd(them.ports[:1])
    eventually(lambda: len(passed(crowd.events[0])) == 100, "all of the burst")
    events = crowd.wait(len(crowd.events[0]) + 50).stop()
    assert len(passed(events)) == 100


def test_what_one_has_spent_is_spent_for_all(fleet, redis):
    them = fleet(redis(), {"/": {"tokens": 100, "refill": NEVER}})
    # For a moment one may be refused what another holds and does not need.
    spent = sum(instance.get("/").status == 200 for instance in them.gateways for _ in range(10))
    assert 10 <= spent <= 40
    crowd = Crowd(them.ports)
    # What one has leased and does not need comes back within the life of a lease: in the end everything was had.
    eventually(lambda: spent + len(passed(sum(crowd.events, []))) >= 100, "all of the burst", timeout=20)
    rest = len(passed(crowd.wait(sum(map(len, crowd.events)) + 200).stop()))
    assert spent + rest <= most_admitted(100, 0, 0, gateways=4)


def test_who_asks_at_the_rate_is_never_refused_wherever_he_asks(fleet, redis):
    them = fleet(redis(), {"/": {"tokens": 3, "refill": "4/s"}})
    start = time.monotonic()
    for number in range(12):
        eventually(lambda number=number: time.monotonic() - start >= number * 0.27, "the next turn")
        assert them.gateways[number % 4].get("/").status == 200, f"request {number}"


def test_three_quarters_of_a_burst_pass_at_any_gateways(fleet, redis):
    """Spread over all of them at once, nothing is missing for lying elsewhere."""
    them = fleet(redis(), {"/": {"tokens": 80, "refill": NEVER}})
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(instance.client()) for instance in them.gateways]
        assert [clients[number % 4].get("/").status for number in range(60)] == [200] * 60


def test_limits_that_are_not_shared_ask_nobody(gateway, backend, redis):
    server = redis()
    them = Fleet(gateway, backend, server.url, {"/": {**LIMIT, "shared": False}, "/shared": LIMIT}, 2)
    Crowd(them.ports).wait(300).stop()
    assert server.keys("*limit*") == []


def test_users_each_have_their_own(fleet, redis):
    server = redis()
    them = fleet(server, {"/": {"tokens": 20, "refill": NEVER}}, 2)
    crowds = [Crowd(them.ports, source=f"127.0.0.{number}") for number in range(2, 6)]
    for crowd in crowds:
        eventually(lambda crowd=crowd: len(passed(sum(crowd.events, []))) >= 20, "the burst")
    for crowd in crowds:
        assert 20 <= len(passed(crowd.wait(300).stop())) <= most_admitted(20, 0, 0, gateways=2)
    keys = server.keys("*limit*")
    assert len(keys) == 4 and not [key for key in keys if "127.0.0" in key], "no address appears there"


def test_a_gateway_that_ends_gives_back_what_it_did_not_spend(fleet, redis):
    server = redis()
    them = fleet(server, {"/": {"tokens": 100, "refill": NEVER}}, 2)
    leaver, stayer = them.gateways
    assert sum(leaver.get("/").status == 200 for _ in range(10)) == 10
    leaver.terminate()
    leaver.wait_exit()
    them.wait_members(server, count=1)
    crowd = Crowd([stayer.port])
    eventually(lambda: len(passed(crowd.events[0])) == 90, "what was left")
    assert len(passed(crowd.wait(len(crowd.events[0]) + 50).stop())) == 90


def test_a_gateway_that_dies_takes_no_more_with_it_than_it_had_leased(fleet, redis):
    server = redis()
    them = fleet(server, count=3)
    dying = them.gateways.pop(0)
    assert dying.get("/").status == 200
    crowd = Crowd(them.ports * 2)
    dying.kill()
    them.wait_members(server)
    seen = elapsed(crowd)
    eventually(lambda: elapsed(crowd) > seen + 2, "a while", timeout=20)
    events = crowd.stop()
    expect_within(events, BURST, RATE, gateways=3)
    assert len(passed(steady(events))) > 0.8 * RATE - 10


def test_a_gateway_that_joins_is_counted_and_gets_its_share(fleet, redis):
    server = redis()
    them = fleet(server, count=2)
    crowd = Crowd(them.ports)
    them.gateways.append(them.add())
    them.wait_members(server)
    late = Crowd(them.ports[2:] * 2)
    eventually(lambda: elapsed(late) > 2, "two seconds of it")
    newcomer = late.stop()
    events = crowd.stop() + newcomer
    expect_within(events, BURST, RATE, gateways=3)
    assert len(passed(newcomer)) > RATE * 2 / 3 / 3, "a good part of what is its share"


def test_costs_settle_over_all_gateways(gateway, backend, redis):
    """What turns out dear at one gateway is missing at the others."""
    def handler(connection):
        while True:
            connection.read_request()
            connection.send(http1.response_text(200, [("X-Used", "40")], b"ok"))

    limit = {"tokens": 100, "refill": NEVER, "cost": {"field": "X-Used", "reserve": 10, "most": 50}}
    server = redis()
    them = Fleet(gateway, lambda: backend(handler), server.url, {"/": limit}, 2).wait_members(server)
    one, two = them.gateways
    assert one.get("/").status == 200
    eventually(lambda: one.get("/").status == 200, "the charge to be settled")
    eventually(lambda: two.get("/").status == 429, "the others to hear of it")
    assert len(them.server.requests) <= 5


# Where the store is


def test_a_password_a_user_and_a_database(gateway, backend, redis, tmp_path):
    secret = tmp_path / "redis.password"
    ways = [({"requirepass": "hunter2!", "database": 3}, {}), ({"user": ("limiter", "hunter2!"), "database": 2}, {"user": "limiter"})]
    for options, section in ways:
        server = redis(**options)
        secret.write_text("hunter2!\n", encoding="ascii")
        them = Fleet(gateway, backend, {"url": server.url, "password_file": str(secret), "prefix": "mine", **section},
                     {"/": {"tokens": BURST, "refill": NEVER}}, 2)
        them.wait_members(server, prefix="mine")
        assert {instance.get("/").status for instance in them.gateways} == {200}
        eventually(lambda server=server: [key for key in server.keys() if key.startswith("mine:limit:")], "the bucket in its database")
        with server.client(database=0) as client:
            assert client.command("KEYS", "*") == []


def test_a_user_with_the_rights_that_the_document_names(gateway, backend, redis, tmp_path):
    server, secret = redis(), tmp_path / "redis.password"
    secret.write_text("hunter2!\n", encoding="ascii")
    rights, = re.findall(r"^  `(~lotagate:.*)`$", (ROOT / "docs" / "rate-limiting.md").read_text(encoding="utf-8"), re.MULTILINE)
    server.command("ACL", "SETUSER", "limiter", "on", ">hunter2!", "resetchannels", "-@all", *rights.split())
    them = Fleet(gateway, backend, {"url": server.url, "user": "limiter", "password_file": str(secret)}, {"/": LIMIT}, 2)
    them.wait_members(server)
    expect_within(Crowd(them.ports).wait(500).stop(), BURST, RATE, gateways=2)
    them.wait_store(True)
    assert server.calls("set") > 0 and server.calls("evalsha") > 5


def test_a_wrong_password_is_said_and_not_shown(gateway, backend, redis, tmp_path):
    secret = tmp_path / "redis.password"
    secret.write_text("guessed-wrongly\n", encoding="ascii")
    them = Fleet(gateway, backend, {"url": redis(requirepass="right").url, "password_file": str(secret)}, {"/": LIMIT}, 1)
    instance, = them.gateways
    assert instance.get("/").status == 200
    assert "WRONGPASS" in instance.wait_stderr("WRONGPASS")
    assert not [line for line in instance.stderr if "guessed" in line]
    assert "guessed" not in instance.admin("/status").body.decode()


def test_a_reload_moves_to_another_store_and_takes_along_what_it_knows(fleet, redis):
    first, second = redis(), redis()
    them = fleet(first, {"/": {"tokens": 60, "refill": NEVER}}, 2)
    crowd = Crowd(them.ports)
    eventually(lambda: len(passed(sum(crowd.events, []))) >= 60, "the burst")
    for instance in them.gateways:
        instance.reload({**them.config, "limit_store": second.url})
    them.wait_members(second)
    eventually(lambda: second.keys("*:limit:*"), "the bucket in the other store")
    asked = first.calls("evalsha")
    seen = elapsed(crowd)
    eventually(lambda: elapsed(crowd) > seen + 2, "a while")
    assert len(passed(crowd.stop())) <= most_admitted(60, 0, 0, gateways=2)
    assert first.calls("evalsha") == asked, "nobody asks the old one"


def test_a_cluster_of_three_nodes(gateway, backend, tmp_path):
    """Buckets lie on all nodes; slots move while they are used; a node of the list is enough to find the others."""
    cluster = backend.keep(RedisCluster(tmp_path))
    them = Fleet(gateway, backend, {"url": [f"redis://127.0.0.1:{cluster.nodes[1].port}"]}, {"/": LIMIT}, 3)
    them.wait_members(*cluster.nodes)
    crowd = Crowd(them.ports * 2)
    for number in range(2, 26):
        Crowd(them.ports, source=f"127.0.1.{number}").wait(6).stop()
    eventually(lambda: all(node.keys("*limit*") for node in cluster.nodes), "buckets on every node")
    busy = max((key for node in cluster.nodes for key in node.keys("*limit*")), key=lambda key: value_of(cluster, key))
    slot = cluster.slot(busy)
    target = next(node for node in cluster.nodes if node is not cluster.owner(slot))
    cluster.begin_move(slot, target)
    seen = elapsed(crowd)
    eventually(lambda: elapsed(crowd) > seen + 0.5, "a while of moving")
    cluster.end_move(slot, target)
    eventually(lambda: busy in target.keys("*limit*"), "the bucket at its new node")
    eventually(lambda: elapsed(crowd) > seen + 2.5, "a while after it")
    events = crowd.stop()
    expect_within(events, BURST, RATE, 3)
    assert len(passed(steady(events))) > 0.7 * RATE - 10
    them.wait_store(True)


def value_of(cluster, key):
    """When the bucket is full: latest for the one that is asked all the time."""
    return int(cluster.owner(cluster.slot(key)).command("GET", key) or 0)
