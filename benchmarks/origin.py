"""A server in a process of its own that answers with canned bytes: all it costs is its own.

``python -m benchmarks.origin ROWS PAGE`` prints its port and serves until its input ends.
"""

from __future__ import annotations

import json
import re
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import PIPE, Popen

from benchmarks.records import record

PAGE = re.compile(rb"[?&]page=(\d+)")


def canned(rows: int, size: int, port: int) -> list[bytes]:
    """Return the answers, head and body, of all pages of *rows* records."""
    answers = []
    last = -(-rows // size)
    for number in range(1, last + 1):
        start = (number - 1) * size + 1
        link = f"http://127.0.0.1:{port}/tasks/?page={number + 1}&page_size={size}"
        body = json.dumps(
            {
                "count": rows,
                "next": link if number < last else None,
                "previous": None,
                "results": [record(key) for key in range(start, min(start + size, rows + 1))],
            }
        ).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        answers.append(head.encode() + b"\r\n\r\n" + body)
    return answers


def serve(connection: socket.socket, answers: list[bytes]) -> None:
    """Answer each request of one connection with the page that it names."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    waiting = b""
    with connection:
        while True:
            while b"\r\n\r\n" not in waiting:
                piece = connection.recv(65536)
                if not piece:
                    return
                waiting += piece
            head, _, waiting = waiting.partition(b"\r\n\r\n")
            page = PAGE.search(head.partition(b"\r\n")[0])
            connection.sendall(answers[int(page[1]) - 1 if page else 0])


@contextmanager
def origin(rows: int, size: int) -> Iterator[str]:
    """Run the server; yield its base URL."""
    command = [sys.executable, "-m", "benchmarks.origin", str(rows), str(size)]
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.communicate()


def main() -> None:
    rows, size = map(int, sys.argv[1:])
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    answers = canned(rows, size, port)
    print(port, flush=True)

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=(connection, answers), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
