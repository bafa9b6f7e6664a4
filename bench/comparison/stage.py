"""Where a comparison takes place: the backend and the proxies, each started at its first use, all on one core."""

import pathlib
import socket

from . import configurations as texts
from . import identity as who
from .processes import BenchError, Process, find_program, free_ports


class Stage:
    """The backend and the proxies that were asked for, all on one core, in one temporary directory.

    `stack` (contextlib.ExitStack) ends every process that was started, also when the start itself fails.
    """

    def __init__(self, directory, build, core, identity, users, stack):
        self._directory = pathlib.Path(directory)
        # nginx started by root works as another user, who must reach the large answer and the backend's inner socket.
        self._directory.chmod(0o711)
        self._build = pathlib.Path(build)
        self._core = core
        self._identity = identity
        self._users = users
        self._stack = stack
        self._started = {}
        self._backend_port = None

    def start_backend(self):
        port, = free_ports(1)
        large = self._directory / "large"
        large.write_bytes(texts.LARGE)
        http = texts.NGINX_BACKEND.format(port=port, small=texts.SMALL.decode(), large=large, directory=self._directory)
        self._launch("backend", self._nginx("backend", http), port)
        self._backend_port = port

    def program(self, name):
        """(process, port) of a proxy, started at its first use. `name` picks one of the _command_ methods."""
        if name not in self._started:
            port, = free_ports(1)
            command = getattr(self, "_command_" + name.replace("-", "_"))(port)
            self._started[name] = (self._launch(name, command, port), port)
        return self._started[name]

    def _launch(self, name, command, port):
        process = Process(name, command, self._directory / f"{name}.out", self._core)
        self._stack.callback(process.stop)
        process.wait_for_port(port)
        return process

    def _write(self, name, text):
        path = self._directory / name
        path.write_text(text)
        return path

    def _binary(self, relative):
        path = self._build / relative
        if not path.exists():
            raise BenchError(f"{path} is missing: build it (cmake --preset release && cmake --build --preset release), "
                             "name another build directory with --build, or leave it out with --only")
        return path

    def _nginx(self, name, http):
        text = texts.NGINX_COMMON.format(directory=self._directory, name=name, http=http)
        return [find_program("nginx"), "-p", self._directory, "-e", "stderr", "-c", self._write(f"{name}.conf", text),
                "-g", "daemon off;"]

    def _haproxy(self, name, port, log_target="", log="", rules=""):
        text = texts.HAPROXY_COMMON.format(port=port, backend=self._backend_port, log_target=log_target, log=log,
                                           rules=rules)
        return [find_program("haproxy"), "-db", "-f", self._write(f"{name}.cfg", text)]

    def _command_floor(self, port):
        return [self._binary("bench/lotagate-bare-relay"), "--listen", f"127.0.0.1:{port}",
                "--upstream", f"127.0.0.1:{self._backend_port}"]

    def _command_nginx(self, port, buffers=""):
        return self._nginx("proxy", texts.NGINX_PROXY.format(port=port, backend=self._backend_port, buffers=buffers))

    def _command_nginx_large(self, port):
        return self._command_nginx(port, texts.NGINX_LARGE_BUFFERS)

    def _command_haproxy(self, port):
        return self._haproxy("haproxy", port)

    def _command_haproxy_full(self, port):
        # Log lines go to a bound socket that nobody reads: HAProxy pays for sending, nobody for receiving.
        sink = self._stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sink.bind(("127.0.0.1", 0))
        return self._haproxy(
            "haproxy-full", port,
            log_target=f"log 127.0.0.1:{sink.getsockname()[1]} local0",
            log="log global\n  option httplog",
            rules=texts.HAPROXY_FULL_RULES.format(public_key=self._identity.public_key_file).strip())

    def _command_lotagate(self, port):
        text = texts.LOTAGATE_PLAIN.format(port=port, backend=self._backend_port)
        return [self._binary("src/lotagate"), "run", "-c", self._write("lotagate.yaml", text)]

    def _command_lotagate_full(self, port):
        return self._full_pipeline(port, "full", texts.ONE_LIMIT, "per_user")

    def _command_lotagate_unlimited(self, port):
        return self._full_pipeline(port, "unlimited", "", "")

    def _command_lotagate_local_limits(self, port):
        return self._full_pipeline(port, "local-limits", texts.LOCAL_LIMITS, "per_address, per_user")

    def _command_lotagate_limits(self, port):
        limits = texts.SHARED_LIMITS.format(redis=self._start_redis())
        return self._full_pipeline(port, "limits", limits, "per_address, per_user, per_user_everywhere")

    def _start_redis(self):
        """The port of a store of its own, in memory only."""
        port, = free_ports(1)
        command = [find_program("redis-server"), "--port", port, "--bind", "127.0.0.1", "--save", "",
                   "--appendonly", "no", "--dir", self._directory]
        self._launch("redis", command, port)
        return port

    def _full_pipeline(self, port, name, limits, limit_names):
        """Everything that Lotagate does for a request, with the rate limits that are given."""
        admin, = free_ports(1)
        token_file = self._write("service-token", "bench-service-token\n")
        token_file.chmod(0o600)
        text = texts.LOTAGATE_FULL.format(
            port=port, admin=admin, backend=self._backend_port, issuer=who.ISSUER, audience=who.AUDIENCE,
            permission=who.PERMISSION, users=self._users.url, directory=self._directory, limits=limits.strip(),
            names=limit_names)
        return [self._binary("src/lotagate"), "run", "-c", self._write(f"lotagate-{name}.yaml", text)]
