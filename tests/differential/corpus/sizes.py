"""Limits (row L14): up to them everything works, above them there is the status that says so."""

from differential.cases import Case, chunked_post, forwarded, get, post, refused

# Of the gateway: its defaults, but for the body's, which column.py sets. Host is one of the fields.
FIELDS = 100
TARGET = 8 * 1024
HEAD = 32 * 1024
BODY = 256 * 1024


def cases():
    for size in (1000, 4000, 8000, TARGET):
        target = b"/" + b"a" * (size - 1)
        yield Case("L14", f"target of {size} octets", [get(target)], [forwarded(target.decode())])
    query = b"/?" + b"a=b&" * 1999
    yield Case("L14", "query of 8,000 octets", [get(query)], [forwarded(query.decode())])
    yield Case("L14", "target of 8,000 octets with a body",
               [post(b"Content-Length: 5\r\n", b"hello", target=b"/" + b"b" * 7999)], [
        forwarded("/" + "b" * 7999, "POST", body=b"hello")])
    for size in (TARGET + 1, 9000, 20_000, 40_000, 100_000):
        yield Case("L14", f"target of {size} octets", [get(b"/" + b"a" * (size - 1))], [refused(414)])
    for count in (50, FIELDS - 1):
        yield Case("L14", f"{count} fields and Host", [get(fields=_fields(count))], [forwarded()])
        yield Case("L14", f"{count - 1} fields, a length and Host",
                   [post(_fields(count - 1) + b"Content-Length: 5\r\n", b"hello")], [
            forwarded(method="POST", body=b"hello")])
    for count in (FIELDS, 200, 1000):
        yield Case("L14", f"{count} fields and Host", [get(fields=_fields(count))], [refused(431)])
    for size in (8000, 16_000, 31_000):
        yield Case("L14", f"a value of {size} octets", [get(fields=b"X-A: " + b"a" * size + b"\r\n")], [forwarded()])
    for size in (HEAD, 60_000, 200_000):
        yield Case("L14", f"a value of {size} octets", [get(fields=b"X-A: " + b"a" * size + b"\r\n")], [refused(431)])
    yield Case("L14", "30 fields of 1,000 octets", [get(fields=_fields(30, 1000))], [forwarded()])
    yield Case("L14", "40 fields of 1,000 octets", [get(fields=_fields(40, 1000))], [refused(431)])
    yield Case("L14", "length above the limit", [post(b"Content-Length: %d\r\n" % (BODY + 1), b"hello")],
               [refused(413)])
    yield Case("L14", "chunk above the limit",
               [chunked_post(b"%x\r\n" % (BODY + 1) + b"a" * (BODY + 1) + b"\r\n0\r\n\r\n")],
               [refused(413, midway=True)])


def _fields(count, size=1):
    return b"".join(b"X-%d: " % number + b"v" * size + b"\r\n" for number in range(count))
