"""Concurrency limits: never more under way than the limit says, a fair order among those that wait, and an end to every wait."""

import contextlib
import threading

import pytest

from harness import configs, http1, prometheus
from harness.backend import answer_all, ok
from harness.client import RawClient
from harness.hall import Hall
from harness.problems import expect_problem
from harness.tokens import bearer
from harness.wait import eventually

USERS = {name: f"127.0.0.{number}" for number, name in enumerate("abcdefgh", start=11)}  # addresses stand for users


def limited(url, limits, routes=None, **more):
    """`limits`: name to entry; all routes have all of them unless they say otherwise."""
    entries = [{"service": "backend", "public": True, "concurrency": list(limits), **route} for route in routes or [{"path": "/"}]]
    return configs.base({"backend": url}, entries, concurrency_limits=limits, **more)


def service_limit(requests, queue=None, wait="10s", **more):
    limit = {"key": "service", "requests": requests, **more}
    return {**limit, "queue": {"requests": queue, "wait": wait}} if queue else limit


class Stage:
    """A gateway, a hall behind it, and clients that come one after another."""

    def __init__(self, gateway, backend, limits, hall=None, **options):
        self.hall = hall or Hall()
        self.server = backend(self.hall.handler)
        self.config = limited(self.server.url, limits, **options)
        self.gateway = gateway(self.config)
        self._clients = contextlib.ExitStack()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.hall.open()
        self._clients.close()

    def send(self, target, user=None, method="GET", fields=()):
        """Begins a request on a connection of its own."""
        client = self._clients.enter_context(RawClient(self.gateway.port, source=USERS[user] if user else None))
        client.send(http1.request_text(method, target, fields))
        return client

    def enter(self, target, **options):
        """The same, once it is at the backend."""
        came = len(self.hall.order)
        client = self.send(target, **options)
        self.hall.wait_order(came + 1)
        return client

    def limit(self, name=None):
        """What /status says of a limit."""
        limits = self.gateway.admin("/status").json()["concurrency_limits"]
        return next(limit for limit in limits if name in (None, limit["name"]))

    def wait_waiting(self, count, name=None):
        eventually(lambda: self.limit(name)["waiting"] == count, f"{count} waiting requests")

    def queue(self, target, name=None, **options):
        """The same, once it waits in the queue."""
        before = self.limit(name)["waiting"]
        client = self.send(target, **options)
        self.wait_waiting(before + 1, name)
        return client

    def finish(self, client, target):
        self.hall.release(target)
        response = client.response()
        assert response.status == 200
        return response

    def wait_nothing_held(self):
        eventually(lambda: all(limit["in_flight"] == limit["waiting"] == 0
                               for limit in self.gateway.admin("/status").json()["concurrency_limits"]), "no place held")


@pytest.fixture(name="stage")
def _stage(gateway, backend):
    with contextlib.ExitStack() as stages:
        yield lambda limits, **options: stages.enter_context(Stage(gateway, backend, limits, **options))


def test_never_more_than_the_limit_over_all_workers(stage):
    scene = stage({"gpu": service_limit(5, queue=64)}, hall=Hall(open_doors=True), workers=4)
    statuses = []

    def ask(number):
        with scene.gateway.client() as client:
            statuses.extend(client.get(f"/{number}/{i}").status for i in range(20))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 480
    assert scene.hall.most <= 5
    scene.wait_nothing_held()
    assert scene.limit()["admitted"] == 480


def test_as_many_as_the_limit_says_at_once(stage):
    scene = stage({"gpu": service_limit(3, queue=8)}, workers=4)
    clients = [scene.enter(f"/{i}") for i in range(3)]
    waiting = scene.queue("/3")
    assert scene.hall.most == 3 and scene.limit()["in_flight"] == 3
    scene.finish(clients[1], "/1")
    assert scene.hall.wait_order(4)[-1] == "/3"
    scene.finish(waiting, "/3")
    assert scene.hall.most == 3


def test_without_a_queue_a_service_that_is_full_is_overloaded_at_once(stage):
    scene = stage({"gpu": service_limit(1)})
    first = scene.enter("/first")
    with scene.gateway.client() as client:
        refused = client.get("/second")
        problem = expect_problem(refused, "overloaded")
        assert problem["violated-policies"] == ["gpu"]
        assert 1 <= int(refused.get("Retry-After")) <= 60
        scene.finish(first, "/first")
        scene.hall.open()
        scene.wait_nothing_held()
        assert client.get("/third").status == 200  # on the same connection
    assert scene.hall.order == ["/first", "/third"]
    record, = scene.gateway.wait_log(where=lambda line: line["code"] == "overloaded")
    assert record["reason"] == "gpu: no place and no room to wait" and record["queue_ms"] is None and record["attempts"] == 0


def test_a_caller_with_too_much_under_way_is_told_so_and_nobody_else(stage):
    scene = stage({"per_user": {"requests": 2}})
    for number in range(2):
        scene.enter(f"/a{number}", user="a")
    refused = scene.send("/a2", user="a").response()
    assert expect_problem(refused, "concurrency_limited")["violated-policies"] == ["per_user"]
    scene.enter("/b0", user="b")


def test_users_are_known_by_their_tokens(stage, issuer, jwks):
    scene = stage({"per_user": {"key": "user", "requests": 1}}, routes=[{"path": "/", "public": False}],
                  authentication=configs.authentication(issuer, jwks))
    scene.enter("/alice", fields=bearer(issuer.mint("alice")))
    scene.enter("/bob", fields=bearer(issuer.mint("bob")))
    expect_problem(scene.send("/alice2", fields=bearer(issuer.mint("alice"))).response(), "concurrency_limited")
    expect_problem(scene.send("/nobody").response(), "missing_token")


def test_users_take_turns(stage):
    scene = stage({"gpu": service_limit(1, queue=16)}, workers=2)
    clients = {"/x": scene.enter("/x", user="h")}
    for target in ("/a1", "/a2", "/a3", "/b1", "/c1", "/b2"):
        clients[target] = scene.queue(target, user=target[1])
    order = ["/x", "/a1", "/b1", "/c1", "/a2", "/b2", "/a3"]
    for number, target in enumerate(order):
        assert scene.hall.wait_order(number + 1) == order[: number + 1]
        scene.finish(clients[target], target)
    assert scene.hall.most == 1


def test_higher_priorities_go_first(stage):
    routes = [{"path": "/low", "priority": "low"}, {"path": "/high", "priority": "high"}, {"path": "/"}]
    scene = stage({"gpu": service_limit(1, queue=16)}, routes=routes)
    clients = {"/x": scene.enter("/x")}
    for target in ("/low/1", "/n1", "/high/1", "/low/2", "/high/2", "/n2"):
        clients[target] = scene.queue(target)
    order = ["/x", "/high/1", "/high/2", "/n1", "/n2", "/low/1", "/low/2"]
    for number, target in enumerate(order):
        assert scene.hall.wait_order(number + 1) == order[: number + 1]
        scene.finish(clients[target], target)


def test_who_fills_the_queue_makes_room_for_others(stage):
    scene = stage({"gpu": service_limit(1, queue=3)})
    first = scene.enter("/x", user="h")
    crowd = [scene.queue(f"/a{i}", user="a") for i in range(3)]
    expect_problem(scene.send("/a3", user="a").response(), "overloaded")
    newcomer = scene.send("/b0", user="b")
    expect_problem(crowd[2].response(), "overloaded")  # the newest of the crowd
    scene.finish(first, "/x")
    scene.finish(crowd[0], "/a0")
    assert scene.hall.wait_order(3)[-1] == "/b0"
    scene.finish(newcomer, "/b0")
    scene.finish(crowd[1], "/a1")


@pytest.mark.parametrize("key, code", [("service", "overloaded"), (["user", "service"], "concurrency_limited")])
def test_a_wait_has_an_end(stage, key, code):
    scene = stage({"gpu": {"key": key, "requests": 1, "queue": {"requests": 4, "wait": "300ms"}}})
    scene.enter("/first")
    with scene.gateway.client() as client:
        refused = client.get("/second")
        assert expect_problem(refused, code)["violated-policies"] == ["gpu"]
        expect_problem(client.get("/third"), code)
    for record in scene.gateway.wait_log(2):
        assert record["reason"] == "gpu: waited too long"
        assert 300 <= record["queue_ms"] <= record["duration_ms"]
    assert scene.hall.order == ["/first"]


def test_the_log_explains_a_wait(stage):
    scene = stage({"gpu": service_limit(1, queue=4)})
    first = scene.enter("/first")
    second = scene.queue("/second")
    scene.finish(first, "/first")
    scene.finish(second, "/second")
    records = {record["path"]: record for record in scene.gateway.wait_log(2)}
    assert records["/first"]["queue_ms"] is None
    assert 0 < records["/second"]["queue_ms"] <= records["/second"]["duration_ms"]
    assert records["/second"]["queue_ms"] + records["/second"]["upstream_ms"] <= records["/second"]["duration_ms"] + 0.002


@pytest.mark.parametrize("leave", [RawClient.reset, RawClient.close])
def test_a_client_that_hangs_up_leaves_the_queue(stage, leave):
    scene = stage({"gpu": service_limit(1, queue=4)})
    first = scene.enter("/first")
    gone = scene.queue("/gone")
    patient = scene.queue("/patient")
    leave(gone)
    scene.wait_waiting(1)
    scene.finish(first, "/first")
    scene.finish(patient, "/patient")
    assert scene.hall.order == ["/first", "/patient"]
    record, = scene.gateway.wait_log(where=lambda line: line["path"] == "/gone")
    assert (record["status"], record["code"], record["attempts"]) == (499, "client_closed", 0) and record["queue_ms"] > 0


def test_a_half_closed_client_keeps_waiting(stage):
    scene = stage({"gpu": service_limit(1, queue=4)})
    first = scene.enter("/first")
    waiting = scene.queue("/half")
    waiting.shutdown_write()
    assert waiting.interim().status == 100  # it is asked whether it is still there
    assert scene.limit()["waiting"] == 1
    scene.finish(first, "/first")
    scene.finish(waiting, "/half")


def test_a_client_that_hangs_up_gives_its_place_back(stage):
    scene = stage({"gpu": service_limit(1, queue=4)})
    first = scene.enter("/first")
    waiting = scene.queue("/second")
    first.reset()
    scene.finish(waiting, "/second")


def test_a_dead_service_gives_places_back(gateway, backend):
    server = backend(lambda connection: (connection.read_request(), connection.reset()))
    config = limited(server.url, {"gpu": service_limit(1, queue=8)})
    instance = gateway(config)
    with instance.client() as client:
        for _ in range(5):
            expect_problem(client.get("/"), "upstream_reset")
    refusing = backend(listening=False)
    config["services"]["backend"]["endpoints"] = [refusing.url]
    instance.reload(config)
    eventually(lambda: instance.get("/").json()["code"] == "upstream_unreachable", "the other service")
    eventually(lambda: instance.admin("/status").json()["concurrency_limits"][0]["in_flight"] == 0, "no place held")


def test_rate_limits_get_back_what_a_refused_request_took(stage):
    rates = {"few": {"key": "address", "tokens": 2, "refill": "1/h"}}
    scene = stage({"gpu": service_limit(1)}, routes=[{"path": "/", "limits": ["few"]}], rate_limits=rates)
    first = scene.enter("/first")
    for _ in range(3):
        expect_problem(scene.send("/refused").response(), "overloaded")
    scene.finish(first, "/first")
    scene.wait_nothing_held()
    scene.finish(scene.enter("/second"), "/second")
    expect_problem(scene.send("/third").response(), "rate_limited")


def test_who_waits_for_a_place_of_his_own_holds_none_of_the_others(stage):
    limits = {"gpu": service_limit(2), "per_user": {"requests": 1, "queue": {"requests": 4}}}
    scene = stage(limits)
    first = scene.enter("/a1", user="a")
    second = scene.queue("/a2", name="per_user", user="a")
    scene.enter("/b1", user="b")  # the second place of the service
    scene.finish(first, "/a1")
    scene.finish(second, "/a2")


def test_an_unfinished_body_ends_the_connection_of_a_refused_request(stage):
    scene = stage({"gpu": service_limit(1)})
    scene.enter("/first")
    with scene.gateway.client() as client:
        client.send(http1.request_text("POST", "/whole", body=b"body"))
        expect_problem(client.response(), "overloaded")
        client.send(http1.request_text("POST", "/half", [("Content-Length", "10")]) + b"body")
        response = client.response()
        expect_problem(response, "overloaded")
        assert response.tokens("Connection") == ["close"]
        client.expect_closed()


def test_head_is_refused_without_a_body(stage):
    scene = stage({"gpu": service_limit(1)})
    first = scene.enter("/first", method="HEAD")
    with scene.gateway.client() as client:
        refused = client.request("HEAD", "/second")
        assert (refused.status, refused.body) == (503, b"") and int(refused.get("Retry-After")) >= 1
        scene.hall.release("/first")
        assert first.response("HEAD").status == 200
        scene.hall.open()
        scene.wait_nothing_held()
        assert client.request("HEAD", "/third").status == 200


def test_a_body_comes_through_after_a_wait(stage):
    scene = stage({"gpu": service_limit(1, queue=4)})
    first = scene.enter("/first")
    client = scene.queue("/second", method="POST", fields=[("Content-Length", "200000"), ("Expect", "100-continue")])
    scene.finish(first, "/first")
    assert client.interim().status == 100  # not before it had its place
    client.send(b"x" * 200_000)
    scene.finish(client, "/second")
    assert [len(request.body) for request in scene.server.requests] == [0, 200_000]


def test_a_websocket_holds_its_place_until_it_is_closed(gateway, backend):
    accept = http1.fields_text([("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")])
    asking = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")]

    def switch(connection):
        connection.read_head()
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\n" + accept + b"\r\n")
        connection.wait_closed_by_peer()

    instance = gateway(limited(backend(switch).url, {"sockets": service_limit(1)}, [{"path": "/", "upgrade": ["websocket"]}]))
    with instance.client() as first, instance.client() as second:
        first.send(http1.request_text("GET", "/", asking))
        assert first.head().status == 101
        second.send(http1.request_text("GET", "/", asking))
        expect_problem(second.response(), "overloaded")
    eventually(lambda: instance.admin("/status").json()["concurrency_limits"][0]["in_flight"] == 0, "the place of the socket")
    with instance.client() as third:
        third.send(http1.request_text("GET", "/", asking))
        assert third.head().status == 101


def test_a_drain_serves_whom_it_can_and_cuts_the_rest(stage):
    scene = stage({"gpu": service_limit(1, queue=4)}, timeouts={"drain": "1s"})
    first = scene.enter("/first")
    second = scene.queue("/second")
    third = scene.queue("/third")
    scene.gateway.terminate()
    scene.gateway.wait_stderr("drain")
    scene.finish(first, "/first")
    assert scene.hall.wait_order(2)[-1] == "/second"
    expect_problem(third.response(), "draining")
    expect_problem(second.response(), "draining")
    assert scene.gateway.wait_exit() == 0
    assert scene.hall.order == ["/first", "/second"]


def test_a_reload_takes_the_new_numbers_and_keeps_what_is_under_way(stage):
    scene = stage({"gpu": service_limit(1, queue=8)})
    clients = {"/0": scene.enter("/0"), **{f"/{i}": scene.queue(f"/{i}") for i in range(1, 5)}}
    scene.config["concurrency_limits"]["gpu"]["requests"] = 3
    scene.gateway.reload(scene.config)
    assert sorted(scene.hall.wait_order(3)) == ["/0", "/1", "/2"]  # nobody had to end for that
    scene.config["concurrency_limits"]["gpu"].update(requests=1, queue={"requests": 1})
    scene.gateway.reload(scene.config)
    eventually(lambda: scene.limit()["requests"] == 1, "the new numbers")
    expect_problem(scene.send("/late").response(), "overloaded")
    for target in ("/0", "/1"):
        scene.finish(clients[target], target)
    assert scene.limit()["waiting"] == 2 and len(scene.hall.order) == 3
    for target in ("/2", "/3", "/4"):
        scene.finish(clients[target], target)
    assert scene.hall.order[3:] == ["/3", "/4"]
    scene.wait_nothing_held()


def test_report_only_counts_and_admits(stage):
    scene = stage({"gpu": service_limit(1, queue=1, report_only=True)})
    for number in range(4):
        scene.enter(f"/{number}")
    limit = scene.limit()
    assert (limit["in_flight"], limit["admitted"], limit["refused"], limit["would_refuse"]) == (4, 4, 0, 2)


def test_metrics(stage):
    scene = stage({"gpu": service_limit(1, queue=1, wait="300ms"), "mine": {"requests": 9, "report_only": True}})
    first = scene.enter("/first")
    second = scene.queue("/second", name="gpu")
    expect_problem(scene.send("/third").response(), "overloaded")
    expect_problem(second.response(), "overloaded")

    def scrape():
        return prometheus.parse(scene.gateway.admin("/metrics").body.decode())

    seen = scrape()
    assert seen.sum("lotagate_concurrency_in_flight", limit="gpu") == 1
    scene.finish(first, "/first")
    scene.wait_nothing_held()
    seen = scrape()
    values = {name: seen.sum(f"lotagate_concurrency_{name}", limit="gpu") for name in ("in_flight", "waiting", "admitted_total")}
    assert values == {"in_flight": 0, "waiting": 0, "admitted_total": 1}
    assert seen.sum("lotagate_concurrency_refused_total", limit="gpu", reason="full") == 1
    assert seen.sum("lotagate_concurrency_refused_total", limit="gpu", reason="timeout") == 1
    assert seen.sum("lotagate_concurrency_wait_seconds_count", limit="gpu") == 1
    assert 0.3 <= seen.sum("lotagate_concurrency_wait_seconds_sum", limit="gpu") < 5
    assert seen.sum("lotagate_concurrency_admitted_total", limit="mine") == 3
    assert seen.find("lotagate_concurrency_would_refuse_total", limit="mine") == [({"limit": "mine"}, 0)]
    assert seen.types["lotagate_concurrency_wait_seconds"] == "histogram"


def test_routes_without_the_limit_do_not_count(gateway, backend):
    server = backend(answer_all(ok))
    config = limited(server.url, {"gpu": service_limit(1)}, [{"path": "/"}, {"path": "/free", "concurrency": []}])
    instance = gateway(config)
    assert [instance.get(target).status for target in ("/", "/free")] == [200, 200]
    assert instance.admin("/status").json()["concurrency_limits"][0]["admitted"] == 1
