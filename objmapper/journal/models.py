"""The models of a journal: those that it was written with, and those of this process."""

from __future__ import annotations

from typing import Any

from objmapper import encoding
from objmapper.exceptions import JournalError
from objmapper.journal.store import Store


class Models:
    """The models of a journal by number, and those that are not written yet."""

    def __init__(self, store: Store) -> None:
        self._path = store.path
        self._written: dict[int, tuple[str, str]] = {}
        self._known: dict[str, int] = {}
        self._numbers: dict[Any, int] = {}
        #: The models that are declared in this process, as far as they are known.
        self.here: dict[int, Any] = {}
        #: What goes with the next intents.
        self.unwritten: list[tuple[int, str, str]] = []
        for number, name, fields in store.models():
            self._written[number], self._known[name] = (name, fields), number
        declared = encoding.declared() if self._written else {}
        for number, (name, _) in self._written.items():
            if name in declared:
                self._check(number, declared[name])

    def _check(self, number: int, model: Any) -> None:
        name, fields = self._written[number]
        other = encoding.difference(model, fields)
        if other is not None:
            raise JournalError(
                f"The journal {self._path!r} was written with another {name.partition(':')[2]}: "
                f"{other}. Finish it with the models it was begun with, or begin another journal."
            )
        self._numbers[model], self.here[number] = number, model

    def number(self, model: Any) -> int:
        """Return the number of a model. Raises JournalError for one whose fields are others now."""
        found = self._numbers.get(model)
        if found is None:
            name = encoding.full_name(model)
            found = self._known.get(name)
            if found is None:
                found = self._known[name] = len(self._known) + 1
                self._written[found] = (name, encoding.fingerprint(model))
                self.unwritten.append((found, *self._written[found]))
            self._check(found, model)
        return found

    def model(self, number: int) -> Any:
        """Return the model of a number. Raises JournalError for one that is not declared here."""
        found = self.here.get(number)
        if found is None:
            if number not in self._written:
                raise JournalError(f"The journal {self._path!r} has no model {number}.")
            name = self._written[number][0]
            found = encoding.declared().get(name)
            if found is None:
                module, _, short = name.partition(":")
                raise JournalError(
                    f"The journal {self._path!r} has objects of {short}, declared in {module!r}, which "
                    "is not declared in this process: import the module that declares it, or run the "
                    "program itself again."
                )
            self._check(number, found)
        return found


__all__ = ["Models"]
