"""Turns: one thread at a time, whichever it is."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """Who has its turn may take another one inside it; who has not is told so at once."""

    def __init__(self) -> None:
        self._lock, self._pid = threading.RLock(), os.getpid()

    @contextmanager
    def if_free(self) -> Iterator[bool]:
        """Take a turn if no other thread has one, and say whether that was so."""
        lock = self._own_lock()
        free = lock.acquire(blocking=False)
        try:
            yield free
        finally:
            if free:
                lock.release()

    def _own_lock(self) -> threading.RLock:
        """Return the lock of this process: a fork's child has not the thread that holds its parent's."""
        if self._pid != os.getpid():
            self._lock, self._pid = threading.RLock(), os.getpid()
        return self._lock
