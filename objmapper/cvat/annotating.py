"""How CVAT says annotations: all of a task or job in one answer, all changes of a kind in one PATCH."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from objmapper.cvat import annotation_answers
from objmapper.cvat.annotation_items import Item, items_of
from objmapper.cvat.annotation_labels import LabelSpec
from objmapper.cvat.annotation_models import kind_of, rows_in
from objmapper.cvat.places import InOrganizations
from objmapper.dialects.base import RowPage, row_of
from objmapper.exceptions import (
    Conflict,
    ContractError,
    QueryError,
    UnsupportedLookup,
    ValidationError,
)
from objmapper.operation import (
    Change,
    Draft,
    Json,
    Kind,
    Look,
    Pending,
    Request,
    Response,
    Settle,
    resolve,
)
from objmapper.query import Condition, Query
from objmapper.state import session_of

_PARENTS = {"job": "jobs", "task": "tasks"}
_OWN = frozenset({"exact", "in"})
_ORDER = (Kind.DELETE, Kind.UPDATE, Kind.CREATE)


class Annotating(InOrganizations):
    """What a dialect adds where annotations are parts of tasks and jobs.

    ``Meta.dialect_options`` of a model says "annotations": what their body calls the kind.
    """

    #: The server's version, as far as it is known.
    version: tuple[int, int] | None = None
    #: Asks the server for it, where nobody has; None: it has been asked, or can't be.
    _ask_version: Callable[[], tuple[int, int] | None] | None = None

    def known_version(self) -> tuple[int, int] | None:
        """Return the server's version for what depends on it, asked for once; None: it is not told."""
        if self.version is None and self._ask_version is not None:
            self.version, self._ask_version = self._ask_version(), None
        return self.version

    # -- reading ----------------------------------------------------------------------------------

    def has_addresses(self, mapper: Any) -> bool:
        return kind_of(mapper) is None

    def path_values(self, obj: Any) -> dict[str, Any]:
        mapper = type(obj).__mapper__
        if kind_of(mapper) is None:
            return super().path_values(obj)
        name = _home(obj)
        return {} if name is None else {name: _key(obj, name)}

    def lookups_of(self, path: tuple[Any, ...]) -> frozenset[str]:
        mapper = path[0].model.__mapper__
        if kind_of(mapper) is None:
            return super().lookups_of(path)
        name = path[0].name if len(path) == 1 else ""
        if name in _PARENTS:
            return frozenset({"exact"})
        return _OWN if name == mapper.pk.name else frozenset()

    def list_request(self, query: Query, page_size: int | None) -> Request:
        if kind_of(query.mapper) is None:
            return super().list_request(query, page_size)
        if self.ordering(query):
            raise UnsupportedLookup(
                "CVAT tells annotations in its own order. Sort the list that you get: "
                "sorted(query, key=...)."
            )
        asked = {name: value for name, value in query.path_values if name in _PARENTS}
        for condition in self.conjuncts(query.where):
            self.require(condition)
            if condition.name in _PARENTS:
                asked[condition.name] = condition.value
        if len(asked) != 1:
            name = query.mapper.model.__name__
            raise QueryError(
                f"{name} lives in a task or in a job: say which one, as {name}.objects.filter(task=7)."
            )
        [(name, key)] = asked.items()
        return Request("GET", f"/{_PARENTS[name]}/{resolve(key)}/annotations/")

    def skip(self, query: Query, page_size: int | None) -> tuple[Request, int]:
        if kind_of(query.mapper) is None:
            return super().skip(query, page_size)
        return self.list_request(query, page_size), query.offset

    def count_request(self, query: Query) -> Request | None:
        if kind_of(query.mapper) is None:
            return super().count_request(query)
        return None

    def read_page(self, query: Query, request: Request, response: Response) -> RowPage:
        kind = kind_of(query.mapper)
        if kind is None:
            return super().read_page(query, request, response)
        rows = rows_in(response.json(), kind, response.url)
        _, plural, key, *_ = str(request.path).split("/")
        place = {next(n for n in _PARENTS if _PARENTS[n] == plural) + "_id": int(key)}
        for condition in self.conjuncts(query.where):
            if condition.name == query.mapper.pk.name:
                rows = [row for row in rows if _meets(condition, query.mapper.key_in(row))]
        return RowPage([row | place for row in rows], len(rows))

    def detail_request(self, mapper: Any, key: Any, values: Mapping[str, Any]) -> Request:
        if kind_of(mapper) is not None:
            name = mapper.model.__name__
            raise QueryError(
                f"{name} {key!r} has no address of its own: it lives in a task or in a job. Say which "
                f"one, as {name}.objects.get(task=7, id={key!r})."
            )
        return super().detail_request(mapper, key, values)

    # -- writing ----------------------------------------------------------------------------------

    def annotating(self, changes: Sequence[Change]) -> Iterator[Draft]:
        """Yield one request for each task or job, and for what is done there with annotations.

        Raises ValidationError, listing all that can't be sent.
        """
        groups: dict[Any, list[Change]] = {}
        for change in changes:
            name = _home(change.object)
            key = None if name is None else _key(change.object, name)
            told = (id(key.of), "new") if isinstance(key, Pending) else (key, "")
            groups.setdefault((name, told), []).append(change)
        problems: list[Any] = []
        for group in groups.values():
            for kind in _ORDER:
                found = [change for change in group if change.kind == kind]
                try:
                    drafts = [self._annotating(kind, found)] if found else []
                except ValidationError as error:
                    problems += error.errors
                else:
                    yield from drafts
        if problems:
            raise ValidationError.of(problems)

    def _annotating(self, kind: Kind, changes: list[Change]) -> Draft:
        items, obj = items_of(changes), changes[0].object
        for change, item in zip(changes, items, strict=True):
            if (
                _kind(change) == "intervals"
                and kind == Kind.CREATE
                and self.known_version() == (2, 15)
            ):
                told = "This CVAT has no intervals: they are newer than 2.15."
                raise ValidationError.of([(change.object, None, [told])])
            if item.get("score") is None:
                continue
            if self.known_version() == (2, 15):
                told = "This CVAT keeps no scores: they are newer than 2.15."
                raise ValidationError.of([(change.object, "score", [told])])
        name = str(_home(obj))
        path = (f"/{_PARENTS[name]}/", _key(obj, name), "/annotations/")
        request = Request("PATCH", path, (("action", str(kind)),), body=Json(_body(changes, items)))
        if kind == Kind.DELETE:
            again = request._replace(repeatable=True)
            return Draft(kind, tuple(changes), again, True, Settle.REPEAT, lane=_lane(obj, name))
        place = {f"{name}_id": _key(obj, name)}
        draft = Draft(
            kind,
            tuple(changes),
            request._replace(repeatable=False),
            settle=Settle.LOOK_UP,
            lane=_lane(obj, name),
            read=partial(_read, changes, items, place),
            rekeys=True,
        )
        if kind == Kind.CREATE:
            question = Request("GET", path)
            look = Look(question, partial(_look, changes, items, place))
            return draft._replace(look=look)
        return draft


def _home(obj: Any) -> str | None:
    """Return whether an annotation is a job's or a task's; None where nothing says it."""
    return next((name for name in _PARENTS if obj._row.get(f"{name}_id") is not None), None)


def _key(obj: Any, name: str) -> Any:
    return type(obj).__mapper__.fields[name].dump(obj._row[f"{name}_id"])


def _lane(obj: Any, name: str) -> Any:
    key = _key(obj, name)
    return "annotations", name, id(key.of) if isinstance(key, Pending) else key


def _meets(condition: Condition, key: Any) -> bool:
    wanted = condition.value if condition.lookup == "in" else (condition.value,)
    return key in wanted


def _kind(change: Change) -> str:
    return str(kind_of(type(change.object).__mapper__))


def _body(changes: Sequence[Change], items: Sequence[Item]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for change, item in zip(changes, items, strict=True):
        body.setdefault(_kind(change), []).append(item)
    return body


def _sorted(changes: Sequence[Change]) -> list[tuple[str, list[int]]]:
    """Return each kind with the places of its changes."""
    places: dict[str, list[int]] = {}
    for place, change in enumerate(changes):
        places.setdefault(_kind(change), []).append(place)
    return list(places.items())


def _read(
    changes: Sequence[Change], items: Sequence[Item], place: Mapping[str, Any], response: Response
) -> list[Any]:
    """Return the row of each change in the answer to what was sent."""
    body, found = row_of(response.json(), response), dict[int, Any]()
    kinds = _sorted(changes)
    if changes[0].kind == Kind.CREATE and not any(rows_in(body, k, response.url) for k, _ in kinds):
        frames = ", ".join(str(item.get("frame", item.get("start"))) for item in items[:5])
        raise Conflict(
            f"{response.method} {response.url} answered {response.status}, and nothing was created: CVAT "
            f"drops what is on none of its frames, and there is none of {frames} here.",
            response,
        )
    for kind, places in kinds:
        sent = [resolve(items[each]) for each in places]
        rows = annotation_answers.paired(sent, rows_in(body, kind, response.url), response.url)
        found.update(zip(places, rows, strict=True))
        for change in changes if changes[0].kind == Kind.CREATE else ():
            change.object.home.show(_kind(change), change.object)
        if len(rows_in(body, kind, response.url)) > len(places):
            changes[
                0
            ].object.home.forget()  # a track has become one in each job that it goes through
    return _rows(changes, found, place)


def _look(
    changes: Sequence[Change],
    items: Sequence[Item],
    place: Mapping[str, Any],
    response: Response,
    age: int,
) -> list[Any] | None:
    """Return what was made of new annotations, by what is there now; None: nothing."""
    body, found, none = row_of(response.json(), response), dict[int, Any](), 0
    for kind, places in _sorted(changes):
        sent = [resolve(items[each]) for each in places]
        known = _known(changes[places[0]].object, kind, age)
        rows = [row for row in rows_in(body, kind, response.url) if row.get("id") not in known]
        made = annotation_answers.made(sent, rows)
        if made is None:
            none += len(places)
        else:
            found.update(zip(places, made, strict=True))
    if none == len(changes):
        return None
    if none:
        raise ContractError(f"{none} of {len(changes)} annotations that were sent are not there")
    return _rows(changes, found, place)


def _rows(
    changes: Sequence[Change], found: Mapping[int, Any], place: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return the row of each change as CVAT tells it to who reads it.

    The answer to a write lacks attributes that nothing was said of; read, they have their defaults.
    """
    rows = [found[each] | resolve(place) for each in range(len(changes))]
    for change, row in zip(changes, rows, strict=True):
        spec = change.object.home.labels.known(row.get("label_id"))
        if spec is not None and spec.attributes:
            _complete(row, spec)
    return rows


def _complete(row: dict[str, Any], spec: LabelSpec) -> None:
    shapes = row.get("shapes")
    _fill(row, spec.defaults(None if shapes is None else False))
    before = spec.defaults(mutable=True)
    for shape in shapes or ():  # what is not told of a shape is as on the one before it
        _fill(shape, before)
        before = shape["attributes"]


def _fill(row: dict[str, Any], defaults: list[dict[str, Any]]) -> None:
    told = row.get("attributes") or []
    known = {each.get("spec_id") for each in told}
    more = [dict(each) for each in defaults if each["spec_id"] not in known]
    row["attributes"] = [*told, *more]


def _known(obj: Any, kind: str, age: int) -> set[Any]:
    """Return the ids of annotations of a kind that were there before the age."""
    session, listed = session_of(obj), obj.home.list_of(kind)
    known = {key for key, _ in listed.places()} if 0 < listed.age < age else set()
    if session is not None:
        root = type(obj).__mapper__.root
        known |= session.members.created.get(root, set())
        alive = (ref() for ref in list(session.identity.home(root).values()))
        known |= {each._row.get("id") for each in alive if each and each._state.age < age}
    return known


__all__ = ["Annotating"]
