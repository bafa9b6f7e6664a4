"""API keys: where they count, what they open, and that nobody but the gateway ever sees one."""

import itertools
import time

import pytest

from harness import configs, http1
from harness.key_sets import SmallIssuer
from harness.problems import expect_problem
from harness.tokens import bearer
from harness.ums import FakeUms, digest_of
from harness.wait import eventually

READ = {"permissions": ["models:read"]}
# What the gateway knows of somebody it need not ask for again for a while: every test has an owner and a key of its own.
_numbers = itertools.count()
UNKNOWN = "lgk_" + "x" * 43


def with_key(api_key, name="X-API-Key"):
    """The field that presents an API key."""
    return [(name, api_key)]


class Place:
    """A gateway whose routes take keys or do not, the service that knows them, the backend, an issuer of tokens."""

    def __init__(self, start, backend, directory, header=None, **user_management):
        self.issuer = SmallIssuer("https://users.test")
        self.server, self.ums = backend(), backend.keep(FakeUms())
        keyed = {"service": "backend", "api_keys": True}
        routes = [
            {"path": "/keys", **keyed}, {"path": "/tokens", "service": "backend"},
            {"path": "/only-keys", **keyed, "issuers": []}, {"path": "/public", "service": "backend", "public": True},
            {"path": "/forwarding", **keyed, "forward_token": True}, {"path": "/limited", **keyed, "limits": ["per_user"]},
            {"path": "/models", **keyed, "require": {"GET": "models:read", "*": "models:write"}},
            {"path": "/any-of", **keyed, "require": {"*": {"any": ["models:read", "users:read"]}}},
            {"path": "/role", **keyed, "require": {"*": {"roles": ["member"]}}},
            {"path": "/scope", **keyed, "require": {"*": {"scopes": ["openid"]}}},
            {"path": "/mine/{subject}", **keyed},
            {"path": "/users/{subject}", **keyed, "require": {"*": {"owner_or": ["users:read"]}}},
        ]
        authentication = configs.authentication(self.issuer, self.issuer.write_jwks(directory))
        authentication["api_keys"] = {"header": header} if header else {}
        if not header:
            del authentication["api_keys"]
        self.gateway = start(configs.base(
            {"backend": self.server.url}, routes, authentication=authentication,
            authorization={"user_management": {**self.ums.write_token(directory), **user_management}},
            rate_limits={"per_user": {"key": "user", "tokens": 2, "refill": "1/h"}}))
        self.ums.wait_feed()

    def begin(self):
        """A new owner with a new key, which may do what its owner may."""
        number = next(_numbers)
        self.owner, self.key = f"owner-{number}", f"lgk_Kq7-Zz_{number:036}"
        self.ums.add(self.owner, **READ)
        self.ums.add_key(self.key, self.owner)
        return self

    def with_key(self, name="X-API-Key"):
        return with_key(self.key, name)

    def token(self):
        """The field that presents a token of the key's owner."""
        return bearer(self.issuer.mint(self.owner))

    def get(self, target="/keys", fields=None):
        return self.gateway.get(target, self.with_key() if fields is None else fields)

    def heard(self, target="/keys", fields=None):
        """The request as the backend gets it."""
        assert self.get(target, fields).status == 200
        return self.server.requests[-1]

    def record_of(self, response):
        record, = self.gateway.wait_log(where=lambda line: line["request_id"] == response.get("X-Request-Id"))
        return record

    def refuse(self, code, reason, target="/keys", fields=None):
        """Refused for a reason that only the log tells, unheard by the backend. Returns the line of the log."""
        heard = len(self.server.requests)
        response = self.get(target, fields)
        expect_problem(response, code)
        record = self.record_of(response)
        assert record["reason"] == reason and len(self.server.requests) == heard
        return record


@pytest.fixture(name="start")
def _start(gateway, backend, tmp_path):
    return lambda **options: Place(gateway, backend, tmp_path, **options).begin()


@pytest.fixture(name="shared", scope="module")
def _shared(module_gateway, module_backend, tmp_path_factory):
    return Place(module_gateway, module_backend, tmp_path_factory.mktemp("keys"))


@pytest.fixture(name="place")
def _place(shared):
    return shared.begin()


# Where they count.


@pytest.mark.parametrize("name", ["X-API-Key", "x-api-key", "X-Api-KEY"])
def test_a_key_names_its_owner(place, name):
    request = place.heard(fields=[*place.with_key(name=name), ("X-Auth-Key-Id", "spoofed"), ("X-Auth-Subject", "spoofed")])
    assert request.get("X-Auth-Subject") == place.owner and request.get("X-Auth-Tenant") == "acme"
    assert request.get("X-Auth-Roles") == "member" and request.get("X-Auth-Key-Id") == "key_" + digest_of(place.key)[:8]


def test_a_route_that_takes_keys_takes_tokens_too(place):
    token = place.token()
    request = place.heard(fields=[*token, ("X-Auth-Key-Id", "spoofed")])
    assert request.get("X-Auth-Subject") == place.owner and not request.has("X-Auth-Key-Id")
    place.refuse("missing_token", "no Authorization", fields=[])
    place.refuse("invalid_token", "issuer_not_accepted", "/only-keys", token)
    assert place.get("/only-keys").status == 200


def test_a_route_without_api_keys_ignores_them(place):
    """A key there is neither a credential nor a mistake, and is asked about no more than it is forwarded."""
    asked = dict(place.ums.key_lookups)
    place.refuse("missing_token", "no Authorization", "/tokens")
    for api_key in (place.key, "short", UNKNOWN):
        request = place.heard("/tokens", [*with_key(api_key), *place.token()])
        assert not request.has("X-API-Key") and not request.has("X-Auth-Key-Id") and request.get("X-Auth-Subject") == place.owner
        assert not place.heard("/public", with_key(api_key)).has("X-API-Key")
    assert place.ums.key_lookups == asked


@pytest.mark.parametrize("other", [{}, {"api_key": UNKNOWN}, {"api_key": ""}, {"name": "x-api-key"}])
def test_two_keys_are_a_bad_request(place, other):
    other = with_key(**{"api_key": place.key, **other})
    place.refuse("bad_request", "repeated API key", fields=[*place.with_key(), *other])
    place.refuse("bad_request", "repeated API key", fields=[*other, *place.with_key()])


@pytest.mark.parametrize("api_key", [None, "nonsense", "", UNKNOWN])
@pytest.mark.parametrize("token", [None, "a.b.c"])
def test_a_key_and_a_token_are_a_bad_request(place, api_key, token):
    """Whichever of them is good: nobody can say whom the request is from. None stands for the good one."""
    key = place.with_key() if api_key is None else with_key(api_key)
    record = place.refuse("bad_request", "a token and an API key", fields=[*(bearer(token) if token else place.token()), *key])
    assert record["user"] is None and record["key_id"] is None


def test_another_scheme_is_no_second_credential(place):
    assert place.heard(fields=[("Authorization", "Basic YTpi"), *place.with_key()]).get("X-Auth-Key-Id")


@pytest.mark.parametrize("name,value", [
    ("X_API_Key", "{}"), ("X.API.Key", "{}"), ("Authorization", "{}"), ("Authorization", "ApiKey {}"), ("Api-Key", "{}"),
    ("Cookie", "X-API-Key={}"),
])
def test_a_key_elsewhere_does_not_count(place, name, value):
    target = f"/keys?api_key={place.key}&X-API-Key={place.key}"
    expect_problem(place.get(target, [(name, value.format(place.key))]), "missing_token")


def test_a_key_as_a_bearer_token_is_a_bad_token(place):
    expect_problem(place.get(fields=bearer(place.key)), "invalid_token")


def test_a_header_of_ones_own(start):
    place = start(header="X-Machine-Key")
    request = place.heard(fields=place.with_key(name="x-machine-KEY"))
    assert request.get("X-Auth-Key-Id") and not request.has("X-Machine-Key")
    place.refuse("missing_token", "no Authorization", fields=place.with_key())
    place.refuse("bad_request", "repeated API key", fields=place.with_key(name="X-Machine-Key") * 2)
    for target, fields in (("/tokens", place.token()), ("/public", [])):
        request = place.heard(target, [*fields, *place.with_key(name="X-Machine-Key"), *place.with_key()])
        assert place.key not in str(request.fields)
    assert place.heard("/forwarding", place.with_key(name="X-Machine-Key")).get("X-Machine-Key") == place.key


# Keys that open nothing.


@pytest.mark.parametrize("api_key", ["", "x", "x" * 19, "x" * 257, "x" * 4000, "lgk_ " + "x" * 40, "lgk_\t" + "x" * 40,
    "lgk_" + "\xff" * 40, "lgk_é" + "x" * 40])
def test_a_malformed_key_is_asked_about_nowhere(place, api_key):
    asked = place.ums.attempts
    record = place.refuse("invalid_token", "api_key_malformed", fields=with_key(api_key))
    assert (record["credential"], record["key_id"], record["user"]) == ("api_key", None, None)
    assert place.ums.attempts == asked


@pytest.mark.parametrize("api_key", ["x" * 20, "x" * 256, "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"])
def test_the_form_of_a_key_is_the_services_own(place, api_key):
    place.refuse("invalid_token", "api_key_unknown", fields=with_key(api_key))
    assert place.ums.key_lookups[digest_of(api_key)] == 1
    place.ums.change_key(api_key, place.owner)
    eventually(lambda: place.get(fields=with_key(api_key)).status == 200, "the new key")


@pytest.mark.parametrize("change", [
    lambda key: key[:-1], lambda key: key + "x", lambda key: key[1:], lambda key: "lgk_" + key, str.lower, str.upper, str.swapcase,
    digest_of])
def test_a_key_that_only_looks_like_one(place, change):
    place.refuse("invalid_token", "api_key_unknown", fields=with_key(change(place.key)))


@pytest.mark.parametrize("key,code,reason", [
    ({"disabled": True}, "invalid_token", "api_key_disabled"), ({"expires_at": int(time.time()) - 1}, "invalid_token", "api_key_expired"),
    ({"expires_at": 0}, "invalid_token", "api_key_expired"), ({"subject": "ghost"}, "forbidden", "unknown_user"),
    ({"subject": "dora"}, "forbidden", "disabled_user"),
])
def test_a_key_that_is_no_longer_good(place, key, code, reason):
    place.ums.add("dora", ["*:*"], disabled=True)
    place.ums.add_key(place.key, **{"subject": place.owner, **key})
    for target in ("/keys", "/models", "/only-keys"):
        record = place.refuse(code, reason, target)
        assert record["key_id"] == "key_" + digest_of(place.key)[:8]


def test_a_key_ends_at_its_moment_though_it_is_remembered(start):
    place = start(fresh_for="1h")
    place.ums.add(place.owner, **READ)
    end = int(time.time()) + 2
    place.ums.add_key(place.key, place.owner, expires_at=end)
    answers = set()
    with place.gateway.client() as client:
        while (before := time.time()) < end + 0.2:
            status = client.get("/keys", place.with_key()).status
            after = time.time()
            assert status == (200 if after < end else 401) or before <= end <= after, before - end
            answers.add(status)
    assert answers == {200, 401}
    place.refuse("invalid_token", "api_key_expired")
    assert place.ums.key_lookups == {digest_of(place.key): 1}


# What they open.


@pytest.mark.parametrize("of_key,of_owner,allowed", [
    (["*:*"], ["models:read"], True), (["models:read"], ["*:*"], True), (["models:*"], ["*:read"], True),
    (["models:read"], ["models:read"], True),
    (["models:read"], [], False), ([], ["models:read"], False), ([], ["*:*"], False), (["models:write"], ["models:read"], False),
    (["models:read"], ["models:write"], False), (["users:*"], ["*:*"], False), (["models:rea"], ["*:*"], False),
])
def test_a_permission_is_needed_of_the_key_and_of_its_owner(place, of_key, of_owner, allowed):
    place.ums.add(place.owner, of_owner)
    place.ums.add_key(place.key, place.owner, permissions=of_key)
    if allowed:
        place.heard("/models")
    else:
        place.refuse("forbidden", "missing_permission", "/models")
    assert place.get("/keys").status == 200, "a route that requires nothing"


@pytest.mark.parametrize("of_key,of_owner,allowed", [
    (["models:read"], ["users:read"], False), (["users:read"], ["models:read"], False), (["users:read"], ["users:read"], True),
    (["models:read", "users:read"], ["users:read"], True),
])
def test_both_must_hold_the_same_one_of_several(place, of_key, of_owner, allowed):
    place.ums.add(place.owner, of_owner)
    place.ums.add_key(place.key, place.owner, permissions=of_key)
    assert place.get("/any-of").status == (200 if allowed else 403)


@pytest.mark.parametrize("permissions,allowed", [(["*:*"], True), (["models:*", "users:*"], False), (["*:read"], False), ([], False)])
def test_what_is_no_permission_needs_an_unlimited_key(place, permissions, allowed):
    """A role, or being the owner where nothing else lifts that."""
    place.ums.add_key(place.key, place.owner, permissions=permissions)
    if allowed:
        place.heard("/role")
        place.heard("/mine/" + place.owner)
    else:
        place.refuse("forbidden", "missing_role", "/role")
        place.refuse("forbidden", "not_owner", "/mine/" + place.owner)
    place.refuse("forbidden", "not_owner", "/mine/bob")


@pytest.mark.parametrize("of_key,of_owner,own,others", [
    (["users:read"], [], 200, 403), (["users:read"], ["users:read"], 200, 200), (["models:read"], ["users:read"], 403, 403),
    (["*:*"], [], 200, 403),
])
def test_what_lifts_the_ownership_is_needed_of_the_key_too(place, of_key, of_owner, own, others):
    place.ums.add(place.owner, of_owner)
    place.ums.add_key(place.key, place.owner, permissions=of_key)
    assert (place.get("/users/" + place.owner).status, place.get("/users/bob").status) == (own, others)


def test_a_key_has_no_scopes(place):
    place.ums.add(place.owner, ["*:*"])
    place.refuse("forbidden", "missing_scope", "/scope")


def test_a_key_and_a_token_of_one_user_share_a_bucket(place):
    assert [place.get("/limited", fields).status for fields in (place.with_key(), place.token()) * 2] == [200, 200, 429, 429]


def test_one_connection_many_callers(place):
    """Nothing of a caller stays behind for the next one."""
    place.ums.add("bob", [], roles=["other"], tenant="bobs")
    key, token = place.with_key(), bearer(place.issuer.mint("bob"))
    with place.gateway.client() as client:
        for fields, caller, key_id in [(key, place.owner, True), (token, "bob", False), (with_key("x" * 30), None, False),
            (token, "bob", False),
                                       ([], None, False), (key, place.owner, True)] * 3:
            response = client.get("/keys", fields)
            record = place.record_of(response)
            assert (record["user"], bool(record["key_id"])) == (caller, key_id) and response.status == (200 if caller else 401)
            if caller:
                request = place.server.requests[-1]
                assert (request.get("X-Auth-Subject"), request.has("X-Auth-Key-Id")) == (caller, key_id)


# Who sees them.


def test_no_key_leaves_the_gateway(start):
    """Neither a good one nor a bad one, nor a part of it: not to a service, nor into log, metrics, status or an answer."""
    place = start()
    unknown, malformed = "lgk_" + "Uv-9" * 10 + "abc", "malformed-key"
    answers = []
    for target in ("/keys", "/models", "/role", "/tokens", "/public", "/nowhere", "/keys/%00", "/mine/bob"):
        both = [*place.with_key(), *bearer("a.b.c")]
        for fields in (place.with_key(), with_key(unknown), with_key(malformed), place.with_key() * 2, both):
            answers.append(place.get(target, fields))
    place.gateway.wait_log(len(answers))
    seen = [bytes(c.received) for c in [*place.ums.connections, *place.server.connections]]
    seen += [answer.body + str(answer.fields).encode() for answer in answers]
    seen += [place.gateway.admin(page).body for page in ("/metrics", "/status")]
    seen += [place.gateway.log_path.read_bytes(), "\n".join(place.gateway.stderr).encode()]
    for api_key in (place.key, unknown, malformed):
        assert not [text for text in seen if api_key.encode() in text or api_key[:12].encode() in text], api_key
    assert set(place.ums.key_lookups) == {digest_of(place.key), digest_of(unknown)}
    assert place.server.requests, "some of them were let through"


def test_a_route_that_forwards_tokens_forwards_keys(place):
    assert place.heard("/forwarding").get("X-API-Key") == place.key


# The service.


@pytest.mark.parametrize("mode", ["error", "drop"])
def test_the_service_is_down(start, mode):
    place = start(timeout="500ms")
    place.ums.set_mode(mode)
    response = place.get()
    expect_problem(response, "authorization_unavailable")
    assert place.record_of(response)["credential"] == "api_key" and not place.server.requests
    assert place.get("/public", place.with_key()).status == 200
    place.ums.set_mode("ok")
    eventually(lambda: place.get().status == 200, "the recovery")


def test_many_first_requests_cause_two_lookups(start):
    """One about the key, then one about its owner."""
    place = start(timeout="10s")
    place.ums.set_mode("hold")
    clients = [place.gateway.client() for _ in range(100)]
    try:
        for client in clients:
            client.send(http1.request_text("GET", "/models", place.with_key()))
        place.ums.wait_for(lambda u: u.key_lookups, "the look-up")
        place.ums.release()
        for client in clients:
            assert client.response().status == 200
    finally:
        for client in clients:
            client.close()
    assert place.ums.key_lookups == {digest_of(place.key): 1} and place.ums.lookups == {place.owner: 1}
