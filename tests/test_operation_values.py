"""Operations and outcomes have all of their requests' and answers' parts, and nothing else to keep."""

from __future__ import annotations

import gc
import io
import pickle
import weakref
from typing import Any

import pytest

from objmapper import Client, Model, Registry, Session, fields
from objmapper.draft import LOOK_UP, Change, Draft
from objmapper.operation import Kind, Operation, Outcome
from objmapper.request import Json, Later, Msgpack, Multipart, Request, Response, Stream


class Task(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String()
    size = fields.Integer(null=True)

    class Meta:
        registry = Registry("operation values")


class Answering(Client):
    """A client whose server numbers what is created."""

    def __init__(self) -> None:
        super().__init__("http://nowhere.invalid", dialect="rest", workers=1)
        self.last = 0

    def send(self, request: Request) -> Response:
        if request.method != "POST":
            return Response(204, {}, b"", request.method)
        self.last += 1
        return Response(201, {}, b'{"id": %d}' % self.last, request.method)


BODIES = [
    None,
    Json({"name": "x"}),
    Json(None),
    Msgpack([1, 2]),
    Multipart({"a": "b"}, {"f": ("name", io.BytesIO)}),
    Stream(io.BytesIO, 3),
    Later(lambda: Request("GET", "/")),
]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: type(body).__name__)
def test_an_operation_gives_back_the_request_and_the_draft_that_it_was_made_of(body: Any) -> None:
    said = ("PUT", ("/tasks/", 7), (("a", 1),), {"x": "y"})
    request = Request(*said, body, True, True, io.BytesIO, (1.0, 2.0))
    changes = (Change(Kind.UPDATE, object()), Change(Kind.UPDATE, object()))
    lane, needs, found = "lane", (object(),), frozenset({409})
    hooks = (len, repr, "beside", True, None)
    for part in (changes, changes[:1], ()):
        draft = Draft("upload", part, request, True, "ask", lane, needs, found, "etag", *hooks)  # type: ignore[arg-type]
        operation = Operation.of(3, draft, frozenset({1}), 2, (object(),), 5)
        assert (operation.request, operation.request.body.__class__) == (request, body.__class__)
        assert (operation.draft, operation.changes) == (draft, part)
        moved = operation.at(4, frozenset({2}), 3, ())
        assert (moved.draft, moved.number, moved.after, moved.wave, moved.held_by, moved.batch) == (
            (draft, 4, frozenset({2}), 3, (), 5)
        )


@pytest.mark.parametrize("repeatable", [True, False, None])
def test_a_plain_draft_is_the_draft_of_a_plain_request(repeatable: bool | None) -> None:
    change, body = Change(Kind.UPDATE, object()), Json({"name": "x"})
    request = Request("PATCH", "/tasks/1", body=body, repeatable=repeatable)
    told = Draft(Kind.UPDATE, (change,), request, bool(repeatable), LOOK_UP, read=repr)  # type: ignore[arg-type]
    plain = Draft.plain(change, "PATCH", "/tasks/1", body, repeatable, LOOK_UP, repr)  # type: ignore[arg-type]
    assert (plain, plain.request) == (told, request)
    assert (type(plain), type(plain.request)) == (Draft, Request)


def test_an_outcome_gives_back_the_answer_it_was_made_of_and_its_repr_tells_nothing_of_it() -> None:
    answer = Response(200, {"set-cookie": "key=hush"}, b"hush", "POST", "http://host/login", 0.5, 2)
    operation = Operation.of(1, Draft("create", (), Request("POST", "/login")))
    outcome = Outcome.of(operation, "done", answer, None, 3, 2, 1.0, 2.0, 7)  # type: ignore[arg-type]
    assert outcome.response == answer
    assert outcome[:9] == (operation, "done", None, (), 3, 2, 1.0, 2.0, 7)
    assert "hush" not in repr(outcome)
    assert "answered 200" in repr(outcome)
    assert outcome.answered(None).response is None
    assert outcome.answered(None).answered(answer) == outcome
    untold = outcome.answered(None)._replace(operation=None, error=ValueError("no answer"))
    assert "no answer" in repr(untold)
    assert pickle.loads(pickle.dumps(outcome._replace(operation=None))).response == answer


def test_a_plan_gives_the_changes_of_its_operations_in_order() -> None:
    with Session(Answering()) as session:
        tasks = [Task(name="a"), Task(name="b")]
        session.add_all(tasks)
        plan = session.plan()
        told = [change for operation in plan for change in operation.changes]
        assert list(plan.changes) == told
        assert [change.object for change in plan.changes] == tasks
        session.rollback()


def kept_by(report: Any) -> int:
    """Return how many values the garbage collector walks through because a report keeps them."""
    seen: dict[int, Any] = {}
    waiting: list[Any] = list(report.outcomes)
    while waiting:
        value = waiting.pop()
        if isinstance(value, tuple | dict) and id(value) not in seen:
            seen[id(value)] = value
            waiting += gc.get_referents(value)
    return sum(map(gc.is_tracked, seen.values()))


def test_a_report_keeps_three_values_of_an_operation_for_the_garbage_collector() -> None:
    with Session(Answering()) as session:
        tasks = [Task(name=f"t{number}", size=number) for number in range(200)]
        session.add_all(tasks)
        created = session.commit()
        for task in tasks:
            task.name += "!"
        updated = session.commit()
        gc.collect()  # which lets go of tuples of texts and numbers
        assert [kept_by(created), kept_by(updated)] == [600, 600]


def test_a_created_object_adds_its_weak_reference_for_the_garbage_collector_and_no_state_of_its_own() -> (
    None
):
    with Session(Answering()) as session:
        tasks = [Task(name=f"t{number}", size=number) for number in range(200)]
        session.add_all(tasks)
        session.commit()
        assert len({id(task._state) for task in tasks}) == 2
        assert all(weakref.getweakrefcount(task) == 1 for task in tasks)


SCALARS = [
    (fields.String(), "x"),
    (fields.Integer(), 7),
    (fields.Boolean(), True),
    (fields.URL(), "http://host/"),
]


@pytest.mark.parametrize(("field", "value"), SCALARS, ids=lambda each: type(each).__name__)
def test_what_a_field_takes_as_it_is_is_sent_and_shown_as_it_is(field: Any, value: Any) -> None:
    model: Any = type("Thing", (Model,), {"key": fields.String(primary_key=True), "value": field})
    found = model.__mapper__.by_key["value"]
    assert found.as_is
    for each in (value, None, object()):
        assert found.dump(each) is each
        assert found.shown(each) is each


OTHERS = [
    fields.String(write_only=True),
    fields.DateTime(),
    fields.Float(),
    fields.List(fields.String()),
    fields.Dict(),
    fields.Raw(),
    fields.UUID(),
]


@pytest.mark.parametrize("field", OTHERS, ids=lambda each: type(each).__name__)
def test_what_is_converted_hidden_or_changes_in_place_is_not_taken_as_it_is(field: Any) -> None:
    model: Any = type("Other", (Model,), {"key": fields.String(primary_key=True), "value": field})
    assert not model.__mapper__.by_key["value"].as_is
