"""The request line and the ends of lines (rows L01 to L09 and L13)."""

from differential.cases import HOST_LINE, SMUGGLED, Case, forwarded, get, post, refused, shown

GET = b"GET / HTTP/1.1\r\n"


def cases():
    yield from line_ends()
    yield from folding()
    yield from versions()
    yield from request_lines()
    yield from methods()
    yield from empty_lines()


def line_ends():
    """L01, L02: a lone LF or CR anywhere in a head."""
    lone_lf = {
        "behind the request line": b"GET / HTTP/1.1\n" + HOST_LINE + b"\r\n",
        "behind Host": GET + b"Host: gateway.test\n\r\n",
        "behind a field": GET + HOST_LINE + b"X-A: 1\nX-B: 2\r\n\r\n",
        "for the empty line": GET + HOST_LINE + b"\n",
        "everywhere": b"GET / HTTP/1.1\nHost: gateway.test\n\n",
        "twice": GET + HOST_LINE + b"\n\n",
        "in a value, hiding Content-Length": post(b"X-A: 1\nContent-Length: 5\r\n", b"hello"),
        "in a value, hiding a request": GET + HOST_LINE + b"X-A: 1\n\n" + SMUGGLED,
        "in front of the request line": b"\n" + get(),
        "in the target": b"GET /a\nb HTTP/1.1\r\n" + HOST_LINE + b"\r\n",
        "behind the method": b"GET\n/ HTTP/1.1\r\n" + HOST_LINE + b"\r\n",
    }
    for name, data in lone_lf.items():
        yield Case("L01", f"LF {name}", [data], [refused()])
    lone_cr = {
        "in a value": GET + HOST_LINE + b"X-A: a\rb\r\n\r\n",
        "hiding a field": GET + HOST_LINE + b"X-A: a\rX-B: b\r\n\r\n",
        "hiding Content-Length": post(b"X-A: a\rContent-Length: 5\r\n", b"hello"),
        "at the end of a value": GET + HOST_LINE + b"X-A: a\r\r\n\r\n",
        "in front of a value": GET + HOST_LINE + b"X-A:\ra\r\n\r\n",
        "as the only value": GET + HOST_LINE + b"X-A: \r\r\n\r\n",
        "in a name": GET + HOST_LINE + b"X\rA: a\r\n\r\n",
        "in the target": b"GET /a\rb HTTP/1.1\r\n" + HOST_LINE + b"\r\n",
        "behind the version": b"GET / HTTP/1.1\r\r\n" + HOST_LINE + b"\r\n",
        "for the end of the request line": b"GET / HTTP/1.1\r" + HOST_LINE + b"\r\n",
        "in front of the empty line": GET + HOST_LINE + b"\r\r\n",
        "behind the empty line's CR": GET + HOST_LINE + b"\r\rX: 1\r\n\r\n",
        "everywhere": b"GET / HTTP/1.1\rHost: gateway.test\r\r",
        "in front of the request line": b"\r" + get(),
        "twice in front of LF": GET + b"Host: gateway.test\r\r\nX-A: 1\r\n\r\n",
        "behind LF": GET + HOST_LINE + b"X-A: 1\n\r\n\r\n",
    }
    for name, data in lone_cr.items():
        yield Case("L02", f"CR {name}", [data], [refused()])


def folding():
    """L03: lines that continue the one before."""
    folded = {
        "with a space": b"X-A: a\r\n b\r\n", "with a tab": b"X-A: a\r\n\tb\r\n", "an empty value": b"X-A:\r\n b\r\n",
        "twice": b"X-A: a\r\n b\r\n c\r\n",
        "by a line of spaces": b"X-A: a\r\n   \r\n", "looking like a field": b"X-A: a\r\n Content-Length: 5\r\n",
        "by a line with a colon": b"X-A: a\r\n : b\r\n",
        "nothing behind": b"X-A: a\r\n \r\n", "Host": b"X-A: 1\r\n", "Content-Length": b"Content-Length:\r\n 5\r\n",
        "a length that goes on": b"Content-Length: 5\r\n 0\r\n",
        "Connection": b"Connection: close,\r\n X-A\r\n",
    }
    for name, lines in folded.items():
        host = b"Host:\r\n gateway.test\r\n" if name == "Host" else HOST_LINE
        yield Case("L03", f"folded {name}", [post(lines, b"hello", host=host)], [refused()])
    yield Case("L03", "folded request line", [b"GET /\r\n  HTTP/1.1\r\n" + HOST_LINE + b"\r\n"], [refused()])


def versions():
    """L07: what stands for HTTP/1.1."""
    for version in (b"http/1.1", b"Http/1.1", b"HTTP/1", b"HTTP/01.1", b"HTTP/1.01", b"HTTP/1.10", b"HTTP/ 1.1",
                    b"HTTP/1 .1", b"HTTP/1.1x", b"HTTP/1,1",
                    b"HTTP/+1.1", b"HTTP/-1.1", b"HTTP/1.-1", b"HTTP 1.1", b"HTTP1.1", b"HTTPS/1.1", b"HTP/1.1",
                    b"XHTTP/1.1", b"HTTP//1.1", b"HTTP/1.1/1.1",
                    b"HTTP/1.", b"HTTP/.1", b"HTTP/", b"HTTP", b"ICY/1.1", b"HTTP/1.1\x00", b"HTTP/1.1\t", b"HTTP/1.1 ",
                    b"HTTP/0x1.1", b"HTTP/1.1;a"):
        yield Case("L07", f"version {shown(version)}", [get(version=version) + SMUGGLED], [refused()])
    for version in (b"HTTP/2.0", b"HTTP/3.0", b"HTTP/9.9", b"HTTP/2.1"):
        yield Case("L07", f"version {shown(version)}", [get(version=version) + SMUGGLED], [refused(505)])
    for version in (b"HTTP/0.9", b"HTTP/0.0", b"HTTP/1.\xb1", b"HTTP/10.1", b"HTTP/11.1"):
        yield Case("L07", f"version {shown(version)}", [get(version=version) + SMUGGLED], [refused(400, 505)])
    for minor in (2, 3, 9):
        yield Case("L07", f"version HTTP/1.{minor}", [get(version=b"HTTP/1.%d" % minor)], [forwarded()])
        yield Case("L07", f"version HTTP/1.{minor}, chunked", [
            post(b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n", version=b"HTTP/1.%d" % minor)],
                   [forwarded(method="POST", body=b"hello")])
    yield Case("L07", "HTTP/1.0", [get(version=b"HTTP/1.0")], [forwarded(last=True)])
    yield Case("L07", "HTTP/1.0 with a body", [post(b"Content-Length: 5\r\n", b"hello", version=b"HTTP/1.0")],
               [forwarded(method="POST", body=b"hello", last=True)])
    for connection in (b"keep-alive", b"Keep-Alive", b"keep-alive, X-A"):
        yield Case("L07", f"HTTP/1.0 with Connection {shown(connection)}",
                   [get(fields=b"Connection: " + connection + b"\r\n", version=b"HTTP/1.0")], [forwarded()])
    yield Case("L07", "HTTP/1.0 with Connection close", [get(fields=b"Connection: close\r\n", version=b"HTTP/1.0")],
               [forwarded(last=True)])


def request_lines():
    """L08: how the three words are separated, and what if there are not three."""
    lines = {
        "HTTP/0.9": b"GET /", "no version": b"GET / ", "no target": b"GET HTTP/1.1", "method only": b"GET",
        "two spaces": b"GET  / HTTP/1.1", "two spaces before the version": b"GET /  HTTP/1.1",
        "tab behind the method": b"GET\t/ HTTP/1.1", "tab before the version": b"GET /\tHTTP/1.1",
        "tabs": b"GET\t/\tHTTP/1.1", "vertical tab": b"GET\x0b/ HTTP/1.1", "form feed": b"GET\x0c/ HTTP/1.1",
        "no-break space": b"GET\xa0/ HTTP/1.1", "NUL": b"GET\x00/ HTTP/1.1", "space in front": b" GET / HTTP/1.1",
        "tab in front": b"\tGET / HTTP/1.1", "space at the end": b"GET / HTTP/1.1 ",
        "a fourth word": b"GET / HTTP/1.1 x", "space in the target": b"GET /a b HTTP/1.1",
        "two versions": b"GET / HTTP/1.1 HTTP/1.1", "version in the target": b"GET /HTTP/1.1",
        "a byte order mark": b"\xef\xbb\xbfGET / HTTP/1.1",
        "NUL in front": b"\x00GET / HTTP/1.1", "0x1b in front": b"\x1bGET / HTTP/1.1", "colon": b"GET: / HTTP/1.1",
        "quotes": b'"GET / HTTP/1.1"', "status line": b"HTTP/1.1 200 OK", "empty words": b"  ",
    }
    for name, line in lines.items():
        yield Case("L08", name, [line + b"\r\n" + HOST_LINE + b"\r\n" + SMUGGLED], [refused()])
    for name, data in {"TLS hello": bytes.fromhex("16030100f4010000f00303") + bytes(range(200)),
                       "SSH": b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "SMTP": b"EHLO gateway.test\r\n\r\n",
                       "bytes above 0x7f": bytes(range(128, 256)) * 4, "NUL bytes": bytes(100),
                       "JSON": b'{"a": 1}\r\n\r\n'}.items():
        yield Case("L08", name, [data + b"\r\n\r\n"], [refused()])
    yield Case("L08", "HTTP/2 preface", [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"], [refused(400, 505)])


def methods():
    """L09: names of methods."""
    for method in (b"G(T", b"GE,T", b"GE\xc9", b"G@T", b"G\x7fT", b"G[T", b"G/T", b'G"T', b"G{}", b"G\x01T", b"G=T",
                   b"<GET>"):
        yield Case("L09", f"method {shown(method)}", [method + get()[3:] + SMUGGLED], [refused()])
    for method in (b"get", b"Get", b"GETX", b"XGET", b"FOO", b"G-T", b"G_T", b"G.T", b"PURGE", b"DEBUG", b"TRACK",
                   b"QUERY", b"post", b"GET'", b"A" * 20, b"M-SEARCH"):
        yield Case("L09", f"method {shown(method)}", [method + get()[3:]], [refused(405, 501)])
    for method in (b"PROPFIND", b"MKCOL", b"LOCK", b"SEARCH", b"LINK", b"REPORT"):
        yield Case("L09", f"method {shown(method)} is registered", [method + get()[3:]],
                   [forwarded(method=method.decode())])


def empty_lines():
    """L13: in front of a request line."""
    for count in (1, 2, 4):
        yield Case("L13", f"{count} empty lines in front", [b"\r\n" * count + get()], [forwarded()])
    yield Case("L13", "1,000 empty lines in front", [b"\r\n" * 1000 + get()], [refused()])
    yield Case("L13", "an empty line and a space in front", [b"\r\n " + get()], [refused()])
    yield Case("L13", "an empty line behind a body", [post(b"Content-Length: 5\r\n", b"hello") + b"\r\n" + get(b"/b")],
               [forwarded(method="POST", body=b"hello"), forwarded("/b")])
