"""The tour's code (sections 1 to 4) as mypy --strict and pyright see it; nothing here is run."""

import datetime as dt
import decimal
import enum
import pathlib
import uuid
from collections.abc import Iterator
from typing import Any, Literal, assert_type

from marshmallow import ValidationError, validates_schema

from objmapper import (
    FETCH_ONE,
    RAISE,
    Client,
    CommitError,
    CommitReport,
    ConflictError,
    Embedded,
    MergeConflict,
    Model,
    Plan,
    Q,
    Registry,
    Session,
    TokenAuth,
    connect,
    fields,
    inspect,
    validate,
)
from objmapper.models import IdentityKey
from objmapper.queryset import Manager, QuerySet, RelatedManager
from objmapper.state import Lifecycle

registry = Registry("tour")


class Person(Embedded):
    username = fields.String()
    email = fields.Email(null=True)


class Stage(str, enum.Enum):  # noqa: UP042 - as the tour writes it
    ANNOTATION = "annotation"
    VALIDATION = "validation"


class User(Model):
    id = fields.Integer(primary_key=True)
    username = fields.String()


class Project(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String(required=True, validate=validate.Length(max=256))
    created = fields.DateTime(data_key="created_date", read_only=True)
    tasks: fields.HasMany["Task"] = fields.HasMany(by="project")


class Task(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String(required=True)
    note = fields.String(null=True)
    project = fields.ForeignKey(Project, data_key="project_id", null=True)
    creator = fields.ForeignKey(User)
    assignee = fields.ForeignKey(User, data_key="assignee", write_key="assignee_id", null=True)
    stage = fields.Enum(Stage, default=Stage.ANNOTATION)
    wanted = fields.Enum(Stage, null=True)
    tags = fields.List(fields.String())
    spans = fields.List(fields.List(fields.Integer()), null=True)
    reviewers = fields.List(Person)
    metadata = fields.Dict()
    scores = fields.Dict(fields.Float())
    people = fields.Dict(Person, null=True)
    owner = fields.Nested(Person, read_only=True)
    deputy = fields.Nested(Person, null=True)
    secret = fields.String(write_only=True)
    source = fields.String(write_once=True)

    class Meta:
        endpoint = "tasks"
        ordering = ["-id"]
        natural_key = ["project", "name"]
        version = "etag"
        registry = registry


class Node(Model):
    id = fields.Integer(primary_key=True)
    parent: fields.ForeignKey["Node"] = fields.ForeignKey("Node")
    origin: fields.ForeignKey["Node | None"] = fields.ForeignKey("Node", null=True)


class Book(Model):
    key = fields.UUID(primary_key=True, generated="client")


class Celsius(fields.Float):
    """A custom field in a few lines."""

    def to_python(self, wire: float) -> float:
        return wire - 273.15

    def to_wire(self, value: float) -> float:
        return value + 273.15


class Everything(Model):
    integer = fields.Integer()
    integer_or_none = fields.Integer(null=True)
    real = fields.Float()
    real_or_none = fields.Float(null=True)
    exact = fields.Decimal()
    exact_or_none = fields.Decimal(null=True)
    flag = fields.Boolean()
    flag_or_none = fields.Boolean(null=True)
    text = fields.String()
    moment = fields.DateTime(assume=None)
    moment_or_none = fields.DateTime(null=True, assume=dt.UTC)
    day = fields.Date()
    day_or_none = fields.Date(null=True)
    clock = fields.Time()
    clock_or_none = fields.Time(null=True)
    span = fields.TimeDelta(format="iso")
    span_or_none = fields.TimeDelta(null=True)
    token = fields.UUID()
    token_or_none = fields.UUID(null=True)
    link = fields.URL()
    link_or_none = fields.URL(null=True)
    address = fields.Email()
    raw = fields.Raw()
    warmth = Celsius()
    warmth_or_none = Celsius(null=True)

    class Meta:
        singleton = True


class Stamped(Model):
    """What several models have."""

    id = fields.Integer(primary_key=True)
    updated = fields.DateTime(read_only=True)

    class Meta:
        abstract = True
        ordering = ["-updated"]


class Shift(Stamped):
    start = fields.Integer()
    stop = fields.Integer()

    class Meta(Stamped.Meta):
        natural_key = ["start"]

    class Schema:
        @validates_schema
        def in_order(self, data: dict[str, Any], **kwargs: Any) -> None:
            if data["stop"] < data["start"]:
                raise ValidationError("A shift ends after it starts.", "stop")


class NoteQuerySet(QuerySet["Note"]):
    def about(self, word: str) -> "NoteQuerySet":
        return self.filter(text__contains=word)


class Note(Model):
    id = fields.Integer(primary_key=True)
    text = fields.String()

    objects = NoteQuerySet.as_manager()


class JobManager(Manager["Job"]):
    def open(self) -> QuerySet["Job"]:
        return self.filter(done=False)


class Job(Model):
    id = fields.Integer(primary_key=True)
    done = fields.Boolean()

    objects = JobManager()


def fields_on_the_class() -> None:
    assert_type(Task.name, fields.String[str])
    assert_type(Task.note, fields.String[str | None])
    assert_type(Task.stage, fields.Enum[Stage])
    assert_type(Task.project, fields.ForeignKey[Project | None])
    assert_type(Project.tasks, fields.HasMany[Task])


def expressions() -> None:
    assert_type(Task.name == "x", Q)
    assert_type(Task.name != "x", Q)
    assert_type(Task.id > 7, Q)
    assert_type(Task.id.in_([1, 2]), Q)
    assert_type(Task.name.contains("x"), Q)
    assert_type(Task.id.between(1, 2), Q)
    assert_type(Task.note.is_null(), Q)
    assert_type(Q(name="a") | ~Q(name="b") & (Task.id > 7), Q)


def values_of_an_object(task: Task) -> None:
    assert_type(task.id, int)
    assert_type(task.name, str)
    assert_type(task.note, str | None)
    assert_type(task.stage, Stage)
    assert_type(task.wanted, Stage | None)
    assert_type(task.tags, list[str])
    assert_type(task.spans, list[list[int]] | None)
    assert_type(task.reviewers, list[Person])
    assert_type(task.reviewers[0].username, str)
    assert_type(task.metadata, dict[str, Any])
    assert_type(task.scores, dict[str, float])
    assert_type(task.people, dict[str, Person] | None)
    assert_type(task.owner, Person)
    assert_type(task.owner.username, str)
    assert_type(task.owner.email, str | None)
    assert_type(task.deputy, Person | None)
    assert_type(task.secret, str)
    assert_type(task.source, str)


def values_of_every_kind(one: Everything) -> None:
    assert_type(one.integer, int)
    assert_type(one.integer_or_none, int | None)
    assert_type(one.real, float)
    assert_type(one.real_or_none, float | None)
    assert_type(one.exact, decimal.Decimal)
    assert_type(one.exact_or_none, decimal.Decimal | None)
    assert_type(one.flag, bool)
    assert_type(one.flag_or_none, bool | None)
    assert_type(one.text, str)
    assert_type(one.moment, dt.datetime)
    assert_type(one.moment_or_none, dt.datetime | None)
    assert_type(one.day, dt.date)
    assert_type(one.day_or_none, dt.date | None)
    assert_type(one.clock, dt.time)
    assert_type(one.clock_or_none, dt.time | None)
    assert_type(one.span, dt.timedelta)
    assert_type(one.span_or_none, dt.timedelta | None)
    assert_type(one.token, uuid.UUID)
    assert_type(one.token_or_none, uuid.UUID | None)
    assert_type(one.link, str)
    assert_type(one.link_or_none, str | None)
    assert_type(one.address, str)
    assert_type(one.raw, Any)
    assert_type(one.warmth, float)
    assert_type(one.warmth_or_none, float)  # a class of one's own keeps its type


def relations(task: Task, project: Project, node: Node) -> None:
    assert_type(task.project, Project | None)
    assert_type(task.creator, User)
    assert_type(task.assignee, User | None)
    assert_type(node.parent, Node)
    assert_type(node.parent.parent.id, int)
    assert_type(node.origin, Node | None)
    assert_type(project.tasks, RelatedManager[Task])
    assert_type(project.tasks.filter(name="x"), QuerySet[Task])
    assert_type(project.tasks.all(), QuerySet[Task])
    assert_type(project.tasks.create(name="x"), Task)
    assert_type([t.name for t in project.tasks], list[str])
    task.project = project
    task.project = 7
    task.project = None
    task.creator = 7
    node.parent = node


def setting(task: Task, one: Everything) -> None:
    task.name = "renamed"
    task.note = None
    task.stage = Stage.VALIDATION
    task.tags.append("night")
    task.tags = ["day"]
    task.metadata["a"] = {"b": [1, 2]}
    task.deputy = Person(username="x")
    one.moment = dt.datetime.now(dt.UTC)
    one.warmth = 21.5


def queries() -> None:
    assert_type(Task.objects, Manager[Task])
    assert_type(Task.objects.get(id=42), Task)
    found = (
        Task.objects.filter(stage="annotation", project__name="x")
        .exclude(name="tmp")
        .order_by("-id")[:10]
    )
    assert_type(found, QuerySet[Task])
    assert_type(found[0], Task)
    assert_type(list(found), list[Task])
    assert_type(Task.objects.filter(Q(name="a") | ~Q(name="b"), Task.id > 7), QuerySet[Task])
    assert_type(Task.objects.all().count(), int)
    assert_type(Task.objects.all().exists(), bool)
    assert_type(Task.objects.first(), Task | None)
    assert_type(Task.objects.all().last(), Task | None)
    assert_type(Task.objects.in_bulk([1, 2]), dict[Any, Task])
    assert_type(Task.objects.values("id", "name"), list[dict[str, Any]])
    assert_type(Task.objects.values_list("id", flat=True), list[Any])
    assert_type(Task.objects.filter().iterator(page_size=500, prefetch_pages=4), Iterator[Task])
    assert_type(Task.objects.prefetch_related("project", "assignee"), QuerySet[Task])
    assert_type(Task.objects.fetch_mode(FETCH_ONE).fetch_mode(RAISE), QuerySet[Task])
    assert_type(Task.objects.only("id", "name"), QuerySet[Task])
    assert_type(Task.objects.filter_locally(lambda t: t.name == "x"), QuerySet[Task])
    assert_type(Task.objects.reference(42), Task)
    assert_type(Task.objects.create(name="x"), Task)
    assert_type(Task.objects.get_or_create(defaults={"note": None}, name="x"), tuple[Task, bool])
    assert_type(Task.objects.update_or_create(name="x"), tuple[Task, bool])
    assert_type(Task.objects.bulk_create([Task(name="x")]), list[Task])
    assert_type(Task.objects.filter().update(stage="done"), int)
    assert_type(Task.objects.filter().delete(), int)
    assert_type(Task.objects.filter().explain(), str)


def managers_of_ones_own() -> None:
    assert_type(Note.objects.about("x").get(), Note)
    assert_type(Note.objects.filter(id=1).about("x"), NoteQuerySet)
    assert_type(Job.objects, JobManager)
    assert_type(Job.objects.open().get(), Job)
    assert_type(Job.objects.get(id=1), Job)


def sessions() -> None:
    client = Client("https://host/api", dialect="drf", auth=TokenAuth("..."), timeout=30, retries=3)
    connect("https://host/api")
    with Session(client) as session:
        assert_type(session, Session)
        assert_type(session.get(Task, 42), Task | None)
        assert_type(Task.objects.using(session).get(id=1), Task)
        task = Task(name="t", project=Project(name="p"))
        session.add(task, tag="row-17")
        session.add_all(Task(name=f"t{i}") for i in range(3))
        session.delete(task)
        assert_type(str(session.plan()), str)
        assert_type(session.commit(workers=8, on_error="continue", progress=True), CommitReport)
        assert_type(session.merge(task), Task)
        assert_type(task in session, bool)
        session.rollback()
        session.expunge(task)


def settle_by_side(conflict: MergeConflict) -> Literal["overwrite", "theirs"]:
    return "overwrite" if conflict.both else "theirs"


def tell(done: int, total: int) -> None: ...


def commits(session: Session, task: Task) -> None:
    plan = session.plan()
    assert_type(plan, Plan)
    assert_type(plan.to_json(), dict[str, Any])
    assert_type(Plan.from_json(plan.to_json(), session), Plan)
    assert_type(session.apply(plan, on_error="undo", progress=tell), CommitReport)
    try:
        report = session.commit(on_conflict="merge", deadline=60)
    except ConflictError as conflict:
        assert_type(conflict.conflict, MergeConflict)
        assert_type(conflict.mine, dict[str, Any] | None)
        return
    except CommitError as error:
        report = error.report
    assert_type(report, CommitReport)
    assert_type(report.undo(), CommitReport)
    assert_type(report.requests, int)
    assert_type(report.uncertain.objects, list[Any])
    assert_type([entry.conflict for entry in report.conflicts], list[MergeConflict | None])
    assert_type(task.commit(on_conflict={"name": "mine", "note": "theirs"}), CommitReport)
    assert_type(task.delete(on_conflict=settle_by_side), CommitReport)
    assert_type(session.settle(task, found=None), bool)
    assert_type(session.is_uncertain(task), bool)
    with session.request_budget(50) as budget:
        assert_type(budget.spent, int)


def journals(client: Client) -> None:
    with Session(client, journal="migrate.journal") as session:
        assert_type(session.recover(secrets=lambda obj, name, tag: "..."), CommitReport)
    with Session(client, journal=pathlib.Path("migrate.journal")):
        pass


def objects_verbs(task: Task) -> None:
    assert_type(task.commit(), CommitReport)
    assert_type(task.delete(), CommitReport)
    assert_type(task.changes, dict[str, tuple[Any, Any]])
    assert_type(task.to_dict(), dict[str, Any])
    assert_type(task.extra, dict[str, Any])
    task.refresh()
    task.revert()
    task.validate()
    assert_type(inspect(task).lifecycle, Lifecycle)
    assert_type(inspect(task).session, Session | None)
    assert_type(inspect(task).identity, IdentityKey | None)
    assert_type(inspect(task).loaded_fields, frozenset[str])


def errors() -> None:
    try:
        Task.objects.get(id=42)
    except Task.DoesNotExist as missing:
        assert_type(str(missing), str)
    except Task.MultipleObjectsReturned:
        pass


def schemas() -> None:
    schema = Task.Schema()
    assert_type(schema.validate({"name": "x"}), dict[str, list[str]])
