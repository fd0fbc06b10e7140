"""Fields: what each kind reads, takes and sends, and what its options do."""

import datetime as dt
import decimal
import enum
import json
import math
import os
import pickle
import uuid
import warnings
import zoneinfo
from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objmapper import (
    ContractError,
    DeclarationError,
    Embedded,
    FieldNotLoaded,
    Model,
    ReadOnlyFieldError,
    Registry,
    Session,
    ValidationError,
    fields,
    inspect,
    validate,
)

registry = Registry("fields")


class Stage(str, enum.Enum):  # noqa: UP042 - as the tour writes it
    ANNOTATION = "annotation"
    DONE = "done"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Place(Embedded):
    street = fields.String(validate=validate.Length(max=10))
    number = fields.Integer(null=True)


class Person(Embedded):
    username = fields.String(required=True)
    born = fields.Date(null=True)
    home = fields.Nested(Place, null=True)
    work = fields.Nested(Place, null=True, data_key="work_place")
    homes = fields.List(Place, default=list)


class Project(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String()
    tasks: fields.HasMany["Task"] = fields.HasMany(by="project")

    class Meta:
        registry = registry


class Task(Model):
    id = fields.Integer(primary_key=True)
    project = fields.ForeignKey(Project, data_key="project_id", null=True)

    class Meta:
        registry = registry


def model_of(**declared: Any) -> Any:
    """Return a model of these fields, in a registry of its own."""
    body = {"id": fields.Integer(primary_key=True), **declared}
    body["Meta"] = type("Meta", (), {"registry": Registry(), "endpoint": "things"})
    return type("Thing", (Model,), body)


@pytest.fixture
def load(small):
    """``load(model, **row)`` returns the object that a server's full row becomes."""
    sessions = []

    def load(model, **row):
        small.table(model.__mapper__.endpoint, [{"id": 1, **row}])
        session = Session(small.client())
        session.__enter__()
        sessions.append(session)
        return model.objects.get(id=1)

    yield load
    for session in reversed(sessions):
        session.rollback()
        session.__exit__(None, None, None)


# -- every kind: what it reads, takes and sends ---------------------------------------------------


@dataclass
class Kind:
    """A field, values of it as Python and as JSON, and what it refuses."""

    make: Any
    #: Pairs of a Python value and its JSON; the first two differ.
    pairs: list[tuple[Any, Any]]
    #: JSON that a server must not send.
    wrong_wire: list[Any]
    #: What a user may set and is not valid.
    wrong: list[Any]


UTC = dt.UTC
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
KEY = uuid.UUID("12345678-1234-5678-1234-567812345678")

KINDS = {
    "Integer": Kind(fields.Integer, [(5, 5), (-7, -7)], ["5", 5.5, True, [5]], ["5", 5.5, True]),
    "Float": Kind(
        fields.Float,
        [(0.5, 0.5), (-1e300, -1e300)],
        ["0.5", True, {}],
        ["0.5", True, math.nan, math.inf],
    ),
    "Decimal": Kind(
        fields.Decimal,
        [(decimal.Decimal("1.50"), "1.50"), (decimal.Decimal(-3), "-3")],
        ["one", True, [1], "NaN", "sNaN", "Infinity"],
        ["one", True, decimal.Decimal("NaN"), [1]],
    ),
    "Boolean": Kind(fields.Boolean, [(True, True), (False, False)], [1, 0, "true"], [1, "true"]),
    "String": Kind(fields.String, [("a", "a"), ("", "")], [5, True, ["a"]], [5, True, b"a"]),
    "Enum": Kind(
        lambda **options: fields.Enum(Stage, **options),
        [(Stage.DONE, "done"), (Stage.ANNOTATION, "annotation")],
        [True, ["done"], {}],
        ["unheard of", 5, True, Level.LOW],
    ),
    "Enum of numbers": Kind(
        lambda **options: fields.Enum(Level, **options),
        [(Level.HIGH, 2), (Level.LOW, 1)],
        [[1], True],
        [3, "LOW"],
    ),
    "DateTime": Kind(
        fields.DateTime,
        [
            (dt.datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC), "2024-05-06T07:08:09Z"),
            (dt.datetime(2024, 5, 6, 7, 8, 9, 10, tzinfo=UTC), "2024-05-06T07:08:09.000010Z"),
        ],
        ["yesterday", 5, True, "2024-13-01T00:00:00Z"],
        ["yesterday", 5, dt.date(2024, 5, 6)],
    ),
    "Date": Kind(
        fields.Date,
        [(dt.date(2024, 5, 6), "2024-05-06"), (dt.date(1, 1, 1), "0001-01-01")],
        ["yesterday", 5, "2024-02-30"],
        ["yesterday", 5, dt.datetime(2024, 5, 6, 7, 8)],
    ),
    "Time": Kind(
        fields.Time,
        [(dt.time(7, 8, 9), "07:08:09"), (dt.time(7, 8, 9, 10), "07:08:09.000010")],
        ["noon", 5, "25:00:00"],
        ["noon", 5],
    ),
    "TimeDelta": Kind(
        fields.TimeDelta,
        [(dt.timedelta(minutes=1), 60), (dt.timedelta(milliseconds=500), 0.5)],
        ["soon", True, [], "", "P"],
        ["soon", True, math.nan, math.inf],
    ),
    "TimeDelta as ISO": Kind(
        lambda **options: fields.TimeDelta(format="iso", **options),
        [
            (dt.timedelta(days=1, hours=2), "P1DT7200S"),
            (-dt.timedelta(seconds=1.5), "-P0DT1.5S"),
        ],
        ["P1X"],
        ["P1X"],
    ),
    "TimeDelta as Django": Kind(
        lambda **options: fields.TimeDelta(format="django", **options),
        [
            (dt.timedelta(days=1, hours=2, microseconds=5), "1 02:00:00.000005"),
            (-dt.timedelta(hours=2), "-1 22:00:00"),
        ],
        ["1 day"],
        ["1 day"],
    ),
    "UUID": Kind(
        fields.UUID,
        [(KEY, str(KEY)), (uuid.UUID(int=0), str(uuid.UUID(int=0)))],
        ["not-a-uuid", 5],
        ["not-a-uuid", 5],
    ),
    "URL": Kind(
        fields.URL,
        [
            ("https://host/a?b=c", "https://host/a?b=c"),
            ("http://localhost:8080/", "http://localhost:8080/"),
        ],
        [5, True],
        ["no url", 5],
    ),
    "Email": Kind(
        fields.Email,
        [("a@example.com", "a@example.com"), ("b@example.com", "b@example.com")],
        [5],
        ["nobody", 5],
    ),
    "List": Kind(
        lambda **options: fields.List(fields.String(), **options),
        [(["a"], ["a"]), ([], [])],
        [{"a": 1}, "a", [5], [["a"]]],
        ["a", [5], [None]],
    ),
    "List of dates": Kind(
        lambda **options: fields.List(fields.Date(), **options),
        [([dt.date(2024, 5, 6)], ["2024-05-06"]), ([], [])],
        ["2024-05-06", ["yesterday"], [5]],
        [["yesterday"], [5]],
    ),
    "List of lists": Kind(
        lambda **options: fields.List(fields.List(fields.Integer()), **options),
        [([[1], [2, 3]], [[1], [2, 3]]), ([[]], [[]])],
        [[1], [["a"]]],
        [[1], [["a"]]],
    ),
    "Dict": Kind(
        fields.Dict,
        [({"a": {"b": [1, None]}}, {"a": {"b": [1, None]}}), ({}, {})],
        [[], "a"],
        [[], {"a": 1j}, {1: "a"}, {"a": {2: 3}}, {"a": math.nan}, {"a": {1, 2}}],
    ),
    "Dict of decimals": Kind(
        lambda **options: fields.Dict(fields.Decimal(), **options),
        [({"a": decimal.Decimal("1.5")}, {"a": "1.5"}), ({}, {})],
        [[], {"a": "x"}, {"a": []}],
        [{"a": "x"}, {1: decimal.Decimal(1)}],
    ),
    "Nested": Kind(
        lambda **options: fields.Nested(Place, **options),
        [
            (Place(street="Way", number=1), {"street": "Way", "number": 1}),
            (Place(street="Road"), {"street": "Road"}),
        ],
        ["Way", [], 5],
        ["Way", Person(username="x"), Place(street="A very long street")],
    ),
    "nested in nested": Kind(
        lambda **options: fields.Nested(Person, **options),
        [
            (
                Person(
                    username="x",
                    born=dt.date(2000, 1, 1),
                    work=Place(street="Way"),
                    homes=[Place(street="Road")],
                ),
                {
                    "username": "x",
                    "born": "2000-01-01",
                    "work_place": {"street": "Way"},
                    "homes": [{"street": "Road"}],
                },
            ),
            (Person(username="y"), {"username": "y", "homes": []}),
        ],
        ["x"],
        [Person(), Person(username=5), Person(username="x", home=Place(street=5))],
    ),
    "list of nested": Kind(
        lambda **options: fields.List(Place, **options),
        [([Place(street="Way")], [{"street": "Way"}]), ([], [])],
        [{"street": "Way"}, ["Way"]],
        [["Way"], [Place(street=5)], [{"street": 5}]],
    ),
    "dict of nested": Kind(
        lambda **options: fields.Dict(Place, **options),
        [({"home": Place(street="Way")}, {"home": {"street": "Way"}}), ({}, {})],
        [[], {"home": "Way"}],
        [{"home": "Way"}, {"home": Place(street=5)}],
    ),
    "Raw": Kind(
        fields.Raw,
        [([{"a": 1}], [{"a": 1}]), ("a", "a"), (5, 5), (True, True)],
        [],
        [1j, {"a": {1}}, {1: 2}, math.nan, b"a"],
    ),
}

kinds = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def cases(attribute: str) -> Any:
    """Parametrise over every kind and each value that it lists."""
    return pytest.mark.parametrize(
        ("kind", "value"),
        [
            pytest.param(kind, value, id=f"{name}: {value!r}"[:60])
            for name, kind in KINDS.items()
            for value in getattr(kind, attribute)
        ],
    )


@cases("pairs")
def test_what_the_server_sends_reads_as_python_s_value(load, kind, value):
    python, wire = value
    one = load(model_of(value=kind.make()), value=wire)
    assert one.value == python
    assert type(one.value) is type(python)
    assert one.value == python  # the second reading is no other
    assert one.changes == {}


@cases("pairs")
def test_what_a_user_sets_is_sent_as_json(load, small, kind, value):
    python, wire = value
    one = load(model_of(value=kind.make(null=True)), value=None)
    one.value = python
    assert one.value == python
    assert one.to_dict()["value"] == (python.to_dict() if isinstance(python, Embedded) else wire)
    one.commit()
    assert small.seen[-1].method == "PATCH"
    assert small.seen[-1].body == {"value": wire}
    assert one.value == python
    assert one.changes == {}


@cases("pairs")
def test_a_new_object_sends_what_it_was_given(small, kind, value):
    python, wire = value
    model = model_of(value=kind.make())
    small.table("things")
    with Session(small.client()):
        one = model.objects.create(value=python)
    assert small.seen[-1].body == {"value": wire}
    assert one.value == python


@cases("pairs")
def test_setting_the_same_value_is_no_change(load, kind, value):
    python, wire = value
    one = load(model_of(value=kind.make()), value=wire)
    one.value = python
    assert one.changes == {}
    again = load(model_of(value=kind.make()), value=wire)
    _ = again.value
    again.value = python
    assert again.changes == {}


@kinds
def test_setting_and_setting_back_is_no_change(load, kind):
    (first, wire), (second, _), *_ = kind.pairs
    one = load(model_of(value=kind.make()), value=wire)
    one.value = second
    assert set(one.changes) == {"value"}
    assert one.changes["value"] == (first, second)
    one.value = first
    assert one.changes == {}
    assert one.to_dict() == load(model_of(value=kind.make()), value=wire).to_dict()


@kinds
def test_reading_is_no_change(load, kind):
    (python, wire), *_ = kind.pairs
    one = load(model_of(value=kind.make()), value=wire)
    shown = one.to_dict()
    assert one.value == python
    assert one.changes == {}
    assert one.to_dict() == shown


@kinds
def test_a_change_is_reverted(load, kind):
    (first, wire), (second, _), *_ = kind.pairs
    one = load(model_of(value=kind.make()), value=wire)
    one.value = second
    one.revert()
    assert one.value == first
    assert one.changes == {}


@cases("wrong_wire")
def test_a_wrong_value_of_the_server_s_is_a_contract_error_that_names_it(load, kind, value):
    one = load(model_of(value=kind.make(), name=fields.String()), value=value, name="x")
    with pytest.raises(ContractError, match=r"<Thing 1 name='x'>: the server sent .* for 'value'"):
        _ = one.value
    assert one.name == "x"  # the rest of the object is readable
    assert one.changes == {}
    assert one.to_dict()["value"] == value


@cases("wrong")
def test_a_wrong_value_of_the_user_s_is_not_sent(load, small, kind, value):
    (_, wire), *_ = kind.pairs
    one = load(model_of(value=kind.make()), value=wire)
    before = len(small.seen)
    one.value = value
    with pytest.raises(ValidationError) as caught:
        one.commit()
    assert [name for _, name, _ in caught.value.errors] == ["value"]
    assert caught.value.errors[0][0] is one
    assert len(small.seen) == before
    one.revert()
    one.validate()


@cases("wrong")
def test_with_validate_assignment_a_wrong_value_is_refused_at_once(load, kind, value):
    (python, wire), *_ = kind.pairs
    body = {"id": fields.Integer(primary_key=True), "value": kind.make()}
    meta = {"registry": Registry(), "endpoint": "things", "validate_assignment": True}
    model = type("Thing", (Model,), {**body, "Meta": type("Meta", (), meta)})
    one = load(model, value=wire)
    with pytest.raises(ValidationError):
        one.value = value
    assert one.value == python
    assert one.changes == {}
    for other, _ in kind.pairs:
        one.value = other
        assert one.value == other


@kinds
def test_null_is_refused_unless_it_is_declared(kind):
    one = model_of(value=kind.make())(value=None)
    with pytest.raises(ValidationError, match="May not be null"):
        one.validate()
    allowed = model_of(value=kind.make(null=True))(value=None)
    allowed.validate()
    assert allowed.value is None
    assert allowed.changes == {"value": (None, None)}


@kinds
def test_null_is_read_as_none_and_set_over_none_is_no_change(load, kind):
    one = load(model_of(value=kind.make(null=True)), value=None)
    assert one.value is None
    one.value = None
    assert one.changes == {}
    one.value = kind.pairs[0][0]
    assert set(one.changes) == {"value"}
    one.value = None
    assert one.changes == {}


@kinds
def test_an_absent_field_is_its_default_else_none_else_an_error(load, kind):
    python = kind.pairs[0][0]
    one = load(
        model_of(
            default=kind.make(default=lambda: python),
            null=kind.make(null=True),
            neither=kind.make(),
        )
    )
    assert one.default == python
    assert one.null is None
    with pytest.raises(FieldNotLoaded, match="'neither'"):
        _ = one.neither
    assert not hasattr(one, "neither")  # an AttributeError, as hasattr wants it
    assert one.changes == {}


@kinds
def test_assigning_to_a_field_that_the_row_lacks_is_always_a_change(load, kind):
    python = kind.pairs[0][0]
    one = load(model_of(value=kind.make(null=True)))
    one.value = python
    assert set(one.changes) == {"value"}
    one.value = None
    assert one.changes == {"value": (None, None)}


# -- round trips ----------------------------------------------------------------------------------

offsets = st.timedeltas(dt.timedelta(hours=-23), dt.timedelta(hours=23)).map(
    lambda span: dt.timezone(dt.timedelta(minutes=span // dt.timedelta(minutes=1)))
)
texts = st.text(st.characters(exclude_categories=["Cs"]))
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
places = st.builds(Place, street=st.text("abc", max_size=10), number=st.none() | st.integers())
people = st.builds(
    Person,
    username=texts,
    born=st.none() | st.dates(),
    home=st.none() | places,
    work=st.none() | places,
    homes=st.lists(places, max_size=2),
)
#: A hundred years in microseconds are exact in a float of seconds.
spans = st.timedeltas(-dt.timedelta(days=36500), dt.timedelta(days=36500))
VALUES = {
    "Integer": st.integers(),
    "Float": st.floats(allow_nan=False, allow_infinity=False),
    "Decimal": st.decimals(allow_nan=False, allow_infinity=False),
    "Boolean": st.booleans(),
    "String": texts,
    "Enum": st.sampled_from(Stage),
    "Enum of numbers": st.sampled_from(Level),
    "DateTime": st.datetimes(timezones=offsets),
    "Date": st.dates(),
    "Time": st.times() | st.times(timezones=offsets),
    "TimeDelta": spans,
    "TimeDelta as ISO": spans,
    "TimeDelta as Django": st.timedeltas(),
    "UUID": st.uuids(),
    "URL": st.sampled_from(["https://a.example/x", "http://localhost/", "https://1.2.3.4:5/?q=ä"]),
    "Email": st.emails(domains=st.sampled_from(["example.com", "a.example.org"])),
    "List": st.lists(texts),
    "List of dates": st.lists(st.dates()),
    "List of lists": st.lists(st.lists(st.integers())),
    "Dict": st.dictionaries(texts, json_values),
    "Dict of decimals": st.dictionaries(texts, st.decimals(allow_nan=False, allow_infinity=False)),
    "Nested": places,
    "nested in nested": people,
    "list of nested": st.lists(places, max_size=3),
    "dict of nested": st.dictionaries(texts, places, max_size=3),
    "Raw": json_values,
}


def test_every_kind_is_tried_with_values_of_all_sorts():
    assert VALUES.keys() == KINDS.keys()


everything = model_of(
    **{name.replace(" ", "_"): kind.make(null=True) for name, kind in KINDS.items()}
)


EXAMPLES = int(os.environ.get("OBJMAPPER_EXAMPLES", "60"))
ANYTHING = settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)


@pytest.mark.parametrize("name", KINDS)
@ANYTHING
@given(data=st.data())
def test_a_value_survives_the_way_to_the_server_and_back(name, data):
    value = data.draw(VALUES[name])
    field = vars(everything)[name.replace(" ", "_")]
    sent = json.loads(json.dumps(field.dump(field.store(value))))
    back = field.load(None, sent)
    assert back == value
    assert type(back) is type(value)
    assert field.check(field.store(value)) == []


@pytest.mark.parametrize("name", KINDS)
@ANYTHING
@given(wire=json_values)
def test_whatever_a_server_sends_is_read_or_refused(name, wire):
    field = vars(everything)[name.replace(" ", "_")]
    row = {"id": 1, field.key: json.loads(json.dumps(wire))}
    one = everything.__mapper__.instance(row, everything.__mapper__.blank_page)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            value = getattr(one, field.name)
        except ContractError:
            value = None
        assert one.changes == {}
        assert json.dumps(one.to_dict())
        setattr(one, field.name, value)
    assert value is None or one.changes == {}


# -- conversions beyond the usual -----------------------------------------------------------------


def test_a_whole_number_reads_as_a_float(load):
    one = load(model_of(value=fields.Float()), value=5)
    assert one.value == 5.0
    assert type(one.value) is float
    one.value = 5
    assert type(one.value) is float
    assert one.changes == {}


@pytest.mark.parametrize("wire", [1.5, "1.5", "1.50"])
def test_a_decimal_is_read_from_text_or_numbers(load, wire):
    assert load(model_of(value=fields.Decimal()), value=wire).value == decimal.Decimal("1.5")


@pytest.mark.parametrize("value", ["0.1", 0.1, decimal.Decimal("0.1")], ids=repr)
def test_a_decimal_may_be_set_as_text_or_number(value):
    one = model_of(value=fields.Decimal())(value=value)
    assert one.value == decimal.Decimal("0.1")
    assert one.to_dict() == {"value": "0.1"}


def test_true_is_not_one(load):
    one = load(model_of(number=fields.Integer(), raw=fields.Raw()), number=1, raw=1)
    one.number = True
    one.raw = True
    assert set(one.changes) == {"number", "raw"}
    with pytest.raises(ValidationError, match="Not a valid integer: True"):
        one.validate()
    one.number, one.raw = 1, 1
    assert one.changes == {}


def test_text_that_names_a_value_may_be_set(load):
    one = model_of(
        moment=fields.DateTime(),
        day=fields.Date(),
        clock=fields.Time(),
        span=fields.TimeDelta(),
        key=fields.UUID(),
        stage=fields.Enum(Stage),
    )(
        moment="2024-05-06T07:08:09Z",
        day="2024-05-06",
        clock="07:08",
        span="P1D",
        key=str(KEY),
        stage="done",
    )
    one.validate()
    assert one.moment == dt.datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert one.day == dt.date(2024, 5, 6)
    assert one.clock == dt.time(7, 8)
    assert one.span == dt.timedelta(days=1)
    assert one.key == KEY
    assert one.stage is Stage.DONE


@pytest.mark.parametrize(
    "zone", [{}, {"assume": "utc"}, {"assume": BERLIN}, {"assume": None}], ids=str
)
def test_a_naive_datetime_is_taken_as_assume_says(load, zone):
    expected = {"{}": UTC, "{'assume': 'utc'}": UTC, "{'assume': None}": None}.get(
        str(zone), BERLIN
    )
    moment = dt.datetime(2024, 5, 6, 7, 8)
    one = load(model_of(value=fields.DateTime(**zone)), value="2024-05-06T07:08:00")
    assert one.value == moment.replace(tzinfo=expected)
    assert one.value.tzinfo == expected
    one.value = moment
    assert one.value.tzinfo == expected
    assert one.changes == {}


def test_an_aware_datetime_keeps_its_offset(load):
    one = load(model_of(value=fields.DateTime()), value="2024-05-06T07:08:00+02:00")
    assert one.value.utcoffset() == dt.timedelta(hours=2)
    one.value = dt.datetime(2024, 5, 6, 5, 8, tzinfo=UTC)  # the same moment
    assert one.changes == {}


def test_assume_is_utc_a_zone_or_none():
    with pytest.raises(DeclarationError, match="'utc', a tzinfo or None"):
        fields.DateTime(assume="Berlin")


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        (90, dt.timedelta(seconds=90)),
        (1.5, dt.timedelta(seconds=1.5)),
        ("00:01:30", dt.timedelta(seconds=90)),
        ("01:30", dt.timedelta(seconds=90)),
        ("1 02:00:00", dt.timedelta(days=1, hours=2)),
        ("1 day, 2:00:00", dt.timedelta(days=1, hours=2)),
        ("-1 22:00:00", dt.timedelta(hours=-2)),
        ("-02:00:00", dt.timedelta(hours=-2)),
        ("00:00:00.000005", dt.timedelta(microseconds=5)),
        ("P1DT2H3M4.5S", dt.timedelta(days=1, hours=2, minutes=3, seconds=4.5)),
        ("PT36H", dt.timedelta(hours=36)),
        ("P2W", dt.timedelta(weeks=2)),
        ("-P1D", dt.timedelta(days=-1)),
    ],
)
def test_spans_are_read_in_every_usual_form(load, wire, expected):
    assert load(model_of(value=fields.TimeDelta()), value=wire).value == expected


def test_the_format_of_a_span_is_one_of_three():
    with pytest.raises(DeclarationError, match="'seconds', 'iso' or 'django'"):
        fields.TimeDelta(format="human")


def test_uuids_are_read_in_any_form_and_sent_in_one(load, small):
    one = load(model_of(value=fields.UUID(), name=fields.String()), value=KEY.hex.upper(), name="x")
    assert one.value == KEY
    one.value = "{" + str(KEY) + "}"
    assert one.changes == {}
    one.value = uuid.UUID(int=1)
    one.commit()
    assert small.seen[-1].body == {"value": "00000000-0000-0000-0000-000000000001"}


def test_a_subclass_of_a_value_s_type_is_kept_and_sent(load, small):
    class Instant(dt.datetime):
        pass

    class Word(str):
        __slots__ = ()

    small.table("things", answers="nothing")
    one = load(
        model_of(moment=fields.DateTime(), word=fields.String()),
        moment="2024-05-06T07:08:09Z",
        word="a",
    )
    small.tables["things"].answers = "nothing"
    one.moment = Instant(2025, 1, 1, tzinfo=UTC)
    one.word = Word("b")
    one.commit()
    assert small.seen[-1].body == {"moment": "2025-01-01T00:00:00Z", "word": "b"}
    assert one.moment == dt.datetime(2025, 1, 1, tzinfo=UTC)
    assert one.word == "b"
    assert one.changes == {}


# -- unknown enum values --------------------------------------------------------------------------


def test_an_unknown_enum_value_reads_as_the_raw_value_with_one_warning_each(load, small):
    model = model_of(stage=fields.Enum(Stage))
    small.table("things", [{"id": n, "stage": f"new {n % 2}"} for n in (1, 2, 3)])
    with Session(small.client()):
        found = list(model.objects.order_by("id"))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert [one.stage for one in found] == ["new 1", "new 0", "new 1"]
            assert found[0].stage == "new 1"
    assert [str(w.message).split(" on the server")[0] for w in caught] == [
        "Thing.stage is 'new 1'",
        "Thing.stage is 'new 0'",
    ]
    assert {w.filename for w in caught} == {__file__}


@pytest.mark.parametrize("kind", ["list", "dict", "nested"])
def test_the_warning_of_an_unknown_value_points_at_who_read_it(load, kind):
    class Holder(Embedded):
        stage = fields.Enum(Stage)

    stage = fields.Enum(Stage)
    field, wire = {
        "list": (fields.List(stage), ["new"]),
        "dict": (fields.Dict(stage), {"a": "new"}),
        "nested": (fields.Nested(Holder), {"stage": "new"}),
    }[kind]
    one = load(model_of(value=field), value=wire)
    with pytest.warns(UserWarning, match="'new' on the server") as caught:
        read = one.value.stage if kind == "nested" else one.value
    assert read == ("new" if kind == "nested" else wire)
    assert [w.filename for w in caught] == [__file__]
    assert one.changes == {}


def test_an_unknown_enum_value_that_was_not_touched_is_not_sent_back(load, small):
    one = load(model_of(stage=fields.Enum(Stage), name=fields.String()), stage="new", name="a")
    one.name = "b"
    one.commit()
    assert small.seen[-1].body == {"name": "b"}


def test_an_unknown_enum_value_set_again_is_no_change(load):
    one = load(model_of(stage=fields.Enum(Stage)), stage="new")
    one.stage = "new"
    assert one.changes == {}


def test_enum_takes_an_enum_class():
    with pytest.raises(DeclarationError, match=r"enum\.Enum class"):
        fields.Enum(str)


# -- names on the wire ----------------------------------------------------------------------------


def test_data_key_is_the_name_on_the_wire(load, small):
    one = load(model_of(created=fields.String(data_key="created_date")), created_date="x")
    assert one.created == "x"
    one.created = "y"
    assert one.changes == {"created": ("x", "y")}
    one.commit()
    assert small.seen[-1].body == {"created_date": "y"}
    assert one.to_dict() == {"id": 1, "created": "y"}


def test_write_key_is_the_name_that_is_sent(load, small):
    one = load(model_of(owner=fields.Integer(data_key="owner", write_key="owner_id")), owner=1)
    small.tables["things"].written_as = {"owner_id": "owner"}
    one.owner = 2
    one.commit()
    assert small.seen[-1].body == {"owner_id": 2}
    assert one.owner == 2
    assert one.changes == {}


def test_the_write_key_of_a_value_object_s_field_is_the_name_that_is_sent(load, small):
    class Contact(Embedded):
        id = fields.Integer(read_only=True)
        mail = fields.String(data_key="email", write_key="new_email")

    one = load(model_of(contact=fields.Nested(Contact)), contact={"id": 7, "email": "a"})
    one.contact.mail = "b"
    assert one.to_dict()["contact"] == {"id": 7, "mail": "b"}
    one.commit()
    assert small.seen[-1].body == {"contact": {"new_email": "b"}}


# -- read_only, write_once, write_only ------------------------------------------------------------


@kinds
def test_a_read_only_field_is_read_and_never_set(load, kind):
    (first, wire), (second, _), *_ = kind.pairs
    model = model_of(value=kind.make(read_only=True))
    one = load(model, value=wire)
    assert one.value == first
    with pytest.raises(ReadOnlyFieldError, match=r"Thing\.value is read-only"):
        one.value = second
    with pytest.raises(AttributeError):
        one.value = second
    with pytest.raises(ReadOnlyFieldError):
        model(value=second)
    assert one.value == first


@pytest.mark.parametrize(
    "change",
    [
        lambda one: setattr(one.owner, "username", "y"),
        lambda one: setattr(one.owner.home, "street", "y"),
        lambda one: setattr(one.owner.homes[0], "street", "y"),
        lambda one: setattr(one.owners[0], "username", "y"),
        lambda one: setattr(one.by_name["a"], "username", "y"),
    ],
    ids=["nested", "nested in nested", "list in nested", "list", "dict"],
)
def test_what_is_inside_a_read_only_field_can_t_be_set_either(load, change):
    person = {"username": "x", "home": {"street": "Way"}, "homes": [{"street": "Road"}]}
    one = load(
        model_of(
            owner=fields.Nested(Person, read_only=True),
            owners=fields.List(Person, read_only=True),
            by_name=fields.Dict(Person, read_only=True),
        ),
        owner=person,
        owners=[dict(person)],
        by_name={"a": dict(person)},
    )
    with pytest.raises(ReadOnlyFieldError):
        change(one)
    assert one.changes == {}


def test_a_read_only_list_that_was_changed_in_place_is_not_sent(load, small):
    one = load(model_of(tags=fields.List(fields.String(), read_only=True)), tags=["a"])
    one.tags.append("b")
    before = len(small.seen)
    with pytest.raises(ValidationError, match="read-only, and was changed in place"):
        one.commit()
    assert len(small.seen) == before


def test_a_read_only_value_object_may_be_given_to_another_field(load):
    one = load(
        model_of(
            owner=fields.Nested(Person, read_only=True), deputy=fields.Nested(Person, null=True)
        ),
        owner={"username": "x"},
        deputy=None,
    )
    one.deputy = one.owner
    one.deputy.username = "y"
    assert one.owner.username == "x"
    assert one.deputy.username == "y"


def test_a_read_only_field_of_a_value_object_is_kept_and_not_sent(load, small):
    class Contact(Embedded):
        id = fields.Integer(read_only=True)
        mail = fields.String()

    one = load(model_of(contact=fields.Nested(Contact)), contact={"id": 7, "mail": "a"})
    with pytest.raises(ReadOnlyFieldError):
        one.contact.id = 8
    with pytest.raises(ReadOnlyFieldError):
        Contact(id=8)
    one.contact.mail = "b"
    assert one.contact.id == 7
    one.commit()
    assert small.seen[-1].body == {"contact": {"mail": "b"}}


@kinds
def test_a_write_once_field_is_settable_until_the_object_exists(small, kind):
    (first, wire), (second, _), *_ = kind.pairs
    small.table("things")
    with Session(small.client()) as session:
        one = model_of(value=kind.make(write_once=True))(value=second)
        one.value = first
        session.add(one)
        one.value = second
        one.value = first
        one.commit()
        assert small.seen[-1].body == {"value": wire}
        with pytest.raises(ReadOnlyFieldError, match="can be set until the object exists"):
            one.value = second
        assert one.value == first


def test_a_write_once_field_of_a_value_object_is_settable_until_it_came_from_the_server(load):
    class Contact(Embedded):
        source = fields.String(write_once=True)

    one = Contact(source="a")
    one.source = "b"
    loaded = load(model_of(contact=fields.Nested(Contact)), contact={"source": "a"})
    with pytest.raises(ReadOnlyFieldError):
        loaded.contact.source = "b"


SECRET = "s3cret"


class Credentials(Embedded):
    user = fields.String()
    password = fields.String(write_only=True)


class Keeper(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String(write_only=True, required=True)
    key = fields.Raw(write_only=True, null=True)
    login = fields.Nested(Credentials, null=True)
    logins = fields.List(Credentials, default=list)

    class Meta:
        registry = registry


@pytest.fixture
def keepers(small):
    return small.table("keepers", secret=("name", "key", "login", "logins"))


def secretive() -> Keeper:
    login, other = (Credentials(user="me", password=SECRET) for _ in range(2))
    return Keeper(name=SECRET, key=[SECRET], login=login, logins=[other])


def test_a_write_only_value_is_sent(small, keepers):
    with Session(small.client()):
        secretive().commit()
    assert small.seen[-1].body == {
        "name": SECRET,
        "key": [SECRET],
        "login": {"user": "me", "password": SECRET},
        "logins": [{"user": "me", "password": SECRET}],
    }


@pytest.mark.parametrize(
    "show",
    [
        repr,
        lambda one: repr(one.changes),
        lambda one: repr(one.to_dict()),
        lambda one: json.dumps(one.to_dict()),
        lambda one: repr(one.login),
        lambda one: repr(one.login.to_dict()),
        lambda one: repr(inspect(one)),
        lambda one: repr(inspect(one).changes),
        lambda one: repr(pickle.dumps(one)),
        lambda one: repr(pickle.dumps(one.login)),
    ],
    ids=(
        "repr, changes, to_dict, JSON, repr of a value object, its to_dict, inspection, its changes, "
        "pickle, pickle of a value object"
    ).split(", "),
)
def test_a_write_only_value_is_never_shown(show):
    assert SECRET not in show(secretive())


def test_a_write_only_value_is_shown_in_no_plan(small, keepers):
    with Session(small.client()) as session:
        session.add(secretive())
        plan = session.plan()
        assert SECRET not in str(plan) + repr(plan) + json.dumps(plan.to_json())
        session.rollback()


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        (fields.Integer(write_only=True), SECRET),
        (fields.Date(write_only=True), SECRET),
        (fields.Enum(Stage, write_only=True), SECRET),
        (fields.List(fields.Integer(), write_only=True), [SECRET]),
        (fields.Dict(fields.Integer(), write_only=True), {"a": SECRET}),
        (fields.ForeignKey(Project, write_only=True), SECRET),
        (fields.String(write_only=True), [SECRET]),
    ],
    ids=repr,
)
def test_a_wrong_write_only_value_is_told_without_showing_it(field, wrong):
    one = model_of(value=field)(value=wrong)
    with pytest.raises(ValidationError) as caught:
        one.validate()
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value.errors)


def test_a_write_only_value_is_dropped_after_the_commit_that_sent_it(small, keepers):
    with Session(small.client()):
        one = secretive()
        one.commit()
        assert one.changes == {}
        assert SECRET not in repr(one._row) + repr(one.login._row) + repr(one.logins[0]._row)
        assert one.login == Credentials(user="me")
        with pytest.raises(FieldNotLoaded, match="write-only"):
            _ = one.name
        assert one.key is None  # it may be null
        one.name = "another"
        assert set(one.changes) == {"name"}
        one.commit()
        assert small.seen[-1].body == {"name": "another"}


def test_a_write_only_value_is_readable_until_it_is_sent():
    assert secretive().name == SECRET


# -- required, default, validate ------------------------------------------------------------------


@kinds
def test_a_required_field_must_have_a_value_when_the_object_is_created(kind):
    model = model_of(value=kind.make(required=True))
    with pytest.raises(ValidationError) as caught:
        model().validate()
    assert caught.value.messages == {"value": ["Missing data for required field."]}
    model(value=kind.pairs[0][0]).validate()


def test_a_required_list_that_was_only_read_is_still_missing():
    one = model_of(tags=fields.List(fields.String(), required=True))()
    assert one.tags == []
    with pytest.raises(ValidationError, match="Missing data"):
        one.validate()
    one.tags.append("a")
    one.validate()


def test_a_required_field_is_not_asked_for_in_an_update(load):
    one = load(model_of(name=fields.String(required=True), size=fields.Integer()), size=1)
    one.size = 2
    one.validate()


def test_a_required_field_of_a_value_object_is_asked_for():
    one = model_of(owner=fields.Nested(Person))(owner=Person())
    with pytest.raises(ValidationError) as caught:
        one.validate()
    assert caught.value.messages == {"owner": ["username: Missing data for required field."]}


@kinds
def test_a_default_is_the_value_of_a_new_object_and_is_sent(kind):
    python, wire = kind.pairs[0]
    default = (lambda: python) if kind.make().mutable else python
    one = model_of(value=kind.make(default=default))()
    assert one.value == python
    assert set(one.changes) == {"value"}
    assert one.to_dict() == {"value": python.to_dict() if isinstance(python, Embedded) else wire}


def test_a_default_may_be_what_users_would_set():
    one = model_of(
        stage=fields.Enum(Stage, default="done"),
        moment=fields.DateTime(default=dt.datetime(2024, 1, 1)),
        owner=fields.Nested(Person, default=lambda: {"username": "x"}),
    )()
    assert one.stage is Stage.DONE
    assert one.moment.tzinfo is UTC
    assert one.owner == Person(username="x")


def test_a_default_of_a_loaded_object_is_what_users_would_get(load):
    one = load(model_of(stage=fields.Enum(Stage, default="done")))
    assert one.stage is Stage.DONE


def test_filling_the_default_of_a_loaded_object_is_a_change(load, small):
    one = load(model_of(tags=fields.List(fields.String(), default=list), name=fields.String()))
    assert one.tags == []
    assert one.changes == {}
    one.tags.append("a")
    assert one.changes == {"tags": (None, ["a"])}
    one.commit()
    assert small.seen[-1].body == {"tags": ["a"]}


def test_reading_what_a_value_object_lacks_is_no_change(load, small):
    class Holder(Embedded):
        tags = fields.List(fields.String(), default=list)
        size = fields.Integer(default=5)
        words = fields.List(fields.String())

    one = load(model_of(holder=fields.Nested(Holder)), holder={})
    assert (one.holder.tags, one.holder.size) == ([], 5)
    with pytest.raises(FieldNotLoaded):
        _ = one.holder.words
    assert one.changes == {}
    one.holder.tags.append("a")
    assert set(one.changes) == {"holder"}
    one.commit()
    assert small.seen[-1].body == {"holder": {"tags": ["a"]}}


def test_an_unset_container_of_a_new_object_is_empty_and_counts_once_it_is_filled():
    class Holder(Embedded):
        tags = fields.List(fields.String())
        metadata = fields.Dict()

    one = model_of(tags=fields.List(fields.String()), metadata=fields.Dict())()
    holder = Holder()
    assert one.tags == holder.tags == []
    assert one.metadata == holder.metadata == {}
    assert one.changes == {}
    assert holder.to_dict() == {}
    for each in (one, holder):
        each.tags.append("a")
        each.metadata["b"] = 1
    assert set(one.changes) == {"tags", "metadata"}
    assert holder.to_dict() == {"tags": ["a"], "metadata": {"b": 1}}


def test_a_value_that_was_never_set_is_an_error_that_says_so():
    one = model_of(name=fields.String(), owner=fields.Nested(Person))()
    with pytest.raises(FieldNotLoaded, match=r"Thing\.name has no value yet"):
        _ = one.name
    with pytest.raises(FieldNotLoaded, match=r"Person\.username has no value yet"):
        _ = Person().username
    assert not hasattr(one, "owner")


def test_validators_are_marshmallow_s_one_or_several():
    model = model_of(
        name=fields.String(validate=validate.Length(max=3)),
        size=fields.Integer(validate=[validate.Range(min=1), validate.OneOf([1, 2, 5])]),
    )
    with pytest.raises(ValidationError) as caught:
        model(name="long", size=0).validate()
    assert caught.value.messages == {
        "name": ["Longer than maximum length 3."],
        "size": ["Must be greater than or equal to 1.", "Must be one of: 1, 2, 5."],
    }
    model(name="abc", size=5).validate()


@cases("pairs")
def test_validators_see_the_python_value(kind, value):
    python, _ = value
    seen: list[Any] = []
    model_of(value=kind.make(validate=seen.append))(value=python).validate()
    assert seen == [python]
    assert type(seen[0]) is type(python)


def test_validators_of_items_are_asked_for_each():
    one = model_of(tags=fields.List(fields.String(validate=validate.Length(max=1))))(
        tags=["a", "bc"]
    )
    with pytest.raises(ValidationError) as caught:
        one.validate()
    assert caught.value.messages == {"tags": ["1: Longer than maximum length 1."]}


def test_messages_of_nested_values_say_where():
    person = Person(username="x", home=Place(street="A very long street"), homes=[Place(street=5)])
    one = model_of(owners=fields.List(Person), by_name=fields.Dict(Person))(
        owners=[Person(username="x"), person], by_name={"a": person}
    )
    with pytest.raises(ValidationError) as caught:
        one.validate()
    assert caught.value.messages == {
        "owners": [
            "1: home: street: Longer than maximum length 10.",
            "1: homes: 0: street: Not a valid string: 5.",
        ],
        "by_name": [
            "a: home: street: Longer than maximum length 10.",
            "a: homes: 0: street: Not a valid string: 5.",
        ],
    }


def test_validate_assignment_refuses_at_once_in_the_constructor_too():
    meta = {"registry": Registry(), "validate_assignment": True}
    body = {
        "id": fields.Integer(primary_key=True),
        "name": fields.String(validate=validate.Length(max=3)),
        "Meta": type("Meta", (), meta),
    }
    model = type("Strict", (Model,), body)
    with pytest.raises(ValidationError, match="Longer than maximum length 3"):
        model(name="long")
    one = model(name="abc")
    for name in ("de", "fg"):
        one.name = name
        with pytest.raises(ValidationError):
            one.name = "long"
        assert one.name == name


# -- containers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given", [("a", "b"), ["a", "b"], type("Sub", (list,), {})(["a", "b"])], ids=repr
)
def test_a_list_is_taken_from_what_is_like_one(given):
    one = model_of(tags=fields.List(fields.String()))(tags=given)
    assert one.tags == ["a", "b"]
    assert type(one.tags) is list
    assert one.to_dict() == {"tags": ["a", "b"]}


def test_a_set_is_taken_as_a_list():
    assert sorted(model_of(tags=fields.List(fields.String()))(tags={"a", "b"}).tags) == ["a", "b"]


@pytest.mark.parametrize("kind", [dict, OrderedDict, lambda pairs: defaultdict(int, pairs)])
def test_a_dict_is_taken_from_what_is_like_one(load, small, kind):
    one = load(model_of(metadata=fields.Dict()), metadata={})
    one.metadata = kind([("a", 1)])
    assert type(one.metadata) is dict
    one.commit()
    assert small.seen[-1].body == {"metadata": {"a": 1}}
    assert one.changes == {}


def test_members_of_enums_and_dicts_of_other_kinds_inside_a_dict_are_sent_as_json(load, small):
    one = load(model_of(metadata=fields.Dict()), metadata={})
    one.metadata["a"] = [Stage.DONE, Level.HIGH, defaultdict(int, b=1), ("c",)]
    assert set(one.changes) == {"metadata"}
    one.commit()
    assert small.seen[-1].body == {"metadata": {"a": ["done", 2, {"b": 1}, ["c"]]}}
    assert one.changes == {}
    assert one.to_dict()["metadata"] == {"a": ["done", 2, {"b": 1}, ["c"]]}


def test_a_tuple_put_into_a_list_of_lists_is_sent_as_a_list(load, small):
    one = load(model_of(spans=fields.List(fields.List(fields.Integer()))), spans=[[1]])
    one.spans.append((2, 3))
    one.commit()
    assert small.seen[-1].body == {"spans": [[1], [2, 3]]}
    assert one.changes == {}


def test_validators_see_value_objects_in_the_schema_too():
    seen: list[Any] = []
    model = model_of(
        home=fields.Nested(Place, validate=seen.append), wait=fields.TimeDelta(validate=seen.append)
    )
    data = model.Schema().load({"home": {"street": "Way", "number": 1}, "wait": 60})
    assert seen == [Place(street="Way", number=1), dt.timedelta(minutes=1)]
    assert model.Schema().dump(data) == {"home": {"street": "Way", "number": 1}, "wait": 60}
    assert model.Schema().validate({"wait": "soon"}) == {"wait": ["Not a valid timedelta."]}


def test_the_schema_knows_lists_and_dicts_of_every_kind():
    model = model_of(
        days=fields.List(fields.Date()),
        by_name=fields.Dict(Place),
        metadata=fields.Dict(),
        project=fields.ForeignKey(Project),
    )
    wire = {
        "days": ["2024-05-06"],
        "by_name": {"a": {"street": "Way", "number": 1}},
        "metadata": {"b": [1]},
        "project": 7,
    }
    schema = model.Schema()
    data = schema.load(wire)
    assert data["days"] == [dt.date(2024, 5, 6)]
    assert data["by_name"] == {"a": Place(street="Way", number=1)}
    assert schema.dump(data) == wire
    wrong = {"days": ["x"], "by_name": {"a": {"street": 5}}, "metadata": 5, "project": []}
    assert set(schema.validate(wrong)) == set(wrong)


def test_the_schema_dumps_objects(load):
    one = load(
        model_of(day=fields.Date(), home=fields.Nested(Place), project=fields.ForeignKey(Project)),
        day="2024-05-06",
        home={"street": "Way", "number": 1},
        project=7,
    )
    assert type(one).Schema().dump(one) == {
        "id": 1,
        "day": "2024-05-06",
        "home": {"street": "Way", "number": 1},
        "project": 7,
    }


def test_a_dict_that_holds_itself_is_not_sent(load):
    one = load(model_of(metadata=fields.Dict()), metadata={})
    one.metadata["a"] = one.metadata
    with pytest.raises(ValidationError, match="holds itself"):
        one.validate()
    del one.metadata["a"]
    assert one.changes == {}


def test_a_list_takes_items_as_json_too(load, small):
    one = load(model_of(homes=fields.List(Place)), homes=[])
    one.homes.append({"street": "Way"})
    one.homes.append(Place(street="Road"))
    one.commit()
    assert small.seen[-1].body == {"homes": [{"street": "Way"}, {"street": "Road"}]}
    assert one.homes == [Place(street="Way"), Place(street="Road")]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fields.List(str), "a field or an Embedded class"),
        (lambda: fields.Dict(Project), "a field or an Embedded class"),
        (lambda: fields.List(fields.ForeignKey(Project)), "A List of ForeignKey is not possible"),
        (lambda: fields.Nested(Project), "is a ForeignKey"),
    ],
    ids=["a type", "a model", "a relation", "a nested model"],
)
def test_what_can_t_be_inside_is_an_error(call, message):
    with pytest.raises(DeclarationError, match=message):
        call()


def test_a_list_of_a_field_class_is_a_list_of_that_field():
    assert model_of(days=fields.List(fields.Date))(days=["2024-05-06"]).days == [
        dt.date(2024, 5, 6)
    ]


def test_unknown_keys_of_a_value_object_are_kept_and_sent_back(load, small):
    one = load(
        model_of(home=fields.Nested(Place)), home={"street": "Way", "number": 1, "zip": "0815"}
    )
    assert one.home.extra == {"zip": "0815"}
    one.home.number = 2
    one.commit()
    assert small.seen[-1].body == {"home": {"street": "Way", "number": 2, "zip": "0815"}}


def test_to_dict_is_a_copy(load):
    row = {"tags": ["a"], "metadata": {"b": [1]}, "home": {"street": "Way"}, "raw": {"c": [2]}}
    one = load(
        model_of(
            tags=fields.List(fields.String()),
            metadata=fields.Dict(),
            home=fields.Nested(Place),
            raw=fields.Raw(),
        ),
        **row,
    )
    for _ in range(2):  # before and after they were read
        shown = one.to_dict()
        assert shown == {"id": 1, **row}
        shown["tags"].append("x")
        shown["metadata"]["b"].append("x")
        shown["home"]["street"] = "x"
        shown["raw"]["c"].append("x")
        assert one.to_dict() == {"id": 1, **row}
        assert (one.tags, one.metadata, one.raw) == (["a"], {"b": [1]}, {"c": [2]})
    assert one.changes == {}


def test_to_dict_has_field_names_at_every_depth_whatever_was_read(load):
    one = load(
        model_of(owner=fields.Nested(Person), owners=fields.List(Person)),
        owner={"username": "x", "work_place": {"street": "Way"}, "url": "u"},
        owners=[{"username": "y", "work_place": None}],
    )
    expected = {
        "id": 1,
        "owner": {"username": "x", "work": {"street": "Way"}},
        "owners": [{"username": "y", "work": None}],
    }
    assert one.to_dict() == expected
    assert one.owner.work.street == "Way"
    assert one.owners[0].username == "y"
    assert one.to_dict() == expected


# -- relations ------------------------------------------------------------------------------------


def test_a_foreign_key_takes_an_object_a_key_or_none():
    project = Project()
    one = Task(project=project)
    assert one.project is project
    assert one.to_dict() == {"project": None}  # the project has no key yet
    one.project = 7
    assert one.project.id == 7
    assert one.to_dict() == {"project": 7}
    one.project = "7"
    assert one.to_dict() == {"project": 7}
    one.project = None
    assert one.project is None
    one.validate()


@pytest.mark.parametrize("wrong", ["x", 5.5, True, {"name": "p"}, [7]], ids=repr)
def test_what_is_no_key_of_the_target_is_not_sent(wrong):
    one = Task(project=wrong)
    with pytest.raises(ValidationError, match=r"Not a Project|Not the key of a Project"):
        one.validate()


def test_an_object_of_another_model_is_refused_at_once():
    with pytest.raises(TypeError, match=r"Task\.project takes a Project, its key or None"):
        Task(project=Task())


def test_a_foreign_key_that_may_not_be_null_says_so():
    model = model_of(project=fields.ForeignKey(Project))
    with pytest.raises(ValidationError, match="May not be null"):
        model(project=None).validate()
    model(project=Project()).validate()


@pytest.mark.parametrize("wire", [7, "7", {"id": 7, "name": "p"}], ids=repr)
def test_a_relation_is_read_from_a_key_or_a_nested_row(load, wire):
    model = model_of(project=fields.ForeignKey(Project))
    one = load(model, project=wire)
    assert one.project.id == 7
    assert one.to_dict() == {"id": 1, "project": 7}
    one.project = 7
    assert one.changes == {}
    one.project = 8
    assert set(one.changes) == {"project"}
    one.project = "7"
    assert one.changes == {}


@pytest.mark.parametrize("wire", ["x", 5.5, True, {"name": "p"}, []], ids=repr)
def test_a_wrong_reference_of_the_server_s_is_a_contract_error(load, wire):
    one = load(model_of(project=fields.ForeignKey(Project)), project=wire)
    with pytest.raises(ContractError, match="'project'"):
        _ = one.project


def test_setting_none_over_none_is_no_change(load):
    one = load(model_of(project=fields.ForeignKey(Project, null=True)), project=None)
    one.project = None
    assert one.changes == {}


def test_two_new_targets_are_not_the_same():
    first, second = Project(), Project()
    one = Task(project=first)
    one.project = second
    assert one.project is second


def test_validators_of_a_foreign_key_see_the_key():
    seen: list[Any] = []
    model = model_of(project=fields.ForeignKey(Project, validate=seen.append))
    model(project="7").validate()
    assert seen == [7]


def test_has_many_is_a_manager_never_a_list():
    with pytest.raises(Exception, match="not on the server yet"):
        list(Project().tasks)
