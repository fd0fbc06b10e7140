"""A commit's error and its report can be pickled, as a process pool does: with copies, without secrets."""

import copy
import pickle

import pytest

from objmapper import (
    CommitError,
    Conflict,
    ConflictError,
    Model,
    Registry,
    Session,
    SessionError,
    fields,
    inspect,
)


class Note(Model):
    id = fields.Integer(primary_key=True)
    text = fields.String(null=True)
    secret = fields.String(write_only=True)

    class Meta:
        registry = Registry()
        version = "etag"


@pytest.fixture
def session(small):
    small.table("notes", secret=("secret",), etags="strong")
    with Session(small.client(has_etag=True)) as session:
        yield session
        session.rollback()


def failed(small, session):
    small.fail("POST", "/notes", 409, {"detail": "no", "secret": "s3cret"})
    session.add_all([Note(text="a", secret="s3cret"), Note(text="b", secret="s3cret")])
    with pytest.raises(CommitError) as raised:
        session.commit(workers=1, on_error="continue")
    return raised.value


def test_an_error_has_its_report_with_copies_of_the_objects(small, session):
    error = failed(small, session)
    twin = pickle.loads(pickle.dumps(error))
    assert (type(twin), str(twin)) == (CommitError, str(error))
    report = twin.report
    assert (report.counts(), report.requests) == ({"created": 1, "failed": 1}, 2)
    (entry,) = report.failed
    assert (entry.object.text, inspect(entry.object).session) == ("a", None)
    assert (type(entry.error), entry.answer.status, entry.request) == (Conflict, 409, None)
    assert (entry.answer.content, entry.answer.headers) == (b"", {})
    (made,) = report.created.objects
    assert (made.id, inspect(made).lifecycle, report.ok) == (1, "detached", False)
    assert str(report) == str(error.report)
    assert report.to_json()["failed"][0]["status"] == 409


def test_no_secret_travels(small, session):
    assert b"s3cret" not in pickle.dumps(failed(small, session))


def test_what_was_pickled_is_whole_where_it_came_from(small, session):
    report = failed(small, session).report
    pickle.dumps(report)
    assert report.session is session
    assert report.failed[0].request.method == "POST"
    assert report.undo().undone.objects != []


def test_a_copy_can_not_be_undone(small, session):
    report = failed(small, session).report
    for twin in (pickle.loads(pickle.dumps(report)), copy.deepcopy(report)):
        with pytest.raises(SessionError, match="session of this commit is gone"):
            twin.undo()


def test_a_conflict_tells_what_both_sides_did(small, session):
    small.tables["notes"].rows[5] = {"id": 5, "text": "a"}
    note = Note.objects.get(id=5)
    note.text = "mine"
    small.tables["notes"].rows[5] = {"id": 5, "text": "theirs"}
    with pytest.raises(ConflictError) as raised:
        note.commit()
    twin = pickle.loads(pickle.dumps(raised.value))
    assert (twin.base, twin.mine, twin.theirs) == (
        {"text": "a"},
        {"text": "mine"},
        {"text": "theirs"},
    )
    assert twin.report.conflicts[0].conflict.both == ("text",)
    assert twin.conflict.object is twin.report.conflicts[0].object
