"""Offline sessions: a commit checks everything and writes it down, and an online session sends it.

What it is written to is a journal, as that of any session: what was kept is what a process would leave
that died before its first request.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, NoReturn

from objmapper import planning
from objmapper.client import Client
from objmapper.dialects import find_dialect
from objmapper.exceptions import OfflineError, SessionError
from objmapper.operation import Fate, Operation, Outcome, Plan, Request, Response
from objmapper.report import CommitReport

#: No such host can be (RFC 6761).
_NOWHERE = "http://offline.invalid"


class Nowhere(Client):
    """The client of a server that nobody has named yet; it speaks as the first models say."""

    def __init__(self) -> None:
        super().__init__(_NOWHERE)
        #: Whether its dialect is known.
        self.speaks = False

    def send(self, request: Request) -> Response:
        raise refusal(f"{request.method} {request.shown_path}")

    def speak(self, dialect: str) -> None:
        """Take the dialect of that name. Raises LookupError where there is none."""
        self.dialect, self.speaks = find_dialect(dialect), True

    def agree(self, facts: dict[str, str]) -> dict[str, str]:
        """Return what a journal is to know of the server; what it knows already counts here."""
        if not self.speaks and "dialect" in facts:
            self.speak(facts["dialect"])
        return {"dialect": self.dialect.name} if self.speaks else {}


def refusal(what: str) -> OfflineError:
    """Return the error for what only a server can do."""
    return OfflineError(
        f"{what}: this session is offline, so it sends nothing and reads nothing. Commits are kept in its "
        "journal; do this in an online session, after `python -m objmapper dispatch` has sent them."
    )


def refuse(session: Any, what: str) -> None:
    """Raise OfflineError where a session is offline: *what* can't wait in a journal."""
    if session.offline:
        raise refusal(what)


def is_open(session: Any) -> bool:
    """Whether a session is offline, and nothing has told its dialect as yet."""
    return isinstance(session.client, Nowhere) and not session.client.speaks


def speak(session: Any, dialect: str) -> None:
    """Let a session speak a dialect, if it is offline and nothing has told one as yet."""
    if is_open(session):
        session.client.speak(dialect)
        session.dialect = session.client.dialect
        session.journal.check_server()


def speak_for(session: Any, objects: Iterable[Any]) -> None:
    """Let a session speak the dialect that its objects' registry has.

    Raises SessionError for objects whose server speaks another one.
    """
    if not isinstance(session.client, Nowhere):
        return
    for obj in objects:
        told = type(obj).__mapper__.registry.dialect
        if told is not None:
            speak(session, told)
            if session.client.dialect.name != told:
                raise SessionError(
                    f"{obj!r} is of a server that speaks {told!r}, and this journal, "
                    f"{session.journal.path!r}, is of one that speaks {session.client.dialect.name!r}: "
                    "give each server an offline journal of its own."
                )


def kept(session: Any, plan: Plan) -> CommitReport:
    """Write what a plan would send, and return the report: what is new there is pending.

    What waits there as it is already is not written again. Raises JournalError where the disk does not
    take it; then nothing was.
    """
    started = time.perf_counter()
    report = CommitReport(of=session.ref)
    outcomes, going = [], []
    lost: dict[int, Operation] = {}
    for operation in plan:
        before = [lost[number] for number in sorted(operation.after) if number in lost]
        waits = (*operation.held_by, *(obj for each in before for obj in each.objects))
        if waits:
            lost[operation.number] = operation
            outcomes.append(Outcome(operation, Fate.SKIPPED, waited_for=waits))
        else:
            going.append(operation)
    for operation in session.journal.keep(session, going):
        report.add(Outcome(operation, Fate.PENDING))
    for outcome in outcomes:
        report.add(outcome)
    for left_out in plan.left_out:
        report.leave_out(left_out)
    report.seconds = time.perf_counter() - started
    return report


def waiting(session: Any) -> tuple[list[Any], list[Any]]:
    """Return what no commit has kept as it is now: objects to write, and those to delete."""
    objects, deleted = session.members.pending()
    changes = planning.changes_of(planning.closure(session, objects), deleted)
    said = planning.by_object(changes)
    fresh = session.journal.unkept([change.object for change in changes], said)
    gone = {id(obj) for obj in deleted}
    return [o for o in fresh if id(o) not in gone], [o for o in fresh if id(o) in gone]


def cannot_undo() -> NoReturn:
    """Raise OfflineError: what was kept is taken back otherwise."""
    raise OfflineError(
        "Nothing was sent, so nothing can be undone: session.expunge(obj), or session.delete(obj) of a "
        "new one, takes back what is kept of it."
    )


__all__ = [
    "Nowhere",
    "cannot_undo",
    "is_open",
    "kept",
    "refusal",
    "refuse",
    "speak",
    "speak_for",
    "waiting",
]
