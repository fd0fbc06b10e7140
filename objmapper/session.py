"""Session: one unit of work with its identity map. It delegates everything.

A session is used by one thread at a time, and may pass from thread to thread. It never commits by
itself; leaving it with pending changes warns.
"""

from __future__ import annotations

import threading
import warnings
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import Token
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from objmapper import loading, paging, reading, scope, signals, unitofwork
from objmapper.client import Client
from objmapper.exceptions import DetachedError, SessionError, SessionThreadError
from objmapper.identity import IdentityMap
from objmapper.models import Model
from objmapper.operation import Outcome, Plan
from objmapper.progress import Progress, progress_bar
from objmapper.query import Query
from objmapper.report import CommitReport
from objmapper.state import (
    Lifecycle,
    Page,
    is_dirty,
    is_new,
    own,
    revert,
    session_of,
)

if TYPE_CHECKING:
    from types import TracebackType

M = TypeVar("M", bound=Model)
OnError = Literal["stop", "continue"]


class Session:
    """A unit of work: what was loaded, what changed, and the commit that sends it.

    *keep*: how many of the rows read last are kept alive beside what the program holds itself.
    """

    def __init__(self, client: Client, *, keep: int = 1000) -> None:
        self.client = client
        self.dialect = client.dialect
        self.identity = IdentityMap(keep)
        self.closed = False
        self.ref = weakref.ref(self)
        self._lock = threading.RLock()
        self._new: dict[int, Any] = {}
        self._touched: dict[int, Any] = {}
        self._watched: weakref.WeakSet[Any] = weakref.WeakSet()
        self._deleted: dict[int, Any] = {}
        self._uncertain: dict[int, tuple[Any, Outcome]] = {}
        self._tags: dict[int, str] = {}
        #: What the server has, and has not told the keys of.
        self.keyless: weakref.WeakSet[Any] = weakref.WeakSet()
        self._tokens: list[Token[Any]] = []

    # -- the session of a context -----------------------------------------------------------------

    def __enter__(self) -> Self:
        self._open()
        self._tokens.append(scope.current.set(lambda: self))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        scope.current.reset(self._tokens.pop())
        if not self._tokens:
            try:
                if kind is None:
                    self.warn_of_pending()
            finally:
                self.close()

    def warn_of_pending(self, stacklevel: int = 3) -> None:
        """Warn of what was never sent; for the ``with`` statement that is left."""
        counts = {"new": self.new, "dirty": self.dirty, "deleted": self.deleted}
        told = ", ".join(f"{len(found)} {name}" for name, found in counts.items() if found)
        if told:
            warnings.warn(
                f"A session is left with pending changes ({told}), which were not sent: it never "
                "commits by itself. Call session.commit(), or session.rollback().",
                stacklevel=stacklevel,
            )

    def close(self) -> None:
        """Close the session: its objects stay readable and settable, nothing more is loaded."""
        self.closed = True
        self.identity.clear()
        for kept in (self._new, self._touched, self._deleted, self._uncertain, self._tags):
            kept.clear()

    @contextmanager
    def using(self) -> Iterator[None]:
        """Hold the session for one thread. Raises SessionThreadError when another one has it."""
        self._open()
        if not self._lock.acquire(blocking=False):
            raise SessionThreadError(
                "Another thread is using this session. A session is used by one thread at a time: "
                "give each thread one of its own, `with Session(client): ...` (the client is shared)."
            )
        try:
            yield
        finally:
            self._lock.release()

    def _open(self) -> None:
        if self.closed:
            raise DetachedError("This session is closed. Open another one: Session(client).")

    def __reduce__(self) -> Any:
        raise TypeError("A Session can't be pickled: it belongs to this process and its client.")

    # -- what it holds ----------------------------------------------------------------------------

    @property
    def new(self) -> list[Any]:
        """The objects that the next commit creates."""
        return list(self._new.values())

    @property
    def dirty(self) -> list[Any]:
        """The objects whose changes the next commit sends."""
        return [obj for obj in self._candidates() if is_dirty(obj)]

    @property
    def deleted(self) -> list[Any]:
        """The objects that the next commit deletes."""
        return list(self._deleted.values())

    @property
    def uncertain(self) -> list[Any]:
        """The objects whose write met an unknown fate; they are not sent until that is settled."""
        return [obj for obj, _ in self._uncertain.values()]

    def _candidates(self) -> list[Any]:
        """Return what may have changed, in the order in which it was touched."""
        found = dict(self._touched)
        found.update((id(obj), obj) for obj in self._watched)
        # A parent with new children has something to send even if it did not change itself.
        return [o for number, o in found.items() if number not in self._deleted and not is_new(o)]

    def __contains__(self, obj: object) -> bool:
        if id(obj) in self._new:
            return True
        if not isinstance(obj, Model) or session_of(obj) is not self or self.closed:
            return False
        return obj._state.lifecycle not in (Lifecycle.TRANSIENT, Lifecycle.DETACHED)

    def __iter__(self) -> Iterator[Any]:
        yield from self.identity
        yield from self.new

    def __len__(self) -> int:
        return len(self.identity) + len(self._new)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{len(self)} objects, {len(self._new)} new"
        return f"<Session of {self.client!r}: {state}>"

    # -- marking ----------------------------------------------------------------------------------

    def add(self, obj: Any, *, tag: str | None = None) -> None:
        """Mark a new object for the next commit, or attach a detached one.

        *tag* names it for re-runs. Raises SessionError for an object of another session.
        """
        with self.using():
            self._add(obj)
            if tag is not None:
                self._tags[id(obj)] = tag

    def _add(self, obj: Any) -> None:
        if not isinstance(obj, Model):
            raise TypeError(f"A session takes model objects, not {obj!r}.")
        self.check_belongs(obj)
        if id(obj) in self._deleted:
            del self._deleted[id(obj)]
            own(obj).lifecycle = Lifecycle.PERSISTENT
        elif obj._state.lifecycle is Lifecycle.TRANSIENT:
            state = own(obj)
            state.lifecycle, state.session = Lifecycle.PENDING, self.ref
            self._new[id(obj)] = obj
            for children in (state.children or {}).values():
                for child in children:
                    self._add(child)
        elif obj not in self:
            self._attach(obj)

    def _attach(self, obj: Any) -> None:
        mapper = type(obj).__mapper__
        key = mapper.identity_in(obj._row)
        if mapper.has_key and key is None:
            raise SessionError(f"{obj!r} has no key, so it can't be attached.")
        if self.identity.get(mapper.root, key) is not None:
            raise SessionError(
                f"{obj!r} is in this session already, as another object; session.merge() brings "
                "the changes of a copy into it."
            )
        state = own(obj)
        state.lifecycle, state.session = Lifecycle.PERSISTENT, self.ref
        state.page = Page(self.ref, mapper, [mapper.key_in(obj._row)], full=state.full)
        self.identity.add(mapper.root, key, obj)
        self._touched[id(obj)] = obj

    def add_all(self, objects: Iterable[Any]) -> None:
        """Mark several; see ``add``."""
        with self.using():
            for obj in objects:
                self._add(obj)

    def delete(self, obj: Any) -> None:
        """Mark an object for deletion by the next commit; a new one is just forgotten."""
        with self.using():
            self.check_belongs(obj)
            if id(obj) in self._new:
                self.expunge(obj)
                return
            if obj not in self:
                raise SessionError(f"{obj!r} is not in this session, so it can't be deleted by it.")
            own(obj).lifecycle = Lifecycle.DELETED
            self._deleted[id(obj)] = obj

    def expunge(self, obj: Any) -> None:
        """Take an object out of the session: a new one is transient again, others are detached."""
        with self.using():
            if obj not in self and id(obj) not in self._uncertain:
                raise SessionError(f"{obj!r} is not in this session.")
            was_new = id(obj) in self._new
            self._drop(obj)
            state = own(obj)
            state.lifecycle = Lifecycle.TRANSIENT if was_new else Lifecycle.DETACHED
            state.session = None if was_new else state.session
            if not was_new:
                state.session = None

    def _drop(self, obj: Any) -> None:
        for kept in (self._new, self._touched, self._deleted, self._uncertain, self._tags):
            kept.pop(id(obj), None)
        self._watched.discard(obj)
        self.keyless.discard(obj)
        mapper = type(obj).__mapper__
        if mapper.has_key or mapper.singleton:
            self.identity.remove(mapper.root, mapper.identity_in(obj._row), obj)

    def merge(self, obj: M) -> M:
        """Bring a copy's changes into this session's object of the same key, and return that one."""
        with self.using():
            mapper = type(obj).__mapper__
            key = mapper.identity_in(obj._row) if mapper.has_key else None
            if key is None or is_new(obj):
                clone = obj.__copy__()
                self._add(clone)
                return clone
            found = self.identity.get(mapper.root, key)
            if found is obj:
                return obj
            if found is None:
                clone = obj.__copy__()
                own(clone).lifecycle = Lifecycle.DETACHED
                self._attach(clone)
                return clone
            for name, (_, value) in obj.changes.items():
                setattr(found, name, value)
            merged: M = found
            return merged

    def rollback(self) -> None:
        """Forget what was not sent: new objects are transient again, changes and deletions undone.

        What a commit has sent stays sent.
        """
        with self.using():
            for obj in self._candidates():
                revert(obj)
            for obj in self.deleted:
                own(obj).lifecycle = Lifecycle.PERSISTENT
                revert(obj)
            for obj in self.new:
                state = own(obj)
                state.lifecycle, state.session = Lifecycle.TRANSIENT, None
            for kept in (self._new, self._deleted, self._touched, self._tags):
                kept.clear()
            if signals.post_rollback.receivers:
                signals.post_rollback.announce(type(self), session=self)

    def check_belongs(self, obj: Any) -> None:
        """Raise SessionError unless *obj* is of this session, or of none."""
        session = session_of(obj)
        if session is not None and session is not self and not session.closed:
            raise SessionError(
                f"{obj!r} belongs to another session; session.merge(obj) takes a copy of it, "
                "other.expunge(obj) lets it go."
            )

    # -- reading ----------------------------------------------------------------------------------

    def get(self, model: type[M], key: Any) -> M | None:
        """Return the object of that key: the identity map's without a request, None if there is none."""
        with self.using():
            mapper = model.__mapper__
            normalised = "" if mapper.singleton else mapper.asked_key(key)
            found = self.identity.get(mapper.root, normalised)
            if found is not None and (found._state.full or len(found._row) > 1):
                return found if isinstance(found, model) else None
            try:
                one: M = reading.one(self, Query(mapper), normalised)
            except mapper.model.DoesNotExist:
                return None
            return one

    def refresh(self, obj: Any) -> None:
        """Load an object anew; its changes are given up. Raises DoesNotExist."""
        with self.using():
            self._uncertain.pop(id(obj), None)
            reading.reload(self, obj, overwrite=True)
            if obj._state.snapshots is None:
                self._touched.pop(id(obj), None)

    def fetch(self, query: Query) -> list[Any]:
        """Return all objects of a query; what ``QuerySet`` asks."""
        with self.using():
            return reading.fetch(self, query)

    def iterate(self, query: Query, prefetch_pages: int) -> Iterator[Any]:
        """Yield the objects of a query, keeping nothing but the window."""
        self._open()
        for page in reading.object_pages(self, query, prefetch_pages):
            with self.using():
                reading.prefetch(self, query.mapper, page, query.prefetch)
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
        """Return the object of a key without asking whether there is one."""
        with self.using():
            row = {mapper.pk.key: mapper.pk.to_wire(mapper.asked_key(key))}
            for name, value in path_values:
                row[mapper.fields[name].key] = value
            found = self.identity.get(mapper.root, mapper.identity_in(row))
            if found is None:
                keys = [mapper.key_in(row)]
                found = mapper.instance(row, Page(self.ref, mapper, keys, full=False))
                self.identity.add(mapper.root, mapper.identity_in(row), found)
                self.keep([found])
            return found

    # -- what the rooms below ask -----------------------------------------------------------------

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
        if not self.closed and id(obj) not in self._new:
            self._touched[id(obj)] = obj

    def untouched(self, obj: Any) -> None:
        """Forget that an object may have changes."""
        self._touched.pop(id(obj), None)

    def keep(self, objects: list[Any]) -> None:
        """Keep a page alive for a while; let go of what left the window unchanged."""
        window = self.identity.window
        window.keep(objects)
        while window.left:
            loading.release(window.left.pop(), self._touched, self._watched)

    def born(self, obj: Any, key: Any) -> None:
        """Enter an object that the server has created."""
        self._new.pop(id(obj), None)
        self._uncertain.pop(id(obj), None)
        mapper = type(obj).__mapper__
        if key is not None:
            self.identity.add(mapper.root, key, obj)
        elif mapper.has_key:
            self.keyless.add(obj)
        self.keep([obj])

    def forget(self, obj: Any) -> None:
        """Let go of an object that the server has deleted; it keeps its values."""
        self._drop(obj)
        state = own(obj)
        state.lifecycle = Lifecycle.DETACHED
        state.session = None

    def is_uncertain(self, obj: Any) -> bool:
        """Whether the fate of the object's last write is unknown."""
        return id(obj) in self._uncertain

    def mark_uncertain(self, obj: Any, outcome: Outcome) -> None:
        """Remember that nobody knows what became of an object's write."""
        self._uncertain[id(obj)] = (obj, outcome)

    # -- committing -------------------------------------------------------------------------------

    def plan(self) -> Plan:
        """Return what a commit would send, in waves; nothing is sent and nothing changes.

        Raises ValidationError, CircularDependencyError.
        """
        with self.using():
            return unitofwork.plan(self, [*self.new, *self._candidates()], self.deleted)

    def commit(
        self,
        *,
        workers: int | None = None,
        on_error: OnError = "stop",
        progress: bool | Progress = False,
    ) -> CommitReport:
        """Send all pending changes in the right order.

        *workers* operations run side by side (default: what the dialect recommends). *on_error*:
        "stop" ends what is in flight and sends nothing more, "continue" goes on with what does not
        depend on what failed. *progress*: True for a bar (extra ``progress``), or a callable that
        takes how many operations of how many are through.

        Raises ValidationError and CircularDependencyError before anything is sent; CommitError,
        whose ``report`` has every object with its outcome, unless everything went through.
        """
        with self.using():
            objects = [*self.new, *self._candidates()]
            return self._commit(objects, self.deleted, None, workers, on_error, progress)

    def commit_objects(
        self,
        objects: Iterable[Any],
        *,
        fields: Iterable[str] | None = None,
        workers: int | None = None,
        on_error: OnError = "stop",
        progress: bool | Progress = False,
    ) -> CommitReport:
        """Send the changes of *objects* alone, with the pending parents they refer to."""
        with self.using():
            chosen = list(objects)
            for obj in chosen:
                self.check_belongs(obj)
            deleted = [obj for obj in chosen if id(obj) in self._deleted]
            names = None if fields is None else frozenset(fields)
            return self._commit(chosen, deleted, names, workers, on_error, progress)

    def delete_objects(
        self,
        objects: Iterable[Any],
        *,
        workers: int | None = None,
        on_error: OnError = "stop",
        progress: bool | Progress = False,
    ) -> CommitReport:
        """Delete *objects* now, and nothing else."""
        with self.using():
            chosen = list(objects)
            for obj in chosen:
                self.check_belongs(obj)
            known = set(self._deleted)
            try:
                return self._commit([], chosen, None, workers, on_error, progress)
            finally:
                for obj in chosen:
                    if id(obj) not in known and obj in self:
                        self._deleted.pop(id(obj), None)

    def _commit(
        self,
        objects: list[Any],
        deleted: list[Any],
        fields: frozenset[str] | None,
        workers: int | None,
        on_error: OnError,
        progress: bool | Progress,
    ) -> CommitReport:
        if on_error not in ("stop", "continue"):
            raise ValueError(f"on_error is 'stop' or 'continue', not {on_error!r}.")
        if workers is not None and workers < 1:
            raise ValueError(f"workers is 1 or more, not {workers}.")
        vetoed = unitofwork.ask_receivers(self, objects, deleted, fields)
        if fields is None and objects:  # receivers may have touched others of the same commit
            known = {id(obj) for obj in objects}
            if set(self._new) <= known:
                objects = [*objects, *(o for o in self._candidates() if id(o) in known)]
        plan = unitofwork.plan(self, objects, deleted, fields, vetoed)
        for operation in plan:
            for obj in operation.objects:
                if obj._state.lifecycle is Lifecycle.TRANSIENT:
                    self._add(obj)  # save-update cascade: what pending objects refer to comes along
        with progress_bar(progress, len(plan)) as told:
            commit = unitofwork.Commit(
                self,
                plan,
                workers=self.client.workers if workers is None else workers,
                on_error=on_error,
                progress=told,
            )
            return commit.run()
