"""What a request costs: a number, a route's own, or what the service says afterwards."""

import threading

import pytest

from harness import configs, http1
from harness.backend import answer_when
from harness.client import RawClient
from harness.limits import NEVER, admitted, open_routes, remaining, statuses
from harness.problems import expect_problem
from harness.wait import eventually

SETTLED = {"key": "address", "tokens": 100, "refill": NEVER, "cost": {"field": "X-Tokens-Used", "reserve": 10, "most": 50}}


def priced(connection):
    """A service that charges what the query says; without one it says nothing."""
    while True:
        request = connection.read_request()
        price = request.target.partition("?")[2]
        fields = [("X-Tokens-Used", part) for part in price.split("&") if price]
        connection.send(http1.response_text(200, fields, b"ok"))


@pytest.fixture(name="settled")
def _settled(gateway, backend):
    """A gateway whose requests cost what their query says, 100 at most, and its service."""
    server = backend(priced)
    limits = {"limit": SETTLED}
    instance = gateway(open_routes(server.url, limits, {"/": ["limit"]}))
    instance.server = server
    return instance


def left(instance):
    """What the bucket still has, for requests that cost 10 each and use it up."""
    return admitted(instance, "/")


def test_a_number(gateway, backend):
    limits = {"limit": {"key": "address", "tokens": 100, "refill": NEVER, "cost": 30}}
    instance = gateway(open_routes(backend().url, limits, {"/": ["limit"]}))
    assert statuses(instance, "/", count=5) == [200] * 3 + [429] * 2


def test_a_route_has_its_own(gateway, backend):
    limits = {"limit": {"key": "address", "tokens": 100, "refill": NEVER, "cost": 10}}
    routes = {"/": ["limit"], "/large": [{"name": "limit", "cost": 60}], "/free": [{"name": "limit", "cost": 1}]}
    instance = gateway(open_routes(backend().url, limits, routes))
    assert statuses(instance, "/large", count=2) == [200, 429]
    assert statuses(instance, "/", count=4) == [200] * 4, "what is too little for one is enough for another"
    assert instance.get("/free").status == 429 and instance.get("/").status == 429


@pytest.mark.parametrize("price,taken", [("0", 0), ("1", 1), ("10", 10), ("35", 35), ("50", 50)])
def test_the_service_says_it(settled, price, taken):
    settled.get("/?" + price)
    response = settled.get("/")
    assert remaining(response) == 100 - taken - 10


@pytest.mark.parametrize("price,taken", [
    ("", 10), ("51", 50), ("1000000", 50), ("18446744073709551616", 50), ("9" * 60, 50), ("-5", 10), ("1.5", 10), ("ten", 10),
    ("0x10", 10), ("+7", 10), ("5&7", 10), ("007", 7),
], ids=["none", "beyond", "far beyond", "2^64", "60 digits", "negative", "fraction", "word", "hexadecimal", "sign", "twice", "zeros"])
def test_R07_odd_prices_are_the_reserve_and_large_ones_the_most(settled, price, taken):
    settled.get("/?" + price)
    response = settled.get("/")
    assert 100 - 10 - remaining(response) == taken


def test_a_debt_is_paid_before_anything_is_admitted(gateway, backend):
    server = backend(priced)
    limits = {"limit": {**SETTLED, "tokens": 10, "refill": "20/s"}}
    instance = gateway(open_routes(server.url, limits, {"/": ["limit"]}))
    assert instance.get("/?40").status == 200, "the reserve was there, so it goes through"
    refused = instance.get("/")
    expect_problem(refused, "rate_limited")
    # 30 in debt and 10 to come for the next reserve: two seconds.
    assert int(refused.get("Retry-After")) == 2 and remaining(refused) == 0
    eventually(lambda: instance.get("/").status == 200, "the debt to be paid")


def test_the_debt_is_bounded(gateway, backend):
    """Requests at once that all turn out dear: together they owe no more than the most one may cost."""
    gate = threading.Barrier(4)

    def handler(connection):
        connection.read_request()
        gate.wait(10)
        connection.send(http1.response_text(200, [("X-Tokens-Used", "50")], b"ok"))

    limits = {"limit": {**SETTLED, "tokens": 40, "refill": "10/s"}}
    instance = gateway(open_routes(backend(handler).url, limits, {"/": ["limit"]}))
    clients = [RawClient(instance.port) for _ in range(4)]
    for client in clients:
        client.send(http1.request_text("GET", "/"))
    assert [client.response().status for client in clients] == [200] * 4
    for client in clients:
        client.close()
    # 200 were used of 40; 50 of debt is the most, and 10 for the next: six seconds, not seventeen.
    assert int(instance.get("/").get("Retry-After")) <= 6


def test_reserves_hold_back_requests_at_once(gateway, backend):
    """On the last tokens no more start than there are reserves for."""
    release = threading.Event()
    server = backend(answer_when(release, lambda _: http1.response_text(200, [("X-Tokens-Used", "1")], b"ok")))
    limits = {"limit": {**SETTLED, "tokens": 35}}
    instance = gateway(open_routes(server.url, limits, {"/": ["limit"]}, workers=2))
    clients = [RawClient(instance.port) for _ in range(3)]
    for client in clients:
        client.send(http1.request_text("GET", "/"))
    server.wait_requests(3)
    expect_problem(instance.get("/"), "rate_limited")
    release.set()
    assert [client.response().status for client in clients] == [200] * 3
    for client in clients:
        client.close()
    assert remaining(instance.get("/")) == 35 - 3 - 1


def test_a_request_without_an_answer_costs_its_reserve(gateway, backend):
    def handler(connection):
        connection.read_request()
        connection.reset()

    instance = gateway(open_routes(backend(handler).url, {"limit": {**SETTLED, "tokens": 50}}, {"/": ["limit"]}))
    with instance.client() as client:
        for _ in range(2):
            expect_problem(client.request("POST", "/", body=b"x"), "upstream_reset")
    assert remaining(instance.get("/")) == 50 - 30


def test_the_price_reaches_the_client_and_the_errors_of_services_are_charged(gateway, backend):
    def handler(connection):
        while True:
            connection.read_request()
            connection.send(http1.response_text(500, [("X-Tokens-Used", "25")], b"broken"))

    instance = gateway(open_routes(backend(handler).url, {"limit": SETTLED}, {"/": ["limit"]}))
    assert instance.get("/").status == 500
    assert remaining(instance.get("/")) == 100 - 25 - 25


def test_the_field_of_an_answer_that_streams_counts_with_its_head(gateway, backend):
    release = threading.Event()

    def handler(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Tokens-Used: 30\r\n\r\n" + http1.chunk(b"a"))
        release.wait(10)
        connection.send(b"0\r\n\r\n")

    server = backend(handler)
    instance = gateway(open_routes(server.url, {"limit": SETTLED}, {"/": ["limit"], "/look": ["limit"]}))
    with instance.client() as client:
        client.send(http1.request_text("GET", "/"))
        response = client.head()
        assert response.get("X-Tokens-Used") == "30"
        with instance.client() as other:
            other.send(http1.request_text("GET", "/look"))
            assert remaining(other.head()) == 100 - 30 - 30
        release.set()
        client.finish(response)


@pytest.mark.parametrize("trailers,taken", [
    (b"X-Tokens-Used: 30\r\n", 30), (b"", 10), (b"X-Tokens-Used: many\r\n", 10), (b"X-Other: 3\r\n", 10),
], ids=["said", "none", "a word", "another"])
def test_an_answer_may_say_it_in_its_trailers(gateway, backend, trailers, taken):
    def handler(connection):
        while True:
            request = connection.read_request()
            head = b"X-Tokens-Used: 10\r\n" if request.target == "/look" else b""
            body = http1.chunk(b"a") + b"0\r\n" + trailers + b"\r\n"
            connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + head + b"\r\n" + body)

    instance = gateway(open_routes(backend(handler).url, {"limit": SETTLED}, {"/": ["limit"]}))
    assert instance.get("/").body == b"a"
    assert remaining(instance.get("/look")) == 100 - taken - 10


def test_costs_of_several_limits_at_once(gateway, backend):
    limits = {"calls": {"key": "address", "tokens": 10, "refill": NEVER}, "limit": SETTLED}
    routes = {"/": ["calls", {"name": "limit", "cost": 20}], "/calls": ["calls"]}
    instance = gateway(open_routes(backend(priced).url, limits, routes))
    assert statuses(instance, "/?45", count=5) == [200] * 2 + [429] * 3, "100 less 45 less 45 is not enough for 20"
    assert admitted(instance, "/calls") == 8
