"""The files of the offline cache that simvue's own client writes: read, and made into objects.

A folder for each endpoint has a file of JSON for each object, ``runs/offline_….json``: what it would
send, and some keys of its own. ``server_ids/offline_….txt`` has the id of what was sent before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from objmapper.exceptions import ObjMapperError, cut
from objmapper.simvue.alerts import (
    EventsAlert,
    MetricsRangeAlert,
    MetricsThresholdAlert,
    Standing,
    UserAlert,
)
from objmapper.simvue.artifacts import Attachment, FileArtifact, ObjectArtifact
from objmapper.simvue.base import SimvueObject
from objmapper.simvue.grids import Grid, GridMetrics, Placement
from objmapper.simvue.kinds import Constant, Content
from objmapper.simvue.people import Tenant, User
from objmapper.simvue.runs import Folder, Run, Tag
from objmapper.simvue.storages import FileStorage, S3Storage
from objmapper.simvue.telemetry import Events, Metrics
from objmapper.state import copied

#: The folders in the order in which the original sends them, and the classes of what is in them.
FOLDERS: dict[str, tuple[type[SimvueObject], ...]] = {
    "tenants": (Tenant,),
    "users": (User,),
    "storage": (FileStorage, S3Storage),
    "folders": (Folder,),
    "tags": (Tag,),
    "alerts": (EventsAlert, MetricsThresholdAlert, MetricsRangeAlert, UserAlert),
    "runs": (Run,),
    "grids": (Grid,),
    "artifacts": (FileArtifact, ObjectArtifact),
    "metrics": (Metrics,),
    "grid_metrics": (GridMetrics,),
    "events": (Events,),
}
IDS = "server_ids"
_OFFLINE = "offline_"
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
#: What the original keeps for itself: of all, and of the objects of a folder.
_OWN = frozenset("obj_type created upload_failed is_read_only allow_duplicates offline".split())
_OWN_OF = {
    "users": {"user"},
    "storage": set(
        "bucket access_key_id secret_access_key endpoint_url region_name ca_cert".split()
    ),
    "alerts": set(
        "frequency pattern aggregation metric rule window threshold range_low range_high status".split()
    ),
    "runs": {"folder_id"},
    "grids": {"runs"},
    "artifacts": set("file_path obj runs serialized url size checksum".split()),
}


class Unfit(Exception):
    """Why a file of a cache can't be sent."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A file of a cache."""

    path: Path
    #: The folder it is in.
    folder: str
    #: What the original calls the object.
    id: str
    kind: type[SimvueObject]
    data: dict[str, Any]
    #: The bytes that were read.
    text: bytes

    @property
    def content(self) -> Path | None:
        """The file that an artifact is made of; None for other kinds."""
        if self.folder != "artifacts":
            return None
        named = self.data.get("file_path")
        return Path(named) if isinstance(named, str) and named else self.path.with_suffix(".object")


def files(directory: Path) -> Iterator[Path]:
    """Yield the files of objects, in the order in which they are sent."""
    for folder in FOLDERS:
        yield from sorted(directory.glob(f"{folder}/*.json"))


def kept(path: Path) -> Kept:
    """Return what a file holds. Raises Unfit."""
    folder = path.parent.name
    try:
        text = path.read_bytes()
        data = json.loads(text)
    except OSError as error:
        raise Unfit(f"it can't be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise Unfit(f"it is no JSON: {cut(str(error))}") from None
    if not isinstance(data, dict):
        raise Unfit("it is no JSON object")
    known = {kind.__name__: kind for kind in FOLDERS[folder]}
    told = data.get("obj_type")
    kind = known.get(told) if isinstance(told, str) else None
    if kind is None:
        raise Unfit(f"its obj_type is {cut(told)}, and one of {folder} is {' or '.join(known)}")
    return Kept(path, folder, path.stem, kind, data, text)


def server_ids(directory: Path) -> dict[str, str]:
    """Return the ids of what was sent before; a file that has none is left out."""
    found = {}
    for path in sorted(path for path in directory.glob(f"{IDS}/*.txt") if path.is_file()):
        text = path.read_text(encoding="utf-8", errors="replace").strip()
        if _ID.match(text):
            found[path.name.partition(".")[0]] = text
    return found


#: Returns the object, or the id, of what a file refers to. Raises Unfit.
Referred = Callable[[Any], Any]


def referred(objects: Mapping[str, Any], ids: Mapping[str, str]) -> Referred:
    """Return what finds objects of this cache by the original's names for them."""

    def find(name: Any) -> Any:
        if not isinstance(name, str) or not name:
            raise Unfit(f"it refers to {cut(name)}, which is no id")
        found = objects.get(name) or ids.get(name)
        if found is None and name.startswith(_OFFLINE):
            raise Unfit(
                f"it refers to {name}, of which there is neither a file that can be sent nor an id in "
                f"{IDS}/{name}.txt"
            )
        return found or name

    return find


def values(file: Kept, find: Referred) -> dict[str, Any]:
    """Return the values of a file by field name. Raises Unfit for what its class does not know."""
    by_key, own = file.kind.__mapper__.by_key, _OWN | _OWN_OF.get(file.folder, set())
    found = {}
    for key, wire in file.data.items():
        field = by_key.get(key)
        if key in own:
            continue
        if field is None:
            raise Unfit(f"it says {cut(key)}, which {file.kind.__name__} does not have")
        if not (field.read_only or isinstance(field, Constant)):
            found[field.name] = field.tolerant(_linked(file, key, copied(wire), find))
    if file.content is not None:
        found = _content(file, found)
    return found


def _linked(file: Kept, key: str, wire: Any, find: Referred) -> Any:
    """Return a value with objects in the place of the original's names for them."""
    if key == "run" and file.folder in ("metrics", "grid_metrics", "events"):
        return find(wire)
    if key == "alerts" and isinstance(wire, list):
        return [find(each) for each in wire]
    if key == "data" and isinstance(wire, list):
        return [
            {**each, "grid": find(each.get("grid"))} if isinstance(each, dict) else each
            for each in wire
        ]
    return wire


def _content(file: Kept, said: dict[str, Any]) -> dict[str, Any]:
    path, sum_ = file.content, file.data.get("checksum")
    assert path is not None
    try:
        content = Content(path)
    except OSError as error:
        raise Unfit(f"what it is made of, {path}, can't be read: {error.strerror}") from None
    if content.checksum != sum_:
        raise Unfit(f"what it is made of, {path}, has changed since: its SHA-256 is another one")
    said = {name: value for name, value in said.items() if value not in (None, "")}
    # The original tells how many bytes of memory an object took.
    return said | {"content": content, "size": content.size, "checksum": content.checksum}


def said_of_two(file: Kept, obj: Any, find: Referred) -> Iterator[tuple[str, SimvueObject]]:
    """Yield what a file says of its object and of runs, each with the run's name. Raises Unfit."""
    if file.folder == "artifacts":
        for run, category in _pairs(file, "runs"):
            yield run, Attachment(run=find(run), artifact=obj, category=category)
    elif file.folder == "alerts":
        for run, status in _pairs(file, "status"):
            yield run, Standing(alert=obj, run=find(run), status=status)
    elif file.folder == "grids":
        for run, metric in _pairs(file, "runs"):
            yield f"{run} {metric}", Placement(run=find(run), grid=obj, metric=metric)


def _pairs(file: Kept, key: str) -> list[tuple[str, Any]]:
    """Return names of runs, each with what is said of it: an object, or a list of pairs."""
    told = file.data.get(key) or {}
    try:
        pairs = [*told.items()] if isinstance(told, dict) else [(run, what) for run, what in told]
        assert all(isinstance(part, str) for pair in pairs for part in pair)
    except (TypeError, ValueError, AssertionError):
        raise Unfit(f"its {key!r} make no sense: {cut(told)}") from None
    return pairs


def made(file: Kept, find: Referred) -> SimvueObject:
    """Return a new object of a file. Raises Unfit."""
    told = values(file, find)
    try:
        return file.kind(**told)
    except (ObjMapperError, TypeError, ValueError, AttributeError) as error:
        raise Unfit(str(error)) from None


def changed(file: Kept, obj: Any, find: Referred) -> None:
    """Give an object that was sent before what its file says by now. Raises Unfit."""
    fields = file.kind.__mapper__.fields
    for name, value in values(file, find).items():
        if not fields[name].write_once:
            try:
                setattr(obj, name, value)
            except (ObjMapperError, TypeError, ValueError) as error:
                raise Unfit(str(error)) from None


__all__ = [
    "FOLDERS",
    "IDS",
    "Kept",
    "Referred",
    "Unfit",
    "changed",
    "files",
    "kept",
    "made",
    "referred",
    "said_of_two",
    "server_ids",
    "values",
]
