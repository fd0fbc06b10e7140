"""What became of a write of unknown fate, judged by what the server has now."""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from objmapper import clock, naturalkey
from objmapper.asking import Row, View, mapper_of
from objmapper.exceptions import Conflict, ContractError, ObjMapperError, QueryError, StatusError
from objmapper.operation import Change, Kind, Look, Outcome, Settle
from objmapper.state import ABSENT, base_value, changed_keys, same


class Verdict(enum.Enum):
    """What the server tells of a write."""

    DONE = "done"
    #: It has not done it, and had little time to.
    NOT_YET = "not yet"
    NOT_DONE = "not done"
    #: Sending it again does what sending it once does.
    REPEAT = "repeat"
    UNKNOWN = "unknown"
    #: It was asked, and said nothing that tells.
    NO_ANSWER = "no answer"


class Finding(NamedTuple):
    """What was found out about an operation, or about one change of it."""

    verdict: Verdict
    #: The rows that the server has, one for each change; None where it has none. Of what is not done,
    #: those of objects that were to be deleted.
    rows: tuple[Row | None, ...] = ()
    why: str = ""


_NOT_DONE = Finding(Verdict.NOT_DONE)
_NOT_YET = Finding(Verdict.NOT_YET, why="it is not done, and the server had little time to do it")
_GONE = Finding(Verdict.DONE, (None,))
_REPLACED = Finding(
    Verdict.UNKNOWN, why="it is gone, or the server has made it anew under another key"
)
_NO_WAY = Finding(Verdict.UNKNOWN, why="it can't be looked up")


def replaced(session: Any, obj: Any) -> bool:
    """Whether the server has given an object's key to one that the session has made since."""
    mapper = type(obj).__mapper__
    identity = mapper.identity_in(obj._row)
    other = None if identity is None else session.identity.get(mapper.root, identity)
    return other is not None and other is not obj and bool(other._state.page.made)


def is_refusal(error: BaseException | None) -> bool:
    """Whether the server said that it did not do what was asked."""
    return isinstance(error, Conflict) or (
        isinstance(error, StatusError) and 400 <= error.status < 500
    )


def judge(session: Any, outcomes: Sequence[Outcome]) -> list[Finding]:
    """Ask the server about operations of unknown fate, together where it can be asked together."""
    asked = [o for o in outcomes if o.operation.settle is not Settle.ASK and not _repeats(o)]
    looked = [outcome for outcome in asked if outcome.operation.look is not None]
    if looked:
        asked = [outcome for outcome in asked if outcome.operation.look is None]
    found = _Judge(session, asked).findings()
    for outcome in looked:
        found |= _looked(session, outcome)
    return [_together(session, outcome, found) for outcome in outcomes]


def _looked(session: Any, outcome: Outcome) -> dict[int, Finding]:
    """Return what the question of an operation tells, and those that it leads to, by id of the change."""
    found: Any = outcome.operation.look
    changes = outcome.operation.changes
    while isinstance(found, Look):
        try:
            response = session.send(found.request.resolved())
        except ObjMapperError as error:
            silent = Finding(Verdict.NO_ANSWER, why=f"asking for it failed: {error}")
            return {id(change): silent for change in changes}
        try:
            found = found.read(response, outcome.age)
        except Exception as error:  # a ContractError, or whatever a dialect's reader meets
            return {id(change): Finding(Verdict.UNKNOWN, why=str(error)) for change in changes}
    rows = found
    if rows is None:
        return {id(change): _NOT_DONE for change in changes}
    pairs = zip(changes, rows, strict=True)
    return {id(change): Finding(Verdict.DONE, (row,)) for change, row in pairs}


def _repeats(outcome: Outcome) -> bool:
    """Whether to send it again without asking: not when a repeat of it was refused.

    Nor where versions are compared before it is sent: what it has done would pass for another's.
    """
    operation = outcome.operation
    compares = operation.guard is not None and "If-Match" not in operation.request.headers
    repeats = operation.repeatable or operation.settle is Settle.REPEAT
    return repeats and not compares and not is_refusal(outcome.error)


def _together(session: Any, outcome: Outcome, by_change: Mapping[int, Finding]) -> Finding:
    """Put together what was found out about each object of an operation."""
    if _repeats(outcome):
        return Finding(Verdict.REPEAT)
    changes = outcome.operation.changes
    found = [by_change.get(id(change), _NO_WAY) for change in changes]
    verdicts = {each.verdict for each in found}
    if verdicts == {Verdict.DONE}:
        return Finding(Verdict.DONE, tuple(row for each in found for row in each.rows))
    if verdicts == {Verdict.NOT_DONE}:
        early = clock.now() < outcome.ended + session.client.settle_after
        rows = tuple(row for each in found for row in each.rows)
        return (_NOT_YET if early else _NOT_DONE)._replace(rows=rows)
    for verdict in (Verdict.UNKNOWN, Verdict.NO_ANSWER):
        if verdict in verdicts:
            return next(each for each in found if each.verdict is verdict)
    pairs = zip(changes, found, strict=True)
    done = ", ".join(repr(c.object) for c, each in pairs if each.verdict is Verdict.DONE)
    return Finding(Verdict.UNKNOWN, why=f"a part of it is done ({done}), and a part is not")


class _Judge:
    """Compares changes with what the server has."""

    def __init__(self, session: Any, outcomes: Sequence[Outcome]) -> None:
        self.session = session
        pairs = [(c, outcome) for outcome in outcomes for c in outcome.operation.changes]
        self.pairs = [pair for pair in pairs if pair[0].within is None]
        #: What goes in another change's request without a word of its own: it shares its fate.
        self.along = [pair for pair in pairs if pair[0].within is not None]
        requests = {id(change): outcome.operation.request for change, outcome in self.pairs}
        self.view = View(session, requests)
        self.found: dict[int, Finding] = {}

    def findings(self) -> dict[int, Finding]:
        """Return what was found out, by id of the change.

        What was made within a parent's request is looked for when it is known which that is.
        """
        pairs = self.pairs
        new = {id(c.object): c for c, _ in pairs if c.kind == Kind.CREATE}
        while pairs:
            open_ = {number for number, change in new.items() if id(change) not in self.found}
            now = [pair for pair in pairs if not open_ & self._parents(pair[0])] or pairs
            for change, _ in now:
                for parent in self._parents(change) & new.keys() - open_:
                    if self.found[id(new[parent])].verdict is not Verdict.DONE:
                        self.found[id(change)] = self.found[id(new[parent])]
            self.view.ask(change for change, _ in now if id(change) not in self.found)
            for change, outcome in now:
                if id(change) not in self.found:
                    self.found[id(change)] = self._answered(change, outcome)
            self._share_out([change for change, _ in now if change.kind == Kind.CREATE])
            pairs = [pair for pair in pairs if id(pair[0]) not in self.found]
        for change, outcome in self.along:
            (root,) = (c for c in outcome.operation.changes if c.object is change.within)
            self.found[id(change)] = self.found[id(root)]
        return self.found

    def _parents(self, change: Change) -> set[int]:
        return {id(obj) for obj in self.view.parents(change)}

    def _share_out(self, changes: Iterable[Change]) -> None:
        """Let each row be that of one new object, whatever number of them it may be."""
        claims: defaultdict[Any, list[tuple[Change, Row]]] = defaultdict(list)
        for change in changes:
            for row in self.found[id(change)].rows:
                if row is not None:
                    mapper = mapper_of(change)
                    claims[mapper.root, mapper.identity_in(row)].append((change, row))
        for claimed in claims.values():
            owner, row = claimed[0] if len(claimed) == 1 else self._owner(claimed)
            if owner is not None:
                self.view.identify(owner, row)

    def _owner(self, claimed: Sequence[tuple[Change, Row]]) -> tuple[Change | None, Row]:
        """Find out which of several a row is, and what the others are then: not done.

        Of those that said the same it does not matter which: the first one is it.
        """
        row = claimed[0][1]
        as_sent = [c for c, _ in claimed if self._compared(c, row).verdict is Verdict.DONE]
        said = [self._said(change) for change in as_sent]
        owner = as_sent[0] if said and all(same(each, said[0]) for each in said) else None
        key = mapper_of(claimed[0][0]).key_in(row)
        why = f"{key} is one object, and could be any of {len(claimed)} that were sent"
        for change, _ in claimed:
            self.found[id(change)] = (
                Finding(Verdict.UNKNOWN, why=why) if owner is None else _NOT_DONE
            )
        if owner is not None:
            self.found[id(owner)] = Finding(Verdict.DONE, (row,))
        return owner, row

    def _said(self, change: Change) -> Row:
        by_key = mapper_of(change).by_key
        return {key: self.view.form(by_key[key], wire) for key, wire in change.sent.items()}

    def _answered(self, change: Change, outcome: Outcome) -> Finding:
        """Say what was found out about a change; rows that make no sense tell nothing."""
        try:
            return self._finding(change, outcome)
        except ContractError as error:
            return Finding(Verdict.NO_ANSWER, why=f"asking for it failed: {error}")

    def _finding(self, change: Change, outcome: Outcome) -> Finding:
        rows = self.view.rows(change)
        if isinstance(rows, QueryError):
            return Finding(Verdict.UNKNOWN, why=str(rows))
        if isinstance(rows, ObjMapperError):
            return Finding(Verdict.NO_ANSWER, why=f"asking for it failed: {rows}")
        if change.kind == Kind.DELETE:
            return self._of_deleted(change, rows[0]) if rows else _GONE
        if change.kind == Kind.CREATE:
            return self._of_new(change, rows, outcome)
        if len(rows) > 1:
            return Finding(Verdict.UNKNOWN, why=f"{len(rows)} objects have its natural key")
        if rows:
            return self._compared(change, rows[0])
        return _REPLACED if outcome.operation.rekeys else _NOT_DONE

    def _of_deleted(self, change: Change, row: Row) -> Finding:
        """Say whether a row is what was to be deleted: a server may give its key to another object."""
        obj, mapper, there = change.object, mapper_of(change), Finding(Verdict.NOT_DONE, (row,))
        if replaced(self.session, obj):
            return _GONE
        if mapper.created_field is not None:
            field = mapper.fields[mapper.created_field]
            then, now = self._base(change, field), row.get(field.key)
            if then not in (ABSENT, None) and now is not None:
                if not same(self.view.form(field, now), then):
                    return _GONE
                made = field.tolerant(now)
                if isinstance(made, datetime) and made.microsecond:
                    return there  # no other object was made at that moment
        for field in naturalkey.fields_of(mapper):
            then = self._base(change, field)
            shown = field.key in row and then is not ABSENT
            if shown and not same(self.view.form(field, row[field.key]), then):
                why = (
                    f"what the server has under its key has another {field.name!r}: somebody has changed "
                    "it, or the server has given the key to another object"
                )
                return Finding(Verdict.UNKNOWN, why=why)
        return there

    def _of_new(self, change: Change, rows: Sequence[Row], outcome: Outcome) -> Finding:
        """Say which of the rows of its natural key a create has made, if any."""
        mapper = mapper_of(change)
        free = [row for row in rows if self._may_be(change, row, outcome)]
        untold = [f for f in naturalkey.fields_of(mapper) if f.key not in change.sent]
        exact = [row for row in free if all(row.get(field.key) is None for field in untold)]
        found = exact or free
        if not found:
            return self._of_others(change, rows, outcome)
        if len(found) > 1:
            keys = ", ".join(str(mapper.key_in(row)) for row in found)
            return Finding(Verdict.UNKNOWN, why=f"{len(found)} objects could be it: {keys}")
        other = self.session.identity.get(mapper.root, mapper.identity_in(found[0]))
        if other is not None and other is not change.object and changed_keys(other):
            why = f"{other!r} may be it, and has changes here: commit or revert them first"
            return Finding(Verdict.UNKNOWN, why=why)
        if self._is_made_since(mapper, found[0], outcome):
            return Finding(Verdict.DONE, (found[0],))
        # Nothing tells when it was made, so all of it must be as it was sent.
        same_ = self._compared(change, found[0])
        if same_.verdict is Verdict.DONE and exact:
            return same_
        key = mapper.key_in(found[0])
        return Finding(Verdict.UNKNOWN, why=f"{key} has its natural key, and may be another's")

    def _of_others(self, change: Change, rows: Sequence[Row], outcome: Outcome) -> Finding:
        """Say what it means that all rows of a natural key are other objects: the new one is not done.

        But for one that was known by another name: the server may have given its key to the new one.
        """
        mapper = mapper_of(change)
        for row in rows:
            known = self.session.identity.get(mapper.root, mapper.identity_in(row))
            if known is None or self._is_made_since(mapper, row, outcome) is False:
                continue
            if not self._goes_by(known, row):
                why = (
                    f"{mapper.key_in(row)} has its natural key, and was {known!r}: somebody has changed "
                    "that one, or the server has given its key to the new one"
                )
                return Finding(Verdict.UNKNOWN, why=why)
        return _NOT_DONE

    def _goes_by(self, known: Any, row: Row) -> bool:
        """Whether an object has, or is to get, the natural key of a row, as far as that is loaded."""
        for field in naturalkey.fields_of(type(known).__mapper__):
            names = base_value(known, field), known._row.get(field.key, ABSENT)
            if field.key not in row or ABSENT in names:
                continue
            has = self.view.form(field, row[field.key])
            if not any(same(has, self.view.form(field, name)) for name in names):
                return False
        return True

    def _may_be(self, change: Change, row: Row, outcome: Outcome) -> bool:
        """Whether a row may be what a create has made: not older than it, nor another object's."""
        mapper, session = mapper_of(change), self.session
        key = mapper.identity_in(row)
        if key in session.members.created.get(mapper.root, ()):
            return False
        known = session.identity.get(mapper.root, key)
        if known is not None and known is not change.object:
            state = known._state
            if state.age < outcome.age or state.page.made:
                return False
        return self._is_made_since(mapper, row, outcome) is not False

    def _is_made_since(self, mapper: Any, row: Row, outcome: Outcome) -> bool | None:
        """Whether a row was made after an operation was begun; None where nothing tells."""
        if mapper.created_field is None:
            return None
        field = mapper.fields[mapper.created_field]
        created, then = field.tolerant(row.get(field.key)), None
        if isinstance(created, datetime) and created.tzinfo is not None:
            then = self._begun_there(outcome)
        return None if then is None else created >= then

    def _begun_there(self, outcome: Outcome) -> datetime | None:
        """Return what the server's clock showed when an operation was begun; None where nothing tells."""
        if outcome.begun_there is not None or outcome.begun is None:
            return outcome.begun_there
        told: datetime | None = self.session.client.server_time(clock.now() - outcome.begun)
        return told

    def _compared(self, change: Change, row: Row) -> Finding:
        """Say whether a row has what was sent, or what there was before."""
        done, open_ = [], []
        for key, wire in change.sent.items():
            field = mapper_of(change).by_key[key]
            if field.write_only or not (key in row or self.session.dialect.omits_unset):
                why = f"the server does not show {field.name!r}"
                return Finding(Verdict.UNKNOWN, why=why)
            has = self.view.form(field, row[key]) if key in row else ABSENT
            if same(has, self.view.form(field, wire)):
                done.append(field.name)
            elif change.kind == Kind.UPDATE and same(has, self._base(change, field)):
                open_.append(field.name)
            else:
                why = f"{field.name!r} is neither as it was sent nor as it was before"
                return Finding(Verdict.UNKNOWN, why=why)
        if done and open_:
            why = f"{', '.join(done)} as sent, {', '.join(open_)} as before"
            return Finding(Verdict.UNKNOWN, why=why)
        return _NOT_DONE if open_ else Finding(Verdict.DONE, (row,))

    def _base(self, change: Change, field: Any) -> Any:
        base = base_value(change.object, field)
        return base if base is ABSENT else self.view.form(field, base)
