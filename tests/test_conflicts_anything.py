"""Any sequence of edits, commits, undos and broken answers of two sessions, held to four laws.

Nobody's change is overwritten unseen; each object is in one list of the report, and that one tells
the truth; an object of the server's version has the server's values; in the end nothing is left.
"""

import json
import sys
from contextlib import suppress
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from objmapper import CommitError, Model, Registry, Session, fields, versions
from objmapper.state import ABSENT, base_value

small = sys.modules["smallserver"]
registry = Registry("conflicts anything")
NAMES = ("name", "text", "tags")
KEYS = (1, 2)
LISTS = "created updated deleted failed skipped uncertain conflicts pending undone".split()


class Base(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String()
    text = fields.String()
    tags = fields.List(fields.String())

    class Meta:
        abstract = True
        registry = registry


class Note(Base):
    class Meta:
        version = "etag"


class Page(Base):
    updated = fields.Integer(read_only=True)

    class Meta:
        version_field = "updated"


MODELS = (Note, Page)
PLACE = st.tuples(st.sampled_from(MODELS), st.sampled_from(KEYS))
WHO = st.sampled_from("AB")
#: A request that is answered with an error: which write, of what, whether it is done all the same.
FAULT = st.tuples(
    st.sampled_from(["PATCH", "DELETE"]), PLACE, st.sampled_from([400, 429, 502]), st.booleans()
)
STEP = st.one_of(
    st.tuples(st.just("edit"), WHO, PLACE, st.sampled_from(NAMES)),
    st.tuples(st.just("clash"), WHO, PLACE, st.sampled_from(NAMES)),
    st.tuples(st.just("delete"), WHO, PLACE, st.none()),
    st.tuples(st.just("read"), WHO, st.sampled_from(MODELS), st.booleans()),
    st.tuples(st.just("undo"), WHO, st.none(), st.none()),
    st.tuples(
        st.just("commit"),
        WHO,
        st.tuples(
            st.sampled_from(["error", "merge", "theirs", "overwrite"]),
            st.sampled_from(["stop", "continue", "undo"]),
        ),
        st.lists(FAULT, max_size=3),
    ),
)


class Server(small.SmallServer):
    """Remembers each write: who, which row, which column, what was there and what came."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[tuple[str, int, str, Any, Any]] = []
        for model in MODELS:
            rows = [{"id": k, "name": f"n{k}", "text": "t", "tags": ["x"]} for k in KEYS]
            if model is Page:
                rows = [row | {"updated": 1} for row in rows]
            etags = "strong" if model is Note else None
            version = "updated" if model is Page else None
            self.table(model.__mapper__.endpoint, rows, etags=etags, version=version)

    def _write(self, table: Any, row: Any, body: Any) -> None:
        told = [(table.endpoint, row["id"], name, row[name], new) for name, new in body.items()]
        self.writes += told
        super()._write(table, row, body)

    def _detail(self, request: Any, table: Any, text: str, within: Any, body: Any) -> Any:
        answer = super()._detail(request, table, text, within, body)
        if request.method == "DELETE":
            self.writes.append((table.endpoint, int(text), "", None, None))
        return answer


class World:
    """Two sessions of one server, and the laws."""

    def __init__(self) -> None:
        self.server = Server()
        options = {"has_etag": True, "retries": 1}
        self.sessions = {who: Session(self.server.client(**options)) for who in "AB"}
        self.reports: dict[str, list[tuple[Any, Any]]] = {"A": [], "B": []}
        self.count = 0

    def edit(self, who: str, place: Any, name: str) -> None:
        obj = self.sessions[who].get(*place)
        self.count += 1
        value = f"{who}{self.count}"
        if obj is None or obj in self.sessions[who].deleted:
            return
        if name == "tags":
            obj.tags.append(value)
        else:
            setattr(obj, name, value)

    def clash(self, who: str, place: Any, name: str) -> None:
        """Both edit one field, and the other one is the first to commit."""
        other = "B" if who == "A" else "A"
        self.edit(who, place, name)
        self.edit(other, place, name)
        self.commit(other, ("merge", "continue"), [])

    def delete(self, who: str, place: Any, _: None) -> None:
        obj = self.sessions[who].get(*place)
        if obj is not None:
            self.sessions[who].delete(obj)

    def read(self, who: str, model: Any, thin: bool) -> None:
        query = model.objects.using(self.sessions[who])
        list(query.only("id", "name") if thin else query.all())

    def undo(self, who: str, *_: None) -> None:
        if not self.reports[who]:
            return
        before = len(self.server.writes)
        report, replaced = self.reports[who].pop()
        with suppress(CommitError):
            report.undo(workers=1)
        for endpoint, key, name, old, new in self.server.writes[before:]:
            assert writer(old) in (who, "")
            assert new == replaced[endpoint, key, name]

    def commit(self, who: str, how: tuple[str, str], faults: list[Any]) -> None:
        session, (on_conflict, on_error) = self.sessions[who], how
        changes = [change for operation in session.plan() for change in operation.changes]
        for method, (model, key), status, done in faults:
            path = f"/{model.__mapper__.endpoint}/{key}"
            wait = {"Retry-After": "0"} if status == 429 else {}
            self.server.fail(method, path, status, {}, done=done and status == 502, headers=wait)
        before = len(self.server.writes)
        try:
            report = session.commit(on_conflict=on_conflict, on_error=on_error, workers=1)
        except CommitError as error:
            report = error.report
        self.server.faults.clear()
        written = self.server.writes[before:]
        if report.ok:
            replaced = {tuple(place): old for *place, old, _ in reversed(written)}
            self.reports[who].append((report, replaced))
        for change in changes:
            self.check_report(change, report, written)
        if on_conflict != "overwrite":
            self.check_overwritten(who, changes, written)

    def check_report(self, change: Any, report: Any, written: list[Any]) -> None:
        """The object is in one list, and in none of what was not done if it was."""
        obj = change.object
        place = (type(obj).__mapper__.endpoint, obj._row["id"])
        found = [name for name in LISTS if obj in getattr(report, name)]
        assert len(found) == 1 or (not found and obj in report.resolved)
        sent = {"": None} if change.kind == "delete" else change.sent
        done = [w for w in written if w[:2] == place and w[2] in sent and w[4] == sent[w[2]]]
        assert not (done and found in (["failed"], ["skipped"], ["conflicts"], ["pending"], []))
        assert not (change.kind == "delete" and found == ["deleted"] and place[1] in self.rows(obj))

    def rows(self, obj: Any) -> Any:
        return self.server.tables[type(obj).__mapper__.endpoint].rows

    def check_overwritten(self, who: str, changes: list[Any], written: list[Any]) -> None:
        """What the other one wrote was the base of the change that replaced it."""
        known = {
            (type(change.object).__mapper__.endpoint, change.object._row["id"], name, _text(base))
            for change in changes
            for name, base in change.base.items()
        }
        for endpoint, key, name, old, new in written:
            if name and old != new and writer(old) not in (who, ""):
                assert (endpoint, key, name, _text(old)) in known

    def check_versions(self) -> None:
        """Who has the version of the server has its values, too."""
        for session in self.sessions.values():
            for model in MODELS:
                table = self.server.tables[model.__mapper__.endpoint]
                for key, row in table.rows.items():
                    obj = session.identity.get(model, key)
                    has = None if obj is None else versions.of_object(session.dialect, obj)
                    if has == (table.etag(row) if model is Note else row["updated"]):
                        for name in NAMES:
                            base = base_value(obj, model.__mapper__.by_key[name])
                            assert base is ABSENT or base == row[name]

    def end(self) -> None:
        """A quiet commit of each, in which its own side wins, leaves nothing to send."""
        for session in self.sessions.values():
            for obj in session.uncertain:
                session.refresh(obj) if obj.id in self.rows(obj) else session.expunge(obj)
            try:
                session.commit(on_conflict="overwrite", on_error="continue")
            except CommitError as error:
                report = error.report
                gone = [obj.id not in self.rows(obj) for obj in report.conflicts.objects]
                assert all(gone)
                assert not report.failed
                assert not report.skipped
                assert not report.uncertain
                assert not report.pending
                for obj in report.conflicts.objects:
                    session.expunge(obj)
            assert (session.dirty, session.deleted, session.uncertain) == ([], [], [])

    def close(self) -> None:
        for session in self.sessions.values():
            for obj in session.uncertain:
                session.expunge(obj)
            session.rollback()
            session.close()
        self.server.close()


def writer(value: Any) -> str:
    """Who wrote a value; nobody's are those of the beginning."""
    last = (value[-1] if value else "") if isinstance(value, list) else value
    return last[0] if last[:1] in ("A", "B") else ""


def _text(value: Any) -> str:
    return "" if value is ABSENT else json.dumps(value)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.lists(STEP, min_size=4, max_size=20))
@example(
    [
        ("clash", "A", (Note, 1), "name"),
        ("commit", "A", ("overwrite", "stop"), []),
        ("undo", "A", None, None),
    ]
)
def test_whatever_two_sessions_do_nothing_is_lost_unseen(steps: list[Any]) -> None:
    world = World()
    try:
        for verb, who, what, how in steps:
            getattr(world, verb)(who, what, how)
            world.check_versions()
        world.end()
        world.check_versions()
    finally:
        world.close()
