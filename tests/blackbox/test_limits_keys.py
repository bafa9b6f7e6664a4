"""Who shares a bucket: every part a key can have, what stands in for it, and that nobody chooses his own."""

import pytest

from harness import configs
from harness.client import get
from harness.limits import NEVER, Club, admitted, open_routes, statuses
from harness.tokens import bearer


@pytest.fixture(name="club")
def _club(backend, issuer, tmp_path):
    return Club(backend, issuer, tmp_path)


@pytest.fixture(name="start")
def _start(gateway, club):
    """start(key, **limit): / under one limit of 5 with this key, /other too, /open without tokens, /free without it."""

    def start(key, trusted=(), **limit):
        limits = {"limit": {"key": key, "tokens": 5, "refill": NEVER, **limit}}
        config = club.config(limits, {
            "/": ["limit"], "/other": ["limit"], "/open": {"public": True, "limits": ["limit"]}, "/free": {"public": True}})
        if trusted:
            config["listeners"][0]["trusted_proxies"] = list(trusted)
        club.gateway = gateway(config)
        return club.gateway

    return start


def test_a_user_whatever_the_token(start, club):
    instance = start("user")
    alice = club.member("alice")
    assert statuses(instance, "/", alice, 3) == [200] * 3
    assert admitted(instance, "/", club.member("alice", algorithm="EdDSA", jti="another")) == 2
    assert admitted(instance, "/", club.member("bob")) == 5


def test_a_users_api_keys_are_the_user_unless_the_key_says_so(start, club):
    instance = start("user")
    assert statuses(instance, "/", club.member("alice"), 3) == [200] * 3
    assert admitted(instance, "/", club.key_of("alice", "lgk_one-" + "a" * 40)) == 2


def test_each_api_key_by_itself(start, club):
    instance = start("api_key")
    alice = club.member("alice")
    one, two = (club.key_of("alice", "lgk_" + letter * 43) for letter in "ab")
    assert admitted(instance, "/", one) == 5 and admitted(instance, "/", two) == 5
    assert admitted(instance, "/", alice) == 5, "no API key: the user"
    assert admitted(instance, "/open") == 5, "nobody: the address"


def test_all_users_of_a_tenant(start, club):
    instance = start("tenant")
    alice, bob, carol = club.member("alice", "acme"), club.member("bob", "acme"), club.member("carol", "other")
    assert statuses(instance, "/", alice, 3) == [200] * 3 and admitted(instance, "/", bob) == 2
    assert admitted(instance, "/", carol) == 5
    assert admitted(instance, "/open") == 5, "nobody: the address"


@pytest.mark.parametrize("claim,one,two", [
    ("org", {"org": "a"}, {"org": "b"}), ("org.id", {"org": {"id": "a"}}, {"org": {"id": "b"}}),
    ("https://example.com/org", {"https://example.com/org": "a"}, {"https://example.com/org": "b"}),
], ids=["top", "nested", "namespaced"])
def test_a_claim(start, club, claim, one, two):
    instance = start({"claim": claim})
    assert statuses(instance, "/", club.member("alice", **one), 3) == [200] * 3
    assert admitted(instance, "/", club.member("bob", **one)) == 2
    assert admitted(instance, "/", club.member("carol", **two)) == 5
    assert admitted(instance, "/", club.member("dave")) == 5, "no such claim: the user"
    assert admitted(instance, "/", club.member("erin")) == 5


def test_the_route_and_the_service(start, club):
    instance = start(["user", "route"])
    alice = club.member("alice")
    assert admitted(instance, "/", alice) == 5 and admitted(instance, "/other", alice) == 5
    assert admitted(instance, "/", club.member("bob")) == 5


def test_a_route_alone_is_one_bucket_for_everybody(start, club):
    instance = start("route")
    assert statuses(instance, "/", club.member("alice"), 3) == [200] * 3
    assert admitted(instance, "/", club.member("bob")) == 2
    assert admitted(instance, "/other", club.member("bob")) == 5


def test_a_service_is_one_bucket_for_all_its_routes(gateway, backend):
    url = backend().url
    entry = {"public": True, "limits": ["limit"]}
    instance = gateway(configs.base(
        {"one": url, "two": url}, [{"path": "/a", "service": "one", **entry}, {"path": "/b", "service": "one", **entry},
                                   {"path": "/c", "service": "two", **entry}],
        rate_limits={"limit": {"key": "service", "tokens": 5, "refill": NEVER}}))
    assert statuses(instance, "/a", count=3) == [200] * 3
    assert (admitted(instance, "/b"), admitted(instance, "/c")) == (2, 5)


def test_parts_together_are_one_bucket_for_each_combination(start, club):
    instance = start(["tenant", {"claim": "project"}])
    one, two = club.member("alice", "acme", project="x"), club.member("bob", "acme", project="y")
    assert admitted(instance, "/", one) == 5 and admitted(instance, "/", two) == 5
    assert admitted(instance, "/", club.member("carol", "acme", project="x")) == 0
    assert admitted(instance, "/", club.member("dave", "other", project="x")) == 5


def test_parts_do_not_run_into_each_other(start, club):
    """Two parts that make the same text when put side by side are two keys."""
    instance = start([{"claim": "a"}, {"claim": "b"}])
    pairs = [("x", "yz"), ("xy", "z"), ("xyz", ""), ("x/y", "z"), ("x", "/yz"), ("x\x1fy", "z")]
    for number, (one, two) in enumerate(pairs):
        assert admitted(instance, "/", club.member(f"user{number}", a=one, b=two)) == 5, (one, two)


def test_what_stands_in_is_not_taken_for_the_part(start, club):
    """A user who is called as an address is, a tenant as a user, a claim as a user."""
    instance = start("user")
    assert admitted(instance, "/open") == 5
    assert admitted(instance, "/", club.member("127.0.0.1")) == 5


def test_a_claim_that_is_somebody_elses_name(start, club):
    instance = start({"claim": "org"})
    assert admitted(instance, "/", club.member("alice")) == 5
    assert admitted(instance, "/", club.member("mallory", org="alice")) == 5


@pytest.mark.parametrize("odd", [7, True, None, [], ["a"], {"id": "a"}, "", "x" * 5000])
def test_odd_claims_never_leave_anybody_without_a_limit(start, club, odd):
    instance = start({"claim": "org"})
    assert admitted(instance, "/", bearer(club.issuer.mint("alice", org=odd)) if club.member("alice") else []) == 5


def test_addresses(start):
    instance = start("address")
    for source in ("127.0.0.2", "127.0.0.3"):
        assert [get(instance.port, "/open", source=source).status for _ in range(7)] == [200] * 5 + [429] * 2


@pytest.mark.parametrize("one,same,other", [
    ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:2::1"), ("203.0.113.1", "::ffff:203.0.113.1", "203.0.113.2"),
], ids=["/64", "mapped"])
def test_ipv6_addresses_count_by_what_a_subscriber_has(start, one, same, other):
    instance = start("address", trusted=["127.0.0.1"])
    assert statuses(instance, "/open", [("X-Forwarded-For", one)], 3) == [200] * 3
    assert admitted(instance, "/open", [("X-Forwarded-For", same)]) == 2
    assert admitted(instance, "/open", [("X-Forwarded-For", other)]) == 5


# R08 and I04: what a client writes is no key.


@pytest.mark.parametrize("key", [{"header": "X-Team"}, ["address", {"header": "X-Team"}]])
def test_R08_a_field_of_a_client_makes_no_bucket(start, key):
    instance = start(key)
    fields = [[("X-Team", f"team{number}")] for number in range(8)]
    assert [instance.get("/open", field).status for field in fields] == [200] * 5 + [429] * 3


def test_R08_a_field_counts_from_trusted_proxies(start):
    instance = start({"header": "X-Team"}, trusted=["127.0.0.2"])
    for team in ("red", "blue"):
        answers = [get(instance.port, "/open", [("X-Team", team)], source="127.0.0.2").status for _ in range(7)]
        assert answers == [200] * 5 + [429] * 2
    direct = [get(instance.port, "/open", [("X-Team", f"new{number}")], source="127.0.0.3").status for number in range(7)]
    assert direct == [200] * 5 + [429] * 2, "from anybody else it is not there"


def test_R08_without_the_field_a_trusted_proxys_client_has_his_own_bucket(start):
    instance = start({"header": "X-Team"}, trusted=["127.0.0.1"])
    for client in ("203.0.113.1", "203.0.113.2"):
        assert admitted(instance, "/open", [("X-Forwarded-For", client)]) == 5


@pytest.mark.parametrize("value", ["", " ", ","])
def test_R08_an_empty_field_is_none(start, value):
    instance = start({"header": "X-Team"}, trusted=["127.0.0.1"])
    assert statuses(instance, "/open", [("X-Team", value)], 3) == [200] * 3
    assert admitted(instance, "/open") in (2, 5)


def test_R08_a_field_that_came_twice_is_none(start):
    """A client's own beside the proxy's: neither is believed."""
    instance = start({"header": "X-Team"}, trusted=["127.0.0.1"])
    assert admitted(instance, "/open", [("X-Team", "red")]) == 5
    assert admitted(instance, "/open", [("X-Team", "red"), ("X-Team", "blue")]) == 5, "the address"
    assert admitted(instance, "/open", [("X-Team", "green"), ("X-Team", "blue")]) == 0, "the same"


def test_R08_a_field_from_anyone_only_where_it_is_written(start):
    instance = start({"header": "X-Team", "from": "anyone"})
    assert [admitted(instance, "/open", [("X-Team", team)]) for team in ("red", "blue")] == [5, 5]


def test_R08_forwarding_fields_of_a_client_change_nothing(start):
    instance = start("address")
    fields = [[("X-Forwarded-For", f"203.0.113.{number}"), ("Forwarded", f"for=203.0.113.{number}"), ("X-Real-IP", f"203.0.113.{number}"),
               ("True-Client-IP", f"203.0.113.{number}")] for number in range(8)]
    assert [instance.get("/open", field).status for field in fields] == [200] * 5 + [429] * 3


def test_R08_identity_fields_of_a_client_change_nothing(start):
    instance = start("user")
    fields = [[("X-Auth-Subject", f"user{number}"), ("X-Auth-Tenant", f"t{number}"), ("X-API-Key", f"lgk_{number:043}")]
              for number in range(8)]
    assert [instance.get("/open", field).status for field in fields] == [200] * 5 + [429] * 3


def test_R08_tokens_on_public_routes_are_not_looked_at(start, club):
    instance = start("user")
    fields = [bearer(club.issuer.mint(f"user{number}")) for number in range(8)]
    assert [instance.get("/open", field).status for field in fields] == [200] * 5 + [429] * 3
