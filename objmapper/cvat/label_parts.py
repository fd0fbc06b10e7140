"""What a label is made of, and which of it CVAT changes once the label is there.

An attribute that is left out of an edit stays; 2.80 takes one away that is said to be deleted (known
from cvat-sdk 2.80.0), 2.15 none. A skeleton's points are labels of their own that name it; its drawing
and which points it has are read when it is made, and never again (CVAT 2.15's code).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from objmapper import naturalkey
from objmapper.cvat.label_names import Said, one_by_one
from objmapper.exceptions import ObjMapperError, ValidationError
from objmapper.operation import Change
from objmapper.state import live_session

_REMOVING = (2, 80)
#: What an attribute is said by: CVAT takes all of it.
_ATTRIBUTE = ("mutable", "input_type", "default_value", "values")

Item = dict[str, Any]


def attributes_told(
    change: Change, known_version: Callable[[], tuple[int, int] | None]
) -> list[Item]:
    """Return a label's attributes as an edit says them; *known_version* tells the server's version.

    Raises ValidationError for one that is taken out where CVAT would keep it.
    """
    before, after = _parts(change, "attributes")
    kept = {each["id"] for each in after if "id" in each}
    gone = [each for each in before if each.get("id") not in kept]
    version = known_version() if gone else _REMOVING
    if version is None or version < _REMOVING:
        names = ", ".join(str(each.get("name")) for each in gone)
        raise _refusal(change, "attributes", _kept(names, version))
    was = {each["id"]: each.get("name") for each in before if "id" in each}
    said = [Said(each, was.get(each.get("id"))) for each in after]
    return [*one_by_one(said, _ATTRIBUTE), *({**each, "deleted": True} for each in gone)]


def _kept(names: str, version: tuple[int, int] | None) -> str:
    if version is None:
        which = "the version of this one is not known"
    else:
        which = f"this CVAT is {'.'.join(map(str, version))}"
    return (
        f"CVAT takes attributes out of a label from 2.80 on, and {which}: it would keep {names}. Leave "
        "what is not used, or rename it; or delete the label, whose annotations go with it, and make it "
        "anew."
    )


def points_told(change: Change) -> list[Said]:
    """Return the items of a skeleton's points that have changed. Raises ValidationError.

    That is for points that come or go, and for another drawing: CVAT would ignore them.
    """
    before, after = _parts(change, "sublabels")
    was = {each.get("id"): each for each in before}
    now = {each.get("id"): each for each in after}
    if None in now or was.keys() != now.keys() or len(now) != len(after):
        raise _refusal(change, "sublabels", _fixed("number of points"))
    if "svg" in change.changes:
        raise _refusal(change, "svg", _fixed("drawing"))
    among = id(change.object)
    return [
        Said(each, was[key].get("name"), among) for key, each in now.items() if each != was[key]
    ]


def _fixed(what: str) -> str:
    return f"CVAT changes no {what} of a label; delete it and make it anew."


def _refusal(change: Change, name: str, told: str) -> ValidationError:
    return ValidationError.of([(change.object, name, [told])])


def _parts(change: Change, name: str) -> tuple[list[Item], list[Item]]:
    """Return the parts of a label as the server has them and as they are to be, with their ids.

    CVAT answers the request that makes them without their ids, and without its id a renamed one is a new
    one: they are asked for. Raises ValidationError where they can't be had.
    """
    before, after = (
        [_told(each) for each in side or ()] for side in change.changes.get(name, ((), ()))
    )
    if not all(map(_is_known, before)):
        try:
            rows = _row(change.object).get(name) or ()
            _identify(before, after, rows)
        except (ObjMapperError, KeyError, TypeError, AttributeError) as error:
            raise _refusal(change, name, f"{_UNKNOWN}, and can't be found out: {error}") from error
        if not all(map(_is_known, before)):
            raise _refusal(
                change, name, f"{_UNKNOWN}, and others have changed them: fetch() the label."
            )
    return before, after


_UNKNOWN = "They were made a moment ago, and their ids are not known"


def _is_known(part: Item) -> bool:
    return part.get("id") is not None and all(map(_is_known, part.get("attributes", ())))


def _identify(before: list[Item], after: list[Item], rows: Iterable[Item]) -> None:
    """Give parts their ids: by the names that the server has, what was renamed by its place."""
    there = {row["name"]: row for row in rows}
    known: dict[Any, Item] = {}
    for part in before:
        row = there.get(part["name"], {})
        if row:
            part |= {key: row[key] for key in ("id", "color") if key in row and key not in part}
            known[part["id"]] = part
    by_name = {part["name"]: part for part in known.values()}
    for part in after:
        if "id" not in part and part.get("name") in by_name:
            part["id"] = by_name[part["name"]]["id"]
    met = {part.get("id") for part in after}
    for part, at in zip(after, before, strict=False):
        if "id" not in part and at.get("id") not in met:
            part["id"] = at["id"]
    for part in after:
        at = known.get(part.get("id"), {})
        part |= {key: at[key] for key in ("color",) if key in at and key not in part}
        if "attributes" in at:
            row = there[at["name"]]
            _identify(at["attributes"], part.get("attributes", []), row.get("attributes") or ())


def _row(label: Any) -> Item:
    """Return what the server has of a label that was changed; asked for. Raises ObjMapperError."""
    if label._state.theirs:  # it came with another one's
        return {**label._row, **label._state.theirs}
    session, mapper = live_session(label, "The label"), type(label).__mapper__
    with session.using():
        if mapper.key_in(label._row) is None:
            naturalkey.find_key(session, label)
            return {**label._row, **(label._state.theirs or {})}
        request = session.dialect.detail_request(mapper, mapper.key_in(label._row), {})
        row: Item = session.dialect.read_row(mapper, session.send(request))
        return row


def _told(part: Any) -> Item:
    """Return a point or an attribute as an item says it."""
    found = {k: v for k, v in part.to_dict().items() if v is not None and k != "has_parent"}
    if "attributes" in found:
        found["attributes"] = [
            {k: v for k, v in each.items() if v is not None} for each in found["attributes"]
        ]
    return found
