"""What operators see of rate limits: counters by policy, the heaviest keys in /status, the store. And what they do not
see: whose bucket it is, unless the policy says `show_keys`."""

import re

import pytest

from harness import configs, prometheus
from harness.client import RawClient, get
from harness.tokens import bearer
from harness.wait import eventually

_HIDDEN = re.compile(r"[a-z_]+(\+[a-z_]+)*:[0-9a-f]{16}")
_LARGE = {"tokens": 100000, "refill": "100000/s"}

# One take in 16 is looked at: of 1,600, some 100, and the odds of fewer than 60 are below 1e-5.
_MANY, _SEEN_AT_LEAST = 1600, 60 * 16


@pytest.fixture(name="protected")
def _protected(backend, issuer, jwks):
    """Factory: a configuration of one protected route on which all of `limits` hold."""

    def make(limits, **more):
        config = configs.public(backend().url, {"limits": list(limits)}, rate_limits=limits, **more)
        config["routes"][0].pop("public")
        config["authentication"] = configs.authentication(issuer, jwks)
        return config

    return make


def status_of(instance):
    return instance.admin("/status").json()["rate_limits"]


def policy_of(instance, name, case=None):
    found = [policy for policy in status_of(instance)["policies"]
             if policy["name"] == name and policy.get("case") == case]
    assert len(found) == 1
    return found[0]


def metric(instance, name, **labels):
    return prometheus.parse(instance.admin("/metrics").body.decode()).sum(name, **labels)


def ask(instance, count, fields=(), source=None):
    with RawClient(instance.port, source=source) as client:
        return [client.get("/", fields).status for _ in range(count)]


def test_the_heaviest_user_comes_first_and_is_not_named(gateway, protected, issuer):
    instance = gateway(protected({"per_user": {"key": "user", **_LARGE},
                                  "per_both": {"key": ["user", "route"], **_LARGE}}))
    assert set(ask(instance, _MANY, bearer(issuer.mint("alice-the-heavy")))) == {200}
    for number in range(30):
        ask(instance, 4, bearer(issuer.mint(f"light-{number}")))
    for name, kinds in (("per_user", "user"), ("per_both", "user+route")):
        heaviest = policy_of(instance, name)["heaviest"]
        assert 1 <= len(heaviest) <= 10
        assert all(_HIDDEN.fullmatch(entry["key"]) and entry["key"].startswith(kinds + ":") for entry in heaviest)
        assert len({entry["key"] for entry in heaviest}) == len(heaviest)
        assert [entry["takes"] for entry in heaviest] == sorted((e["takes"] for e in heaviest), reverse=True)
        assert heaviest[0]["takes"] >= _SEEN_AT_LEAST > heaviest[-1]["takes"] or len(heaviest) == 1
        assert heaviest[0]["refused"] == 0
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", heaviest[0]["since"])


def test_keys_in_clear_where_the_policy_says_so(gateway, protected, issuer):
    instance = gateway(protected({
        "per_user": {"key": "user", "show_keys": True, **_LARGE},
        "per_both": {"key": ["address", "route"], "show_keys": True, **_LARGE},
        "per_team": {"key": {"claim": "team"}, "show_keys": True, **_LARGE},
        "hidden": {"key": "user", **_LARGE}}))
    team = 'a"b\\<c>\u00e9'
    assert set(ask(instance, _MANY, bearer(issuer.mint("alice", team=team)))) == {200}
    assert policy_of(instance, "per_user")["heaviest"][0]["key"] == "user:alice"
    assert policy_of(instance, "per_team")["heaviest"][0]["key"] == f"claim:{team}"
    assert policy_of(instance, "per_both")["heaviest"][0]["key"] == "address:127.0.0.1 route:/"
    assert _HIDDEN.fullmatch(policy_of(instance, "hidden")["heaviest"][0]["key"])


def test_refused_takes_are_told_apart(gateway, protected, issuer):
    instance = gateway(protected({"few": {"key": "user", "tokens": 2, "refill": "1/h"}}))
    statuses = ask(instance, _MANY, bearer(issuer.mint("alice")))
    assert statuses == [200] * 2 + [429] * (_MANY - 2)
    policy = policy_of(instance, "few")
    assert (policy["allowed"], policy["refused"], policy["would_refuse"]) == (2, _MANY - 2, 0)
    heaviest = policy["heaviest"][0]
    assert _SEEN_AT_LEAST <= heaviest["refused"] <= heaviest["takes"] <= heaviest["refused"] + 2 * 16


def test_no_subject_and_no_address_is_shown_by_default(gateway, protected, issuer):
    """R08: neither the user's name, nor the address that asks, nor a header's value."""
    instance = gateway(protected({
        "early": {"key": "address", "stage": "before_authentication", **_LARGE},
        "few": {"key": "user", "tokens": 5, "refill": "1/h"},
        "both": {"key": ["user", "address"], "report_only": True, "tokens": 5, "refill": "1/h"},
        "team": {"key": {"header": "x-team", "from": "anyone"}, **_LARGE}}))
    source = "127.0.0.77"
    ask(instance, _MANY, [*bearer(issuer.mint("subject-of-alice")), ("X-Team", "team-of-alice")], source=source)
    assert policy_of(instance, "early")["heaviest"] and policy_of(instance, "team")["heaviest"]
    pages = [instance.admin(page).body.decode() for page in ("/metrics", "/status")]
    pages.append("\n".join(instance.stderr))
    for page in pages:
        assert "of-alice" not in page and source not in page


def test_report_only_counts_what_it_would_refuse(gateway, protected, issuer):
    instance = gateway(protected({"trial": {"key": "user", "tokens": 3, "refill": "1/h", "report_only": True}}))
    assert ask(instance, 10, bearer(issuer.mint("alice"))) == [200] * 10
    policy = policy_of(instance, "trial")
    assert policy["report_only"] is True
    assert (policy["allowed"], policy["refused"], policy["would_refuse"]) == (3, 0, 7)
    assert metric(instance, "lotagate_rate_limit_requests_total", policy="trial", result="would_refuse") == 7
    assert metric(instance, "lotagate_rate_limit_requests_total", policy="trial", result="refused") == 0


def test_what_is_said_of_a_policy(gateway, protected):
    instance = gateway(protected({
        "per_team": {"key": "user", "by": {"claim": "team"},
                     "cases": {"pro": "1000/min", "staff": "unlimited", "*": "60/min"}},
        "early": {"key": "address", "tokens": 7, "refill": "14/s", "stage": "before_authentication"}}))
    pro, staff = policy_of(instance, "per_team", "pro"), policy_of(instance, "per_team", "staff")
    assert (pro["tokens"], pro["refilled_in_ms"], pro["unlimited"], pro["shared"]) == (1000, 60000, False, False)
    assert staff["unlimited"] is True and "tokens" not in staff
    early = policy_of(instance, "early")
    assert (early["tokens"], early["refilled_in_ms"], early["stage"]) == (7, 500, "before_authentication")
    assert pro["stage"] == "after_authentication"


def test_keys_and_evictions_move(gateway, protected, issuer):
    instance = gateway(protected({"team": {"key": {"header": "x-team", "from": "anyone"}, "tokens": 1, "refill": "1/h"}},
                                 rate_limit_table={"memory": "64KiB"}))  # 4,096 buckets
    fields = bearer(issuer.mint("alice"))

    def ask_for(teams):
        with RawClient(instance.port) as client:
            assert {client.get("/", [*fields, ("X-Team", f"team-{team}")]).status for team in teams} == {200}

    ask_for(range(50))
    assert metric(instance, "lotagate_rate_limit_keys", policy="team") == 50
    assert metric(instance, "lotagate_rate_limit_evictions_total", policy="team") == 0
    ask_for(range(50, 6000))
    keys, evictions = policy_of(instance, "team")["keys"], policy_of(instance, "team")["evictions"]
    assert keys <= 4096 and keys + evictions == 6000
    assert metric(instance, "lotagate_rate_limit_keys", policy="team") == keys
    assert metric(instance, "lotagate_rate_limit_evictions_total", policy="team") == evictions
    assert status_of(instance)["evictions"] == evictions


def test_without_a_store_nothing_is_said_of_one(gateway, protected):
    instance = gateway(protected({"per_user": {"key": "user", **_LARGE}}))
    assert "store" not in status_of(instance)
    assert "lotagate_limit_store" not in instance.admin("/metrics").body.decode()
    assert "store_away" not in instance.admin("/metrics").body.decode()


def test_the_store_is_seen_coming_and_going(gateway, protected, issuer, redis):
    server = redis()
    instance = gateway(protected({"everywhere": {"key": "user", "shared": True, **_LARGE},
                                  "here": {"key": "user", **_LARGE}},
                                 limit_store={"url": server.url, "timeout": "500ms"}))
    fields = bearer(issuer.mint("subject-of-alice"))
    eventually(lambda: status_of(instance)["store"]["connected"], "the store")
    before = metric(instance, "lotagate_limit_store_calls_total", result="ok")
    ask(instance, 5, fields)
    eventually(lambda: metric(instance, "lotagate_limit_store_keys") == 1, "the bucket")
    eventually(lambda: metric(instance, "lotagate_limit_store_calls_total", result="ok") > before, "a call")
    assert metric(instance, "lotagate_limit_store_connected") == 1
    assert metric(instance, "lotagate_limit_store_gateways") == 1
    assert metric(instance, "lotagate_limit_store_slots") >= 1000
    text = instance.admin("/metrics").body.decode()
    for name in ("tokens_held", "tokens_owed", "oldest_lease_seconds", "no_room_total", "evictions_total"):
        assert f"\nlotagate_limit_store_{name} " in text
    assert metric(instance, "lotagate_limit_store_round_trips_total") > 0
    assert metric(instance, "lotagate_limit_store_last_success_seconds") < 60
    assert metric(instance, "lotagate_limit_store_lost_total") == 0
    eventually(lambda: metric(instance, "lotagate_rate_limit_keys", policy="everywhere") == 1, "a look at the whole table")
    assert metric(instance, "lotagate_rate_limit_store_calls_total", policy="everywhere") > 0
    assert "\nlotagate_rate_limit_oldest_lease_seconds{policy=\"everywhere\"} " in text
    assert policy_of(instance, "everywhere")["store_calls"] > 0 and policy_of(instance, "everywhere")["oldest_lease_ms"] >= 0
    store = status_of(instance)["store"]
    assert (store["connected"], store["gateways"], store["keys"]) == (True, 1, 1)
    assert "store_away" in policy_of(instance, "everywhere") and "store_away" not in policy_of(instance, "here")

    server.kill()
    eventually(lambda: metric(instance, "lotagate_limit_store_connected") == 0, "the loss")
    assert metric(instance, "lotagate_limit_store_lost_total") == 1
    before = metric(instance, "lotagate_rate_limit_store_away_total", policy="everywhere")
    assert ask(instance, 10, fields) == [200] * 10
    assert metric(instance, "lotagate_rate_limit_store_away_total", policy="everywhere") == before + 10
    assert status_of(instance)["store"]["last_error"]
    assert "of-alice" not in instance.admin("/status").body.decode()

    server.restart()
    eventually(lambda: metric(instance, "lotagate_limit_store_connected") == 1, "the return")


def test_a_store_that_was_never_there(gateway, protected):
    instance = gateway(protected({"everywhere": {"key": "user", "shared": True, "tokens": 10, "refill": "1/h"}},
                                 limit_store="redis://127.0.0.1:9"))
    assert status_of(instance)["store"]["last_success_seconds"] is None
    assert "last_success" not in instance.admin("/metrics").body.decode()
    assert metric(instance, "lotagate_limit_store_connected") == 0
