"""Who pays more may more: sizes by plan, role and claim."""

import pytest

from harness.limits import NEVER, Club, admitted, parse_items, statuses
from harness.wait import eventually

PLANS = {"pro": {"tokens": 6, "refill": NEVER}, "free": {"tokens": 2, "refill": NEVER}, "enterprise": "unlimited", "*": "4/d"}


@pytest.fixture(name="club")
def _club(backend, issuer, tmp_path):
    return Club(backend, issuer, tmp_path)


def start(gateway, club, by, cases, key="user", **more):
    routes = {"/": ["limit"], "/open": {"public": True, "limits": ["limit"]}}
    club.gateway = gateway(club.config({"limit": {"key": key, "by": by, "cases": cases, **more}}, routes))
    return club.gateway


def test_by_plan(gateway, club):
    instance = start(gateway, club, "plan", PLANS)
    assert admitted(instance, "/", club.member("payer", plan="pro")) == 6
    assert admitted(instance, "/", club.member("taster", plan="free")) == 2
    assert admitted(instance, "/", club.member("loner", tenant="", plan="")) == 4, "of no tenant"
    assert statuses(instance, "/", club.member("giant", plan="enterprise"), 30) == [200] * 30
    assert admitted(instance, "/open") == 4, "nobody has no plan"


def test_a_rate_alone_is_a_bucket_of_that_many(gateway, club):
    instance = start(gateway, club, "plan", {"pro": "1000/min", "*": "4/d"})
    response = instance.get("/", club.member("alice"))
    assert parse_items(response.get("RateLimit-Policy")) == {"limit": {"q": 1000, "w": 60}}
    response = instance.get("/", club.member("bob", plan="free"))
    assert parse_items(response.get("RateLimit-Policy")) == {"limit": {"q": 4, "w": 86400}}


def test_by_role_the_first_case_counts(gateway, club):
    cases = {"trainer": {"tokens": 6, "refill": NEVER}, "viewer": {"tokens": 2, "refill": NEVER}, "*": "4/d"}
    instance = start(gateway, club, "role", cases)
    assert admitted(instance, "/", club.member("a", roles=["viewer", "trainer"])) == 6
    assert admitted(instance, "/", club.member("b", roles=["viewer"])) == 2
    assert admitted(instance, "/", club.member("c", roles=["other", "viewer"])) == 2
    assert admitted(instance, "/", club.member("d", roles=[])) == 4


def test_by_claim(gateway, club):
    instance = start(gateway, club, {"claim": "subscription.tier"}, {"gold": {"tokens": 6, "refill": NEVER}, "*": "2/d"})
    assert admitted(instance, "/", club.member("a", subscription={"tier": "gold"})) == 6
    assert admitted(instance, "/", club.member("b", subscription={"tier": ["trial", "gold"]})) == 6, "any element of a list"
    for number, odd in enumerate(("silver", "Gold", "gold,x", "gold\x1fx", "gold ", ["golden"], {"gold": 1}, 7, True, None, "", "*")):
        assert admitted(instance, "/", club.member(f"odd{number}", subscription={"tier": odd})) == 2, odd
    assert admitted(instance, "/open") == 2


def test_each_case_has_buckets_of_its_own(gateway, club):
    """A change of the plan is in force at once, and changes back to what was left."""
    instance = start(gateway, club, "plan", PLANS)
    alice = club.member("alice", plan="free")
    assert admitted(instance, "/", alice) == 2
    club.ums.wait_feed()
    club.ums.change("alice", permissions=["*:*"], plan="pro")
    eventually(lambda: instance.get("/", alice).status == 200, "the new plan")
    assert admitted(instance, "/", alice) == 5
    club.ums.change("alice", permissions=["*:*"], plan="free")
    eventually(lambda: '"limit";q=2' in instance.get("/", alice).get("RateLimit-Policy"), "the old plan")
    assert admitted(instance, "/", alice) == 0


def test_tenants_of_a_plan_share_what_their_users_take(gateway, club):
    instance = start(gateway, club, "plan", PLANS, key="tenant")
    alice, bob = (club.member(name, tenant="acme") for name in ("alice", "bob"))
    assert statuses(instance, "/", alice, 4) == [200] * 4 and admitted(instance, "/", bob) == 2
    # Of another plan in the same tenant: another bucket.
    assert admitted(instance, "/", club.member("carol", tenant="acme", plan="free")) == 2


def test_an_unlimited_case_says_nothing_and_counts_nothing(gateway, club):
    instance = start(gateway, club, "plan", PLANS)
    response = instance.get("/", club.member("giant", plan="enterprise"))
    assert response.status == 200 and not response.has("RateLimit") and not response.has("RateLimit-Policy")
