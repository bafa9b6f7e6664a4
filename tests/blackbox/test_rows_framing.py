"""Rows F01 to F10: where a request's body ends is never guessed. What could be read in two ways is refused, unheard."""

import re
import pathlib

import pytest

from harness import configs, http1
from harness.backend import answer_all, echo
from harness.scene import CHUNKED, HOST, SMUGGLED, Scene, get, post

EMPTY = b"0\r\n\r\n"


@pytest.fixture(name="scene", scope="module")
def _scene(module_gateway, module_backend):
    server = module_backend(answer_all(echo))
    return Scene(module_gateway(configs.public(server.url)), server)


@pytest.mark.parametrize("fields", [
    [b"Content-Length: 5", b"Transfer-Encoding: chunked"],
    [b"Transfer-Encoding: chunked", b"Content-Length: 5"],
    [b"content-length: 5", b"TRANSFER-ENCODING: Chunked"],
    [b"Content-Length: 0", b"Transfer-Encoding: chunked"],
    [b"Content-Length: five", b"Transfer-Encoding: chunked"],
    [b"Content-Length:", b"Transfer-Encoding: chunked"],
    [b"Content-Length: 5", b"Transfer-Encoding: identity"],
    [b"Content-Length: 5", b"Transfer-Encoding: gzip, chunked"],
    [b"Content-Length: 5", b"Transfer-Encoding:"],
    [b"Content-Length: 5", b"X-Between: 1", b"Transfer-Encoding: chunked", b"Content-Length: 5"],
])
def test_F01_length_and_coding(scene, fields):
    scene.refuse(post(*fields) + EMPTY + SMUGGLED, "bad_request")


@pytest.mark.parametrize("fields", [
    [b"Content-Length: 5", b"Content-Length: 6"], [b"Content-Length: 6", b"content-length: 5"],
    [b"Content-Length: 5", b"X-Between: 1", b"Content-Length: 0"], [b"Content-Length: 5, 6"], [b"Content-Length: 0, 5"],
    [b"Content-Length: 5", b"Content-Length: nonsense"],
])
def test_F02_different_lengths(scene, fields):
    scene.refuse(post(*fields) + b"hello" + SMUGGLED, "bad_request")


@pytest.mark.parametrize("fields", [
    [b"Content-Length: 5", b"Content-Length: 5"], [b"Content-Length: 5, 5"], [b"Content-Length: 5,5"],
    [b"Content-Length: 5,"], [b"Content-Length: ,5"], [b"Content-Length: 0", b"Content-Length: 0"],
])
def test_F03_the_same_length_twice(scene, fields):
    scene.refuse(post(*fields) + b"hello" + SMUGGLED, "bad_request")


@pytest.mark.parametrize("text", [
    b"+5", b"-5", b"-0", b"0x5", b"0X5", b"5.0", b"5.", b"5e1", b"1_0", b'"5"', b"5;x", b"5 5", b'"5 5"', b"5\t5", b"",
    b" ",
    b"\x005", b"5\x00", b"\xa05", b"5\xa0", b"\xc2\xa05", b"\xd9\xa5", b"\xef\xbc\x95", b"\xb2", b"five", b"5h",
    b"\x0b5", b"5\x0c",
    b"5\x7f", b"1,000", b"5%", b"5\xff",
])
def test_F04_odd_lengths(scene, text):
    scene.refuse(post(b"Content-Length: " + text) + b"hello" + SMUGGLED, "bad_request")


@pytest.mark.parametrize("text", [b" 5", b"5", b"5 ", b"\t5", b"5\t", b" \t 5 \t "])
def test_F04_white_space_around_a_length_is_no_part_of_it(scene, text):
    request = scene.accept(post(b"Content-Length:" + text) + b"hello")
    assert (request.get("Content-Length"), request.body) == ("5", b"hello")


@pytest.mark.parametrize("text", [
    b"9223372036854775807", b"9223372036854775808", b"9223372036854775813", b"18446744073709551615",
    b"18446744073709551616",
    b"18446744073709551621", b"4294967296", b"4294967301", b"99999999999999999999", b"1" + b"0" * 100,
    b"0" * 200 + b"1" + b"0" * 20,
])
def test_F05_lengths_beyond_any_body(scene, text):
    """2^32 + 5 and 2^64 + 5 would be 5 if anything wrapped."""
    scene.refuse(post(b"Content-Length: " + text) + b"hello" + SMUGGLED, "bad_request", "body_too_large")


def _address_space(instance):
    status = pathlib.Path(f"/proc/{instance.process.pid}/status").read_text(encoding="ascii")
    return int(re.search(r"VmPeak:\s+(\d+) kB", status)[1]) * 1024


def test_F05_nothing_is_allocated_for_a_length(gateway, backend):
    """A route that takes 1 TiB: the body is forwarded as it comes, and the number alone costs no memory."""

    def handler(connection):
        connection.finish(connection.read_head())  # raises Cut

    server = backend(handler)
    instance = gateway(configs.public(server.url, {"max_body": "1024GiB"}))
    assert instance.admin("/healthz").status == 200
    before = _address_space(instance)
    for number in range(5):
        with instance.client() as client:
            client.send(post(b"Content-Length: 1099511627776") + b"hello")
            server.wait_requests(number + 1)
            server.wait_for(lambda s, n=number: s.connections[n].received.endswith(b"hello"), "the body's start")
            assert server.requests[number].get("Content-Length") == "1099511627776"
        server.wait_disconnected(number)
    with instance.client() as client:
        client.send(post(CHUNKED.strip()) + b"ffffffff\r\nhello")
        server.wait_requests(6)
        server.wait_for(lambda s: b"hello" in s.connections[5].received, "the chunk's start")
        assert b"ffffffff" not in server.connections[5].received
    assert _address_space(instance) - before < 1024 ** 3  # an allocator reserves some of it for each thread


@pytest.mark.parametrize("text,size", [(b"00", 0), (b"010", 10), (b"0200", 200), (b"0000000000000000000005", 5), (b"0",
    0)])
def test_F06_a_leading_zero_is_decimal_and_written_anew(scene, text, size):
    request = scene.accept(post(b"Content-Length: " + text) + b"x" * size)
    assert (request.all("Content-Length"), request.body) == ([str(size)], b"x" * size)


@pytest.mark.parametrize("fields", [
    [b"Transfer-Encoding: chunked"], [b"Transfer-Encoding: chunked", b"Connection: keep-alive"],
    [b"Transfer-Encoding: chunked", b"Content-Length: 5"], [b"transfer-encoding: CHUNKED"],
    [b"Transfer-Encoding: gzip, chunked"],
    [b"Transfer-Encoding: identity"],
])
@pytest.mark.parametrize("method", [b"POST", b"GET"])
def test_F07_a_coding_in_http_1_0(scene, method, fields):
    data = method + b" / HTTP/1.0\r\n" + HOST + b"".join(field + b"\r\n" for field in fields) + b"\r\n"
    scene.refuse(data + EMPTY + SMUGGLED, "bad_request")


@pytest.mark.parametrize("text", [
    b"chunked, gzip", b"chunked, identity", b"identity", b"gzip", b"xchunked", b"chunk", b"chunkedx", b"chunked x",
    b"identity, chunked",
    b"chunked, gzip, chunked", b"", b"none", b"c hunked",
])
def test_F08_chunked_is_not_the_last_coding(scene, text):
    scene.refuse(post(b"Transfer-Encoding: " + text) + EMPTY + SMUGGLED, "bad_request")


@pytest.mark.parametrize("text", [b"gzip, chunked", b"deflate, gzip, chunked", b"x-own,chunked", b"gzip, CHUNKED"])
def test_F08_a_coding_before_chunked_is_not_implemented(scene, text):
    scene.refuse(post(b"Transfer-Encoding: " + text) + EMPTY + SMUGGLED, "not_implemented")


@pytest.mark.parametrize("fields", [
    [b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"],
    [b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"],
    [b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked"],
    [b"Transfer-Encoding: chunked", b"X: 1", b"transfer-encoding: x"],
    [b"Transfer-Encoding:", b"Transfer-Encoding: chunked"],
    [b"Transfer-Encoding: chunked, chunked"], [b"Transfer-Encoding: ,chunked"], [b"Transfer-Encoding: chunked,"],
    [b"Transfer-Encoding: chunked ,"], [b"Transfer-Encoding: ,,chunked"], [b"Transfer-Encoding: chunked;x=1"],
    [b"Transfer-Encoding: chunked;"], [b'Transfer-Encoding: "chunked"'], [b"Transfer-Encoding: 'chunked'"],
    [b"Transfer-Encoding: (x) chunked"],
])
def test_F09_chunked_twice_or_dressed_up(scene, fields):
    scene.refuse(post(*fields) + EMPTY + SMUGGLED, "bad_request")


@pytest.mark.parametrize("line", [b"Transfer-Encoding: Chunked", b"transfer-encoding:chunked",
    b"TRANSFER-ENCODING:\t chunked \t"])
def test_F09_case_and_white_space_do_not_matter(scene, line):
    request = scene.accept(post(line) + http1.chunked(b"hello", [2]))
    assert (request.all("Transfer-Encoding"), request.body) == (["chunked"], b"hello")


HIDERS = {"VT": b"\x0b", "FF": b"\x0c", "NUL": b"\x00", "DEL": b"\x7f", "NEL": b"\x85", "NBSP": b"\xa0",
    "0xFF": b"\xff", "CR": b"\r", "BS": b"\x08"}


@pytest.mark.parametrize("byte", HIDERS.values(), ids=list(HIDERS))
@pytest.mark.parametrize("place", ["before the name", "in the name", "behind the name", "before the value",
    "in the value", "behind the value"])
def test_F10_a_coding_hidden_by_a_byte(scene, byte, place):
    line = {
        "before the name": byte + b"Transfer-Encoding: chunked",
        "in the name": b"Transfer" + byte + b"-Encoding: chunked",
        "behind the name": b"Transfer-Encoding" + byte + b": chunked",
        "before the value": b"Transfer-Encoding: " + byte + b"chunked",
        "in the value": b"Transfer-Encoding: chu" + byte + b"nked",
        "behind the value": b"Transfer-Encoding: chunked" + byte,
    }[place]
    scene.refuse(post(b"Content-Length: 5", line) + EMPTY + SMUGGLED, "bad_request")
    scene.refuse(post(line) + EMPTY + SMUGGLED, "bad_request")


@pytest.mark.parametrize("line", [
    b"Transfer-Encoding : chunked", b"Transfer-Encoding\t: chunked", b" Transfer-Encoding: chunked",
    b"\tTransfer-Encoding: chunked",
    b"X: 1\r\n Transfer-Encoding: chunked", b"Transfer-Encoding:\r\n chunked", b"Transfer-Encoding: \r\n\tchunked",
    b"Transfer-Encoding: chu\r\n nked", b"Transfer\r-Encoding: chunked",
    b"Transfer-Encoding: x\rTransfer-Encoding: chunked",
    b"X: 1\nTransfer-Encoding: chunked", b"X: 1\rTransfer-Encoding: chunked", b"Transfer Encoding: chunked",
    b"Transfer-Encoding chunked",
    b'"Transfer-Encoding": chunked', b"Content-Length : 5", b"Content-Length\x00: 5", b"Content-Length\x0b: 5",
])
def test_F10_a_coding_hidden_by_white_space(scene, line):
    scene.refuse(post(line) + EMPTY + SMUGGLED, "bad_request")


@pytest.mark.parametrize("name", [
    b"Transfer_Encoding", b"transfer_encoding", b"TRANSFER.ENCODING", b"Content_Length", b"content.length",
    b"Content_length",
])
def test_F10_an_alias_is_no_framing_and_ends_at_the_gateway(scene, name):
    request = scene.accept(get(name + b": 5", b"X-Kept: 1"))
    assert request.body == b"" and not request.has("Content-Length") and not request.chunked
    assert request.get("X-Kept") == "1" and not request.has(name.decode())
