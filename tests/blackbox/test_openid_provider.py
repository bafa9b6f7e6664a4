"""A real OpenID Provider behind discovery: its tokens, its rotations, its deaths, while requests go on."""

import base64
import json
import threading

import pytest

from harness import configs
from harness.key_sets import METADATA
from harness.openid import OpenIdProvider, make_keys
from harness.problems import expect_problem
from harness.prometheus import parse
from harness.tokens import bearer
from harness.wait import eventually

ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]
AUDIENCE = "lotabots"
# The gateway's longest wait after a failure is 30 s.
RECOVERY = 60


@pytest.fixture(name="generations", scope="module")
def _generations():
    """Three generations of keys, one key per algorithm each."""
    names = ("first", "second", "third")
    keys = make_keys(*((algorithm, f"{name}-{algorithm}") for name in names for algorithm in ALGORITHMS))
    return [keys[i : i + len(ALGORITHMS)] for i in range(0, len(keys), len(ALGORITHMS))]


@pytest.fixture(name="provider")
def _provider(tmp_path):
    provider = OpenIdProvider(tmp_path, AUDIENCE)
    yield provider
    provider.kill()


def config(server, provider, jwks=None, **issuer):
    entry = {"issuer": provider.issuer, "audiences": [AUDIENCE], "algorithms": ALGORITHMS,
             "jwks": {"discovery": True, "refresh": "1s", "cooldown": "1s", **(jwks or {})}, **issuer}
    routes = [{"path": "/", "service": "backend"}, {"path": "/public", "service": "backend", "public": True}]
    return configs.base({"backend": server.url}, routes, authentication={"issuers": [entry]}, workers=2)


def metric(instance, name):
    found = parse(instance.admin("/metrics").body.decode()).find(f"lotagate_jwks_{name}")
    return found[0][1] if found else None


def accepted(instance, token):
    return instance.get("/", bearer(token)).status == 200


def refused(instance, token):
    """The refusal, or None."""
    response = instance.get("/", bearer(token))
    return response if response.status != 200 else None


def tokens_of(provider):
    return [provider.service_token(algorithm) for algorithm in ALGORITHMS]


def kid_of(token):
    head = token.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"]


class Traffic:
    """Requests with good tokens, one after the other, for as long as the block lasts. Every answer has to be 200."""

    def __init__(self, instance, tokens):
        self.tokens = tokens  # may be replaced at any time
        self.count = 0
        self._instance = instance
        self._answers = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, kind, *_):
        self._stop.set()
        self._thread.join(RECOVERY)
        if kind is None:
            assert not self._answers and self.count > 10, (self.count, self._answers[:3])

    def _run(self):
        try:
            while not self._stop.is_set():
                for token in self.tokens:
                    response = self._instance.get("/", bearer(token))
                    if response.status != 200:
                        self._answers.append((kid_of(token), response.status, response.body))
                    self.count += 1
        except Exception as failure:  # pylint: disable=broad-except
            self._answers.append(failure)

    def wait_more(self, count=20):
        """Waits for that many further answers."""
        target = self.count + count
        eventually(lambda: self.count >= target or self._answers, f"{count} more answers", timeout=RECOVERY)


def test_tokens_of_services_and_users(gateway, backend, provider, generations):
    provider.start(generations[0])
    server = backend()
    instance = gateway(config(server, provider))
    for algorithm in ALGORITHMS:
        token = provider.service_token(algorithm)
        assert kid_of(token) == f"first-{algorithm}"
        assert accepted(instance, token) and server.requests[-1].get("X-Auth-Subject") == "service"
        tokens = provider.user_tokens("alice", algorithm)
        assert accepted(instance, tokens["access_token"]) and server.requests[-1].get("X-Auth-Subject") == "alice"
        # An ID token says who signed in to whom, and opens nothing here.
        expect_problem(instance.get("/", bearer(tokens["id_token"])), "invalid_token")
    expect_problem(instance.get("/", bearer(provider.service_token())), "invalid_token")


def test_only_the_issuers_algorithms_count(gateway, backend, provider, generations):
    provider.start(generations[0])
    metadata = provider.issuer + METADATA
    instance = gateway(config(backend(), provider, {"discovery": metadata}, algorithms=["ES256"]))
    assert accepted(instance, provider.service_token("ES256"))
    for algorithm in set(ALGORITHMS) - {"ES256"}:
        expect_problem(instance.get("/", bearer(provider.service_token(algorithm))), "invalid_token")


def test_K02_a_provider_that_starts_after_the_gateway(gateway, backend, provider, generations):
    provider.start(generations[0])
    tokens = tokens_of(provider)
    provider.kill()
    instance = gateway(config(backend(), provider))
    for token in tokens:
        expect_problem(instance.get("/", bearer(token)), "keys_unavailable")
    assert instance.get("/public").status == 200 and instance.admin("/readyz").status == 503
    provider.start(generations[0])
    eventually(lambda: accepted(instance, tokens[0]), "the keys being fetched", timeout=RECOVERY)
    assert all(accepted(instance, token) for token in tokens) and instance.admin("/readyz").status == 200


def test_K04_a_provider_rotates_its_keys(gateway, backend, provider, generations):
    """As providers do it: the next keys are published, then they sign, then the old ones go. Nobody is refused wrongly."""
    first, second, third = generations
    provider.start(first)
    instance = gateway(config(backend(), provider))
    old = tokens_of(provider)
    with Traffic(instance, old) as traffic:
        provider.restart(first + second)
        eventually(lambda: metric(instance, "keys") == len(first + second), "the next keys being known", timeout=RECOVERY)
        provider.restart(second + first)
        new = tokens_of(provider)
        assert [kid_of(token) for token in new] == [f"second-{algorithm}" for algorithm in ALGORITHMS]
        traffic.tokens = old + new
        traffic.wait_more()
        assert metric(instance, "unknown_keys_total") == 0

        traffic.tokens = new
        traffic.wait_more()  # the last requests with old tokens have been answered
        provider.restart(second)
        eventually(lambda: metric(instance, "keys") == len(second), "the old keys being gone", timeout=RECOVERY)
        for token in old:
            expect_problem(eventually(lambda t=token: refused(instance, t), "the old token being refused"), "invalid_token")
            expect_problem(instance.get("/", bearer(token)), "invalid_token")
        traffic.wait_more()
    # All at once and without notice: the first token with a new key has them fetched.
    provider.restart(third)
    newest = tokens_of(provider)
    for token in newest:
        eventually(lambda t=token: accepted(instance, t), "the new keys being used", timeout=RECOVERY)
    for token in old + new:
        expect_problem(instance.get("/", bearer(token)), "invalid_token")


def test_K04_an_unannounced_rotation_without_a_refresh(gateway, backend, provider, generations):
    provider.start(generations[0])
    instance = gateway(config(backend(), provider, {"refresh": "1h"}))
    old = tokens_of(provider)
    assert all(accepted(instance, token) for token in old)
    provider.restart(generations[1])
    for token in tokens_of(provider):
        eventually(lambda t=token: accepted(instance, t), "the new keys being used", timeout=RECOVERY)
    for token in old:
        expect_problem(instance.get("/", bearer(token)), "invalid_token")


def test_K01_a_provider_that_goes_down_and_comes_back(gateway, backend, provider, generations):
    """Killed, frozen, and back with other keys: tokens go on meanwhile, and nothing has to be restarted here."""
    provider.start(generations[0])
    instance = gateway(config(backend(), provider))
    good = tokens_of(provider)

    def wait_failure():
        eventually(lambda: metric(instance, "last_fetch_successful") == 0, "a failed fetch", timeout=RECOVERY)

    with Traffic(instance, good) as traffic:
        for _ in range(2):
            provider.kill()
            wait_failure()
            traffic.wait_more()
            assert instance.admin("/readyz").status == 200
            provider.start(generations[0])
            eventually(lambda: metric(instance, "last_fetch_successful") == 1, "a good fetch", timeout=RECOVERY)

        provider.freeze()
        wait_failure()
        traffic.wait_more()
        provider.thaw()
        eventually(lambda: metric(instance, "last_fetch_successful") == 1, "a good fetch", timeout=RECOVERY)
        traffic.wait_more()

    provider.kill()
    wait_failure()
    provider.start(generations[1])
    for token in tokens_of(provider):
        eventually(lambda t=token: accepted(instance, t), "the new keys being used", timeout=RECOVERY)
    for token in good:
        expect_problem(instance.get("/", bearer(token)), "invalid_token")
    assert all(accepted(instance, token) for token in tokens_of(provider))


def test_K01_keys_of_a_dead_provider_expire(gateway, backend, provider, generations):
    provider.start(generations[0])
    instance = gateway(config(backend(), provider, {"max_stale": "1s"}))
    good = tokens_of(provider)
    assert all(accepted(instance, token) for token in good)
    provider.kill()
    for token in good:
        expect_problem(eventually(lambda t=token: refused(instance, t), "the keys being dropped", timeout=RECOVERY), "keys_unavailable")
    provider.start(generations[0])
    eventually(lambda: accepted(instance, good[0]), "the keys being fetched", timeout=RECOVERY)
    assert all(accepted(instance, token) for token in good)
