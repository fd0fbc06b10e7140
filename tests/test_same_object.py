"""Two new objects that turn out to be one on the server: neither is lost unseen."""

import pytest
from smallserver import SmallDialect

from objmapper import (
    AlreadyExists,
    CommitError,
    JournalError,
    Model,
    Registry,
    Session,
    SessionError,
    fields,
    inspect,
)
from objmapper.operation import Draft, Json, Kind, Request


class Found(SmallDialect):
    """A service whose 409 to a POST has the key of what is there."""

    def draft_create(self, change, mapper):
        return super().draft_create(change, mapper)._replace(found=frozenset({409}))


class Base(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String(required=True)
    colour = fields.String(null=True)

    class Meta:
        abstract = True
        registry = Registry()


class Tag(Base):
    class Meta:
        natural_key = ("name",)


class Thing(Base):
    """Nothing tells one from another."""


THERE = {"id": 7, "name": "hot", "colour": "red"}


@pytest.fixture
def found(small):
    """A session whose server says of each new tag that it has it, as 7."""
    small.table("tags", [dict(THERE)])
    small.fail("POST", "/tags", 409, {"id": 7}, times=100)
    with Session(small.client(dialect=Found(trailing_slash=True))) as session:
        yield session
        session.rollback()


@pytest.fixture
def answered(small):
    """A session whose server answers each create as if it had made 7."""
    small.table("tags", [dict(THERE)])
    small.table("things", [dict(THERE)])
    small.fail("POST", "/tags", 201, dict(THERE), times=100)
    small.fail("POST", "/things", 201, dict(THERE), times=100)
    with Session(small.client()) as session:
        yield session
        session.rollback()


def posts(small):
    return sum(seen.method == "POST" for seen in small.seen)


# -- the server says that it has it ---------------------------------------------------------------


def test_a_second_object_that_says_otherwise_fails_and_stays_new(small, found):
    first, second = Tag(name="hot", colour="blue"), Tag(name="hot", colour="green")
    found.add_all([first, second])
    with pytest.raises(CommitError) as raised:
        found.commit(workers=1)
    report = raised.value.report
    assert (report.existing.objects, report.failed.objects) == ([first], [second])
    error = report.failed[0].error
    assert isinstance(error, AlreadyExists)
    assert error.status == 409
    for told in (repr(first), repr(second), "colour", "expunge"):
        assert told in str(error)
    assert "green" not in str(error)
    assert (second.colour, second.id, inspect(second).lifecycle) == ("green", None, "pending")
    assert found.new == [second]
    assert found.get(Tag, 7) is first
    assert first.changes == {"colour": (None, "blue")}


def test_what_the_error_says_to_do_ends_it(small, found):
    first, second = Tag(name="hot", colour="blue"), Tag(name="hot", colour="green")
    found.add_all([first, second])
    with pytest.raises(CommitError):
        found.commit(workers=1)
    first.colour = second.colour
    found.expunge(second)
    assert found.commit().updated.objects == [first]
    assert small.tables["tags"].rows[7]["colour"] == "green"


def test_it_fails_again_as_long_as_nobody_decides(found):
    first, second = Tag(name="hot"), Tag(name="hot", colour="green")
    found.add_all([first, second])
    for _ in range(2):
        with pytest.raises(CommitError) as raised:
            found.commit(workers=1)
        assert raised.value.report.failed.objects == [second]
    assert found.new == [second]


def test_a_new_object_does_not_give_way_to_one_that_was_loaded_and_says_otherwise(found):
    known, second = Tag.objects.get(id=7), Tag(name="hot", colour="blue")
    found.add(second)
    with pytest.raises(CommitError) as raised:
        found.commit()
    assert raised.value.report.failed.objects == [second]
    assert (second.colour, found.new) == ("blue", [second])
    assert (found.get(Tag, 7), known.colour, known.changes) == (known, "red", {})


def test_a_second_object_that_says_the_same_is_let_go_with_its_key(found):
    first, second = Tag(name="hot", colour="blue"), Tag(name="hot", colour="blue")
    found.add_all([first, second])
    report = found.commit(workers=1)
    assert report.existing.objects == [first, second]
    assert (second.id, second.colour, inspect(second).lifecycle) == (7, "blue", "detached")
    assert found.dirty == [first]


def test_what_needs_the_second_is_skipped(small, found):
    class Use(Base):
        tag = fields.ForeignKey(Tag)

        class Meta:
            registry = Base.Meta.registry

    small.table("uses")
    use = Use(name="u", tag=Tag(name="hot", colour="green"))
    found.add_all([Tag(name="hot"), use])
    with pytest.raises(CommitError) as raised:
        found.commit(workers=1, on_error="continue")
    assert raised.value.report.skipped.objects == [use]
    assert small.tables["uses"].rows == {}


# -- the server answers as if it had made it ------------------------------------------------------


def test_two_creates_that_are_answered_with_one_key_are_not_both_done(small, answered):
    first, second = Thing(name="hot", colour="red"), Thing(name="hot", colour="green")
    answered.add_all([first, second])
    with pytest.raises(CommitError) as raised:
        answered.commit(workers=1)
    report = raised.value.report
    assert (report.created.objects, report.uncertain.objects) == ([first], [second])
    error = report.uncertain[0].error
    assert isinstance(error, AlreadyExists)
    for told in (repr(first), repr(second), "expunge"):
        assert told in str(error)
    assert (first in answered, answered.get(Thing, 7) is first) == (True, True)
    assert (second.id, second.colour) == (None, "green")
    first.colour = "black"
    assert answered.dirty == [first]
    answered.expunge(second)
    assert answered.commit().updated.objects == [first]
    assert posts(small) == 2


@pytest.mark.parametrize("model", [Tag, Thing])
def test_of_two_of_one_wave_that_are_answered_with_one_key_one_is_known_not_to_be(small, model):
    """Whichever answer comes first: the other one is told with both names, and is not lost."""
    table = small.table(model.__mapper__.endpoint)
    table.next_key = lambda: 7
    with Session(small.client()) as session:
        first, second = model(name="hot"), model(name="cold")
        session.add_all([first, second])
        with pytest.raises(CommitError) as raised:
            session.commit(workers=2, on_error="continue")
        report = raised.value.report
        (entry,) = [*report.failed, *report.uncertain]
        assert {*report.created.objects, entry.object} == {first, second}
        assert isinstance(entry.error, AlreadyExists)
        assert repr(entry.object) in str(entry.error)
        assert repr(report.created.objects[0]) in str(entry.error)
        assert inspect(entry.object).lifecycle == "pending"
        assert session.get(model, 7) is report.created.objects[0]
        session.expunge(entry.object)


def test_the_server_is_asked_where_a_natural_key_can_tell(small, answered):
    first, second = Tag(name="hot"), Tag(name="hot", colour="green")
    answered.add_all([first, second])
    with pytest.raises(CommitError) as raised:
        answered.commit(workers=1)
    report = raised.value.report
    assert (report.created.objects, report.failed.objects) == ([first], [second])
    assert (posts(small), answered.new) == (2, [second])


def test_what_was_loaded_keeps_its_changes_when_a_create_is_answered_with_it(answered):
    known, second = Thing.objects.get(id=7), Thing(name="hot")
    known.colour = "blue"
    answered.add(second)
    with pytest.raises(CommitError) as raised:
        second.commit()
    assert raised.value.report.uncertain.objects == [second]
    assert (answered.get(Thing, 7) is known, answered.dirty) == (True, [known])


def test_settled_by_hand_it_takes_no_place_of_what_has_changes(answered):
    known, second = Thing.objects.get(id=7), Thing(name="hot")
    known.colour = "blue"
    answered.add(second)
    with pytest.raises(CommitError):
        second.commit()
    with pytest.raises(SessionError, match="has changes here"):
        answered.settle(second, found=7)
    assert (answered.dirty, known in answered) == ([known], True)
    known.revert()
    answered.settle(second, found=7)
    assert answered.get(Thing, 7) is second


class Together(SmallDialect):
    """All new objects go in one request, which is answered with their rows."""

    def operations(self, changes):
        request = Request("POST", "/things/", body=Json([change.sent for change in changes]))
        return [Draft(Kind.CREATE, tuple(changes), request, read=lambda answer: answer.json())]


def test_one_answer_does_not_make_one_of_two(small):
    small.table("things")
    small.fail("POST", "/things", 201, [THERE, THERE])
    with Session(small.client(dialect=Together())) as session:
        things = Thing(name="hot", colour="red"), Thing(name="hot", colour="green")
        session.add_all(things)
        with pytest.raises(CommitError) as raised:
            session.commit()
        assert raised.value.report.uncertain.objects == list(things)
        assert [(thing.id, thing.colour) for thing in things] == [(None, "red"), (None, "green")]
        for thing in things:
            session.expunge(thing)


# -- with a journal -------------------------------------------------------------------------------


def test_a_journal_keeps_the_second_for_the_next_run(small, tmp_path):
    small.table("tags", [dict(THERE)])
    small.fail("POST", "/tags", 409, {"id": 7}, times=100)

    def opened():
        client = small.client(dialect=Found(trailing_slash=True))
        return Session(client, journal=tmp_path / "j")

    def run():
        with opened() as session:
            first, second = Tag(name="hot"), Tag(name="hot", colour="green")
            session.add(first, tag="first")
            session.add(second, tag="second")
            with pytest.raises(CommitError) as raised:
                session.commit(workers=1)
            assert raised.value.report.failed.objects == [second]
            assert (session.get(Tag, 7) is first, session.new) == (True, [second])

    for _ in range(2):  # a second run says the same, and learns the same
        with pytest.warns(UserWarning, match="pending changes"):
            run()
    with opened() as session:
        with pytest.raises(CommitError) as raised:
            session.recover()
        assert [tag.colour for tag in raised.value.report.failed.objects] == ["green"]
        session.rollback()


def test_two_that_say_the_same_are_bound_to_one_again(small, tmp_path):
    small.table("tags", [dict(THERE)])
    small.fail("POST", "/tags", 409, {"id": 7}, times=100)
    for run in range(2):
        client = small.client(dialect=Found(trailing_slash=True))
        with Session(client, journal=tmp_path / "j") as session:
            first, second = Tag(name="hot"), Tag(name="hot")
            session.add(first, tag="first")
            session.add(second, tag="second")
            session.commit(workers=1)
            assert session.get(Tag, 7) is first
            assert (second.id, second in session) == (7, False)
            assert posts(small) == 2, run


def test_a_program_that_says_something_else_of_the_second_is_told(small, tmp_path):
    small.table("tags", [dict(THERE)])
    small.fail("POST", "/tags", 409, {"id": 7}, times=100)

    def opened(**colour):
        session = Session(small.client(dialect=Found(trailing_slash=True)), journal=tmp_path / "j")
        session.add(Tag(name="hot"), tag="first")
        session.add(Tag(name="hot", **colour), tag="second")
        return session

    with opened() as session:
        session.commit(workers=1)
    with opened(colour="green") as session:
        second = session.new[1]
        with pytest.raises(JournalError, match="one object of the server"):
            session.commit(workers=1)
        assert (second.colour, session.new) == ("green", [second])
        session.rollback()
