"""What a commit in flight meets: edits made meanwhile, and reasons that its report tells."""

import threading

import pytest

from objmapper import CommitError, Model, Registry, Session, SessionError, fields

registry = Registry("commit in flight")


class Base(Model):
    id = fields.Integer(primary_key=True)

    class Meta:
        abstract = True
        registry = registry


class Task(Base):
    name = fields.String(required=True)


@pytest.fixture
def server(small):
    small.table("tasks")
    return small


@pytest.fixture
def session(server):
    with Session(server.client()) as opened:
        yield opened
        opened.rollback()


# -- edits in flight ------------------------------------------------------------------------------


class Named(Base):
    name = fields.String()
    note = fields.String(null=True)

    class Meta:
        natural_key = ["name"]


@pytest.mark.parametrize("done", [True, False])
def test_edits_made_while_lost_writes_are_settled_survive(server, done):
    server.table("nameds", [{"id": 1, "name": "n1", "note": None}])
    with Session(server.client(retries=2)) as session:
        known, new = session.get(Named, 1), Named(name="new", note="sent")
        known.note = "sent"
        session.add(new)
        for method, path in (("PATCH", "/nameds/1"), ("POST", "/nameds")):
            server.fail(method, path, 502, "<html>", done=done)

        def edit(seen):
            if seen.method == "GET":
                known.note = new.note = "edited"

        server.hook = edit
        report = session.commit(workers=1)
        rows = server.tables["nameds"].rows
        assert (report.created.objects, report.updated.objects) == ([new], [known])
        assert [row["note"] for row in rows.values()] == ["sent", "sent"]
        assert known.changes == new.changes == {"note": ("sent", "edited")}
        session.commit()
        assert [row["note"] for row in rows.values()] == ["edited", "edited"]


# -- the report -----------------------------------------------------------------------------------


def test_why_a_fate_can_not_be_told_stands_in_the_report_for_tools_and_for_people(server, session):
    task = Task(name="a")
    session.add(task)
    server.fail("POST", "/tasks", 502, "<html>", done=True)
    with pytest.raises(CommitError) as caught:
        session.commit()
    report = caught.value.report
    (told,) = report.to_json()["uncertain"]
    assert told["why"] == report.uncertain[0].outcome.why == "it can't be looked up"
    assert told["status"] == 502
    assert str(report).splitlines()[1].endswith("(it can't be looked up)")
    session.expunge(task)


@pytest.mark.parametrize("verb", ["expunge", "delete"])
def test_what_is_under_way_is_let_go_when_its_commit_has_ended(server, session, verb):
    """It would be made all the same, and be there as if nobody had said anything."""
    first, second = Task(name="a"), Task(name="b")
    session.add_all([first, second])
    said = []

    def let_go(done, of):
        with pytest.raises(SessionError, match="by a commit that is under way") as caught:
            getattr(session, verb)(second)
        said.append(str(caught.value))
        session.expunge(first)

    report = session.commit(
        workers=1, progress=lambda done, of: let_go(done, of) if done < of else 0
    )
    assert (report.errors, len(said)) == ([], 1)
    assert report.created.objects == [first, second]
    assert (first in session, second in session) == (False, True)
    getattr(session, verb)(second)


# -- side by side ---------------------------------------------------------------------------------


def test_an_object_is_clean_as_soon_as_its_own_answer_is_there(server):
    server.table("tasks", [{"id": n, "name": f"t{n}"} for n in (1, 2)])
    seen_clean, told = threading.Event(), []

    def hold(seen):
        if (seen.method, seen.path) == ("PATCH", "/tasks/1/"):
            assert seen_clean.wait(30)

    def tell(done, of):
        told.append((first.changes, second.changes))
        seen_clean.set()

    with Session(server.client()) as session:
        first, second = session.get(Task, 1), session.get(Task, 2)
        first.name = second.name = "renamed"
        server.hook = hold
        report = session.commit(workers=2, progress=tell)
    # The second is answered first; the report goes by the plan.
    assert told == [({"name": ("t1", "renamed")}, {}), ({}, {})]
    assert report.updated.objects == [first, second]
