"""What is annotated: tags, shapes and tracks on frames, intervals of sound, and what they are made of.

Each is an object of the session with an id of its own kind; where it lives, a task or a job, is a
part of it that no answer tells. Read from the answers of CVAT 2.15.0 and from the models of cvat-sdk
2.80.0.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from objmapper import Embedded, fields, validate
from objmapper.cvat.base import CVATModel
from objmapper.cvat.values import ShapeType
from objmapper.exceptions import ContractError, near_misses
from objmapper.state import live_session

if TYPE_CHECKING:
    from objmapper.cvat.models import Job, Label, Task

_FRAME = validate.Range(min=0)
_SHARE = validate.Range(min=0, max=1)
_ROTATION = validate.Range(min=0, max=360)


class AnnotationUpdateAction(enum.StrEnum):
    """What ``update_annotations`` does with what it is given."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


def as_text(value: Any) -> Any:
    """Return the value of an attribute as CVAT says it: text."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


class _Text(fields.String[str]):
    """Text, which may be set to a number or a truth value."""

    keeps = True

    def coerce(self, value: Any) -> Any:
        return as_text(value)


class AttributeValue(Embedded):
    """The value of an attribute: of which one is said by its name, or by the id that its label gives it.

    The name is only ever told by you: CVAT answers with ids.
    """

    spec_id = fields.Integer(null=True)
    name = fields.String(null=True)
    value = _Text(required=True)


class AttributeValues(fields.List[list[AttributeValue]]):
    """The values of attributes: a list, which may be set to a mapping of names to values."""

    if TYPE_CHECKING:

        def __init__(self) -> None: ...

    else:

        def __init__(self):
            super().__init__(fields.Nested(AttributeValue))

    def coerce(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            value = [{"name": name, "value": each} for name, each in value.items()]
        return super().coerce(value)


class TrackedShape(Embedded):
    """What a track looks like on one frame, and on those after it until the next one."""

    id = fields.Integer(null=True)
    frame = fields.Integer(required=True, validate=_FRAME)
    type = fields.Enum(ShapeType, required=True)
    points = fields.List(fields.Float())
    occluded = fields.Boolean()
    outside = fields.Boolean()
    z_order = fields.Integer()
    rotation = fields.Float(validate=_ROTATION)
    attributes = AttributeValues()


class ShapeElement(Embedded):
    """A part of a skeleton: its label is one of the sublabels of the skeleton's.

    *label* is the name of it, for who does not know its id. Without a frame it is on the skeleton's.
    """

    id = fields.Integer(null=True)
    label_id = fields.Integer(null=True)
    label = fields.String(null=True)
    frame = fields.Integer(null=True, validate=_FRAME)
    type = fields.Enum(ShapeType, default=ShapeType.POINTS)
    points = fields.List(fields.Float())
    occluded = fields.Boolean()
    outside = fields.Boolean()
    z_order = fields.Integer()
    rotation = fields.Float(validate=_ROTATION)
    group = fields.Integer(null=True)
    source = fields.String()
    score = fields.Float(null=True, validate=_SHARE)
    attributes = AttributeValues()


class TrackElement(Embedded):
    """A part of the track of a skeleton: its label is one of the sublabels of the skeleton's."""

    id = fields.Integer(null=True)
    label_id = fields.Integer(null=True)
    label = fields.String(null=True)
    frame = fields.Integer(null=True, validate=_FRAME)
    shapes = fields.List(fields.Nested(TrackedShape))
    group = fields.Integer(null=True)
    source = fields.String()
    attributes = AttributeValues()


class LabelKey(fields.ForeignKey[Any]):
    """The label of an annotation: an object, its id, or its name among those of the task.

    A name is looked up as soon as there is a session to ask, at the latest by the commit.
    """

    if TYPE_CHECKING:

        def __init__(self) -> None: ...

    else:

        def __init__(self):
            super().__init__("Label", data_key="label_id", required=True)

    def setter(self) -> Any:
        set_ = super().setter()

        def set_label(obj: Any, value: Any) -> None:
            asked = isinstance(value, str) and obj.home is not None and obj.home.can_ask
            set_(obj, obj.home.labels.named(value).id if asked else value)

        return set_label

    def key_value(self, value: Any) -> Any:
        if isinstance(value, str):
            raise ValueError(f"{value!r} is the name of a label")
        return super().key_value(value)

    def coerce(self, value: Any) -> Any:
        return value if isinstance(value, str) else super().coerce(value)

    def follow(self, obj: Any, raw: Any) -> Any:
        if not isinstance(raw, str):
            return super().follow(obj, raw)
        live_session(obj, f"The label {raw!r}")
        return super().follow(obj, obj.home.labels.named(raw).id)

    def tolerant(self, wire: Any) -> Any:
        return wire if isinstance(wire, str) else super().tolerant(wire)

    def faults(self, value: Any, wire: Any) -> list[str]:
        return [] if isinstance(wire, str) else super().faults(value, wire)


class Annotation(CVATModel):
    """What tags, shapes, tracks and intervals have in common.

    It belongs to a task or to a job: it is read from there, and written there. ``annotation["color"]``
    is the value of an attribute, by name or id.
    """

    id = fields.Integer(primary_key=True)
    task: fields.ForeignKey[Task | None] = fields.ForeignKey(
        "Task", data_key="task_id", null=True, write_once=True
    )
    job: fields.ForeignKey[Job | None] = fields.ForeignKey(
        "Job", data_key="job_id", null=True, write_once=True
    )
    frame = fields.Integer(required=True, validate=_FRAME)
    label: fields.ForeignKey[Label] = LabelKey()
    group = fields.Integer(null=True)
    source = fields.String()
    attributes = AttributeValues()

    class Meta:
        abstract = True

    @property
    def label_id(self) -> int | None:
        """The id of the label, without asking; None while it is not known."""
        field = type(self).__mapper__.foreign_keys["label"]
        value = field.show(self._row.get("label_id"))
        return value if isinstance(value, int) else None

    @property
    def home(self) -> Any:
        """The annotations of the task or job that it is one of; None where neither is said."""
        parent = self._parent()
        return None if parent is None else parent.annotations

    def _parent(self) -> Any:
        for key, name in (("job_id", "job"), ("task_id", "task")):
            if self._row.get(key) is not None:
                return getattr(self, name)
        return None

    # Python would go through 0, 1, 2 ... where there is a __getitem__ and no way to iterate.
    __iter__ = None

    def __getitem__(self, name: str | int) -> str:
        """Return the value of an attribute. Raises KeyError, which names those that there are."""
        found = self._attribute(name)
        if found is None:
            raise KeyError(self._missing(name))
        return str(found.value)

    def __setitem__(self, name: str | int, value: Any) -> None:
        """Set the value of an attribute; the commit tells of one that the label does not have."""
        found = self._attribute(name)
        if found is not None:
            found.value = value
        elif isinstance(name, str):
            self.attributes.append(AttributeValue(name=name, value=value))
        else:
            self.attributes.append(AttributeValue(spec_id=name, value=value))

    def _missing(self, name: str | int) -> str:
        """Say that there is no such attribute, and which there are."""
        asked = self._row.get("label_id")
        spec = None if self.home is None or asked is None else self.home.labels.known(asked)
        if spec is None:
            names = [str(each.name or each.spec_id) for each in self.attributes]
        else:
            names = [each.name for each in spec.attributes]
        if name in names:
            return f"{self!r} has no value of {name!r}: set one, or read it anew with refresh()."
        there = ", ".join(map(repr, names)) or "none"
        return f"{self!r} has no attribute {name!r}; it has {there}.{near_misses(str(name), names)}"

    def _attribute(self, name: str | int) -> AttributeValue | None:
        for each in self.attributes:
            if name in (each.name, each.spec_id):
                return each
        home = self.home if isinstance(name, str) else None
        if home is None or not home.can_ask:
            return None
        spec = home.labels.of(self._row.get("label_id")).attribute(name)
        return None if spec is None else self._attribute(spec.id)


class Tag(Annotation):
    """A label of a whole frame."""

    class Meta:
        endpoint = "annotations/tags"
        natural_key = ("task", "job", "frame", "label")
        dialect_options = {"annotations": "tags"}


class Shape(Annotation):
    """A shape on one frame: a rectangle, a polygon, a mask, a skeleton of elements.

    *score* is newer than 2.15.
    """

    type = fields.Enum(ShapeType, required=True)
    points = fields.List(fields.Float())
    occluded = fields.Boolean()
    outside = fields.Boolean()
    z_order = fields.Integer()
    rotation = fields.Float(validate=_ROTATION)
    score = fields.Float(null=True, validate=_SHARE)
    elements = fields.List(fields.Nested(ShapeElement))

    class Meta:
        endpoint = "annotations/shapes"
        natural_key = ("task", "job", "frame", "label", "type", "points")
        dialect_options = {"annotations": "shapes"}


class Track(Annotation):
    """A shape that moves: what it looks like on some frames, and between them."""

    shapes = fields.List(fields.Nested(TrackedShape))
    elements = fields.List(fields.Nested(TrackElement))

    class Meta:
        endpoint = "annotations/tracks"
        natural_key = ("task", "job", "frame", "label", "shapes")
        dialect_options = {"annotations": "tracks"}


class Interval(Annotation):
    """A label of what is heard from one moment to another, in frames; newer than 2.15.

    *stop* is the first frame that does not belong to it; None: it goes on to the end.
    """

    start = fields.Integer(required=True, validate=_FRAME)
    stop = fields.Integer(null=True, default=None, validate=_FRAME)
    score = fields.Float(null=True, validate=_SHARE)

    class Meta:
        endpoint = "annotations/intervals"
        natural_key = ("task", "job", "label", "start", "stop")
        dialect_options = {"annotations": "intervals"}

    if not TYPE_CHECKING:  # it takes the place of the field

        @property
        def frame(self) -> int:
            """The start, for who goes through annotations of all kinds."""
            return self.start


#: The kinds by the name that they have in a body of annotations.
KINDS: dict[str, type[Annotation]] = {
    "tags": Tag,
    "shapes": Shape,
    "tracks": Track,
    "intervals": Interval,
}


def kind_of(mapper: Any) -> str | None:
    """Return what a body of annotations calls the objects of a mapper; None for what is none."""
    found: str | None = (mapper.options.get("dialect_options") or {}).get("annotations")
    return found


def kind_in(annotation: Any) -> str | None:
    """Return what a body of annotations calls the kind of an object; None for what is no annotation."""
    return kind_of(type(annotation).__mapper__) if isinstance(annotation, Annotation) else None


def rows_in(body: Any, kind: str, url: str) -> list[dict[str, Any]]:
    """Return the rows of one kind in an answer. Raises ContractError for what are none."""
    rows = body.get(kind, []) if isinstance(body, dict) else None
    if not isinstance(rows, list) or not {*map(type, rows)} <= {dict}:
        raise ContractError(f"{url} answered with no list of {kind}, as annotations have.")
    return rows


__all__ = [
    "Annotation",
    "AnnotationUpdateAction",
    "AttributeValue",
    "Interval",
    "Shape",
    "ShapeElement",
    "Tag",
    "Track",
    "TrackElement",
    "TrackedShape",
]
