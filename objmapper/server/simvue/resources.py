"""A resource is a kind of object: its table, what may be said of it, how it is answered."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from objmapper.server.simvue.call import Call, new_key
from objmapper.server.simvue.errors import Unprocessable
from objmapper.server.simvue.validation import clean
from objmapper.server.simvue.values import Field, Place


@dataclass(frozen=True)
class Resource:
    """The fields of a kind by their names, which are those of the columns."""

    table: str
    #: What may be said, in a POST and in a PUT.
    fields: Mapping[str, Field]
    #: What may be said in a POST only.
    fixed: Mapping[str, Field] = field(default_factory=dict)

    #: What may be said in a POST, and changes nothing here.
    ignored: Mapping[str, Field] = field(default_factory=dict)

    @property
    def columns(self) -> Mapping[str, Field]:
        return {**self.fixed, **self.fields}

    def new(self, body: Any, place: Place = ("body",)) -> dict[str, Any]:
        """The values of an object that is made: what is said, and the defaults of the rest."""
        given = clean(body, {**self.columns, **self.ignored}, place=place)
        return {name: given.get(name, each.default) for name, each in self.columns.items()}

    def changes(self, body: Any, row: sqlite3.Row) -> dict[str, Any]:
        """The values that a PUT says: it leaves the others as they are.

        What can't be changed may be said as it is: the published sender says all that it knows.
        """
        said = clean(body, self.columns, partial=True)
        for name, each in self.fixed.items():
            if name in said and each.stored(said.pop(name)) != row[name]:
                raise Unprocessable.at("frozen_field", "Field can't be changed", "body", name)
        return said

    def stored(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values as their columns hold them."""
        columns = self.columns
        return {
            name: columns[name].stored(value) if name in columns else value
            for name, value in values.items()
        }

    def insert(self, call: Call, values: Mapping[str, Any], **more: Any) -> tuple[int, str]:
        """A row is made in the tenant of who asks; its id and its key."""
        key = new_key()
        row = {"key": key, "tenant_id": call.tenant, "created": call.now()}
        return call.insert(self.table, row | self.stored(values) | more), key

    def update(self, call: Call, row: sqlite3.Row, values: Mapping[str, Any], **more: Any) -> None:
        columns = self.stored(values) | more
        if columns:
            call.update(self.table, row["id"], columns)

    def told(self, row: sqlite3.Row) -> dict[str, Any]:
        """A row as it is answered, as far as it stands in its columns."""
        values = {name: each.told(row[name]) for name, each in self.columns.items()}
        return {"id": row["key"], **values, "created": row["created"]}
