"""Annotations of jobs, and of tasks as those of their jobs.

PUT replaces all; PATCH adds, changes or deletes, as its ``action`` says. A change deletes what has the
ids and adds what is given, under the same ids; what never was there is added too (observed on CVAT
2.15). Of a task each job takes what is on its frames; what is on none is dropped.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial

from objmapper.server.cvat import annotation_fields, annotation_merging, jobs, projects, tasks
from objmapper.server.cvat import annotation_rows as rows
from objmapper.server.cvat.annotation_fields import KINDS, Annotations
from objmapper.server.cvat.annotation_tracks import sliced
from objmapper.server.cvat.call import Answer, Call, View
from objmapper.server.cvat.errors import Broken, Invalid
from objmapper.server.cvat.permissions import JOB_STAFF, TASK_STAFF, require

ACTIONS = ("create", "update", "delete")
_TAKEN = 'duplicate key value violates unique constraint "engine_{}_pkey"'

Work = Callable[[Call, sqlite3.Row, rows.Labels, Annotations], Annotations]


def _empty() -> Annotations:
    return {"version": 0, "tags": [], "shapes": [], "tracks": []}


def _holds(given: Annotations) -> bool:
    return any(given[kind] for kind in KINDS)


def _create(call: Call, job: sqlite3.Row, labels: rows.Labels, given: Annotations) -> Annotations:
    rows.store(call, job["id"], labels, given)
    _touch(call, job, _holds(given))
    return given


def _update(call: Call, job: sqlite3.Row, labels: rows.Labels, given: Annotations) -> Annotations:
    rows.delete(call, job["id"], given)
    return _create(call, job, labels, given)


def _delete(call: Call, job: sqlite3.Row, labels: rows.Labels, given: Annotations) -> Annotations:
    rows.delete(call, job["id"], given)
    _touch(call, job, _holds(given))
    return given


def _replace(call: Call, job: sqlite3.Row, labels: rows.Labels, given: Annotations) -> Annotations:
    had = rows.clear(call, job["id"])
    rows.store(call, job["id"], labels, given)
    _touch(call, job, had or _holds(given))
    return given


_WORK: dict[str, Work] = {"create": _create, "update": _update, "delete": _delete}


def _touch(call: Call, job: sqlite3.Row, changed: bool) -> None:
    """What was or is annotated touches the job, its task and its project."""
    if not changed:
        return
    call.update("job", job["id"], {"updated_date": call.clock()})
    call.update("task", job["task_id"], {"updated_date": call.clock()})
    projects.touch(call, job["project_id"])


def _work(call: Call, job: sqlite3.Row, work: Work, given: Annotations) -> Annotations:
    return work(call, job, rows.Labels(call, job), given)


def _answer(call: Call, found: Annotations) -> Answer:
    shown = {name: found[name] for name in ("version", *KINDS)}
    return Answer(shown | ({"intervals": []} if call.version.scores else {}))


def _refuse_formats(call: Call) -> None:
    """There are none: what asks for a file of annotations is told so."""
    if call.parameter("format") is not None:
        raise Invalid(["Unknown format specified for the request"])


def _imported(call: Call, path: dict[str, str]) -> Answer:
    """POST: files of annotations can't be read."""
    raise Invalid(["Unknown format specified for the request"])


def _action(call: Call) -> Work:
    action = call.parameter("action")
    if action not in ACTIONS:
        raise Invalid(["Please specify a correct 'action' for the request"])
    return _WORK[action]


def _taken(error: rows.TakenError) -> Invalid:
    return Invalid(_TAKEN.format(error))


def _job(call: Call, path: dict[str, str]) -> sqlite3.Row:
    job = jobs.find(call, path["key"])
    require(call, job, JOB_STAFF)
    return job


def _of_job(call: Call, path: dict[str, str]) -> Answer:
    """GET /api/jobs/{id}/annotations."""
    job = _job(call, path)
    _refuse_formats(call)
    return _answer(call, rows.read(call, job["id"], rows.Labels(call, job)))


def _job_changed(call: Call, path: dict[str, str], *, replace: bool = False) -> Answer:
    """PUT and PATCH /api/jobs/{id}/annotations; frames beyond the job's are taken, too."""
    job = _job(call, path)
    _refuse_formats(call)
    work = _replace if replace else _action(call)
    given = annotation_fields.given(call)
    try:
        return _answer(call, _work(call, job, work, given))
    except rows.TakenError as error:
        raise _taken(error) from error


def _job_cleared(call: Call, path: dict[str, str]) -> Answer:
    """DELETE /api/jobs/{id}/annotations."""
    job = _job(call, path)
    _touch(call, job, rows.clear(call, job["id"]))
    return Answer(status=204)


def _task(call: Call, path: dict[str, str]) -> sqlite3.Row:
    task = tasks.find(call, path["key"])
    require(call, task, TASK_STAFF)
    return task


def _jobs_of(call: Call, task: sqlite3.Row) -> list[sqlite3.Row]:
    listing = jobs.LISTING
    return call.rows(
        f"SELECT {listing.columns} FROM {listing.source}"
        " WHERE j.task_id = ? AND j.type = 'annotation' ORDER BY j.id",
        (task["id"],),
    )


def _of_task(call: Call, path: dict[str, str]) -> Answer:
    """GET /api/tasks/{id}/annotations: a task without data can have none, and says so."""
    task = _task(call, path)
    if task["data_id"] is None:
        raise Invalid("Exporting annotations from a task without data is not allowed")
    _refuse_formats(call)
    found = _empty()
    for job in _jobs_of(call, task):
        more = rows.read(call, job["id"], rows.Labels(call, job))
        annotation_merging.add(found, more, job["start_frame"], task["overlap"] or 0)
    return _answer(call, found)


def _task_changed(call: Call, path: dict[str, str], *, replace: bool = False) -> Answer:
    """PUT and PATCH /api/tasks/{id}/annotations: each job does it with what is on its frames."""
    task = _task(call, path)
    _refuse_formats(call)
    work = _replace if replace else _action(call)
    given, found = annotation_fields.given(call), _empty()
    for job in _jobs_of(call, task):
        part = sliced(given, job["start_frame"], job["stop_frame"])
        try:
            more = _work(call, job, work, part)
        except rows.TakenError as error:
            if replace:
                raise Broken("CVAT lets its database refuse an id") from error
            raise _taken(error) from error
        annotation_merging.add(found, more, job["start_frame"], task["overlap"] or 0)
    return _answer(call, found)


def _task_cleared(call: Call, path: dict[str, str]) -> Answer:
    """DELETE /api/tasks/{id}/annotations: of all its jobs but ground truth."""
    for job in _jobs_of(call, _task(call, path)):
        _touch(call, job, rows.clear(call, job["id"]))
    return Answer(status=204)


def _views(shown: View, changed: Callable[..., Answer], cleared: View) -> dict[str, View]:
    return {
        "GET": shown,
        "POST": _imported,
        "PUT": partial(changed, replace=True),
        "PATCH": changed,
        "DELETE": cleared,
    }


#: The views of a task's annotations, by method.
TASK = _views(_of_task, _task_changed, _task_cleared)
#: The views of a job's annotations, by method.
JOB = _views(_of_job, _job_changed, _job_cleared)
