"""Guides: what annotators of a project, or of a task without one, are to know, as Markdown.

Read from CVAT 2.15's OpenAPI document and code, and from the models of cvat-sdk 2.80.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from objmapper import fields
from objmapper.cvat.base import CVATModel

if TYPE_CHECKING:
    from objmapper.cvat.models import Project, Task


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
            "unlisted": "project.guide and task.guide lead to one",
        }


__all__ = ["Guide"]
