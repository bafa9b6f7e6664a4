"""Many clients that say nothing: each costs the gateway next to no memory, and none is forgotten."""

import contextlib
import resource

import pytest

from harness import configs
from harness.backend import answer_all, ok
from harness.gateway import SANITIZED

CONNECTIONS = 5000
# The engine's promise: an idle connection holds its socket, a timer and a suspended coroutine, no buffer.
MAX_BYTES_PER_CONNECTION = 2048
# The gateway keeps two for each connection that its limits allow; the test's own process needs one.
DESCRIPTORS = 2 * CONNECTIONS + 1000


@pytest.fixture(name="descriptors")
def _descriptors():
    """Raises the limit of this process; the gateway inherits it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = hard == resource.RLIM_INFINITY
    assert unlimited or hard >= DESCRIPTORS, f"the limit of open files is {hard}, this test needs {DESCRIPTORS}"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, DESCRIPTORS), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("descriptors")
def test_5000_idle_connections_cost_2_kib_each(gateway, backend):
    server = backend(answer_all(ok))
    limits = {"connections": CONNECTIONS + 100, "connections_per_address": CONNECTIONS + 100}
    config = configs.with_timeouts(configs.public(server.url, limits=limits), client_idle="10m")
    instance = gateway(config)
    assert instance.get("/").body == b"ok"
    before = instance.memory()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(instance.client()) for _ in range(CONNECTIONS)]
        for client in clients:
            assert client.get("/").body == b"ok"
        each = (instance.memory() - before) / CONNECTIONS
        # A sample of them, the first and the last among it: they are kept.
        for client in [*clients[::100], clients[-1]]:
            assert client.get("/").body == b"ok"
    if not SANITIZED:  # a sanitizer's memory is not the gateway's
        assert each <= MAX_BYTES_PER_CONNECTION, f"{each:.0f} bytes for each idle connection"
