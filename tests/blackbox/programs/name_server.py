"""A backend as a process of its own, to be killed: answers every GET with its name and the target, on kept connections.

Usage: name_server.py PORT NAME. Prints `listening` once clients can connect. Every answer is small and sent at once, so
that a kill -9 finds it either wholly with the kernel or not begun.
"""

import socket
import sys
import threading


def serve(sock, name):
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    pending = b""
    while data := sock.recv(65536):
        pending += data
        while (end := pending.find(b"\r\n\r\n")) >= 0:
            target = pending[:end].split(b" ", 2)[1]
            pending = pending[end + 4 :]
            body = b"%b %b" % (name, target)
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


def serve_until_gone(sock, name):
    try:
        serve(sock, name)
    except ConnectionError:
        pass
    finally:
        sock.close()


def main():
    port, name = int(sys.argv[1]), sys.argv[2].encode()
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(1024)
    print("listening", flush=True)
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=serve_until_gone, args=(sock, name), daemon=True).start()


main()
