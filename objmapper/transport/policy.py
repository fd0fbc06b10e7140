"""When a request is sent again, and after how long."""

from __future__ import annotations

import email.utils
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from objmapper.exceptions import ConnectError, Timeout, TransportError
from objmapper.operation import Request, Response

#: Answers of servers that were not there for the request: a gateway's, mostly.
_AWAY = frozenset({502, 503, 504})


@dataclass(frozen=True, slots=True)
class Policy:
    """Repeats what may be repeated, at most *retries* times, with exponential back-off and full jitter.

    - A 429 is a refusal: any verb is sent again, after ``Retry-After`` if it is given.
    - A connection that surely was never made may be tried again with any verb.
    - What may be repeated is, after a broken connection, a timeout, a 502, 503 or 504.
    - Nothing else is: of a write that met one of those nobody here knows whether it was done.

    All times are in seconds.
    """

    #: How often a request is sent again at most.
    retries: int = 3
    #: The longest pause before the first repeat, in seconds; it doubles with each one.
    backoff: float = 0.5
    #: The longest pause of all, in seconds.
    max_backoff: float = 30.0
    #: The longest ``Retry-After`` that is waited for, in seconds; a longer one is an error at once.
    max_retry_after: float = 120.0

    def pause_after_error(
        self, request: Request, error: TransportError, tried: int
    ) -> float | None:
        """Return how long to wait before the next attempt, None for "give up"."""
        if tried >= self.retries or not isinstance(error, ConnectError | Timeout):
            return None
        if error.sent and not request.may_repeat:
            return None
        return self._backoff(tried)

    def pause_after_answer(self, request: Request, response: Response, tried: int) -> float | None:
        """Return how long to wait before the next attempt, None for "this is the answer"."""
        status = response.status
        if tried >= self.retries or not (status == 429 or (status in _AWAY and request.may_repeat)):
            return None
        asked = retry_after(response.headers)
        if asked is None:
            return self._backoff(tried)
        if asked > self.max_retry_after:
            return None
        # A little more than asked, so that all who were refused don't come back in one instant.
        return asked + random.uniform(0, self.backoff)

    def _backoff(self, tried: int) -> float:
        return random.uniform(0, min(self.max_backoff, self.backoff * 2**tried))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that ``Retry-After`` asks for, None without one that can be read.

    A date is counted from the server's own ``Date``, as its clock need not be ours.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return float(text)
    then = parsed_date(text)
    if then is None:
        return None
    now = parsed_date(headers.get("date", "")) or datetime.now(UTC)
    return max(0.0, (then - now).total_seconds())


def parsed_date(text: str) -> datetime | None:
    """Return the time that a ``Date`` header says; None for what is none."""
    try:
        found = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def checked_timeout(timeout: Any) -> tuple[float, float]:
    """Return *timeout* as ``(connect, read)`` seconds.

    Raises ValueError for None, zero, negative and endless ones: a stalled server must end.
    """
    pair = timeout if isinstance(timeout, tuple | list) else (timeout, timeout)
    if len(pair) == 2 and all(
        isinstance(part, int | float) and not isinstance(part, bool) and 0 < part < 1e7
        for part in pair
    ):
        return float(pair[0]), float(pair[1])
    raise ValueError(
        f"timeout={timeout!r} is not a number of seconds above 0, or a pair (connect, read); "
        "without one a stalled server would hold the program for ever."
    )
