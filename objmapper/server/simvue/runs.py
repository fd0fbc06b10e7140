"""Runs: what is said of them, and what follows from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from objmapper.server.simvue import folders, tags
from objmapper.server.simvue.call import KEYS, Answer, Call
from objmapper.server.simvue.errors import Unprocessable
from objmapper.server.simvue.listing import page
from objmapper.server.simvue.resources import Resource
from objmapper.server.simvue.run_search import LISTING, visible, writable
from objmapper.server.simvue.run_views import told
from objmapper.server.simvue.validation import Many, Nested, Object
from objmapper.server.simvue.values import Boolean, Integer, Moment, Text

#: ``simvue.models.NAME_REGEX``.
NAME = r"^[a-zA-Z0-9\-\_\s\/\.:]+$"
ENDED = ("lost", "failed", "completed", "terminated")
STATUSES = (*ENDED, "running", "created")
_VISIBILITY = {
    "users": Many(Text(), default=[]),
    "public": Boolean(default=False),
    "tenant": Boolean(default=False),
}
_RUN = Resource(
    "run",
    {
        "name": Text(pattern=NAME),
        "description": Text(null=True),
        "status": Text(choices=STATUSES, default="created"),
        "tags": Many(Text(least=1), default=[]),
        "metadata": Object(default={}),
        "system": Object(null=True),
        "ttl": Integer(least=0, null=True),
        "heartbeat_timeout": Integer(null=True),
        "notifications": Nested(
            {"state": Text(required=True, choices=("none", "all", "error", "lost"))},
            default={"state": "none"},
        ),
        "visibility": Nested(
            _VISIBILITY, default={name: each.default for name, each in _VISIBILITY.items()}
        ),
        "started": Moment(null=True),
        "endtime": Moment(null=True),
    },
)
_PARTS = ("basic", "timing", "system", "metrics", "alerts", "metadata")
# What a body says, and other tables hold.
_ELSEWHERE = Resource(
    "run",
    {
        **_RUN.fields,
        "folder": Text(required=True, pattern=folders.PATH),
        "alerts": Many(Text(), default=[]),
    },
)


def listed(call: Call) -> Answer:
    rows, total = LISTING.rows(call)
    return Answer(page(told(call, rows, _parts(call)), total))


def _parts(call: Call) -> frozenset[str] | None:
    """The parts that the ``return_`` flags of a request name; None, as none is said, for all."""
    flags = {name: call.flag(f"return_{name}") for name in _PARTS}
    if all(said is None for said in flags.values()):
        return None
    return frozenset(name for name, said in flags.items() if said) | {"basic"}


def created(call: Call) -> Answer:
    """A run, or a list of runs: all of them or none."""
    body = call.json()
    if isinstance(body, list):
        return Answer([{"id": _create(call, each, at)} for at, each in enumerate(body)])
    return Answer({"id": _create(call, body)})


def _create(call: Call, body: Any, *at: int) -> str:
    values = _ELSEWHERE.new(body, place=("body", *at))
    folder = folders.known(call, values.pop("folder"), *at, "folder")
    watched = _alerts(call, values.pop("alerts"), *at, "alerts")
    tags.ensure(call, values["tags"])
    values |= _moments(call, values, {})
    run, key = _RUN.insert(
        call,
        values | {"name": values["name"] or ""},
        user_id=call.actor["id"],
        folder_id=folder,
        modified=call.now(),
    )
    if not values["name"]:
        # A run without a name is given one by the server (``simvue.Run.init``).
        call.update("run", run, {"name": f"run-{key[:8].lower()}"})
    _watch(call, run, watched)
    return key


def _moments(call: Call, values: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, str]:
    """A run that runs has started, and one that is over has ended."""
    status, found = values.get("status"), {}
    if status == "running" and not (values.get("started") or row.get("started")):
        found["started"] = call.now()
    if status in ENDED and not (values.get("endtime") or row.get("endtime")):
        found["endtime"] = call.now()
    return found


def _alerts(call: Call, keys: list[str], *place: str | int) -> list[int]:
    rows = call.rows(
        f"SELECT id, key FROM alert WHERE tenant_id = {call.tenant} AND key IN {KEYS}",
        (json.dumps(keys),),
    )
    unknown = set(keys) - {row["key"] for row in rows}
    if unknown:
        raise Unprocessable.at("alert", f"No alert with id '{min(unknown)}'", "body", *place)
    return [int(row["id"]) for row in rows]


def _watch(call: Call, run: int, alerts: list[int]) -> None:
    """These are the alerts of a run; what one that stays has found stays too."""
    call.rows(
        f"DELETE FROM run_alert WHERE run_id = {run} AND alert_id NOT IN {KEYS}",
        (json.dumps(alerts),),
    )
    for alert in alerts:
        call.run(
            "INSERT INTO run_alert (run_id, alert_id) VALUES (?, ?) ON CONFLICT DO NOTHING",
            (run, alert),
        )


def retrieved(call: Call, key: str) -> Answer:
    return Answer(told(call, [visible(call, key)])[0])


def updated(call: Call, key: str) -> Answer:
    """What is said changes, the rest stays."""
    row = writable(call, key)
    values = _ELSEWHERE.changes(call.json(), row)
    more: dict[str, Any] = {"modified": call.now()}
    if "folder" in values:
        more["folder_id"] = folders.known(call, values.pop("folder"), "folder")
    if "alerts" in values:
        _watch(call, row["id"], _alerts(call, values.pop("alerts"), "alerts"))
    tags.ensure(call, values.get("tags", ()))
    _RUN.update(call, row, values | _moments(call, values, dict(row)), **more)
    return Answer({"id": key})


def deleted(call: Call, key: str) -> Answer:
    row = writable(call, key)
    call.run("DELETE FROM run WHERE id = ?", (row["id"],))
    call.run("DELETE FROM star WHERE key = ?", (key,))
    return Answer({})
