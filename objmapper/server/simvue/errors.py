"""The refusals of Simvue: a ``detail``, which the published client reads out, and a status.

ApiError
    Refused           400
    Unauthorized      401
    Forbidden         403
    NotFound          404
    MethodNotAllowed  405
    Exists            409, with the id of what is there already
    Unprocessable     422, with a list of faults or a sentence
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple


class ApiError(Exception):
    """A request is answered with an error."""

    status = 400
    #: The methods that the path has, where another was asked for.
    allow = ""

    def __init__(self, detail: Any, **more: Any) -> None:
        super().__init__(detail)
        self.body = {"detail": detail, **more}


class Refused(ApiError):
    """What is asked can't be done as things are."""


class Unauthorized(ApiError):
    status = 401


class Forbidden(ApiError):
    status = 403

    def __init__(self, detail: str = "You do not have permission to do this") -> None:
        super().__init__(detail)


class NotFound(ApiError):
    status = 404

    def __init__(self, detail: str = "Not Found") -> None:
        super().__init__(detail)


class MethodNotAllowed(ApiError):
    status = 405

    def __init__(self, allow: str) -> None:
        super().__init__("Method Not Allowed")
        self.allow = allow


class Exists(ApiError):
    """What would be created is there already: for the published client a success."""

    status = 409

    def __init__(self, what: str, key: str) -> None:
        super().__init__(f"This {what} exists already", id=key)


class Fault(NamedTuple):
    """What is wrong at one place of a request; the types and words are those of pydantic."""

    type: str
    loc: tuple[str | int, ...]
    msg: str


class Unprocessable(ApiError):
    status = 422

    def __init__(self, faults: Iterable[Fault]) -> None:
        super().__init__([fault._asdict() | {"loc": list(fault.loc)} for fault in faults])

    @classmethod
    def at(cls, type_: str, msg: str, *loc: str | int) -> Unprocessable:
        return cls([Fault(type_, loc, msg)])
