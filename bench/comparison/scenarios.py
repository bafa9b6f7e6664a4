"""What is compared: who is asked for what, over how many connections."""

import dataclasses

from . import candidates as who
from .configurations import LARGE, SMALL


@dataclasses.dataclass(frozen=True)
class Request:
    """What is asked and what must come back. With `upload_bytes` it is a POST that carries so much."""
    path: str
    answer: bytes
    upload_bytes: int = 0
    headers: tuple = ()


@dataclasses.dataclass(frozen=True)
class Scenario:
    """`connections`: one measurement for each number. `references`: the candidates that others are compared with."""
    key: str
    title: str
    request: Request
    candidates: tuple
    connections: tuple
    references: tuple = ("floor", "nginx")
    ratio_digits: int = 2


SMALL_GET = Request("/", SMALL)

# CPU per request under load.
LOADS = (
    Scenario("small", "small GET", SMALL_GET,
             (who.FLOOR, who.NGINX, who.NGINX_TOKEN, who.HAPROXY, who.HAPROXY_FULL, who.LOTAGATE, who.LOTAGATE_FULL),
             (64,)),
    Scenario("connections", "small GET", SMALL_GET, (who.FLOOR, who.NGINX, who.LOTAGATE, who.LOTAGATE_FULL),
             (1, 16, 64, 256, 1000)),
    Scenario("download", "response of 1 MiB", Request("/large", LARGE),
             (who.FLOOR, who.NGINX_LARGE, who.HAPROXY, who.LOTAGATE, who.LOTAGATE_FULL), (16,)),
    Scenario("upload", "upload of 64 KiB", Request("/upload", SMALL, upload_bytes=64 * 1024),
             (who.FLOOR, who.NGINX_LARGE, who.HAPROXY, who.LOTAGATE, who.LOTAGATE_FULL), (16,)),
    Scenario("limits", "small GET", SMALL_GET, (who.UNLIMITED, who.LOCAL_LIMITS, who.LIMITS), (64,),
             references=("unlimited",), ratio_digits=3),
)

# Memory without load: every connection made one request and is kept alive.
IDLE = Scenario("idle", "idle client connections", SMALL_GET,
                (who.NGINX, who.HAPROXY, who.LOTAGATE, who.LOTAGATE_FULL), (5000,))

SCENARIOS = {scenario.key: scenario for scenario in (*LOADS, IDLE)}
