"""The configurations of backend and proxies, as templates. Every proxy has one worker and the same backend."""

# The small answer of the backend: about 100 bytes of JSON.
SMALL = b'{"id":42,"name":"lotabot","status":"ready","score":0.9731,"labels":["small","static","answer"],"v":1}'
# The large one: 1 MiB, numbered so that a lost or doubled piece shows.
LARGE = b"".join(b"%015d\n" % number for number in range(65536))

NGINX_COMMON = """
worker_processes 1;
pid {directory}/{name}.pid;
error_log stderr error;
events {{ worker_connections 16384; }}
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
    location / {{ return 200 '{small}'; }}
    location = /large {{
      sendfile on;
      alias {large};
    }}
    # Only proxying makes nginx read a whole body before it answers: it asks itself.
    location = /upload {{
      client_body_buffer_size 128k;
      proxy_pass http://self;
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }}
  }}
  upstream self {{
    server unix:{directory}/backend.sock;
    keepalive 1024;
  }}
  server {{
    listen unix:{directory}/backend.sock;
    default_type application/json;
    location / {{ return 200 '{small}'; }}
  }}
"""

NGINX_PROXY = """
  upstream backend {{
    server 127.0.0.1:{backend};
    keepalive 1024;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      {buffers}
    }}
  }}
"""

# Whole messages of the bulk scenarios nearly fit, and nothing is written to a disk.
NGINX_LARGE_BUFFERS = """
      proxy_buffer_size 16k;
      proxy_buffers 16 16k;
      proxy_max_temp_file_size 0;
      client_body_buffer_size 128k;
"""

HAPROXY_COMMON = """
global
  nbthread 1
  maxconn 8000
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
  server s1 127.0.0.1:{backend} pool-max-conn 1024
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
limits: {{ connections: 20000, connections_per_address: 20000 }}
services:
  backend: {{ endpoints: [ "http://127.0.0.1:{backend}" ] }}
routes:
  - {{ path: /, service: backend, public: true }}
access_log: off
"""

# `limits` is one of the sections below, `names` those of its limits that the route has.
LOTAGATE_FULL = """
listeners: [ {{ address: "127.0.0.1:{port}" }} ]
admin: {{ address: "127.0.0.1:{admin}" }}
workers: 1
limits: {{ connections: 20000, connections_per_address: 20000 }}
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
{limits}
routes:
  - {{ path: /, service: backend, require: {{ "*": "{permission}" }}, limits: [ {names} ] }}
access_log: {{ file: {directory}/lotagate-access.log }}
"""

# The buckets are so large that nothing is refused: counting is measured, not refusing.
ONE_LIMIT = """
rate_limits:
  per_user: { key: user, tokens: 1000000, refill: 1000000/s }
"""

LOCAL_LIMITS = """
rate_limits:
  per_address: { key: address, stage: before_authentication, tokens: 1000000, refill: 1000000/s }
  per_user: { key: user, tokens: 1000000, refill: 1000000/s }
"""

SHARED_LIMITS = """
limit_store: redis://127.0.0.1:{redis}
rate_limits:
  per_address: {{ key: address, stage: before_authentication, tokens: 1000000, refill: 1000000/s }}
  per_user: {{ key: user, tokens: 1000000, refill: 1000000/s }}
  per_user_everywhere: {{ key: user, tokens: 1000000, refill: 1000000/s, shared: true }}
"""
