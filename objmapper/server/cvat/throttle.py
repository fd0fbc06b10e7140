"""The throttle: who asks without credentials may do so a hundred times a minute.

Each answer counts that such a request can get, a refused login among them; a refusal here does not
(Django REST framework's window; the figures and the words are recorded from CVAT 2.15).
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable

from objmapper.server.cvat.errors import Throttled

LIMIT, SECONDS = 100, 60.0


class Throttle:
    """Counts the requests of one minute by the address they come from.

    >>> throttle = Throttle(limit=1, clock=lambda: 7.0)
    >>> throttle.check("127.0.0.1")
    >>> throttle.check("127.0.0.1")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    objmapper.server.cvat.errors.Throttled: ...
    """

    def __init__(self, *, limit: int = LIMIT, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit, self._clock = limit, clock
        self._lock = threading.Lock()
        self._came: dict[str, deque[float]] = {}

    def check(self, address: str) -> None:
        """Counts one more request, or refuses it with the seconds until the next is taken."""
        with self._lock:
            now = self._clock()
            came = self._came.setdefault(address, deque())
            while came and came[0] <= now - SECONDS:
                came.popleft()
            if len(came) >= self._limit:
                raise Throttled(math.ceil(SECONDS - (now - came[0])))
            came.append(now)
