"""One query and one commit, walked through every room: the five nouns, read aloud.

Model - what the data is. QuerySet - how to read it. Session - how to change it.
Dialect - how the server says it. Transport - how it travels.
"""

from objmapper import Client, Model, Registry, Session, fields, inspect
from objmapper.cvat.dialect import CVAT
from objmapper.models import IdentityKey
from objmapper.operation import Fate, Json, Kind, Outcome, Plan, Request, Response
from objmapper.query import Condition
from objmapper.sending import send
from objmapper.state import InstanceState, Page

registry = Registry("walk")
FILTERS = {"filters": {"id": "id", "name": "name", "project": "project_id"}}


class Project(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String(required=True)
    tasks: fields.HasMany["Task"] = fields.HasMany(by="project")

    class Meta:
        registry = registry
        dialect_options = FILTERS


class Task(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String(required=True)
    project = fields.ForeignKey(Project, data_key="project_id", null=True)

    class Meta:
        registry = registry
        dialect_options = FILTERS


def test_a_query_and_a_commit_walk_through_every_room() -> None:
    with Client("embedded://cvat?seed=1x3&check=1", dialect=CVAT()) as client:
        walk(client)
        assert client.server.violations == []


def walk(client: Client) -> None:
    # A Model is a class; its Mapper ties it to one endpoint, and the registry knows it by that.
    assert registry["tasks"] is Task
    assert Task.__mapper__.fields["project"].key == "project_id"

    with Session(client) as session:
        # A QuerySet is a value: it says what is asked, and asks nothing.
        query_set = Task.objects.filter(Task.name.contains("1-02"))
        condition = query_set.query.where
        assert isinstance(condition, Condition)
        assert (condition.name, condition.lookup, condition.value) == ("name", "contains", "1-02")
        assert client.transport.requests_sent == 0

        # The Dialect says it as the server does ...
        request = client.dialect.list_request(query_set.query, page_size=2)
        assert (request.method, request.path) == ("GET", "/tasks")
        assert dict(request.params)["filter"] == '{"in":["1-02",{"var":"name"}]}'

        # ... the Transport takes it there and brings an answer ...
        response = client.transport.send(request)
        assert isinstance(response, Response)
        assert response.status == 200

        # ... in which the Dialect finds rows.
        page = client.dialect.read_page(query_set.query, request, response)
        assert [row["name"] for row in page.rows] == ["task 1-02"]

        # Iterating does all that, and each row becomes the one object of its identity.
        (task,) = query_set
        assert task is Task.objects.get(id=task.id)
        assert inspect(task).identity == IdentityKey(Task, task.id)
        assert isinstance(task._state, Page)

        # A change gives the object a state of its own; the Session knows.
        task.name = "walked"
        assert isinstance(task._state, InstanceState)
        assert session.dirty == [task]
        project = Project(name="there")
        session.add(Task(name="new", project=project))

        # The plan is made of Operations: what is sent, for which objects, after what.
        sent = client.transport.requests_sent
        plan = session.plan()
        assert isinstance(plan, Plan)
        create_project, update_task, create_task = plan
        assert [op.kind for op in plan] == [Kind.CREATE, Kind.UPDATE, Kind.CREATE]
        assert isinstance(update_task.request, Request)
        assert update_task.request.method == "PATCH"
        assert update_task.request.shown_path == f"/tasks/{task.id}"
        assert update_task.request.body == Json({"name": "walked"})
        assert create_task.after == {create_project.number}
        assert client.transport.requests_sent == sent

        # Sending one gives an Outcome ...
        outcome = send(client, update_task)
        assert isinstance(outcome, Outcome)
        assert outcome.fate is Fate.DONE

        # ... and a commit is all of them, in waves; what they answered is in the objects.
        report = session.commit()
        assert (len(report.created), len(report.updated)) == (2, 1)
        assert project in report.created
        assert task in report.updated
        assert report.requests == 3
        assert session.dirty == session.new == []
        assert [t.name for t in project.tasks.all()] == ["new"]
