"""A backend that does what its script says, for better or worse, and remembers every byte it was sent."""

import socket
import threading
import time

from harness import http1
from harness.client import set_reset_on_close
from harness.wait import TIMEOUT


class Connection:
    """One connection to the backend, as its handler sees it. `received` is every byte the peer sent."""

    def __init__(self, backend, sock, number):
        self._backend = backend
        self.sock = sock
        self.number = number  # counted from 0
        self.received = bytearray()
        self.sent = 0
        self.closed_by_peer = False
        self.requests = []
        self.reader = http1.Reader(sock, self._record)

    def _record(self, data):
        with self._backend.changed:
            self.received += data
            self._backend.changed.notify_all()

    def read_head(self):
        """The next request without its body; it counts as a request from here on. An idle peer may take its time."""
        self.sock.settimeout(None)
        if not self.reader.buffer and not self.reader.fill():
            raise http1.Closed("no further request")
        self.sock.settimeout(TIMEOUT)
        request = http1.read_request_head(self.reader)
        with self._backend.changed:
            self.requests.append(request)
            self._backend.requests.append(request)
            self._backend.changed.notify_all()
        return request

    def read_request(self):
        """The next whole request."""
        return self.finish(self.read_head())

    def finish(self, request):
        http1.read_body(self.reader, request)
        with self._backend.changed:
            self._backend.changed.notify_all()
        return request

    def send(self, data):
        self.sock.sendall(data)
        self.sent += len(data)

    def send_until_stalled(self, data, quiet=1.0):
        """Sends until the peer has taken nothing for `quiet` seconds; returns the number of bytes taken.

        The wait is not for synchronisation: that nothing moves any more can only be seen over time.
        """
        self.sock.settimeout(quiet)
        view, taken = memoryview(data), 0
        try:
            while taken < len(data):
                taken += self.sock.send(view[taken : taken + 65536])
        except socket.timeout:
            pass
        finally:
            self.sock.settimeout(TIMEOUT)
        self.sent += taken
        return taken

    def trickle(self, data):
        """Sends byte by byte, each in a segment of its own."""
        for i in range(len(data)):
            self.send(data[i : i + 1])

    def wait_closed_by_peer(self):
        """Reads on until the peer closes or resets."""
        while self.reader.fill():
            pass
        self.mark_closed()

    def mark_closed(self):
        with self._backend.changed:
            self.closed_by_peer = True
            self._backend.changed.notify_all()

    def reset(self):
        set_reset_on_close(self.sock)
        self.sock.close()

    def close(self):
        self.sock.close()


def answer_all(answer):
    """A handler that answers every request of a connection with `answer(request)`: response bytes."""

    def handler(connection):
        while True:
            connection.send(answer(connection.read_request()))

    return handler


def ok(_request):
    return http1.response_text(200, [("Content-Type", "text/plain")], b"ok")


def answer_when(event, answer=ok):
    """As answer_all, but no answer goes out before `event` is set."""

    def held(request):
        event.wait(10)
        return answer(request)

    return answer_all(held)


def echo(request):
    return http1.response_text(200, [("Content-Type", "application/octet-stream")], request.body)


class ScriptedBackend:
    """A threaded server on a free port; `handler(connection)` runs once per connection, on a thread of its own.

    A handler may return (the connection closes), or let Closed, Cut and other connection errors pass. Any other
    exception is kept in `failures`, which the fixture checks at the end.
    """

    def __init__(self, handler=None, listening=True, port=0):
        """`port`: that of a server that ended, which this one follows; 0: any."""
        self.handler = handler or answer_all(ok)
        self.changed = threading.Condition()
        self.connections = []
        self.requests = []
        self.failures = []
        self._threads = []
        self._stopped = False
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", port))
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        if listening:
            self.listen()

    def listen(self):
        """Starts to accept; until then the port is reserved and refuses."""
        self._socket.listen(1024)
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()
        self._threads.append(self._acceptor)

    def _accept(self):
        while True:
            try:
                sock, _ = self._socket.accept()
            except OSError:
                return
            sock.settimeout(TIMEOUT)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self._serve, args=(self._add(sock),), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _add(self, sock):
        with self.changed:
            connection = Connection(self, sock, len(self.connections))
            self.connections.append(connection)
            self.changed.notify_all()
        return connection

    def _serve(self, connection):
        try:
            self.handler(connection)
        except ConnectionError:  # also Closed and Cut
            connection.mark_closed()
        except Exception as failure:  # pylint: disable=broad-except
            if not self._stopped:
                self.failures.append(failure)
        finally:
            connection.sock.close()

    def wait_for(self, probe, what, timeout=TIMEOUT):
        """Waits until `probe(self)` is true; it is asked again whenever something happened."""
        deadline = time.monotonic() + timeout
        with self.changed:
            while not (value := probe(self)):
                left = deadline - time.monotonic()
                assert left > 0, f"not within {timeout} s: {what}"
                self.changed.wait(left)
            return value

    def wait_requests(self, count):
        """The requests, once there are `count`."""
        self.wait_for(lambda b: len(b.requests) >= count, f"{count} requests at the backend")
        return list(self.requests)

    def wait_disconnected(self, number=0):
        """Waits until the peer has closed connection `number`, as its handler noticed."""
        self.wait_for(
            lambda b: len(b.connections) > number and b.connections[number].closed_by_peer,
            f"the gateway closing upstream connection {number}",
        )

    def drop_connections(self):
        """Resets every open connection."""
        with self.changed:
            connections = list(self.connections)
        for connection in connections:
            try:
                set_reset_on_close(connection.sock)
                connection.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def stop(self):
        self._stopped = True
        for close in (lambda: self._socket.shutdown(socket.SHUT_RDWR), self._socket.close):
            try:
                close()
            except OSError:
                pass
        self.drop_connections()
        for thread in list(self._threads):
            thread.join(TIMEOUT)
