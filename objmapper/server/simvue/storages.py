"""Storages: where the bytes of artifacts go. The embedded server keeps them all itself.

A storage of kind S3 differs in how its files are sent: as forms, with the fields that are told.
Credentials are taken and forgotten.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from objmapper.server.simvue.call import Answer, Call
from objmapper.server.simvue.errors import Forbidden, Refused, Unprocessable
from objmapper.server.simvue.listing import Listing
from objmapper.server.simvue.resources import Resource
from objmapper.server.simvue.validation import Nested
from objmapper.server.simvue.values import Boolean, Text

#: What a new tenant has.
FIRST = {"name": "default", "backend": "File", "is_default": 1}
_SECRET = ("access_key_id", "secret_access_key", "ca_cert")
_CONFIG = Nested(
    {
        "bucket": Text(null=True),
        "endpoint_url": Text(null=True),
        "region_name": Text(null=True),
        **{name: Text(null=True) for name in _SECRET},
    },
    null=True,
)
_STORAGE = Resource(
    "storage",
    {
        "name": Text(required=True, least=1),
        "config": _CONFIG,
        "is_default": Boolean(default=False),
        "is_tenant_useable": Boolean(default=True),
        "is_enabled": Boolean(default=True),
    },
    fixed={"backend": Text(choices=("File", "S3"), required=True)},
    ignored={"disable_check": Boolean()},
)
_LISTING = Listing("storage", "storage", {"name": "storage.name", "created": "storage.created"})


def _open(values: dict[str, Any]) -> dict[str, Any]:
    """Values without the credentials."""
    config = values.get("config")
    if config is None:
        return values
    return values | {"config": {name: config[name] for name in config if name not in _SECRET}}


def _may(call: Call) -> None:
    if not call.manages:
        raise Forbidden


def _only_default(call: Call, key: str, values: dict[str, Any]) -> None:
    """One storage of a tenant is the default."""
    if values.get("is_default"):
        call.run(
            "UPDATE storage SET is_default = 0 WHERE tenant_id = ? AND key <> ?",
            (call.tenant, key),
        )


def listed(call: Call) -> Answer:
    """A bare list, unlike other kinds."""
    rows, _ = _LISTING.rows(call)
    return Answer([_STORAGE.told(row) for row in rows])


def created(call: Call) -> Answer:
    _may(call)
    values = _open(_STORAGE.new(call.json()))
    if values["backend"] == "S3" and not (values["config"] or {}).get("bucket"):
        raise Unprocessable.at("missing", "Field required", "body", "config", "bucket")
    _, key = _STORAGE.insert(call, values)
    _only_default(call, key, values)
    return Answer({"id": key})


def retrieved(call: Call, key: str) -> Answer:
    return Answer(_STORAGE.told(call.find("storage", key)))


def updated(call: Call, key: str) -> Answer:
    row = call.find("storage", key)
    _may(call)
    values = _open(_STORAGE.changes(call.json(), row))
    if values.get("config"):
        before = json.loads(row["config"] or "{}")
        said = {name: each for name, each in values["config"].items() if each is not None}
        values["config"] = before | said
    _STORAGE.update(call, row, values)
    _only_default(call, key, values)
    return Answer({"id": key})


def deleted(call: Call, key: str) -> Answer:
    row = call.find("storage", key)
    _may(call)
    call.run("DELETE FROM storage WHERE id = ?", (row["id"],))
    return Answer({})


def named(call: Call, name: str | None) -> sqlite3.Row:
    """The storage that takes a new artifact: of this id or name, else the default, else the oldest.

    400 where none may be used, 422 for a name that none has.
    """
    rows = call.rows(
        "SELECT * FROM storage WHERE tenant_id = ? AND is_enabled"
        " AND (is_default OR is_tenant_useable) ORDER BY is_default DESC, id",
        (call.tenant,),
    )
    if not rows:
        raise Refused("No storage is enabled")
    found = [row for row in rows if name is None or name in (row["key"], row["name"])]
    if not found:
        raise Unprocessable.at("storage", f"No storage '{name}' is enabled", "body", "storage")
    return found[0]
