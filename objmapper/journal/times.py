"""Times of day as a journal writes them: between two of one process lies what lay between the events."""

from __future__ import annotations

import time

from objmapper import clock


class Times:
    """This machine's time of day, as it was when a journal was opened and has gone on since.

    Set meanwhile, it would tell that things happened before what led to them.
    """

    def __init__(self) -> None:
        #: When the journal was opened, by `clock`: what was sent before may have been on its way until then.
        self.opened: float = clock.now()
        self._ahead = time.time() - self.opened

    def now(self) -> float:
        """Return the time of day."""
        return clock.now() + self._ahead

    def since(self, at: float | None) -> float | None:
        """Return what `clock` showed when an earlier process wrote *at*; None where that can't be told.

        It can't where this machine's clock was set back since: that is yet to come.
        """
        told = None if at is None else at - self._ahead
        return told if told is not None and told <= clock.now() else None


__all__ = ["Times"]
