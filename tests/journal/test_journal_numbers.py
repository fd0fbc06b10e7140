"""Numbers and rows of a journal: whose a number is, and that a row reads as it was, however it is encoded."""

import gc
import json
import math

import pytest

from objmapper import Model, Registry, Session, encoding, fields
from objmapper.journal.numbering import Numbers


class Thing:
    pass


def test_a_number_is_its_objects_and_nobody_elses():
    numbers, one, other = Numbers(), Thing(), Thing()
    numbers[one] = 1
    assert (numbers[one], one in numbers, other in numbers) == (1, True, False)
    assert (numbers.get(other), numbers.pop(other)) == (None, None)
    with pytest.raises(KeyError):
        numbers[other]
    assert numbers.pop(one) == 1
    assert (one in numbers, numbers.holder(1)) == (False, None)


def test_what_takes_the_place_of_the_dead_has_not_its_number():
    numbers = Numbers()
    for number in range(50):  # one after the other in the same place, as a rule
        thing = Thing()
        assert thing not in numbers
        numbers[thing] = number
        assert numbers.holder(number) is thing
        del thing
        gc.collect()
        assert numbers.holder(number) is None


def test_who_got_a_number_last_is_its_holder():
    numbers, one, other = Numbers(), Thing(), Thing()
    numbers[one] = numbers[other] = 1
    assert (numbers.holder(1), numbers[one]) == (other, 1)
    numbers[other] = 2
    assert (numbers.holder(1), numbers.holder(2)) == (None, other)


def test_the_dead_are_forgotten_and_the_living_are_not():
    numbers, living = Numbers(), [Thing() for _ in range(10)]
    for number, thing in enumerate(living):
        numbers[thing] = number
    for number in range(10, 5000):
        numbers[Thing()] = number
    assert len(numbers._refs) + len(numbers._last) < 2500
    assert [numbers[thing] for thing in living] == list(range(10))


class Row(Model):
    id = fields.Integer(primary_key=True)
    value = fields.Raw(null=True)
    other = fields.Raw(null=True)

    class Meta:
        registry = Registry("rows of a journal")


VALUES = [
    None,
    "null",
    "text with null, and ü",
    "half \ud800 a pair",
    "\x00",
    2**70,
    -(2**63),
    1.5,
    True,
    [None, "null"],
    {"null": None, "a": [1, {"b": None}]},
    [[]] * 3,
]
NUMBERS = [math.nan, math.inf, [1.0, math.nan], {"a": -math.inf}]


@pytest.mark.parametrize("value", VALUES, ids=repr)
@pytest.mark.parametrize("other", [None, "x"])
def test_a_row_reads_as_it_was(small, value, other):
    small.table("rows", [{"id": 1, "value": value, "other": other}])
    with Session(small.client()) as session:
        row = Row.objects.using(session).get(id=1)
        assert json.loads(encoding.row_of(row)) == {"id": 1, "value": value, "other": other}


@pytest.mark.parametrize("value", NUMBERS, ids=repr)
@pytest.mark.parametrize("other", [None, "x"])
def test_what_is_no_number_is_not_taken_for_nothing(small, value, other):
    small.table("rows", [{"id": 1, "value": value, "other": other}])
    with Session(small.client()) as session:
        row = Row.objects.using(session).get(id=1)
        told = json.loads(encoding.row_of(row))
        assert repr(told) == repr({"id": 1, "value": value, "other": other})
