"""Reloads that change who may come in: in force with the reload, for tokens and keys that are already known, too."""

import copy
import threading

import pytest

from harness import configs
from harness.key_sets import SecretIssuer, SmallIssuer
from harness.tokens import bearer
from harness.wait import eventually

KEY = "lgk_" + "l" * 43
CLAIMS = {"roles": ["trainer"], "email": "a@b.test", "jti": "t-1", "scope": "openid"}


class Place:
    """A gateway before one issuer's users, who are known to a User Management Service as well."""

    def __init__(self, start, backend, ums, directory):
        self.first, self.second = SmallIssuer("https://first.test"), SmallIssuer("https://second.test")
        self.server, self.ums, self.directory = backend(), ums, directory
        for subject in ("alice", "x:alice"):
            ums.add(subject, ["models:read"])
        ums.add_key(KEY, "alice")
        sections = []
        for issuer in (self.first, self.second):
            folder = directory / issuer.name.rpartition("/")[2]
            folder.mkdir()
            sections.append({
                "issuer": issuer.name, "audiences": [issuer.audience], "algorithms": ["EdDSA"], "jwks": issuer.write_jwks(folder),
                "subject_prefix": "", "roles_claim": "roles", "claims_to_headers": {"email": "X-Auth-Email"}})
        routes = [
            {"path": "/any", "service": "backend", "api_keys": True},
            {"path": "/write", "service": "backend", "require": {"*": "models:write"}},
            {"path": "/first", "service": "backend", "issuers": [self.first.name]},
        ]
        self.config = configs.base(
            {"backend": self.server.url}, routes, authentication={"issuers": sections, "api_keys": {"header": "X-API-Key"}},
            authorization={"user_management": {**ums.write_token(directory), "fresh_for": "1h"}, "roles": {"trainer": ["models:write"]}})
        self.gateway = start(self.config)
        ums.wait_feed()
        self.reloads = 0
        self.token = self.first.mint(**CLAIMS)

    def get(self, target="/any", fields=None):
        return self.gateway.get(target, bearer(self.token) if fields is None else fields)

    def reload(self, change):
        """Reloads with what `change` does to a copy of the configuration; returns once it is in force."""
        self.reloads += 1
        path, config = f"/reloaded/{self.reloads}", copy.deepcopy(self.config)
        change(config)
        config["routes"].append({"path": path, "service": "backend", "public": True})
        self.gateway.reload(config)
        eventually(lambda: self.gateway.get(path).status == 200, "the reload")


@pytest.fixture(name="place")
def _place(gateway, backend, ums, tmp_path):
    place = Place(gateway, backend, ums, tmp_path)
    for target in ("/any", "/write", "/first"):
        assert place.get(target).status == 200
    assert place.get("/any", [("X-API-Key", KEY)]).status == 200
    return place


def issuers(change):
    """A change of the first issuer's section."""
    return lambda config: change(config["authentication"]["issuers"][0])


def route(number, **changes):
    return lambda config: config["routes"][number].update(changes)


def without_first(config):
    config["authentication"]["issuers"].pop(0)
    config["routes"].pop()  # it names that issuer


def renamed_first(config):
    config["authentication"]["issuers"][0]["issuer"] = config["routes"][2]["issuers"][0] = "https://renamed.test"


CHANGES = {
    "an issuer gone": (without_first, "/any", 401), "another name": (renamed_first, "/any", 401),
    "another audience": (issuers(lambda i: i.update(audiences=["other"])), "/any", 401),
    "a type asked for": (issuers(lambda i: i.update(typ="at+jwt")), "/any", 401),
    "a claim asked for": (issuers(lambda i: i.update(required_claims=["jti", "email_verified"])), "/any", 401),
    "other algorithms": (issuers(lambda i: i.update(algorithms=["RS256", "ES256"])), "/any", 401),
    "roles no longer read": (issuers(lambda i: i.pop("roles_claim")), "/write", 403),
    "a role that stands for less": (lambda c: c["authorization"].update(roles={"trainer": ["models:list"]}), "/write", 403),
    "other paths of claims": (issuers(lambda i: i.update(scopes_claim="jti", tenant_claim="roles.x")), "/any", 200),
    "a prefix of somebody unknown": (issuers(lambda i: i.update(subject_prefix="y:")), "/any", 403),
    "another rule": (route(1, require={"*": "models:admin"}), "/write", 403),
    "other issuers": (route(2, issuers=["https://second.test"]), "/first", 401),
    "a stricter limit": (lambda c: c.update(limits={"token": "300B"}), "/any", 401),
    "users whom no service knows": (issuers(lambda i: i.update(user_management=False)), "/any", 200),
}


@pytest.mark.parametrize("change,target,status", CHANGES.values(), ids=list(CHANGES))
def test_a_known_token_is_judged_anew(place, change, target, status):
    place.reload(change)
    for _ in range(2):
        assert place.get(target).status == status
    place.reload(lambda config: None)
    assert place.get(target).status == 200, "as before"


def test_what_a_token_says_is_read_anew(place):
    place.reload(issuers(lambda i: i.update(subject_prefix="x:", claims_to_headers={"jti": "X-Auth-Token-Id"}, tenant_claim="email")))
    assert place.get().status == 200
    request = place.server.requests[-1]
    assert request.get("X-Auth-Subject") == "x:alice" and request.get("X-Auth-Token-Id") == "t-1" and not request.has("X-Auth-Email")


def swap(config):
    config["authentication"]["issuers"].reverse()


def test_issuers_in_another_order(place):
    """What is known of a token is not tied to its issuer's place in the list."""
    place.reload(swap)
    assert place.get("/first").status == 200
    assert place.get("/first", bearer(place.second.mint())).status == 401
    assert place.get("/any", bearer(place.second.mint())).status == 200


def test_another_secret(gateway, backend, tmp_path):
    """The file's content counts, though the configuration names the same file."""
    issuer, path = SecretIssuer("https://secret.test", b"a" * 32), tmp_path / "secret"
    path.write_bytes(issuer.secret)
    section = {"issuer": issuer.name, "audiences": [issuer.audience], "algorithms": ["HS256"], "secret_file": str(path)}
    config = configs.base({"backend": backend().url}, [{"path": "/", "service": "backend"}], authentication={"issuers": [section]})
    instance = gateway(config)
    old, new = issuer.mint_hmac(), issuer.mint_hmac(secret=b"b" * 32)
    assert (instance.get("/", bearer(old)).status, instance.get("/", bearer(new)).status) == (200, 401)
    path.write_bytes(b"b" * 32)
    instance.reload(config)
    eventually(lambda: instance.get("/", bearer(new)).status == 200, "the new secret")
    assert instance.get("/", bearer(old)).status == 401


@pytest.mark.parametrize("change,fields,status", [
    (lambda c: c["authentication"].update(api_keys={"header": "X-Machine-Key"}), [("X-API-Key", KEY)], 401),
    (lambda c: c["authentication"].update(api_keys={"header": "X-Machine-Key"}), [("X-Machine-Key", KEY)], 200),
    (route(0, api_keys=False), [("X-API-Key", KEY)], 401), (lambda c: c["authentication"].pop("api_keys"), [("X-API-Key", KEY)], 200),
])
def test_where_api_keys_count(place, change, fields, status):
    place.reload(change)
    assert place.get("/any", fields).status == status
    assert not place.server.requests[-1].has("X-API-Key") and not place.server.requests[-1].has("X-Machine-Key")


def test_what_is_known_of_users_and_keys_outlives_a_reload(place):
    for number in range(3):
        place.reload(lambda config, n=number: config["authentication"].update(clock_skew=f"{10 + n}s"))
        assert place.get().status == place.get("/any", [("X-API-Key", KEY)]).status == 200
    assert place.ums.lookups == {"alice": 1} and set(place.ums.key_lookups.values()) == {1}


def test_nobody_is_refused_while_issuers_change(place):
    """The new configuration's keys are there when it takes over: good tokens of both are good all along."""
    tokens = [bearer(place.first.mint(**CLAIMS)), bearer(place.second.mint(**CLAIMS))]
    refused, stop = [], threading.Event()

    def traffic(fields):
        with place.gateway.client() as client:
            while not stop.is_set():
                status = client.get("/any", fields).status
                if status != 200:
                    refused.append(status)

    threads = [threading.Thread(target=traffic, args=(fields,)) for fields in tokens]
    for thread in threads:
        thread.start()
    try:
        for number in range(10):
            place.reload(swap if number % 2 else lambda config, n=number: config["authentication"].update(clock_skew=f"{n}s"))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not refused
