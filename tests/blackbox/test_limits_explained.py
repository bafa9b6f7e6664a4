"""`lotagate explain` finds the buckets that the gateway takes from: random limits, routes and requests, asked of both.

What explain says makes a model of every bucket; the gateway's RateLimit has to agree with it, request after request.
"""

import json
import random
import subprocess

import pytest

from harness import http1
from harness.client import RawClient
from harness.gateway import BINARY
from harness.limits import Club, parse_items
from harness.tokens import bearer

PROXY = "127.0.0.3"
PARTS = ["user", "tenant", "address", "api_key", "route", "service", {"header": "X-Team"}, {"header": "X-Any", "from": "anyone"},
         {"claim": "org.id"}, {"claim": "list"}]
CASES = [("role", "member", "chief"), ("plan", "pro", "free"), ({"claim": "list"}, "a", "7"), ({"claim": "list"}, "a,b", "a")]
EXEMPT = [{"paths": ["/r1/x"]}, {"users": ["alice"]}, {"addresses": ["127.0.0.2"]}, {"addresses": ["203.0.113.0/24"], "users": ["bob"]}]
PEOPLE = {"alice": ("acme", "pro", ["member"]), "bob": ("acme", "free", ["chief", "member"]), "carol": (None, None, [])}
API_KEYS = {name: f"lgk_{name}" + "k" * 40 for name in PEOPLE}
FORWARDED = {"203.0.113.9": "203.0.113.9", "198.51.100.1, 203.0.113.9": "203.0.113.9", "2001:db8::5": "2001:db8::5",
             "2001:db8::6": "2001:db8::6", "unknown": PROXY, "203.0.113.9, unknown": PROXY}
PATHS = ["/r0", "/r1/x", "/r1/y", "/r2/%61", "/public", "/r0/../r1/x", "/r1//x", "/none"]
ORGS = ["o1", "alice", 7, True, ["x", "y"], {"a": 1}, "x\x1fy", "", None]
LISTS = ["a", ["b", "a"], "a,b", 7, [7], [], "*", ["*"], ["7"], "7.0", 7.0]


def random_limit(rnd, number):
    limit = {"key": rnd.sample(PARTS, rnd.randint(1, 3))}
    if rnd.random() < 0.5:
        by, some, free = rnd.choice(CASES)
        limit.update(by=by, cases={some: f"{1000 + number}/h", free: "unlimited", "*": f"{2000 + number}/h"})
    else:
        limit.update(tokens=3000 + number, refill="1/h")
    if rnd.random() < 0.4:
        limit["exempt"] = rnd.choice(EXEMPT)
    return limit


def random_request(rnd, issuer):
    """The same request twice: source, path and fields for the gateway, arguments for explain."""
    path, source = rnd.choice(PATHS), rnd.choice(["127.0.0.1", "127.0.0.2", PROXY])
    forwarded = rnd.choice([None, *FORWARDED])
    fields = [("X-Forwarded-For", forwarded)] if forwarded else []
    fields += [(name, rnd.choice(["red", "blue", "", "alice"])) for name in ("X-Team", "X-Any", "x-tEAM") if rnd.random() < 0.35]
    arguments = ["GET", path, *(word for name, value in fields for word in ("-H", f"{name}: {value}"))]
    client = FORWARDED.get(forwarded, PROXY) if source == PROXY else source
    arguments += ["--address", client, *(["--from-proxy"] if source == PROXY else [])]
    who, kind = rnd.choice(list(PEOPLE)), rnd.random()
    if kind < 0.55:
        claims = {"org": {"id": rnd.choice(ORGS)}} if rnd.random() < 0.6 else {}
        claims.update({"list": rnd.choice(LISTS)} if rnd.random() < 0.6 else {})
        token = issuer.mint(who, **claims)[: None if rnd.random() < 0.9 else -4]
        return source, path, fields + bearer(token), [*arguments, "--token", token]
    if kind < 0.8:
        return source, path, fields + [("X-API-Key", API_KEYS[who])], [*arguments, "--api-key", API_KEYS[who]]
    return source, path, fields, arguments


def buckets_of(said):
    """What explain names: {limit: (bucket, tokens)}. A header's and a claim's own name are part of what its value means."""
    found = {}
    for limit in said["limits"]:
        if not limit["reached"] or limit["exempt"] or limit["tokens"] is None:
            continue
        parts = []
        for part in limit["key"]:
            own = part["part"] if part["kind"] in ("header", "claim") else ""
            subscriber = part["kind"] == "address" and ":" in part["value"]  # all of one /64
            parts.append((part["kind"], own, "/64" if subscriber else part["value"]))
        found[limit["name"]] = ((limit["name"], limit["case"], *parts), limit["tokens"])
    return found


@pytest.mark.parametrize("seed", range(4))
def test_the_gateway_takes_from_the_buckets_that_explain_names(gateway, backend, issuer, tmp_path, seed):
    rnd = random.Random(seed)
    club = Club(backend, issuer, tmp_path)
    limits = {f"l{number}": random_limit(rnd, number) for number in range(8)}
    routes = {f"/r{number}": rnd.sample(list(limits), 5) for number in range(3)}
    routes["/public"] = {"public": True, "limits": rnd.sample(list(limits), 5)}
    config = club.config(limits, routes)
    config["listeners"][0]["trusted_proxies"] = [PROXY]
    for name, (tenant, plan, roles) in PEOPLE.items():
        club.ums.add(name, ["*:*"], roles, *([tenant, plan] if tenant else [None, None]))
        club.ums.add_key(API_KEYS[name], name)
    instance = gateway(config)
    taken = {}
    for step in range(60):
        source, path, fields, arguments = random_request(rnd, issuer)
        with RawClient(instance.port, source=source) as client:
            client.send(http1.request_text("GET", path, fields))
            response = client.response()
        ran = subprocess.run([str(BINARY), "explain", *arguments, "--json", "-c", str(instance.config_path)], capture_output=True,
                             text=True, timeout=20, check=False)
        context = (seed, step, source, arguments, response.status, ran.stdout)
        assert (response.status == 200) == (ran.returncode == 0), context
        told = parse_items(response.get("RateLimit")) if response.has("RateLimit") else {}
        found = buckets_of(json.loads(ran.stdout))
        assert set(told) == set(found), context
        for name, (bucket, tokens) in found.items():
            taken[bucket] = taken.get(bucket, 0) + 1
            assert told[name]["r"] - (tokens - taken[bucket]) in (0, 1), (name, bucket, context)  # one may have come back
    assert len(taken) > 20
