"""What a caller may do: as the User Management Service says, and closed when it says nothing."""

import json

import pytest

from harness import configs, http1
from harness.problems import expect_problem
from harness.tokens import bearer
from harness.wait import eventually

REQUIRE = {"GET": "models:read", "*": "models:write"}


@pytest.fixture(name="server")
def _server(backend):
    return backend()


@pytest.fixture(name="start")
def _start(gateway, server, issuer, jwks, ums, tmp_path):
    """start(workers, **user_management): a gateway whose users are those of `ums`."""

    def start(workers=1, **user_management):
        routes = [
            {"path": "/models", "service": "backend", "require": REQUIRE},
            {"path": "/any", "service": "backend"},
            {"path": "/public", "service": "backend", "public": True},
        ]
        section = {**ums.write_token(tmp_path), **user_management}
        config = configs.base(
            {"backend": server.url}, routes, authentication=configs.authentication(issuer, jwks),
            authorization={"user_management": section})
        instance = gateway({**config, "workers": workers})
        if ums.mode not in ("error", "drop"):
            ums.wait_feed()
        return instance

    return start


@pytest.fixture(name="alice")
def _alice(issuer):
    return bearer(issuer.mint("alice"))


def test_allowed(start, server, ums, alice):
    ums.add("alice", ["models:read"], roles=["viewer", "trainer"], tenant="acme")
    assert start().get("/models/7", alice).status == 200
    request = server.requests[0]
    assert request.get("X-Auth-Subject") == "alice" and request.get("X-Auth-Tenant") == "acme"
    assert request.tokens("X-Auth-Roles") == ["viewer", "trainer"]
    assert ums.wrong_tokens == 0 and ums.lookups == {"alice": 1}


def test_identity_fields_are_set_even_when_empty_ones_would_be_spoofed(start, server, ums, alice):
    ums.add("alice", ["models:read"], roles=[])
    response = start().get("/models", alice + [("X-Auth-Roles", "admin"), ("X-Auth-Tenant", "evil"), ("x_auth_subject", "root")])
    assert response.status == 200
    received = bytes(server.connections[0].received)
    assert b"admin" not in received and b"evil" not in received and b"root" not in received


def test_methods_need_what_they_name(start, ums, alice):
    ums.add("alice", ["models:read"])
    with start().client() as client:
        assert client.get("/models", alice).status == 200
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            expect_problem(client.request(method, "/models", alice), "forbidden")


@pytest.mark.parametrize("permissions,allowed", [
    (["models:*"], True), (["*:read"], True), (["*:*"], True), (["models:read"], True), ([], False),
    (["models:reader"], False), (["model:read"], False), (["users:*"], False), (["models:rea"], False), (["Models:Read"], False),
])
def test_wildcards_match_whole_parts(start, ums, server, alice, permissions, allowed):
    ums.add("alice", permissions)
    response = start().get("/models", alice)
    if allowed:
        assert response.status == 200
    else:
        expect_problem(response, "forbidden")
    assert bool(server.requests) == allowed


def test_unknown_user(start, server, alice):
    expect_problem(start().get("/models", alice), "forbidden")
    assert not server.requests


def test_disabled_user(start, server, ums, alice):
    ums.add("alice", ["*:*"], disabled=True)
    expect_problem(start().get("/models", alice), "forbidden")
    assert not server.requests


def test_a_route_that_requires_nothing_takes_any_valid_token(start, ums, alice):
    ums.add("alice", [])
    instance = start()
    assert instance.get("/any", alice).status == 200
    expect_problem(instance.get("/any"), "missing_token")


def test_a_token_is_checked_before_anybody_is_looked_up(start, ums):
    expect_problem(start().get("/models", bearer("not.a.token")), "invalid_token")
    assert not ums.lookups


@pytest.mark.parametrize("mode", ["drop", "error"])
def test_service_down_and_nothing_stored(start, server, ums, alice, mode):
    ums.add("alice", ["models:read"])
    ums.set_mode(mode)
    instance = start()
    response = instance.get("/models", alice)
    expect_problem(response, "authorization_unavailable")
    assert not server.requests
    assert instance.get("/public").status == 200
    ums.set_mode("ok")
    eventually(lambda: instance.get("/models", alice).status == 200, "recovery of the look-ups")


def test_service_that_does_not_answer(start, server, ums, alice):
    ums.set_mode("hold")
    instance = start(timeout="300ms")
    expect_problem(instance.get("/models", alice), "authorization_unavailable")
    assert instance.get("/public").status == 200 and len(server.requests) == 1


def answer(**changes):
    """A look-up's answer that would allow everything, with changes; a change to None leaves the member out."""
    members = {"subject": "alice", "tenant": "t", "plan": "pro", "roles": [], "permissions": ["*:*"], "revision": 1, "disabled": False}
    return json.dumps({name: value for name, value in {**members, **changes}.items() if value is not None}).encode()


NOT_UNDERSTOOD = {
    "empty": b"", "not JSON": b"not json", "empty object": b"{}", "list": b"[]", "null": b"null", "not UTF-8": b"\xff\xfe",
    "cut": answer()[:-1], "another subject": answer(subject="bob"), "permissions as text": answer(permissions="*:*"),
    "permissions of numbers": answer(permissions=[1]), "no permissions": answer(permissions=None), "no disabled": answer(disabled=None),
    "disabled as text": answer(disabled="no"), "a role that splits fields": answer(roles=["a\r\nX-Evil: 1"]), "huge": b" " * 2_000_000,
}


def test_the_answer_that_the_next_ones_spoil_allows(start, ums, alice):
    ums.raw_body = answer()
    ums.set_mode("raw")
    assert start().get("/models", alice).status == 200


@pytest.mark.parametrize("body", NOT_UNDERSTOOD.values(), ids=list(NOT_UNDERSTOOD))
def test_an_answer_that_is_not_understood_denies(start, server, ums, alice, body):
    ums.raw_body = body
    ums.set_mode("raw")
    instance = start()
    expect_problem(instance.get("/models", alice), "authorization_unavailable", "forbidden")
    assert not server.requests
    assert instance.get("/public").status == 200


def test_what_is_fresh_is_not_asked_for_again(start, ums, alice):
    ums.add("alice", ["models:read"])
    with start(fresh_for="1h").client() as client:
        for _ in range(50):
            assert client.get("/models", alice).status == 200
    assert ums.lookups == {"alice": 1}


def test_what_is_stale_is_used_while_the_service_is_down(start, ums, alice):
    ums.add("alice", ["models:read"])
    instance = start(fresh_for="100ms", stale_for="10m")
    assert instance.get("/models", alice).status == 200
    ums.set_mode("drop")
    seen = ums.attempts

    def refreshed_in_vain():
        assert instance.get("/models", alice).status == 200
        return ums.attempts > seen + 2

    eventually(refreshed_in_vain, "refreshes that fail")
    assert instance.get("/models", alice).status == 200


def test_what_is_too_old_is_not_used(start, ums, alice):
    ums.add("alice", ["models:read"])
    instance = start(fresh_for="100ms", stale_for="500ms")
    assert instance.get("/models", alice).status == 200
    ums.set_mode("error")

    def refused():
        response = instance.get("/models", alice)
        return response.status != 200 and response

    expect_problem(eventually(refused, "the end of the stale time"), "authorization_unavailable")


@pytest.mark.parametrize("workers", [1, 2])
def test_concurrent_first_requests_cause_one_lookup(start, ums, issuer, workers):
    ums.add("alice", ["models:read"])
    ums.set_mode("hold")
    instance = start(workers, timeout="10s")
    clients = [instance.client() for _ in range(100)]
    try:
        for client in clients:
            client.send(http1.request_text("GET", "/models", bearer(issuer.mint("alice", "EdDSA"))))
        ums.wait_for(lambda u: u.lookups, "the look-up")
        ums.release()
        for client in clients:
            assert client.response().status == 200
    finally:
        for client in clients:
            client.close()
    assert ums.lookups == {"alice": 1}


def test_a_client_that_leaves_during_the_lookup_harms_nobody(start, ums, alice):
    ums.add("alice", ["models:read"])
    ums.set_mode("hold")
    instance = start(timeout="10s")
    leaving, staying = instance.client(), instance.client()
    with staying:
        for client in (leaving, staying):
            client.send(http1.request_text("GET", "/models", alice))
        ums.wait_for(lambda u: u.lookups, "the look-up")
        leaving.reset()
        ums.release()
        assert staying.response().status == 200


@pytest.mark.parametrize("change", [{"permissions": []}, {"permissions": ["models:read"], "disabled": True}])
def test_a_revoked_role_stops_working(start, ums, alice, change):
    """By the changes feed, long before what is stored would be stale."""
    ums.add("alice", ["models:read"])
    instance = start(fresh_for="1h")
    assert instance.get("/models", alice).status == 200
    ums.change("alice", **change)

    def refused():
        response = instance.get("/models", alice)
        return response.status != 200 and response

    expect_problem(eventually(refused, "the revocation"), "forbidden")


def test_a_granted_role_starts_to_work(start, ums, alice):
    ums.add("alice", [])
    instance = start(fresh_for="1h")
    expect_problem(instance.get("/models", alice), "forbidden")
    ums.change("alice", permissions=["models:read"])
    eventually(lambda: instance.get("/models", alice).status == 200, "the grant")


@pytest.mark.parametrize("subject", ["user/../admin", "a b", "ü", "x?y=1", "a%2fb", "x" * 200])
def test_odd_subjects_are_looked_up_as_one_path_segment(start, ums, issuer, subject):
    """What a token calls its subject never changes which page of the service is asked."""
    ums.add(subject, ["models:read"])
    response = start().get("/models", bearer(issuer.mint(subject)))
    if response.status == 200:
        assert list(ums.lookups) == [subject]
    else:
        assert response.status in (401, 403, 503)
        assert not ums.lookups or list(ums.lookups) == [subject]


def test_many_users(start, ums, issuer):
    instance = start(2)
    for i in range(50):
        ums.add(f"user-{i}", ["models:read"] if i % 2 else [])
    with instance.client() as client:
        for i in range(50):
            response = client.get("/models", bearer(issuer.mint(f"user-{i}", "EdDSA")))
            assert response.status == (200 if i % 2 else 403)
