"""Rows L14 and L15: what is too large is refused early, without reading it all; what must be one thing is not two."""

import pytest

from harness import configs, http1
from harness.backend import answer_all, echo
from harness.problems import expect_problem
from harness.scene import SMUGGLED, Scene, get, post
from harness.tokens import bearer

LIMITS = {"head": "4KiB", "fields": 20, "target": "1KiB", "token": "1KiB", "body": "10KiB"}


@pytest.fixture(name="scene", scope="module")
def _scene(module_gateway, module_backend):
    server = module_backend(answer_all(echo))
    config = configs.public(server.url, limits=LIMITS)
    config["routes"] += [{"path": "/large", "service": "backend", "public": True, "max_body": "20KiB"},
                         {"path": "/none", "service": "backend", "public": True, "max_body": 0}]
    return Scene(module_gateway(config), server)


@pytest.fixture(name="defaults", scope="module")
def _defaults(module_gateway, module_backend, issuer, tmp_path_factory):
    """A gateway that nobody gave limits: the documented ones hold."""
    server = module_backend(answer_all(echo))
    config = configs.public(
        server.url, authentication=configs.authentication(issuer, issuer.write_jwks(tmp_path_factory.mktemp("keys"))))
    config["routes"].append({"path": "/protected", "service": "backend"})
    return Scene(module_gateway(config), server)


@pytest.mark.parametrize("size", [7990, 8000, 8192])
def test_L14_a_request_line_of_8000_bytes_works(defaults, size):
    target = b"/".ljust(size, b"a")
    assert defaults.accept(get(target=target)).target == target.decode()


@pytest.mark.parametrize("size", [8193, 9000, 20_000, 500_000])
def test_L14_a_target_beyond_the_default(defaults, size):
    defaults.refuse(get(target=b"/".ljust(size, b"a")), "uri_too_long")


def test_L14_a_target_without_an_end(defaults):
    defaults.refuse(b"GET /" + b"a" * 8300, "uri_too_long")


def test_L14_100_fields_work_by_default(defaults):
    request = defaults.accept(get(*(b"X-%d: %d" % (i, i) for i in range(99))))
    assert request.get("X-98") == "98"


@pytest.mark.parametrize("count", [100, 101, 1000, 5000])
def test_L14_more_than_100_fields(defaults, count):
    """Host is one, too."""
    defaults.refuse(get(*(b"X-%d: 1" % i for i in range(count))), "headers_too_large")


def test_L14_a_head_of_32_kib_works_by_default(defaults):
    head = get(*(b"X-%d: " % i + b"x" * 2000 for i in range(16)))
    assert 31_000 < len(head) < 32 * 1024
    assert defaults.accept(head).get("X-15") == "x" * 2000


@pytest.mark.parametrize("data", [
    get(b"X: " + b"x" * 33_000), get(*(b"X-%d: " % i + b"x" * 2100 for i in range(16))), get(b"X: " + b"x" * 1_000_000),
    get()[:-2] + b"X: " + b"x" * 40_000,
], ids=["one field", "many fields", "1 MB", "no end"])
def test_L14_a_head_beyond_the_default(defaults, data):
    defaults.refuse(data, "headers_too_large")


@pytest.mark.parametrize("size,accepted", [(4096, True), (4097, False)])
def test_L14_a_head_at_its_limit(scene, size, accepted):
    head = get(b"X: " + b"x" * (size - len(get(b"X: "))))
    assert len(head) == size
    if accepted:
        scene.accept(head)
    else:
        scene.refuse(head, "headers_too_large")


@pytest.mark.parametrize("data", [
    get(b"X-Large: " + b"x" * 5000), get()[:-2] + b"X-Large: " + b"x" * 8000,
    get(*(b"X-%d: " % i + b"x" * 300 for i in range(18))),
], ids=["one field", "no end", "many fields"])
def test_L14_a_head_above_its_limit(scene, data):
    scene.refuse(data, "headers_too_large")


@pytest.mark.parametrize("count,accepted", [(19, True), (20, False), (100, False)])
def test_L14_fields_at_their_limit(scene, count, accepted):
    head = get(*(b"X-%d: 1" % i for i in range(count)))
    if accepted:
        scene.accept(head)
    else:
        scene.refuse(head, "headers_too_large")


@pytest.mark.parametrize("size,accepted", [(1023, True), (1024, True), (1025, False), (2000, False), (8000, False)])
@pytest.mark.parametrize("form", ["path", "query", "absolute"])
def test_L14_a_target_at_its_limit(scene, form, size, accepted):
    start = {"path": b"/", "query": b"/?", "absolute": b"http://gateway.test/"}[form]
    head = get(target=start.ljust(size, b"a"))
    if accepted:
        scene.accept(head)
    else:
        scene.refuse(head, "uri_too_long")


@pytest.mark.parametrize("fields", [[b"Content-Length: 10241"], [b"Content-Length: 10241", b"Expect: 100-continue"]])
def test_L14_a_body_too_large_by_its_length(scene, fields):
    """The answer comes before the body, which is never sent."""
    scene.refuse(post(*fields), "body_too_large")


def test_L14_a_body_too_large_by_its_chunks(scene):
    """The answer comes as soon as the limit is passed: nothing else is sent, and no end."""
    start = post(b"Transfer-Encoding: chunked") + http1.chunk(b"x" * 1000)
    scene.break_off(start, http1.chunk(b"x" * 1000) * 9 + b"f1\r\n" + b"x" * 241, "body_too_large")
    scene.break_off(start, http1.chunk(b"x" * 1000) * 100 + SMUGGLED, "body_too_large")


def test_L14_bodies_at_their_limit(scene):
    assert scene.accept(post(b"Content-Length: 10240") + b"x" * 10240).body == b"x" * 10240
    assert scene.accept(post(b"Transfer-Encoding: chunked") + http1.chunked(b"y" * 10240, [1000])).body == b"y" * 10240


def test_L14_a_route_has_a_limit_of_its_own(scene):
    assert scene.accept(post(b"Content-Length: 20480", target=b"/large") + b"x" * 20480).body == b"x" * 20480
    scene.refuse(post(b"Content-Length: 20481", target=b"/large"), "body_too_large")
    assert scene.accept(post(b"Content-Length: 0", target=b"/none")).body == b""
    scene.refuse(post(b"Content-Length: 1", target=b"/none") + b"x", "body_too_large")


def test_L14_a_token_at_its_limit(scene, defaults, issuer):
    """A token has a limit of its own, and never a message that tells which."""
    padding = issuer.mint(note="")
    token = issuer.mint(note="n" * ((8192 - len(padding)) * 3 // 4 - 8))
    assert 8000 < len(token) <= 8192
    assert defaults.gateway.get("/protected", bearer(token)).status == 200
    larger = issuer.mint(note="n" * 6200)
    assert len(larger) > 8192
    seen = len(defaults.server.requests)
    expect_problem(defaults.gateway.get("/protected", bearer(larger)), "invalid_token")
    defaults.expect_heard(seen, [])
    scene.accept(get(b"Authorization: Bearer " + b"x" * 2000))  # a public route does not look at it


@pytest.mark.parametrize("name,values", [
    (b"Authorization", [b"Bearer a", b"Bearer b"]), (b"Authorization", [b"Bearer a", b"Bearer a"]),
    (b"AUTHORIZATION", [b"Bearer a", b"Basic b"]),
    (b"Authorization", [b"Bearer a", b""]), (b"Content-Type", [b"text/plain", b"application/json"]),
    (b"content-type", [b"text/plain", b"text/plain"]),
])
@pytest.mark.parametrize("target", [b"/", b"/protected"])
def test_L15_a_field_that_must_be_one_came_twice(defaults, name, values, target):
    fields = [name + b": " + value for value in values]
    defaults.refuse(get(fields[0], b"X-Between: 1", fields[1].lower(), target=target) + SMUGGLED, "bad_request")


@pytest.mark.parametrize("value", ["{0}, {0}", "{0}, Bearer {0}", "{0} {0}", "{0},", "{0}; x", " {0}", "{0}\t{0}"])
def test_L15_two_tokens_in_one_field(defaults, issuer, value):
    seen = len(defaults.server.requests)
    response = defaults.gateway.get("/protected", [("Authorization", "Bearer " + value.format(issuer.mint()))])
    expect_problem(response, "invalid_token", "missing_token")
    defaults.expect_heard(seen, [])


@pytest.mark.parametrize("name", ["X-Auth-Subject", "X-Auth-Roles", "X-User-Id", "X-Request-Id", "X-Forwarded-For"])
def test_L15_identity_fields_are_dropped_however_often(defaults, name):
    request = defaults.accept(get(*(name.encode() + b": evil-%d" % i for i in range(3))))
    assert not [value for _, value in request.fields if "evil" in value]
