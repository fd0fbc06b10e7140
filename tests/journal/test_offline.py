"""An offline session sends nothing: its commits wait in a journal for a session that does."""

import warnings
from contextlib import closing

import pytest

from objmapper import (
    CommitError,
    JournalError,
    OfflineError,
    Session,
    SessionError,
    ValidationError,
    inspect,
    signals,
)


def tasks(models, count=3):
    project = models.Project(name="p")
    return [models.Task(name=f"t{number}", project=project, tags=["a"]) for number in range(count)]


def offline(place):
    return Session(offline=place.path)


def test_what_is_committed_is_kept_and_sent_later_children_after_parents(place, models):
    with offline(place) as session:
        session.add_all(tasks(models))
        report = session.commit()
        assert report.counts() == {"pending": 4}
        assert report.requests == 0
        assert [inspect(obj).lifecycle for obj in report.pending.objects] == ["pending"] * 4
    assert place.server.seen == []
    with place.session() as session:
        assert session.recover().counts() == {"created": 4}
    assert place.writes()[0] == "POST /projects/"
    rows = place.server.tables["tasks"].rows.values()
    assert [(row["name"], row["project"], row["tags"]) for row in rows] == [
        (f"t{number}", 1, ["a"]) for number in range(3)
    ]


def test_several_sessions_one_after_the_other_append(place, models):
    for name in "abc":
        with offline(place) as session:
            session.add(models.Task(name=name))
            session.commit()
    with place.session() as session:
        assert len(session.recover().created) == 3
    assert place.names() == ["a", "b", "c"]
    with offline(place) as session:
        session.add(models.Task(name="d"))
        assert session.commit().counts() == {"pending": 1}
    with place.session() as session:
        session.recover()
    assert place.names() == ["a", "b", "c", "d"]
    assert len(place.writes()) == 4


def test_objects_that_nothing_tells_apart_are_kept_each(place, models):
    for _ in range(2):
        with offline(place) as session:
            session.add_all([models.Nameless(note="x"), models.Nameless(note="x")])
            session.commit()
    with place.session() as session:
        session.recover()
        session.recover()
    assert [row.get("note") for row in place.server.tables["namelesses"].rows.values()] == ["x"] * 4


def test_a_second_commit_keeps_what_is_new_and_what_was_edited_alone(place, models):
    with offline(place) as session:
        first, second = models.Task(name="a", note="x", tags=["a"]), models.Task(name="b")
        session.add_all([first, second])
        session.commit()
        assert session.commit().counts() == {}
        first.note = None
        first.tags.append("b")
        third = models.Task(name="c")
        session.add(third)
        assert session.commit().pending.objects == [first, third]
    with place.session() as session:
        session.recover()
    rows = place.server.tables["tasks"].rows.values()
    assert sorted((row["name"], row.get("note"), tuple(row.get("tags") or ())) for row in rows) == [
        ("a", None, ("a", "b")),
        ("b", None, ()),
        ("c", None, ()),
    ]


def test_objects_of_known_keys_are_changed_and_deleted_unread(place, models):
    place.server.tables["tasks"].rows.update(
        {n: {"id": n, "name": f"t{n}", "note": "old", "tags": []} for n in (1, 2, 3)}
    )
    with offline(place) as session:
        refer = models.Task.objects.using(session).reference
        one, two, three = refer(1), refer(2), refer(3)
        one.note, two.note, two.name = "new", "new", "other"
        session.delete(three)
        assert session.commit().counts() == {"pending": 3}
        two.revert()
        two.name = "two"
        assert session.commit().counts() == {"pending": 1}
    with place.session() as session:
        assert session.recover().counts() == {"updated": 2, "deleted": 1}
    rows = place.server.tables["tasks"].rows
    assert {key: (row["name"], row.get("note")) for key, row in rows.items()} == {
        1: ("t1", "new"),
        2: ("two", "old"),
    }


@pytest.mark.parametrize("take", ["delete", "expunge"])
def test_what_is_taken_out_is_not_sent(place, models, take):
    with offline(place) as session:
        kept, gone = models.Task(name="kept"), models.Task(name="gone")
        session.add_all([kept, gone])
        session.commit()
        getattr(session, take)(gone)
    with place.session() as session:
        session.recover()
    assert place.names() == ["kept"]


def test_a_rollback_takes_nothing_back_that_was_kept(place, models):
    with offline(place) as session:
        session.add(task := models.Task(name="a", note="x"))
        session.commit()
        session.add(models.Task(name="b"))
        session.rollback()
        assert session.new == []
        task.note = "y"
        session.add(task)
        session.add(models.Project(name="p"))
        session.commit()
        session.rollback()
        session.add(models.Project(name="p", note="again"))
        session.commit()
    with place.session() as session:
        session.recover()
    assert [row.get("note") for row in place.server.tables["tasks"].rows.values()] == ["y"]
    assert [row.get("note") for row in place.server.tables["projects"].rows.values()] == ["again"]


def test_leaving_warns_of_what_no_commit_has_kept(place, models):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with offline(place) as session:
            session.add(models.Task(name="a"))
            session.commit()
    session = offline(place).__enter__()
    session.add(task := models.Task(name="b"))
    session.commit()
    task.note = "later"
    with pytest.warns(UserWarning, match=r"\(1 new or dirty\), which were not kept"):
        session.__exit__(None, None, None)
    with place.session() as session:
        session.recover()
    assert {row["name"]: row.get("note") for row in place.server.tables["tasks"].rows.values()} == {
        "a": None,
        "b": None,
    }


def test_what_would_ask_the_server_is_refused(place, models):
    with closing(Session(place.server.client(), offline=place.path)) as session:
        objects = models.Task.objects.using(session)
        with pytest.raises(OfflineError, match=r"GET /tasks.*offline.*dispatch"):
            list(objects.filter(name="a"))
        for ask in (
            lambda: objects.get(id=1),
            objects.count,
            lambda: objects.reference(1).note,
            lambda: objects.reference(1).refresh(),
            lambda: session.get(models.Task, 2),
            lambda: list(objects.iterator()),
            lambda: objects.get_or_create(name="a"),
            session.recover,
        ):
            with pytest.raises(OfflineError):
                ask()
        session.add(models.Task(name="a"))
        report = session.commit()
        with pytest.raises(OfflineError, match="nothing can be undone"):
            report.undo()
    assert place.server.seen == []


def test_without_a_client_there_is_none_to_send_by(place):
    with offline(place) as session, pytest.raises(OfflineError, match="GET /x"):
        session.client.request("GET", "/x")


def test_what_is_not_valid_is_not_kept(place, models):
    with closing(offline(place)) as session:
        session.add_all([models.Task(name="a"), models.Task()])
        with pytest.raises(ValidationError):
            session.commit()
    with place.session() as session:
        assert session.recover().counts() == {}
    assert place.server.seen == []


def test_a_veto_and_what_waits_for_it_are_not_kept(place, models):
    def veto(sender, instance, **more):
        if instance.name == "p":
            raise signals.Veto("no")

    with closing(offline(place)) as session, signals.pre_create.connected_to(veto, models.Project):
        one, *_ = tasks(models, 1)
        session.add_all([one, models.Task(name="free")])
        with pytest.raises(CommitError) as caught:
            session.commit()
        assert caught.value.report.counts() == {"skipped": 2, "pending": 1}
    with place.session() as session:
        session.recover()
    assert place.names() == ["free"]


def test_post_receivers_hear_of_what_is_done_when_it_is(place, models):
    heard = []

    def created(sender, instance, **more):
        heard.append(instance.name)

    with signals.post_create.connected_to(created, models.Task):
        with offline(place) as session:
            session.add(models.Task(name="a"))
            session.commit()
            assert heard == []
        with place.session() as session:
            session.recover()
    assert heard == ["a"]


def test_secrets_are_not_kept_and_are_asked_for(place, models):
    with offline(place) as session:
        session.add(models.Task(name="a", secret="hunter2"), tag="row")
        session.commit()
        assert "hunter2" not in repr(session.commit())
    assert b"hunter2" not in b"".join(
        file.read_bytes() for file in place.path.parent.glob("it.journal*")
    )
    with place.session() as session:
        with pytest.raises(JournalError, match=r"Task.*secret"):
            session.recover()
        session.recover(secrets=lambda obj, name, tag: f"{name} of {tag}")
    assert place.names() == ["a"]


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("at", [1, 2, 4])
def test_a_dispatch_that_is_killed_is_finished(place, models, at, done):
    with offline(place) as session:
        session.add_all(tasks(models))
        session.commit()
    session = place.session()
    session.commit = lambda **options: session.recover(**options)
    place.die(session, at, done=done)
    with place.session() as session:
        assert session.recover().counts() == {"created": 4}
    assert place.names() == ["t0", "t1", "t2"]
    assert place.names("projects") == ["p"]


def test_of_two_at_once_one_is_refused(place, models):
    with offline(place), pytest.raises(JournalError, match="open in another session"):
        place.session()
    with place.session(), pytest.raises(JournalError, match="open in another session"):
        offline(place)


def test_the_program_that_was_offline_finds_what_was_sent(place, models):
    for _ in range(2):
        with offline(place) as session:
            session.add_all(tasks(models, 1))
            counted = session.commit().counts()
        with place.session() as session:
            session.recover()
    assert counted == {}
    assert place.names() == ["t0"]


def test_a_journal_is_of_the_server_that_is_named(place, models, tmp_path):
    with Session(place.server.client(), offline=place.path) as session:
        session.add(models.Task(name="a"))
        session.commit()
    with offline(place) as session:
        assert session.dialect.name == "drf"
    with pytest.raises(JournalError, match="dialect"):
        Session(place.server.client(dialect="rest"), journal=place.path)


def test_arguments_that_make_no_session_are_refused(place):
    with pytest.raises(TypeError, match="needs a client"):
        Session()
    with pytest.raises(ValueError, match="journal= and offline="):
        Session(place.server.client(), journal="a", offline="b")
    with pytest.raises(JournalError):
        Session(offline=place.path.parent)
    assert issubclass(OfflineError, SessionError)
    assert issubclass(OfflineError, ConnectionError)


def test_verbs_of_objects_and_query_sets_and_plans_keep_as_well(place, models):
    with offline(place) as session:
        objects = models.Task.objects.using(session)
        one, _ = objects.bulk_create([models.Task(name="a"), models.Task(name="b")])
        objects.create(name="c")
        session.add(models.Task(name="d"))
        session.add(models.Task(name="not planned"))
        plan = session.plan()
        assert [op.objects[0].name for op in plan] == ["a", "b", "c", "d", "not planned"]
        session.expunge(session.new[-1])
        session.add(later := models.Task(name="e"))
        later.commit()
        one.delete()
        assert session.commit().pending.objects == [session.new[-2]]
    with place.session() as session:
        session.recover()
    assert place.names() == ["b", "c", "d", "e"]


def test_a_plan_is_applied_to_the_journal(place, models):
    with closing(offline(place)) as session:
        session.add(models.Task(name="a"))
        plan = session.plan()
        session.add(models.Task(name="b"))
        assert session.apply(plan).counts() == {"pending": 1}
    with place.session() as session:
        session.recover()
    assert place.names() == ["a"]


def test_what_a_dead_sender_may_have_sent_is_neither_asked_nor_kept_again(place, models):
    with offline(place) as session:
        session.add(models.Task(name="a"))
        session.commit()
    session = place.session()
    session.commit = lambda **options: session.recover(**options)
    place.die(session, 1, done=True)
    asked = len(place.server.seen)
    with closing(offline(place)) as session:
        session.add(models.Task(name="a"))
        with pytest.raises(CommitError) as caught:
            session.commit()
        assert caught.value.report.counts() == {"uncertain": 1}
    assert len(place.server.seen) == asked
    with place.session() as session:
        assert session.recover().counts() == {"created": 1}
    assert place.names() == ["a"]
