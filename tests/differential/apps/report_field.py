"""The value of X-Read (see readings.py) for the applications in Python."""

import base64
import hashlib


def _base64(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode("latin-1")).decode()


def value(method, target, host, body):
    return f"{_base64(method)}.{_base64(target)}.{_base64(host or '')}.{len(body)}.{hashlib.sha1(body).hexdigest()}"
