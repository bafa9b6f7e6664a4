"""Start, refusal to start, and the end."""

import re
import signal
import socket
import threading

import pytest
import yaml

from harness import configs, http1
from harness.backend import ok
from harness.client import get
from harness.gateway import run_command
from harness.http1 import Closed
from harness.wait import eventually

_ERROR_LINE = re.compile(r".+:\d+:\d+: error: .+")


@pytest.fixture(name="write")
def _write(tmp_path):
    """write(config) -> the path of a file with it; `config` is a dict or text."""
    def write(config):
        path = tmp_path / "gateway.yaml"
        path.write_text(config if isinstance(config, str) else yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        return path

    return write


def holding(release):
    """A handler that answers /slow after `release` and everything else at once."""

    def handler(connection):
        while True:
            request = connection.read_request()
            if request.target == "/slow":
                assert release.wait(20)
            connection.send(ok(request))

    return handler


def in_flight(instance, server):
    """A client whose request waits at the backend."""
    client = instance.client()
    client.send(http1.request_text("GET", "/slow"))
    server.wait_for(lambda s: any(r.target == "/slow" for r in s.requests), "the slow request")
    return client


def refuses_new_work(instance):
    """New connections are refused, closed, or told to go away."""
    try:
        response = instance.get("/quick")
    except (ConnectionRefusedError, Closed, ConnectionResetError):
        return True
    return "close" in response.tokens("Connection")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_drain_lets_requests_finish(gateway, backend, number):
    release = threading.Event()
    server = backend(holding(release))
    instance = gateway(configs.public(server.url))
    with in_flight(instance, server) as client:
        instance.signal(number)
        eventually(lambda: refuses_new_work(instance), "no new work being taken")
        release.set()
        response = client.response()
        assert (response.status, response.body) == (200, b"ok")
        assert "close" in response.tokens("Connection")
        client.expect_closed()
    assert instance.wait_exit() == 0


def test_drain_ends_when_its_time_is_up(gateway, backend):
    release = threading.Event()
    server = backend(holding(release))
    instance = gateway(configs.with_timeouts(configs.public(server.url), drain="300ms"))
    with in_flight(instance, server):
        instance.terminate()
        assert instance.wait_exit() == 0
    release.set()


def test_drain_closes_idle_connections(gateway, backend):
    instance = gateway(configs.public(backend().url))
    with instance.client() as client:
        assert client.get("/").status == 200
        instance.terminate()
        client.expect_closed()
    assert instance.wait_exit() == 0


def test_every_log_line_is_written_before_the_end(gateway, backend):
    instance = gateway(configs.public(backend().url))
    with instance.client() as client:
        for _ in range(200):
            client.get("/")
    instance.terminate()
    assert instance.wait_exit() == 0
    assert len(instance.log()) == 200


def test_a_dead_backend_does_not_keep_it_from_starting(gateway, backend):
    instance = gateway(configs.public(backend(listening=False).url))
    assert instance.get("/").status == 502
    assert instance.admin("/healthz").status == 200


def test_several_listeners_and_workers(gateway, backend):
    config = {**configs.public(backend().url), "workers": 2}
    config["listeners"].append({"address": "127.0.0.1:0"})
    instance = gateway(config)
    eventually(lambda: len(instance.ports) == 2, "two listeners")
    assert len(set(instance.ports)) == 2
    for port in instance.ports * 10:
        assert get(port, "/").status == 200


def expect_refusal(result, *words):
    """Exit status 1, something readable for every problem, and nothing that listened before."""
    assert result.returncode == 1, result
    assert "listening on" not in result.stderr and "ready" not in result.stderr.split()
    for word in words:
        assert word in result.stderr, result.stderr
    assert all(line.strip() for line in result.stderr.splitlines())


def test_run_refuses_a_broken_configuration(write):
    path = write("listeners:\n  - address: 127.0.0.1:0\nroutes: 5\nservces: {}\n")
    result = run_command("run", "-c", path)
    expect_refusal(result, str(path))
    assert all(_ERROR_LINE.fullmatch(line) for line in result.stderr.splitlines())


def test_run_refuses_a_missing_configuration(tmp_path):
    expect_refusal(run_command("run", "-c", tmp_path / "absent.yaml"), "absent.yaml")


@pytest.mark.parametrize("content,word", [(None, "keys.json"), ("not json", "key set")])
def test_run_refuses_unusable_keys(write, issuer, tmp_path, content, word):
    keys = tmp_path / "keys.json"
    if content is not None:
        keys.write_text(content, encoding="utf-8")
    config = configs.base({"backend": "http://127.0.0.1:1"}, [{"path": "/", "service": "backend"}],
                          authentication=configs.authentication(issuer, {"file": str(keys)}))
    result = run_command("run", "-c", write(config))
    expect_refusal(result, word)
    assert len(result.stderr.splitlines()) == 1


def test_run_refuses_a_missing_service_token(write, issuer, jwks, tmp_path):
    user_management = {"url": "http://127.0.0.1:1", "token_file": str(tmp_path / "absent.token")}
    config = configs.base({"backend": "http://127.0.0.1:1"}, [{"path": "/", "service": "backend"}],
                          authentication=configs.authentication(issuer, jwks), authorization={"user_management": user_management})
    result = run_command("run", "-c", write(config))
    expect_refusal(result, "absent.token")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("place", ["listeners", "admin"])
def test_run_refuses_a_port_in_use(write, place):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        config = configs.public("http://127.0.0.1:1")
        config[place] = [{"address": address}] if place == "listeners" else {"address": address}
        result = run_command("run", "-c", write(config))
    expect_refusal(result, address)
    assert len(result.stderr.splitlines()) == 1


def test_check_accepts_a_good_file(write):
    path = write(configs.public("http://127.0.0.1:1"))
    result = run_command("check", "-c", path)
    assert result.returncode == 0 and result.stdout.startswith(f"{path}: ok"), result
    assert not result.stderr


def test_check_prints_every_error_with_its_place(write):
    path = write(
        "listeners:\n"
        "  - address: 127.0.0.1:0\n"
        "servces: {}\n"
        "services:\n"
        "  backend: { endpoints: [ \"http://127.0.0.1:1\" ], timeouts: { conect: 1s } }\n"
        "limits: { head: many }\n"
        "routes:\n"
        "  - { path: /a, service: bakend, public: true }\n"
        "  - { path: no-slash, service: backend, public: perhaps }\n")
    result = run_command("check", "-c", path)
    assert result.returncode == 1
    lines = result.stderr.splitlines()
    assert all(re.fullmatch(re.escape(str(path)) + r":\d+:\d+: error: .+", line) for line in lines), result.stderr
    at = {int(line[len(str(path)) + 1 :].split(":")[0]): line for line in lines}
    assert set(at) >= {3, 5, 6, 8, 9}, result.stderr
    assert "services" in at[3] and "connect" in at[5] and "backend" in at[8], "the nearest valid name"
    assert len(lines) >= 6


def test_check_and_run_agree(write):
    path = write("listeners:\n  - address: nowhere\n")
    check, run = run_command("check", "-c", path), run_command("run", "-c", path)
    assert check.returncode == run.returncode == 1
    assert check.stderr and set(check.stderr.splitlines()) <= set(run.stderr.splitlines())


def test_version_and_usage():
    version = run_command("version")
    assert version.returncode == 0 and re.search(r"\d+\.\d+\.\d+", version.stdout)
    assert run_command("no-such-command").returncode != 0
    assert run_command("run").returncode != 0
