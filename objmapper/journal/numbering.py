"""What a journal calls the objects of this run: numbers, and names that the next run knows them by."""

from __future__ import annotations

import weakref
from collections import defaultdict
from typing import Any

from objmapper import encoding
from objmapper.exceptions import JournalError


class Numbers:
    """Numbers of objects, as long as these live.

    A WeakKeyDictionary would keep a reference of its own for each, with a callback; here it is the
    one that every other user of the object has, and what was of the dead goes all at once.
    """

    def __init__(self) -> None:
        #: By id: references, and numbers; and by number the id of who got it last.
        self._refs: dict[int, weakref.ref[Any]] = {}
        self._numbers: dict[int, int] = {}
        self._last: dict[int, int] = {}
        self._most = 1000

    def __contains__(self, obj: object) -> bool:
        return self.get(obj) is not None

    def __getitem__(self, obj: Any) -> int:
        found = self.get(obj)
        if found is None:
            raise KeyError(obj)
        return found

    def __setitem__(self, obj: Any, number: int) -> None:
        place = id(obj)
        self._refs[place], self._numbers[place] = weakref.ref(obj), number
        self._last[number] = place
        if len(self._refs) > self._most:
            self._bury()

    def get(self, obj: Any) -> int | None:
        """Return an object's number, None where it has none."""
        ref = self._refs.get(id(obj))
        return self._numbers[id(obj)] if ref is not None and ref() is obj else None

    def pop(self, obj: Any) -> int | None:
        """Take an object's number away, and return it; None where it had none."""
        found = self.get(obj)
        if found is not None:
            del self._refs[id(obj)], self._numbers[id(obj)]
        return found

    def holder(self, number: int) -> Any | None:
        """Return the object that got a number last; None where that has died, or has it no more."""
        place = self._last.get(number)
        if place is None or self._numbers.get(place) != number:
            return None
        return self._refs[place]()

    def _bury(self) -> None:
        """Forget the dead, as soon as there may be as many of them as of the living."""
        dead = [place for place, ref in self._refs.items() if ref() is None]
        for place in dead:
            del self._refs[place]
            number = self._numbers.pop(place)
            if self._last.get(number) == place:
                del self._last[number]
        self._most = 2 * len(self._refs) + 1000


class Names:
    """The new objects of this run by what they are known by: one of each name."""

    def __init__(self, numbers: Numbers) -> None:
        self._objects = numbers
        self._numbers: dict[type, dict[str, int]] = defaultdict(dict)

    def claim(self, session: Any, obj: Any, name: str, made: set[int]) -> None:
        """Let an object have a name; *made*: what the server has of this run's.

        Raises JournalError where another one of this run has it, or has made what the server has.
        """
        number = self._numbers[type(obj)].get(name)
        if number is None:
            return
        other = self._objects.holder(number)
        if other is obj or not (number in made or (other is not None and other in session.members)):
            return
        told = "one that was created before" if other is None else repr(other)
        raise JournalError(
            f"{obj!r} and {told} both have {encoding.told(name)}: run again, the program could not "
            "tell them apart. Give each a tag of its own: session.add(obj, tag=...)."
        )

    def hold(self, obj: Any, name: str, number: int) -> None:
        """Remember whose name it is."""
        self._numbers[type(obj)][name] = number


__all__ = ["Names", "Numbers"]
