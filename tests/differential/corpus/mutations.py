"""Good requests, broken in ways nobody thought of: reproducible from a seed.

What must come of them is not stated. Whatever the gateway makes of one, all servers have to agree with it, and the
verdict has to be the same whoever stands behind.
"""

import random

from differential.cases import Case, chunked_post, get, post

_GOOD = (
    get(b"/a/b?c=d", b"Accept: */*\r\nX-A: 1\r\n"),
    get(b"/a", b"Connection: keep-alive\r\nCookie: a=b; c=d\r\n"),
    post(b"Content-Length: 5\r\nContent-Type: text/plain\r\n", b"hello", target=b"/p"),
    post(b"Content-Length: 11\r\nExpect: 100-continue\r\n", b"hello world", target=b"/q"),
    chunked_post(b"5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n"),
    chunked_post(b"3\r\nabc\r\n0\r\n\r\n", b"Trailer: X-Sum\r\nTE: trailers\r\n"),
    get(b"http://other.test/x/../y", b"Upgrade: h2c\r\nConnection: Upgrade\r\n"),
    get(b"/1") + post(b"Content-Length: 3\r\n", b"abc", target=b"/2") + get(b"/3"),
    get(b"/old", b"Connection: keep-alive\r\n", version=b"HTTP/1.0"),
    b"HEAD /h HTTP/1.1\r\nHost: gateway.test\r\n\r\n" + get(b"/i"),
    b"OPTIONS /o HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: 2\r\n\r\nok",
)
# Bytes and words that mean something to somebody's parser.
_BYTES = b"\r\n\t \x00\x0b\x0c\x7f\x80\xa0\xff:;,=\"'()/\\?#%&@*+-._0159aAfFxX"
_WORDS = (b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\n\n", b" ", b"\t", b"\x00", b"0\r\n\r\n", b"Content-Length: 5\r\n",
          b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n", b"chunked", b"Host: other.test\r\n", b"HTTP/1.1",
          b"HTTP/1.0", b"GET /smuggled HTTP/1.1\r\nHost: gateway.test\r\n\r\n", b"0x", b"+", b";", b"%2e%2e/", b"%00",
          b"../", b"//", b"X : y\r\n", b"Connection: close\r\n", b"Expect: 100-continue\r\n", b",", b"\xff",
          b"99999999999999999999")


def cases(seed, count):
    """`count` cases; the seed is part of their names, so that a name says all there is to know."""
    generator = random.Random(seed)
    for number in range(count):
        data = generator.choice(_GOOD)
        for _ in range(generator.choice((1, 1, 1, 2, 3))):
            data = generator.choice(_MUTATORS)(generator, data)
        yield Case("M", f"mutation {seed}.{number}", [data or b"\r\n"])


def _replace(generator, data):
    at = generator.randrange(len(data) or 1)
    return data[:at] + bytes([generator.choice(_BYTES)]) + data[at + 1:]


def _insert(generator, data):
    at = generator.randrange(len(data) + 1)
    return data[:at] + generator.choice(_WORDS) + data[at:]


def _delete(generator, data):
    at = generator.randrange(len(data) or 1)
    return data[:at] + data[at + generator.choice((1, 1, 1, 2, 5)):]


def _repeat_line(generator, data):
    lines = data.split(b"\r\n")
    at = generator.randrange(len(lines))
    return b"\r\n".join(lines[: at + 1] + lines[at:])


def _swap_lines(generator, data):
    lines = data.split(b"\r\n")
    first, second = generator.randrange(len(lines)), generator.randrange(len(lines))
    lines[first], lines[second] = lines[second], lines[first]
    return b"\r\n".join(lines)


def _change_case(generator, data):
    at = generator.randrange(len(data) or 1)
    size = generator.choice((1, 4, 12))
    return data[:at] + data[at:at + size].swapcase() + data[at + size:]


def _splice(generator, data):
    """The beginning of one good request and the end of another."""
    other = generator.choice(_GOOD)
    return data[: generator.randrange(len(data) + 1)] + other[generator.randrange(len(other)):]


_MUTATORS = (_replace, _replace, _insert, _insert, _delete, _repeat_line, _swap_lines, _change_case, _splice)
