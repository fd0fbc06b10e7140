"""Artifacts: files and objects that runs read and write. What is told of one goes first, then its bytes.

``commit()`` does it in three requests: the artifact is made, its bytes go to the storage, the server
is told that they are there. One whose upload failed has it still to do: another commit goes on.
"""

from __future__ import annotations

import mimetypes
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from objmapper import fields, validate
from objmapper.dialects.base import quote_key, rows_of, unwrap
from objmapper.exceptions import ContractError
from objmapper.loading import announce, instances
from objmapper.offline import refuse
from objmapper.operation import Request
from objmapper.report import CommitReport
from objmapper.simvue import locks
from objmapper.simvue.base import SimvueObject, id_of, of, part, say
from objmapper.simvue.client import session_for
from objmapper.simvue.kinds import Content, Contents, Moment
from objmapper.simvue.questions import session_about
from objmapper.simvue.runs import NAME, Run
from objmapper.simvue.serialisation import deserialise, serialise
from objmapper.state import Page, is_dirty, live_session
from objmapper.transport.urls import joined

CATEGORIES = ("code", "input", "output")
_PIECE = 2**16


def kind_of(row: dict[str, Any]) -> str:
    """Return which kind of artifact a row is."""
    return "file" if row.get("original_path") else "object"


class Artifact(SimvueObject):
    """What all artifacts have; ``Artifact(identifier=...)`` is an object of its kind, in one request."""

    name = fields.String(required=True, write_once=True, validate=NAME)
    original_path = fields.String(null=True, write_once=True)
    storage = fields.String(null=True, write_once=True)
    storage_id = fields.String(read_only=True, null=True)
    mime_type = fields.String(null=True, write_once=True)
    size = fields.Integer(required=True, write_once=True)
    checksum = fields.String(required=True, write_once=True)
    metadata = fields.Dict(null=True, write_once=True)
    uploaded = fields.Boolean(read_only=True)
    created = Moment(read_only=True)
    user = fields.String(read_only=True, null=True)
    #: Where its bytes are, and where they go while it is new.
    download_url = fields.String(data_key="url", read_only=True, null=True)
    #: What is to be uploaded.
    content = Contents(write_only=True)

    class Meta:
        polymorphic_on = staticmethod(kind_of)
        dialect_options = {"sorts": ("name", "created", "metadata.")}

    @property
    def storage_url(self) -> str | None:
        """The same as ``download_url``, as Simvue's own client has it of a new one."""
        return self.download_url

    # -- with runs --------------------------------------------------------------------------------

    def attach_to_run(self, run_id: str | Run, category: str) -> CommitReport:
        """Attach it to a run as "code", "input" or "output"; what is new of the two goes first.

        In an offline session it waits. Raises ValueError for any other category, CommitError.
        """
        if category not in CATEGORIES:
            raise ValueError(
                f"category is one of {', '.join(map(repr, CATEGORIES))}, not {category!r}."
            )
        session = session_about(self)
        if is_dirty(self) and not session.offline:
            session.commit_objects([self])  # its bytes are there before a run has it
        said = Attachment(run=of(run_id), artifact=of(self), category=category)
        return say(session, said)

    def get_category(self, run_id: str | Run) -> str:
        """Return as what it is attached to a run. Raises NotFound where it is not, ContractError."""
        session = live_session(self, "get_category()")
        with session.using():
            response = session.send(Request("GET", self._in_run(run_id)))
        found = unwrap(response.json(), "category", response)
        if not isinstance(found, str):
            raise ContractError(f"{response.url} tells {found!r} as the category.")
        return found

    @property
    def runs(self) -> Iterator[str]:
        """The ids of the runs that it is attached to; the server is asked each time."""
        session = live_session(self, "The runs")
        params = (("filters", f'["artifact.id == {self.id}"]'), ("count", 100), ("start", 0))
        with session.using():
            response = session.send(Request("GET", "/runs", params))
        for row in rows_of(unwrap(response.json(), "data", response), response):
            yield str(row.get("id"))

    def _in_run(self, run: str | Run) -> str:
        return f"/runs/{quote_key(id_of(run))}/artifacts/{quote_key(id_of(self))}"

    @classmethod
    def from_run(
        cls,
        run_id: str | Run,
        *,
        category: str | None = None,
        server_url: str | None = None,
        server_token: str | None = None,
    ) -> Iterator[tuple[str, Artifact]]:
        """Yield ``(id, artifact)`` of a run, of one category if it is given; none is no error."""
        params = () if category is None else (("category", category),)
        session = session_for(server_url, server_token)
        yield from ((obj.id, obj) for obj in cls._of_run(session, run_id, params))

    @classmethod
    def from_name(
        cls,
        run_id: str | Run,
        name: str,
        *,
        force_overwrite: bool = False,
        server_url: str | None = None,
        server_token: str | None = None,
    ) -> Artifact:
        """Return the artifact of that name of a run; with *force_overwrite* the first of several.

        Raises DoesNotExist, MultipleObjectsReturned.
        """
        session = session_for(server_url, server_token)
        found = cls._of_run(session, run_id, (("name", name),))
        if not found:
            raise cls.DoesNotExist(f"Run {id_of(run_id)!r} has no artifact {name!r}.")
        if len(found) > 1 and not force_overwrite:
            raise cls.MultipleObjectsReturned(
                f"Run {id_of(run_id)!r} has {len(found)} artifacts called {name!r}."
            )
        return found[0]

    @classmethod
    def _of_run(cls, session: Any, run: Any, params: tuple[tuple[str, Any], ...]) -> list[Artifact]:
        mapper = Artifact.__mapper__
        with session.using():
            path = f"/runs/{quote_key(id_of(run))}/artifacts"
            response = session.send(Request("GET", path, params))
            rows = rows_of(response.json(), response)
            known = {mapper.key_in(r) for r in rows if _is_known(session, mapper.key_in(r))}
            page = Page(session.ref, mapper, [], full=False)
            found = instances(session.identity, mapper, rows, page, {})
            session.keep(found)
            announce(session, found)
        for obj in found:
            if obj.id not in known:
                locks.lock(obj)
        return [obj for obj in found if isinstance(obj, cls)]

    # -- its bytes --------------------------------------------------------------------------------

    def download_content(self) -> Iterator[bytes]:
        """Yield its bytes, piece by piece, when all of them have come.

        Raises ContractError where they are not those it was made of.
        """
        with tempfile.TemporaryDirectory() as folder:
            path = self.download(Path(folder) / "content")
            with path.open("rb") as file:
                while piece := file.read(_PIECE):
                    yield piece

    def download(self, path: str | Path) -> Path:
        """Write its bytes to a file, which is there whole or not at all, and return its path.

        Raises ContractError where they are not those it was made of, OSError where they can't be kept.
        """
        target = Path(path)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        os.close(handle)
        try:
            self._download_to(Path(name))
            return Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _download_to(self, path: Path) -> None:
        session = live_session(self, "A download")
        refuse(session, f"A download of {self!r}")
        if not isinstance(self.download_url, str):
            raise ContractError(f"{self!r}: the server tells no address to load it from.")
        url = joined(session.client.base_url + "/", self.download_url)
        with session.using():
            session.send(Request("GET", url, outside=True, into=lambda: path.open("wb")))
        found = Content(path)
        if found.checksum != self.checksum:
            raise ContractError(
                f"{self!r}: the {found.size} bytes that the storage sent are not those that it was made "
                "of: their SHA-256 is another one."
            )


class Attachment(SimvueObject):
    """An artifact belongs to a run, as "code", "input" or "output"; what ``attach_to_run`` says."""

    id = None  # type: ignore[assignment]
    run = fields.ForeignKey(Run, required=True, write_once=True)
    artifact = fields.ForeignKey(Artifact, required=True, write_once=True)
    category = fields.String(required=True, write_once=True, validate=validate.OneOf(CATEGORIES))

    class Meta:
        keyless = True
        endpoint = "runs/{run}/artifacts/{artifact}"
        dialect_options = {"put": True, "shape": part("category"), "whole": "artifact"}


class FileArtifact(Artifact):
    """A file."""

    class Meta:
        polymorphic_identity = "file"

    @classmethod
    def new(
        cls,
        *,
        name: str,
        file_path: str | Path,
        storage: str | None = None,
        mime_type: str | None = None,
        metadata: dict[str, Any] | None = None,
        snapshot: bool = False,
        upload_timeout: float | None = None,
        **values: Any,
    ) -> Self:
        """Return an artifact of a file, which ``commit()`` makes and uploads.

        The file is read now for its checksum, and again when it is sent: *snapshot* keeps what it is
        now, in memory, and beside the journal of its session. *upload_timeout* is in seconds, for each
        step of the upload, in the place of the client's. Raises OSError for a file that can't be read,
        ValueError for a time that is none.
        """
        path = Path(file_path).expanduser()
        content = Content(path.read_bytes() if snapshot else path, timeout=upload_timeout)
        kind = mime_type or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return cls(
            original_path=str(path.absolute()),
            **_told(name, content, kind, storage, metadata),
            **values,
        )


class ObjectArtifact(Artifact):
    """An object of Python."""

    class Meta:
        polymorphic_identity = "object"

    @classmethod
    def new(
        cls,
        *,
        name: str,
        obj: Any,
        storage: str | None = None,
        metadata: dict[str, Any] | None = None,
        allow_pickling: bool = False,
        upload_timeout: float | None = None,
        **values: Any,
    ) -> Self:
        """Return an artifact of an object, which ``commit()`` makes and uploads.

        *upload_timeout* is as for a file. Raises TypeError for an object that can only be pickled,
        unless *allow_pickling*.
        """
        written, kind = serialise(obj, allow_pickling=allow_pickling)
        content = Content(written, timeout=upload_timeout)
        return cls(**_told(name, content, kind, storage, metadata), **values)

    def load(self, *, allow_pickling: bool = False) -> Any:
        """Download it and return the object; a pickle, which may run anything, only if that is allowed.

        Raises ValueError for bytes that are not what the media type says.
        """
        content = b"".join(self.download_content())
        return deserialise(content, self.mime_type or "", allow_pickling=allow_pickling)


def _told(
    name: str,
    content: Content,
    mime_type: str,
    storage: str | None,
    metadata: dict[str, Any] | None,
) -> dict[str, Any]:
    told = {
        "name": name,
        "mime_type": mime_type,
        "size": content.size,
        "checksum": content.checksum,
        "content": content,
    }
    told |= {} if storage is None else {"storage": storage}
    return told | ({} if metadata is None else {"metadata": metadata})


def _is_known(session: Any, key: Any) -> bool:
    return session.identity.get(Artifact, key) is not None


__all__ = ["Artifact", "Attachment", "FileArtifact", "ObjectArtifact"]
