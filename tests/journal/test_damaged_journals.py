"""A journal that somebody has edited, or another program has written: told, and nothing of it is sent."""

import contextlib
import copy
import random
import re
import shutil
import sqlite3
from contextlib import closing

import pytest

from objmapper import JournalError, ObjMapperError, Session, signals
from objmapper.cvat import Client as CVATClient
from objmapper.cvat import Label
from objmapper.cvat import Project as CVATProject
from objmapper.journal.showing import shown

COLUMNS = {
    "meta": ["name", "value"],
    "model": ["number", "name", "fields"],
    "event": ["number", "operation", "fate", "at", "detail"],
    "intent": [
        *("number", "operation", "object", "kind", "model", "name", "tag", "key", "base"),
        *("sent", "refs", "hidden", "again", "token", "place"),
    ],
}
VALUES = [
    *(None, -1, 0, 1, 3, 2**40, 2**63 - 1, 1.5, float("inf"), b"\x00\xff", "", "x"),
    *("{", "[]", "{}", "null", "true", "1", "1e999", '"s"', "[1]", "[[]]", "[true]", "[" * 5000),
    *('{"id":[]}', '{"id":"x"}', '{"name":5}', '{"name":null}', '{"tags":7}', '{"nope":1}'),
    *('{"project":99}', '{"project":5}', '{"project":"x"}', '{"tags":[[[0],1]]}', '{"secret":"a"}'),
    *('["nope"]', '["name"]', '["key",1]', '["key",{"#":"x"}]', '{"secret":1}', '"2020-01-01"'),
    *("create", "update", "delete", "known", "sending", "done", "failed", "undoing", "clock"),
    *('[1,[["[1]",{"id":"q"},1]]]', '[1,[["x",{"id":3},1]]]', '[1,[["[]",{"nope":3},1]]]', "[1,5]"),
    *('[1,[["[1]",{"id":1},1,["name"],99]]]', '[1,[["[1]",{"id":1},1,["nope"],3]]]', '"\\ud800"'),
]


class Killed(BaseException):
    """Stands for SIGKILL."""


def program(session, models):
    projects = [models.Project(name="p"), models.Project(name="q", note="n"), None]
    tasks = [models.Task(name=f"t{n}", project=projects[n % 3], tags=["x"]) for n in range(5)]
    session.add_all([*projects[:2], *tasks, models.Task(name="s", secret="hunter2")])
    return projects, tasks


@pytest.fixture
def died(place, models):
    """A journal of every kind of intent, some done and some not."""
    session = place.session()
    projects, tasks = program(session, models)
    session.commit(workers=1)
    projects[0].note, tasks[0].tags, tasks[1].project = "z", ["u"], projects[0]
    tasks[2].secret = "hunter3"
    session.delete(tasks[3])
    session.delete(tasks[4])
    session.add(models.Task(name="late", project=models.Project(name="r")))
    place.die(session, 1, done=True)
    place.server.seen.clear()
    return place


def edited(path, statement, values=()):
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        return database.execute(statement, values).rowcount


def damage(path, chance):
    """Edit one or two places of a journal: take a row out, move a value, change it, put in another."""
    for _ in range(chance.randint(1, 2)):
        table = chance.choice([*["intent"] * 5, *["event"] * 3, "model", "meta"])
        key, column = COLUMNS[table][0], chance.choice(COLUMNS[table])
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            rows = database.execute(f"SELECT {key}, {column} FROM {table}").fetchall()
            number, value = chance.choice(rows)
            how = chance.choice(["delete", "move", "cut", "put", "put", "put"])
            if how == "move":
                _, value = chance.choice(rows)
            elif how == "cut" and isinstance(value, str):
                place = chance.randrange(len(value) + 1)
                value = value[:place] + chance.choice(["", '"', "[", "0"]) + value[place + 1 :]
            elif how == "put":
                value = chance.choice(VALUES)
            with contextlib.suppress(sqlite3.IntegrityError):
                if how == "delete":
                    database.execute(f"DELETE FROM {table} WHERE {key} = ?", (number,))
                else:
                    statement = f"UPDATE {table} SET {column} = ? WHERE {key} = ?"
                    database.execute(statement, (value, number))


def test_whatever_is_edited_ends_in_an_own_error_and_nothing_of_it_is_sent(died, models, tmp_path):
    def run_again(place):
        with closing(place.session()) as session:
            try:
                program(session, models)
                session.commit(workers=1)
            finally:
                session.members.clear()

    whole = died.path.parent
    rows = {name: copy.deepcopy(table.rows) for name, table in died.server.tables.items()}
    refused = 0
    for seed in range(25):
        edit = tmp_path / f"edit-{seed}"
        shutil.copytree(whole, edit)
        damage(edit / died.path.name, random.Random(seed))
        with contextlib.suppress(JournalError):
            assert shown(edit / died.path.name)[0].encode()
        for use in (recovered, run_again):
            folder = tmp_path / f"{use.__name__}-{seed}"
            shutil.copytree(edit, folder)
            died.path = folder / died.path.name
            died.server.seen.clear()
            for name, table in died.server.tables.items():
                table.rows = copy.deepcopy(rows[name])
            try:
                use(died)
            except JournalError:
                refused += 1
                assert died.writes() == []
            except ObjMapperError:
                pass
    assert refused >= 12


EDITS = {
    "intent SET sent = json_set(sent, '$.colour', 'red') WHERE sent = '{\"note\":\"z\"}'": (
        "'update': Project has no field for 'colour'"
    ),
    "intent SET hidden = '[\"colour\"]' WHERE kind = 'update' AND hidden IS NOT NULL": (
        "'update': Task has no field for 'colour'"
    ),
    'intent SET sent = \'{"note":[1]}\' WHERE sent = \'{"note":"z"}\'': (
        "'update': Project.note can't be [1]"
    ),
    "intent SET refs = json_object('project', (SELECT object FROM intent WHERE sent LIKE '%t0%')) "
    "WHERE sent LIKE '%late%'": ("'create': Task.project can't be <Task "),
    "intent SET sent = json_set(sent, '$.size', 1, '$.colour', 'red') WHERE sent = '{\"note\":\"z\"}'": (
        "'update': Project has no field for 'colour, size'"
    ),
    "intent SET key = '[1]' WHERE base LIKE '%\"t3\"%' AND kind = 'delete'": (
        "its key is 1, and 5 by its row"
    ),
    "intent SET base = NULL, key = '[7]' WHERE kind = 'delete'": "its key is 7, and ",
    "intent SET key = '[]' WHERE kind = 'delete'": "a key in the journal is none: []. Nothing of it",
    "intent SET base = json_set(base, '$.id', json('[7]')) WHERE kind = 'delete'": "[7] is no key of Task.id",
    "intent SET base = json_set(base, '$.colour', 1) WHERE kind = 'delete'": (
        "Task has no field for 'colour', which its row has"
    ),
    "intent SET base = json_set(base, '$.size', 1, '$.colour', 1) WHERE kind = 'delete'": (
        "Task has no field for 'colour, size', which its row has"
    ),
    "intent SET operation = 'x' WHERE number = 2": (
        "row 2 of its table intent: 'operation' is 'x', and not a number"
    ),
    f"intent SET object = {2**60} WHERE number = 2": (
        f"row 2 of its table intent: 'object' is {2**60}, and not a number"
    ),
    f"intent SET object = {2**53} WHERE number = 2": f"'object' is {2**53}, and not a number",
    "intent SET object = -1 WHERE number = 2": "'object' is -1, and not a number",
    f"event SET at = {2**33} WHERE number = 1": f"'at' is {2**33}.0, and not a time",
    "event SET at = -1 WHERE number = 1": "'at' is -1.0, and not a time",
    "event SET at = 'noon' WHERE number = 1": (
        "row 1 of its table event: 'at' is 'noon', and not a time"
    ),
    "event SET fate = 'maybe' WHERE operation = 4": (
        "what became of operation 4: 'maybe' is nothing that becomes of an operation"
    ),
    "model SET name = NULL WHERE number = 1": "'name' is None, and not text",
    "intent SET tag = x'00ff' WHERE number = 1": "and not text or NULL",
    "model SET name = x'00ff' WHERE number = 1": (
        r"row 1 of its table model: 'name' is b'\x00\xff', and not text"
    ),
    "event SET detail = '[1,[]]' WHERE fate = 'done' AND operation = 1": (
        "'create': an outcome in the journal makes no sense: it tells of 0 objects, and 1 were meant"
    ),
    "event SET detail = '[1,[null]]' WHERE fate = 'done' AND operation = 1": (
        "'create': an outcome in the journal makes no sense: it tells nothing of what was created"
    ),
    "event SET fate = 'clock', detail = '\"2026-01-01T00:00:00\"' WHERE operation = 4": (
        "operation 4: a time in the journal is none: '2026-01-01T00:00:00' is no server's"
    ),
    **{
        f"event SET fate = 'clock', detail = '\"{time}\"' WHERE operation = 4": (
            f"a time in the journal is none: {time!r} is no server's. Nothing of it is sent"
        )
        for time in ("1969-12-31T23:59:59Z", "9000-01-01T00:00:00Z")
    },
}


@pytest.mark.parametrize("edit", EDITS)
def test_what_no_program_has_written_is_told_with_its_place_and_nothing_is_sent(died, edit):
    assert edited(died.path, f"UPDATE {edit}") > 0
    with pytest.raises(JournalError) as error:
        recovered(died)
    told = str(error.value)
    begins = f"The journal {str(died.path)!r} is damaged, or was edited: "
    places = r"(object \d+|row \d+ of its table|what became of operation \d+)\b"
    assert re.match(re.escape(begins) + places, told)
    assert EDITS[edit] in told
    assert "Put back what was written, or keep the file" in told
    assert died.writes() == []


@pytest.mark.parametrize("time", ["1970-01-01T00:00:00Z", "8999-12-31T23:59:59Z"])
def test_a_time_that_a_server_may_have_is_taken(died, time):
    detail = f'"{time}"'
    values = ("INSERT INTO event (operation, fate, at, detail) VALUES (0, 'clock', 0, ?)", [detail])
    assert edited(died.path, *values) == 1
    assert recovered(died).ok


def recovered(place):
    with closing(place.session()) as session:
        try:
            return session.recover(secrets=lambda obj, name, tag: "hunter2", workers=1)
        finally:
            session.members.clear()


def test_what_is_put_back_is_recovered(died):
    edit = "UPDATE intent SET sent = '{}}' WHERE number = 1"
    with closing(sqlite3.connect(died.path)) as database:
        (was,) = database.execute("SELECT sent FROM intent WHERE number = 1").fetchone()
    edited(died.path, edit)
    with pytest.raises(JournalError, match="is damaged, or was edited"):
        died.session()
    edited(died.path, "UPDATE intent SET sent = ? WHERE number = 1", (was,))
    assert recovered(died).ok
    assert died.names() == ["late", "s", "t0", "t1", "t2"]


# -- an operation for several objects -------------------------------------------------------------


@pytest.fixture
def labelled(tmp_path):
    """The journal of a process that made a project with two labels, in one request, and died later.

    That was when the answer to another request had come, which renames both.
    """

    def die(sender, request, **_):
        if request.method == "PATCH":
            shutil.copytree(path.parent, tmp_path / "dead")
            raise Killed

    path = tmp_path / "alive" / "it.journal"
    path.parent.mkdir()
    with CVATClient("embedded://cvat?check=1") as client:
        session = Session(client, journal=path)
        session.add(CVATProject(name="p", labels=[Label(name="car"), Label(name="bus")]))
        session.commit()
        for label in Label.objects.using(session).all():
            label.name += " 2"
        with signals.response_received.connected_to(die), pytest.raises(Killed):
            session.commit(workers=1)
        session.members.clear()
        session.close()
        yield client, tmp_path / "dead" / path.name


def test_an_outcome_that_tells_of_fewer_objects_than_were_meant_is_refused(labelled):
    client, path = labelled
    statement = "UPDATE event SET detail = json_remove(detail, '$[1][2]') WHERE operation = 1"
    assert edited(path, statement + " AND fate = 'done'") == 1
    before = client.transport.requests_sent
    with pytest.raises(JournalError) as caught:
        Session(client, journal=path)
    assert re.search(
        r"object \d in operation 1, 'create': .*of 2 objects, and 3 were", str(caught.value)
    )
    assert client.transport.requests_sent == before


def test_what_is_left_of_an_operation_is_told_with_all_that_was_meant(labelled):
    client, path = labelled
    with Session(client, journal=path) as session:
        session.delete(Label.objects.get(name="car 2"))
        session.commit()
    for _ in range(2):
        with Session(client, journal=path) as session:
            report = session.recover()
            assert (len(report.created), len(report.deleted)) == (3, 1)
            assert [label.name for label in Label.objects.all()] == ["bus 2"]
