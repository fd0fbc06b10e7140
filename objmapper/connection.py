"""connect(): the process's default client, with a session for each thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Self

from objmapper import scope
from objmapper.client import Client
from objmapper.session import Session


class ThreadSessions:
    """A session for each thread, kept until they are closed together."""

    def __init__(self, client: Client, make: Callable[[Client], Session] = Session) -> None:
        self.client = client
        self._make = make
        self._local = threading.local()
        self._all: list[Session] = []

    @property
    def session(self) -> Session:
        """The session of the thread that asks; made anew when the last one was closed."""
        found: Session | None = getattr(self._local, "session", None)
        if found is None or found.closed:
            found = self._local.session = self._make(self.client)
            self._all.append(found)
        return found

    def warn_of_pending(self) -> None:
        """Warn of what was never sent; for the ``with`` statement that is left."""
        for session in self._all:
            session.warn_of_pending(stacklevel=4)

    def close(self) -> None:
        scope.withdraw(self)
        for session in self._all:
            session.close()
        self._all.clear()


class Connection(ThreadSessions):
    """What ``connect`` returns: the process's default client, with a session for each thread."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        try:
            if not any(exc_info):
                self.warn_of_pending()
        finally:
            self.close()

    def close(self) -> None:
        """Close the sessions and the client; another ``connect`` may follow."""
        super().close()
        self.client.close()


_connected: list[Connection] = []
_lock = threading.Lock()


def connect(base_url: str, **options: Any) -> Connection:
    """Make a client the process's default: ``Task.objects`` works in every thread from now on.

    Takes what ``Client`` takes. Connecting again puts the new client in the place of the old one,
    which stays open for who still holds it.
    """
    connection = Connection(Client(base_url, **options))
    with _lock:
        for before in _connected:
            scope.withdraw(before)
        _connected[:] = [connection]
        scope.provide(connection)
    return connection
