"""Exact over the wire: what real clients get is what the arithmetic of one bucket allows, to the request."""

import threading

import pytest

from harness import http1
from harness.backend import answer_when
from harness.client import RawClient
from harness.limits import NEVER, Crowd, admitted, expect_exact, expect_no_more, open_routes, passed, public, remaining, statuses
from harness.problems import expect_problem
from harness.wait import eventually

# Workers, clients, burst, rate.
_CROWDS = [(1, 1, 5, 10), (1, 8, 20, 40), (2, 8, 50, 20), (4, 16, 100, 200), (4, 12, 1, 2)]


@pytest.mark.parametrize("workers,clients,burst,rate", _CROWDS)
def test_R03_neither_more_nor_less_than_burst_and_rate(gateway, backend, workers, clients, burst, rate):
    server = backend()
    instance = gateway(public(server.url, burst, f"{rate}/s", workers, key="address"))
    events = Crowd([instance.port] * clients).wait(2000, span=1.5).stop()
    count = expect_exact(events, burst, rate)
    assert len(server.requests) == count, "the service got what was admitted, and nothing else"


def test_keys_are_exact_each_by_itself(gateway, backend):
    instance = gateway(public(backend().url, 10, "20/s", 2, key="address"))
    crowds = [Crowd([instance.port] * 3, source=f"127.0.0.{last}") for last in range(2, 6)]
    for crowd in crowds:
        crowd.wait(300)
    for crowd in crowds:
        expect_exact(crowd.stop(), burst=10, rate=20)


def test_a_bucket_that_was_left_alone_is_full_again_and_no_fuller(gateway, backend):
    instance = gateway(public(backend().url, 10, "20/s", key="address"))
    first = Crowd([instance.port] * 4).wait(200).stop()
    # Asking it would take a token, so somebody else asks while it fills.
    reset = max(event.received for event in first) + 0.5
    other = Crowd([instance.port], source="127.0.0.2")
    eventually(lambda: other.events[0] and other.events[0][-1].received > reset + 0.1, "the bucket to be full")
    other.stop()
    second = Crowd([instance.port] * 4).wait(200).stop()
    expect_exact(second, burst=10, rate=20)
    expect_no_more(first + second, burst=10, rate=20)


LIMITS = {"wide": {"key": "address", "tokens": 10, "refill": NEVER}, "narrow": {"key": "address", "tokens": 4, "refill": NEVER}}


@pytest.mark.parametrize("order", [["wide", "narrow"], ["narrow", "wide"]])
@pytest.mark.parametrize("clients", [1, 8])
def test_R06_a_refused_request_takes_nothing_from_any_limit(gateway, backend, order, clients):
    instance = gateway(open_routes(backend().url, LIMITS, {"/both": order, "/wide": ["wide"]}, workers=2))
    events = Crowd([instance.port] * clients, "/both").wait(200).stop()
    assert len(passed(events)) == 4
    assert admitted(instance, "/wide") == 6, "10 less the 4 that both have admitted"


def test_requests_of_two_routes_at_once_share_one_limit(gateway, backend):
    limits = {"limit": {"key": "address", "tokens": 30, "refill": "40/s"}}
    instance = gateway(open_routes(backend().url, limits, {"/a": ["limit"], "/b": ["limit"]}, workers=2))
    crowds = [Crowd([instance.port] * 4, target) for target in ("/a", "/b")]
    for crowd in crowds:
        crowd.wait(400)
    expect_exact([event for crowd in crowds for event in crowd.stop()], burst=30, rate=40)


def test_every_method_counts_and_refusals_keep_the_connection(gateway, backend):
    instance = gateway(public(backend().url, 4))
    with instance.client() as client:
        for method, body in (("HEAD", None), ("POST", b"x" * 1000), ("DELETE", None), ("GET", None)):
            assert client.request(method, "/", body=body).status == 200
        for method, body in (("HEAD", None), ("POST", b"x" * 1000), ("DELETE", None), ("GET", None)) * 2:
            client.send(http1.request_text(method, "/", (), body))
            response = client.response(method)
            assert response.status == 429 and int(response.get("Retry-After")) >= 1
            assert "close" not in response.tokens("Connection")


def test_pipelined_requests_are_counted_one_by_one(gateway, backend):
    server = backend()
    instance = gateway(public(server.url, 3))
    with instance.client() as client:
        client.send(b"".join(http1.request_text("GET", f"/{number}") for number in range(6)))
        responses = [client.response() for _ in range(6)]
    assert [response.status for response in responses] == [200] * 3 + [429] * 3
    assert [request.target for request in server.requests] == ["/0", "/1", "/2"]


def test_R06_a_refused_body_is_read_if_it_is_there_and_else_ends_the_connection(gateway, backend):
    server = backend()
    instance = gateway(public(server.url, 1))
    assert instance.get("/").status == 200
    with instance.client() as client:
        client.send(http1.request_text("POST", "/", [("Transfer-Encoding", "chunked")]) + http1.chunked(b"x" * 1000, [7, 500]))
        expect_problem(client.response("POST"), "rate_limited")
        client.send(http1.request_text("POST", "/", [("Content-Length", "9000000")]))
        response = client.response("POST")
        expect_problem(response, "rate_limited")
        assert "close" in response.tokens("Connection")
        client.expect_closed()
    with instance.client() as client:
        client.send(http1.request_text("POST", "/", [("Content-Length", "5"), ("Expect", "100-continue")]))
        response = client.head("POST")
        assert response.status == 429, "no 100 for a body that nobody wants"
    assert len(server.requests) == 1


def test_every_bucket_survives_a_reload(gateway, backend):
    limits = {"one": {"key": "address", "tokens": 3, "refill": NEVER}, "two": {"key": ["address", "route"], "tokens": 5, "refill": NEVER}}
    config = open_routes(backend().url, limits, {"/one": ["one"], "/two": ["two"]})
    instance = gateway(config)
    assert statuses(instance, "/one", count=2) == [200] * 2 and statuses(instance, "/two", count=2) == [200] * 2
    config["routes"].append({"path": "/new", "service": "backend", "public": True})
    instance.reload(config)
    eventually(lambda: instance.get("/new").status == 200, "the reload")
    assert (admitted(instance, "/one"), admitted(instance, "/two")) == (1, 3)


def test_reloads_under_load_give_nothing_away(gateway, backend):
    config = public(backend().url, 20, "30/s", 2, key="address")
    instance = gateway(config)
    crowd = Crowd([instance.port] * 6, source="127.0.0.2")  # apart from who waits for the reloads
    for number in range(5):
        config["routes"].append({"path": f"/new{number}", "service": "backend", "public": True})
        instance.reload(config)
        eventually(lambda number=number: instance.get(f"/new{number}").status == 200, "the reload")
    expect_exact(crowd.wait(500).stop(), burst=20, rate=30)


def test_a_smaller_limit_after_a_reload_holds_at_once(gateway, backend):
    config = public(backend().url, 100, NEVER)
    instance = gateway(config)
    assert remaining(instance.get("/")) == 99
    config["rate_limits"]["limit"]["tokens"] = 10
    instance.reload(config)
    eventually(lambda: remaining(instance.get("/")) < 10, "the smaller limit")
    assert admitted(instance, "/") < 10


def test_clients_that_leave_have_taken_what_they_asked_for(gateway, backend):
    """A request that was admitted is not given back because nobody waits for its answer."""
    release = threading.Event()
    server = backend(answer_when(release))
    instance = gateway(public(server.url, 5))
    for count in range(1, 4):
        client = RawClient(instance.port)
        client.send(http1.request_text("GET", "/"))
        server.wait_requests(count)
        client.reset()
    release.set()
    assert admitted(instance, "/") == 2
