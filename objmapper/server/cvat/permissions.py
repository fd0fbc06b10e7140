"""Who may see and do what without organizations: CVAT's rules for the personal workspace.

An administrator may do everything; anybody else what is theirs: as its owner or assignee, or as
owner or assignee of the project above it (CVAT 2.15's rule files, and observed on 2.15).
"""

from __future__ import annotations

import sqlite3
from typing import Any

from objmapper.server.cvat.call import Call
from objmapper.server.cvat.errors import Forbidden
from objmapper.server.cvat.terms import Condition

PROJECT_STAFF = ("owner_id", "assignee_id")
PROJECT_OWNER = ("owner_id",)
TASK_STAFF = ("owner_id", "assignee_id", "project_owner_id", "project_assignee_id")
TASK_OWNERS = ("owner_id", "project_owner_id", "project_assignee_id")
JOB_TASK_STAFF = ("task_owner_id", "task_assignee_id", "project_owner_id", "project_assignee_id")
JOB_STAFF = ("assignee_id", *JOB_TASK_STAFF)


def visible(call: Call, *columns: str) -> list[Condition]:
    """The condition of a list: rows that name the user in one of the columns."""
    if call.is_admin:
        return []
    joint = " OR ".join(f"{column} = ?" for column in columns)
    return [(f"coalesce({joint}, 0)", [call.actor["id"]] * len(columns))]


def require(call: Call, row: sqlite3.Row, columns: tuple[str, ...]) -> None:
    """403 unless the row names the user in one of the columns."""
    if not call.is_admin and call.actor["id"] not in {row[column] for column in columns}:
        raise Forbidden


def require_creator(call: Call) -> None:
    """403 for a user whose role is worker only: workers create nothing."""
    if not call.is_admin and not {"user", "business"} & set(call.actor["roles"].split(",")):
        raise Forbidden


def require_known_people(call: Call, given: dict[str, Any], *names: str) -> None:
    """403 for naming somebody else: without organizations a user sees only themselves."""
    people = {given[name] for name in names if given.get(name) is not None}
    if not call.is_admin and people - {call.actor["id"]}:
        raise Forbidden
