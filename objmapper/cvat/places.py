"""Where CVAT's objects live: in an organization, or in none; and which one a thread speaks of.

A request names an organization by ``org`` (its slug) or ``org_id``; an empty slug is what belongs to
none, and without either it is about everything that is visible. What is read for an object is asked
where that lives, what is made in something that lives somewhere goes there; all else speaks of the
thread's context. What has an address of its own is found whatever a request says (CVAT 2.15).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from objmapper.dialects.base import Dialect, with_params
from objmapper.exceptions import QueryError, UnsupportedLookup, ValidationError
from objmapper.operation import Change, Draft, Json, Kind, Request
from objmapper.query import Condition, Query
from objmapper.reading import referred
from objmapper.state import ABSENT, Stateful, base_value, is_new, session_of
from objmapper.transport.auth import checked_header

Place = tuple[str, Any]
PERSONAL: Place = ("org", "")
HEADER = "X-Organization"
_SAYING = frozenset({"org", "org_id"})
#: What an object is part of, and lives with.
_ABOVE = ("project", "task", "job", "issue")


def checked(slug: Any) -> str | None:
    """Return *slug*. Raises TypeError and ValueError for what is none."""
    if slug is not None and not isinstance(slug, str):
        hint = f" Give its slug: {slug.slug!r}." if hasattr(slug, "slug") else ""
        raise TypeError(
            'An organization context is a slug, "" for what belongs to no organization, or None for '
            f"everything that is visible; a {type(slug).__name__} was given.{hint}"
        )
    return None if slug is None else checked_header(HEADER, slug)


class Context:
    """The organization that requests speak of: of the whole client, or of a thread for a while."""

    def __init__(self) -> None:
        self._of_all: str | None = None
        self._mine = threading.local()

    @property
    def slug(self) -> str | None:
        """What the asking thread speaks of."""
        inner: list[str | None] = getattr(self._mine, "slugs", [])
        return inner[-1] if inner else self._of_all

    @slug.setter
    def slug(self, slug: str | None) -> None:
        inner: list[str | None] = getattr(self._mine, "slugs", [])
        if inner:
            inner[-1] = checked(slug)
        else:
            self._of_all = checked(slug)

    @contextmanager
    def within(self, slug: str | None) -> Iterator[None]:
        """Speak of another organization for a while, on this thread."""
        slugs = self._mine.__dict__.setdefault("slugs", [])
        slugs.append(checked(slug))
        try:
            yield
        finally:
            slugs.pop()

    @property
    def place(self) -> Place | None:
        slug = self.slug
        return None if slug is None else ("org", slug)


class InOrganizations(Dialect):
    """What a dialect adds where objects live in organizations.

    ``Meta.dialect_options`` of a model may say "context": "none" for what lives in no organization,
    "members" for what an organization has without being where it lives, "details" for what is found
    by its key in a context only; and "made by", the kind that makes it.
    """

    def __init__(self, **capabilities: Any) -> None:
        super().__init__(**capabilities)
        self.context = Context()

    def place_of(self, obj: Any) -> Place | None:
        """Return where an object lives, as far as what it is part of, it itself or a part tells."""
        place = self._told_of(obj)
        return self._told_by_part(obj) if place is None else place

    def _told_by_part(self, obj: Any) -> Place | None:
        """Return where that lives by which an object came to be known, and is part of it.

        As long as only its key is known, nothing else tells.
        """
        session, via = session_of(obj), None if is_new(obj) else obj._state.page.via
        if session is None or via is None or via[0].name not in _ABOVE:
            return None
        key = type(obj).__mapper__.key_in(obj._row)
        part = next((part for known, part in referred(session, via) if known == key), None)
        return None if part is None else self._told_of(part)

    def _told_of(self, obj: Any) -> Place | None:
        """Return where an object lives, as far as what it is part of or it itself tells."""
        foreign_keys, new = type(obj).__mapper__.foreign_keys, is_new(obj)
        for name in _ABOVE:
            above = _known(obj, foreign_keys[name], new) if name in foreign_keys else None
            place = None if above is None else self._told_of(above)
            if place is not None:
                return place
        field = foreign_keys.get("organization")
        if field is None:
            return None
        value = obj._row.get(field.key, ABSENT) if new else base_value(obj, field)
        if value is ABSENT:
            return None
        if value is None:
            return PERSONAL
        return ("org_id", field.dump(value if new else field.key_told(obj, value)))

    def place_in(self, request: Request) -> Place | None:
        nowhere = PERSONAL if request.method == "POST" else None  # what is made belongs somewhere
        return next((pair for pair in request.params if pair[0] in _SAYING), nowhere)

    def list_request(self, query: Query, page_size: int | None) -> Request:
        request = super().list_request(query, page_size)
        return self.placed(request, query.mapper, query.place)

    def require(self, condition: Condition) -> None:
        if condition.name == "organization" and condition.lookup == "isnull":
            raise UnsupportedLookup(
                f"{condition}: CVAT can be asked for one organization, for none "
                "(organization=None), or for everything; that can be ANDed with other conditions, "
                "not inside | or ~. Evaluate it here with .filter_locally(lambda obj: ...)."
            )
        super().require(condition)

    def detail_request(self, mapper: Any, key: Any, values: Mapping[str, Any]) -> Request:
        request = super().detail_request(mapper, key, values)
        return self.placed(request, mapper) if _context(mapper) in _DETAILS else request

    def refresh_request(self, obj: Any, key: Any) -> Request:
        request, mapper = super().refresh_request(obj, key), type(obj).__mapper__
        place = self.place_of(obj) if _context(mapper) == "details" else None
        return request if place is None else with_params(request, [place])

    def placed(self, request: Request, mapper: Any, place: Place | None = None) -> Request:
        """Return a request that says where it is about: at *place*, else in the context."""
        here, kind = self.context.place, _context(mapper)
        if kind == "none" or _SAYING & {name for name, _ in request.params}:
            return request
        if place == PERSONAL and (here is None or kind == "members"):
            # Everything that is visible has it, and nobody is a member of nothing.
            return request
        place = here if place is None else place
        return request if place is None else with_params(request, [place])

    def put_in_place(self, draft: Draft) -> Draft:
        """Return a draft whose request says where its object goes, or is found."""
        obj = draft.changes[0].object
        mapper, request = type(obj).__mapper__, draft.request
        if draft.kind == Kind.CREATE:
            self._refuse_made(draft.changes[0], mapper)
            self._refuse_nowhere(obj)
            field = mapper.foreign_keys.get("organization")
            if field is not None and isinstance(request.body, Json):
                body = {k: v for k, v in request.body.value.items() if k != field.write_key}
                request = request._replace(body=Json(body))
        elif _context(mapper) != "details":
            self._refuse_moved(draft)
            return draft
        place, session = self.place_of(obj), session_of(obj)
        if place is None and session is not None and obj in session.members.places:
            place = session.members.places[obj]  # whatever this thread speaks of
            if place is None:
                return draft._replace(request=request)
        return draft._replace(request=self.placed(request, mapper, place))

    def _refuse_moved(self, draft: Draft) -> None:
        """Raise ValidationError for a move that the server would take and ignore, as 2.15 does."""
        problems: list[tuple[object, str | None, list[str]]] = []
        for change in draft.changes:
            obj = change.object
            field = type(obj).__mapper__.foreign_keys.get("organization")
            moves = field is not None and change.kind == Kind.UPDATE and field.key in change.sent
            if moves and obj._state.full and field.write_key not in obj._row:
                told = "This CVAT moves nothing to another organization: it tells no {0!r}."
                problems.append((obj, "organization", [told.format(field.write_key)]))
        if problems:
            raise ValidationError.of(problems)

    def _refuse_made(self, change: Change, mapper: Any) -> None:
        maker = (mapper.options.get("dialect_options") or {}).get("made by")
        if maker is not None:
            raise QueryError(f"{change.object!r} can't be made: an object of {maker} makes it.")

    def _refuse_nowhere(self, obj: Any) -> None:
        """Raise ValidationError for what lives in an organization and would be sent to none."""
        field = type(obj).__mapper__.foreign_keys.get("organization")
        if field is None or field.null or self.place_of(obj) is not None:
            return
        if self.context.place in (None, PERSONAL):
            told = "It needs one: give it, or send it within client.organization_context(slug)."
            raise ValidationError.of([(obj, "organization", [told])])

    def action(self, obj: Any, name: str) -> Request:
        """Return the request of an action on one object."""
        *path, _ = self.address(obj)
        request = Request("POST", (*path, f"/{name}"))
        return self.placed(request, type(obj).__mapper__, self.place_of(obj))


_DETAILS = ("details", "members")


def _known(obj: Any, field: Any, new: bool) -> Any:
    """Return what a relation leads to on the server, if the session has it already."""
    value, session = obj._row.get(field.key) if new else base_value(obj, field), session_of(obj)
    if isinstance(value, Stateful):
        return value
    if session is None or value is None or value is ABSENT:
        return None
    try:
        key = field.key_value(value)
    except (ValueError, TypeError):
        return None
    return session.identity.get(field.target.__mapper__.root, key)


def _context(mapper: Any) -> str | None:
    found: str | None = (mapper.options.get("dialect_options") or {}).get("context")
    return found


def asks_for_none(condition: Condition) -> bool:
    """Whether a condition is met by what belongs to no organization."""
    return condition.name == "organization" and condition.lookup == "isnull" and condition.value


def names_one(path: str, params: Mapping[str, Any], headers: Mapping[str, str]) -> bool:
    """Whether a request that somebody writes by hand says where it is about."""
    query = path.partition("?")[2]
    named = {*params, *(pair.partition("=")[0] for pair in query.split("&"))}
    return bool(_SAYING & named) or HEADER.lower() in {name.lower() for name in headers}
