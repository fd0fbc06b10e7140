"""The command line of ``serve``: what a client needs is printed, then READY, then it serves."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from objmapper.server.embedding import EmbeddedServer
from objmapper.server.options import KINDS, from_arguments
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
        help="of cvat; may be repeated; the first is the superuser; default: admin, a random password",
    )
    arguments.add_argument(
        "--token",
        action="append",
        metavar="NAME:TOKEN",
        help="a token of a user; may be repeated; the first of simvue is the administrator's",
    )
    arguments.add_argument(
        "--version",
        metavar="X.Y",
        help=f"the version it speaks; default: the last of {_versions()}",
    )
    arguments.add_argument(
        "--seed",
        metavar="PxT",
        help="P projects of T tasks each, with labels and three jobs a task; P folders of T runs",
    )
    arguments.add_argument("--path", metavar="FILE", help="keeps the state in an SQLite file")
    arguments.add_argument(
        "--throttle",
        action="store_true",
        default=None,
        help="of cvat: refuses more than 100 requests a minute that come without credentials",
    )
    arguments.add_argument(
        "--check",
        action="store_true",
        default=None,
        help="holds every request and answer against the written contract",
    )
    arguments.add_argument(
        "--share", metavar="FOLDER", help="the folder that server_files are taken from"
    )
    arguments.add_argument(
        "--lag",
        type=int,
        metavar="N",
        help="background requests are done when they were asked for N times; default: at once",
    )
    arguments.add_argument(
        "--busy",
        type=int,
        metavar="N",
        help="each chunk and frame is refused N times, with 429, before it is sent",
    )
    arguments.add_argument(
        "--remote",
        action="store_true",
        default=None,
        help="remote_files of this machine's loopback are fetched; others never",
    )
    return arguments


def _versions() -> str:
    return "; ".join(f"{', '.join(kind.spoken)} ({name})" for name, kind in KINDS.items())


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
    with _ended() as ended, running:
        _announce(running)
        ended()
    return 0


@contextmanager
def _ended() -> Iterator[Callable[[], object]]:
    """A wait for SIGTERM or Ctrl-C, which may also come before it begins or more than once.

    Python itself writes a byte to the pipe that the wait reads, whichever thread the signal comes
    to. A handler would run in the main thread only, which sleeps on when another thread got it;
    and one that raises or sets an event may do so while the main thread holds that event's lock.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    woken = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    numbers = (signal.SIGTERM, signal.SIGINT)
    previous = {number: signal.signal(number, lambda *_: None) for number in numbers}
    try:
        yield lambda: os.read(reading, 1)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(woken)
        os.close(reading)
        os.close(writing)


def _announce(running: Running) -> None:
    kind = running.server.options.kind.upper()
    for word, value in {"URL": running.url, **running.server.credentials}.items():
        sys.stdout.write(f"{kind}_{word}={value}\n")
    sys.stdout.write("READY\n")
    sys.stdout.flush()
