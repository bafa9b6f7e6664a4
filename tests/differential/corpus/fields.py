"""Field lines and Host (rows L04 to L06, L11, L12 and L15)."""

from differential.cases import HOST_LINE, Case, forwarded, get, post, refused, shown

GET = b"GET / HTTP/1.1\r\n"


def cases():
    yield from names()
    yield from values()
    yield from hosts()
    yield from absolute_forms()
    yield from repetitions()


def names():
    """L04, L05: what stands before the colon."""
    for name in (b"X-A ", b"X-A\t", b"X-A  ", b"Host ", b"Content-Length ", b"Content-Length\t", b"X A", b"X\tA"):
        value = b"5" if name.startswith(b"Content") else b"gateway.test"
        yield Case("L04", f"{shown(name)} before the colon", [post(name + b": " + value + b"\r\n", b"hello")],
                   [refused()])
    yield Case("L04", "space before the colon of the only Host", [get(host=b"Host : gateway.test\r\n")], [refused()])
    lines = {
        "space in front of the first field": b" X-A: 1", "tab in front of the first field": b"\tX-A: 1",
        "no colon": b"nonsense", "no colon, Content-Length": b"Content-Length 5", "empty name": b": 1",
        "nothing but a colon": b":", "two colons": b":: 1", "a lone space": b" ", "a lone tab": b"\t",
        "a request line": b"GET / HTTP/1.1", "equals sign": b"X-A=1", "semicolon": b"X-A; 1",
    }
    for name, line in lines.items():
        yield Case("L05", name, [GET + line + b"\r\n" + HOST_LINE + b"\r\n"], [refused()])
        yield Case("L05", f"{name}, behind Host", [GET + HOST_LINE + line + b"\r\n\r\n"], [refused()])
    for byte in b"\x00\x01\x08\x0b\x0c\x1b\x1f\x7f\x80\x85\xa0\xe9\xff\"(),/;<=>?@[\\]{}":
        yield Case("L05", f"byte {byte:#04x} in a name", [get(fields=b"X" + bytes([byte]) + b"A: 1\r\n")], [refused()])
    yield Case("L05", "every byte a name may have", [get(fields=b"!#$%&'*+-.^_`|~09azAZ: 1\r\n")], [forwarded()])
    yield Case("L05", "a name of one byte", [get(fields=b"a: 1\r\n")], [forwarded()])
    yield Case("L05", "digits", [get(fields=b"0: 1\r\n123: 2\r\n")], [forwarded()])
    yield Case("L05", "a long name", [get(fields=b"X-" + b"a" * 1000 + b": 1\r\n")], [forwarded()])


def values():
    """L06: what stands behind it."""
    for byte in (*range(0, 9), *range(11, 13), *range(14, 32), 127):
        yield Case("L06", f"byte {byte:#04x} in a value", [get(fields=b"X-A: a" + bytes([byte]) + b"b\r\n")],
                   [refused()])
    yield Case("L06", "NUL at the end of a value", [get(fields=b"X-A: a\x00\r\n")], [refused()])
    legal = {
        "empty": b"", "spaces only": b"     ", "a tab inside": b"a\tb", "spaces inside": b"a   b",
        "tabs around": b"\ta\t", "obs-text": b"caf\xe9 \x80\xff", "UTF-8": "naïve ☃".encode(),
        "only obs-text": b"\xff\xfe", "no-break space around": b"\xa0a\xa0", "quotes": b'"a \\" b"',
        "a colon": b": a: b:", "a request": b"GET /x HTTP/1.1", "commas": b",,a,,b,,",
        "every visible byte": bytes(range(0x21, 0x7F)), "4 KiB": b"a" * 4096,
    }
    for name, value in legal.items():
        yield Case("L06", f"{name} as a value", [get(fields=b"X-A:" + value + b"\r\n")], [forwarded()])
    yield Case("L06", "obs-text in Accept", [get(fields=b"Accept: \x80/*\r\n")], [forwarded()])


def hosts():
    """L11: one, and a plain one."""
    wrong = {
        "missing": b"", "twice": HOST_LINE * 2, "twice, other case": HOST_LINE + b"host: gateway.test\r\n",
        "two different": HOST_LINE + b"Host: other.test\r\n", "one empty, one not": b"Host:\r\n" + HOST_LINE,
        "behind other fields, twice": HOST_LINE + b"X-A: 1\r\nHost: other.test\r\n",
    }
    for name, host in wrong.items():
        yield Case("L11", name, [get(host=host)], [refused()])
    for value in (b"", b" ", b"a, b", b"a,b", b"user@a", b"user:pass@a", b"a/b", b"a/", b"/", b"http://a", b"a:8x",
                  b"a:99999", b"a:-1", b"a:+80", b"a: 80", b"a:80:80", b"a b", b"a\tb", b"caf\xe9", b"a%00b", b"a%2eb",
                  b"a\\b", b"a?b", b"a#b", b"a\"b", b"<a>",
                  b"[::1", b"::1]", b"[::1]x", b"[g::1]", b"[]", b"a]", b":80", b"..", b".a", b"a..b", b"a;b", b"a'b",
                  b"a(b)", b"a=b", b"a*b", b"{a}", b"a|b", b"a^b", b"a`b", b"[1.2.3.4]", b"[v1.a]", b"a\x00", b"a:080"):
        yield Case("L11", f"Host {shown(value)}", [get(host=b"Host: " + value + b"\r\n")], [refused()])
    right = {
        b"a": "a", b"A.Example": "a.example", b"gateway.test.": "gateway.test", b"a:80": "a", b"a:8080": "a:8080",
        b"A:8080": "a:8080", b"a:": "a", b"127.0.0.1": "127.0.0.1", b"127.0.0.1:81": "127.0.0.1:81", b"[::1]": "[::1]",
        b"[::1]:81": "[::1]:81",
        b"[2001:DB8::A]": "[2001:db8::a]", b"xn--caf-dma.example": "xn--caf-dma.example", b"a_b.example": "a_b.example",
        b"a-b": "a-b", b"a~b": "a~b", b"0": "0", b"1.2": "1.2", b"a" * 63 + b".test": "a" * 63 + ".test",
    }
    for value, host in right.items():
        yield Case("L11", f"Host {shown(value)[:40]} is legal", [get(host=b"Host: " + value + b"\r\n")],
                   [forwarded(host=host)])
    yield Case("L11", "Host behind other fields", [get(host=b"X-A: 1\r\nhOST:gateway.test\r\n")], [forwarded()])
    yield Case("L11", "HTTP/1.0 with Host", [get(b"/a", version=b"HTTP/1.0")], [forwarded("/a", last=True)])
    yield Case("L11", "HTTP/1.0 with two Host", [get(host=HOST_LINE * 2, version=b"HTTP/1.0")], [refused()])


def absolute_forms():
    """L12: the target's authority is the request's, whatever Host says."""
    same = {
        b"http://gateway.test/a": ("/a", "gateway.test"), b"http://other.test/a?b": ("/a?b", "other.test"),
        b"http://OTHER.test:80/": ("/", "other.test"), b"HTTP://other.test/": ("/", "other.test"),
        b"http://other.test:81/a": ("/a", "other.test:81"), b"http://other.test": ("/", "other.test"),
        b"http://other.test?a": ("/?a", "other.test"), b"http://[::1]:81/": ("/", "[::1]:81"),
        b"https://other.test/a": ("/a", "other.test"), b"http://other.test/a/../b": ("/b", "other.test"),
        b"http://other.test/http://third.test/": None,
        b"http://other.test/a?http://third.test/": ("/a?http://third.test/", "other.test"),
    }
    for target, read in same.items():
        steps = [forwarded(read[0], host=read[1])] if read else [refused()]
        yield Case("L12", f"target {shown(target)}", [get(target)], steps)
    for target in (b"http://user@other.test/", b"http://user:pass@other.test/", b"http:///a", b"http://", b"http:/a",
                   b"http:a", b"ftp://other.test/", b"file:///etc/passwd", b"http://a b/", b"http://other.test:x/",
                   b"http://other.test:99999/", b"//other.test/a",
                   b"http://other.test\\@third.test/", b"http://other.test#a", b"://other.test/", b"javascript:a",
                   b"http://other.test,third.test/", b"http://[::1/", b"http://%6fther.test/", b"http://other.test/..",
                   b"http://?a"):
        yield Case("L12", f"target {shown(target)}", [get(target)], [refused()])
    yield Case("L12", "absolute-form with a bad Host", [get(b"http://other.test/", host=b"Host: a b\r\n")], [refused()])
    yield Case("L12", "absolute-form without Host", [get(b"http://other.test/", host=b"")], [refused()])
    yield Case("L12", "absolute-form with two Host", [get(b"http://other.test/", host=HOST_LINE * 2)], [refused()])
    yield Case("L12", "absolute-form in HTTP/1.0 with a body",
               [post(b"Content-Length: 5\r\n", b"hello", target=b"http://other.test/a", version=b"HTTP/1.0")], [
        forwarded("/a", "POST", "other.test", b"hello", last=True)])


def repetitions():
    """L15: fields that must not come twice, and fields that may."""
    for name in (b"Authorization", b"Content-Type"):
        yield Case("L15", f"two {shown(name)}", [get(fields=name + b": a\r\n" + name + b": b\r\n")], [refused()])
        yield Case("L15", f"two equal {shown(name)}", [get(fields=name + b": a\r\n" + name.lower() + b": a\r\n")],
                   [refused()])
    for name in (b"Accept", b"Cookie", b"X-A", b"Range", b"Cache-Control", b"If-None-Match", b"Via"):
        yield Case("L15", f"two {shown(name)} are legal", [get(fields=name + b": a\r\n" + name + b": b\r\n")],
                   [forwarded()])
