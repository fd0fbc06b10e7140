"""``session.request_budget(n)``: one request too many is refused, and the line that asked is named."""

import sys

import pytest

from objmapper import (
    FETCH_ONE,
    CommitError,
    Model,
    Registry,
    RequestBudgetExceeded,
    Session,
    SessionError,
    fields,
)

registry = Registry("budget")
smallserver = sys.modules["smallserver"]


class Project(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String()

    class Meta:
        registry = registry


class Task(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String()
    project = fields.ForeignKey(Project, null=True)

    class Meta:
        registry = registry


@pytest.fixture
def server(small):
    small.table("projects", [{"id": n, "name": f"p{n}"} for n in (1, 2, 3)])
    small.table("tasks", [{"id": n, "name": f"t{n}", "project": n} for n in (1, 2, 3)])
    return small


@pytest.fixture
def session(server):
    with Session(server.client()) as session:
        yield session
        session.rollback()


def names_one_by_one():
    return [task.project.name for task in Task.objects.fetch_mode(FETCH_ONE)]


def test_what_fits_goes(server, session):
    with session.request_budget(4) as budget:
        assert names_one_by_one() == ["p1", "p2", "p3"]
    assert (budget.spent, len(server.seen)) == (4, 4)


def test_one_too_many_is_not_sent_and_its_line_is_named(server, session):
    with session.request_budget(3), pytest.raises(RequestBudgetExceeded) as caught:
        names_one_by_one()
    assert len(server.seen) == 3
    error = caught.value
    line = names_one_by_one.__code__.co_firstlineno + 1
    assert error.line is not None
    assert error.line.startswith(f"{__file__}:{line} in names_one_by_one")
    assert error.request.path == "/projects/3/"
    assert "The budget is 3 requests" in str(error)
    assert isinstance(error, SessionError)


def test_after_the_block_there_is_no_budget(server, session):
    with session.request_budget(0), pytest.raises(RequestBudgetExceeded):
        session.get(Task, 1)
    assert session.get(Task, 1).name == "t1"


def test_each_of_nested_budgets_counts(server, session):
    with session.request_budget(2) as outer:
        with session.request_budget(1):
            session.get(Task, 1)
            with pytest.raises(RequestBudgetExceeded, match="The budget is 1 request,"):
                session.get(Task, 2)
        session.get(Task, 3)
    assert outer.spent == 2


def test_pages_that_are_fetched_ahead_count(server, session):
    pages = Task.objects.order_by("id").iterator(page_size=1, prefetch_pages=2)
    with session.request_budget(1), pytest.raises(RequestBudgetExceeded):
        list(pages)
    assert len(server.seen) == 1


@pytest.mark.parametrize("workers", [1, 3])
def test_a_commit_sends_as_much_as_fits_and_the_rest_stays(server, session, workers):
    tasks = [Task(name=f"new {n}") for n in range(3)]
    session.add_all(tasks)
    with session.request_budget(2), pytest.raises(CommitError) as caught:
        session.commit(workers=workers, on_error="continue")
    report = caught.value.report
    assert (len(report.created), len(report.failed)) == (2, 1)
    assert isinstance(report.failed[0].error, RequestBudgetExceeded)
    assert report.requests == 2
    assert session.new == report.failed.objects
    assert session.commit().created.objects == report.failed.objects


def test_what_the_transport_sends_again_is_not_counted(server):
    with Session(server.client(retries=2)) as session:
        server.fail("GET", "/tasks/1/", 503, times=2)
        with session.request_budget(1):
            assert session.get(Task, 1).name == "t1"
    assert len(server.seen) == 3


@pytest.mark.parametrize("limit", [-1, "x", None, 1.5])
def test_a_budget_that_is_no_number_of_requests_is_refused(session, limit):
    told = f"number of requests, 0 or more, not {limit!r}"
    with pytest.raises(ValueError, match=told), session.request_budget(limit):
        pass
