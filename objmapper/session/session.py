"""Session: one unit of work with its identity map. It delegates everything.

A session is used by one thread at a time, and may pass from thread to thread. It never commits by
itself; leaving it with pending changes warns.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator
from contextvars import Token
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from objmapper import committing, offline, planning, reading, replanning, scope, settling, signals
from objmapper.client import Client
from objmapper.conflicts import OnConflict
from objmapper.exceptions import (
    ObjectDoesNotExist,
    SessionError,
)
from objmapper.models import Model
from objmapper.operation import Plan
from objmapper.progress import Progress
from objmapper.query import Query
from objmapper.replanning import Secrets
from objmapper.report import CommitReport
from objmapper.session.base import SessionBase
from objmapper.state import (
    is_dirty,
    is_new,
)

if TYPE_CHECKING:
    from types import TracebackType


M = TypeVar("M", bound=Model)
_UNSET: Any = object()
OnError = Literal["stop", "continue", "undo"]


class Session(SessionBase):
    """A unit of work: what was loaded, what changed, and the commit that sends it::

        with Session(client) as session:
            task = Task.objects.get(id=42)
            task.name = "renamed"
            session.commit()

    While ``with`` lasts it is the current one, which ``Task.objects`` asks; leaving it with pending
    changes warns, as it never commits by itself. ``in``, ``len`` and iteration tell what it knows and
    send nothing. *keep*: how many of the rows read last are kept alive beside what the program holds
    itself; ValueError for one below 0. *journal*: the path of a file that keeps what its commits mean to
    send and what became of it, so that a program that dies can go on; JournalError for one that can't
    serve. *offline*: the path of such a file, to which commits are only written: nothing is sent, and what
    would ask the server raises OfflineError; a session with that journal sends it, by ``recover()``. It
    needs no client. A session can't be pickled.

    One thread at a time uses it: else its methods raise SessionThreadError, and DetachedError after
    ``close()``.
    """

    def __init__(
        self,
        client: Client | None = None,
        *,
        keep: int = 1000,
        journal: str | os.PathLike[str] | None = None,
        offline: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__(client, keep=keep, journal=journal, offline=offline)
        self._tokens: list[Token[Any]] = []

    # -- the session of a context -----------------------------------------------------------------

    def __enter__(self) -> Self:
        self._open()
        self._tokens.append(scope.current.set(lambda: self))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        scope.current.reset(self._tokens.pop())
        if not self._tokens:
            try:
                if kind is None:
                    self.warn_of_pending()
            finally:
                self.close()

    def warn_of_pending(self, stacklevel: int = 3) -> None:
        """Warn of what was never sent; for the ``with`` statement that is left."""
        counts = {"new": self.new, "dirty": self.dirty, "deleted": self.deleted}
        if self.offline:
            written, deleted = offline.waiting(self)
            counts = {"new or dirty": written, "deleted": deleted}
        told = ", ".join(f"{len(found)} {name}" for name, found in counts.items() if found)
        if told:
            warnings.warn(
                f"A session is left with pending changes ({told}), which were not "
                f"{'kept' if self.offline else 'sent'}: it never "
                "commits by itself. Call session.commit(), or session.rollback().",
                stacklevel=stacklevel,
            )

    # -- what it holds ----------------------------------------------------------------------------

    @property
    def new(self) -> list[Any]:
        """The objects that the next commit creates."""
        return list(self.members.new.values())

    @property
    def dirty(self) -> list[Any]:
        """The objects whose changes the next commit sends."""
        return [obj for obj in self.members.candidates() if is_dirty(obj)]

    @property
    def deleted(self) -> list[Any]:
        """The objects that the next commit deletes."""
        return list(self.members.deleted.values())

    @property
    def uncertain(self) -> list[Any]:
        """The objects whose write met an unknown fate; they are not sent until that is settled."""
        return [obj for obj, _ in self.members.uncertain.values()]

    def __contains__(self, obj: object) -> bool:
        return not self.closed and obj in self.members

    def __iter__(self) -> Iterator[Any]:
        yield from self.identity
        yield from self.new

    def __len__(self) -> int:
        return len(self.identity) + len(self.members.new)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{len(self)} objects, {len(self.members.new)} new"
        return f"<Session of {self.client!r}: {state}>"

    # -- marking ----------------------------------------------------------------------------------

    def add(self, obj: Any, *, tag: str | None = None) -> None:
        """Mark a new object for the next commit, or attach a detached one; nothing is sent.

        New objects that it refers to, or was given as children, come along. One that is marked for
        deletion no longer is. *tag* is a name of yours, by which a journal knows the object when the
        program is run again. Raises SessionError for one of another session, for a detached one
        without a key, and where there is another object of its key (see ``merge``); TypeError for what
        is no model object, and for a tag that is no text.
        """
        with self.using():
            if tag is not None and not isinstance(tag, str):
                raise TypeError(f"A tag is text, as 'row-17', not {tag!r}.")
            self.members.add(obj)
            if tag is not None:
                self.members.tags[obj] = tag

    def add_all(self, objects: Iterable[Any]) -> None:
        """Mark several; see ``add``."""
        with self.using():
            for obj in objects:
                self.members.add(obj)

    def delete(self, obj: Any) -> None:
        """Mark an object for deletion by the next commit; a new one is just forgotten.

        Raises SessionError for one that is not in this session, or may have been created; TypeError
        for what is no model object.
        """
        with self.using():
            self.members.mark_deleted(obj)

    def expunge(self, obj: Any) -> None:
        """Take an object out of the session: a new one is transient again, others are detached.

        Its changes stay with it, unsent. Raises SessionError for one that is not in this session, and
        for one that a commit which is under way is about to send.
        """
        with self.using():
            self.members.expunge(obj)

    def merge(self, obj: M) -> M:
        """Bring a copy's changes into this session's object of the same key, and return that one.

        Without an object of that key, a copy of the copy is added. A newer row that waits for the
        object (``inspect(obj).theirs``) becomes its base; its changes stay. Nothing is sent.
        """
        with self.using():
            merged: M = self.members.merge(obj)
            return merged

    def rollback(self) -> None:
        """Forget what was not sent: new objects are transient again, changes and deletions undone.

        What a commit has sent stays sent, and what one of an offline session has kept stays kept.
        """
        with self.using():
            if self.offline and self.journal is not None:
                self.journal.leave(self)
            self.members.rollback()
            if self.journal is not None:
                self.journal.catch_up(self)
            if signals.post_rollback.receivers:
                signals.post_rollback.tell(type(self), session=self)

    # -- reading ----------------------------------------------------------------------------------

    def get(self, model: type[M], key: Any) -> M | None:
        """Return the object of that key: the identity map's without a request, None if there is none.

        What is known by its key alone is asked for. Raises QueryError for what can't be a key.
        """
        with self.using():
            mapper = model.__mapper__
            normalised = "" if mapper.singleton else mapper.asked_key(key)
            found = self.identity.get(mapper.root, normalised)
            if found is not None and (found._state.full or len(found._row) > 1):
                return found if isinstance(found, model) else None
            try:
                one: M = reading.one(self, Query(mapper), normalised)
            except mapper.model.DoesNotExist:
                return None
            return one

    def refresh(self, obj: Any) -> None:
        """Load an object anew; its changes are given up. Raises the model's DoesNotExist.

        What the server has settles an unknown fate, but for a new object: whether one that looks like
        it is the one, only the user can tell. Raises SessionError for those, and for strangers.
        """
        with self.using():
            if is_new(obj):
                unsure = " Look for it there, then expunge() it." * self.is_uncertain(obj)
                raise SessionError(f"{obj!r} is new: the server has not told its key.{unsure}")
            self.members.require(obj)
            try:
                reading.reload(self, obj, overwrite=True)
            except ObjectDoesNotExist:
                if id(obj) in self.members.deleted and self.is_uncertain(obj):
                    self.members.forget(obj)
                self.members.uncertain.pop(id(obj), None)
                raise
            self.members.uncertain.pop(id(obj), None)
            if obj._state.snapshots is None:
                self.members.touched.pop(id(obj), None)

    def settle(self, obj: Any, *, found: Any = _UNSET) -> bool:
        """Find out what became of a write whose fate is unknown; return whether it is known now.

        Without *found* the server is asked, as each later commit does. With it, it is what you know
        the server to have of *obj*: its key, or an object; None is nothing. So a new object is bound
        to what there is, or sent by the next commit; a deletion is done, or sent again. Of what is
        keyless, *obj* itself says that the server has it.

        Raises SessionError for an object of no unknown fate, DoesNotExist for a key that is not there.
        """
        with self.using():
            if found is not _UNSET or not self.is_uncertain(obj):
                settling.by_hand(self, obj, found)
            else:
                settling.first(self, [obj])
            if self.journal is not None:
                self.journal.catch_up(self)
            return not self.is_uncertain(obj)

    # -- committing -------------------------------------------------------------------------------

    def plan(self) -> Plan:
        """Return what a commit would send, in waves; nothing is sent and nothing changes.

        Raises ValidationError, CircularDependencyError.
        """
        with self.using():
            objects, deleted = self.members.pending()
            if self.offline:
                offline.speak_for(self, objects)
            if self.journal is None:
                return planning.plan(self, objects, deleted)
            with self.journal.bound(self, objects):
                return planning.plan(self, objects, deleted)

    def read_plan(self, data: Any, secrets: Secrets | None = None) -> Plan:
        """Return a plan that was written as JSON; what ``Plan.from_json`` asks."""
        with self.using():
            return replanning.replanned(self, data, secrets)

    def commit(
        self,
        *,
        workers: int | None = None,
        on_error: OnError = "stop",
        progress: bool | Progress = False,
        deadline: float | None = None,
        on_conflict: OnConflict = "error",
    ) -> CommitReport:
        """Send all pending changes in the right order.

        *workers* operations run side by side (default: what the dialect recommends). *on_error*:
        "stop" ends what is in flight and sends nothing more, "continue" goes on with what does not
        depend on what failed, "undo" stops and takes back what is done (see ``undo``). *progress*:
        True for a bar on standard error with rate and time left (extra ``progress``), or a callable
        that takes how many operations of how many are through; an undo is told anew. *deadline*:
        seconds after which nothing more is begun; what is left stays pending. No undo waits for it.

        *on_conflict*: what to do where somebody else has changed an object that has a version. "error"
        tells of it; "merge" takes each field from the side that has changed it, and tells of those that
        both have; there "overwrite" and "theirs" let one side win, a mapping names the side of each
        field, and a callable, which is given a MergeConflict, returns one of these.

        What an earlier commit has sent and met an unknown fate is looked up first, and stays unsent
        until that is settled.

        Each object becomes clean as its own answer arrives, so after a failure a second commit sends
        the rest. Without anything to send, the report is empty and nothing is sent.

        Raises ValidationError and CircularDependencyError before anything is sent; CommitError,
        whose ``report`` has every object with its outcome, unless everything went through. Ctrl-C
        lets what is in flight end and raises CommitInterrupted, with the report; a second one does
        not wait.
        """
        with self.using():
            return committing.commit(
                self,
                self.members.pending,
                workers=workers,
                on_error=on_error,
                progress=progress,
                deadline=deadline,
                on_conflict=on_conflict,
            )

    def recover(
        self,
        *,
        secrets: Secrets | None = None,
        workers: int | None = None,
        on_error: OnError = "stop",
        progress: bool | Progress = False,
        deadline: float | None = None,
        on_conflict: OnConflict = "error",
    ) -> CommitReport:
        """Finish what earlier processes have begun, as the journal tells it; the rest is as for ``commit``.

        What was sent and has no answer is looked up first, what was not done is sent. The report is of
        all that the journal tells: what was done before, or is found to be, stands in it, too; its
        requests are those of this call. Without anything to finish nothing is sent.

        *secrets* tells the values of write-only fields, which are never written to disk: it is called
        with an object, the field's name and the object's tag. Raises JournalError, before anything is
        sent, where one is needed that it does not tell, or where a model is not declared in this
        process; SessionError for a session without a journal.
        """
        with self.using():
            if self.journal is None:
                raise SessionError("This session has no journal: Session(client, journal=path).")
            offline.refuse(self, "recover()")
            with self.journal.recovered(self, secrets) as (chosen, done):
                return committing.commit(
                    self,
                    chosen,
                    workers=workers,
                    on_error=on_error,
                    progress=progress,
                    deadline=deadline,
                    on_conflict=on_conflict,
                    done=done,
                )

    def apply(
        self,
        plan: Plan,
        *,
        workers: int | None = None,
        on_error: OnError = "stop",
        progress: bool | Progress = False,
        deadline: float | None = None,
        on_conflict: OnConflict = "error",
    ) -> CommitReport:
        """Send exactly *plan*, and nothing else that has changed; the rest is as for ``commit``.

        ``pre_`` receivers may veto; they may not change what it sends. Raises StalePlanError, before
        anything is sent, if the objects are not as they were when it was made.
        """
        with self.using():
            return committing.apply(
                self,
                plan,
                workers=workers,
                on_error=on_error,
                progress=progress,
                deadline=deadline,
                on_conflict=on_conflict,
            )

    def undo(
        self,
        report: CommitReport,
        *,
        workers: int | None = None,
        progress: bool | Progress = False,
    ) -> CommitReport:
        """Take back what a commit of this session did; return what became of that.

        What was created is deleted, and is new in the session again; what was updated gets back what
        it had, and has its changes again; edits made since stay. What the commit left uncertain is
        settled first. Nothing is overwritten that somebody changed since: what the server has is read
        and compared before. What was deleted stays so.

        Raises CommitError unless all of it is taken back: its ``report`` has ``undone``, and what is
        not, with the reason; CommitInterrupted for Ctrl-C. A second call tries the rest. Raises
        SessionError where nothing is left, and for a report of another session.
        """
        with self.using():
            return committing.undo(self, report, workers=workers, progress=progress)

    def commit_objects(
        self,
        objects: Iterable[Any],
        *,
        fields: Iterable[str] | None = None,
        workers: int | None = None,
        on_error: OnError = "stop",
        progress: bool | Progress = False,
        deadline: float | None = None,
        on_conflict: OnConflict = "error",
    ) -> CommitReport:
        """Send the changes of *objects* alone, with the pending parents they refer to.

        *fields*: whose changes are sent; None is all. Raises as ``commit``, and SessionError.
        """
        with self.using():
            chosen = self._own(objects)
            deleted = [obj for obj in chosen if id(obj) in self.members.deleted]
            names = None if fields is None else frozenset(fields)
            return committing.commit(
                self,
                lambda: (chosen, deleted),
                names,
                workers=workers,
                on_error=on_error,
                progress=progress,
                deadline=deadline,
                on_conflict=on_conflict,
            )

    def delete_objects(
        self,
        objects: Iterable[Any],
        *,
        workers: int | None = None,
        on_error: OnError = "stop",
        progress: bool | Progress = False,
        deadline: float | None = None,
        on_conflict: OnConflict = "error",
    ) -> CommitReport:
        """Delete *objects* now, and nothing else; new ones are just forgotten.

        The rest is as for ``commit``. Raises SessionError for an object of another session.
        """
        with self.using():
            chosen = self._own(objects)
            known = [obj for obj in chosen if not is_new(obj)]
            for obj in chosen if len(known) < len(chosen) else ():
                if is_new(obj):
                    self.members.mark_deleted(obj)
            return committing.commit(
                self,
                lambda: ([], known),
                workers=workers,
                on_error=on_error,
                progress=progress,
                deadline=deadline,
                on_conflict=on_conflict,
            )

    def _own(self, objects: Iterable[Any]) -> list[Any]:
        chosen = list(objects)
        for obj in chosen:
            self.members.check(obj)
        return chosen
