"""A site is what a CVAT has beside its database: files, a share, and how slow it is on demand."""

from __future__ import annotations

import threading
from collections import Counter, deque
from pathlib import Path

from objmapper.server.folder import Folder
from objmapper.server.options import Options


class Site:
    """The files of one server, and what it was told to do worse than it could."""

    def __init__(self, options: Options) -> None:
        #: The files of all data; with a database in a file, the folder beside it.
        self.folder = Folder(None if options.path is None else f"{options.path}.data")
        #: Where server_files are; None for nowhere.
        self.share = None if options.share is None else Path(options.share).resolve()
        #: How many times a background request is asked for before it is done.
        self.lag = options.lag
        #: Whether files are fetched from this machine's loopback.
        self.remote = options.remote
        self._busy = options.busy
        self._asked: Counter[str] = Counter()
        self._failures: deque[str] = deque()
        self._lock = threading.Lock()

    def is_busy(self, what: str) -> bool:
        """Whether a chunk or a frame, by its address, is not ready yet; each is asked for once more."""
        if not self._busy:
            return False
        with self._lock:
            self._asked[what] += 1
            return self._asked[what] <= self._busy

    def fail_next(self, message: str) -> None:
        """The next background request fails with this message."""
        self._failures.append(message)

    def failure(self) -> str | None:
        """The message with which the current background request is to fail; None for not at all."""
        return self._failures.popleft() if self._failures else None

    def close(self) -> None:
        self.folder.close()
