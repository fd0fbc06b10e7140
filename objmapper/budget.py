"""A budget of requests: what a piece of code may ask of the server before somebody looks."""

from __future__ import annotations

import sys
import threading
from types import FrameType
from typing import Any

from objmapper.exceptions import RequestBudgetExceeded
from objmapper.operation import Request

_OURS = __name__.partition(".")[0]
#: What may stand between our code and that of the user.
_BETWEEN = frozenset({"contextlib", "threading", "concurrent.futures.thread"})


class Budget:
    """Counts requests, those of threads that work for its session too, and refuses one too many.

    What the transport sends again by itself is not counted.
    """

    def __init__(self, limit: int) -> None:
        asked: Any = limit
        if not isinstance(asked, int) or asked < 0:
            raise ValueError(f"A budget is a number of requests, 0 or more, not {limit!r}.")
        #: How many requests may be sent.
        self.limit: int = limit
        #: How many were sent.
        self.spent: int = 0
        self._lock = threading.Lock()

    def spend(self, request: Request) -> None:
        """Count *request*, which is about to be sent. Raises RequestBudgetExceeded."""
        with self._lock:
            if self.spent < self.limit:
                self.spent += 1
                return
        line = _line_of_user(sys._getframe(1))
        asked = f"at {line}" if line else "by a thread that works for the session"
        raise RequestBudgetExceeded(
            f"The budget is {self.limit} request{'s' * (self.limit != 1)}, and one more was asked for "
            f"{asked}: {request.method} {request.shown_path}. A relation that is loaded in a loop may "
            "be loaded for all its objects at once: prefetch_related(), FETCH_PEERS.",
            request,
            line,
        )


def _line_of_user(frame: FrameType | None) -> str | None:
    """Return which line of whose file has asked; None where no user's code has called us."""
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.partition(".")[0] != _OURS and module not in _BETWEEN:
            code = frame.f_code
            return f"{code.co_filename}:{frame.f_lineno} in {code.co_qualname}"
        frame = frame.f_back
    return None
