"""Names the gateway owns, and their aliases (rows I01 to I03, I05).

What becomes of the fields themselves the judge sees on the server's wire: no spoofed value gets there.
"""

from differential.cases import SPOOFED, Case, chunked_post, forwarded, get, post, shown

OWNED = (b"X-Forwarded-For", b"X-Forwarded-Host", b"X-Forwarded-Proto", b"X-Forwarded-Prefix", b"Forwarded",
         b"X-Real-IP", b"X-Request-Id", b"X-Auth-Subject", b"X-Auth-Roles", b"X-User-Id", b"X-Consumer-Id",
         b"X-Original-URL", b"X-Rewrite-URL", b"X-HTTP-Method-Override", b"X-HTTP-Method", b"X-Method-Override")
ALIASES = (b"X_Auth_Subject", b"x_auth_roles", b"X-Auth_Tenant", b"X.Auth.Subject", b"X_Forwarded_For",
           b"x.forwarded-for", b"X_REAL_IP", b"X_User_Id", b"X_HTTP_Method_Override", b"X_Original_URL",
           b"Transfer_Encoding", b"Content_Length", b"X_Request_Id", b"Content.Length",
           b"Proxy_Connection", b"Proxy_Authorization", b"HTTP2_Settings")


def cases():
    for name in OWNED:
        yield Case("I01", shown(name), [get(fields=name + b": " + SPOOFED + b"\r\n")], [forwarded()])
        yield Case("I01", f"{shown(name)}, lower and upper case",
                   [get(fields=name.lower() + b": " + SPOOFED + b"\r\n" + name.upper() + b": " + SPOOFED + b"\r\n")],
                   [forwarded()])
        yield Case("I01", f"{shown(name)} as a trailer",
                   [chunked_post(b"5\r\nhello\r\n0\r\n" + name + b": " + SPOOFED + b"\r\n\r\n")],
                   [forwarded(method="POST", body=b"hello")])
    for name in ALIASES:
        yield Case("I02", shown(name), [get(fields=name + b": " + SPOOFED + b"\r\n")], [forwarded()])
        yield Case("I02", f"{shown(name)}, with a body",
                   [post(name + b": " + SPOOFED + b"\r\nContent-Length: 5\r\n", b"hello")],
                   [forwarded(method="POST", body=b"hello")])
    for name in (b"X-HTTP-Method-Override", b"X-Method-Override"):
        yield Case("I01", f"{shown(name)}: DELETE", [post(name + b": DELETE\r\n" + b"Content-Length: 0\r\n")],
                   [forwarded(method="POST")])
    for name in (b"X-Original-URL", b"X-Rewrite-URL"):
        yield Case("I01", f"{shown(name)}: /admin", [get(fields=name + b": /admin\r\n")], [forwarded()])
    yield Case("I03", "two X-Forwarded-For, one alias",
               [get(fields=b"X-Forwarded-For: " + SPOOFED + b"\r\nX-Forwarded-For: 10.0.0.1\r\n"
                     + b"X_Forwarded_For: " + SPOOFED + b"\r\n")], [forwarded()])
    yield Case("I03", "X-Forwarded-Host of another host",
               [get(fields=b"X-Forwarded-Host: other.test\r\nForwarded: host=other.test\r\n")], [forwarded()])
