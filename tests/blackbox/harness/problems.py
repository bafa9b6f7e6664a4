"""What every error of the gateway itself looks like (RFC 9457 and docs/error-handling.md)."""

# code: (status, retryable), as documented.
CODES = {
    "bad_request": (400, False), "ambiguous_path": (400, False), "missing_token": (401, False),
    "invalid_token": (401, False), "expired_token": (401, False), "forbidden": (403, False),
    "route_not_found": (404, False), "method_not_allowed": (405, False), "request_timeout": (408, True),
    "body_too_large": (413, False), "uri_too_long": (414, False), "expectation_failed": (417, False),
    "headers_too_large": (431, False), "rate_limited": (429, True), "concurrency_limited": (429, True),
    "not_implemented": (501, False),
    "version_not_supported": (505, False), "loop_detected": (508, False), "keys_unavailable": (503, True),
    "authorization_unavailable": (503, True), "limits_unavailable": (503, True),
    "upstream_unreachable": (502, True), "upstream_reset": (502, True),
    "upstream_timeout": (504, True), "upstream_invalid": (502, False), "upstream_error": (502, False),
    "overloaded": (503, True), "draining": (503, True), "internal": (500, False),
}
TITLES = {
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    408: "Request Timeout", 413: "Content Too Large", 414: "URI Too Long", 417: "Expectation Failed",
    429: "Too Many Requests", 431: "Request Header Fields Too Large", 500: "Internal Server Error",
    501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
    505: "HTTP Version Not Supported", 508: "Loop Detected",
}
# Never in an answer to a client: addresses, file names, errors of the system.
_INTERNALS = (b"127.0.0.1:", b"errno", b".cc", b"/src/", b"Connection refused", b"Connection reset", b"std::")


def expect_problem(response, *codes, status=None):
    """Checks a gateway error: one of `codes`, its status, every member, and nothing internal. Returns the members.

    `status` overrides the code's own, as for upstream_error, which keeps the backend's.
    """
    assert response.get("Content-Type") == "application/problem+json", f"{response.status}: {response.fields} {response.body[:200]!r}"
    problem = response.json()
    code = problem.get("code")
    assert code in codes, f"{code} instead of {codes}: {problem}"
    expected, retryable = CODES[code]
    expected = status or expected
    assert response.status == problem["status"] == expected, f"{response.status} {problem}"
    assert problem["type"] == f"urn:lotagate:error:{code}"
    assert problem["title"] == TITLES.get(expected, problem["title"]) and problem["title"]
    assert isinstance(problem["detail"], str) and problem["detail"]
    assert problem["request_id"] and problem["request_id"] == response.get("X-Request-Id")
    if code != "upstream_error":
        assert problem["retryable"] is retryable
    for internal in _INTERNALS:
        assert internal not in response.body, f"{internal!r} in {response.body!r}"
    _check_fields(response, code)
    return problem


def _check_fields(response, code):
    if response.status == 401 and code.endswith("_token"):
        challenge = response.get("WWW-Authenticate")
        assert challenge.startswith("Bearer"), challenge
        assert ('error="invalid_token"' in challenge) == (code != "missing_token"), challenge
    if code == "method_not_allowed":
        assert response.get("Allow")
    if code in ("rate_limited", "concurrency_limited", "keys_unavailable", "authorization_unavailable", "limits_unavailable", "overloaded"):
        assert int(response.get("Retry-After")) >= 1
