"""Streams of server-sent events pass at once, in order, and end when their client leaves."""

import queue
import threading

import pytest

from harness import configs, http1

EVENT_STREAM = [("Content-Type", "text/event-stream"), ("Cache-Control", "no-cache")]


class EventSource:
    """A backend handler that sends the events a test puts into its queue; None ends the stream.

    `framing` is chunked, or close for a stream that ends with its connection.
    """

    def __init__(self, framing="chunked"):
        self.events = queue.Queue()
        self._chunked = framing == "chunked"
        self.gone = threading.Event()

    def __call__(self, connection):
        connection.read_request()
        framing = [("Transfer-Encoding", "chunked")] if self._chunked else []
        connection.send(http1.response_text(200, EVENT_STREAM + framing))
        while (event := self.events.get(timeout=10)) is not None:
            connection.send(http1.chunk(event) if self._chunked else event)
        if self._chunked:
            connection.send(http1.chunk(b""))


def event(number):
    return b"id: %d\ndata: tick %d\n\n" % (number, number)


def open_stream(gateway, backend, handler):
    instance = gateway(configs.public(backend(handler).url))
    client = instance.client()
    client.send(http1.request_text("GET", "/stream", [("Accept", "text/event-stream")]))
    response = client.head()
    assert response.status == 200 and response.get("Content-Type") == "text/event-stream"
    return instance, client, response


def read_bytes(parts, size):
    data = b""
    while len(data) < size:
        data += next(parts)
    return data


@pytest.mark.parametrize("framing", ["chunked", "close"])
def test_every_event_arrives_before_the_next_is_sent(gateway, backend, framing):
    source = EventSource(framing)
    _, client, response = open_stream(gateway, backend, source)
    with client:
        parts = client.body_parts(response)
        for number in range(100):
            source.events.put(event(number))
            assert read_bytes(parts, len(event(number))) == event(number)
        source.events.put(None)
        assert not list(parts) and response.complete


def test_the_head_arrives_before_the_first_event(gateway, backend):
    source = EventSource()
    _, client, _ = open_stream(gateway, backend, source)
    client.close()
    source.events.put(None)


def test_events_keep_their_order_in_a_burst(gateway, backend):
    source = EventSource()
    _, client, response = open_stream(gateway, backend, source)
    with client:
        for number in range(1000):
            source.events.put(event(number))
        source.events.put(None)
        assert client.finish(response).body == b"".join(event(number) for number in range(1000))


@pytest.mark.parametrize("leave", ["close", "reset"])
@pytest.mark.parametrize("flowing", [True, False])
def test_a_client_that_leaves_ends_the_upstream_connection(gateway, backend, leave, flowing):
    def handler(connection):
        connection.read_request()
        connection.send(http1.response_text(200, EVENT_STREAM + [("Transfer-Encoding", "chunked")]))
        connection.send(http1.chunk(event(0)))
        if not flowing:
            connection.wait_closed_by_peer()
            return
        pause = threading.Event()
        for number in range(1, 1000):  # raises once the gateway has closed
            connection.send(http1.chunk(event(number)))
            pause.wait(0.01)

    server = backend(handler)
    instance = gateway(configs.public(server.url))
    client = instance.client()
    client.send(http1.request_text("GET", "/stream"))
    parts = client.body_parts(client.head())
    assert read_bytes(parts, len(event(0))).startswith(event(0))
    getattr(client, leave)()
    server.wait_disconnected()
    record = instance.wait_log()[0]
    assert record["status"] in (200, 499)


def test_a_client_that_leaves_before_the_head_ends_the_upstream_connection(gateway, backend):
    def handler(connection):
        connection.read_request()
        connection.wait_closed_by_peer()

    server = backend(handler)
    instance = gateway(configs.public(server.url))
    client = instance.client()
    client.send(http1.request_text("GET", "/stream"))
    server.wait_requests(1)
    client.reset()
    server.wait_disconnected()
    assert instance.wait_log()[0]["status"] == 499


def test_other_clients_go_on_beside_an_idle_stream(gateway, backend):
    source = EventSource()

    def handler(connection):
        if connection.number == 0:
            source(connection)
            return
        while True:
            connection.read_request()
            connection.send(http1.response_text(200, [], b"ok"))

    instance, client, response = open_stream(gateway, backend, handler)
    with client:
        for _ in range(20):
            assert instance.get("/").body == b"ok"
        source.events.put(event(1))
        source.events.put(None)
        assert client.finish(response).body == event(1)
