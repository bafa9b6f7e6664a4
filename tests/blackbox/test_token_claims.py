"""What tokens say beside who their user is: fields for services, tenant, roles, permissions, scopes."""

import pytest

from harness import configs
from harness.key_sets import SmallIssuer
from harness.problems import expect_problem
from harness.tokens import bearer
from harness.ums import FakeUms

HEADERS = {
    "email": "X-Auth-Email", "level": "X-User-Level", "groups": "X-Consumer-Groups", "address.city": "X-Auth-City",
    "https://claims.test/note": "X-Auth-Note",
}
# The paths of Keycloak, and names that other providers have.
PATHS = {
    "roles_claim": "realm_access.roles", "permissions_claim": "https://claims.test/permissions", "scopes_claim": "scp",
    "tenant_claim": "org.id",
}
ROLES = {"trainer": ["models:write", "models:list"], "reader": ["models:read"]}
ROUTES = {
    "/any": None, "/read": "models:read", "/write": "models:write", "/role": {"roles": ["trainer", "chief"]},
    "/scopes": {"scopes": ["models", "openid"]},
}


class Place:
    """The gateway of this file; issuers `alone` (its tokens say it all), `both` (the service is asked too), `plain`."""

    def __init__(self, start, backend, directory):
        self.alone, self.both, self.plain = (SmallIssuer(f"https://{name}.test") for name in ("alone", "both", "plain"))
        self.server, self.ums = backend(), backend.keep(FakeUms())
        sections = [
            self._section(directory, self.alone, user_management=False, claims_to_headers=HEADERS, **PATHS),
            self._section(directory, self.both, claims_to_headers=HEADERS, **PATHS),
            self._section(directory, self.plain, user_management=False),
        ]
        routes = [{"path": path, "service": "backend", **({} if need is None else {"require": {"*": need}})}
                  for path, need in ROUTES.items()]
        self.gateway = start(configs.base(
            {"backend": self.server.url}, [*routes, {"path": "/public", "service": "backend", "public": True}],
            authentication={"issuers": sections},
            authorization={"user_management": self.ums.write_token(directory), "roles": ROLES}))
        self.ums.wait_feed()

    @staticmethod
    def _section(directory, issuer, **more):
        folder = directory / issuer.name.rpartition("/")[2]
        folder.mkdir()
        return {"issuer": issuer.name, "audiences": [issuer.audience], "algorithms": ["EdDSA"], "jwks": issuer.write_jwks(folder),
                "subject_prefix": "", **more}

    def ask(self, token, target="/any", fields=()):
        return self.gateway.get(target, [*bearer(token), *fields])

    def heard(self, token, target="/any", fields=()):
        """The request as the service gets it."""
        assert self.ask(token, target, fields).status == 200
        return self.server.requests[-1]

    def refuse(self, token, code, reason, target="/any"):
        count = len(self.server.requests)
        problem = expect_problem(self.ask(token, target), code)
        record, = self.gateway.wait_log(where=lambda line: line["request_id"] == problem["request_id"])
        assert record["reason"] == reason and len(self.server.requests) == count


@pytest.fixture(name="place", scope="module")
def _place(module_gateway, module_backend, tmp_path_factory):
    return Place(module_gateway, module_backend, tmp_path_factory.mktemp("claims"))


def rights(roles=None, permissions=None, scopes=None, tenant=None):
    """Claims as the paths above find them; None leaves one out."""
    claims = {"realm_access": {"roles": roles}, "https://claims.test/permissions": permissions, "scp": scopes, "org": {"id": tenant}}
    return {name: value for name, value in claims.items() if value is not None}


# Fields for services.


@pytest.mark.parametrize("value,sent", [
    ("alice@example.test", "alice@example.test"), ("Alice Liddell", "Alice Liddell"), ("a, b", "a, b"), ('say "x"; \\y', 'say "x"; \\y'),
    (0, "0"), (42, "42"), (-7, "-7"), (2**53 + 1, str(2**53 + 1)), (1.5, "1.5"), (True, "true"), (False, "false"),
    (["a", "b", "c"], "a,b,c"), (["a"], "a"), (["a", 1, True], "a,1,true"), (["a b", "c"], "a b,c"),
])
def test_a_claim_becomes_a_field(place, value, sent):
    assert place.heard(place.alone.mint(email=value)).get("X-Auth-Email") == sent


def test_every_claim_becomes_its_field(place):
    token = place.alone.mint(email="a@b.test", level=3, groups=["x", "y"], address={"city": "Oxford"}, **{"https://claims.test/note": "n"})
    for _ in range(2):  # verified, then recognised
        request = place.heard(token)
        sent = [request.get(name) for name in HEADERS.values()]
        assert sent == ["a@b.test", "3", "x,y", "Oxford", "n"]
        assert request.get("X-Auth-Subject") == "alice" and request.get("X-Auth-Roles") is None


@pytest.mark.parametrize("value", [
    None, "", " a", "a ", "a\tb", "a\r\nX-Evil: 1", "a\nb", "a\0b", "ü", "\x7f", "\u2028", [], [""], ["a", ""], ["a", " b"], ["a", "b,c"], ["x,admin"],
    ["a", "x\r\ny"], ["a", None], [["a"]], {"a": "b"}, ["a", {"b": 1}],
])
def test_a_claim_that_no_field_can_hold_is_left_out(place, value):
    """The caller is no worse for it, and no other field is."""
    request = place.heard(place.alone.mint(email=value, level=1), fields=[("X-Auth-Email", "client@evil.test")])
    assert not request.has("X-Auth-Email") and not request.has("X-Evil")
    assert request.get("X-User-Level") == "1" and request.get("X-Auth-Subject") == "alice"


def test_a_claim_that_is_missing(place):
    request = place.heard(place.alone.mint())
    assert not [name for name in HEADERS.values() if request.has(name)]


SPELLINGS = ["X-Auth-Email", "x-auth-email", "X_Auth_Email", "X.Auth.Email", "X-AUTH_EMAIL", "X-User-Level", "X-Consumer-Groups"]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("claims", [{}, {"email": "real@example.test", "level": 1, "groups": ["real"]}])
def test_what_the_client_says_itself_is_removed(place, spelling, claims):
    fields = [(spelling, "evil@example.test"), (spelling, "worse-evil")]
    for target, token in (("/any", place.alone.mint(**claims)), ("/any", place.plain.mint(**claims)), ("/public", "none")):
        request = place.heard(token, target, fields)
        assert not [value for _, value in request.fields if "evil" in value]
    sent = place.heard(place.alone.mint(**claims), fields=fields)
    assert sent.get("X-Auth-Email") == claims.get("email")


def test_claims_of_another_issuer_are_not_sent(place):
    request = place.heard(place.plain.mint(email="a@b.test", level=1))
    assert not request.has("X-Auth-Email") and not request.has("X-User-Level")


def test_one_token_brings_at_most_4_kib_of_fields(place):
    """What does not fit any more is left out; what does still comes."""
    request = place.heard(place.alone.mint(email="e" * 3000, groups=["g" * 1200], level=7))
    assert request.get("X-Auth-Email") == "e" * 3000 and not request.has("X-Consumer-Groups") and request.get("X-User-Level") == "7"


# Rights that a token brings along alone.


def test_roles_at_a_nested_path(place):
    request = place.heard(place.alone.mint(**rights(["trainer", "reader"])), "/role")
    assert request.get("X-Auth-Roles") == "trainer,reader"
    assert not place.ums.lookups.get("alice")


@pytest.mark.parametrize("roles,allowed", [
    (["reader"], ["/any", "/read"]), (["trainer"], ["/any", "/role", "/write"]), ("reader", ["/any", "/read"]),
    (["chief"], ["/any", "/role"]), (["reader", "trainer"], ["/any", "/read", "/role", "/write"]), ([], ["/any"]), (None, ["/any"]),
    (["Trainer", "train", "trainers", "READER"], ["/any"]), (["models:read"], ["/any"]),
])
def test_a_role_stands_for_its_permissions_and_nothing_else(place, roles, allowed):
    token = place.alone.mint(**rights(roles))
    assert [target for target in sorted(ROUTES) if place.ask(token, target).status == 200] == allowed


@pytest.mark.parametrize("permissions,allowed", [
    (["models:read"], ["/any", "/read"]), ("models:write", ["/any", "/write"]), (["models:*"], ["/any", "/read", "/write"]),
    (["*:*"], ["/any", "/read", "/write"]), (["create:models", "SUPERUSER", "", "models:read"], ["/any", "/read"]),
    (["models:read models:write"], ["/any"]), (["trainer"], ["/any"]), ("models:read,models:write", ["/any"]), ([], ["/any"]),
])
def test_permissions_of_a_claim(place, permissions, allowed):
    """Texts of other systems among them are passed over."""
    token = place.alone.mint(**rights(permissions=permissions))
    assert [target for target in sorted(ROUTES) if place.ask(token, target).status == 200] == allowed


@pytest.mark.parametrize("scopes,allowed", [
    ("openid models", True), ("models openid profile", True), (["models", "openid"], True), (["openid", "x y", "models"], True),
    ("models", False), ("openid,models", False), (["models openid"], False), (["openid  models", "x"], False), (["models", " openid"], False), (["models"], False), ("Models openid", False), ("", False), ([], False), (None, False),
])
def test_scopes_as_a_text_or_a_list(place, scopes, allowed):
    token = place.alone.mint(**rights(scopes=scopes))
    if allowed:
        place.heard(token, "/scopes")
    else:
        place.refuse(token, "forbidden", "missing_scope", "/scopes")


@pytest.mark.parametrize("claims", [{"scope": "openid models"}, {"scp": None}, {"roles": ["trainer"]}, {"scp": "models:read"}])
def test_claims_at_other_paths_give_nothing(place, claims):
    token = place.alone.mint(**claims)
    assert [target for target in sorted(ROUTES) if place.ask(token, target).status == 200] == ["/any"]


def test_without_paths_tenant_roles_and_permissions_are_not_read(place):
    """Scopes have a name of their own in RFC 8693."""
    token = place.plain.mint(roles=["trainer"], permissions=["*:*"], scope="models openid", tenant="acme", **rights(["trainer"], ["*:*"]))
    assert [target for target in sorted(ROUTES) if place.ask(token, target).status == 200] == ["/any", "/scopes"]
    request = place.heard(token)
    assert not request.has("X-Auth-Tenant") and not request.has("X-Auth-Roles")


def test_the_tenant(place):
    assert place.heard(place.alone.mint(tenant="other", **rights(tenant="acme"))).get("X-Auth-Tenant") == "acme"
    assert not place.heard(place.alone.mint(tenant="other")).has("X-Auth-Tenant")


@pytest.mark.parametrize("claims,reason", [
    *((rights(roles=value), "claim_roles_malformed") for value in (
        5, True, {"trainer": True}, ["trainer", 5], ["r"] * 257, [["trainer"]])),
    *((rights(permissions=value), "claim_permissions_malformed") for value in (5, {"models": "read"}, [5], ["models:read", None],
        ["p"] * 257)),
    *((rights(scopes=value), "claim_scope_malformed") for value in (5, False, {"a": 1}, ["models", 5], ["s"] * 257)),
    *((rights(tenant=value), "claim_tenant_malformed") for value in (5, "", "a b", "a\r\nb", "ü", ["a", "b"], [], {"id": "a"}, "x" * 257)),
    *(({"sid": value}, "claim_sid_malformed") for value in (5, "", "a b", "x" * 129, ["a", "b"])),
])
def test_rights_that_cannot_be_read_are_no_rights(place, claims, reason):
    place.refuse(place.alone.mint(**claims), "invalid_token", reason)


@pytest.mark.parametrize("role", ["a,trainer", "", "Realm Manager", "a\nb", "trainer\r\nX-Auth-Roles: chief", "ü", "x" * 257], ids=repr)
def test_P08_a_role_that_fits_no_list_is_passed_over(place, role):
    """Issuers have roles for other systems, too."""
    assert place.heard(place.alone.mint(**rights(["reader", role])), "/read").tokens("X-Auth-Roles") == ["reader"]
    place.refuse(place.alone.mint(**rights([role])), "forbidden", "missing_role", "/role")


@pytest.mark.parametrize("value", [["x,admin"], ["x", "y,admin"], ["x,admin", "y"], [","]], ids=repr)
def test_P08_an_element_of_a_list_is_not_two(place, value):
    """Who may name one group must not name another with it."""
    request = place.heard(place.alone.mint(groups=value, level=1), fields=[("X-Consumer-Groups", "admin")])
    assert not request.has("X-Consumer-Groups") and request.get("X-User-Level") == "1"


@pytest.mark.parametrize("scopes", [["models openid"], ["models", "x openid"], ["models", "openid "]], ids=repr)
def test_P08_an_element_of_a_list_of_scopes_is_not_two(place, scopes):
    place.refuse(place.alone.mint(**rights(scopes=scopes)), "forbidden", "missing_scope", "/scopes")


def test_as_many_roles_as_may_be(place):
    assert len(place.heard(place.alone.mint(**rights(["r"] * 256))).tokens("X-Auth-Roles")) == 256


# Together with the User Management Service. Every test has a user of its own: what is known of one stays known a while.


def test_both_name_roles_and_the_service_names_the_tenant(place):
    place.ums.add("fred", [], roles=["member", "chief"], tenant="acme")
    request = place.heard(place.both.mint("fred", email="a@b.test", **rights(["reader"], tenant="evil")), "/role")
    assert sorted(request.tokens("X-Auth-Roles")) == ["chief", "member", "reader"]
    assert request.get("X-Auth-Tenant") == "acme" and request.get("X-Auth-Email") == "a@b.test"


@pytest.mark.parametrize("subject,of_service,of_token,allowed", [
    ("gina", ["models:read"], [], ["/any", "/read"]), ("hank", [], ["models:read"], ["/any", "/read"]),
    ("ivan", ["models:write"], ["models:read"], ["/any", "/read", "/write"]), ("judy", [], [], ["/any"]),
])
def test_a_permission_of_either_counts(place, subject, of_service, of_token, allowed):
    place.ums.add(subject, of_service)
    token = place.both.mint(subject, **rights(permissions=of_token))
    assert [target for target in sorted(ROUTES) if place.ask(token, target).status == 200] == allowed


def test_a_role_of_the_service_stands_for_no_permissions_here(place):
    """The service gives the permissions of its roles itself; the configuration's map is for those of tokens."""
    place.ums.add("kate", [], roles=["reader", "trainer"])
    place.refuse(place.both.mint("kate"), "forbidden", "missing_permission", "/read")
    place.heard(place.both.mint("kate"), "/role")


@pytest.mark.parametrize("subject,account,reason", [
    ("nobody", None, "unknown_user"), ("dora", {"permissions": ["*:*"], "disabled": True}, "disabled_user")])
def test_no_claim_speaks_for_whom_the_service_does_not(place, subject, account, reason):
    if account:
        place.ums.add(subject, **account)
    for target in ROUTES:
        place.refuse(place.both.mint(subject, **rights(["trainer"], ["*:*"], "models openid")), "forbidden", reason, target)
