"""The server of other processes: canned pages, so that what is measured is the client's work alone.

``python -m benchmarks.origin ROWS PAGE [DELAY]`` prints its port and serves until its input ends. A write
is answered with the record that it names, changed as it says, DELAY seconds later.
``python -m benchmarks.origin relay ADDRESS DELAY`` stands before another server, and lets every request
wait so long.
"""

from __future__ import annotations

import json
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from subprocess import PIPE, Popen
from typing import BinaryIO
from urllib.parse import urlsplit

from benchmarks.records import record

PAGE = re.compile(rb"[?&]page=(\d+)")
KEY = re.compile(rb"/(\d+)/? ")
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def answer(value: object) -> bytes:
    """Return a JSON answer, head and body."""
    body = json.dumps(value).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def canned(rows: int, size: int, port: int) -> list[bytes]:
    """Return the answers, head and body, of all pages of *rows* records."""
    answers = []
    last = -(-rows // size)
    for number in range(1, last + 1):
        start = (number - 1) * size + 1
        link = f"http://127.0.0.1:{port}/tasks/?page={number + 1}&page_size={size}"
        page = {
            "count": rows,
            "next": link if number < last else None,
            "previous": None,
            "results": [record(key) for key in range(start, min(start + size, rows + 1))],
        }
        answers.append(answer(page))
    return answers


def read_head(file: BinaryIO) -> bytes:
    """Return the head of a connection's next request; nothing of one that has ended."""
    lines: list[bytes] = []
    while line := file.readline():
        if line == b"\r\n":
            return b"".join(lines)
        lines.append(line)
    return b""


def serve(connection: socket.socket, answers: list[bytes], delay: float) -> None:
    """Answer each request of one connection: a page, or the record that is written."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection, connection.makefile("rb") as file:
        while head := read_head(file):
            line = head.partition(b"\r\n")[0]
            length = LENGTH.search(head)
            body = file.read(int(length[1])) if length else b""
            if line.startswith(b"GET "):
                page = PAGE.search(line)
                connection.sendall(answers[int(page[1]) - 1 if page else 0])
                continue
            key = KEY.search(line)
            assert key, line
            written = answer({**record(int(key[1])), **json.loads(body)})
            time.sleep(delay)
            connection.sendall(written)


def relay(connection: socket.socket, address: tuple[str, int], delay: float) -> None:
    """Pass on what comes on one connection, *delay* seconds later, and the answers at once."""
    with connection, socket.create_connection(address) as server:
        for end in (connection, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def back() -> None:
            with suppress(OSError):
                while piece := server.recv(65536):
                    connection.sendall(piece)
                connection.shutdown(socket.SHUT_RDWR)

        threading.Thread(target=back, daemon=True).start()
        with suppress(OSError):
            while piece := connection.recv(65536):
                time.sleep(delay)
                with suppress(BlockingIOError):  # head and body may come one by one
                    piece += connection.recv(65536, socket.MSG_DONTWAIT)
                server.sendall(piece)
        # What waits for the server's next word keeps a socket open that is only closed: Kinto takes a
        # hundred connections, and no others until it has tidied up, half a minute later.
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)


@contextmanager
def running(*arguments: object) -> Iterator[str]:
    """Run this module in a process of its own; yield its base URL."""
    command = [sys.executable, "-m", "benchmarks.origin", *map(str, arguments)]
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.communicate()


def origin(rows: int, size: int, delay: float = 0.0) -> AbstractContextManager[str]:
    """Run the server of canned pages; yield its base URL."""
    return running(rows, size, delay)


def relayed(url: str, delay: float) -> AbstractContextManager[str]:
    """Run what stands before the server at *url*; yield its base URL."""
    return running("relay", urlsplit(url).netloc, delay)


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    serving: Callable[[socket.socket], None]
    if sys.argv[1] == "relay":
        host, _, upstream = sys.argv[2].rpartition(":")
        delay = float(sys.argv[3])
        serving = partial(relay, address=(host, int(upstream)), delay=delay)
    else:
        rows, size = map(int, sys.argv[1:3])
        serving = partial(serve, answers=canned(rows, size, port), delay=float(sys.argv[3]))
    print(port, flush=True)

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serving, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
