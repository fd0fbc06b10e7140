"""A create that is refused because the server has it already: bound to that one, and reported so."""

import pytest
from smallserver import SmallDialect

from objmapper import CommitError, Model, Registry, Session, fields, inspect, scope, signals


class Found(SmallDialect):
    """A service whose 409 to a POST has the key of what is there."""

    def draft_create(self, change, mapper):
        return super().draft_create(change, mapper)._replace(found=frozenset({409}))


class Tag(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String(required=True)
    colour = fields.String(null=True)

    class Meta:
        registry = Registry()
        natural_key = ("name",)


@pytest.fixture
def session(small):
    small.table("tags", [{"id": 7, "name": "hot", "colour": "red"}])
    with Session(small.client(dialect=Found(trailing_slash=True))) as session:
        yield session


def test_what_is_there_already_is_reported_as_existing_and_has_its_key(small, session):
    small.fail("POST", "/tags", 409, {"id": 7})
    tag = Tag(name="hot")
    report = tag.commit()
    assert (report.existing.objects, report.created.objects, report.ok) == ([tag], [], True)
    assert tag.id == 7
    assert session.get(Tag, 7) is tag
    assert report.counts() == {"existing": 1}
    assert report.to_json()["existing"][0]["status"] == 409
    assert tag.changes == {}


def test_what_it_was_to_be_created_with_is_still_a_change(small, session):
    small.fail("POST", "/tags", 409, {"id": 7})
    tag = Tag(name="hot", colour="blue")
    tag.commit()
    assert tag.changes == {"colour": (None, "blue")}
    assert session.dirty == [tag]
    assert tag.commit().updated.objects == [tag]
    assert small.tables["tags"].rows[7]["colour"] == "blue"


def test_the_rest_of_it_is_loaded_when_it_is_touched(small, session):
    small.fail("POST", "/tags", 409, {"id": 7})
    tag = Tag(name="hot")
    tag.commit()
    assert tag.colour == "red"


def test_a_second_object_of_what_is_there_is_let_go_with_its_key(small, session):
    known = Tag.objects.get(id=7)
    small.fail("POST", "/tags", 409, {"id": 7})
    second = Tag(name="hot", colour="red")
    session.add(second)
    report = session.commit()
    assert report.existing.objects == [second]
    assert (second.id, inspect(second).lifecycle) == (7, "detached")
    assert session.get(Tag, 7) is known
    assert (session.new, session.dirty) == ([], [])


def test_nobody_is_told_of_a_creation(small, session):
    told = []

    def hear(sender, instance, session):
        told.append(instance.name)

    small.fail("POST", "/tags", 409, {"id": 7})
    with signals.post_create.connected_to(hear, sender=Tag):
        session.add_all([Tag(name="hot"), Tag(name="new")])
        session.commit(workers=1)
    assert told == ["new"]


def test_any_other_refusal_is_one(small, session):
    small.fail("POST", "/tags", 400, {"name": ["no"]})
    with pytest.raises(CommitError):
        Tag(name="hot").commit()
    session.rollback()


def test_an_answer_that_names_no_key_leaves_the_fate_open(small, session):
    small.fail("POST", "/tags", 409, {"detail": "it is there"})
    tag = Tag(name="hot")
    report = tag.commit()
    assert report.existing.objects == [tag]
    assert tag.id == 7  # found by its natural key


class Elsewhere(Registry):
    """A binding's registry, with a default session of its own."""

    own = None

    def session(self):
        return scope.session(lambda session: session is self.own, lambda: self.own)


elsewhere = Elsewhere("elsewhere")


class Note(Model):
    id = fields.Integer(primary_key=True)
    text = fields.String(null=True)

    class Meta:
        registry = elsewhere


def test_a_registry_passes_over_the_sessions_of_other_servers(small, small_server):
    other = small_server()
    other.table("notes", [{"id": 1}])
    with Session(other.client()) as elsewhere.own, Session(small.client()):
        assert [note.id for note in Note.objects.all()] == [1]
        Note(text="n").commit()
    assert (small.asked, len(other.tables["notes"].rows)) == ([], 2)


def test_an_undo_leaves_what_was_there(small, session):
    small.fail("POST", "/tags", 409, {"id": 7})
    small.fail("POST", "/tags", 400, {"name": ["no"]})
    session.add_all([Tag(name="hot"), Tag(name="bad")])
    with pytest.raises(CommitError) as raised:
        session.commit(on_error="undo", workers=1)
    assert len(raised.value.report.existing) == 1
    assert 7 in small.tables["tags"].rows
    session.rollback()
