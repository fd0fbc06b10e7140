"""What the server has of objects that it may have been sent: rows by key, or by natural key."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

from objmapper import naturalkey, reading
from objmapper.exceptions import ObjMapperError, QueryError
from objmapper.operation import Change, Kind, Pending, Request, has_pending, resolve
from objmapper.paging import row_pages
from objmapper.query import Query
from objmapper.state import ABSENT

Row = dict[str, Any]


def mapper_of(change: Change) -> Any:
    """Return the mapper of a change's object."""
    return type(change.object).__mapper__


class View:
    """The rows that may be those of some changes' objects, each asked for once.

    *surely*: what a list does not show, which may lag or hide it, is asked for by itself.
    """

    def __init__(
        self, session: Any, requests: Mapping[int, Request], *, surely: bool = False
    ) -> None:
        self.session, self._surely = session, surely
        #: By id of the change: the request that it was sent in.
        self._requests = requests
        #: By id of the change: rows, or what went wrong when they were asked for.
        self._rows: dict[int, list[Row] | ObjMapperError] = {}
        #: By id: the rows of new objects that were found, which tell their keys.
        self._found: dict[int, Row] = {}

    def rows(self, change: Change) -> list[Row] | ObjMapperError:
        """Return the rows that may be the object's, or what went wrong when they were asked for."""
        why = QueryError("nothing tells it from others (Meta.natural_key)")
        return self._rows.get(id(change), why)

    def identify(self, change: Change, row: Row) -> None:
        """Remember what a new object is; others are looked for by its key."""
        self._found[id(change.object)] = row

    def parents(self, change: Change) -> list[Any]:
        """Return the objects by whose keys a new object is looked for."""
        if change.kind != Kind.CREATE or _has_key(change):
            return []
        fields = naturalkey.fields_of(mapper_of(change))
        wires = [change.sent[field.key] for field in fields if field.key in change.sent]
        places = self.session.dialect.path_values(change.object).values()
        return [obj for obj in has_pending([*wires, *places]) if obj is not change.object]

    def ask(self, changes: Iterable[Change]) -> None:
        """Ask for what there is of the objects of *changes*, several in one request where that can be."""
        known, named = [], []
        for change in changes:
            if _has_key(change):
                known.append(change)
            elif mapper_of(change).natural_key:
                named.append(change)
        for group in _grouped(known, self._place):
            self._note(group, self._by_key)
        for group in _grouped(named, self._company):
            most, _ = self._together(group[0])
            for start in range(0, len(group), most):
                self._note(group[start : start + most], self._by_name)

    def _note(self, group: list[Change], ask: Callable[[list[Change]], list[list[Row]]]) -> None:
        try:
            rows: Sequence[list[Row] | ObjMapperError] = ask(group)
        except ObjMapperError as error:
            rows = [error] * len(group)
        self._rows.update(zip(map(id, group), rows, strict=True))

    def _place(self, change: Change) -> tuple[Any, tuple[tuple[str, Any], ...], Any]:
        """Return where an object lives; objects of one place can be asked for together."""
        values = self.session.dialect.path_values(change.object)
        told = {name: self.told(value) for name, value in values.items()}
        dialect = self.session.dialect
        place = dialect.place_of(change.object) or dialect.place_in(self._requests[id(change)])
        return mapper_of(change), tuple(told.items()), place

    def _query(self, change: Change) -> Query:
        mapper, values, place = self._place(change)
        return Query(mapper, path_values=values, place=place)

    def _company(self, change: Change) -> Hashable:
        """Return what those new objects have in common that can be looked for together."""
        untold = tuple(part is ABSENT for part in self._parts(change))
        return self._place(change), untold, self._together(change)[1]

    def _together(self, change: Change) -> tuple[int, Hashable]:
        return naturalkey.together(self.session, mapper_of(change), self._parts(change))

    def _by_key(self, group: list[Change]) -> list[list[Row]]:
        keys = [_key(change) for change in group]
        query = self._query(group[0])
        rows = reading.rows_by_keys(self.session, query, keys)
        if self._surely and len(keys) > 1:
            for key in keys:
                rows |= {} if key in rows else reading.rows_by_keys(self.session, query, [key])
        return [[rows[key]] if key in rows else [] for key in keys]

    def _by_name(self, group: list[Change]) -> list[list[Row]]:
        mapper, keys = mapper_of(group[0]), [self._parts(change) for change in group]
        query = naturalkey.narrowed(self.session, self._query(group[0]), keys)
        if query.where is None:
            raise QueryError("the server can look for nothing of its natural key")
        named: dict[Hashable, list[Row]] = defaultdict(list)
        for rows in row_pages(self.session, query):
            for row in rows:
                parts = map(self.trimmed, naturalkey.of_row(mapper, row))
                asked = zip(keys[0], parts, strict=True)
                name = [ABSENT if part is ABSENT else has for part, has in asked]
                named[naturalkey.frozen(name)].append(row)
        return [named[naturalkey.frozen(parts)] for parts in keys]

    def _parts(self, change: Change) -> naturalkey.Parts:
        """Return the natural key as the server has it; ABSENT for what it was not told."""
        if change.kind != Kind.CREATE:
            return naturalkey.of_object(change.object)
        return [
            self.form(field, change.sent[field.key]) if field.key in change.sent else ABSENT
            for field in naturalkey.fields_of(mapper_of(change))
        ]

    def told(self, wire: Any) -> Any:
        """Return what was sent, with the keys of what was found in place of those not known."""
        if isinstance(wire, Pending) and id(wire.of) in self._found:
            return self._found[id(wire.of)][type(wire.of).__mapper__.pk.key]
        return resolve(wire)

    def form(self, field: Any, wire: Any) -> Any:
        """Return a value as JSON in its one form, as the server keeps it."""
        return self.trimmed(naturalkey.wire_of(field, self.told(wire)))

    def trimmed(self, wire: Any) -> Any:
        """Return text as the server keeps it."""
        trims = self.session.dialect.trims_text and isinstance(wire, str)
        return wire.strip() if trims else wire


def _key(change: Change) -> Any:
    return mapper_of(change).key_in(change.object._row)


def _has_key(change: Change) -> bool:
    mapper = mapper_of(change)
    return mapper.singleton or (mapper.has_key and _key(change) is not None)


def _grouped(changes: list[Change], place: Callable[[Change], Hashable]) -> Iterable[list[Change]]:
    groups: dict[Hashable, list[Change]] = defaultdict(list)
    for change in changes:
        groups[place(change)].append(change)
    return groups.values()
