"""A client that says exactly what a test tells it to, and reads answers strictly."""

import socket
import struct

from harness import http1
from harness.wait import TIMEOUT


def set_reset_on_close(sock):
    """close() then sends RST instead of FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class RawClient:
    """One client connection; a context manager that closes it."""

    def __init__(self, port, source=None, receive_buffer=None, timeout=TIMEOUT):
        self.sock = socket.socket()
        self.sock.settimeout(timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            self.sock.bind((source, 0))
        self.sock.connect(("127.0.0.1", port))
        self.reader = http1.Reader(self.sock)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def reset(self):
        """Closes with a RST."""
        set_reset_on_close(self.sock)
        self.sock.close()

    def shutdown_write(self):
        self.sock.shutdown(socket.SHUT_WR)

    def send(self, data):
        self.sock.sendall(data)

    def send_tolerantly(self, data):
        """Sends what the peer takes: it may refuse and close before the end. Returns False if it did."""
        try:
            self.sock.sendall(data)
            return True
        except (ConnectionResetError, BrokenPipeError):
            return False

    def request(self, method, target, fields=(), body=None, host="gateway.test"):
        """One whole exchange."""
        self.send(http1.request_text(method, target, fields, body, host))
        return self.response(method)

    def get(self, target, fields=(), host="gateway.test"):
        return self.request("GET", target, fields, host=host)

    def head(self, method="GET"):
        """The head of the next final response; its body is read with `body_parts` or `finish`."""
        return http1.read_response_head(self.reader, method)

    def interim(self):
        """The next head, expected to be a 1xx."""
        response = http1.read_one_response_head(self.reader)
        assert 100 <= response.status < 200, f"a final {response.status} instead of a 1xx"
        return response

    def body_parts(self, response):
        return http1.body_parts(self.reader, response)

    def finish(self, response):
        return http1.read_body(self.reader, response)

    def response(self, method="GET"):
        """The next whole response."""
        return self.finish(self.head(method))

    def expect_closed(self):
        """The gateway closes, and sends nothing before it does."""
        assert not self.reader.fill() and not self.reader.buffer, f"bytes after the end: {bytes(self.reader.buffer[:200])!r}"

    def expect_consistent(self, response, target="/"):
        """The connection does what the response said: it closes, or it carries another request.

        A second answer also proves that no stray byte followed the first one.
        """
        if "close" in response.tokens("Connection"):
            self.expect_closed()
            return None
        assert not self.reader.buffer, f"bytes after the response: {bytes(self.reader.buffer[:200])!r}"
        return self.get(target)


def fetch(port, method, target, fields=(), body=None, host="gateway.test", source=None):
    """One exchange on a connection of its own."""
    with RawClient(port, source=source) as client:
        return client.request(method, target, fields, body, host)


def get(port, target, fields=(), host="gateway.test", source=None):
    return fetch(port, "GET", target, fields, host=host, source=source)
