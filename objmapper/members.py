"""Members: the objects of one session, by what its next commit does with them."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from typing import Any

from objmapper import loading
from objmapper.copying import changed_values, twin
from objmapper.exceptions import SessionError
from objmapper.identity import IdentityMap
from objmapper.models import Model
from objmapper.operation import Change, Outcome
from objmapper.state import Lifecycle, Page, is_new, own, revert, session_of

#: So many objects that are created one after the other are peers, as those of a page that was read:
#: what one request can ask of them, as a rule.
_BIRTHS = 100


class Members:
    """New, touched, deleted and uncertain objects, beside the identity map of them all.

    *session* is held weakly, as everywhere: the two would keep each other alive.
    """

    def __init__(self, session: weakref.ref[Any], keep: int) -> None:
        self.session = session
        self.identity = IdentityMap(keep)
        self.new: dict[int, Any] = {}
        #: What may have changed, kept alive until that is settled.
        self.touched: dict[int, Any] = {}
        self._many_touched = keep
        self.deleted: dict[int, Any] = {}
        #: What met an unknown fate, with the outcome that says how.
        self.uncertain: dict[int, tuple[Any, Outcome]] = {}
        #: What the server has, and has not told the keys of, in the order in which it was created.
        self.keyless: weakref.WeakKeyDictionary[Any, None] = weakref.WeakKeyDictionary()
        #: The names that the program gave; none outlives its object, as an id would.
        self.tags: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
        #: Where an earlier process meant to make or find an object, as its request said; None: nowhere.
        self.places: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        #: What an undo of an earlier process gives back, as it is sent: the server had it so.
        self.given_back: weakref.WeakKeyDictionary[Any, dict[str, Any]] = (
            weakref.WeakKeyDictionary()
        )
        #: The page that what is created shares, by class; see `birthplace`.
        self.births: dict[Any, Page] = {}
        #: Keys of what this session has created, by root model: no other object can be one of them.
        self.created: dict[type, set[Any]] = {}
        #: How often an object has left, or was marked for deletion or unmarked: who lists objects
        #: finds out again which of them are there.
        self.turnover = 0
        #: Numbers (ids) of the objects that a running commit is about to send.
        self.under_way: set[int] = set()
        #: Numbers (ids) of the objects that receivers are asked about, and the names of signals that
        #: are being told of a whole commit: what commits meanwhile is another one.
        self.asking: set[int | str] = set()

    def __contains__(self, obj: object) -> bool:
        if id(obj) in self.new:
            return True
        if not isinstance(obj, Model) or session_of(obj) is not self.session():
            return False
        return obj._state.lifecycle not in (Lifecycle.TRANSIENT, Lifecycle.DETACHED)

    def candidates(self) -> list[Any]:
        """Return what may have changed, in the order in which it was touched."""
        touched = list(self.touched.values())
        return [o for o in touched if id(o) not in self.deleted and not is_new(o)]

    def pending(self) -> tuple[list[Any], list[Any]]:
        """Return what a commit of the whole session looks at: objects to write, and to delete."""
        written = [*self.new.values(), *self.candidates()]
        if self.uncertain:  # what an undo could not settle has no changes
            known = {*map(id, written), *self.deleted}
            written += [obj for number, (obj, _) in self.uncertain.items() if number not in known]
        return written, list(self.deleted.values())

    def check(self, obj: Any) -> None:
        """Raise SessionError unless *obj* is of this session, or of none; TypeError if it is no object."""
        if not isinstance(obj, Model):
            raise TypeError(f"A session takes model objects, not {obj!r}.")
        session = session_of(obj)
        if session is not None and session is not self.session() and not session.closed:
            raise SessionError(
                f"{obj!r} belongs to another session; session.merge(obj) takes a copy of it, "
                "other.expunge(obj) lets it go."
            )

    def require(self, obj: Any) -> None:
        """Raise SessionError unless *obj* is of this session."""
        if obj not in self and id(obj) not in self.uncertain:
            raise SessionError(f"{obj!r} is not in this session.")

    def add(self, obj: Any) -> None:
        """Mark a new object, attach a detached one, unmark a deleted one."""
        self.check(obj)
        if id(obj) in self.deleted:
            del self.deleted[id(obj)]
            own(obj).lifecycle = Lifecycle.PERSISTENT
            self.turnover += 1
        elif is_new(obj):  # also one that another session was closed with
            if id(obj) in self.new:
                return
            state = own(obj)
            state.lifecycle, state.session = Lifecycle.PENDING, self.session
            self.new[id(obj)] = obj
            for children in (state.children or {}).values():
                for child in children:
                    self.add(child)
        elif obj not in self:
            self.attach(obj)

    def attach(self, obj: Any) -> None:
        """Make a detached object this session's. Raises SessionError if it has one of that key."""
        mapper = type(obj).__mapper__
        key = mapper.identity_in(obj._row)
        if mapper.has_key and key is None:
            raise SessionError(f"{obj!r} has no key, so it can't be attached.")
        if key is not None and self.identity.get(mapper.root, key) is not None:
            raise SessionError(
                f"{obj!r} is in this session already, as another object; session.merge() brings "
                "the changes of a copy into it."
            )
        state = own(obj)
        state.lifecycle, state.session = Lifecycle.PERSISTENT, self.session
        state.page = Page(self.session, mapper, [] if key is None else [key], full=state.full)
        if key is not None:
            self.identity.add(mapper.root, key, obj)
        self.touched[id(obj)] = obj

    def merge(self, obj: Any) -> Any:
        """Bring a copy's changes into the object of the same key, and return that one.

        A newer row that waits for the object becomes its base; all changes stay.
        """
        if obj in self:
            found = obj
        elif not isinstance(obj, Model):
            raise TypeError(f"A session takes model objects, not {obj!r}.")
        else:
            mapper = type(obj).__mapper__
            key = mapper.identity_in(obj._row)
            found = None if key is None else self.identity.get(mapper.root, key)
            if found is None:
                found = twin(obj, secrets=True)
                self.add(found)
            else:
                for name, value in changed_values(obj).items():
                    setattr(found, name, value)
        loading.catch_up(found)
        return found

    def mark_deleted(self, obj: Any) -> None:
        """Mark an object that the next commit deletes; a new one is just forgotten."""
        self.check(obj)
        if id(obj) in self.new and id(obj) in self.uncertain:
            raise SessionError(
                f"{obj!r} can't be deleted: nobody knows whether it was created. Look for it on the "
                "server; expunge() lets it go."
            )
        if id(obj) in self.new:
            self.expunge(obj)
            return
        if obj not in self:
            raise SessionError(f"{obj!r} is not in this session, so it can't be deleted by it.")
        own(obj).lifecycle = Lifecycle.DELETED
        self.deleted[id(obj)] = obj
        self.turnover += 1

    def expunge(self, obj: Any) -> None:
        """Let an object go: a new one is transient again, others are detached."""
        self.require(obj)
        if id(obj) in self.under_way:
            raise SessionError(
                f"{obj!r} is sent by a commit that is under way, and what becomes of it would be known to "
                "nobody: let it go, or delete it, when that one has ended."
            )
        was_new = id(obj) in self.new
        self._let_go(obj, Lifecycle.TRANSIENT if was_new else Lifecycle.DETACHED)
        for children in (obj._state.children or {}).values():
            for child in children:  # they came along, and they go along
                if id(child) in self.new:
                    self.expunge(child)

    def forget(self, obj: Any) -> None:
        """Let go of an object that the server has deleted, or has as another one; it keeps its values."""
        self._let_go(obj, Lifecycle.DETACHED)
        mapper = type(obj).__mapper__
        created = self.created.get(mapper.root)
        if created:
            key = mapper.identity_in(obj._row)
            if self.identity.get(mapper.root, key) is None:  # the server may give it to a new one
                created.discard(key)

    def unborn(self, obj: Any, made: Change, within: Any = None) -> None:
        """Make new again what *made* has created and an undo has deleted; edits made since stay.

        *within*: the object in whose request both went.
        """
        # Marked since, or what it was a part of: it is to be gone.
        if id(obj) in self.deleted or (within is not None and within not in self):
            self.forget(obj)
            return
        mapper = type(obj).__mapper__
        key = mapper.identity_in(obj._row)
        self.identity.remove(mapper.root, key, obj)
        self.created.get(mapper.root, set()).discard(key)
        for kept in (self.touched, self.uncertain):
            kept.pop(id(obj), None)
        self.keyless.pop(obj, None)
        loading.renew(obj, made)
        obj._state.session = self.session
        self.new[id(obj)] = obj

    def sort(self, places: Mapping[int, int]) -> None:
        """Put new and touched objects in the order of their *places*, by id; others come after."""
        for kept in (self.new, self.touched):
            last = len(places)
            order = sorted(kept, key=lambda number: places.get(number, last))
            objects = {number: kept[number] for number in order}
            kept.clear()
            kept.update(objects)

    def _let_go(self, obj: Any, lifecycle: Lifecycle) -> None:
        for kept in (self.new, self.touched, self.deleted, self.uncertain):
            kept.pop(id(obj), None)
        self.tags.pop(obj, None)
        self.keyless.pop(obj, None)
        mapper = type(obj).__mapper__
        if mapper.has_key or mapper.singleton:
            self.identity.remove(mapper.root, mapper.identity_in(obj._row), obj)
        state = own(obj)
        state.lifecycle, state.session = lifecycle, None
        self.turnover += 1

    def birthplace(self, mapper: Any, key: Any, *, full: bool) -> Page:
        """Return the page of an object that the server has created.

        Those of one class that one commit creates share a page, as long as nothing is read in between:
        what a field or a relation of one of them has to ask, it asks for all.
        """
        page = self.births.get(mapper)
        if page is None or page.full is not full or len(page.keys) >= _BIRTHS:
            page = self.births[mapper] = Page(self.session, mapper, [], full=full)
            page.made = True
        if key is not None:
            page.keys.append(key)  # type: ignore[union-attr]  # a list, as it is made here
        return page

    def born(self, obj: Any, key: Any) -> None:
        """Enter an object that the server has created."""
        self.new.pop(id(obj), None)
        if self.uncertain:
            self.uncertain.pop(id(obj), None)
        mapper = type(obj).__mapper__
        if key is not None:
            other = self.identity.add(mapper.root, key, obj)
            if other is not None and other is not obj:  # a reference to what was not there yet
                self._let_go(other, Lifecycle.DETACHED)
            if mapper.natural_key:
                self.created.setdefault(mapper.root, set()).add(key)
        elif mapper.has_key:
            self.keyless[obj] = None
        if self.identity.window.takes(obj):
            self.keep([])

    def line_up(self, created: Iterable[Any]) -> None:
        """Have what was created stand in this order where it waits for its key, or may change unnoticed."""
        touched, keyless = self.touched, self.keyless
        for obj in created:
            if touched.pop(id(obj), None) is not None:
                touched[id(obj)] = obj
            if keyless and obj in keyless:
                keyless[obj] = keyless.pop(obj)

    def has_made(self, obj: Any) -> bool:
        """Whether this session has created an object, as far as it still knows."""
        mapper = type(obj).__mapper__
        if obj._state.page.made or obj in self.keyless:
            return True
        return mapper.identity_in(obj._row) in self.created.get(mapper.root, ())

    def rekeyed(self, obj: Any, before: Any) -> None:
        """Enter an object by the key that it has now; the server has made it anew."""
        mapper = type(obj).__mapper__
        key = mapper.identity_in(obj._row)
        self.identity.remove(mapper.root, before, obj)
        other = self.identity.add(mapper.root, key, obj)
        if other is not None and other is not obj:
            self._let_go(other, Lifecycle.DETACHED)

    def keep(self, objects: list[Any]) -> None:
        """Keep a page alive for a while; let go of what left the window unchanged.

        What was touched after it left is gone through whenever it has doubled, so that each object's
        share of that is small.
        """
        if objects and self.births:  # what is created from now on is newer than what was read
            self.births.clear()
        window = self.identity.window
        window.keep(objects)
        while window.left:
            loading.release(window.left.pop(), self.touched)
        if len(self.touched) > self._many_touched:
            loading.release(list(self.touched.values()), self.touched)
            self._many_touched = max(int(window.maxsize), 2 * len(self.touched))

    def is_forsaken(self) -> bool:
        """Whether nothing waits to be sent and the program holds no object; the window is emptied."""
        self.identity.window.clear()
        self.keep([])
        loading.release(list(self.touched.values()), self.touched)
        waiting = self.new or self.deleted or self.uncertain or self.keyless
        return not waiting and next(iter(self.identity), None) is None

    def rollback(self) -> None:
        """Forget what was not sent."""
        self.turnover += 1
        for obj in self.deleted.values():
            own(obj).lifecycle = Lifecycle.PERSISTENT
        for obj in [*self.candidates(), *self.deleted.values()]:
            revert(obj)
        for obj in self.new.values():
            state = own(obj)
            state.lifecycle, state.session = Lifecycle.TRANSIENT, None
        for kept in (self.new, self.deleted, self.tags):
            kept.clear()
        loading.release(list(self.touched.values()), self.touched)

    def clear(self) -> None:
        """Let go of everything at once; objects keep their values."""
        self.identity.clear()
        for kept in (self.new, self.touched, self.deleted, self.uncertain, self.tags, self.births):
            kept.clear()
