"""Waiting for something that happens in another process: always bounded, never a bare sleep."""

import time

# The longest any single wait of the tests may take; generous, so that a sanitizer build passes too.
TIMEOUT = 10.0
_INTERVAL = 0.01


def eventually(probe, what, timeout=TIMEOUT):
    """Calls `probe` until it returns something true, and returns that; fails with `what` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {timeout} s: {what} (last: {value!r})")
        time.sleep(_INTERVAL)
