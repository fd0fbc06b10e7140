"""A session for each thread: what ``connect()`` makes the default, and what bindings' clients keep."""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Callable
from contextvars import Token
from typing import Any, Self

from objmapper import scope
from objmapper.client import Client
from objmapper.session import Session

#: How many sessions there are before those of threads that ended are looked at.
_FEW = 16


class _Stay:
    """It is there as long as the thread that made it."""


class ThreadSessions:
    """A session for each thread, kept until they are closed together.

    That of a thread that has ended is let go when nobody would miss it: objects that the thread has
    handed on go on loading through it, and what it has not sent is told at the end.
    """

    def __init__(self, client: Client, make: Callable[[Client], Session] = Session) -> None:
        #: The client of all of them.
        self.client: Client = client
        self._make = make
        self._local = threading.local()
        self._lock = threading.Lock()
        #: Numbered as they were made.
        self._all: weakref.WeakValueDictionary[int, Session] = weakref.WeakValueDictionary()
        self._numbers = itertools.count()
        self._kept: list[tuple[Session, weakref.ref[_Stay]]] = []
        self._many = _FEW

    @property
    def session(self) -> Session:
        """The session of the thread that asks; made anew when the last one was closed."""
        found: Session | None = getattr(self._local, "session", None)
        if found is None or found.closed:
            found, stay = self._make(self.client), _Stay()
            self._local.session, self._local.stay = found, stay
            with self._lock:
                self._tidy()
                self._all[next(self._numbers)] = found
                self._kept.append((found, weakref.ref(stay)))
        return found

    def _tidy(self) -> None:
        """Let go of sessions that nobody would miss, whenever their number has doubled."""
        if len(self._kept) >= self._many:
            self._kept = [
                (session, stay)
                for session, stay in self._kept
                if not session.closed and (stay() is not None or not session.is_forsaken())
            ]
            self._many = max(_FEW, 2 * len(self._kept))

    def _sessions(self) -> list[Session]:
        with self._lock:
            return list(self._all.values())

    def warn_of_pending(self) -> None:
        """Warn of what was never sent; for the ``with`` statement that is left."""
        for session in self._sessions():
            session.warn_of_pending(stacklevel=4)

    def close(self) -> None:
        """Close the sessions."""
        scope.withdraw(self)
        for session in self._sessions():
            session.close()
        with self._lock:
            self._kept.clear()


class SessionClient(Client):
    """A client that keeps a session for each thread: what a binding's client is made of.

    While ``with client:`` lasts, its session is the current one, and each thread finds its own.
    Leaving it warns of what was never sent, and closes the sessions and the connections.
    """

    def __init__(self, base_url: str, **options: Any) -> None:
        self._sessions = ThreadSessions(self)
        self._tokens: list[Token[Any]] = []
        super().__init__(base_url, **options)

    @property
    def session(self) -> Session:
        """The session of the thread that asks; kept until the client is closed."""
        return self._sessions.session

    def __enter__(self) -> Self:
        scope.provide(self._sessions)
        self._tokens.append(scope.current.set(lambda: self.session))
        return self

    def __exit__(self, *exc_info: object) -> None:
        scope.current.reset(self._tokens.pop())
        try:
            if not any(exc_info):
                self._sessions.warn_of_pending()
        finally:
            self._leave()

    def _leave(self) -> None:
        """Do what the end of ``with client:`` does, whatever the block raised."""
        self.close()

    def close(self) -> None:
        """Close the sessions and the connections; twice is harmless."""
        self._sessions.close()
        super().close()


class Connection(ThreadSessions):
    """What ``connect`` returns: the process's default client, with a session for each thread.

    It is a context manager, whose end closes it and warns of what was never sent.
    """

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

    Takes what ``Client`` takes, and raises what it raises. Connecting again puts the new client in
    the place of the old one, which stays open for who still holds it.
    """
    connection = Connection(Client(base_url, **options))
    with _lock:
        for before in _connected:
            scope.withdraw(before)
        _connected[:] = [connection]
        scope.provide(connection)
    return connection
