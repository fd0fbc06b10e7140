"""Writes of unknown fate: what became of them is found out by asking the server, never guessed.

A connection that broke after the request was sent, a 5xx, a success that makes no sense: each may
have been done or not. What may be repeated is sent again. Else the server is asked for what it has:
an object by its key, a new one by its natural key. What it has as it was sent is done. What it has
as it was before, when there was time to do it, is not, and can be sent again. Where the answer is
neither, only a person can tell.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from objmapper import answering, clock, reading
from objmapper.exceptions import SessionError, StatusError, cut
from objmapper.judging import Finding, Verdict, judge
from objmapper.operation import Change, Fate, Kind, Outcome
from objmapper.query import Query
from objmapper.sending import send
from objmapper.state import Lifecycle, changed_keys, revert

#: Refusals that an operation meets which has been done already: gone, there, of another version; and
#: those by which a server says of a new object that it has one of its name.
_SAYS_DONE = frozenset({404, 409, 410, 412})
_SAYS_THERE = _SAYS_DONE | {400, 422}
#: Why what was of unknown fate is known to have failed.
NOT_DONE = "the server was asked since: it is not done"
#: Waits so many seconds, or less, and says whether to go on.
Wait = Callable[[float], bool]
#: Seconds before the server is asked again, when it gave no answer; then twice as long, and so on.
_BACKOFF = 0.1


def settled(
    session: Any, outcomes: Sequence[Outcome], wait: Wait
) -> Iterator[tuple[Outcome, Finding]]:
    """Yield each operation of unknown fate with what was found out about it.

    The server is given its time: *wait* takes seconds, and says whether to go on then.
    """
    unanswered = 0
    while outcomes:
        early, mute = [], []
        for outcome, finding in zip(outcomes, judge(session, outcomes), strict=True):
            if finding.verdict is Verdict.NOT_YET:
                early.append((outcome, finding))
            elif finding.verdict is Verdict.NO_ANSWER and unanswered < session.client.retries:
                mute.append((outcome, finding))
            else:
                yield outcome, finding
        if not early and not mute:
            return
        pause = _BACKOFF * 2**unanswered if mute else 0.0
        unanswered += bool(mute)
        for outcome, _ in early:
            pause = max(pause, outcome.ended + session.client.settle_after - clock.now())
        if not wait(pause):
            yield from (*early, *mute)
            return
        outcomes = [outcome for outcome, _ in (*early, *mute)]


def patient(seconds: float) -> bool:
    """Wait that long, and go on: what somebody asks for who has set no deadline."""
    time.sleep(seconds)
    return True


def first(session: Any, objects: Iterable[Any], wait: Wait = patient) -> list[Outcome]:
    """Find out about those of *objects* that an earlier commit has sent; return what was done.

    When *wait* says that it is over, the rest stays as it is.
    """
    known = session.members.uncertain
    met = (known[id(obj)][1] for obj in objects if id(obj) in known)
    outcomes = list({id(outcome): outcome for outcome in met}.values())
    if not (outcomes and wait(0)):
        return []
    place = {id(outcome.operation): number for number, outcome in enumerate(outcomes)}
    found = [_closed(session, *each, wait) for each in settled(session, outcomes, wait)]
    done = [outcome for outcome in found if outcome.fate is Fate.DONE]
    # Some were asked about once more: whose fate came out first is no order to tell them in.
    return sorted(done, key=lambda outcome: place[id(outcome.operation)])


def _closed(session: Any, outcome: Outcome, finding: Finding, wait: Wait) -> Outcome:
    """Let the objects of an operation know what was found out about it."""
    taken_back = [o for o in outcome.operation.objects if o._state.lifecycle is Lifecycle.TRANSIENT]
    if finding.verdict is Verdict.REPEAT:
        if not wait(0):
            return outcome
        outcome = together(outcome, send(session, outcome.operation))
        if outcome.fate is Fate.DONE:
            outcome = answering.taken_in(session, outcome)
    elif finding.verdict is Verdict.DONE:
        outcome = answering.found_done(session, outcome, finding.rows)
    elif finding.verdict is Verdict.NOT_DONE:
        outcome = outcome._replace(fate=Fate.PENDING)
    else:
        outcome = outcome._replace(why=finding.why)
    for obj in taken_back if outcome.fate is Fate.DONE else ():
        revert(obj)  # what was said of it since, rollback() has taken back with it
    for obj in outcome.operation.objects:
        session.members.uncertain.pop(id(obj), None)
        if outcome.fate is Fate.UNCERTAIN:
            session.members.uncertain[id(obj)] = (obj, outcome)
    return outcome


def together(earlier: Outcome, outcome: Outcome) -> Outcome:
    """Return what became of an operation that was sent before; a refusal may be about that."""
    if not outcome.was_sent and earlier.fate is Fate.UNCERTAIN:
        return earlier  # it did not go out
    fate, error = outcome.fate, outcome.error
    status = error.status if isinstance(error, StatusError) else 0
    says = _SAYS_THERE if outcome.operation.kind == Kind.CREATE else _SAYS_DONE
    if outcome.operation.kind == Kind.DELETE and status in (404, 410):
        fate = Fate.DONE
    elif fate is Fate.FAILED and (status in says or earlier.fate is Fate.UNCERTAIN):
        fate = Fate.UNCERTAIN
    elif fate is Fate.CONFLICT and earlier.fate is Fate.UNCERTAIN:
        fate = Fate.UNCERTAIN  # it may be about what this very operation has done
    return outcome._replace(
        fate=fate,
        requests=earlier.requests + outcome.requests,
        joined=earlier.joined + outcome.joined,
        retries=earlier.retries + outcome.retries + min(1, outcome.requests),
        begun=earlier.begun,
        begun_there=earlier.begun_there,
        age=earlier.age,
    )


def by_hand(session: Any, obj: Any, found: Any) -> None:
    """Settle what became of a write as somebody has found it out.

    *found* is the key of what the server has, or an object of it; None is nothing. Raises
    SessionError where that settles nothing, and DoesNotExist for a key that the server does not have.
    """
    members = session.members
    if id(obj) not in members.uncertain:
        raise SessionError(f"{obj!r} is of no unknown fate: there is nothing to settle.")
    changes = members.uncertain[id(obj)][1].operation.changes
    change = next(change for change in changes if change.object is obj)
    if change.kind not in (Kind.CREATE, Kind.DELETE):
        raise SessionError(
            f"{obj!r} is there, what is unknown is its change: session.settle(obj) compares it with "
            "what the server has, obj.refresh() takes that over."
        )
    if change.within is not None:
        raise SessionError(
            f"{obj!r} was to be deleted with {change.within!r}: settle that one, the two have one fate."
        )
    along = [each for each in changes if each.within is obj]
    if change.kind == Kind.DELETE and found is None:
        answering.take_in(session, [(each, None) for each in (change, *along)], full=False)
    elif change.kind == Kind.CREATE and found is not None:
        row = _row(session, change, found)
        other = None if row is None else answering.other_of(session, obj, row)
        if other is not None and changed_keys(other):
            raise SessionError(
                f"{obj!r} would take the place of {other!r}, which has changes here: commit or revert "
                "those first, or session.expunge() one of the two."
            )
        answering.take_in(session, [(change, row)], full=True)
    for each in (change, *along):
        members.uncertain.pop(id(each.object), None)


def _row(session: Any, change: Change, found: Any) -> dict[str, Any] | None:
    """Return what the server has of the key that was found; None of what has neither key nor address."""
    mapper = type(change.object).__mapper__
    if mapper.keyless:
        if found is change.object:
            return None
        raise SessionError(
            f"{change.object!r} is keyless: found=obj says that the server has it, found=None that it "
            f"has not; {cut(found)} tells neither."
        )
    if isinstance(found, mapper.root):
        found = type(found).__mapper__.key_in(found._row)
    key = mapper.asked_key(found)
    values = tuple(session.dialect.path_values(change.object).items())
    rows = reading.rows_by_keys(session, Query(mapper, path_values=values), [key])
    if key not in rows:
        raise mapper.model.DoesNotExist(f"The server has no {mapper.model.__name__} {key!r}.")
    return rows[key]
