"""What routes require, method by method: permissions, roles, scopes, owning what the path names, and trying rules out."""

import pytest
import yaml

from harness import configs, http1, prometheus
from harness.gateway import run_command
from harness.key_sets import SmallIssuer
from harness.problems import expect_problem
from harness.tokens import bearer
from harness.ums import FakeUms
from harness.wait import eventually

ROUTES = {
    "/all": {"require": {"*": {"all": ["models:read", "users:read"]}}},
    "/any": {"require": {"*": {"any": ["models:read", "users:read"]}}},
    "/roles": {"require": {"*": {"roles": ["chief", "trainer"]}}},
    "/scopes": {"require": {"*": {"scopes": ["openid", "models"]}}},
    "/everything": {"require": {"*": {"all": "models:read", "any": ["a:x", "b:y"], "roles": "chief", "scopes": "openid"}}},
    "/methods": {"require": {"GET": "models:read", "POST": "models:write", "DELETE": {"roles": "chief"}, "*": "models:admin"}},
    "/named": {"methods": ["GET", "POST"], "require": {"GET": "models:read", "POST": "models:write"}},
    "/free": {},
    "/users/{subject}": {},
    "/profiles/{subject}/card": {"require": {"GET": {"owner_or": "profiles:read"}, "*": {"owner_or": ["profiles:read", "profiles:write"]}}},
    "/strict/{subject}": {"require": {"GET": {"all": "models:read", "owner_or": "users:read"}, "*": "models:read"}},
    "/trial": {"report_only": True, "require": {"GET": "models:read", "*": {"roles": "chief"}}},
    "/trial-of/{subject}": {"report_only": True},
}


class Place:
    """The gateway of this file. Its tokens say what their users may; those of `known` are known to `ums` besides."""

    def __init__(self, start, backend, directory):
        self.issuer, self.known = SmallIssuer("https://users.test"), SmallIssuer("https://known.test")
        self.server, self.ums = backend(), backend.keep(FakeUms())
        sections = []
        for number, (issuer, known) in enumerate([(self.issuer, False), (self.known, True)]):
            folder = directory / str(number)
            folder.mkdir()
            sections.append({
                "issuer": issuer.name, "algorithms": ["EdDSA"], "jwks": issuer.write_jwks(folder), "subject_prefix": "",
                "user_management": known, "roles_claim": "roles", "permissions_claim": "permissions"})
        routes = [{"path": path, "service": "backend", **rule} for path, rule in ROUTES.items()]
        self.gateway = start(configs.base(
            {"backend": self.server.url}, [*routes, {"path": "/public", "service": "backend", "public": True}],
            authentication={"issuers": sections}, authorization={"user_management": self.ums.write_token(directory)}))
        self.ums.wait_feed()

    def ask(self, target, method="GET", subject="alice", **claims):
        with self.gateway.client() as client:
            return client.request(method, target, bearer(self.issuer.mint(subject, **claims)))

    def record_of(self, response):
        record, = self.gateway.wait_log(where=lambda line: line["request_id"] == response.get("X-Request-Id"))
        return record

    def expect(self, reason, target, method="GET", **options):
        """Allowed without a reason; otherwise forbidden for that one, and unheard by the service."""
        heard = len(self.server.requests)
        response = self.ask(target, method, **options)
        record = self.record_of(response)
        if reason is None:
            assert response.status == 200 and (record["policy"], record["reason"]) == ("allow", None)
        else:
            assert (response.status, record["code"], record["reason"], record["policy"]) == (403, "forbidden", reason, "deny")
        assert len(self.server.requests) == heard + (reason is None)

    def decisions(self, route):
        """{decision: count} of a route."""
        scrape = prometheus.parse(self.gateway.admin("/metrics").body.decode())
        return {labels["decision"]: value for labels, value in scrape.find("lotagate_policy_decisions_total", route=route)}


@pytest.fixture(name="place", scope="module")
def _place(module_gateway, module_backend, tmp_path_factory):
    return Place(module_gateway, module_backend, tmp_path_factory.mktemp("policy"))


# The parts of a rule.


@pytest.mark.parametrize("permissions,all_of,any_of", [
    (["models:read", "users:read"], True, True), (["*:read"], True, True), (["models:read"], False, True), (["users:*"], False, True),
    (["models:write", "users:write"], False, False), ([], False, False), (["models:read", "groups:read"], False, True),
])
def test_all_and_any(place, permissions, all_of, any_of):
    place.expect(None if all_of else "missing_permission", "/all", permissions=permissions)
    place.expect(None if any_of else "missing_permission", "/any", permissions=permissions)


@pytest.mark.parametrize("roles,allowed", [(["chief"], True), (["x", "trainer"], True), (["Chief"], False), (["chie"], False), ([], False)])
def test_roles(place, roles, allowed):
    place.expect(None if allowed else "missing_role", "/roles", roles=roles, permissions=["*:*"])


@pytest.mark.parametrize("scope,allowed", [("openid models", True), ("models x openid", True), ("openid", False), ("", False)])
def test_scopes(place, scope, allowed):
    place.expect(None if allowed else "missing_scope", "/scopes", scope=scope, permissions=["*:*"])


EVERYTHING = {"permissions": ["models:read", "b:y"], "roles": ["chief"], "scope": "openid"}


@pytest.mark.parametrize("change,reason", [
    ({}, None), ({"permissions": ["b:y"]}, "missing_permission"), ({"permissions": ["models:read"]}, "missing_permission"),
    ({"roles": ["trainer"]}, "missing_role"), ({"scope": "models"}, "missing_scope"),
])
def test_every_part_must_be_met(place, change, reason):
    place.expect(reason, "/everything", **{**EVERYTHING, **change})


# Methods.


@pytest.mark.parametrize("method,need", [
    ("GET", "models:read"), ("POST", "models:write"), ("HEAD", "models:admin"), ("OPTIONS", "models:admin"), ("PUT", "models:admin"),
    ("PATCH", "models:admin"), ("DELETE", None),
])
def test_each_method_needs_what_its_own_rule_says(place, method, need):
    """HEAD is not GET, and OPTIONS is no exception: both have the rule of all others."""
    missing = "missing_permission" if need else "missing_role"
    for permission in ("models:read", "models:write", "models:admin"):
        place.expect(None if permission == need else missing, "/methods", method, permissions=[permission])


def test_a_method_of_another_kind_of_rule(place):
    place.expect("missing_role", "/methods", "DELETE", permissions=["*:*"])
    place.expect(None, "/methods", "DELETE", roles=["chief"])


@pytest.mark.parametrize("method", ["PURGE", "get", "*"])
def test_a_method_that_nobody_knows_has_no_rule(place, method):
    for target in ("/methods", "/free", "/trial"):
        expect_problem(place.ask(target, method, permissions=["*:*"], roles=["chief"]), "not_implemented")


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "DELETE"])
def test_a_method_that_a_route_does_not_name_is_not_let_in(place, method):
    heard = len(place.server.requests)
    response = place.ask("/named", method, permissions=["*:*"])
    assert response.status == 405 and response.get("Allow") == "GET, POST" and len(place.server.requests) == heard
    assert place.record_of(response)["policy"] is None


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
def test_no_method_goes_without_a_caller(place, method):
    with place.gateway.client() as client:
        for target in ("/free", "/methods", "/trial", "/users/alice"):
            response = client.request(method, target)
            assert response.status == 401 and place.record_of(response)["reason"] == "no Authorization"


def test_questions_to_the_gateway_itself_reach_nobody(place):
    heard = len(place.server.requests)
    with place.gateway.client() as client:
        client.send(http1.request_text("OPTIONS", "*"))
        assert client.response().status == 204
        assert client.request("OPTIONS", "/methods", [("Max-Forwards", "0")]).status == 204
    assert len(place.server.requests) == heard


@pytest.mark.parametrize("route,told", [
    ({"require": {"GET": "a:b"}}, "every other method"), ({"methods": ["GET", "PUT"], "require": {"GET": "a:b"}}, "says nothing about PUT"),
    ({"require": {}}, "require"), ({"require": {"*": {}}}, "requires nothing"), ({"report_only": True}, "report_only"),
])
def test_a_rule_that_is_silent_about_methods_is_no_configuration(tmp_path, issuer, jwks, route, told):
    """So that nothing is open, and nothing shut, by omission."""
    config = configs.base({"backend": "http://127.0.0.1:9"}, [{"path": "/", "service": "backend", **route}],
                          authentication=configs.authentication(issuer, jwks))
    path = tmp_path / "gateway.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    checked = run_command("check", "-c", path)
    assert checked.returncode == 1 and told in checked.stderr


# Whose the path is.


@pytest.mark.parametrize("subject,target", [
    ("alice", "alice"), ("alice", "%61lice"), ("alice", "%61%6c%69%63%65"), ("alice", "alice/"), ("alice", "alice/photos/7"),
    ("alice", "bob/../alice"),
    ("alice", "./alice"), ("alice", "alice?subject=bob"), ("Alice", "Alice"), ("ALICE", "%41LICE"), ("100%", "100%25"),
    ("a+b", "a+b"), ("a+b", "a%2Bb"), ('a"b', "a%22b"), ("a|b", "a%7Cb"), ("a?b", "a%3Fb"), ("a#b", "a%23b"), ("a:b@c.test", "a:b@c.test"),
    ("a:b@c.test", "a%3Ab%40c.test"), ("~-._", "~-._"), ("~", "%7E"), ("*", "*"), ("{subject}", "%7Bsubject%7D"), ("x" * 256, "x" * 256),
])
def test_the_own_path(place, subject, target):
    place.expect(None, f"/users/{target}", subject=subject)


@pytest.mark.parametrize("subject,target", [
    ("alice", "bob"), ("alice", "alic"), ("alice", "alicex"), ("alice", "a"), ("alice", "Alice"), ("alice", "ALICE"),
    ("alice", "%41lice"), ("Alice", "alice"),
    ("alice", "alice%20"), ("alice", "%20alice"), ("alice", "alice."), ("alice", "alice%3B"), ("alice", "alice%3Fx"),
    ("alice", "alice,bob"), ("alice", "*"),
    ("alice", "%7Bsubject%7D"), ("alice", "alice/../bob"), ("alice", "%61lice/../bob"), ("alice", "bob/alice"),
    ("alice", "bob?subject=alice"),
    ("alice", "alice;x=1"), ("alice", "alice;"), ("alice", "alice/x;y=1"), ("a;b", "a;b"), ("a;b", "a%3Bb"), ("a;b", "a%3bb"), ("a", "a%3Bb"),
    ("alice", "alice/x%3By=1"), ("%61lice", "alice"),
    ("%61lice", "%61lice"), ("user/7", "user/7"),
    ("a+b", "a%20b"), ("al%69ce", "alice"), ("alice", "%C3%A0lice"),
])
def test_the_path_of_another(place, subject, target):
    place.expect("not_owner", f"/users/{target}", subject=subject, permissions=["*:*"], roles=["chief"], scope="openid")


@pytest.mark.parametrize("subject,target", [
    ("alice", "/users/alice%2F..%2Fbob"), ("alice", "/users/alice%5Cbob"), ("alice", "/users/alice%00"), ("alice", "/users//alice"),
    ("alice", "/users/alice//x"),
    ("alice", "/users/%2561lice"), ("%61lice", "/users/%2561lice"), ("user/7", "/users/user%2F7"), ("alice", "/users/alice%"),
    ("alice", "/users/{subject}"),
    ("alice", "/users/;x/alice"), ("alice", "/users"), ("alice", "/users/"), ("..", "/users/.."), ("..", "/users/%2e%2e"),
    (".", "/users/."), ("alice", "/users/../free/../users"),
])
def test_paths_that_name_nobody(place, subject, target):
    """Refused as a path, or no route's: before anybody's rights are looked at, whoever asks."""
    heard = len(place.server.requests)
    response = place.ask(target, subject=subject, permissions=["*:*"])
    expect_problem(response, "bad_request", "ambiguous_path", "route_not_found")
    assert place.record_of(response)["policy"] is None and len(place.server.requests) == heard


@pytest.mark.parametrize("method,permissions,own,others", [
    ("GET", [], None, "not_owner"), ("GET", ["profiles:read"], None, None), ("PUT", [], None, "not_owner"),
    ("PUT", ["profiles:read"], None, "not_owner"),
    ("PUT", ["profiles:write"], None, "not_owner"), ("PUT", ["profiles:read", "profiles:write"], None, None),
    ("DELETE", ["profiles:*"], None, None),
])
def test_what_lifts_the_ownership(place, method, permissions, own, others):
    place.expect(own, "/profiles/alice/card", method, permissions=permissions)
    place.expect(others, "/profiles/bob/card", method, permissions=permissions)
    place.expect(others, "/profiles/alice;v=1/card", method, permissions=permissions)


@pytest.mark.parametrize("method,permissions,own,others", [
    ("GET", [], "missing_permission", "not_owner"), ("GET", ["models:read"], None, "not_owner"),
    ("GET", ["models:read", "users:read"], None, None),
    ("GET", ["users:read"], "missing_permission", "missing_permission"), ("PUT", ["models:read", "users:read"], None, "not_owner"),
])
def test_owning_comes_on_top_of_what_a_method_needs(place, method, permissions, own, others):
    place.expect(own, "/strict/alice", method, permissions=permissions)
    place.expect(others, "/strict/bob", method, permissions=permissions)


# Trying rules out.


@pytest.mark.parametrize("target,method,claims,reason", [
    ("/trial", "GET", {"permissions": ["models:read"]}, None), ("/trial", "GET", {}, "missing_permission"),
    ("/trial", "PUT", {}, "missing_role"),
    ("/trial", "PUT", {"roles": ["chief"]}, None), ("/trial-of/alice", "GET", {}, None), ("/trial-of/bob", "GET", {}, "not_owner"),
    ("/trial-of/alice;x", "GET", {}, "not_owner"),
])
def test_a_refusal_that_is_only_reported(place, target, method, claims, reason):
    route = target[: target.rindex("/")] + "/{subject}" if "of" in target else target
    before = place.decisions(route)
    response = place.ask(target, method, **claims)
    record = place.record_of(response)
    decision = "would_deny" if reason else "allow"
    assert response.status == 200 and place.server.requests[-1].get("X-Auth-Subject") == "alice"
    assert (record["policy"], record["reason"], record["code"], record["end"]) == (decision, reason, None, "complete")
    expected = {**before, decision: before.get(decision, 0) + 1}
    eventually(lambda: place.decisions(route) == expected, "the decision in the metrics")


@pytest.mark.parametrize("target", ["/trial", "/trial-of/alice"])
def test_only_reporting_lets_nobody_in(place, target):
    """Who it is must still be known, and somebody who may come in."""
    place.ums.add("disabled", ["*:*"], disabled=True)
    place.ums.add("gone", ["*:*"], revoked_sessions=["s-1"])
    heard = len(place.server.requests)
    tokens = [(None, "no Authorization"), ("a.b.c", None), (place.issuer.mint(exp=1), "claim_exp_passed"),
        (place.known.mint("nobody"), "unknown_user"),
              (place.known.mint("disabled"), "disabled_user"), (place.known.mint("gone", sid="s-1"), "session_ended")]
    for token, reason in tokens:
        response = place.gateway.get(target, bearer(token) if token else [])
        record = place.record_of(response)
        assert response.status in (401, 403) and record["policy"] is None and record["reason"] == (reason or record["reason"])
    assert len(place.server.requests) == heard
