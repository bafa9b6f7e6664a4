"""Sends planned requests with Python's http.client. Usage: http_client.py PLAN; one JSON line a result on stdout."""

import base64
import hashlib
import http.client
import json
import sys
import threading

THREADS = 4


def body_of(case):
    body = case["body"]
    if body is None:
        return None
    pattern = base64.b64decode(body["pattern"])
    data = (pattern * (body["size"] // len(pattern) + 1))[: body["size"]]
    pieces = case["options"].get("pieces")
    if not pieces:
        return data
    size = max(1, len(data) // pieces)
    return (data[at : at + size] for at in range(0, len(data), size))  # of unknown length: chunked


def send(connection, case):
    connection._http_vsn, connection._http_vsn_str = (
        (10, "HTTP/1.0") if case["options"].get("http10") else (11, "HTTP/1.1")
    )
    names = [name.lower() for name, _ in case["fields"]]
    if len(set(names)) == len(names):
        connection.request(case["method"], case["target"], body_of(case), dict(case["fields"]))
        return
    skip = {"skip_host": "host" in names, "skip_accept_encoding": "accept-encoding" in names}
    connection.putrequest(case["method"], case["target"], **skip)
    body = body_of(case)
    for name, value in case["fields"]:
        connection.putheader(name, value)
    if isinstance(body, bytes):
        connection.putheader("Content-Length", str(len(body)))
    elif body is not None:
        connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders(body, encode_chunked=not isinstance(body, bytes))


def perform(connection, case):
    send(connection, case)
    response = connection.getresponse()
    digest, size = hashlib.sha256(), 0
    while data := response.read(65536):
        digest.update(data)
        size += len(data)
    head = {"status": response.status, "reason": response.reason, "fields": response.getheaders()}
    return {**head, "size": size, "sha256": digest.hexdigest()}


def run(port, cases, lock):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    while True:
        with lock:
            case = next(cases, None)
        if case is None:
            break
        try:
            result = perform(connection, case)
        except (OSError, http.client.HTTPException) as failure:
            result = {"error": repr(failure)}
            connection.close()
        with lock:
            print(json.dumps({"name": case["name"], **result}), flush=True)
    connection.close()


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        plan = json.load(file)
    cases, lock = iter(plan["cases"]), threading.Lock()
    threads = [threading.Thread(target=run, args=(plan["port"], cases, lock)) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


main()
