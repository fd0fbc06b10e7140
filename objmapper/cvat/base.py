"""What all classes of the binding are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

from objmapper import FieldDoesNotExist, Model, Registry
from objmapper.exceptions import cut
from objmapper.state import live_session

registry = Registry("cvat", dialect="cvat")


def by_field_name(model: type[Model], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return *values* under field names, whether they came so or as CVAT takes them.

    A name that is neither stays as it is. Raises TypeError for a field that is given twice.

    >>> from objmapper.cvat import Task
    >>> by_field_name(Task, {"name": "t", "assignee_id": 7})
    {'name': 't', 'assignee': 7}
    """
    fields = model.__mapper__.fields
    written = {field.write_key: name for name, field in fields.items()}
    found: dict[str, Any] = {}
    for key, value in plain(values).items():
        name = key if key in fields else written.get(key, key)
        if name in found:
            raise TypeError(f"{model.__name__}.{name} is given twice, once as {key!r}.")
        found[name] = value
    return found


def listed(name: str, given: Any) -> list[Any]:
    """Return ids as a list, each once. Raises TypeError for what is no list of them, as a text."""
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        hint = "" if given is None else f" Did you mean [{cut(given)}]?"
        raise TypeError(f"{name} is a list of ids; {cut(given)} was given.{hint}")
    return list(dict.fromkeys(given))


def plain(value: Any) -> dict[str, Any]:
    """Return what a dict or a value class of ``models`` has, as dicts and lists all through.

    Raises TypeError for what is neither.
    """
    if not isinstance(value, Mapping):
        raise TypeError(
            "A dict, or a value class of objmapper.cvat.models, is expected; a "
            f"{type(value).__name__} was given."
        )
    return {key: _plain_item(item) for key, item in value.items()}


def _plain_item(item: Any) -> Any:
    if isinstance(item, Mapping):
        return plain(item)
    return [_plain_item(each) for each in item] if isinstance(item, list | tuple) else item


class CVATModel(Model):
    """What all objects of CVAT have: the verbs of CVAT's own SDK beside objmapper's."""

    class Meta:
        abstract = True
        registry = registry

    def fetch(self) -> Self:
        """Load this object anew and return it; uncommitted changes are given up. Raises DoesNotExist."""
        self.refresh()
        return self

    def update(self, values: Mapping[str, Any]) -> Self:
        """Set these fields and send them now, in one PATCH; the answer is merged.

        The names are CVAT's or those of the fields; ``labels`` is a list of edits, as in CVAT's PATCH:
        with an id a label is changed, or deleted, and without one it is new. Raises FieldDoesNotExist
        for a name that is neither, TypeError for a field that is given twice and for labels that are
        no list, the model's DoesNotExist for a label that is not there, ValidationError before
        anything is sent, CommitError.
        """
        mapper = type(self).__mapper__
        named = by_field_name(type(self), values)
        for name in named:
            if name not in mapper.fields:
                raise FieldDoesNotExist.of(type(self).__name__, name, mapper.fields)
        brought: list[Any] = []
        for name in mapper.has_many.keys() & named.keys():
            brought += self._edited(name, named.pop(name))
        for name, value in named.items():
            setattr(self, name, value)
        if brought:
            live_session(self, "update()").commit_objects([self, *brought])
        else:
            self.commit()
        return self

    def _edited(self, name: str, items: Any) -> list[Any]:
        """Edit what a HasMany leads to; return what is to be committed. Only labels can be."""
        setattr(self, name, items)  # which raises
        return []

    def remove(self) -> None:
        """Delete this object on the server now; the local copy keeps its values. Raises CommitError."""
        self.delete()
