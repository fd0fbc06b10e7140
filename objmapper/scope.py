"""The current session: of this context, else of the client that this process is connected to.

A context variable is not seen by new threads, so a thread that has no session of its own falls back
to the one client that is open as the process's default: a *provider*, which gives each thread a
session. With two of them open, guessing could write to the wrong server, so it is an error.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Protocol

from objmapper.exceptions import NoActiveSession

EXAMPLE = (
    "Open one: `with Session(client): ...`, or `connect(url)` once for the whole process, "
    "or name one: `Task.objects.using(session)`."
)


class Provider(Protocol):
    """Something that has a session for the thread that asks."""

    @property
    def session(self) -> Any: ...


#: Gives the session of this context. It is asked each time, as a client's session may be closed and
#: made anew while the client stays the current one.
current: ContextVar[Callable[[], Any] | None] = ContextVar("objmapper_session", default=None)
_providers: list[Provider] = []
_lock = threading.Lock()


def provide(provider: Provider) -> None:
    """Make *provider* the process's default."""
    with _lock:
        if not any(known is provider for known in _providers):
            _providers.append(provider)


def withdraw(provider: Provider) -> None:
    """Take *provider* back; unknown ones are ignored."""
    with _lock:
        _providers[:] = [known for known in _providers if known is not provider]


def session(
    suits: Callable[[Any], bool] | None = None, default: Callable[[], Any] | None = None
) -> Any:
    """Return the current session.

    *suits*: whether one is of a server that is meant; others are passed over. *default* gives one
    where there is none. Raises NoActiveSession then, and when two default clients are open.
    """
    ask = current.get()
    if ask is not None:
        found = ask()
        if suits is None or suits(found):
            return found
    providers = [each for each in tuple(_providers) if suits is None or suits(each.session)]
    if len(providers) == 1:
        return providers[0].session
    if not providers and default is not None:
        return default()
    if providers:
        raise NoActiveSession(
            f"{len(providers)} clients are open and this thread has no session of its own, so "
            f"which one is meant can't be told. {EXAMPLE}"
        )
    raise NoActiveSession(f"There is no current session. {EXAMPLE}")
