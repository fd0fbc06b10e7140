"""P5: one changed field becomes the body of a request, validated; the five probes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import marshmallow

from benchmarks import peers
from benchmarks.measure import Case, Row, measured
from benchmarks.records import Project, loaded
from objmapper import wire

TIMES = 5_000


def body(obj: Any) -> dict[str, Any]:
    """Return what a commit sends of *obj*, as a plan makes it."""
    change = wire.update(obj)
    assert not wire.problems(obj, list(change.sent))
    return wire.body(change)


def again(work: Callable[[], object]) -> Callable[[Any], object]:
    def repeat(_: Any) -> None:
        for _ in range(TIMES):
            work()

    return repeat


def probes() -> dict[str, bool]:
    """Return which of the five in-place probes pass; no other REST library passes them all."""
    unit, (appended, nested, read, equal, back) = loaded(5)
    appended.tags.append("new")
    nested.owner.username = "somebody"
    assert read.tags
    assert read.owner.username
    equal.name, equal.tags = str(equal.name), list(equal.tags)
    before, back.name = back.name, "another"
    back.name = before
    found = {
        "list.append is seen": list(body(appended)) == ["tags"],
        "a change of a nested object is seen": list(body(nested)) == ["owner"],
        "reading a list changes nothing": body(read) == {},
        "an equal value is no change": body(equal) == {},
        "setting back is no change": body(back) == {},
    }
    unit.close()
    return found


def row(turns: int) -> Row:
    unit, (plain, listed, touched) = loaded(3)
    plain.name = "renamed"
    listed.tags.append("new")
    touched.name = "renamed"
    assert touched.tags
    assert touched.owner.username
    other, (project,) = loaded(1, Project)
    project.name = "renamed"
    text, schema = marshmallow.fields.String(), peers.TaskSchema()
    only = peers.TaskSchema(only=["name"])
    cases = {
        "objmapper, a text": lambda: body(plain),
        "objmapper, a text with validate.Length": lambda: body(project),
        "objmapper, a text; a list and an object were read": lambda: body(touched),
        "objmapper, a list with one item more": lambda: body(listed),
        "floor: json.dumps of the body": lambda: json.dumps({"name": "renamed"}),
        "floor: marshmallow field.deserialize": lambda: text.deserialize("renamed"),
        "marshmallow Schema(only=).validate + dump": lambda: (
            only.validate({"name": "renamed"}),
            only.dump({"name": "renamed"}),
        ),
        "marshmallow Schema.validate(partial=True)": lambda: schema.validate(
            {"name": "renamed"}, partial=True
        ),
    }
    measures = measured(
        {name: Case(again(work), units=TIMES) for name, work in cases.items()},
        turns,
        "µs",
        {"objmapper, a text": 2.5},
    )
    passed = probes()
    unit.close()
    other.close()
    return Row(
        "P5",
        "one changed field, validated -> its body",
        measures,
        [f"probes passed: {sum(passed.values())} of {len(passed)} ({', '.join(passed)})"],
    )
