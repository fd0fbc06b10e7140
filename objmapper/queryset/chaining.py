"""Methods that return a new query set and send nothing: filter, order_by, only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Generic, Self, TypeVar

from objmapper.exceptions import FieldDoesNotExist, QueryError
from objmapper.query import NOTHING, FetchMode, Q, Query, take_path_values

M = TypeVar("M")


def _everything(model: Any) -> Query:
    query: Query = model.__mapper__.everything()
    return query


class Chaining(Generic[M]):
    """A query that another one is made from."""

    def __init__(self, model: type[M], query: Query | None = None, session: Any = None) -> None:
        #: The class of the objects.
        self.model: Any = model
        #: What is asked, resolved and checked.
        self.query: Query = query or _everything(model)
        self._session = session
        self._results: list[M] | None = None

    def _chain(self, query: Query) -> Self:
        return type(self)(self.model, query, self._session)

    def all(self) -> Self:
        """Return the same query, fresh: it asks the server again."""
        return self._chain(self.query)

    def none(self) -> Self:
        """Return no objects; nothing is asked."""
        return self._chain(self.query.having(NOTHING))

    def filter(self, *conditions: Q, **lookups: Any) -> Self:
        """Return what also meets these conditions: Q objects, expressions, and lookups as keywords.

        Raises FieldDoesNotExist and QueryError for names and values that can't be, and after a slice.
        What the server can't do is told when it is asked, by UnsupportedLookup.
        """
        return self._having(Q(*conditions, **lookups), "filter")

    def exclude(self, *conditions: Q, **lookups: Any) -> Self:
        """Return what does not meet these conditions, taken together. Raises as ``filter`` does."""
        return self._having(~Q(*conditions, **lookups), "exclude")

    def _having(self, q: Q, verb: str) -> Self:
        self._not_sliced(verb)
        mapper = self.query.mapper
        node, values = take_path_values(mapper, mapper.resolve(q))
        query = self.query.having(node)
        if values:
            told = dict(self.query.path_values) | values
            query = replace(query, path_values=tuple(told.items()))
        return self._chain(query)

    def order_by(self, *names: str) -> Self:
        """Return the same objects in another order; ``"-id"`` reverses; no names: the server's own.

        Raises FieldDoesNotExist and QueryError for names that can't be, and after a slice.
        """
        self._not_sliced("order_by")
        mapper = self.query.mapper
        return self._chain(replace(self.query, order_by=mapper.order(names), reversed=False))

    def reverse(self) -> Self:
        """Return the same objects in the opposite order. Raises QueryError after a slice."""
        self._not_sliced("reverse")
        return self._chain(replace(self.query, reversed=not self.query.reversed))

    def only(self, *names: str) -> Self:
        """Return objects with just these fields loaded, where the server can; key and version too.

        The others load when they are touched, with their peers. Raises FieldDoesNotExist, and
        QueryError for a reverse relation.
        """
        mapper = self.query.mapper
        for name in names:
            if name not in mapper.fields:
                raise FieldDoesNotExist.of(mapper.model.__name__, name, mapper.fields, "only")
            if name in mapper.has_many:
                raise QueryError(f"only({name!r}): a reverse relation is never part of a row.")
        return self._chain(replace(self.query, only=tuple(map(mapper.fields.get, names))))

    def prefetch_related(self, *names: str) -> Self:
        """Return objects whose relations are loaded with them: one wave of requests a relation.

        Names may lead on, as ``"project__owner"``. Raises FieldDoesNotExist, and QueryError for what
        is no relation.
        """
        for name in names:
            mapper = self.query.mapper
            for part in name.split("__"):
                field = mapper.fields.get(part)
                if field is None:
                    raise FieldDoesNotExist.of(mapper.model.__name__, part, mapper.fields, name)
                if part not in mapper.foreign_keys and part not in mapper.has_many:
                    raise QueryError(f"prefetch_related({name!r}): {field} is no relation.")
                mapper = field.target.__mapper__
        return self._chain(replace(self.query, prefetch=(*self.query.prefetch, *names)))

    def fetch_mode(self, mode: FetchMode) -> Self:
        """Return objects that load relations and deferred fields as *mode* says.

        *mode* is FETCH_PEERS, FETCH_ONE or RAISE. Raises QueryError for anything else.
        """
        if not isinstance(mode, FetchMode):
            raise QueryError(f"fetch_mode takes FETCH_ONE, FETCH_PEERS or RAISE, not {mode!r}.")
        return self._chain(replace(self.query, fetch_mode=mode))

    def filter_locally(self, predicate: Callable[[M], bool]) -> Self:
        """Return the objects for which *predicate* holds, evaluated here, page by page.

        Raises QueryError after a slice.
        """
        self._not_sliced("filter_locally")
        return self._chain(replace(self.query, local=(*self.query.local, predicate)))

    def using(self, session: Any) -> Self:
        """Return the same query, asked through *session* whatever the current one is."""
        chained = self._chain(self.query)
        chained._session = session
        return chained

    def _not_sliced(self, verb: str) -> None:
        if self.query.is_sliced:
            raise QueryError(f"{verb} after a slice: slice last, the server counts before it cuts.")
