"""What type checkers must refuse: an ignore that ignores nothing is an error in both."""

from objmapper import Model, Registry, Session, fields

registry = Registry("mistakes")


class Project(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String()
    tasks: fields.HasMany["Task"] = fields.HasMany(by="project")

    class Meta:
        registry = registry


class Task(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String(required=True)
    note = fields.String(null=True)
    tags = fields.List(fields.String())
    project = fields.ForeignKey(Project)

    class Meta:
        registry = registry


def wrong_values(task: Task, project: Project) -> None:
    task.name = 5  # type: ignore[assignment]
    task.name = None  # type: ignore[assignment]
    task.tags.append(7)  # type: ignore[arg-type]
    task.tags = [1]  # type: ignore[list-item]
    task.project = None  # type: ignore[assignment]
    task.project = task  # type: ignore[assignment]
    project.tasks = [task]  # type: ignore[assignment]


def wrong_names(task: Task) -> None:
    task.nmae = "x"  # type: ignore[attr-defined]
    Task.nmae  # type: ignore[attr-defined]
    task.note.upper()  # type: ignore[union-attr]


def wrong_options() -> None:
    fields.String(nul=True)  # type: ignore[call-overload]
    fields.Integer(required="yes")  # type: ignore[call-overload]
    fields.HasMany("Task")  # type: ignore[call-arg]


def wrong_models(session: Session) -> None:
    session.get(int, 42)  # type: ignore[type-var]


def wrong_commits(session: Session, task: Task) -> None:
    session.commit(on_error="undone")  # type: ignore[arg-type]
    session.commit(on_conflict="mine")  # type: ignore[arg-type]
    task.commit(on_conflict={"name": "overwrite"})  # type: ignore[dict-item]
    session.commit(progress="yes")  # type: ignore[arg-type]
