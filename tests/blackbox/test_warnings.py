"""What is dangerous but may be meant: said with its place by `check`, at the start and at a reload, and used as it is."""

import re

from harness import configs
from harness.gateway import run_command

FORGEABLE = {"per_team": {"key": {"header": "X-Team", "from": "anyone"}, "rate": "1000/s"}}


def limited(url, limits):
    return configs.public(url, {"limits": list(limits)}, rate_limits=limits)


def test_check_prints_warnings_and_accepts_the_file(tmp_path):
    path = tmp_path / "gateway.yaml"
    path.write_text(
        "listeners: [ { address: 127.0.0.1:0 } ]\n"
        "services: { backend: { endpoints: [ http://127.0.0.1:1 ] } }\n"
        "limit_store: redis://:hunter2@127.0.0.1\n"
        "rate_limits:\n"
        "  team: { key: { header: X-Team }, rate: 5/s }\n"
        "  plan: { by: role, cases: { '*': 5/s } }\n"
        "routes: [ { path: /, service: backend, public: true, limits: [ team, plan ] } ]\n", encoding="ascii")
    result = run_command("check", "-c", path)
    assert result.returncode == 0 and result.stdout.startswith(f"{path}: ok"), result
    places = [re.fullmatch(re.escape(str(path)) + r":(\d+:\d+): warning: .+", line)[1] for line in result.stderr.splitlines()]
    assert places == ["3:1", "3:14", "5:26", "7:70"], result.stderr
    assert "hunter2" not in result.stdout + result.stderr


def test_the_gateway_logs_them_at_the_start_and_at_a_reload(gateway, backend):
    server = backend()
    instance = gateway(limited(server.url, FORGEABLE))
    instance.wait_stderr(r" warning .*gateway\.yaml:\d+:\d+: warning: clients can forge `X-Team`")
    seen = len(instance.stderr)
    instance.reload(limited(server.url, {**FORGEABLE, "other": {"key": {"header": "X-Other", "from": "anyone"}, "rate": "1000/s"}}))
    instance.wait_stderr(r"configuration reloaded", after=seen)
    said = [line for line in instance.stderr[seen:] if "clients can forge" in line]
    assert len(said) == 2 and "X-Team" in said[0] and "X-Other" in said[1], said
    assert instance.get("/", [("X-Other", "a")]).status == 200
    seen = len(instance.stderr)
    instance.reload(configs.public(server.url))
    instance.wait_stderr(r"configuration reloaded", after=seen)
    assert not [line for line in instance.stderr[seen:] if "gateway.yaml" in line]
