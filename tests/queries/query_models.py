"""Models and rows for the tests of queries; loaded by path, see conftest.py."""

import enum
from typing import Any

from objmapper import Model, Registry, fields
from objmapper.queryset import Manager, QuerySet

registry = Registry("queries")


class Stage(enum.StrEnum):
    DRAFT = "draft"
    DONE = "done"


class Base(Model):
    class Meta:
        abstract = True
        registry = registry


class Team(Base):
    id = fields.Integer(primary_key=True)
    name = fields.String(required=True)


class User(Base):
    id = fields.Integer(primary_key=True)
    name = fields.String()
    email = fields.String(null=True)


class Project(Base):
    id = fields.Integer(primary_key=True)
    name = fields.String(required=True)
    team = fields.ForeignKey(Team, null=True)
    tasks: fields.HasMany["Task"] = fields.HasMany(by="project")


class Task(Base):
    id = fields.Integer(primary_key=True)
    name = fields.String(required=True)
    note = fields.String(null=True)
    size = fields.Integer()
    stage = fields.Enum(Stage, default=Stage.DRAFT)
    done = fields.Boolean()
    created = fields.DateTime(data_key="created_date", read_only=True)
    project = fields.ForeignKey(Project, null=True)
    assignee = fields.ForeignKey(User, write_key="assignee_id", null=True)
    tags = fields.List(fields.String())
    changes_ = fields.Dict(data_key="changes")
    secret = fields.String(write_only=True)
    steps: fields.HasMany["Step"] = fields.HasMany(by="task")
    artifacts: fields.HasMany["Artifact"] = fields.HasMany(by="task")


class Step(Base):
    id = fields.Integer(primary_key=True)
    name = fields.String()
    task = fields.ForeignKey(Task)


class Ranked(Base):
    """What has an order of its own."""

    id = fields.Integer(primary_key=True)
    name = fields.String()

    class Meta:
        endpoint = "ranked"
        ordering = ["-name"]


class Event(Base):
    message = fields.String()

    class Meta:
        keyless = True


class Settings(Base):
    """One object, no id."""

    level = fields.Integer()

    class Meta:
        endpoint = "settings"
        singleton = True


class Artifact(Base):
    id = fields.Integer(primary_key=True)
    name = fields.String()
    task = fields.ForeignKey(Task)

    class Meta:
        endpoint = "tasks/{task}/artifacts"


class Alert(Base):
    """Of two kinds, told apart by a field."""

    id = fields.Integer(primary_key=True)
    source = fields.String()
    name = fields.String()

    class Meta:
        polymorphic_on = "source"


class UserAlert(Alert):
    class Meta:
        polymorphic_identity = "user"


class MetricAlert(Alert):
    limit = fields.Integer(null=True)

    class Meta:
        polymorphic_identity = "metric"


class Shape(Base):
    """Of kinds that a row's keys tell apart."""

    id = fields.Integer(primary_key=True)

    class Meta:
        polymorphic_on = staticmethod(lambda row: "circle" if "radius" in row else "square")


class Circle(Shape):
    radius = fields.Integer()

    class Meta:
        polymorphic_identity = "circle"


class NoteQuerySet(QuerySet[Any]):
    def short(self) -> "NoteQuerySet":
        return self.filter(size__lt=10)


class Note(Base):
    """Its manager is made from a query set."""

    id = fields.Integer(primary_key=True)
    size = fields.Integer()
    project = fields.ForeignKey("Board", null=True)
    objects = NoteQuerySet.as_manager()


class LiveManager(Manager[Any]):
    def get_queryset(self) -> QuerySet[Any]:
        return super().get_queryset().filter(live=True)

    def named(self, name: str) -> QuerySet[Any]:
        return self.get_queryset().filter(name=name)


class Page(Base):
    """Its manager begins with a filter."""

    id = fields.Integer(primary_key=True)
    name = fields.String()
    live = fields.Boolean()
    board = fields.ForeignKey("Board", null=True)
    objects = LiveManager()


class Board(Base):
    id = fields.Integer(primary_key=True)
    notes: fields.HasMany["Note"] = fields.HasMany(by="project")
    pages: fields.HasMany["Page"] = fields.HasMany(by="board")


TASKS = [
    # id, name, note, size, stage, done, created, project, assignee, tags
    (1, "alpha", None, 5, "draft", True, "2026-01-01T00:00:00Z", 1, 1, ["a"]),
    (2, "beta", "x", 7, "done", False, "2026-01-02T00:00:00Z", 1, 2, ["a", "b"]),
    (3, "gamma", None, 9, "draft", False, "2026-01-03T00:00:00Z", 2, None, []),
    (4, "Alphabet", "y", 11, "done", True, "2026-01-04T00:00:00Z", 2, 1, []),
    (5, "delta", "x", 13, "draft", False, "2026-01-05T00:00:00Z", 3, 2, []),
    (6, "epsilon", None, 15, "draft", True, "2026-01-06T00:00:00Z", None, None, []),
]
COLUMNS = "id name note size stage done created_date project assignee tags".split()


def fill(server: Any) -> None:
    """Give a SmallServer the tables of these models."""
    server.table("teams", [{"id": 1, "name": "red"}, {"id": 2, "name": "blue"}])
    server.table(
        "users", [{"id": n, "name": name, "email": f"{name}@x"} for n, name in enumerate("ab", 1)]
    )
    server.table(
        "projects",
        [{"id": n, "name": f"p{n}", "team": 1 + n % 2} for n in (1, 2, 3)],
        foreign={"team": "teams"},
    )
    server.table(
        "tasks",
        [dict(zip(COLUMNS, row, strict=True)) | {"changes": {"by": row[0]}} for row in TASKS],
        foreign={"project": "projects", "assignee": "users"},
        nested={"assignee": ("id", "name")},
        written_as={"assignee_id": "assignee"},
        secret=("secret",),
    )
    server.table(
        "steps",
        [{"id": 10 * task + n, "name": f"s{n}", "task": task} for task in (1, 2) for n in (1, 2)],
        foreign={"task": "tasks"},
    )
    server.table("ranked", [{"id": n, "name": name} for n, name in enumerate("bac", 1)])
    server.table("events", [{"message": "m1"}, {"message": "m2"}], key="message")
    server.table("settings", [{"level": 3}], singleton=True)
    server.table("tasks/{task}/artifacts", [{"id": n, "name": f"f{n}", "task": 1} for n in (1, 2)])
    server.table(
        "alerts",
        [
            {"id": n, "source": source, "name": f"a{n}"}
            for n, source in enumerate(("user", "metric", "other", "user"), 1)
        ],
    )
    server.table("shapes", [{"id": 1}, {"id": 2, "radius": 3}, {"id": 3}, {"id": 4, "radius": 5}])
    server.table("boards", [{"id": 1}])
    server.table("notes", [{"id": n, "size": 7 * n, "project": 1 + n // 3} for n in (1, 2, 3)])
    server.table(
        "pages",
        [{"id": n, "name": f"n{n}", "live": n != 2, "board": 1 + n // 4} for n in (1, 2, 3, 4)],
    )
