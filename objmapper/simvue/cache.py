"""What simvue's own client has left in its offline cache is sent, as what a journal holds is.

A journal beside the files knows each object by the original's name for it, so that it may be ended at
any time and run again: nothing is sent twice. What is sent is taken out of the cache, and its id is
told there, as the original does; what is not stays.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from objmapper import encoding
from objmapper.exceptions import (
    CommitError,
    CommitInterrupted,
    JournalError,
    ObjMapperError,
    ValidationError,
)
from objmapper.offline import refuse
from objmapper.report import CommitReport
from objmapper.session import Session
from objmapper.simvue import cachefiles
from objmapper.simvue.cachefiles import Kept, Unfit
from objmapper.simvue.client import session_for
from objmapper.simvue.configuration import Configuration
from objmapper.simvue.runs import Run
from objmapper.state import is_dirty, is_new

#: Who is known by which name, in the cache itself.
JOURNAL = "imported.journal"
_LOCK = "sender.lock"
_HINT = (
    "If it is there, write its id into a file of its name in server_ids, or delete the file if it has no "
    "id; import_cache(settle=lambda path: None) sends it again."
)


@dataclass
class Imported:
    """What became of a cache."""

    #: What was done, in two steps: the objects, then how alerts stand in runs.
    reports: list[CommitReport] = field(default_factory=list)
    #: Why files are still there.
    left: dict[Path, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether all of it was sent."""
        return not self.left

    def __str__(self) -> str:
        done = sum(
            len(report.created) + len(report.existing) + len(report.updated)
            for report in self.reports
        )
        lines = [f"  {path}: {why}" for path, why in self.left.items()]
        return "\n".join([f"{done} done, {len(self.left)} files left", *lines])


#: Is asked of a file that may have been sent: the id of what the server has, None for nothing.
Settle = Callable[[Path], str | None]


def import_cache(
    directory: str | Path | None = None, *, client: Any = None, settle: Settle | None = None
) -> Imported:
    """Send what simvue's own client has kept offline in *directory*, and return what became of it.

    That is the configured cache where none is named; *client* is that of the current session, or of the
    user's own server. Whatever does not depend on what failed is sent; what is left is told, file by
    file. Where an answer was lost, a file stays, as what it tells may be there: *settle* takes its path
    and returns the id of what the server has, or None to send it again.

    Raises JournalError where there is no cache, and while another sender is at work there;
    CommitInterrupted.
    """
    place = Configuration.offline() if directory is None else Path(directory).expanduser()
    if not place.is_dir():
        raise JournalError(
            f"There is no cache at {place}: give the folder that has runs, events and so on in it."
        )
    if client is None:
        session = session_for()
        refuse(session, "import_cache()")
        client = session.client
    with closing(Session(client, journal=place / JOURNAL)) as session, _alone(place):
        return _Import(session, place, settle).done()


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Keep the original's sender away, as it keeps others away. Raises JournalError."""
    lock = place / _LOCK
    pid = 0
    with suppress(OSError, ValueError):
        pid = int(lock.read_text(encoding="utf-8"))
    if pid != os.getpid() and _lives(pid):
        raise JournalError(
            f"A sender of Simvue's own, process {pid}, is at work in {place}: wait for its end."
        )
    lock.write_text(str(os.getpid()), encoding="utf-8")
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _lives(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is somebody else's
        pass
    return True


class _Import:
    """One pass over a cache."""

    def __init__(self, session: Any, place: Path, settle: Settle | None) -> None:
        self.session, self.place, self.settle = session, place, settle
        self.imported = Imported()
        self.ids = cachefiles.server_ids(place)
        #: The objects by the original's names for them.
        self.objects: dict[str, Any] = {}
        self.find = cachefiles.referred(self.objects, self.ids)
        #: The new ones by their natural keys.
        self.named: dict[tuple[str, str], Any] = {}
        #: What each file has become: its object, and what it says of that and of runs.
        self.taken: list[tuple[Kept, list[Any]]] = []
        #: Why objects were not sent, by id.
        self.errors: dict[int, str] = {}

    def done(self) -> Imported:
        for path in cachefiles.files(self.place):
            with self._left(path):
                self._take(cachefiles.kept(path))
        self._commit()
        if self.settle is not None and self._settled(self.settle):
            self._commit()
        for file, parts in self.taken:
            if file.folder == "alerts":  # a run has its alerts by now
                with self._left(file.path):
                    parts += self._add_of_two(file, parts[0])
        self._commit()
        for file, parts in self.taken:
            self._leave(file, parts)
        self._tell_of_runs()
        return self.imported

    @contextmanager
    def _left(self, path: Path) -> Iterator[None]:
        """Remember why a file can't be sent."""
        try:
            yield
        except Unfit as why:
            self.imported.left[path] = str(why)

    def _take(self, file: Kept) -> None:
        obj = self._there(file) if file.id in self.ids else self._new(file)
        # How an alert stands in runs is said when those have it.
        parts = [] if file.folder == "alerts" else self._add_of_two(file, obj)
        if is_new(obj) and obj not in self.session:
            self.session.add(obj, tag=file.id)
        self.objects[file.id] = obj
        self.taken.append((file, [obj, *parts]))

    def _there(self, file: Kept) -> Any:
        """Return an object that was sent before, with what its file says by now."""
        obj: Any = file.kind.objects.using(self.session).reference(self.ids[file.id])
        try:
            cachefiles.changed(file, obj, self.find)
            obj.validate()
        except (Unfit, ValidationError) as error:
            self.session.expunge(obj)
            raise Unfit(str(error)) from None
        return obj

    def _new(self, file: Kept) -> Any:
        """Return a new object; one that another file makes as well is made once, as both say."""
        obj = _valid(cachefiles.made(file, self.find))
        name = encoding.name_of(obj, None, lambda field, value: None)
        if name is None:
            return obj
        found = self.named.setdefault((file.folder, name), obj)
        if found is not obj:
            cachefiles.changed(file, found, self.find)
        return found

    def _add_of_two(self, file: Kept, obj: Any) -> list[Any]:
        found = [(n, _valid(said)) for n, said in cachefiles.said_of_two(file, obj, self.find)]
        for name, said in found:
            self.session.add(said, tag=f"{file.id} {name}")
        return [said for _, said in found]

    def _commit(self) -> None:
        """Send what is pending; what fails is told of the files later."""
        self.errors.clear()
        try:
            report: CommitReport = self.session.commit(on_error="continue")
        except CommitInterrupted:
            raise
        except CommitError as error:
            report = error.report
        self.imported.reports.append(report)
        for entries in (report.failed, report.skipped, report.conflicts):
            for entry in entries:
                self.errors[id(entry.object)] = str(entry.error or "it waits for another one")
        for entry in report.uncertain:
            self.errors[id(entry.object)] = f"it may have been sent: {entry.error} {_HINT}"

    def _settled(self, settle: Settle) -> bool:
        """Let somebody say what became of what may have been sent; return whether there was any."""
        lost = [(file, obj) for file, (obj, *_) in self.taken if self.session.is_uncertain(obj)]
        for file, obj in lost:
            self.session.settle(obj, found=settle(file.path))
        return bool(lost)

    def _leave(self, file: Kept, parts: list[Any]) -> None:
        """Take a file out of the cache that was sent, and write down the object's id."""
        obj = parts[0]
        if not is_new(obj) and type(obj).__mapper__.has_key:
            self.ids[file.id] = obj.id
            told = self.place / cachefiles.IDS / f"{file.id}.txt"
            told.parent.mkdir(exist_ok=True)
            told.write_text(obj.id, encoding="utf-8")
        waiting = [part for part in parts if is_new(part) or is_dirty(part)]
        if waiting:
            told_why = (self.errors.get(id(part)) for part in waiting)
            self.imported.left[file.path] = next(filter(None, told_why), "it was not sent")
        elif file.path in self.imported.left or not file.path.exists():
            return
        elif file.path.read_bytes() != file.text:
            self.imported.left[file.path] = "it was written to meanwhile: send it again"
        else:
            file.path.unlink()
            if file.content is not None and file.content.parent == file.path.parent:
                file.content.unlink(missing_ok=True)

    def _tell_of_runs(self) -> None:
        """Send the heartbeats of runs that go on; forget those that are over, once all is sent."""
        for path in sorted(self.place.glob("runs/*.heartbeat")):
            if path.stem in self.ids and not path.with_suffix(".closed").exists():
                try:
                    Run.objects.using(self.session).reference(self.ids[path.stem]).send_heartbeat()
                except ObjMapperError as error:
                    self.imported.left[path] = str(error)
        for path in [] if self.imported.left else sorted(self.place.glob("runs/*.closed")):
            (self.place / cachefiles.IDS / f"{path.stem}.txt").unlink(missing_ok=True)
            path.with_suffix(".heartbeat").unlink(missing_ok=True)
            path.unlink()


def _valid(obj: Any) -> Any:
    """Return an object that may be sent. Raises Unfit for any other."""
    try:
        obj.validate()
    except ValidationError as error:
        raise Unfit(str(error)) from None
    return obj


__all__ = ["Imported", "import_cache"]
