"""uvicorn, with h11 as its parser, and an ASGI application that says what it made of a request."""

import sys

import uvicorn
from report_field import value


async def application(scope, receive, send):
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return  # disconnected: the body did not end
        body += message.get("body", b"")
        more = message.get("more_body", False)
    target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    host = dict(scope["headers"]).get(b"host", b"")
    fields = [(b"x-read", value(scope["method"], target, host, body).encode()), (b"content-length", b"5")]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": b"read\n"})


uvicorn.run(application, host="127.0.0.1", port=int(sys.argv[1]), http="h11", lifespan="off", timeout_keep_alive=600,
            log_level="warning")
