"""Large bodies and slow peers: the gateway's memory does not depend on either."""

import threading

import pytest

from harness import configs, http1
from harness.backend import answer_all, echo
from harness.gateway import SANITIZED

MIB = 1024 * 1024
TOTAL = 100 * MIB
BLOCK = bytes(range(256)) * 4096  # 1 MiB
MEMORY_LIMIT = 64 * MIB
# What kernel buffers on four sockets and the gateway's window may hold together.
IN_FLIGHT_LIMIT = 48 * MIB


def start(gateway, server, **more):
    return gateway(configs.public(server.url, {"max_body": "200MiB"}, **more))


def expect_small(instance):
    if not SANITIZED:
        assert instance.memory_peak() < MEMORY_LIMIT


def counting_sink(connection):
    """Reads a whole upload, counts it, and answers with the count and whether every byte was right."""
    request = connection.read_head()
    count, right = 0, True
    for part in http1.body_parts(connection.reader, request):
        offset = count % 256
        right = right and part == (BLOCK[offset:] + BLOCK)[: len(part)]
        count += len(part)
        connection.received.clear()
    connection.send(http1.response_text(200, [], b"%d %d" % (count, right)))


def source(connection):
    """Sends 100 MiB with a Content-Length, or in chunks."""
    request = connection.read_request()
    chunks = request.target == "/chunked"
    framing = ("Transfer-Encoding", "chunked") if chunks else ("Content-Length", str(TOTAL))
    connection.send(http1.response_text(200, [framing]))
    for _ in range(TOTAL // MIB):
        connection.send(http1.chunk(BLOCK) if chunks else BLOCK)
    if chunks:
        connection.send(http1.chunk(b""))


def read_pattern(client, response):
    """Reads the body and compares it with the pattern; returns its length."""
    count = 0
    for part in client.body_parts(response):
        offset = count % 256
        block = BLOCK[offset:] + BLOCK + BLOCK[: max(0, len(part) - MIB)]
        assert part == block[: len(part)], f"wrong bytes at {count}"
        count += len(part)
    return count


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_S06_100_mib_upload(gateway, backend, framing):
    instance = start(gateway, backend(counting_sink))
    with instance.client() as client:
        chunks = framing == "chunked"
        field = ("Transfer-Encoding", "chunked") if chunks else ("Content-Length", str(TOTAL))
        client.send(http1.request_text("POST", "/x", [field]))
        for _ in range(TOTAL // MIB):
            client.send(http1.chunk(BLOCK) if chunks else BLOCK)
        if chunks:
            client.send(http1.chunk(b""))
        assert client.response().body == b"%d 1" % TOTAL
    expect_small(instance)


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_S06_100_mib_download(gateway, backend, framing):
    instance = start(gateway, backend(source))
    with instance.client() as client:
        client.send(http1.request_text("GET", f"/{framing}"))
        assert read_pattern(client, client.head()) == TOTAL
    expect_small(instance)


@pytest.mark.parametrize("size", [16384, 16385, 81920, 100_000, MIB])
def test_a_connection_is_used_again_after_a_body_of_any_size(gateway, backend, size):
    """Among them answers, head included, that end where a buffer of the gateway ends."""
    head = http1.response_text(200, [("Content-Length", str(size - 100))])
    padded = http1.response_text(200, [("Content-Length", str(size - 100)), ("P", "p" * (100 - len(head) - 5))])
    answer = padded + bytes(size - 100)
    assert len(answer) == size
    server = backend(answer_all(lambda _: answer))
    with start(gateway, server).client() as client:
        for _ in range(3):
            assert len(client.get("/").body) == size - 100
    assert len(server.connections) == 1


def test_large_uploads_sent_one_behind_the_other(gateway, backend):
    """What was received behind the end of a body is the beginning of the next request."""
    server = backend(answer_all(echo))
    bodies = [BLOCK[1:size] for size in (20_000, 100_000, 65_537, 300_000)]
    with start(gateway, server).client() as client:
        uploads = b"".join(http1.request_text("POST", f"/{i}", [], body) for i, body in enumerate(bodies))
        sender = threading.Thread(target=client.send, args=(uploads,))
        sender.start()
        answers = [client.response("POST").body for _ in bodies]
        sender.join()
        assert answers == bodies
        assert client.get("/last").status == 200


def test_S04_a_slow_reader_holds_the_backend_back(gateway, backend):
    taken = []
    stalled = threading.Event()

    def handler(connection):
        connection.read_request()
        connection.send(http1.response_text(200, [("Content-Length", str(TOTAL))]))
        data = BLOCK * (TOTAL // MIB)
        taken.append(connection.send_until_stalled(data))
        stalled.set()
        connection.send(memoryview(data)[taken[0] :])

    instance = start(gateway, backend(handler))
    with instance.client(receive_buffer=65536) as client:
        client.send(http1.request_text("GET", "/"))
        response = client.head()
        assert stalled.wait(10) and taken[0] < IN_FLIGHT_LIMIT
        expect_small(instance)
        assert read_pattern(client, response) == TOTAL
    expect_small(instance)


def test_a_slow_backend_holds_the_client_back(gateway, backend):
    release = threading.Event()

    def handler(connection):
        request = connection.read_head()
        assert release.wait(30)
        count = sum(len(part) for part in http1.body_parts(connection.reader, request))
        connection.send(http1.response_text(200, [], b"%d" % count))

    instance = start(gateway, backend(handler))
    with instance.client() as client:
        client.send(http1.request_text("POST", "/", [("Content-Length", str(TOTAL))]))
        data = BLOCK * (TOTAL // MIB)
        client.sock.settimeout(1)  # nothing moves any more: only time can show it
        taken = 0
        with pytest.raises(TimeoutError):
            while taken < TOTAL:
                taken += client.sock.send(memoryview(data)[taken : taken + 65536])
        client.sock.settimeout(10)
        assert taken < IN_FLIGHT_LIMIT
        expect_small(instance)
        release.set()
        client.send(memoryview(data)[taken:])
        assert client.response().body == b"%d" % TOTAL
    expect_small(instance)


def test_S06_full_duplex_echo(gateway, backend):
    """Every chunk is answered before the next one is sent."""

    def handler(connection):
        request = connection.read_head()
        connection.send(http1.response_text(200, [("Transfer-Encoding", "chunked")]))
        for part in http1.body_parts(connection.reader, request):
            connection.send(http1.chunk(part))
        connection.send(http1.chunk(b""))

    with start(gateway, backend(handler)).client() as client:
        client.send(http1.request_text("POST", "/", [("Transfer-Encoding", "chunked")]))
        response = client.head()
        parts = client.body_parts(response)
        for size in (1, 10, 1000, 16384, 5, 65536, 3):
            sent = BLOCK[:size]
            client.send(http1.chunk(sent))
            back = b""
            while len(back) < size:
                back += next(parts)
            assert back == sent
        client.send(http1.chunk(b""))
        assert not list(parts) and response.complete


def test_S06_many_transfers_at_once_share_the_memory(gateway, backend):
    """32 clients that do not read cost windows, not bodies."""
    clients_count = 32

    def handler(connection):
        connection.read_request()
        connection.send(http1.response_text(200, [("Content-Length", str(8 * MIB))]))
        connection.send(BLOCK * 8)

    instance = start(gateway, backend(handler))
    clients = [instance.client(receive_buffer=32768) for _ in range(clients_count)]
    try:
        for client in clients:
            client.send(http1.request_text("GET", "/"))
        for client in clients:
            assert read_pattern(client, client.head()) == 8 * MIB
    finally:
        for client in clients:
            client.close()
    expect_small(instance)
