"""examples/rate-limits/concurrency.yaml: checked as it is, then started and asked with real tokens."""

from harness.examples import Example
from harness.hall import Hall
from harness.http1 import request_text
from harness.problems import expect_problem
from harness.tokens import Issuer, bearer
from harness.wait import eventually


def _example(tmp_path):
    return Example("rate-limits/concurrency.yaml", tmp_path / "checkout")


def test_it_passes_the_check(tmp_path):
    checked = _example(tmp_path).check()
    assert (checked.returncode, checked.stderr) == (0, "")


def test_a_user_has_two_at_once_and_four_waiting(gateway, backend, tmp_path):
    example = _example(tmp_path)
    issuer = Issuer("https://id.example", "models", ["ES256"])
    example.write("../identity/keys.json", issuer.jwks())
    hall = Hall()
    config = example.config({"http://127.0.0.1:7003": backend(hall.handler).url})
    instance = gateway(config)
    alice, bob = (bearer(issuer.mint(name, "ES256")) for name in ("alice", "bob"))

    def waiting():
        limits = instance.admin("/status").json()["concurrency_limits"]
        return next(limit["waiting"] for limit in limits if limit["name"] == "per_user")

    clients = [instance.client() for _ in range(6)]
    try:
        for number, client in enumerate(clients):
            client.send(request_text("GET", f"/api/v1/infer/{number}", alice))
            if number < 2:
                hall.wait_order(number + 1)
            else:
                eventually(lambda want=number - 1: waiting() == want, "the next one waits")
        refused = instance.get("/api/v1/batch", alice)
        assert expect_problem(refused, "concurrency_limited")["violated-policies"] == ["per_user"]
        hall.release("/api/v1/batch/b")
        assert instance.get("/api/v1/batch/b", bob).status == 200
        hall.open()
        assert [client.response().status for client in clients] == [200] * 6
    finally:
        hall.open()
        for client in clients:
            client.close()
