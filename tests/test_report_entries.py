"""The lists of a report: entries are made when they are looked at, and stay what they are."""

import gc

import pytest

from objmapper import CommitError, Model, Registry, Session, fields
from objmapper.report import Entry


class Note(Model):
    id = fields.Integer(primary_key=True)
    text = fields.String(null=True)

    class Meta:
        registry = Registry()


@pytest.fixture
def reported(small):
    """Notes a, b and c, of which the second was refused, and the report of their commit."""
    small.table("notes")
    notes = [Note(text=text) for text in "abc"]
    with Session(small.client()) as session:
        session.add_all(notes)
        small.fail("POST", "/notes", 400, {"text": ["no"]})
        with pytest.raises(CommitError) as raised:
            session.commit(workers=1, on_error="continue")
        yield notes, raised.value.report
        session.rollback()


def test_an_entry_is_the_same_one_whenever_it_is_looked_at(reported):
    (refused, first, _), report = reported
    entry = report.created[0]
    assert entry is report.created[0] is next(iter(report.created))
    assert (entry.object, entry.answer.status, entry.request.method) == (first, 201, "POST")
    assert (report.failed[-1].object, report.failed[-1].error.status) == (refused, 400)


def test_a_list_knows_its_objects_and_its_entries(reported):
    (refused, first, second), report = reported
    assert (first in report.created, refused in report.created, None in report.created) == (
        True,
        False,
        False,
    )
    entry = report.created[1]
    assert (entry in report.created, entry in report.failed) == (True, False)
    assert (report.created.index(entry), next(reversed(report.created))) == (1, entry)
    assert report.created.objects == [first, second]


def test_lists_are_compared_cut_and_joined_as_lists_are(reported):
    (refused, first, second), report = reported
    assert report.created[1:].objects == [second]
    assert [entry.object for entry in report.created + report.failed] == [first, second, refused]
    assert report.created == list(report.created)
    assert report.created != report.failed
    assert report.deleted == report.skipped == []
    assert (report.created != 2, repr(report.deleted)) == (True, "[]")
    with pytest.raises(IndexError):
        report.created[2]
    with pytest.raises(TypeError, match="unhashable"):
        hash(report.created)


def test_of_what_nobody_looks_at_no_entry_is_kept(reported):
    _, report = reported
    assert (len(report.created), bool(report.failed), report.counts()["created"]) == (2, True, 2)
    (kept,) = [held for held in gc.get_referents(report.created) if isinstance(held, list)]
    assert Entry not in map(type, kept)
    assert [*report.created]
    assert {*map(type, kept)} == {Entry}


def test_values_of_a_commit_have_all_their_fields(reported):
    _, report = reported
    for entry in [*report.created, *report.failed]:
        operation, outcome = entry.operation, entry.outcome
        for value in (operation, operation.draft, *operation.changes, operation.request, outcome):
            assert len(value) == len(value._fields)


def test_an_operation_says_what_its_draft_says(reported):
    _, report = reported
    operation = report.created[0].operation
    draft = operation.draft
    same = [name for name in draft._fields if name not in ("after", "changes", "request")]
    assert len(same) == len(draft) - 3
    assert (operation.changes, len(draft.changes)) == (draft.changes, 1)
    assert operation.request == draft.request
    assert all(getattr(operation, name) is getattr(draft, name) for name in same)
    assert operation.needs is draft.after
    other = draft._replace(kind="star", after=(operation,))
    placed = operation.at(7, frozenset({3}), 2, ()).of_draft(other)
    assert (placed.draft, placed.kind, placed.needs) == (other, "star", (operation,))
    assert placed.writing(draft.changes * 2).changes == draft.changes * 2
    assert placed.writing(()).changes == ()
    assert (placed.number, placed.after, placed.wave, placed.batch) == (7, {3}, 2, None)


def test_entries_go_before_and_after_a_list(reported):
    _, report = reported
    made, refused = list(report.created), list(report.failed)
    assert report.created + report.failed == made + report.failed == made + refused
