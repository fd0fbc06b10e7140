"""Whether a page answers its query, where a server ignores what it does not know.

A row that meets a condition by any usual collation, or but for rounding, is believed; one that can't
meet it is not.
"""

import datetime as dt
import decimal
import uuid

import pytest

from objmapper import ContractError, Model, Registry, fields, verifying

registry = Registry("verifying")


class Owner(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String()

    class Meta:
        registry = registry


class Thing(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String(null=True)
    size = fields.Integer(null=True)
    weight = fields.Float(null=True)
    price = fields.Decimal(null=True)
    code = fields.UUID(null=True)
    active = fields.Boolean(null=True)
    day = fields.Date(null=True)
    at = fields.DateTime(null=True)
    local = fields.DateTime(null=True, assume=None)
    took = fields.TimeDelta(null=True)
    owner = fields.ForeignKey(Owner, null=True)
    tags = fields.List(fields.String())

    class Meta:
        registry = registry


CODE = "12345678-1234-5678-1234-567812345678"


def believed(shown, **lookups) -> bool:
    (name,) = lookups
    keys = name.split("__")
    row = {keys[0]: shown}
    tests = verifying.filter_tests(Thing.objects.filter(**lookups).query)
    try:
        verifying.check_filter(tests, [row])
    except ContractError:
        return False
    return True


@pytest.mark.parametrize(
    ("lookups", "yes", "no"),
    [
        ({"name": "Café"}, ["Café", "cafe", " CAFÉ ", "Cafe\u0301"], ["Cafes", "", None]),
        ({"name__iexact": "a"}, ["A", "a"], ["b"]),
        ({"name__in": ["a", "b"]}, ["a", "B"], ["c", None]),
        ({"name__contains": "af"}, ["café", "AFRO"], ["a f", None]),
        ({"name__icontains": "AF"}, ["café"], ["a f"]),
        ({"name__startswith": "ca"}, ["café", "CA"], ["aca"]),
        ({"name__istartswith": "CA"}, ["café"], ["aca"]),
        ({"name__endswith": "fe"}, ["café"], ["fec"]),
        ({"name__iendswith": "FE"}, ["café"], ["fec"]),
        ({"name__regex": "^x"}, ["x", "anything", None], []),
        ({"name__gt": "b"}, ["c", "a"], ["b", None]),
        ({"name__isnull": True}, [None, ""], ["x"]),
        ({"name__isnull": False}, ["x", ""], [None]),
        ({"size": 3}, [3], [4, None, "3"]),
        ({"size__in": [3, 4]}, [3, 4], [5]),
        ({"size__gt": 3}, [4], [3, 2, None]),
        ({"size__gte": 3}, [3, 4], [2, None]),
        ({"size__lt": 3}, [2], [3, 4, None]),
        ({"size__lte": 3}, [3], [4]),
        ({"size__range": (3, 5)}, [3, 4, 5], [2, 6, None]),
        ({"weight": 0.1}, [0.1, 0.10000000001], [0.2, None]),
        ({"weight__gt": 0.1}, [0.2, 0.1], [0.05]),
        ({"weight__lt": 2.0}, [1, 2.0], [3]),
        ({"price": "1.50"}, ["1.5", "1.500"], ["1.51"]),
        ({"price__in": [decimal.Decimal(2)]}, ["2.0"], ["3"]),
        ({"code": uuid.UUID(CODE)}, [CODE, CODE.replace("-", "")], [CODE.replace("1", "2")]),
        ({"active": True}, [True], [False, None]),
        ({"day": dt.date(2026, 1, 2)}, ["2026-01-02"], ["2026-01-03"]),
        ({"day__gt": dt.date(2026, 1, 2)}, ["2026-01-03"], ["2026-01-02", "2026-01-01"]),
        (
            {"at": "2026-01-02T00:00:00Z"},
            ["2026-01-02T01:00:00+01:00", "2026-01-02T00:00:00.4Z"],
            ["2026-01-02T00:00:00+01:00", None],
        ),
        (
            {"at__gt": "2026-01-02T00:00:00.5Z"},
            ["2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"],
            ["2026-01-01T00:00:00Z"],
        ),
        ({"local__lt": "2026-01-02T00:00:00"}, ["2026-01-01T00:00:00", "2026-01-03T00:00:00Z"], []),
        ({"took__gt": dt.timedelta(hours=1)}, [7200], [60]),
        ({"owner": 3}, [3, "3", {"id": 3}], [4, {"id": 4}, {"name": "x"}, "x", None]),
        ({"owner__in": [3, 4]}, [4, {"id": 3}], [5]),
        ({"owner__isnull": True}, [None], [3, {"id": 3}]),
        ({"owner__name": "x"}, [{"id": 3, "name": "x"}, 3, None, {"id": 3}], [{"name": "y"}]),
        ({"tags__contains": "a"}, [["a"], ["b"], None], []),
        ({"size": 3}, [3], [[3], {"x": 1}]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_row_is_believed_or_not(lookups, yes, no):
    assert [shown for shown in yes if not believed(shown, **lookups)] == []
    assert [shown for shown in no if believed(shown, **lookups)] == []


def test_a_row_that_lacks_the_field_is_believed():
    tests = verifying.filter_tests(Thing.objects.filter(name="a", owner__name="x").query)
    verifying.check_filter(tests, [{"id": 1}, {"id": 2, "name": "A"}])


def test_what_is_joined_by_or_and_what_is_negated_can_not_be_told():
    either = (Thing.name == "a") | (Thing.size == 1)
    assert verifying.filter_tests(Thing.objects.filter(either).query) == []
    assert verifying.filter_tests(Thing.objects.exclude(name="a").query) == []
    assert len(verifying.filter_tests(Thing.objects.filter(either, size=3).query)) == 1


@pytest.mark.parametrize(
    ("order", "shown", "fine"),
    [
        ("size", [1, 2, 2, 3], True),
        ("size", [1, 3, 2], False),
        ("-size", [3, 2, 2, 1], True),
        ("-size", [1, 2], False),
        ("size", [None, 1, None, 2], True),
        ("size", [2, None, 1], False),
        ("weight", [1, 1.5, 2], True),
        ("weight", [2, 1.5], False),
        ("-at", ["2026-01-02T00:00:00Z", "2026-01-02T00:30:00+01:00"], True),
        ("at", ["2026-01-02T00:00:00Z", "2026-01-02T00:30:00+01:00"], False),
        ("local", ["2026-01-02T00:00:00Z", "2026-01-01T00:00:00"], True),
        ("name", ["b", "a"], True),
        ("active", [True, False], True),
        ("owner", [2, 1], True),
        ("owner__name", [2, 1], True),
    ],
)
def test_an_order_is_believed_or_not(order, shown, fine):
    query = Thing.objects.order_by(order).query
    rows = [{order.lstrip("-"): value} for value in shown]
    if fine:
        verifying.check_order(query, list(query.order_by), rows)
        return
    with pytest.raises(ContractError, match=f"ignored the order '{order}'"):
        verifying.check_order(query, list(query.order_by), rows)
