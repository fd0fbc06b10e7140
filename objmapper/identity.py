"""IdentityMap: one object per server object and session.

Weak references are the truth; a window on the last pages, on cachetools' LRU, keeps what was read
last alive. The callback of a dead reference is ``list.append``: it may run at any allocation, even
while a dict is iterated, so it must not touch the map itself.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from typing import Any

from cachetools import LRUCache


class Ref(weakref.ref[Any]):
    """A weak reference that knows its key."""

    __slots__ = ("key",)
    key: Any


class Home(dict[Any, Ref]):
    """The references of one root class, and those whose objects died and that stand here still.

    References don't lead back to it: a session whose map were a cycle would outlive its last user
    until the next collection.
    """

    __slots__ = ("dead", "died")

    def __init__(self) -> None:
        self.dead: list[Ref] = []
        #: What a reference calls whose object has died: one for all of them.
        self.died = self.dead.append

    def bury(self) -> None:
        """Take the dead out, but for those whose place another object has taken."""
        # A collection may append at any time: what came since stays for the next burial.
        dead = self.dead[:]
        del self.dead[: len(dead)]
        for ref in dead:
            if self.get(ref.key) is ref:
                del self[ref.key]


#: How many rows are worth an entry of the cache, which costs what so many rows do.
_WORTH_AN_ENTRY = 50


class Window(LRUCache[int, list[Any]]):
    """The rows that were read last, ``maxsize`` in all; what leaves gathers in ``left``.

    They come by pages, and few at a time become a page first; they leave row by row. A large one
    takes the few of one more page, so that nothing has to leave for each of them by itself.
    """

    def __init__(self, maxsize: int) -> None:
        super().__init__(maxsize, getsizeof=len)
        self.left: list[list[Any]] = []
        #: What is still kept of the page that is leaving.
        self._leaving: list[Any] = []
        #: What is still too few for a page.
        self._few: list[Any] = []
        self._number = 0
        #: How many few are enough to become a page or to have others leave, and how many of them there
        #: may be although it is full.
        self._enough = min(_WORTH_AN_ENTRY, int(maxsize) + 1)
        self._spare = _WORTH_AN_ENTRY if maxsize >= 20 * _WORTH_AN_ENTRY else 0

    def takes(self, obj: Any) -> bool:
        """Keep an object alive; say whether it is time to let go of others, by ``keep([])``."""
        self._few.append(obj)
        return len(self._few) >= self._enough

    def keep(self, page: list[Any]) -> None:
        """Keep a page's objects alive, and let go of as many of the oldest."""
        self._few += page
        if len(self._few) < self._enough:
            return
        over = len(self._leaving) + int(self.currsize) + len(self._few) - int(self.maxsize)
        while over > 0 and (self._leaving or self):
            if not self._leaving:
                self._leaving = list(self.popitem()[1])
            self.left.append(self._leaving[:over])
            del self._leaving[:over]
            over -= len(self.left[-1])
        if over > 0:
            self.left.append(self._few[:over])
            del self._few[:over]
        if len(self._few) >= _WORTH_AN_ENTRY:
            self._number += 1
            self[self._number], self._few = self._few, []
        room = int(self.maxsize) - int(self.currsize) - len(self._leaving)
        self._enough = min(_WORTH_AN_ENTRY, max(room, self._spare) + 1)

    def clear(self) -> None:
        super().clear()
        self._leaving.clear()
        self._few.clear()
        self.left.clear()
        self._enough = min(_WORTH_AN_ENTRY, int(self.maxsize) + 1)


class IdentityMap:
    """The objects of one session by root class and key."""

    def __init__(self, keep: int) -> None:
        self.window = Window(keep)
        self._homes: dict[type, Home] = {}

    def home(self, root: type) -> Home:
        """Return the references of one root class, after the dead ones are taken out."""
        home = self._homes.get(root)
        if home is None:
            home = self._homes.setdefault(root, Home())
        if home.dead:
            home.bury()
        return home

    def get(self, root: type, key: Any) -> Any | None:
        """Return the object of that identity, or None."""
        home = self._homes.get(root)
        ref = None if home is None else home.get(key)
        return None if ref is None else ref()

    def add(self, root: type, key: Any, obj: Any) -> Any | None:
        """Enter an object, and return the one whose place it takes, None where there is none."""
        home = self._homes.get(root)
        if home is None or home.dead:
            home = self.home(root)
        before = home.get(key)
        home[key] = ref = Ref(obj, home.died)
        ref.key = key
        return None if before is None else before()

    def line_up(self, objects: Iterable[Any]) -> None:
        """Have objects stand in this order, after all others of their root classes."""
        for obj in objects:
            mapper = type(obj).__mapper__
            home, key = self.home(mapper.root), mapper.identity_in(obj._row)
            ref = home.get(key)
            if ref is not None and ref() is obj:
                home[key] = home.pop(key)

    def remove(self, root: type, key: Any, obj: Any) -> None:
        """Forget an object; one that has taken its place stays."""
        home = self.home(root)
        ref = home.get(key)
        if ref is not None and ref() in (obj, None):
            del home[key]

    def __iter__(self) -> Iterator[Any]:
        for home in list(self._homes.values()):
            for ref in list(home.values()):
                obj = ref()
                if obj is not None:
                    yield obj

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def clear(self) -> None:
        self.window.clear()
        self._homes.clear()
