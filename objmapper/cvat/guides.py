"""Guides: what annotators of a project, or of a task without one, are to know, as Markdown.

Read from CVAT 2.15's OpenAPI document and code, and from the models of cvat-sdk 2.80.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from objmapper import fields
from objmapper.cvat.base import CVATModel
from objmapper.dialects.base import row_of
from objmapper.exceptions import ContractError, cut
from objmapper.operation import Change, Look, Request, Response

if TYPE_CHECKING:
    from objmapper.cvat.models import Project, Task


def looked_for(dialect: Any, change: Change) -> Look:
    """Return what tells whether a guide was made: what it is of leads to it."""
    row, fields_ = change.object._row, Guide.__mapper__.fields
    name = next(name for name in ("project", "task") if row.get(fields_[name].key) is not None)
    parent, said = getattr(change.object, name), str(change.sent.get("markdown") or "").strip()

    def read(response: Response, age: int) -> Look | None:
        key = row_of(response.json(), response).get("guide_id")
        if key is None:
            return None
        if not isinstance(key, int):
            raise ContractError(f"{response.url} tells {cut(key)} as the id of its guide.")
        return Look(Request("GET", f"/guides/{key}"), compare)

    def compare(response: Response, age: int) -> list[Any]:
        found = dialect.read_row(Guide.__mapper__, response)
        if str(found.get("markdown") or "").strip() != said:
            raise ContractError(
                f"{parent!r} has the guide {found.get('id')}, whose text is another one: it was there "
                "before, or somebody has changed it since. session.settle(guide, found=None) says that it "
                f"is another's, session.settle(guide, found={found.get('id')}) that it is this one"
            )
        return [found]

    return Look(Request("GET", dialect.address(parent)), read)


class Guide(CVATModel):
    """What whoever works on a project, or on a task of no project, is to know.

    Each has one at most, ``project.guide``; CVAT lists none. ``Guide(project=project, markdown="...")``.
    """

    id = fields.Integer(primary_key=True)
    project: fields.ForeignKey[Project | None] = fields.ForeignKey(
        "Project", data_key="project_id", null=True
    )
    task: fields.ForeignKey[Task | None] = fields.ForeignKey("Task", data_key="task_id", null=True)
    markdown = fields.String()
    # The answer to a write lacks them, on 2.15 at least.
    created_date = fields.DateTime(read_only=True, null=True)
    updated_date = fields.DateTime(read_only=True, null=True)

    class Meta:
        # It lives where its project or task does, and is found by its key.
        dialect_options = {
            "context": "none",
            "one of": ("project", "task"),
            "looked for by": looked_for,
            "unlisted": "project.guide and task.guide lead to one",
        }


__all__ = ["Guide"]
