"""The unit of work: what changed goes out in order, and what the server answers comes back.

``Commit.run`` is the loop that sends a plan.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from objmapper import answering, conflicts, naturalkey, ordering, planning, settling, signals
from objmapper.exceptions import JournalError, ObjMapperError, SessionError, TransportError
from objmapper.judging import Verdict, is_refusal
from objmapper.operation import (
    CONFLICT,
    CREATE,
    DONE,
    UNCERTAIN,
    Fate,
    Kind,
    Operation,
    Outcome,
    Plan,
)
from objmapper.progress import Progress
from objmapper.report import CommitReport, was_there
from objmapper.sending import Sender, is_contested
from objmapper.transport import patience

_T = TypeVar("_T")
_POST: dict[str, signals.ModelSignal] = {
    Kind.CREATE: signals.post_create,
    Kind.UPDATE: signals.post_update,
    Kind.DELETE: signals.post_delete,
}


class Commit:
    """One run of a plan: what is sent, what comes back, what is told of it."""

    def __init__(
        self,
        session: Any,
        plan: Plan,
        sender: Sender,
        *,
        progress: Progress | None = None,
        settled: Sequence[Outcome] = (),
        on_conflict: conflicts.OnConflict = "error",
        done: Sequence[tuple[str, Any]] = (),
    ) -> None:
        self.session, self.plan, self.sender = session, plan, sender
        self.stops, self.progress = sender.stops, progress
        self.retries: int = session.client.retries
        self.journal: Any = session.journal
        #: What an earlier commit has sent and turned out to be done.
        self.settled = settled
        #: What earlier processes have done.
        self.done = done
        self.outcomes: dict[int, Outcome] = {}
        #: What failed, was skipped or is uncertain, by number: what waits for it is skipped.
        self.lost: dict[int, Operation] = {}
        #: What is of unknown fate as yet; of what goes again, how it was before, and how often.
        self.unsure: dict[int, Outcome] = {}
        self.earlier: dict[int, Outcome] = {}
        self.tries: Counter[int] = Counter()
        #: What goes in another form than was planned, by number.
        self.rewritten: dict[int, Operation] = {}
        self.errors: list[Exception] = []
        self.interrupted = False
        #: What was refused as if for a version; who finds out, where the plan has versions.
        self.contested: dict[int, Outcome] = {}
        guarded = any(operation.guard for operation in plan)
        self.referee = conflicts.Referee(session, on_conflict, self.errors) if guarded else None

    def run(self) -> CommitReport:
        """Send the plan wave by wave, and return what became of it."""
        started = time.perf_counter()
        self.begin()
        for outcome in self.settled:
            self.tell(outcome.operation)
        try:
            for wave in self.plan.waves:
                with patience.until(self.is_over):
                    self.send(self.ready(wave))
                if self.journal is not None:
                    self.write_down()
                self.line_up(wave)
                self.announce(wave)
        except KeyboardInterrupt:  # the second one, or somebody's own
            self.interrupt()
        finally:
            self.end()
        if self.journal is not None:
            self.write_down()
        return self.report(time.perf_counter() - started)

    def is_over(self) -> bool:
        """Whether nothing goes again any more: after Ctrl-C, and the deadline."""
        return self.interrupted or self.sender.is_late()

    def begin(self) -> None:
        """Enter what is to be sent. Raises SessionError if another commit is about to send it."""
        under_way = self.session.members.under_way
        objects = [change.object for change in self.plan.changes]
        for obj in objects if under_way else ():
            if id(obj) in under_way:
                raise SessionError(
                    f"{obj!r} is sent by a commit that is under way, and would be sent twice: commit "
                    "it when that one has ended."
                )
        if self.journal is not None:
            self.journal.intend(self.session, self.plan)
        self.session.members.births.clear()  # peers are what one commit creates
        under_way.update(map(id, objects))
        models: Iterable[Any] = map(type, objects)
        for model in dict.fromkeys(models):  # or which class is first were chance
            self.session.identity.home(model.__mapper__.root)

    def rewrite(self, before: Operation, outcome: Outcome) -> None:
        """Remember an operation that was merged with what others have changed, in the journal too."""
        if outcome.operation is before:
            return
        self.rewritten[before.number] = outcome.operation
        if before.kind == Kind.DELETE and not outcome.operation.changes:
            self.lost[before.number] = (
                before  # it was let be: what is deleted after it would take it along
            )
        if self.journal is None:
            return
        try:
            self.journal.replace(self.session, before, outcome)
        except JournalError as error:
            self.sender.broken = error
            self.sender.stop()

    def write_down(self) -> None:
        """Have the journal keep what happened where a power failure leaves it."""
        try:
            self.journal.sync()
        except JournalError as error:
            self.sender.broken = error
            self.sender.stop()

    def ready(self, wave: list[Operation]) -> list[Operation]:
        """Return what of a wave waits for nothing that is lost; the rest is skipped."""
        ready, keyless = [], bool(self.session.members.keyless)
        for operation in wave:
            waited_for = self.lost_before(operation) if self.lost else operation.held_by
            if waited_for:
                self.note(Outcome(operation, Fate.SKIPPED, waited_for=waited_for))
            elif not self.sender.stopped:
                known = self.with_keys(operation) if keyless else operation
                if known is not None:
                    ready.append(known)
        return ready

    def send(self, waiting: list[Operation]) -> None:
        """Send a wave, and again what turns out not to be done."""
        while waiting:
            waiting = self.compared(waiting)
            for outcome in self.sender.send(waiting):
                self.take(outcome)
            self.settle()
            self.contend()
            if self.sender.stopped:
                return
            # What was held back by a pause, and what is to be begun again, maybe as another request.
            waiting = [op for op in waiting if op.number not in self.sender.begun]
            waiting = [self.rewritten.get(op.number, op) for op in waiting]
            self.sender.resume()

    def compared(self, waiting: list[Operation]) -> list[Operation]:
        """Return what goes, after a look at versions that no request can be made to meet."""
        if self.referee is None or self.sender.stopped:
            return waiting
        outcomes = self.referee.before(waiting)
        for before, outcome in zip(waiting, outcomes, strict=True):
            self.rewrite(before, outcome)
            if outcome.fate is not Fate.PENDING:
                self.note(outcome)
        return [outcome.operation for outcome in outcomes if outcome.fate is Fate.PENDING]

    def contend(self) -> None:
        """Find out what others have changed of what was refused; what may still go, goes again."""
        if self.referee is None or self.interrupted:
            return
        for outcome in self.referee.after(in_order(self.contested)):
            before = self.contested.pop(outcome.operation.number)
            self.rewrite(before.operation, outcome)
            if outcome.fate is Fate.PENDING:
                self.go_again(outcome)
            else:
                self.note(outcome)

    def settle(self) -> None:
        """Find out what became of operations of unknown fate; what is not done goes again."""
        unsure = in_order(self.unsure)
        for outcome, finding in settling.settled(self.session, unsure, self.sender.wait):
            if finding.verdict is Verdict.DONE:
                self.note(answering.found_done(self.session, outcome, finding.rows))
            elif finding.verdict not in (Verdict.NOT_DONE, Verdict.REPEAT):
                self.note(outcome._replace(why=finding.why))
            elif self.may_go_again(outcome):
                known = finding.verdict is Verdict.NOT_DONE
                self.tries[outcome.operation.number] += 1
                self.go_again(outcome._replace(fate=Fate.PENDING) if known else outcome)
            elif is_contested(outcome.operation, outcome.error):
                self.contested[outcome.operation.number] = self.unsure.pop(outcome.operation.number)
            else:
                known = finding.verdict is Verdict.NOT_DONE
                failed = outcome._replace(fate=Fate.FAILED, why=settling.NOT_DONE)
                self.note(failed if known else outcome)

    def may_go_again(self, outcome: Outcome) -> bool:
        """Whether what is not done is sent again: not what was refused, and nothing for ever."""
        if self.sender.stopped or is_refusal(outcome.error):
            return False
        return self.tries[outcome.operation.number] < self.retries

    def go_again(self, outcome: Outcome) -> None:
        """Have an operation sent again; *outcome* is what became of it if it never is."""
        number = outcome.operation.number
        self.earlier[number] = outcome
        self.unsure.pop(number, None)
        self.sender.begun.discard(number)

    def lost_before(self, operation: Operation) -> tuple[Any, ...]:
        """Return the objects that an operation waits for in vain."""
        lost = [self.lost[number] for number in sorted(operation.after) if number in self.lost]
        return (*operation.held_by, *(obj for before in lost for obj in before.objects))

    def with_keys(self, operation: Operation) -> Operation | None:
        """Look for the keys that a request needs and that no answer has told; None: there is none.

        What is read so tells what its objects had before, as well: it can be put back.
        """
        keyless = self.session.members.keyless
        waiting = [obj for obj in ordering.needs_of(operation) if obj in keyless]
        for obj in waiting:
            try:
                if obj in keyless:  # it did not come with another one's
                    naturalkey.find_key(self.session, obj)
            except ObjMapperError as error:
                self.note(Outcome(operation, Fate.SKIPPED, error=error, waited_for=(obj,)))
                return None
        if not waiting:
            return operation
        return operation.writing(tuple(map(naturalkey.with_base, operation.changes)))

    def take(self, outcome: Outcome) -> None:
        """Bring an answer into its objects, and remember what became of the operation."""
        if self.earlier and outcome.operation.number in self.earlier:
            outcome = settling.together(self.earlier[outcome.operation.number], outcome)
        if outcome.fate is DONE:
            outcome = answering.taken_in(self.session, outcome)
        if outcome.fate is UNCERTAIN:
            self.unsure[outcome.operation.number] = outcome
            if self.stops:
                self.sender.pause()  # also for an answer that makes no sense
        elif outcome.fate is CONFLICT:
            self.contested[outcome.operation.number] = outcome
        else:
            self.note(outcome)

    def note(self, outcome: Outcome) -> None:
        """Remember an outcome, and tell how far the commit is."""
        if self.journal is not None:
            self.journal.note(outcome)
        operation, members = outcome.operation, self.session.members
        self.outcomes[operation.number] = outcome
        if self.unsure:
            self.unsure.pop(operation.number, None)
        if outcome.fate is not DONE:
            self.lost[operation.number] = operation
            if self.stops and outcome.fate is not Fate.SKIPPED:
                self.sender.stop()
        for change in operation.changes:
            members.under_way.discard(id(change.object))
            if outcome.fate is UNCERTAIN:
                members.uncertain[id(change.object)] = (change.object, outcome)
        if self.progress is not None:
            try:
                self.progress(len(self.outcomes), len(self.plan.operations))
            except KeyboardInterrupt:
                self.interrupt()
            except Exception as error:
                self.progress = None
                self.errors.append(error)

    def line_up(self, wave: list[Operation]) -> None:
        """Have what was created stand in plan order, too, whichever answer came first."""
        members = self.session.members
        arrived = [*itertools.islice(reversed(self.outcomes), len(wave))]
        in_turn = arrived == sorted(arrived, reverse=True)
        if not in_turn or len(members.touched) > 1 or len(members.keyless) > 1:
            created = [c.object for op in wave if op.kind == CREATE for c in op.changes]
            members.line_up(created)
            if not in_turn:
                members.identity.line_up(created)

    def announce(self, wave: list[Operation]) -> None:
        """Tell ``post_`` receivers what is done of a wave, in plan order."""
        if not any(signal.receivers for signal in _POST.values()):
            return
        agreed = {} if self.referee is None else self.referee.agreed
        for operation in wave:
            for each in agreed.get(operation.number, ()):
                self.tell(each.operation)
            outcome = self.outcomes.get(operation.number)
            if outcome is None or operation.number in self.lost or was_there(outcome):
                continue
            self.tell(outcome.operation)

    def tell(self, operation: Operation) -> None:
        """Tell ``post_`` receivers of an operation that is done."""
        for change in operation.changes:
            self.errors += planning.announce(_POST, self.session, change)

    def interrupt(self) -> None:
        """Ctrl-C: nothing more is begun; what is in flight ends, unless it comes again."""
        self.interrupted = True
        self.sender.stop()

    def end(self) -> None:
        """Give an outcome to what has none: what was begun is uncertain, the rest still pending."""
        self.sender.stop()
        self.progress = None
        for planned in self.plan:
            operation = self.rewritten.get(planned.number, planned)
            if operation.number in self.outcomes:
                continue
            if operation.number in self.unsure:
                self.note(self.unsure[operation.number])
            elif operation.number in self.contested:  # it was refused, so it is not done
                self.note(self.contested[operation.number]._replace(fate=Fate.PENDING))
            elif operation.number in self.sender.begun:
                request = operation.request
                text = f"{request.method} {request.shown_path}: interrupted before an answer came."
                error = TransportError(text, request)
                self.note(Outcome(operation, Fate.UNCERTAIN, error=error))
            else:
                self.note(self.earlier.get(operation.number, Outcome(operation, Fate.PENDING)))

    def report(self, seconds: float) -> CommitReport:
        """Return what became of every object."""
        report = CommitReport(errors=self.errors, seconds=seconds, of=self.session.ref)
        for kind, obj in self.done:
            report.recall(kind, obj)
        for outcome in self.settled:
            report.add(outcome._replace(requests=0, retries=0))
        if (
            self.settled
        ):  # what an earlier undo has sent is nothing that this commit could take back
            report.outcomes = [o for o in report.outcomes if o.operation.changes[0].undoes is None]
        for operation in self.plan:
            report.add(self.outcomes[operation.number])
        if self.referee is not None:
            for outcome in (each for agreed in in_order(self.referee.agreed) for each in agreed):
                report.add(outcome)
            for number in sorted(self.referee.decided):
                report.resolve(self.outcomes[number], self.referee.decided[number])
        for left_out in self.plan.left_out:
            report.leave_out(left_out)
        return report


def in_order(met: dict[int, _T]) -> list[_T]:
    """Return what was met of operations, by number, in plan order, whichever answer came first."""
    return [met[number] for number in sorted(met)]
