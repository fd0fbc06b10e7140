"""What a query answers: one object, several, none, counts, values, pages."""

import datetime as dt
import threading

import pytest
from query_models import (
    Alert,
    Artifact,
    Circle,
    Event,
    MetricAlert,
    Project,
    Ranked,
    Settings,
    Shape,
    Stage,
    Task,
    User,
    UserAlert,
)

from objmapper import (
    ContractError,
    DeclarationError,
    DetachedError,
    FieldDoesNotExist,
    Model,
    MultipleObjectsReturned,
    ObjectDoesNotExist,
    Q,
    QueryError,
    Session,
    UnsupportedLookup,
    fields,
    inspect,
)


def ids(objects) -> list[int]:
    return [obj.id for obj in objects]


@pytest.fixture
def limited(server):
    """``limited(**capabilities)`` opens a session whose dialect is able to do less, or more."""
    opened = []

    def open_(**capabilities) -> Session:
        session = Session(server.client(**capabilities)).__enter__()
        opened.append(session)
        return session

    yield open_
    for session in reversed(opened):
        session.rollback()
        session.__exit__(None, None, None)


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
    from objmapper.dialects import Rest

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
    import weakref

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


# -- only -----------------------------------------------------------------------------------------


def test_only_asks_for_chosen_fields_and_the_key(server, session):
    task = Task.objects.only("name").get(name="beta")
    assert server.asked == ["GET /tasks/?name=beta&page_size=2&fields=id,name"]
    assert inspect(task).loaded_fields == {"id", "name"}


def test_only_asks_for_the_version_too(server):
    class Versioned(Model):
        id = fields.Integer(primary_key=True)
        name = fields.String()
        note = fields.String()
        updated = fields.Integer(read_only=True)

        class Meta:
            registry = Task.__mapper__.registry
            version_field = "updated"

    server.table("versioneds", [{"id": 1, "name": "a", "note": "b", "updated": 3}])
    with Session(server.client()):
        (found,) = Versioned.objects.only("note")
        assert inspect(found).loaded_fields == {"id", "note", "updated"}


def test_deferred_fields_load_on_touch_with_their_peers(server, session):
    tasks = list(Task.objects.only("name").order_by("id"))
    assert [task.name for task in tasks[:2]] == ["alpha", "beta"]
    assert len(server.asked) == 1
    assert [task.size for task in tasks] == [5, 7, 9, 11, 13, 15]
    assert [task.note for task in tasks[:2]] == [None, "x"]
    assert server.asked[1:] == ["GET /tasks/?id__in=1,2,3,4,5,6&page_size=6"]


def test_only_takes_nothing_away_from_what_is_loaded(server, session):
    task = Task.objects.get(id=2)
    assert Task.objects.only("name").get(name="beta") is task
    assert (task.size, task.note) == (7, "x")
    assert len(server.asked) == 2


def test_only_where_the_server_can_not_select_gives_whole_rows(server, limited):
    limited(can_select=False)
    task = Task.objects.only("name").get(name="beta")
    assert task.size == 7
    assert server.asked == ["GET /tasks/?name=beta&page_size=2"]


def test_a_change_of_an_object_that_is_loaded_in_part_sends_only_the_change(server, session):
    task = Task.objects.only("name").get(name="beta")
    task.size = 8
    task.commit()
    assert server.asked[1:] == ["PATCH /tasks/2/"]
    assert server.seen[-1].body == {"size": 8}


# -- filter_locally -------------------------------------------------------------------------------


def test_a_local_filter_is_evaluated_here_page_by_page(server, session):
    server.page_size = 2
    query = Task.objects.filter(size__gt=5).order_by("id").filter_locally(lambda task: task.done)
    assert server.asked == []
    assert ids(query) == [4, 6]
    assert len(server.asked) == 3
    assert "done" not in server.asked[0]


def test_local_filters_are_joined(session):
    query = Task.objects.filter_locally(lambda task: task.done)
    assert ids(query.filter_locally(lambda task: task.size < 10)) == [1]


@pytest.mark.parametrize(
    "cut", [slice(2), slice(1, 3), slice(2, None), slice(1, 1), slice(9, None)], ids=str
)
@pytest.mark.parametrize("size", [1, 2, 100])
def test_a_slice_of_a_local_filter_counts_what_passed(server, session, cut, size):
    server.page_size = size
    query = Task.objects.order_by("id").filter_locally(lambda task: task.id != 2)
    assert ids(query[cut]) == [1, 3, 4, 5, 6][cut]


def test_a_slice_of_a_local_filter_stops_reading_when_it_is_full(server, session):
    server.page_size = 2
    query = Task.objects.order_by("id").filter_locally(lambda task: task.done)
    assert ids(query[:1]) == [1]
    assert query.exists()
    assert query.first().id == 1
    assert len(server.asked) == 3
    assert ids(query[:2]) == [1, 4]
    assert len(server.asked) == 5


def test_a_local_filter_may_follow_relations_without_a_request_for_each(server, session):
    query = Task.objects.filter_locally(lambda task: task.project and task.project.name == "p2")
    assert ids(query) == [3, 4]
    assert server.asked == ["GET /tasks/", "GET /projects/?id__in=1,2,3&page_size=3"]


# -- reference ------------------------------------------------------------------------------------


def test_a_reference_is_an_object_of_which_only_the_key_is_known(server, session):
    task = Task.objects.reference(2)
    assert task.id == 2
    assert inspect(task).loaded_fields == {"id"}
    assert task is Task.objects.reference("2")
    assert server.asked == []
    assert task.name == "beta"
    assert server.asked == ["GET /tasks/2/"]
    assert task is Task.objects.get(id=2)


def test_a_reference_is_updated_without_a_read(server, session):
    task = Task.objects.reference(2)
    task.name = "renamed"
    task.commit()
    assert server.asked == ["PATCH /tasks/2/"]
    assert server.seen[0].body == {"name": "renamed"}


def test_a_reference_is_deleted_without_a_read(server, session):
    Task.objects.reference(2).delete()
    assert server.asked == ["DELETE /tasks/2/"]


def test_a_reference_to_what_is_known_is_the_known_object(server, session):
    task = Task.objects.get(id=2)
    assert Task.objects.reference(2) is task
    assert task.name == "beta"
    assert len(server.asked) == 1


def test_a_reference_to_what_the_server_has_not_is_told_when_it_is_read(session):
    with pytest.raises(Task.DoesNotExist):
        Task.objects.reference(99).name  # noqa: B018 - reading is what is tested


def test_a_reference_takes_a_key_only(session):
    with pytest.raises(QueryError, match="no key"):
        Task.objects.reference("x")


# -- sessions -------------------------------------------------------------------------------------


def test_using_asks_a_named_session_whatever_the_current_one_is(server, session):
    other = Session(server.client())
    task = Task.objects.using(other).get(id=2)
    assert inspect(task).session is other
    assert task is not Task.objects.get(id=2)
    assert Task.objects.using(other).filter(size__lt=10).first() in other
    assert Task.objects.using(other).reference(3) in other
    assert Task.objects.using(other).create(name="new") in other
    assert len(session) == 1
    other.close()


def test_using_is_kept_by_every_method(server, session):
    other = Session(server.client())
    query = Task.objects.using(other).filter(id=1).exclude().order_by("id").reverse().all()
    query = query.only("id").prefetch_related("project").filter_locally(bool)[:1]
    assert inspect(query[0]).session is other
    other.close()


# -- other kinds of models ------------------------------------------------------------------------


def test_objects_without_a_key_are_read(server, session):
    assert [event.message for event in Event.objects.all()] == ["m1", "m2"]
    assert Event.objects.first().message == "m1"
    assert Event.objects.count() == 2
    assert Event.objects.values_list("message", flat=True) == ["m1", "m2"]
    with pytest.raises(QueryError):
        Event.objects.last()


@pytest.mark.parametrize(
    "ask",
    [
        lambda: Event.objects.update(message="x"),
        lambda: Event.objects.all().delete(),
        lambda: Event.objects.in_bulk(["m1"]),
        lambda: Event.objects.in_bulk(),
        lambda: Event.objects.filter(pk=1),
        lambda: Event.objects.reference("m1"),
    ],
)
def test_objects_without_a_key_have_no_address(server, session, ask):
    with pytest.raises((QueryError, FieldDoesNotExist, DeclarationError), match=r"Event"):
        ask()
    assert server.asked == []


def test_the_one_object_of_a_singleton_is_found_in_every_way(server, session):
    settings = Settings.objects.get()
    assert settings.level == 3
    assert list(Settings.objects.all()) == list(Settings.objects.iterator()) == [settings]
    assert (
        Settings.objects.first() is Settings.objects.last() is Settings.objects.all()[0] is settings
    )
    assert (Settings.objects.count(), Settings.objects.exists()) == (1, True)
    assert list(Settings.objects.all()[1:]) == []
    assert Settings.objects.values("level") == [{"level": 3}]
    assert set(server.asked) == {"GET /settings/"}
    assert Settings.objects.update(level=4) == 1
    assert str(server.seen[-1]) == "PATCH /settings/"
    with pytest.raises(QueryError, match="one object"):
        list(Settings.objects.filter(level=4))


def test_a_query_of_a_kind_asks_for_that_kind(server, session):
    assert [type(obj) for obj in Alert.objects.order_by("id")] == [
        *(UserAlert, MetricAlert, Alert, UserAlert)
    ]
    assert ids(UserAlert.objects.order_by("id")) == [1, 4]
    assert (UserAlert.objects.count(), UserAlert.objects.filter(name="a4").get().id) == (2, 4)
    assert server.asked[1:] == [
        "GET /alerts/?source=user&ordering=id",
        "GET /alerts/?source=user&page_size=1",
        "GET /alerts/?source=user&name=a4&page_size=2",
    ]
    assert UserAlert.objects.get(id=1) is Alert.objects.get(id=1)
    with pytest.raises(UserAlert.DoesNotExist):
        UserAlert.objects.get(id=2)
    assert session.get(UserAlert, 3) is None


def test_a_query_of_a_kind_that_only_rows_tell_is_filtered_here(server, session):
    assert [type(obj) for obj in Shape.objects.order_by("id")] == [Shape, Circle, Shape, Circle]
    assert ids(Circle.objects.order_by("id")) == [2, 4]
    assert ids(Circle.objects.order_by("id")[1:]) == [4]
    assert Circle.objects.count() == 2
    assert Circle.objects.get(id=2).radius == 3
    with pytest.raises(Circle.DoesNotExist):
        Circle.objects.get(id=1)


def test_a_key_of_another_kind_is_none_of_this_one(server, session):
    assert session.get(Circle, 1) is None
    assert session.get(Circle, 2).radius == 3
    assert type(session.get(Shape, 1)) is Shape


def test_an_endpoint_below_another_is_filtered_by_its_parent(server, session):
    found = list(Artifact.objects.filter(task=1))
    assert [(obj.name, obj.task.id) for obj in found] == [("f1", 1), ("f2", 1)]
    assert Artifact.objects.filter(task=Task.objects.reference(1)).get(id=2) is found[1]
    assert Artifact.objects.get(task=1, id=1) is found[0]
    assert Artifact.objects.filter(task=1, name="f2").count() == 1
    assert server.asked == [
        "GET /tasks/1/artifacts/",
        "GET /tasks/1/artifacts/2/",
        "GET /tasks/1/artifacts/1/",
        "GET /tasks/1/artifacts/?name=f2&page_size=1",
    ]


def test_an_endpoint_below_another_needs_its_parent(server, session):
    with pytest.raises(QueryError, match=r"which task.*filter\(task"):
        list(Artifact.objects.filter(name="f1"))
    assert server.asked == []


def test_the_user_of_a_nested_row_is_the_one_that_is_listed(server, session):
    task = Task.objects.get(id=2)
    assert task.assignee.name == "b"
    assert server.asked == ["GET /tasks/2/"]
    assert task.assignee is User.objects.get(id=2)
