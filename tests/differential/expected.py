"""What servers are known to make of requests that are legal, and that the gateway forwards.

A server may refuse a legal request: it has understood that it is one, answers 4xx or 5xx, and stays in step. Each such case
needs a rule here with its reason; a refusal without a rule fails the run, and so does a rule that nothing matches.
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
    Rule("lighttpd", r"-> POST \S+ host=\S* body=0:", "411 for POST without any length: it wants `Content-Length: 0`"),
)

# Readings that differ from what was sent, where the fault is the server's and no gateway that streams can help.
READINGS = (
    Rule("gunicorn", r"^\S+ .* -> \('an unfinished request", "at the end of the connection a body with Content-Length is handed "
         "to the application as it is, short; the application has to compare"),
)


def find(rules, server, case, text):
    return next((rule for rule in rules if rule.covers(server, case, text)), None)
