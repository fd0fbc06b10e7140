"""Runs, and what is said of them: folders, tags, who sees them."""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakKeyDictionary, ref

from objmapper import Embedded, fields, validate
from objmapper.dialects.base import row_of, rows_of, unwrap
from objmapper.exceptions import ContractError
from objmapper.operation import Request
from objmapper.report import CommitReport
from objmapper.simvue import filters, locks, parameters
from objmapper.simvue.base import SimvueObject, of, part, say
from objmapper.simvue.filters import Asked
from objmapper.simvue.kinds import AlertKeys, Colour, Moment, Notifications
from objmapper.simvue.questions import session_about
from objmapper.state import live_session

if TYPE_CHECKING:
    from objmapper.conflicts import OnConflict

#: What simvue 2.6.2 takes as a name, and as a folder's path.
NAME = validate.Regexp(
    re.compile(r"[a-zA-Z0-9\-_\s/.:]+\Z"),
    error="Not a name: letters, digits, spaces and - _ / . : are one.",
)
PATH = validate.Regexp(re.compile(r"/"), error="Not a folder's path: it begins with a slash.")
#: What a list of runs may have of each, as the published client asks for it.
_PARTS = ("basic", "system", "timing", "metrics", "alerts", "metadata")
_NOT_NEGATIVE = validate.Range(min=0)


class Status(enum.StrEnum):
    """How a run stands."""

    LOST = "lost"
    FAILED = "failed"
    COMPLETED = "completed"
    TERMINATED = "terminated"
    RUNNING = "running"
    CREATED = "created"


#: How a run stands that is over.
OVER = frozenset({Status.LOST, Status.FAILED, Status.COMPLETED, Status.TERMINATED})


class Visibility(Embedded):
    """Who sees a run beside its user."""

    users = fields.List(fields.String())
    public = fields.Boolean()
    tenant = fields.Boolean()


class Run(SimvueObject):
    """A run of a simulation: ``Run.new(folder="/")``, and ``commit()``."""

    name = fields.String(validate=NAME)
    status = fields.Enum(Status, default=Status.CREATED)
    folder = fields.String(required=True, validate=PATH)
    tags = fields.List(fields.String())
    description = fields.String(null=True)
    metadata = fields.Dict()
    system = fields.Dict(null=True)
    ttl = fields.Integer(null=True, validate=_NOT_NEGATIVE)
    heartbeat_timeout = fields.Integer(null=True, validate=_NOT_NEGATIVE)
    notifications = Notifications()
    alerts = AlertKeys()
    visibility = fields.Nested(Visibility)
    star = fields.Boolean(data_key="starred")
    created = Moment(read_only=True)
    started = Moment(null=True)
    endtime = Moment(null=True)
    modified = Moment(read_only=True, null=True)
    runtime = fields.TimeDelta(read_only=True, null=True)
    user = fields.String(read_only=True, null=True)
    metrics = fields.Dict(read_only=True, null=True)
    events = fields.Dict(read_only=True, null=True)

    class Meta:
        dialect_options = {
            "batch": True,
            "filters": {
                "name": Asked("name", filters.TEXT),
                "description": Asked("description", filters.DESCRIPTION),
                "tags": Asked("tag", filters.TAGS),
                "star": Asked("starred", filters.STAR),
                "status": Asked("status", filters.STATUS),
                "user": Asked("user", filters.OWNER),
                "folder": Asked("folder.path", filters.TEXT),
                "metadata": Asked("metadata", filters.VALUES),
                "system": Asked("system", filters.SYSTEM),
                "alerts": Asked("alert", filters.STATUS),
                "created": Asked("created", filters.AGE),
                "started": Asked("started", filters.AGE),
                "modified": Asked("modified", filters.AGE),
                "endtime": Asked("ended", filters.AGE),
            },
            "sorts": tuple("name created started endtime modified metrics. metadata.".split()),
            "parameters": {
                parameters.FILTERS: parameters.strings,
                "attributes": parameters.names,
                **{f"return_{part}": parameters.flag for part in _PARTS},
            },
        }

    @classmethod
    def new(cls, *, folder: str, **values: Any) -> Self:
        """Return a new run in *folder*, which ``commit()`` sends; other fields may be given, too."""
        return cls(folder=folder, **values)

    def send_heartbeat(self) -> CommitReport:
        """Tell the server that the run goes on; a new one goes first.

        In an offline session the last one waits, and is sent unless the run is over by then. Raises
        CommitError.
        """
        session = session_about(self)
        if not session.offline:
            return say(session, Heartbeat(run=of(self)))
        known = _waiting.get(self)
        waiting = None if known is None else known()
        if waiting is None or waiting not in session:
            waiting = Heartbeat(run=of(self))
            _waiting[self] = ref(waiting)
        return say(session, waiting)

    def abort(self, reason: str) -> CommitReport:
        """Ask whoever executes the run to end it, and say why; a new one goes first.

        In an offline session it waits. Raises CommitError.
        """
        return say(session_about(self), Abort(run=of(self), reason=reason))

    @property
    def abort_trigger(self) -> bool:
        """Whether somebody asked to abort the run; the server is asked each time."""
        response = self._act("GET", "/abort")
        return _truth(unwrap(response.json(), "status", response), response)

    def get_alert_details(self) -> list[dict[str, Any]]:
        """Return what the server tells of the run's alerts, each with its status in the run."""
        response = self._act("GET")
        found = unwrap(response.json(), "alerts", response)
        return rows_of(found, response)

    @property
    def grids(self) -> list[dict[str, Any]]:
        """What the server tells of the grids of the run's metrics; it is asked each time."""
        response = self._act("GET", "/grids")
        return rows_of(response.json(), response)


class Heartbeat(SimvueObject):
    """A run goes on; what ``send_heartbeat`` says."""

    id = None  # type: ignore[assignment]
    run = fields.ForeignKey(Run, required=True, write_once=True)

    class Meta:
        keyless = True
        endpoint = "runs/{run}/heartbeat"
        dialect_options = {"put": True, "shape": part(None), "until": ("run", "status", OVER)}


#: The heartbeats that wait in offline sessions, which keep them, by run.
_waiting: WeakKeyDictionary[Run, ref[Heartbeat]] = WeakKeyDictionary()


class Abort(SimvueObject):
    """A run is to end, for that reason; what ``abort`` says."""

    id = None  # type: ignore[assignment]
    run = fields.ForeignKey(Run, required=True, write_once=True)
    reason = fields.String(required=True, write_once=True)

    class Meta:
        keyless = True
        endpoint = "runs/{run}/abort"
        dialect_options = {"put": True, "shape": part("reason")}


class Folder(SimvueObject):
    """A folder of runs; its parents are made with it."""

    path = fields.String(required=True, write_once=True, validate=PATH)
    name = fields.String(null=True, validate=NAME)
    description = fields.String(null=True)
    tags = fields.List(fields.String())
    metadata = fields.Dict()
    ttl = fields.Integer(null=True, validate=_NOT_NEGATIVE)
    star = fields.Boolean(data_key="starred")
    created = Moment(read_only=True)
    modified = Moment(read_only=True, null=True)

    class Meta:
        natural_key = ("path",)
        dialect_options = {
            "unique": True,
            "filters": {
                "path": Asked("path", filters.PATH),
                "description": Asked("description", filters.DESCRIPTION),
                "tags": Asked("tag", filters.TAGS),
                "star": Asked("starred", filters.STAR),
                "metadata": Asked("metadata", filters.VALUES),
                "created": Asked("created", filters.AGE),
            },
            "sorts": tuple("created modified path metadata.".split()),
            "parameters": {parameters.FILTERS: parameters.strings},
        }

    @classmethod
    def new(cls, *, path: str, **values: Any) -> Self:
        """Return a new folder, which ``commit()`` sends; other fields may be given, too."""
        return cls(path=path, **values)

    @property
    def tree(self) -> dict[str, Any]:
        """The folders below this one, as dicts within dicts by name; the server is asked each time."""
        session = live_session(self, "The tree")
        found: dict[str, Any] = {}
        root = self.path.rstrip("/") + "/"
        below = Folder.objects.using(session).filter(path__contains=self.path)
        for path in below.values_list("path", flat=True):
            if path.startswith(root):
                place = found
                for name in path.removeprefix(root).split("/"):
                    place = place.setdefault(name, {})
        return found

    def delete(
        self,
        *,
        recursive: bool = False,
        delete_runs: bool = False,
        runs_only: bool = False,
        on_conflict: OnConflict = "error",
    ) -> CommitReport:
        """Delete the folder now; *recursive*: with the folders below, *delete_runs*: with their runs.

        *runs_only* leaves the folders. What the server tells to be gone is detached. Raises
        ReadOnlyFieldError for a folder that is read-only, CommitError.
        """
        if not (recursive or delete_runs or runs_only):
            return super().delete(on_conflict=on_conflict)
        locks.refuse(self, "It")
        session = live_session(self, "Deletion")
        told = {"recursive": recursive, "runs": delete_runs, "runs_only": runs_only}
        path = session.dialect.address(self)
        with session.using():
            response = session.send(
                Request("DELETE", path, tuple((n, str(v)) for n, v in told.items()))
            )
        said = row_of(response.json(), response) if response.content.strip() else {}
        report = CommitReport(requests=1 + response.retries)
        with session.using():
            for model, key in [
                *((Folder, key) for key in _keys(said, "folders", response)),
                *((Run, key) for key in _keys(said, "runs", response)),
            ]:
                gone = session.identity.get(model, key)
                if gone is not None and gone is not self:
                    session.members.forget(gone)
            if not runs_only:
                session.members.forget(self)
        return report


class Tag(SimvueObject):
    """A tag, which runs and folders name; naming a new one makes it."""

    name = fields.String(required=True)
    colour = Colour(null=True)
    description = fields.String(null=True)
    created = Moment(read_only=True)

    class Meta:
        natural_key = ("name",)
        dialect_options = {"unique": True, "sorts": ("created", "name")}

    @classmethod
    def new(cls, *, name: str, **values: Any) -> Self:
        """Return a new tag, which ``commit()`` sends; other fields may be given, too."""
        return cls(name=name, **values)


def get_folder_from_path(
    path: str, *, server_url: str | None = None, server_token: str | None = None
) -> Folder:
    """Return the folder of a path. Raises Folder.DoesNotExist."""
    from_ = Folder._chosen(None, None, None, server_url, server_token, {"path": path})
    return from_.get()


def _keys(said: dict[str, Any], name: str, response: Any) -> list[str]:
    found = said.get(name) or []
    if not isinstance(found, list) or not all(isinstance(key, str) for key in found):
        raise ContractError(f"{response.url} tells {found!r} as the {name} that are gone.")
    return found


def _truth(value: Any, response: Any) -> bool:
    if not isinstance(value, bool):
        raise ContractError(f"{response.url} tells {value!r} where true or false was expected.")
    return value


__all__ = ["Folder", "Run", "Status", "Tag", "Visibility", "get_folder_from_path"]
