"""Ordinary traffic from a seed: what each real client is to send, what the backend must see and answer, what must come back.

A case is one call of a client. Its number stands in the first segment of its path (`/c17/...`), so that the backend and
the access log know it whatever else the request holds. Targets are put together from pieces whose canonical form is
known. The rule they follow: in the path, percent-encoded unreserved characters are decoded, other triplets get upper-case
digits and dot segments are removed; the query is left as it is.
"""

import base64
import gzip
import hashlib
import json
import random
import string
from dataclasses import dataclass, field
from urllib.parse import urlencode

SEED = 20261123
CLIENTS = {"h": "http.client", "f": "fetch", "u": "undici", "c": "curl", "b": "chromium"}
# They parse URLs by the WHATWG standard: they remove dot segments, decode nothing, and hide some fields.
URL_PARSERS = "fb"
RAW = "huc"
CORS_FIELDS = [("Access-Control-Allow-Origin", "*"), ("Access-Control-Expose-Headers", "*")]

# As given to the client, as it must arrive.
PATH_PIECES = [(same, same) for same in (
    "users", "v1.2", "a-b_c.d~e", "x!$&'()*+,=:@y", "item;version=1", "a%20b", "%C3%A9t%C3%A9", "%E6%97%A5%E6%9C%AC",
    "%F0%9F%98%80", "100%25", "%3Fnot-a-query", "%23not-a-fragment", "[list]", "...", ".well-known", "a%3Bb", "%22quoted%22",
    "%7Bid%7D", "a%7Cb", "%E2%80%A8", "0", "~", "UPPER", "%5B%5D", "a=b", "%26", "%EF%BB%BF", "x%2B1", "w/", "e=mc%5E2",
)] + [
    ("%7Eme", "~me"), ("%41dmin", "Admin"), ("%c3%a9", "%C3%A9"), ("%2d%5F", "-_"), ("%e6%97%a5", "%E6%97%A5"),
    ("%2Ehidden", ".hidden"), ("%f0%9f%98%80", "%F0%9F%98%80"), ("a%3ab", "a%3Ab"),
]
URL_PARSER_PIECES = [("été", "%C3%A9t%C3%A9"), ("日本", "%E6%97%A5%E6%9C%AC"), ("a b", "a%20b"), ("x/../y", "y"), ("./z", "z")]
RAW_PIECES = [("x/../y", "y"), ("./z", "z"), ("x/%2e%2E/y", "y"), ("a/b/../../c", "c"), ("%2e/d", "d")]
QUERY_PIECES = [
    "a=1", "a=2", "q=caf%c3%a9", "q=caf%C3%A9", "tilde=%7E", "empty=", "flag", "=nameless", "sum=1+1", "url=http://h.test:80/p?x=1",
    "list[]=1", "list[0][k]=v", "semi=1;2", "pct=100%25", "chained=a=b==", "", "utf8=%E2%9C%93", "emoji=%F0%9F%98%80", "at=@:!$",
    "paren=(1)*2", "comma=1,2,3", "slash=/../..//", "%2F=%2f", "nul=%00", "crlf=%0d%0a", "bad-utf8=%ff%fe", "js=%3Cscript%3E", "dots=..",
    "twice=%252F", "latin1=%e9", "json=%7B%22a%22%3A%5B1%5D%7D", "~_-.=~_-.",
]
METHODS_WITH_BODY = ["POST", "PUT", "PATCH", "DELETE"]
STATUSES = [200] * 30 + [201, 202, 203, 400, 401, 403, 404, 409, 410, 418, 422, 429, 451, 500, 501, 503, 299]
NO_CONTENT = (204, 304)


def visible(rng, size):
    return "".join(rng.choices(string.ascii_letters + string.digits + " !#$%&'()*+-./:;<=>?@[]^_`{|}~\"\\,", k=size)).strip() or "x"


def word(rng):
    return "".join(rng.choices(string.ascii_lowercase, k=rng.randint(3, 10)))


@dataclass
class Body:
    """`pattern` over and over, up to `size` bytes: short to write down, long to send."""

    pattern: bytes
    size: int

    def octets(self):
        return (self.pattern * (self.size // len(self.pattern) + 1))[: self.size] if self.size else b""

    def plan(self):
        return {"pattern": base64.b64encode(self.pattern).decode(), "size": self.size}


def whole(data):
    return Body(data or b"x", len(data))


@dataclass
class Answer:
    status: int
    fields: list
    body: bytes = b""
    framing: str = "length"  # or "chunked", "close"
    reason: str = "As Planned"


@dataclass
class Step:
    """One request as the backend must see it, and its answer. `form` stands for a body that the client encodes itself."""

    method: str
    target: str
    answer: Answer
    body: bytes = b""
    form: list = None
    fields: list = field(default_factory=list)


@dataclass
class Case:
    """`status` and `read` are what the client must report in the end; `read` is the body with its content coding undone."""

    name: str
    kind: str
    method: str
    target: str
    fields: list = field(default_factory=list)
    body: Body = None
    options: dict = field(default_factory=dict)
    steps: list = field(default_factory=list)
    status: int = 0
    read: bytes = b""

    @property
    def client(self):
        return self.name[0]

    def plan(self):
        """What the client program is told."""
        return {"name": self.name, "kind": self.kind, "method": self.method, "target": self.target, "fields": self.fields,
                "body": self.body.plan() if self.body else None, "options": self.options}

    def digest(self):
        return hashlib.sha256(self.read).hexdigest()


def target(rng, name, longest=0):
    """(given, canonical) of a random target of the case."""
    pieces = PATH_PIECES + 3 * (URL_PARSER_PIECES if name[0] in URL_PARSERS else RAW_PIECES)
    chosen = [rng.choice(pieces) for _ in range(rng.choice([0, 1, 1, 2, 2, 3, 5, 8]))]
    given, seen = [f"/{name}"], [f"/{name}"]
    for piece in chosen:
        given.append(piece[0])
        seen.append(piece[1])
    given, seen = "/".join(given).replace("//", "/"), "/".join(seen).replace("//", "/")
    query = ""
    if rng.random() < 0.6:
        query = "?" + "&".join(rng.choice(QUERY_PIECES) for _ in range(rng.choice([1, 1, 2, 3, 6])))
    if longest:
        query += ("&" if query else "?") + "long="
        query += "%C3%A9" * ((longest - max(len(seen.encode()), 3 * len(given)) - len(query)) // 6)
    if query == "?" and name[0] in URL_PARSERS:
        query = "?x"  # they drop a lone question mark
    return given + query, seen + query


def cookies(rng):
    return "; ".join(f"{word(rng)}={base64.urlsafe_b64encode(rng.randbytes(rng.choice([3, 16, 64, 300]))).decode()}" for _ in range(rng.randint(1, 8)))


def request_fields(rng, client):
    fields = []
    maybe = [
        ("Accept", "application/json, text/plain;q=0.9, */*;q=0.1"), ("Accept-Language", "de-AT,de;q=0.9,en;q=0.5"),
        ("Cache-Control", "no-cache"), ("Pragma", "no-cache"), ("Authorization", "Basic dXNlcjpwYXNz"),
        ("X-Api-Version", "2026-11-23"), ("X-Empty", ""), ("X-Visible", visible(rng, 60)), ("X-Tab", "a\tb"), ("X_Underscore", "1"),
        ("X.Dot", "1"), ("DPoP", "eyJ0eXAi.e30.c2ln"), ("Tracestate", "vendor=t61rcWkgMzE"), ("Priority", "u=1, i"),
        ("If-Unmodified-Since", "Sun, 22 Nov 2026 10:00:00 GMT"), ("X-Long", visible(rng, 4000)), ("!#$%&'*+-.^_`|~", "token"),
    ]
    for entry in rng.sample(maybe, rng.choice([0, 1, 2, 2, 3, 5])):
        fields.append(entry)
    if client != "b":  # names that a page may not set
        extra = [("Cookie", cookies(rng)), ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) test/1"), ("Referer", "http://h.test/a?b=c"),
                 ("DNT", "1"), ("Accept-Encoding", "gzip, deflate, br")]
        fields += rng.sample(extra, rng.choice([0, 1, 1, 2]))
    if rng.random() < 0.02:
        fields += [(f"X-Many-{i}", word(rng)) for i in range(60)]
    if client in "hc" and rng.random() < 0.05:
        fields += [("X-Twice", "1"), ("X-Between", "2"), ("X-Twice", "3, 4")]
    if client in "hc" and rng.random() < 0.05:
        fields += [rng.choice([("TE", "trailers"), ("Connection", "keep-alive"), ("Keep-Alive", "timeout=5")])]
    if client == "h" and rng.random() < 0.1:
        fields.append(("X-Obs-Text", "caf\xe9 \xff\x80"))
    return fields


def answer_fields(rng, client):
    maybe = [
        ("Server", "test/1.0 (any)"), ("Date", "Mon, 23 Nov 2026 07:00:00 GMT"), ("Vary", "Origin, Accept-Encoding"),
        ("Content-Language", "de"), ("Cache-Control", "private, max-age=0"), ("Link", "</a>; rel=\"next\", </b>; rel=prev"),
        ("Content-Disposition", "attachment; filename*=UTF-8''%e2%82%ac.txt"), ("X-Empty", ""), ("X-Visible", visible(rng, 60)),
        ("X-Long", visible(rng, 6000)), ("Server-Timing", "db;dur=53.2"), ("Accept-Ranges", "bytes"), ("X_Underscore", "1"),
        ("Access-Control-Max-Age", "0"), ("Last-Modified", "Sun, 22 Nov 2026 10:00:00 GMT"), ("Age", "0"), ("X-Tab", "a\tb"),
        ("Preference-Applied", "return=minimal"),
    ]
    fields = rng.sample(maybe, rng.choice([0, 1, 2, 4, 6]))
    fields.insert(0, ("Content-Type", rng.choice(["text/plain; charset=utf-8", "application/octet-stream", "application/json"])))
    if client in "huc" and rng.random() < 0.2:
        fields += [("Set-Cookie", "a=1; Path=/; HttpOnly"), ("Set-Cookie", "b=2; Expires=Wed, 09 Jun 2027 10:18:14 GMT")]
    if client in "hc" and rng.random() < 0.1:
        fields.append(("X-Obs-Text", "caf\xe9 \xff\x80"))
    if rng.random() < 0.02:
        fields += [(f"X-Many-{i}", word(rng)) for i in range(60)]
    return fields


def octets(rng, largest=3_000_000):
    low, high = rng.choices([(0, 0), (1, 200), (200, 16_000), (16_000, 256_000), (256_000, largest)], [5, 60, 25, 9.5, 0.5])[0]
    size = rng.randint(low, high)
    return Body(rng.randbytes(min(size, 1021)) or b"x", size)


def planned_answer(rng, client, method="GET", status=None):
    status = status or rng.choice(STATUSES)
    fields = answer_fields(rng, client)
    if client == "b":
        fields += CORS_FIELDS
        if status == 401:
            fields.append(("WWW-Authenticate", 'Bearer realm="x"'))
    body = octets(rng).octets() if status not in NO_CONTENT else b""
    framing = rng.choices(["length", "chunked", "close"], [70, 27, 3])[0]
    if method == "HEAD":
        framing = "length"
    return Answer(status, fields, body, framing)


def finish(case, seen, answer, body=b"", form=None):
    """A case of one step."""
    case.steps = [Step(case.method, seen, answer, body, form, case.fields)]
    case.status = answer.status
    case.read = b"" if case.method == "HEAD" else answer.body
    return case


def simple(rng, name, method):
    given, seen = target(rng, name)
    case = Case(name, "plain", method, given, request_fields(rng, name[0]))
    return finish(case, seen, planned_answer(rng, name[0], method))


def get(rng, name):
    return simple(rng, name, "GET")


def head(rng, name):
    return simple(rng, name, "HEAD")


def options(rng, name):
    return simple(rng, name, "OPTIONS")


def delete(rng, name):
    return simple(rng, name, "DELETE")


def no_content(rng, name):
    case = simple(rng, name, rng.choice(["GET", "DELETE", "OPTIONS"]))
    return finish(case, case.steps[0].target, planned_answer(rng, name[0], status=204))


def closing(rng, name):
    case = simple(rng, name, "GET")
    case.fields.append(("Connection", "close"))
    return case


def http_1_0(rng, name):
    case = simple(rng, name, "GET")
    case.options["http10"] = True
    return case


def long_target(rng, name):
    given, seen = target(rng, name, longest=rng.randint(1000, 7900))
    return finish(Case(name, "plain", "GET", given, request_fields(rng, name[0])), seen, planned_answer(rng, name[0]))


def upload(rng, name):
    """JSON, form or binary, or nothing, in one piece."""
    method = rng.choice(METHODS_WITH_BODY)
    given, seen = target(rng, name)
    fields = request_fields(rng, name[0])
    kind = rng.choice(["json", "form", "binary", "binary", "empty"])
    if kind == "json":
        data = json.dumps({word(rng): [rng.random(), visible(rng, 20), "é\u2028😀", None] for _ in range(rng.randint(1, 40))}, ensure_ascii=False)
        body, media = whole(data.encode()), "application/json"
    elif kind == "form":
        body, media = whole(urlencode([(word(rng), visible(rng, 30)) for _ in range(5)]).encode()), "application/x-www-form-urlencoded"
    else:
        body, media = octets(rng, 2_000_000) if kind == "binary" else whole(b""), "application/octet-stream"
    fields.append(("Content-Type", media))
    case = Case(name, "plain", method, given, fields, body)
    if name[0] == "h" and rng.random() < 0.1:
        fields.append(("Expect", "100-continue"))  # http.client does not wait for it
    return finish(case, seen, planned_answer(rng, name[0]), body.octets())


def large_upload(rng, name):
    """Above 1 MiB curl asks first, by `Expect: 100-continue`."""
    given, seen = target(rng, name)
    body = Body(rng.randbytes(1021), rng.randint(1_100_000, 2_500_000))
    return finish(Case(name, "plain", "PUT", given, [("Content-Type", "video/mp4")], body), seen, planned_answer(rng, name[0]), body.octets())


def streamed_upload(rng, name):
    case = upload(rng, name)
    case.fields = case.steps[0].fields = [entry for entry in case.fields if entry[0] != "Expect"]
    case.options["pieces"] = rng.randint(1, 9)
    if name[0] == "c" and case.body.size == 0:  # curl 7.88 sends an empty file without the last chunk
        case.body = whole(b"x")
        case.steps[0].body = b"x"
    return case


def form(rng, name):
    """A form that the client itself encodes: multipart (with a file), or urlencoded."""
    given, seen = target(rng, name)
    pairs = [[word(rng) + str(i), visible(rng, rng.choice([1, 30, 3000])).replace("\\", "/")] for i in range(rng.randint(1, 6))]
    case = Case(name, "form", "POST", given, request_fields(rng, name[0]), None, {"form": pairs, "encoding": rng.choice(["multipart", "urlencoded"])})
    return finish(case, seen, planned_answer(rng, name[0]), None, pairs)


def conditional(rng, name):
    case = get(rng, name)
    case.fields.append(rng.choice([("If-None-Match", 'W/"abc", "d\\ef"'), ("If-Modified-Since", "Sun, 22 Nov 2026 10:00:00 GMT")]))
    answer = planned_answer(rng, name[0], status=304)
    answer.fields = [("ETag", 'W/"abc"')] + answer.fields[1:]
    return finish(case, case.steps[0].target, answer)


def ranged(rng, name):
    case = get(rng, name)
    case.fields = [entry for entry in case.fields if entry[0] != "Accept-Encoding"]  # fetch adds to it for a range
    case.fields.append(("Range", rng.choice(["bytes=0-99", "bytes=100-", "bytes=-5", "bytes=0-0,-1"])))
    answer = planned_answer(rng, name[0], status=206)
    answer.fields.append(("Content-Range", f"bytes 0-{max(len(answer.body) - 1, 0)}/{len(answer.body) + 7}"))
    answer.framing = "length"
    return finish(case, case.steps[0].target, answer)


def compressed(rng, name):
    case = get(rng, name)
    case.fields = [entry for entry in case.fields if entry[0] != "Accept-Encoding"]
    case.options["compressed"] = True
    plain = (visible(rng, 500) * rng.randint(1, 400)).encode()
    answer = planned_answer(rng, name[0], status=200)
    answer.fields.append(("Content-Encoding", "gzip"))
    answer.body = gzip.compress(plain, mtime=0)
    finish(case, case.steps[0].target, answer)
    case.read = answer.body if name[0] in "hu" else plain
    return case


def redirected(rng, name):
    case = get(rng, name)
    case.options["follow"] = True
    final = planned_answer(rng, name[0])
    first = planned_answer(rng, name[0], status=rng.choice([301, 302, 303, 307, 308]))
    then = f"/{name}/moved/caf%C3%A9?from=%2F&b=2"
    first.fields.append(("Location", then))
    first.framing = "length"
    case.steps = [Step("GET", case.steps[0].target, first, fields=case.fields), Step("GET", then, final)]
    case.status, case.read = final.status, final.body
    return case


def download(rng, name):
    case = get(rng, name)
    answer = planned_answer(rng, name[0], status=200)
    answer.body = Body(rng.randbytes(1021), rng.randint(1 << 20, 12 << 20)).octets()
    return finish(case, case.steps[0].target, answer)


def events(rng, name):
    """Server-sent events: EventSource in the browser, a plain download elsewhere. `read` is the data of all events."""
    given, seen = target(rng, name)
    data = [visible(rng, rng.choice([1, 40, 500])) for _ in range(rng.randint(1, 20))] + ["done"]
    stream = ": comment\n\n" + "".join(f"id: {i}\ndata: {text}\n\n" for i, text in enumerate(data))
    answer = Answer(200, [("Content-Type", "text/event-stream"), ("Cache-Control", "no-store")], stream.encode(), "chunked")
    case = finish(Case(name, "events", "GET", given), seen, answer)
    if name[0] == "b":
        case.read = "\n".join(data).encode()
    return case


def preflighted(rng, name):
    """From another origin, with a method and a field that make the browser ask first."""
    given, seen = target(rng, name)
    body = octets(rng, 300_000)
    case = Case(name, "plain", "PUT", given, [("X-Custom", "1"), ("Content-Type", "application/json")], body, {"cross_origin": True})
    finish(case, seen, planned_answer(rng, "b"), body.octets())
    allow = [("Access-Control-Allow-Origin", "*"), ("Access-Control-Allow-Methods", "PUT"),
             ("Access-Control-Allow-Headers", "x-custom, content-type"), ("Access-Control-Max-Age", "0")]
    asked = [("Access-Control-Request-Method", "PUT"), ("Access-Control-Request-Headers", "content-type,x-custom")]
    case.steps.insert(0, Step("OPTIONS", seen, Answer(rng.choice([200, 204]), allow), fields=asked))
    return case


def revalidated(rng, name):
    """Fetched twice by the browser: the second time its cache asks whether the first answer still holds."""
    given, seen = target(rng, name)
    tag = ("ETag", f'"{word(rng)}"')
    first = Answer(200, [("Content-Type", "text/plain"), ("Cache-Control", "no-cache"), tag], octets(rng, 300_000).octets())
    second = Answer(304, [("Cache-Control", "no-cache"), tag])
    case = finish(Case(name, "revalidated", "GET", given), seen, first)
    case.steps.append(Step("GET", seen, second, fields=[("If-None-Match", tag[1])]))
    return case


def element(rng, name):
    """What the browser loads by itself: a script, an image, a frame, a form sent into a frame, a beacon."""
    given, seen = target(rng, name)
    what = rng.choice(["script", "image", "frame", "post", "beacon"])
    media, body = {"script": ("text/javascript", b"/* nothing */"), "image": ("image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/>"),
                   "beacon": ("text/plain", b"")}.get(what, ("text/html", b"<title>x</title>"))
    sends = what in ("post", "beacon")
    case = Case(name, "element", "POST" if sends else "GET", given, [], whole(b"beacon") if what == "beacon" else None,
                {"element": what, "form": [["a", "1 & 2"], ["b", "été"]]})
    finish(case, seen, Answer(200, [("Content-Type", media)], body), b"beacon" if what == "beacon" else b"")
    if what == "post":
        case.steps[0].form = case.options["form"]
    case.status, case.read = 0, b""  # a page does not see how these were answered
    return case


# How often each kind of request comes: everyday ones first.
COMMON = {get: 40, upload: 20, head: 4, options: 2, delete: 4, no_content: 3, long_target: 2, form: 3, conditional: 4, ranged: 3,
          compressed: 4, redirected: 2, events: 1, download: 0.3}
MIXTURE = {
    "h": {**COMMON, form: 0, redirected: 0, streamed_upload: 6, closing: 3, http_1_0: 2},
    "f": {**COMMON, streamed_upload: 6, conditional: 2},
    "u": {**COMMON, form: 0, redirected: 0, streamed_upload: 6},
    "c": {**COMMON, streamed_upload: 4, closing: 3, http_1_0: 4, large_upload: 1},
    "b": {**COMMON, options: 0, preflighted: 6, revalidated: 5, element: 10, events: 3},
}


def make(client, count):
    """`count` cases for one client. Each has a generator of its own, so that a case is the same whatever the count."""
    kinds, weights = zip(*MIXTURE[client].items())
    cases = []
    for number in range(count):
        rng = random.Random(f"{SEED}/{client}/{number}")
        cases.append(rng.choices(kinds, weights)[0](rng, f"{client}{number}"))
    return cases
