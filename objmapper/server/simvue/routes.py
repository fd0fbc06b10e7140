"""Which view stands behind which path and method of the embedded Simvue."""

from __future__ import annotations

from typing import Any

from werkzeug.exceptions import NotFound as NoRoute
from werkzeug.routing import Map, Rule

from objmapper.server.simvue import (
    about,
    alerts,
    artifacts,
    events,
    folders,
    grids,
    metrics,
    people,
    run_actions,
    runs,
    stats,
    storages,
    tags,
    tenants,
    uploads,
)
from objmapper.server.simvue.call import View
from objmapper.server.simvue.errors import MethodNotAllowed, NotFound


def _kind(path: str, room: Any) -> dict[str, dict[str, View]]:
    """A list and its objects."""
    detail = {"GET": room.retrieved, "DELETE": room.deleted}
    if hasattr(room, "updated"):
        detail["PUT"] = room.updated
    return {
        path: {"GET": room.listed, "POST": room.created},
        f"{path}/<key>": detail,
    }


#: What needs no token: an address that nobody guesses.
PUBLIC = "/storage/<place>"
_ROUTES: dict[str, dict[str, View]] = {
    PUBLIC: {"GET": uploads.get, "PUT": uploads.put, "POST": uploads.post},
    "/api/version": {"GET": about.version},
    "/api/nosim/version": {"GET": about.nosim},
    "/api/whoami": {"GET": people.whoami},
    "/api/stats": {"GET": stats.stats},
    **_kind("/api/runs", runs),
    **_kind("/api/folders", folders),
    **_kind("/api/tags", tags),
    **_kind("/api/alerts", alerts),
    **_kind("/api/artifacts", artifacts),
    **_kind("/api/storage", storages),
    **_kind("/api/grids", grids),
    "/api/tenants": {"GET": tenants.listed, "POST": tenants.created},
    "/api/tenants/<key>": {
        "GET": tenants.retrieved,
        "PUT": tenants.updated,
        "DELETE": tenants.deleted,
    },
    "/api/users": {"GET": people.users, "POST": people.create_user},
    "/api/users/<key>": {
        "GET": people.user,
        "PUT": people.update_user,
        "DELETE": people.delete_user,
    },
    "/api/runs/<key>/starred": {"PUT": run_actions.starred},
    "/api/folders/<key>/starred": {"PUT": folders.starred},
    "/api/runs/<key>/heartbeat": {"PUT": run_actions.heartbeat},
    "/api/runs/<key>/abort": {"GET": run_actions.aborted, "PUT": run_actions.abort},
    "/api/runs/<key>/artifacts": {"GET": artifacts.of_run},
    "/api/runs/<key>/artifacts/<artifact>": {"GET": artifacts.attached, "PUT": artifacts.attach},
    "/api/runs/<key>/grids": {"GET": grids.of_run},
    "/api/runs/<key>/grids/<grid>": {"PUT": grids.attach},
    "/api/runs/<key>/metrics": {"POST": grids.recorded},
    # A name may have slashes in it.
    "/api/runs/<key>/metrics/<path:metric>/values": {"GET": grids.values},
    "/api/runs/<key>/metrics/<path:metric>/span": {"GET": grids.span},
    "/api/alerts/<key>/status/<run>": {"GET": alerts.status, "PUT": alerts.set_status},
    "/api/events": {"GET": events.listed, "POST": events.logged},
    "/api/events/histogram": {"GET": events.histogram},
    "/api/metrics": {"GET": metrics.listed, "POST": metrics.recorded},
    "/api/metrics/names": {"GET": metrics.names},
    "/api/metrics/span": {"GET": metrics.span},
}

_ADAPTER = Map(
    [Rule(path, endpoint=path) for path in _ROUTES], merge_slashes=False, strict_slashes=False
).bind("embedded")


def find(method: str, path: str) -> tuple[View, str, dict[str, str]]:
    """The view, its path with the names of the variables, and their values."""
    try:
        endpoint, variables = _ADAPTER.match(path)
    except NoRoute:
        raise NotFound from None
    view = _ROUTES[endpoint].get("GET" if method == "HEAD" else method)
    if view is None:
        raise MethodNotAllowed(", ".join(sorted(_ROUTES[endpoint])))
    return view, endpoint, dict(variables)
