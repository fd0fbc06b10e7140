"""Repositories: CVAT's word for what manages one kind of objects; here each is the query manager.

``client.tasks.filter(...)`` is ``Task.objects.filter(...)`` through the session that the client has
for the asking thread.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from objmapper import reading
from objmapper.cvat import filters, wording
from objmapper.cvat.base import CVATModel, by_field_name, listed
from objmapper.cvat.models import User
from objmapper.exceptions import cut
from objmapper.query import Q, Query
from objmapper.queryset import Manager, QuerySet
from objmapper.report import CommitReport

M = TypeVar("M", bound=CVATModel)


class Repository(Manager[M]):
    """The objects of one kind on one server: a manager, and the verbs of CVAT's own SDK."""

    if TYPE_CHECKING:  # a property that returns one is read as it is

        def __get__(self, instance: Any, owner: Any = None) -> Self: ...  # type: ignore[override]

    def __init__(self, model: type[M], client: Any) -> None:
        super().__init__()
        self.model = model
        self.queryset_class = type(model.objects).queryset_class
        self.query = Query(model.__mapper__)
        self._client = client

    @property
    def session(self) -> Any:
        """The session that the client has for the thread that asks."""
        return self._client.session

    def _chain(self, query: Query) -> Any:
        return self.queryset_class(self.model, query, self.session)

    def search(self, text: str) -> QuerySet[M]:
        """Return what CVAT finds of a text: a query set, to be filtered and sorted as any other.

        Each word, whatever its case, is in one of the names that CVAT searches: those of tasks and
        their projects, of people, and the like. Raises QueryError for what is no text; UnsupportedLookup,
        when it is asked, for what CVAT does not search.
        """
        found: QuerySet[M] = self._chain(filters.searched(self.query, text))
        return found

    def list(
        self,
        *conditions: Q,
        filter: Any = None,
        search: str | None = None,
        sort: str | None = None,
        page_size: int | None = None,
        **lookups: Any,
    ) -> builtins.list[M]:
        """Return all objects that meet the conditions, as a list.

        The names of *lookups*, and of *sort* (``"-updated_date,name"``), are those of the fields, or
        CVAT's: ``task_id=7``, ``name__ne="tmp"``, and ``owner="admin"``, as CVAT names people. *filter* is
        one more condition: a Q, an expression of ``F``, JSON Logic, or its JSON. *search* is a text that
        CVAT looks for, as ``search()``. *page_size*: how many are asked for at a time.

        Raises FieldDoesNotExist, QueryError, UnsupportedLookup; TypeError for ``page``, and for
        ``return_json``: what objects are made of is told by ``values()`` and by ``to_dict()``.
        """
        _refuse_others(lookups, sort)
        given = [] if filter is None or filter == "" else [filters.as_condition(filter)]
        words = [filters.worded(*pair) for pair in lookups.items()]
        query = self.query if search is None else filters.searched(self.query, search)
        found = self._chain(query).filter(*conditions, *given, *words)
        if sort:
            found = found.order_by(*(wording.order(self.model, name) for name in sort.split(",")))
        return [*(found if page_size is None else found.iterator(page_size=page_size))]

    def retrieve(self, obj_id: int | str) -> M:
        """Return the object of that id, asked anew. Raises the model's DoesNotExist."""
        found: M = self.get(pk=obj_id)
        return found

    def create(self, spec: Mapping[str, Any] | None = None, /, **values: Any) -> M:
        """Create one object from a dict of CVAT's names or field names, or from keywords.

        Raises FieldDoesNotExist, TypeError for a field that is given twice, ValidationError before
        anything is sent, CommitError.
        """
        return super().create(**by_field_name(self.model, spec or {}), **values)

    def remove_by_ids(self, ids: Iterable[int]) -> CommitReport:
        """Delete the objects of these ids; one that fails does not keep the others.

        Raises CommitError, whose report tells every failure, and TypeError for what is no list of ids.
        """
        doomed = [self.reference(key) for key in listed("ids", ids)]
        report: CommitReport = self.session.delete_objects(doomed, on_error="continue")
        return report

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.model.__name__} at {self._client.base_url}>"


def _refuse_others(lookups: Mapping[str, Any], sort: Any) -> None:
    """Raise TypeError for words that ask lists for what they are not."""
    if sort is not None and not isinstance(sort, str):
        raise TypeError(f"sort is a text of names, as '-updated_date,name', not {cut(sort)}.")
    if "page" in lookups:
        raise TypeError(
            "list() takes no page=: it returns the objects of all pages. A query set is cut, as "
            ".all()[20:40], and goes page by page, as .all().iterator(page_size=20)."
        )
    if "return_json" in lookups:
        raise TypeError(
            "list() takes no return_json=: it returns objects. Ask .all().values() for dicts of what the "
            "server tells, or each object for its .to_dict()."
        )


class Users(Repository[User]):
    """The users that the one who is logged in may see."""

    def retrieve_current_user(self) -> User:
        """Return who is logged in. Raises NotAuthenticated where nobody is."""
        response, session = self._client.request("GET", "/users/self"), self.session
        with session.using():
            user: User = reading.told(session, self.query, response)
        return user
