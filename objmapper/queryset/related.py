"""RelatedManager: what the server has that refers to one object."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from objmapper.exceptions import QueryError
from objmapper.query import Q, Query, take_path_values
from objmapper.queryset.queryset import Manager, QuerySet
from objmapper.state import Lifecycle, live_session, session_of

if TYPE_CHECKING:
    from objmapper.report import CommitReport

M = TypeVar("M")


class RelatedManager(Manager[M]):
    """``project.tasks``: what the server has that refers to one object.

    It has the methods of the target's own manager beside. What is created through it refers to the
    object. While the object is not on the server, to ask raises QueryError.
    """

    def __init__(self, obj: Any, field: Any) -> None:
        objects = field.target.objects
        self.__dict__.update(vars(objects))
        self._begin: Query = objects.query
        self._obj, self._field = obj, field

    @classmethod
    def of(cls, obj: Any, field: Any) -> RelatedManager[Any]:
        """Return the manager of what refers to *obj* through *field*."""
        manager: Any = type(field.target.objects)
        made: RelatedManager[Any] = _with_methods_of(manager)(obj, field)
        return made

    @property
    def query(self) -> Query:  # type: ignore[override]
        """What refers to the object. Raises QueryError while it has no key."""
        by, mapper = self._field.by, self.model.__mapper__
        if by.key_value(self._obj) is None:
            raise QueryError(
                f"{self._obj!r} is not on the server yet, so nothing there refers to it."
            )
        node, values = take_path_values(mapper, mapper.resolve(Q(**{by.name: self._obj})))
        session = session_of(self._obj)
        place = None if session is None else session.dialect.place_of(self._obj)
        query = self._begin.having(node)
        return replace(query, path_values=tuple(values.items()), place=place)

    @property
    def session(self) -> Any:
        """The object's own session; a new object has the current one. Raises DetachedError."""
        if self._obj._state.lifecycle is Lifecycle.TRANSIENT:
            return self.model.__mapper__.registry.session()
        return live_session(self._obj, f"The relation {self._field.name!r}")

    def get_queryset(self) -> QuerySet[M]:
        """Return the query set that every query of this manager begins with."""
        return self.all()

    def _chain(self, query: Query) -> Any:
        return self.queryset_class(self.model, query, self.session)

    def all(self) -> QuerySet[M]:  # type: ignore[override]  # a query set, as of every manager
        """Return all of them; a prefetched relation is not asked again until ``refresh()``."""
        prefetched = (self._obj._state.prefetched or {}).get(self._field.name)
        if prefetched is None:
            fresh: QuerySet[M] = self._chain(self.query)
            return fresh
        found = self.queryset_class(self.model, self.query, session_of(self._obj))
        found._results = list(prefetched)
        return found

    def count(self) -> int:
        """Return how many objects refer to the object; of a prefetched relation without asking."""
        return self.all().count()

    def exists(self) -> bool:
        """Return whether any object refers to the object; of a prefetched relation without asking."""
        return self.all().exists()

    def _given(self, values: dict[str, Any]) -> dict[str, Any]:
        return {self._field.by_name: self._obj} | values

    def add(self, *objects: M) -> CommitReport:
        """Make *objects* refer to the object, as one commit; a pending object goes first.

        Raises TypeError for an object of another model, ValidationError, CommitError.
        """
        added = self._mine(objects)
        for obj in added:
            setattr(obj, self._field.by_name, self._obj)
        return self._commit(added)

    def __repr__(self) -> str:
        return f"<{self._field.name} of {self._obj!r}>"


@cache
def _with_methods_of(manager: Any) -> Any:
    """Return RelatedManager, with the methods of a model's own manager class."""
    if manager is Manager:
        return RelatedManager
    return type("RelatedManager", (RelatedManager, manager), {})
