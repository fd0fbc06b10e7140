"""What is told of a task's or a job's frames: names, sizes, and which of them are deleted."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from objmapper.server.cvat import jobs, projects, tasks
from objmapper.server.cvat.call import Answer, Call
from objmapper.server.cvat.errors import Broken
from objmapper.server.cvat.media_rows import Media, media_of
from objmapper.server.cvat.permissions import JOB_STAFF, TASK_STAFF, require
from objmapper.server.cvat.pictures import Frame
from objmapper.server.cvat.validation import Field, Integer, Many, clean

_LARGEST = 2**31 - 1


def of_task(call: Call, path: dict[str, str]) -> Answer:
    """GET /api/tasks/{id}/data/meta; of a task without data it breaks CVAT (observed on 2.15)."""
    task = _task(call, path)
    return _told_of_task(call, task)


def _told_of_task(call: Call, task: sqlite3.Row) -> Answer:
    media = media_of(call, task["data_id"], task["size"])
    frames = [_frame(each) for each in media.images(0, media.size - 1)]
    return _answer(call, _meta(media, frames))


def _task(call: Call, path: dict[str, str]) -> sqlite3.Row:
    task = tasks.find(call, path["key"])
    require(call, task, TASK_STAFF)
    if task["data_id"] is None:
        raise Broken("CVAT looks for the data's images unguarded")
    return task


def of_task_updated(call: Call, path: dict[str, str]) -> Answer:
    """PATCH /api/tasks/{id}/data/meta: the deleted frames, all of them; the task is not touched."""
    task = _task(call, path)
    deleted = _deleted(call)
    if deleted is not None:
        media_of(call, task["data_id"], task["size"])
        _store(call, task["data_id"], deleted)
    return _told_of_task(call, task)


def of_job(call: Call, path: dict[str, str]) -> Answer:
    """GET /api/jobs/{id}/data/meta."""
    job = jobs.find(call, path["key"])
    require(call, job, JOB_STAFF)
    return _told_of_job(call, job)


def of_job_updated(call: Call, path: dict[str, str]) -> Answer:
    """PATCH /api/jobs/{id}/data/meta: the deleted frames of the job; those of others stay."""
    job = jobs.find(call, path["key"])
    require(call, job, JOB_STAFF)
    deleted = _deleted(call)
    if deleted is not None:
        stretch = _stretch(job)
        known = media_of(call, job["data_id"], job["size"]).deleted
        kept = [frame for frame in known if frame not in stretch]
        _store(call, job["data_id"], [*kept, *(each for each in deleted if each in stretch)])
        call.update("task", job["task_id"], {"updated_date": call.clock()})
        projects.touch(call, job["project_id"])
    return _told_of_job(call, job)


def _told_of_job(call: Call, job: sqlite3.Row) -> Answer:
    media = media_of(call, job["data_id"], job["size"])
    stretch, included = _stretch(job), jobs.frames_of(job)
    frames = [
        _frame(each) if each.number in included else _frame(each) | {"name": "placeholder.jpg"}
        for each in media.images(stretch.start, stretch.stop - 1)
    ]
    start = media.start + stretch.start * media.step
    return _answer(
        call,
        _meta(media, frames)
        | {
            "size": len(included),
            "start_frame": start,
            "stop_frame": min(media.stop, media.start + (stretch.stop - 1) * media.step),
            "deleted_frames": [frame for frame in media.deleted if frame in stretch],
            "included_frames": None if job["frames"] is None else json.loads(job["frames"]),
        },
    )


def _stretch(job: sqlite3.Row) -> range:
    return range(job["start_frame"], job["stop_frame"] + 1)


def _deleted(call: Call) -> list[int] | None:
    """The frames that a body deletes; 2.15 wants them said."""
    many = Many(Integer(least=0, most=_LARGEST), required=call.version.data_needs_quality)
    fields: dict[str, Field] = {"deleted_frames": many}
    return clean(call.body(), fields, partial=False).get("deleted_frames")


def _store(call: Call, data: int, deleted: list[int]) -> None:
    """Deleted frames are kept in order, and once."""
    call.update("data", data, {"deleted_frames": json.dumps(sorted(set(deleted)))})


def _frame(frame: Frame) -> dict[str, Any]:
    return {
        "width": frame.width,
        "height": frame.height,
        "name": frame.name,
        "related_files": 0,
        "has_related_context": False,
    }


def _meta(media: Media, frames: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "chunks_updated_date": media.updated,
        "chunk_size": media.chunk_size,
        "size": media.size,
        "image_quality": media.quality,
        "start_frame": media.start,
        "stop_frame": media.stop,
        "frame_filter": media.filter,
        "frames": frames,
        "chapters": None,
        "deleted_frames": media.deleted,
        "included_frames": None,
        "storage": media.storage,
        "cloud_storage_id": None,
    }


def _answer(call: Call, meta: dict[str, Any]) -> Answer:
    return Answer(call.version.told("data/meta", meta))
