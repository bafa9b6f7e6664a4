"""The LotaBots platform as processes: three services and the gateway, started in order, stopped in order.

Shared by scripts/demo (./run) and scripts/tour (./run tour). Standard library only.
"""

import json
import pathlib
import re
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples/lotabots/gateway.yaml"

# Where the example configuration expects everyone.
GATEWAY_PORT, ADMIN_PORT = 8080, 9901
USERS_PORT, TRAINING_PORT, INFERENCE_PORT = 7001, 7002, 7003
USERS_INTERNAL_PORT = 7101  # what the gateway alone asks
ALL_PORTS = (GATEWAY_PORT, ADMIN_PORT, USERS_PORT, TRAINING_PORT, INFERENCE_PORT, USERS_INTERNAL_PORT)

START_SECONDS = 20
# The gateway drains for up to 30 s by default; only a hanging process meets these bounds and is killed.
GATEWAY_STOP_SECONDS = 40
SERVICE_STOP_SECONDS = 10


class PlatformError(Exception):
    """Its text is the whole message for the user."""


def is_free(port):
    """Whether a program could listen on this loopback port. A port in TIME_WAIT is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_ports(count):
    """Distinct free loopback ports. All are held until the last is known, so none is given twice."""
    holders = [socket.socket() for _ in range(count)]
    try:
        for holder in holders:
            holder.bind(("127.0.0.1", 0))
        return [holder.getsockname()[1] for holder in holders]
    finally:
        for holder in holders:
            holder.close()


class Program:
    """One started program; its stderr goes to `log`, its stdout to `output` (default: the same file)."""

    def __init__(self, command, log, output=None):
        self.name = pathlib.Path(command[0]).name
        self.log = pathlib.Path(log)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        # A session of its own: Ctrl-C in the terminal reaches the script only, which then stops everything in order.
        with open(self.log, "wb") as errors:
            self._child = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stderr=errors,
                                           stdout=output or errors, start_new_session=True)

    def alive(self):
        return self._child.poll() is None

    def wait_for(self, pattern):
        """Returns once a line of the log matches `pattern`."""
        expression = re.compile(pattern, re.MULTILINE)
        deadline = time.monotonic() + START_SECONDS
        while not expression.search(self.log.read_text(errors="replace")):
            if not self.alive():
                raise PlatformError(f"{self.name} ended at start (exit {self._child.returncode}):\n{self.last_words()}")
            if time.monotonic() > deadline:
                raise PlatformError(f"{self.name} was not ready within {START_SECONDS} s:\n{self.last_words()}")
            time.sleep(0.02)

    def last_words(self, lines=12):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self, seconds):
        """Asks it to finish, waits, kills it only after `seconds`. Returns the exit code."""
        if self.alive():
            self._child.terminate()
        try:
            return self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._child.returncode

    def kill(self):
        self._child.kill()
        self._child.wait()


class Platform:
    """Paths and ports of one running platform. Nothing starts before start(); stop() may be called at any time.

    build: the build directory.   data: accounts, models, keys.   logs: one file per program.
    ports: what to use instead of the example's, {7001: 40001, ...}; empty for the example's own.
    """

    def __init__(self, build, data, logs, ports=None):
        self._build = pathlib.Path(build)
        self.data = pathlib.Path(data)
        self.logs = pathlib.Path(logs)
        self._ports = ports or {}
        self.services = {}
        self.gateway = None
        example = EXAMPLE.read_text()
        self.issuer = _only(r"^\s*-?\s*issuer:\s*(\S+)", example)
        self.audience = _only(r"^\s*audiences:\s*\[\s*([^\s,\]]+)", example)

    def port(self, example_port):
        return self._ports.get(example_port, example_port)

    def url(self, example_port=GATEWAY_PORT):
        return f"http://127.0.0.1:{self.port(example_port)}"

    def start(self, config, access_log=None):
        """Services first: they create the token file and the keys that the gateway asks for at its start."""
        for folder in (self.data / "users", self.data / "training", self.data / "inference"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.start_service("users", USERS_PORT, *self.users_options(), "--seed",
                           "--internal-listen", f"127.0.0.1:{self.port(USERS_INTERNAL_PORT)}")
        self.start_service("training", TRAINING_PORT, "--data", self.data / "training")
        self.start_inference()
        self.gateway = Program([self.binary("src/lotagate"), "run", "-c", config], self.logs / "gateway.log", access_log)
        self.gateway.wait_for(r"(^|\s)ready$")

    def start_inference(self):
        """Also after it was killed."""
        self.start_service("inference", INFERENCE_PORT, "--data", self.data / "inference",
                           "--training", self.url(TRAINING_PORT))

    def users_options(self):
        return ("--data", self.data / "users", "--issuer", self.issuer, "--audience", self.audience,
                "--service-token-file", self.data / "users/service-token")

    def start_service(self, name, example_port, *options):
        command = [self.binary(f"services/lotagate-{name}"), "--listen", f"127.0.0.1:{self.port(example_port)}", *options]
        self.services[name] = Program(command, self.logs / f"{name}.log")
        self.services[name].wait_for("^listening on ")

    def binary(self, relative):
        path = self._build / relative
        if not path.exists():
            raise PlatformError(f"{path} is missing; scripts/build makes it")
        return path

    def programs(self):
        return ([self.gateway] if self.gateway else []) + list(self.services.values())

    def accounts(self):
        """[{"username", "password", "role"}] of the seeded accounts."""
        return json.loads((self.data / "users/demo-accounts.json").read_text())

    def stop(self):
        """The gateway first, so that no request loses its service under way."""
        if self.gateway:
            self.gateway.stop(GATEWAY_STOP_SECONDS)
        for service in self.services.values():
            service.stop(SERVICE_STOP_SECONDS)


def _only(pattern, text):
    found = re.search(pattern, text, re.MULTILINE)
    if found is None:
        raise PlatformError(f"{EXAMPLE} has no line like /{pattern}/")
    return found[1].strip("\"'")


def relocated_example(ports, data):
    """The example configuration with other ports and another data directory."""
    text = EXAMPLE.read_text()
    for old, new in ports.items():
        text = text.replace(f"127.0.0.1:{old}", f"127.0.0.1:{new}")
    return text.replace("../../var/", f"{data}/")
