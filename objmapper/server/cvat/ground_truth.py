"""Ground truth jobs: one a task, of frames chosen by hand or at random, beside its other jobs.

How each bad choice is refused stands in CVAT's own serializers (of 2.15, and of a later version,
whose words are taken where the two differ). Which frames a seed chooses is this server's own.
"""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterable
from typing import Any

from objmapper.server.cvat import jobs, tasks
from objmapper.server.cvat.call import Answer, Call
from objmapper.server.cvat.context import asked
from objmapper.server.cvat.errors import Broken, Invalid
from objmapper.server.cvat.permissions import TASK_STAFF, require, require_known_people
from objmapper.server.cvat.validation import (
    Choice,
    Field,
    FieldError,
    Float,
    Integer,
    Many,
    clean,
)

METHODS = ("random_uniform", "random_per_job", "manual")


class _Share(Float):
    def convert(self, value: Any, *, partial: bool) -> float:
        share = super().convert(value, partial=partial)
        if not 0 <= share <= 1:
            raise FieldError("Value must be in the range [0; 1]")
        return share


_FIELDS: dict[str, Field] = {
    "type": Choice(jobs.TYPES, required=True),
    "task_id": Integer(required=True),
    "assignee": Integer(null=True),
    "stage": Choice(jobs.STAGES),
    "state": Choice(jobs.STATES),
    "frame_selection_method": Choice(METHODS),
    "frames": Many(Integer(least=0), empty=False),
    "frame_count": Integer(least=1),
    "frame_share": _Share(),
    "frames_per_job_count": Integer(least=1),
    "frames_per_job_share": _Share(),
    "random_seed": Integer(least=0),
    "seed": Integer(least=0),
}


def created(call: Call, _: dict[str, str]) -> Answer:
    """POST /api/jobs: neither the task nor its status changes."""
    asked(call)
    body = call.body()
    if not isinstance(body, dict):
        raise Broken("CVAT looks for the task in the body")
    task = _task(call, body.get("task_id"))
    require(call, task, TASK_STAFF, group="user", role="supervisor")
    given = clean(body, _FIELDS, partial=False)
    require_known_people(call, task["organization_id"], given, "assignee")
    frames = _frames(call, task, given)
    now = call.clock()
    key = call.run(
        "INSERT INTO job (task_id, assignee_id, assignee_updated_date, stage, state, type,"
        " start_frame, stop_frame, frames, created_date, updated_date)"
        " VALUES (?, ?, ?, ?, ?, 'ground_truth', 0, ?, ?, ?, ?)",
        (
            task["id"],
            given.get("assignee"),
            None if given.get("assignee") is None else now,
            given.get("stage", "annotation"),
            given.get("state", "new"),
            task["size"] - 1,
            json.dumps(sorted(frames)),
            now,
            call.clock(),
        ),
    )
    job = jobs.represent(call, [jobs.find(call, str(key))])[0]
    return Answer(job, 201, (("Location", job["url"]),))


def _task(call: Call, key: Any) -> sqlite3.Row:
    if key is None:
        raise Invalid(["task_id is not specified"])
    if not key:
        raise Broken("CVAT looks for task 0 unguarded")
    return call.referred("Task", tasks.find, key)


def _frames(call: Call, task: sqlite3.Row, given: dict[str, Any]) -> Iterable[int]:
    """The frames that are asked for; 400 for what can't be had."""
    method = given.get("frame_selection_method")
    if method in _NEEDED:
        _require_one_of(given, _NEEDED[method])
    if "frames" in given and method != "manual":
        text = '"frames" can only be used when "frame_selection_method" is "manual"'
        raise Invalid({"non_field_errors": [text]})
    if given["type"] != "ground_truth":
        raise Invalid([f"Unexpected job type '{given['type']}'"])
    if task["data_id"] is None:
        text = "This task has no data attached yet. Please set up task data and try again"
        raise Invalid([text])
    others = call.rows("SELECT * FROM job WHERE task_id = ? ORDER BY id", (task["id"],))
    if any(job["type"] == "ground_truth" for job in others):
        raise Invalid(['Task with validation mode "gt" cannot have more than 1 GT job'])
    if method == "manual":
        return _by_hand(task, given["frames"])
    if method is None:
        raise Broken("CVAT takes the method for granted")
    seed = given.get("random_seed", given.get("seed"))
    chance = random.Random() if seed is None else random.Random(seed)
    if method == "random_uniform":
        size = task["size"]
        count = _count(given, _NEEDED[method], size, f"number of the task frames ({size})", size)
        return chance.sample(range(size), count)
    return _per_job(task, given, others, chance)


_NEEDED = {
    "random_uniform": ("frame_count", "frame_share"),
    "random_per_job": ("frames_per_job_count", "frames_per_job_share"),
    "manual": ("frames",),
}


def _require_one_of(given: dict[str, Any], names: tuple[str, ...]) -> None:
    told = ", ".join(f'"{name}"' for name in names)
    number = sum(name in given for name in names)
    if number == 1:
        return
    if len(names) == 1:
        text = f"The {told} field is required"
    elif number:
        text = f"Only 1 of the fields {told} can be used"
    else:
        text = f"One of the fields {told} required"
    raise Invalid({"non_field_errors": [text]})


def _by_hand(task: sqlite3.Row, frames: list[int]) -> list[int]:
    if len(set(frames)) != len(frames):
        raise Invalid(["Frames must not repeat"])
    unknown = sorted(set(frames) - set(range(task["size"])))
    if unknown:
        told = ", ".join(map(str, unknown))
        raise Invalid([f"The following frames do not exist in the task: {told}"])
    return frames


def _count(given: dict[str, Any], names: tuple[str, ...], size: int, what: str, of: int) -> int:
    """How many frames are taken: a number, or a share of *of* and then at least one."""
    number, share = names
    if number in given:
        count: int = given[number]
        if count > size:
            text = (
                f"The number of frames requested ({count}) must be not be greater than the {what}"
            )
            raise Invalid([text])
        return count
    if not given[share]:
        raise Invalid(["The number of validation frames is not specified"])
    return min(max(1, int(given[share] * of)), size)


def _per_job(
    task: sqlite3.Row, given: dict[str, Any], others: list[sqlite3.Row], chance: random.Random
) -> set[int]:
    """As many frames of each job of the task; what two jobs share counts for both."""
    size, segment = task["size"], task["segment_size"]
    what = f"segment size ({segment})"
    count = _count(given, _NEEDED["random_per_job"], size, what, segment)
    found: set[int] = set()
    for job in others:
        stretch = range(job["start_frame"], job["stop_frame"] + 1)
        missing = min(len(stretch), count) - len(found.intersection(stretch))
        free = [frame for frame in stretch if frame not in found]
        found.update(chance.sample(free, max(missing, 0)))
    return found
