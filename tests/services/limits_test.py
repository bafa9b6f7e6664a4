"""What one client can make the service hold: memory, connections, the way to the database."""

import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import resource
import socket
import sqlite3
import subprocess
import threading

import pytest
from administration import Organisation, fresh
from reference_services import CALL_SECONDS, Users

BODY = 64 * 1024  # what the service reads at most
CONNECTIONS = 512  # that it serves at once on one address
EXTRA = 40
WRITERS = 24  # more than there are connections to the database
HEAD = b"POST /api/v1/users/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def padded(text, size):
    """The JSON object, blown up with white space."""
    return text.encode() + b" " * (size - len(text))


def resident_kib(service):
    status = pathlib.Path(f"/proc/{service.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1))


def threads(service):
    return len(os.listdir(f"/proc/{service.process.pid}/task"))


def until(condition, seconds=CALL_SECONDS):
    """Waits for what must come; fails if it does not."""
    waiting = threading.Event()
    for _ in range(int(seconds * 50)):
        if condition():
            return
        waiting.wait(0.02)
    raise AssertionError("it did not come")


def test_a_body_of_64_kib_is_read_and_no_byte_more(users):
    member = Organisation(users).manager
    text = json.dumps({"name": fresh("role"), "permissions": []})
    assert member.call("POST", "/api/v1/roles", padded(text, BODY)).status == 201
    for size in (BODY + 1, 10 * 2**20):
        for path in ("/api/v1/roles", "/api/v1/users/login"):
            try:
                answer = member.call("POST", path, padded(text, size))
            except (BrokenPipeError, ConnectionResetError):
                continue  # closed while it was still sent
            assert answer.status == 413 and answer.json["code"] == "body_too_large", (path, size)


def test_bodies_do_not_cost_memory(users):
    # What is read as JSON takes many times its size: 10 MiB of numbers once took 100 MiB, for anybody.
    numbers = b'{"username":"a","password":[' + b"1," * 5_000_000 + b"1]}"

    def send(_):
        with contextlib.suppress(OSError):
            users.call("POST", "/api/v1/users/login", numbers)

    users.call("POST", "/api/v1/users/login", {"username": "a", "password": "b"})
    before = resident_kib(users)
    peak = before
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(send, None) for _ in range(16)]
        while not all(one.done() for one in sent):
            peak = max(peak, resident_kib(users))
    assert peak - before < 50 * 1024, f"{(peak - before) // 1024} MiB"


def test_what_a_client_sent_comes_back_in_part(users):
    organisation = Organisation(users)
    long = "x" * 20_000
    for path, body in (("/api/v1/roles", {long: 1}),
                       ("/api/v1/roles", {"name": "r", "permissions": [], "tenant": long}),
                       ("/api/v1/users", {"username": fresh("u"), "kind": "service", "roles": [long]}),
                       ("/api/v1/users", {"username": fresh("u"), "kind": "service", "roles": [], "tenant": long})):
        answer = users.as_admin("POST", path, body)
        assert answer.status in (400, 422) and long[:64] in answer.json["detail"], path
        assert len(answer.body) < 1000, path
    # Cut between bytes of a character, and with what a terminal would obey.
    answer = organisation.manager.call("POST", "/api/v1/roles", {"x" * 63 + "éé\x1b[2J": 1})
    assert answer.status == 400 and answer.json["code"] == "unknown_member" and answer.json["detail"].isascii()


@pytest.mark.parametrize("method, path, member, most", [
    ("POST", "/api/v1/roles", "permissions", 50), ("PATCH", "/api/v1/users/{}", "roles", 16),
    ("POST", "/api/v1/users/{}/api-keys", "permissions", 50)])
def test_a_list_is_counted_before_it_is_read(users, method, path, member, most):
    manager = Organisation(users).manager
    # Were it read first, what is wrong with its last element would be said.
    body = {member: ["models:read"] * most + [1]}
    if method == "POST":
        body["name"] = fresh("name")
    answer = manager.call(method, path.format(manager.id), body)
    assert answer.status == 422 and answer.json["code"] == "too_many", answer.body


WRITE_LOCK = 7813591840206189669  # of services/common/postgres_database.cc


@contextlib.contextmanager
def write_lock(database):
    """Somebody else has the one right to change anything, as an instance that is busy."""
    if database.url is None:
        with contextlib.closing(sqlite3.connect(database.path, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")
        return
    held = f"FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = " \
           f"(SELECT oid FROM pg_database WHERE datname = current_database())"

    def hold():
        with contextlib.suppress(subprocess.CalledProcessError):
            database.sql(f"SELECT pg_advisory_lock({WRITE_LOCK}); SELECT pg_sleep({CALL_SECONDS})")

    holder = threading.Thread(target=hold)
    holder.start()
    until(lambda: database.sql(f"SELECT pid {held}"))
    yield
    database.sql(f"SELECT pg_terminate_backend(pid) {held}")
    holder.join()


def answered_before_writers(users, member):
    """Whether look-ups of a gateway are answered while more changes than there are connections wait for their turn."""
    before = threads(users)
    with concurrent.futures.ThreadPoolExecutor(WRITERS) as pool:
        with write_lock(users.database):
            writers = [pool.submit(member.call, "POST", "/api/v1/roles", {"name": fresh("r"), "permissions": []})
                       for _ in range(WRITERS)]
            until(lambda: threads(users) >= before + WRITERS or any(one.done() for one in writers))
            looked_up = [users.internal(f"/internal/v1/users/{member.id}/access").status for _ in range(5)]
            in_time = not any(one.done() for one in writers)
        assert {one.result().status for one in writers} <= {201, 503}
    assert set(looked_up) <= {200, 503}
    return in_time and set(looked_up) == {200}


def test_who_waits_to_change_something_leaves_gateways_their_look_ups(users):
    # Changes wait two seconds at most, so a machine that is busy may need more than one try. Where waiting changes take
    # every connection, no try succeeds: the look-ups wait for as long.
    manager = Organisation(users).manager
    assert any(answered_before_writers(users, manager) for _ in range(4))


def is_closed(connection):
    """True: without an answer; False: with one; None: it is open."""
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return None
    except OSError:
        return True


@contextlib.contextmanager
def dripping(connections):
    """Sends a byte more on each of them, again and again."""
    stop = threading.Event()

    def drip():
        while not stop.wait(0.2):
            for connection in connections:
                with contextlib.suppress(OSError):
                    connection.send(b" ", socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        for connection in connections:
            connection.close()


def begin_request(users, rest):
    connection = socket.create_connection(("127.0.0.1", users.port), timeout=CALL_SECONDS)
    connection.sendall(HEAD + rest)
    return connection


@pytest.mark.parametrize("rest", [b"X-Long:", b"Content-Length: 60000\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\nEA60\r\n{"],
                         ids=["head", "body", "chunk"])
def test_a_request_that_comes_byte_by_byte_is_given_up(start, tmp_path, rest):
    users = start(Users, tmp_path)
    slow = begin_request(users, rest)
    with dripping([slow]):
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while more := slow.recv(4096):  # times out if the service reads on
                received += more
        assert received == b"" or received.startswith(b"HTTP/1.1 400")
    assert users.call("GET", "/healthz").status == 200


def test_slow_requests_keep_nobody_out(start, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    users = start(Users, tmp_path)
    before = threads(users)
    slow = [begin_request(users, b"Content-Length: 60000\r\n\r\n{") for _ in range(CONNECTIONS + EXTRA)]
    with dripping(slow):
        until(lambda: threads(users) >= before + CONNECTIONS)
        assert users.call("GET", "/healthz").status == 200
        # Those that were slow for longest made room. It was not their time that was over: that is answered.
        ended = [is_closed(one) for one in slow]
        assert ended.count(True) >= EXTRA and ended.count(False) == 0, (ended.count(True), ended.count(False))
        assert ended.count(True) < 2 * EXTRA  # and no more than was needed
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
