"""QuerySet and Manager: how to read. Lazy, immutable, chainable.

A method either returns a new query set (``chaining``) or does I/O (here); the session that is current
*then* is asked, or the one that ``using()`` named.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

from objmapper.exceptions import FieldDoesNotExist, QueryError, ReadOnlyFieldError, ValidationError
from objmapper.query import FetchMode, Q, Query, only_key
from objmapper.queryset.chaining import Chaining

if TYPE_CHECKING:
    from objmapper.report import CommitReport

M = TypeVar("M")
T = TypeVar("T")
QS = TypeVar("QS", bound="QuerySet[Any]")
#: What ``update`` takes beside fields: the options of a commit.
_OPTIONS = frozenset({"workers", "on_error", "progress", "deadline", "on_conflict"})


def _check_count(name: str, given: Any, least: int) -> None:
    if not isinstance(given, int) or given < least:
        raise QueryError(f"{name} is {least} or more, not {given!r}.")


class QuerySet(Chaining[M]):
    """The objects of one model that a query selects; nothing is sent before it is iterated.

    Iteration, ``len``, ``bool`` and an index ask the server, and keep what came; a slice is another
    query set, but for one with a step, which is a list. IndexError tells of an index beyond the end,
    QueryError of a negative one. What asks the server raises NoActiveSession without a session,
    UnsupportedLookup for what the dialect can't say, TransportError and its kin, and ContractError.
    """

    @property
    def session(self) -> Any:
        """The session that will be asked. Raises NoActiveSession."""
        if self._session is not None:
            return self._session
        return self.query.mapper.registry.session()

    def _fetched(self) -> list[M]:
        if self._results is None:
            self._results = self.session.fetch(self.query)
        return self._results

    def __iter__(self) -> Iterator[M]:
        return iter(self._fetched())

    def __len__(self) -> int:
        return len(self._fetched())

    def __bool__(self) -> bool:
        return bool(self._fetched())

    @overload
    def __getitem__(self, index: int) -> M: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            start, stop = index.start or 0, index.stop
            if start < 0 or (stop is not None and stop < 0):
                raise QueryError(
                    "Negative slices are not possible: the end is not known before all is read. "
                    "Use reverse(), or last()."
                )
            if self._results is not None:
                return self._results[index]
            chained = self._chain(self.query.sliced(start, stop))
            return list(chained)[:: index.step] if index.step else chained
        index = operator.index(index)
        if index < 0:
            raise QueryError("Negative indexes are not possible; use last(), or reverse()[n].")
        if self._results is not None:
            return self._results[index]
        found = list(self._chain(self.query.sliced(index, index + 1)))
        if not found:
            raise IndexError(f"there is no object at index {index}")
        return found[0]

    def iterator(self, *, page_size: int | None = None, prefetch_pages: int = 1) -> Iterator[M]:
        """Yield the objects in constant memory; nothing is kept.

        *prefetch_pages* pages are fetched ahead, side by side where the server lets one jump.
        *page_size*: how many rows to ask for in one page; the dialect's choice by default. Raises
        QueryError for numbers that can't be.
        """
        if page_size is not None:
            _check_count("page_size", page_size, 1)
        _check_count("prefetch_pages", prefetch_pages, 0)
        query = replace(self.query, page_size=page_size or self.query.page_size)
        found: Iterator[M] = self.session.iterate(query, prefetch_pages)
        return found

    def get(self, *conditions: Q, **lookups: Any) -> M:
        """Return the one object that matches; by key alone it is the detail URL.

        Raises the model's DoesNotExist and MultipleObjectsReturned.
        """
        chosen = self.filter(*conditions, **lookups) if conditions or lookups else self
        query = chosen.query
        if query.mapper.singleton or only_key(query) is not None:
            one: M = self.session.get_one(query, only_key(query))
            return one
        found = list(chosen if query.is_sliced else chosen._chain(query.sliced(0, 2)))
        if len(found) == 1:
            return found[0]
        asked = f"{self.model.__name__}.objects.get({query.where or ''})"
        if not found:
            raise self.model.DoesNotExist(f"{asked}: no {self.model.__name__} matches.")
        raise self.model.MultipleObjectsReturned(
            f"{asked}: several match, where one was asked for."
        )

    def first(self) -> M | None:
        """Return the first object, or None; by key if there is no order and the server can sort."""
        return next(iter(self._ordered()[:1]), None)

    def last(self) -> M | None:
        """Return the last object, by key if there is no order, or None."""
        if self.query.is_sliced:
            return (self._fetched() or [None])[-1]  # type: ignore[list-item]
        return next(iter(self._ordered().reverse()[:1]), None)

    def _ordered(self) -> Self:
        query, mapper = self.query, self.query.mapper
        ordered = mapper.declared_ordering if query.order_by is None else query.order_by
        if ordered or query.is_sliced or not mapper.has_key:
            return self
        return self.order_by(mapper.pk.name) if self.session.dialect.sorts(mapper.pk) else self

    def count(self) -> int:
        """Return how many objects match; one request where the server tells, else they are counted."""
        if self._results is not None:
            return len(self._results)
        if self.query.finds_nothing:
            return 0
        if self.query.local:
            return sum(1 for _ in self.iterator())
        total: int = self.session.count(replace(self.query, offset=0, limit=None))
        rest = max(total - self.query.offset, 0)
        return rest if self.query.limit is None else min(rest, self.query.limit)

    def exists(self) -> bool:
        """Return whether any object matches; one request, for one row."""
        return bool(self._results) if self._results is not None else bool(list(self[:1]))

    def in_bulk(self, keys: Iterable[Any] | None = None) -> dict[Any, M]:
        """Return ``{key: object}`` of those of *keys* that exist, in as few requests as fit.

        Without *keys* it is all that match. Raises QueryError after a slice, for a keyless model and
        for what can't be a key.
        """
        self._not_sliced("in_bulk")
        mapper = self.query.mapper
        if not mapper.has_key:
            raise QueryError(f"{mapper.model.__name__} has no keys, so none can be asked for.")
        if keys is None:
            return {mapper.key_in(obj._row): obj for obj in self}  # type: ignore[attr-defined]
        wanted = list(dict.fromkeys(map(mapper.asked_key, keys)))
        found: list[M] = self.session.fetch_keys(self.query, wanted)
        by_key = {mapper.key_in(obj._row): obj for obj in found}  # type: ignore[attr-defined]
        return {key: by_key[key] for key in wanted if key in by_key}

    def values(self, *names: str) -> list[dict[str, Any]]:
        """Return dicts of the server's values, without making objects.

        Values are Python's, of a relation the key. Without names it is every field that the server
        shows. Raises FieldDoesNotExist, and QueryError for a write-only field and after
        ``filter_locally``.
        """
        fields = self._named(names)
        query = replace(self.query, only=self.query.only or (fields if names else ()))
        return [
            {field.name: field.value_in(row) for field in fields}
            for row in self.session.rows(query)
        ]

    def values_list(self, *names: str, flat: bool = False) -> list[Any]:
        """Return tuples of the server's values; with *flat* and one name the values themselves.

        Raises as ``values`` does, and QueryError for *flat* without exactly one name.
        """
        if flat and len(names) != 1:
            raise QueryError("values_list(flat=True) takes exactly one name.")
        rows = [tuple(row.values()) for row in self.values(*names)]
        return [row[0] for row in rows] if flat else rows

    def _named(self, names: tuple[str, ...]) -> tuple[Any, ...]:
        mapper = self.query.mapper
        if self.query.local:
            raise QueryError("values() makes no objects, so filter_locally() has none to ask.")
        if not names:
            return tuple(field for field in mapper.by_key.values() if not field.write_only)
        fields = []
        for name in names:
            field = mapper.pk if name == "pk" else mapper.fields.get(name)
            if field is None or name in mapper.has_many:
                raise FieldDoesNotExist.of(mapper.model.__name__, name, mapper.fields, "values")
            if field.write_only:
                raise QueryError(
                    f"values({name!r}): {field} is write-only, the server shows it never."
                )
            fields.append(field)
        return tuple(fields)

    def reference(self, key: Any) -> M:
        """Return an object of which only the key is known; nothing is sent.

        It can be changed and deleted without a read. Raises QueryError for what can't be a key.
        """
        found: M = self.session.reference(self.query.mapper, key, self.query.path_values)
        return found

    def explain(self) -> str:
        """Return what the server does, what is done here, and each URL; nothing is sent.

        Raises UnsupportedLookup for what the dialect can't say.
        """
        text: str = self.session.explain(self.query)
        return text

    # -- each a commit of its own objects ---------------------------------------------------------

    def create(self, **values: Any) -> M:
        """Create one object on the server, from field names and values, and return it.

        Raises FieldDoesNotExist, ValidationError before anything is sent, CommitError.
        """
        return self.bulk_create([self.model(**self._given(values))])[0]

    def _given(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return what a new object of this query set has beside *values*."""
        return dict(self.query.path_values) | values

    def bulk_create(self, objects: Iterable[M], **options: Any) -> list[M]:
        """Create several objects, as one commit of their own, and return them.

        *options* are those of ``Session.commit``. Raises TypeError for an object of another model,
        ValidationError before anything is sent, CommitError.
        """
        created = self._mine(objects)
        self._commit(created, **options)
        return created

    def _mine(self, objects: Iterable[M]) -> list[M]:
        """Return *objects* as a list. Raises TypeError for one of another model."""
        found = list(objects)
        for obj in found:
            if not isinstance(obj, self.model):
                raise TypeError(f"{self!r} takes {self.model.__name__} objects, not {obj!r}.")
        return found

    def _commit(self, objects: list[M], **options: Any) -> CommitReport:
        """Commit these objects, new ones among them, and nothing else."""
        session = self.session
        known = {id(obj) for obj in session.new}
        session.add_all(obj for obj in objects if obj not in session)
        try:
            report: CommitReport = session.commit_objects(objects, **options)
        except Exception:
            # What was not sent, parents that came along included, would otherwise go out with the
            # session's next commit, unasked.
            for obj in session.new:
                if id(obj) not in known and obj in session and not session.is_uncertain(obj):
                    session.expunge(obj)
            raise
        return report

    def get_or_create(
        self, defaults: dict[str, Any] | None = None, **lookups: Any
    ) -> tuple[M, bool]:
        """Return the one that matches, else create it with *defaults*; and whether it was created.

        Raises as ``get`` and ``create`` do, but for DoesNotExist.
        """
        try:
            return self.get(**lookups), False
        except self.model.DoesNotExist:
            plain = {name: value for name, value in lookups.items() if "__" not in name}
            return self.create(**(plain | (defaults or {}))), True

    def update_or_create(
        self, defaults: dict[str, Any] | None = None, **lookups: Any
    ) -> tuple[M, bool]:
        """Update the one that matches with *defaults*, else create it; and whether it was created.

        Of one that is there, the fields of *defaults* alone are sent. Raises as ``get_or_create``
        does.
        """
        found, created = self.get_or_create(defaults, **lookups)
        if not created:
            for name, value in (defaults or {}).items():
                setattr(found, name, value)
            self.session.commit_objects([found], fields=tuple(defaults or ()))
        return found, created

    def update(self, **values: Any) -> int:
        """Set these fields of every object that matches, as one commit; returns how many matched.

        A keyword that names no field may be an option of ``Session.commit``, as ``on_conflict``. Raises
        FieldDoesNotExist, ReadOnlyFieldError, ValidationError, and QueryError for a keyless model, before
        anything is asked; CommitError.
        """
        fields = self.query.mapper.fields
        options = {name: values.pop(name) for name in _OPTIONS & values.keys() - fields.keys()}
        if not values:
            return 0
        self._check_update(values)
        session, found = self.session, list(self._fetched())
        for obj in found:
            for name, value in values.items():  # a list of its own for each object
                setattr(obj, name, copy.deepcopy(value) if fields[name].mutable else value)
        session.commit_objects(found, fields=tuple(values), **options)
        return len(found)

    def _check_update(self, values: dict[str, Any]) -> None:
        """Refuse what can't be set before anything is asked or changed."""
        self._not_keyless("update")
        mapper = self.query.mapper
        for name, value in values.items():
            field = mapper.fields.get(name)
            if field is None:
                raise FieldDoesNotExist.of(mapper.model.__name__, name, mapper.fields, "update")
            if field.read_only or field.write_once:
                raise ReadOnlyFieldError(f"update({name}=...): {field} can't be set any more.")
            messages = field.check(field.store(value))
            if messages:
                raise ValidationError.of([(f"update({name}={field.told(value)})", None, messages)])

    def delete(self, **options: Any) -> int:
        """Delete every object that matches, as one commit; returns how many.

        *options* are those of ``Session.commit``. Raises QueryError for a keyless model, CommitError.
        """
        self._not_keyless("delete")
        found, session = list(self._fetched()), self.session
        session.delete_objects(found, **options)
        self._results = None
        return len(found)

    def _not_keyless(self, verb: str) -> None:
        if self.query.mapper.keyless:
            raise QueryError(
                f"{verb}: {self.model.__name__} is append-only: without a key no object has an address."
            )

    # -- what Python asks -------------------------------------------------------------------------

    @classmethod
    def as_manager(cls: type[QS]) -> ManagerOf[QS]:
        """Return a manager with the methods of this query set: ``objects = TaskQuerySet.as_manager()``."""
        bases = (ManagerOf, cls)
        made: Any = type(f"{cls.__name__}Manager", bases, {"queryset_class": cls})
        manager: ManagerOf[QS] = made()
        return manager

    def __repr__(self) -> str:
        query = self.query
        parts = [str(query.where)] if query.where is not None else []
        if query.order_by is not None:
            names = ", ".join(key.name for key in query.order_by)
            parts.append(f"order_by {names or 'nothing'}")
        if query.is_sliced:
            stop = "" if query.limit is None else query.offset + query.limit
            parts.append(f"[{query.offset}:{stop}]")
        known = f", {len(self._results)} loaded" if self._results is not None else ""
        return (
            f"<{type(self).__name__} of {self.model.__name__}: {' '.join(parts) or 'all'}{known}>"
        )


class Objects(QuerySet[M]):
    """What type checkers see of ``Model.objects``: the manager of the class that asks."""

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: type[T]) -> Manager[T]: ...
        @overload
        def __get__(self, instance: object, owner: type) -> Any: ...
        def __get__(self, instance: Any, owner: Any) -> Any: ...


class Manager(Objects[M]):
    """``Task.objects``: where queries begin. It has every method of a query set, and keeps no results.

    It is asked of the class; ``task.objects`` raises AttributeError. ``len`` raises TypeError: a
    manager is asked for its ``count()``. A class of one's own adds methods, or begins every query
    with another query set::

        class OpenTasks(Manager):
            def get_queryset(self):
                return super().get_queryset().filter(state="new")

        class Task(Model):
            ...
            objects = OpenTasks()
    """

    #: The class of the query sets that it makes.
    queryset_class: type[QuerySet[Any]] = QuerySet

    def __init__(self) -> None:
        self._session = None
        self._results = None

    if TYPE_CHECKING:
        # A manager class of one's own stays itself, and what it chains is a query set.
        def __get__(self, instance: None, owner: type) -> Self: ...  # type: ignore[override]
        def all(self) -> QuerySet[M]: ...  # type: ignore[override]
        def none(self) -> QuerySet[M]: ...  # type: ignore[override]
        def filter(self, *conditions: Q, **lookups: Any) -> QuerySet[M]: ...  # type: ignore[override]
        def exclude(self, *conditions: Q, **lookups: Any) -> QuerySet[M]: ...  # type: ignore[override]
        def order_by(self, *names: str) -> QuerySet[M]: ...  # type: ignore[override]
        def reverse(self) -> QuerySet[M]: ...  # type: ignore[override]
        def only(self, *names: str) -> QuerySet[M]: ...  # type: ignore[override]
        def prefetch_related(self, *names: str) -> QuerySet[M]: ...  # type: ignore[override]
        def fetch_mode(self, mode: FetchMode) -> QuerySet[M]: ...  # type: ignore[override]
        def using(self, session: Any) -> QuerySet[M]: ...  # type: ignore[override]
        def filter_locally(  # type: ignore[override]
            self, predicate: Callable[[M], bool]
        ) -> QuerySet[M]: ...
        @overload  # type: ignore[override]
        def __getitem__(self, index: int) -> M: ...
        @overload
        def __getitem__(self, index: slice) -> QuerySet[M]: ...
        def __getitem__(self, index: int | slice) -> Any: ...

    else:

        def __get__(self, instance, owner):
            if instance is not None:
                raise AttributeError(
                    f"{owner.__name__}.objects is asked of the class, not of one object."
                )
            bound = object.__new__(type(self))
            bound.__dict__.update(self.__dict__, model=owner)
            bound.query = owner.__mapper__.everything()
            bound.query = bound.get_queryset().query
            return bound

    def get_queryset(self) -> QuerySet[M]:
        """Return the query set that every query of this manager begins with."""
        return self.queryset_class(self.model, session=self._session)

    def _chain(self, query: Query) -> Any:
        return self.queryset_class(self.model, query, self._session)

    def _fetched(self) -> list[M]:
        fetched: list[M] = self.all()._fetched()
        return fetched

    def __len__(self) -> int:
        # list() asks for the length first, and each would be a request of its own.
        raise TypeError(
            f"{self!r} is a manager and has no length; ask .count(), or len(....all())."
        )

    def __bool__(self) -> bool:
        return self.exists()

    def delete(self, **options: Any) -> int:
        """Raise QueryError: what deletes everything is said in full, ``.all().delete()``."""
        raise QueryError(f"{self!r}.delete() would delete them all; if so, say .all().delete().")

    def __repr__(self) -> str:
        model: type | None = getattr(self, "model", None)  # none before it is asked of a class
        return f"<{model.__name__ if model else type(self).__name__}.objects>"


class ManagerOf(Manager[Any], Generic[QS]):
    """A manager made from a query set class; typed as that query set."""

    if TYPE_CHECKING:

        def __get__(self, instance: None, owner: type) -> QS: ...  # type: ignore[override]
