"""What a label is made of, and which of it CVAT changes once the label is there.

An attribute that is left out of an edit stays; 2.80 takes one away that is said to be deleted (known
from cvat-sdk 2.80.0), 2.15 none. A skeleton's points are labels of their own that name it; its drawing
and which points it has are read when it is made, and never again (CVAT 2.15's code).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from objmapper.exceptions import ValidationError
from objmapper.operation import Change

_REMOVING = (2, 80)


def removed_attributes(change: Change, version: tuple[int, int] | None) -> list[dict[str, Any]]:
    """Return what says that attributes are gone. Raises ValidationError where CVAT would keep them."""
    before, after = change.changes.get("attributes", ([], []))
    kept = {attribute.id for attribute in after or () if attribute.id is not None}
    gone = [each for each in before or () if each.id not in kept]
    _require_known(change, "attributes", gone)
    if gone and (version is None or version < _REMOVING):
        which = "a CVAT whose version is not known" if version is None else "this CVAT"
        names = ", ".join(each.name for each in gone)
        told = f"An attribute stays in its label on {which}: {names}. Delete the label."
        raise ValidationError.of([(change.object, "attributes", [told])])
    return [{**_told(each), "deleted": True} for each in gone]


def points_told(change: Change) -> list[dict[str, Any]]:
    """Return the items of a skeleton's points that have changed. Raises ValidationError.

    That is for points that come or go, and for another drawing: CVAT would ignore them.
    """
    before, after = change.changes.get("sublabels", ([], []))
    _require_known(change, "sublabels", before or ())
    was = {each.id: each for each in before or ()}
    now = {each.id: each for each in after or ()}
    problems: list[tuple[object, str | None, list[str]]] = [
        (change.object, name, [f"CVAT changes no {what} of a label; delete it and make it anew."])
        for name, what, wrong in (
            ("sublabels", "number of points", None in now or was.keys() != now.keys()),
            ("svg", "drawing", "svg" in change.changes),
        )
        if wrong
    ]
    if problems:
        raise ValidationError.of(problems)
    return [_told(each) for key, each in now.items() if each != was[key]]


def _require_known(change: Change, name: str, parts: Iterable[Any]) -> None:
    """Raise ValidationError for parts whose ids nobody has told since they were made.

    CVAT answers the request that makes them without them; without its id a renamed one is a new one.
    """
    if any(part.id is None for part in parts):
        told = "They were made a moment ago, and their ids are not known: fetch() the label first."
        raise ValidationError.of([(change.object, name, [told])])


def _told(part: Any) -> dict[str, Any]:
    """Return a point or an attribute as an item says it."""
    told = part.to_dict().items()
    return {name: value for name, value in told if value is not None and name != "has_parent"}
