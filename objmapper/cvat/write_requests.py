"""What is sent to make or to change an object, as value classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from objmapper.cvat.values import UNSET, Items, Value


class StorageRequest(Value):
    """Where source or target files lie."""

    location: str = UNSET
    cloud_storage_id: int | None = UNSET


class AttributeRequest(Value):
    """An attribute of a label."""

    name: str
    mutable: bool
    input_type: str
    values: Sequence[str]  # type: ignore[assignment]
    id: int = UNSET
    default_value: str = UNSET
    deleted: bool = UNSET


class SublabelRequest(Value):
    """A label of a skeleton's point."""

    name: str
    id: int = UNSET
    color: str = UNSET
    attributes: Items = UNSET
    type: str = UNSET
    has_parent: bool = UNSET


class PatchedLabelRequest(Value):
    """A label that is new, or with its id one that is changed or deleted."""

    id: int = UNSET
    name: str = UNSET
    color: str = UNSET
    attributes: Items = UNSET
    deleted: bool = UNSET
    type: str | None = UNSET
    svg: str = UNSET
    sublabels: Items = UNSET


class LabelRequest(PatchedLabelRequest):
    """A new label."""

    name: str


class _Owned(Value):
    bug_tracker: str = UNSET
    labels: Items = UNSET
    owner_id: int | None = UNSET
    assignee_id: int | None = UNSET
    target_storage: Mapping[str, Any] = UNSET
    source_storage: Mapping[str, Any] = UNSET


class ProjectWriteRequest(_Owned):
    """A new project."""

    name: str


class PatchedProjectWriteRequest(_Owned):
    """What changes of a project."""

    name: str = UNSET
    organization_id: int | None = UNSET


class TaskWriteRequest(_Owned):
    """A new task."""

    name: str
    project_id: int | None = UNSET
    subset: str = UNSET
    overlap: int | None = UNSET
    segment_size: int = UNSET
    initial_replicas: int = UNSET
    consensus_replicas: int = UNSET


class PatchedTaskWriteRequest(_Owned):
    """What changes of a task."""

    name: str = UNSET
    project_id: int | None = UNSET
    subset: str = UNSET
    organization_id: int | None = UNSET


class PatchedJobWriteRequest(Value):
    """What changes of a job."""

    assignee: int | None = UNSET
    stage: str = UNSET
    state: str = UNSET


class JobWriteRequest(PatchedJobWriteRequest):
    """A new job: of ground truth, beside those that come with a task's data."""

    type: str
    task_id: int
    frame_selection_method: str = UNSET
    frame_count: int = UNSET
    frame_share: float = UNSET
    frames_per_job_count: int = UNSET
    frames_per_job_share: float = UNSET
    random_seed: int = UNSET
    frames: Sequence[int] = UNSET


class PatchedIssueWriteRequest(Value):
    """What changes of an issue."""

    position: Sequence[float] = UNSET
    assignee: int | None = UNSET
    resolved: bool = UNSET


class IssueWriteRequest(PatchedIssueWriteRequest):
    """A new issue, with its first comment."""

    frame: int
    position: Sequence[float]
    job: int
    message: str


class PatchedCommentWriteRequest(Value):
    """What changes of a comment."""

    message: str = UNSET


class CommentWriteRequest(PatchedCommentWriteRequest):
    """A new comment."""

    issue: int


class PatchedOrganizationWriteRequest(Value):
    """What changes of an organization."""

    slug: str = UNSET
    name: str = UNSET
    description: str = UNSET
    contact: Any = UNSET


class OrganizationWriteRequest(PatchedOrganizationWriteRequest):
    """A new organization."""

    slug: str


class PatchedMembershipWriteRequest(Value):
    """What changes of a membership."""

    role: str = UNSET


class InvitationWriteRequest(Value):
    """A new invitation to the organization of the context."""

    role: str
    email: str


class PatchedAnnotationGuideWriteRequest(Value):
    """What changes of a guide."""

    task_id: int | None = UNSET
    project_id: int | None = UNSET
    markdown: str = UNSET


class AnnotationGuideWriteRequest(PatchedAnnotationGuideWriteRequest):
    """A new guide, of a project or of a task."""


class PatchedUserRequest(Value):
    """What changes of a user."""

    username: str = UNSET
    first_name: str = UNSET
    last_name: str = UNSET
    email: str = UNSET
    groups: Sequence[str] = UNSET
    is_staff: bool = UNSET
    is_superuser: bool = UNSET
    is_active: bool = UNSET


__all__ = [
    "AnnotationGuideWriteRequest",
    "AttributeRequest",
    "CommentWriteRequest",
    "InvitationWriteRequest",
    "IssueWriteRequest",
    "JobWriteRequest",
    "LabelRequest",
    "OrganizationWriteRequest",
    "PatchedAnnotationGuideWriteRequest",
    "PatchedCommentWriteRequest",
    "PatchedIssueWriteRequest",
    "PatchedJobWriteRequest",
    "PatchedLabelRequest",
    "PatchedMembershipWriteRequest",
    "PatchedOrganizationWriteRequest",
    "PatchedProjectWriteRequest",
    "PatchedTaskWriteRequest",
    "PatchedUserRequest",
    "ProjectWriteRequest",
    "StorageRequest",
    "SublabelRequest",
    "TaskWriteRequest",
]
