"""A backend's own errors: one format for clients, the backend's status and message, never its stack traces."""

import json

import pytest

from harness import configs, http1
from harness.backend import answer_all, ok
from harness.problems import expect_problem

JSON = [("Content-Type", "application/json")]
SECRET = "java.lang.NullPointerException at com.lotabots.Secret(Secret.java:42)"


def answer_with(gateway, backend, status, fields, body, route=None):
    """A gateway before a backend that gives this one answer, and 200 for /next."""
    server = backend(answer_all(lambda r: ok(r) if r.target == "/next" else http1.response_text(status, fields, body)))
    return gateway(configs.public(server.url, route))


def fetch_problem(instance, status):
    """The problem of one GET, on a connection that goes on."""
    with instance.client() as client:
        response = client.get("/api/thing?q=1")
        problem = expect_problem(response, "upstream_error", status=status)
        assert problem["instance"] == "/api/thing" and problem["service"] == "backend"
        assert client.expect_consistent(response, "/next").body == b"ok"
        return problem, response


@pytest.mark.parametrize("body", [
    {"detail": "No such model."}, {"message": "No such model."}, {"error": "No such model."},
    {"error": {"message": "No such model.", "code": 7}},
])
@pytest.mark.parametrize("status", [400, 404, 409, 422])
def test_a_client_error_keeps_status_and_message(gateway, backend, status, body):
    problem, _ = fetch_problem(answer_with(gateway, backend, status, JSON, json.dumps(body).encode()), status)
    assert problem["detail"] == "No such model."


UNREADABLE = {
    "HTML": ([("Content-Type", "text/html")], b"<html><h1>" + SECRET.encode()), "broken": (JSON, b"{broken " + SECRET.encode()),
    "list": (JSON, b"[1,2]"), "other member": (JSON, b'{"other": "x"}'), "number": (JSON, b'{"message": 5}'), "empty": (JSON, b""),
    "plain text": ([], b"plain " + SECRET.encode()), "huge": (JSON, b'{"message": "' + b"x" * 2_000_000 + b'"}'),
}


@pytest.mark.parametrize("fields,body", UNREADABLE.values(), ids=list(UNREADABLE))
def test_a_client_error_without_a_readable_message(gateway, backend, fields, body):
    _, response = fetch_problem(answer_with(gateway, backend, 404, fields, body), 404)
    assert SECRET.encode() not in response.body and len(response.body) < 10_000


def test_a_message_is_escaped(gateway, backend):
    message = 'quote " backslash \\ newline \n nul \x00 line separator \u2028 snowman \u2603'
    problem, _ = fetch_problem(answer_with(gateway, backend, 400, JSON, json.dumps({"detail": message}).encode()), 400)
    assert problem["detail"] == message


@pytest.mark.parametrize("status", [500, 502, 503, 504, 507])
def test_a_server_error_keeps_its_status_and_hides_its_body(gateway, backend, status):
    body = json.dumps({"message": SECRET, "detail": SECRET}).encode()
    _, response = fetch_problem(answer_with(gateway, backend, status, JSON, body), status)
    assert b"NullPointer" not in response.body and b"Secret" not in response.body


def test_a_problem_is_completed_not_wrapped(gateway, backend):
    body = {"type": "https://lotabots.example/problems/quota", "title": "Quota used up", "status": 403,
            "detail": "You have 0 models left.", "balance": 30, "accounts": ["/a/1", {"deep": [1, 2]}]}
    instance = answer_with(gateway, backend, 403, [("Content-Type", "application/problem+json")], json.dumps(body).encode())
    response = instance.get("/api/thing")
    problem = response.json()
    assert response.status == 403 and response.get("Content-Type") == "application/problem+json"
    for member, value in body.items():
        assert problem[member] == value, member
    assert problem["request_id"] == response.get("X-Request-Id")
    assert problem["instance"] == "/api/thing" and problem["code"] == "upstream_error" and "retryable" in problem


@pytest.mark.parametrize("status", [404, 500, 503])
def test_passthrough(gateway, backend, status):
    body = b"<html>" + SECRET.encode()
    instance = answer_with(gateway, backend, status, [("Content-Type", "text/html"), ("X-Own", "1")], body, {"errors": "passthrough"})
    with instance.client() as client:
        response = client.get("/")
        assert (response.status, response.body) == (status, body)
        assert response.get("Content-Type") == "text/html" and response.get("X-Own") == "1"
        assert client.expect_consistent(response, "/next").body == b"ok"


@pytest.mark.parametrize("status", [404, 500])
def test_an_error_to_a_head_request_has_no_body(gateway, backend, status):
    server = backend(answer_all(
        lambda r: http1.response_text(status, JSON + [("Content-Length", "50")]) if r.method == "HEAD" else ok(r)))
    with gateway(configs.public(server.url)).client() as client:
        response = client.request("HEAD", "/")
        assert response.status == status and response.body == b""
        assert client.expect_consistent(response).body == b"ok"


@pytest.mark.parametrize("status", [404, 500])
def test_a_chunked_error(gateway, backend, status):
    body = http1.chunked(b'{"message": "No such model."}', [3])
    server = backend(answer_all(
        lambda r: ok(r) if r.target == "/next" else http1.response_text(status, JSON + [("Transfer-Encoding", "chunked")]) + body))
    fetch_problem(gateway(configs.public(server.url)), status)


def test_a_challenge_of_the_backend_is_kept(gateway, backend):
    """The backend's 401 is the backend's: its challenge tells the client what it wants."""
    fields = JSON + [("WWW-Authenticate", 'Basic realm="models"')]
    response = answer_with(gateway, backend, 401, fields, b'{"message": "Log in."}').get("/")
    assert response.status == 401 and response.json()["detail"] == "Log in."
    assert response.get("WWW-Authenticate") == 'Basic realm="models"'
