"""The record that everything is measured with, and the classes that stand for it.

Fifteen fields: three integers, a float, a boolean, five texts, three times, an object, a list.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

from objmapper import Client, Embedded, Model, Registry, Session, fields, validate
from objmapper.dialects import RowPage
from objmapper.dialects.drf import DRF
from objmapper.operation import Request, Response
from objmapper.query import Query

M = TypeVar("M", bound=Model)

REGISTRY = Registry("benchmarks")


class Person(Embedded):
    id = fields.Integer()
    username = fields.String()
    email = fields.String()
    active = fields.Boolean()


class Task(Model):
    id = fields.Integer(primary_key=True)
    size = fields.Integer()
    priority = fields.Integer()
    progress = fields.Float()
    active = fields.Boolean()
    name = fields.String(required=True)
    note = fields.String()
    status = fields.String()
    mode = fields.String()
    url = fields.String()
    created = fields.DateTime(read_only=True)
    updated = fields.DateTime()
    due = fields.DateTime()
    owner = fields.Nested(Person)
    tags = fields.List(fields.String())

    class Meta:
        registry = REGISTRY


class Project(Model):
    """The same rows, of which only these fields are declared."""

    id = fields.Integer(primary_key=True)
    name = fields.String(required=True, validate=validate.Length(max=256))

    class Meta:
        registry = REGISTRY


class Event(Model):
    """A row whose class is told by one of its values."""

    id = fields.Integer(primary_key=True)
    status = fields.String()

    class Meta:
        registry = REGISTRY
        polymorphic_on = "status"


class Annotation(Event):
    class Meta:
        polymorphic_identity = "annotation"


def record(number: int) -> dict[str, Any]:
    """Return one row as a server would send it."""
    return {
        "id": number,
        "size": number % 100,
        "priority": number % 7,
        "progress": number / 7,
        "active": number % 2 == 0,
        "name": f"task {number}",
        "note": f"what is to be done in task {number}",
        "status": "annotation",
        "mode": "interpolation",
        "url": f"https://host.example/api/tasks/{number}",
        "created": "2026-05-06T07:08:09.123456Z",
        "updated": "2026-06-06T07:08:09.123456Z",
        "due": "2026-07-06T07:08:09Z",
        "owner": {
            "id": number % 10,
            "username": f"user{number % 10}",
            "email": f"user{number % 10}@host.example",
            "active": True,
        },
        "tags": ["day", "night", f"tag{number % 5}"],
    }


def text_of(rows: int) -> bytes:
    """Return a JSON list of *rows* records."""
    return json.dumps([record(number) for number in range(1, rows + 1)]).encode()


def pages_of(text: bytes, size: int) -> list[list[dict[str, Any]]]:
    """Return the decoded rows of *text* in pages; nobody has touched them."""
    rows = json.loads(text)
    return [rows[start : start + size] for start in range(0, len(rows), size)]


class Decoded(DRF):
    """A dialect whose pages are decoded already, a page for each request."""

    def __init__(self, pages: list[list[dict[str, Any]]]) -> None:
        super().__init__()
        self.pages = pages[::-1]

    def read_page(self, query: Query, request: Request, response: Response) -> RowPage:
        rows = self.pages.pop()
        return RowPage(rows, next=request if self.pages else None)


class Nowhere(Client):
    """A client that touches no network: every answer is empty."""

    def __init__(self, pages: list[list[dict[str, Any]]]) -> None:
        super().__init__("http://nowhere.invalid", dialect=Decoded(pages), workers=1)

    def send(self, request: Request) -> Response:
        return Response(204, {}, b"", request.method)


def session(pages: list[list[dict[str, Any]]], **options: Any) -> Session:
    """Return a session whose queries find *pages*; what it commits is taken in silence."""
    return Session(Nowhere(pages), **options)


def loaded(
    count: int, model: type[M] = Task, page: int = 500, **options: Any
) -> tuple[Session, list[M]]:
    """Return *count* objects that nobody has touched, and their session."""
    unit = session(pages_of(text_of(count), page), **options)
    return unit, list(model.objects.using(unit).all())
