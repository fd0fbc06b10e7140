"""In which order labels and their parts are renamed: CVAT does it one by one, and no two may be called alike.

What gives a name up goes before what takes it, and what is deleted before both; where names go round in a
ring, one of them is called otherwise for the moment. One PATCH is one transaction (CVAT 2.15's code), so
nobody ever sees that name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

Item = dict[str, Any]


class Said(NamedTuple):
    """What a request says of a label or a part of one."""

    #: The item as it is sent.
    item: Item
    #: What it is called on the server, as that has told it; None for a new one.
    told: Any
    #: What no two may be called alike within.
    among: Any = None

    @property
    def was(self) -> str | None:
        """What it is called on the server; None for a new one, and where that has told no text."""
        return self.told if isinstance(self.told, str) else None

    @property
    def name(self) -> str | None:
        """What it will be called; None once it is gone."""
        found = None if self.item.get("deleted") else self.item.get("name", self.was)
        return found if isinstance(found, str) else None


def one_by_one(said: Sequence[Said], keys: Sequence[str] = ()) -> list[Item]:
    """Return the items in an order that CVAT can do.

    *keys*: what is said, beside id and name, of one that is called otherwise for the moment.
    """
    held = {(each.among, each.was) for each in said if each.was is not None}
    moves = [each for each in said if each.name not in (None, each.was)]
    if not any((each.among, each.name) in held for each in moves):
        return [each.item for each in said]
    gone = [each for each in said if each.name is None]
    stay = [each for each in said if each.name is not None and each.name == each.was]
    made = [each for each in moves if each.was is None]
    waiting = [each for each in moves if each.was is not None]
    return [each.item for each in (*gone, *stay)] + [
        *_renamed(waiting, keys),
        *(each.item for each in made),
    ]


def _renamed(waiting: list[Said], keys: Sequence[str]) -> list[Item]:
    """Return the items of what is renamed, each after what has the name that it takes."""
    found: list[Item] = []
    held = {(each.among, each.was) for each in waiting}
    while waiting:
        free = [each for each in waiting if (each.among, each.name) not in held]
        if free:
            found += [each.item for each in free]
            held -= {(each.among, each.was) for each in free}
            done = {*map(id, free)}
            waiting = [each for each in waiting if id(each) not in done]
            continue
        # One of a ring: what waits for a name of the ring, too, has given up its own.
        first = next(each for each in waiting if (each.among, each.was) in held)
        kept = {key: first.item[key] for key in ("id", *keys) if key in first.item}
        found.append({**kept, "name": f"~{len(found)} {first.was}"[:64]})
        held.discard((first.among, first.was))
    return found


__all__ = ["Said", "one_by_one"]
