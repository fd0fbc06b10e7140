"""What was to be deleted when a process died: done once, of the object that was meant, or not at all.

The small server gives the greatest key anew as soon as it is free, as SQLite does without AUTOINCREMENT.
"""

from contextlib import closing

import pytest

from objmapper import CommitError, JournalError, Model, Registry, Session, fields, inspect

registry = Registry("deletions")


class Dated(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String(required=True)
    made = fields.DateTime(read_only=True)

    class Meta:
        registry = registry
        endpoint = "dated"
        natural_key = ["name"]
        created_field = "made"


def died_deleting(place, models, *, done, at=1, tag=None):
    """Leave the journal of a process that has made a task, and died when it was to delete it."""
    session = place.session()
    task = models.Task(name="a")
    session.add(task, tag=tag)
    session.commit()
    if at == 2:  # something else goes first, and the deletion never
        session.add(models.Project(name="before"))
    session.delete(task)
    place.die(session, 1, done=done)
    place.server.seen.clear()


def somebody_makes(place, name):
    row = {"id": place.server.tables["tasks"].next_key(), "name": name}
    place.server.tables["tasks"].rows[row["id"]] = row
    return row


# -- a key that is another object's by now --------------------------------------------------------


def test_what_somebody_else_has_made_under_the_key_is_not_deleted(place, models):
    died_deleting(place, models, done=True)
    assert somebody_makes(place, "b")["id"] == 1
    with closing(place.session()) as session:
        with pytest.raises(CommitError) as error:
            session.recover()
        (entry,) = error.value.report.uncertain
        assert (
            "has another 'name': somebody has changed it, or the server has given the key"
            in str(error.value)
        )
        assert session.settle(entry.object, found=None)
    assert place.writes() == []
    with place.session() as session:
        assert session.recover().counts() == {"created": 1, "deleted": 1}
    assert place.names() == ["b"]


def test_what_this_journal_has_made_under_the_key_is_not_deleted(place, models):
    died_deleting(place, models, done=True)
    with place.session() as session:
        other = models.Task(name="b")
        session.add(other)
        session.commit()
        assert other.id == 1
    with place.session() as session:
        report = session.recover()
        assert report.counts() == {"created": 2, "deleted": 1}
        assert report.requests == 0
    assert [write.split()[0] for write in place.writes()] == ["POST"]
    assert place.names() == ["b"]
    with place.session() as session:
        assert session.recover().counts() == {"created": 2, "deleted": 1}


@pytest.mark.parametrize("tag", [None, "row-1"])
def test_what_is_made_again_is_not_what_has_its_key_by_now(place, models, tag):
    died_deleting(place, models, done=True, tag=tag)
    with place.session() as session:
        first, other = models.Task(name="a"), models.Task(name="b")
        session.add(other)
        session.commit()
        session.add(first, tag=tag)
        assert session.commit().created.objects == [first]
        assert (other.id, first.id) == (1, 2)
        session.delete(first)
        assert session.commit().deleted.objects == [first]
    with place.session() as session:
        assert session.recover().requests == 0
    assert place.names() == ["b"]


def test_a_recovery_after_another_was_made_in_the_same_session_leaves_that_one(place, models):
    died_deleting(place, models, done=True)
    with place.session() as session:
        other = models.Task(name="b")
        session.add(other)
        session.commit()
        assert session.recover().deleted.objects[0] is not other
        assert inspect(other).lifecycle == "persistent"
    assert place.names() == ["b"]


@pytest.mark.parametrize("done", [False, True])
def test_a_deletion_that_was_lost_is_done_once_where_nothing_else_has_the_key(place, models, done):
    died_deleting(place, models, done=done)
    with place.session() as session:
        assert session.recover().counts() == {"created": 1, "deleted": 1}
    assert place.names() == []
    assert len(place.writes()) == (0 if done else 1)


def test_what_is_made_under_another_key_leaves_the_deletion_to_be_done(place, models):
    died_deleting(place, models, done=False)
    with place.session() as session:
        other = models.Task(name="b")
        session.add(other)
        session.commit()
        assert other.id == 2
    with place.session() as session:
        assert session.recover().counts() == {"created": 2, "deleted": 1}
    assert place.names() == ["b"]


def test_what_was_meant_before_the_deletion_and_made_after_it_is_not_deleted(place, models):
    options = {"idempotency_header": "Idempotency-Key"}
    session = place.session(**options)
    task = models.Task(name="a")
    session.add(task)
    session.commit()
    session.add(models.Task(name="b"))
    session.delete(task)
    place.server.fail("POST", "/tasks/", 502)
    place.die(session, 2, done=True, on_error="continue")
    with place.session(**options) as session:
        other = models.Task(name="b")
        session.add(other)
        session.commit()
        assert other.id == 1
    place.server.seen.clear()
    with place.session(**options) as session:
        assert session.recover().counts() == {"created": 2, "deleted": 1}
    assert (place.server.seen, place.names()) == ([], ["b"])


TIMES = {
    "2026-01-01T00:00:00.5Z": ("2026-01-01T00:00:00.5Z", "a", "deleted"),
    "renamed": ("2026-01-01T00:00:00.5Z", "b", "deleted"),
    "replaced": ("2026-01-01T00:00:07.5Z", "a", "there"),
    "in whole seconds": ("2026-01-01T00:00:00Z", "b", "uncertain"),
}


@pytest.mark.parametrize("case", TIMES)
def test_when_it_was_made_tells_what_was_meant_from_others(place, case):
    made, name, ends = TIMES[case]
    before = made if ends == "uncertain" else "2026-01-01T00:00:00.5Z"
    table = place.server.table("dated", [{"id": 1, "name": "a", "made": before}])
    session = place.session()
    session.delete(Dated.objects.using(session).get(id=1))
    place.die(session, 1, done=True)
    table.rows[1] = {"id": 1, "name": name, "made": made}
    with closing(place.session()) as session:
        try:
            report = session.recover()
        except CommitError as error:
            report = error.report
        for obj in report.uncertain.objects:
            session.settle(obj, found=None)
    assert report.counts() == {"uncertain" if ends == "uncertain" else "deleted": 1}
    assert list(table.rows) == ([] if ends == "deleted" else [1])


def test_a_key_that_comes_back_while_the_deletion_is_uncertain_is_the_new_objects(small, models):
    small.table("projects")
    small.table("tasks", [{"id": 1, "name": "a"}], foreign={"project": "projects"})
    with Session(small.client(recommended_workers=1)) as session:
        old = models.Task.objects.using(session).get(id=1)
        session.delete(old)
        small.fail("DELETE", "/tasks/1", 502, done=True)
        small.fail("GET", "/tasks/1", 500, times=2)
        with pytest.raises(CommitError) as error:
            session.commit()
        assert error.value.report.uncertain.objects == [old]
        new = models.Task(name="b")
        session.add(new)
        with pytest.raises(CommitError) as error:
            session.commit()
        report = error.value.report
        assert (report.uncertain.objects, report.created.objects) == ([old], [new])
        assert session.commit().counts() == {}
        assert (new.id, inspect(new).lifecycle, inspect(old).lifecycle) == (
            1,
            "persistent",
            "detached",
        )
        assert models.Task.objects.using(session).get(id=1) is new
    assert [str(seen) for seen in small.seen if seen.method != "GET"] == [
        "DELETE /tasks/1/",
        "POST /tasks/",
    ]


# -- what the program says no longer --------------------------------------------------------------


def test_a_deletion_that_never_went_out_is_recovered(place, models):
    died_deleting(place, models, done=False, at=2)
    with place.session() as session:
        assert session.recover().counts() == {"created": 2, "deleted": 1}
    assert place.names() == []


def died_before_deleting(place, models, **options):
    """Leave the journal of a process that died before its deletion went, whose object is gone by now."""
    session = place.session(**options)
    task = models.Task(name="a")
    session.add(task)
    session.commit()
    session.add(models.Project(name="before"))
    session.delete(task)
    place.die(session, 1, done=False)
    place.server.seen.clear()
    del place.server.tables["tasks"].rows[1]


@pytest.mark.parametrize("options", [{}, {"idempotency_header": "Idempotency-Key"}])
def test_a_deletion_that_never_went_takes_no_object_that_has_the_key_by_now(place, models, options):
    died_before_deleting(place, models, **options)
    assert somebody_makes(place, "b")["id"] == 1
    with closing(place.session(**options)) as session:
        with pytest.raises(CommitError, match="has another 'name'") as error:
            session.recover(on_error="continue")
        (entry,) = error.value.report.uncertain
        assert session.settle(entry.object, found=None)
    assert place.writes() == ["POST /projects/"]
    with place.session(**options) as session:
        assert session.recover().counts() == {"created": 2, "deleted": 1}
    assert place.names() == ["b"]


def test_a_deletion_that_never_went_is_sent_when_somebody_says_that_it_is_meant(place, models):
    died_before_deleting(place, models)
    somebody_makes(place, "renamed")
    with place.session() as session:
        with pytest.raises(CommitError) as error:
            session.recover(on_error="continue")
        (entry,) = error.value.report.uncertain
        assert session.settle(entry.object, found=entry.object)
        assert session.commit().deleted.objects == [entry.object]
    assert place.names() == []


def test_a_deletion_that_never_went_of_what_is_gone_is_done(place, models):
    died_before_deleting(place, models)
    with place.session() as session:
        report = session.recover()
        assert (report.counts(), report.requests) == ({"created": 2, "deleted": 1}, 1)
    assert place.writes() == ["POST /projects/"]


@pytest.mark.parametrize("stays", [True, False])
def test_a_deletion_that_was_refused_goes_anew_and_not_as_a_repeat(place, models, stays):
    """A server that knows a repeat by its key would answer as it did before."""
    options = {"idempotency_header": "Idempotency-Key"}
    place.server.fail("DELETE", "/tasks/1", 403, times=1 + stays)
    session = place.session(**options)
    task = models.Task(name="a")
    session.add(task)
    session.commit()
    session.delete(task)
    with pytest.raises(CommitError, match="1 failed"):
        session.commit()
    session.close()
    with closing(place.session(**options)) as session:
        counts = session.recover().counts() if not stays else refused(session)
        assert counts == {"created": 1, "failed" if stays else "deleted": 1}
        assert session.uncertain == []
    first, second = (seen for seen in place.server.seen if seen.method == "DELETE")
    assert first.headers["Idempotency-Key"] != second.headers["Idempotency-Key"]


def refused(session):
    with pytest.raises(CommitError) as error:
        session.recover()
    return error.value.report.counts()


def test_a_deletion_that_never_went_waits_while_the_server_tells_nothing(place, models):
    died_deleting(place, models, done=False, at=2)
    place.server.fail("GET", "/tasks/1", 503)
    with closing(place.session()) as session:
        with pytest.raises(CommitError) as error:
            session.recover(on_error="continue")
        assert len(error.value.report.uncertain) == 1
        assert session.commit().counts() == {"deleted": 1}
    assert place.names() == []


def test_what_the_program_makes_again_is_not_deleted_by_a_later_recovery(place, models):
    died_deleting(place, models, done=False, at=2)
    with place.session() as session:
        session.add(models.Task(name="a"))
        session.commit()
    with place.session() as session:
        assert session.recover().counts() == {"created": 2}
    assert place.names() == ["a"]


def test_what_the_program_changes_later_is_not_deleted_by_a_recovery(place, models):
    died_deleting(place, models, done=False, at=2)
    with place.session() as session:
        task = models.Task.objects.using(session).get(name="a")
        task.note = "it stays"
        session.commit()
    with place.session() as session:
        assert session.recover().counts() == {"created": 2, "updated": 1}
    assert place.names() == ["a"]


def test_what_the_program_deletes_again_is_deleted(place, models):
    died_deleting(place, models, done=False, at=2)
    with place.session() as session:
        task = models.Task(name="a")
        session.add(task)
        session.commit()
        session.delete(task)
        session.commit()
    assert place.names() == []
    place.server.seen.clear()
    with place.session() as session:
        assert session.recover().counts() == {"created": 2, "deleted": 1}
    assert place.writes() == ["POST /projects/"]


def test_a_change_that_never_went_is_sent_by_a_recovery_though_a_run_has_made_its_object_again(
    place, models
):
    session = place.session()
    task = models.Task(name="a")
    session.add(task)
    session.commit()
    session.add(models.Project(name="before"))
    task.note = "x"
    place.die(session, 1, done=False)
    with place.session() as session:
        session.add(models.Task(name="a"))
        session.commit()
    place.server.seen.clear()
    with place.session() as session:
        assert session.recover().counts() == {"created": 2, "updated": 1}
    assert sorted(place.writes()) == ["PATCH /tasks/1/", "POST /projects/"]
    assert place.server.tables["tasks"].rows[1]["note"] == "x"


# -- what a recovery counts -----------------------------------------------------------------------


@pytest.mark.parametrize(("at", "done", "sent"), [(1, False, 2), (1, True, 1), (2, True, 0)])
def test_a_recovery_reports_the_whole_run_and_counts_its_own_requests(
    place, models, at, done, sent
):
    session = place.session()
    session.add_all([models.Task(name="a"), models.Task(name="b")])
    place.die(session, at, done=done)
    place.server.seen.clear()
    with place.session() as session:
        report = session.recover()
    assert report.counts() == {"created": 2}
    assert report.requests == len(place.writes()) == sent
    by_others = [entry for entry in report.created if entry.operation is None]
    assert len(by_others) == at - 1


def test_what_is_sent_again_with_its_idempotency_key_is_counted(place, models):
    options = {"idempotency_header": "Idempotency-Key"}
    session = place.session(**options)
    session.add(models.Nameless(note="n"), tag="one")
    place.die(session, 1, done=False)
    place.server.seen.clear()
    with place.session(**options) as session:
        report = session.recover()
    assert (report.counts(), report.requests, report.retries) == ({"created": 1}, 1, 1)
    assert len(place.writes()) == 1


def test_what_is_made_again_and_can_not_be_told_from_another_is_settled_by_hand(place, models):
    died_deleting(place, models, done=True)
    somebody_makes(place, "b")
    with closing(place.session()) as session:
        session.add(models.Task(name="a"))
        with pytest.raises(JournalError, match=r"has another 'name'.*session\.settle"):
            session.commit()
        session.rollback()
    with closing(place.session()) as session:
        with pytest.raises(CommitError) as error:
            session.recover()
        (gone,) = error.value.report.uncertain.objects
        session.settle(gone, found=None)
    assert place.writes() == []
    with place.session() as session:
        again = models.Task(name="a")
        session.add(again)
        assert session.commit().created.objects == [again]
        assert again.id == 2
    assert place.names() == ["a", "b"]
