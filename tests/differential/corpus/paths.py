"""Targets and the canonical path (rows L10 and N01 to N10)."""

from differential.cases import Case, Answered, forwarded, get, refused, shown


def cases():
    yield from bytes_of_targets()
    yield from dot_segments()
    yield from encodings()
    yield from parameters_and_slashes()
    yield from queries()


def bytes_of_targets():
    """L10."""
    for byte in (*range(1, 9), 0, 0x0B, 0x0C, *range(0x0E, 0x20), 0x22, 0x23, 0x3C, 0x3E, 0x5C, 0x5E, 0x60, 0x7B, 0x7C,
                 0x7D, 0x7F, 0x80, 0x85, 0xA0, 0xE9, 0xFF):
        yield Case("L10", f"byte {byte:#04x} in a path", [get(b"/a" + bytes([byte]) + b"b")], [refused()])
    for byte in (0x22, 0x23, 0x3C, 0x3E, 0x5C, 0x5E, 0x60, 0x7B, 0x7C, 0x7D, 0x00, 0x01, 0x7F, 0xE9):
        yield Case("L10", f"byte {byte:#04x} in a query", [get(b"/a?b=" + bytes([byte]))], [refused()])
    for target in (b"*", b"a", b"a/b", b"?a", b"gateway.test:80", b"gateway.test", b".", b"..", b"%2fa", b";a", b"@a",
                   b"/a /b"):
        yield Case("L10", f"target {shown(target)}", [get(target)], [refused()])
    for path in ("/", "/a", "/a/", "/a/b/c", "/-._~", "/!$&'()*+,=:@", "/a:80/b", "/a@b", "/a=b,c", "/~user", "/*",
                 "/a*b", "/(a)", "/...", "/.a", "/a.", "/..a", "/a..", "/.a./b"):
        yield Case("L10", f"path {path}", [get(path.encode())], [forwarded(path)])
    for path in ("/[a]", "/a?[b]", "/a?b[]=1"):
        yield Case("L10", f"target {path}", [get(path.encode())], [forwarded(path)])
    yield Case("L10", "OPTIONS *", [b"OPTIONS * HTTP/1.1\r\nHost: gateway.test\r\n\r\n"], [Answered((200, 204))])
    yield Case("L10", "OPTIONS /*", [b"OPTIONS /* HTTP/1.1\r\nHost: gateway.test\r\n\r\n"],
               [forwarded("/*", "OPTIONS")])


def dot_segments():
    """N01: removed, once, and only within the root."""
    plain = {
        "/a/../b": "/b", "/a/./b": "/a/b", "/./a": "/a", "/a/.": "/a/", "/a/..": "/", "/a/b/..": "/a/",
        "/a/b/../..": "/", "/a/b/../../c": "/c", "/a/../a/../a": "/a", "/././.": "/", "/a/../": "/", "/a/./": "/a/",
        "/a/b/./../c": "/a/c",
        "/%2e/a": "/a", "/a/%2e%2e/b": "/b", "/a/%2E%2E/b": "/b", "/a/.%2e/b": "/b", "/a/%2e./b": "/b", "/a/%2e": "/a/",
        "/a/%2e%2e": "/", "/a/..?b": "/?b", "/a/../b?c=../d": "/b?c=../d", "/a/.../b": "/a/.../b", "/a/..b": "/a/..b",
    }
    for path, canonical in plain.items():
        yield Case("N01", f"path {path}", [get(path.encode())], [forwarded(canonical)])
    for path in ("/..", "/../a", "/a/../../b", "/%2e%2e/a", "/.%2e", "/a/../..", "/./../a", "/a/b/../../../c",
                 "/%2e%2e", "/..?a"):
        yield Case("N01", f"path {path}", [get(path.encode())], [refused()])


def encodings():
    """N02, N03, N06, N07: percent-encoding."""
    for path in ("/a%2fb", "/a%2Fb", "/%2f", "/a%5cb", "/a%5Cb", "/..%2fa", "/..%5ca", "/a/..%2f..%2fb", "/%2e%2e%2fa"):
        yield Case("N02", f"path {path}", [get(path.encode())], [refused()])
    for path in ("/%252e%252e/a", "/%252f", "/a%252Fb", "/%25%32%65", "/%2525", "/%25252e", "/a%255cb", "/%2541",
                 "/%25%34%31", "/%2%35"):
        yield Case("N03", f"path {path}", [get(path.encode())], [refused()])
    yield Case("N03", "path /100%25", [get(b"/100%25")], [forwarded("/100%25")])
    yield Case("N03", "path /%25zz", [get(b"/%25zz")], [forwarded("/%25zz")])
    for path in ("/%00", "/a%00b", "/%0d%0a", "/%0aX:1", "/%0D", "/%09", "/%1f", "/%7f", "/%c0%af", "/%c0%ae",
                 "/%c1%9c", "/%e0%80%af", "/%f0%80%80%af", "/%f8%80%80%80%af", "/%ff", "/%fe", "/%zz", "/%2", "/%",
                 "/a%", "/a%2", "/%%41", "/%u002f", "/%u0041", "/%-1", "/% 41", "/%+1", "/%4", "/%g1", "/%1g",
                 "/%\xb9"):
        data = path.encode("latin-1")
        yield Case("N06", f"path {shown(data)}", [get(data)], [refused()])
    decoded = {"/%41dmin": "/Admin", "/%61": "/a", "/%7Euser": "/~user", "/%7euser": "/~user", "/%2d%2e%5f": "/-._",
               "/%30": "/0", "/a%3a": "/a%3A", "/%c3%a9": "/%C3%A9", "/%20": "/%20", "/%e2%98%83": "/%E2%98%83",
               "/%3f": "/%3F", "/%23": "/%23", "/%26": "/%26", "/%3d%2b": "/%3D%2B",
               "/%5B%5d": "/%5B%5D", "/%22": "/%22", "/%7b%7D": "/%7B%7D", "/ADMIN": "/ADMIN", "/%41%42%43": "/ABC",
               "/a%2Cb": "/a%2Cb", "/%40": "/%40", "/%5e%60%7c": "/%5E%60%7C", "/%3c%3E": "/%3C%3E",
               "/%f0%9f%98%80": "/%F0%9F%98%80"}
    for path, canonical in decoded.items():
        yield Case("N07", f"path {path}", [get(path.encode())], [forwarded(canonical)])


def parameters_and_slashes():
    """N04, N05."""
    for path in ("/..;x=1", "/a/..;/b", "/a/..;x/b", "/.;/a", "/a/.;x", "/;/a", "/;x/a", "/a/;/b", "/;/../a",
                 "/..%3b/a", "/a/..%3Bx/b", "/.%3b", "/%3b/a", "/%2e%2e;/a", "/a/%2e;x/b"):
        yield Case("N04", f"path {path}", [get(path.encode())], [refused()])
    for path in ("/a;b", "/a;b=c", "/a;b=c/d", "/a;b;c", "/a;", "/a;/b", "/a;b=../c", "/a;x=1?y=2"):
        yield Case("N04", f"path {path}", [get(path.encode())], [forwarded(path)])
    for path in ("//", "//a", "/a//b", "/a//", "///", "/a/b//c", "//a/..", "/./" + "/a", "/a/..//b", "//gateway.test/a",
                 "//user@other.test/"):
        yield Case("N05", f"path {path}", [get(path.encode())], [refused()])


def queries():
    """N08: as they are, byte for byte."""
    for query in ("?", "?a", "?a=1&a=2", "?a=b?c", "??", "?/../..", "?a=%2f%2e%2e", "?%00", "?%zz", "?%", "?a=//b",
                  "?a;b", "?a=%25", "?http://other.test/", "?a=b=c", "?&&", "?a+b", "?%41", "?%c0%af", "?'(*)'",
                  "?~!$,:@"):
        yield Case("N08", f"query {query}", [get(b"/a" + query.encode())], [forwarded("/a" + query)])
    yield Case("N08", "encoded question mark", [get(b"/a%3fb?c")], [forwarded("/a%3Fb?c")])
