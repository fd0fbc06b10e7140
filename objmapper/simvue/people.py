"""Tenants and users, for administrators; and what the server counts."""

from __future__ import annotations

from typing import Any, NoReturn, Self

from objmapper import Embedded, fields, validate
from objmapper.dialects.base import row_of
from objmapper.operation import Request
from objmapper.query import Query
from objmapper.simvue.base import SimvueObject
from objmapper.simvue.client import session_for
from objmapper.simvue.kinds import Moment
from objmapper.state import live_session

_LIMIT = validate.Range(min=0)


class Tenant(SimvueObject):
    """A tenant; a limit of 0 is none."""

    name = fields.String(required=True)
    is_enabled = fields.Boolean(default=True)
    max_request_rate = fields.Integer(default=0, validate=_LIMIT)
    max_runs = fields.Integer(default=0, validate=_LIMIT)
    max_data_volume = fields.Integer(default=0, validate=_LIMIT)
    created = Moment(read_only=True)

    class Meta:
        natural_key = ("name",)

    @classmethod
    def new(cls, *, name: str, **values: Any) -> Self:
        """Return a new tenant, which ``commit()`` sends; its limits may be given, too."""
        return cls(name=name, **values)


#: What the published client says twice, beside the user and inside it.
_INSIDE = frozenset(
    "username fullname email is_manager is_admin is_readonly is_enabled welcome".split()
)


def _twice(said: dict[str, Any]) -> dict[str, Any]:
    """Return what a new user's request says: all that is the user's inside ``user``, too."""
    return {"user": {name: value for name, value in said.items() if name in _INSIDE}, **said}


class User(SimvueObject):
    """A user of a tenant."""

    username = fields.String(required=True)
    fullname = fields.String(null=True)
    email = fields.String(null=True)
    is_manager = fields.Boolean()
    is_admin = fields.Boolean()
    is_readonly = fields.Boolean()
    enabled = fields.Boolean(data_key="is_enabled", default=True)
    deleted = fields.Boolean(data_key="is_deleted", read_only=True)
    tenant = fields.String(null=True, write_once=True)
    #: Whether the new user is sent an e-mail; the server does not tell later.
    welcome = fields.Boolean(null=True, write_once=True)
    created = Moment(read_only=True)

    class Meta:
        natural_key = ("username",)
        dialect_options = {"shape": staticmethod(_twice)}

    @classmethod
    def new(
        cls,
        *,
        username: str,
        fullname: str,
        email: str,
        is_manager: bool,
        is_admin: bool,
        is_readonly: bool,
        welcome: bool,
        tenant: str,
        enabled: bool = True,
        **values: Any,
    ) -> Self:
        """Return a new user of *tenant*, whom ``commit()`` sends."""
        return cls(
            username=username,
            fullname=fullname,
            email=email,
            is_manager=is_manager,
            is_admin=is_admin,
            is_readonly=is_readonly,
            welcome=welcome,
            tenant=tenant,
            enabled=enabled,
            **values,
        )


class RunCounts(Embedded):
    """How many runs there are, and how many of them run."""

    created = fields.Integer(null=True)
    running = fields.Integer(null=True)
    completed = fields.Integer(null=True)
    data = fields.Integer(null=True)


class Stats(SimvueObject):
    """What the server counts for its user: ``Stats().runs.running``; one request for all of it."""

    id = None  # type: ignore[assignment]
    runs = fields.Nested(RunCounts, read_only=True)

    class Meta:
        singleton = True
        endpoint = "stats"

    def __new__(cls, *, server_url: str | None = None, server_token: str | None = None) -> Self:
        found: Self = session_for(server_url, server_token).get_one(Query(cls.__mapper__), None)
        return found

    def __init__(self, *, server_url: str | None = None, server_token: str | None = None) -> None:
        """Nothing is to be done: it was fetched."""

    @classmethod
    def new(cls, **values: Any) -> NoReturn:
        """Raise AttributeError: the server counts, nobody makes statistics."""
        raise AttributeError("Stats has no new(): the server counts.")

    def whoami(self) -> dict[str, Any]:
        """Return what the server tells of the user whose token is used."""
        return self._told(Request("GET", "/whoami"))

    def admin_stats(self, tenant: str | None = None) -> dict[str, Any]:
        """Return the counts of each user, by name; for administrators."""
        params: tuple[tuple[str, Any], ...] = (("single", "False"),)
        if tenant is not None:
            params += (("tenant", tenant),)
        return self._told(Request("GET", "/stats", params))

    def _told(self, request: Request) -> dict[str, Any]:
        session = live_session(self, request.shown_path)
        with session.using():
            response = session.send(request)
        return row_of(response.json(), response)


__all__ = ["RunCounts", "Stats", "Tenant", "User"]
