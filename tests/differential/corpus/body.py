"""Where a body ends (rows F01 to F20)."""

from differential.cases import (EARLY_TARGET, SMUGGLED, Case, Cut, Early, chunked_post, forwarded, get, post, refused,
                                shown)

CHUNKED = b"Transfer-Encoding: chunked\r\n"
HELLO = forwarded(method="POST", body=b"hello")
EMPTY = forwarded(method="POST")
CHUNKED_HELLO = b"5\r\nhello\r\n0\r\n\r\n"


def cases():
    yield from length_with_coding()
    yield from lengths()
    yield from codings()
    yield from chunks()
    yield from trailers()
    yield from methods()
    yield from early_answers()
    yield from expectations()
    yield from ends()
    yield from pipelines()


def length_with_coding():
    """F01: both fields, in any order, case and validity."""
    pairs = {
        "CL then TE": b"Content-Length: 5\r\n" + CHUNKED,
        "TE then CL": CHUNKED + b"Content-Length: 5\r\n",
        "CL 0 and TE": b"Content-Length: 0\r\n" + CHUNKED,
        "lower case": b"content-length: 5\r\ntransfer-encoding: chunked\r\n",
        "upper case": b"CONTENT-LENGTH: 5\r\nTRANSFER-ENCODING: CHUNKED\r\n",
        "CL matches the chunked bytes": b"Content-Length: 15\r\n" + CHUNKED,
        "bad CL": b"Content-Length: x\r\n" + CHUNKED,
        "empty CL": b"Content-Length:\r\n" + CHUNKED,
        "TE identity": b"Content-Length: 5\r\nTransfer-Encoding: identity\r\n",
        "empty TE": b"Content-Length: 5\r\nTransfer-Encoding:\r\n",
        "bad TE": b"Content-Length: 5\r\nTransfer-Encoding: xchunked\r\n",
        "fields between": b"Content-Length: 5\r\nX-A: 1\r\nX-B: 2\r\n" + CHUNKED,
        "two CL and TE": b"Content-Length: 5\r\nContent-Length: 5\r\n" + CHUNKED,
        "CL and two TE": b"Content-Length: 5\r\n" + CHUNKED + CHUNKED,
    }
    for name, lines in pairs.items():
        yield Case("F01", name, [post(lines, CHUNKED_HELLO + SMUGGLED)], [refused()])
    yield Case("F01", "CL.TE with a smuggled prefix", [post(b"Content-Length: 6\r\n" + CHUNKED, b"0\r\n\r\nG")],
               [refused()])
    yield Case("F01", "TE.CL with a smuggled request", [
        post(CHUNKED + b"Content-Length: 4\r\n", b"%x\r\n" % len(SMUGGLED) + SMUGGLED + b"\r\n0\r\n\r\n")], [refused()])
    yield Case("F01", "on GET", [get(fields=b"Content-Length: 5\r\n" + CHUNKED) + CHUNKED_HELLO], [refused()])


def lengths():
    """F02 to F06: Content-Length itself."""
    for first, second in ((b"5", b"6"), (b"6", b"5"), (b"0", b"5"), (b"5", b"0"), (b"5", b"x"), (b"x", b"5"),
                          (b"", b"5"), (b"5", b"05")):
        lines = b"Content-Length: " + first + b"\r\nContent-Length: " + second + b"\r\n"
        yield Case("F02", f"CL {shown(first)} and CL {shown(second)}", [post(lines, b"hello")], [refused()])
    for value in (b"5, 6", b"5,6", b"6, 5", b"5, x", b"0, 5"):
        yield Case("F02", f"CL {shown(value)}", [post(b"Content-Length: " + value + b"\r\n", b"hello")], [refused()])
    yield Case("F03", "two equal CL", [post(b"Content-Length: 5\r\n" * 2, b"hello")], [refused()])
    yield Case("F03", "two equal CL, other case", [post(b"Content-Length: 5\r\ncontent-length: 5\r\n", b"hello")],
               [refused()])
    for value in (b"5, 5", b"5,5", b"5,", b",5", b"5,,5"):
        yield Case("F03", f"CL {shown(value)}", [post(b"Content-Length: " + value + b"\r\n", b"hello")], [refused()])
    for value in (b"+5", b"-5", b"-0", b"+0", b"0x5", b"0X5", b"5.0", b"5e1", b"5e0", b"1_0", b"0_5", b'"5"', b"'5'",
                  b"5;x", b"5 5", b"5\t5",
                  b"", b"five", b"5h", b"h5", b"5\x00", b"\x005", b"\xa05", b"5\xa0", b"\xb2", b"\xd9\xa5",
                  b"\xef\xbc\x95", b"\x0b5", b"5\x0b",
                  b"\x0c5", b"\x1f5", b"5\x7f", b"#5", b"5#", b"%35", b"05 ,", b"0b101", b"0o5", b"5L", b"5u", b"NaN",
                  b"inf", b"1e1"):
        yield Case("F04", f"CL {shown(value)}", [post(b"Content-Length: " + value + b"\r\n", b"hello")], [refused()])
    for value in (b"9223372036854775808", b"18446744073709551616", b"18446744073709551621", b"99999999999999999999",
                  b"4294967301000000000000000000",
                  b"1" + b"0" * 40, b"9" * 200):
        yield Case("F05", f"CL {shown(value)[:30]} of {len(value)} digits",
                   [post(b"Content-Length: " + value + b"\r\n", b"hello")], [refused(400, 413)])
    yield Case("F05", "CL beyond the limit", [post(b"Content-Length: 4294967296\r\n", b"hello")], [refused(413)])
    for value in (b"05", b"005", b"0000000005", b"0" * 60 + b"5"):
        yield Case("F06", f"CL {shown(value)[:20]} of {len(value)} digits",
                   [post(b"Content-Length: " + value + b"\r\n", b"hello")], [HELLO])
    for value, size in ((b"010", 10), (b"0200", 200), (b"08", 8), (b"00", 0), (b"000", 0)):
        body = bytes(ord("a") + i % 26 for i in range(size))
        yield Case("F06", f"CL {shown(value)}", [post(b"Content-Length: " + value + b"\r\n", body)],
                   [forwarded(method="POST", body=body)])
    yield Case("F06", "CL with spaces around", [post(b"Content-Length:   5  \r\n", b"hello")], [HELLO])
    yield Case("F06", "CL without a space", [post(b"Content-Length:5\r\n", b"hello")], [HELLO])
    yield Case("F06", "CL with a tab in front", [post(b"Content-Length:\t5\r\n", b"hello")], [HELLO])


def codings():
    """F07 to F10: Transfer-Encoding itself."""
    yield Case("F07", "chunked in HTTP/1.0", [post(CHUNKED, CHUNKED_HELLO, version=b"HTTP/1.0")], [refused()])
    yield Case("F07", "chunked in HTTP/1.0, kept alive", [
        post(CHUNKED + b"Connection: keep-alive\r\n", CHUNKED_HELLO, version=b"HTTP/1.0")], [refused()])
    yield Case("F07", "identity in HTTP/1.0", [post(b"Transfer-Encoding: identity\r\n", version=b"HTTP/1.0")],
               [refused()])
    for value in (b"chunked, gzip", b"identity", b"xchunked", b"chunkedx", b"chunk", b"chun ked", b"chunked, identity",
                  b"identity, chunked",
                  b"gzip", b"deflate", b"chunked gzip", b"cow", b"", b"0", b"chunked\x00", b"\x00chunked",
                  b"\"chunked\"", b"'chunked'"):
        yield Case("F08", f"TE {shown(value)}", [post(b"Transfer-Encoding: " + value + b"\r\n", CHUNKED_HELLO)],
                   [refused(400, 501)])
    for value in (b"gzip, chunked", b"compress, chunked", b"x, chunked", b"gzip, deflate, chunked"):
        yield Case("F08", f"TE {shown(value)}", [post(b"Transfer-Encoding: " + value + b"\r\n", CHUNKED_HELLO)],
                   [refused(501)])
    for value in (b"chunked, chunked", b"chunked,chunked", b",chunked", b"chunked,", b", chunked", b"chunked;x=1",
                  b"chunked; q=0.5", b"chunked;",
                  b"chunked ;a", b"chunked\\", b"chunked, cow", b"[chunked]", b"chunked=1", b"chunked/1.0",
                  b"\xef\xbb\xbfchunked"):
        yield Case("F09", f"TE {shown(value)}", [post(b"Transfer-Encoding: " + value + b"\r\n", CHUNKED_HELLO)],
                   [refused(400)])
    for first, second in ((b"chunked", b"chunked"), (b"chunked", b"identity"), (b"identity", b"chunked"),
                          (b"chunked", b"cow"), (b"cow", b"chunked"),
                          (b"", b"chunked"), (b"chunked", b""), (b"gzip", b"chunked")):
        lines = b"Transfer-Encoding: " + first + b"\r\nTransfer-encoding: " + second + b"\r\n"
        yield Case("F09", f"TE {shown(first)} and TE {shown(second)}", [post(lines, CHUNKED_HELLO)],
                   [refused(400, 501)])
    hidden = {
        "space before the colon": b"Transfer-Encoding : chunked",
        "tab before the colon": b"Transfer-Encoding\t: chunked",
        "space in front": b" Transfer-Encoding: chunked",
        "vertical tab before the value": b"Transfer-Encoding: \x0bchunked",
        "form feed before the value": b"Transfer-Encoding: \x0cchunked",
        "form feed behind the value": b"Transfer-Encoding: chunked\x0c",
        "NUL before the colon": b"Transfer-Encoding\x00: chunked", "DEL in the name": b"Transfer-Enc\x7foding: chunked",
        "0x85 before the value": b"Transfer-Encoding: \x85chunked",
        "0xA0 before the value": b"Transfer-Encoding: \xa0chunked",
        "0xFF behind the value": b"Transfer-Encoding: chunked\xff",
        "0xFF in front of the name": b"\xffTransfer-Encoding: chunked",
        "CR in the name": b"Transfer\r-Encoding: chunked", "LF in the name": b"Transfer\n-Encoding: chunked",
        "folded value": b"Transfer-Encoding:\r\n chunked",
        "folded name": b"Transfer-Encoding\r\n : chunked",
        "behind a folded field": b"X: a\r\n Transfer-Encoding: chunked",
        "behind a CR": b"X: a\rTransfer-Encoding: chunked", "behind a LF": b"X: a\nTransfer-Encoding: chunked",
        "no colon": b"Transfer-Encoding chunked",
        "two colons": b"Transfer-Encoding:: chunked", "colon in the value": b"Transfer-Encoding: : chunked",
        "0x01 before the value": b"Transfer-Encoding: \x01chunked",
    }
    for name, line in hidden.items():
        yield Case("F10", name, [post(line + b"\r\nContent-Length: 5\r\n", b"hello")], [refused()])
        yield Case("F10", f"{name}, alone", [post(line + b"\r\n", CHUNKED_HELLO)], [refused()])
    yield Case("F10", "underscore", [post(b"Transfer_Encoding: chunked\r\nContent-Length: 5\r\n", b"hello")], [HELLO])
    yield Case("F10", "dot", [post(b"Transfer.Encoding: chunked\r\nContent-Length: 5\r\n", b"hello")], [HELLO])
    yield Case("F10", "underscore in the length", [post(b"Content_Length: 3\r\nContent-Length: 5\r\n", b"hello")],
               [HELLO])
    yield Case("F10", "underscore in the length, chunked", [chunked_post(CHUNKED_HELLO, b"Content_Length: 3\r\n")],
               [HELLO])
    for value in (b"chunked", b"Chunked", b"CHUNKED", b"chunked ", b"  chunked", b"\tchunked\t"):
        yield Case("F10", f"TE {shown(value)} is legal", [post(b"Transfer-Encoding:" + value + b"\r\n", CHUNKED_HELLO)],
                   [HELLO])


def chunks():
    """F11 to F14: the syntax of chunks, in one piece with the head, and once the server has got the beginning."""
    sizes = (b"0x5", b"+5", b"-5", b"5_0", b" 5", b"5 ", b"\t5", b"5\t", b"", b"g", b"5g", b"five", b"5,", b"5.0",
             b"11111111111111111", b"ffffffffffffffff5",
             b"10000000000000005", b"0000000000000000000005", b"5\x00", b"\x005", b"5\x0b", b"5\x7f", b"\xb2", b"\"5\"",
             b"5:", b"5=", b"5/", b"--5", b"5\r", b"5h")
    for size in sizes:
        yield from _midway("F11", f"chunk size {shown(size)}", size + b"\r\nhello\r\n0\r\n\r\n")
    for size, body in ((b"5", b"hello"), (b"05", b"hello"), (b"00005", b"hello"), (b"000000000000005", b"hello"),
                       (b"A", b"0123456789"), (b"a", b"0123456789")):
        yield Case("F11", f"chunk size {shown(size)} is legal",
                   [chunked_post(size + b"\r\n" + body + b"\r\n0\r\n\r\n")], [forwarded(method="POST", body=body)])
    yield Case("F11", "last chunk 000", [chunked_post(b"5\r\nhello\r\n000\r\n\r\n")], [HELLO])
    yield Case("F11", "no chunk but the last", [chunked_post(b"0\r\n\r\n")], [EMPTY])
    many = b"".join(b"1\r\n%c\r\n" % (97 + i % 26) for i in range(200)) + b"0\r\n\r\n"
    yield Case("F11", "200 chunks of one octet", [chunked_post(many)],
               [forwarded(method="POST", body=bytes(97 + i % 26 for i in range(200)))])
    for name, extension in {"plain": b";a=b", "no value": b";a", "quoted": b';a="b c"', "quoted semicolon": b';a=";"',
                            "several": b";a=b;c;d=e",
                            "quoted escape": b';a="\\""', "spaces": b" ;a=b", "spaces inside": b"; a = b"}.items():
        steps = [HELLO] if not name.startswith("spaces") or name == "spaces inside" else [refused()]
        yield Case("F12", f"extension, {name}", [chunked_post(b"5" + extension + b"\r\nhello\r\n0\r\n\r\n")], steps)
    yield Case("F12", "extension on the last chunk", [chunked_post(b"5\r\nhello\r\n0;a=b\r\n\r\n")], [HELLO])
    for name, extension in {"LF": b";a\nb", "CR": b";a\rb", "NUL": b";a\x00b", "LF first": b";\n",
                            "quoted LF": b';a="\n"', "quoted CRLF": b';a="\r\n"',
                            "DEL": b";a\x7f", "high byte": b";a=\xe9", "comma": b";a,b",
                            "5 KiB": b";" + b"a" * 5000}.items():
        yield from _midway("F12", f"extension with {name}", b"5" + extension + b"\r\nhello\r\n0\r\n\r\n")
    faults = {
        "data longer than the size": b"4\r\nhello\r\n0\r\n\r\n",
        "data shorter than the size": b"6\r\nhello\r\n0\r\n\r\n", "no CRLF behind the data": b"5\r\nhello0\r\n\r\n",
        "other bytes for the last CRLF": b"5\r\nhello\r\n0\r\nXX\r\n\r\n",
        "two bytes for the CRLF": b"5\r\nhelloXX0\r\n\r\n",
        "a request for the last CRLF": b"5\r\nhello\r\n0\r\nGET /x HTTP/1.1\r\n\r\n",
        "CRLF too many": b"5\r\nhello\r\n\r\n0\r\n\r\n", "space behind the data": b"5\r\nhello \r\n0\r\n\r\n",
    }
    for name, body in faults.items():
        yield from _midway("F13", name, body)
    line_ends = {
        "LF behind the size": b"5\nhello\r\n0\r\n\r\n", "LF behind the data": b"5\r\nhello\n0\r\n\r\n",
        "CR behind the size": b"5\rhello\r\n0\r\n\r\n", "CR behind the data": b"5\r\nhello\r0\r\n\r\n",
        "LF behind the last size": b"5\r\nhello\r\n0\n\r\n", "LF at the end": b"5\r\nhello\r\n0\r\n\n",
        "LF only": b"5\nhello\n0\n\n", "CR CR LF behind the size": b"5\r\r\nhello\r\n0\r\n\r\n",
        "LF CR behind the size": b"5\n\rhello\r\n0\r\n\r\n", "LF behind a trailer": b"5\r\nhello\r\n0\r\nX: 1\n\r\n",
        "CR behind a trailer": b"5\r\nhello\r\n0\r\nX: 1\r\r\n\r\n",
        "CR at the end": b"5\r\nhello\r\n0\r\n\r\r",
    }
    for name, body in line_ends.items():
        yield from _midway("F14", name, body)


def _midway(row, name, body):
    """A fault right behind the head, and the same behind a good chunk that the server has got already."""
    yield Case(row, name, [chunked_post(body)], [refused(midway=True)])
    yield Case(row, f"{name}, behind a good chunk", [chunked_post(b"3\r\nabc\r\n"), body], [refused(midway=True)])


def trailers():
    """F15: read with the grammar of fields, and dropped."""
    names = (b"X-Sum", b"Content-Length", b"Transfer-Encoding", b"Host", b"Authorization", b"Cookie",
             b"X-Forwarded-For", b"X-Auth-Subject", b"Connection", b"Trailer")
    for name in names:
        yield Case("F15", f"trailer {shown(name)}", [chunked_post(b"5\r\nhello\r\n0\r\n" + name + b": 1\r\n\r\n")],
                   [HELLO])
    yield Case("F15", "two trailers, announced",
               [chunked_post(b"5\r\nhello\r\n0\r\nX-A: 1\r\nX-B: 2\r\n\r\n", b"Trailer: X-A, X-B\r\n")], [HELLO])
    yield Case("F15", "trailer with a request as its value",
               [chunked_post(b"5\r\nhello\r\n0\r\nX: GET /x HTTP/1.1\r\n\r\n")], [HELLO])
    yield Case("F15", "obs-text in a trailer", [chunked_post(b"5\r\nhello\r\n0\r\nX: caf\xe9\r\n\r\n")], [HELLO])
    faults = {"no colon": b"nonsense", "space before the colon": b"X : 1", "empty name": b": 1",
              "folded": b"X: a\r\n b", "NUL": b"X: \x00", "CR": b"X: a\rb", "space in front": b" X: 1",
              "high byte in the name": b"X\xe9: 1", "9 KiB": b"X: " + b"a" * 9000}
    for name, line in faults.items():
        yield Case("F15", f"trailer, {name}", [chunked_post(b"5\r\nhello\r\n0\r\n" + line + b"\r\n\r\n")],
                   [refused(400, 431, midway=True)])


def methods():
    """F16: framing never depends on the method."""
    for method in ("GET", "HEAD", "DELETE", "OPTIONS", "PUT", "PATCH"):
        start = method.encode() + b" / HTTP/1.1\r\nHost: gateway.test\r\n"
        step = forwarded(method=method, body=b"hello")
        yield Case("F16", f"{method} with a length", [start + b"Content-Length: 5\r\n\r\nhello"], [step])
        yield Case("F16", f"{method} chunked", [start + CHUNKED + b"\r\n" + CHUNKED_HELLO], [step])
        smuggled = forwarded(method=method, body=SMUGGLED)
        yield Case("F16", f"{method} with a request as its body",
                   [start + b"Content-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED], [smuggled])
        yield Case("F16", f"{method} with length 0", [start + b"Content-Length: 0\r\n\r\n"], [forwarded(method=method)])
        yield Case("F16", f"{method} without a body", [start + b"\r\n"], [forwarded(method=method)])
    yield Case("F16", "POST without any length", [post(b"")], [EMPTY])
    yield Case("F16", "a body of every octet", [post(b"Content-Length: 256\r\n", bytes(range(256)))],
               [forwarded(method="POST", body=bytes(range(256)))])
    large = bytes(i * 7 % 256 for i in range(200_000))
    yield Case("F16", "200,000 octets", [post(b"Content-Length: 200000\r\n", large)],
               [forwarded(method="POST", body=large)])
    chunked = b"".join(b"%x\r\n" % len(large[i:i + 9999]) + large[i:i + 9999] + b"\r\n" for i in range(0, len(large),
        9999))
    yield Case("F16", "200,000 octets in chunks", [chunked_post(chunked + b"0\r\n\r\n")],
               [forwarded(method="POST", body=large)])
    yield Case("F16", "a body in two steps", [post(b"Content-Length: 10\r\n", b"hello"), b"world"],
               [forwarded(method="POST", body=b"helloworld")])
    yield Case("F16", "chunks in three steps", [chunked_post(b"5\r\nhel"), b"lo\r\n5\r\nwo", b"rld\r\n0\r\n\r\n"],
               [forwarded(method="POST", body=b"helloworld")])


def early_answers():
    """F17: the server answers before the body has ended, and would like to go on."""
    yield Case("F17", "answer before the end of a length", [post(b"Content-Length: 500\r\n", b"hello", EARLY_TARGET)],
               [Early()])
    yield Case("F17", "answer before the last chunk", [chunked_post(b"5\r\nhello\r\n", target=EARLY_TARGET)], [Early()])
    yield Case("F17", "answer before any octet", [post(b"Content-Length: 500\r\n", b"", EARLY_TARGET)], [Early()])
    yield Case("F17", "answer in the middle of what comes",
               [post(b"Content-Length: 500\r\n", b"", EARLY_TARGET), b"hello"], [Early()])


def expectations():
    """F18: Expect."""
    for value in (b"100-continue", b"100-Continue", b"100-CONTINUE"):
        yield Case("F18", f"Expect {shown(value)}",
                   [post(b"Content-Length: 5\r\nExpect: " + value + b"\r\n", b"hello")], [HELLO])
    yield Case("F18", "Expect, chunked", [chunked_post(CHUNKED_HELLO, b"Expect: 100-continue\r\n")], [HELLO])
    yield Case("F18", "Expect without a body", [get(fields=b"Expect: 100-continue\r\n")], [forwarded()])
    yield Case("F18", "Expect in HTTP/1.0",
               [post(b"Content-Length: 5\r\nExpect: 100-continue\r\n", b"hello", version=b"HTTP/1.0")],
               [forwarded(method="POST", body=b"hello", last=True)])
    for value in (b"200-ok", b"y 100-continue", b"100-continue, x", b"100-continue, 100-continue", b"100 continue",
                  b"100-continuex", b""):
        yield Case("F18", f"Expect {shown(value)}",
                   [post(b"Content-Length: 5\r\nExpect: " + value + b"\r\n", b"hello")], [refused(400, 417)])
    yield Case("F18", "two Expect", [post(b"Content-Length: 5\r\n" + b"Expect: 100-continue\r\n" * 2, b"hello")],
               [refused(400, 417)])


def ends():
    """F19: the connection ends inside a request."""
    yield Case("F19", "inside a body with a length", [post(b"Content-Length: 5000\r\n", b"hello")], [Cut()])
    yield Case("F19", "inside a body that the server has begun to read",
               [post(b"Content-Length: 5000\r\n", b"hello"), b"more"], [Cut()])
    yield Case("F19", "inside a chunk", [chunked_post(b"5000\r\nhello")], [Cut()])
    yield Case("F19", "inside a chunk that the server has begun to read",
               [chunked_post(b"5\r\nhello\r\n"), b"5000\r\nworld"], [Cut()])
    yield Case("F19", "inside a trailer", [chunked_post(b"5\r\nhello\r\n0\r\nX-Sum: ")], [Cut()])
    yield Case("F19", "one octet short", [post(b"Content-Length: 100000\r\n", b"a" * 99000)], [Cut()])


def pipelines():
    """F20: several requests in one piece."""
    good, other = get(b"/a"), get(b"/b")
    first, second = forwarded("/a"), forwarded("/b")
    body = post(b"Content-Length: 5\r\n", b"hello")
    yield Case("F20", "two GET", [good + other], [first, second])
    yield Case("F20", "POST, GET", [body + good], [HELLO, first])
    yield Case("F20", "chunked, GET", [chunked_post(CHUNKED_HELLO) + good], [HELLO, first])
    yield Case("F20", "HEAD, GET", [good.replace(b"GET", b"HEAD") + other], [forwarded("/a", "HEAD"), second])
    yield Case("F20", "GET, HEAD", [good + other.replace(b"GET", b"HEAD")], [first, forwarded("/b", "HEAD")])
    yield Case("F20", "twenty", [b"".join(get(b"/%d" % i) for i in range(20))], [forwarded(f"/{i}") for i in range(20)])
    yield Case("F20", "garbage behind", [good + b"garbage\r\n\r\n" + SMUGGLED], [first, refused()])
    yield Case("F20", "a bad request behind", [good + get(fields=b"X : 1\r\n") + SMUGGLED], [first, refused()])
    yield Case("F20", "CL and TE behind", [good + post(b"Content-Length: 5\r\n" + CHUNKED, CHUNKED_HELLO) + SMUGGLED],
               [first, refused()])
    yield Case("F20", "a body longer than its length", [post(b"Content-Length: 3\r\n", b"hello") + SMUGGLED],
               [forwarded(method="POST", body=b"hel"), refused(400, 501)])
    yield Case("F20", "a request in the octets behind a body", [post(b"Content-Length: 0\r\n") + good], [EMPTY, first])
    yield Case("F20", "GET with a body that nobody announced", [get() + b"x=1\r\n\r\n" + SMUGGLED],
               [forwarded(), refused()])
    yield Case("F20", "behind Connection: close", [get(b"/a", b"Connection: close\r\n") + SMUGGLED],
               [forwarded("/a", last=True)])
    yield Case("F20", "behind HTTP/1.0", [get(b"/a", version=b"HTTP/1.0") + SMUGGLED], [forwarded("/a", last=True)])
    yield Case("F20", "behind HTTP/1.0, kept alive",
               [get(b"/a", b"Connection: keep-alive\r\n", version=b"HTTP/1.0") + other], [first, second])
    yield Case("F20", "empty lines between", [good + b"\r\n\r\n" + other], [first, second])
