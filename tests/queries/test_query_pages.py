"""Pages that break: they end in an error that names them, and nothing is made of what is not a row."""

import json

import pytest
from query_models import Event, Task
from werkzeug.wrappers import Response

from objmapper import ContractError, NotFound, Session

BASE = "http://small.test/api/tasks/"
ROW = {"id": 1, "name": "alpha"}


def answering(server, pages):
    """Answer lists with ``pages(number of the request)``: the bytes, or a body."""
    asked = []

    def answer(request, table, within):
        asked.append(request.url)
        body = pages(len(asked))
        data = body if isinstance(body, bytes) else json.dumps(body)
        return Response(data, content_type="application/json")

    server._list = answer
    return asked


def page(*rows, following=None, count=100) -> dict:
    return {"count": count, "next": following, "previous": None, "results": list(rows)}


def test_a_link_that_leads_back_is_a_loop(server, session):
    asked = answering(server, lambda number: page(ROW, following=BASE + f"?page={1 + number % 2}"))
    with pytest.raises(ContractError, match="loop"):
        list(Task.objects.all())
    assert len(asked) == 3


def test_pages_without_rows_do_not_go_on_for_ever(server, session):
    asked = answering(server, lambda number: page(following=BASE + f"?page={number}&x={number}"))
    for model in (Task, Event):
        asked.clear()
        with pytest.raises(ContractError, match="don't end"):
            list(model.objects.all())
        assert len(asked) < 10


def test_pages_of_the_same_rows_do_not_go_on_for_ever(server, session):
    asked = answering(server, lambda number: page(ROW, following=BASE + f"?page={number + 1}"))
    with pytest.raises(ContractError, match="don't end"):
        list(Task.objects.all())
    assert len(asked) < 10


def test_pages_with_far_more_rows_than_were_told_do_not_go_on_for_ever(server, session):
    def pages(number):
        rows = [{"message": f"{number}.{n}"} for n in range(100)]
        return page(*rows, following=BASE + f"?page={number + 1}", count=10)

    asked = answering(server, pages)
    with pytest.raises(ContractError, match="don't end"):
        list(Event.objects.all())
    assert len(asked) < 20


def test_a_link_to_another_host_is_not_followed(server, session):
    asked = answering(server, lambda number: page(ROW, following="http://elsewhere.test/?page=2"))
    with pytest.raises(ContractError, match="another host"):
        list(Task.objects.all())
    assert len(asked) == 1


@pytest.mark.parametrize(
    "link",
    [
        "http://small.test/api/tasks/?page=2",
        "/api/tasks/?page=2",
        "https://small.test:8443/api/tasks/?page=2",
    ],
)
def test_a_link_leads_home_whatever_a_proxy_made_of_it(server, session, link):
    asked = answering(
        server, lambda number: page(ROW, following=link) if number == 1 else page({"id": 2})
    )
    assert [task.id for task in Task.objects.all()] == [1, 2]
    assert asked[1] == "http://small.test/api/tasks/?page=2"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>Sorry</html>", "not JSON"),
        (b"", "not JSON"),
        (b'{"count": 1, "next": null, "results": [{"id": 1}', "not JSON"),
        ({"count": 1, "next": None}, "without 'results'"),
        ({"count": 1, "results": [ROW]}, "without 'next'"),
        (page("alpha"), "item 0.*text"),
        (page(ROW, None), "item 1.*null"),
        (page(ROW) | {"results": {"1": ROW}}, "an object.*list"),
        (page(ROW) | {"next": 7}, "link"),
        (page(ROW) | {"count": "many"}, "total"),
        (page({"name": "no key"}), "no 'id'"),
        (page({"id": None}), "no 'id'"),
        (page({"id": "x"}), "'x' is no key"),
        (page({"id": True}), "True is no key"),
        (page({"id": [1]}), r"\[1\] is no key"),
        (page(ROW, {"id": {}}), "{} is no key"),
        ("many", "text"),
        (7, "a number"),
        (None, "null"),
    ],
    ids=str,
)
@pytest.mark.parametrize("ahead", [None, 0, 2])
def test_a_page_that_is_none_is_told(server, session, body, message, ahead):
    answering(server, lambda number: body)
    query = Task.objects.all()
    with pytest.raises(ContractError, match=message):
        list(query if ahead is None else query.iterator(prefetch_pages=ahead))
    assert len(session) == 0


def test_a_value_of_the_wrong_type_is_told_when_it_is_read_and_stops_nothing_else(server, session):
    answering(server, lambda number: page({"id": 1, "name": 7, "size": 3, "created_date": "soon"}))
    (task,) = Task.objects.all()
    assert task.size == 3
    for name in ("name", "created"):
        with pytest.raises(ContractError, match=rf"<Task 1.*{name}"):
            getattr(task, name)


def test_a_bare_list_is_a_page_too(server, session):
    answering(server, lambda number: [ROW, {"id": 2}])
    assert [task.id for task in Task.objects.all()] == [1, 2]
    assert Task.objects.count() == 2


def test_what_was_loaded_before_a_broken_page_stays(server):
    with Session(server.client()) as session:
        answering(
            server,
            lambda number: page(ROW, following=BASE + "?page=2") if number == 1 else b"broken",
        )
        with pytest.raises(ContractError):
            list(Task.objects.all())
        assert session.get(Task, 1).name == "alpha"


def test_no_page_is_asked_to_be_larger_than_the_server_gives(server, limited):
    limited(max_page_size=2)
    assert [task.id for task in Task.objects.order_by("id")[:5]] == [1, 2, 3, 4, 5]
    assert list(Task.objects.in_bulk([1, 2, 3])) == [1, 2, 3]
    assert [task.id for task in Task.objects.order_by("id").iterator(page_size=5)][-1] == 6
    assert all("page_size=2" in line for line in server.asked)


def test_an_address_that_is_none_is_no_empty_page(server, session):
    del server.tables["tasks"]
    for ask in (
        lambda: list(Task.objects.all()),
        lambda: Task.objects.count(),
        lambda: list(Task.objects.iterator(prefetch_pages=2)),
    ):
        with pytest.raises(NotFound):
            ask()
