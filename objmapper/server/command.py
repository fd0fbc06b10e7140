"""The command line of ``serve``: what a client needs is printed, then READY, then it serves."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from objmapper.server.embedding import EmbeddedServer
from objmapper.server.options import KINDS, SPOKEN, from_arguments
from objmapper.server.serving import LOOPBACK, Running


def parser() -> argparse.ArgumentParser:
    """The arguments, in the words of the embedded URL's options."""
    arguments = argparse.ArgumentParser(
        prog="python -m objmapper serve",
        description="Serves an embedded server on this machine's loopback until SIGTERM.",
    )
    arguments.add_argument("kind", help=f"which server: {', '.join(KINDS)}")
    arguments.add_argument("--host", default="127.0.0.1", help=f"one of {', '.join(LOOPBACK)}")
    arguments.add_argument("--port", type=int, default=0, help="0, the default, takes a free one")
    arguments.add_argument(
        "--user",
        action="append",
        metavar="NAME:PASSWORD",
        help="may be repeated; the first is the superuser; default: admin, a random password",
    )
    arguments.add_argument(
        "--token", action="append", metavar="NAME:TOKEN", help="a personal access token of a user"
    )
    arguments.add_argument("--version", metavar="X.Y", help=f"what it speaks; here {SPOKEN}")
    arguments.add_argument(
        "--seed",
        metavar="PxT",
        help="P projects of T tasks each, with labels and three jobs a task",
    )
    arguments.add_argument("--path", metavar="FILE", help="keeps the state in an SQLite file")
    arguments.add_argument(
        "--check",
        action="store_true",
        help="holds every request and answer against the written contract",
    )
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Serves until SIGTERM or Ctrl-C, and returns the exit status; for the main thread only."""
    arguments = parser()
    given = arguments.parse_args(argv)
    try:
        server = EmbeddedServer(from_arguments(vars(given)))
    except (OSError, ValueError) as error:
        arguments.error(str(error))
    try:
        running = Running(server, given.host, given.port)
    except (OSError, ValueError) as error:
        server.close()
        arguments.error(str(error))
    previous = _on_signals()
    try:
        with suppress(_EndedError), running:
            _announce(running)
            running.serve_forever()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return 0


class _EndedError(Exception):
    """A signal asked for the end."""


def _on_signals() -> dict[signal.Signals, Any]:
    """SIGTERM and Ctrl-C end the main thread's wait by an exception; a second one is ignored.

    An exception, as a handler that took the lock of what the main thread waits on could block.
    """
    numbers = (signal.SIGTERM, signal.SIGINT)

    def end(*_: object) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise _EndedError

    return {number: signal.signal(number, end) for number in numbers}


def _announce(running: Running) -> None:
    kind = running.server.options.kind.upper()
    name, password = running.server.users[0]
    lines = {"URL": running.url, "USER": name, "PASSWORD": password}
    for word, value in lines.items():
        sys.stdout.write(f"{kind}_{word}={value}\n")
    sys.stdout.write("READY\n")
    sys.stdout.flush()
