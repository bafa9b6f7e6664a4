"""Token buckets: a burst, then the rate, exactly, for every key by itself."""

import re
import threading
import time

import pytest

from harness import configs
from harness.client import RawClient, get
from harness.problems import expect_problem
from harness.tokens import bearer
from harness.wait import eventually

_ITEM = re.compile(r'"([^"]+)"((?:;[a-z]+=[0-9]+)+)')


def parse_items(value):
    """A RateLimit or RateLimit-Policy field: {policy: {parameter: number}}."""
    items = {}
    for part in value.split(","):
        match = _ITEM.fullmatch(part.strip())
        assert match, f"bad structured field: {value!r}"
        items[match[1]] = {name: int(number) for name, number in (p.split("=") for p in match[2].split(";")[1:])}
    return items


def limited(url, key="address", tokens=5, refill="1/s", workers=1, **limit):
    limits = {"the_limit": {"key": key, "tokens": tokens, "refill": refill, **limit}}
    config = configs.public(url, {"limits": ["the_limit"]}, rate_limits=limits)
    return {**config, "workers": workers}


def take(port, count, source=None):
    """`count` requests on one connection; returns the responses and the seconds they took."""
    start = time.monotonic()
    with RawClient(port, source=source) as client:
        responses = [client.get("/") for _ in range(count)]
    return responses, time.monotonic() - start


def expect_exact(responses, seconds, burst, rate):
    """Admitted at least the burst, at most what the bucket's arithmetic allows (one more for its rounding)."""
    admitted = [response for response in responses if response.status == 200]
    assert burst <= len(admitted) <= burst + rate * seconds + 1
    for response in responses:
        if response.status != 200:
            expect_problem(response, "rate_limited")
    return len(admitted)


def test_burst_then_refusal(gateway, backend):
    server = backend()
    responses, seconds = take(gateway(limited(server.url)).port, 30)
    admitted = expect_exact(responses, seconds, burst=5, rate=1)
    assert [response.status for response in responses[:5]] == [200] * 5
    assert len(server.requests) == admitted


def test_fields_of_a_refusal(gateway, backend):
    responses, _ = take(gateway(limited(backend().url, tokens=3, refill="0.1/s")).port, 5)
    response = responses[-1]
    expect_problem(response, "rate_limited")
    assert 1 <= int(response.get("Retry-After")) <= 10
    limit, policy = parse_items(response.get("RateLimit")), parse_items(response.get("RateLimit-Policy"))
    assert limit["the_limit"]["r"] == 0 and 1 <= limit["the_limit"]["t"] <= int(response.get("Retry-After"))
    assert policy["the_limit"]["q"] == 3 and policy["the_limit"]["w"] == 30


def test_refused_requests_keep_the_connection(gateway, backend):
    instance = gateway(limited(backend().url, tokens=1, refill="0.1/s"))
    with instance.client() as client:
        assert client.get("/").status == 200
        for _ in range(10):
            expect_problem(client.get("/"), "rate_limited")


def test_refill_as_advertised(gateway, backend):
    """After Retry-After seconds, and not before the rate allows it, the next request is admitted."""
    instance = gateway(limited(backend().url, tokens=1, refill="1/s"))
    with instance.client() as client:
        start = time.monotonic()
        assert client.get("/").status == 200
        refused = client.get("/")
        expect_problem(refused, "rate_limited")
        eventually(lambda: client.get("/").status == 200, "the refill", timeout=int(refused.get("Retry-After")) + 2)
        assert time.monotonic() - start > 0.99, "two admitted by a bucket of one within less than a second"


def test_one_user_does_not_spend_anothers_tokens(gateway, backend, issuer, jwks):
    config = limited(backend().url, "user", refill="0.1/s")
    config["routes"][0].pop("public")
    config["authentication"] = configs.authentication(issuer, jwks)
    instance = gateway(config)
    for user in ("alice", "bob"):
        statuses = [instance.get("/", bearer(issuer.mint(user, algorithm))).status for algorithm in ("RS256", "EdDSA") * 4]
        assert statuses == [200] * 5 + [429] * 3, "the key is the user, not the token"


def test_one_address_does_not_spend_anothers_tokens(gateway, backend):
    instance = gateway(limited(backend().url, refill="0.1/s"))
    for source in ("127.0.0.2", "127.0.0.3"):
        responses, _ = take(instance.port, 8, source)
        assert [response.status for response in responses] == [200] * 5 + [429] * 3


def test_an_address_cannot_be_invented(gateway, backend):
    instance = gateway(limited(backend().url, refill="0.1/s"))
    statuses = [instance.get("/", [("X-Forwarded-For", f"203.0.113.{i}"), ("Forwarded", f"for=203.0.113.{i}")]).status for i in range(8)]
    assert statuses == [200] * 5 + [429] * 3


def test_the_address_behind_a_trusted_proxy(gateway, backend):
    config = limited(backend().url, refill="0.1/s")
    config["listeners"][0]["trusted_proxies"] = ["127.0.0.1"]
    instance = gateway(config)
    for client in ("203.0.113.1", "203.0.113.2"):
        statuses = [instance.get("/", [("X-Forwarded-For", f"198.51.100.{i}, {client}")]).status for i in range(8)]
        assert statuses == [200] * 5 + [429] * 3


def test_ipv6_addresses_share_their_64(gateway, backend):
    config = limited(backend().url, refill="0.1/s")
    config["listeners"][0]["trusted_proxies"] = ["127.0.0.1"]
    instance = gateway(config)
    statuses = [instance.get("/", [("X-Forwarded-For", f"2001:db8:0:1::{i:x}")]).status for i in range(1, 9)]
    assert statuses == [200] * 5 + [429] * 3
    assert instance.get("/", [("X-Forwarded-For", "2001:db8:0:2::1")]).status == 200


def test_anonymous_users_fall_back_to_their_address(gateway, backend):
    instance = gateway(limited(backend().url, "user", refill="0.1/s"))
    for source in ("127.0.0.2", "127.0.0.3"):
        statuses = [get(instance.port, "/", source=source).status for _ in range(8)]
        assert statuses == [200] * 5 + [429] * 3


def test_the_limit_by_address_holds_for_bad_tokens(gateway, backend, issuer, jwks):
    """It comes before authentication, so that guessing is limited, too."""
    config = limited(backend().url, refill="0.1/s")
    config["routes"][0].pop("public")
    config["authentication"] = configs.authentication(issuer, jwks)
    instance = gateway(config)
    assert [instance.get("/", bearer("bad")).status for _ in range(8)] == [401] * 5 + [429] * 3


def test_report_only_refuses_nobody(gateway, backend):
    responses, _ = take(gateway(limited(backend().url, report_only=True)).port, 30)
    assert [response.status for response in responses] == [200] * 30


def test_several_limits_hold_together(gateway, backend):
    config = limited(backend().url, tokens=100, refill="0.1/s")
    config["rate_limits"]["small"] = {"key": "address", "tokens": 3, "refill": "0.1/s"}
    config["routes"][0]["limits"].append("small")
    responses, _ = take(gateway(config).port, 5)
    assert [response.status for response in responses] == [200] * 3 + [429] * 2
    assert "small" in parse_items(responses[-1].get("RateLimit"))


def test_routes_share_a_limit_and_others_have_none(gateway, backend):
    config = limited(backend().url, tokens=4, refill="0.1/s")
    config["routes"] += [{"path": "/too", "service": "backend", "public": True, "limits": ["the_limit"]},
                         {"path": "/free", "service": "backend", "public": True}]
    instance = gateway(config)
    statuses = [instance.get("/too" if i % 2 else "/").status for i in range(6)]
    assert statuses == [200] * 4 + [429] * 2
    assert [instance.get("/free").status for _ in range(10)] == [200] * 10


@pytest.mark.parametrize("workers", [1, 2])
def test_exact_at_any_concurrency(gateway, backend, workers):
    burst, rate, threads_count, each = 50, 20, 16, 60
    instance = gateway(limited(backend().url, tokens=burst, refill=f"{rate}/s", workers=workers))
    results, lock = [], threading.Lock()

    def run():
        with RawClient(instance.port) as client:
            mine = [client.get("/") for _ in range(each)]
        with lock:
            results.extend(mine)

    threads = [threading.Thread(target=run) for _ in range(threads_count)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == threads_count * each
    expect_exact(results, time.monotonic() - start, burst, rate)


def test_buckets_survive_a_reload(gateway, backend):
    config = limited(backend().url, tokens=3, refill="0.01/s")
    instance = gateway(config)
    responses, _ = take(instance.port, 4)
    assert [response.status for response in responses] == [200] * 3 + [429]
    config["routes"].append({"path": "/new", "service": "backend", "public": True})
    instance.reload(config)
    eventually(lambda: instance.get("/new").status == 200, "the reload")
    assert instance.get("/").status == 429
