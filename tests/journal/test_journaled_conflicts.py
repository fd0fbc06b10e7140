"""A journal and versions together: what was merged on the way is recovered as it was merged."""

import pytest

from objmapper import CommitError, Model, Registry, Session, fields

registry = Registry("journaled conflicts")


class Note(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String()
    text = fields.String(null=True)
    size = fields.Integer(null=True)

    class Meta:
        registry = registry
        version = "etag"


@pytest.fixture
def notes(place):
    rows = [{"id": n, "name": f"n{n}", "text": "as it was", "size": 1} for n in (1, 2)]
    place.server.table("notes", rows, etags="strong")
    return place


def stored(notes, number):
    row = notes.server.tables["notes"].rows[number]
    return row["name"], row["text"], row["size"]


def changed_by_two(notes, session):
    """Mark a new name, after somebody else has changed the text."""
    note = Note.objects.using(session).get(id=1)
    session.client.request("PATCH", "/notes/1", json={"text": "theirs"})
    note.name = "mine"
    return note


@pytest.fixture
def notes_session(notes):
    def opened():
        client = notes.server.client(has_etag=True)
        return Session(client, journal=notes.path)

    return opened


def test_what_was_merged_is_done_for_the_next_run_too(notes, notes_session):
    with notes_session() as session:
        changed_by_two(notes, session)
        report = session.commit(on_conflict="merge")
        assert len(report.updated) == 1
    assert stored(notes, 1) == ("mine", "theirs", 1)
    before = len(notes.server.seen)
    with notes_session() as session:
        report = session.recover()
        assert len(report.updated) == 1
    assert len(notes.server.seen) == before


@pytest.mark.parametrize("done", [True, False])
def test_a_death_while_the_merged_request_is_under_way(notes, notes_session, done):
    session = notes_session()
    changed_by_two(notes, session)
    writes = len(notes.writes())
    notes.die(session, at=2, done=done, on_conflict="merge")
    assert len(notes.writes()) > writes + 1  # the refused one, and the merged one
    assert stored(notes, 1)[0] == ("mine" if done else "n1")
    with notes_session() as session:
        report = session.recover()
        assert [len(report.updated), len(report.conflicts), len(report.uncertain)] == [1, 0, 0]
    assert stored(notes, 1) == ("mine", "theirs", 1)


def test_a_conflict_that_was_told_is_open_for_the_next_run(notes, notes_session):
    session = notes_session()
    changed_by_two(notes, session)
    with pytest.raises(CommitError) as caught:
        session.commit()
    assert len(caught.value.report.conflicts) == 1
    session.close()
    assert stored(notes, 1) == ("n1", "theirs", 1)
    session = notes_session()
    with pytest.raises(CommitError) as caught:
        session.recover()
    session.close()
    (entry,) = caught.value.report.conflicts
    assert entry.conflict.base["text"] == "as it was"
    assert entry.conflict.theirs["text"] == "theirs"
    assert stored(notes, 1) == ("n1", "theirs", 1)
    with notes_session() as session:
        assert len(session.recover(on_conflict="merge").updated) == 1
    assert stored(notes, 1) == ("mine", "theirs", 1)


def test_what_was_merged_is_not_sent_if_the_disk_is_full(notes, notes_session):
    def fill(seen):
        if seen.method == "PATCH":
            store.database.execute("PRAGMA max_page_count = 1")  # it becomes as many as there are

    session = notes_session()
    note = changed_by_two(notes, session)
    note.name = "long" * 10_000
    store, notes.server.hook = session.journal._store, fill
    before = len(notes.writes())
    with pytest.raises(CommitError, match="full") as caught:
        session.commit(on_conflict="merge")
    assert len(notes.writes()) == before + 1
    assert stored(notes, 1) == ("n1", "theirs", 1)
    assert not caught.value.report.updated
    notes.server.hook = lambda seen: None
    store.database.execute("PRAGMA max_page_count = 1073741823")
    session.close()
    with notes_session() as session:
        assert len(session.recover(on_conflict="merge").updated) == 1
    assert stored(notes, 1) == ("long" * 10_000, "theirs", 1)


class Counted(Model):
    """Of a server that counts versions, and heeds none."""

    id = fields.Integer(primary_key=True)
    name = fields.String()
    text = fields.String(null=True)
    version = fields.Integer(read_only=True)

    class Meta:
        registry = registry
        version_field = "version"


def test_what_was_merged_before_it_was_sent_is_done_for_the_next_run_too(place):
    row = {"id": 1, "name": "n", "text": "as it was", "version": 1}
    place.server.table("counteds", [row], version="version")
    with place.session() as session:
        counted = Counted.objects.using(session).get(id=1)
        session.client.request("PATCH", "/counteds/1", json={"text": "theirs"})
        counted.name = "mine"
        assert len(session.commit(on_conflict="merge").updated) == 1
    before = len(place.server.seen)
    with place.session() as session:
        assert len(session.recover().updated) == 1
    assert len(place.server.seen) == before
