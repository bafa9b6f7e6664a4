"""One gateway before one watched backend, for tables of requests: what is answered, and what the backend hears."""

from harness.problems import expect_problem

HOST = b"Host: gateway.test\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def head(line, *fields):
    """A request head: `line` and every field get their CRLF, Host comes first."""
    return line + b"\r\n" + HOST + b"".join(field + b"\r\n" for field in fields) + b"\r\n"


def get(*fields, target=b"/"):
    return head(b"GET " + target + b" HTTP/1.1", *fields)


def post(*fields, target=b"/"):
    return head(b"POST " + target + b" HTTP/1.1", *fields)


# As the body of a refused request: whoever takes it for a request of its own has been smuggled to.
SMUGGLED = get(target=b"/smuggled")


class Scene:
    """`gateway` forwards to `server`; both live as long as the tests of a file. `after` and /probe need no token."""

    def __init__(self, gateway, server, after="/after"):
        self.gateway = gateway
        self.server = server
        self.after = after
        self._probes = 0

    def heard(self):
        """How many bytes the backend has received so far."""
        return sum(len(connection.received) for connection in list(self.server.connections))

    def expect_heard(self, seen, targets):
        """Since it had `seen` requests, the backend got exactly those for `targets`. A probe behind them proves it."""
        self._probes += 1
        probe = f"/probe/{self._probes}"
        assert self.gateway.get(probe).status == 200
        assert [request.target for request in self.server.requests[seen:]] == [*targets, probe]
        assert not self.server.failures, self.server.failures

    def refuse(self, data, *codes, method="GET"):
        """`data`, on a connection of its own, is refused with one of `codes` and a close, unheard by the backend."""
        seen, heard = len(self.server.requests), self.heard()
        with self.gateway.client() as client:
            client.send_tolerantly(data)
            response = client.response(method)
            problem = expect_problem(response, *codes)
            assert "close" in response.tokens("Connection")
            client.expect_closed()
        assert self.heard() == heard, "the backend heard of a refused request"
        self.expect_heard(seen, [])
        return problem

    def accept(self, data, method="GET"):
        """`data` is one good request; returns it as the backend saw it. The connection goes on or ends as announced."""
        seen = len(self.server.requests)
        with self.gateway.client() as client:
            client.send(data)
            response = client.response(method)
            assert response.status == 200, response.body
            closed = client.expect_consistent(response, self.after) is None
        request, *others = self.server.requests[seen:]
        assert request.complete and [other.target for other in others] == ([] if closed else [self.after])
        return request

    def connection_of(self, request):
        """The backend's connection that `request` came on."""
        return next(c for c in self.server.connections if any(r is request for r in c.requests))

    def body_on_the_wire(self, request):
        """The bytes behind the head of `request`, if it was the last of its method and target on its connection."""
        line = f"{request.method} {request.target} HTTP/1.1\r\n".encode()
        return bytes(self.connection_of(request).received).rpartition(line)[2].partition(b"\r\n\r\n")[2]

    def break_off(self, start, fault, *codes):
        """`start` has reached the backend when `fault` breaks the request: refused, and never complete there."""
        seen = len(self.server.requests)
        with self.gateway.client() as client:
            client.send(start)
            request = self.server.wait_for(lambda s: s.requests[seen:], "the head at the backend")[0]
            client.send_tolerantly(fault)
            response = client.response("POST")
            expect_problem(response, *codes)
            assert "close" in response.tokens("Connection")
            client.expect_closed()
        connection = self.connection_of(request)
        self.server.wait_for(lambda _: connection.closed_by_peer, "the gateway giving up the upstream connection")
        assert not request.complete
        self.expect_heard(seen, [request.target])
