"""What the gateway says about itself: probes, status, metrics, and one log line per request."""

import os
import random
import re

import pytest

from harness import configs, http1, prometheus
from harness.backend import answer_all, ok
from harness.tokens import bearer
from harness.wait import eventually

LOG_MEMBERS = {"time", "request_id", "client", "method", "path", "status", "code", "route", "service", "endpoint", "user", "attempts"}


def scrape(instance):
    response = instance.admin("/metrics")
    assert response.status == 200 and response.get("Content-Type").startswith("text/plain")
    return prometheus.parse(response.body.decode())


def wait_total(instance, count, **labels):
    """A scrape in which requests_total has reached `count` for the labels."""

    def probe():
        metrics = scrape(instance)
        return metrics if metrics.sum("lotagate_requests_total", **labels) >= count else None

    return eventually(probe, f"{count} requests in the metrics")


def service_of(request):
    """200, or the status that the path asks for."""
    match = re.match(r"/status/(\d+)", request.target)
    return http1.response_text(int(match[1]), [], b"failed") if match else ok(request)


@pytest.fixture(name="server")
def _server(backend):
    return backend(answer_all(service_of))


@pytest.fixture(name="instance")
def _instance(gateway, server, issuer, jwks):
    routes = [
        {"path": "/things", "service": "backend", "public": True},
        {"path": "/status", "service": "backend", "public": True, "name": "by-status"},
        {"path": "/protected", "service": "backend"},
    ]
    return gateway(configs.base({"backend": server.url}, routes, authentication=configs.authentication(issuer, jwks)))


def test_probes(instance):
    assert instance.admin("/healthz").status == 200
    assert instance.admin("/readyz").status == 200
    assert instance.admin("/nothing").status == 404


def test_the_admin_pages_are_not_on_the_listener(instance):
    for target in ("/healthz", "/readyz", "/status.json", "/metrics"):
        assert instance.get(target).status == 404


def test_status(instance, server):
    response = instance.admin("/status")
    assert response.status == 200 and response.get("Content-Type").startswith("application/json")
    status = response.json()
    assert isinstance(status, dict)
    text = response.body.decode()
    assert "/things" in text and "by-status" in text and f"127.0.0.1:{server.port}" in text


def test_counters_match_the_requests_made(instance):
    made = {("/things", "200", "GET"): 7, ("by-status", "404", "GET"): 3, ("by-status", "500", "GET"): 2}
    for _ in range(7):
        instance.get("/things/x")
    for _ in range(3):
        instance.get("/status/404")
    for _ in range(2):
        instance.get("/status/500")
    for _ in range(4):
        instance.get("/nowhere")
    with instance.client() as client:
        client.request("POST", "/things", body=b"x")
    metrics = wait_total(instance, 17)
    for (route, status, method), count in made.items():
        assert metrics.sum("lotagate_requests_total", route=route, status=status, method=method, service="backend") == count
    assert metrics.sum("lotagate_requests_total", method="POST", status="200") == 1
    assert metrics.sum("lotagate_requests_total", code="route_not_found", status="404") == 4
    assert metrics.sum("lotagate_requests_total", code="upstream_error") == 5
    assert metrics.sum("lotagate_requests_total") == 17
    for name in ("lotagate_request_duration_seconds", "lotagate_upstream_duration_seconds", "lotagate_gateway_overhead_seconds"):
        assert metrics.types[name] == "histogram"
    assert metrics.sum("lotagate_request_duration_seconds_count") == 17
    assert metrics.sum("lotagate_upstream_duration_seconds_count") == 13
    assert metrics.types["lotagate_requests_total"] == "counter"


def test_clients_cannot_create_series(instance):
    generator = random.Random(1)

    def word():
        return "".join(generator.choices("abcdefghijklmnopqrstuvwxyz", k=8))

    def burst():
        for _ in range(100):
            with instance.client() as client:
                client.request(generator.choice(["GET", "POST"]), f"/things/{word()}", [("User-Agent", word())], host=f"{word()}.test")
                client.get(f"/{word()}")
                client.request("PURGE" + word().upper(), "/things")

    burst()
    before = wait_total(instance, 300).series()
    burst()
    assert wait_total(instance, 600).series() == before


def test_a_log_line_of_a_good_request(instance, server, issuer):
    token = issuer.mint("alice")
    response = instance.get("/protected/x?key=query-secret", bearer(token))
    record, = instance.wait_log()
    assert LOG_MEMBERS <= set(record)
    assert (record["method"], record["status"], record["user"], record["client"]) == ("GET", 200, "alice", "127.0.0.1")
    assert (record["route"], record["service"], record["attempts"]) == ("/protected", "backend", 1)
    assert record["endpoint"].endswith(f"127.0.0.1:{server.port}")
    assert record["path"].startswith("/protected/x") and record["code"] is None
    assert record["request_id"] == response.get("X-Request-Id")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", record["time"])
    assert record["duration_ms"] >= record["upstream_ms"] >= 0
    assert (record["bytes_in"], record["bytes_out"]) == (0, 2)


def test_no_secret_is_logged(instance, issuer):
    token = issuer.mint("alice")
    instance.get("/protected?access_token=query-secret&b=another-secret", bearer(token))
    instance.get("/things?q=query-secret", bearer(token + "damaged") + [("Cookie", "session=cookie-secret")])
    instance.get("/nowhere?q=query-secret#", bearer(token))
    with instance.client() as client:
        client.send(b"GET /things?q=query-secret HTTP/9.9\r\nAuthorization: Bearer " + token.encode() + b"\r\n\r\n")
        client.response()
    instance.wait_log(4)
    for text in (instance.log_path.read_text(encoding="utf-8"), "\n".join(instance.stderr)):
        assert "secret" not in text and token.split(".")[2] not in text


def test_exactly_one_line_per_request(gateway, backend, issuer, jwks):
    """Good, refused, malformed, broken off, on a dead backend: one line each, with the id that the client was given."""

    def handler(connection):
        while True:
            request = connection.read_request()
            if request.target == "/things/hold":
                connection.wait_closed_by_peer()
                return
            connection.send(ok(request))

    server, dead = backend(handler), backend(listening=False)
    routes = [{"path": "/things", "service": "backend", "public": True}, {"path": "/protected", "service": "backend"},
              {"path": "/dead", "service": "dead", "public": True}]
    instance = gateway(configs.base({"backend": server.url, "dead": dead.url}, routes, authentication=configs.authentication(issuer, jwks)))
    ids = {}
    for target in ("/things/1", "/nowhere", "/protected", "/dead", "/things/a%2fb"):
        response = instance.get(target)
        ids[response.get("X-Request-Id")] = response.status
    with instance.client() as client:
        client.send(b"NONSENSE\r\n\r\n")
        response = client.response()
        ids[response.get("X-Request-Id")] = 400
    with instance.client() as client:
        client.send(http1.request_text("GET", "/things/hold"))
        server.wait_for(lambda s: any(r.target == "/things/hold" for r in s.requests), "the held request")
        client.reset()
    instance.wait_log(where=lambda record: record["status"] == 499)
    response = instance.get("/things/last")
    ids[response.get("X-Request-Id")] = 200
    instance.wait_log(where=lambda record: record["request_id"] == response.get("X-Request-Id"))
    records = instance.log()
    assert len(records) == len(ids) + 1
    logged = {record["request_id"]: record["status"] for record in records if record["status"] != 499}
    assert logged == ids
    codes = {record["path"]: record["code"] for record in records}
    assert codes["/nowhere"] == "route_not_found" and codes["/protected"] == "missing_token" and codes["/dead"] == "upstream_unreachable"


def test_a_connection_without_a_request_is_not_a_request(instance):
    for _ in range(3):
        instance.client().close()
    instance.get("/things")
    assert len(instance.wait_log()) == 1
    assert scrape(instance).sum("lotagate_requests_total") == 1


def test_log_lines_are_json_whatever_the_client_sends(instance):
    for target in ("/things/%22%5B%1b", "/things/%E2%80%A8", "/things/" + "x" * 5000, "/things/'()*"):
        instance.get(target, [("User-Agent", b'"\\\xff\xfe\t"')])
    with instance.client() as client:
        client.send(b"\x00\x1b[31m\xff\xe2\x80\xa8 / HTTP/1.1\r\n\r\n")
        client.response()
    instance.wait_log(5)
    raw = instance.log_path.read_bytes()
    assert raw.count(b"\n") == 5 and not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", raw)


def test_a_full_disk_costs_lines_not_requests(gateway, backend):
    instance = gateway(configs.public(backend().url, access_log={"file": "/dev/full", "buffer": "64KiB"}))
    with instance.client() as client:
        for i in range(2000):
            assert client.get(f"/{'x' * 200}/{i}").status == 200

    def dropped():
        samples = scrape(instance).samples
        return sum(value for name, _, value in samples if "log" in name and ("drop" in name or "error" in name))

    eventually(dropped, "dropped lines or write errors in the metrics")


def test_a_reader_that_stops_costs_lines_not_requests(gateway, backend, tmp_path):
    """A FIFO whose reader never reads."""
    fifo = tmp_path / "log.fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        instance = gateway(configs.public(backend().url, access_log={"file": str(fifo), "buffer": "64KiB"}))
        with instance.client() as client:
            for i in range(2000):
                assert client.get(f"/{'x' * 200}/{i}").status == 200
    finally:
        os.close(reader)
