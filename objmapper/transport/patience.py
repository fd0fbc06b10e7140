"""How long a thread waits before it sends something again: no longer than who has it sent does.

A commit has a deadline, and Ctrl-C ends it; what a server asks to send again in two minutes is not
waited for beyond that.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Says that nothing is to be sent again any more.
Over = Callable[[], bool]
#: Seconds between two looks of who waits at whether it is over.
_GLANCE = 0.05


class _Asked(threading.local):
    over: Over | None = None


_asked = _Asked()


@contextmanager
def until(over: Over | None) -> Iterator[None]:
    """Have this thread send nothing again in the block once it is *over*; None: whatever happens."""
    before = _asked.over
    _asked.over = over
    try:
        yield
    finally:
        _asked.over = before


def asked() -> Over | None:
    """Return what this thread heeds, for another thread that works for it."""
    return _asked.over


def wait(seconds: float, closed: threading.Event) -> bool:
    """Wait that long, or until *closed*, or until it is over; return whether it is not."""
    over = _asked.over
    if over is None:
        closed.wait(seconds)
        return True
    end = time.monotonic() + seconds
    while not over():
        left = end - time.monotonic()
        if left <= 0 or closed.wait(min(left, _GLANCE)):
            return True
    return False
