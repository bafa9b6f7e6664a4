"""The mixture: every kind of ordinary request, made from a seed.

Clients go by a letter, with which the names of their cases begin: h http.client, f Node's fetch, u undici, c curl,
b Chromium.
"""

import gzip
import json
import random
from urllib.parse import urlencode

from harness.traffic import (
    Answer,
    Body,
    Case,
    Step,
    octets,
    planned_answer,
    request_fields,
    target,
    visible,
    whole,
    word,
)

SEED = 20261123
METHODS_WITH_BODY = ["POST", "PUT", "PATCH", "DELETE"]


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


def get_with_body(rng, name):
    """As search engines want it."""
    case = simple(rng, name, "GET")
    case.body = whole(json.dumps({"query": {"match": {word(rng): visible(rng, 20)}}}).encode())
    case.fields.append(("Content-Type", "application/json"))
    return finish(case, case.steps[0].target, case.steps[0].answer, case.body.octets())


def h2c_offer(rng, name):
    """`curl --http2` offers to go on in HTTP/2; nobody has to take that up."""
    case = simple(rng, name, "GET")
    case.options["http2"] = True
    case.fields[:] = [entry for entry in case.fields if entry[0] != "Connection"]
    return case


def absolute_form(rng, name):
    """Through a proxy, as curl sees it; the target's authority is the host."""
    case = simple(rng, name, "GET")
    case.options["proxied_host"] = "Service.Test"
    case.steps[0].fields = case.fields + [("Host", "service.test")]
    case.direct = False
    return case


def odd_host(rng, name):
    case = simple(rng, name, "GET")
    given, seen = rng.choice(
        [("Service.TEST", "service.test"), ("service.test:80", "service.test"), ("a.test.:81", "a.test:81")]
    )
    case.steps[0].fields = case.fields + [("Host", seen)]
    case.fields = case.fields + [("Host", given)]
    case.direct = False
    return case


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
        data = json.dumps(
            {word(rng): [rng.random(), visible(rng, 20), "é\u2028😀", None] for _ in range(rng.randint(1, 40))},
            ensure_ascii=False,
        )
        body, media = whole(data.encode()), "application/json"
    elif kind == "form":
        body, media = (
            whole(urlencode([(word(rng), visible(rng, 30)) for _ in range(5)]).encode()),
            "application/x-www-form-urlencoded",
        )
    else:
        body, media = octets(rng, 2_000_000) if kind == "binary" else whole(b""), "application/octet-stream"
    fields.append(("Content-Type", media))
    if body.size == 0 and name[0] == "f":
        method = "POST"  # the fetch of Node 18 cannot send an empty body with DELETE
    case = Case(name, "plain", method, given, fields, body)
    if name[0] == "h" and rng.random() < 0.1:
        fields.append(("Expect", "100-continue"))  # http.client does not wait for it
    return finish(case, seen, planned_answer(rng, name[0]), body.octets())


def large_upload(rng, name):
    """Above 1 MiB curl asks first, by `Expect: 100-continue`."""
    given, seen = target(rng, name)
    body = Body(rng.randbytes(1021), rng.randint(1_100_000, 2_500_000))
    return finish(
        Case(name, "plain", "PUT", given, [("Content-Type", "video/mp4")], body),
        seen,
        planned_answer(rng, name[0]),
        body.octets(),
    )


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
    pairs = [
        [word(rng) + str(i), visible(rng, rng.choice([1, 30, 3000])).replace("\\", "/")]
        for i in range(rng.randint(1, 6))
    ]
    case = Case(
        name,
        "form",
        "POST",
        given,
        request_fields(rng, name[0]),
        None,
        {"form": pairs, "encoding": rng.choice(["multipart", "urlencoded"])},
    )
    return finish(case, seen, planned_answer(rng, name[0]), None, pairs)


def conditional(rng, name):
    case = get(rng, name)
    case.fields.append(
        rng.choice([("If-None-Match", 'W/"abc", "d\\ef"'), ("If-Modified-Since", "Sun, 22 Nov 2026 10:00:00 GMT")])
    )
    answer = planned_answer(rng, name[0], status=304)
    answer.fields = [("ETag", 'W/"abc"')] + answer.fields[1:]
    if name[0] in "hc" and rng.random() < 0.5:
        answer.fields.append(("Content-Length", "12345"))  # of the body that is not sent
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
    answer = Answer(
        200, [("Content-Type", "text/event-stream"), ("Cache-Control", "no-store")], stream.encode(), "chunked"
    )
    case = finish(Case(name, "events", "GET", given), seen, answer)
    if name[0] == "b":
        case.read = "\n".join(data).encode()
    return case


def preflighted(rng, name):
    """From another origin, with a method and a field that make the browser ask first."""
    given, seen = target(rng, name)
    body = octets(rng, 300_000)
    case = Case(
        name,
        "plain",
        "PUT",
        given,
        [("X-Custom", "1"), ("Content-Type", "application/json")],
        body,
        {"cross_origin": True},
    )
    finish(case, seen, planned_answer(rng, "b"), body.octets())
    allow = [
        ("Access-Control-Allow-Origin", "*"),
        ("Access-Control-Allow-Methods", "PUT"),
        ("Access-Control-Allow-Headers", "x-custom, content-type"),
        ("Access-Control-Max-Age", "0"),
    ]
    asked = [("Access-Control-Request-Method", "PUT"), ("Access-Control-Request-Headers", "content-type,x-custom")]
    case.steps.insert(0, Step("OPTIONS", seen, Answer(rng.choice([200, 204]), allow), fields=asked))
    return case


def revalidated(rng, name):
    """Fetched twice by the browser: the second time its cache asks whether the first answer still holds."""
    given, seen = target(rng, name)
    tag = ("ETag", f'"{word(rng)}"')
    first = Answer(
        200, [("Content-Type", "text/plain"), ("Cache-Control", "no-cache"), tag], octets(rng, 300_000).octets()
    )
    second = Answer(304, [("Cache-Control", "no-cache"), tag])
    case = finish(Case(name, "revalidated", "GET", given), seen, first)
    case.steps.append(Step("GET", seen, second, fields=[("If-None-Match", tag[1])]))
    return case


def element(rng, name):
    """What the browser loads by itself: a script, an image, a frame, a form sent into a frame, a beacon."""
    given, seen = target(rng, name)
    what = rng.choice(["script", "image", "frame", "post", "beacon"])
    media, body = {
        "script": ("text/javascript", b"/* nothing */"),
        "image": ("image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/>"),
        "beacon": ("text/plain", b""),
    }.get(what, ("text/html", b"<title>x</title>"))
    sends = what in ("post", "beacon")
    case = Case(
        name,
        "element",
        "POST" if sends else "GET",
        given,
        [],
        whole(b"beacon") if what == "beacon" else None,
        {"element": what, "form": [["a", "1 & 2"], ["b", "été"]]},
    )
    finish(case, seen, Answer(200, [("Content-Type", media)], body), b"beacon" if what == "beacon" else b"")
    if what == "post":
        case.steps[0].form = case.options["form"]
    case.status, case.read = 0, b""  # a page does not see how these were answered
    return case


# How often each kind of request comes: everyday ones first.
COMMON = {
    get: 40,
    upload: 20,
    head: 4,
    options: 2,
    delete: 4,
    no_content: 3,
    long_target: 2,
    form: 3,
    conditional: 4,
    ranged: 3,
    compressed: 4,
    redirected: 2,
    events: 1,
    download: 0.3,
}
MIXTURE = {
    "h": {**COMMON, form: 0, redirected: 0, streamed_upload: 6, closing: 3, http_1_0: 2, get_with_body: 1, odd_host: 1},
    "f": {**COMMON, streamed_upload: 6, conditional: 2},
    "u": {**COMMON, form: 0, redirected: 0, streamed_upload: 6, get_with_body: 1},
    "c": {
        **COMMON,
        streamed_upload: 4,
        closing: 3,
        http_1_0: 4,
        large_upload: 1,
        get_with_body: 1,
        h2c_offer: 1,
        absolute_form: 1,
        odd_host: 1,
    },
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
