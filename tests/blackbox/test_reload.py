"""A new configuration takes over between two requests; a bad one changes nothing."""

import copy
import os
import re
import signal
import threading

import pytest

from harness import configs, http1
from harness.backend import ok
from harness.problems import expect_problem
from harness.wait import eventually


def with_route(config, path, service="backend"):
    """A copy of `config` with one more public route."""
    changed = copy.deepcopy(config)
    changed["routes"].append({"path": path, "service": service, "public": True})
    return changed


@pytest.fixture(name="server")
def _server(backend):
    return backend()


@pytest.fixture(name="config")
def _config(server):
    return configs.base({"backend": server.url}, [{"path": "/old", "service": "backend", "public": True}])


def wait_route(instance, path):
    eventually(lambda: instance.get(path).status != 404, f"the route {path}")


def test_a_new_route_works(gateway, config):
    instance = gateway(config)
    expect_problem(instance.get("/new"), "route_not_found")
    instance.reload(with_route(config, "/new"))
    wait_route(instance, "/new")
    assert instance.get("/new").status == 200 and instance.get("/old").status == 200


def test_a_removed_route_is_gone(gateway, config):
    instance = gateway(with_route(config, "/new"))
    assert instance.get("/new").status == 200
    instance.reload(config)
    eventually(lambda: instance.get("/new").status == 404, "the route's end")
    assert instance.get("/old").status == 200


def test_a_new_service_works(gateway, backend, config):
    instance = gateway(config)
    other = backend()
    changed = with_route(config, "/new", "other")
    changed["services"]["other"] = {"endpoints": [other.url]}
    instance.reload(changed)
    wait_route(instance, "/new")
    assert instance.get("/new").status == 200 and len(other.requests) >= 1


def test_a_kept_connection_survives(gateway, server, config):
    instance = gateway(config)
    with instance.client() as client:
        assert client.get("/old").status == 200
        instance.reload(with_route(config, "/new"))
        wait_route(instance, "/new")
        assert client.get("/new").status == 200 and client.get("/old").status == 200
    assert len(server.connections) == 1, "upstream connections survive, too"


def test_a_request_in_flight_finishes_under_the_old_configuration(gateway, backend):
    release = threading.Event()

    def handler(connection):
        while True:
            request = connection.read_request()
            if request.target == "/slow":
                connection.send(http1.response_text(200, [("Transfer-Encoding", "chunked")]) + http1.chunk(b"first"))
                assert release.wait(10)
                connection.send(http1.chunk(b"second") + http1.chunk(b""))
            else:
                connection.send(ok(request))

    config = configs.base({"backend": backend(handler).url}, [{"path": "/slow", "service": "backend", "public": True}])
    instance = gateway(config)
    with instance.client() as client:
        client.send(http1.request_text("GET", "/slow"))
        parts = client.body_parts(client.head())
        assert next(parts) == b"first"
        changed = with_route(config, "/new")
        changed["routes"].pop(0)
        instance.reload(changed)
        wait_route(instance, "/new")
        release.set()
        assert b"".join(parts) == b"second"
        expect_problem(client.get("/slow"), "route_not_found")


@pytest.mark.parametrize("broken", [
    "routes: [", "listeners:\n  - address: 127.0.0.1:0\nunknown_key: 1\n", "", "\x00",
    "routes:\n  - {path: /new, service: nowhere, public: true}\n",
])
def test_a_bad_file_changes_nothing(gateway, config, broken):
    instance = gateway(config)
    with instance.client() as client:
        assert client.get("/old").status == 200
        seen = len(instance.stderr)
        instance.reload(broken)
        line = instance.wait_stderr(r"error", after=seen)
        assert re.search(r"gateway\.yaml:\d+:\d+: error: ", line), line
        assert client.get("/old").status == 200
        expect_problem(client.get("/new"), "route_not_found")
    assert instance.get("/old").status == 200
    eventually(lambda: "gateway.yaml:" in instance.admin("/status").body.decode(), "the error in /status")
    assert instance.admin("/readyz").status == 200
    instance.reload(with_route(config, "/new"))
    wait_route(instance, "/new")


def test_a_missing_file_changes_nothing(gateway, config):
    instance = gateway(config)
    seen = len(instance.stderr)
    instance.config_path.unlink()
    instance.signal(signal.SIGHUP)
    instance.wait_stderr(r"gateway\.yaml", after=seen)
    assert instance.get("/old").status == 200


def test_twenty_reloads_under_traffic(gateway, server, config):
    """No request fails, none is lost, and the newest configuration is in force at the end."""
    instance = gateway({**config, "workers": 2})
    stop, failures, counts = threading.Event(), [], []

    def traffic():
        count = 0
        try:
            while not stop.is_set():
                with instance.client() as client:
                    for _ in range(20):
                        response = client.get("/old")
                        assert (response.status, response.body) == (200, b"ok")
                        count += 1
        except (AssertionError, OSError) as failure:
            failures.append(failure)
        counts.append(count)

    threads = [threading.Thread(target=traffic) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for generation in range(20):
            instance.reload(with_route({**config, "workers": 2}, f"/generation/{generation}"))
            wait_route(instance, f"/generation/{generation}")
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert not failures and sum(counts) > 0
    assert len([r for r in server.requests if r.target == "/old"]) == sum(counts)


def test_many_reloads_leak_no_descriptors(gateway, config):
    instance = gateway(config)

    def descriptors():
        return len(os.listdir(f"/proc/{instance.process.pid}/fd"))

    def reload(generation):
        instance.reload(with_route(config, f"/generation/{generation}"))
        wait_route(instance, f"/generation/{generation}")

    for generation in range(3):
        reload(generation)
    before = descriptors()
    for generation in range(3, 20):
        reload(generation)
    eventually(lambda: descriptors() <= before + 2, "descriptors of old configurations being closed")
