"""The refusals of CVAT, each with the shape of body that the real server gives it.

ApiError
    Invalid         400, with a dict of lists, a list or a string (all observed on CVAT 2.15)
    Unauthorized    401, with WWW-Authenticate
    Forbidden       403
    NotFound        404, with a detail
    NotAcceptable   406
    Unsupported     415
    Throttled       429, with Retry-After
    NotReady        429, with Retry-After and no body
    UnknownPath     404, an HTML page: no view stands behind the path
    Broken          500, an HTML page: CVAT's own code fails on such a request
"""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """A request is answered with an error; the body is JSON unless it is a page."""

    status = 400
    page: str | None = None

    def __init__(self, body: Any = None) -> None:
        super().__init__(body)
        self.body = body


class Invalid(ApiError):
    """The request is refused for what it says."""


class Unauthorized(ApiError):
    status = 401

    def __init__(self, detail: str = "Authentication credentials were not provided.") -> None:
        super().__init__({"detail": detail})


class Forbidden(ApiError):
    status = 403

    def __init__(self, detail: str = "You do not have permission to perform this action.") -> None:
        super().__init__({"detail": detail})


class NotFound(ApiError):
    status = 404

    def __init__(self, detail: str = "Not found.") -> None:
        super().__init__({"detail": detail})


class MethodNotAllowed(ApiError):
    status = 405

    def __init__(self, method: str) -> None:
        super().__init__({"detail": f'Method "{method}" not allowed.'})


class NotAcceptable(ApiError):
    status = 406

    def __init__(self, detail: str = "Could not satisfy the request Accept header.") -> None:
        super().__init__({"detail": detail})


class Unsupported(ApiError):
    status = 415

    def __init__(self, content_type: str) -> None:
        super().__init__({"detail": f'Unsupported media type "{content_type}" in request.'})


class Throttled(ApiError):
    status = 429

    def __init__(self, seconds: int) -> None:
        wait = f"{seconds} second{'' if seconds == 1 else 's'}"
        super().__init__({"detail": f"Request was throttled. Expected available in {wait}."})
        self.seconds = seconds


class NotReady(ApiError):
    """A chunk or a frame is still being made; the body is empty."""

    status = 429
    seconds = 1


class UnknownPath(ApiError):
    status = 404
    page = "Not Found"

    def __init__(self) -> None:
        super().__init__("The requested resource was not found on this server.")


class Broken(ApiError):
    """A request on which the real server fails; named one by one in schemas/cvat.json."""

    status = 500
    page = "Server Error (500)"

    def __init__(self, reason: str) -> None:
        super().__init__("")
        self.reason = reason


def html(title: str, text: str) -> str:
    """An error page in the layout of CVAT's (observed on 2.15)."""
    return (
        f'\n<!doctype html>\n<html lang="en">\n<head>\n  <title>{title}</title>\n</head>\n'
        f"<body>\n  <h1>{title}</h1><p>{text}</p>\n</body>\n</html>\n"
    )
