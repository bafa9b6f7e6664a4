"""A gateway that lets only tokens in, for tables of tokens: which pass, and that all refusals look the same."""

import json

from harness import configs
from harness.problems import expect_problem
from harness.tokens import bearer, encode


def config(server, issuer, keys, authentication=None, **entry):
    """One route that needs a token of `issuer`. `keys`: its `jwks`, or {"secret_file": ...}; `entry` adds to the issuer."""
    section = configs.authentication(issuer, keys, **(authentication or {}))
    if "secret_file" in keys:
        del section["issuers"][0]["jwks"]
        section["issuers"][0].update(keys)
    section["issuers"][0].update(entry)
    return configs.base({"backend": server.url}, [{"path": "/", "service": "backend"}], authentication=section)


class Door:
    """A gateway whose `/` needs a token, the service behind it, and what every refusal has to look like."""

    def __init__(self, gateway, server, issuer):
        self.gateway = gateway
        self.server = server
        self.issuer = issuer
        self._looks = {}

    def accept(self, token, subject="alice"):
        seen = len(self.server.requests)
        assert self.gateway.get("/", bearer(token)).status == 200, token
        assert [request.get("X-Auth-Subject") for request in self.server.requests[seen:]] == [subject]

    def refuse(self, token, *reasons, code="invalid_token"):
        """401 without a word about why, nothing at the service; one of `reasons` in the log, and nothing of the token."""
        seen = len(self.server.requests)
        response = self.gateway.get("/", bearer(token))
        problem = expect_problem(response, code)
        assert response.status == 401 and len(self.server.requests) == seen
        look = ({name: value for name, value in problem.items() if name not in ("request_id", "instance")},
                sorted((name, value) for name, value in response.fields if name not in ("X-Request-Id", "Date", "Content-Length")))
        assert self._looks.setdefault(code, look) == look, "two refusals that differ"
        record, = self.gateway.wait_log(where=lambda line: line["request_id"] == response.get("X-Request-Id"))
        assert record["status"] == 401 and record["code"] == code and record["user"] is None
        assert record["reason"] in reasons, f"{record['reason']} for {token[:200]}"
        line = json.dumps(record, ensure_ascii=False)
        assert not [part for part in token.split(".") if len(part) > 8 and part in line], "a part of the token is in the log"

    def sign(self, key, claims=None, header=None, signature=None, **options):
        """A token of `key`; `signature` changes the bytes of its signature."""
        change = signature or (lambda good: good)
        head = {"alg": key.algorithm, "kid": key.kid, **(header or {})}
        return encode(head, claims or self.issuer.claims(), lambda data: change(key.sign(data, **options)))
