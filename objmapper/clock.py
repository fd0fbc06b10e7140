"""A clock that nobody sets: what it tells is good for how long ago something was, and for nothing else.

The time of day may be set back or forth at any instant, by hand or by what keeps machines right. What
was sent an hour before it was sent is not found again then.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial


def _running() -> Callable[[], float]:
    """Return what tells seconds that go on while the machine sleeps, as far as it has such a clock."""
    for name in ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"):  # Linux; macOS, whose monotonic() stops
        number = getattr(time, name, None)
        if number is None:
            continue
        with suppress(OSError):  # a kernel that is older than its library, or none
            time.clock_gettime(number)
            return partial(time.clock_gettime, number)
    return time.monotonic


#: Tells the seconds since some instant.
now: Callable[[], float] = _running()
