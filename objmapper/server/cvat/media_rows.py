"""The data of a task as they are stored: their frames, and how they are cut into chunks."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from objmapper.server.cvat import pictures, tasks
from objmapper.server.cvat.call import Call
from objmapper.server.cvat.data_fields import step_of
from objmapper.server.cvat.errors import Invalid
from objmapper.server.cvat.pictures import Frame


@dataclass(frozen=True)
class Media:
    """The data of a task."""

    size: int
    #: None for data that are not there yet.
    chunk_size: int | None
    quality: int
    start: int
    stop: int
    filter: str
    deleted: list[int]
    updated: str
    storage: str
    images: Callable[[int, int], list[Frame]]

    @property
    def step(self) -> int:
        return step_of(self.filter)

    def frame(self, number: int) -> Frame:
        """One frame by its number in the task; 400 for one that is not there."""
        found = self.images(number, number) if 0 <= number < self.size else []
        if not found:
            raise Invalid(f"Incorrect requested frame number: {number}")
        return found[0]


def media_of(call: Call, key: int, size: int) -> Media:
    """The data of a task by their key; those without a row are made up."""
    row = call.row("SELECT * FROM data WHERE id = ?", (key,))
    if row is None:
        _make_up(call, key, size)
        return media_of(call, key, size)
    return Media(
        size=row["size"],
        chunk_size=row["chunk_size"],
        quality=row["image_quality"],
        start=row["start_frame"],
        stop=row["stop_frame"],
        filter=row["frame_filter"],
        deleted=json.loads(row["deleted_frames"]),
        updated=row["chunks_updated_date"],
        storage=row["storage"],
        images=partial(_images, call, key),
    )


def _make_up(call: Call, key: int, size: int) -> None:
    """Data that a seed only tells of get a row, and frames, when they are first asked for."""
    columns = {
        "id": key,
        "size": size,
        "chunk_size": tasks.CHUNK_SIZE,
        "image_quality": tasks.QUALITY,
        "stop_frame": size - 1,
        "chunks_updated_date": call.clock(),
    }
    call.insert("data", columns)
    width, height = pictures.MADE_UP
    for number in range(size):
        image = {"data_id": key, "number": number, "frame": number, "name": f"{number:06d}.png"}
        call.insert("image", image | {"width": width, "height": height})


def _images(call: Call, key: int, first: int, last: int) -> list[Frame]:
    rows = call.rows(
        "SELECT * FROM image WHERE data_id = ? AND number BETWEEN ? AND ? ORDER BY number",
        (key, first, last),
    )
    return [
        Frame(row["number"], row["name"], row["width"], row["height"], _path(call, row))
        for row in rows
    ]


def _path(call: Call, row: sqlite3.Row) -> Path | None:
    if row["blob"] is not None:
        return call.site.folder.path(row["blob"])
    return None if row["shared"] is None else (call.site.share or Path()) / row["shared"]
