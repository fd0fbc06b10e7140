"""Order, slices, and what explain tells of a query."""

import pytest
from query_models import Project, Ranked, Task

from objmapper import QueryError, QuerySet, Session, UnsupportedLookup


def ids(objects) -> list[int]:
    return [obj.id for obj in objects]


# -- order ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "said", "found"),
    [
        (["-id"], "-id", [6, 5, 4, 3, 2, 1]),
        (["stage", "-size"], "stage,-size", [4, 2, 6, 5, 3, 1]),
        (["-pk"], "-id", [6, 5, 4, 3, 2, 1]),
        (["created"], "created_date", [1, 2, 3, 4, 5, 6]),
    ],
)
def test_order_is_said_to_the_server(server, session, names, said, found):
    assert ids(Task.objects.order_by(*names)) == found
    assert server.asked == [f"GET /tasks/?ordering={said}"]


def test_order_leads_through_relations(server, session):
    assert ids(Task.objects.filter(project__isnull=False).order_by("-project__name", "id")) == [
        *(5, 3, 4, 1, 2)
    ]
    assert server.asked == ["GET /tasks/?project__isnull=false&ordering=-project__name,id"]


def test_a_model_has_an_order_of_its_own(server, session):
    assert [row.name for row in Ranked.objects.all()] == ["c", "b", "a"]
    assert [row.name for row in Ranked.objects.order_by("id")] == ["b", "a", "c"]
    assert server.asked == ["GET /ranked/?ordering=-name", "GET /ranked/?ordering=id"]


def test_order_by_nothing_is_the_servers_own_order(server, session):
    assert [row.name for row in Ranked.objects.order_by()] == ["b", "a", "c"]
    assert [row.name for row in Ranked.objects.order_by("id").order_by()] == ["b", "a", "c"]
    assert server.asked == ["GET /ranked/", "GET /ranked/"]


def test_reverse_turns_the_order_round(server, session):
    assert ids(Task.objects.order_by("stage", "-id").reverse()) == [1, 3, 5, 6, 2, 4]
    assert [row.name for row in Ranked.objects.reverse()] == ["a", "b", "c"]
    assert ids(Task.objects.reverse()) == [6, 5, 4, 3, 2, 1]
    assert ids(Task.objects.order_by("id").reverse().reverse()[:2]) == [1, 2]
    assert server.asked == [
        "GET /tasks/?ordering=-stage,id",
        "GET /ranked/?ordering=name",
        "GET /tasks/?ordering=-id",
        "GET /tasks/?ordering=id&page_size=2",
    ]


def test_ordering_where_the_server_knows_none_is_refused_before_sending(server):
    with Session(server.client(can_order=False)) as session:
        with pytest.raises(UnsupportedLookup, match=r"order_by\(-id\).*sorted"):
            list(Task.objects.order_by("-id"))
        assert server.asked == []
        assert ids(Task.objects.all()) == [1, 2, 3, 4, 5, 6]
        assert session.dirty == []


# -- slices ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 4, 100])
@pytest.mark.parametrize(
    "cut",
    [
        *(slice(None, 2), slice(2, 4), slice(4, None), slice(1, 1), slice(3, 1), slice(0, 0)),
        *(slice(None), slice(5, 99), slice(7, 9), slice(None, 99), slice(3, 6)),
    ],
    ids=str,
)
def test_a_slice_is_what_a_list_would_give(server, session, cut, size):
    server.page_size = size
    assert ids(Task.objects.order_by("id")[cut]) == [1, 2, 3, 4, 5, 6][cut]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (slice(1, 5), slice(1, 3)),
        (slice(1, 5), slice(2, None)),
        (slice(2, None), slice(1, 2)),
        (slice(1, 3), slice(1, 99)),
        (slice(1, 3), slice(5, 9)),
    ],
    ids=str,
)
def test_a_slice_of_a_slice_is_what_a_list_would_give(server, session, first, second):
    assert ids(Task.objects.all()[first][second]) == [1, 2, 3, 4, 5, 6][first][second]


def test_a_slice_is_lazy_and_asks_for_no_more_than_it_shows(server, session):
    query = Task.objects.all()[:2]
    assert isinstance(query, QuerySet)
    assert server.asked == []
    assert ids(query) == [1, 2]
    assert server.asked == ["GET /tasks/?page_size=2"]


def test_an_empty_slice_asks_nothing(server, session):
    assert list(Task.objects.all()[:0]) == list(Task.objects.all()[3:3]) == []
    assert Task.objects.all()[:0].count() == 0
    assert server.asked == []


def test_a_slice_with_a_step_is_a_list(server, session):
    query = Task.objects.order_by("id")
    assert ids(query[:5:2]) == [1, 3, 5]
    assert ids(query[1::2]) == [2, 4, 6]
    assert ids(query[::-1]) == [6, 5, 4, 3, 2, 1]
    assert isinstance(query[::2], list)


def test_an_index_asks_for_one_object(server, session):
    assert Task.objects.order_by("id")[3].id == 4
    assert len(server.asked) == 1
    with pytest.raises(IndexError, match="99"):
        Task.objects.all()[99]


@pytest.mark.parametrize("bad", [-1, slice(-1, None), slice(None, -1), slice(-3, -1)], ids=str)
def test_a_negative_slice_is_refused(server, session, bad):
    for query in (Task.objects.all(), Task.objects.all()[1:4]):
        with pytest.raises(QueryError, match=r"[Nn]egative"):
            query[bad]
    loaded = Task.objects.all()
    len(loaded)
    with pytest.raises(QueryError, match=r"[Nn]egative"):
        loaded[bad]


@pytest.mark.parametrize("bad", ["a", None, 1.5, (1, 2), slice("a", "b")], ids=str)
def test_what_is_no_index_is_refused(server, session, bad):
    with pytest.raises(TypeError):
        Task.objects.all()[bad]
    assert server.asked == []


@pytest.mark.parametrize(
    "after",
    [
        lambda query: query.filter(name="x"),
        lambda query: query.exclude(name="x"),
        lambda query: query.order_by("id"),
        lambda query: query.reverse(),
        lambda query: query.filter_locally(bool),
        lambda query: query.in_bulk([1]),
    ],
    ids="filter exclude order_by reverse filter_locally in_bulk".split(),
)
def test_nothing_is_filtered_or_sorted_after_a_slice(server, session, after):
    with pytest.raises(QueryError, match="after a slice"):
        after(Task.objects.all()[:2])
    assert server.asked == []


# -- explain --------------------------------------------------------------------------------------


def test_explain_tells_what_would_be_asked_and_asks_nothing(server, session):
    query = Task.objects.filter(project__name="p1", size__lt=10).order_by("-size")
    text = query.filter_locally(bool).prefetch_related("assignee").explain()
    assert server.asked == []
    assert "GET http://small.test/api/tasks/?project__name=p1&size__lt=10&ordering=-size" in text
    assert "project__name" in text
    assert "1 local filter" in text
    assert "assignee" in text


@pytest.mark.parametrize(
    "query",
    [
        lambda: Task.objects.all(),
        lambda: Task.objects.filter(name="ä b&c").order_by("-id")[2:4],
        lambda: Task.objects.only("name").filter(created="2026-01-02"),
        lambda: Ranked.objects.all()[:1],
        lambda: Project.objects.reference(1).tasks.filter(name="x"),
    ],
)
def test_the_url_that_explain_shows_is_the_one_that_is_asked(server, session, query):
    shown = query().explain().partition("GET ")[2].splitlines()[0]
    list(query())
    assert server.asked[0] == "GET " + shown.removeprefix("http://small.test/api")


def test_explain_refuses_what_the_server_lacks(server, session):
    with pytest.raises(UnsupportedLookup):
        Task.objects.exclude(name="x").explain()


def test_repr_shows_the_query_and_never_sends(server, session):
    query = Task.objects.filter(name="x").order_by("-id")[2:4]
    assert repr(query) == "<QuerySet of Task: name__exact='x' order_by -id [2:4]>"
    assert repr(Task.objects.all()) == "<QuerySet of Task: all>"
    assert repr(Task.objects) == "<Task.objects>"
    assert server.asked == []
