"""Session: the current one, threads, what it holds, what it gives up, how it ends."""

import gc
import threading
import warnings

import pytest

from objmapper import (
    Client,
    DetachedError,
    Model,
    NoActiveSession,
    QueryError,
    ReadOnlyFieldError,
    Registry,
    Session,
    SessionError,
    SessionThreadError,
    connect,
    fields,
    inspect,
    signals,
)

registry = Registry("session")


class Base(Model):
    class Meta:
        abstract = True
        registry = registry


class Project(Base):
    id = fields.Integer(primary_key=True)
    name = fields.String()
    color = fields.String(null=True)
    tasks: fields.HasMany["Task"] = fields.HasMany(by="project")


class Task(Base):
    id = fields.Integer(primary_key=True)
    name = fields.String(required=True)
    note = fields.String(null=True)
    project = fields.ForeignKey(Project, null=True)
    tags = fields.List(fields.String())
    source = fields.String(write_once=True, null=True)
    created = fields.String(read_only=True, null=True)
    secret = fields.String(write_only=True)


class Event(Base):
    message = fields.String()

    class Meta:
        keyless = True


class User(Model):
    """What the embedded CVAT has, seen by a model of its own."""

    id = fields.Integer(primary_key=True)
    username = fields.String(read_only=True)

    class Meta:
        registry = Registry("session users")


@pytest.fixture
def server(small):
    small.table("projects", [{"id": n, "name": f"p{n}", "color": "red"} for n in (1, 2)])
    rows = [
        {"id": n, "name": f"t{n}", "note": None, "project": 1, "tags": ["day"], "created": "then"}
        for n in range(1, 6)
    ]
    small.table("tasks", rows, foreign={"project": "projects"}, secret=("secret",))
    small.table("events", [{"message": "m"}], key="message")
    return small


@pytest.fixture
def client(server):
    return server.client()


@pytest.fixture
def session(client):
    with Session(client) as session:
        yield session
        session.rollback()


def sent(session: Session) -> int:
    return session.client.transport.requests_sent


def in_thread(call):
    """Run *call* on another thread; return what it returned, raise what it raised."""
    outcome = []

    def run():
        try:
            outcome.append((call(), None))
        except BaseException as error:
            outcome.append((None, error))

    thread = threading.Thread(target=run, name="other")
    thread.start()
    thread.join()
    result, error = outcome[0]
    if error is not None:
        raise error
    return result


# -- the current session ------------------------------------------------------------------------


def test_without_a_session_the_error_says_how_to_open_one():
    with pytest.raises(NoActiveSession, match=r"with Session\(client\)") as caught:
        list(Task.objects.all())
    assert "connect(" in str(caught.value)
    assert "using(" in str(caught.value)
    with pytest.raises(NoActiveSession):
        Task.objects.create(name="x")
    with pytest.raises(NoActiveSession):
        Task(name="x").commit()


def test_query_sets_are_made_without_a_session_and_ask_the_one_that_is_current_then(server):
    query = Task.objects.filter(id=1)
    with Session(server.client()) as session:
        (task,) = query
        assert inspect(task).session is session


def test_sessions_nest_and_the_inner_one_is_current(server):
    with Session(server.client()) as outer:
        with Session(server.client()) as inner:
            assert inspect(Task.objects.get(id=1)).session is inner
        assert inspect(Task.objects.get(id=1)).session is outer
    with pytest.raises(NoActiveSession):
        Task.objects.get(id=1)


def test_a_session_may_be_entered_twice_and_is_closed_by_the_outermost(client):
    with Session(client) as session:
        with session:
            pass
        assert not session.closed
        Task.objects.get(id=1)
    assert session.closed


def test_a_closed_session_is_not_entered_again(client):
    with Session(client) as session:
        pass
    with pytest.raises(DetachedError, match="closed"), session:
        pass


def test_a_named_session_is_used_whatever_the_current_one_is(server, session):
    with Session(server.client()) as other:
        assert inspect(Task.objects.using(session).get(id=1)).session is session
        assert inspect(Task.objects.get(id=1)).session is other
        chained = Task.objects.using(session).filter(id=2).order_by("name")
        assert inspect(chained[0]).session is session


def test_a_session_needs_no_with_statement(client):
    session = Session(client)
    task = Task.objects.using(session).get(id=1)
    task.name = "renamed"
    session.commit()
    assert task.changes == {}
    session.close()


def test_an_error_leaves_the_with_statement_without_a_warning(client):
    session = Session(client)

    def fail():
        with session:
            session.add(Task(name="x"))
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        fail()
    assert session.closed
    with pytest.raises(NoActiveSession):
        Task.objects.get(id=1)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda session: session.add(Task(name="x")), "1 new"),
        (lambda session: setattr(Task.objects.get(id=1), "name", "x"), "1 dirty"),
        (lambda session: Task.objects.get(id=1).tags.append("x"), "1 dirty"),
        (lambda session: session.delete(Task.objects.get(id=1)), "1 deleted"),
    ],
)
def test_leaving_with_pending_changes_warns_and_sends_nothing(server, change, told):
    session = Session(server.client())

    def leave():
        with session:
            change(session)
            return len(server.seen)

    with pytest.warns(UserWarning, match=told) as caught:
        before = leave()
    assert caught[0].filename == __file__
    assert "commit" in str(caught[0].message)
    assert len(server.seen) == before
    assert session.closed


def test_a_warning_that_is_an_error_closes_the_session_all_the_same(client):
    session = Session(client)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="1 new"), session:
            session.add(Task(name="x"))
    assert session.closed


def test_leaving_without_pending_changes_is_silent(client):
    with Session(client) as session:
        task = Task.objects.get(id=1)
        task.name = "x"
        task.revert()
        session.add(Task(name="x"))
        session.rollback()
        assert task.tags == ["day"]


# -- threads ------------------------------------------------------------------------------------


def test_a_new_thread_has_no_session_of_its_own(session):
    with pytest.raises(NoActiveSession, match="There is no current session"):
        in_thread(lambda: Task.objects.get(id=1))


def test_a_session_passes_from_thread_to_thread(session):
    task = in_thread(lambda: Task.objects.using(session).get(id=1))
    task.name = "renamed"
    in_thread(task.commit)
    in_thread(lambda: session.add(Task(name="new")))
    session.commit()
    assert task.changes == {}
    assert inspect(task).session is session


def test_objects_load_lazily_on_another_thread_through_their_own_session(session):
    task = Task.objects.only("name").get(id=1)
    assert in_thread(lambda: task.note) is None
    assert in_thread(lambda: task.project.name) == "p1"


USES = {
    "query": lambda session, task: list(Task.objects.using(session).all()),
    "get": lambda session, task: session.get(Project, 1),
    "lazy load": lambda session, task: task.project.name,
    "count": lambda session, task: Task.objects.using(session).count(),
    "iterator": lambda session, task: next(Task.objects.using(session).iterator()),
    "add": lambda session, task: session.add(Task(name="x")),
    "delete": lambda session, task: session.delete(task),
    "expunge": lambda session, task: session.expunge(task),
    "merge": lambda session, task: session.merge(task),
    "refresh": lambda session, task: task.refresh(),
    "plan": lambda session, task: session.plan(),
    "commit": lambda session, task: session.commit(),
    "object's commit": lambda session, task: task.commit(),
    "rollback": lambda session, task: session.rollback(),
    "reference": lambda session, task: Task.objects.using(session).reference(7),
}


@pytest.mark.parametrize("use", USES)
def test_a_session_used_by_two_threads_at_once_raises(server, session, use):
    task = Task.objects.get(id=1)
    errors = []

    def meanwhile(seen):
        if seen.path == "/tasks/2/":  # while this thread waits for an answer, another one comes
            try:
                in_thread(lambda: USES[use](session, task))
            except SessionThreadError as error:
                errors.append(error)

    server.hook = meanwhile
    Task.objects.get(id=2)
    assert len(errors) == 1
    assert "with Session(client)" in str(errors[0])
    assert session.new == session.dirty == session.deleted == []
    USES[use](session, task)  # afterwards it is free again
    assert session.closed is False


def test_threads_with_sessions_of_their_own_share_a_client(server, client):
    def work(number):
        with Session(client) as session:
            task = Task.objects.get(id=number)
            task.name = f"by {threading.current_thread().name}"
            session.commit()
            return inspect(task).identity.key

    threads = []
    found = []
    for number in range(1, 6):
        threads.append(threading.Thread(target=lambda n=number: found.append(work(n))))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [1, 2, 3, 4, 5]
    assert all(row["name"].startswith("by ") for row in server.tables["tasks"].rows.values())


# -- connect ------------------------------------------------------------------------------------


def test_connect_gives_each_thread_a_session_of_its_own():
    with connect("embedded://cvat?check=1") as connection:
        mine = inspect(User.objects.all()[0]).session
        assert mine is connection.session
        assert inspect(User.objects.all()[0]).session is mine
        theirs = in_thread(lambda: inspect(User.objects.all()[0]).session)
        assert theirs is not mine
        assert theirs.client is mine.client
        assert not theirs.closed
        with Session(connection.client) as session:
            assert inspect(User.objects.all()[0]).session is session
        assert inspect(User.objects.all()[0]).session is mine
        assert connection.client.server.violations == []
    assert mine.closed
    assert theirs.closed
    with pytest.raises(NoActiveSession):
        list(User.objects.all())


def test_a_closed_session_of_a_connection_is_made_anew():
    with connect("embedded://cvat") as connection:
        first = connection.session
        first.close()
        assert inspect(User.objects.all()[0]).session is connection.session
        assert connection.session is not first


def test_connecting_again_takes_the_first_ones_place():
    with connect("embedded://cvat") as first:
        user = User.objects.all()[0]
        with connect("embedded://cvat") as second:
            assert inspect(User.objects.all()[0]).session is second.session
            user.refresh()
            assert inspect(user).session is first.session
        with pytest.raises(NoActiveSession):
            list(User.objects.all())


def test_leaving_a_connection_with_pending_changes_warns():
    connection = connect("embedded://cvat")
    with pytest.warns(UserWarning, match="1 deleted"), connection:
        connection.session.delete(User.objects.all()[0])
    assert connection.client.transport.closed


# -- add, new, in, len --------------------------------------------------------------------------


def test_added_objects_are_new_until_they_are_committed(session, server):
    task = Task(name="x")
    assert task not in session
    session.add(task)
    session.add(task)
    assert session.new == [task]
    assert task in session
    assert len(session) == 1
    assert list(session) == [task]
    assert sent(session) == 0
    session.commit()
    assert session.new == []
    assert task in session
    assert len(session) == 1


def test_add_all_takes_any_iterable_in_order(session):
    tasks = [Task(name=str(n)) for n in range(3)]
    session.add_all(task for task in tasks)
    assert session.new == tasks


def test_what_is_no_model_object_is_refused(session):
    with pytest.raises(TypeError, match="model objects"):
        session.add("task")
    with pytest.raises(TypeError, match="model objects"):
        session.add(Task)
    assert "task" not in session
    assert None not in session
    assert session.new == []


def test_an_object_of_another_session_is_refused(session, server):
    with Session(server.client()) as other:
        task = Task.objects.get(id=1)
        new = Task(name="x")
        other.add(new)
        for obj in (task, new):
            with pytest.raises(SessionError, match=r"merge"):
                session.add(obj)
            with pytest.raises(SessionError, match="another session"):
                session.delete(obj)
            with pytest.raises(SessionError):
                session.expunge(obj)
        assert task not in session
        assert inspect(task).session is other
        assert inspect(new).lifecycle == "pending"
        other.rollback()


def test_a_new_object_that_refers_to_another_sessions_new_object_is_refused(session, server):
    with Session(server.client()) as other:
        project = Project(name="p")
        other.add(project)
        session.add(Task(name="x", project=project))
        with pytest.raises(SessionError, match="another session"):
            session.commit()
        assert sent(session) == 0
        other.rollback()


def test_adding_a_loaded_object_changes_nothing(session):
    task = Task.objects.get(id=1)
    session.add(task)
    assert session.new == []
    assert inspect(task).lifecycle == "persistent"


def test_adding_a_detached_object_attaches_it_with_its_changes(server, session):
    task = Task.objects.get(id=1)
    session.expunge(task)
    task.name = "changed while detached"
    task.tags.append("night")
    session.add(task)
    assert inspect(task).lifecycle == "persistent"
    assert Task.objects.get(id=1) is task
    assert session.dirty == [task]
    session.commit()
    assert server.seen[-1].body == {"name": "changed while detached", "tags": ["day", "night"]}


def test_an_object_that_the_session_has_already_is_not_attached_twice(session):
    task = Task.objects.get(id=1)
    session.expunge(task)
    again = Task.objects.get(id=1)
    with pytest.raises(SessionError, match="merge"):
        session.add(task)
    assert Task.objects.get(id=1) is again


def test_objects_of_a_closed_session_go_on_in_another_one(server):
    first = Session(server.client())
    task, doomed = Task.objects.using(first).in_bulk([1, 2]).values()
    task.name = "renamed"
    new = Task(name="new")
    first.add(new)
    first.delete(doomed)
    first.close()
    with Session(server.client()) as second:
        second.add_all([task, new, doomed])
        assert inspect(task).session is second
        assert inspect(doomed).lifecycle == "persistent"
        assert second.new == [new]
        assert second.dirty == [task]
        second.commit()
        assert inspect(new).lifecycle == "persistent"
        assert server.tables["tasks"].rows[1]["name"] == "renamed"
        assert 2 in server.tables["tasks"].rows


def test_keyless_objects_are_added_and_not_attached_by_key(session, server):
    event = Event(message="x")
    session.add(event)
    session.commit()
    assert event in session
    session.expunge(event)
    session.add(event)
    other = Event(message="y")
    session.add(other)
    session.commit()
    assert inspect(event).identity is None


@pytest.mark.parametrize("verb", ["add", "delete", "merge", "commit_objects", "delete_objects"])
@pytest.mark.parametrize("stranger", [7, "task", None, Task], ids=repr)
def test_what_is_no_object_is_refused_by_every_verb(session, server, verb, stranger):
    given = [stranger] if verb.endswith("objects") else stranger
    with pytest.raises(TypeError, match="A session takes model objects"):
        getattr(session, verb)(given)
    assert server.seen == []


@pytest.mark.parametrize("tag", [7, b"row-17", ["row-17"]], ids=repr)
def test_a_tag_that_is_no_text_is_refused(session, tag):
    with pytest.raises(TypeError, match="A tag is text"):
        session.add(Task(name="x"), tag=tag)
    assert session.new == []


def test_a_tag_names_a_new_object(session):
    session.add(Task(name="x"), tag="row-17")
    assert len(session.new) == 1


# -- delete -------------------------------------------------------------------------------------


def test_delete_marks_until_the_commit(session, server):
    task = Task.objects.get(id=1)
    session.delete(task)
    session.delete(task)
    assert session.deleted == [task]
    assert session.dirty == []
    assert 1 in server.tables["tasks"].rows
    report = session.commit()
    assert [entry.object for entry in report.deleted] == [task]
    assert session.deleted == []
    assert len(session) == 0


def test_adding_an_object_takes_its_mark_of_deletion_back(session):
    task = Task.objects.get(id=1)
    session.delete(task)
    session.add(task)
    assert session.deleted == []
    assert inspect(task).lifecycle == "persistent"


def test_deleting_a_new_object_forgets_it(session, server):
    task = Task(name="x")
    session.add(task)
    session.delete(task)
    assert session.new == session.deleted == []
    assert inspect(task).lifecycle == "transient"
    session.commit()
    assert server.seen == []


def test_deleting_a_new_object_at_once_sends_nothing(session, server):
    task = Task(name="x")
    session.add(task)
    task.delete()
    assert session.new == []
    assert server.seen == []
    assert inspect(task).lifecycle == "transient"


def test_the_children_of_a_new_object_go_with_it(session):
    project = Project(name="p", tasks=[Task(name="x"), Task(name="y")])
    session.add(project)
    assert len(session.new) == 3
    session.delete(project)
    assert session.new == []


def test_what_is_in_no_session_is_not_deleted(session):
    with pytest.raises(SessionError, match="not in this session"):
        session.delete(Task(name="x"))
    with pytest.raises(DetachedError):
        Task(name="x").delete()


# -- get and refresh ----------------------------------------------------------------------------


def test_get_asks_once(session):
    task = session.get(Task, 1)
    assert task.name == "t1"
    assert session.get(Task, 1) is task
    assert sent(session) == 1


def test_refresh_gives_changes_up_and_takes_the_servers(session, server):
    task = Task.objects.get(id=1)
    task.name = "mine"
    server.tables["tasks"].rows[1]["note"] = "theirs"
    session.refresh(task)
    assert (task.name, task.note) == ("t1", "theirs")
    assert session.dirty == []


def test_refresh_of_what_is_gone_raises_does_not_exist(session, server):
    task = Task.objects.get(id=1)
    del server.tables["tasks"].rows[1]
    with pytest.raises(Task.DoesNotExist):
        task.refresh()
    assert task.name == "t1"


def test_a_new_object_is_not_refreshed(session):
    task = Task(name="x")
    with pytest.raises(DetachedError):
        task.refresh()
    session.add(task)
    with pytest.raises(SessionError, match="is new"):
        task.refresh()
    assert task.name == "x"
    assert sent(session) == 0


def test_an_object_of_another_session_is_not_refreshed(session, server):
    with Session(server.client()):
        task = Task.objects.get(id=1)
        with pytest.raises(SessionError, match="session"):
            session.refresh(task)


def test_a_keyless_object_is_not_refreshed(session):
    (event,) = Event.objects.all()
    with pytest.raises(QueryError, match="keyless"):
        event.refresh()


# -- expunge ------------------------------------------------------------------------------------


def test_an_expunged_object_is_detached_and_keeps_everything(session, server):
    task = Task.objects.get(id=1)
    task.name = "mine"
    session.expunge(task)
    assert inspect(task).lifecycle == "detached"
    assert inspect(task).session is None
    assert task not in session
    assert session.dirty == []
    assert task.name == "mine"
    assert task.changes == {"name": ("t1", "mine")}
    with pytest.raises(DetachedError):
        task.commit()
    assert Task.objects.get(id=1) is not task


def test_an_expunged_new_object_is_transient(session):
    task = Task(name="x")
    session.add(task)
    session.expunge(task)
    assert inspect(task).lifecycle == "transient"
    assert session.new == []
    task.commit()
    assert inspect(task).lifecycle == "persistent"


def test_an_expunged_object_marked_for_deletion_is_not_deleted(session, server):
    task = Task.objects.get(id=1)
    session.delete(task)
    session.expunge(task)
    assert session.deleted == []
    session.commit()
    assert 1 in server.tables["tasks"].rows


def test_what_is_not_in_the_session_is_not_expunged(session):
    with pytest.raises(SessionError, match="not in this session"):
        session.expunge(Task(name="x"))


# -- merge --------------------------------------------------------------------------------------


def test_merge_brings_a_copys_changes_into_the_sessions_object(session, server):
    with Session(server.client()) as other:
        copy = Task.objects.get(id=1)
        copy.name, copy.project = "mine", Project.objects.get(id=2)
        copy.tags.append("night")
        copy.secret = "s3cret"
        other.expunge(copy)
    task = Task.objects.get(id=1)
    assert session.merge(copy) is task
    assert set(task.changes) == {"name", "project", "tags", "secret"}
    assert task.project is Project.objects.get(id=2)
    assert inspect(copy).lifecycle == "detached"
    copy.tags.append("later")
    assert task.tags == ["day", "night"]
    session.commit()
    assert server.tables["tasks"].rows[1]["secret"] == "s3cret"


def test_merge_of_another_sessions_object_leaves_that_one_where_it_is(session, server):
    with Session(server.client()) as other:
        theirs = Task.objects.get(id=1)
        theirs.name = "mine"
        merged = session.merge(theirs)
        assert merged is not theirs
        assert inspect(merged).session is session
        assert inspect(theirs).session is other
        assert merged.changes == {"name": ("t1", "mine")}
        other.rollback()
    session.commit()
    assert server.tables["tasks"].rows[1]["name"] == "mine"


def test_merge_of_what_the_session_does_not_know_attaches_a_copy(session, server):
    with Session(server.client()):
        theirs = Task.objects.get(id=1)
    merged = session.merge(theirs)
    assert merged is not theirs
    assert Task.objects.get(id=1) is merged
    assert inspect(theirs).lifecycle == "detached"


def test_merge_of_a_new_object_adds_a_copy_with_its_secrets_and_children(session, server):
    task = Task(name="x", secret="s3cret", project=Project.objects.get(id=1))
    merged = session.merge(task)
    assert session.new == [merged]
    assert inspect(task).lifecycle == "transient"
    session.commit()
    assert server.tables["tasks"].rows[6]["secret"] == "s3cret"
    assert merged.project is task.project
    project = session.merge(Project(name="p", tasks=[Task(name="y")]))
    session.commit()
    assert [task.name for task in project.tasks.all()] == ["y"]


def test_merge_of_the_sessions_own_object_is_that_object(session):
    task, new = Task.objects.get(id=1), Task(name="x")
    session.add(new)
    task.name = "mine"
    assert session.merge(task) is task
    assert session.merge(new) is new
    assert task.changes == {"name": ("t1", "mine")}


# -- revert and rollback ------------------------------------------------------------------------


def test_revert_takes_back_one_objects_changes(session):
    task, other = Task.objects.get(id=1), Task.objects.get(id=2)
    task.name, other.name, task.project = "x", "x", 2
    task.tags.append("night")
    task.revert()
    assert (task.name, task.tags, task.project.id) == ("t1", ["day"], 1)
    assert task.changes == {}
    assert session.dirty == [other]
    assert sent(session) == 2


def test_rollback_takes_back_everything_that_was_not_sent(session, server):
    task, doomed, new = Task.objects.get(id=1), Task.objects.get(id=2), Task(name="new")
    tags = task.tags
    task.name, doomed.name = "x", "x"
    tags.append("night")
    session.add(new)
    session.delete(doomed)
    before = sent(session)
    session.rollback()
    assert (task.name, tags, doomed.name) == ("t1", ["day"], "t2")
    assert task.tags is tags
    assert session.new == session.dirty == session.deleted == []
    assert inspect(doomed).lifecycle == "persistent"
    assert inspect(new).lifecycle == "transient"
    assert new.name == "new"
    assert sent(session) == before
    session.commit()
    assert sent(session) == before


def test_after_a_rollback_changes_are_found_again(session):
    task = Task.objects.get(id=1)
    tags = task.tags
    tags.append("x")
    session.rollback()
    tags.append("y")
    assert session.dirty == [task]
    assert task.changes == {"tags": (["day"], ["day", "y"])}


def test_what_a_commit_has_sent_stays_sent(session, server):
    task, new = Task.objects.get(id=1), Task(name="new")
    task.name = "renamed"
    session.add(new)
    session.commit()
    session.rollback()
    assert task.name == "renamed"
    assert inspect(new).lifecycle == "persistent"


def test_a_rollback_is_announced(session):
    heard = []

    def on_rollback(sender, session):
        heard.append((sender, session))

    with signals.post_rollback.connected_to(on_rollback):
        session.rollback()
    assert heard == [(Session, session)]


# -- dirty --------------------------------------------------------------------------------------


def test_dirty_has_what_changed_in_the_order_of_its_first_change(session):
    one, two, three = Task.objects.all()[:3]
    three.name = "x"
    one.tags.append("x")
    two.name = "x"
    two.name = "t2"
    assert session.dirty == [three, one]


def test_in_place_changes_of_dropped_objects_are_dirty(session):
    Task.objects.get(id=1).tags.append("night")
    gc.collect()
    assert [task.id for task in session.dirty] == [1]


def test_protected_fields_are_refused_and_nothing_is_dirty(session):
    task = Task.objects.get(id=1)
    with pytest.raises(ReadOnlyFieldError):
        task.created = "now"
    with pytest.raises(ReadOnlyFieldError):
        task.source = "x"
    with pytest.raises(ReadOnlyFieldError):
        task.id = 7
    assert session.dirty == []


# -- after the end ------------------------------------------------------------------------------


@pytest.fixture
def left(server):
    """A full and a partial object of a session that is closed."""
    with Session(server.client()) as session:
        task, partial = Task.objects.get(id=1), Task.objects.only("name").get(id=2)
        assert task.project.name == "p1"
    return session, task, partial


def test_objects_of_a_closed_session_are_readable_and_settable(left):
    _, task, partial = left
    assert (task.name, task.tags, task.project.name) == ("t1", ["day"], "p1")
    assert (partial.id, partial.name) == (2, "t2")
    task.name = "renamed"
    task.tags.append("night")
    task.project = 2
    assert set(task.changes) == {"name", "tags", "project"}
    assert task.project.id == 2
    task.revert()
    assert task.changes == {}
    assert inspect(task).lifecycle == "detached"
    assert inspect(task).session is None
    assert repr(task)
    assert task.to_dict()["name"] == "t1"
    task.validate()


AFTER_THE_END = {
    "lazy load": lambda task, partial: partial.note,
    "relation": lambda task, partial: partial.project,
    "related manager": lambda task, partial: list(task.project.tasks.all()),
    "commit": lambda task, partial: task.commit(),
    "delete": lambda task, partial: task.delete(),
    "refresh": lambda task, partial: task.refresh(),
}


@pytest.mark.parametrize("use", AFTER_THE_END)
@pytest.mark.parametrize("current", [False, True])
def test_after_a_session_is_closed_its_objects_ask_nobody_else(server, left, use, current):
    """Another session that is current is not asked either: it may be of another server."""
    _, task, partial = left
    if current:
        with Session(server.client()) as other:
            with pytest.raises(DetachedError):
                AFTER_THE_END[use](task, partial)
            assert sent(other) == 0
    else:
        with pytest.raises(DetachedError, match="closed"):
            AFTER_THE_END[use](task, partial)


def test_a_new_object_of_a_closed_session_is_not_sent_by_another_one(server):
    session = Session(server.client())
    task = Task(name="x")
    session.add(task)
    session.close()
    with Session(server.client()), pytest.raises(DetachedError):
        task.commit()
    assert inspect(task).lifecycle == "detached"


CLOSED = {
    "add": lambda session: session.add(Task(name="x")),
    "add_all": lambda session: session.add_all([]),
    "delete": lambda session: session.delete(Task(name="x")),
    "get": lambda session: session.get(Task, 1),
    "query": lambda session: list(Task.objects.using(session).all()),
    "iterator": lambda session: next(Task.objects.using(session).iterator()),
    "values": lambda session: Task.objects.using(session).values("id"),
    "count": lambda session: Task.objects.using(session).count(),
    "reference": lambda session: Task.objects.using(session).reference(1),
    "plan": lambda session: session.plan(),
    "commit": lambda session: session.commit(),
    "rollback": lambda session: session.rollback(),
    "merge": lambda session: session.merge(Task(name="x")),
    "refresh": lambda session: session.refresh(Task(name="x")),
    "expunge": lambda session: session.expunge(Task(name="x")),
}


@pytest.mark.parametrize("use", CLOSED)
def test_a_closed_session_does_nothing(left, use):
    session, *_ = left
    with pytest.raises(DetachedError, match="closed"):
        CLOSED[use](session)


def test_a_closed_session_holds_nothing(left):
    session, task, _ = left
    assert len(session) == 0
    assert list(session) == session.new == session.dirty == session.deleted == []
    assert task not in session
    assert "closed" in repr(session)
    task.name = "x"
    assert session.dirty == []


def test_closing_twice_is_harmless(left):
    session, *_ = left
    session.close()
    assert session.closed


def test_lazy_loads_go_through_the_objects_own_session(server, session):
    partial = Task.objects.only("name").get(id=2)
    task = Task.objects.get(id=1)
    project = Project.objects.get(id=1)
    with Session(server.client()) as other:
        assert partial.note is None
        assert task.project.name == "p1"
        assert len(project.tasks.all()) == 5
        task.name = "renamed"
        task.commit()
        task.refresh()
        assert sent(other) == 0
        assert len(other) == 0
    assert inspect(task.project).session is session


def test_looking_at_a_session_sends_nothing(session):
    list(Task.objects.only("id"))
    before = sent(session)
    assert len(session) == 5
    assert bool(session)
    assert repr(session) == f"<Session of {session.client!r}: 5 objects, 0 new>"
    assert [task.id for task in session] == [1, 2, 3, 4, 5]
    assert session == session
    assert hash(session) == hash(session)
    assert session.new == session.dirty == session.deleted == session.uncertain == []
    assert sent(session) == before


def test_an_empty_session_is_true(session):
    assert session


def test_a_window_is_not_negative(client):
    with pytest.raises(ValueError, match="keep"):
        Session(client, keep=-1)


def test_a_session_of_a_closed_client_says_so(server):
    client = server.client()
    with Session(client):
        client.close()
        with pytest.raises((DetachedError, OSError, RuntimeError)):
            Task.objects.get(id=1)


def test_an_iterator_goes_on_through_the_session_that_it_began_with(server, session):
    tasks = Task.objects.iterator(page_size=2)
    first = next(tasks)
    with Session(server.client()) as other:
        rest = list(tasks)
        assert sent(other) == 0
    assert [inspect(task).session for task in (first, *rest)] == [session] * 5


def test_an_iterator_of_a_session_that_was_closed_meanwhile_ends_in_an_error(server):
    with Session(server.client()) as session:
        tasks = Task.objects.iterator(page_size=2, prefetch_pages=0)
        next(tasks)
    with pytest.raises(DetachedError):
        list(tasks)
    assert session.closed


def test_the_embedded_cvat_is_read_and_written_through_a_session():
    class Label(Model):
        id = fields.Integer(primary_key=True)
        name = fields.String()

        class Meta:
            registry = Registry("session cvat")
            endpoint = "projects"

    with Client("embedded://cvat?seed=2x1&check=1") as client, Session(client) as session:
        project = Label.objects.all()[0]
        project.name = "renamed"
        session.commit()
        assert session.get(Label, project.id) is project
        assert project.name == "renamed"
        assert client.server.violations == []
