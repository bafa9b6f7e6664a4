"""What servers are known to make of requests that are legal, and that the gateway forwards.

A server may refuse a legal request: it has understood that it is one, answers 4xx or 5xx, and stays in step. Each such
case needs a rule here with its reason; a refusal without a rule fails the run, and so does a rule that nothing matches.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """`pattern` is searched for in `<case> -> <request or finding>`."""

    server: str
    pattern: str
    reason: str

    def covers(self, server, case, text):
        return server == self.server and re.search(self.pattern, f"{case} -> {text}") is not None


REFUSALS = (
    Rule("nginx", r"two If-None-Match", "a field that is no list comes twice"),
    Rule("haproxy", r"a long name", "it takes names of up to 255 bytes"),
    Rule("apache", r"-> \S+ \S+ host=\S*(~|\.[0-9]|\b0 )",
         "it takes names of DNS only: no `~`, no label in front that is a number"),
    Rule("lighttpd", r"-> \S+ \S+ host=\S*([~_]|\.[0-9]|\b0 )",
         "it takes names of DNS only: no `~` and `_`, no label in front that is a number"),
    Rule("tomcat", r"-> \S+ \S+ host=\S*[~_]", "it takes names of DNS only: no `~` and `_`"),
    Rule("tomcat", r"-> \S+ \S*[][]",
         "brackets are not in RFC 3986's path or query; relaxedQueryChars would allow them"),
    Rule("lighttpd", r"-> \S+ \S*\?\S*%(00|c0)",
         "it decodes the query, too, and refuses controls and overlong UTF-8 in it"),
    Rule("jetty", r"obs-text in Accept", "of fields it knows, it decodes the value"),
    Rule("lighttpd", r"-> POST \S+ host=\S* body=0:", "411 for POST without any length: it wants `Content-Length: 0`"),
)

# Readings that differ from what was sent, where the fault is the server's and no gateway that streams can help.
READINGS = (
    Rule("uvicorn", r"\? host", "ASGI has no raw target, and cannot say that an empty query was there"),
    Rule("gunicorn", r"an unfinished request", "at the end of the connection a body with Content-Length is handed "
         "to the application as it is, short; the application has to compare"),
)


def find(rules, server, case, text):
    return next((rule for rule in rules if rule.covers(server, case, text)), None)
