"""CVAT's objects: projects, tasks, jobs, labels, issues, comments; and people, with their organizations.

Beside them stand the value classes that requests are written with: ``models.TaskWriteRequest``.

One name for reading and writing, whatever the wire wants: ``task.assignee = user`` is read from
``assignee`` and sent as ``assignee_id``. Read from the answers of CVAT 2.15.0 and from the models of
cvat-sdk 2.80.0.
"""

from __future__ import annotations

import enum
from typing import Any

from objmapper import Embedded, fields, validate
from objmapper.cvat import annotation_models, data_requests, values, write_requests
from objmapper.cvat.annotation_models import *  # noqa: F403
from objmapper.cvat.annotation_verbs import Annotated
from objmapper.cvat.background import Request
from objmapper.cvat.base import CVATModel, registry
from objmapper.cvat.data import Data, DataField, ResourceType

# They are found beside the models, as in CVAT's SDK.
from objmapper.cvat.data_requests import *  # noqa: F403
from objmapper.cvat.filling import Filled
from objmapper.cvat.guides import Guide
from objmapper.cvat.labelled import Labelled
from objmapper.cvat.media import DataMeta, Framed, FrameInfo, Previewed
from objmapper.cvat.people import (
    IN_ORGANIZATION,
    Invitation,
    Membership,
    Organization,
    Role,
    User,
)
from objmapper.cvat.uploads import DATA, REQUEST_ID
from objmapper.cvat.values import *  # noqa: F403
from objmapper.cvat.write_requests import *  # noqa: F403

_POSITIVE = validate.Range(min=1)
_SHARE = validate.Range(min=0, max=1)
_NOT_BLANK = validate.Regexp(r"\s*\S", error="May not be blank.")


class Stage(enum.StrEnum):
    """Where a job stands in its life."""

    ANNOTATION = "annotation"
    VALIDATION = "validation"
    ACCEPTANCE = "acceptance"


class State(enum.StrEnum):
    """How far a job's stage is."""

    NEW = "new"
    IN_PROGRESS = "in progress"
    COMPLETED = "completed"
    REJECTED = "rejected"


class JobType(enum.StrEnum):
    """What a job is for; of these only ground truth jobs can be made and deleted."""

    ANNOTATION = "annotation"
    GROUND_TRUTH = "ground_truth"
    REPLICA = "replica"


class FrameSelection(enum.StrEnum):
    """How the frames of a ground truth job are chosen; ``RANDOM_PER_JOB`` is newer than 2.15."""

    RANDOM_UNIFORM = "random_uniform"
    RANDOM_PER_JOB = "random_per_job"
    MANUAL = "manual"


class Status(enum.StrEnum):
    """What CVAT derives from the stages and states of the jobs."""

    ANNOTATION = "annotation"
    VALIDATION = "validation"
    COMPLETED = "completed"


class Storage(Embedded):
    """Where source or target files lie."""

    id = fields.Integer(read_only=True)
    location = fields.String(validate=validate.OneOf(["local", "cloud_storage"]))
    cloud_storage_id = fields.Integer(null=True)


class Summary(Embedded):
    """A link to children, with counts where the server counts them."""

    url = fields.String(null=True)
    count = fields.Integer(null=True)
    completed = fields.Integer(null=True)
    validation = fields.Integer(null=True)


class Attribute(Embedded):
    """An attribute that a label defines; its id tells CVAT which one a changed label means."""

    id = fields.Integer(null=True)
    name = fields.String(required=True)
    mutable = fields.Boolean(default=False)
    input_type = fields.String(
        required=True, validate=validate.OneOf(["checkbox", "radio", "number", "text", "select"])
    )
    default_value = fields.String()
    values = fields.List(fields.String())


class Sublabel(Embedded):
    """A label of a skeleton's point."""

    id = fields.Integer(null=True)
    name = fields.String(required=True)
    color = fields.String()
    type = fields.String(null=True)
    attributes = fields.List(fields.Nested(Attribute))
    has_parent = fields.Boolean(null=True)


class Project(Previewed, Labelled):
    """A project: labels and tasks."""

    id = fields.Integer(primary_key=True)
    url = fields.String(read_only=True)
    name = fields.String(required=True, validate=validate.Length(min=1, max=256))
    owner = fields.ForeignKey(User, write_key="owner_id", null=True)
    assignee = fields.ForeignKey(User, write_key="assignee_id", null=True)
    guide = fields.ForeignKey(Guide, data_key="guide_id", read_only=True, null=True)
    bug_tracker = fields.String(validate=validate.Length(max=2000))
    task_subsets = fields.List(fields.String(), read_only=True)
    created_date = fields.DateTime(read_only=True)
    updated_date = fields.DateTime(read_only=True)
    assignee_updated_date = fields.DateTime(read_only=True, null=True)
    status = fields.Enum(Status, read_only=True)
    dimension = fields.String(read_only=True, null=True)
    organization = fields.ForeignKey(Organization, write_key="organization_id", null=True)
    target_storage = fields.Nested(Storage, null=True)
    source_storage = fields.Nested(Storage, null=True)
    task_count = fields.Nested(Summary, data_key="tasks", read_only=True)
    tasks: fields.HasMany[Task] = fields.HasMany("Task", by="project")
    labels: fields.HasMany[Label] = fields.HasMany("Label", by="project")

    class Meta:
        natural_key = ("name",)
        created_field = "created_date"
        dialect_options = {
            "parameters": IN_ORGANIZATION,
            "filters": {
                **{name: name for name in ("id", "name", "status", "updated_date")},
                "owner__username": "owner",
                "assignee__username": "assignee",
            },
        }

    def get_tasks(self) -> list[Task]:
        """Return the tasks: what ``tasks`` is asked for, as a list."""
        return [*self.tasks.all()]


class Task(Annotated, Filled, Framed, Labelled):
    """A task: labels of its own or its project's, data, and jobs.

    A task without data lacks ``size`` and the like; they read as None.
    """

    id = fields.Integer(primary_key=True)
    url = fields.String(read_only=True)
    name = fields.String(required=True, validate=validate.Length(min=1, max=256))
    project = fields.ForeignKey(Project, data_key="project_id", null=True)
    project_name = fields.String(read_only=True, null=True)
    owner = fields.ForeignKey(User, write_key="owner_id", null=True)
    assignee = fields.ForeignKey(User, write_key="assignee_id", null=True)
    guide = fields.ForeignKey(Guide, data_key="guide_id", read_only=True, null=True)
    bug_tracker = fields.String(validate=validate.Length(max=2000))
    created_date = fields.DateTime(read_only=True)
    updated_date = fields.DateTime(read_only=True)
    assignee_updated_date = fields.DateTime(read_only=True, null=True)
    overlap = fields.Integer(write_once=True, null=True)
    segment_size = fields.Integer(write_once=True)
    initial_replicas = fields.Integer(write_once=True, null=True)
    status = fields.Enum(Status, read_only=True)
    mode = fields.String(read_only=True)
    dimension = fields.String(read_only=True)
    media_type = fields.String(read_only=True, null=True)
    subset = fields.String(validate=validate.Length(max=64))
    size = fields.Integer(read_only=True, null=True)
    image_quality = fields.Integer(read_only=True, null=True)
    data_id = fields.Integer(data_key="data", read_only=True, null=True)
    data_chunk_size = fields.Integer(read_only=True, null=True)
    data_compressed_chunk_type = fields.String(read_only=True, null=True)
    data_original_chunk_type = fields.String(read_only=True, null=True)
    data_cloud_storage_id = fields.Integer(read_only=True, null=True)
    validation_mode = fields.String(read_only=True, null=True)
    # What is to be uploaded: the next commit sends it, once in a task's life. None withdraws it.
    data = DataField(data_key=DATA, write_only=True, null=True)
    # What CVAT calls the request that makes frames of it; None before 2.80.
    data_request_id = fields.String(data_key=REQUEST_ID, read_only=True, null=True)
    organization = fields.ForeignKey(Organization, write_key="organization_id", null=True)
    target_storage = fields.Nested(Storage, null=True)
    source_storage = fields.Nested(Storage, null=True)
    job_count = fields.Nested(Summary, data_key="jobs", read_only=True)
    jobs: fields.HasMany[Job] = fields.HasMany("Job", by="task")
    labels: fields.HasMany[Label] = fields.HasMany("Label", by="task")

    class Meta:
        natural_key = ("project", "name")
        created_field = "created_date"
        dialect_options = {
            "parameters": IN_ORGANIZATION,
            "filters": {
                **{
                    name: name
                    for name in (
                        "id name status subset mode dimension media_type updated_date "
                        "created_date validation_mode project_name"
                    ).split()
                },
                "bug_tracker": "tracker_link",
                "project": "project_id",
                "project__id": "project_id",
                "project__name": "project_name",
                "owner__username": "owner",
                "assignee__username": "assignee",
            },
            "newer": frozenset({"created_date", "media_type", "validation_mode"}),
        }

    def get_jobs(self) -> list[Job]:
        """Return the jobs: what ``jobs`` is asked for, as a list."""
        return [*self.jobs.all()]


class Job(Annotated, Framed, CVATModel):
    """A part of a task that one person works on.

    Jobs come with a task's data; a ground truth job is made beside them, of chosen frames::

        Job(task=task, type=JobType.GROUND_TRUTH, frame_selection_method=FrameSelection.MANUAL,
            frames=[0, 7])
    """

    id = fields.Integer(primary_key=True)
    url = fields.String(read_only=True)
    task = fields.ForeignKey(Task, data_key="task_id", write_once=True, required=True)
    task_name = fields.String(read_only=True, null=True)
    project = fields.ForeignKey(Project, data_key="project_id", read_only=True, null=True)
    project_name = fields.String(read_only=True, null=True)
    # The one kind that is written under the name it is read by.
    assignee = fields.ForeignKey(User, null=True)
    guide = fields.ForeignKey(Guide, data_key="guide_id", read_only=True, null=True)
    bug_tracker = fields.String(read_only=True, null=True)
    status = fields.Enum(Status, read_only=True)
    stage = fields.Enum(Stage)
    state = fields.Enum(State)
    mode = fields.String(read_only=True)
    dimension = fields.String(read_only=True)
    media_type = fields.String(read_only=True, null=True)
    type = fields.Enum(JobType, write_once=True, required=True)
    frame_count = fields.Integer(write_once=True, validate=_POSITIVE)
    start_frame = fields.Integer(read_only=True)
    stop_frame = fields.Integer(read_only=True)
    data_chunk_size = fields.Integer(read_only=True, null=True)
    data_compressed_chunk_type = fields.String(read_only=True, null=True)
    data_original_chunk_type = fields.String(read_only=True, null=True)
    created_date = fields.DateTime(read_only=True)
    updated_date = fields.DateTime(read_only=True)
    assignee_updated_date = fields.DateTime(read_only=True, null=True)
    parent: fields.ForeignKey[Job | None] = fields.ForeignKey(
        "Job", data_key="parent_job_id", read_only=True, null=True
    )
    organization = fields.ForeignKey(Organization, read_only=True, null=True)
    target_storage = fields.Nested(Storage, read_only=True, null=True)
    source_storage = fields.Nested(Storage, read_only=True, null=True)
    replicas_count = fields.Integer(read_only=True, null=True)
    issue_count = fields.Nested(Summary, data_key="issues", read_only=True)
    # How the frames of a new ground truth job are chosen; no answer tells it.
    frame_selection_method = fields.Enum(FrameSelection, write_once=True, null=True)
    frames = fields.List(fields.Integer(), write_once=True, null=True)
    frame_share = fields.Float(write_once=True, null=True, validate=_SHARE)
    frames_per_job_count = fields.Integer(write_once=True, null=True, validate=_POSITIVE)
    frames_per_job_share = fields.Float(write_once=True, null=True, validate=_SHARE)
    random_seed = fields.Integer(write_once=True, null=True, validate=validate.Range(min=0))
    replicas: fields.HasMany[Job] = fields.HasMany("Job", by="parent")
    issues: fields.HasMany[Issue] = fields.HasMany("Issue", by="job")
    labels: fields.HasMany[Label] = fields.HasMany("Label", by="job")

    class Meta:
        # Only ground truth jobs are ever new, and a task has one of them.
        natural_key = ("task", "type")
        created_field = "created_date"
        dialect_options = {
            "parameters": IN_ORGANIZATION,
            "filters": {
                **{
                    name: name
                    for name in (
                        "id state stage type mode dimension media_type updated_date "
                        "task_name project_name"
                    ).split()
                },
                "parent": "parent_job_id",
                "parent__id": "parent_job_id",
                "task": "task_id",
                "task__id": "task_id",
                "task__name": "task_name",
                "project": "project_id",
                "project__id": "project_id",
                "project__name": "project_name",
                "assignee__username": "assignee",
            },
            "newer": frozenset({"media_type", "mode", "parent_job_id"}),
        }

    def get_labels(self) -> list[Label]:
        """Return the labels of its task: what ``labels`` is asked for, as a list."""
        return [*self.labels.all()]

    def get_issues(self) -> list[Issue]:
        """Return the issues: what ``issues`` is asked for, as a list."""
        return [*self.issues.all()]


class Label(CVATModel):
    """A label of a project, or of a task that has no project.

    Labels have no endpoint that creates them: adding, changing and deleting travels in the PATCH of
    the parent, several in one. A skeleton's drawing and points are made with it: a point can be
    renamed and recoloured, and never be added or taken away.
    """

    id = fields.Integer(primary_key=True)
    name = fields.String(required=True, validate=validate.Length(min=1, max=64))
    color = fields.String()
    type = fields.String(null=True)
    attributes = fields.List(fields.Nested(Attribute))
    sublabels = fields.List(fields.Nested(Sublabel))
    svg = fields.String(null=True)
    project = fields.ForeignKey(Project, data_key="project_id", null=True, write_once=True)
    task = fields.ForeignKey(Task, data_key="task_id", null=True, write_once=True)
    # Only ever asked: a job's labels are its task's or its project's.
    job = fields.ForeignKey(Job, data_key="job_id", read_only=True, null=True)
    parent_id = fields.Integer(read_only=True, null=True)
    has_parent = fields.Boolean(read_only=True)

    class Meta:
        natural_key = ("project", "task", "name")
        dialect_options = {
            "carried by": ("project", "task"),
            "parameters": {"project": "project_id", "task": "task_id", "job": "job_id"},
            "filters": {
                **{name: name for name in ("id", "name", "color", "type", "parent_id")},
            },
        }


class Issue(CVATModel):
    """What a reviewer finds in a job, at a place of a frame.

    CVAT makes none without its first comment: ``Issue(..., message="blurred")`` is short for
    ``comments=[Comment(message="blurred")]``, and both go in one request.
    """

    id = fields.Integer(primary_key=True)
    job = fields.ForeignKey(Job, write_once=True, required=True)
    frame = fields.Integer(
        required=True, write_once=True, validate=validate.Range(min=0, max=2**31 - 1)
    )
    position = fields.List(fields.Float(), required=True, validate=validate.Length(min=1))
    owner = fields.ForeignKey(User, read_only=True, null=True)
    assignee = fields.ForeignKey(User, null=True)
    resolved = fields.Boolean()
    created_date = fields.DateTime(read_only=True, null=True)
    updated_date = fields.DateTime(read_only=True, null=True)
    comment_count = fields.Nested(Summary, data_key="comments", read_only=True)
    comments: fields.HasMany[Comment] = fields.HasMany("Comment", by="issue")

    class Meta:
        natural_key = ("job", "frame", "position")
        created_field = "created_date"
        dialect_options = {
            "opened by": "comments",
            "filters": {
                "id": "id",
                "frame": "frame_id",
                "resolved": "resolved",
                "job": "job_id",
                "job__id": "job_id",
                "job__task": "task_id",
                "job__task__id": "task_id",
                "owner__username": "owner",
                "assignee__username": "assignee",
            },
        }

    def __init__(self, *, message: str | None = None, **values: Any) -> None:
        if message is not None:
            values["comments"] = [Comment(message=message), *values.get("comments", ())]
        super().__init__(**values)

    def get_comments(self) -> list[Comment]:
        """Return the comments: what ``comments`` is asked for, as a list."""
        return [*self.comments.all()]


class Comment(CVATModel):
    """What somebody says of an issue; those of one issue go in the order in which they were made."""

    id = fields.Integer(primary_key=True)
    issue = fields.ForeignKey(Issue, write_once=True, required=True)
    owner = fields.ForeignKey(User, read_only=True, null=True)
    message = fields.String(required=True, validate=_NOT_BLANK)
    created_date = fields.DateTime(read_only=True)
    updated_date = fields.DateTime(read_only=True)

    class Meta:
        natural_key = ("issue", "message")
        created_field = "created_date"
        dialect_options = {
            "in turn by": "issue",
            "filters": {
                "id": "id",
                "issue": "issue_id",
                "issue__id": "issue_id",
                "issue__frame": "frame_id",
                "issue__job": "job_id",
                "issue__job__id": "job_id",
                "owner__username": "owner",
            },
        }


__all__ = [
    "Attribute",
    "Comment",
    "CVATModel",
    "Data",
    "DataMeta",
    "FrameInfo",
    "FrameSelection",
    "Guide",
    "Invitation",
    "Issue",
    "Job",
    "JobType",
    "Label",
    "Membership",
    "Organization",
    "Project",
    "Request",
    "ResourceType",
    "Role",
    "Stage",
    "State",
    "Status",
    "Storage",
    "Sublabel",
    "Summary",
    "Task",
    "User",
    "registry",
]
__all__ += annotation_models.__all__
__all__ += data_requests.__all__
__all__ += values.__all__
__all__ += write_requests.__all__
