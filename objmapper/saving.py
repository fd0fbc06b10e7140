"""What a plan needs to be read back in another process: its objects and their changes, as JSON."""

from __future__ import annotations

from typing import Any

from objmapper import encoding
from objmapper.operation import Kind, Plan
from objmapper.state import is_new, session_of

#: The format that is written; a plan of a higher number is refused.
FORMAT = 1


def saved(server: str, dialect: str, plan: Plan) -> dict[str, Any]:
    """Return what ``Plan.from_json`` reads; values that are write-only are told by name."""
    return _Saver().saved(server, dialect, plan)


class _Saver:
    """Numbers the objects of a plan as they are met."""

    def __init__(self) -> None:
        self.objects: list[Any] = []
        self.numbers: dict[int, int] = {}
        self.changes: dict[int, dict[str, Any]] = {}

    def number(self, obj: Any) -> int:
        found = self.numbers.get(id(obj))
        if found is None:
            found = self.numbers[id(obj)] = len(self.objects)
            self.objects.append(obj)
        return found

    def saved(self, server: str, dialect: str, plan: Plan) -> dict[str, Any]:
        for change in plan.changes:
            self._take(change)
        objects = [self._told(obj, number) for number, obj in enumerate(self.objects)]
        models = {encoding.full_name(type(obj)): type(obj) for obj in self.objects}
        return {
            "format": FORMAT,
            "server": server,
            "dialect": dialect,
            "models": {name: encoding.fingerprint(model) for name, model in models.items()},
            "objects": objects,
        }

    def _take(self, change: Any) -> None:
        """Put the changes of one object together: a circle is cut anew where it is read."""
        number = self.number(change.object)
        told = self.changes.setdefault(number, {"kind": str(change.kind)})
        if Kind.DELETE in (change.kind, told["kind"]):
            self.changes[number] = {"kind": Kind.DELETE.value}
            return
        sent, refs, hidden = encoding.sent_of(change, self.number)
        told.setdefault("sent", {}).update(encoding.loads(sent))
        told.setdefault("refs", {}).update(encoding.loads(refs) or {})
        told.setdefault("hidden", []).extend(encoding.loads(hidden) or [])

    def _told(self, obj: Any, number: int) -> dict[str, Any]:
        session = session_of(obj)
        new = is_new(obj)
        return {
            "model": encoding.full_name(type(obj)),
            "tag": None if session is None else session.members.tags.get(obj),
            "base": None if new else encoding.loads(encoding.row_of(obj)),
            **self.changes.get(number, {"kind": None}),
        }
