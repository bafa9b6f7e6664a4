"""What clients are told: the fields of every answer, and a refusal that says which limit and when to come back."""

import subprocess
import time

import pytest

from harness import http1
from harness.limits import NEVER, open_routes, parse_items, public
from harness.problems import expect_problem
from harness.real_clients import CURL
from harness.wait import eventually


def refused(instance, target="/"):
    """The first refusal."""
    with instance.client() as client:
        return next(response for response in (client.get(target) for _ in range(100)) if response.status == 429)


def test_every_answer_says_what_is_left(gateway, backend):
    instance = gateway(public(backend().url, 3, "0.1/s"))
    for left in (2, 1, 0):
        response = instance.get("/")
        assert parse_items(response.get("RateLimit-Policy")) == {"limit": {"q": 3, "w": 30}}
        limit = parse_items(response.get("RateLimit"))["limit"]
        assert response.status == 200 and limit["r"] == left and (3 - left) * 10 - 1 <= limit["t"] <= (3 - left) * 10
        assert not response.has("Retry-After")


def test_a_refusal_names_its_limit(gateway, backend):
    limits = {"wide": {"key": "address", "tokens": 100, "refill": NEVER}, "narrow": {"key": "address", "tokens": 1, "refill": "0.1/s"}}
    instance = gateway(open_routes(backend().url, limits, {"/": ["wide", "narrow"]}))
    response = refused(instance)
    problem = expect_problem(response, "rate_limited")
    assert problem["violated-policies"] == ["narrow"]
    limit = parse_items(response.get("RateLimit"))
    assert limit["narrow"]["r"] == 0 and limit["narrow"]["t"] <= int(response.get("Retry-After")) <= 10
    assert set(parse_items(response.get("RateLimit-Policy"))) == {"wide", "narrow"}


@pytest.mark.parametrize("refill,seconds", [("1000/s", 1), ("0.9/s", 2), ("10/h", 360), ("1/d", 86400)])
def test_R06_retry_after_is_whole_seconds_rounded_up_and_never_zero(gateway, backend, refill, seconds):
    instance = gateway(public(backend().url, 1, refill))
    response = refused(instance)
    expect_problem(response, "rate_limited")
    assert seconds - 1 <= int(response.get("Retry-After")) <= seconds and int(response.get("Retry-After")) >= 1


def test_R06_who_waits_as_told_is_admitted(gateway, backend):
    instance = gateway(public(backend().url, 2, "1/s"))
    response = refused(instance)
    told, start = int(response.get("Retry-After")), time.monotonic()
    eventually(lambda: time.monotonic() - start >= told, "the time that was told", timeout=told + 1)
    assert instance.get("/").status == 200


def test_R06_a_real_client_waits_as_told_and_is_served(gateway, backend, tmp_path):
    """curl comes again after `Retry-After` by itself."""
    instance = gateway(public(backend().url, 1, "0.9/s"))
    assert instance.get("/").status == 200
    start = time.monotonic()
    done = subprocess.run([CURL, "--silent", "--noproxy", "*", "--retry", "3", "--write-out", "%{http_code}", "--output", tmp_path / "body",
                           f"http://127.0.0.1:{instance.port}/"], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "200" and (tmp_path / "body").read_bytes() == b"ok"
    assert [record["status"] for record in instance.wait_log(3)] == [200, 429, 200] and time.monotonic() - start >= 1


def test_R06_refusals_do_not_put_off_the_next_admission(gateway, backend):
    """However often somebody asks in vain, the time to wait runs down."""
    instance = gateway(public(backend().url, 1, "1/s"))
    with instance.client() as client:
        start = time.monotonic()
        assert client.get("/").status == 200
        count = 0
        while client.get("/").status == 429:
            count += 1
        assert 0.99 <= time.monotonic() - start < 5 and count > 10


def test_R06_a_refusal_with_a_body_on_its_way(gateway, backend):
    server = backend()
    instance = gateway(public(server.url, 1))
    assert instance.get("/").status == 200
    with instance.client() as client:
        response = client.request("POST", "/", body=b"x" * 2000)
        expect_problem(response, "rate_limited")
        client.expect_consistent(response)
    assert len(server.requests) == 1


def test_legacy_headers(gateway, backend):
    instance = gateway(public(backend().url, 3, "0.1/s", legacy_headers=True))
    response = instance.get("/")
    assert (response.get("X-RateLimit-Limit"), response.get("X-RateLimit-Remaining")) == ("3", "2")
    assert 9 <= int(response.get("X-RateLimit-Reset")) <= 10
    response = refused(instance)
    assert (response.get("X-RateLimit-Limit"), response.get("X-RateLimit-Remaining")) == ("3", "0")
    assert int(response.get("X-RateLimit-Reset")) >= 1 and response.has("RateLimit")


def test_no_legacy_headers_unless_asked_for(gateway, backend):
    response = gateway(public(backend().url)).get("/")
    assert not [name for name, _ in response.fields if name.lower().startswith("x-ratelimit")]


def test_limits_of_services_are_told_beside_the_gateways(gateway, backend):
    """Both fields are lists (RFC 9651), so several lines of them are one."""
    def handler(connection):
        while True:
            connection.read_request()
            connection.send(http1.response_text(200, [("RateLimit", '"other";r=1;t=1'), ("RateLimit-Policy", '"other";q=1;w=1')], b"ok"))

    limits = {"limit": {"key": "address", "tokens": 5, "refill": NEVER}}
    response = gateway(open_routes(backend(handler).url, limits, {"/": ["limit"]})).get("/")
    assert response.status == 200
    for name in ("RateLimit", "RateLimit-Policy"):
        value = ", ".join(value for field, value in response.fields if field == name)
        assert set(parse_items(value)) == {"limit", "other"}
