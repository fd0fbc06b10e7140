"""The same record in libraries of others, those that are installed; nobody else has an identity map.

They are extras of the benchmark only: ``tox -e bench`` has them all.
"""

from __future__ import annotations

import datetime as dt
import importlib.util
from collections.abc import Callable
from typing import Any

import marshmallow

#: What is not installed; the table's notes name it.
MISSING = [
    name
    for name in ("msgspec", "orjson", "pydantic", "cattrs", "cvat-sdk", "kinto", "simvue")
    if importlib.util.find_spec(name.replace("-", "_")) is None
]


class OwnerSchema(marshmallow.Schema):
    id = marshmallow.fields.Integer()
    username = marshmallow.fields.String()
    email = marshmallow.fields.String()
    active = marshmallow.fields.Boolean()


class TaskSchema(marshmallow.Schema):
    id = marshmallow.fields.Integer()
    size = marshmallow.fields.Integer()
    priority = marshmallow.fields.Integer()
    progress = marshmallow.fields.Float()
    active = marshmallow.fields.Boolean()
    name = marshmallow.fields.String(required=True)
    note = marshmallow.fields.String()
    status = marshmallow.fields.String()
    mode = marshmallow.fields.String()
    url = marshmallow.fields.String()
    created = marshmallow.fields.AwareDateTime()
    updated = marshmallow.fields.AwareDateTime()
    due = marshmallow.fields.AwareDateTime()
    owner = marshmallow.fields.Nested(OwnerSchema)
    tags = marshmallow.fields.List(marshmallow.fields.String())


#: The fields of the record for those who take annotations.
OWNER = {"id": int, "username": str, "email": str, "active": bool}
TASK = {
    "id": int,
    "size": int,
    "priority": int,
    "progress": float,
    "active": bool,
    "name": str,
    "note": str,
    "status": str,
    "mode": str,
    "url": str,
    "created": dt.datetime,
    "updated": dt.datetime,
    "due": dt.datetime,
    "tags": list[str],
}


def msgspec_struct() -> type:
    """Return the record as a msgspec Struct."""
    import msgspec  # noqa: PLC0415 - a peer may be missing

    owner = msgspec.defstruct("Owner", list(OWNER.items()))
    return msgspec.defstruct("Task", [*TASK.items(), ("owner", owner)])


def row_makers() -> dict[str, Callable[[dict[str, Any]], Any]]:
    """Return what makes an object of a decoded row, by library."""
    makers: dict[str, Callable[[dict[str, Any]], Any]] = {}
    if "msgspec" not in MISSING:
        import msgspec  # noqa: PLC0415

        struct = msgspec_struct()
        makers["msgspec.convert"] = lambda row: msgspec.convert(row, struct)
    if "cattrs" not in MISSING:
        import attrs  # noqa: PLC0415
        import cattrs  # noqa: PLC0415

        owner: Any = attrs.make_class("Owner", {n: attrs.field(type=t) for n, t in OWNER.items()})
        task = attrs.make_class(
            "Task", {n: attrs.field(type=t) for n, t in (TASK | {"owner": owner}).items()}
        )
        converter = cattrs.Converter(detailed_validation=False)
        converter.register_structure_hook(dt.datetime, lambda v, _: dt.datetime.fromisoformat(v))
        makers["cattrs.structure"] = lambda row: converter.structure(row, task)
    if "pydantic" not in MISSING:
        import pydantic  # noqa: PLC0415

        person = pydantic.create_model("Owner", **OWNER)
        model = pydantic.create_model("Task", **TASK, owner=person)
        makers["pydantic model_validate"] = model.model_validate
    return makers
