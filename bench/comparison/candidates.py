"""The candidates: how each proxy is configured and started. All have one worker and the same backend."""

import dataclasses
import pathlib
import shutil
import socket

from . import identity as who
from .processes import BenchError, Process, free_ports

# About 100 bytes of JSON, the answer of the backend.
BODY = '{"id":42,"name":"lotabot","status":"ready","score":0.9731,"labels":["small","static","answer"],"v":1}'


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A row of the report. `program` names the proxy process; two rows may share one."""
    key: str
    title: str
    program: str
    with_token: bool = False


CANDIDATES = (
    Candidate("floor", "bare relay (the floor)", "floor"),
    Candidate("nginx", "nginx, plain", "nginx"),
    Candidate("nginx-token", "nginx, plain, token in the request", "nginx", with_token=True),
    Candidate("haproxy", "HAProxy, plain", "haproxy"),
    Candidate("haproxy-full", "HAProxy: RS256, claims, rate, log", "haproxy-full", with_token=True),
    Candidate("lotagate", "Lotagate, plain (public route)", "lotagate"),
    Candidate("lotagate-full", "Lotagate: RS256, roles, rate, log, metrics", "lotagate-full", with_token=True),
)

NGINX_COMMON = """
worker_processes 1;
pid {directory}/{name}.pid;
error_log stderr error;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  client_body_temp_path {directory}/{name}-body;
  proxy_temp_path {directory}/{name}-proxy;
  fastcgi_temp_path {directory}/{name}-fastcgi;
  uwsgi_temp_path {directory}/{name}-uwsgi;
  scgi_temp_path {directory}/{name}-scgi;
  {http}
}}
"""

NGINX_BACKEND = """
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    default_type application/json;
    location / {{ return 200 '{body}'; }}
  }}
"""

NGINX_PROXY = """
  upstream backend {{
    server 127.0.0.1:{backend};
    keepalive 256;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }}
  }}
"""

HAPROXY_COMMON = """
global
  nbthread 1
  maxconn 4000
  {log_target}
defaults
  mode http
  {log}
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend f
  bind 127.0.0.1:{port} backlog 4096
  {rules}
  default_backend b
backend b
  server s1 127.0.0.1:{backend} pool-max-conn 1000
"""

# The gateway's work as far as HAProxy can do it: signature, algorithm, expiry, a claim, a rate per subject.
HAPROXY_FULL_RULES = """
  stick-table type string len 64 size 1m expire 60s store http_req_rate(1s)
  http-request set-var(txn.bearer) http_auth_bearer
  http-request set-var(txn.jwt_alg) var(txn.bearer),jwt_header_query('$.alg')
  http-request deny deny_status 401 unless {{ var(txn.jwt_alg) -m str RS256 }}
  http-request deny deny_status 401 unless {{ var(txn.bearer),jwt_verify(txn.jwt_alg,"{public_key}") 1 }}
  http-request set-var(txn.sub) var(txn.bearer),jwt_payload_query('$.sub')
  http-request set-var(txn.roles) var(txn.bearer),jwt_payload_query('$.roles')
  http-request set-var(txn.exp) var(txn.bearer),jwt_payload_query('$.exp','int')
  http-request set-var(txn.now) date()
  http-request deny deny_status 401 if {{ var(txn.exp),sub(txn.now) lt 0 }}
  http-request deny deny_status 403 unless {{ var(txn.sub) -m beg user }}
  http-request track-sc0 var(txn.sub)
  http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt 10000000 }}
"""

LOTAGATE_PLAIN = """
listeners: [ {{ address: "127.0.0.1:{port}" }} ]
workers: 1
services:
  backend: {{ endpoints: [ "http://127.0.0.1:{backend}" ] }}
routes:
  - {{ path: /, service: backend, public: true }}
access_log: off
"""

# The bucket is so large that nothing is refused: counting is measured, not refusing.
LOTAGATE_FULL = """
listeners: [ {{ address: "127.0.0.1:{port}" }} ]
admin: {{ address: "127.0.0.1:{admin}" }}
workers: 1
services:
  backend: {{ endpoints: [ "http://127.0.0.1:{backend}" ] }}
authentication:
  issuers:
    - issuer: {issuer}
      audiences: [ {audience} ]
      algorithms: [ RS256 ]
      jwks: {{ url: "{users}/.well-known/jwks.json" }}
authorization:
  user_management: {{ url: "{users}", token_file: {directory}/service-token }}
rate_limits:
  per_user: {{ key: user, tokens: 1000000, refill: 1000000/s }}
routes:
  - {{ path: /, service: backend, require: {{ "*": "{permission}" }}, limits: [ per_user ] }}
access_log: {{ file: {directory}/lotagate-access.log }}
"""


class Stage:
    """The backend and the proxies that were asked for, all on one core, in one temporary directory.

    `stack` (contextlib.ExitStack) ends every process that was started, also when the start itself fails.
    """

    def __init__(self, directory, build, core, identity, users, stack):
        self._directory = pathlib.Path(directory)
        self._build = pathlib.Path(build)
        self._core = core
        self._identity = identity
        self._users = users
        self._stack = stack
        self._started = {}
        self._backend_port = None

    def start_backend(self):
        port, = free_ports(1)
        http = NGINX_BACKEND.format(port=port, body=BODY)
        self._launch("backend", self._nginx("backend", http), port)
        self._backend_port = port

    def program(self, name):
        """(process, port) of a proxy, started at its first use."""
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
        text = NGINX_COMMON.format(directory=self._directory, name=name, http=http)
        return [find_program("nginx"), "-p", self._directory, "-e", "stderr", "-c", self._write(f"{name}.conf", text),
                "-g", "daemon off;"]

    def _haproxy(self, name, port, log_target="", log="", rules=""):
        text = HAPROXY_COMMON.format(port=port, backend=self._backend_port, log_target=log_target, log=log, rules=rules)
        return [find_program("haproxy"), "-db", "-f", self._write(f"{name}.cfg", text)]

    def _command_floor(self, port):
        return [self._binary("bench/lotagate-bare-relay"), "--listen", f"127.0.0.1:{port}",
                "--upstream", f"127.0.0.1:{self._backend_port}"]

    def _command_nginx(self, port):
        return self._nginx("proxy", NGINX_PROXY.format(port=port, backend=self._backend_port))

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
            rules=HAPROXY_FULL_RULES.format(public_key=self._identity.public_key_file).strip())

    def _command_lotagate(self, port):
        text = LOTAGATE_PLAIN.format(port=port, backend=self._backend_port)
        return [self._binary("src/lotagate"), "run", "-c", self._write("lotagate.yaml", text)]

    def _command_lotagate_full(self, port):
        admin, = free_ports(1)
        token_file = self._write("service-token", "bench-service-token\n")
        token_file.chmod(0o600)
        text = LOTAGATE_FULL.format(
            port=port, admin=admin, backend=self._backend_port, issuer=who.ISSUER, audience=who.AUDIENCE,
            permission=who.PERMISSION, users=self._users.url, directory=self._directory)
        return [self._binary("src/lotagate"), "run", "-c", self._write("lotagate-full.yaml", text)]


_PACKAGES = {"nginx": "nginx", "haproxy": "haproxy", "wrk": "wrk", "taskset": "util-linux", "openssl": "openssl"}


def find_program(name):
    """Path of a program of the system; nothing is installed from here."""
    # Debian keeps nginx and haproxy in /usr/sbin, which is not on every user's path.
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if path is None:
        raise BenchError(f"{name} is missing (Debian package {_PACKAGES[name]}). "
                         "`scripts/packages --bench` lists what the comparison needs, `scripts/setup --bench` installs it.")
    return path
