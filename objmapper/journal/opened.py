"""What a journal has of this session that is intended and not done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from objmapper.operation import Operation


class Opened:
    """Operations that are not done, which it keeps alive, with the journal's numbers of them."""

    def __init__(self) -> None:
        # Two dictionaries rather than one of pairs, which the garbage collector would look at.
        self._operations: dict[int, Operation] = {}
        #: The numbers, by id of the operation.
        self.numbers: dict[int, int] = {}

    def __iter__(self) -> Iterator[Operation]:
        """Iterate over the operations as they are now; meanwhile they may become others."""
        return iter(list(self._operations.values()))

    def add(self, operation: Operation, number: int) -> None:
        """Keep an operation."""
        self._operations[id(operation)], self.numbers[id(operation)] = operation, number

    def add_all(self, operations: Sequence[Operation], numbers: Sequence[int]) -> None:
        """Keep operations, each with its number."""
        self._operations.update(zip(map(id, operations), operations, strict=True))
        self.numbers.update(zip(map(id, operations), numbers, strict=True))

    def number(self, operation: Operation) -> int | None:
        """Return an operation's number, None where it is not kept."""
        return self.numbers.get(id(operation))

    def take(self, operation: Operation) -> int | None:
        """Let go of an operation; return the number that it had, None where it was not kept."""
        self._operations.pop(id(operation), None)
        return self.numbers.pop(id(operation), None)


__all__ = ["Opened"]
