"""What has labels of its own: they are edited one by one, by an ``update`` too, in one request.

A list of labels never replaces those there are. An item without an id is a new label; with one it is
changed, or deleted where it says so; its attributes go the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from objmapper.cvat.base import CVATModel
from objmapper.exceptions import FieldDoesNotExist
from objmapper.state import live_session

if TYPE_CHECKING:
    from objmapper.cvat.models import Label


class Labelled(CVATModel):
    """What has labels."""

    class Meta:
        abstract = True

    if TYPE_CHECKING:
        labels: Any

    def get_labels(self) -> list[Label]:
        """Return the labels: what ``labels`` is asked for, as a list."""
        return [*self.labels.all()]

    def _edited(self, name: str, items: Any) -> list[Any]:
        """Edit labels as a list of CVAT's says; return those that are to be committed."""
        if name != "labels":
            return super()._edited(name, items)
        if isinstance(items, str | Mapping) or not hasattr(items, "__iter__"):
            raise TypeError(f"labels are a list of Label objects or of dicts, not {items!r}.")
        target = type(self).__mapper__.has_many[name].target
        given = [*items]
        for item in given:
            self._check(item, target)
        by_key: dict[Any, Any] = {}
        if any(isinstance(item, Mapping) and item.get("id") is not None for item in given):
            by_key = {label.id: label for label in self.labels.all()}
        return [self._edit(item, target, by_key) for item in given]

    def _check(self, item: Any, target: Any) -> None:
        if isinstance(item, target):
            return
        if not isinstance(item, Mapping):
            raise TypeError(f"labels are Label objects or dicts, not {item!r}.")
        for key in item:
            if key not in ("id", "deleted") and key not in target.__mapper__.fields:
                raise FieldDoesNotExist.of(target.__name__, key, target.__mapper__.fields)

    def _edit(self, item: Any, target: Any, by_key: Mapping[Any, Any]) -> Any:
        session = live_session(self, "update()")
        if isinstance(item, Mapping):
            given = dict(item)
            key, deleted = given.pop("id", None), given.pop("deleted", False)
            if key is not None:
                return self._change(by_key.get(key), key, given, deleted)
            item = target(**given)
        if item not in session and item.project is None and item.task is None:
            setattr(item, type(self).__mapper__.has_many["labels"].by.name, self)
            session.add(item)
        return item

    def _change(self, label: Any, key: Any, given: dict[str, Any], deleted: bool) -> Any:
        if label is None:
            told = f"{self!r} has no label {key!r}: it may be another's, or gone."
            raise type(self).__mapper__.has_many["labels"].target.DoesNotExist(told)
        if deleted:
            live_session(self, "update()").delete(label)
            return label
        for name, value in given.items():
            setattr(label, name, merged(label.attributes, value) if name == "attributes" else value)
        return label


def merged(attributes: list[Any], items: Any) -> list[Any]:
    """Return a label's attributes as a list of CVAT's edits them: one that it leaves out stays."""
    kept = [*attributes]
    for item in items:
        given = dict(item) if isinstance(item, Mapping) else item.to_dict()
        deleted = given.pop("deleted", False)
        known = next((each for each in kept if _is_meant(each, given)), None)
        if known is None:
            kept.append(item)
        elif deleted:
            kept.remove(known)
        else:
            for name, value in given.items():
                if name != "id":
                    setattr(known, name, value)
    return kept


def _is_meant(attribute: Any, given: Mapping[str, Any]) -> bool:
    """Whether an item of a list means an attribute: by its id, else by its name."""
    if given.get("id") is not None:
        return bool(attribute.id == given["id"])
    return bool(attribute.name == given.get("name"))


__all__ = ["Labelled"]
