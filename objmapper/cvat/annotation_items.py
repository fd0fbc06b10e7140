"""What a request says of annotations: whole items, names looked up, and what can't be found first.

An update takes an annotation away and makes it anew, so it says all of it, what it does not know too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from objmapper import wire
from objmapper.cvat.annotation_labels import LabelSpec, one_of
from objmapper.cvat.annotation_models import kind_of
from objmapper.exceptions import ValidationError
from objmapper.fields.relations import wire_key
from objmapper.operation import Change, Kind, Pending
from objmapper.state import copied

Item = dict[str, Any]
Problem = tuple[object, str | None, list[str]]

_PLACES = frozenset({"task_id", "job_id"})
#: How many numbers the points of a shape are.
_NUMBERS = {"rectangle": 4, "ellipse": 4, "cuboid": 16}
#: Why a task has no frames, and what to do.
_NO_FRAMES = (
    "CVAT has made none yet. Commit the task with its data, and add annotations after "
    "task.wait_for_data(), which an offline session can't do for a task that it makes."
)
#: What must be known of an annotation to tell the server which one is meant.
_TELLING = {
    "tags": ("frame", "label_id"),
    "shapes": ("type", "frame", "label_id"),
    "tracks": ("frame", "label_id", "shapes"),
    "intervals": ("start", "label_id"),
}


def items_of(changes: Iterable[Change]) -> list[Item]:
    """Return what a request says of annotations. Raises ValidationError, telling of all of them."""
    problems: list[Problem] = []
    made = [_item(change, problems) for change in changes]
    if problems:
        raise ValidationError.of(problems)
    return made


def _item(change: Change, problems: list[Problem]) -> Item:
    obj, made = change.object, _written(change)
    lacking = [key for key in _TELLING[str(kind_of(type(obj).__mapper__))] if key not in made]
    if lacking and change.kind != Kind.CREATE:
        told = f"Of it {', '.join(lacking)} is not known: read the annotations of its task or job."
        problems.append((obj, None, [told]))
    elif change.kind != Kind.DELETE:
        try:
            _Checking(change, made, problems).run()
        except ValidationError as error:  # a label that there is not
            problems += [(obj, name, messages) for _, name, messages in error.errors]
    return made


def _written(change: Change) -> Item:
    """Return an item as its object has it: of a new one what was set, of others all there is."""
    obj, sent, made = change.object, change.sent, {}
    mapper, new = type(obj).__mapper__, change.kind == Kind.CREATE
    for key in sent if new else {**obj._row, **sent}:
        field = mapper.by_key.get(key)
        if key in _PLACES:
            continue
        if key in sent:  # a copy: names are looked up in it, and what was sent stays told
            made[key] = copied(sent[key]) if isinstance(sent[key], list) else sent[key]
        elif field is None:  # what only a newer CVAT knows would be lost
            made[key] = obj._row[key]
        elif field is not mapper.pk:
            made[key] = wire.wire_value(field, obj._row[key])
    if not new:
        key = mapper.key_in(obj._row)
        made["id"] = Pending(obj, wire_key) if key is None else key
    return made


class _Checking:
    """Looks up the names of one item, and notes what can't be."""

    def __init__(self, change: Change, item: Item, problems: list[Problem]) -> None:
        self.change, self.item, self.problems = change, item, problems
        self.of = change.object
        self.kind = kind_of(type(change.object).__mapper__)

    def note(self, name: str, told: str) -> None:
        self.problems.append((self.of, name, [told]))

    def run(self) -> None:
        home = self.of.home
        if home is None:
            return self.note("task", "Give it a task or a job: it lives in one.")
        shapes = self.item.get("shapes", ()) if self.kind == "tracks" else [self.item]
        self.frames([self.item, *self.item.get("shapes", ())], home.frames)
        for shape in shapes if self.kind in ("shapes", "tracks") else ():
            self.points(shape)
        if self.kind == "intervals":
            self.moments(home.frames)
        if self.kind == "tracks" and not self.item.get("shapes") and not self.item.get("elements"):
            self.note("shapes", "A track has a shape on one frame at least.")
        spec = self.label(home)
        if spec is not None and self.is_relabelled():
            self.carry_over(home.labels.known(self.change.base.get("label_id")), spec)
        self.attributes(self.item, spec, None if self.kind != "tracks" else False)
        for shape in self.item.get("shapes", ()):
            self.attributes(shape, spec, mutable=True)
        for element in self.item.get("elements", ()):
            self.element(element, spec)
        return None

    def label(self, home: Any) -> LabelSpec | None:
        """Look the label up; None where it is not on the server yet, or needs no look."""
        asked = self.item.get("label_id")
        if home.waits:
            return None
        if isinstance(asked, Pending) or not home.can_ask:
            if any(_names(self.item)):
                told = (
                    "Names are looked up where the label is on the server already: commit it first."
                )
                self.note("label", told)
            return None
        if not self.needs_label():
            return None
        spec: LabelSpec = home.labels.named(asked)
        self.item["label_id"] = spec.id
        for kind in self.types():
            if not spec.takes(kind):
                self.note("label", f"{spec.name!r} is for {spec.type}, not for {kind}.")
                break
        return spec

    def is_relabelled(self) -> bool:
        """Whether its label was changed, and nothing was said of attributes."""
        sent = self.change.sent
        return self.change.kind == Kind.UPDATE and "label_id" in sent and "attributes" not in sent

    def carry_over(self, before: LabelSpec | None, spec: LabelSpec) -> None:
        """Let what the new label has under the same name stay; it has none of the others."""
        shapes = self.item.get("shapes", ()) if "shapes" not in self.change.sent else ()
        for holder in (self.item, *shapes):
            kept = []
            for each in holder.get("attributes", ()):
                had = None if before is None else before.attribute(each.get("spec_id"))
                has = None if had is None else spec.attribute(had.name)
                if had is None or has is None or has.mutable != had.mutable:
                    continue
                if has.refusal(str(each["value"])) is None:
                    kept.append({"spec_id": has.id, "value": each["value"]})
            if "attributes" in holder:
                holder["attributes"] = kept

    def types(self) -> list[str]:
        """Return what the item is drawn as; a label of tags is for those alone."""
        if self.kind == "tags":
            return ["tag"]
        if self.kind == "intervals":
            return ["interval"]
        if self.kind == "tracks":
            return ["skeleton"] if self.item.get("elements") else _types(self.item["shapes"])
        return _types([self.item])

    def needs_label(self) -> bool:
        """Whether anything of the item can only be said, or checked, by what its label is."""
        changed = {"label_id", "type", "attributes"} & self.change.sent.keys()
        return self.change.kind == Kind.CREATE or bool(changed) or any(_names(self.item))

    def frames(self, holders: Iterable[Item], frames: range | None, name: str = "frame") -> None:
        if frames is None:
            return
        for holder in holders:
            if isinstance(holder.get("frame"), int) and holder["frame"] not in frames:
                there = f"they are {frames.start} to {frames.stop - 1}." if frames else _NO_FRAMES
                self.note(name, f"There is no frame {holder['frame']}: {there}")

    def moments(self, frames: range | None) -> None:
        """Note an interval that ends before it begins, or goes beyond what there is."""
        start, stop = self.item.get("start"), self.item.get("stop")
        if not isinstance(start, int):
            return
        self.frames([{"frame": start}], frames, "start")
        if isinstance(stop, int) and stop < start:
            self.note("stop", f"It ends at {stop}, before it begins at {start}.")
        elif frames and isinstance(stop, int) and stop > frames.stop:
            self.note("stop", f"It ends at {stop}; what there is ends at {frames.stop}.")

    def points(self, shape: Item) -> None:
        told = _points_told(str(shape.get("type")), shape.get("points", []))
        if told is not None:
            self.note("points", told)

    def attributes(self, holder: Item, spec: LabelSpec | None, mutable: bool | None) -> None:
        """Say attributes by their ids; *mutable*: whether they are those that change in a track."""
        for each in holder.get("attributes", ()):
            name, key = each.pop("name", None), each.get("spec_id")
            if spec is None:
                continue
            asked = name if key is None else key
            found = spec.attribute(asked)
            told: str | None
            if found is None:
                has = ", ".join(f"{one.name!r} ({one.id})" for one in spec.attributes) or "none"
                told = f"{spec.name!r} has no attribute {asked!r}; it has {has}."
            elif mutable is not None and found.mutable != mutable:
                place = "shapes of a track" if found.mutable else "track itself"
                told = f"{found.name!r} is an attribute of the {place}."
            else:
                each["spec_id"] = found.id
                told = found.refusal(str(each.get("value")))
            if told is not None:
                self.note("attributes", told)

    def element(self, element: Item, spec: LabelSpec | None) -> None:
        name, home = element.pop("label", None), self.of.home
        element["frame"] = self.item["frame"] if element.get("frame") is None else element["frame"]
        self.frames([element, *element.get("shapes", ())], home.frames)
        for shape in element.get("shapes", [element]):
            self.points(shape)
        if spec is None:
            return
        asked = name if element.get("label_id") is None else element["label_id"]
        below = one_of(spec.sublabels, asked, self.of)
        element["label_id"] = below.id
        tracked = self.kind == "tracks"
        self.attributes(element, below, False if tracked else None)
        for shape in element.get("shapes", ()):
            self.attributes(shape, below, mutable=True)


def _types(shapes: Iterable[Item]) -> list[str]:
    return [str(shape.get("type")) for shape in shapes]


def _names(item: Item) -> Iterator[str]:
    """Yield what an item says by name, at whatever depth."""
    for each in (item, *item.get("shapes", ()), *item.get("elements", ())):
        if isinstance(each.get("label_id"), str) or isinstance(each.get("label"), str):
            yield "label"
        parts = (each, *each.get("shapes", ())) if each is not item else (each,)
        for part in parts:
            yield from (a["name"] for a in part.get("attributes", ()) if a.get("name"))


def _points_told(kind: str, points: Any) -> str | None:
    """Say what is wrong with the points of a shape; None where nothing is."""
    if kind == "skeleton":
        return None if not points else "A skeleton has no points: its elements have."
    wanted, count = _NUMBERS.get(kind), len(points)
    if wanted is not None:
        return None if count == wanted else f"A {kind} is {wanted} numbers, not {count}."
    if kind == "mask":
        return _mask_told(points)
    if count % 2 or not count:
        return f"The points of {kind} are pairs of numbers; {count} numbers were given."
    return None


def _mask_told(points: Any) -> str | None:
    """Say what is wrong with a mask: run lengths, then left, top, right and bottom."""
    if len(points) < 5:
        return "A mask is the lengths of its runs, then left, top, right and bottom."
    *runs, left, top, right, bottom = points
    area = (right - left + 1) * (bottom - top + 1)
    if right < left or bottom < top or sum(runs) != area:
        return (
            f"The runs of a mask are as many pixels as its box, {area:g}; they are {sum(runs):g}."
        )
    return None


__all__ = ["Item", "items_of"]
