"""The demo's check: CVAT's rows over plain HTTP, and the migration's rules once more, on dicts.

Nothing of objmapper is used here, so that one mistake can't be made on both sides.
"""

from __future__ import annotations

import base64
import json
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

Rows = dict[int, dict[str, Any]]
KINDS = ("projects", "tasks", "jobs", "labels")
#: What the server derives: moments, counts, and the status that follows from the jobs' stages.
_DERIVED = frozenset(
    {"updated_date", "assignee_updated_date", "task_subsets", "status", "tasks", "jobs"}
)


class PlainHTTP:
    """GET requests of one user."""

    def __init__(self, base_url: str, user: str, password: str) -> None:
        self._base_url = base_url
        pair = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {pair}", "Accept": "application/vnd.cvat+json"}

    def rows(self, kind: str, **params: Any) -> Rows:
        """Return the rows of a list by id, page after page; of an assignee only the id."""
        found: Rows = {}
        page = 0
        while True:
            page += 1
            query = urllib.parse.urlencode({**params, "sort": "id", "page_size": 100, "page": page})
            request = urllib.request.Request(
                f"{self._base_url}/{kind}?{query}", None, self._headers
            )
            with urllib.request.urlopen(request, timeout=60) as answer:
                body = json.load(answer)
            for row in body["results"]:
                if row.get("assignee"):
                    row["assignee"] = row["assignee"]["id"]
                found[row["id"]] = row
            if not body["next"]:
                return found


class Snapshot(dict[str, Rows]):
    """The rows of some projects and of all that belongs to them, by kind and id."""

    def __str__(self) -> str:
        return ", ".join(f"{len(self[kind])} {kind}" for kind in KINDS)


def snapshot(http: PlainHTTP, projects: Sequence[int]) -> Snapshot:
    """Return what the server has of these projects now."""
    own, theirs = (json.dumps({"in": [{"var": name}, projects]}) for name in ("id", "project_id"))
    labels: Rows = {}
    for project in projects:
        labels |= http.rows("labels", project_id=project)
    return Snapshot(
        projects=http.rows("projects", filter=own),
        tasks=http.rows("tasks", filter=theirs),
        jobs=http.rows("jobs", filter=theirs),
        labels=labels,
    )


def migrated(before: Snapshot, me: int) -> Snapshot:
    """Return what is to become of the rows that there were: the migration's rules, on dicts."""
    rows = deepcopy(before)
    projects, tasks, jobs = rows["projects"], rows["tasks"], rows["jobs"]
    for project in projects.values():
        project["name"] += ", second round"
    for label in rows["labels"].values():
        if label["name"] == "person":
            label["name"] = "pedestrian"
    for task in tasks.values():
        if task["assignee"] is None:
            task["assignee"] = me
    for job in jobs.values():
        if (job["stage"], job["state"]) == ("annotation", "completed"):
            job["stage"], job["state"] = "validation", "new"
            job["assignee"] = tasks[job["task_id"]]["assignee"]
    for row in [*tasks.values(), *jobs.values()]:
        if "project_name" in row:
            row["project_name"] = projects[row["project_id"]]["name"]
    gone = {key for key, task in tasks.items() if task["subset"] == ""}
    rows["tasks"] = {key: task for key, task in tasks.items() if key not in gone}
    rows["jobs"] = {key: job for key, job in jobs.items() if job["task_id"] not in gone}
    return rows


def differences(before: Snapshot, after: Snapshot, me: int) -> Iterator[str]:
    """Yield what is not as it should be, one sentence each."""
    wanted = migrated(before, me)
    for kind in KINDS:
        now = after[kind]
        for key, row in wanted[kind].items():
            if key not in now:
                yield f"{kind}/{key} is gone."
                continue
            for name in sorted(row.keys() - _DERIVED):
                if row[name] != now[key].get(name):
                    yield f"{kind}/{key} has {name} {now[key].get(name)!r}, not {row[name]!r}."
        for key in sorted((before[kind].keys() - wanted[kind].keys()) & now.keys()):
            yield f"{kind}/{key} should be gone."
    yield from _differences_in_new(before, after, me)


def _differences_in_new(before: Snapshot, after: Snapshot, me: int) -> Iterator[str]:
    old = before["projects"]
    blind_name = f"{old[min(old)]['name']}, second round, blind"
    new = {
        kind: [row for key, row in after[kind].items() if key not in before[kind]] for kind in KINDS
    }
    blind = [project["id"] for project in new["projects"]]
    if [project["name"] for project in new["projects"]] != [blind_name]:
        yield f"The new projects are {new['projects']}."
    wanted = {
        "tasks": [
            (f"{task['name']} again", "test", me, *blind)
            for task in before["tasks"].values()
            if task["subset"] == "test"
        ],
        "labels": [
            *(("cyclist", project) for project in old),
            *((name, project) for project in blind for name in ("car", "tree")),
        ],
        "jobs": [],
    }
    names = {
        "tasks": ("name", "subset", "assignee", "project_id"),
        "labels": ("name", "project_id"),
    }
    for kind, rows in wanted.items():
        found = [tuple(row[name] for name in names.get(kind, ("id",))) for row in new[kind]]
        if sorted(found) != sorted(rows):
            yield f"The new {kind} are {sorted(found)}, not {sorted(rows)}."
