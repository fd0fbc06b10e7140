"""What a journal calls the objects of this run: numbers, and names that the next run knows them by."""

from __future__ import annotations

import weakref
from collections import defaultdict
from typing import Any

from objmapper import encoding
from objmapper.exceptions import JournalError


class _Numbered(weakref.ref[Any]):
    """A reference to an object that has a number."""

    __slots__ = ("number",)
    number: int


class Numbers:
    """Numbers of objects, as long as these live.

    A WeakKeyDictionary would make a reference whenever it is asked; here what was of the dead goes
    all at once.
    """

    def __init__(self) -> None:
        #: By id of the object; and by number, of who got it last.
        self._refs: dict[int, _Numbered] = {}
        self._last: dict[int, _Numbered] = {}
        self._most = 2000

    def __contains__(self, obj: object) -> bool:
        return self.get(obj) is not None

    def __getitem__(self, obj: Any) -> int:
        found = self.get(obj)
        if found is None:
            raise KeyError(obj)
        return found

    def __setitem__(self, obj: Any, number: int) -> None:
        self._refs[id(obj)] = self._last[number] = ref = _Numbered(obj)
        ref.number = number
        if len(self._refs) + len(self._last) > self._most:
            self._bury()

    def get(self, obj: Any) -> int | None:
        """Return an object's number, None where it has none."""
        ref = self._refs.get(id(obj))
        return ref.number if ref is not None and ref() is obj else None

    def pop(self, obj: Any) -> int | None:
        """Take an object's number away, and return it; None where it had none."""
        found = self.get(obj)
        if found is not None:
            del self._refs[id(obj)]
        return found

    def holder(self, number: int) -> Any | None:
        """Return the object that got a number last; None where that has died, or has it no more."""
        ref = self._last.get(number)
        obj = None if ref is None else ref()
        return obj if obj is None or self.get(obj) == number else None

    def _bury(self) -> None:
        """Forget the dead, as soon as there may be as many of them as of the living."""
        self._refs = {place: ref for place, ref in self._refs.items() if ref() is not None}
        self._last = {number: ref for number, ref in self._last.items() if ref() is not None}
        self._most = 2 * (len(self._refs) + len(self._last)) + 2000


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
