"""A data migration, as a user writes it: the second round of annotation begins."""

from typing import Any, TextIO

from objmapper import Session, signals
from objmapper.cvat import Job, Label, Project, Task, User
from objmapper.cvat.models import CVATModel, Stage, State


def migrate(session: Session, projects: list[Project], me: User) -> None:
    """Mark what is to change. Only reads are sent: session.commit() sends the rest as one plan."""
    tasks = Task.objects.filter(project__in=projects)
    jobs = Job.objects.filter(project__in=projects)

    # Rename and relabel: however much of a project changes, it is one request.
    for project in projects:
        project.name += ", second round"
        for label in project.labels.filter(name="person"):
            label.name = "pedestrian"
        session.add(Label(project=project, name="cyclist", color="#ff8800"))

    # Reassign: what is nobody's is mine.
    for task in tasks.filter(assignee__username=None):
        task.assignee = me

    # Follow relations: finished jobs go to review, to whom their task belongs by now. The tasks of
    # all these jobs come in one request, and those from above are the same objects here.
    for job in jobs.filter(stage=Stage.ANNOTATION, state=State.COMPLETED):
        job.stage, job.state = Stage.VALIDATION, State.NEW
        job.assignee = job.task.assignee

    # Create, in a project that does not exist yet: it goes first, and its id is filled in.
    blind = Project(name=f"{projects[0].name}, blind", labels=[{"name": "car"}, {"name": "tree"}])
    for task in tasks.filter(subset="test").order_by("id"):
        session.add(Task(name=f"{task.name} again", project=blind, subset="test", assignee=me))

    # Delete: what belongs to no subset.
    for task in tasks.filter(subset=""):
        session.delete(task)


class Audit:
    """Writes a line for each object that the server has changed."""

    def __init__(self, log: TextIO) -> None:
        self.log = log

    def write(self, sender: Any, instance: Any, changes: dict[str, Any], session: Session) -> None:
        told = ", ".join(f"{name}: {old} -> {new}" for name, (old, new) in changes.items())
        self.log.write(f"{instance}: {told}\n")

    def __enter__(self) -> "Audit":
        signals.post_update.connect(self.write, sender=CVATModel)
        return self

    def __exit__(self, *exc_info: object) -> None:
        signals.post_update.disconnect(self.write, sender=CVATModel)
