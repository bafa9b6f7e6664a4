"""What belongs to one connection, and other protocols (rows P01 to P04)."""

from differential.cases import SMUGGLED, Case, chunked_post, forwarded, get, post, refused, shown


def cases():
    yield from nominations()
    yield from upgrades()
    yield from other_methods()


def nominations():
    """P01: Connection."""
    protected = (b"Host", b"host", b"Content-Length", b"content-length", b"Transfer-Encoding", b"Authorization",
                 b"Cookie", b"Cache-Control", b"X-Forwarded-For", b"X-Auth-Subject", b"Forwarded", b"Via",
                 b"X-Request-Id", b"X_Forwarded_For", b"Content-Type", b"x-user-id")
    for name in protected:
        yield Case("P01", f"nominates {shown(name)}", [get(fields=b"Connection: close, " + name + b"\r\n")],
                   [refused()])
        yield Case("P01", f"nominates {shown(name)} on a second line",
                   [get(fields=b"Connection: keep-alive\r\nX-A: 1\r\nconnection: X-A," + name + b"\r\n")], [refused()])
    yield Case("P01", "nominates Content-Length of its body",
               [post(b"Content-Length: 5\r\nConnection: Content-Length\r\n", b"hello")], [refused()])
    yield Case("P01", "nominates Transfer-Encoding of its body",
               [chunked_post(b"5\r\nhello\r\n0\r\n\r\n", b"Connection: Transfer-Encoding\r\n")], [refused()])
    for value in (b"X-A", b"x-a", b"keep-alive, X-A", b" X-A ,X-B", b",,X-A,,", b"X-A,X-A", b"TE", b"Keep-Alive",
                  b"X-Missing", b"", b",", b"foo"):
        yield Case("P01", f"Connection {shown(value)}",
                   [get(fields=b"Connection: " + value + b"\r\nX-A: 1\r\nX-B: 2\r\n")], [forwarded()])
    for value in (b"close", b"Close", b"CLOSE", b"close, X-A", b"X-A, close", b"keep-alive, close", b"close,close",
                  b"\tclose", b"foo,close,bar"):
        yield Case("P01", f"Connection {shown(value)}", [get(fields=b"Connection: " + value + b"\r\nX-A: 1\r\n")],
                   [forwarded(last=True)])
    yield Case("P01", "close on the second of two lines",
               [get(fields=b"Connection: keep-alive\r\nConnection: close\r\n")], [forwarded(last=True)])
    hop = (b"Keep-Alive: timeout=5, max=100", b"Proxy-Connection: close", b"Proxy-Connection: keep-alive",
           b"TE: trailers", b"TE: gzip, chunked", b"Trailer: X-A", b"Proxy-Authorization: Basic eA==",
           b"Proxy-Authenticate: Basic", b"Keep-Alive: max=0")
    for line in hop:
        yield Case("P01", f"hop-by-hop {shown(line)}", [get(fields=line + b"\r\n")], [forwarded()])
        yield Case("P01", f"hop-by-hop {shown(line)}, with a body",
                   [post(line + b"\r\nContent-Length: 5\r\n", b"hello")], [forwarded(method="POST", body=b"hello")])


def upgrades():
    """P02, P03: nothing is upgraded on a route that does not say so."""
    for protocol in (b"websocket", b"WebSocket", b"foo/2", b"TLS/1.0", b"h2c, websocket", b"HTTP/2.0", b""):
        fields = b"Connection: Upgrade\r\nUpgrade: " + protocol + b"\r\n"
        yield Case("P02", f"Upgrade {shown(protocol)}", [get(fields=fields)], [forwarded()])
        yield Case("P02", f"Upgrade {shown(protocol)}, with a request behind", [get(fields=fields) + get(b"/b")],
                   [forwarded(), forwarded("/b")])
        yield Case("P02", f"Upgrade {shown(protocol)}, with a body",
                   [post(fields + b"Content-Length: 5\r\n", b"hello")], [forwarded(method="POST", body=b"hello")])
    websocket = (b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
                 b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")
    yield Case("P02", "a whole WebSocket handshake", [get(fields=websocket)], [forwarded()])
    yield Case("P02", "a WebSocket handshake and frames", [get(fields=websocket) + b"\x81\x85\x00\x00\x00\x00hello"],
               [forwarded(), refused()])
    yield Case("P02", "a WebSocket handshake in HTTP/1.0", [get(fields=websocket, version=b"HTTP/1.0")],
               [forwarded(last=True)])
    h2c = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
    yield Case("P03", "h2c", [get(fields=h2c)], [forwarded()])
    yield Case("P03", "h2c with a body", [post(h2c + b"Content-Length: 5\r\n", b"hello")],
               [forwarded(method="POST", body=b"hello")])
    yield Case("P03", "h2c without HTTP2-Settings", [get(fields=b"Connection: Upgrade\r\nUpgrade: h2c\r\n")],
               [forwarded()])
    yield Case("P03", "h2c without Connection",
               [get(fields=b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n")], [forwarded()])
    yield Case("P03", "h2c with the preface behind", [get(fields=h2c) + b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
               [forwarded(), refused(400, 505)])
    yield Case("P03", "upper case", [get(fields=b"CONNECTION: UPGRADE\r\nUPGRADE: H2C\r\n")], [forwarded()])


def other_methods():
    """P04: no tunnels, no echo."""
    for target in (b"gateway.test:80", b"gateway.test:443", b"127.0.0.1:22", b"/", b"http://gateway.test/", b"*"):
        yield Case("P04", f"CONNECT {shown(target)}",
                   [b"CONNECT " + target + b" HTTP/1.1\r\nHost: gateway.test\r\n\r\n"], [refused(400, 405, 501)])
    yield Case("P04", "CONNECT with a request behind",
               [b"CONNECT gateway.test:80 HTTP/1.1\r\nHost: gateway.test:80\r\n\r\n" + SMUGGLED],
               [refused(400, 405, 501)])
    yield Case("P04", "TRACE", [b"TRACE / HTTP/1.1\r\nHost: gateway.test\r\n\r\n"], [refused(405, 501)])
    yield Case("P04", "TRACE with a body",
               [b"TRACE / HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: 5\r\n\r\nhello"], [refused(400, 405, 501)])
