"""Pages: gone through in constant memory, fetched ahead, checked against the query."""

import threading
import weakref

import pytest
from query_models import Project, Task

from objmapper import ContractError, DetachedError, Session


def ids(objects) -> list[int]:
    return [obj.id for obj in objects]


# -- iterator -------------------------------------------------------------------------------------


def test_an_iterator_keeps_nothing(server, session):
    query = Task.objects.order_by("id")
    assert ids(query.iterator()) == ids(query.iterator()) == [1, 2, 3, 4, 5, 6]
    assert len(server.asked) == 2


def many(server, count: int) -> None:
    row = server.tables["tasks"].rows[6]
    server.tables["tasks"].rows = {n: row | {"id": n, "size": n} for n in range(1, count + 1)}


@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_an_iterator_needs_no_more_memory_than_its_pages(server, ahead):
    many(server, 200)
    with Session(server.client(), keep=10) as session:
        held = [len(session) for _ in Task.objects.iterator(page_size=5, prefetch_pages=ahead)]
    assert len(held) == 200
    # The window of ten, and the page that is being gone through.
    assert max(held) <= 15


def test_an_iterator_holds_back_no_object_that_is_let_go(server):
    with Session(server.client(), keep=0):
        seen = []
        for task in Task.objects.iterator(page_size=2):
            seen.append(weakref.ref(task))
            assert sum(ref() is not None for ref in seen) <= 4


def test_an_iterator_asks_page_by_page(server, session):
    found = Task.objects.order_by("id").iterator(page_size=2, prefetch_pages=0)
    assert server.asked == []
    assert next(found).id == 1
    assert server.asked == ["GET /tasks/?ordering=id&page_size=2"]
    assert ids(found) == [2, 3, 4, 5, 6]
    assert len(server.asked) == 3


@pytest.mark.parametrize("jump", [False, True])
def test_the_next_page_is_fetched_while_one_is_used(server, limited, jump):
    limited(can_jump=jump)
    second = threading.Event()
    server.hook = lambda seen: "page=2" in seen.query and second.set()
    found = Task.objects.iterator(page_size=2)
    assert next(found).id == 1
    assert second.wait(10)
    assert ids(found) == [2, 3, 4, 5, 6]


def test_pages_are_fetched_side_by_side_where_they_have_numbers(server, session):
    many(server, 10)
    together = threading.Barrier(4)

    def hook(seen):
        if "page=" in seen.query.replace("page_size", ""):
            together.wait(10)  # broken, and so an error, unless four requests are under way

    server.hook = hook
    assert ids(Task.objects.iterator(page_size=2, prefetch_pages=4)) == list(range(1, 11))


@pytest.mark.parametrize("jump", [False, True])
@pytest.mark.parametrize("ahead", [1, 2])
def test_an_iterator_that_is_abandoned_fetches_no_more_than_it_was_ahead(
    server, limited, jump, ahead
):
    limited(can_jump=jump)
    many(server, 40)
    found = Task.objects.iterator(page_size=2, prefetch_pages=ahead)
    next(found)
    found.close()
    for thread in threading.enumerate():
        if thread.name.startswith("objmapper-pages"):
            thread.join(10)
            assert not thread.is_alive()
    assert len(server.asked) <= 1 + ahead


@pytest.mark.parametrize("jump", [False, True])
def test_rows_that_come_or_go_while_pages_are_read(server, limited, jump):
    limited(can_jump=jump)
    found = Task.objects.order_by("id").iterator(page_size=2, prefetch_pages=0)
    assert next(found).id == 1
    rows = server.tables["tasks"].rows
    for key in (3, 4, 5, 6):
        del rows[key]  # page 2 is a 404 now
    assert ids(found) == [2]
    found = Task.objects.order_by("id").iterator(page_size=2, prefetch_pages=2)
    assert next(found).id == 1
    rows.update({n: rows[1] | {"id": n} for n in (7, 8, 9)})
    assert ids(found) in ([2], [2, 7, 8, 9], [2, 7, 8], [2, 9])


@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_a_page_that_fails_is_an_error_where_it_would_have_come(server, session, ahead):
    def hook(seen):
        if "page=2" in seen.query:
            raise RuntimeError("broken")

    server.hook = hook
    found = Task.objects.order_by("id").iterator(page_size=2, prefetch_pages=ahead)
    assert [next(found).id, next(found).id] == [1, 2]
    with pytest.raises(OSError, match="page=2"):
        next(found)


def test_an_iterator_obeys_slices_filters_and_order(server, session):
    query = Task.objects.filter(size__gt=5).order_by("-id")
    assert ids(query[1:4].iterator(page_size=2)) == [5, 4, 3]
    assert ids(query.filter_locally(lambda task: task.done).iterator(page_size=2)) == [6, 4]


@pytest.mark.parametrize("jump", [False, True])
@pytest.mark.parametrize(("stop", "pages"), [(2, 1), (3, 2), (4, 2), (40, 20), (99, 20)])
def test_an_iterator_of_a_slice_fetches_no_page_beyond_it(server, limited, jump, stop, pages):
    limited(can_jump=jump)
    many(server, 40)
    found = list(Task.objects.order_by("id")[:stop].iterator(page_size=2, prefetch_pages=5))
    assert ids(found) == list(range(1, min(stop, 40) + 1))
    assert len(server.asked) == pages


def test_other_queries_run_while_an_iterator_is_under_way(session):
    found = [
        (task.id, Project.objects.count(), task.project and task.project.name)
        for task in Task.objects.order_by("id").iterator(page_size=2)
    ]
    assert found[0] == (1, 3, "p1")
    assert found[5] == (6, 3, None)


def test_an_iterator_of_a_closed_session_raises(server):
    with Session(server.client()):
        found = Task.objects.iterator(page_size=2, prefetch_pages=0)
        next(found)
        later = Task.objects.iterator()
    with pytest.raises(DetachedError):
        list(found)
    with pytest.raises(DetachedError):
        list(later)


# -- pages ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7])
def test_all_pages_are_read(server, session, size):
    server.page_size = size
    assert ids(Task.objects.order_by("id")) == [1, 2, 3, 4, 5, 6]
    assert len(server.asked) == -(-6 // size)


def test_a_filter_that_the_server_ignores_is_told(server, session):
    real = server._meets
    server._meets = lambda table, row, conditions: real(table, row, {})
    for query in (
        Task.objects.filter(name="beta"),
        Task.objects.filter(name__in=["beta", "gamma"]),
        Task.objects.filter(size__gt=9),
        Task.objects.filter(size__lt=9),
        Task.objects.filter(size__range=(7, 9)),
        Task.objects.filter(name__icontains="BET"),
        Task.objects.filter(name__startswith="be"),
        Task.objects.filter(name__endswith="ta"),
        Task.objects.filter(note__isnull=True),
        Task.objects.filter(note__isnull=False),
        Task.objects.filter(project=1),
        Task.objects.filter(project=None),
        Task.objects.filter(created__gt="2026-01-03"),
        Task.objects.filter(assignee=1),
    ):
        with pytest.raises(ContractError, match="ignored the filter"):
            list(query)
        with pytest.raises(ContractError, match="ignored the filter"):
            query.delete()
    assert all(line.startswith("GET") for line in server.asked)


def test_a_filter_that_the_server_ignores_is_told_on_a_later_page_too(server, session):
    server.page_size = 2
    server._meets = lambda table, row, conditions: True
    with pytest.raises(ContractError, match="ignored the filter project__exact=1"):
        list(Task.objects.filter(project=1).order_by("id"))


def test_a_server_that_compares_without_regard_to_case_is_believed(server, session):
    server._meets = lambda table, row, conditions: row["name"].lower() == "alphabet"
    assert ids(Task.objects.filter(name__contains="alpha")) == [4]
    assert ids(Task.objects.filter(name__startswith="alpha")) == [4]


def test_an_order_that_the_server_ignores_is_told(server, limited):
    server._meets = lambda table, row, conditions: True  # `sort` among them
    limited(ordering_param="sort")
    for order in ("-id", "-size", "-created"):
        with pytest.raises(ContractError, match=f"ignored the order '{order}'"):
            list(Task.objects.order_by(order))
    assert ids(Task.objects.order_by("id")) == [1, 2, 3, 4, 5, 6]
    assert len(Task.objects.order_by("-name").in_bulk()) == 6  # how letters are sorted is disputed
