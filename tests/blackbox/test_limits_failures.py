"""Failures that cost and successes that do not; what stands before authentication; whom a limit does not hold for."""

import threading

import pytest

from harness import configs, http1
from harness.backend import answer_when
from harness.client import RawClient, get
from harness.limits import NEVER, Club, admitted, open_routes, parse_items, remaining, statuses
from harness.problems import expect_problem
from harness.prometheus import parse
from harness.tokens import bearer
from harness.wait import eventually

FAILURES = {"key": "address", "tokens": 3, "refill": NEVER, "count": [401, 403]}


def by_path(connection):
    """A service that answers the status that the path ends with."""
    while True:
        request = connection.read_request()
        connection.send(http1.response_text(int(request.target[-3:]), [], b"{}"))


@pytest.fixture(name="club")
def _club(backend, issuer, tmp_path):
    return Club(backend, issuer, tmp_path)


# Failures of the service


@pytest.mark.parametrize("errors", ["transform", "passthrough"])
def test_failed_logins_are_counted_and_good_ones_are_not(gateway, backend, errors):
    server = backend(by_path)
    config = open_routes(server.url, {"limit": FAILURES}, {"/login": ["limit"]})
    config["routes"][0]["errors"] = errors
    instance = gateway(config)
    assert statuses(instance, "/login/200", count=20) == [200] * 20
    assert statuses(instance, "/login/500", count=5) == [500] * 5 and statuses(instance, "/login/404", count=5) == [404] * 5
    assert statuses(instance, "/login/401", count=6) == [401, 401, 401, 429, 429, 429]
    expect_problem(instance.get("/login/200"), "rate_limited")
    assert get(instance.port, "/login/200", source="127.0.0.2").status == 200, "another address"
    assert len(server.requests) == 34


def test_what_a_good_answer_says_is_left_is_what_is_left(gateway, backend):
    instance = gateway(open_routes(backend(by_path).url, {"limit": FAILURES}, {"/": ["limit"]}))
    instance.get("/401")
    assert remaining(instance.get("/200")) == 2 and remaining(instance.get("/200")) == 2


def test_guesses_at_once_do_not_hurry_past_the_limit(gateway, backend):
    """Every one under way holds a token, whatever it turns out to be."""
    release = threading.Event()
    server = backend(answer_when(release, lambda _: http1.response_text(401, [], b"{}")))
    instance = gateway(open_routes(server.url, {"limit": FAILURES}, {"/": ["limit"]}, workers=2))
    clients = [RawClient(instance.port) for _ in range(8)]
    for client in clients:
        client.send(http1.request_text("GET", "/"))
    server.wait_requests(3)
    eventually(lambda: parse(instance.admin("/metrics").body.decode()).sum("lotagate_requests_total", code="rate_limited") == 5,
               "five refusals")
    release.set()
    assert sorted(client.response().status for client in clients) == [401] * 3 + [429] * 5
    for client in clients:
        client.close()
    assert len(server.requests) == 3


def test_a_failure_whose_client_left_is_counted(gateway, backend):
    answered = threading.Event()

    def handler(connection):
        connection.read_request()
        answered.wait(10)
        connection.send(http1.response_text(401, [], b"{}"))

    server = backend(handler)
    instance = gateway(open_routes(server.url, {"limit": {**FAILURES, "tokens": 1}}, {"/": ["limit"]}))
    client = RawClient(instance.port)
    client.send(http1.request_text("GET", "/"))
    server.wait_requests(1)
    client.reset()
    answered.set()
    instance.wait_log(1)
    expect_problem(instance.get("/"), "rate_limited")


# R05: cheap limits first, floods of bad tokens


def protected(club, limits, **routes):
    return club.config(limits, {"/": list(limits), **routes})


def test_R05_a_flood_of_bad_tokens_is_refused_before_tokens_are_looked_at(gateway, club):
    instance = gateway(protected(club, {"limit": {**FAILURES, "stage": "before_authentication"}}))
    alice = club.member("alice")
    assert statuses(instance, "/", alice, 20) == [200] * 20, "good tokens cost nothing"
    forged = bearer(club.issuer.mint("alice")[:-4] + "AAAA")
    assert statuses(instance, "/", forged, 6) == [401] * 3 + [429] * 3
    expect_problem(instance.get("/", bearer("junk")), "rate_limited")
    expect_problem(instance.get("/"), "rate_limited")
    expect_problem(instance.get("/", alice), "rate_limited")
    assert get(instance.port, "/", alice, source="127.0.0.2").status == 200, "her other address"
    scrape = parse(instance.admin("/metrics").body.decode())
    assert scrape.sum("lotagate_access_refusals_total") == 3, "what the limit refused was not looked at"


def test_R05_forbidden_counts_as_the_list_says(gateway, club):
    instance = gateway(club.config({"limit": FAILURES}, {"/": {"limits": ["limit"], "require": {"*": {"roles": ["admin"]}}}}))
    nobody, admin = club.member("nobody"), club.member("root", roles=["admin"])
    assert statuses(instance, "/", admin, 10) == [200] * 10
    assert statuses(instance, "/", nobody, 5) == [403] * 3 + [429] * 2


def test_R05_limits_by_address_stand_before_authentication_by_themselves(gateway, club):
    instance = gateway(protected(club, {"limit": {"key": "address", "tokens": 3, "refill": NEVER}}))
    assert statuses(instance, "/", bearer("junk"), 5) == [401] * 3 + [429] * 2


def test_R05_a_limit_behind_authentication_is_not_used_up_by_strangers(gateway, club):
    limit = {"key": "address", "tokens": 3, "refill": NEVER, "stage": "after_authentication"}
    instance = gateway(protected(club, {"limit": limit}))
    assert statuses(instance, "/", bearer("junk"), 10) == [401] * 10
    assert admitted(instance, "/", club.member("alice")) == 3


def test_R05_limits_by_user_stand_behind_authentication_and_permission(gateway, club):
    limits = {"limit": {"key": "user", "tokens": 3, "refill": NEVER}}
    instance = gateway(club.config(limits, {"/": {"limits": ["limit"], "require": {"GET": "x:y", "*": {"roles": ["nobody"]}}}}))
    alice = club.member("alice")
    with instance.client() as client:
        assert [client.request("POST", "/", alice, b"x").status for _ in range(5)] == [403] * 5
    assert admitted(instance, "/", alice) == 3


def test_R05_what_a_later_limit_refuses_costs_an_earlier_one_nothing(gateway, club):
    limits = {"early": {"key": "address", "tokens": 10, "refill": NEVER}, "late": {"key": "user", "tokens": 2, "refill": NEVER}}
    instance = gateway(club.config(limits, {"/": ["late", "early"], "/early": {"public": True, "limits": ["early"]}}))
    assert statuses(instance, "/", club.member("alice"), 8) == [200] * 2 + [429] * 6
    assert admitted(instance, "/early") == 8


def test_R05_but_a_request_that_authentication_refuses_does_cost(gateway, club):
    limits = {"early": {"key": "address", "tokens": 10, "refill": NEVER}}
    instance = gateway(club.config(limits, {"/": ["early"], "/early": {"public": True, "limits": ["early"]}}))
    assert statuses(instance, "/", bearer("junk"), 4) == [401] * 4
    assert admitted(instance, "/early") == 6


# Exemptions and trials


@pytest.fixture(name="exempting")
def _exempting(gateway, club):
    limits = {
        "limit": {"key": "address", "tokens": 3, "refill": NEVER,
                  "exempt": {"addresses": ["127.0.0.9", "10.0.0.0/8"], "paths": ["/healthz"]}},
        "members": {"key": "user", "tokens": 3, "refill": NEVER, "exempt": {"users": ["monitor"]}},
    }
    config = club.config(limits, {"/": {"public": True, "limits": ["limit"]}, "/members": {"limits": ["members"]}})
    config["listeners"][0]["trusted_proxies"] = ["127.0.0.8"]
    return gateway(config)


def test_exempt_paths_are_exactly_those(exempting):
    assert statuses(exempting, "/healthz", count=10) == [200] * 10
    assert statuses(exempting, "/healthz?x=1", count=2) == [200] * 2, "the query is no part of it"
    assert not exempting.get("/healthz").has("RateLimit")
    assert statuses(exempting, "/healthz/", count=1) + statuses(exempting, "/healthz/x", count=3) == [200, 200, 200, 429]
    assert statuses(exempting, "/%68ealthz", count=3) == [200] * 3, "the same path"


def test_exempt_addresses_are_those_of_clients(exempting):
    assert [get(exempting.port, "/", source="127.0.0.9").status for _ in range(10)] == [200] * 10
    behind = [("X-Forwarded-For", "10.1.2.3")]
    assert [get(exempting.port, "/", behind, source="127.0.0.8").status for _ in range(10)] == [200] * 10
    assert [get(exempting.port, "/", behind, source="127.0.0.7").status for _ in range(5)] == [200] * 3 + [429] * 2, "who says so himself"
    outside = [("X-Forwarded-For", "203.0.113.1")]
    assert [get(exempting.port, "/", outside, source="127.0.0.8").status for _ in range(5)] == [200] * 3 + [429] * 2


def test_exempt_users(exempting, club):
    assert statuses(exempting, "/members", club.member("monitor"), 10) == [200] * 10
    assert admitted(exempting, "/members", club.member("alice")) == 3
    assert admitted(exempting, "/members", club.member("monitor2")) == 3


def test_a_limit_on_trial_counts_what_it_would_refuse(gateway, backend):
    limits = {"trial": {"key": "address", "tokens": 2, "refill": NEVER, "report_only": True},
              "limit": {"key": "address", "tokens": 5, "refill": NEVER}}
    instance = gateway(open_routes(backend().url, limits, {"/": ["trial", "limit"]}))
    assert statuses(instance, "/", count=7) == [200] * 5 + [429] * 2
    response = instance.get("/")
    assert set(parse_items(response.get("RateLimit"))) == {"limit"}, "clients do not see a trial"
    assert set(parse_items(response.get("RateLimit-Policy"))) == {"limit"}


def test_a_limit_on_trial_that_becomes_one_goes_on_with_what_it_counted(gateway, backend):
    trial = {"key": "address", "tokens": 4, "refill": NEVER, "report_only": True}
    config = open_routes(backend().url, {"limit": trial}, {"/trial": ["limit"]})
    instance = gateway(config)
    assert statuses(instance, "/trial", count=3) == [200] * 3
    del config["rate_limits"]["limit"]["report_only"]
    config["routes"].append({"path": "/new", "service": "backend", "public": True})
    instance.reload(config)
    eventually(lambda: instance.get("/new").status == 200, "the reload")
    assert admitted(instance, "/trial") == 1


def test_upgrades_are_counted_like_other_requests(gateway, backend):
    config = configs.public(backend().url, {"limits": ["limit"], "upgrade": ["websocket"]},
                            rate_limits={"limit": {"key": "address", "tokens": 1, "refill": NEVER}})
    instance = gateway(config)
    assert instance.get("/").status == 200
    handshake = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
                 ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")]
    expect_problem(instance.get("/", handshake), "rate_limited")
