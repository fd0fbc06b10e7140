"""Commit, apply and undo: from what there is to send to the report of what became of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from objmapper import conflicts, interrupt, offline, planning, settling, signals, undoing
from objmapper.exceptions import CommitError, CommitInterrupted, JournalError, cut
from objmapper.interrupt import orderly
from objmapper.operation import Fate, Outcome, Plan
from objmapper.progress import Progress, progress_bar
from objmapper.report import CommitReport
from objmapper.sending import Sender
from objmapper.state import Lifecycle
from objmapper.transport import patience
from objmapper.unitofwork import Commit


def commit(
    session: Any,
    chosen: planning.Chosen,
    fields: frozenset[str] | None = None,
    *,
    workers: int | None = None,
    on_error: str = "stop",
    progress: bool | Progress = False,
    deadline: float | None = None,
    on_conflict: conflicts.OnConflict = "error",
    done: Sequence[tuple[str, Any]] = (),
) -> CommitReport:
    """Find out, ask, plan, send: all of `Session.commit`, for what is *chosen*.

    *done*: kinds and objects of what earlier processes have done, for the report.
    """
    _check_options(workers, on_error, deadline, progress)
    conflicts.check(on_conflict)
    if session.offline:
        offline.speak_for(session, [obj for objects in chosen() for obj in objects])
    run = Run(session, workers, progress, deadline)
    with run.looking():
        if session.journal is not None:
            session.journal.bind(session, chosen, run.wait)
        settled = _settled_first(session, chosen, run)
    vetoed = planning.ask_receivers(session, chosen, fields)
    if session.journal is not None and planning.has_receivers():
        session.journal.bind(session, chosen, run.wait)  # what they have added
    planned = planning.plan(session, *chosen(), fields, vetoed)
    return _run(run, planned, settled, on_error, on_conflict, done)


def undo(
    session: Any,
    report: CommitReport,
    *,
    workers: int | None = None,
    progress: bool | Progress = False,
) -> CommitReport:
    """Take back what a commit did: all of `Session.undo`."""
    _check_options(workers, "undo", None, progress)
    if session.offline:
        offline.cannot_undo()
    undoing.check(session, report)
    planning.tell_begin(session)
    run = Run(session, workers, progress)
    with orderly(run.interrupt):
        run.take_back(report)
        assert report.undoing is not None
        return run.ended(report.undoing)


def apply(
    session: Any,
    planned: Plan,
    *,
    workers: int | None = None,
    on_error: str = "stop",
    progress: bool | Progress = False,
    deadline: float | None = None,
    on_conflict: conflicts.OnConflict = "error",
) -> CommitReport:
    """Send exactly this plan: all of `Session.apply`; receivers may veto, and change nothing."""
    _check_options(workers, on_error, deadline, progress)
    conflicts.check(on_conflict)
    if not isinstance(planned, Plan):
        raise TypeError(
            f"What is applied is a plan, as session.plan() returns it, not {planned!r}. "
            "Plan.from_json(data, session) reads one that was written."
        )
    chosen, run = planning.chosen_by(planned), Run(session, workers, progress, deadline)
    if session.journal is not None:
        # What is done already stands in no plan, and waits to be bound all the same.
        with run.looking():
            session.journal.bind(session, session.members.pending, run.wait)
    planning.refuse_stale(session, planned)
    vetoed = planning.ask_receivers(session, chosen, None)
    planning.refuse_stale(session, planned, by=", by a receiver that may only veto")
    if vetoed:
        planned = planning.plan(session, *chosen(), vetoed=(*planned.left_out, *vetoed))
    return _run(run, planned, (), on_error, on_conflict)


def _run(
    run: Run,
    planned: Plan,
    settled: Sequence[Outcome],
    on_error: str,
    on_conflict: conflicts.OnConflict,
    done: Sequence[tuple[str, Any]] = (),
) -> CommitReport:
    session = run.session
    conflicts.check_names(on_conflict, planned)
    transient = Lifecycle.TRANSIENT
    for change in planned.changes:
        if change.object._state.lifecycle is transient:
            session.members.add(change.object)  # what pending objects refer to comes along
    if session.offline:
        return _kept(session, planned)
    with orderly(run.interrupt):
        report = run.send(
            planned,
            stops=on_error != "continue",
            settled=settled,
            done=done,
            on_conflict=on_conflict,
        )
        if on_error == "undo" and report.outcomes and run.went_wrong and not run.interrupted:
            run.take_back(report)
        return run.ended(report)


def _kept(session: Any, planned: Plan) -> CommitReport:
    """Leave a plan to an online session, and return what is kept. Raises CommitError for what is not."""
    report = offline.kept(session, planned)
    _tell_end(session, report)
    if report.skipped or report.uncertain:
        raise CommitError(str(report), report)
    return report


def _tell_end(session: Any, report: CommitReport) -> None:
    """Tell ``post_commit`` receivers; what one of them commits ends untold, or it would be told for ever."""
    telling = session.members.asking
    if signals.post_commit.receivers and "post_commit" not in telling:
        telling.add("post_commit")
        try:
            report.errors += signals.post_commit.announce(
                type(session), session=session, report=report
            )
        finally:
            telling.discard("post_commit")


def _check_options(workers: Any, on_error: Any, deadline: Any, progress: Any) -> None:
    """Raise ValueError for options that make no sense, before anything is asked or sent."""
    if on_error not in ("stop", "continue", "undo"):
        raise ValueError(f"on_error is 'stop', 'continue' or 'undo', not {on_error!r}.")
    if workers is not None and not (isinstance(workers, int) and workers > 0):
        raise ValueError(f"workers is 1 or more, not {workers!r}.")
    if deadline is not None and not _is_time(deadline):
        raise ValueError(
            f"deadline is a number of seconds above 0, not {cut(deadline)}. Nothing was sent; without "
            "one a commit takes the time that it needs."
        )
    if progress and not (progress is True or callable(progress)):
        raise ValueError(
            "progress is True, or a callable that takes how many operations are through, of how "
            f"many; not {progress!r}."
        )


def _is_time(seconds: Any) -> bool:
    """Whether a clock can be that many seconds ahead."""
    try:
        return isinstance(seconds, int | float) and float(seconds) > 0
    except OverflowError:
        return False


def _settled_first(session: Any, chosen: planning.Chosen, run: Run) -> list[Outcome]:
    """Return what an earlier commit has sent, and what turns out to be done."""
    uncertain = session.members.uncertain
    if not uncertain or session.offline:
        return []
    objects, deleted = chosen()
    before = {id(outcome.operation): outcome for _, outcome in uncertain.values()}
    found = settling.first(session, [*planning.closure(session, objects), *deleted], run.wait)
    for outcome in found if session.journal is not None else ():
        session.journal.note(outcome)
    still = {id(outcome.operation): outcome for _, outcome in uncertain.values()}
    for outcome in (*found, *still.values()):
        run.requests += outcome.requests - before[id(outcome.operation)].requests
        run.retries += outcome.retries - before[id(outcome.operation)].retries
    return found


class Run:
    """One call of commit, apply or undo: what is looked up, the plan that is sent, and that of its undo.

    *deadline*: nothing more is begun so many seconds from now; what an undo does has none.
    """

    def __init__(
        self,
        session: Any,
        workers: int | None,
        progress: bool | Progress,
        deadline: float | None = None,
    ) -> None:
        self.session, self.workers, self.progress = session, workers, progress
        self.until = None if deadline is None else time.monotonic() + deadline
        self.commit: Commit | None = None
        self.interrupted = False
        #: What went out again of what an earlier commit had sent.
        self.requests = self.retries = 0

    def wait(self, seconds: float) -> bool:
        """Wait that long, or till the deadline, or for Ctrl-C; return whether to go on."""
        return interrupt.wait(seconds, self._is_over)

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Have the block ask what became of what was sent before, as long as there is time to."""
        with orderly(self.interrupt), patience.until(self._is_over):
            yield

    def _is_over(self) -> bool:
        return self.interrupted or (self.until is not None and time.monotonic() >= self.until)

    @property
    def went_wrong(self) -> bool:
        """Whether something failed of what was sent, or was not sent although nobody vetoed it."""
        return self.commit is not None and any(
            outcome.fate is not Fate.DONE
            and not (outcome.fate is Fate.SKIPPED and not outcome.error)
            for outcome in self.commit.outcomes.values()
        )

    def send(
        self,
        plan: Plan,
        *,
        stops: bool,
        what: str = "commit",
        **options: Any,
    ) -> CommitReport:
        """Send a plan, and return what became of it."""
        workers = self.session.client.workers if self.workers is None else self.workers
        with progress_bar(self.progress, len(plan.operations), what) as told:
            sender = Sender(self.session, workers, stops=stops, deadline=self.until)
            self.commit = Commit(self.session, plan, sender, progress=told, **options)
            if self.interrupted:
                self.commit.interrupt()
            report = self.commit.run()
        report.requests, self.requests = report.requests + self.requests, 0
        report.retries, self.retries = report.retries + self.retries, 0
        self.interrupted = self.interrupted or self.commit.interrupted
        return report

    def take_back(self, report: CommitReport) -> None:
        """Undo what *report* says is done, and enter there what became of that."""
        self.until = None
        try:
            with patience.until(self._is_over):
                planned = undoing.plan(self.session, report, self.wait)
        except KeyboardInterrupt:  # the second one, or somebody's own
            self.interrupted = True
            planned = undoing.untouched(report)
        except Exception as error:  # whatever a dialect meets: the report is not lost for that
            planned = undoing.untouched(report, error)
        if self.session.journal is not None:
            self.session.journal.give_up(undoing.given_up(report))
        places = undoing.places(report)
        try:
            report.undoing = self.send(planned, stops=False, what="undo")
        except JournalError as error:  # then nothing was sent
            left = undoing.untouched(report, error)
            report.undoing = self.send(left, stops=False, what="undo")
        report.take_back(report.undoing.undone.objects)
        self.session.members.sort(places)

    def interrupt(self) -> None:
        """Ctrl-C: see ``Commit.interrupt``."""
        self.interrupted = True
        if self.commit is not None:
            self.commit.interrupt()

    def ended(self, report: CommitReport) -> CommitReport:
        """Tell ``post_commit`` receivers. Raises CommitError unless everything is done."""
        _tell_end(self.session, report)
        broken = None if self.commit is None else self.commit.sender.broken
        if broken is not None:
            raise CommitError(f"{broken} The commit: {report}", report)
        if self.interrupted:
            raise CommitInterrupted(f"The commit was interrupted: {report}", report)
        report.raise_for_failed()
        return report
