"""The CVAT binding as mypy --strict and pyright see it; nothing here is run."""

import datetime as dt
import io
from pathlib import Path
from typing import assert_type

from objmapper import Q, Session
from objmapper.cvat import (
    AnnotationUpdateAction,
    AuthStore,
    Client,
    ClientAuthParameters,
    Comment,
    Config,
    Data,
    Interval,
    Invitation,
    Issue,
    Job,
    Label,
    Membership,
    Organization,
    ProfileEntry,
    Project,
    Request,
    ResourceType,
    Shape,
    Tag,
    Task,
    Track,
    User,
    make_client,
    make_client_from_cli,
    make_client_from_profile,
    models,
)
from objmapper.cvat.filters import F
from objmapper.cvat.models import Attribute, JobType, Role, Stage, State, Status, Storage, Summary
from objmapper.report import CommitReport


def client_and_sessions() -> None:
    with make_client(host="localhost", port=8080, credentials=("user", "password")) as client:
        assert_type(client, Client)
        assert_type(client.session, Session)
    assert_type(make_client("localhost", access_token="token"), Client)
    config = Config(verify_ssl=False, detect_scheme=True)
    assert_type(make_client("localhost", config=config, timeout=7), Client)
    store = AuthStore("auth.json")
    store.put_profile("work", ProfileEntry("https://localhost", "token"))
    for profile in store.list_profiles().values():
        assert_type(make_client_from_profile(profile, config=config), Client)
    assert_type(make_client_from_cli(ClientAuthParameters(profile="work")), Client)


def repositories(client: Client) -> None:
    assert_type(client.tasks.retrieve(42), Task)
    assert_type(client.tasks.create({"name": "x"}), Task)
    assert_type(client.tasks.create(name="x", project=7), Task)
    assert_type(client.tasks.get(id=42), Task)
    assert_type(client.tasks.first(), Task | None)
    assert_type(client.projects.list(name="x"), list[Project])
    assert_type(client.tasks.list(F.owner == "admin", search="x", sort="-id"), list[Task])
    assert_type(client.tasks.list(filter={"var": "assignee"}, id__between=(1, 2)), list[Task])
    assert_type(F.id.one_of([1]) & ~F["name"].contains("x"), Q)
    assert_type(client.tasks.search("x").filter(id=7)[0], Task)
    assert_type(client.tasks.remove_by_ids([1, 2]), CommitReport)
    assert_type(client.users.retrieve_current_user(), User)
    for job in client.jobs.filter(state=State.NEW).order_by("-id")[:10]:
        assert_type(job, Job)
    for label in client.labels:
        assert_type(label, Label)


def annotations(task: Task, job: Job) -> None:
    shape = task.annotations.shapes[3]
    assert_type(shape, Shape)
    assert_type(shape.points, list[float])
    assert_type(shape.type, models.ShapeType)
    assert_type(shape.label, Label)
    assert_type(shape.label_id, int | None)
    assert_type(shape.task, Task | None)
    assert_type(shape["colour"], str)
    assert_type(shape.attributes[0].value, str)
    assert_type(shape.elements[0].points, list[float])
    shape.points[0] = 7
    shape["parked"] = True
    assert_type(job.annotations.tags.create(frame=0, label="car"), Tag)
    assert_type(job.get_annotations().tracks[:2], list[Track])
    assert_type([each.frame for each in task.annotations], list[int])
    interval = task.annotations.intervals[0]
    assert_type(interval, Interval)
    assert_type((interval.start, interval.stop, interval.frame), tuple[int, int | None, int])
    assert_type(
        task.update_annotations([shape], action=AnnotationUpdateAction.DELETE), CommitReport
    )
    task.remove_annotations(ids=[1], tags=[2])


def data(client: Client, task: Task, job: Job) -> None:
    made = client.tasks.create_from_data({"name": "t"}, ["a.png"], resource_type=ResourceType.LOCAL)
    assert_type(made, Task)
    assert_type(task.data, Data | None)
    task.data = Data(["a.png"], image_quality=80)
    assert_type(task.data_request_id, str | None)
    task.upload_data(["a.png"], params={"chunk_size": 3}, timeout=60)
    assert_type(task.get_frame(0), io.BytesIO)
    assert_type(job.get_meta(), models.DataMeta)
    assert_type(job.get_frames_info(), list[models.FrameInfo])
    assert_type(task.download_frames([1, 2], outdir="frames"), list[Path])
    assert_type(client.requests.retrieve("id").wait(timeout=3.5), Request)


def organizations(client: Client, task: Task, job: Job, organization: Organization) -> None:
    assert_type(client.organization_slug, str | None)
    client.organization_slug = "myorg"
    with client.organization_context(None), client.organization_context(""):
        assert_type(client.organizations.create(slug="myorg"), Organization)
    assert_type(client.memberships.get(user=7), Membership)
    assert_type(client.invitations.first(), Invitation | None)
    assert_type(task.organization, Organization | None)
    assert_type(job.organization, Organization | None)
    task.organization = organization
    task.organization = 7
    task.organization = None
    assert_type(organization.slug, str)
    assert_type(organization.owner, User | None)
    assert_type(organization.tasks.get(), Task)
    assert_type(organization.projects.first(), Project | None)
    invitation = organization.invitations.create(email="a@example.com", role=Role.WORKER)
    assert_type(invitation, Invitation)
    assert_type(invitation.organization, Organization)
    assert_type(invitation.accept(), None)
    for membership in organization.memberships.filter(role=Role.OWNER):
        assert_type(membership.role, Role)
        assert_type(membership.user, User)
        assert_type(membership.invitation, Invitation | None)


def verbs(task: Task) -> None:
    assert_type(task.fetch(), Task)
    assert_type(task.update({"name": "x"}), Task)
    task.remove()


def fields(task: Task, job: Job, project: Project, label: Label) -> None:
    assert_type(task.name, str)
    assert_type(task.size, int | None)
    assert_type(task.status, Status)
    assert_type(task.created_date, dt.datetime)
    assert_type(task.project, Project | None)
    assert_type(task.assignee, User | None)
    assert_type(task.job_count, Summary)
    assert_type(task.target_storage, Storage | None)
    assert_type(job.task, Task)
    assert_type(job.stage, Stage)
    assert_type(job.start_frame, int)
    assert_type(project.task_subsets, list[str])
    assert_type(label.attributes, list[Attribute])
    for each in project.tasks.filter(subset="train"):
        assert_type(each, Task)
    assert_type(project.labels.create(name="tram"), Label)
    assert_type(task.jobs.count(), int)
    task.assignee = 7
    task.assignee = None


def issues(client: Client, job: Job, issue: Issue, comment: Comment) -> None:
    assert_type(Issue(job=job, frame=0, position=[1.0, 2.0], message="look"), Issue)
    assert_type(client.issues.create({"job": 1, "message": "look"}), Issue)
    assert_type(client.comments.retrieve(1), Comment)
    assert_type(job.issues.create(frame=0, position=[1.0], comments=[Comment()]), Issue)
    assert_type(job.type, JobType)
    assert_type(job.parent, Job | None)
    assert_type(job.replicas.count(), int)
    assert_type(job.frames, list[int] | None)
    assert_type(issue.job, Job)
    assert_type(issue.position, list[float])
    assert_type(issue.assignee, User | None)
    assert_type(issue.resolved, bool)
    assert_type(issue.comment_count, Summary)
    assert_type(issue.comments.create(message="x"), Comment)
    assert_type(comment.issue, Issue)
    assert_type(comment.message, str)
    assert_type(comment.owner, User | None)
    issue.assignee = 7
    issue.resolved = True


def value_classes(client: Client) -> None:
    spec = models.TaskWriteRequest(
        name="t", project_id=None, labels=[models.PatchedLabelRequest(name="car"), {"name": "bus"}]
    )
    assert_type(spec.name, str)
    assert_type(spec.project_id, int | None)
    assert_type(client.tasks.create(spec), Task)
    assert_type(client.tasks.retrieve(1).update(models.PatchedTaskWriteRequest(name="u")), Task)
