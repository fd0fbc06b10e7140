"""The annotations of a task or a job: read in one request, changed as objects of the session."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar, overload

from objmapper import loading
from objmapper.cvat.annotation_labels import Labels
from objmapper.cvat.annotation_models import (
    KINDS,
    Annotation,
    Interval,
    Shape,
    Tag,
    Track,
    kind_in,
    rows_in,
)
from objmapper.dialects.base import row_of
from objmapper.exceptions import ContractError, SessionError
from objmapper.operation import Request
from objmapper.state import Lifecycle, Page, is_new, live_session, own, session_of

M = TypeVar("M", bound=Annotation)
_SHOWN = (Lifecycle.PENDING, Lifecycle.PERSISTENT)
_GONE = (Lifecycle.TRANSIENT, Lifecycle.DETACHED)
_VIEW = "annotations"


class AnnotationList(Sequence[M], Generic[M]):
    """The tags, shapes, tracks or intervals of a task or job, made objects when they are looked at.

    What is appended is created by the next commit, what is removed is deleted by it.
    """

    def __init__(self, of: Annotations, kind: str) -> None:
        self._of, self._kind = of, kind
        self._model: Any = KINDS[kind]
        #: Rows, and the objects of those that were looked at.
        self._items: list[Any] = []
        #: Those that were added, by number (id); they stand among the items.
        self._added: dict[int, Any] = {}
        #: Which of them are shown, by place; None: all of them.
        self._places: list[int] | None = None
        self._page: Page | None = None
        self._stamp: Any = None

    def _read(self, rows: list[dict[str, Any]], session: Any) -> None:
        """Take in what the server has; what waits to be created stays."""
        mapper = self._model.__mapper__
        keys = [mapper.identity_in(row) for row in rows]
        if None in keys:
            raise ContractError(f"One of the {self._kind} of {self._of.parent!r} has no id.")
        page = Page(session.ref, mapper, tuple(keys))
        home, items = session.identity.home(mapper.root), []
        for row, key in zip(rows, keys, strict=True):
            row.update(self._of.place)
            known = home.get(key) and home[key]()
            if known is None:
                items.append(row)
            else:
                loading.receive(known, row, page)
                items.append(known)
        waiting = [i for i in self._items if isinstance(i, Annotation) and is_new(i)]
        self._items, self._page = [*items, *waiting], page
        self._added = {id(each): each for each in waiting}
        self._stamp = None

    def _shown(self) -> list[int] | None:
        """Return which places are shown, found out anew where something was added or deleted."""
        self._of.load()
        session = session_of(self._of.parent)
        stamp = None if session is None else session.members.turnover
        if stamp is None or stamp != self._stamp:
            self._stamp = stamp
            self._sift()
        return self._places

    def _sift(self) -> None:
        # Of a session that is closed everything is detached; what was here is told all the same.
        states = [i._state.lifecycle if isinstance(i, Annotation) else None for i in self._items]
        if not any(states):
            self._places = None
            return
        if session_of(self._of.parent) is not None:
            pairs = zip(self._items, states, strict=True)
            kept = [(item, state) for item, state in pairs if state not in _GONE]
            self._items = [item for item, _ in kept]
            here = {id(item) for item in self._items}
            self._added = {n: each for n, each in self._added.items() if n in here}
            states = [state for _, state in kept]
        places = [n for n, state in enumerate(states) if state is None or state in _SHOWN]
        self._places = None if len(places) == len(self._items) else places

    def __len__(self) -> int:
        places = self._shown()
        return len(self._items if places is None else places)

    @overload
    def __getitem__(self, index: int) -> M: ...
    @overload
    def __getitem__(self, index: slice) -> list[M]: ...
    def __getitem__(self, index: int | slice) -> M | list[M]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        places = self._shown()
        found: M = self._object(index if places is None else places[index])
        return found

    def __iter__(self) -> Iterator[M]:
        return iter([self[index] for index in range(len(self))])

    def _object(self, place: int) -> Any:
        """Return the object of a place, made when it is looked at first."""
        item = self._items[place]
        if isinstance(item, dict):
            session = live_session(self._of.parent, f"One of the {self._kind}")
            mapper, key = self._model.__mapper__, self._model.__mapper__.identity_in(item)
            found = session.identity.get(mapper.root, key)
            if found is None:
                found = mapper.instance(item, self._page)
                session.identity.add(mapper.root, key, found)
            self._items[place] = item = found
        return item

    def append(self, annotation: M) -> None:
        """Add a new one; the next commit creates it. Raises TypeError for another kind of object."""
        if not isinstance(annotation, self._model):
            raise TypeError(f"The {self._kind} are {self._model.__name__}s, not {annotation!r}.")
        self._of.add(annotation)

    def extend(self, annotations: Iterable[M]) -> None:
        """Add several."""
        for each in annotations:
            self.append(each)

    def create(self, **values: Any) -> M:
        """Return a new one of these values, that the next commit creates."""
        made: M = self._model(**values)
        self.append(made)
        return made

    def remove(self, annotation: M) -> None:
        """Have the next commit delete one. Raises ValueError for one that is not here."""
        if not self._of.has(annotation) or not isinstance(annotation, self._model):
            raise ValueError(f"{annotation!r} is not one of the {self._kind} here.")
        live_session(annotation, "Deletion").delete(annotation)

    def __delitem__(self, index: int | slice) -> None:
        session = live_session(self._of.parent, "Deletion")
        for each in self[index] if isinstance(index, slice) else [self[index]]:
            session.delete(each)

    def clear(self) -> None:
        """Have the next commit delete all of them."""
        del self[:]

    def _take(self, annotation: Any) -> None:
        """Show one that was added."""
        if id(annotation) not in self._added:
            self._added[id(annotation)] = annotation
            self._items.append(annotation)
            self._stamp = None

    def places(self) -> Iterator[tuple[Any, int]]:
        """Yield the key of what was read or created, with its place for ``at``."""
        for place, item in enumerate(self._items):
            row = item._row if isinstance(item, Annotation) else item
            yield row.get("id"), place

    def at(self, place: int) -> M:
        """Return the object of a place that ``places`` told."""
        found: M = self._object(place)
        return found

    @property
    def age(self) -> int:
        """When they were read; 0: never."""
        return 0 if self._page is None else self._page.age

    def __repr__(self) -> str:
        return f"<{self._kind} of {self._of.parent!r}>"


class Annotations:
    """What is annotated in a task or job: ``task.annotations.shapes[3].points[0] = 7``.

    Nothing is asked before it is looked at; then one request reads all of it.
    """

    def __init__(self, parent: Any) -> None:
        #: The task or job.
        self.parent: Any = parent
        #: The labels of whole frames.
        self._lists: dict[str, AnnotationList[Any]] = {
            kind: AnnotationList(self, kind) for kind in KINDS
        }
        #: What the server has of a version; CVAT compares none.
        self.version: int = 0
        #: The labels that annotations may have here.
        self.labels: Labels = Labels(parent)
        self._is_read = False

    @property
    def tags(self) -> AnnotationList[Tag]:
        """The labels of whole frames."""
        return self._lists["tags"]

    @property
    def shapes(self) -> AnnotationList[Shape]:
        """The shapes, each on one frame."""
        return self._lists["shapes"]

    @property
    def tracks(self) -> AnnotationList[Track]:
        """The shapes that move."""
        return self._lists["tracks"]

    @property
    def intervals(self) -> AnnotationList[Interval]:
        """What is annotated in sound; CVAT 2.15 has none."""
        return self._lists["intervals"]

    def list_of(self, kind: str) -> AnnotationList[Any]:
        """Return the list of a kind, by the name that a body of annotations has for it."""
        return self._lists[kind]

    @property
    def can_ask(self) -> bool:
        """Whether the server can be asked about the task or job."""
        session = session_of(self.parent)
        ready = session is not None and not session.closed and not session.offline
        return ready and not is_new(self.parent)

    @property
    def waits(self) -> bool:
        """Whether what is said here is only kept, and names are looked up by who sends it."""
        session = session_of(self.parent)
        return session is not None and bool(session.offline)

    @property
    def _name(self) -> str:
        """What annotations call the task or job that they are of."""
        return str(type(self.parent).__mapper__.model.__name__.lower())

    @property
    def place(self) -> dict[str, Any]:
        """What a row is told of where it lives."""
        mapper = type(self.parent).__mapper__
        return {f"{self._name}_id": mapper.key_in(self.parent._row)}

    @property
    def frames(self) -> range | None:
        """The frames that there are; None where that is not known."""
        if self._name == "task" and is_new(self.parent):
            return range(0)  # CVAT makes them of data, and takes these when the task is there
        row = self.parent._row
        known = [row.get(name) for name in ("size", "start_frame", "stop_frame")]
        size, start, stop = (each if isinstance(each, int) else None for each in known)
        if start is not None and stop is not None:
            return range(start, stop + 1)
        return None if size is None else range(size)

    def path(self) -> str:
        """Return where the server has them."""
        mapper = type(self.parent).__mapper__
        return f"/{mapper.endpoint}/{mapper.key_in(self.parent._row)}/annotations/"

    def load(self) -> None:
        """Read them, unless they were; those of a new task are what was added."""
        if not self._is_read and not is_new(self.parent):
            self.refresh()

    def refresh(self) -> None:
        """Read them anew; changes stay. Raises BadRequest for a task without data, DetachedError."""
        session = live_session(self.parent, "The annotations")
        with session.using():
            response = session.send(Request("GET", self.path()))
            body = row_of(response.json(), response)
            rows = {kind: rows_in(body, kind, response.url) for kind in KINDS}
            for kind, found in rows.items():
                self._lists[kind]._read(found, session)
            version = body.get("version")
            self.version = version if isinstance(version, int) else 0
            self._is_read = True

    def forget(self) -> None:
        """Have them read anew when they are looked at next."""
        self._is_read = False

    def add(self, *annotations: Annotation) -> None:
        """Have the next commit create annotations here.

        Raises TypeError for what is none, SessionError for one that lives elsewhere.
        """
        session, kinds = live_session(self.parent, "The annotations"), []
        for each in annotations:
            kind = kind_in(each)
            if kind is None:
                raise TypeError(
                    f"Annotations are tags, shapes, tracks and intervals, not {each!r}."
                )
            if not is_new(each) or each._parent() not in (None, self.parent):
                raise SessionError(f"{each!r} is one of another task or job: make a new one.")
            if self.can_ask and isinstance(each._row.get("label_id"), str):
                each.label = self.labels.named(each._row["label_id"]).id
            kinds.append(kind)
        for each, kind in zip(annotations, kinds, strict=True):
            setattr(each, self._name, self.parent)
            session.add(each)
            self.show(kind, each)

    def show(self, kind: str, annotation: Annotation) -> None:
        """Have a list show one that is created here, however it came to the session."""
        self._lists[kind]._take(annotation)

    def has(self, annotation: Annotation) -> bool:
        """Whether an annotation is one of here."""
        field = type(annotation).__mapper__.foreign_keys[self._name]
        value = annotation._row.get(field.key)
        if value is self.parent:
            return True
        key = type(self.parent).__mapper__.key_in(self.parent._row)
        return key is not None and value is not None and bool(field.key_value(value) == key)

    def __iter__(self) -> Iterator[Annotation]:
        for each in self._lists.values():
            yield from each

    def __len__(self) -> int:
        return sum(map(len, self._lists.values()))

    def __bool__(self) -> bool:
        return True

    def to_dict(self) -> dict[str, Any]:
        """Return them JSON-ready, by the names that CVAT has."""
        found: dict[str, Any] = {"version": self.version}
        for kind, each in self._lists.items():
            found[kind] = [_told(annotation) for annotation in each]
        return found

    def __repr__(self) -> str:
        return f"<annotations of {self.parent!r}>"


def _told(annotation: Annotation) -> dict[str, Any]:
    found = {("label_id" if k == "label" else k): v for k, v in annotation.to_dict().items()}
    return {key: value for key, value in found.items() if key not in ("task", "job")}


def view_of(parent: Any) -> Annotations:
    """Return the annotations of a task or job, the same ones each time until it is refreshed."""
    state = own(parent)
    kept: dict[str, Any] = state.prefetched or {}
    view: Annotations = kept.get(_VIEW) or Annotations(parent)
    if _VIEW not in kept:
        state.prefetched = {**kept, _VIEW: view}
    return view


__all__ = ["AnnotationList", "Annotations", "view_of"]
