"""The verbs of CVAT's SDK for the annotations of a task or job: each acts at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from objmapper import reviving, wire
from objmapper.cvat.annotated import Annotations, view_of
from objmapper.cvat.annotation_items import items_of
from objmapper.cvat.annotation_models import (
    KINDS,
    Annotation,
    AnnotationUpdateAction,
    kind_in,
    kind_of,
)
from objmapper.cvat.base import by_field_name, listed, plain
from objmapper.exceptions import FieldDoesNotExist, SessionError, ValidationError, cut, near_misses
from objmapper.operation import Json, Request
from objmapper.report import CommitReport
from objmapper.state import Stateful, is_dirty, is_new, live_session, session_of

_NAMES = ("version", *KINDS)


class Annotated(Stateful):
    """What tasks and jobs have for their annotations."""

    __slots__ = ()

    @property
    def annotations(self) -> Annotations:
        """What is annotated here, as objects of the session; read when it is looked at first."""
        return view_of(self)

    def get_annotations(self) -> Annotations:
        """Read the annotations anew, and return them; changes that wait to be sent stay.

        Raises BadRequest for a task without data, DetachedError.
        """
        self.annotations.refresh()
        return self.annotations

    def set_annotations(self, data: Any) -> None:
        """Have these annotations and no others, now: one PUT, whatever there was.

        *data* is what ``update_annotations`` takes. Raises ValidationError before anything is sent,
        SessionError where annotations from here wait to be sent, StatusError, TransportError.
        """
        session, given = live_session(self, "set_annotations()"), _given(data)
        _refuse_waiting(self, session)
        made = [_made(self, kind, item) for kind in KINDS for item in given.get(kind, ())]
        changes = [wire.creation(obj) for obj in made]
        problems = [problem for obj in made for problem in wire.problems(obj)]
        if problems:
            raise ValidationError.of(problems)
        body: dict[str, Any] = {kind: [] for kind in KINDS if kind != "intervals"}  # 2.15 has none
        for obj, item in zip(made, items_of(changes), strict=True):
            body.setdefault(str(kind_of(type(obj).__mapper__)), []).append(item)
        self.annotations.forget()  # whatever becomes of it
        with session.using():
            session.send(Request("PUT", self.annotations.path(), body=Json(body), repeatable=True))
        _forget(self, session)

    def update_annotations(
        self, data: Any, *, action: AnnotationUpdateAction | str = AnnotationUpdateAction.UPDATE
    ) -> CommitReport:
        """Create, change or delete annotations now, in one PATCH; return what became of each.

        *data* is a mapping of ``tags``, ``shapes``, ``tracks`` and ``intervals`` to lists, a value class of
        ``models``, what has a ``to_dict()``, or a list of annotations. To be changed or deleted they
        need their ids. Raises ValueError for another action, ValidationError before anything is sent,
        CommitError.
        """
        action = _action(action)
        session, given = live_session(self, "update_annotations()"), _given(data)
        pairs = [(kind, item) for kind in KINDS for item in given.get(kind, ())]
        if action is AnnotationUpdateAction.CREATE:
            return self._create(session, [_made(self, *pair) for pair in pairs])
        doomed = action is AnnotationUpdateAction.DELETE
        known = [_known(self, session, kind, item, whole=doomed) for kind, item in pairs]
        if doomed:
            deleted: CommitReport = session.delete_objects(known)
            return deleted
        for obj, (_, item) in zip(known, pairs, strict=True):
            _change(obj, item)
        changed: CommitReport = session.commit_objects(known)
        return changed

    def _create(self, session: Any, made: list[Annotation]) -> CommitReport:
        try:
            self.annotations.add(*made)
            report: CommitReport = session.commit_objects(made)
        except Exception:
            for obj in made:  # or it would go out with the next commit, unasked
                if is_new(obj) and obj in session and not session.is_uncertain(obj):
                    session.expunge(obj)
            raise
        return report

    def remove_annotations(
        self,
        ids: Iterable[int] | None = None,
        *,
        tags: Iterable[int] | None = None,
        shapes: Iterable[int] | None = None,
        tracks: Iterable[int] | None = None,
        intervals: Iterable[int] | None = None,
    ) -> None:
        """Delete annotations now: those of these ids, or all of them if no ids are given at all.

        An empty list deletes nothing. Tags, shapes, tracks and intervals are counted each for themselves:
        *ids* finds them in all four, and ValueError tells of one that it finds twice, or not at all;
        *tags*, *shapes*, *tracks* and *intervals* say which are meant. Raises CommitError, and SessionError
        where annotations from here wait to be sent and all are to be deleted; TypeError for what is no list.
        """
        session = live_session(self, "remove_annotations()")
        by_kind = {"tags": tags, "shapes": shapes, "tracks": tracks, "intervals": intervals}
        told = {kind: listed(kind, each) for kind, each in by_kind.items() if each is not None}
        if ids is None and not told:
            _refuse_waiting(self, session)
            self.annotations.forget()
            with session.using():
                session.send(Request("DELETE", self.annotations.path(), repeatable=True))
            _forget(self, session)
            return
        asked = listed("ids", ids) if ids is not None else []
        if asked or any(told.values()):
            session.delete_objects(_found(self.get_annotations(), asked, told))


def _action(given: Any) -> AnnotationUpdateAction:
    try:
        return AnnotationUpdateAction(given)
    except ValueError:
        known = ", ".join(f"AnnotationUpdateAction.{each.name}" for each in AnnotationUpdateAction)
        raise ValueError(
            f"action is one of {known}, not {cut(given)}. What is to replace all that there is goes by "
            "set_annotations()."
        ) from None


def _given(data: Any) -> dict[str, list[Any]]:
    """Return annotations by kind. Raises TypeError and FieldDoesNotExist for what is none."""
    if isinstance(data, Annotations):
        return {kind: list(data.list_of(kind)) for kind in KINDS}
    if hasattr(data, "to_dict") and not isinstance(data, Annotation | Mapping):
        data = data.to_dict()
    if isinstance(data, Mapping):
        for name in data:
            if name not in _NAMES:
                raise FieldDoesNotExist.of("LabeledData", str(name), _NAMES)
        return {kind: list(items) for kind, items in data.items() if kind != "version" and items}
    if isinstance(data, str | bytes | Annotation) or not isinstance(data, Iterable):
        raise TypeError(
            "Annotations are a mapping of tags, shapes, tracks and intervals to lists, or a list of Tag, "
            f"Shape, Track and Interval; a {type(data).__name__} was given."
        )
    found: dict[str, list[Any]] = {}
    for each in data:
        kind = kind_in(each)
        if kind is None:
            raise TypeError(f"Annotations are tags, shapes, tracks and intervals, not {each!r}.")
        found.setdefault(kind, []).append(each)
    return found


def _values(model: Any, item: Any) -> dict[str, Any]:
    """Return what an item says, by field name, but for its id. Raises FieldDoesNotExist, TypeError."""
    if isinstance(item, Annotation):
        item = {k: v for k, v in item.to_dict().items() if k not in ("task", "job")}
    elif hasattr(item, "to_dict"):
        item = item.to_dict()
    named = by_field_name(model, plain(item))
    for name in named:
        if name not in model.__mapper__.fields:
            hint = near_misses(name, model.__mapper__.fields)
            raise FieldDoesNotExist(f"{model.__name__} has no {name!r}.{hint}")
    return {name: value for name, value in named.items() if name not in ("id", "task", "job")}


def _anew(value: Any) -> Any:
    """Return values without the ids of shapes and elements, which are those of others."""
    if isinstance(value, dict):
        return {name: _anew(each) for name, each in value.items() if name != "id"}
    return [_anew(each) for each in value] if isinstance(value, list) else value


def _made(parent: Any, kind: str, item: Any) -> Annotation:
    """Return a new annotation: the object that is given, else one that says what an item does."""
    model = KINDS[kind]
    if isinstance(item, model) and is_new(item) and item.home in (None, parent.annotations):
        made: Annotation = item
    else:
        made = model(**_anew(_values(model, item)))
    setattr(made, type(parent).__mapper__.model.__name__.lower(), parent)
    return made


def _known(parent: Any, session: Any, kind: str, item: Any, *, whole: bool) -> Annotation:
    """Return the session's object of an item that has an id; *whole*: the server has all that it says.

    Raises ValidationError for one without an id.
    """
    model = KINDS[kind]
    if isinstance(item, Annotation):
        if is_new(item) or session_of(item) is not session:
            raise ValidationError.of([(item, "id", ["It is not on the server."])])
        return item
    told = plain(item.to_dict() if hasattr(item, "to_dict") else item)
    key = told.get("id")
    if not isinstance(key, int):
        raise ValidationError.of(
            [(f"{model.__name__} {told!r:.60}", "id", ["Say which one it is."])]
        )
    mapper = model.__mapper__
    found = session.identity.get(mapper.root, key)
    if found is None:
        named = _values(model, told) if whole else {}
        row = {mapper.fields[name].key: value for name, value in named.items()}
        found = reviving.persistent(session, model, row | {"id": key} | parent.annotations.place)
    known: Annotation = found
    return known


def _change(obj: Annotation, item: Any) -> None:
    if item is obj:
        return
    for name, value in _values(type(obj), item).items():
        setattr(obj, name, value)


def _of(parent: Any, session: Any) -> Iterable[Annotation]:
    """Yield the annotations of a task or job that the session knows."""
    for obj in session:
        if isinstance(obj, Annotation) and obj._parent() is parent:
            yield obj


def _refuse_waiting(parent: Any, session: Any) -> None:
    """Raise SessionError where annotations wait to be sent to what is about to be replaced."""
    deleted = session.members.deleted
    waiting = [
        obj for obj in _of(parent, session) if is_new(obj) or is_dirty(obj) or id(obj) in deleted
    ]
    if waiting:
        raise SessionError(
            f"{waiting[0]!r} and {len(waiting) - 1} more annotations of {parent!r} wait to be sent, and "
            "all there are would be replaced: commit them, or roll them back."
        )


def _forget(parent: Any, session: Any) -> None:
    """Let go of what the server no longer has."""
    for obj in list(_of(parent, session)):
        session.members.forget(obj)
    parent.annotations.forget()


def _found(view: Annotations, ids: list[int], told: Mapping[str, list[int]]) -> list[Annotation]:
    """Return the annotations of ids. Raises ValueError for one that is not there, or there twice."""
    places = {kind: dict(view.list_of(kind).places()) for kind in KINDS}
    wanted = {kind: list(keys) for kind, keys in told.items()}
    for key in ids:
        kinds = [kind for kind in KINDS if key in places[kind]]
        if len(kinds) > 1:
            said = " and ".join(kinds)
            raise ValueError(
                f"{key} is the id of one of the {said} of {view.parent!r}: say which, as "
                f"remove_annotations({kinds[0]}=[{key}]). Nothing was deleted."
            )
        wanted.setdefault(kinds[0] if kinds else "annotations", []).append(key)
    missing = [
        f"{kind} {key}"
        for kind, keys in wanted.items()
        for key in keys
        if key not in places.get(kind, ())
    ]
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise ValueError(
            f"{view.parent!r} has no {', '.join(missing[:5])}{more}. Nothing was deleted."
        )
    return [
        view.list_of(kind).at(places[kind][key]) for kind, keys in wanted.items() for key in keys
    ]


__all__ = ["Annotated"]
