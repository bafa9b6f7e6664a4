"""tornado says what it made of a request."""

import sys

import tornado.httpserver
import tornado.httputil
import tornado.ioloop
from report_field import value


def report(request):
    field = value(request.method, request.uri, request.headers.get("Host"), request.body)
    line = tornado.httputil.ResponseStartLine("HTTP/1.1", 200, "OK")
    fields = tornado.httputil.HTTPHeaders({"X-Read": field, "Content-Length": "5"})
    request.connection.write_headers(line, fields, b"" if request.method == "HEAD" else b"read\n")
    request.connection.finish()


tornado.httpserver.HTTPServer(report, max_header_size=262144, idle_connection_timeout=600).listen(int(sys.argv[1]),
    "127.0.0.1")
tornado.ioloop.IOLoop.current().start()
