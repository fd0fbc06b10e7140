"""The annotations of a task are those of its jobs, put together.

Where two jobs share frames, what is alike is one: tags of one label, rectangles that mostly cover
each other, polygons that are the same, tracks that are alike on the frames (CVAT compares polygons
by their areas, and pairs by the best sum; here the most alike are paired first).
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from objmapper.server.cvat.annotation_fields import Annotations
from objmapper.server.cvat.annotation_tracks import interpolated

Item = dict[str, Any]
Likeness = Callable[[Item, Item], float]
# How unlike two may be to be one.
_CLOSE, _CLOSE_TRACKS = 0.25, 0.5


def add(found: Annotations, more: Annotations, start: int, overlap: int) -> None:
    """The annotations of a job that begins at *start* are added to those of the jobs before it."""
    by_frame = (("tags", _like_tags), ("shapes", _like_shapes))
    for kind, likeness in by_frame:
        found[kind] += _new(found[kind], more[kind], start, overlap, likeness)
    _add_tracks(found["tracks"], more["tracks"], start, overlap)


def _new(
    known: list[Item], more: list[Item], start: int, overlap: int, likeness: Likeness
) -> list[Item]:
    """What is not known already, by the frames that are shared."""
    later = [item for item in more if item["frame"] >= start + overlap]
    shared = [item for item in more if item["frame"] < start + overlap]
    found = []
    for frame in dict.fromkeys(item["frame"] for item in shared):
        left = [item for item in known if item["frame"] == frame]
        right = [item for item in shared if item["frame"] == frame]
        same = {place for _, place in _pairs(left, right, likeness, _CLOSE)}
        found += [item for place, item in enumerate(right) if place not in same]
    return [*later, *found]


def _pairs(
    left: list[Item], right: list[Item], likeness: Likeness, close: float
) -> list[tuple[int, int]]:
    """Which of *left* is which of *right*, the most alike first."""
    costs = sorted(
        (1 - likeness(one, other), i, j)
        for i, one in enumerate(left)
        for j, other in enumerate(right)
    )
    found: list[tuple[int, int]] = []
    for cost, i, j in costs:
        if cost <= close and all(i != known[0] and j != known[1] for known in found):
            found.append((i, j))
    return found


def _like_tags(one: Item, other: Item) -> float:
    return float(one["label_id"] == other["label_id"])


def _like_shapes(one: Item, other: Item) -> float:
    """How alike two shapes are, from 0 to 1.

    >>> box = {"type": "rectangle", "label_id": 1, "points": [0, 0, 4, 4]}
    >>> _like_shapes(box, box), _like_shapes(box, box | {"points": [0, 0, 4, 2]})
    (1.0, 0.5)
    """
    if (one["type"], one.get("label_id")) != (other["type"], other.get("label_id")):
        return 0.0
    left, right = one.get("points", []), other.get("points", [])
    if one["type"] == "polygon":
        return float(left == right)
    if one["type"] != "rectangle" or len(left) != 4 or len(right) != 4:
        return 0.0
    width = min(left[2], right[2]) - max(left[0], right[0])
    height = min(left[3], right[3]) - max(left[1], right[1])
    common = max(width, 0) * max(height, 0)
    total = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (left, right)) - common
    return common / total if total > 0 else 0.0


def _add_tracks(known: list[Item], more: list[Item], start: int, overlap: int) -> None:
    end = start + overlap
    later = [track for track in more if track["frame"] >= end]
    shared = [track for track in more if track["frame"] < end and track["shapes"]]
    open_ = [track for track in known if _reaches(track, start)]

    def likeness(one: Item, other: Item) -> float:
        return _like_tracks(one, other, start, end)

    pairs = _pairs(open_, shared, likeness, _CLOSE_TRACKS)
    for i, j in pairs:
        _unite(open_[i], shared[j])
    paired = [open_[i] for i, _ in pairs]
    for track in open_:
        if all(track is not each for each in paired):
            _end(track, end)
    same = {j for _, j in pairs}
    known += [*later, *(track for place, track in enumerate(shared) if place not in same)]


def _reaches(track: Item, start: int) -> bool:
    last = track["shapes"][-1] if track["shapes"] else None
    return last is not None and (last["frame"] >= start or not last["outside"])


def _like_tracks(one: Item, other: Item, start: int, end: int) -> float:
    if one["label_id"] != other["label_id"]:
        return 0.0
    left, right = (
        {shape["frame"]: shape for shape in interpolated(track, end)} for track in (one, other)
    )
    frames = [frame for frame in range(start, end) if frame in left or frame in right]
    if not frames:
        return 0.0
    wrong = 0.0
    for frame in frames:
        both = frame in left and frame in right
        if both and left[frame]["outside"] == right[frame]["outside"]:
            wrong += 1 - _like_shapes(left[frame], right[frame])
        else:
            wrong += 1
    return 1 - wrong / len(frames)


def _unite(track: Item, more: Item) -> None:
    """A track goes on with the shapes that another one has of later frames."""
    shapes = {shape["frame"]: shape for shape in [*more["shapes"], *track["shapes"]]}
    track["shapes"] = [shapes[frame] for frame in sorted(shapes)]
    track["frame"] = min(track["frame"], more["frame"])


def _end(track: Item, frame: int) -> None:
    """A track that does not go on ends with a shape that is not seen."""
    if track["shapes"] and not track["shapes"][-1]["outside"]:
        track["shapes"].append(deepcopy(track["shapes"][-1]) | {"frame": frame, "outside": True})
    for element in track.get("elements", ()):
        _end(element, frame)
