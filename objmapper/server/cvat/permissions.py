"""Who may see and do what: in the personal workspace, and in an organization.

An administrator may do everything. Anybody else may do what is theirs: what names them as its owner
or assignee, or as owner or assignee of what it is part of. In an organization its owner and its
maintainers may do the same with all that belongs to it, and who is no member may do nothing (CVAT
2.15's rule files, and observed on 2.15).

What is judged is a row, with ``organization_id`` and the columns that name people.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from objmapper.server.cvat.call import Call
from objmapper.server.cvat.context import asked, has_group, is_at_least, role_in
from objmapper.server.cvat.errors import Forbidden, Invalid, NotFound
from objmapper.server.cvat.terms import Condition

PROJECT_STAFF = ("owner_id", "assignee_id")
PROJECT_OWNER = ("owner_id",)
TASK_STAFF = ("owner_id", "assignee_id", "project_owner_id", "project_assignee_id")
TASK_OWNERS = ("owner_id", "project_owner_id", "project_assignee_id")
JOB_TASK_STAFF = ("task_owner_id", "task_assignee_id", "project_owner_id", "project_assignee_id")
JOB_STAFF = ("assignee_id", *JOB_TASK_STAFF)
#: No column: only who has power over the whole organization.
NOBODY: tuple[str, ...] = ()

_READS = frozenset({"GET", "HEAD"})


def visible(call: Call, *columns: str, organization: str = "t.organization_id") -> list[Condition]:
    """The conditions of a list: rows of the asked organization that name the user in a column.

    *organization* is the SQL of the column that says where a row belongs. 403 for who is no member.
    """
    found = in_context(call, organization)
    if call.is_admin or _rules(call, asked(call).organization):
        return found
    joint = " OR ".join(f"{column} = ?" for column in columns)
    return [*found, (f"coalesce({joint}, 0)", [call.actor["id"]] * len(columns))]


def in_context(call: Call, organization: str = "t.organization_id") -> list[Condition]:
    """The condition that the request's organization makes; none where it says nothing of one."""
    context = asked(call)
    if context.organization is None:
        return [(f"{organization} IS NULL", [])] if context.given else []
    require_member(call, context.organization)
    return [(f"{organization} = ?", [context.organization])]


def require_member(call: Call, organization: int) -> None:
    """403 for who is no member of an organization."""
    if not call.is_admin and role_in(call, organization) is None:
        raise Forbidden


def _rules(call: Call, organization: int | None) -> bool:
    """Whether who asks has power over all that belongs to an organization."""
    return is_at_least(role_in(call, organization), "maintainer") and has_group(call, "user")


def require(
    call: Call,
    row: sqlite3.Row,
    columns: tuple[str, ...],
    *,
    group: str = "worker",
    role: str = "worker",
) -> None:
    """403 unless who asks has power over the row's organization, or the row names them.

    Whom it names needs a *group*, unless they only read, and a *role* where it belongs to an
    organization.
    """
    if not _may(call, row["organization_id"], row, columns, group, role):
        raise Forbidden


def _may(
    call: Call,
    organization: int | None,
    row: sqlite3.Row,
    columns: tuple[str, ...],
    group: str = "worker",
    role: str = "worker",
) -> bool:
    if call.is_admin or _rules(call, organization):
        return True
    if organization is not None and not is_at_least(role_in(call, organization), role):
        return False
    reads = call.request.method in _READS
    named = call.actor["id"] in {row[column] for column in columns}
    return named and (reads or has_group(call, group))


def require_creator(call: Call, organization: int | None) -> None:
    """403 for who may make nothing: workers, on the server or in the organization."""
    allowed = has_group(call, "user") and (
        organization is None or is_at_least(role_in(call, organization), "supervisor")
    )
    if not (call.is_admin or allowed):
        raise Forbidden


def require_parent(
    call: Call,
    organization: int | None,
    parent: sqlite3.Row,
    columns: tuple[str, ...] = PROJECT_STAFF,
    *,
    group: str = "user",
) -> None:
    """403 for who may put nothing into a parent, or not from that organization."""
    elsewhere = organization is not None and parent["organization_id"] != organization
    allowed = not elsewhere and has_group(call, group)
    if not (call.is_admin or (allowed and _may(call, organization, parent, columns))):
        raise Forbidden


def require_known_people(
    call: Call, organization: int | None, given: dict[str, Any], *names: str
) -> None:
    """403 for naming somebody else where one sees only oneself: outside of organizations."""
    people = {given[name] for name in names if given.get(name) is not None}
    if call.is_admin or role_in(call, organization) is not None:
        return
    if people - {call.actor["id"]}:
        raise Forbidden


def require_move(
    call: Call, row: sqlite3.Row, given: dict[str, Any], columns: tuple[str, ...]
) -> None:
    """403 for who may not move a row to the organization that a PATCH gives it, 400 if there is none.

    2.80 takes the key (known from cvat-sdk 2.80); how it refuses an unknown one is a guess.
    """
    target = given.get("organization_id", row["organization_id"])
    if target == row["organization_id"]:
        return
    require(call, row, columns)
    if target is not None:
        try:
            call.find("SELECT id FROM organization WHERE id = ?", str(target))
        except NotFound:
            raise Invalid([f"The specified organization #{target} does not exist."]) from None
    require_creator(call, target)
