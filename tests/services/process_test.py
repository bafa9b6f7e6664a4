"""What the three services have in common: starting, refusing to start, stopping, and their connections."""

import http.client
import os
import signal
import socket
import time

import pytest
from reference_services import Service, Users, run_to_failure
from reference_models import trained_line

USERS_FLAGS = ("--issuer", "https://u.example", "--audience", "a")
STOP_SECONDS = 2


@pytest.fixture(name="service", params=["users", "training", "inference"])
def fixture_service(start, tmp_path, request):
    if request.param == "users":
        return start(Users, tmp_path)
    more = ("--training", "http://127.0.0.1:9") if request.param == "inference" else ("--data", tmp_path)
    return start(Service, request.param, "--listen", "127.0.0.1:0", *more)


@pytest.fixture(name="plain")
def fixture_plain(start, tmp_path):
    return start(Service, "training", "--listen", "127.0.0.1:0", "--data", tmp_path)


def test_health(service):
    answer = service.call("GET", "/healthz")
    assert answer.status == 200 and answer.json == {"status": "ok"}


def test_an_unknown_path_and_method(service):
    answer = service.call("GET", "/no/such/path")
    assert answer.status == 404 and answer.json["code"] == "not_found"
    answer = service.call("DELETE", "/healthz")
    assert answer.status == 405 and answer.headers["Allow"] == "GET"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_at_once_with_idle_connections(service, number):
    idle = [service.connect() for _ in range(10)]
    for connection in idle:
        assert service.call("GET", "/healthz", connection=connection).status == 200
    silent = socket.create_connection(("127.0.0.1", service.port))
    half = socket.create_connection(("127.0.0.1", service.port))
    half.sendall(b"GET /healthz HT")
    begun = time.monotonic()
    assert service.stop(number) == 0
    assert time.monotonic() - begun < STOP_SECONDS
    for connection in [*idle, silent, half]:
        connection.close()


def test_a_stream_does_not_hold_up_the_stop(start, tmp_path):
    training = start(Service, "training", "--listen", "127.0.0.1:0", "--data", tmp_path)
    inference = start(Service, "inference", "--listen", "127.0.0.1:0", "--training", training.origin)
    model = trained_line(training)
    connection = inference.connect()
    rows = ",".join("[1]" for _ in range(1000))
    connection.request("POST", "/api/v1/infer",
                       f'{{"model":"{model}","rows":[{rows}],"stream":true,"interval_ms":1000}}')
    response = connection.getresponse()
    assert response.readline() == b"event: prediction\n"
    begun = time.monotonic()
    assert inference.stop() == 0
    assert time.monotonic() - begun < STOP_SECONDS
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        response.read()


def test_a_connection_is_kept_for_many_requests(plain):
    connection = plain.connect()
    assert plain.call("GET", "/healthz", connection=connection).status == 200
    kept = connection.sock.getsockname()
    for _ in range(50):
        assert plain.call("GET", "/healthz", connection=connection).status == 200
        assert connection.sock.getsockname() == kept
    connection.close()


def test_idle_connections_do_not_starve_new_ones(plain):
    # More than the service has room for: the longest idle ones give way.
    idle = []
    for _ in range(600):
        idle.append(plain.connect())
        assert plain.call("GET", "/healthz", connection=idle[-1]).status == 200
    assert plain.call("GET", "/healthz").status == 200
    for connection in idle:
        connection.close()


def test_a_burst_of_connections_is_served(plain):
    sockets = [socket.create_connection(("127.0.0.1", plain.port), timeout=20) for _ in range(200)]
    for one in sockets:
        one.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    for one in sockets:
        with one, one.makefile("rb") as answer:
            assert answer.readline() == b"HTTP/1.1 200 OK\r\n"


def test_requests_may_be_pipelined(plain):
    with socket.create_connection(("127.0.0.1", plain.port), timeout=20) as one, one.makefile("rb") as answers:
        one.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 2 +
                    b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert answers.read().count(b'{"status":"ok"}') == 3


def test_a_post_without_length_has_no_body(plain):
    with socket.create_connection(("127.0.0.1", plain.port), timeout=20) as one, one.makefile("rb") as answers:
        one.sendall(b"POST /api/v1/models HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n"
                    b"Connection: close\r\n\r\n")
        both = answers.read()
        assert both.startswith(b"HTTP/1.1 400 ") and b'{"status":"ok"}' in both


def test_a_body_that_is_not_read_closes_the_connection(plain):
    with socket.create_connection(("127.0.0.1", plain.port), timeout=20) as one, one.makefile("rb") as answers:
        hidden = b"GET /no/such HTTP/1.1\r\nHost: x\r\n\r\n"
        one.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(hidden) + hidden)
        assert b"404" not in answers.read()


def test_a_body_that_is_too_large_is_refused(plain):
    answer = plain.call("POST", "/api/v1/models", b" " * (10 * 1024 * 1024 + 1))
    assert answer.status == 413 and answer.json["code"] == "body_too_large"


def test_a_path_beyond_any_route_is_404(plain):
    assert plain.call("GET", "/" + "a" * 7000).status == 404


@pytest.mark.parametrize("verbose", [False, True])
def test_requests_are_logged_if_asked(start, tmp_path, verbose):
    flags = ["--verbose"] if verbose else []
    service = start(Service, "training", "--listen", "127.0.0.1:0", "--data", tmp_path, *flags)
    service.call("GET", "/healthz%0Aforged", headers={"X-Request-Id": "r-1"})
    service.stop()
    assert service.log[1:] == ([r"GET /healthz\u000aforged 404 r-1"] if verbose else [])


def test_a_log_that_nobody_reads_fails_no_request(start, tmp_path):
    service = start(Service, "training", "--listen", "127.0.0.1:0", "--data", tmp_path, "--verbose")
    with open(os.devnull, encoding="utf-8") as nothing:  # in place of the pipe's reading end, which is closed by it
        os.dup2(nothing.fileno(), service.process.stderr.fileno())
    for _ in range(3):
        assert service.call("GET", "/healthz").status == 200


def one_line_and_exit_1(name, *flags):
    status, lines = run_to_failure(name, *flags)
    assert status == 1
    assert len(lines) == 1 and lines[0].startswith(f"lotagate-{name}: "), lines
    return lines[0]


def test_a_busy_port_is_said(plain, tmp_path):
    data = tmp_path / "other"
    for name, more in (("training", ("--data", data)), ("inference", ("--training", "http://127.0.0.1:9")),
                       ("users", ("--data", data, "--service-token-file", tmp_path / "t", *USERS_FLAGS))):
        line = one_line_and_exit_1(name, "--listen", plain.address, *more)
        assert plain.address in line and "in use" in line


def test_a_directory_that_cannot_be_used_is_said(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    for data in (blocked, blocked / "below", tmp_path / "no" / "parent"):
        assert str(data) in one_line_and_exit_1("training", "--data", data)
        assert str(data) in one_line_and_exit_1("users", "--data", data, "--service-token-file", tmp_path / "t",
                                                *USERS_FLAGS)
        assert str(data) in one_line_and_exit_1("inference", "--data", data, "--training", "http://127.0.0.1:9")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_without_permission_is_said(tmp_path):
    tmp_path.chmod(0o500)
    assert str(tmp_path) in one_line_and_exit_1("training", "--data", tmp_path)


def test_bad_flags_are_said(tmp_path):
    one_line_and_exit_1("training")
    one_line_and_exit_1("training", "--data", tmp_path, "--speed", "9")
    assert "localhost:0" in one_line_and_exit_1("training", "--data", tmp_path, "--listen", "localhost:0")
    assert "https://x" in one_line_and_exit_1("inference", "--training", "https://x")
    users = ("--data", tmp_path, "--service-token-file", tmp_path / "t", *USERS_FLAGS)
    one_line_and_exit_1("users", *users, "--token-ttl", "0")


def test_files_that_are_not_what_they_should_be_are_said(tmp_path):
    (tmp_path / "t").write_text("short\n")
    users = ("--data", tmp_path, "--service-token-file", tmp_path / "t", *USERS_FLAGS)
    assert "service token" in one_line_and_exit_1("users", *users)
    (tmp_path / "t").unlink()
    (tmp_path / "signing-key.pem").write_text("no key")
    assert "signing-key.pem" in one_line_and_exit_1("users", *users)
    (tmp_path / "training.db").write_text("not a database, but long enough to be taken for one " * 20)
    assert "training.db" in one_line_and_exit_1("training", "--data", tmp_path)
