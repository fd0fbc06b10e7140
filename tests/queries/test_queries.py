"""What a query says: conditions, expressions; when it is sent; what is refused where it is written."""

import datetime as dt

import pytest
from query_models import Alert, MetricAlert, Project, Stage, Task, Team

from objmapper import (
    FETCH_ONE,
    FETCH_PEERS,
    RAISE,
    FieldDoesNotExist,
    NoActiveSession,
    Q,
    QueryError,
    UnsupportedLookup,
)


def ids(objects) -> list[int]:
    return [obj.id for obj in objects]


# -- when it is sent ------------------------------------------------------------------------------


def test_making_a_query_sends_nothing(server, session):
    query = Task.objects.filter(name="beta").order_by("-id")[:3]
    repr(query)
    assert server.asked == []
    assert ids(query) == [2]
    assert server.asked == ["GET /tasks/?name=beta&ordering=-id&page_size=3"]


def test_a_query_set_is_immutable(server, session):
    every = Task.objects.all()
    some = every.filter(name="beta")
    assert some is not every
    assert ids(every) == [1, 2, 3, 4, 5, 6]
    assert ids(some) == [2]
    assert ids(some.filter(size=9)) == []


def test_results_are_kept_after_the_first_iteration(server, session):
    query = Task.objects.filter(size__lt=10)
    assert ids(query) == ids(query) == [1, 2, 3]
    assert (len(query), bool(query), query.count(), query.exists()) == (3, True, 3, True)
    assert query[0] is next(iter(query))
    assert query[1:] == list(query)[1:]
    assert len(server.asked) == 1


def test_all_is_fresh(server, session):
    query = Task.objects.filter(size__lt=10)
    before = list(query)
    server.tables["tasks"].rows[7] = server.tables["tasks"].rows[1] | {"id": 7}
    assert ids(query) == [1, 2, 3]
    assert ids(query.all()) == [1, 2, 3, 7]
    assert list(query.all())[:3] == before
    assert len(server.asked) == 3


def test_the_manager_keeps_no_results(server, session):
    assert len(list(Task.objects)) == len(list(Task.objects)) == 6
    assert len(server.asked) == 2


def test_the_session_is_looked_for_when_the_query_is_iterated(server):
    query = Task.objects.filter(name="beta")
    with pytest.raises(NoActiveSession):
        list(query)
    assert server.asked == []


def test_the_manager_is_asked_of_the_class(session):
    with pytest.raises(AttributeError, match="Task"):
        Task.objects.reference(1).objects  # noqa: B018


def test_a_condition_on_the_key_in_a_query_set_is_a_list_request(server, session):
    assert ids(Task.objects.filter(id=2)) == [2]
    assert ids(Task.objects.filter(pk="3")) == [3]
    assert server.asked == ["GET /tasks/?id=2", "GET /tasks/?id=3"]


# -- conditions -----------------------------------------------------------------------------------

NAIVE = dt.datetime(2026, 1, 2)
AWARE = dt.datetime(2026, 1, 2, 1, tzinfo=dt.timezone(dt.timedelta(hours=1)))


@pytest.mark.parametrize(
    ("lookups", "said", "found"),
    [
        ({"name": "beta"}, "name=beta", [2]),
        ({"name__exact": "beta"}, "name=beta", [2]),
        ({"name__iexact": "BETA"}, "name__iexact=BETA", [2]),
        ({"name__contains": "lpha"}, "name__contains=lpha", [1, 4]),
        ({"name__icontains": "ALPHA"}, "name__icontains=ALPHA", [1, 4]),
        ({"name__startswith": "al"}, "name__startswith=al", [1]),
        ({"name__endswith": "ta"}, "name__endswith=ta", [2, 5]),
        ({"id__in": [3, "1"]}, "id__in=3,1", [1, 3]),
        ({"id__in": {5}}, "id__in=5", [5]),
        ({"id__in": (n for n in (1, 2))}, "id__in=1,2", [1, 2]),
        ({"size__gt": 11}, "size__gt=11", [5, 6]),
        ({"size__gte": 13}, "size__gte=13", [5, 6]),
        ({"size__lt": 7}, "size__lt=7", [1]),
        ({"size__lte": 7}, "size__lte=7", [1, 2]),
        ({"size__range": (7, 11)}, "size__range=7,11", [2, 3, 4]),
        ({"note__isnull": True}, "note__isnull=true", [1, 3, 6]),
        ({"note__isnull": False}, "note__isnull=false", [2, 4, 5]),
        ({"note": None}, "note__isnull=true", [1, 3, 6]),
        ({"done": True}, "done=true", [1, 4, 6]),
        ({"stage": Stage.DONE}, "stage=done", [2, 4]),
        ({"stage": "done"}, "stage=done", [2, 4]),
        ({"stage__in": ["done", Stage.DRAFT]}, "stage__in=done,draft", [1, 2, 3, 4, 5, 6]),
        ({"created": NAIVE}, "created_date=2026-01-02T00:00:00Z", [2]),
        ({"project": 2}, "project=2", [3, 4]),
        ({"project": "2"}, "project=2", [3, 4]),
        ({"project__in": [2, 3]}, "project__in=2,3", [3, 4, 5]),
        ({"project": None}, "project__isnull=true", [6]),
        ({"project__isnull": True}, "project__isnull=true", [6]),
        ({"project__id": 2}, "project__id=2", [3, 4]),
        ({"project__pk": 2}, "project__id=2", [3, 4]),
        ({"project__name": "p1"}, "project__name=p1", [1, 2]),
        ({"project__name__in": ["p1", "p3"]}, "project__name__in=p1,p3", [1, 2, 5]),
        ({"project__team__name": "red"}, "project__team__name=red", [3, 4]),
        ({"project__team": 1}, "project__team=1", [3, 4]),
        ({"assignee": 1}, "assignee=1", [1, 4]),
        ({"tags__contains": "b"}, "tags__contains=b", [2]),
        ({"name": "beta", "size": 7}, "name=beta&size=7", [2]),
        ({}, "", [1, 2, 3, 4, 5, 6]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else None,
)
def test_a_lookup_is_said_to_the_server(server, session, lookups, said, found):
    assert ids(Task.objects.filter(**lookups)) == found
    assert server.asked == [f"GET /tasks/?{said}".removesuffix("?")]


def test_a_time_is_the_same_point_wherever_it_is_told(session):
    def said(**lookups):
        return Task.objects.filter(**lookups).query.where.value

    assert said(created=NAIVE) == "2026-01-02T00:00:00Z"
    assert said(created="2026-01-02") == "2026-01-02T00:00:00Z"
    assert dt.datetime.fromisoformat(said(created=AWARE)) == NAIVE.replace(tzinfo=dt.UTC)


def test_a_filter_takes_an_object_or_its_key(server, session):
    project = Project.objects.get(id=2)
    assert ids(Task.objects.filter(project=project)) == [3, 4]
    assert ids(Task.objects.filter(project__in=[project, 3])) == [3, 4, 5]
    assert ids(Task.objects.filter(Task.project == project)) == [3, 4]
    assert server.asked[1:] == [
        "GET /tasks/?project=2",
        "GET /tasks/?project__in=2,3",
        "GET /tasks/?project=2",
    ]


def test_an_object_without_a_key_is_refused_as_a_value(server, session):
    with pytest.raises(QueryError, match=r"project=.*no key yet"):
        Task.objects.filter(project=Project(name="new"))


def test_an_object_of_another_model_is_refused_as_a_value(server, session):
    with pytest.raises(QueryError, match=r"project=<Team 1"):
        Task.objects.filter(project=Team.objects.reference(1))


def test_filters_in_a_row_are_joined_by_and(server, session):
    assert ids(Task.objects.filter(size__lt=10).filter(stage="draft").filter(name="gamma")) == [3]
    assert server.asked == ["GET /tasks/?size__lt=10&stage=draft&name=gamma"]


def test_a_lookup_splits_at_the_longest_field_name_that_fits(session):
    (path, lookup) = Task.__mapper__.resolve(Q(changes_={"by": 1})).path, "exact"
    assert [field.key for field in path] == ["changes"]
    found = Task.objects.filter(changes___contains={"by": 1}).query.where
    assert ([field.name for field in found.path], found.lookup) == (["changes_"], "contains")
    assert lookup == "exact"


def test_an_empty_in_is_known_to_find_nothing(server, session):
    assert list(Task.objects.filter(id__in=[])) == []
    assert Task.objects.filter(id__in=[]).count() == 0
    assert not Task.objects.filter(size=5, id__in=[]).exists()
    assert server.asked == []


def test_a_comma_in_a_list_of_values_is_refused_where_commas_separate(server, session):
    with pytest.raises(UnsupportedLookup, match=r"name__in.*comma"):
        list(Task.objects.filter(name__in=["a,b", "c"]))
    assert server.asked == []


# -- Q and expressions ----------------------------------------------------------------------------


def where(*conditions, **lookups) -> str:
    return str(Task.objects.filter(*conditions, **lookups).query.where)


def test_q_joins_conditions():
    assert where(Q(name="a") & Q(size=1)) == "(name__exact='a' & size__exact=1)"
    assert where(Q(name="a") | Q(size=1)) == "(name__exact='a' | size__exact=1)"
    assert where(~Q(name="a")) == "~name__exact='a'"
    assert where(~(Q(name="a") | Q(size=1))) == "~(name__exact='a' | size__exact=1)"
    assert where(~~Q(name="a")) == "name__exact='a'"
    assert where(Q(name="a", size=1)) == "(name__exact='a' & size__exact=1)"
    assert where(Q(Q(name="a") | Q(name="b"), size=1)) == (
        "((name__exact='a' | name__exact='b') & size__exact=1)"
    )


def test_q_beside_an_expression_and_a_lookup():
    assert where(Q(name="a") | ~Q(name="b"), Task.id > 7, size=1) == (
        "((name__exact='a' | ~name__exact='b') & id__gt=7 & size__exact=1)"
    )


def test_an_empty_q_says_nothing():
    assert Task.objects.filter(Q()).query.where is None
    assert where(Q() | Q(name="a")) == where(Q() & Q(name="a")) == "name__exact='a'"
    assert where(Q(name="a") | Q()) == "name__exact='a'"


def test_what_a_negated_empty_q_excludes_is_nothing():
    assert Task.objects.exclude(Q()).query.where is None
    assert Task.objects.exclude().query.where is None


def test_exclude_negates_all_of_its_conditions_together():
    query = Task.objects.filter(size=1).exclude(name="a", done=True).query
    assert str(query.where) == "(size__exact=1 & ~(name__exact='a' & done__exact=True))"


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        (lambda: Task.name == "x", "name__exact='x'"),
        (lambda: Task.name != "x", "~name__exact='x'"),
        (lambda: Task.note == None, "note__isnull=True"),  # noqa: E711 - an expression
        (lambda: Task.note != None, "~note__isnull=True"),  # noqa: E711
        (lambda: Task.id > 7, "id__gt=7"),
        (lambda: Task.id >= 7, "id__gte=7"),
        (lambda: Task.id < 7, "id__lt=7"),
        (lambda: Task.id <= 7, "id__lte=7"),
        (lambda: 7 < Task.id, "id__gt=7"),  # noqa: SIM300 - turned round
        (lambda: Task.id.in_([1, 2]), "id__in=(1, 2)"),
        (lambda: Task.size.between(1, 2), "size__range=(1, 2)"),
        (lambda: Task.name.contains("x"), "name__contains='x'"),
        (lambda: Task.name.icontains("x"), "name__icontains='x'"),
        (lambda: Task.name.startswith("x"), "name__startswith='x'"),
        (lambda: Task.name.endswith("x"), "name__endswith='x'"),
        (lambda: Task.name.regex("x"), "name__regex='x'"),
        (lambda: Task.note.is_null(), "note__isnull=True"),
        (lambda: Task.note.is_null(False), "note__isnull=False"),
        (lambda: (Task.id == 1) | (Task.id == 2), "(id__exact=1 | id__exact=2)"),
        (lambda: ~(Task.id == 1) & Q(name="x"), "(~id__exact=1 & name__exact='x')"),
        (lambda: Task.project == 3, "project__exact=3"),
        (lambda: Task.changes_.contains({"a": 1}), "changes___contains={'a': 1}"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_field_of_the_class_is_an_expression(expression, said):
    assert where(expression()) == said


def test_an_expression_has_no_truth_value():
    with pytest.raises(TypeError, match=r"& \| ~"):
        bool(Task.id > 7)
    with pytest.raises(TypeError, match="chain"):
        1 < Task.id < 7  # noqa: B015
    with pytest.raises(TypeError):
        Q(name="a") and Q(name="b")


def test_conditions_are_joined_with_conditions_only():
    with pytest.raises(TypeError):
        Q(name="a") & 7
    with pytest.raises(TypeError):
        (Task.id == 1) | {"name": "a"}


def test_a_condition_shows_what_it_says():
    assert repr(~(Q(name="a") | Q(size=1))) == "~Q(Q(name='a') | Q(size=1))"
    assert repr((Task.id > 1) & Q(name="a")) == "Q(Q(id__gt=1) & Q(name='a'))"
    assert repr([FETCH_ONE, FETCH_PEERS, RAISE]) == "[FETCH_ONE, FETCH_PEERS, RAISE]"


def test_an_expression_of_a_subclass_is_a_condition_on_its_base(server, session):
    assert [alert.id for alert in Alert.objects.filter(MetricAlert.limit >= 0)] == []
    assert server.asked == ["GET /alerts/?limit__gte=0"]


def test_what_finds_nothing_is_worked_out_in_every_combination():
    nothing = Task.objects.none().query
    for query in (
        Task.objects.filter(Q(id__in=[]) & Q(name="a")),
        Task.objects.filter(name="a").filter(id__in=[]),
        Task.objects.filter(id__in=[]).filter(name="a"),
        Task.objects.filter(Q(id__in=[]) | Q(name__in=[])),
        Task.objects.exclude(~Q(id__in=[])),
        Task.objects.filter(~(Q(name="a") | ~Q(id__in=[]))),
    ):
        assert query.query == nothing
        assert query.query.finds_nothing
    for query in (
        Task.objects.exclude(id__in=[]),
        Task.objects.filter(~Q(id__in=[])),
        Task.objects.filter(Q(name="a") | ~Q(id__in=[])),
    ):
        assert query.query.where is None
    assert where(Q(id__in=[]) | Q(name="a")) == "name__exact='a'"
    assert where(~Q(id__in=[]) & Q(name="a")) == "name__exact='a'"


def test_an_expression_of_another_model_is_refused():
    with pytest.raises(QueryError, match=r"Project\.name is no field of Task"):
        Task.objects.filter(Project.name == "x")


@pytest.mark.parametrize("value", ["name", 7, None, Task.id])
def test_filter_takes_conditions_only(value):
    with pytest.raises(TypeError, match="conditions"):
        Task.objects.filter(value)


def test_a_combination_that_the_server_lacks_is_refused_before_sending(server, session):
    for query in (
        Task.objects.filter(Q(name="a") | Q(name="b")),
        Task.objects.exclude(name="a"),
        Task.objects.filter(Task.name != "a"),
    ):
        with pytest.raises(UnsupportedLookup, match="filter_locally"):
            list(query)
        with pytest.raises(UnsupportedLookup):
            query.count()
    assert server.asked == []


# -- bad names and values -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "message", "make"),
    [
        (FieldDoesNotExist, "Did you mean 'name'", lambda: Task.objects.filter(nam="x")),
        (FieldDoesNotExist, "Did you mean 'name'", lambda: Task.objects.exclude(Q(nam="x"))),
        (FieldDoesNotExist, "Did you mean 'size'", lambda: Task.objects.filter(sizes__gt=1)),
        (FieldDoesNotExist, "Did you mean 'name'", lambda: Task.objects.order_by("-nam")),
        (FieldDoesNotExist, "Did you mean 'name'", lambda: Task.objects.only("nam")),
        (FieldDoesNotExist, "Did you mean 'tags'", lambda: Task.objects.prefetch_related("tag")),
        (FieldDoesNotExist, "Its fields: ", lambda: Task.objects.filter(qqqqq="x")),
        (QueryError, "Did you mean 'name'", lambda: Task.objects.filter(project__nam="x")),
        (QueryError, "Did you mean 'contains'", lambda: Task.objects.filter(name__containz="x")),
        (QueryError, "Lookups: contains", lambda: Task.objects.filter(name__qqqqq="x")),
        (QueryError, "Lookups: contains", lambda: Task.objects.filter(id__in__gt=1)),
        (
            QueryError,
            "'name__contains'.*no lookup",
            lambda: Task.objects.filter(size__name__contains=1),
        ),
        (QueryError, "is a lookup", lambda: Task.objects.order_by("name__in")),
        (QueryError, "field names", lambda: Task.objects.order_by(Task.name)),
        (QueryError, "no relation", lambda: Task.objects.prefetch_related("name")),
        (QueryError, "write-only", lambda: Task.objects.filter(secret="x")),
        (QueryError, "write-only", lambda: Task.objects.order_by("secret")),
        (QueryError, "reverse", lambda: Project.objects.filter(tasks=1)),
        (QueryError, "reverse", lambda: Project.objects.order_by("tasks")),
        (QueryError, "reverse", lambda: Project.objects.only("tasks")),
        (QueryError, "FETCH_PEERS", lambda: Task.objects.fetch_mode("peers")),
        (QueryError, "id='x'", lambda: Task.objects.filter(id="x")),
        (QueryError, "id=True", lambda: Task.objects.filter(id=True)),
        (QueryError, "size='big'", lambda: Task.objects.filter(size="big")),
        (QueryError, "size=1.5", lambda: Task.objects.filter(size=1.5)),
        (QueryError, "size__gt=None", lambda: Task.objects.filter(size__gt=None)),
        (QueryError, "name=5", lambda: Task.objects.filter(name=5)),
        (QueryError, "name__contains.*text", lambda: Task.objects.filter(name__contains=5)),
        (QueryError, "done='yes'", lambda: Task.objects.filter(done="yes")),
        (QueryError, "stage=.1.", lambda: Task.objects.filter(stage=[1])),
        (QueryError, "created=5", lambda: Task.objects.filter(created=5)),
        (QueryError, "created='soon'", lambda: Task.objects.filter(created="soon")),
        (QueryError, "project='abc'", lambda: Task.objects.filter(project="abc")),
        (QueryError, "several values", lambda: Task.objects.filter(name__in="abc")),
        (QueryError, "several values", lambda: Task.objects.filter(id__in=5)),
        (QueryError, "id__in='x'", lambda: Task.objects.filter(id__in=[1, "x"])),
        (QueryError, "two values", lambda: Task.objects.filter(size__range=5)),
        (QueryError, "two values", lambda: Task.objects.filter(size__range=(1, 2, 3))),
        (QueryError, "True or False", lambda: Task.objects.filter(note__isnull="x")),
        (QueryError, "page_size", lambda: Task.objects.iterator(page_size=0)),
        (QueryError, "prefetch_pages", lambda: Task.objects.iterator(prefetch_pages=-1)),
    ],
)
def test_a_query_that_makes_no_sense_is_refused_where_it_is_written(
    server, session, error, message, make
):
    with pytest.raises(error, match=message):
        make()
    assert server.asked == []
