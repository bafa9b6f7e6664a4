"""The servers: how each is configured and started. Limits are set wide, so that what is compared is how they read."""

import os
import pathlib
import shutil
import sys
from dataclasses import dataclass

from differential.servers import java
from differential.servers.process import ServerError

APPS = pathlib.Path(__file__).resolve().parent.parent / "apps"


@dataclass
class Site:
    """What a server is started with: a folder of its own, the port to listen on, and who may stand behind it."""

    directory: pathlib.Path
    port: int
    origin: int
    scgi: int

    def write(self, name, text):
        path = self.directory / name
        path.write_text(text, encoding="utf-8")
        return path


def program(name):
    # Debian keeps servers in /usr/sbin, which is not on every user's path.
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if path is None:
        raise ServerError(f"{name} is missing: scripts/setup --differential installs it")
    return path


def nginx(site):
    """A proxy in front of the origin; X-Front is what it read itself."""
    config = site.write("nginx.conf", f"""
worker_processes 1;
pid {site.directory}/nginx.pid;
events {{ worker_connections 512; }}
http {{
  access_log {site.directory}/access.log;
  keepalive_requests 1000000; keepalive_timeout 600s;
  large_client_header_buffers 8 64k; client_max_body_size 0; underscores_in_headers on;
  client_body_temp_path {site.directory}/body; proxy_temp_path {site.directory}/proxy;
  fastcgi_temp_path {site.directory}/fastcgi; uwsgi_temp_path {site.directory}/uwsgi;
  scgi_temp_path {site.directory}/scgi;
  upstream origin {{ server 127.0.0.1:{site.origin}; keepalive 16; }}
  server {{
    listen 127.0.0.1:{site.port};
    location / {{
      proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_buffer_size 64k; proxy_buffers 8 64k; proxy_busy_buffers_size 128k;
      add_header X-Front "$request_method $request_uri $http_host" always;
    }}
  }}
}}
""")
    return [program("nginx"), "-p", site.directory, "-e", "stderr", "-c", config, "-g", "daemon off;"]


def haproxy(site):
    config = site.write("haproxy.cfg", f"""
global
  nbthread 1
  maxconn 500
  tune.bufsize 65536
  tune.http.maxhdr 200
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout http-request 60s
  timeout http-keep-alive 600s
  timeout server 60s
  http-reuse always
frontend f
  bind 127.0.0.1:{site.port}
  http-request set-var-fmt(txn.front) "%[method] %[url] %[req.hdr(host)]"
  http-response set-header X-Front "%[var(txn.front)]"
  default_backend b
backend b
  server s1 127.0.0.1:{site.origin}
""")
    return [program("haproxy"), "-db", "-f", config]


def apache(site):
    """Another proxy. THE_REQUEST is the request line as it came."""
    modules = "".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"
                      for name in ("mpm_event", "authz_core", "proxy", "proxy_http", "headers"))
    config = site.write("httpd.conf", f"""
{modules}
ServerRoot {site.directory}
ServerName differential.test
Listen 127.0.0.1:{site.port}
PidFile {site.directory}/httpd.pid
ErrorLog {site.directory}/error.log
User #{_user()[0]}
Group #{_user()[1]}
StartServers 1
ServerLimit 1
ThreadsPerChild 16
MaxRequestWorkers 16
MaxKeepAliveRequests 0
KeepAliveTimeout 600
LimitRequestLine 65536
LimitRequestFieldSize 65536
LimitRequestFields 300
AllowEncodedSlashes NoDecode
DocumentRoot {site.directory}
ProxyPass / http://127.0.0.1:{site.origin}/ nocanon responsefieldsize=65536
ProxyPreserveHost On
Header always set X-Front "expr=%{{THE_REQUEST}} %{{HTTP_HOST}}"
Header always edit X-Front " HTTP/1\.1 " " "
<Directory {site.directory}>
  Require all granted
</Directory>
""")
    return [program("apache2"), "-f", config, "-DFOREGROUND"]


def _user():
    """Apache refuses to serve as root: whoever runs this, or nobody."""
    return (os.getuid(), os.getgid()) if os.getuid() else (65534, 65534)


def lighttpd(site):
    config = site.write("lighttpd.conf", f"""
server.modules = ( "mod_scgi" )
server.document-root = "{site.directory}"
server.bind = "127.0.0.1"
server.port = {site.port}
server.errorlog = "{site.directory}/error.log"
server.max-keep-alive-requests = 65535
server.max-keep-alive-idle = 600
server.max-request-field-size = 65535
server.http-parseopts = ( "method-get-body" => "enable" )
scgi.server = ( "/" => (( "host" => "127.0.0.1", "port" => {site.scgi}, "check-local" => "disable" )) )
""")
    return [program("lighttpd"), "-D", "-f", config]


def caddy(site):
    """Go's net/http, with its reverse proxy behind it."""
    config = site.write("Caddyfile", f"""
{{
  admin off
  auto_https off
  storage file_system {site.directory}/storage
}}
http://127.0.0.1:{site.port}, http://:{site.port} {{
  bind 127.0.0.1
  header X-Front "{{http.request.method}} {{http.request.orig_uri}} {{http.request.hostport}}"
  reverse_proxy 127.0.0.1:{site.origin} {{
    header_up Host {{http.request.hostport}}
  }}
}}
""")
    return [program("caddy"), "run", "--config", config, "--adapter", "caddyfile"]


def node(site):
    return [program("node"), APPS / "report.js", site.port]


def gunicorn(site):
    return ["/usr/bin/gunicorn", "--chdir", APPS, "--bind", f"127.0.0.1:{site.port}", "--worker-class", "gthread",
            "--threads", "32", "--keep-alive", "600", "--limit-request-line", "0", "--limit-request-fields", "300",
            "--limit-request-field_size", "0", "--worker-tmp-dir", site.directory, "report_wsgi:application"]


def _python(app):
    return lambda site: [sys.executable, APPS / app, site.port]


# The recorder is a column like any other, with the strict origin itself as its server.
RECORDER = "recorder"
KINDS = {
    "nginx": nginx,
    "haproxy": haproxy,
    "apache": apache,
    "lighttpd": lighttpd,
    "caddy": caddy,
    "node": node,
    "gunicorn": gunicorn,
    "waitress": _python("report_waitress.py"),
    "uvicorn": _python("report_uvicorn.py"),
    "aiohttp": _python("report_aiohttp.py"),
    "tornado": _python("report_tornado.py"),
    "twisted": _python("report_twisted.py"),
    "tomcat": java.tomcat,
    "jetty": java.jetty,
}
NAMES = (RECORDER, *KINDS)
