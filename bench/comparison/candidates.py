"""Who is compared: the rows of the tables."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A row of the report. `program` names the proxy process (Stage.program); two rows may share one."""
    key: str
    title: str
    program: str
    with_token: bool = False


FLOOR = Candidate("floor", "bare relay (the floor)", "floor")
NGINX = Candidate("nginx", "nginx, plain", "nginx")
NGINX_TOKEN = Candidate("nginx-token", "nginx, plain, token in the request", "nginx", with_token=True)
NGINX_LARGE = Candidate("nginx", "nginx, large buffers, no temporary files", "nginx-large")
HAPROXY = Candidate("haproxy", "HAProxy, plain", "haproxy")
HAPROXY_FULL = Candidate("haproxy-full", "HAProxy: RS256, claims, rate, log", "haproxy-full", with_token=True)
LOTAGATE = Candidate("lotagate", "Lotagate, plain (public route)", "lotagate")
LOTAGATE_FULL = Candidate("lotagate-full", "Lotagate: RS256, roles, rate, log, metrics", "lotagate-full", with_token=True)
# The same pipeline with other rate limits: what they cost.
UNLIMITED = Candidate("unlimited", "Lotagate without rate limits", "lotagate-unlimited", with_token=True)
LOCAL_LIMITS = Candidate("local-limits", "Lotagate, two local limits", "lotagate-local-limits", with_token=True)
LIMITS = Candidate("limits", "Lotagate, two local limits and a shared one", "lotagate-limits", with_token=True)
