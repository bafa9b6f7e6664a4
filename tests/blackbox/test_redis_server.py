"""The harness for Redis itself: real servers, and faults that are what they are called."""

import socket

import pytest

from harness.clock import DAY, WallClock
from harness.gateway import measure
from harness.redis_server import RedisClient, RedisCluster, RedisError, Relay
from harness.wait import eventually


def kind_of(call):
    """The kind of error that `call` ends with."""
    with pytest.raises(RedisError) as raised:
        call()
    return raised.value.kind


def test_values_of_every_kind(redis):
    with redis().client() as client:
        assert client.command("SET", "a", "x\r\ny") == "OK" and client.command("GET", "a") == "x\r\ny"
        assert client.command("GET", "b") is None and client.command("INCR", "n") == 1
        assert client.command("MGET", "a", "b", "n") == ["x\r\ny", None, "1"]
        assert client.command("EVAL", "return {1, {'a'}, false}", 0) == [1, ["a"], None]
        assert kind_of(lambda: client.command("LPUSH", "a", "1")) == "WRONGTYPE"
        assert client.command("PING") == "PONG", "an error leaves the connection in step"


def test_a_life_begins_empty_on_the_same_port(redis):
    server = redis()
    port = server.port
    server.command("SET", "a", "1")
    assert server.keys() == ["a"] and server.calls("set") == 1
    server.kill()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)
    server.start()
    assert server.port == port and server.keys() == [] and server.calls("set") == 0


def test_a_password_and_a_user(redis):
    server = redis(requirepass="secret", database=3)
    assert kind_of(lambda: RedisClient(server.port).command("GET", "a")) == "NOAUTH"
    server.command("SET", "a", "1")
    with server.client(database=0) as client:
        assert client.command("GET", "a") is None, "another database"
    server = redis(user=("limiter", "hidden"))
    assert kind_of(lambda: RedisClient(server.port, password="hidden")) == "WRONGPASS"
    assert server.command("ACL", "WHOAMI") == "limiter"


def test_a_copy_is_read_only_until_it_is_made_the_master(redis):
    master, copy = redis(), redis()
    copy.follow(master)
    master.command("SET", "a", "1")
    eventually(lambda: copy.command("GET", "a") == "1", "the copy to have it")
    assert kind_of(lambda: copy.command("SET", "a", "2")) == "READONLY"
    copy.follow(None)
    assert copy.command("SET", "a", "2") == "OK"


def test_no_memory_left(redis):
    assert kind_of(lambda: redis(maxmemory="100kb").command("SET", "a", "x")) == "OOM"


def test_a_server_that_stands_still(redis):
    server = redis()
    server.suspend()
    with pytest.raises(TimeoutError):
        server.client(timeout=0.2).command("PING")
    server.resume()
    assert server.command("PING") == "PONG"
    server.pause(300)
    assert measure(lambda: server.command("PING"))[1] > 0.2


def test_a_server_whose_clock_is_set(redis, tmp_path):
    clock = WallClock(tmp_path)
    server, other = redis(environment=clock.environment), redis()
    for shift in (0, DAY, -DAY):
        clock.shift(shift)
        assert abs(int(server.command("TIME")[0]) - int(other.command("TIME")[0]) - shift) <= 1
        assert abs(int(server.command("EVAL", "return redis.call('TIME')[1]", 0)) - int(other.command("TIME")[0]) - shift) <= 1


def test_a_cluster_of_three(backend, tmp_path):
    cluster = backend.keep(RedisCluster(tmp_path))
    for key in ("foo", "{foo}bar", "x{foo}", "{}", "123456789", "lotagate:limit:a:b"):
        assert cluster.slot(key) == cluster.nodes[0].command("CLUSTER", "KEYSLOT", key)
    slot = cluster.slot("foo")
    owner = cluster.owner(slot)
    other, third = (node for node in cluster.nodes if node is not owner)
    owner.command("SET", "foo", "1")
    assert kind_of(lambda: other.command("GET", "foo")) == "MOVED"
    cluster.begin_move(slot, other)
    assert owner.command("GET", "foo") == "1" and kind_of(lambda: owner.command("GET", "{foo}new")) == "ASK"
    cluster.move(slot, other)
    assert other.command("GET", "foo") == "1" and kind_of(lambda: owner.command("GET", "foo")) == "MOVED"
    assert kind_of(lambda: third.command("GET", "foo")) == "MOVED" and cluster.keys() == ["foo"]


def test_a_relay_delays_answers_and_cuts(redis, backend):
    server = redis()
    relay = backend.keep(Relay(server.port))
    with RedisClient(relay.port) as client:
        assert client.command("SET", "a", "x" * 300_000) == "OK"
        relay.delay = 0.5
        answer, seconds = measure(lambda: client.command("GET", "a"))
        assert answer == "x" * 300_000 and seconds >= 0.5
        relay.delay = 0.0
        relay.cut()
        with pytest.raises(ConnectionError):
            client.command("PING")
    server.kill()
    with pytest.raises(ConnectionError):
        RedisClient(relay.port).command("PING")
