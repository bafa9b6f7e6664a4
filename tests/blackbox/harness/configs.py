"""Configurations as dicts, as small as each test allows. Every call makes a new one: tests change them freely."""

LOOPBACK = "127.0.0.1:0"


def base(services, routes, **more):
    """One worker on free ports. `services` maps names to URLs, or to whole service entries."""
    entries = {name: entry if isinstance(entry, dict) else {"endpoints": [entry]} for name, entry in services.items()}
    config = {
        "listeners": [{"address": LOOPBACK}],
        "admin": {"address": LOOPBACK},
        "workers": 1,
        "timeouts": {"drain": "5s"},
        "services": entries,
        "routes": routes,
    }
    config.update(more)
    return config


def public(url, route=None, **more):
    """Everything goes to one backend, without a token."""
    return base({"backend": url}, [{"path": "/", "service": "backend", "public": True, **(route or {})}], **more)


def with_timeouts(config, **timeouts):
    """Adds to the `timeouts` of the client's side."""
    config["timeouts"] = {**config["timeouts"], **timeouts}
    return config


def service(url, **timeouts):
    """A service entry with time-outs of its own."""
    return {"endpoints": [url], "timeouts": timeouts}


def authentication(issuer, jwks, **more):
    """The `authentication` section for one issuer; `jwks` is {"file": ...} or {"url": ...}."""
    entry = {"issuer": issuer.name, "audiences": [issuer.audience], "algorithms": list(issuer.keys), "jwks": jwks}
    return {"clock_skew": "30s", "issuers": [entry], **more}
