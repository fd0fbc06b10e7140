"""A CVAT 2.80 that takes uploads and keeps nothing, so that what is measured is the client's work.

``python -m benchmarks.sink`` prints its port and serves until its input ends.
"""

from __future__ import annotations

import json
import re
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from subprocess import PIPE, Popen

from benchmarks.origin import LENGTH, read_head

ABOUT = {"name": "sink", "description": "", "version": "2.80.0", "logo_url": "", "subtitle": ""}
TASK = {
    "id": 1,
    "name": "t",
    "size": 2000,
    "organization": None,
    "target_storage": None,
    "jobs": {"count": 1, "completed": 0, "validation": 0, "url": ""},
    "labels": {"url": ""},
}
REQUEST = {
    "id": "r",
    "status": "finished",
    "message": "",
    "operation": {"type": "create:task", "target": "task", "task_id": 1},
    "created_date": "2026-11-21T00:00:00Z",
    "result_url": None,
    "result_id": None,
}
COOKIES = "Set-Cookie: sessionid=s; Path=/\r\nSet-Cookie: csrftoken=c; Path=/\r\n"


def answered(head: bytes) -> bytes:
    """Return the answer to a request, by its head."""
    line = head.partition(b"\r\n")[0].decode()
    method, path, _ = line.split(" ")
    status, value, more = 200, None, ""
    if path.endswith("/server/about"):
        value = ABOUT
    elif path.endswith("/auth/login"):
        value, more = {"key": "k"}, COOKIES
    elif path.endswith("/data/"):
        if re.search(rb"\r\nupload-start:", head, re.IGNORECASE):
            status = 202
        elif re.search(rb"\r\nupload-finish:", head, re.IGNORECASE):
            status, value = 202, {"rq_id": "r"}
    elif "/requests/" in path:
        value = REQUEST
    elif "/tasks" in path:
        status, value = (201 if method == "POST" else 200), TASK
    body = b"" if value is None else json.dumps(value).encode()
    kind = "" if value is None else "Content-Type: application/vnd.cvat+json\r\n"
    told = f"HTTP/1.1 {status} OK\r\n{kind}{more}Content-Length: {len(body)}\r\n\r\n"
    return told.encode() + body


def serve(connection: socket.socket) -> None:
    """Take the requests of one connection, and drop what they bring."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    piece = bytearray(2**20)
    with connection, connection.makefile("rb", buffering=2**14) as file:
        while head := read_head(file):
            length = LENGTH.search(b"\r\n" + head)
            left = int(length[1]) if length else 0
            left -= len(file.read(min(left, len(file.peek()))) if left else b"")
            while left:
                # The kernel drops it and copies nothing: the server shall not be what is measured.
                count = connection.recv_into(piece, min(left, len(piece)), socket.MSG_TRUNC)
                left -= count or left
            connection.sendall(answered(head))


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    sys.stdin.read()


@contextmanager
def sink() -> Iterator[str]:
    """Serve in another process; yield the address."""
    with Popen(
        [sys.executable, "-m", "benchmarks.sink"], stdin=PIPE, stdout=PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.stdin.close()


if __name__ == "__main__":
    main()
