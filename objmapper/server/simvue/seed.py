"""Made-up content: F folders of R runs, with tags, metadata and one metric, always the same."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from typing import Any

from objmapper.server.simvue.call import new_key
from objmapper.server.simvue.values import written
from objmapper.server.statements import Statements

START = datetime(2024, 1, 1, tzinfo=UTC)
_STATUSES = ("completed", "running", "failed", "created")
_STEPS = 3


def seed(connection: sqlite3.Connection, folders: int, runs: int) -> None:
    """Fills an empty database; one that has a run or a folder is left as it is."""
    if connection.execute("SELECT 1 FROM folder WHERE path <> '/'").fetchone():
        return
    statements = Statements(connection)
    user = dict(statements.rows("SELECT id, tenant_id FROM user ORDER BY id LIMIT 1")[0])
    for number in range(folders):
        path = f"/folder {number + 1}"
        base = {"tenant_id": user["tenant_id"], "created": _moment(number)}
        folder = statements.insert(
            "folder",
            {**base, "key": new_key(), "path": path, "modified": _moment(number)},
        )
        for at in range(runs):
            _run(statements, user, folder, number * runs + at)


def _run(statements: Statements, user: dict[str, Any], folder: int, number: int) -> None:
    status = _STATUSES[number % len(_STATUSES)]
    moment = _moment(number)
    run = statements.insert(
        "run",
        {
            "key": new_key(),
            "tenant_id": user["tenant_id"],
            "user_id": user["id"],
            "folder_id": folder,
            "name": f"run {number + 1}",
            "status": status,
            "tags": json.dumps(["seeded"]),
            "metadata": json.dumps({"number": number + 1, "even": number % 2 == 1}),
            "notifications": '{"state": "none"}',
            "visibility": '{"users": [], "public": false, "tenant": false}',
            "created": moment,
            "modified": moment,
            "started": None if status == "created" else moment,
            "endtime": _moment(number + 60) if status in ("completed", "failed") else None,
        },
    )
    for step in range(_STEPS):
        statements.insert(
            "metric",
            {
                "run_id": run,
                "name": "loss",
                "step": step,
                "time": float(step),
                "timestamp": _moment(number + step),
                "value": 1 / (step + 1),
            },
        )


def _moment(minutes: int) -> str:
    return written(START + timedelta(minutes=minutes))
