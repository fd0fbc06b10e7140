"""Made-up content: P projects of T tasks, with labels and three jobs a task, always the same."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from objmapper.server.cvat.colors import label_color
from objmapper.server.cvat.jobs import status_of
from objmapper.server.cvat.projects import STATUSES
from objmapper.server.storage import stamp

START = datetime(2024, 1, 1, tzinfo=UTC)
FRAMES = 10
JOBS = 3
LABELS = ("car", "person", "tree")
SUBSETS = ("train", "train", "val", "test", "")
PEOPLE = ("annotator1", "annotator2", "annotator3")
# What no password is hashed to: nobody logs in as one of them.
_LOCKED = "?"
# The stage and state of a task's three jobs, one line after the other.
_PROGRESS = (
    (("annotation", "new"), ("annotation", "new"), ("annotation", "new")),
    (("annotation", "in progress"), ("annotation", "new"), ("annotation", "new")),
    (("validation", "new"), ("validation", "in progress"), ("validation", "rejected")),
    (("annotation", "completed"), ("validation", "new"), ("acceptance", "new")),
    (("acceptance", "completed"), ("acceptance", "completed"), ("acceptance", "completed")),
)


@dataclass(frozen=True)
class _Start:
    """The first free ids, and whom the content belongs to."""

    project: int
    task: int
    job: int
    label: int
    owner: int
    people: tuple[int | None, ...]


def seed(connection: sqlite3.Connection, projects: int, tasks: int) -> None:
    """Fills an empty database; one that has a project or a task is left as it is."""
    if connection.execute("SELECT 1 FROM project UNION ALL SELECT 1 FROM task").fetchone():
        return
    start = _start(connection)
    _insert(connection, "project", (_project(start, p, tasks) for p in range(projects)))
    _insert(
        connection,
        "label",
        (_label(start, p, n) for p in range(projects) for n in range(len(LABELS))),
    )
    _insert(connection, "attribute", (_attribute(start, p) for p in range(projects)))
    pairs = [(p, t) for p in range(projects) for t in range(tasks)]
    width = max(2, len(str(tasks)))
    _insert(connection, "task", (_task(start, p, t, tasks, width) for p, t in pairs))
    _insert(
        connection,
        "job",
        (_job(start, p * tasks + t, part) for p, t in pairs for part in range(JOBS)),
    )


def _start(connection: sqlite3.Connection) -> _Start:
    for name in PEOPLE:
        connection.execute(
            "INSERT INTO user (username, password, first_name, last_name, email, roles, is_staff,"
            " is_superuser, date_joined) VALUES (?, ?, ?, ?, ?, 'user', 0, 0, ?)"
            " ON CONFLICT (username) DO NOTHING",
            (name, _LOCKED, "Ann", f"Otator {name[-1]}", f"{name}@example.com", stamp(START)),
        )
    rows = connection.execute("SELECT id, username FROM user ORDER BY id").fetchall()
    by_name = {row["username"]: row["id"] for row in rows}
    last = dict(connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
    return _Start(
        project=last.get("project", 0) + 1,
        task=last.get("task", 0) + 1,
        job=last.get("job", 0) + 1,
        label=last.get("label", 0) + 1,
        owner=rows[0]["id"],
        people=(None, *(by_name[name] for name in PEOPLE)),
    )


def _insert(connection: sqlite3.Connection, table: str, rows: Iterator[dict[str, Any]]) -> None:
    first = next(rows, None)
    if first is None:
        return
    marks = ", ".join(f":{column}" for column in first)
    sql = f"INSERT INTO {table} ({', '.join(first)}) VALUES ({marks})"
    connection.execute(sql, first)
    connection.executemany(sql, rows)


def _moment(minutes: int) -> str:
    return stamp(START + timedelta(minutes=minutes))


def _assigned(start: _Start, number: int, moment: str) -> dict[str, Any]:
    """Every fourth is nobody's, the others go round the people."""
    who = start.people[number % len(start.people)]
    return {"assignee_id": who, "assignee_updated_date": None if who is None else moment}


def _project(start: _Start, p: int, tasks: int) -> dict[str, Any]:
    return {
        "id": start.project + p,
        "name": f"project {p + 1}",
        "owner_id": start.owner,
        **_assigned(start, p, _moment(p)),
        "created_date": _moment(p),
        "updated_date": _moment((p + 1) * tasks + 60),
    }


def _label(start: _Start, p: int, n: int) -> dict[str, Any]:
    return {
        "id": start.label + p * len(LABELS) + n,
        "project_id": start.project + p,
        "name": LABELS[n],
        "color": label_color(LABELS[n], ()),
        "type": "any",
    }


def _attribute(start: _Start, p: int) -> dict[str, Any]:
    return {
        "label_id": start.label + p * len(LABELS),
        "name": "parked",
        "mutable": True,
        "input_type": "checkbox",
        "default_value": "false",
        "choices": json.dumps(["false"]),
    }


def _task(start: _Start, p: int, t: int, tasks: int, width: int) -> dict[str, Any]:
    number = p * tasks + t
    found = {status_of(*each) for each in _PROGRESS[number % len(_PROGRESS)]}
    return {
        "id": start.task + number,
        "name": f"task {p + 1}-{t + 1:0{width}}",
        "project_id": start.project + p,
        "owner_id": start.owner,
        **_assigned(start, number, _moment(number)),
        "subset": SUBSETS[number % len(SUBSETS)],
        "bug_tracker": f"https://bugs.example.com/{number + 1}" if number % 7 == 6 else "",
        "status": next(name for name in STATUSES if name in found),
        "overlap": 0,
        "segment_size": FRAMES,
        "mode": "annotation",
        "data_id": start.task + number,
        "size": FRAMES * JOBS,
        "created_date": _moment(number),
        "updated_date": _moment(number + 60),
    }


def _job(start: _Start, number: int, part: int) -> dict[str, Any]:
    stage, state = _PROGRESS[number % len(_PROGRESS)][part]
    return {
        "id": start.job + number * JOBS + part,
        "task_id": start.task + number,
        **_assigned(start, number + part, _moment(number)),
        "stage": stage,
        "state": state,
        "status": status_of(stage, state),
        "start_frame": part * FRAMES,
        "stop_frame": (part + 1) * FRAMES - 1,
        "created_date": _moment(number),
        "updated_date": _moment(number + 60),
    }
