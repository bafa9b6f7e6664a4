"""Rows N01 to N10: one canonical path. What is matched, authorised, limited and logged is what the service receives."""

import pytest
import yaml

from harness import configs
from harness.backend import answer_all, ok
from harness.gateway import run_command
from harness.problems import expect_problem
from harness.tokens import bearer
from harness.wait import eventually


class Paths:
    """A public route for everything and a protected one for /admin, each to a service of its own.

    What the log should say is collected and compared once, at the end: it is written a little later than the answer.
    """

    def __init__(self, start, backend, issuer, directory):
        self.servers = {name: backend(answer_all(ok)) for name in ("open", "admin")}
        routes = [
            {"path": "/", "name": "open", "service": "open", "public": True},
            {"path": "/admin", "name": "admin", "service": "admin"},
            {"path": "/models:purge,all", "name": "admin (2)", "service": "admin"},
        ]
        self.gateway = start(configs.base(
            {name: server.url for name, server in self.servers.items()}, routes,
            authentication=configs.authentication(issuer, issuer.write_jwks(directory))))
        self.token = bearer(issuer.mint())
        self._expected_log = {}

    def heard(self):
        return {name: len(server.requests) for name, server in self.servers.items()}

    def expect_logged(self, response, route, target):
        self._expected_log[response.get("X-Request-Id")] = (route, target.partition("?")[0])

    def compare_log(self):
        def lines():
            found = {line["request_id"]: (line["route"], line["path"].partition("?")[0]) for line in self.gateway.log()}
            return found if self._expected_log.keys() <= found.keys() else None

        found = eventually(lines, "every answered request in the log")
        assert {request_id: found[request_id] for request_id in self._expected_log} == self._expected_log

    def expect_forwarded(self, target, service, canonical, route=None):
        """`service` receives `canonical`, and the route and the log say the same."""
        before = self.heard()
        response = self.gateway.get(target, self.token if service == "admin" else [])
        assert response.status == 200
        assert self.heard() == {**before, service: before[service] + 1}
        assert self.servers[service].requests[-1].target == canonical
        self.expect_logged(response, route or service, canonical)

    def expect_guarded(self, target, canonical, route="admin"):
        """Without a token 401, with one the protected service: nobody comes to /admin by another name."""
        before = self.heard()
        response = self.gateway.get(target)
        assert expect_problem(response, "missing_token")["instance"] == canonical.partition("?")[0]
        assert self.heard() == before
        self.expect_logged(response, route, canonical)
        self.expect_forwarded(target, "admin", canonical, route)

    def expect_refused(self, target, *codes):
        """With a token, too; nobody hears of it, and the raw path is not echoed."""
        before = self.heard()
        for fields in ([], self.token):
            with self.gateway.client() as client:
                response = client.get(target, fields)
                problem = expect_problem(response, *codes)
                assert "instance" not in problem
                client.expect_closed()
        assert self.heard() == before


@pytest.fixture(name="paths", scope="module")
def _paths(module_gateway, module_backend, issuer, tmp_path_factory):
    paths = Paths(module_gateway, module_backend, issuer, tmp_path_factory.mktemp("keys"))
    yield paths
    paths.compare_log()


@pytest.mark.parametrize("target,canonical", [
    ("/a/../b", "/b"), ("/a/./b", "/a/b"), ("/a/b/..", "/a/"), ("/a/b/.", "/a/b/"), ("/a/%2e%2e/b", "/b"),
    ("/a/.%2E/b", "/b"), ("/a/%2e/b", "/a/b"),
    ("/a/b/../../c", "/c"), ("/a/..", "/"), ("/.", "/"), ("/./", "/"), ("/a/...", "/a/..."), ("/.a", "/.a"),
    ("/..a", "/..a"), ("/a..", "/a.."),
    ("/a/../b?x=/../c", "/b?x=/../c"), ("/", "/"), ("/a/", "/a/"), ("/adminx", "/adminx"), ("/admi", "/admi"),
    ("/admin/../open", "/open"),
])
def test_N01_dot_segments_are_removed(paths, target, canonical):
    paths.expect_forwarded(target, "open", canonical)


@pytest.mark.parametrize("target,canonical", [
    ("/admin", "/admin"), ("/a/../admin", "/admin"), ("/./admin", "/admin"), ("/%2e/admin", "/admin"),
    ("/a/%2e%2e/admin/x", "/admin/x"),
    ("/admin/.", "/admin/"), ("/admin/x/..", "/admin/"), ("/a/b/%2E./.%2e/admin", "/admin"), ("/admin?a", "/admin?a"),
    ("/open/../admin/", "/admin/"),
])
def test_N01_dot_segments_hide_no_protected_path(paths, target, canonical):
    paths.expect_guarded(target, canonical)


@pytest.mark.parametrize("target", ["/..", "/../", "/../etc", "/a/../../etc", "/%2e%2e/etc", "/a/%2e%2e/%2e%2e/etc",
    "/./..", "/../admin"])
def test_N01_nothing_is_above_the_root(paths, target):
    paths.expect_refused(target, "bad_request")


@pytest.mark.parametrize("target", [
    "/a%2fb", "/a%2Fb", "/a%5cb", "/a%5Cb", "/%2f", "/%2fadmin", "/a/..%2fadmin", "/a%2f..%2fadmin", "/admin%2fx",
    "/a/%2e%2e%2fadmin", "/%5c..%5cadmin",
])
def test_N02_encoded_slashes(paths, target):
    paths.expect_refused(target, "ambiguous_path")


@pytest.mark.parametrize("target", ["/a\\b", "/..\\admin", "\\admin"])
def test_N02_raw_backslashes(paths, target):
    paths.expect_refused(target, "bad_request")


@pytest.mark.parametrize("target", [
    "/%252e%252e/admin", "/a/%252e%252e%252fadmin", "/%252fadmin", "/%2561dmin", "/%25252e", "/%25%32%65", "/a%2500",
    "/a%25c0%25af", "/%2541",
])
def test_N03_encoded_twice(paths, target):
    paths.expect_refused(target, "ambiguous_path")


@pytest.mark.parametrize("target", ["/100%25", "/a%25b/c", "/%25zz", "/a%25", "/%25%25"])
def test_N03_a_plain_percent_sign_passes(paths, target):
    paths.expect_forwarded(target, "open", target)


@pytest.mark.parametrize("target", [
    "/a/..;x=1/admin", "/a/..;/admin", "/..;/admin", "/;/../admin", "/a/.;x/admin", "/a/%2e%2e;x/admin",
        "/a/..%3bx/admin", "/a/..%3B/admin", "/;a/admin",
    "/a/;/admin", "/;", "/a/;x=1", "/a/%3Bx/admin", "/a/.;",
])
def test_N04_dot_segments_with_parameters(paths, target):
    paths.expect_refused(target, "ambiguous_path")


@pytest.mark.parametrize("target", ["/admin;a=b", "/admin;", "/admin;a=b/x", "/admin;a/;b", "/admin;jsessionid=1?x",
    "/%61dmin;a", "/admin;/x;y/z"])
def test_N04_parameters_hide_no_protected_path(paths, target):
    canonical = target.replace("%61", "a")
    before = paths.heard()
    response = paths.gateway.get(target)
    expect_problem(response, "missing_token", "ambiguous_path")
    assert paths.heard() == before
    if response.status == 401:
        paths.expect_guarded(target, canonical)


@pytest.mark.parametrize("target", ["/a;b=c/d", "/a;b", "/a/b;admin", "/x;/admin"])
def test_N04_parameters_elsewhere_pass_unchanged(paths, target):
    paths.expect_forwarded(target, "open", target)


@pytest.mark.parametrize("target", ["//admin", "/a//b", "//", "///", "/admin//x", "//evil.test/x", "/a//../admin",
    "/a/..//admin", "/a/.//b", "//@evil.test/"])
def test_N05_empty_segments(paths, target):
    paths.expect_refused(target, "ambiguous_path")


@pytest.mark.parametrize("target", [
    "/%00", "/a%00.html", "/admin%00", "/%0d%0aX:%201", "/a%0Ab", "/a%0db", "/a%1fb", "/a%7Fb", "/a%09b", "/a%c0%af",
    "/a%C0%AE%C0%AE/admin", "/a%e0%80%af",
    "/a%f0%80%80%af", "/a%fe", "/a%ff", "/a%f8%80%80%80%af", "/a%c1%9c", "/%zz", "/%2", "/%", "/a%", "/a%2", "/%g0",
    "/%0g", "/%u002f", "/% 2f", "/%-1", "/%+1",
])
def test_N06_bytes_no_path_has(paths, target):
    paths.expect_refused(target, "bad_request")


@pytest.mark.parametrize("target,canonical", [
    ("/ADMIN", "/ADMIN"), ("/Admin", "/Admin"), ("/%41dmin", "/Admin"), ("/%41DMIN/x", "/ADMIN/x"),
    ("/caf%c3%a9", "/caf%C3%A9"), ("/%7Ex%2dy%5F%2E", "/~x-y_."),
    ("/%30%39", "/09"), ("/a%3ab", "/a%3Ab"), ("/a%40b", "/a%40b"), ("/a:b@c", "/a:b@c"), ("/a+b", "/a+b"),
    ("/a%2bb", "/a%2Bb"), ("/%61%64%6d%69n2", "/admin2"),
])
def test_N07_case_matters_and_triplets_have_one_form(paths, target, canonical):
    paths.expect_forwarded(target, "open", canonical)


@pytest.mark.parametrize("target,canonical", [
    ("/%61dmin", "/admin"), ("/adm%69n/%7e", "/admin/~"), ("/%61%64%6D%69%6E", "/admin"),
    ("/admin/%c3%a9", "/admin/%C3%A9"), ("/admin%3Bx", "/admin%3Bx"), ("/admin%3bx=1/y", "/admin%3Bx=1/y"),
])
def test_N07_encoding_hides_no_protected_path(paths, target, canonical):
    paths.expect_guarded(target, canonical)


@pytest.mark.parametrize("segment", [
    "models:purge,all", "models%3Apurge,all", "models%3apurge,all", "models:purge%2Call", "m%6fdels%3Apurge%2call",
    "models%3Apurge,all;a", "models:purge,all%3Ba",
])
def test_N07_a_reserved_character_has_one_meaning_for_the_rules(paths, segment):
    """The service receives it as it came: to it the two may be different (RFC 3986 2.2)."""
    canonical = segment.replace("%3a", "%3A").replace("%2c", "%2C").replace("%6f", "o")
    paths.expect_guarded(f"/{segment}/x", f"/{canonical}/x", "admin (2)")


@pytest.mark.parametrize("path,told", [
    ("/a%3Ab", "write `/a:b`"), ("/a%2c", "write `/a,`"), ("/a%3Bb", "path parameters"), ("/a%2541", "encoded twice"),
])
def test_N07_a_route_has_one_spelling(tmp_path, path, told):
    """Else two routes could stand for one path, and the stricter one could be the one that never matches."""
    file = tmp_path / "gateway.yaml"
    file.write_text(yaml.safe_dump(configs.public("http://127.0.0.1:1", {"path": path})), encoding="utf-8")
    result = run_command("check", "-c", file)
    assert result.returncode == 1 and told in result.stderr


QUERIES = [
    "?", "?a=1&a=2", "?a=2&a=1", "?q=%2F..%2f&x=a//b", "?&&y=;z=?/?", "?u=http://x/y", "?%7E=%41", "?a=../../admin",
        "?a+b=%20c", "?%00", "?%zz", "?%",
    "?a=%0d%0aX:1", "?path=/admin", "??", "?a[]=1&b:c=@,'()*!",
]


@pytest.mark.parametrize("query", [query for query in QUERIES if "[" not in query] + ["?a=[]"])
def test_N08_the_query_passes_byte_for_byte(paths, query):
    paths.expect_forwarded("/x/%7e" + query, "open", "/x/~" + query)


@pytest.mark.parametrize("query", QUERIES)
def test_N08_no_query_makes_a_path(paths, query):
    paths.expect_guarded("/admin" + query, "/admin" + query)


@pytest.mark.parametrize("target,canonical", [("/open%3f/../admin", "/admin"), ("/admin%3Fx", "/admin%3Fx")])
def test_N08_an_encoded_question_mark_ends_no_path(paths, target, canonical):
    service = "admin" if canonical == "/admin" else "open"
    paths.expect_forwarded(target, service, canonical)


@pytest.mark.parametrize("target", ["/open/7", "/open/./7", "/open/x/../7", "/open/%37"])
def test_N09_the_matched_path_is_forwarded_whole(gateway, backend, target):
    """There is no prefix stripping and no rewriting: nothing can differ between the check and the service."""
    server = backend()
    instance = gateway(configs.base({"backend": server.url}, [{"path": "/open", "service": "backend", "public": True}]))
    assert instance.get(target).status == 200
    assert server.requests[0].target == "/open/7"


@pytest.mark.parametrize("path", ["/a/../b", "/a//b", "/%61", "/a%2fb", "/a;b", "/a/", "a", "/a?b", "/a%zz",
    "/caf%c3%a9", "/.", "/a\\b"])
def test_N09_a_route_is_canonical_or_refused(tmp_path, path):
    """A rule that no canonical path can meet would protect nothing."""
    config = configs.public("http://127.0.0.1:1", {"path": path})
    file = tmp_path / "gateway.yaml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    result = run_command("check", "-c", file)
    assert result.returncode == 1 and f"`{path}`" in result.stderr, result


def test_N09_all_names_of_a_path_share_its_limit(gateway, backend):
    server = backend()
    config = configs.public(
        server.url, {"path": "/limited", "limits": ["few"]},
            rate_limits={"few": {"key": "address", "tokens": 3, "refill": "1/h"}})
    instance = gateway(config)
    targets = ["/limited", "/x/../limited", "/%6cimited/a", "/./limited/b", "/limited;c", "/limited?d"]
    assert [instance.get(target).status for target in targets] == [200, 200, 200, 429, 429, 429]


@pytest.fixture(name="hosted", scope="module")
def _hosted(module_gateway, module_backend):
    server = module_backend(answer_all(ok))
    routes = [{"path": "/", "host": "a.test", "service": "backend", "public": True},
              {"path": "/", "host": "xn--bcher-kva.test", "service": "backend", "public": True}]
    return module_gateway(configs.base({"backend": server.url}, routes)), server


@pytest.mark.parametrize("host,canonical", [
    ("a.test", "a.test"), ("A.TEST", "a.test"), ("a.test.", "a.test"), ("a.test:80", "a.test"),
    ("A.Test.:80", "a.test"), ("a.test:8080", "a.test:8080"),
    ("a.test.:8080", "a.test:8080"), ("a.test:", "a.test"), ("a.test:443", "a.test:443"),
    ("XN--Bcher-KVA.test", "xn--bcher-kva.test"),
])
def test_N10_a_host_has_one_form(hosted, host, canonical):
    instance, server = hosted
    for target in ("/", f"http://{host}/"):
        assert instance.get(target, host=host).status == 200
        request = server.requests[-1]
        assert (request.get("Host"), request.get("X-Forwarded-Host")) == (canonical, canonical)


@pytest.mark.parametrize("host", [b"b\xc3\xbccher.test", b"b\xfccher.test", b"b%C3%BCcher.test", b"a.test..",
    b".a.test", b"a..test"])
def test_N10_hosts_that_are_none(hosted, host):
    instance, server = hosted
    seen = len(server.requests)
    expect_problem(instance.get("/", host=host), "bad_request")
    assert len(server.requests) == seen


@pytest.mark.parametrize("host", ["b.test", "xa.test", "a.testx", "a.test.evil", "www.a.test", "a-test"])
def test_N10_other_hosts(hosted, host):
    instance, server = hosted
    seen = len(server.requests)
    expect_problem(instance.get("/", host=host), "route_not_found")
    assert len(server.requests) == seen
