"""A small strict reader of HTTP/1.1 messages, for the client's side and for the backend's.

It accepts only what the gateway may write: CRLF line ends, one framing per message, canonical chunks. Anything else
is a ProtocolError, so that every test also checks the gateway's own output.
"""

import json
import re
import socket
from dataclasses import dataclass, field

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9]) ([\t\x20-\x7e\x80-\xff]*)")
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb") ([\x21-\x7e]+) HTTP/1\.([01])")
_FIELD = re.compile(rb"(" + _TOKEN + rb"):[ \t]*((?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?)[ \t]*")
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}")
_RECEIVE_BYTES = 64 * 1024
_MAX_LINE = 256 * 1024


class ProtocolError(AssertionError):
    """The peer wrote something that is not strict HTTP/1.1."""


class Closed(ConnectionError):
    """The peer closed the connection before the first byte of a message."""


class Cut(ConnectionError):
    """The peer broke off inside a message; `partial` is the body up to there."""

    def __init__(self, text, partial=b""):
        super().__init__(text)
        self.partial = partial


class Reader:
    """Buffered reading from a socket that has a time-out; `record` sees every byte received."""

    def __init__(self, sock, record=None):
        self._sock = sock
        self._record = record
        self.buffer = bytearray()
        self.eof = False

    def fill(self):
        """Receives once. Returns False at the end of the stream or after a reset."""
        if self.eof:
            return False
        try:
            data = self._sock.recv(_RECEIVE_BYTES)
        except socket.timeout:
            raise AssertionError(f"nothing received in time; buffered: {bytes(self.buffer[:200])!r}") from None
        except (ConnectionResetError, BrokenPipeError):
            data = b""
        if not data:
            self.eof = True
            return False
        if self._record:
            self._record(data)
        self.buffer += data
        return True

    def line(self):
        """The next line without its CRLF."""
        searched = 0
        while (end := self.buffer.find(b"\n", searched)) < 0:
            searched = len(self.buffer)
            if searched > _MAX_LINE:
                raise ProtocolError("a line without an end")
            if not self.fill():
                raise Cut(f"closed inside a line: {bytes(self.buffer[:200])!r}")
        line = bytes(self.buffer[: end + 1])
        del self.buffer[: end + 1]
        if not line.endswith(b"\r\n"):
            raise ProtocolError(f"line ends without CR: {line!r}")
        return line[:-2]

    def some(self, limit):
        """Between 1 and `limit` bytes; empty at the end of the stream."""
        if not self.buffer and not self.fill():
            return b""
        data = bytes(self.buffer[:limit])
        del self.buffer[:limit]
        return data


@dataclass
class Message:
    """One request or response; `fields` keeps order, case and repetitions."""

    version: int = 1  # the minor version: HTTP/1.`version`
    fields: list = field(default_factory=list)
    trailers: list = field(default_factory=list)
    body: bytes = b""
    complete: bool = False
    method: str = ""
    target: str = ""
    status: int = 0
    reason: str = ""
    interim: list = field(default_factory=list)  # 1xx responses that came before

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def get(self, name, default=None):
        """The only value of a field; a field that came twice is a failure."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} came {len(values)} times: {values}"
        return values[0] if values else default

    def has(self, name):
        return bool(self.all(name))

    def tokens(self, name):
        """The comma-separated members of all lines of a field, lower case."""
        return [item.strip().lower() for value in self.all(name) for item in value.split(",") if item.strip()]

    def json(self):
        return json.loads(self.body.decode("utf-8"))

    @property
    def chunked(self):
        return self.has("Transfer-Encoding")


def _read_fields(reader):
    fields = []
    while line := reader.line():
        match = _FIELD.fullmatch(line)
        if not match:
            raise ProtocolError(f"bad field line: {line!r}")
        fields.append((match[1].decode("latin-1"), match[2].decode("latin-1")))
    return fields


def _check_framing(message):
    lengths, codings = message.all("Content-Length"), message.all("Transfer-Encoding")
    if len(lengths) > 1 or len(codings) > 1 or (lengths and codings):
        raise ProtocolError(f"ambiguous framing: {message.fields}")
    if lengths and not re.fullmatch(r"0|[1-9][0-9]*", lengths[0]):
        raise ProtocolError(f"Content-Length {lengths[0]!r}")
    if codings and (codings[0] != "chunked" or message.version == 0):
        raise ProtocolError(f"Transfer-Encoding {codings[0]!r} in HTTP/1.{message.version}")


def read_request_head(reader):
    """The next request head; Closed if the peer closed instead."""
    if not reader.buffer and not reader.fill():
        raise Closed("no further request")
    line = reader.line()
    match = _REQUEST_LINE.fullmatch(line)
    if not match:
        raise ProtocolError(f"bad request line: {line!r}")
    request = Message(method=match[1].decode(), target=match[2].decode(), version=int(match[3]))
    request.fields = _read_fields(reader)
    if len(request.all("Host")) != 1:
        raise ProtocolError(f"not exactly one Host: {request.fields}")
    _check_framing(request)
    return request


def read_response_head(reader, method="GET"):
    """The next final response head with the 1xx heads before it in `interim`; Closed if the peer closed instead."""
    if not reader.buffer and not reader.fill():
        raise Closed("closed instead of a response")
    interim = []
    while True:
        response = read_one_response_head(reader, method)
        if response.status >= 200 or response.status == 101:
            response.interim = interim
            return response
        interim.append(response)


def read_one_response_head(reader, method="GET"):
    """The next response head, also a 1xx."""
    line = reader.line()
    match = _STATUS_LINE.fullmatch(line)
    if not match:
        raise ProtocolError(f"bad status line: {line!r}")
    response = Message(method=method, version=int(match[1]), status=int(match[2]), reason=match[3].decode("latin-1"))
    response.fields = _read_fields(reader)
    _check_framing(response)
    if (response.status < 200 or response.status == 204) and (response.has("Content-Length") or response.chunked):
        raise ProtocolError(f"{response.status} with a framing field")
    return response


def has_no_body(message):
    """RFC 9112 6.3: the answers that end with their head."""
    if not message.status:
        return not message.chunked and message.get("Content-Length", "0") == "0"
    return message.method == "HEAD" or message.status in (204, 304) or message.status < 200


def body_parts(reader, message):
    """Yields the body as it arrives: one item per chunk, or per receive. Sets `complete` and `trailers`."""
    if has_no_body(message):
        pass
    elif message.chunked:
        yield from _chunks(reader, message)
    elif message.has("Content-Length"):
        yield from _counted(reader, int(message.get("Content-Length")))
    else:
        while part := reader.some(_RECEIVE_BYTES):
            yield part
    message.complete = True


def _counted(reader, left):
    while left:
        part = reader.some(min(left, _RECEIVE_BYTES))
        if not part:
            raise Cut(f"closed with {left} bytes of Content-Length missing")
        left -= len(part)
        yield part


def _chunks(reader, message):
    while True:
        line = reader.line()
        if not _CHUNK_SIZE.fullmatch(line):
            raise ProtocolError(f"bad chunk size line: {line!r}")
        size = int(line, 16)
        if size == 0:
            message.trailers = _read_fields(reader)
            return
        yield b"".join(_counted(reader, size))
        if reader.line():
            raise ProtocolError("chunk data longer than its size")


def read_body(reader, message):
    """Reads the whole body into `message.body`. Cut (with what came) if the peer broke off."""
    parts = []
    try:
        for part in body_parts(reader, message):
            parts.append(part)
    except Cut as cut:
        raise Cut(str(cut), b"".join(parts)) from None
    message.body = b"".join(parts)
    return message


def chunk(data):
    """One chunk of the chunked coding; empty data gives the last one."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def chunked(data, sizes):
    """`data` in chunks of the given sizes (cycled), with the last chunk."""
    out, offset, turn = bytearray(), 0, 0
    while offset < len(data):
        size = sizes[turn % len(sizes)]
        out += chunk(data[offset : offset + size])
        offset += size
        turn += 1
    return bytes(out + b"0\r\n\r\n")


def fields_text(fields):
    return b"".join(_bytes(name) + b": " + _bytes(value) + b"\r\n" for name, value in fields)


def _bytes(text):
    return text if isinstance(text, bytes) else str(text).encode("latin-1")


def request_text(method, target, fields=(), body=None, host="gateway.test"):
    """A request as bytes: Host unless None, Content-Length for a body that is not None."""
    head = _bytes(method) + b" " + _bytes(target) + b" HTTP/1.1\r\n"
    if host is not None:
        head += b"Host: " + _bytes(host) + b"\r\n"
    head += fields_text(fields)
    if body is not None:
        head += b"Content-Length: %d\r\n" % len(body)
    return head + b"\r\n" + (body or b"")


def response_text(status, fields=(), body=None, reason="Any"):
    """A response as bytes: Content-Length for a body that is not None."""
    head = b"HTTP/1.1 %d %b\r\n" % (status, _bytes(reason)) + fields_text(fields)
    if body is not None:
        head += b"Content-Length: %d\r\n" % len(body)
    return head + b"\r\n" + (body or b"")
