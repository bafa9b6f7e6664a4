"""Fixtures of the black-box tests. The binary is LOTAGATE_BUILD/src/lotagate, by default build/release/src/lotagate."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

# pylint: disable=wrong-import-position
from harness.backend import ScriptedBackend
from harness.gateway import BINARY, Gateway
from harness.redis_server import RedisServer
from harness.tokens import Issuer, JwksServer
from harness.ums import FakeUms

# pylint: enable=wrong-import-position


def _gateways(directories):
    """Makes `start(config, **options of Gateway)`; afterwards stops every gateway and fails if one did not end well."""
    started = []

    def start(config, **options):
        assert BINARY.exists(), f"{BINARY} is not built"
        instance = Gateway(config, directories.mktemp("gateway"), **options)
        started.append(instance)
        return instance.start()

    yield start
    failures = []
    for instance in started:
        try:
            instance.stop()
        except AssertionError as failure:
            failures.append(str(failure))
    assert not failures, "\n".join(failures)


class Backends:
    """Starts scripted backends; at the end stops them all and fails if a handler failed."""

    def __init__(self):
        self._started = []

    def __call__(self, handler=None, listening=True):
        return self.keep(ScriptedBackend(handler, listening))

    def keep(self, instance):
        """Takes over a backend of another kind."""
        self._started.append(instance)
        return instance

    def stop(self):
        for instance in self._started:
            instance.stop()
        failures = [failure for instance in self._started for failure in instance.failures]
        if failures:
            raise failures[0]


@pytest.fixture
def backend():
    """Factory: backend(handler) starts a scripted backend."""
    backends = Backends()
    yield backends
    backends.stop()


@pytest.fixture
def gateway(backend, tmp_path_factory):  # pylint: disable=unused-argument,redefined-outer-name
    """Factory: gateway(config) starts a gateway. It ends before the backends do."""
    yield from _gateways(tmp_path_factory)


@pytest.fixture(scope="module")
def module_backend():
    """As `backend`, for one server shared by a whole file."""
    backends = Backends()
    yield backends
    backends.stop()


@pytest.fixture(scope="module")
def module_gateway(module_backend, tmp_path_factory):  # pylint: disable=unused-argument,redefined-outer-name
    """As `gateway`, for one process shared by a whole file."""
    yield from _gateways(tmp_path_factory)


@pytest.fixture(scope="session")
def issuer():
    """One issuer for all tests: RSA keys are dear to make."""
    return Issuer()


@pytest.fixture
def jwks(issuer, tmp_path):  # pylint: disable=redefined-outer-name
    """The issuer's key set as a file: the `jwks` member of the configuration."""
    return issuer.write_jwks(tmp_path)


@pytest.fixture
def ums(backend):  # pylint: disable=redefined-outer-name
    """A User Management Service without accounts."""
    return backend.keep(FakeUms())


@pytest.fixture
def jwks_server(backend, issuer):  # pylint: disable=redefined-outer-name
    """Factory: jwks_server(mode=...) serves the issuer's key set."""
    return lambda **options: backend.keep(JwksServer(issuer, **options))


@pytest.fixture
def redis(backend, tmp_path_factory):  # pylint: disable=redefined-outer-name
    """Factory: redis(requirepass=...) starts a redis-server, which ends with the backends."""
    return lambda **options: backend.keep(RedisServer(tmp_path_factory.mktemp("redis"), **options))
