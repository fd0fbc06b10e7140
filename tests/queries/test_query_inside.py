"""Conditions and orders that lead into JSON objects, and spans of time."""

import datetime as dt

import pytest
from query_models import Task
from smallserver import SmallDialect

from objmapper import FieldDoesNotExist, Q, QueryError, Session, UnsupportedLookup


class Inside(SmallDialect):
    """Says a path with dots, as services do that reach into JSON."""

    can_reach_in = True

    def wire_name(self, condition):
        return ".".join(field.key for field in condition.path)


def asked(small, query):
    with Session(small.client(dialect=Inside(trailing_slash=True))) as session:
        return dict(session.dialect.list_request(query.query, None).params)


@pytest.mark.parametrize(
    ("lookup", "value", "said"),
    [
        ("changes___rate", 0.5, {"changes.rate": 0.5}),
        ("changes___rate__gt", 1, {"changes.rate__gt": 1}),
        ("changes___gpu__name__contains", "A1", {"changes.gpu.name__contains": "A1"}),
        ("changes___a.b", "x", {"changes.a.b": "x"}),
        ("changes___rate__isnull", True, {"changes.rate__isnull": "true"}),
        # A key that is called as a lookup is followed by one.
        ("changes___range__exact", "x", {"changes.range": "x"}),
        ("changes___rate", True, {"changes.rate": "true"}),
    ],
)
def test_a_condition_leads_into_json(small, lookup, value, said):
    assert asked(small, Task.objects.filter(**{lookup: value})) == said


def test_an_order_leads_into_json(small):
    query = Task.objects.order_by("-changes___rate", "name")
    assert asked(small, query) == {"ordering": "-changes.rate,name"}


def test_a_lookup_of_the_dict_itself_is_none_of_a_key(small):
    assert asked(small, Task.objects.filter(changes___contains={"a": 1})) == {
        "changes__contains": {"a": 1}
    }


@pytest.mark.parametrize(
    "query",
    [
        Task.objects.filter(changes___rate=1),
        Task.objects.filter(project__team=1).filter(changes___rate__gt=1),
        Task.objects.order_by("changes___rate"),
    ],
)
def test_a_dialect_that_reaches_into_nothing_refuses_before_sending(small, query):
    with Session(small.client()), pytest.raises(UnsupportedLookup):
        list(query.all())
    assert small.asked == []


@pytest.mark.parametrize(
    ("lookup", "error"),
    [
        ("name__rate", QueryError),
        ("changes___rate____x", QueryError),
        ("change__rate", FieldDoesNotExist),
        ("secret__rate", QueryError),
    ],
)
def test_what_leads_nowhere_is_an_error(lookup, error):
    with pytest.raises(error, match="rate"):
        Task.objects.filter(**{lookup: 1})


def test_a_span_of_time_is_asked_of_a_time():
    query = Task.objects.filter(created__within=dt.timedelta(hours=2)).query
    assert (query.where.lookup, query.where.value) == ("within", 7200.0)
    for wrong in (
        Q(created__within="2h"),
        Q(name__within=dt.timedelta(1)),
        Q(created__within=None),
    ):
        with pytest.raises(QueryError, match="timedelta"):
            Task.objects.filter(wrong)


def test_a_span_of_time_is_refused_where_the_server_has_none(small):
    with Session(small.client()), pytest.raises(UnsupportedLookup, match="created__within"):
        list(Task.objects.filter(created__within=dt.timedelta(1)))
