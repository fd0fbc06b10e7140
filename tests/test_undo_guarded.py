"""An undo meets versions as a commit does, and leaves alone what the server had already."""

import sys
from contextlib import contextmanager

import pytest

from objmapper import CommitError, Model, Registry, Session, fields, inspect

registry = Registry("guarded undo")
SmallDialect = sys.modules["smallserver"].SmallDialect


class Base(Model):
    id = fields.Integer(primary_key=True)

    class Meta:
        abstract = True
        registry = registry


class Project(Base):
    name = fields.String(required=True)

    class Meta:
        natural_key = ["name"]


class Task(Base):
    name = fields.String(required=True)


@pytest.fixture
def server(small):
    small.table("projects", [{"id": 1, "name": "p1"}])
    small.table("tasks")
    return small


@contextmanager
def session_of(client):
    """A session that may be left with what was not sent."""
    with Session(client) as session:
        yield session
        session.rollback()


def failing(do, **options):
    """Return the report of what does not do everything."""
    with pytest.raises(CommitError) as caught:
        do(**options)
    return caught.value.report


# -- versions -------------------------------------------------------------------------------------


class Note(Base):
    """Its version is an entity tag."""

    name = fields.String()
    text = fields.String(null=True)

    class Meta:
        version = "etag"


class Page(Base):
    """Its version is a field, which every write moves."""

    name = fields.String()
    text = fields.String(null=True)
    updated = fields.Integer(read_only=True)

    class Meta:
        version_field = "updated"


@pytest.fixture
def versioned(small):
    rows = [{"id": n, "name": f"n{n}", "text": "as it was"} for n in (1, 2)]
    small.table("notes", [dict(row) for row in rows], etags="strong", secret=("moved",))
    pages = [row | {"updated": 1} for row in rows]
    small.table("pages", pages, version="updated", secret=("moved",))
    with session_of(small.client(has_etag=True)) as session:
        yield session


def moved(server, model, key, **values):
    """Somebody else writes a row; without values its version alone moves."""
    row = server.tables[model.__mapper__.endpoint].rows[key]
    row.update(values)
    row["moved"] = row.get("moved", 0) + 1
    if model is Page:
        row["updated"] += 1


@pytest.mark.parametrize("model", [Note, Page])
@pytest.mark.parametrize("touched", [False, True])
def test_what_only_its_version_says_was_changed_is_taken_back(small, versioned, model, touched):
    known, new = versioned.get(model, 1), model(name="new")
    known.name = "mine"
    versioned.add(new)
    report = versioned.commit()
    if touched:
        moved(small, model, 1)
        moved(small, model, new.id)
    assert set(report.undo().undone.objects) == {known, new}
    rows = small.tables[model.__mapper__.endpoint].rows
    assert {key: row["name"] for key, row in rows.items()} == {1: "n1", 2: "n2"}
    assert set(versioned.commit().created.objects) == {new}
    assert rows[1]["name"] == "mine"


@pytest.mark.parametrize("model", [Note, Page])
def test_with_a_version_any_change_of_others_is_in_the_way(small, versioned, model):
    known = versioned.get(model, 1)
    known.name = "mine"
    report = versioned.commit()
    moved(small, model, 1, text="theirs")
    undone = failing(report.undo)
    assert (undone.undone, undone.conflicts.objects) == ([], [known])
    row = small.tables[model.__mapper__.endpoint].rows[1]
    assert (row["name"], row["text"]) == ("mine", "theirs")
    assert report.updated.objects == [known]


def test_a_conflict_is_a_failure_that_undoes_the_rest(small, versioned):
    page, note = versioned.get(Page, 1), versioned.get(Note, 1)
    page.name = note.name = "mine"
    moved(small, Note, 1, text="theirs")
    report = failing(versioned.commit, on_error="undo", workers=1)
    assert report.conflicts.objects == [note]
    assert [row["name"] for row in small.tables["pages"].rows.values()] == ["n1", "n2"]
    assert (page.changes, note.changes) == ({"name": ("n1", "mine")},) * 2


# -- what was not this commit's doing -------------------------------------------------------------


class Found(SmallDialect):
    """A service whose 409 to a POST has the key of what is there."""

    def draft_create(self, change, mapper):
        return super().draft_create(change, mapper)._replace(found=frozenset({409}))


def test_what_the_server_had_already_stays(server):
    with session_of(server.client(dialect=Found(trailing_slash=True))) as session:
        server.fail("POST", "/projects", 409, {"id": 1})
        there, new = Project(name="p1"), Task(name="n")
        session.add_all([there, new])
        report = session.commit(workers=1)
        assert (report.existing.objects, report.created.objects) == ([there], [new])
        assert report.undo().undone.objects == [new]
        assert 1 in server.tables["projects"].rows
        assert inspect(there).lifecycle == "persistent"
