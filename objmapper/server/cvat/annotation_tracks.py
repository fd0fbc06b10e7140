"""Tracks: where they begin, what they look like between their shapes, and their part of a job.

Between two shapes a rectangle, an ellipse, a cuboid, a skeleton and a single point move evenly;
polygons and polylines do where they keep their number of points (CVAT matches theirs otherwise),
and else stay as they were.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from objmapper.server.cvat.errors import Broken

Item = dict[str, Any]
_EVEN = frozenset({"rectangle", "ellipse", "cuboid", "skeleton"})
_LINES = frozenset({"polygon", "polyline"})


def synchronized(tracks: list[Item], parent: Item | None) -> int | None:
    """Each track begins where its first shape does, and no later than its parent.

    Returns the frame to which the parent has to be moved; None for one that stays.
    """
    for track in tracks:
        if parent is not None and parent["frame"] < track["frame"]:
            track["frame"] = parent["frame"]
        _begin_with_shape(track)
    first = min((track["frame"] for track in tracks), default=None)
    return first if parent is not None and first is not None and first < parent["frame"] else None


def _begin_with_shape(track: Item) -> None:
    first = min(track["shapes"], key=lambda shape: int(shape["frame"]), default=None)
    if first is None:
        return
    if first["frame"] < track["frame"]:
        track["frame"] = first["frame"]
    elif track["frame"] < first["frame"] and first["type"] == "skeleton":
        first["frame"] = track["frame"]
    elif track["frame"] < first["frame"]:
        missing = deepcopy(first) | {"id": None, "frame": track["frame"], "outside": True}
        track["shapes"].append(missing)


def interpolated(track: Item, end: int) -> list[Item]:
    """The shapes of a track on each frame before *end* on which it is seen, and its own.

    >>> shape = {"type": "points", "rotation": 0.0, "outside": False, "attributes": []}
    >>> shapes = [shape | {"frame": 0, "points": [0, 0]}, shape | {"frame": 2, "points": [4, 2]}]
    >>> [each["points"] for each in interpolated({"frame": 0, "shapes": shapes}, 4)]
    [[0, 0], [2.0, 1.0], [4, 2], [4, 2]]
    """
    found: list[Item] = []
    before: Item | None = None
    for shape in sorted(deepcopy(track["shapes"]), key=lambda each: int(each["frame"])):
        if before is not None:
            if shape["frame"] == before["frame"]:
                raise Broken("CVAT asserts that a track has one shape a frame")
            known = {each["spec_id"] for each in shape["attributes"]}
            more = [each for each in before["attributes"] if each["spec_id"] not in known]
            shape["attributes"] = [*shape["attributes"], *more]
            if not before["outside"]:
                found += _between(before, shape)
        found.append(shape | {"keyframe": True})
        before = shape
    if before is not None and not before["outside"]:
        found += [_copy(before, frame) for frame in range(before["frame"] + 1, end)]
    return [each for each in found if track["frame"] <= each["frame"] < end]


def _copy(shape: Item, frame: int, **changes: Any) -> Item:
    return deepcopy(shape) | {"frame": frame, "keyframe": False} | changes


def _between(left: Item, right: Item) -> list[Item]:
    if left["type"] != right["type"]:
        raise Broken("CVAT can't make one type of another")
    distance = right["frame"] - left["frame"]
    if not _moves(left, right):
        return [_copy(left, left["frame"] + step) for step in range(1, distance)]
    turn = (right["rotation"] - left["rotation"] + 180) % 360 - 180
    found = []
    for step in range(1, distance):
        share = step / distance
        pairs = zip(left["points"], right["points"], strict=True)
        points = [start + (stop - start) * share for start, stop in pairs]
        rotation = (left["rotation"] + turn * share) % 360
        found.append(_copy(left, left["frame"] + step, points=points, rotation=rotation))
    return found


def _moves(left: Item, right: Item) -> bool:
    same = len(left.get("points", ())) == len(right.get("points", ()))
    single = left["type"] == "points" and len(left["points"]) == 2
    return same and bool(left.get("points")) and (single or left["type"] in _EVEN | _LINES)


def sliced(annotations: dict[str, Any], start: int, stop: int) -> dict[str, Any]:
    """The annotations of a stretch of frames: the others are left out, tracks are cut to it."""
    tracks = [
        _cut(track, start, stop) for track in annotations["tracks"] if _seen(track, start, stop)
    ]
    return {
        "version": 0,
        "tags": _inside(annotations["tags"], start, stop),
        "shapes": _inside(annotations["shapes"], start, stop),
        "tracks": [track for track in tracks if track["shapes"]],
    }


def _inside(items: list[Item], start: int, stop: int) -> list[Item]:
    return [deepcopy(item) for item in items if start <= item["frame"] <= stop]


def _seen(track: Item, start: int, stop: int) -> bool:
    before = None
    for shape in track["shapes"]:
        if before is not None and _shows(before, shape["frame"], start, stop):
            return True
        before = shape
    if before is None:
        raise Broken("CVAT looks for a track's last shape unguarded")
    return not before["outside"] and before["frame"] <= stop


def _shows(shape: Item, until: int, start: int, stop: int) -> bool:
    shared = max(shape["frame"], start) <= min(until, stop)
    return shared and not shape["outside"]


def _cut(track: Item, start: int, stop: int) -> Item:
    """A track in a stretch: with a shape at its beginning, and one at its end if it goes on."""
    shapes = _visible_from_first(track["shapes"], start, stop)
    if len(shapes) < len(track["shapes"]):
        scoped = _visible_from_first(interpolated(track, stop + 1), start, stop)
        if scoped:
            if not scoped[0].get("keyframe"):
                shapes.insert(0, scoped[0] | {"id": None})
            last = max(shape["frame"] for shape in track["shapes"])
            ends = last >= stop and scoped[-1].get("points") != shapes[-1].get("points")
            if ends or (scoped[-1]["keyframe"] and scoped[-1]["outside"]):
                _append(shapes, scoped[-1])
    for shape in shapes:
        shape.pop("keyframe", None)
    elements = [_cut(each, start, stop) for each in track.get("elements", [])]
    frame = shapes[0]["frame"] if shapes else track["frame"]
    return deepcopy(track) | {"shapes": shapes, "elements": elements, "frame": frame}


def _append(shapes: list[Item], shape: Item) -> None:
    if shapes[-1]["frame"] != shape["frame"]:
        shapes.append(shape if shape["keyframe"] else shape | {"id": None})


def _visible_from_first(shapes: list[Item], start: int, stop: int) -> list[Item]:
    inside = _inside(shapes, start, stop)
    while inside and inside[0]["outside"]:
        inside.pop(0)
    return inside
