"""Several objects of one request: a journal has each of them."""

from contextlib import closing

import pytest
from smallserver import SmallDialect

from objmapper import CommitError
from objmapper.dialects.base import rows_of
from objmapper.dialects.batches import paired, refuse_other_order
from objmapper.encoding import dumps
from objmapper.operation import LOOK_UP, Draft, Kind
from objmapper.request import Json, Request, Response


class Lists(SmallDialect):
    """New rows of one endpoint go as a list; one request deletes all that goes of it."""

    max_batch = 10

    def operations(self, changes):
        gone = [change for change in changes if change.kind == Kind.DELETE]
        yield from map(self.draft, [change for change in changes if change not in gone])
        if gone:
            keys = ",".join(str(change.object.id) for change in gone)
            request = Request("DELETE", "tasks/", params=(("id__in", keys),))
            yield Draft(Kind.DELETE, tuple(gone), request, settle=LOOK_UP)

    def company(self, draft):
        return draft.request.shown_path if draft.kind == Kind.CREATE else None

    def batch_request(self, requests):
        return Request("POST", requests[0].path, body=Json([each.body.value for each in requests]))

    def batch_answers(self, response, requests):
        rows = rows_of(response.json(), response)
        refuse_other_order(rows, requests, response, ["name"])
        return [
            Response(response.status, {}, dumps(row).encode(), request.method, response.url)
            for row, request in paired(rows, requests, response)
        ]


@pytest.fixture
def lists(place):
    """A place whose sessions speak so."""
    session, place.plain = place.session, place.session
    place.session = lambda: session(dialect=Lists(recommended_workers=1))
    return place


@pytest.mark.parametrize("done", [True, False])
def test_all_new_objects_of_a_list_are_looked_up_when_nobody_knows_whether_it_arrived(
    lists, models, done
):
    session = lists.session()
    session.add_all([models.Nameless(note=note) for note in "ab"])
    for obj, tag in zip(session.new, "ab", strict=True):
        session.add(obj, tag=tag)
    lists.die(session, 1, done=done)
    with closing(lists.session()) as session:
        with pytest.raises(CommitError) as caught:
            session.recover()
        assert [obj.note for obj in caught.value.report.uncertain.objects] == ["a", "b"]
    assert lists.writes() == ["POST /namelesses/"]


def died_deleting_two(lists, models):
    """Leave the journal of a process that died before it deleted the tasks 1 and 2 in one request."""
    session = lists.session()
    tasks = [models.Task(name=name) for name in "ab"]
    session.add_all(tasks)
    session.commit()
    for task in tasks:
        session.delete(task)
    lists.die(session, 1, done=False)


def test_what_is_left_of_a_deletion_is_done_though_another_key_of_it_was_given_away(lists, models):
    table = lists.server.tables["tasks"]
    died_deleting_two(lists, models)
    del table.rows[1]
    table.next_key = lambda: 1
    with lists.session() as session:
        session.add(models.Task(name="c"))
        session.commit()
    lists.server.fail("GET", "/tasks/", 503, times=-1)
    lists.server.fail("GET", "/tasks/2", 503, times=-1)
    with closing(lists.session()) as session:
        with pytest.raises(CommitError) as error:
            session.recover()
        assert [obj.name for obj in error.value.report.uncertain.objects] == ["b"]
    lists.server.faults.clear()

    def sweep(seen):
        if seen.method == "DELETE":
            assert seen.query == "id__in=2"
            del table.rows[2]
            lists.server.fail("DELETE", "/tasks/", 204)

    lists.server.hook = sweep
    with lists.session() as session:
        assert session.recover().counts() == {"created": 3, "deleted": 2}
    assert lists.names() == ["c"]
    with lists.session() as session:
        report = session.recover()
        assert (report.counts(), report.requests) == ({"created": 3, "deleted": 2}, 0)
    table.next_key = iter([3, 4]).__next__
    with lists.session() as session:
        tasks = [models.Task(name=name) for name in "acb"]
        session.add_all(tasks)
        session.commit()
        assert [task.id for task in tasks] == [3, 1, 4]


def test_what_is_made_again_of_what_one_request_was_to_delete_is_looked_up_by_itself(lists, models):
    table = lists.server.tables["tasks"]
    died_deleting_two(lists, models)
    del table.rows[2]
    lists.server.seen.clear()
    with lists.session() as session:
        again = models.Task(name="b")
        session.add(again)
        assert session.commit().created.objects == [again]
    assert lists.writes() == ["POST /tasks/"]
    assert lists.names() == ["a", "b"]
    lists.server.fail("DELETE", "/tasks/", 204)
    with lists.session() as session:
        assert [obj.name for obj in session.recover().deleted.objects] == ["a"]
    assert [str(seen) for seen in lists.server.seen if seen.method == "DELETE"] == [
        "DELETE /tasks/?id__in=1"
    ]
