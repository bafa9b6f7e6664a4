"""Rows S05 and S08: more clients than there is room for, and no descriptors left. Those inside are served on."""

import resource
import threading

import pytest

from harness import configs, http1
from harness.backend import ok
from harness.client import RawClient
from harness.http1 import Closed
from harness.problems import expect_problem
from harness.wait import TIMEOUT, eventually


class Holding:
    """A backend that answers /hold when it is released, and everything else at once."""

    def __init__(self, backend):
        self.released = threading.Event()
        self.server = backend(self._handle)

    def _handle(self, connection):
        while True:
            request = connection.read_request()
            if request.target == "/hold":
                assert self.released.wait(2 * TIMEOUT)
            connection.send(ok(request))

    def held(self):
        return sum(request.target == "/hold" for request in self.server.requests)


class Crowd:
    """Clients that are closed together."""

    def __init__(self):
        self.clients = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for client in self.clients:
            client.close()

    def join(self, port, source=None):
        self.clients.append(RawClient(port, source=source))
        return self.clients[-1]

    def knock(self, port, source, data):
        """A client that may be reset at any time; None if it was at once."""
        try:
            client = self.join(port, source)
            client.send_tolerantly(data)
            return client
        except ConnectionResetError:
            return None

    def busy(self, port, count, holding, source=None):
        """`count` clients whose requests wait at the backend."""
        before = holding.held()
        clients = [self.join(port, source) for _ in range(count)]
        for client in clients:
            client.send(http1.request_text("GET", "/hold"))
        holding.server.wait_for(lambda _: holding.held() == before + count, f"{count} requests that wait")
        return clients

    def idle(self, port, count, source=None):
        """`count` clients that have had an answer, the oldest first."""
        clients = [self.join(port, source) for _ in range(count)]
        for client in clients:
            assert client.get("/").status == 200
        return clients


def expect_overloaded(port, source=None, data=b""):
    """A new connection is told so at once, whatever it sends, and closed."""
    with RawClient(port, source=source) as client:
        client.send_tolerantly(data)
        response = client.response()
        expect_problem(response, "overloaded")
        assert "close" in response.tokens("Connection")
        client.expect_closed()


def is_open(client):
    """Whether an idle connection still carries a request."""
    try:
        return client.send_tolerantly(http1.request_text("GET", "/")) and client.response().status == 200
    except Closed:
        return False


def start(gateway, url, limits, **listener):
    config = configs.public(url, limits=limits)
    config["listeners"][0].update(listener)
    config["listeners"].append({"address": configs.LOOPBACK})
    instance = gateway(config)
    eventually(lambda: len(instance.ports) == 2, "two listeners")
    return instance


@pytest.mark.parametrize("data", [b"", http1.request_text("GET", "/"), http1.request_text("POST", "/",
    body=b"x" * 100_000), b"garbage"])
def test_S05_a_full_process_refuses(gateway, backend, data):
    holding = Holding(backend)
    instance = start(gateway, holding.server.url, {"connections": 4})
    with Crowd() as crowd:
        inside = crowd.busy(instance.port, 4, holding)
        for port in instance.ports:
            expect_overloaded(port, data=data)
        assert holding.held() == 4 == len(holding.server.requests)
        assert instance.admin("/healthz").status == 200
        holding.released.set()
        for client in inside:
            assert client.response().status == 200
        inside[0].close()
        eventually(lambda: instance.get("/").status == 200, "room again")
    refusals = instance.wait_log(2, lambda record: record["code"] == "overloaded")
    assert {record["status"] for record in refusals} == {503}


def test_S05_the_oldest_idle_connections_make_room(gateway, backend):
    """Busy ones stay, whatever their age; of the idle ones those that have waited longest go first."""
    holding = Holding(backend)
    instance = start(gateway, holding.server.url, {"connections": 50})
    with Crowd() as crowd:
        working = crowd.busy(instance.port, 2, holding)
        waiting = crowd.idle(instance.port, 48)
        assert waiting[0].get("/").status == 200  # so the second one has waited longest
        newcomer = crowd.join(instance.port)
        assert newcomer.get("/").status == 200
        still_open = [is_open(client) for client in waiting]
        assert still_open[0] and not still_open[1] and still_open[-1]
        assert still_open[1:] == sorted(still_open[1:]), "a younger one went before an older one"
        holding.released.set()
        for client in working:
            assert client.response().status == 200


def test_S05_an_address_has_its_share(gateway, backend):
    """Its idle connections do not make room: the cap is on one address, and others are not affected."""
    holding = Holding(backend)
    instance = start(gateway, holding.server.url, {"connections_per_address": 3})
    with Crowd() as crowd:
        crowd.busy(instance.port, 1, holding, source="127.0.0.2")
        waiting = crowd.idle(instance.port, 1, source="127.0.0.2")
        crowd.idle(instance.ports[1], 1, source="127.0.0.2")
        for port in instance.ports:
            expect_overloaded(port, source="127.0.0.2")
        crowd.idle(instance.port, 3, source="127.0.0.3")
        expect_overloaded(instance.port, source="127.0.0.3")
        assert is_open(waiting[0])
        waiting[0].close()
        eventually(lambda: is_open(crowd.join(instance.port, source="127.0.0.2")), "room again")
        holding.released.set()


def test_S05_trusted_proxies_speak_for_many(gateway, backend):
    server = backend()
    instance = start(gateway, server.url, {"connections_per_address": 2}, trusted_proxies=["127.0.0.9"])
    with Crowd() as crowd:
        crowd.idle(instance.port, 10, source="127.0.0.9")
        crowd.idle(instance.ports[1], 2, source="127.0.0.9")  # the second listener trusts nobody
        expect_overloaded(instance.ports[1], source="127.0.0.9")
        crowd.idle(instance.port, 2, source="127.0.0.2")
        expect_overloaded(instance.port, source="127.0.0.2")


def test_S05_a_listener_has_its_share(gateway, backend):
    holding = Holding(backend)
    instance = start(gateway, holding.server.url, {"connections": 50}, connections=2)
    with Crowd() as crowd:
        crowd.busy(instance.port, 2, holding)
        expect_overloaded(instance.port)
        crowd.idle(instance.ports[1], 10)
        holding.released.set()


def test_S05_a_flood_leaves_those_inside_alone(gateway, backend):
    """300 connections beyond the cap, from one address: told or reset; meanwhile others get every answer."""
    server = backend()
    instance = start(gateway, server.url, {"connections": 1000, "connections_per_address": 20})
    with Crowd() as crowd:
        inside = crowd.idle(instance.port, 5, source="127.0.0.2")
        for number in range(300):
            crowd.knock(instance.port, "127.0.0.3", http1.request_text("GET", "/flood"))
            if number % 10 == 0:
                assert all(client.get("/inside").status == 200 for client in inside)
        assert all(client.get("/inside").status == 200 for client in inside)
    eventually(lambda: instance.get("/", ()).status == 200, "room again")
    assert sum(request.target == "/flood" for request in server.requests) <= 20


def test_S05_a_thousand_clients_kept_alive(gateway, backend):
    instance = start(gateway, backend().url, {"connections_per_address": 2000})
    with Crowd() as crowd:
        clients = [crowd.join(instance.port) for _ in range(1000)]
        for _ in range(2):
            for client in clients:
                client.send(http1.request_text("GET", "/"))
            for client in clients:
                assert client.response().status == 200


def answered(client):
    """What a connection beyond all room is answered: a status, or None if it was reset."""
    try:
        return client.response().status
    except Closed:
        return None


def test_S08_fewer_descriptors_than_connections(gateway, backend):
    """The process takes no more clients than it has descriptors for, says so at the start, and stays usable."""
    holding = Holding(backend)
    instance = gateway(configs.public(holding.server.url), descriptors=100)
    room = int(instance.wait_stderr(r"descriptors suffice for \d+ client").split("suffice for ")[1].split(" ")[0])
    assert 10 <= room <= 45
    with Crowd() as crowd:
        inside = crowd.busy(instance.port, room, holding)
        outside = [crowd.knock(instance.port, "127.0.0.2", b"") for _ in range(150)]
        assert {answered(client) for client in outside if client} <= {503, None}
        holding.released.set()
        assert [client.response().status for client in inside] == [200] * room
        assert inside[0].get("/").status == 200
    eventually(lambda: len(instance.descriptors_open()) < 60, "the descriptors given back")
    assert instance.get("/").status == 200
    assert not [line for line in instance.stderr if "no descriptors left" in line]


def streaming(backend):
    """A backend whose one answer goes on: feed(data) sends a chunk."""
    connections = []

    def handler(connection):
        request = connection.read_request()
        if request.target != "/stream":
            connection.send(http1.response_text(200, [("Connection", "close")], b"ok"))
            connection.wait_closed_by_peer()
            return
        connections.append(connection)
        connection.send(http1.response_text(200, [("Transfer-Encoding", "chunked")]))
        connection.wait_closed_by_peer()

    return backend(handler), lambda data: connections[0].send(http1.chunk(data))


def take_descriptors(instance):
    """From now on the process cannot open another one."""
    _, hard = resource.prlimit(instance.process.pid, resource.RLIMIT_NOFILE)
    in_use = instance.descriptors_open()
    lowest_free = next(number for number in range(len(in_use) + 1) if number not in in_use)
    resource.prlimit(instance.process.pid, resource.RLIMIT_NOFILE, (lowest_free, hard))


def give_back_descriptors(instance):
    _, hard = resource.prlimit(instance.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(instance.process.pid, resource.RLIMIT_NOFILE, (hard, hard))


def test_S08_no_descriptors_left(gateway, backend):
    """Taken away while it runs: it neither spins nor fills the log, goes on with what it has, and recovers by itself."""
    server, feed = streaming(backend)
    instance = gateway(configs.public(server.url))
    with Crowd() as crowd:
        inside = crowd.join(instance.port)
        inside.send(http1.request_text("GET", "/stream"))
        parts = inside.body_parts(inside.head())
        take_descriptors(instance)
        waiting = [crowd.join(instance.port) for _ in range(20)]
        for client in waiting:
            client.send(http1.request_text("GET", "/late"))
        instance.wait_stderr("no descriptors left")
        before = instance.cpu_seconds()
        pause = threading.Event()
        for number in range(20):  # the fault lasts for a second
            feed(b"%d" % number)
            assert next(parts) == b"%d" % number
            pause.wait(0.05)
        assert instance.cpu_seconds() - before < 0.3, "it spins"
        assert not [request for request in server.requests if request.target == "/late"]
        assert sum("no descriptors left" in line for line in instance.stderr) == 1
        give_back_descriptors(instance)
        assert [client.response().status for client in waiting] == [200] * 20
        feed(b"end")
        assert next(parts) == b"end"


def test_S08_a_connection_to_a_service_without_descriptors(gateway, backend):
    """503 for the request that needs one; what has its connection goes on, and the endpoint is not taken for dead."""
    server, feed = streaming(backend)
    instance = gateway(configs.public(server.url))
    with Crowd() as crowd:
        inside, other = crowd.join(instance.port), crowd.join(instance.port)
        inside.send(http1.request_text("GET", "/stream"))
        parts = inside.body_parts(inside.head())
        assert other.get("/").status == 200
        server.wait_disconnected(1)
        take_descriptors(instance)
        expect_problem(other.get("/"), "overloaded")
        feed(b"on")
        assert next(parts) == b"on"
        give_back_descriptors(instance)
        assert other.get("/").status == 200
