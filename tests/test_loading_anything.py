"""Any sequence of edits here, edits elsewhere and reads, against a few lines of plain Python."""

import copy
import sys
from contextlib import contextmanager
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from objmapper import Embedded, Model, Registry, Session, fields, inspect

registry = Registry("loading anything")


class Person(Embedded):
    id = fields.Integer(read_only=True)
    name = fields.String()


class Task(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String()
    tags = fields.List(fields.String())
    metadata = fields.Dict()
    owner = fields.Nested(Person)

    class Meta:
        registry = registry


NAMES = ("name", "tags", "metadata", "owner")
VALUES = {
    "name": ["a", "b", "c"],
    "tags": [[], ["a"], ["a", "b"]],
    "metadata": [{}, {"a": 1}, {"a": {"b": []}}],
    "owner": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
}
VALUE = st.sampled_from([(name, value) for name in NAMES for value in VALUES[name]])
ACTION = st.one_of(
    st.tuples(st.sampled_from(["elsewhere", "set"]), VALUE),
    st.tuples(
        st.sampled_from(["list", "key", "only", "refresh", "revert", "commit", "merge", "touch"]),
        st.none(),
    ),
    st.tuples(st.just("in place"), st.sampled_from(["tags", "metadata", "owner"])),
    st.tuples(st.just("set back"), st.sampled_from(NAMES)),
)


def sendable(name: str, value: Any) -> Any:
    """What a request has of a value: never the id of a value object."""
    return {"name": value["name"]} if name == "owner" else value


class Oracle:
    """What the law says: the server's row, the base, what the user sees, what waits."""

    def __init__(self, row: dict[str, Any]) -> None:
        self.server = row
        self.base = copy.deepcopy(row)
        self.mine = copy.deepcopy(row)
        self.theirs: dict[str, Any] = {}

    @property
    def changed(self) -> set[str]:
        return {n for n in NAMES if sendable(n, self.mine[n]) != sendable(n, self.base[n])}

    def read(self, names: tuple[str, ...]) -> None:
        row = {name: copy.deepcopy(self.server[name]) for name in names}
        if self.changed:
            self.theirs |= row
            return
        for name, value in (self.theirs | row).items():
            self.base[name], self.mine[name] = value, copy.deepcopy(value)
        self.theirs = {}

    def rebase(self) -> None:
        changed = self.changed
        for name, value in self.theirs.items():
            self.base[name] = copy.deepcopy(value)
            if name not in changed:
                self.mine[name] = copy.deepcopy(value)
        self.theirs = {}

    def take_all(self) -> None:
        self.base, self.mine = copy.deepcopy(self.server), copy.deepcopy(self.server)
        self.theirs = {}


@contextmanager
def a_task():
    server = sys.modules["smallserver"].SmallServer()
    row = {"id": 1, **{name: copy.deepcopy(VALUES[name][0]) for name in NAMES}}
    server.table("tasks", [row])
    with Session(server.client(), keep=1) as session:
        yield server.tables["tasks"].rows[1], session
        session.rollback()
    server.close()


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(ACTION, max_size=12), st.booleans())
def test_nothing_is_lost_whatever_is_read_and_written(actions, holds):
    with a_task() as (row, session):
        task = Task.objects.get(id=1)
        oracle = Oracle({name: row[name] for name in NAMES})
        # Who holds the containers changes the same as who asks for them each time, but for one that
        # was replaced, and for what takes a replacement back.
        held = Holder(task) if holds else task
        for action, argument in actions:
            if action == "in place":
                change_in_place(argument, held, oracle)
            else:
                act(action, argument, task, session, oracle)
            row.update(copy.deepcopy(oracle.server))
            if holds and action in ("set", "set back", "revert", "refresh"):
                held = Holder(task)
            look(task, session, oracle)


class Holder:
    """Somebody who keeps the containers of a task."""

    def __init__(self, task: Task) -> None:
        self.tags, self.metadata, self.owner = task.tags, task.metadata, task.owner


def act(action: str, argument: Any, task: Task, session: Session, oracle: Oracle) -> None:
    if action == "elsewhere":
        name, value = argument
        oracle.server[name] = copy.deepcopy(value)
    elif action == "set":
        name, value = argument
        given_value = Person(name=value["name"]) if name == "owner" else copy.deepcopy(value)
        setattr(task, name, given_value)
        same = sendable(name, value) == sendable(name, oracle.mine[name])
        if not (name == "owner" and same):
            oracle.mine[name] = copy.deepcopy(sendable(name, value))
    elif action == "set back":
        back = oracle.base[argument]
        setattr(
            task,
            argument,
            Person(name=back["name"]) if argument == "owner" else copy.deepcopy(back),
        )
        oracle.mine[argument] = copy.deepcopy(back)
    elif action == "list":
        list(Task.objects.all())
        oracle.read(NAMES)
    elif action == "key":
        Task.objects.get(id=1)
        oracle.read(NAMES)
    elif action == "only":
        list(Task.objects.only("name", "tags"))
        oracle.read(("name", "tags"))
    elif action == "refresh":
        task.refresh()
        oracle.take_all()
    elif action == "revert":
        task.revert()
        oracle.mine = copy.deepcopy(oracle.base)
    elif action == "merge":
        assert session.merge(task) is task
        oracle.rebase()
    elif action == "touch":
        assert [getattr(task, name) for name in NAMES]
    elif action == "commit":
        session.commit()
        if oracle.changed:
            for name in oracle.changed:
                oracle.server[name] = copy.deepcopy(sendable(name, oracle.mine[name]))
            oracle.take_all()


def change_in_place(name: str, task: Any, oracle: Oracle) -> None:
    mine = oracle.mine[name]
    if name == "tags":
        task.tags.append("x")
        mine.append("x")
    elif name == "metadata":
        inner, of_mine = task.metadata.get("a"), mine.get("a")
        if isinstance(inner, dict):
            inner["b"].append(1)
            of_mine["b"].append(1)
        else:
            task.metadata["n"] = task.metadata.get("n", 0) + 1
            mine["n"] = mine.get("n", 0) + 1
    else:
        task.owner.name += "x"
        mine["name"] += "x"


def look(task: Task, session: Session, oracle: Oracle) -> None:
    assert task.name == oracle.mine["name"]
    assert task.tags == oracle.mine["tags"]
    assert task.metadata == oracle.mine["metadata"]
    assert task.owner.name == oracle.mine["owner"]["name"]
    assert set(task.changes) == oracle.changed
    assert [obj is task for obj in session.dirty] == [True] * bool(oracle.changed)
    waiting = inspect(task).theirs or {}
    assert {name: waiting[name] for name in NAMES if name in waiting} == oracle.theirs
    assert session.get(Task, 1) is task
