"""The labels that a task's annotations may have, with their attributes: by name and by id."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from objmapper.exceptions import ContractError, ValidationError, near_misses

#: A label of one of these types takes all shapes; CVAT tells null of some that were added later.
_ANY = ("any", None)


class AttributeSpec(NamedTuple):
    """An attribute that a label defines."""

    #: Its id, by which annotations say it.
    id: int
    #: Its name.
    name: str
    #: Whether it may change from frame to frame of a track.
    mutable: bool
    #: How its value is given: "select", "radio", "checkbox", "number" or "text".
    input_type: str
    #: What it is where an annotation says nothing.
    default_value: str
    #: What there is to choose from.
    values: tuple[str, ...]

    def refusal(self, value: str) -> str | None:
        """Say why it can't have a value; None where it can."""
        if self.input_type not in ("select", "radio") or value in self.values:
            return None
        return f"{self.name!r} is one of {', '.join(map(repr, self.values))}, not {value!r}."


class LabelSpec(NamedTuple):
    """A label, or a sublabel of a skeleton."""

    #: Its id.
    id: int
    #: Its name.
    name: str
    #: What it is put on: a type of shapes, "tag", or "any"; None is any.
    type: str | None
    #: Its attributes.
    attributes: tuple[AttributeSpec, ...]
    #: The labels of its elements, where it is a skeleton's.
    sublabels: tuple[LabelSpec, ...]

    def attribute(self, asked: Any) -> AttributeSpec | None:
        """Return the attribute of a name or id; None where there is none."""
        return next((each for each in self.attributes if asked in (each.id, each.name)), None)

    def takes(self, kind: str) -> bool:
        """Whether what is of this type may have the label."""
        return self.type in _ANY or self.type == kind

    def defaults(self, mutable: bool | None = None) -> list[dict[str, Any]]:
        """Return what the attributes are unless told: all of them, or those that change or do not."""
        return [
            {"spec_id": each.id, "value": each.default_value}
            for each in self.attributes
            if mutable is None or each.mutable == mutable
        ]


def _attribute(row: dict[str, Any]) -> AttributeSpec:
    values = tuple(str(each) for each in row.get("values") or ())
    default = str(row.get("default_value") or "")
    mutable = bool(row.get("mutable"))
    return AttributeSpec(
        int(row["id"]), str(row["name"]), mutable, str(row.get("input_type")), default, values
    )


def _label(row: dict[str, Any]) -> LabelSpec:
    attributes = tuple(_attribute(each) for each in row.get("attributes") or ())
    below = tuple(_label(each) for each in row.get("sublabels") or ())
    return LabelSpec(int(row["id"]), str(row["name"]), row.get("type"), attributes, below)


def one_of(labels: Iterable[LabelSpec], asked: Any, of: Any) -> LabelSpec:
    """Return the label of a name or id. Raises ValidationError, naming those that *of* has."""
    known = {each.name: each for each in labels}
    if isinstance(asked, str):
        found = known.get(asked)
    else:
        found = next((each for each in known.values() if each.id == asked), None)
    if found is not None:
        return found
    names = ", ".join(f"{each.name!r} ({each.id})" for each in known.values()) or "none"
    hint = near_misses(asked, known) if isinstance(asked, str) else ""
    raise ValidationError.of(
        [(of, "label", [f"There is no label {asked!r}; it has {names}.{hint}"])]
    )


class Labels:
    """The labels of one task or job, read when they are first needed, and anew for one not found."""

    def __init__(self, parent: Any) -> None:
        self._parent = parent
        self._known: tuple[LabelSpec, ...] | None = None

    def named(self, asked: Any) -> LabelSpec:
        """Return the label of a name or id. Raises ValidationError where there is none."""
        if self._known is not None and (found := self._find(asked)) is not None:
            return found
        self._known = self._read()
        return one_of(self._known, asked, self._parent)

    def known(self, asked: Any) -> LabelSpec | None:
        """Return the label of a name or id, where that is known without asking."""
        return None if self._known is None else self._find(asked)

    def of(self, asked: Any) -> LabelSpec:
        """Return the label of an annotation: as its row has it."""
        if isinstance(asked, str | int):
            return self.named(asked)
        return self.named(type(asked).__mapper__.key_in(asked._row))

    def _find(self, asked: Any) -> LabelSpec | None:
        return next((each for each in self._known or () if asked in (each.id, each.name)), None)

    def _read(self) -> tuple[LabelSpec, ...]:
        """Ask for the labels, those within skeletons not among them. Raises ContractError."""
        query = self._parent.labels.all()
        try:
            return tuple(
                _label(row) for row in query.session.rows(query.query) if not row.get("has_parent")
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ContractError(
                f"What the server told of the labels of {self._parent!r} makes no sense: {error!r}."
            ) from error


__all__ = ["AttributeSpec", "LabelSpec", "Labels", "one_of"]
