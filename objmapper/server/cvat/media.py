"""Media: the frames and chunks of tasks and jobs, and their previews.

A task's chunks are of ``chunk_size`` frames each; a job shows those that its frames are in, by their
number in the task. Pictures are made when they are asked for, outside of the transaction.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Any

from objmapper.server.cvat import jobs, pictures, projects, tasks
from objmapper.server.cvat.call import Answer, Call, Content
from objmapper.server.cvat.errors import Broken, Invalid, NotFound, NotReady
from objmapper.server.cvat.media_rows import Media, media_of
from objmapper.server.cvat.permissions import JOB_STAFF, PROJECT_STAFF, TASK_STAFF, require
from objmapper.server.cvat.pictures import Frame

KINDS = ("chunk", "frame", "preview", "context_image")
QUALITIES = ("compressed", "original")


@dataclass(frozen=True)
class _Asked:
    """What a request asks for."""

    kind: str
    number: int
    quality: str
    #: Whether the number is a chunk's place in its job, not in the task.
    in_job: bool = False

    @classmethod
    def by(cls, call: Call, *, of_job: bool = False) -> _Asked:
        kind, number = call.parameter("type"), call.parameter("number")
        in_job = of_job and call.version.job_chunks and kind == "chunk" and number is None
        if in_job:
            number = call.parameter("index")
        quality = call.parameter("quality")
        quality = "compressed" if quality is None else quality
        if kind not in KINDS:
            raise Invalid(["Data type not specified or has wrong value"])
        if kind != "context_image":
            if number is None:
                raise Invalid(["Number is not specified"])
            if quality not in QUALITIES:
                raise Invalid(["Wrong quality value"])
        try:
            return cls(kind, int(number or 0), quality, in_job)
        except ValueError as error:
            raise Broken(f"{number!r} is no number") from error


def of_task(call: Call, path: dict[str, str]) -> Answer:
    """GET /api/tasks/{id}/data: a frame, a chunk or a preview, by its number."""
    task = tasks.find(call, path["key"])
    require(call, task, TASK_STAFF)
    asked = _Asked.by(call)
    if task["data_id"] is None:
        raise Broken("CVAT looks for the data's first frame unguarded")
    media = media_of(call, task["data_id"], task["size"])
    stretch = range(media.size)
    if call.version.counts_from_source:
        # As CVAT 2.15 does, which then takes the number for one in the task all the same.
        stretch = range(media.start, media.stop + 1, media.step)
    if asked.kind == "chunk":
        return _chunk(call, media, asked, (stretch.start, stretch.stop - 1), "in  the")
    if asked.number not in stretch:
        last = stretch.stop - 1
        raise Invalid(f"The frame number should be in the [{stretch.start}, {last}] range")
    return _frame(call, media, asked)


def of_job(call: Call, path: dict[str, str]) -> Answer:
    """GET /api/jobs/{id}/data: the same of a job; frames that it leaves out are not in its chunks."""
    job = jobs.find(call, path["key"])
    require(call, job, JOB_STAFF)
    asked = _Asked.by(call, of_job=True)
    media = media_of(call, job["data_id"], job["size"])
    if asked.kind == "chunk":
        bounds = (job["start_frame"], job["stop_frame"])
        included = None if job["frames"] is None else json.loads(job["frames"])
        if asked.in_job:
            return _chunk_of_job(call, media, asked, bounds, included)
        where = "in  the" if included is None else "in the"
        return _chunk(call, media, asked, bounds, where, included)
    if asked.number not in jobs.frames_of(job):
        raise Invalid("The frame number doesn't belong to the job")
    return _frame(call, media, asked)


def _frame(call: Call, media: Media, asked: _Asked) -> Answer:
    if asked.kind == "context_image":
        raise NotFound
    frame = media.frame(asked.number)
    if asked.kind == "preview":
        return _preview(media, frame)
    _require_ready(call)
    if asked.quality == "compressed":
        return _content("image/jpeg", partial(pictures.shown, frame, media.quality))
    return _content(pictures.kind_of(frame.name), partial(pictures.shown, frame, None))


def _content(kind: str, make: Callable[[], Any], *headers: tuple[str, str]) -> Answer:
    def body() -> bytes:
        try:
            made = make()
        except (pictures.Unreadable, OSError, ValueError, SyntaxError) as error:
            raise Broken("a picture that can't be read") from error
        return made if isinstance(made, bytes) else made[0]

    return Answer(headers=headers, content=Content(kind, body))


def _chunk(
    call: Call,
    media: Media,
    asked: _Asked,
    bounds: tuple[int, int],
    where: str,
    included: Collection[int] | None = None,
) -> Answer:
    length = media.chunk_size or tasks.CHUNK_SIZE
    first, last = (frame // length for frame in bounds)
    if not first <= asked.number <= last:
        raise Invalid(f"The chunk number should be {where} [{first}, {last}] range")
    if asked.number >= math.ceil(media.size / length):
        raise Invalid("requested chunk does not exist")
    start = asked.number * length
    return _sent(call, media, asked, start, min(start + length, media.size) - 1, included)


def _chunk_of_job(
    call: Call,
    media: Media,
    asked: _Asked,
    bounds: tuple[int, int],
    included: Collection[int] | None,
) -> Answer:
    """A chunk by its place in the job, the first of which begins with the job."""
    length = media.chunk_size or tasks.CHUNK_SIZE
    start = bounds[0] + asked.number * length
    if not bounds[0] <= start <= bounds[1]:
        raise Invalid("requested chunk does not exist")
    return _sent(call, media, asked, start, min(start + length - 1, bounds[1]), included)


def _sent(
    call: Call,
    media: Media,
    asked: _Asked,
    first: int,
    last: int,
    included: Collection[int] | None,
) -> Answer:
    _require_ready(call)
    found = media.images(first, last)
    frames = [each if included is None or each.number in included else None for each in found]
    quality = media.quality if asked.quality == "compressed" else None
    name = f'inline; filename="{asked.number}.zip"'
    make = partial(pictures.chunk, frames, quality)
    return _content("application/zip", make, ("Content-Disposition", name))


def _require_ready(call: Call) -> None:
    """429 as often as the option ``busy`` says, for each chunk and frame by itself."""
    if call.site.is_busy(f"{call.request.path}?{call.request.query_string!r}"):
        raise NotReady


def _preview(media: Media, frame: Frame) -> Answer:
    return _content("image/jpeg", partial(pictures.preview, frame, media.quality))


def preview_of_task(call: Call, path: dict[str, str]) -> Answer:
    """GET /api/tasks/{id}/preview: the first frame, small."""
    task = tasks.find(call, path["key"])
    require(call, task, TASK_STAFF)
    if task["data_id"] is None:
        raise NotFound("Task image preview not found")
    media = media_of(call, task["data_id"], task["size"])
    return _preview(media, media.frame(0))


def preview_of_project(call: Call, path: dict[str, str]) -> Answer:
    """GET /api/projects/{id}/preview: that of its newest task, which CVAT expects to have data."""
    project = projects.find(call, path["key"])
    require(call, project, PROJECT_STAFF)
    sql = "SELECT data_id, size FROM task WHERE project_id = ? ORDER BY id DESC LIMIT 1"
    newest = call.row(sql, (project["id"],))
    if newest is None:
        raise NotFound("Project image preview not found")
    if newest["data_id"] is None:
        raise Broken("CVAT looks for the data of the newest task")
    media = media_of(call, newest["data_id"], newest["size"])
    return _preview(media, media.frame(0))


def preview_of_job(call: Call, path: dict[str, str]) -> Answer:
    """GET /api/jobs/{id}/preview: its first frame, small."""
    job = jobs.find(call, path["key"])
    require(call, job, JOB_STAFF)
    media = media_of(call, job["data_id"], job["size"])
    return _preview(media, media.frame(jobs.frames_of(job)[0]))
