"""Ctrl-C while something has to come to an orderly end, and waits that heed it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

#: Seconds between two looks of who waits at whether it is over.
_GLANCE = 0.05


def wait(seconds: float, over: Callable[[], bool]) -> bool:
    """Wait that long, or until it is *over*; return whether to go on."""
    end = time.monotonic() + seconds
    # Not an Event: a signal handler that says so must not meet its lock.
    while not over() and (left := end - time.monotonic()) > 0:
        time.sleep(min(left, _GLANCE))
    return not over()


@contextmanager
def orderly(stop: Callable[[], None]) -> Iterator[None]:
    """Call *stop* at the first Ctrl-C, in place of raising KeyboardInterrupt; the second raises.

    So an answer that has come is never lost between the socket and its object. Where the program
    handles SIGINT itself, and in other threads, which get none, nothing changes.
    """
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return

    def first(number: int, frame: Any) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop()

    signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is first:
            signal.signal(signal.SIGINT, signal.default_int_handler)
