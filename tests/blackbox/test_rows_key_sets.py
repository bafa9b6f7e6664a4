"""Rows K01 to K07: where keys come from when their source is down, slow, hostile or rotates."""

import gzip
import hmac
import itertools
import json
import threading
import time

import pytest

from harness import configs, http1
from harness.client import RawClient
from harness.gateway import SANITIZED
from harness.key_sets import (
    METADATA, KeyServer, SmallIssuer, answer, answer_and_close, document, drop, reset, silent, trickle)
from harness.problems import expect_problem
from harness.prometheus import parse
from harness.tokens import Key, b64url, bearer, encode
from harness.wait import eventually

# What every test may take at most for the gateway to get over a fault: its waits after failures end at 30 s.
RECOVERY = 60


def config(server, sections, **more):
    routes = [{"path": "/", "service": "backend"}, {"path": "/public", "service": "backend", "public": True}]
    apart = [{**section, "subject_prefix": f"{number}:"} for number, section in enumerate(sections)]
    return configs.base({"backend": server.url}, routes, authentication={"issuers": apart}, **more)


def metric(instance, name, issuer):
    """The value of a key set's metric; None if there is none."""
    found = parse(instance.admin("/metrics").body.decode()).find(f"lotagate_jwks_{name}", issuer=issuer.name)
    return found[0][1] if found else None


def status(instance, issuer):
    """What /status says about an issuer."""
    issuers = json.loads(instance.admin("/status").body)["issuers"]
    return next(entry for entry in issuers if entry["issuer"] == issuer.name)


def accepted(instance, token):
    return instance.get("/", bearer(token)).status == 200


@pytest.fixture(name="key_server")
def _key_server(backend):
    """Factory: key_server(*kids) serves a key set."""
    return lambda *kids, **options: backend.keep(KeyServer(*kids, **options))


# K01 and K05: answers that must change nothing


EVIL = Key("EdDSA", "evil")
EVIL_SET = json.dumps({"keys": [EVIL.jwk()]}).encode()


def keys_document(*keys):
    return document({"keys": list(keys)})


def many_keys(count):
    jwk = EVIL.jwk()
    return document({"keys": [{**jwk, "kid": f"key-{i}"} for i in range(count)]})


def with_length(length, body):
    """A head that promises `length` bytes, and `body`."""
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % length + body


UNAVAILABLE = {
    "500": answer(document(EVIL_SET, status=500)),
    "404": answer(document(EVIL_SET, status=404)),
    "204": answer(http1.response_text(204)),
    "304-without-a-condition": answer(http1.response_text(304)),
    "redirect-to-itself": answer(http1.response_text(302, [("Location", "/keys")], b"")),
    "html": answer(document(b"<html><body>Sign in</body></html>")),
    "empty": answer(document(b"")),
    "half-a-document": answer(document(EVIL_SET[:-2])),
    "two-documents": answer(document(EVIL_SET + EVIL_SET)),
    "not-an-object": answer(document([EVIL.jwk()])),
    "no-keys-member": answer(document({"jwks": [EVIL.jwk()]})),
    "nested-too-deep": answer(document(b'{"keys":' + b"[" * 5000 + b"]" * 5000 + b"}")),
    "0-keys": answer(keys_document()),
    "101-keys": answer(many_keys(101)),
    "10000-keys": answer_and_close(many_keys(10_000)),
    "10-MB": answer_and_close(document(EVIL_SET + b" " * 10_000_000)),
    "10-MB-without-a-length": answer_and_close(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + EVIL_SET + b" " * 10_000_000),
    "gzip": answer(document(gzip.compress(EVIL_SET), [("Content-Encoding", "gzip")])),
    "gzip-bomb": answer(document(gzip.compress(b" " * 50_000_000), [("Content-Encoding", "gzip")])),
    "cut-short": answer_and_close(with_length(len(EVIL_SET) + 1, EVIL_SET)),
    "two-lengths": answer_and_close(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n" + with_length(9, EVIL_SET)[17:]),
    "garbage": answer_and_close(b"\x00\x01\x02 what?\r\n\r\n"),
    "drop": drop,
    "reset": reset,
    "head-without-end": answer_and_close(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000),
}

# Each costs the whole time-out of a fetch.
SLOW = {"silent": silent, "trickle": trickle(with_length(len(EVIL_SET), EVIL_SET), 0.1)}

POISONED = {
    "symmetric": answer(keys_document(EVIL.jwk(), {"kty": "oct", "kid": "s", "k": b64url(b"x" * 32)})),
    "symmetric-alone": answer(keys_document({"kty": "oct", "kid": "key-1", "alg": "HS256", "k": b64url(b"x" * 32)})),
    "private": answer(keys_document({**EVIL.jwk(), "d": b64url(b"x" * 32)})),
    "one-of-two-private": answer(keys_document(EVIL.jwk(), {**Key("EdDSA", "other").jwk(), "d": b64url(b"x" * 32)})),
    "a-kid-twice": answer(keys_document(EVIL.jwk(), {**Key("EdDSA", "evil").jwk()})),
    "members-twice": answer(document(EVIL_SET.replace(b'"kid"', b'"kid":"key-1","kid"'))),
    "for-encryption-alone": answer(keys_document({**EVIL.jwk(), "use": "enc"})),
    "of-unknown-kind-alone": answer(keys_document({"kty": "XYZ", "kid": "evil"})),
}


class Faulty:
    """A gateway with one issuer per fault: first all had keys, then every server did its worst."""

    def __init__(self, backends, gateways, faults):
        self.backend = backends()
        self.elsewhere = backends.keep(KeyServer("evil"))
        self.elsewhere.issuer.signing = [EVIL]
        faults = {**faults, "redirect-to-another-host": answer(http1.response_text(307, [("Location", self.elsewhere.jwks_url)], b""))}
        self.servers = {name: backends.keep(KeyServer("key-1", name=f"https://{name}.test")) for name in faults}
        sections = [server.section(refresh="1s", cooldown="1s") for server in self.servers.values()]
        self.gateway = gateways(config(self.backend, sections))
        for name, server in self.servers.items():
            assert accepted(self.gateway, server.issuer.mint("before")), name
        for name, server in self.servers.items():
            server.misbehave = faults[name]

    def wait_failure(self, name):
        """Waits until a fetch from this server has failed."""
        issuer = self.servers[name].issuer
        eventually(lambda: metric(self.gateway, "fetch_failures_total", issuer), "a failed fetch", timeout=RECOVERY)


@pytest.fixture(name="faulty", scope="module")
def _faulty(module_backend, module_gateway):
    return Faulty(module_backend, module_gateway, {**UNAVAILABLE, **POISONED})


@pytest.fixture(name="slow", scope="module")
def _slow(module_backend, module_gateway):
    return Faulty(module_backend, module_gateway, SLOW)


def keeps_the_last_good_set(faulty, name):
    """The old keys go on, the new ones do not count, it shows, and it passes."""
    server, instance = faulty.servers[name], faulty.gateway
    faulty.wait_failure(name)
    assert accepted(instance, server.issuer.mint("meanwhile"))
    expect_problem(instance.get("/", bearer(server.issuer.mint(key=EVIL))), "invalid_token")
    forged = Key("EdDSA", "key-1")
    expect_problem(instance.get("/", bearer(server.issuer.mint(key=forged))), "invalid_token")
    assert metric(instance, "last_fetch_successful", server.issuer) == 0
    assert metric(instance, "keys", server.issuer) == 1
    assert status(instance, server.issuer)["problem"]
    assert instance.admin("/readyz").status == 200

    server.issuer.signing = [Key("EdDSA", "key-2")]
    server.misbehave = None
    eventually(lambda: accepted(instance, server.issuer.mint("after")), "the keys being fetched again", timeout=RECOVERY)
    assert metric(instance, "last_fetch_successful", server.issuer) == 1
    assert "problem" not in status(instance, server.issuer)


@pytest.mark.parametrize("fault", [*UNAVAILABLE, "redirect-to-another-host"])
def test_K01_a_failing_source_leaves_the_last_good_set(faulty, fault):
    keeps_the_last_good_set(faulty, fault)
    assert not faulty.elsewhere.connections, "a redirect was followed"


@pytest.mark.parametrize("fault", SLOW)
def test_K01_a_slow_source_leaves_the_last_good_set(slow, fault):
    keeps_the_last_good_set(slow, fault)


@pytest.mark.parametrize("fault", POISONED)
def test_K05_a_poisoned_set_is_refused_as_a_whole(faulty, fault):
    keeps_the_last_good_set(faulty, fault)


def test_K01_keys_that_are_too_old_are_dropped(gateway, backend, key_server):
    """Behind `refresh` and `max_stale` it is 503, cached verdicts included; the issuer's return ends that."""
    keys = key_server()
    instance = gateway(config(backend(), [keys.section(refresh="1s", max_stale="1s")]))
    token = keys.issuer.mint()
    assert accepted(instance, token)
    keys.misbehave = reset
    refused = eventually(lambda: (r := instance.get("/", bearer(token))).status != 200 and r, "the keys being dropped", timeout=RECOVERY)
    expect_problem(refused, "keys_unavailable")
    assert refused.get("Retry-After")
    assert instance.admin("/readyz").status == 503 and instance.get("/public").status == 200
    assert metric(instance, "age_seconds", keys.issuer) is None and metric(instance, "keys", keys.issuer) == 0
    keys.misbehave = None
    eventually(lambda: accepted(instance, token), "the keys being fetched again", timeout=RECOVERY)
    assert instance.admin("/readyz").status == 200


def test_K01_a_conditional_fetch_confirms_the_keys(gateway, backend, key_server):
    keys = key_server()
    tagged = document(keys.issuer.jwks(), [("ETag", '"one"')])
    keys.misbehave = answer(tagged)
    instance = gateway(config(backend(), [keys.section(refresh="1s", max_stale="0s")]))
    keys.misbehave = answer(http1.response_text(304, [("ETag", '"one"')]))
    keys.wait_fetches(4)
    assert {request.get("If-None-Match") for request in keys.requests[1:4]} == {'"one"'}
    assert accepted(instance, keys.issuer.mint())
    assert metric(instance, "fetch_failures_total", keys.issuer) == 0


# Discovery


def test_K01_keys_by_discovery(gateway, backend, key_server):
    """The address comes from the metadata, on another host even, and is looked up again when the keys are gone."""
    provider, first, second = key_server("old"), key_server("old"), key_server("new")
    first.issuer.signing = provider.issuer.signing
    provider.metadata["jwks_uri"] = first.jwks_url
    instance = gateway(config(backend(), [provider.section(discovery=True, refresh="1s")]))
    old = provider.issuer.mint()
    assert accepted(instance, old) and provider.fetches() == 0

    provider.issuer.signing = second.issuer.signing
    provider.metadata["jwks_uri"] = second.jwks_url
    first.misbehave = answer(document(b"gone", status=410))
    eventually(lambda: accepted(instance, provider.issuer.mint()), "the keys of the new address", timeout=RECOVERY)
    expect_problem(instance.get("/", bearer(old)), "invalid_token")


@pytest.mark.parametrize("metadata", [
    {"issuer": "https://somebody.else.test"}, {"issuer": None}, {"jwks_uri": None}, {"jwks_uri": "file:///etc/passwd"},
    {"jwks_uri": "/keys"}, {"jwks_uri": "ftp://127.0.0.1/keys"}, {"jwks_uri": ["http://127.0.0.1/keys"]},
])
def test_K01_metadata_that_is_not_the_issuers_is_refused(gateway, backend, key_server, metadata):
    provider = key_server()
    provider.metadata = metadata
    instance = gateway(config(backend(), [provider.section(discovery=provider.url + METADATA)]))
    expect_problem(instance.get("/", bearer(provider.issuer.mint())), "keys_unavailable")
    assert status(instance, provider.issuer)["problem"].startswith("discovery: ")
    assert instance.admin("/readyz").status == 503 and provider.fetches() == 0
    provider.metadata = {}
    eventually(lambda: accepted(instance, provider.issuer.mint()), "the keys being found", timeout=RECOVERY)


# K02: no keys yet


@pytest.mark.parametrize("fault", ["refuse", "silent", "html", "symmetric", "redirect-to-itself", "10-MB"])
def test_K02_without_keys_nothing_is_open(gateway, backend, key_server, fault):
    keys, other, server = key_server(listening=fault != "refuse"), key_server(), backend()
    keys.misbehave = {**UNAVAILABLE, **SLOW, **POISONED}.get(fault)
    instance = gateway(config(server, [keys.section(), other.section()]))
    none, hmac_header = {"alg": "none"}, {"alg": "HS256"}
    for token in (keys.issuer.mint(), keys.issuer.mint(header={"kid": None}), keys.issuer.mint(key=EVIL)):
        response = instance.get("/", bearer(token))
        expect_problem(response, "keys_unavailable")
        assert response.get("Retry-After")
    for token in (keys.issuer.mint(header=none), keys.issuer.mint(header=hmac_header), keys.issuer.mint(iss="https://x.test"), "x.y.z"):
        expect_problem(instance.get("/", bearer(token)), "invalid_token")
    expect_problem(instance.get("/"), "missing_token")
    assert not server.requests
    assert instance.get("/public").status == 200 and accepted(instance, other.issuer.mint())
    assert instance.admin("/readyz").status == 503 and instance.admin("/healthz").status == 200

    keys.misbehave = None
    if fault == "refuse":
        keys.listen()
    eventually(lambda: accepted(instance, keys.issuer.mint()), "the keys being fetched", timeout=RECOVERY)
    assert instance.admin("/readyz").status == 200


def test_K02_a_shared_secret_needs_no_fetch(gateway, backend, key_server, tmp_path):
    """It is ready at once beside an issuer with a source, and nothing is ever fetched for it."""
    secret, issuer, keys = b"s" * 48, SmallIssuer("https://shared.test"), key_server()
    (tmp_path / "secret").write_bytes(secret + b"\n")
    section = {"issuer": issuer.name, "audiences": [issuer.audience], "algorithms": ["HS256"], "secret_file": str(tmp_path / "secret")}

    def mint(key):
        return encode({"alg": "HS256"}, issuer.claims(), lambda data: hmac.digest(key, data, "sha256"))

    instance = gateway(config(backend(), [section, keys.section()]))
    assert instance.admin("/readyz").status == 200
    assert accepted(instance, mint(secret)) and accepted(instance, keys.issuer.mint())
    for token in (mint(b"x" * 48), issuer.mint()):
        expect_problem(instance.get("/", bearer(token)), "invalid_token")
    assert metric(instance, "fetches_total", issuer) == 0 and metric(instance, "last_fetch_successful", issuer) is None


# K03: unknown kids


class Flood:
    """Tokens with kids that nobody has, each another one, as fast as one connection takes them. `count`: answered."""

    _BATCH = 64

    def __init__(self, port, issuer):
        claims = b64url(json.dumps(issuer.claims("mallory")).encode())
        self._rest = f".{claims}.{b64url(b'x' * 64)}"
        self._port = port
        self.count = 0
        self.refused = 0
        self._stop = threading.Event()
        self.failure = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(RECOVERY)

    def _requests(self, numbers):
        for number in numbers:
            header = b64url(json.dumps({"alg": "EdDSA", "kid": f"{number:08x}-random"}).encode())
            yield f"GET / HTTP/1.1\r\nHost: gateway.test\r\nAuthorization: Bearer {header}{self._rest}\r\n\r\n".encode()

    def _run(self):
        numbers = itertools.count(1)
        try:
            with RawClient(self._port) as client:
                while not self._stop.is_set():
                    client.send(b"".join(self._requests(itertools.islice(numbers, self._BATCH))))
                    self._read(client)
        except Exception as failure:  # pylint: disable=broad-except
            self.failure = failure

    def _read(self, client):
        """Reads the answers to one batch without looking at their bodies closely."""
        received = b""
        while received.count(b'"request_id"') < self._BATCH:
            data = client.sock.recv(1 << 18)
            assert data, "the connection ended"
            received += data
        self.refused += received.count(b"HTTP/1.1 401 ")
        self.count += self._BATCH


def test_K03_a_flood_of_unknown_kids(gateway, backend, key_server):
    """One fetch per cool-down, whatever the flood; others are served on; a rotation in its midst is picked up."""
    keys, cooldown = key_server(), 1.0
    instance = gateway(config(backend(), [keys.section(cooldown="1s")], workers=2))
    subjects = itertools.count()
    least = 5_000 if SANITIZED else 20_000
    started = time.monotonic()
    with Flood(instance.port, keys.issuer) as flood:
        others = 0
        while flood.count < least or time.monotonic() - started < 4 * cooldown:
            assert flood.failure is None, flood.failure
            assert time.monotonic() - started < 2 * RECOVERY, f"the flood is too slow: {flood.count}"
            assert accepted(instance, keys.issuer.mint(f"user-{next(subjects)}"))
            others += 1
        flooded = time.monotonic() - started

        before = keys.fetches()
        keys.issuer.signing = [Key("EdDSA", "key-2"), *keys.issuer.signing]
        rotated = keys.issuer.mint("rotated")
        eventually(lambda: accepted(instance, rotated), "the new key being used", timeout=RECOVERY)
        # One fetch may have been under way with the old set; the next has the new one.
        assert keys.fetches() - before <= 2
        elapsed = time.monotonic() - started
    assert flood.failure is None, flood.failure
    assert flood.refused == flood.count >= least and others >= 10
    # The one at the start, one at once, then one per cool-down.
    assert 3 <= keys.fetches() <= 2 + elapsed / cooldown
    assert metric(instance, "unknown_keys_total", keys.issuer) >= flood.count
    assert metric(instance, "refetches_total", keys.issuer) <= 1 + elapsed / cooldown
    assert metric(instance, "refetches_suppressed_total", keys.issuer) >= flood.count - 2 - elapsed / cooldown
    print(f"flood: {flood.count} kids in {flooded:.1f} s, {keys.fetches()} fetches, {others} requests of others")


def test_K03_one_dead_token_asks_less_and_less(gateway, backend, key_server):
    """A client that holds on to a token with a dead kid: fetches after 0, 1, 3, 7... cool-downs, not after each."""
    keys = key_server()
    instance = gateway(config(backend(), [keys.section(cooldown="1s")]))
    token = keys.issuer.mint(header={"kid": "dead"})
    started = time.monotonic()
    with instance.client() as client:
        while (elapsed := time.monotonic() - started) < 5.5:
            expect_problem(client.get("/", bearer(token)), "invalid_token")
    assert 2 <= keys.fetches() <= 1 + sum(elapsed >= at for at in (0, 1, 3, 7))
    assert metric(instance, "refetches_suppressed_total", keys.issuer) >= 1

    # It is in nobody's way: another unknown kid is answered at the end of a cool-down.
    keys.issuer.signing.insert(0, Key("EdDSA", "key-2"))
    eventually(lambda: accepted(instance, keys.issuer.mint()), "the new key being used", timeout=RECOVERY)


def test_K03_no_request_waits_for_a_fetch(gateway, backend, key_server):
    keys = key_server()
    instance = gateway(config(backend(), [keys.section()]))
    keys.misbehave = silent
    expect_problem(instance.get("/", bearer(keys.issuer.mint(header={"kid": "unknown"}))), "invalid_token")
    keys.wait_fetches(2)
    # The fetch hangs; nobody else does, unknown kids included.
    assert accepted(instance, keys.issuer.mint())
    expect_problem(instance.get("/", bearer(keys.issuer.mint(header={"kid": "other"}))), "invalid_token")
    assert metric(instance, "fetches_total", keys.issuer) == 1


# K04: rotation


def test_K04_rotation_with_overlap(gateway, backend, key_server):
    """New keys are used within one refresh; a removed one stops with the next, cached verdicts too; nobody else notices."""
    keys = key_server("old")
    instance = gateway(config(backend(), [keys.section(refresh="1s", cooldown="10m")]))
    old = keys.issuer.mint("of-the-old-key")
    assert accepted(instance, old) and accepted(instance, old)

    keys.issuer.signing.append(Key("EdDSA", "new"))
    keys.wait_fetches(keys.fetches() + 2)  # the first may have been answered before; the second comes when the first is in use
    new = keys.issuer.mint("of-the-new-key", key=keys.issuer.signing[1])
    assert accepted(instance, new) and accepted(instance, old)
    assert metric(instance, "unknown_keys_total", keys.issuer) == 0

    keys.issuer.signing.pop(0)

    def refused():
        assert accepted(instance, new)
        response = instance.get("/", bearer(old))
        return response.status != 200 and response

    expect_problem(eventually(refused, "the old key being gone", timeout=RECOVERY), "invalid_token")
    for _ in range(3):
        expect_problem(instance.get("/", bearer(old)), "invalid_token")
    assert accepted(instance, new)


def test_K04_a_key_replaced_under_its_kid(gateway, backend, key_server):
    """The same kid, another key: what the old one signed is refused, though it was cached."""
    keys = key_server("one")
    instance = gateway(config(backend(), [keys.section(refresh="1s")]))
    old = keys.issuer.mint()
    assert accepted(instance, old)
    keys.issuer.signing = [Key("EdDSA", "one")]
    eventually(lambda: accepted(instance, keys.issuer.mint()), "the new key being used", timeout=RECOVERY)
    expect_problem(instance.get("/", bearer(old)), "invalid_token")


def test_K04_keys_in_a_file_rotate_too(gateway, backend, tmp_path):
    issuer = SmallIssuer("https://file.test", "old")
    jwks = issuer.write_jwks(tmp_path)
    instance = gateway(config(backend(), [{"issuer": issuer.name, "algorithms": ["EdDSA"], "jwks": {**jwks, "refresh": "1s"}}]))
    old = issuer.mint()
    assert accepted(instance, old)
    issuer.signing = [Key("EdDSA", "new")]
    issuer.write_jwks(tmp_path)
    eventually(lambda: accepted(instance, issuer.mint()), "the new key being used", timeout=RECOVERY)
    expect_problem(instance.get("/", bearer(old)), "invalid_token")


# K05: single keys


def test_K05_single_keys_that_cannot_be_used_are_left_out(gateway, backend, key_server):
    keys = key_server("good")
    good, weak = keys.issuer.signing[0], {"kty": "RSA", "kid": "weak", "alg": "RS256", "n": b64url(b"\xff" * 128), "e": "AQAB"}
    encryption = {**Key("EdDSA", "enc").jwk(), "use": "enc"}
    keys.misbehave = answer(keys_document(weak, encryption, {"kty": "XYZ", "kid": "odd"}, good.jwk()))
    instance = gateway(config(backend(), [keys.section()]))
    assert accepted(instance, keys.issuer.mint())
    assert metric(instance, "keys", keys.issuer) == 1
    for kid in ("weak", "enc", "odd"):
        instance.wait_stderr(f"key '{kid}' is not used")
        expect_problem(instance.get("/", bearer(keys.issuer.mint(header={"kid": kid}))), "invalid_token")


# K06: two issuers


def test_K06_equal_kids_of_two_issuers(gateway, backend, key_server):
    """A key belongs to (issuer, kid). One issuer's key signs for the other in vain, before and after a refetch."""
    one, two = key_server("same"), key_server("same")
    instance = gateway(config(backend(), [one.section(cooldown="1s"), two.section(cooldown="1s")]))
    own = [one.issuer.mint(), two.issuer.mint()]
    crossed = [one.issuer.mint(iss=two.issuer.name), two.issuer.mint(iss=one.issuer.name)]
    for _ in range(2):
        for token in own:
            assert accepted(instance, token)
        for token in crossed:
            expect_problem(instance.get("/", bearer(token)), "invalid_token")
    # The one's rotation is not the other's.
    one.issuer.signing = [Key("EdDSA", "later")]
    eventually(lambda: accepted(instance, one.issuer.mint()), "the new key being used", timeout=RECOVERY)
    expect_problem(instance.get("/", bearer(own[0])), "invalid_token")
    assert accepted(instance, own[1]) and two.fetches() == 1
    expect_problem(instance.get("/", bearer(one.issuer.mint(iss=two.issuer.name))), "invalid_token")


@pytest.mark.parametrize("name", ["{}/", "{}x", " {}", "{}#", "", None, ["{}"]])
def test_K06_the_issuer_is_exact(gateway, backend, key_server, name):
    keys = key_server()
    instance = gateway(config(backend(), [keys.section()]))
    claim = json.loads(json.dumps(name).replace("{}", keys.issuer.name))
    expect_problem(instance.get("/", bearer(keys.issuer.mint(iss=claim))), "invalid_token")


# K07: fetches that fail while clients come and go


def test_K07_clients_that_leave_while_a_fetch_fails(gateway, backend, key_server):
    """Fetches for unknown kids hang and fail while clients reset; the configuration changes; nothing is lost or leaks."""
    keys, server = key_server(), backend()
    sections = [keys.section(cooldown="1s")]
    instance = gateway(config(server, sections, workers=2))
    before = len(instance.descriptors_open())
    for round_, fault in enumerate([silent, reset, drop, answer_and_close(with_length(100, b"{"))]):
        keys.misbehave = fault
        seen = keys.fetches()
        clients = [instance.client() for _ in range(40)]
        for number, client in enumerate(clients):
            token = keys.issuer.mint(header={"kid": f"unknown-{round_}-{number}"})
            client.send(http1.request_text("GET", "/", bearer(token)) * 3)
        for client in clients[::2]:
            client.reset()
        keys.wait_fetches(seen + 1)
        for client in clients[1::2]:
            expect_problem(client.response(), "invalid_token")
            client.reset()
        assert accepted(instance, keys.issuer.mint(f"user-{round_}"))
        instance.reload(config(server, [keys.section(cooldown=f"{2 + round_}s")], workers=2))
        instance.wait_stderr("configuration reloaded", after=len(instance.stderr))
    keys.misbehave = None
    keys.issuer.signing = [Key("EdDSA", "after")]
    eventually(lambda: accepted(instance, keys.issuer.mint()), "the new key being used", timeout=RECOVERY)
    eventually(lambda: len(instance.descriptors_open()) <= before + 4, "the clients' connections being closed")


def test_K07_the_gateway_ends_during_a_fetch(gateway, backend, key_server):
    """It neither waits for the fetch nor falls over it; the fixture checks its exit status."""
    keys = key_server()
    instance = gateway(config(backend(), [keys.section()]))
    keys.misbehave = silent
    expect_problem(instance.get("/", bearer(keys.issuer.mint(header={"kid": "unknown"}))), "invalid_token")
    keys.wait_fetches(2)
    instance.terminate()
    assert instance.wait_exit() == 0
