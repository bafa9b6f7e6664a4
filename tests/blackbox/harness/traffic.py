"""Cases of ordinary traffic: what a real client is to send, what the backend must see and answer, what must come back.

A case is one call of a client. Its number stands in the first segment of its path (`/c17/...`), so that the backend and
the access log know it whatever else the request holds. Targets are put together from pieces whose canonical form is
known. The rule they follow: in the path, percent-encoded unreserved characters are decoded, other triplets get
upper-case digits and dot segments are removed; the query is left as it is.
"""

import base64
import hashlib
import string
from dataclasses import dataclass, field

# They parse URLs by the WHATWG standard: they remove dot segments, decode nothing, and hide some fields.
URL_PARSERS = "fb"
CORS_FIELDS = [("Access-Control-Allow-Origin", "*"), ("Access-Control-Expose-Headers", "*")]

# Those that arrive as they are; then those that do not: as given to the client, as they must arrive.
PATH_PIECES = [(piece, piece) for piece in r"""
    users v1.2 a-b_c.d~e x!$&'()*+,=:@y item;version=1 a%20b %C3%A9t%C3%A9 %E6%97%A5%E6%9C%AC %F0%9F%98%80
    100%25 %3Fnot-a-query %23not-a-fragment [list] ... .well-known a%3Bb %22quoted%22 %7Bid%7D a%7Cb %E2%80%A8 0
    ~ UPPER %5B%5D a=b %26 %EF%BB%BF x%2B1 w/ e=mc%5E2
""".split()] + [
    ("%7Eme", "~me"),
    ("%41dmin", "Admin"),
    ("%c3%a9", "%C3%A9"),
    ("%2d%5F", "-_"),
    ("%e6%97%a5", "%E6%97%A5"),
    ("%2Ehidden", ".hidden"),
    ("%f0%9f%98%80", "%F0%9F%98%80"),
    ("a%3ab", "a%3Ab"),
]
URL_PARSER_PIECES = [
    ("été", "%C3%A9t%C3%A9"),
    ("日本", "%E6%97%A5%E6%9C%AC"),
    ("a b", "a%20b"),
    ("x/../y", "y"),
    ("./z", "z"),
]
RAW_PIECES = [("x/../y", "y"), ("./z", "z"), ("x/%2e%2E/y", "y"), ("a/b/../../c", "c"), ("%2e/d", "d")]
QUERY_PIECES = r"""
    a=1 a=2 q=caf%c3%a9 q=caf%C3%A9 tilde=%7E empty= flag =nameless sum=1+1 url=http://h.test:80/p?x=1 list[]=1
    list[0][k]=v semi=1;2 pct=100%25 chained=a=b== utf8=%E2%9C%93 emoji=%F0%9F%98%80 at=@:!$ paren=(1)*2
    comma=1,2,3 slash=/../..// %2F=%2f nul=%00 crlf=%0d%0a bad-utf8=%ff%fe js=%3Cscript%3E dots=.. twice=%252F
    latin1=%e9 json=%7B%22a%22%3A%5B1%5D%7D ~_-.=~_-.
""".split() + [""]
STATUSES = [200] * 30 + [201, 202, 203, 400, 401, 403, 404, 409, 410, 418, 422, 429, 451, 500, 501, 503, 299]
NO_CONTENT = (204, 304)
REASONS = ["OK", "As Planned", "", "It's \"fine\" (100 %)"]
_VISIBLE = string.ascii_letters + string.digits + " !#$%&'()*+-./:;<=>?@[]^_`{|}~\"\\,"


def visible(rng, size):
    """Visible ASCII with spaces inside, never empty."""
    return "".join(rng.choices(_VISIBLE, k=size)).strip() or "x"


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
    hints: bool = False  # a 103 comes first


@dataclass
class Step:
    """One request as the backend must see it, and its answer. `form`: a body that the client encodes itself."""

    method: str
    target: str
    answer: Answer
    body: bytes = b""
    form: list = None
    fields: list = field(default_factory=list)


@dataclass
class Case:
    """`status` and `read` are what the client must report; `read` is the body with its content coding undone."""

    name: str
    kind: str
    method: str
    target: str
    fields: list = field(default_factory=list)
    body: Body = None
    options: dict = field(default_factory=dict)
    direct: bool = True  # may be sent without the gateway, too, and compared
    steps: list = field(default_factory=list)
    status: int = 0
    read: bytes = b""

    @property
    def client(self):
        return self.name[0]

    def plan(self):
        """What the client program is told."""
        return {
            "name": self.name,
            "kind": self.kind,
            "method": self.method,
            "target": self.target,
            "fields": self.fields,
            "body": self.body.plan() if self.body else None,
            "options": self.options,
        }

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
    return "; ".join(
        f"{word(rng)}={base64.urlsafe_b64encode(rng.randbytes(rng.choice([3, 16, 64, 300]))).decode()}"
        for _ in range(rng.randint(1, 8))
    )


def request_fields(rng, client):
    fields = []
    maybe = [
        ("Accept", "application/json, text/plain;q=0.9, */*;q=0.1"),
        ("Accept-Language", "de-AT,de;q=0.9,en;q=0.5"),
        ("Cache-Control", "no-cache"),
        ("Pragma", "no-cache"),
        ("Authorization", "Basic dXNlcjpwYXNz"),
        ("X-Api-Version", "2026-11-23"),
        ("X-Empty", ""),
        ("X-Visible", visible(rng, 60)),
        ("X-Tab", "a\tb"),
        ("X_Underscore", "1"),
        ("X.Dot", "1"),
        ("DPoP", "eyJ0eXAi.e30.c2ln"),
        ("Tracestate", "vendor=t61rcWkgMzE"),
        ("Priority", "u=1, i"),
        ("If-Unmodified-Since", "Sun, 22 Nov 2026 10:00:00 GMT"),
        ("X-Long", visible(rng, rng.choice([1000, 4000, 12000]))),
        ("!#$%&'*+-.^_`|~", "token"),
    ]
    for entry in rng.sample(maybe, rng.choice([0, 1, 2, 2, 3, 5])):
        fields.append(entry)
    if client != "b":  # names that a page may not set
        extra = [
            ("Cookie", cookies(rng)),
            ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) test/1"),
            ("Referer", "http://h.test/a?b=c"),
            ("DNT", "1"),
            ("Accept-Encoding", "gzip, deflate, br"),
        ]
        fields += rng.sample(extra, rng.choice([0, 1, 1, 2]))
    if rng.random() < 0.02:
        fields += [(f"X-Many-{i}", word(rng)) for i in range(60)]
    if client in "hc" and rng.random() < 0.05:
        fields += [("X-Twice", "1"), ("X-Between", "2"), ("X-Twice", "3, 4")]
    if client in "hc" and rng.random() < 0.05:
        hop = [("TE", "trailers"), ("Connection", "keep-alive"), ("Keep-Alive", "timeout=5")]
        fields += [rng.choice(hop)] if rng.random() < 0.7 else [("TE", "deflate;q=0.3"), ("Connection", "TE, close")]
    if client == "h" and rng.random() < 0.1:
        fields.append(("X-Obs-Text", "caf\xe9 \xff\x80"))
    return fields


def answer_fields(rng, client):
    maybe = [
        ("Server", "test/1.0 (any)"),
        ("Date", "Mon, 23 Nov 2026 07:00:00 GMT"),
        ("Vary", "Origin, Accept-Encoding"),
        ("Content-Language", "de"),
        ("Cache-Control", "private, max-age=0"),
        ("Link", '</a>; rel="next", </b>; rel=prev'),
        ("Content-Disposition", "attachment; filename*=UTF-8''%e2%82%ac.txt"),
        ("X-Empty", ""),
        ("X-Visible", visible(rng, 60)),
        ("X-Long", visible(rng, 6000)),
        ("Server-Timing", "db;dur=53.2"),
        ("Accept-Ranges", "bytes"),
        ("X_Underscore", "1"),
        ("Access-Control-Max-Age", "0"),
        ("Last-Modified", "Sun, 22 Nov 2026 10:00:00 GMT"),
        ("Age", "0"),
        ("X-Tab", "a\tb"),
        ("Preference-Applied", "return=minimal"),
    ]
    fields = rng.sample(maybe, rng.choice([0, 1, 2, 4, 6]))
    fields.insert(
        0, ("Content-Type", rng.choice(["text/plain; charset=utf-8", "application/octet-stream", "application/json"]))
    )
    if client in "huc" and rng.random() < 0.2:
        fields += [
            ("Set-Cookie", "a=1; Path=/; HttpOnly"),
            ("Set-Cookie", "b=2; Expires=Wed, 09 Jun 2027 10:18:14 GMT"),
        ]
    if client in "hc" and rng.random() < 0.1:
        fields.append(("X-Obs-Text", "caf\xe9 \xff\x80"))
    if rng.random() < 0.02:
        fields += [(f"X-Many-{i}", word(rng)) for i in range(60)]
    return fields


def octets(rng, largest=3_000_000):
    low, high = rng.choices(
        [(0, 0), (1, 200), (200, 16_000), (16_000, 256_000), (256_000, largest)], [5, 60, 25, 9.5, 0.5]
    )[0]
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
    framing = rng.choices(["length", "chunked", "close"], [70, 27, 0 if method == "HEAD" else 3])[0]
    # http.client takes a 103 for the answer, undici of Node 18 for an error.
    hints = client in "cb" and rng.random() < 0.05
    return Answer(status, fields, body, framing, rng.choice(REASONS), hints)
