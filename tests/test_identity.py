"""One object for each server object and session: keys, kinds, life and death, copies."""

import copy
import gc
import pickle
import sys
import uuid
import weakref

import pytest

from objmapper import (
    DetachedError,
    Embedded,
    Model,
    QueryError,
    Registry,
    Session,
    SessionError,
    fields,
    inspect,
)
from objmapper.dialects.base import Draft
from objmapper.identity import Window
from objmapper.models import IdentityKey
from objmapper.operation import Json, Kind, Request
from objmapper.wire import body as body_of

registry = Registry("identity")
SmallDialect = sys.modules["smallserver"].SmallDialect


class Base(Model):
    class Meta:
        abstract = True
        registry = registry


class Login(Embedded):
    user = fields.String()
    password = fields.String(write_only=True)


class Project(Base):
    id = fields.Integer(primary_key=True)
    name = fields.String(required=True)
    labels: fields.HasMany["Label"] = fields.HasMany(by="project")
    tasks: fields.HasMany["Task"] = fields.HasMany(by="project")


class Label(Base):
    id = fields.Integer(primary_key=True)
    name = fields.String(required=True)
    color = fields.String(null=True)
    project = fields.ForeignKey(Project, data_key="project_id")

    class Meta:
        natural_key = ("project", "name")


class Task(Base):
    id = fields.Integer(primary_key=True)
    name = fields.String(required=True)
    note = fields.String(null=True)
    project = fields.ForeignKey(Project, data_key="project_id", null=True)
    tags = fields.List(fields.String())
    metadata = fields.Dict()
    login = fields.Nested(Login, null=True)
    secret = fields.String(write_only=True)
    secrets = fields.Dict(write_only=True)


class Book(Base):
    key = fields.UUID(primary_key=True, generated="client")
    title = fields.String()


class Folder(Base):
    path = fields.String(primary_key=True)
    size = fields.Integer(null=True)
    parent = fields.ForeignKey("Folder", null=True)


class Run(Base):
    id = fields.Integer(primary_key=True)


class Artifact(Base):
    id = fields.Integer(primary_key=True)
    run = fields.ForeignKey(Run)
    name = fields.String()

    class Meta:
        endpoint = "runs/{run}/artifacts"


class Alert(Base):
    id = fields.Integer(primary_key=True)
    source = fields.String()

    class Meta:
        polymorphic_on = "source"


class MetricAlert(Alert):
    metric = fields.String()

    class Meta:
        polymorphic_identity = "metric"


class UserAlert(Alert):
    text = fields.String()

    class Meta:
        polymorphic_identity = "user"


class Watch(Base):
    id = fields.Integer(primary_key=True)
    alert = fields.ForeignKey(Alert)


class Settings(Base):
    theme = fields.String()

    class Meta:
        singleton = True
        endpoint = "settings"


class Event(Base):
    message = fields.String()

    class Meta:
        keyless = True


@pytest.fixture
def server(small):
    small.table("projects", [{"id": 1, "name": "p"}, {"id": 2, "name": "q"}])
    rows = [
        {"id": n, "name": f"t{n}", "note": None, "project_id": 1, "tags": ["day"], "metadata": {}}
        for n in range(1, 6)
    ]
    small.table("tasks", rows, foreign={"project_id": "projects"}, secret=("secret", "secrets"))
    small.table("labels", [{"id": 7, "name": "old", "color": None, "project_id": 1}])
    return small


@pytest.fixture
def session(server):
    with Session(server.client()) as session:
        yield session
        session.rollback()


def sent(session: Session) -> int:
    return session.client.transport.requests_sent


# -- one object ---------------------------------------------------------------------------------


def test_a_key_names_one_object_however_it_is_read(session):
    task = Task.objects.get(id=1)
    assert Task.objects.get(id=1) is task
    assert Task.objects.get(name="t1") is task
    assert next(iter(Task.objects.filter(id=1))) is task
    assert next(Task.objects.filter(id=1).iterator()) is task
    assert Task.objects.in_bulk([1])[1] is task
    assert session.get(Task, 1) is task
    assert Task.objects.reference(1) is task
    assert next(iter(Project.objects.get(id=1).tasks.filter(id=1))) is task


def test_the_identity_map_answers_get_without_a_request(session):
    task = Task.objects.get(id=1)
    before = sent(session)
    assert session.get(Task, 1) is task
    assert sent(session) == before


def test_get_returns_none_for_what_the_server_has_not(session):
    assert session.get(Task, 99) is None


def test_get_asks_for_an_object_of_which_only_the_key_is_known(session):
    """A reference is a promise of the user; ``get`` says whether the server has it."""
    Task.objects.reference(99)
    assert session.get(Task, 99) is None
    task = Task.objects.reference(2)
    assert session.get(Task, 2) is task
    assert task.name == "t2"


@pytest.mark.parametrize("key", [42, "42"])
def test_text_and_number_are_one_key(session, server, key):
    server.tables["tasks"].rows[42] = {"id": 42, "name": "x"}
    task = session.get(Task, 42)
    assert task is not None
    assert session.get(Task, key) is task
    assert Task.objects.get(id=key) is task
    assert Task.objects.reference(key) is task
    assert Task.objects.in_bulk([key]) == {42: task}
    assert inspect(task).identity == IdentityKey(Task, 42)


def test_a_key_that_comes_as_text_is_the_number_that_the_field_declares(session, server):
    server.tables["tasks"].rows["42"] = {"id": "42", "name": "x", "project_id": "1"}
    task = Task.objects.get(id=42)
    assert task.id == 42
    assert task.project is Project.objects.get(id=1)
    assert inspect(task).identity == IdentityKey(Task, 42)


def test_a_key_that_comes_as_a_number_is_the_text_that_the_field_declares(session, server):
    server.table("folders", [{"path": 7, "size": 1}], key="path")
    folder = session.get(Folder, 7)
    assert folder is session.get(Folder, "7")
    assert folder.path == "7"


def test_a_uuid_is_one_key_in_every_spelling(session, server):
    key = uuid.UUID("12345678-1234-5678-1234-567812345678")
    server.table("books", [{"key": str(key), "title": "x"}], key="key")
    book = session.get(Book, key)
    assert book is session.get(Book, str(key).upper())
    assert book is session.get(Book, key.hex)
    assert book is Book.objects.get(key=str(key))
    assert book.key == key


def test_true_is_no_key(session):
    Task.objects.get(id=1)
    with pytest.raises(QueryError, match="True"):
        session.get(Task, True)


def test_what_is_no_key_is_refused_before_anything_is_sent(session):
    with pytest.raises(QueryError, match="no key"):
        session.get(Task, "forty-two")
    with pytest.raises(QueryError, match="no key"):
        Task.objects.reference(1.5)
    assert sent(session) == 0


def test_two_models_may_use_the_same_key(session):
    task, project = session.get(Task, 1), session.get(Project, 1)
    assert type(task) is Task
    assert type(project) is Project
    assert inspect(task).identity != inspect(project).identity


def test_each_session_has_an_object_of_its_own(server, session):
    mine = Task.objects.get(id=1)
    with Session(server.client()) as other:
        theirs = Task.objects.get(id=1)
        assert theirs is not mine
        assert theirs != mine
        assert inspect(theirs).session is other
        assert inspect(mine).session is session


def test_the_path_of_a_nested_endpoint_is_part_of_the_identity(session, server):
    rows = {1: {"id": 7, "run": 1, "name": "a"}, 2: {"id": 7, "run": 2, "name": "b"}}
    server.table("runs/{run}/artifacts").rows.update(rows)
    (one,) = Artifact.objects.filter(run=1)
    (other,) = Artifact.objects.filter(run=2)
    assert one is not other
    assert (one.name, other.name) == ("a", "b")
    assert inspect(one).identity == IdentityKey(Artifact, (1, 7))
    assert next(iter(Artifact.objects.filter(run="1"))) is one
    assert Artifact.objects.filter(run=2).reference(7) is other


def test_a_row_below_a_parent_that_does_not_name_it_is_of_the_one_that_was_asked(session, server):
    server.table("runs/{run}/artifacts", [{"id": 7, "run": 1, "name": "a"}], thin=("id", "name"))
    (one,) = Artifact.objects.filter(run="1")
    assert one.run.id == 1
    assert inspect(one).identity == IdentityKey(Artifact, (1, 7))


def test_a_relation_to_what_lives_below_a_parent_is_known_where_the_row_names_the_parent(
    session, server
):
    class Pin(Base):
        id = fields.Integer(primary_key=True)
        artifact = fields.ForeignKey(Artifact)

        class Meta:
            endpoint = "pins"

    server.table("runs/{run}/artifacts", [{"id": 7, "run": 1, "name": "a"}])
    server.table("pins", [{"id": 1, "artifact": {"id": 7, "run": 1}}, {"id": 2, "artifact": 7}])
    (artifact,) = Artifact.objects.filter(run=1)
    named, bare = Pin.objects.all()
    assert named.artifact is artifact
    # The key alone is ambiguous: it may be another run's.
    assert bare.artifact is not artifact
    assert bare.artifact is bare.artifact
    assert bare.artifact.id == 7
    with pytest.raises(QueryError, match="run"):
        _ = bare.artifact.name


def test_a_reference_below_a_parent_says_which(session):
    with pytest.raises(QueryError, match="run"):
        Artifact.objects.reference(7)


def test_a_singleton_is_one_object_without_a_key(session, server):
    server.table("settings", [{"theme": "dark"}], key="", singleton=True)
    settings = Settings.objects.get()
    assert Settings.objects.get() is settings
    assert session.get(Settings, None) is settings
    settings.theme = "light"
    settings.commit()
    assert str(server.seen[-1]) == "PATCH /settings/"
    assert Settings.objects.get() is settings


def test_keyless_objects_have_no_identity(session, server):
    server.table("events", [{"message": "m"}], key="message")
    (one,), (again,) = Event.objects.all(), Event.objects.all()
    assert one is not again
    assert inspect(one).identity is None


# -- polymorphic kinds --------------------------------------------------------------------------


@pytest.fixture
def alerts(server):
    server.table(
        "alerts",
        [
            {"id": 1, "source": "metric", "metric": "loss"},
            {"id": 2, "source": "user", "text": "x"},
            {"id": 3, "source": "unheard of"},
        ],
    )
    server.table("watches", [{"id": n, "alert": n} for n in (1, 2)])
    return server


def test_polymorphic_kinds_share_the_key_space_of_their_root(session, alerts):
    metric, user, unknown = Alert.objects.all()
    assert (type(metric), type(user), type(unknown)) == (MetricAlert, UserAlert, Alert)
    assert session.get(Alert, 1) is metric
    assert session.get(MetricAlert, 1) is metric
    assert inspect(metric).identity == IdentityKey(Alert, 1)
    assert inspect(user).identity == IdentityKey(Alert, 2)


def test_an_object_that_is_known_as_one_kind_never_becomes_its_sibling(session, alerts):
    metric = Alert.objects.get(id=1)
    alerts.tables["alerts"].rows[1]["source"] = "user"
    assert Alert.objects.get(id=1) is metric
    assert type(metric) is MetricAlert
    assert metric.source == "user"


def test_a_kind_does_not_have_the_objects_of_another_one(session, alerts):
    held = list(Alert.objects.all())
    before = sent(session)
    assert session.get(UserAlert, 1) is None
    assert sent(session) == before
    assert len(held) == 3


def test_a_relation_to_the_root_becomes_its_kind_when_it_is_loaded(session, alerts):
    watch = Watch.objects.get(id=1)
    alert = watch.alert
    assert alert.id == 1
    assert alert.source == "metric"
    assert type(alert) is MetricAlert
    assert alert.metric == "loss"
    assert Alert.objects.get(id=1) is alert


def test_a_reference_to_the_root_becomes_its_kind_when_it_is_read(session, alerts):
    alert = Alert.objects.reference(2)
    assert session.get(Alert, 2) is alert
    assert type(alert) is UserAlert
    assert alert.text == "x"


# -- equality and hash --------------------------------------------------------------------------


def test_equality_and_hash_are_identity(session):
    one, other = Task(name="x"), Task(name="x")
    assert one != other
    assert len({one, other, one}) == 2
    held = {one: "kept"}
    session.add(one)
    session.commit()
    one.name = "y"
    assert held[one] == "kept"


def test_to_look_at_an_object_sends_nothing(session, server):
    tasks = list(Task.objects.only("id"))
    project = Task.objects.reference(4)
    before = sent(session)
    for obj in (*tasks, project, Task(name="new"), session, Task.objects.filter(id=1)):
        assert repr(obj)
        hash(obj)
        assert obj == obj
        assert obj != object()
    assert len(session) == 5
    assert tasks[0] in session
    assert [inspect(task).lifecycle for task in tasks] == ["persistent"] * 5
    assert inspect(tasks[0]).loaded_fields == {"id"}
    assert inspect(tasks[0]).changes == {}
    assert tasks[0].to_dict() == {"id": 1}
    assert sent(session) == before


# -- life and death -----------------------------------------------------------------------------


@pytest.fixture
def no_gc():
    """Only reference counts free anything."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def filled(server, count: int) -> None:
    server.tables["tasks"].rows.update(
        (
            n,
            {
                "id": n,
                "name": f"t{n}",
                "note": None,
                "project_id": 1,
                "tags": ["day"],
                "metadata": {"a": {}},
            },
        )
        for n in range(1, count + 1)
    )


def test_the_objects_read_last_are_kept(server):
    filled(server, 30)
    with Session(server.client(page_size=10), keep=20) as session:
        for _ in Task.objects.order_by("id").iterator():
            pass
        assert [task.id for task in session] == list(range(11, 31))


def test_of_a_page_larger_than_the_window_its_end_is_kept(server):
    filled(server, 30)
    with Session(server.client(), keep=7) as session:
        list(Task.objects.order_by("id"))
        assert [task.id for task in session] == list(range(24, 31))


def test_objects_die_by_reference_counts_alone_when_the_window_lets_go(server, no_gc):
    filled(server, 30)
    with Session(server.client(page_size=10), keep=11) as session:
        refs = []
        for task in Task.objects.order_by("id").iterator(prefetch_pages=0):
            assert task.tags == ["day"]
            assert task.project.name == "p"
            task.note = "x"
            task.note = None
            refs.append(weakref.ref(task))
        del task
        alive = [number for number, ref in enumerate(refs, 1) if ref() is not None]
        assert alive == list(range(20, 31))
        assert len([obj for obj in session if isinstance(obj, Task)]) == 11


def test_objects_that_refer_to_others_of_their_page_die_by_reference_counts_alone(server, no_gc):
    rows = [{"path": str(n), "size": n, "parent": str(n // 2) if n else None} for n in range(8)]
    server.table("folders", rows, key="path")
    with Session(server.client(), keep=0) as session:
        folders = list(Folder.objects.all())
        assert [folder.parent.path for folder in folders[1:]] == list("0112233")
        assert folders[7].parent.parent is folders[1]
        refs = [weakref.ref(folder) for folder in folders]
        leaf = folders[7]
        del folders
        assert [n for n, ref in enumerate(refs) if ref() is not None] == [0, 1, 3, 7]
        del leaf
        assert len(session) == 0


def test_what_a_relation_leads_to_lives_as_long_as_what_refers_to_it(server, no_gc):
    with Session(server.client(), keep=0) as session:
        task = Task.objects.get(id=1)
        assert task.project.name == "p"
        list(Task.objects.filter(id=2))
        before = sent(session)
        assert task.project.name == "p"
        assert sent(session) == before
        ref = weakref.ref(task.project)
        del task
        assert ref() is None


def test_without_a_window_the_program_alone_holds_objects(server, no_gc):
    with Session(server.client(), keep=0) as session:
        task = Task.objects.get(id=1)
        assert task.tags == ["day"]
        assert session.get(Task, 1) is task
        ref = weakref.ref(task)
        del task
        Task.objects.get(id=2)
        assert ref() is None
        assert len(session) == 0


def test_an_object_that_was_let_go_is_loaded_anew(server):
    with Session(server.client(), keep=0) as session:
        ref = weakref.ref(Task.objects.get(id=1))
        assert ref() is None
        before = sent(session)
        assert session.get(Task, 1).name == "t1"
        assert sent(session) == before + 1


def change_in_place(task: Task) -> None:
    task.tags.append("night")


def change_deep_in_place(task: Task) -> None:
    task.metadata["a"]["b"] = 1


def change_by_setting(task: Task) -> None:
    task.name = "mine"


@pytest.mark.parametrize("change", [change_in_place, change_deep_in_place, change_by_setting])
def test_an_object_with_an_unsaved_change_survives(server, change, no_gc):
    filled(server, 20)
    with Session(server.client(page_size=5), keep=5) as session:
        change(Task.objects.get(id=3))
        for task in Task.objects.iterator(prefetch_pages=0):
            assert task.tags
        (dirty,) = session.dirty
        assert dirty.id == 3
        session.rollback()


@pytest.mark.parametrize("held", ["list", "inner dict", "object", "object, read again"])
def test_a_change_after_the_window_let_go_is_found(server, held, no_gc):
    """Whoever holds an object or a part of its values may change it at any time."""
    filled(server, 20)
    with Session(server.client(page_size=5), keep=5) as session:
        task = Task.objects.get(id=3)
        tags, inner = task.tags, task.metadata["a"]
        if held == "list":
            del task, inner
        elif held == "inner dict":
            del task, tags
        else:
            del tags, inner
        for other in Task.objects.filter(id__gt=3).iterator(prefetch_pages=0):
            assert other.tags
        if held == "list":
            tags.append("night")
        elif held == "inner dict":
            inner["b"] = 1
        elif held == "object":
            task.tags.append("night")
            del task
        else:
            assert task.tags == ["day"]
            task.tags.append("night")
            del task
        list(Task.objects.filter(id__gt=10))
        list(Task.objects.filter(id__gt=10))
        (dirty,) = session.dirty
        assert dirty.id == 3
        session.rollback()


def test_memory_is_flat_over_a_long_iterator(server, no_gc):
    filled(server, 3000)
    client = server.client(page_size=100)
    with Session(client, keep=100) as session:
        most = 0
        for number, task in enumerate(Task.objects.iterator(prefetch_pages=0)):
            assert task.tags
            assert task.metadata
            if number % 100 == 99:
                most = max(most, len(session))
        # The window, the page that is read, and their one project.
        assert most <= 201
        assert len(session.dirty) == 0


@pytest.mark.parametrize("keep", [0, 10])
def test_memory_is_flat_where_a_page_is_larger_than_the_window(server, keep, no_gc):
    filled(server, 1000)
    with Session(server.client(page_size=100), keep=keep) as session:
        for task in Task.objects.iterator(prefetch_pages=0):
            assert task.tags
        del task
        list(Task.objects.filter(id=1))
        assert len(session) <= keep + 1


def test_a_session_dies_by_reference_counts_alone(server, no_gc):
    session = Session(server.client())
    tasks = list(Task.objects.using(session).all())
    assert tasks[0].project.name == "p"
    assert tasks[0].tags == ["day"]
    tasks[1].name = "changed"
    session.add(Task(name="new"))
    ref = weakref.ref(session)
    del session
    assert ref() is None
    assert inspect(tasks[0]).session is None
    assert inspect(tasks[0]).lifecycle == "detached"
    with pytest.raises(DetachedError, match=r" can't be had: its session is closed\. Add it "):
        tasks[0].refresh()


def test_a_session_dies_after_its_with_statement(server, no_gc):
    with Session(server.client()) as session:
        tasks = list(Task.objects.prefetch_related("project"))
    ref = weakref.ref(session)
    del session
    assert ref() is None
    assert tasks[0].name == "t1"


# -- lifecycle ----------------------------------------------------------------------------------


def test_a_new_object_is_transient_pending_persistent_detached(session, server):
    task = Task(name="x")
    assert inspect(task).lifecycle == "transient"
    assert inspect(task).identity is None
    session.add(task)
    assert inspect(task).lifecycle == "pending"
    session.commit()
    assert inspect(task).lifecycle == "persistent"
    assert inspect(task).identity == IdentityKey(Task, 6)
    assert session.get(Task, 6) is task
    task.delete()
    assert inspect(task).lifecycle == "detached"


def test_an_object_marked_for_deletion_stays_known(session):
    task = Task.objects.get(id=1)
    session.delete(task)
    assert inspect(task).lifecycle == "deleted"
    assert Task.objects.get(id=1) is task
    assert next(iter(Task.objects.filter(id=1))) is task
    assert session.get(Task, 1) is task
    assert task in session
    assert inspect(task).lifecycle == "deleted"


def test_a_refresh_does_not_take_a_mark_of_deletion_back(session):
    task = Task.objects.get(id=1)
    session.delete(task)
    task.refresh()
    assert inspect(task).lifecycle == "deleted"
    assert session.deleted == [task]


def test_a_deleted_object_is_detached_and_keeps_its_values(session, server):
    task = Task.objects.get(id=1)
    task.name = "renamed"
    assert task.tags == ["day"]
    session.delete(task)
    session.commit()
    assert 1 not in server.tables["tasks"].rows
    assert inspect(task).lifecycle == "detached"
    assert inspect(task).session is None
    assert task not in session
    assert (task.id, task.name, task.tags) == (1, "renamed", ["day"])
    assert session.get(Task, 1) is None


def test_a_relation_to_a_deleted_object_keeps_its_key_only(session):
    """The identity map decides what a relation leads to, not what it led to before."""
    task = Task.objects.get(id=1)
    project = task.project
    assert project.name == "p"
    session.expunge(project)
    again = Project.objects.get(id=1)
    assert again is not project
    assert task.project is again


def test_after_a_rollback_new_objects_are_transient_again(session):
    project = Project(name="p", labels=[Label(name="car")])
    task = Task(name="x", project=project)
    session.add(task)
    session.add(project)
    session.rollback()
    assert inspect(task).lifecycle == "transient"
    assert inspect(project).lifecycle == "transient"
    assert inspect(task).session is None
    assert session.new == []
    assert task.name == "x"
    assert task.project is project
    session.add(task)
    report = session.commit()
    assert {entry.object for entry in report.created} >= {task, project}


def test_a_created_object_takes_the_place_of_a_reference_to_it(server):
    key = uuid.UUID("12345678-1234-5678-1234-567812345678")
    server.table("books", key="key")
    with Session(server.client()) as session:
        reference = Book.objects.reference(key)
        book = Book.objects.create(key=key, title="x")
        assert session.get(Book, key) is book
        assert reference not in session
        assert inspect(reference).lifecycle == "detached"


# -- created inside the parent's request --------------------------------------------------------


class LabelsInside(SmallDialect):
    """New labels travel in the POST of their project, whose answer says nothing of them."""

    name = "labels inside"

    def operations(self, changes):
        born = {id(c.object): c for c in changes if c.kind == Kind.CREATE}
        inside: dict[int, list] = {}
        for change in born.values():
            if isinstance(change.object, Label) and id(change.object.project) in born:
                inside.setdefault(id(change.object.project), []).append(change)
        drafts = []
        for change in changes:
            labels = inside.get(id(change.object), [])
            if change.kind == Kind.CREATE and labels:
                drafts.append(self.with_labels(change, labels))
            elif not any(change in group for group in inside.values()):
                drafts.append(self.draft(change))
        return drafts

    def with_labels(self, change, labels):
        rows = [
            {name: value for name, value in body_of(label).items() if name != "project_id"}
            for label in labels
        ]
        request = Request("POST", "/projects/", body=Json({**body_of(change), "labels": rows}))

        def read(response):
            return [response.json(), *(None for _ in labels)]

        return Draft(Kind.CREATE, (change, *labels), request, read=read)


@pytest.fixture
def inside(server):
    server.table("projects", children={"labels": ("labels", "project_id")})
    with Session(server.client(dialect=LabelsInside())) as session:
        yield session
        session.rollback()


def test_a_list_in_the_constructor_brings_the_children_along(session, server):
    project = Project(name="p", labels=[Label(name="car", color="#fff"), {"name": "bus"}])
    session.add(project)
    assert len(session.new) == 3
    report = session.commit()
    assert len(report.created) == 3
    assert sorted(label.name for label in project.labels.all()) == ["bus", "car"]
    assert {row["project_id"] for row in server.tables["labels"].rows.values()} == {1, project.id}


def test_a_has_many_reads_as_a_manager(session):
    project = Project(name="p", labels=[Label(name="car")])
    assert not isinstance(project.labels, list)
    assert hasattr(project.labels, "filter")
    with pytest.raises(QueryError, match="not on the server yet"):
        project.labels.all()


@pytest.mark.parametrize("given", ["car", b"car", {"name": "car"}, 7, [7], [Project(name="x")]])
def test_a_has_many_takes_objects_or_dicts_in_a_list(given):
    with pytest.raises(TypeError, match="Label"):
        Project(name="p", labels=given)


def test_an_object_without_a_key_yet_is_persistent_by_its_natural_key(inside, server):
    car, bus = Label(name="car"), Label(name="bus")
    inside.add(Project(name="new", labels=[car, bus]))
    inside.commit()
    assert [str(seen) for seen in server.seen] == ["POST /projects/"]
    assert inspect(car).lifecycle == "persistent"
    assert inspect(car).identity is None
    assert car in inside
    assert repr(car) == "<Label name='car'>"
    assert not inside.dirty
    assert sent(inside) == 1
    assert car.id == 8
    assert sent(inside) == 2
    assert bus.id == 9
    assert inspect(car).identity == IdentityKey(Label, 8)
    assert inside.get(Label, 8) is car


def test_a_row_of_an_object_without_a_key_is_that_object(inside):
    label = Label(name="car")
    inside.add(Project(name="new", labels=[label]))
    inside.commit()
    assert next(iter(Label.objects.filter(name="car"))) is label
    assert label.id == 8


def test_an_object_without_a_key_is_found_by_what_the_server_has_not_by_what_was_changed(inside):
    label = Label(name="car")
    inside.add(Project(name="new", labels=[label]))
    inside.commit()
    label.name = "truck"
    assert label.id == 8
    assert label.changes == {"name": ("car", "truck")}


@pytest.mark.parametrize("write", ["update", "delete", "refer"])
def test_an_object_without_a_key_can_be_written(inside, server, write):
    class Box(Base):
        id = fields.Integer(primary_key=True)
        label = fields.ForeignKey(Label, data_key="label_id")

        class Meta:
            endpoint = "boxes"

    server.table("boxes")
    label = Label(name="car")
    inside.add(Project(name="new", labels=[label]))
    inside.commit()
    if write == "update":
        label.color = "#fff"
        label.commit()
        assert server.tables["labels"].rows[8]["color"] == "#fff"
    elif write == "delete":
        label.delete()
        assert 8 not in server.tables["labels"].rows
    else:
        inside.add(Box(label=label))
        inside.commit()
        assert server.tables["boxes"].rows[1]["label_id"] == 8


# -- pickle and copy ----------------------------------------------------------------------------


def duplicates():
    return [
        pytest.param(lambda obj: pickle.loads(pickle.dumps(obj)), id="pickle"),
        pytest.param(copy.copy, id="copy"),
        pytest.param(copy.deepcopy, id="deepcopy"),
    ]


@pytest.mark.parametrize("duplicate", duplicates())
def test_a_copy_is_detached_with_row_and_changes(session, duplicate):
    task = Task.objects.get(id=1)
    task.name = "renamed"
    task.tags.append("night")
    twin = duplicate(task)
    assert type(twin) is Task
    assert twin is not task
    assert inspect(twin).lifecycle == "detached"
    assert inspect(twin).session is None
    assert (twin.id, twin.name, twin.note, twin.tags) == (1, "renamed", None, ["day", "night"])
    assert twin.changes == {
        "name": ("t1", "renamed"),
        "tags": (["day"], ["day", "night"]),
    }
    assert inspect(twin).identity == IdentityKey(Task, 1)
    assert twin.project.id == 1
    with pytest.raises(DetachedError):
        twin.commit()
    with pytest.raises(DetachedError):
        twin.refresh()
    with pytest.raises(DetachedError):
        _ = twin.project.name
    twin.tags.append("later")
    assert task.tags == ["day", "night"]


@pytest.mark.parametrize("duplicate", duplicates())
def test_a_copy_has_no_write_only_values(session, duplicate):
    task = Task.objects.get(id=1)
    task.secret = "s3cret"
    task.secrets = {"a": "s3cret"}
    task.login = Login(user="me", password="s3cret")
    twin = duplicate(task)
    assert b"s3cret" not in pickle.dumps(twin)
    assert "secret" not in twin.changes
    assert "secrets" not in twin.changes
    assert twin.login.user == "me"
    assert task.secret == "s3cret"
    assert task.login.password == "s3cret"


def test_a_pickle_has_no_write_only_value_that_was_read(session):
    task = Task(name="x", secrets={"a": "s3cret"}, login=Login(user="me", password="s3cret"))
    assert task.secrets == {"a": "s3cret"}
    assert task.login.password == "s3cret"
    assert b"s3cret" not in pickle.dumps(task)


def test_a_row_that_waits_is_told_without_its_secrets(session, server):
    task = Task.objects.get(id=1)
    task.name = "mine"
    server.tables["tasks"].rows[1] |= {
        "name": "theirs",
        "secret": "s3cret",
        "login": {"user": "me", "password": "s3cret"},
    }
    Task.objects.get(id=1)
    theirs = inspect(task).theirs
    assert "s3cret" not in repr(theirs)
    assert (theirs["name"], theirs["login"]) == ("theirs", {"user": "me"})


def test_a_pickle_has_neither_session_nor_credentials(server):
    client = server.client()
    client.transport.http.headers["Authorization"] = "Token s3cret"
    with Session(client):
        data = pickle.dumps(list(Task.objects.all()))
    for word in (b"s3cret", b"Session", b"Client", b"requests"):
        assert word not in data


@pytest.mark.parametrize("duplicate", duplicates())
def test_a_copy_of_a_new_object_is_new(session, duplicate):
    task = Task(name="x", project=Project.objects.get(id=1))
    session.add(task)
    twin = duplicate(task)
    assert inspect(twin).lifecycle == "transient"
    assert twin not in session
    session.add(twin)
    report = session.commit()
    assert [entry.object for entry in report.created] == [task, twin]
    assert twin.project is task.project


@pytest.mark.parametrize("duplicate", duplicates())
def test_the_children_of_a_new_object_are_copied_with_it(session, server, duplicate):
    project = Project(name="p", labels=[Label(name="car"), Label(name="bus")])
    twin = duplicate(project)
    session.add(twin)
    assert len(session.new) == 3
    session.commit()
    assert sorted(label.name for label in twin.labels.all()) == ["bus", "car"]
    assert inspect(project).lifecycle == "transient"


def test_objects_that_are_copied_together_go_on_referring_to_each_other(session):
    project = Project(name="p")
    tasks = [Task(name="a", project=project), Task(name="b", project=project)]
    one, other, parent = pickle.loads(pickle.dumps([*tasks, project]))
    assert one.project is other.project is parent
    one, other, parent = copy.deepcopy([*tasks, project])
    assert one.project is other.project is parent
    assert parent is not project


def test_a_shallow_copy_refers_to_the_same_new_object():
    project = Project(name="p")
    assert copy.copy(Task(name="a", project=project)).project is project


def test_a_copy_of_a_partial_object_is_partial(session):
    task = Task.objects.only("name").get(id=1)
    twin = pickle.loads(pickle.dumps(task))
    assert twin.name == "t1"
    way_out = (
        r"Add it to an open session \(or merge it\), or load what is needed before the session is "
        r"closed\."
    )
    with pytest.raises(
        DetachedError, match=f"'note' of .* can't be had: it has no session. {way_out}$"
    ):
        _ = twin.note
    session.expunge(task)
    session.add(twin)
    assert twin.note is None
    assert twin.tags == ["day"]


def test_an_object_whose_key_is_not_known_is_not_attached(inside):
    label = Label(name="car")
    inside.add(Project(name="new", labels=[label]))
    inside.commit()
    twin = pickle.loads(pickle.dumps(label))
    with pytest.raises(SessionError, match="no key"):
        inside.add(twin)


def test_a_session_and_a_client_are_not_pickled(session):
    with pytest.raises(TypeError, match="Session"):
        pickle.dumps(session)
    with pytest.raises(TypeError, match="Client"):
        pickle.dumps(session.client)


def test_a_large_window_keeps_what_was_read_last_and_few_more():
    window, left = Window(1000), []
    for number in range(3000):
        window.keep([number])
        while window.left:
            left += window.left.pop(0)
        assert left == list(range(len(left)))
        kept = number + 1 - len(left)
        assert min(number + 1, 1000) <= kept <= 1050
    assert len(left) >= 1950


def test_what_a_new_object_refers_to_is_of_the_session_that_it_is_in(small):
    """New objects of a class have one page, whichever session they are added to."""
    for _ in range(2):
        with Session(small.client()) as session:
            session.add(task := Task(name="new", project=1))
            assert inspect(task.project).session is session
            session.rollback()
