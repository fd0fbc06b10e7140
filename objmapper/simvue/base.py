"""What all classes of the binding are made of: the verbs of Simvue's own objects beside objmapper's."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from objmapper import Model, Registry, fields, loading, paging
from objmapper.exceptions import QueryError
from objmapper.offline import refuse
from objmapper.operation import Request, Response
from objmapper.query import Q, Query
from objmapper.queryset import Objects, QuerySet
from objmapper.simvue import locks, parameters
from objmapper.simvue.client import offline_session, session_for
from objmapper.state import is_dirty, is_new, live_session

if TYPE_CHECKING:
    from objmapper.conflicts import OnConflict
    from objmapper.report import CommitReport

M = TypeVar("M")


class SimvueRegistry(Registry):
    """The models of Simvue, which ask a session of a Simvue server, whatever else is open."""

    def session(self) -> Any:
        return session_for()


#: The Registry of the binding: ``registry["runs"] is Run``.
registry = SimvueRegistry("simvue", dialect="simvue")


class SimvueQuerySet(QuerySet[M]):
    """A query set whose objects are writable."""

    def _fetched(self) -> list[M]:
        found = super()._fetched()
        locks.unlock(found)
        return found

    def iterator(self, *, page_size: int | None = None, prefetch_pages: int = 1) -> Iterator[M]:
        for obj in super().iterator(page_size=page_size, prefetch_pages=prefetch_pages):
            locks.unlock((obj,))
            yield obj

    def get(self, *conditions: Q, **lookups: Any) -> M:
        found = super().get(*conditions, **lookups)
        locks.unlock((found,))
        return found

    def in_bulk(self, keys: Iterable[Any] | None = None) -> dict[Any, M]:
        found = super().in_bulk(keys)
        locks.unlock(found.values())
        return found

    def reference(self, key: Any) -> M:
        found = super().reference(key)
        locks.unlock((found,))
        return found


class SimvueObject(Model):
    """An object of a Simvue server; an integration's class for another endpoint subclasses it::

        class Widget(SimvueObject):
            name = fields.String(required=True)

    ``Widget(identifier="...")`` fetches the one of that id, which is read-only until
    ``read_only(False)``; ``Widget.new(name="w")`` makes one that ``commit()`` sends. There is one
    object for each id: one that the session has already, and that is writable, stays so.

    Where no session is open, it is that of the server that the user has configured; *server_url* and
    *server_token* name another one. With *offline* a new one is kept by ``commit()``: by the current
    session if that is offline, else in the journal of the configured cache. Raises DoesNotExist for an
    id that the server does not have, NoActiveSession where no server is configured.
    """

    id = fields.String(primary_key=True)

    class Meta:
        abstract = True
        registry = registry

    objects = cast("Objects[Any]", SimvueQuerySet.as_manager())

    def __new__(
        cls,
        identifier: str | None = None,
        *,
        server_url: str | None = None,
        server_token: str | None = None,
        offline: bool = False,
        **values: Any,
    ) -> Self:
        if offline and (identifier, server_url, server_token) != (None, None, None):
            raise TypeError(
                f"{cls.__name__}: offline=True is for new ones, and the server is named where they are "
                "sent: python -m objmapper dispatch --url URL."
            )
        if identifier is None:
            return super().__new__(cls)
        if values:
            raise TypeError(
                f"{cls.__name__}(identifier={identifier!r}) is fetched, so it takes no "
                f"{', '.join(values)}: set them after read_only(False), or make one with new(...)."
            )
        return cls._fetched(session_for(server_url, server_token), identifier)

    def __init__(
        self,
        identifier: str | None = None,
        *,
        server_url: str | None = None,
        server_token: str | None = None,
        offline: bool = False,
        **values: Any,
    ) -> None:
        if identifier is not None:
            return
        super().__init__(**values)
        if offline:
            offline_session().add(self)
        elif server_url is not None or server_token is not None:
            session_for(server_url, server_token).add(self)

    @classmethod
    def _fetched(cls, session: Any, identifier: str) -> Self:
        mapper = cls.__mapper__
        known = session.identity.get(mapper.root, mapper.asked_key(identifier))
        found: Self = session.get_one(mapper.everything(), mapper.asked_key(identifier))
        if known is None:
            locks.lock(found)
        return found

    @classmethod
    def new(cls, *args: Any, **values: Any) -> Self:
        """Return a new object, which ``commit()`` sends; nothing is sent before. It takes keywords.

        Raises FieldDoesNotExist for a name that is none, TypeError for what comes without one.
        """
        if args:
            raise TypeError(f"{cls.__name__}.new() takes keywords, as name=..., not {args[0]!r}.")
        return cls(**values)

    # -- several of them --------------------------------------------------------------------------

    @classmethod
    def get(
        cls,
        *,
        count: int | None = None,
        offset: int | None = None,
        sorting: Iterable[Mapping[str, Any]] | None = None,
        server_url: str | None = None,
        server_token: str | None = None,
        **lookups: Any,
    ) -> Iterator[tuple[str, Self]]:
        """Yield ``(id, object)`` page by page, *count* of them at most, from *offset* on.

        *sorting* is a list of ``{"column": name, "descending": bool}``; *lookups* are those of
        ``objects.filter``. Runs and folders take ``filters``, a list of Simvue's own strings, too, and
        runs what a list is to have, as ``return_metrics=True``; the rest loads when it is touched.
        What the session did not know yet is read-only. Raises ValueError for numbers below 0,
        QueryError for what can't be asked.
        """
        chosen = cls._chosen(count, offset, sorting, server_url, server_token, lookups)
        return cls._locked(chosen)

    @classmethod
    def _locked(cls, chosen: QuerySet[Self]) -> Iterator[tuple[str, Self]]:
        """Yield the objects, those locked that the session did not know; kinds are told apart here."""
        query = chosen.query
        if not query.local:
            return cls._pages(chosen.session, query)
        stop = None if query.limit is None else query.offset + query.limit
        whole = replace(query, local=(), offset=0, limit=None)
        return islice(cls._pages(chosen.session, whole), query.offset, stop)

    @classmethod
    def _pages(cls, session: Any, query: Query) -> Iterator[tuple[str, Self]]:
        mapper = query.mapper
        for rows in paging.row_pages(session, query):
            with session.using():
                keys = [mapper.key_in(row) for row in rows]
                known = {key for key in keys if session.identity.get(mapper.root, key) is not None}
                page, path = paging.query_page(session, query), dict(query.path_values)
                found = loading.instances(session.identity, mapper, rows, page, path)
                session.keep(found)
                loading.announce(session, found)
            for key, obj in zip(keys, found, strict=True):
                if key not in known:
                    locks.lock(obj)
            yield from ((obj.id, obj) for obj in found if isinstance(obj, cls))

    @classmethod
    def ids(
        cls,
        *,
        count: int | None = None,
        offset: int | None = None,
        sorting: Iterable[Mapping[str, Any]] | None = None,
        server_url: str | None = None,
        server_token: str | None = None,
        **lookups: Any,
    ) -> Iterator[str]:
        """Yield the ids; the arguments are those of ``get``, and no objects are made."""
        chosen = cls._chosen(count, offset, sorting, server_url, server_token, lookups)
        if chosen.query.local:
            return (key for key, _ in cls._locked(chosen))
        key = cls.__mapper__.pk.key
        return (row[key] for row in chosen.session.rows(chosen.query))

    @classmethod
    def count(
        cls, *, server_url: str | None = None, server_token: str | None = None, **lookups: Any
    ) -> int:
        """Return how many there are, in one request; *lookups* are those of ``objects.filter``."""
        chosen = cls._chosen(None, None, None, server_url, server_token, lookups)
        return chosen.count()

    @classmethod
    def _chosen(
        cls,
        count: int | None,
        offset: int | None,
        sorting: Iterable[Mapping[str, Any]] | None,
        url: str | None,
        token: str | None,
        lookups: dict[str, Any],
    ) -> QuerySet[Self]:
        for name, number in (("count", count), ("offset", offset)):
            if number is not None and number < 0:
                raise ValueError(f"{name}={number} is below 0.")
        known = (cls.__mapper__.options["dialect_options"] or {}).get("parameters", {})
        lookups, said = parameters.split(known, lookups)
        chosen: Any = cls.objects.using(session_for(url, token)).filter(**lookups)
        chosen = chosen._chain(parameters.asked(chosen.query, said))
        if sorting is not None:
            chosen = chosen.order_by(*map(_order, sorting))
        start = offset or 0
        return cast("QuerySet[Self]", chosen[start : None if count is None else start + count])

    # -- one of them ------------------------------------------------------------------------------

    @property
    def is_read_only(self) -> bool:
        """Whether it is read-only."""
        return locks.is_locked(self)

    def read_only(self, is_read_only: bool) -> None:
        """Make it read-only, or writable. Raises ValueError for one that has changes to be sent."""
        if not is_read_only:
            locks.unlock((self,))
        elif is_dirty(self):
            raise ValueError(
                f"{self!r} has changes that were not sent ({', '.join(self.changes)}): commit() or "
                "revert() them before it is read-only."
            )
        else:
            locks.lock(self)

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and name in type(self).__mapper__.fields:
            locks.refuse(self, name)
        super().__setattr__(name, value)

    def commit(self, *, on_conflict: OnConflict = "error") -> CommitReport:
        """Send this object's changes now, and nothing else; without any nothing is sent.

        Raises ReadOnlyFieldError for an object that is read-only, ValidationError before anything is
        sent, CommitError.
        """
        locks.refuse(self, "It")
        return super().commit(on_conflict=on_conflict)

    def _act(self, method: str, *parts: Any) -> Response:
        """Send a request about this object, below its address; sent again, it does no harm."""
        what = f"{method} {''.join(map(str, parts))}"
        session = live_session(self, what)
        refuse(session, f"{what} of {self!r}")
        path = (*session.dialect.address(self), *parts)
        request = Request(method, path, repeatable=True)
        with session.using():
            answer: Response = session.send(request)
        return answer


def part(name: str | None) -> Any:
    """Return what makes a request's body of one field, or of none: the others stand in its path."""
    return staticmethod(lambda said: None if name is None else {name: said[name]})


def say(session: Any, said: SimvueObject) -> CommitReport:
    """Commit what a verb says of others, alone, with those of them that are new; offline it waits.

    Otherwise it leaves the session, whatever became of it: nothing of it goes later, when the verb may
    have said something else. Raises ValidationError, CommitError.
    """
    # Said by the program run again, it is sent again: a journal is not to know it from this one.
    session.add(said, tag=None if session.offline else uuid.uuid4().hex)
    kept = False
    try:
        report = said.commit()
        kept = session.offline
    finally:
        if not kept:
            session.expunge(said)
    return report


def of(obj: Any) -> Any:
    """Return what a verb speaks of: an object that is new, else the id. Raises ValueError for neither."""
    return obj if isinstance(obj, SimvueObject) and is_new(obj) else id_of(obj)


def id_of(obj: Any) -> str:
    """Return the id of an object, or the one that is given. Raises ValueError where there is none."""
    key = obj.id if isinstance(obj, SimvueObject) else obj
    if not isinstance(key, str) or not key:
        raise ValueError(f"{obj!r} has no id: commit it first.")
    return key


def _order(key: Mapping[str, Any]) -> str:
    """Return a column as ``order_by`` names it. Raises QueryError for what names none."""
    column = key.get("column")
    if not isinstance(column, str):
        raise QueryError(f"sorting takes {{'column': name, 'descending': bool}}, not {key!r}.")
    name = column.replace(".", "__")
    return f"-{name}" if key.get("descending", True) else name


__all__ = ["SimvueObject", "SimvueQuerySet", "id_of", "of", "part", "registry", "say"]
