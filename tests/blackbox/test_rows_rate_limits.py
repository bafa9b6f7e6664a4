"""Rows R01, R02, R03 and R07 of rate limits: many keys, odd clocks, many threads, odd numbers.

R04 is in test_shared_limits.py, R05 in test_limits_failures.py, R06 in test_limits_answers.py, R08 in test_limits_keys.py.
"""

import json
import random

import pytest

from harness import configs, http1
from harness.clock import DAY, WallClock
from harness.gateway import SANITIZED, run_command
from harness.limits import NEVER, Crowd, admitted, expect_exact, open_routes, public, remaining
from harness.prometheus import parse

MINUTE = 60.0


# R01: many keys


class Flood:
    """A trusted proxy with any number of clients, which asks for all of them on one connection, many at a time."""

    def __init__(self, instance):
        self.instance = instance

    def ask(self, addresses, count=1):
        """How many of `count` requests of each address were admitted."""
        passed = {}
        wanted = [address for address in addresses for _ in range(count)]
        with self.instance.client() as client:
            for start in range(0, len(wanted), 200):
                part = wanted[start : start + 200]
                client.send(b"".join(http1.request_text("GET", "/", [("X-Forwarded-For", address)]) for address in part))
                for address in part:
                    passed[address] = passed.get(address, 0) + (client.response().status == 200)
        return passed


@pytest.fixture(name="flooded")
def _flooded(gateway, backend):
    """A gateway with room for 4096 buckets of 20, refilled within the hour."""
    config = public(backend().url, 20, "20/h", key="address")
    config["rate_limit_table"] = {"memory": "64KiB"}
    config["listeners"][0]["trusted_proxies"] = ["127.0.0.1"]
    return Flood(gateway(config))


def test_R01_new_keys_take_no_memory(flooded):
    flooded.ask(f"10.0.{high}.{low}" for high in range(8) for low in range(250))
    before = flooded.instance.memory()
    passed = flooded.ask(f"10.{middle}.{high}.{low}" for middle in (1, 2) for high in range(24) for low in range(250))
    assert all(passed.values()), "who asks once is admitted, however many there are"
    assert flooded.instance.memory() - before < (20 if SANITIZED else 2) * 1024 * 1024


def test_R01_a_flood_of_new_keys_does_not_free_those_who_used_theirs_up(flooded):
    heavy = [f"192.0.2.{number}" for number in range(1, 51)]
    assert set(flooded.ask(heavy, 21).values()) == {20}
    flooded.ask(f"10.{middle}.{high}.{low}" for middle in (1, 2) for high in range(24) for low in range(250))
    assert set(flooded.ask(heavy).values()) == {0}


def test_R01_addresses_of_one_subscriber_are_one_key(flooded):
    some = random.Random(1)
    hosts = (":".join(f"{some.getrandbits(16):x}" for _ in range(4)) for _ in range(500))
    passed = flooded.ask(f"2001:db8:0:1:{host}" for host in hosts)
    assert sum(passed.values()) == 20


def test_R01_keys_make_no_series(flooded):
    before = parse(flooded.instance.admin("/metrics").body.decode()).series()
    flooded.ask((f"10.1.{high}.{low}" for high in range(8) for low in range(250)), 1)
    after = parse(flooded.instance.admin("/metrics").body.decode())
    assert len(after.series()) - len(before) < 20
    assert "10.1." not in str(after.samples)


# R02: clocks


@pytest.mark.parametrize("jump", [-365 * DAY, -DAY, -MINUTE, MINUTE, DAY, 365 * DAY])
def test_R02_setting_the_clock_gives_nothing_and_takes_nothing(gateway, backend, tmp_path, jump):
    clock = WallClock(tmp_path)
    instance = gateway(public(backend().url, 10, "10/h", key="address"), environment=clock.environment)
    assert remaining(instance.get("/")) == 9
    clock.shift(jump)
    response = instance.get("/")
    assert response.status == 200 and remaining(response) == 8
    assert admitted(instance, "/") == 8
    assert 350 <= int(instance.get("/").get("Retry-After")) <= 360
    clock.shift(0)
    assert instance.get("/").status == 429


def test_R02_a_clock_that_jumps_all_the_time_changes_no_rate(gateway, backend, tmp_path):
    clock = WallClock(tmp_path)
    instance = gateway(public(backend().url, 20, "40/s", 2, key="address"), environment=clock.environment)
    crowd = Crowd([instance.port] * 4)
    for number in range(1, 40):
        clock.shift((-1) ** number * DAY / number)
        crowd.wait(50 * number)
    expect_exact(crowd.stop(), burst=20, rate=40)


# R03: many threads. test_limits_exactness.py has more of it.


@pytest.mark.parametrize("key", ["address", "route", "user", ["address", "route", "service"]], ids=str)
def test_R03_exact_with_every_worker_at_one_key(gateway, backend, key):
    server = backend()
    instance = gateway(public(server.url, 60, "120/s", 8, key=key))
    count = expect_exact(Crowd([instance.port] * 16).wait(3000, span=1.5).stop(), burst=60, rate=120)
    assert len(server.requests) == count


# R07: numbers that mean nothing, or too much


def check(tmp_path, limit=None, use=None, **sections):
    """The mistakes and warnings of a configuration with this limit: [(line of the file, message)]."""
    rule = {"key": "address", "tokens": 5, "refill": "1/s", **(limit or {})}
    config = open_routes("http://127.0.0.1:9", {"limit": rule}, {"/": use or ["limit"]})
    config.update(sections)
    path = tmp_path / "gateway.yaml"
    # JSON is YAML: one key a line, so that a line names its key.
    text = json.dumps({**config, "access_log": {"file": str(tmp_path / "log")}}, indent=1)
    path.write_text(text, encoding="utf-8")
    done = run_command("check", "-c", path)
    mistakes = []
    for line in done.stderr.splitlines():
        place, _, message = line.removeprefix(f"{path}:").partition(": ")
        number, column = map(int, place.split(":"))
        assert column >= 1
        mistakes.append((text.splitlines()[number - 1], message))
    assert done.returncode == (1 if any(message.startswith("error") for _, message in mistakes) else 0), done.stderr
    return mistakes


ODD_NUMBERS = [
    ("tokens", value) for value in (0, -1, 1.5, "many", 1000001, 2**32, 2**64, 10**30, True, None, [1])
] + [
    ("refill", value) for value in ("0/s", "-1/s", "1", "1/", "/s", "1/w", "1/fortnight", "1e9/s", "1000001/s", "nan/s", "inf/s", "1 s",
                                    "ten/s", 5, "1/s/s", "0.0000000001/d", "99999999999999999999999/s")
] + [("cost", value) for value in (0, -1, 6, 2**32, "1.5", "five")]


@pytest.mark.parametrize("name,value", ODD_NUMBERS, ids=str)
def test_R07_odd_numbers_are_refused_where_they_stand(tmp_path, name, value):
    (line, message), *more = check(tmp_path, {name: value})
    assert f'"{name}"' in line or name == "tokens" and isinstance(value, list), line
    assert message.startswith("error: ") and not more


ODD_LIMITS = {
    "a key of nothing": {"key": []},
    "an unknown key": {"key": "usr"},
    "a part twice": {"key": ["user", "user"]},
    "a header that is none": {"key": {"header": "X Team"}},
    "a header with credentials": {"key": {"header": "Authorization"}},
    "rate and tokens": {"rate": "5/s"},
    "an unknown stage": {"stage": "sometimes"},
    "before authentication by user": {"key": "user", "stage": "before_authentication"},
    "cases without by": {"cases": {"pro": "5/s", "*": "1/s"}},
    "by without cases": {"by": "plan"},
    "a status that is none": {"count": [99]},
    "a status too large": {"count": [600]},
    "no statuses": {"count": []},
    "an unknown key of cost": {"cost": {"filed": "X-Used"}},
    "a reserve beyond the bucket": {"cost": {"field": "X-Used", "reserve": 6, "most": 10}},
    "most below the reserve": {"cost": {"field": "X-Used", "reserve": 5, "most": 4}},
    "exempt from what": {"exempt": {"adresses": ["10.0.0.0/8"]}},
    "a network that is none": {"exempt": {"addresses": ["10.0.0.0/33"]}},
    "a path that is not canonical": {"exempt": {"paths": ["/a/../b"]}},
    "shared without a store": {"shared": True},
    "an unknown answer to failures": {"shared": True, "on_store_failure": "hope"},
}


@pytest.mark.parametrize("limit", ODD_LIMITS.values(), ids=ODD_LIMITS)
def test_R07_contradictions_are_refused(tmp_path, limit):
    mistakes = check(tmp_path, limit)
    assert mistakes and mistakes[0][1].startswith("error: "), mistakes


@pytest.mark.parametrize("use", [
    ["nothing"], ["limit", "limit"], [{"name": "limit", "cost": 0}], [{"name": "limit", "cost": 6}], [{"cost": 2}],
    [{"name": "limit", "price": 2}],
], ids=str)
def test_R07_odd_uses_of_a_limit_are_refused(tmp_path, use):
    mistakes = check(tmp_path, use=use)
    assert mistakes and mistakes[0][1].startswith("error: "), mistakes


@pytest.mark.parametrize("store", [
    "redis://", "http://127.0.0.1:6379", "redis://127.0.0.1:99999", "redis://127.0.0.1:6379/x", "redis://127.0.0.1:6379/-1",
    {"url": "redis://127.0.0.1:6379", "timeout": "0s"}, {"url": "redis://127.0.0.1:6379", "timeout": "20"}, {"prefix": "a"},
    {"url": []}, {"url": "redis://127.0.0.1:6379", "password_file": "/nowhere"}, {"url": "redis://127.0.0.1:6379", "memory": "1KiB"},
], ids=str)
def test_R07_odd_stores_are_refused(tmp_path, store):
    mistakes = check(tmp_path, {"shared": True}, limit_store=store)
    assert mistakes and mistakes[0][1].startswith("error: "), mistakes


EXTREMES = [{"tokens": 1, "refill": "1/d"}, {"tokens": 1000000, "refill": "1000000/s"}, {"tokens": 1, "refill": "1000000/s"},
            {"tokens": 1000, "refill": "0.001/s"}]


@pytest.mark.parametrize("limit", EXTREMES, ids=str)
def test_R07_the_largest_and_smallest_numbers_work(gateway, backend, tmp_path, limit):
    assert check(tmp_path, limit) == []
    instance = gateway(public(backend().url, key="address", **limit))
    response = instance.get("/")
    assert response.status == 200 and remaining(response) == limit["tokens"] - 1


def test_R08_a_key_of_a_field_that_anybody_can_write_is_a_warning(tmp_path):
    (line, message), *more = check(tmp_path, {"key": {"header": "X-Team", "from": "anyone"}})
    assert message.startswith("warning: ") and not more, line
    listeners = [{"address": configs.LOOPBACK, "trusted_proxies": ["10.0.0.0/8"]}]
    assert check(tmp_path, {"key": {"header": "X-Team"}}, listeners=listeners) == []
