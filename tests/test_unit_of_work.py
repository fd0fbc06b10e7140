"""The unit of work: what a commit sends, in which order, and what becomes of every object."""

import json
import sys
import threading
import uuid
from contextlib import contextmanager

import faulty
import pytest

from objmapper import (
    BadRequest,
    CircularDependencyError,
    Client,
    CommitError,
    ContractError,
    Model,
    NotFound,
    ObjectDoesNotExist,
    Registry,
    ServerError,
    Session,
    SessionError,
    TransportError,
    ValidationError,
    fields,
    inspect,
    signals,
    validate,
)
from objmapper.operation import Json
from objmapper.transport.policy import Policy

registry = Registry("unit of work")
SmallDialect = sys.modules["smallserver"].SmallDialect


class Base(Model):
    id = fields.Integer(primary_key=True)

    class Meta:
        abstract = True
        registry = registry


class User(Base):
    name = fields.String()
    home = fields.ForeignKey("Project", null=True)


class Project(Base):
    name = fields.String(required=True, validate=validate.Length(max=20))
    lead = fields.ForeignKey(User, null=True)
    tasks: fields.HasMany["Task"] = fields.HasMany(by="project")


class Task(Base):
    name = fields.String(required=True)
    note = fields.String(null=True)
    size = fields.Integer(default=0)
    project = fields.ForeignKey(Project, data_key="project_id", null=True)
    owner = fields.ForeignKey(User, write_key="owner_id", null=True)
    tags = fields.List(fields.String())
    metadata = fields.Dict()
    created = fields.String(read_only=True, null=True)
    secret = fields.String(write_only=True, validate=validate.Length(min=4))
    steps: fields.HasMany["Step"] = fields.HasMany(by="task")


class Step(Base):
    name = fields.String()
    task = fields.ForeignKey(Task)


class Node(Base):
    """A tree by ``parent``, a chain by ``next``."""

    name = fields.String()
    parent = fields.ForeignKey("self", null=True)
    next = fields.ForeignKey("self", null=True)


class Twin(Base):
    """Two that refer to each other: neither can go first."""

    name = fields.String()
    other = fields.ForeignKey("self")


class Label(Base):
    """The server does not tell the key of a new one."""

    name = fields.String()

    class Meta:
        natural_key = ["name"]


class Mark(Base):
    label = fields.ForeignKey(Label)


class Event(Model):
    message = fields.String()

    class Meta:
        registry = registry
        keyless = True


class Book(Model):
    key = fields.UUID(primary_key=True, generated="client")
    title = fields.String()

    class Meta:
        registry = registry


@pytest.fixture
def server(small):
    small.table("projects", [{"id": n, "name": f"p{n}", "lead": None} for n in (1, 2)])
    rows = [
        {
            "id": n,
            "name": f"t{n}",
            "note": None,
            "size": n,
            "project_id": 1 + n // 3,
            "owner": None,
            "tags": ["day"],
            "metadata": {"a": 1},
            "created": "today",
        }
        for n in (1, 2, 3)
    ]
    small.table("tasks", rows, secret=("secret",), written_as={"owner_id": "owner"})
    small.table("users", [{"id": 1, "name": "ann", "home": None}])
    for endpoint in ("steps", "nodes", "twins", "events", "marks"):
        small.table(endpoint)
    small.table("labels", answers="keyless")
    small.table("books", key="key")
    return small


@pytest.fixture
def session(server):
    with session_of(server.client(recommended_workers=1)) as session:
        yield session


@contextmanager
def session_of(client):
    """A session that may be left with what was not sent."""
    with Session(client) as session:
        yield session
        for obj in session.uncertain:
            session.expunge(obj)
        session.rollback()


def writes(server):
    return [str(seen) for seen in server.seen if seen.method != "GET"]


def bodies(server):
    return [seen.body for seen in server.seen if seen.method != "GET"]


def waves(plan):
    return [[f"{op.request.method} {op.objects[0]!r}" for op in wave] for wave in plan.waves]


def failing(session, **options):
    """Return the report of a commit that does not do everything."""
    with pytest.raises(CommitError) as caught:
        session.commit(**options)
    return caught.value.report


# -- the plan -------------------------------------------------------------------------------------


def pending_of_every_kind(session):
    """A new task in a new project, a renamed one, a marked one."""
    renamed, marked = session.get(Task, 1), session.get(Task, 2)
    renamed.name = "renamed"
    renamed.tags.append("night")
    session.delete(marked)
    project = Project(name="new")
    task = Task(name="task", project=project, secret="hunter2")
    session.add(task)
    return project, task, renamed, marked


def test_a_plan_sends_nothing_and_changes_nothing(server, session):
    project, task, renamed, marked = pending_of_every_kind(session)
    asked = len(server.seen)
    first = session.plan()
    assert str(session.plan()) == str(first)
    assert session.plan().to_json() == first.to_json()
    assert len(server.seen) == asked
    assert [inspect(obj).lifecycle for obj in (project, task, renamed, marked)] == [
        *("transient", "pending", "persistent", "deleted")
    ]
    assert (session.new, session.dirty, session.deleted) == ([task], [renamed], [marked])
    assert renamed.changes == {"name": ("t1", "renamed"), "tags": (["day"], ["day", "night"])}
    assert task.secret == "hunter2"


def test_a_plan_is_told_to_no_receiver(server, session):
    heard = []
    task = Task(name="x")
    session.add(task)
    with signals.pre_create.connected_to(lambda *_, **__: heard.append(1)):
        session.plan()
    assert heard == []


def test_a_printed_plan_is_a_table(server, session):
    pending_of_every_kind(session)
    lines = [line.split(maxsplit=4) for line in str(session.plan()).splitlines()]
    assert lines == [
        ["wave", "no", "verb", "url", "body" + " " * 58 + "batch  objects  after"],
        ["----", "--", "------", "----------", "-" * 60 + "  -----  -------  -----"],
        ["1", "1", "POST", "/projects/", '{"name": "new"}' + " " * 54 + "1"],
        [
            *("1", "2", "PATCH", "/tasks/1/"),
            '{"name": "renamed", "tags": ["day", "night"]}' + " " * 24 + "1",
        ],
        ["1", "3", "DELETE", "/tasks/2/", "1"],
        [
            *("2", "4", "POST", "/tasks/"),
            '{"name": "task", "project_id": "<key of <Project name=\'new\'…         1        1',
        ],
    ]


def test_a_plan_for_tools_is_json(server, session):
    pending_of_every_kind(session)
    told = json.loads(json.dumps(session.plan().to_json()))["operations"]
    assert [(op["number"], op["wave"], op["kind"], op["after"]) for op in told] == [
        (1, 1, "create", []),
        (2, 1, "update", []),
        (3, 1, "delete", []),
        (4, 2, "create", [1]),
    ]
    assert told[3] == {
        "number": 4,
        "wave": 2,
        "kind": "create",
        "after": [1],
        "held_by": [],
        "batch": None,
        "objects": ["<Task name='task'>"],
        "method": "POST",
        "path": "/tasks/",
        "params": [],
        "body": {
            "name": "task",
            "project_id": "<key of <Project name='new'>>",
            "size": 0,
            "secret": "***",
        },
        "repeatable": False,
        "guard": None,
        "settle": "ask",
    }


def test_nothing_to_do_is_said(server, session):
    session.get(Task, 1)
    assert len(session.plan()) == 0
    assert str(session.plan()) == "Nothing to do."
    told = session.plan().to_json()
    assert (told["operations"], told["left_out"], told["saved"]["objects"]) == ([], [], [])


def test_only_what_changed_is_sent_under_the_name_that_the_server_reads(server, session):
    task = session.get(Task, 1)
    task.owner = 1
    task.size = 7
    task.size = 1
    task.tags.append("night")
    task.tags.remove("night")
    task.commit()
    assert (writes(server), bodies(server)) == (["PATCH /tasks/1/"], [{"owner_id": 1}])
    assert (task.owner.name, task.changes) == ("ann", {})


def test_a_plan_stays_what_it_was_while_the_user_goes_on(server, session):
    task = session.get(Task, 1)
    task.metadata["b"] = 2
    plan = session.plan()
    task.metadata["c"] = 3
    (operation,) = plan
    assert operation.request.shown_body() == {"metadata": {"a": 1, "b": 2}}


# -- in which order -------------------------------------------------------------------------------


def test_parents_are_created_before_their_children(server, session):
    project = Project(name="p", lead=User(name="u"))
    task = Task(name="t", project=project)
    session.add_all([Step(name="s", task=task), Task(name="alone")])
    assert waves(session.plan()) == [
        ["POST <User name='u'>", "POST <Task name='alone'>"],
        ["POST <Project name='p'>"],
        ["POST <Task name='t'>"],
        ["POST <Step name='s'>"],
    ]
    report = session.commit()
    assert writes(server) == [
        *("POST /users/", "POST /tasks/", "POST /projects/", "POST /tasks/", "POST /steps/")
    ]
    assert len(report.created) == 5
    assert server.tables["steps"].rows[1] == {"id": 1, "name": "s", "task": task.id}
    assert server.tables["projects"].rows[project.id]["lead"] == project.lead.id


def test_children_are_deleted_before_their_parents(server, session):
    project = session.get(Project, 1)
    session.delete(project)
    for task in project.tasks.all():
        session.delete(task)
    assert waves(session.plan()) == [
        ["DELETE <Task 1 name='t1'>", "DELETE <Task 2 name='t2'>"],
        ["DELETE <Project 1 name='p1'>"],
    ]


def test_what_moves_away_from_a_parent_goes_before_its_deletion(server, session):
    task = session.get(Task, 3)
    old, task.project = task.project, Project(name="new")
    session.delete(old)
    assert waves(session.plan()) == [
        ["POST <Project name='new'>"],
        ["PATCH <Task 3 name='t3'>"],
        ["DELETE <Project 2>"],
    ]


def test_a_class_that_refers_to_itself_goes_from_the_root_on(server, session):
    root = Node(name="root")
    child = Node(name="child", parent=root)
    grandchild = Node(name="grandchild", parent=child)
    session.add_all([grandchild, child, root])
    session.commit()
    assert [body["name"] for body in bodies(server)] == ["root", "child", "grandchild"]
    server.seen.clear()
    for node in (root, child, grandchild):
        session.delete(node)
    session.commit()
    assert writes(server) == ["DELETE /nodes/3/", "DELETE /nodes/2/", "DELETE /nodes/1/"]


def test_children_given_to_the_constructor_come_along(server, session):
    project = Project(name="p", tasks=[Task(name="a", steps=[{"name": "s"}]), {"name": "b"}])
    session.add(project)
    report = session.commit()
    assert [obj.name for obj in report.created.objects] == ["p", "a", "b", "s"]
    assert [task.name for task in project.tasks.all()] == ["a", "b"]
    assert (session.new, session.dirty) == ([], [])


def test_a_parent_below_whose_address_children_live_goes_first(server, session):
    class Page(Base):
        text = fields.String()
        project = fields.ForeignKey(Project)

        class Meta:
            endpoint = "projects/{project}/pages"

    server.tables = {
        "pages": server.table("projects/{project}/pages"),
        "projects": server.table("projects"),
    }
    page = Page(text="x", project=Project(name="p"))
    session.add(page)
    assert session.plan().to_json()["operations"][1]["path"] == (
        "/projects/<key of <Project name='p'>>/pages/"
    )
    session.commit()
    assert writes(server) == ["POST /projects/", "POST /projects/1/pages/"]


def test_a_key_that_is_told_late_is_one_segment_of_a_path(faulty_server):
    class Folder(Model):
        path = fields.String(primary_key=True)

        class Meta:
            registry = registry

    class Paper(Base):
        text = fields.String()
        folder = fields.ForeignKey(Folder)

        class Meta:
            endpoint = "folders/{folder}/papers"

    faulty_server.then(
        faulty.say({"path": "a/../b c"}, 201), faulty.say({"id": 1, "text": "x"}, 201)
    )
    with linked(faulty_server.url) as session:
        session.add(Paper(text="x", folder=Folder()))
        session.commit()
    assert [seen.path for seen in faulty_server.seen] == [
        *("/folders/", "/folders/a%2F..%2Fb%20c/papers/")
    ]
    assert faulty_server.seen[1].json() == {"text": "x", "folder": "a/../b c"}


# -- circles --------------------------------------------------------------------------------------


def test_a_circle_of_creates_is_cut_where_a_reference_may_be_null(server, session):
    user, project = User(name="u"), Project(name="p")
    user.home, project.lead = project, user
    session.add(user)
    plan = session.plan()
    assert [len(wave) for wave in plan.waves] == [1, 1, 1]
    report = session.commit()
    assert len(writes(server)) == 3
    assert server.tables["users"].rows[user.id]["home"] == project.id
    assert server.tables["projects"].rows[project.id]["lead"] == user.id
    assert report.created.objects == [obj for op in plan for obj in op.objects][:2]
    assert (user.changes, project.changes, session.new, session.dirty) == ({}, {}, [], [])


def test_a_reference_that_is_in_no_circle_is_not_cut(server, session):
    first, second = Node(name="1"), Node(name="2")
    first.next, second.next = second, first
    first.parent = root = Node(name="root")
    child = Node(name="child", parent=second)
    session.add_all([child, first])
    session.commit()
    assert len(writes(server)) == 5
    assert [body["name"] for body in bodies(server)[:1]] == ["root"]
    posted = {body["name"]: body for body in bodies(server) if "name" in body}
    assert posted["1"]["parent"] == root.id
    assert posted["child"]["parent"] == second.id
    rows = server.tables["nodes"].rows
    assert (rows[first.id]["next"], rows[second.id]["next"]) == (second.id, first.id)


def test_an_object_that_refers_to_itself_is_created_in_two_steps(server, session):
    node = Node(name="self")
    node.next = node
    session.add(node)
    session.commit()
    assert [list(body) for body in bodies(server)] == [["name"], ["next"]]
    assert server.tables["nodes"].rows[1]["next"] == 1


def test_a_reference_that_must_be_there_is_kept_and_the_other_one_cut(server, session):
    class Owner(Base):
        name = fields.String()
        pet = fields.ForeignKey("Pet", null=True)

    class Pet(Base):
        name = fields.String()
        owner = fields.ForeignKey(Owner)

    server.table("owners")
    server.table("pets")
    owner, pet = Owner(name="o"), Pet(name="p")
    owner.pet, pet.owner = pet, owner
    session.add_all([pet, owner])
    session.commit()
    assert bodies(server) == [{"name": "o"}, {"name": "p", "owner": 1}, {"pet": 1}]


def test_a_circle_that_can_not_be_cut_is_refused_before_anything_is_sent(server, session):
    one, other, bystander = Twin(name="one"), Twin(name="other"), Task(name="t")
    one.other, other.other = other, one
    session.add_all([bystander, one, other])
    for verb in (session.plan, session.commit, one.commit):
        with pytest.raises(CircularDependencyError, match="Nothing was sent") as caught:
            verb()
    assert "<Twin name='one'>" in str(caught.value)
    assert "nullable" in str(caught.value)
    assert (writes(server), session.new) == ([], [bystander, one, other])


@pytest.mark.parametrize("option", ["required", "write_once"])
def test_a_reference_that_can_not_be_set_later_is_not_cut(server, session, option):
    class Half(Base):
        other = fields.ForeignKey("self", null=True, **{option: True})

    one, two = Half(), Half()
    one.other, two.other = two, one
    session.add_all([one, two])
    with pytest.raises(CircularDependencyError):
        session.commit()
    assert (writes(server), session.new) == ([], [one, two])


class Impatient(SmallDialect):
    """Each task is told to wait for the other one."""

    def draft(self, change):
        others = tuple(
            obj for obj in change.object._state.session().new if obj is not change.object
        )
        return super().draft(change)._replace(after=others)


def test_operations_that_a_dialect_ties_in_a_circle_are_refused(server):
    with session_of(server.client(dialect=Impatient(trailing_slash=True))) as session:
        session.add_all([Task(name="a"), Task(name="b")])
        with pytest.raises(CircularDependencyError, match="each wait for another one"):
            session.commit()
        assert len(session.new) == 2
    assert writes(server) == []


def test_deletions_of_objects_that_refer_to_each_other_are_cut(server, session):
    server.table(
        "nodes", [{"id": n, "name": f"n{n}", "parent": None, "next": 3 - n} for n in (1, 2)]
    )
    one, two = Node.objects.order_by("id")
    session.delete(one)
    session.delete(two)
    report = session.commit()
    assert [str(seen) for seen in server.seen[1:]] in (
        ["PATCH /nodes/1/", "DELETE /nodes/2/", "DELETE /nodes/1/"],
        ["PATCH /nodes/2/", "DELETE /nodes/1/", "DELETE /nodes/2/"],
    )
    assert bodies(server)[0] == {"next": None}
    assert sorted(obj.name for obj in report.deleted.objects) == ["n1", "n2"]
    assert server.tables["nodes"].rows == {}
    assert (session.dirty, session.deleted) == ([], [])


def test_deletions_that_wait_for_each_other_for_good_are_refused(server, session):
    server.table("twins", [{"id": n, "name": f"n{n}", "other": 3 - n} for n in (1, 2)])
    twins = list(Twin.objects.all())
    for twin in twins:
        session.delete(twin)
    with pytest.raises(CircularDependencyError, match="Nothing was sent"):
        session.commit()
    assert (writes(server), session.deleted) == ([], twins)


def test_what_is_missing_of_a_cut_circle_is_sent_by_the_next_commit(server, session):
    one, two = Node(name="1"), Node(name="2")
    one.next, two.next = two, one
    session.add(one)
    server.fail("PATCH", "/nodes/1/", 400, {"next": ["No."]})
    server.fail("PATCH", "/nodes/2/", 400, {"next": ["No."]})
    report = failing(session)
    (late,) = report.failed.objects
    assert set(report.created.objects) == {one, two}
    assert session.dirty == [late]
    server.faults.clear()
    server.seen.clear()
    session.commit()
    assert bodies(server) == [{"next": late.next.id}]
    assert server.tables["nodes"].rows[late.id]["next"] == late.next.id


# -- validation -----------------------------------------------------------------------------------


def test_everything_is_validated_before_the_first_byte(server, session):
    task, known = Task(size="big"), session.get(Task, 1)
    project = Project(name="p" * 21, tasks=[task])
    known.name = None
    good = Task(name="good")
    session.add_all([good, project])
    asked = len(server.seen)
    for verb in (session.plan, session.commit):
        with pytest.raises(ValidationError) as caught:
            verb()
    told = {(id(obj), name) for obj, name, _ in caught.value.errors}
    wrong = [(project, "name"), (known, "name"), (task, "name"), (task, "size")]
    assert told == {(id(obj), name) for obj, name in wrong}
    text = str(caught.value)
    assert text.startswith("3 objects are not valid; nothing was sent:")
    assert "<Task 1 name=None>.name: May not be null." in text
    assert len(server.seen) == asked
    assert (session.new, session.dirty) == ([good, project, task], [known])
    project.name, task.name, task.size, known.name = "p", "t", 1, "k"
    assert len(session.commit().created) == 3


def test_what_was_not_touched_is_not_validated(server, session):
    server.tables["projects"].rows[1]["name"] = "n" * 99
    project = session.get(Project, 1)
    project.lead = 1
    assert session.commit().updated.objects == [project]


def test_a_secret_that_is_not_valid_is_not_told(server, session):
    session.add(Task(name="t", secret="abc"))
    session.add(Task(name="u", secret=["hunter2"]))
    with pytest.raises(ValidationError) as caught:
        session.commit()
    assert [(name, len(messages)) for _, name, messages in caught.value.errors] == [
        *(("secret", 1), ("secret", 1))
    ]
    assert "hunter2" not in str(caught.value)
    assert "abc" not in str(caught.value)


@pytest.mark.parametrize("by", ["object", "key"])
def test_a_reference_to_what_is_marked_for_deletion_is_not_valid(server, session, by):
    project = session.get(Project, 1)
    session.delete(project)
    session.add(Task(name="t", project=project if by == "object" else 1))
    with pytest.raises(ValidationError, match=r"project: Refers to an object marked for deletion"):
        session.commit()
    assert writes(server) == []


def test_a_reference_taken_from_what_is_marked_for_deletion_is_valid(server, session):
    task = session.get(Task, 1)
    session.delete(task.project)
    task.project = 2
    session.commit()
    assert writes(server) == ["PATCH /tasks/1/", "DELETE /projects/1/"]


def test_a_parent_of_another_session_is_refused_before_anything_is_sent(server, session):
    with session_of(session.client) as other:
        project = Project(name="theirs")
        other.add(project)
        session.add_all([Task(name="a"), Task(name="b", project=project)])
        with pytest.raises(SessionError, match="belongs to another session"):
            session.commit()
    assert writes(server) == []


# -- one object -----------------------------------------------------------------------------------


def test_an_objects_commit_touches_nothing_else(server, session):
    task, other, marked = session.get(Task, 1), session.get(Task, 2), session.get(Task, 3)
    task.name, other.name = "x", "y"
    session.delete(marked)
    new = Task(name="new")
    session.add(new)
    report = task.commit()
    assert writes(server) == ["PATCH /tasks/1/"]
    assert report.updated.objects == [task]
    assert (session.new, session.dirty, session.deleted) == ([new], [other], [marked])
    assert other.changes == {"name": ("t2", "y")}


def test_an_objects_commit_takes_its_pending_parents_along(server, session):
    user, sibling = User(name="u"), Task(name="sibling")
    project = Project(name="p", lead=user)
    task = Task(name="t", project=project)
    sibling.project = project
    session.add_all([sibling, task])
    report = task.commit()
    assert report.created.objects == [user, project, task]
    assert session.new == [sibling]
    assert task.project is project
    assert session.get(Project, project.id) is project


def test_a_known_object_takes_a_new_parent_along(server, session):
    task = session.get(Task, 1)
    task.project = project = Project(name="p")
    report = task.commit()
    assert (report.created.objects, report.updated.objects) == ([project], [task])
    assert bodies(server)[1] == {"project_id": project.id}


def test_a_transient_object_joins_the_current_session(server, session):
    task = Task(name="t")
    task.commit()
    assert task in session
    assert session.get(Task, task.id) is task


def test_an_unchanged_object_sends_nothing(server, session):
    task = session.get(Task, 1)
    report = task.commit()
    assert (writes(server), report.requests, report.counts()) == ([], 0, {})


def test_an_objects_commit_follows_its_mark_of_deletion(server, session):
    task, other = session.get(Task, 1), session.get(Task, 2)
    task.name = "changed first"
    session.delete(task)
    session.delete(other)
    assert task.commit().deleted.objects == [task]
    assert writes(server) == ["DELETE /tasks/1/"]
    assert session.deleted == [other]


def test_an_objects_delete_acts_at_once_and_alone(server, session):
    task, marked = session.get(Task, 1), session.get(Task, 2)
    session.delete(marked)
    assert task.delete().deleted.objects == [task]
    assert writes(server) == ["DELETE /tasks/1/"]
    assert (inspect(task).lifecycle, task.name) == ("detached", "t1")
    assert session.deleted == [marked]


def test_an_objects_delete_that_fails_leaves_no_mark(server, session):
    task = session.get(Task, 1)
    task.name = "kept"
    server.fail("DELETE", "/tasks/1/", 403, {"detail": "No."})
    with pytest.raises(CommitError, match=r"No\."):
        task.delete()
    assert (inspect(task).lifecycle, session.deleted, session.dirty) == ("persistent", [], [task])


def test_deleting_a_new_object_forgets_it_and_its_children(server, session):
    tasks = [Task(name="a"), Task(name="b")]
    project, other = Project(name="p", tasks=tasks), Project(name="q")
    session.add_all([project, other])
    session.delete(project)
    assert session.new == [other]
    assert other.delete().requests == 0
    assert (session.new, writes(server)) == ([], [])
    assert [inspect(obj).lifecycle for obj in (project, *tasks, other)] == ["transient"] * 4


def test_a_query_sets_verbs_commit_their_own_objects_only(server, session):
    mine, new = session.get(Task, 1), Task(name="new")
    mine.note = "mine"
    session.add(new)
    created = Task.objects.create(name="created", project=Project(name="p"))
    Task.objects.filter(id__in=[1, 2]).update(size=9)
    Task.objects.filter(id=3).delete()
    assert writes(server) == [
        *("POST /projects/", "POST /tasks/", "PATCH /tasks/1/", "PATCH /tasks/2/"),
        "DELETE /tasks/3/",
    ]
    assert bodies(server)[2:4] == [{"size": 9}, {"size": 9}]
    assert (session.new, session.dirty) == ([new], [mine])
    assert mine.changes == {"note": (None, "mine")}
    assert created.project.name == "p"


def test_a_create_that_fails_leaves_nothing_behind(server, session):
    server.fail("POST", "/projects/", 400, {"name": ["Taken."]})
    with pytest.raises(CommitError) as caught:
        Task.objects.create(name="x", project=Project(name="p"))
    assert [len(caught.value.report.failed), len(caught.value.report.skipped)] == [1, 1]
    assert session.new == []
    with pytest.raises(ValidationError):
        Task.objects.create(name=None, project=Project(name="p"))
    assert (session.new, writes(server)) == ([], ["POST /projects/"])


# -- side by side ---------------------------------------------------------------------------------


def at_once(server, count, method="POST"):
    """Let requests through only when *count* of them are in."""
    barrier = threading.Barrier(count, timeout=20)
    server.hook = lambda seen: barrier.wait() if seen.method == method else None


def test_independent_operations_run_side_by_side(server):
    at_once(server, 4)
    with session_of(server.client()) as session:
        session.add_all(Task(name=f"t{n}") for n in range(8))
        report = session.commit(workers=4)
        assert [entry.object.name for entry in report.created] == [f"t{n}" for n in range(8)]
    threads = {seen.thread for seen in server.seen}
    assert len(threads) == 4
    assert threading.current_thread().name not in threads


@pytest.mark.parametrize("told", ["client", "dialect"])
def test_how_many_is_the_clients_choice_else_the_dialects(server, told):
    at_once(server, 3)
    client = server.client(recommended_workers=3 if told == "dialect" else 1)
    if told == "client":
        client.workers = 3
    with session_of(client) as session:
        session.add_all(Task(name=f"t{n}") for n in range(3))
        session.commit()
    assert len(server.seen) == 3


def test_one_worker_sends_in_plan_order_on_the_committing_thread(server, session):
    session.add_all(Task(name=f"t{n}") for n in range(5))
    session.commit(workers=1)
    assert [body["name"] for body in bodies(server)] == [f"t{n}" for n in range(5)]
    assert {seen.thread for seen in server.seen} == {threading.current_thread().name}


class Lanes(SmallDialect):
    """Tasks of one project never side by side."""

    def draft(self, change):
        return super().draft(change)._replace(lane=change.object.project.id)


def test_operations_of_one_lane_never_run_side_by_side(server):
    lock, inside, most = threading.Lock(), [], {1: 0, 2: 0}
    both = threading.Barrier(2, timeout=20)

    def hook(seen):
        if seen.method == "GET":
            return
        with lock:
            lane = seen.body["project_id"]
            inside.append(lane)
            most[lane] = max(most[lane], inside.count(lane))
        both.wait()  # the two lanes do run side by side
        with lock:
            inside.remove(lane)

    server.hook = hook
    with session_of(server.client(dialect=Lanes(trailing_slash=True))) as session:
        session.add_all(Task(name=f"t{n}", project=1 + n % 2) for n in range(10))
        report = session.commit(workers=4)
    assert most == {1: 1, 2: 1}
    assert [entry.object.name for entry in report.created] == [f"t{n}" for n in range(10)]


@pytest.mark.parametrize(
    "options",
    [
        {"workers": 0},
        {"workers": "8"},
        {"on_error": "undo!"},
        {"deadline": 0},
        {"deadline": "60"},
        {"deadline": float("nan")},
        {"progress": "yes"},
    ],
    ids=str,
)
def test_options_that_are_none_are_refused(server, session, options):
    task = Task(name="x")
    session.add(task)
    with pytest.raises(ValueError, match=next(iter(options))):
        session.commit(**options)
    assert (writes(server), session.new) == ([], [task])


# -- when something fails -------------------------------------------------------------------------


def test_stop_sends_nothing_more(server, session):
    tasks = [Task(name=f"t{n}") for n in range(4)]
    session.add_all(tasks)
    server.hook = lambda seen: (
        server.fail("POST", "/tasks/", 400, {"name": ["Bad."]})
        if seen.body["name"] == "t1"
        else None
    )
    report = failing(session)
    assert report.created.objects == tasks[:1]
    assert report.failed.objects == tasks[1:2]
    assert report.pending.objects == tasks[2:]
    assert (report.requests, report.counts()) == (2, {"created": 1, "failed": 1, "pending": 2})
    assert session.new == tasks[1:]
    server.hook = lambda seen: None
    server.seen.clear()
    assert session.commit().created.objects == tasks[1:]
    assert [body["name"] for body in bodies(server)] == ["t1", "t2", "t3"]


def test_stop_lets_what_is_in_flight_end(server):
    barrier, failed = threading.Barrier(2, timeout=20), threading.Event()

    def hook(seen):
        barrier.wait()
        if seen.body["name"] == "t0":
            server.fail("POST", "/tasks/", 400, {})
        else:
            failed.wait(20)

    server.hook = hook
    with session_of(server.client()) as session:
        tasks = [Task(name=f"t{n}") for n in range(6)]
        session.add_all(tasks)
        report = failing(session, workers=2, progress=lambda done, of: failed.set())
        assert report.failed.objects == tasks[:1]
        assert report.created.objects == tasks[1:2]
        assert report.pending.objects == tasks[2:]
        assert tasks[1].id is not None
        assert session.new == [tasks[0], *tasks[2:]]


@pytest.mark.parametrize("on_error", ["stop", "continue"])
def test_what_depends_on_a_failure_is_skipped_and_says_on_what(server, session, on_error):
    bad, good = Project(name="bad"), Project(name="good")
    child = Task(name="child", project=bad)
    step = Step(name="step", task=child)
    other = Task(name="other", project=good)
    session.add_all([good, step, other])
    server.hook = lambda seen: (
        server.fail("POST", "/projects/", 409, {}) if seen.body["name"] == "bad" else None
    )
    report = failing(session, on_error=on_error)
    assert report.failed.objects == [bad]
    assert report.skipped.objects == [child, step]
    assert [entry.waited_for for entry in report.skipped] == [(bad,), (child,)]
    assert "skipped: <Task name='child'> waits for <Project name='bad'>" in str(report)
    done = {"stop": report.pending, "continue": report.created}[on_error]
    assert other in done
    assert set(session.new) == {bad, child, step} | ({other} if on_error == "stop" else set())
    server.hook = lambda seen: None
    server.seen.clear()
    session.commit()
    assert {body["name"] for body in bodies(server)} == {"bad", "child", "step"} | (
        {"other"} if on_error == "stop" else set()
    )


def test_a_failure_keeps_changes_and_marks(server, session):
    task, marked = session.get(Task, 1), session.get(Task, 2)
    task.name = "x"
    session.delete(marked)
    server.fail("PATCH", "/tasks/1/", 400, {"name": ["Taken."]})
    server.fail("DELETE", "/tasks/2/", 403, {"detail": "No."})
    report = failing(session, on_error="continue")
    assert report.failed.objects == [task, marked]
    refused, denied = (entry.error for entry in report.failed)
    assert isinstance(refused, BadRequest)
    assert refused.errors == {"name": ["Taken."]}
    assert denied.status == 403
    assert task.changes == {"name": ("t1", "x")}
    assert (session.dirty, session.deleted) == ([task], [marked])
    report = session.commit()
    assert (report.updated.objects, report.deleted.objects) == ([task], [marked])


def test_a_deletion_of_what_is_gone_already_is_a_failure(server, session):
    task = session.get(Task, 1)
    del server.tables["tasks"].rows[1]
    session.delete(task)
    report = failing(session)
    assert isinstance(report.failed[0].error, NotFound)
    assert session.deleted == [task]


def test_what_goes_wrong_before_anything_is_sent_is_a_failure(server):
    def auth(request):
        raise RuntimeError("no key ring")

    client = server.client()
    client.transport.http.auth = auth
    with session_of(client) as session:
        task = Task(name="x")
        session.add(task)
        report = failing(session)
        assert (report.failed.objects, report.requests) == ([task], 0)
        assert str(report.failed[0].error) == "no key ring"
        assert session.new == [task]


def test_a_receiver_that_leaves_the_program_loses_no_outcome(server, session):
    def leave(sender, **told):
        sys.exit(3)

    first, second = Project(name="p"), Task(name="t")
    second.project = first
    session.add(second)
    with signals.post_create.connected_to(leave), pytest.raises(SystemExit):
        session.commit()
    assert (session.new, session.uncertain) == ([second], [])
    assert session.commit().created.objects == [second]
    assert writes(server) == ["POST /projects/", "POST /tasks/"]


def test_a_long_report_is_cut(server, session):
    session.add_all(Task(name=f"t{n}") for n in range(25))
    server.fail("POST", "/tasks/", 400, {}, times=25)
    lines = str(failing(session, on_error="continue")).splitlines()
    assert len(lines) == 22
    assert lines[-1] == "  failed: ... and 5 more"


def test_a_commit_error_holds_the_report_and_reads_as_it(server, session):
    session.add(Task(name="x"))
    server.fail("POST", "/tasks/", 400, {"name": ["Taken."]})
    with pytest.raises(SessionError) as caught:
        session.commit()
    assert isinstance(caught.value, CommitError)
    assert str(caught.value) == str(caught.value.report)
    assert "1 failed; 1 request, 0 sent again" in str(caught.value)
    assert "failed: <Task name='x'>: POST http://small.test/api/tasks/ answered 400" in str(
        caught.value
    )
    assert "Taken." in str(caught.value)


# -- answers --------------------------------------------------------------------------------------


def test_what_the_server_set_appears(server, session):
    task = Task(name="x")
    session.add(task)
    server.fail(
        "POST", "/tasks/", 201, {"id": 7, "name": "X", "created": "now", "size": 3}, done=True
    )
    session.commit()
    assert (task.id, task.name, task.created, task.size, task.changes) == (7, "X", "now", 3, {})
    asked = len(server.seen)
    assert session.get(Task, 7) is task
    assert len(server.seen) == asked
    assert inspect(task).lifecycle == "persistent"


@pytest.mark.parametrize("answers", ["row", "nothing"])
def test_an_update_is_clean_with_and_without_a_row(server, session, answers):
    server.tables["tasks"].answers = answers
    task = session.get(Task, 1)
    tags = task.tags
    tags.append("night")
    task.name = "x"
    task.commit()
    assert (task.name, task.tags, task.changes, session.dirty) == ("x", ["day", "night"], {}, [])
    assert task.tags is tags
    tags.append("noon")
    assert task.changes == {"tags": (["day", "night"], ["day", "night", "noon"])}
    task.commit()
    assert bodies(server)[1] == {"tags": ["day", "night", "noon"]}


def test_a_newer_row_that_waited_is_not_lost_by_an_answer_without_one(server, session):
    server.tables["tasks"].answers = "nothing"
    task = session.get(Task, 1)
    task.name = "mine"
    server.tables["tasks"].rows[1].update(note="theirs", name="their name")
    assert list(Task.objects.filter(id__in=[1])) == [task]
    assert task.note is None
    task.commit()
    assert (task.name, task.note, task.changes) == ("mine", "theirs", {})


def edit(task):
    task.note = "later"
    task.tags = [*task.tags, "later"]
    task.metadata["later"] = True


@pytest.mark.parametrize("answers", ["row", "nothing"])
@pytest.mark.parametrize("when", ["before it is sent", "before its answer", "after its answer"])
def test_edits_of_a_commit_in_flight_survive_it(server, session, when, answers):
    """A progress callback or the server's own thread edits; what was sent is no change any more."""
    server.tables["tasks"].answers = answers
    first, task = session.get(Task, 1), session.get(Task, 2)
    first.name, task.name = "first", "sent"
    task.metadata["sent"] = True
    if when == "before its answer":
        server.hook = lambda seen: edit(task) if seen.path == "/tasks/2/" else None
        session.commit()
    else:
        number = 1 if when == "before it is sent" else 2
        session.commit(progress=lambda done, of: edit(task) if done == number else None)
    server.hook = lambda seen: None
    assert bodies(server)[1] == {"name": "sent", "metadata": {"a": 1, "sent": True}}
    assert task.changes == {
        "note": (None, "later"),
        "tags": (["day"], ["day", "later"]),
        "metadata": ({"a": 1, "sent": True}, {"a": 1, "sent": True, "later": True}),
    }
    assert session.dirty == [task]
    server.seen.clear()
    session.commit()
    assert bodies(server) == [
        {
            "note": "later",
            "tags": ["day", "later"],
            "metadata": {"a": 1, "sent": True, "later": True},
        }
    ]


def test_edits_of_a_new_object_in_flight_survive_too(server, session):
    task = Task(name="sent", metadata={"sent": True})
    session.add(task)

    def later(seen):
        task.name = "later"
        task.metadata["later"] = True

    server.hook = later
    session.commit()
    server.hook = lambda seen: None
    assert bodies(server) == [{"name": "sent", "size": 0, "metadata": {"sent": True}}]
    assert session.dirty == [task]
    session.commit()
    assert bodies(server)[1] == {"name": "later", "metadata": {"sent": True, "later": True}}
    assert (session.dirty, task.changes) == ([], {})


def test_setting_back_in_flight_what_was_sent_is_a_change(server, session):
    task = session.get(Task, 1)
    task.name = "sent"
    server.hook = lambda seen: setattr(task, "name", "t1")
    session.commit()
    server.hook = lambda seen: None
    assert task.changes == {"name": ("sent", "t1")}
    session.commit()
    assert server.tables["tasks"].rows[1]["name"] == "t1"


def test_a_write_only_value_is_dropped_by_the_commit_that_sent_it(server, session):
    task = Task(name="x", secret="hunter2")
    session.add(task)
    assert "hunter2" not in f"{session.plan()} {session.plan().to_json()} {list(session.plan())}"
    report = session.commit()
    assert server.tables["tasks"].rows[task.id]["secret"] == "hunter2"
    assert "hunter2" not in f"{report} {report.to_json()} {report!r} {vars(Task)} {task._row}"
    assert "secret" not in inspect(task).loaded_fields
    assert task.changes == {}
    task.name = "y"
    task.commit()
    assert bodies(server)[1] == {"name": "y"}


def test_a_write_only_value_that_the_server_echoes_is_dropped_as_well(server, session):
    server.tables["tasks"].secret = ()
    task = Task(name="x", secret="hunter2")
    task.commit()
    assert "secret" not in inspect(task).loaded_fields
    assert task.changes == {}


def test_a_write_only_value_set_in_flight_stays(server, session):
    task = Task(name="x", secret="hunter2")
    session.add(task)
    server.hook = lambda seen: setattr(task, "secret", "changed")
    session.commit()
    server.hook = lambda seen: None
    assert list(task.changes) == ["secret"]
    session.commit()
    assert bodies(server)[1] == {"secret": "changed"}
    assert task.changes == {}


def test_a_failed_commit_keeps_a_write_only_value_and_shows_it_nowhere(server, session):
    session.add(Task(name="x", secret="hunter2"))
    server.fail("POST", "/tasks/", 400, {"secret": ["hunter2 is too simple."]})
    report = failing(session)
    assert "hunter2" not in f"{report} {report.to_json()} {report.failed}"
    session.commit()
    assert bodies(server)[1]["secret"] == "hunter2"


def test_without_keys_objects_are_created_once(server, session):
    event = Event(message="x")
    session.add(event)
    report = session.commit()
    assert report.created.objects == [event]
    assert session.commit().requests == 0
    assert writes(server) == ["POST /events/"]


def test_a_key_of_the_clients_own_is_sent(server, session):
    key = uuid.uuid4()
    book = Book(key=key, title="x")
    session.add(book)
    session.commit()
    assert bodies(server) == [{"key": str(key), "title": "x"}]
    assert session.get(Book, key) is book


def test_a_key_that_was_not_told_is_looked_for_when_something_waits_for_it(server, session):
    label = Label(name="car")
    mark = Mark(label=label)
    session.add(mark)
    session.commit()
    assert server.asked == ["POST /labels/", "GET /labels/?name=car", "POST /marks/"]
    assert server.tables["marks"].rows[1]["label"] == label.id == 1


def test_what_waits_for_a_key_that_is_not_found_is_skipped(server, session):
    label, mark, task = Label(name="car"), Mark(), Task(name="t")
    mark.label = label
    session.add_all([mark, task])
    server.fail("GET", "/labels/", 200, {"count": 0, "next": None, "results": []})
    report = failing(session, on_error="continue")
    assert report.created.objects == [label, task]
    assert [(entry.object, entry.waited_for) for entry in report.skipped] == [(mark, (label,))]
    assert isinstance(report.skipped[0].error, ObjectDoesNotExist)
    assert session.new == [mark]
    session.commit()
    assert server.tables["marks"].rows[1]["label"] == 1


# -- the report -----------------------------------------------------------------------------------


def test_a_report_has_every_object_with_its_request_and_answer(server, session):
    project, task, renamed, marked = pending_of_every_kind(session)
    report = session.commit()
    assert report.ok
    report.raise_for_failed()
    assert report.counts() == {"created": 2, "updated": 1, "deleted": 1}
    assert (project in report.created, task in report.created) == (True, True)
    assert (renamed in report.created, renamed in report.updated) == (False, True)
    assert report.deleted.objects == [marked]
    assert (report.requests, report.retries, report.errors) == (4, 0, [])
    assert report.seconds > 0
    (entry,) = report.updated
    assert entry.request.shown_body() == {"name": "renamed", "tags": ["day", "night"]}
    assert (entry.answer.status, entry.answer.json()["name"]) == (200, "renamed")
    assert str(report).startswith("2 created, 1 updated, 1 deleted; 4 requests, 0 sent again, ")


def test_a_report_for_tools_is_json(server, session):
    project = Project(name="p")
    session.add_all([Task(name="t", project=project, secret="hunter2"), Task(name="u")])
    server.fail("POST", "/projects/", 400, {"name": ["Taken."]})
    told = json.loads(json.dumps(failing(session, on_error="continue").to_json()))
    assert sorted(told) == [
        *("created", "errors", "failed", "requests", "retries", "seconds", "skipped")
    ]
    assert (told["requests"], told["retries"], told["errors"]) == (2, 0, [])
    assert [line["object"] for line in told["created"]] == ["<Task 4 name='u'>"]
    assert (told["created"][0]["status"], told["failed"][0]["status"]) == (201, 400)
    assert "Taken." in told["failed"][0]["error"]
    (skipped,) = told["skipped"]
    assert skipped["waited_for"] == ["<Project name='p'>"]
    assert skipped["operation"]["body"]["secret"] == "***"
    assert "hunter2" not in json.dumps(told)


def test_a_commit_of_nothing_is_a_report_of_nothing(server, session):
    session.get(Task, 1)
    report = session.commit()
    assert (report.ok, report.requests, report.counts()) == (True, 0, {})
    assert str(report).startswith("nothing to do; 0 requests")
    assert writes(server) == []


@contextmanager
def linked(url, *, retries=0, **options):
    """A session with a server on a socket, whose retries don't wait."""
    dialect = SmallDialect(trailing_slash=True, recommended_workers=1, **options)
    with Client(url, dialect=dialect, timeout=5, settle_after=0) as client:
        client.transport.policy = Policy(retries=retries, backoff=0)
        with session_of(client) as session:
            yield session


def test_what_was_sent_again_is_counted(faulty_server):
    throttled = faulty.say({"detail": "Slow down."}, 429)
    faulty_server.then(throttled, throttled, faulty.say({"id": 1, "name": "x"}, 201))
    with linked(faulty_server.url, retries=3) as session:
        session.add(Task(name="x"))
        report = session.commit()
    assert (report.requests, report.retries, len(faulty_server.seen)) == (3, 2, 3)
    assert "3 requests, 2 sent again" in str(report)


def test_what_was_sent_again_in_vain_is_counted(faulty_server):
    faulty_server.then(faulty.say({"detail": "Slow down."}, 429))
    with linked(faulty_server.url, retries=2) as session:
        session.add(Task(name="x"))
        report = failing(session)
        assert (report.requests, report.retries, len(faulty_server.seen)) == (3, 2, 3)
        assert report.failed.objects == session.new


def test_what_never_went_out_is_not_counted():
    with faulty.closed_port() as port, linked(f"http://127.0.0.1:{port}", retries=2) as session:
        task = Task(name="x")
        session.add(task)
        report = failing(session)
        assert (report.requests, report.retries) == (0, 0)
        assert (report.failed.objects, session.new, session.uncertain) == ([task], [task], [])


# -- when nobody knows ----------------------------------------------------------------------------

HTML = "<html><title>Bad Gateway</title></html>"
#: What may meet a write, after which nobody here knows what the server did.
UNKNOWN = {
    "reset": faulty.reset(),
    "closed": faulty.hang_up(),
    "cut": faulty.cut(b'{"id": 1', 100),
    "500": faulty.say({"detail": "Oops."}, 500),
    "502 with HTML": faulty.answer(HTML, 502, "text/html"),
    "503": faulty.answer(b"", 503),
    "a success that is HTML": faulty.answer(HTML, 201, "text/html"),
    "a success that is no object": faulty.say([1], 201),
    "a success that is null": faulty.say(None, 201),
    "a success that is cut JSON": faulty.answer('{"id": 1', 201),
    "a redirect": faulty.redirect("/elsewhere", 303),
}
#: What is no answer to a create: nothing tells where the new object is.
NO_KEY = {
    "no key": faulty.say({"name": "x"}, 201),
    "no body": faulty.answer(b"", 201),
    "no content": faulty.answer(status=204),
    "a key that can be none": faulty.say({"id": {"a": 1}, "name": "x"}, 201),
    "a key of another type": faulty.say({"id": "seven", "name": "x"}, 201),
    "a key that is null": faulty.say({"id": None}, 201),
}


@pytest.mark.parametrize("name", UNKNOWN | NO_KEY)
def test_a_create_of_unknown_fate_is_reported_and_never_sent_again(faulty_server, name):
    faulty_server.then((UNKNOWN | NO_KEY)[name], faulty.say({"id": 9, "name": "y"}, 201))
    with linked(faulty_server.url, retries=3) as session:
        task = Task(name="x")
        session.add(task)
        report = failing(session, on_error="continue")
        assert (report.uncertain.objects, report.counts()) == ([task], {"uncertain": 1})
        error = report.uncertain[0].error
        assert isinstance(error, TransportError | ContractError)
        assert (session.uncertain, session.new) == ([task], [task])
        assert (task.name, inspect(task).lifecycle) == ("x", "pending")
        for verb in (session.commit, task.commit):
            with pytest.raises(CommitError) as again:
                verb()
            assert again.value.report.uncertain.objects == [task]
            assert again.value.report.uncertain[0].error is error
            assert again.value.report.requests == 0
        assert len(session.plan()) == 0
        other = Task(name="y")
        session.add(other)
        assert failing(session).created.objects == [other]
        assert len(faulty_server.seen) == 2
        for verb in (task.refresh, task.delete):
            with pytest.raises(SessionError):
                verb()
        session.expunge(task)
        assert session.commit().ok
        assert len(faulty_server.seen) == 2


# What stands in the body of an answer to a deletion says nothing.
WRITES = [
    pytest.param(kind, act, id=f"{kind}, {name}")
    for kind in ("update", "delete")
    for name, act in UNKNOWN.items()
    if kind == "update" or not name.startswith("a success")
]


@pytest.mark.parametrize(("kind", "act"), WRITES)
def test_a_write_of_unknown_fate_is_looked_up_and_here_it_was_not_done(faulty_server, kind, act):
    known = faulty.say({"id": 1, "name": "t", "project_id": None, "note": None})
    faulty_server.then(known, act, known)
    with linked(faulty_server.url, retries=0) as session:
        task = session.get(Task, 1)
        if kind == "update":
            task.name = "x"
        else:
            session.delete(task)
        report = failing(session)
        assert (report.failed.objects, session.uncertain) == ([task], [])
        assert [seen.method for seen in faulty_server.seen][2:] == ["GET"]
        assert (task in session.dirty, task in session.deleted) == (
            kind == "update",
            kind != "update",
        )


@pytest.mark.parametrize(("kind", "act"), WRITES)
def test_a_write_that_can_not_be_looked_up_is_settled_by_a_refresh(faulty_server, kind, act):
    known = faulty.say({"id": 1, "name": "t", "project_id": None, "note": None})
    faulty_server.then(known, act, UNKNOWN["500"])
    with linked(faulty_server.url, retries=0) as session:
        task = session.get(Task, 1)
        if kind == "update":
            task.name = "x"
        else:
            session.delete(task)
        report = failing(session)
        assert (report.uncertain.objects, session.uncertain) == ([task], [task])
        assert failing(session).uncertain.objects == [task]
        methods = [seen.method for seen in faulty_server.seen]
        assert methods == ["GET", "PATCH" if kind == "update" else "DELETE", "GET", "GET"]
        faulty_server.then(known)
        task.refresh()
        assert session.uncertain == []
        assert (task.name, task.changes) == ("t", {})
        assert session.deleted == ([task] if kind == "delete" else [])


def test_an_update_that_is_answered_with_another_object_is_of_unknown_fate(faulty_server):
    one, other = faulty.say({"id": 1, "name": "t"}), faulty.say({"id": 2, "name": "x"})
    faulty_server.then(one, other, faulty.say({"id": 1, "name": "y"}))
    with linked(faulty_server.url) as session:
        task = session.get(Task, 1)
        task.name = "x"
        report = failing(session)
        assert isinstance(report.uncertain[0].error, ContractError)
        assert (task.id, task.changes) == (1, {"name": ("t", "x")})


class Batch(SmallDialect):
    """All new tasks travel in one request; the answer is a list of rows."""

    def operations(self, changes):
        drafts = list(super().operations(changes))
        request = drafts[0].request._replace(
            body=Json([draft.request.body.value for draft in drafts])
        )
        return [
            drafts[0]._replace(
                changes=tuple(changes),
                request=request,
                read=lambda response: response.json(),
            )
        ]


@pytest.mark.parametrize(
    "rows", [[{"id": 7}, {"name": "b"}], [{"id": 7}], [{"id": 7}, 8], {"id": 7}, [], None]
)
def test_an_answer_that_is_half_sound_settles_nothing(server, rows):
    with session_of(server.client(dialect=Batch(trailing_slash=True))) as session:
        tasks = [Task(name="a"), Task(name="b")]
        session.add_all(tasks)
        server.fail("POST", "/tasks/", 200, rows)
        report = failing(session)
        assert report.uncertain.objects == session.uncertain == session.new == tasks
        assert [task.id for task in tasks] == [None, None]
        assert (len(session), report.requests) == (2, 1)


def test_several_objects_of_one_request_are_settled_together(server):
    with session_of(server.client(dialect=Batch(trailing_slash=True))) as session:
        tasks = [Task(name="a"), Task(name="b")]
        session.add_all(tasks)
        server.fail("POST", "/tasks/", 200, [{"id": 7}, {"id": 8, "note": "hers"}])
        report = session.commit()
        assert (report.created.objects, report.requests) == (tasks, 1)
        assert [(task.id, task.note) for task in tasks] == [(7, None), (8, "hers")]


def test_what_depends_on_an_unknown_fate_is_skipped_now_and_later(server, session):
    project = Project(name="p")
    child, other = Task(name="child", project=project), Task(name="other")
    session.add_all([child, other])
    server.fail("POST", "/projects/", 502, HTML, done=True)
    report = failing(session, on_error="continue")
    assert (report.uncertain.objects, report.created.objects) == ([project], [other])
    server.seen.clear()
    for _ in range(2):
        report = failing(session)
        assert report.uncertain.objects == [project]
        assert [(entry.object, entry.waited_for) for entry in report.skipped] == [
            (child, (project,))
        ]
    with pytest.raises(CommitError):
        child.commit()
    assert writes(server) == []
    (operation,) = session.plan()
    assert operation.held_by == (project,)
    table = str(session.plan()).splitlines()
    assert table[2].endswith("<Project name='p'>")
    assert table[3].startswith("not sent: <Project name='p'>: POST http://small.test/api/projects/")
    (told,) = session.plan().to_json()["left_out"]
    assert (told["object"], told["kind"]) == ("<Project name='p'>", "create")
    assert "502" in told["error"]
    child.project = None
    assert failing(session).created.objects == [child]
    assert len(server.tables["projects"].rows) == 3


def test_a_parent_is_not_deleted_while_the_fate_of_a_childs_deletion_is_unknown(server, session):
    task, project = session.get(Task, 3), session.get(Project, 2)
    session.delete(task)
    session.delete(project)
    server.fail("DELETE", "/tasks/3/", 500, HTML)
    server.fail("GET", "/tasks/3/", 500, HTML, times=2)
    report = failing(session, on_error="continue")
    assert (report.uncertain.objects, report.skipped.objects) == ([task], [project])
    report = failing(session, on_error="continue")
    assert (report.uncertain.objects, report.skipped.objects) == ([task], [project])
    assert writes(server) == ["DELETE /tasks/3/"]
    task.refresh()
    assert session.commit().deleted.objects == [task, project]


def test_a_refresh_that_finds_nothing_settles_a_deletion(server, session):
    task = session.get(Task, 1)
    session.delete(task)
    server.fail("DELETE", "/tasks/1/", 502, HTML, done=True)
    server.fail("GET", "/tasks/1/", 500, HTML)
    failing(session)
    with pytest.raises(Task.DoesNotExist):
        task.refresh()
    assert (session.deleted, session.uncertain, inspect(task).lifecycle) == ([], [], "detached")
    assert session.commit().requests == 0


def test_a_refresh_that_fails_settles_nothing(server, session):
    task = session.get(Task, 1)
    task.name = "x"
    server.fail("PATCH", "/tasks/1/", 502, HTML)
    server.fail("GET", "/tasks/1/", 500, HTML, times=3)
    failing(session)
    with pytest.raises(ServerError):
        task.refresh()
    assert (session.uncertain, task.changes) == ([task], {"name": ("t1", "x")})
    assert failing(session).requests == 0


def test_what_was_reverted_since_is_no_longer_in_the_way(server, session):
    task = session.get(Task, 1)
    task.name = "x"
    server.fail("PATCH", "/tasks/1/", 502, HTML)
    failing(session)
    task.revert()
    assert session.commit().counts() == {}


# A repeat of our own meets what the first attempt has done.


def repeated(faulty_server, kind, *acts):
    """The report on one write that may be repeated, by a client that repeats it."""
    faulty_server.then(faulty.say({"id": 1, "name": "t"}), *acts)
    with linked(faulty_server.url, retries=2, idempotent={kind}) as session:
        task = session.get(Task, 1)
        task.name = "x"
        if kind == "delete":
            session.delete(task)
        try:
            return session.commit()
        except CommitError as error:
            return error.report


GONE = faulty.say({"detail": "Not found."}, 404)


def test_a_repeated_deletion_that_finds_nothing_has_deleted_it(faulty_server):
    report = repeated(faulty_server, "delete", faulty.reset(), GONE)
    assert (len(report.deleted), report.requests, report.retries) == (1, 2, 1)


def test_a_deletion_that_was_only_throttled_before_finds_it_gone(faulty_server):
    report = repeated(faulty_server, "delete", faulty.say({}, 429), GONE)
    assert isinstance(report.failed[0].error, NotFound)
    assert (report.requests, report.retries) == (2, 1)


@pytest.mark.parametrize("status", [404, 409, 412])
def test_a_repeated_update_that_is_refused_may_have_been_done(faulty_server, status):
    oops = faulty.say({}, 500)
    report = repeated(faulty_server, "update", faulty.say({}, 503), faulty.say({}, status), oops)
    assert len(report.uncertain) == 1
    assert report.uncertain[0].error.status == status


def test_a_repeated_update_that_goes_through_is_done(faulty_server):
    report = repeated(faulty_server, "update", faulty.hang_up(), faulty.say({"id": 1, "name": "x"}))
    assert (len(report.updated), report.requests, report.retries) == (1, 2, 1)


def test_a_write_whose_repeat_does_not_go_out_is_of_unknown_fate(faulty_server):
    def last(to):
        threading.Thread(target=faulty_server.close).start()
        to.over.wait(20)
        return False

    report = repeated(faulty_server, "delete", last)
    assert len(report.uncertain) == 1
    assert report.uncertain[0].error.sent


# -- progress -------------------------------------------------------------------------------------


def test_a_callable_is_told_how_far_it_is(server, session):
    told = []
    session.add_all(Task(name=f"t{n}") for n in range(3))
    session.commit(progress=lambda done, of: told.append((done, of)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_what_is_skipped_is_through_and_what_is_pending_is_not(server, session):
    def tell(done, of):
        told.append((done, of))

    project = Project(name="p")
    session.add_all([Task(name="child", project=project), Task(name="other")])
    for on_error, expected in (("continue", [1, 2, 3]), ("stop", [1, 2])):
        server.fail("POST", "/projects/", 400, {})
        told = []
        failing(session, on_error=on_error, progress=tell)
        assert [done for done, _ in told] == expected


def test_progress_true_draws_a_bar(server, session, capsys):
    session.add_all([Task(name="a"), Task(name="b")])
    session.commit(progress=True)
    assert "2/2" in capsys.readouterr().err


def test_a_bar_that_is_not_installed_is_told_before_anything_is_sent(server, session, monkeypatch):
    monkeypatch.setitem(sys.modules, "rich", None)
    task = Task(name="x")
    session.add(task)
    with pytest.raises(ImportError, match=r"pip install .objmapper\[progress\]"):
        session.commit(progress=True)
    assert (writes(server), session.new) == ([], [task])
    assert session.commit().created.objects == [task]


def test_a_progress_callback_that_fails_is_reported_and_not_called_again(server, session):
    def tell(done, of):
        raise RuntimeError(f"at {done}")

    session.add_all(Task(name=f"t{n}") for n in range(3))
    report = session.commit(progress=tell)
    assert len(report.created) == 3
    assert [str(error) for error in report.errors] == ["at 1"]


# -- what it costs --------------------------------------------------------------------------------


ROOMS = (
    "committing",
    "unitofwork",
    "ordering",
    "sending",
    "answering",
    "report",
    "members",
    "session",
)
ROOMS += ("loading", "state", "wire", "operation", "identity", "signals", "models", "mapper")


def is_measured(path):
    """Whether a file is one of the rooms that write."""
    return "/objmapper/" in path and path.rpartition("/")[2].removesuffix(".py") in ROOMS


def creations(session, count):
    project = Project(name="p", tasks=[Task(name=f"t{n}") for n in range(count)])
    session.add(project)


def chains(session, count):
    for _ in range(count // 10):
        node = Node(name="0")
        for number in range(9):
            node = Node(name=str(number), parent=node)
        session.add(node)


def circles(session, count):
    for _ in range(count // 2):
        one, two = Node(name="1"), Node(name="2")
        one.next, two.next = two, one
        session.add(one)


def ring(session, count):
    nodes = [Node(name=str(n)) for n in range(count)]
    for node, following in zip(nodes, [*nodes[1:], nodes[0]], strict=True):
        node.next, following.parent = following, node
    session.add_all(nodes)


def updates(session, count):
    for node in Node.objects.all():
        node.name = "renamed"


def deletions(session, count):
    for node in Node.objects.all():
        session.delete(node)


def failures(session, count):
    project = Project(name="p")
    session.add_all(Task(name=f"t{n}", project=project) for n in range(count))


@pytest.mark.parametrize(
    ("what", "many"),
    [
        *((creations, 500), (updates, 500)),
        *((chains, 300), (circles, 300), (ring, 300), (deletions, 300), (failures, 300)),
    ],
)
def test_an_operations_share_of_the_bookkeeping_does_not_grow(server, lines_of, what, many):
    shares = []
    server.page_size = 5000
    for count in (100, many):
        rows = [
            {"id": n, "name": "n", "parent": n - 1 if n % 10 else None, "next": None}
            for n in range(1, count + 1)
        ]
        server.table("nodes", rows if what in (updates, deletions) else ())
        with session_of(server.client(recommended_workers=1)) as session:
            what(session, count)
            if what is failures:
                server.fail("POST", "/projects/", 400, {})
                lines = lines_of(lambda: failing(session, on_error="continue"), is_measured)
            else:
                lines = lines_of(session.commit, is_measured)
            shares.append(lines / count)
    small, large = shares
    assert large < small * 1.05
