"""A wire tap between the gateway and one server: passes every byte on and keeps it, per connection and direction.

The server's answers are its testimony: one answer per request it read. The tap ends its server-side connection only
when the server does, so that an answer too many is seen even if the gateway has left.
"""

import itertools
import socket
import threading

from harness.wait import TIMEOUT

_RECEIVE_BYTES = 64 * 1024


class Link:
    """One connection from the gateway to the server. `sent` and `answered` shrink as they are taken."""

    def __init__(self, number, gateway_side, server_side):
        self.number = number
        self.gateway_side = gateway_side
        self.server_side = server_side
        self.sent = bytearray()
        self.answered = bytearray()
        self.gateway_closed = False
        self.server_closed = False
        self.total = 0  # bytes the gateway sent since the start

    @property
    def over(self):
        return self.gateway_closed and self.server_closed


class Tap:
    """Listens on `port`; `changed` is notified of every byte and every end."""

    def __init__(self, server_port):
        self._server_port = server_port
        self._numbers = itertools.count(1)
        self.changed = threading.Condition()
        self.links = []
        self._stopped = False
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(256)
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def total(self):
        """Bytes the gateway has sent so far, over all connections that are still listed."""
        return sum(link.total for link in self.links)

    def wait_for(self, probe, timeout=TIMEOUT):
        """True once `probe()` is; it is asked again whenever something happened. False if it never is."""
        with self.changed:
            return self.changed.wait_for(probe, timeout)

    def wait_for_bytes(self, before):
        """Waits until the gateway has sent something beyond a total of `before`."""
        return self.wait_for(lambda: self.total() > before)

    def forget(self, links):
        """Drops connections that are over and judged."""
        with self.changed:
            self.links = [link for link in self.links if link not in links]

    def stop(self):
        self._stopped = True
        _shut(self._socket, socket.SHUT_RDWR)
        self._socket.close()
        for link in list(self.links):
            _shut(link.gateway_side, socket.SHUT_RDWR)
            _shut(link.server_side, socket.SHUT_RDWR)

    def _accept(self):
        while True:
            try:
                gateway_side, _ = self._socket.accept()
            except OSError:
                return
            try:
                server_side = socket.create_connection(("127.0.0.1", self._server_port), TIMEOUT)
            except OSError:
                gateway_side.close()
                continue
            server_side.settimeout(None)
            for side in (gateway_side, server_side):
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = Link(next(self._numbers), gateway_side, server_side)
            with self.changed:
                self.links.append(link)
            threading.Thread(target=self._relay_requests, args=(link,), daemon=True).start()
            threading.Thread(target=self._relay_answers, args=(link,), daemon=True).start()

    def _relay_requests(self, link):
        while data := _receive(link.gateway_side):
            with self.changed:
                link.sent += data
                link.total += len(data)
                self.changed.notify_all()
            _send(link.server_side, data)
        _shut(link.server_side, socket.SHUT_WR)
        self._end(link, gateway=True)

    def _relay_answers(self, link):
        while data := _receive(link.server_side):
            with self.changed:
                link.answered += data
                self.changed.notify_all()
            _send(link.gateway_side, data)
        _shut(link.gateway_side, socket.SHUT_WR)
        self._end(link, server=True)

    def _end(self, link, gateway=False, server=False):
        with self.changed:
            link.gateway_closed |= gateway
            link.server_closed |= server
            self.changed.notify_all()
        if link.over:
            link.gateway_side.close()
            link.server_side.close()


def _receive(sock):
    try:
        data = sock.recv(_RECEIVE_BYTES)
        # Some servers send an answer in two small segments: a delayed acknowledgement would cost 40 ms per request.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return data
    except OSError:
        return b""


def _send(sock, data):
    """A side that has gone is noticed by its own reader; what it did send must still be passed on."""
    try:
        sock.sendall(data)
    except OSError:
        pass


def _shut(sock, how):
    try:
        sock.shutdown(how)
    except OSError:
        pass
