"""What a hostile review of rate limits asked: odd services, odd fields, odd configurations, and reloads in mid-flight."""

import json
import random
import subprocess
import threading

import pytest

from harness import http1
from harness.backend import answer_all, answer_when
from harness.client import RawClient
from harness.gateway import BINARY
from harness.limits import NEVER, Club, admitted, open_routes, parse_items, remaining, statuses
from harness.problems import expect_problem
from harness.wait import eventually

SETTLED = {"key": "address", "tokens": 100, "refill": NEVER, "cost": {"field": "X-Tokens-Used", "reserve": 10, "most": 50}}


@pytest.fixture(name="club")
def _club(backend, issuer, tmp_path):
    return Club(backend, issuer, tmp_path)


# What a request costs that something became of


def test_a_request_that_was_worked_for_costs_its_reserve_though_its_repetition_reaches_nobody(gateway, backend):
    def handler(connection):
        connection.read_request()
        server.stop()
        connection.reset()

    server = backend(handler)
    instance = gateway(open_routes(server.url, {"limit": SETTLED}, {"/": ["limit"]}))
    response = instance.get("/")
    expect_problem(response, "upstream_unreachable")
    assert remaining(response) == 100 - 10


def test_a_request_that_reaches_no_service_costs_nothing(gateway, backend):
    server = backend(listening=False)
    instance = gateway(open_routes(server.url, {"limit": SETTLED}, {"/": ["limit"]}))
    response = instance.get("/")
    expect_problem(response, "upstream_unreachable")
    assert remaining(response) == 100


def spelled(head, trailers):
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + head + b"\r\n" + http1.chunk(b"hello") + b"0\r\n" + trailers + b"\r\n"


@pytest.mark.parametrize("head,trailers,taken", [
    (b"", b"X-Tokens-Used: 30\r\n", 30), (b"X-Tokens-Used: 20\r\n", b"X-Tokens-Used: 30\r\n", 20),
    (b"X-Tokens-Used: 20\r\nX-Tokens-Used: 20\r\n", b"X-Tokens-Used: 30\r\n", 30), (b"", b"X-Tokens-Used: 30\r\n" * 2, 10),
    (b"", b"X-Tokens-Used: -30\r\n", 10), (b"", b"x-tokens-used: 99999999999999999999999\r\n", 50), (b"", b"X-Other: 30\r\n", 10),
    (b"", b"", 10), (b"X-Tokens-Used: x\r\n", b"X-Tokens-Used: 30\r\n", 10)])
@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_trailers_count_where_the_head_says_nothing(gateway, backend, head, trailers, taken, version):
    def handler(connection):
        while True:
            connection.read_request()
            connection.send(spelled(head, trailers))

    limits = {"limit": SETTLED, "failures": {"key": "address", "rate": "9/d", "count": [401]}}
    instance = gateway(open_routes(backend(handler).url, limits, {"/": ["limit", "failures"], "/look": ["limit"]}))
    with instance.client() as client:
        client.send(b"GET / HTTP/" + version + b"\r\nHost: gateway.test\r\n\r\n")
        response = client.response()
        assert response.body == b"hello" and remaining(response, "failures") == 9
    with instance.client() as client:
        client.send(http1.request_text("GET", "/look"))
        told = remaining(client.head())
    in_head = head.count(b"Used") == 1
    assert told == 100 - taken - (10 if not in_head else taken)


def test_who_leaves_the_queue_has_asked_but_used_nothing(gateway, backend):
    """Otherwise to leave would be a way to ask again and again, and nobody would ever be refused."""
    release = threading.Event()
    limits = {"calls": {"key": "address", "rate": "9/d"}, "limit": SETTLED, "failures": {"key": "address", "rate": "8/d", "count": [401]}}
    config = open_routes(backend(answer_when(release)).url, limits, {"/": list(limits)}, concurrency_limits={
        "one": {"key": "address", "requests": 1, "queue": {"requests": 5}}})
    config["routes"][0]["concurrency"] = ["one"]
    instance = gateway(config)

    def waiting():
        return instance.admin("/status").json()["concurrency_limits"][0]["waiting"]

    with instance.client() as first:
        first.send(http1.request_text("GET", "/"))
        eventually(lambda: instance.admin("/status").json()["concurrency_limits"][0]["in_flight"] == 1, "the first to be under way")
        for _ in range(2):
            gone = RawClient(instance.port)
            gone.send(http1.request_text("GET", "/"))
            eventually(lambda: waiting() == 1, "the second to wait")
            gone.reset()
            eventually(lambda: waiting() == 0, "the second to be gone")
        release.set()
        assert first.response().status == 200
    response = instance.get("/")
    assert (remaining(response, "calls"), remaining(response), remaining(response, "failures")) == (9 - 4, 100 - 20, 8)


# Shared limits


@pytest.mark.parametrize("price,left", [("0", 100), ("10", 90), ("50", 50)])
def test_a_shared_limit_tells_one_story_after_it_was_settled(gateway, backend, redis, price, left):
    """r tokens left is a bucket that is full again when the others have come back."""
    server = backend(answer_all(lambda _request: http1.response_text(200, [("X-Tokens-Used", price)], b"ok")))
    limits = {"limit": {**SETTLED, "refill": "1/s", "shared": True}}
    instance = gateway(open_routes(server.url, limits, {"/": ["limit"]}, limit_store=redis().url))
    told = parse_items(instance.get("/").get("RateLimit"))["limit"]
    assert told["r"] >= left and abs(told["r"] + told["t"] - 100) <= 1


# Reloads


def random_limits(rnd, store):
    limits = {}
    for number in range(rnd.randint(1, 6)):
        limit = {"key": rnd.choice(["address", ["route", "address"], "service", {"header": "X-Team", "from": "anyone"}])}
        tokens = rnd.choice([1, 5, 100, 100000])
        if rnd.random() < 0.3:
            limit.update(by="role", cases={"chief": "unlimited", "*": f"{tokens}/s"})
        else:
            limit.update(tokens=tokens, refill=rnd.choice(["1/s", "1000/s", "100/min"]))
        limit.update(rnd.choice([{}, {"cost": {"field": "X-Tokens-Used", "most": rnd.choice([1, 50, 1000])}}, {"count": [401]}]))
        limit.update(rnd.choice([{}, {"report_only": True}, {"legacy_headers": True}]))
        if store and rnd.random() < 0.7:
            limit.update(shared=True, on_store_failure=rnd.choice(["local", "open", "closed"]))
        limits[f"l{number}"] = limit
    return limits


def test_any_change_of_limits_and_of_their_store_while_answers_stream(gateway, backend, redis):
    """Requests under way go on under the limits they came under, and what they settle may be gone by then."""
    rnd, prices = random.Random(5), random.Random(6)

    def handler(connection):
        while True:
            connection.read_request()
            connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + http1.chunk(b"a"))
            turn.wait(0.05)  # the answer goes on when the configuration has changed, or soon
            connection.send(http1.chunk(b"b") + b"0\r\nX-Tokens-Used: %d\r\n\r\n" % prices.randint(0, 60))

    def configuration():
        store = rnd.choice([None, *stores])
        limits = random_limits(rnd, store)
        return open_routes(server.url, limits, {"/": list(limits)}, workers=2, **({"limit_store": store} if store else {}))

    def ask(number):
        while not stop.is_set():
            with instance.client() as client:
                response = client.get("/", [("X-Team", str(number))])
            answers.append(response.status)
            told = [parse_items(response.get(name, "")) if response.has(name) else {} for name in ("RateLimit", "RateLimit-Policy")]
            if set(told[0]) != set(told[1]) or any(told[0][name]["r"] > told[1][name]["q"] for name in told[0]):
                odd.append(told)

    turn, stop, answers, odd = threading.Event(), threading.Event(), [], []
    server, one = backend(handler), redis().url
    stores = [one, redis().url, {"url": one, "prefix": "other"}, "redis://127.0.0.1:1"]
    instance = gateway(configuration())
    crowd = [threading.Thread(target=ask, args=(number,), daemon=True) for number in range(8)]
    for thread in crowd:
        thread.start()
    for _ in range(30):
        before = len(answers)
        instance.reload(configuration())
        turn.set()
        eventually(lambda seen=before: len(answers) >= seen + 16, "answers under the new configuration")
        turn.clear()
        assert instance.admin("/status").json()["rate_limits"]["policies"] and instance.admin("/metrics").status == 200
    stop.set()
    for thread in crowd:
        thread.join(20)
    assert {200, 429} <= set(answers) <= {200, 429, 503} and not odd


# `explain` says what the gateway does


def explained(instance, *arguments):
    """The limits that `explain` finds, by name."""
    done = subprocess.run([str(BINARY), "explain", *arguments, "--json", "-c", str(instance.config_path)], capture_output=True,
                          text=True, timeout=20, check=False)
    return {limit["name"]: limit for limit in json.loads(done.stdout)["limits"]}


def test_before_authentication_nobody_stands_in_but_the_address(gateway, club):
    instance = gateway(club.config({"limit": {"key": {"header": "X-Team"}, "tokens": 5, "refill": NEVER}}, {"/": ["limit"]}))
    assert statuses(instance, "/", club.member("alice"), 3) == [200] * 3
    assert admitted(instance, "/", club.member("bob")) == 2
    said = explained(instance, "GET", "/", "--token", club.issuer.mint("alice"), "--address", "127.0.0.1")
    assert said["limit"]["key"] == [{"part": "header x-team", "kind": "address", "value": "127.0.0.1", "why": "no header x-team"}]
