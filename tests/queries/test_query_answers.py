"""What a query answers: one object, several, none, counts, values, pages."""

import datetime as dt

import pytest
from query_models import (
    Project,
    Ranked,
    Stage,
    Task,
)

from objmapper import (
    ContractError,
    FieldDoesNotExist,
    MultipleObjectsReturned,
    ObjectDoesNotExist,
    Q,
    QueryError,
    Session,
    UnsupportedLookup,
)
from objmapper.dialects import Rest


def ids(objects) -> list[int]:
    return [obj.id for obj in objects]


# -- get, first, last -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ask",
    [
        lambda: Task.objects.get(id=2),
        lambda: Task.objects.get(pk="2"),
        lambda: Task.objects.get(Task.id == 2),
        lambda: Task.objects.get(Q(id=2)),
        lambda: Task.objects.filter(id=2).get(),
    ],
)
def test_get_by_key_alone_is_the_detail_url(server, session, ask):
    assert ask().name == "beta"
    assert server.asked == ["GET /tasks/2/"]


def test_get_by_anything_else_asks_for_two_at_most(server, session):
    assert Task.objects.get(name="beta").id == 2
    assert Task.objects.get(id=2, name="beta").id == 2
    assert Task.objects.filter(size__gt=13).get().id == 6
    assert server.asked == [
        "GET /tasks/?name=beta&page_size=2",
        "GET /tasks/?id=2&name=beta&page_size=2",
        "GET /tasks/?size__gt=13&page_size=2",
    ]


def test_get_gives_the_one_object_of_its_identity(session):
    task = Task.objects.get(id=2)
    assert task is Task.objects.get(id="2")
    assert task is Task.objects.get(name="beta")
    assert task is list(Task.objects.all())[1]


@pytest.mark.parametrize("lookups", [{"id": 99}, {"name": "gone"}, {"id__in": []}])
def test_get_of_nothing_raises_the_models_own_error(session, lookups):
    with pytest.raises(Task.DoesNotExist, match="Task") as caught:
        Task.objects.get(**lookups)
    assert isinstance(caught.value, ObjectDoesNotExist | LookupError)
    assert not isinstance(caught.value, Project.DoesNotExist)


def test_get_of_several_raises_the_models_own_error(session):
    with pytest.raises(Task.MultipleObjectsReturned, match="size__lt=10") as caught:
        Task.objects.get(size__lt=10)
    assert isinstance(caught.value, MultipleObjectsReturned)
    assert not isinstance(caught.value, Project.MultipleObjectsReturned)


def test_get_of_a_slice_takes_the_slice_as_it_is(session):
    assert Task.objects.order_by("-id")[1:2].get().id == 5
    with pytest.raises(QueryError, match="after a slice"):
        Task.objects.all()[:2].get(name="beta")


def test_get_with_a_local_filter_is_no_detail_request(server, session):
    assert Task.objects.filter_locally(lambda task: task.size == 9).get().id == 3
    with pytest.raises(Task.DoesNotExist):
        Task.objects.filter_locally(lambda task: False).get(id=2)
    assert "GET /tasks/2/" not in server.asked


def test_an_answer_of_another_key_is_refused(server, session):
    server.tables["tasks"].rows[2]["id"] = 3
    with pytest.raises(ContractError, match=r"/tasks/2/.*3"):
        Task.objects.get(id=2)


def test_first_and_last_go_by_key_where_there_is_no_order(server, session):
    assert Task.objects.first().id == 1
    assert Task.objects.last().id == 6
    assert Task.objects.filter(size__lt=10).last().id == 3
    assert server.asked == [
        "GET /tasks/?ordering=id&page_size=1",
        "GET /tasks/?ordering=-id&page_size=1",
        "GET /tasks/?size__lt=10&ordering=-id&page_size=1",
    ]


def test_first_and_last_go_by_the_order_there_is(server, session):
    assert Task.objects.order_by("name").first().name == "Alphabet"
    assert Task.objects.order_by("name").last().name == "gamma"
    assert (Ranked.objects.first().name, Ranked.objects.last().name) == ("c", "a")
    assert (Ranked.objects.order_by().first().id, Ranked.objects.order_by().last().id) == (1, 3)


def test_first_and_last_of_nothing_are_none(server, session):
    assert Task.objects.filter(name="gone").first() is None
    assert Task.objects.filter(name="gone").last() is None
    assert Task.objects.none().first() is None
    assert len(server.asked) == 2


def test_first_and_last_of_a_slice_are_of_its_rows(session):
    query = Task.objects.order_by("id")[1:4]
    assert (query.first().id, query.last().id) == (2, 4)
    assert Task.objects.all()[4:4].last() is None


def test_first_is_the_servers_first_where_it_can_not_sort(server, limited):
    limited(can_order=False)
    assert Task.objects.first().id == 1
    with pytest.raises(UnsupportedLookup):
        Task.objects.last()
    assert server.asked == ["GET /tasks/?page_size=1"]


# -- count, exists --------------------------------------------------------------------------------


def test_count_is_one_small_request(server, session):
    assert Task.objects.count() == 6
    assert Task.objects.filter(size__lt=10).count() == 3
    assert server.asked == ["GET /tasks/?page_size=1", "GET /tasks/?size__lt=10&page_size=1"]
    assert len(session) == 0


@pytest.mark.parametrize(
    "cut", [slice(2), slice(2, 4), slice(4, None), slice(4, 99), slice(7, 9), slice(0, 0)], ids=str
)
def test_the_count_of_a_slice_is_its_length(session, cut):
    assert Task.objects.all()[cut].count() == len(range(6)[cut])


def test_counting_with_a_local_filter_reads_the_rows(server, session):
    assert Task.objects.filter_locally(lambda task: task.done).count() == 3
    assert Task.objects.filter_locally(lambda task: task.done)[1:].count() == 2


def test_counting_where_no_page_tells_a_total_reads_the_rows(small_server):
    server = small_server(style="rest", page_size=4, slash=False)
    server.table("tasks", [{"id": n, "name": "x"} for n in range(1, 7)])
    with Session(server.client(dialect=Rest())):
        assert Task.objects.count() == 6
        assert server.asked == ["GET /tasks"], "X-Total-Count tells it"
        assert Task.objects.filter(name="x")[4:].count() == 2


def test_exists_asks_for_one_row(server, session):
    assert Task.objects.exists()
    assert Task.objects.filter(size__lt=10).exists()
    assert not Task.objects.filter(name="gone").exists()
    assert not Task.objects.none().exists()
    assert server.asked == [
        "GET /tasks/?page_size=1",
        "GET /tasks/?size__lt=10&page_size=1",
        "GET /tasks/?name=gone&page_size=1",
    ]


# -- in_bulk --------------------------------------------------------------------------------------


def test_in_bulk_finds_several_keys_in_one_request(server, session):
    found = Task.objects.in_bulk([3, "1", 99, 3])
    assert {key: obj.name for key, obj in found.items()} == {3: "gamma", 1: "alpha"}
    assert list(found) == [3, 1]
    assert server.asked == ["GET /tasks/?id__in=3,1,99&page_size=3"]
    assert found[3] is Task.objects.get(id=3)


def test_in_bulk_asks_for_as_many_keys_as_fit(server, limited):
    limited(max_keys=2)
    assert list(Task.objects.in_bulk([1, 2, 3, 4, 5])) == [1, 2, 3, 4, 5]
    assert [line.partition("id__in=")[2].partition("&")[0] for line in server.asked] == [
        *("1,2", "3,4", "5")
    ]


def test_in_bulk_keeps_the_conditions_of_its_query(server, session):
    assert list(Task.objects.filter(stage="done").in_bulk([1, 2, 4])) == [2, 4]


def test_in_bulk_without_keys_is_all_that_match(session):
    assert list(Task.objects.filter(stage="done").in_bulk()) == [2, 4]


def test_in_bulk_of_no_keys_asks_nothing(server, session):
    assert Task.objects.in_bulk([]) == {}
    assert server.asked == []


def test_in_bulk_where_one_request_names_one_key(server, limited):
    limited(max_keys=1)
    assert list(Task.objects.in_bulk([2, 99, 1])) == [2, 1]
    assert server.asked == ["GET /tasks/2/", "GET /tasks/99/", "GET /tasks/1/"]
    with pytest.raises(UnsupportedLookup, match="in_bulk"):
        Task.objects.filter(name="x").in_bulk([1])


def test_in_bulk_refuses_what_is_no_key(server, session):
    with pytest.raises(QueryError, match="'x' is no key"):
        Task.objects.in_bulk([1, "x"])
    assert server.asked == []


# -- values ---------------------------------------------------------------------------------------


def test_values_are_dicts_and_make_no_objects(server, session):
    assert Task.objects.filter(size__lt=8).values("id", "name") == [
        {"id": 1, "name": "alpha"},
        {"id": 2, "name": "beta"},
    ]
    assert server.asked == ["GET /tasks/?size__lt=8&fields=id,name"]
    assert len(session) == 0


def test_values_are_of_the_types_of_their_fields(session):
    (row,) = Task.objects.filter(id=2).values("created", "stage", "done", "tags", "changes_")
    assert row == {
        "created": dt.datetime(2026, 1, 2, tzinfo=dt.UTC),
        "stage": Stage.DONE,
        "done": False,
        "tags": ["a", "b"],
        "changes_": {"by": 2},
    }
    assert isinstance(row["stage"], Stage)


def test_values_of_relations_are_keys(session):
    found = Task.objects.filter(id__in=[2, 6]).values("id", "project", "assignee")
    assert found == [
        {"id": 2, "project": 1, "assignee": 2},
        {"id": 6, "project": None, "assignee": None},
    ]


def test_values_without_names_are_all_fields_that_are_read(server, session):
    (row,) = Task.objects.filter(id=1).values()
    assert set(row) == set(Task.__mapper__.fields) - {"steps", "artifacts", "secret"}
    assert server.asked == ["GET /tasks/?id=1"]


def test_values_list_gives_tuples_or_bare_values(session):
    query = Task.objects.filter(size__lt=8)
    assert query.values_list("name", "id") == [("alpha", 1), ("beta", 2)]
    assert query.values_list("name") == [("alpha",), ("beta",)]
    assert query.values_list("pk", flat=True) == [1, 2]
    assert [len(row) for row in query.values_list()] == [11, 11]


def test_values_are_sliced_and_sorted_as_objects_are(session):
    assert Task.objects.order_by("-id").values_list("id", flat=True) == [6, 5, 4, 3, 2, 1]
    assert Task.objects.order_by("id")[2:4].values_list("id", flat=True) == [3, 4]
    assert Task.objects.none().values() == []


@pytest.mark.parametrize(
    ("error", "message", "ask"),
    [
        (FieldDoesNotExist, "Did you mean 'name'", lambda: Task.objects.values("nam")),
        (FieldDoesNotExist, "tasks", lambda: Project.objects.values("tasks")),
        (QueryError, "exactly one", lambda: Task.objects.values_list("id", "name", flat=True)),
        (QueryError, "exactly one", lambda: Task.objects.values_list(flat=True)),
        (QueryError, "write-only", lambda: Task.objects.values("secret")),
        (QueryError, "filter_locally", lambda: Task.objects.filter_locally(bool).values("id")),
    ],
)
def test_values_that_can_not_be_had_are_refused(server, session, error, message, ask):
    with pytest.raises(error, match=message):
        ask()
    assert server.asked == []
