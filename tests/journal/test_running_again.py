"""A program that is run again has its objects bound to what an earlier run has done of them."""

import gc
from contextlib import closing

import pytest

from objmapper import CommitError, JournalError, Session, inspect


def made(models, count=4):
    project = models.Project(name="p")
    return [models.Task(name=f"t{number}", note="now", project=project) for number in range(count)]


def run(place, models, **options):
    """Run the whole program."""
    with place.session() as session:
        tasks = made(models)
        session.add_all(tasks)
        session.commit(**options)
        tasks[1].note = "later"
        report = session.commit()
        ids = [(task.id, task.project.id, task.name, task.note) for task in tasks]
    return report, ids


def test_the_second_run_sends_nothing_and_ends_alike(place, models):
    _, first = run(place, models)
    asked = len(place.server.seen)
    _, second = run(place, models)
    assert second == first
    assert len(place.server.seen) == asked


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("at", range(1, 6))
def test_a_run_that_died_is_just_run_again(place, models, at, done):
    session = place.session()
    session.add_all(made(models))
    place.die(session, at, done=done)
    run(place, models)
    assert place.names() == ["t0", "t1", "t2", "t3"]
    assert place.names("projects") == ["p"]
    assert [row["note"] for row in place.server.tables["tasks"].rows.values()].count("later") == 1


@pytest.mark.parametrize("done", [False, True])
def test_a_change_of_unknown_fate_is_settled_first(place, models, done):
    session = place.session()
    tasks = made(models)
    session.add_all(tasks)
    session.commit()
    tasks[1].note = "later"
    place.die(session, 1, done=done)
    place.server.seen.clear()
    run(place, models)
    assert len(place.writes()) == (0 if done else 1)
    assert [row["note"] for row in place.server.tables["tasks"].rows.values()].count("later") == 1


def test_a_plan_shows_what_would_be_sent_and_binds_nothing(place, models):
    run(place, models)
    with place.session() as session:
        tasks = [*made(models), models.Task(name="new")]
        tasks[0].note = "another"
        session.add_all(tasks)
        plan = session.plan()
        assert {(op.request.method, op.request.shown_path) for op in plan} == {
            ("POST", "/tasks/"),
            ("PATCH", "/tasks/1/"),
        }
        assert len(plan) == 2
        assert session.new == tasks
        assert {inspect(task).lifecycle for task in tasks} == {"pending"}
        assert tasks[0].id is None
        report = session.apply(plan)
        assert report.updated.objects == [tasks[0]]
        assert report.created.objects == [tasks[4]]
        assert session.new == []
        assert [task.id for task in tasks[:4]] == [1, 2, 3, 4]
        assert session.commit().counts() == {}


def test_only_what_the_program_says_otherwise_than_then_is_sent(place, models):
    run(place, models)
    place.server.seen.clear()
    with place.session() as session:
        tasks = made(models)
        tasks[2].tags = ["night"]
        tasks[3].secret = "hunter2"
        session.add_all(tasks)
        report = session.commit()
        assert report.updated.objects == [tasks[2], tasks[3]]
    assert [seen.body for seen in place.server.seen] == [{"tags": ["night"]}, {"secret": "hunter2"}]
    place.server.seen.clear()
    with place.session() as session:
        tasks = made(models)
        tasks[2].tags = ["night"]
        tasks[3].secret = "hunter2"
        session.add_all(tasks)
        session.commit()
        assert tasks[1].note == "later"
    assert place.writes() == []
    run(place, models)
    assert place.server.tables["tasks"].rows[3]["tags"] == ["night"]


def test_what_is_moved_again_to_where_it_is_is_not_sent(place, models):
    """The project is new to the program when it says so, and known when that would go."""

    def program(name):
        with place.session() as session:
            task = models.Task(name="t")
            session.add(task, tag="t")
            session.commit()
            task.project = models.Project(name=name)
            planned = [str(operation.request) for operation in session.plan()]
            session.commit()
            assert session.dirty == []
        return len(planned)

    assert program("p") == 2
    place.server.seen.clear()
    assert program("p") == 0
    assert place.writes() == []
    assert program("q") == 2
    assert place.writes() == ["POST /projects/", "PATCH /tasks/1/"]


def test_what_is_said_otherwise_and_sent_one_by_one_was_said_by_the_program(place, models):
    def program(session, **said):
        session.add(task := models.Task(name="a", **said))
        return task

    with place.session() as session:
        program(session, note="one", tags=["x"])
        session.commit()
    with place.session() as session:
        task, other = program(session, note="two", tags=["y"]), models.Task(name="b")
        session.commit_objects([other])
        session.commit_objects([task], fields=["note"])
        other.note = "of another one"
        session.commit_objects([other])
        session.commit_objects([task], fields=["tags"])
        task.note, task.tags = "later", ["later"]
        session.commit()
    assert [seen.body for seen in place.server.seen[2:]] == [
        {"note": "two"},
        {"note": "of another one"},
        {"tags": ["y"]},
        {"note": "later", "tags": ["later"]},
    ]
    with place.session() as session:
        program(session, note="two", tags=["y"])
        assert session.commit().counts() == {}
    with place.session() as session:
        program(session, note="one", tags=["x"])
        assert session.commit().counts() == {"updated": 1}
    assert place.server.seen[-1].body == {"note": "one", "tags": ["x"]}


def test_what_a_recovery_has_sent_of_it_was_said_by_the_program(place, models):
    with place.session() as session:
        session.add(models.Task(name="t", note="first"))
        session.commit()
    session = place.session()
    session.add(models.Task(name="t", note="second"))
    place.die(session, 1, done=False)
    with place.session() as session:
        session.recover()
    assert place.server.tables["tasks"].rows[1]["note"] == "second"
    with place.session() as session:
        session.add(models.Task(name="t", note="first"))
        session.commit()
    assert place.server.tables["tasks"].rows[1]["note"] == "first"


def test_what_a_recovery_has_deleted_in_the_same_session_is_made_again(place, models):
    with closing(place.session()) as session:
        task = models.Task(name="t")
        session.add(task)
        session.commit()
        session.delete(task)
        place.server.fail("DELETE", "/tasks/1", 403, {}, times=2)
        with pytest.raises(CommitError):
            session.commit()
    with place.session() as session:
        with pytest.raises(CommitError):
            session.recover()
        session.commit()
        assert place.names() == []
        session.add(models.Task(name="t"))
        session.commit()
        assert place.names() == ["t"]
    with place.session() as session:
        session.add(models.Task(name="t"))
        assert session.commit().requests == 0


def test_what_is_said_otherwise_goes_again_if_it_was_not_done(place, models):
    run(place, models)
    with closing(place.session()) as session:
        tasks = made(models)
        tasks[2].note = "x"
        session.add_all(tasks)
        place.server.fail("PATCH", "/tasks/3", 400, {"note": ["no"]})
        with pytest.raises(CommitError):
            session.commit()
    with place.session() as session:
        tasks = made(models)
        tasks[2].note = "x"
        session.add_all(tasks)
        assert session.commit().updated.objects == [tasks[2]]
    assert place.server.tables["tasks"].rows[3]["note"] == "x"


def test_a_tag_names_what_has_no_name(place, models):
    for _ in range(2):
        with place.session() as session:
            for number in range(3):
                session.add(models.Nameless(note="same"), tag=f"row-{number}")
            session.commit()
    assert len(place.server.tables["namelesses"].rows) == 3


def test_what_nothing_tells_from_others_is_refused_before_anything_is_sent(place, models):
    with closing(place.session()) as session:
        session.add_all([models.Nameless(note="a"), models.Task(name="t")])
        with pytest.raises(JournalError, match=r"Nothing tells <Nameless new> .*tag=.*natural_key"):
            session.commit()
        assert len(session.new) == 2
    assert place.server.seen == []


def test_two_objects_of_one_tag_are_refused_and_both_named(place, models):
    with closing(place.session()) as session:
        session.add(models.Task(name="a"), tag="row-1")
        session.add(models.Task(name="b"), tag="row-1")
        with pytest.raises(JournalError, match=r"'b'.*'a'.* both have the tag 'row-1'"):
            session.commit()
    assert place.server.seen == []


@pytest.mark.parametrize("run", [1, 2])
@pytest.mark.parametrize("held", [True, False])
def test_what_the_server_has_keeps_its_tag_when_it_is_expunged(place, models, held, run):
    for _ in range(run - 1):
        with place.session() as session:
            session.add(models.Task(name="a"), tag="row-1")
            session.commit()
    client = place.server.client()
    with closing(Session(client, journal=place.path, keep=0)) as session:
        task = models.Task(name="a")
        session.add(task, tag="row-1")
        session.commit()
        session.expunge(task)
        other = "<Task 1 name='a'>"
        if not held:
            other = "one that was created before"
            del task
            gc.collect()
        session.add(models.Task(name="b"), tag="row-1")
        with pytest.raises(JournalError, match=f"'b'.* and {other} both have the tag 'row-1'"):
            session.commit()
        session.rollback()
    assert place.names() == ["a"]


def test_what_never_went_out_leaves_its_tag_to_another(place, models):
    with closing(place.session()) as session:
        task = models.Task(name="a")
        session.add(task, tag="row-1")
        place.server.fail("POST", "/tasks", 400, {"name": ["no"]})
        with pytest.raises(CommitError):
            session.commit()
        session.expunge(task)
        del task
        gc.collect()
        session.add(models.Task(name="b"), tag="row-1")
        session.commit()
    assert place.names() == ["b"]


def test_two_objects_of_one_natural_key_are_refused_unless_tags_tell_them_apart(place, models):
    project = models.Project(name="p")
    with closing(place.session()) as session:
        session.add(models.Task(name="a", project=project))
        session.commit()
        session.add(models.Task(name="a", project=project))
        with pytest.raises(JournalError, match="both have the natural key"):
            session.commit()
        session.rollback()
        session.add(models.Task(name="a", project=project), tag="the second")
        session.commit()
    assert place.names() == ["a", "a"]


def test_what_was_deleted_is_made_again(place, models):
    for _ in range(2):
        with place.session() as session:
            task = models.Task(name="a")
            session.add(task)
            session.commit()
            session.delete(task)
            session.commit()
    assert place.writes() == ["POST /tasks/", "DELETE /tasks/1/"] * 2


def test_an_object_that_somebody_deleted_is_missed_where_it_is_used_first(place, models):
    run(place, models)
    del place.server.tables["tasks"].rows[1]
    with place.session() as session:
        tasks = made(models)
        session.add_all(tasks)
        session.commit()
        with pytest.raises(models.Task.DoesNotExist):
            tasks[0].refresh()


def test_a_program_may_recover_first_and_then_run(place, models):
    session = place.session()
    session.add_all(made(models))
    place.die(session, 3, done=True)
    with place.session() as session:
        assert len(session.recover().created) == 5
        tasks = made(models)
        session.add_all(tasks)
        assert session.commit().counts() == {}
        assert [task.id for task in tasks] == [1, 2, 3, 4]
        assert tasks[0].project.id == 1
    assert place.names() == ["t0", "t1", "t2", "t3"]


def test_a_recovery_that_was_refused_does_not_send_twice_what_the_program_adds(place, models):
    session = place.session()
    session.add_all(made(models))
    place.die(session, 3, done=False)
    place.server.fail("POST", "/tasks", 400, {"name": ["no"]})
    with place.session() as session:
        with pytest.raises(CommitError):
            session.recover()
        session.add_all(made(models))
        session.commit()
        assert session.new == []
    assert place.names() == ["t0", "t1", "t2", "t3"]


def test_what_a_refused_recovery_has_made_and_the_program_lets_go_is_sent_by_no_later_one(
    place, models
):
    session = place.session()
    session.add_all([models.Project(name="p"), models.Task(name="t")])
    place.die(session, 1, done=False)
    for endpoint in ("projects", "tasks"):
        place.server.fail("POST", f"/{endpoint}", 400, {"name": ["no"]})
    with place.session() as session:
        with pytest.raises(CommitError) as error:
            session.recover(on_error="continue")
        (task,) = (obj for obj in error.value.report.failed.objects if obj.name == "t")
        project = models.Project(name="p")
        session.add(project)
        project.commit()
        session.expunge(task)
    with place.session() as session:
        assert session.recover().counts() == {"created": 1}
    assert (place.names("projects"), place.names()) == (["p"], [])


def test_a_parent_that_earlier_runs_made_and_one_that_is_read_are_one(place, models):
    with place.session() as session:
        project = models.Project(name="p")
        session.add(project)
        session.commit()
        session.add(models.Task(name="a", project=project))
        session.commit()
    with place.session() as session:
        project = models.Project.objects.using(session).get(name="p")
        session.add(models.Task(name="a", project=project))
        session.add(models.Task(name="b", project=1))
        session.commit()
    with place.session() as session:
        project = models.Project(name="p")
        session.add_all(models.Task(name=name, project=project) for name in "ab")
        session.commit()
    assert place.names() == ["a", "b"]


def test_what_a_query_set_creates_is_bound_as_well(place, models):
    created = []
    for _ in range(2):
        with place.session() as session:
            task = models.Task.objects.using(session).create(name="a")
            assert task.id == 1
            other, new = models.Project.objects.using(session).get_or_create(name="p")
            created.append(new)
            assert other.id == 1
    assert created == [True, False]
    assert place.writes() == ["POST /tasks/", "POST /projects/"]


def test_an_object_that_was_read_gives_way_unless_it_has_changes(place, models):
    run(place, models)
    with closing(place.session()) as session:
        read = models.Task.objects.using(session).get(id=1)
        read.note = "mine"
        session.add_all(made(models))
        with pytest.raises(JournalError, match="in this session already, with changes"):
            session.commit()
        read.revert()
        session.commit()
        assert inspect(read).lifecycle == "detached"


@pytest.mark.parametrize("done", [False, True])
def test_a_deletion_of_unknown_fate_is_looked_up_before_the_object_is_used(place, models, done):
    session = place.session()
    tasks = made(models, 2)
    session.add_all(tasks)
    session.commit()
    session.delete(tasks[0])
    place.die(session, 1, done=done)
    with place.session() as session:
        tasks = made(models, 2)
        session.add_all(tasks)
        assert len(session.plan().left_out) == 1
        session.commit()
        assert (tasks[0].id, tasks[1].id) == (3 if done else 1, 2)
        session.delete(tasks[0])
        assert session.commit().deleted.objects == [tasks[0]]
    assert place.names() == ["t1"]
    with place.session() as session:
        assert session.recover().ok
        assert place.writes()[-1].startswith("DELETE")


@pytest.mark.parametrize("planned", [False, True])
@pytest.mark.parametrize("done", [False, True])
def test_what_stays_unknown_is_sent_by_no_later_run(place, models, done, planned):
    def program(session):
        session.add(models.Nameless(note="n"), tag="n")  # it can't be looked up

    session = place.session()
    program(session)
    place.die(session, 1, done=done)
    for _ in range(3):
        with place.session() as session:
            with pytest.raises(CommitError):
                session.recover()
            program(session)
            if planned:
                session.plan()
                session.members.clear()
                continue
            with pytest.raises(CommitError) as caught:
                session.commit()
            assert len(caught.value.report.uncertain) == 1
            session.rollback()
    assert place.writes() == ["POST /namelesses/"]
