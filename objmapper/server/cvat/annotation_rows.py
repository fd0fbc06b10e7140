"""The annotations of one job, as they are stored and read.

An attribute that an annotation says nothing of has its default when it is read; of a track's shapes,
the value that the shape before it has.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from objmapper.server.cvat import annotation_tracks
from objmapper.server.cvat.annotation_fields import KINDS, Annotations
from objmapper.server.cvat.call import KEYS, Call
from objmapper.server.cvat.errors import Invalid

_TABLES = dict(zip(KINDS, ("tag", "shape", "track"), strict=True))
_BASE = ("label_id", "frame", "group", "source")
_FORM = ("type", "occluded", "outside", "z_order", "rotation")
Item = dict[str, Any]


class TakenError(Exception):
    """An annotation brings an id along that another one has."""


class Labels:
    """The labels of a task, and the defaults of their attributes by id."""

    def __init__(self, call: Call, task: sqlite3.Row) -> None:
        name = "task_id" if task["project_id"] is None else "project_id"
        key = task["task_id"] if name == "task_id" else task["project_id"]
        rows = call.rows(f"SELECT id FROM label WHERE {name} = ?", (key,))
        self._all: dict[int, dict[int, tuple[bool, str]]] = {row["id"]: {} for row in rows}
        sql = f"SELECT * FROM attribute WHERE label_id IN {KEYS} ORDER BY id"
        for row in call.rows_of(sql, self._all):
            told = bool(row["mutable"]), row["default_value"]
            self._all[row["label_id"]][row["id"]] = told

    def defaults(self, label: int, mutable: bool | None = None) -> list[Item]:
        """What a label's attributes are unless told otherwise: all, or those that may change."""
        return [
            {"spec_id": key, "value": value}
            for key, (changes, value) in self._all[label].items()
            if mutable is None or changes == mutable
        ]

    def check(self, item: Item, mutable: bool | None = None) -> None:
        """400 for a label or an attribute that the task does not have."""
        self.check_label(item["label_id"])
        self.check_attributes(item["label_id"], item["attributes"], mutable)

    def check_label(self, label: int) -> None:
        if label not in self._all:
            raise Invalid([f"label_id `{label}` is invalid"])

    def check_attributes(self, label: int, given: list[Item], mutable: bool | None) -> None:
        known = {each["spec_id"] for each in self.defaults(label, mutable)}
        for each in given:
            if each["spec_id"] not in known:
                raise Invalid([f"spec_id `{each['spec_id']}` is invalid"])


def store(call: Call, job: int, labels: Labels, given: Annotations) -> None:
    """Annotations are added to a job, and get the ids that they did not bring along."""
    for tag in given["tags"]:
        labels.check(tag)
    _insert(call, "tag", given["tags"], [_base(job, tag) for tag in given["tags"]])
    _store_shapes(call, job, labels, given["shapes"], None)
    _store_tracks(call, job, labels, given["tracks"], None)


def _base(job: int, item: Item) -> Item:
    columns = {name: item[name] for name in _BASE}
    return columns | {"job_id": job, "attributes": json.dumps(item["attributes"])}


def _form(item: Item) -> Item:
    columns = {name: item[name] for name in _FORM}
    return columns | {"points": json.dumps(item.get("points", []))}


def _store_shapes(
    call: Call, job: int, labels: Labels, shapes: list[Item], parent: int | None
) -> None:
    for shape in shapes:
        labels.check(shape)
        if shape.get("elements") or parent is None:
            shape.setdefault("elements", [])
        else:
            shape.pop("elements", None)
    rows = [
        _base(job, shape) | _form(shape) | {"parent_id": parent, "score": shape.get("score", 1.0)}
        for shape in shapes
    ]
    _insert(call, "shape", shapes, rows)
    for shape in shapes:
        if shape.get("elements"):
            _store_shapes(call, job, labels, shape["elements"], shape["id"])


def _store_tracks(
    call: Call, job: int, labels: Labels, tracks: list[Item], parent: Item | None
) -> None:
    moved = annotation_tracks.synchronized(tracks, parent)
    if parent is not None and moved is not None:
        _move(call, parent, moved)
        annotation_tracks.synchronized(tracks, parent)
    for track in tracks:
        labels.check(track, mutable=False)
        for shape in track["shapes"]:
            labels.check_attributes(track["label_id"], shape["attributes"], mutable=True)
        if track.get("elements") or parent is None:
            track.setdefault("elements", [])
        else:
            track.pop("elements", None)
    above = None if parent is None else parent["id"]
    rows = [_base(job, track) | {"parent_id": above} for track in tracks]
    _insert(call, "track", tracks, rows)
    shapes = [(track["id"], shape) for track in tracks for shape in track["shapes"]]
    _insert(
        call,
        "tracked_shape",
        [shape for _, shape in shapes],
        [
            _form(shape)
            | {"track_id": key, "frame": shape["frame"]}
            | {"attributes": json.dumps(shape["attributes"])}
            for key, shape in shapes
        ],
    )
    for track in tracks:
        if track.get("elements"):
            _store_tracks(call, job, labels, track["elements"], track)


def _move(call: Call, track: Item, frame: int) -> None:
    """A track begins no later than its elements do, and its first shape with it."""
    track["frame"] = frame
    call.update("track", track["id"], {"frame": frame})
    first = min(track["shapes"], key=lambda shape: int(shape["id"]), default=None)
    if first is not None:
        first["frame"] = frame
        call.update("tracked_shape", first["id"], {"frame": frame})


def _insert(call: Call, table: str, items: list[Item], rows: list[Item]) -> None:
    """Rows are added; items that bring no id along get the next ones."""
    own = [item["id"] for item in items if item.get("id") is not None]
    sql = f"SELECT id FROM {table} WHERE id IN {KEYS}"
    if len(set(own)) < len(own) or (own and call.rows_of(sql, own)):
        raise TakenError(table)
    free = iter(_reserved(call, table, len(items) - len(own)))
    for item, row in zip(items, rows, strict=True):
        if item.get("id") is None:
            item["id"] = next(free)
        columns = {f'"{name}"': value for name, value in row.items()}
        call.insert(table, columns | {"id": item["id"]})


def _reserved(call: Call, table: str, number: int) -> Sequence[int]:
    """The next free ids of a table, in a row; those that annotations brought along are passed by."""
    if not number:
        return ()
    row = call.row("SELECT last FROM serial WHERE name = ?", (table,))
    first = 1 + (row["last"] if row else 0)
    sql = f"SELECT max(id) AS last FROM {table} WHERE id BETWEEN ? AND ?"
    while (found := call.rows(sql, (first, first + number - 1))[0]["last"]) is not None:
        first = found + 1
    last = first + number - 1
    call.run("INSERT OR REPLACE INTO serial VALUES (?, ?)", (table, last))
    return range(first, last + 1)


def clear(call: Call, job: int) -> bool:
    """All annotations of a job are deleted; whether there were any."""
    found = False
    for table in _TABLES.values():
        found |= call.row(f"SELECT 1 FROM {table} WHERE job_id = ?", (job,)) is not None
        call.run(f"DELETE FROM {table} WHERE job_id = ?", (job,))
    return found


def delete(call: Call, job: int, given: Annotations) -> None:
    """Those of a job that have the ids of the given ones are deleted; unknown ids are passed over."""
    for kind, table in _TABLES.items():
        keys = json.dumps([item["id"] for item in given[kind]])
        call.run(f"DELETE FROM {table} WHERE job_id = ? AND id IN {KEYS}", (job, keys))


def read(call: Call, job: int, labels: Labels) -> Annotations:
    """All annotations of a job, tags and shapes by their frames."""
    by_frame = "SELECT * FROM {} WHERE job_id = ? ORDER BY frame, id"
    tags = call.rows(by_frame.format("tag"), (job,))
    shapes = call.rows(by_frame.format("shape"), (job,))
    return {
        "version": 0,
        "tags": [_read_base(row, labels.defaults(row["label_id"])) for row in tags],
        "shapes": _nested((_read_shape(call, row, labels), row["parent_id"]) for row in shapes),
        "tracks": _nested(_read_tracks(call, job, labels)),
    }


def _read_base(row: sqlite3.Row, defaults: list[Item]) -> Item:
    attributes = _extended(json.loads(row["attributes"]), defaults)
    return {"id": row["id"]} | {name: row[name] for name in _BASE} | {"attributes": attributes}


def _extended(given: list[Item], defaults: Iterable[Item]) -> list[Item]:
    known = {each["spec_id"] for each in given}
    return [*given, *(each for each in defaults if each["spec_id"] not in known)]


def _read_form(row: sqlite3.Row) -> Item:
    form = {name: row[name] for name in _FORM}
    flags = {name: bool(row[name]) for name in ("occluded", "outside")}
    return form | flags | {"points": [float(point) for point in json.loads(row["points"])]}


def _read_shape(call: Call, row: sqlite3.Row, labels: Labels) -> Item:
    item = _read_base(row, labels.defaults(row["label_id"])) | _read_form(row)
    return item | ({"score": row["score"]} if call.version.scores else {})


def _read_tracks(call: Call, job: int, labels: Labels) -> Iterable[tuple[Item, int | None]]:
    shapes: dict[int, list[sqlite3.Row]] = {}
    for row in call.rows(
        "SELECT s.* FROM tracked_shape AS s JOIN track AS t ON t.id = s.track_id"
        " WHERE t.job_id = ? ORDER BY s.track_id, s.frame, s.id",
        (job,),
    ):
        shapes.setdefault(row["track_id"], []).append(row)
    for row in call.rows("SELECT * FROM track WHERE job_id = ? ORDER BY id", (job,)):
        track = _read_base(row, labels.defaults(row["label_id"], mutable=False))
        track["shapes"] = []
        defaults = labels.defaults(row["label_id"], mutable=True)
        for each in shapes.get(row["id"], ()):
            defaults = _extended(json.loads(each["attributes"]), defaults)
            told = {"id": each["id"], "frame": each["frame"], "attributes": defaults}
            track["shapes"].append(told | _read_form(each))
        yield track, row["parent_id"]


def _nested(items: Iterable[tuple[Item, int | None]]) -> list[Item]:
    """Items without a parent, each with those that have it."""
    every = list(items)
    found = {item["id"]: item | {"elements": []} for item, parent in every if parent is None}
    for item, parent in every:
        if parent is not None:
            found[parent]["elements"].append(item)
    return list(found.values())
