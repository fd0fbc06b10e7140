"""An undo on a real Kinto: what it sends shares requests, as what it takes back did."""

import pytest

from objmapper import CommitError, Model, Registry, Session, fields

registry = Registry("undo on Kinto")


class Project(Model):
    id = fields.String(primary_key=True)
    name = fields.String()
    text = fields.String(null=True)

    class Meta:
        registry = registry
        version = "etag"


class Task(Model):
    id = fields.String(primary_key=True)
    name = fields.String()
    size = fields.Integer(null=True)
    project = fields.ForeignKey(Project)

    class Meta:
        registry = registry
        natural_key = ["name"]


TASKS = {"type": "object", "properties": {"size": {"type": "integer", "minimum": 0}}}


@pytest.fixture
def bucket(kinto_server):
    return kinto_server.bucket("projects", tasks=TASKS)


@pytest.fixture
def session(kinto_server, bucket):
    with kinto_server.client(bucket) as client, Session(client) as session:
        yield session
        session.rollback()


@pytest.fixture
def rows(kinto_server, bucket):
    """``rows("tasks")`` is what the server has, but for the times of the last changes."""
    return lambda name: [
        {key: value for key, value in row.items() if key != "last_modified"}
        for row in kinto_server.ask("GET", f"/buckets/{bucket}/collections/{name}/records")
    ]


def by_id(rows):
    return sorted(rows, key=lambda row: row["id"])


def test_what_a_refusal_leaves_half_done_is_taken_back_in_batches(session, rows):
    session.add_all(Task(name=f"known {n}", size=n) for n in range(30))
    session.commit()
    before = by_id(rows("tasks"))
    for task in Task.objects.all():
        task.size += 1
    project = Project(name="p")
    session.add_all(Task(name=f"new {n}", project=project) for n in range(30))
    bad = Task(name="bad", size=-1, project=project)
    session.add(bad)
    with pytest.raises(CommitError) as caught:
        session.commit(on_error="undo", workers=1)
    report = caught.value.report
    assert report.failed.objects == [bad]
    assert (by_id(rows("tasks")), rows("projects")) == (before, [])
    assert report.undoing.ok
    assert len(report.undone) == len(report.undoing.undone) > 30
    assert report.undoing.requests < 8
    bad.size = 0
    again = session.commit()
    assert (len(again.created), len(again.updated)) == (32, 30)


def test_a_version_guards_what_is_taken_back(session, rows, kinto_server, bucket):
    project = Project(name="p", text="as it was")
    session.add(project)
    session.commit()
    project.name = "mine"
    report = session.commit()
    path = f"/buckets/{bucket}/collections/projects/records/{project.id}"
    kinto_server.ask("PATCH", path, {"text": "theirs"})
    with pytest.raises(CommitError) as caught:
        report.undo()
    undone = caught.value.report
    assert undone.undone == []
    assert (undone.conflicts.objects or undone.failed.objects) == [project]
    assert [row["name"] for row in rows("projects")] == ["mine"]
