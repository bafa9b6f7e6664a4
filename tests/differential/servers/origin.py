"""What stands behind servers that are proxies: a strict HTTP origin and an SCGI application, both in this process."""

import socketserver
import threading

from harness import http1
from harness.backend import ScriptedBackend

from differential.cases import EARLY_TARGET
from differential.readings import FIELD, encode, of_request, reading



def answer(read):
    text = http1.response_text(200, [(FIELD, encode(read)), ("Content-Type", "text/plain")], b"read\n", "OK")
    return text[: -len(b"read\n")] if read.method == "HEAD" else text


def _serve(connection):
    while True:
        try:
            request = connection.read_head()
            if request.target == EARLY_TARGET.decode():
                connection.send(http1.response_text(202, [], b"early\n", "Accepted"))
            connection.finish(request)
        except http1.ProtocolError:
            connection.send(http1.response_text(400, [("Connection", "close")], b"", "Not strict"))
            return
        if request.target == EARLY_TARGET.decode():
            continue
        connection.send(answer(of_request(request)))


class Origin(ScriptedBackend):
    """Reads nothing but canonical HTTP/1.1 and says what it read; anything else is answered 400."""

    def __init__(self):
        super().__init__(_serve)


class _Scgi(socketserver.StreamRequestHandler):
    def handle(self):
        environment = self._environment()
        length = int(environment["CONTENT_LENGTH"])
        body = self.rfile.read(length)
        if len(body) < length:
            return
        read = reading(environment["REQUEST_METHOD"], environment["REQUEST_URI"], environment.get("HTTP_HOST", ""),
                       body)
        self.wfile.write(b"Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n"
                         + f"{FIELD}: {encode(read)}\r\n\r\n".encode() + b"read\n")

    def _environment(self):
        """One netstring of names and values, each ended by a NUL."""
        size = b""
        while (digit := self.rfile.read(1)) != b":":
            size += digit
        words = self.rfile.read(int(size)).decode("latin-1").split("\0")
        self.rfile.read(1)
        return dict(zip(words[::2], words[1::2]))


class ScgiServer(socketserver.ThreadingTCPServer):
    """The same for servers that speak SCGI to their applications."""

    daemon_threads = True
    request_queue_size = 64
    allow_reuse_address = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Scgi)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def stop(self):
        self.shutdown()
        self.server_close()
