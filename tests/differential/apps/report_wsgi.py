"""A WSGI application that says what its server made of a request. The raw target is the server's own extension."""

from report_field import value


def application(environ, start_response):
    body = environ["wsgi.input"].read()
    target = environ.get("RAW_URI") or environ["REQUEST_URI"]
    field = value(environ["REQUEST_METHOD"], target, environ.get("HTTP_HOST"), body)
    # To HEAD, waitress adds an empty chunked body if there is no length, and closes if the body is shorter than it.
    answer = b"" if environ["REQUEST_METHOD"] == "HEAD" else b"read\n"
    start_response("200 OK", [("X-Read", field), ("Content-Type", "text/plain"), ("Content-Length", str(len(answer)))])
    return [answer]
