"""What a session is beneath its verbs: a client, members, turns; and what query sets and objects ask."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from objmapper import paging, reading
from objmapper.budget import Budget
from objmapper.exceptions import DetachedError, QueryError, SessionThreadError
from objmapper.members import Members
from objmapper.offline import Nowhere, refuse
from objmapper.state import Page
from objmapper.turns import Turns

if TYPE_CHECKING:
    from objmapper.client import Client
    from objmapper.dialects import Dialect
    from objmapper.identity import IdentityMap
    from objmapper.journal import Journal
    from objmapper.operation import Request, Response
    from objmapper.query import Query


class SessionBase:
    """One thread at a time reads through it; its objects live as long as it does."""

    def __init__(
        self,
        client: Client | None = None,
        *,
        keep: int = 1000,
        journal: str | os.PathLike[str] | None = None,
        offline: str | os.PathLike[str] | None = None,
    ) -> None:
        if keep < 0:
            raise ValueError(f"keep={keep} is below 0; 0 keeps nothing.")
        if client is None or offline is not None:
            client = _offline_client(client, journal, offline)
        #: Whether its commits are kept in its journal, to be sent by another session.
        self.offline: bool = offline is not None
        path = journal if offline is None else offline
        #: The record of its commits on disk, None without one.
        self.journal: Journal | None = None if path is None else _journal(client, path)
        #: The client that it sends through.
        self.client: Client = client
        #: The client's dialect.
        self.dialect: Dialect = client.dialect
        #: Whether ``close()`` was called.
        self.closed: bool = False
        #: A weak reference to it, as its objects hold.
        self.ref: weakref.ref[Any] = weakref.ref(self)
        #: Its objects, by what the next commit does with them.
        self.members: Members = Members(self.ref, keep)
        #: The one object for each identity.
        self.identity: IdentityMap = self.members.identity
        #: Endpoints and fields whose view can't be asked for several values at once.
        self.singly: set[tuple[str, str]] = set()
        self._turns = Turns()
        self._budgets: list[Budget] = []

    def close(self) -> None:
        """Close the session: its objects stay readable and settable, nothing more is loaded.

        A thread that is using it ends what it does; it can begin nothing more.
        """
        self.closed = True
        with self._turns.if_free() as free:
            if free:
                if self.journal is not None:
                    self.journal.close(self)
                self.members.clear()
                if isinstance(self.client, Nowhere):
                    self.client.close()

    @contextmanager
    def using(self) -> Iterator[None]:
        """Hold the session for one thread. Raises SessionThreadError when another one has it."""
        self._open()
        with self._turns.if_free() as free:
            if not free:
                raise SessionThreadError(
                    "Another thread is using this session. A session is used by one thread at a "
                    "time: give each thread one of its own, `with Session(client): ...` (the client "
                    "is shared)."
                )
            yield

    def is_forsaken(self) -> bool:
        """Whether nobody would miss it: nothing waits to be sent, and the program holds no object."""
        if self.closed:
            return True
        try:
            with self.using():
                return self.members.is_forsaken()
        except SessionThreadError:
            return False

    def _open(self) -> None:
        if self.closed:
            raise DetachedError("This session is closed. Open another one: Session(client).")

    def __reduce__(self) -> Any:
        raise TypeError("A Session can't be pickled: it belongs to this process and its client.")

    # -- what goes out ----------------------------------------------------------------------------

    def send(self, request: Request) -> Response:
        """Send a request for this session; all of its own go this way.

        Raises OfflineError in an offline session; RequestBudgetExceeded, and what ``Client.send``
        raises.
        """
        if self.offline:
            refuse(self, f"{request.method} {request.shown_path}")
        if self._budgets:
            for budget in reversed(
                self._budgets
            ):  # an inner one refuses before an outer one counts
                budget.spend(request)
        return self.client.send(request)

    @contextmanager
    def request_budget(self, limit: int) -> Iterator[Budget]:
        """Let the block send *limit* requests for this session, those of its commits too::

            with session.request_budget(2):
                for task in Task.objects.filter(stage="annotation"):
                    print(task.project.name)

        One more is not sent, and RequestBudgetExceeded names the line that asked for it. Budgets may
        be nested: each counts. Raises ValueError for what is no number of requests.
        """
        budget = Budget(limit)
        self._budgets.append(budget)
        try:
            yield budget
        finally:
            self._budgets.remove(budget)

    # -- what query sets ask ----------------------------------------------------------------------

    def fetch(self, query: Query) -> list[Any]:
        """Return all objects of a query; what ``QuerySet`` asks."""
        with self.using():
            return reading.fetch(self, query)

    def iterate(self, query: Query, prefetch_pages: int) -> Iterator[Any]:
        """Yield the objects of a query, keeping nothing but the window."""
        self._open()
        for page in reading.object_pages(self, query, prefetch_pages):
            with self.using():
                reading.prefetch(self, query, page)
            yield from page

    def rows(self, query: Query) -> Iterator[dict[str, Any]]:
        """Yield the rows of a query as they came; no objects are made."""
        self._open()
        for page in paging.row_pages(self, query):
            yield from page

    def get_one(self, query: Query, key: Any) -> Any:
        """Return the object of a detail URL. Raises the model's DoesNotExist."""
        with self.using():
            return reading.one(self, query, key)

    def fetch_keys(self, query: Query, keys: list[Any]) -> list[Any]:
        """Return the objects of those keys that exist."""
        with self.using():
            return reading.by_keys(self, query, keys)

    def count(self, query: Query) -> int:
        """Return how many rows match."""
        with self.using():
            return paging.total(self, query)

    def explain(self, query: Query) -> str:
        """Return what a query would ask; nothing is sent."""
        return reading.explain(self, query)

    def reference(self, mapper: Any, key: Any, path_values: tuple[tuple[str, Any], ...]) -> Any:
        """Return the object of a key without asking whether there is one. Raises QueryError."""
        with self.using():
            row = {mapper.pk.key: mapper.pk.to_wire(mapper.asked_key(key))}
            for name, value in path_values:
                row[mapper.fields[name].key] = value
            identity = mapper.identity_in(row)
            if identity is None:
                names = ", ".join(field.name for field in mapper.path_fields)
                raise QueryError(
                    f"{mapper.model.__name__} lives at {mapper.endpoint!r}: say which {names}, as "
                    f"filter({names}=...).reference({key!r})."
                )
            found = self.identity.get(mapper.root, identity)
            if found is None:
                page = Page(self.ref, mapper, [identity], full=False)
                found = mapper.instance(row, page, mapper.model)
                self.identity.add(mapper.root, identity, found)
                self.keep([found])
            return found

    # -- what objects and relations ask -----------------------------------------------------------

    def related(self, obj: Any, field: Any, raw: Any) -> Any:
        """Return the object that a relation's raw value refers to."""
        with self.using():
            return reading.related(self, obj, field, raw)

    def load_field(self, obj: Any, field: Any) -> None:
        """Load a field that was never asked in full."""
        with self.using():
            reading.load_field(self, obj, field)

    def touched(self, obj: Any) -> None:
        """Remember that an object may have changes, and keep it alive."""
        if not self.closed and id(obj) not in self.members.new:
            self.members.touched[id(obj)] = obj

    def untouched(self, obj: Any) -> None:
        """Forget that an object may have changes."""
        self.members.touched.pop(id(obj), None)

    def keep(self, objects: list[Any]) -> None:
        """Keep a page alive for a while."""
        self.members.keep(objects)

    def is_uncertain(self, obj: Any) -> bool:
        """Whether the fate of the object's last write is unknown."""
        return id(obj) in self.members.uncertain


def _journal(client: Client, path: str | os.PathLike[str]) -> Journal:
    """Open a journal. What it is written with is loaded by who keeps one: SQLite is heavy."""
    from objmapper.journal import Journal  # noqa: PLC0415 - not by everybody who imports a session

    return Journal(client, path)


def _offline_client(client: Client | None, journal: Any, offline: Any) -> Client:
    """Return the client of an offline session: the one that is given, else one of no server as yet.

    Raises TypeError for a session that is to send without a client, ValueError for two journals.
    """
    if offline is None:
        raise TypeError(
            "A session needs a client, Session(client), unless it is offline: Session(offline=path)."
        )
    if journal is not None:
        raise ValueError(
            "journal= and offline= are both the path of a journal: a session that sends takes the one, "
            "one whose commits are only kept takes the other."
        )
    return Nowhere() if client is None else client
