"""What docs/identity.md says of outages and of revocation, where no row of docs/security.md has it."""

import pytest

from harness import configs, http1
from harness.key_sets import KeyServer
from harness.problems import expect_problem
from harness.prometheus import parse
from harness.tokens import Key, bearer
from harness.ums import FakeUms
from harness.wait import eventually


def metrics(instance):
    return parse(instance.admin("/metrics").body.decode())


class BrokenFeed(FakeUms):
    """Answers look-ups as always, and the changes feed with `feed_answer` while there is one."""

    feed_answer = None

    def _feed(self, query):
        return self.feed_answer or super()._feed(query)


@pytest.fixture(name="ums")
def _ums(backend):
    return backend.keep(BrokenFeed())


@pytest.fixture(name="instance")
def _instance(gateway, backend, issuer, jwks, ums, tmp_path):
    section = {**ums.write_token(tmp_path), "fresh_for": "1s"}
    routes = [{"path": "/", "service": "backend", "require": "models:read"}]
    return gateway(configs.base({"backend": backend().url}, routes, authentication=configs.authentication(issuer, jwks),
                                authorization={"user_management": section}))


def test_without_the_feed_changes_count_after_fresh_for(instance, ums, issuer):
    alice = bearer(issuer.mint("alice"))
    ums.add("alice", ["models:read"])
    ums.wait_feed()
    assert metrics(instance).sum("lotagate_changes_feed_connected") == 1
    ums.feed_answer = http1.response_text(500, [], b"")
    ums.drop_connections()
    instance.wait_stderr("changes feed: .*; trying again")
    eventually(lambda: metrics(instance).sum("lotagate_changes_feed_connected") == 0, "the feed being missed")
    assert instance.get("/", alice).status == 200
    ums.change("alice", permissions=[])
    eventually(lambda: instance.get("/", alice).status == 403, "the change being noticed")
    # What changes meanwhile is not lost: the feed goes on from where it was.
    ums.change("alice", permissions=["models:read"])
    ums.feed_answer = None
    instance.wait_stderr("changes feed: connected again")
    eventually(lambda: instance.get("/", alice).status == 200, "the change being noticed")


def test_a_service_that_is_not_the_right_one_ends_everything_known(instance, ums, issuer):
    """A page of another server, for look-ups and for the feed: nothing that is known serves on, though it is not old."""
    alice, page = bearer(issuer.mint("alice")), http1.response_text(200, [("Content-Type", "text/html")], b"<html>It works!</html>")
    ums.add("alice", ["models:read"])
    ums.wait_feed()
    assert instance.get("/", alice).status == 200
    ums.raw_answer = ums.feed_answer = page
    ums.set_mode("raw")
    ums.drop_connections()
    instance.wait_stderr("changes feed: not understood: json_malformed")
    expect_problem(instance.get("/", alice), "authorization_unavailable")
    ums.feed_answer = None
    ums.set_mode("ok")
    eventually(lambda: instance.get("/", alice).status == 200, "the return")


def test_a_stolen_key_ends_with_the_first_token_of_the_next_one(gateway, backend):
    keys = backend.keep(KeyServer("stolen"))
    routes = [{"path": "/", "service": "backend"}]
    instance = gateway(configs.base({"backend": backend().url}, routes, authentication={"issuers": [keys.section()]}))
    stolen = bearer(keys.issuer.mint())
    assert instance.get("/", stolen).status == 200
    keys.issuer.signing = [Key("EdDSA", "next")]
    assert instance.get("/", stolen).status == 200
    eventually(lambda: instance.get("/", bearer(keys.issuer.mint())).status == 200, "the next key being fetched")
    expect_problem(instance.get("/", stolen), "invalid_token")


def test_a_session_can_be_ended_and_a_single_token_cannot(instance, ums, issuer):
    ums.add("alice", ["models:read"])
    ums.wait_feed()
    one, two = (bearer(issuer.mint("alice", sid="one", jti=jti)) for jti in ("a", "b"))
    other, none = bearer(issuer.mint("alice", sid="two", jti="a")), bearer(issuer.mint("alice", jti="a"))
    for token in (one, two, other, none):
        assert instance.get("/", token).status == 200
    ums.change("alice", permissions=["models:read"], revoked_sessions=["one", "a"])
    eventually(lambda: instance.get("/", one).status == 401, "the session being ended")
    expect_problem(instance.get("/", two), "invalid_token")
    for token in (other, none):
        assert instance.get("/", token).status == 200
