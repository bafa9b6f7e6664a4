"""At least 10,000 ordinary requests of real clients pass untouched: http.client, Node's fetch, undici, curl, Chromium.

Untouched: the backend gets the same method, target (in canonical form), end-to-end fields and body; the client gets the
backend's status, end-to-end fields and body; no line of the access log has an error code. What the clients add by
themselves is compared with a part of the same plan sent to the backend directly.
"""

import pytest

from harness import configs, real_clients
from harness.gateway import SANITIZED
from harness.mixture import make
from harness.planned import PlannedBackend, compare_requests, compare_result, compare_with_direct

COUNTS = {"h": 3000, "f": 2200, "u": 2200, "c": 1500, "b": 1300}
SCALE = 4 if SANITIZED else 1  # a sanitizer build takes a quarter of the requests
DIRECT = 10  # every tenth of them is also sent without the gateway
TIME_LIMIT = 120
RUNNERS = {"h": real_clients.http_client, "f": real_clients.fetch, "u": real_clients.undici, "c": real_clients.curl}


def run(client, port, planned, directory, answered=lambda: None):
    directory.mkdir(exist_ok=True)
    if client == "b":
        return real_clients.chromium(port, planned, directory, TIME_LIMIT, answered)
    return RUNNERS[client](port, list(planned.cases.values()), directory, TIME_LIMIT)


def planned_backend(cases):
    return PlannedBackend(cases, real_clients.page_files(cases))


def directly(cases):
    """Without HTTP/1.0: the strict backend wants a Host, which http.client then leaves out."""
    return [case for case in cases[::DIRECT] if case.direct and not case.options.get("http10")]


@pytest.mark.parametrize("client", list(COUNTS), ids=["http.client", "fetch", "undici", "curl", "chromium"])
def test_ordinary_requests_pass_untouched(gateway, backend, tmp_path, client):
    cases = make(client, COUNTS[client] // SCALE)
    through, direct = planned_backend(cases), planned_backend(directly(cases))
    # `passthrough` and `forward_token`: errors and credentials are the service's business here.
    instance = gateway(configs.public(backend(through).url, {"errors": "passthrough", "forward_token": True}))
    direct_server = backend(direct)

    def forwarded():
        """What reached the backend: the plan, and with a browser its page, the plan itself and the report."""
        return through.requests_seen() + (len(through.files) + 1 if client == "b" else 0)

    results = run(client, instance.port, through, tmp_path / "through", lambda: instance.wait_log(forwarded()))
    run(client, direct_server.port, direct, tmp_path / "direct")

    wrong = {}
    for name, case in through.cases.items():
        differences = compare_requests(case, through.seen[name]) + compare_result(case, results.get(name))
        if name in direct.seen:
            differences += compare_with_direct(through.seen[name], instance.port, direct.seen[name], direct_server.port)
        if differences:
            wrong[name] = f"{case.kind} {case.target}: {differences}"
    assert not wrong, f"{len(wrong)} of {len(cases)}, among them:\n" + "\n".join(
        f"{name}: {what}" for name, what in list(wrong.items())[:8]
    )
    assert not through.strays

    records = instance.wait_log(forwarded())
    assert len(records) == forwarded()
    odd = [record for record in records if record["code"] or record["end"] != "complete" or record["attempts"] != 1]
    assert not odd, odd[:5]


def test_there_are_enough_requests():
    assert sum(COUNTS.values()) >= 10_000
