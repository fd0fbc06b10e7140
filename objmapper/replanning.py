"""A plan that was written as JSON becomes a plan of this session, or is refused as stale."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from objmapper import encoding, planning, reviving, saving
from objmapper.exceptions import JournalError, SessionError, StalePlanError
from objmapper.operation import Kind, Plan
from objmapper.state import ABSENT, base_value, is_dirty, revert, same

#: Tells the value of a write-only field: of which object, which field, and the object's tag.
Secrets = Callable[[Any, str, str | None], Any]


def replanned(session: Any, data: Any, secrets: Secrets | None = None) -> Plan:
    """Return the plan that ``to_json`` has written, of this session's objects.

    Raises SessionError for what is no such plan, or one of another server or of other models,
    StalePlanError where it would send something else by now; then the session is as it was.
    """
    reader = _Reader(session, data, secrets)
    try:
        return reader.plan()
    except BaseException as error:
        reader.undo()
        spoilt = isinstance(error, LookupError | TypeError | ValueError | AttributeError)
        if (spoilt and not isinstance(error, SessionError)) or isinstance(error, JournalError):
            raise SessionError(
                f"This is no plan that plan.to_json() has written: {type(error).__name__}: {error}."
            ) from error
        raise


#: What an operation's JSON has for people alone.
_SHOWN = ("objects", "held_by")


class _Reader:
    """Makes the objects of a written plan, each of them once."""

    def __init__(self, session: Any, data: Any, secrets: Secrets | None) -> None:
        self.session, self.data, self.secrets = session, data, secrets
        self.objects: dict[int, Any] = {}
        #: What was done to the session, to be taken back.
        self.made: list[Any] = []
        self.changed: list[Any] = []
        self.marked: list[Any] = []
        self.stale: list[Any] = []
        self.missing: list[str] = []

    def undo(self) -> None:
        """Leave the session as it was."""
        members = self.session.members
        for obj in self.marked:
            members.add(obj)
        for obj in self.changed:
            revert(obj)
        for obj in self.made:
            if obj in members:
                members.expunge(obj)

    def plan(self) -> Plan:
        told = self.data["saved"]
        self._check(told)
        self.told = [dict(each) for each in told["objects"]]
        chosen = [number for number, each in enumerate(self.told) if each["kind"] is not None]
        objects = [self.object(number) for number in chosen]
        if self.missing:
            raise SessionError(
                "Values that are never written are needed again: "
                f"{', '.join(self.missing[:5])}{' and more' * (len(self.missing) > 5)}. Give "
                "Plan.from_json(data, session, secrets=...) a callable that takes an object, a field's "
                "name and the object's tag, and returns the value."
            )
        gone = [obj for obj in objects if id(obj) in self.session.members.deleted]
        ids = {id(obj) for obj in gone}
        plan = planning.plan(self.session, [o for o in objects if id(o) not in ids], gone)
        if self.stale:
            raise self._stale(f"{', '.join(map(repr, self.stale[:3]))} changed since it was made")
        self._compare(plan)
        return plan

    def _check(self, told: Any) -> None:
        if told["format"] > saving.FORMAT:
            raise SessionError(
                f"The plan has the format {told['format']}, and this objmapper knows {saving.FORMAT}: a "
                "newer one has written it."
            )
        client = self.session.client
        for name, here in {"server": client.base_url, "dialect": client.dialect.name}.items():
            if told[name] != here:
                raise SessionError(
                    f"The plan is of the {name} {told[name]!r}, and this session's is {here!r}."
                )
        declared = encoding.declared()
        self.models: dict[str, Any] = {}
        for name, written in told["models"].items():
            if name not in declared:
                raise SessionError(
                    f"The plan has objects of {name.replace(':', '.')}, which is not declared in this "
                    "process: import the module that declares it."
                )
            self.models[name] = declared[name]
            other = encoding.difference(declared[name], written)
            if other is not None:
                raise SessionError(f"The plan was made with another {name}: {other}.")

    def object(self, number: int) -> Any:
        """Return the object of a number, with its changes."""
        if number not in self.objects:
            told = self.told[number]
            make = self._new if told["base"] is None else self._known
            make(number, told, self.models[told["model"]])
        return self.objects[number]

    def _new(self, number: int, told: Mapping[str, Any], model: Any) -> None:
        if told["kind"] != Kind.CREATE:
            raise ValueError(f"object {number} is new, and the plan does not create it")
        obj = self.objects[number] = reviving.pending(self.session, model)
        self.made.append(obj)
        if told["tag"] is not None:
            self.session.members.tags[obj] = told["tag"]
        reviving.fill(obj, self._values(model.__mapper__, told))
        reviving.fill(obj, self._hidden(obj, told))

    def _known(self, number: int, told: Mapping[str, Any], model: Any) -> None:
        session, mapper = self.session, model.__mapper__
        row = dict(told["base"])
        identity = mapper.identity_in(row)
        obj = None if identity is None else session.identity.get(mapper.root, identity)
        if obj is None:
            obj = reviving.persistent(session, model, row)
            self.made.append(obj)
        elif told["kind"] is not None and self._is_stale(obj, told):
            self.stale.append(obj)
        self.objects[number] = obj
        if told["kind"] == Kind.DELETE:
            if id(obj) not in session.members.deleted:
                session.members.mark_deleted(obj)
                self.marked.append(obj)
        elif told["kind"] is not None and not is_dirty(obj):
            self.changed.append(obj)
            values = self._values(mapper, told)
            reviving.change(session, obj, {**values, **self._hidden(obj, told)})

    def _is_stale(self, obj: Any, told: Mapping[str, Any]) -> bool:
        """Whether the session knows another base of what is changed than the plan does."""
        mapper, base = type(obj).__mapper__, told["base"]
        for key in (*told.get("sent", ()), *told.get("refs", ())):
            field = mapper.by_key[key]
            now = base_value(obj, field)
            now = ABSENT if now is ABSENT else field.to_row(now)
            then = base.get(key, ABSENT)
            if now is not then and (ABSENT in (now, then) or not same(now, then)):
                return True
        return False

    def _values(self, mapper: Any, told: Mapping[str, Any]) -> dict[str, Any]:
        return reviving.values(mapper, told["sent"], told["refs"], self.object)

    def _hidden(self, obj: Any, told: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values that were never written, as somebody tells them."""
        found = {}
        for key in told["hidden"]:
            field = type(obj).__mapper__.by_key[key]
            value = None
            if self.secrets is not None:
                value = self.secrets(obj, field.name, told["tag"])
            if value is None:
                self.missing.append(f"{obj!r}.{field.name}")
            else:
                found[key] = field.store(value)
        return found

    def _compare(self, plan: Plan) -> None:
        """Raise StalePlanError unless a plan is, request by request, the one that was written."""
        has = json.loads(json.dumps([operation.to_json() for operation in plan]))
        then = self.data["operations"]
        for operation, now, was in zip(plan, has, then, strict=False):
            other = ", ".join(n for n in now if n not in _SHOWN and now[n] != was.get(n))
            if other:
                raise self._stale(
                    f"operation {operation.number}, {was['method']} {was['path']}, has another {other} "
                    "here",
                    operation.objects,
                )
        if len(has) != len(then):
            raise self._stale(f"it has {len(then)} operations, and {len(has)} here")

    def _stale(self, why: str, objects: Any = ()) -> StalePlanError:
        return StalePlanError(
            f"The plan is stale: {why}. Nothing was sent; session.plan() makes a new one.",
            objects or self.stale,
        )


__all__ = ["Secrets", "replanned"]
