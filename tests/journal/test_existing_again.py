"""What the server had already, in the run after one that died: what the program says is still sent."""

import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from copy import copy
from io import BytesIO

import pytest
from smallserver import SmallDialect

from objmapper import CommitError, Conflict, JournalError, Model, Registry, Session, fields
from objmapper.cli import main
from objmapper.operation import Json, Request, Response, Settle


class Found(SmallDialect):
    """A service whose 409 to a POST has the key of what is there."""

    def draft_create(self, change, mapper):
        return super().draft_create(change, mapper)._replace(found=frozenset({409}))


class Base(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String(required=True)

    class Meta:
        abstract = True
        registry = Registry("existing again")
        natural_key = ("name",)


class Palette(Base):
    pass


class Tag(Base):
    colour = fields.String(null=True)
    size = fields.Integer(null=True)
    words = fields.List(fields.String())
    palette = fields.ForeignKey(Palette, null=True)
    secret = fields.String(write_only=True)


class Runs:
    """Runs of one program on one journal, against a server that has the tag "hot" as 7."""

    def __init__(self, server, folder):
        self.server, self.folder, self.deaths = server, folder, 0
        self.path = folder / "it.journal"
        #: Whether a 409 has the row, or the key alone.
        self.answer = {"id": 7}
        server.table("palettes")
        server.table("tags", secret=("secret",), foreign={"palette": "palettes"})
        self.row = {
            "id": 7,
            "name": "hot",
            "colour": "red",
            "size": 1,
            "words": [],
            "palette": None,
        }
        server.tables["tags"].rows[7] = self.row
        server.hook = self.hook

    def hook(self, seen):
        if seen.method == "POST" and seen.path == "/tags/" and seen.body["name"] == "hot":
            self.server.fail("POST", "/tags", 409, copy(self.answer))

    def session(self, dialect=Found, **options):
        client = self.server.client(dialect=dialect(trailing_slash=True), **options)
        return Session(client, journal=self.path)

    def copied(self):
        """Return the path of a copy of what lies on the disk now: what SIGKILL would leave."""
        self.deaths += 1
        dead = self.folder / f"dead-{self.deaths}"
        dead.mkdir()
        for file in self.path.parent.glob(f"{self.path.name}*"):
            shutil.copy(file, dead)
        return dead / self.path.name

    def died(self, session):
        """Leave a session as SIGKILL would; later runs have what it wrote till now."""
        dead = self.copied()
        session.members.clear()
        session.close()
        self.path = dead

    def dies_sending(self, session, method, done=lambda: None):
        """Commit, and die when the first request of that verb reaches the server."""
        dead = []

        def hook(seen):
            if seen.method == method and not dead:
                dead.append(self.copied())
                done()
                raise KeyboardInterrupt

        self.server.hook = hook
        with pytest.raises((CommitError, KeyboardInterrupt)):
            session.commit(workers=1)
        self.server.hook = self.hook
        session.members.clear()
        session.close()
        (self.path,) = dead

    def patches(self):
        return [seen.body for seen in self.server.seen if seen.method == "PATCH"]


@pytest.fixture
def runs(small, tmp_path):
    return Runs(small, tmp_path)


def first_run(runs, **values):
    """Run the program as far as its first commit, which finds the tag there; then it dies."""
    session = runs.session()
    tag = Tag(name="hot", **values)
    session.add(tag)
    report = session.commit(workers=1)
    assert report.existing.objects == [tag]
    runs.died(session)


def rerun(runs, **values):
    with runs.session() as session:
        tag = Tag(name="hot", **values)
        session.add(tag)
        session.commit(workers=1)
        assert session.dirty == []
    return tag


def recover(runs, **options):
    with runs.session() as session:
        report = session.recover(**options)
        assert session.dirty == []
    return report


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("again", [rerun, recover])
def test_what_it_was_to_be_created_with_is_sent_once(runs, again, told):
    if told:
        runs.answer = runs.row
    said = {"colour": "blue", "size": 1, "words": ["a", "b"]}
    first_run(runs, **said)
    again(runs, **(said if again is rerun else {}))
    expected = {"colour": "blue", "words": ["a", "b"]}
    if not told and again is rerun:
        expected["size"] = 1  # nobody has told what the server has
    sent = runs.patches()
    assert [{**said, **body} for body in sent] == [said]
    assert expected.items() <= sent[0].items()
    assert runs.row["colour"] == "blue"
    rerun(runs, **said)
    recover(runs)
    assert len(runs.patches()) == 1


@pytest.mark.parametrize("again", [rerun, recover])
def test_what_is_as_it_was_said_is_not_sent(runs, again):
    runs.answer = runs.row
    first_run(runs, colour="red", size=1)
    if again is rerun:
        rerun(runs, colour="red", size=1)
    else:
        recover(runs)
    assert runs.patches() == []


def test_a_program_that_says_something_else_by_then_has_that_sent(runs):
    first_run(runs, colour="blue")
    rerun(runs, colour="green")
    recover(runs)
    assert runs.patches() == [{"colour": "green"}]


@pytest.mark.parametrize("again", [rerun, recover])
@pytest.mark.parametrize("done", [True, False])
def test_a_death_while_it_is_sent_is_settled(runs, again, done):
    runs.answer = runs.row  # what it was is known, so that the two can be told apart
    session = runs.session()
    tag = Tag(name="hot", colour="blue")
    session.add(tag)
    session.commit(workers=1)
    runs.dies_sending(session, "PATCH", lambda: runs.row.update(colour="blue" if done else "red"))
    again(runs, **({"colour": "blue"} if again is rerun else {}))
    assert len(runs.patches()) == (1 if done else 2)
    assert runs.row["colour"] == "blue"


@pytest.mark.parametrize("again", [rerun, recover])
def test_what_the_run_itself_has_sent_since_is_not_sent_again(runs, again):
    with runs.session() as session:
        tag = Tag(name="hot", colour="blue")
        session.add(tag)
        session.commit()
        session.commit()
    assert runs.patches() == [{"colour": "blue"}]
    runs.row["colour"] = "somebody's"
    again(runs, **({"colour": "blue"} if again is rerun else {}))
    assert len(runs.patches()) == 1


@pytest.mark.parametrize("again", [rerun, recover])
def test_what_was_sent_of_it_in_part_leaves_the_rest(runs, again):
    session = runs.session()
    session.add(Tag(name="hot", colour="blue", size=3))
    session.commit()
    Tag.objects.using(session).filter(name="hot").update(colour="blue")
    runs.died(session)
    assert runs.patches() == [{"colour": "blue"}]
    again(runs, **({"colour": "blue", "size": 3} if again is rerun else {}))
    assert runs.patches()[1:] == [{"size": 3}]


def test_what_was_taken_back_is_not_sent_by_a_recovery(runs, capsys):
    with runs.session() as session:
        tag = Tag(name="hot", colour="blue")
        session.add(tag)
        session.commit()
        tag.revert()
    assert recover(runs).ok
    assert runs.patches() == []
    assert main(["journal", str(runs.path)]) == 0
    assert "not done  nothing" in capsys.readouterr().out


def test_the_command_tells_that_it_waits(runs, capsys):
    first_run(runs, colour="blue")
    assert main(["journal", str(runs.path)]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert lines[3:5] == ["done      1 created", "not done  1 not sent"]
    assert lines[-1].split() == ["2", "update", "Tag", "7", "colour", "not", "sent"]


def test_a_secret_is_asked_for_and_written_nowhere(runs):
    first_run(runs, secret="hunter2")
    with runs.session() as session:
        with pytest.raises(JournalError, match="never written to disk"):
            session.recover()
        session.rollback()
    recover(runs, secrets=lambda obj, name, tag: "hunter2")
    assert runs.patches() == [{"secret": "hunter2"}]
    for file in runs.folder.rglob("*.journal*"):
        assert b"hunter2" not in file.read_bytes()


def test_a_secret_is_sent_by_the_program_itself(runs):
    first_run(runs, secret="hunter2")
    for _ in range(2):
        rerun(runs, secret="hunter2")
    assert runs.patches() == [{"secret": "hunter2"}]


class Large:
    """A content that lies beside the journal."""

    data = b"long"
    checksum = hashlib.sha256(data).hexdigest()

    def open(self):
        return BytesIO(self.data)


class Beside(Found):
    """Secrets of tags are long: their text lies beside the journal."""

    def contents(self, change):
        return {"secret": Large()} if "secret" in change.sent else {}

    def retold(self, obj, field, kept):
        return kept.read_text() if kept is not None else None


def test_what_lies_beside_the_journal_stays_there_until_it_is_sent(runs):
    session = runs.session(dialect=Beside)
    session.add(Tag(name="hot", secret="long"))
    session.commit()
    session.close()
    folder = runs.folder / "it.journal.contents"
    assert [path.name for path in folder.iterdir()] == [Large.checksum]
    with runs.session(dialect=Beside) as session:
        session.recover()
    assert runs.patches() == [{"secret": "long"}]
    assert not folder.exists()


def test_what_is_sent_lies_beside_the_journal_no_longer(runs):
    folder = runs.folder / "it.journal.contents"
    there = []
    with runs.session(dialect=Beside) as session:
        session.add(Tag(name="cold", secret="long"))
        runs.server.hook = lambda seen: there.append(folder.exists())
        session.commit()
        assert (there, folder.exists()) == ([True], False)


class Longer(Large):
    """Larger than what of it is in memory at once."""

    data = bytes(range(256)) * 2**13
    checksum = hashlib.sha256(data).hexdigest()

    def open(self):
        return Pieces(self.data)


class Pieces(BytesIO):
    def read(self, size=-1):
        assert 0 < size <= 2**20
        return super().read(size)


class BesideInPieces(Beside):
    def contents(self, change):
        return {"secret": Longer()}


def test_what_lies_beside_the_journal_is_never_in_memory_as_a_whole(runs):
    session = runs.session(dialect=BesideInPieces)
    session.add(Tag(name="hot", secret="long"))
    session.commit()
    session.close()
    (path,) = (runs.folder / "it.journal.contents").iterdir()
    assert path.read_bytes() == Longer.data


@pytest.mark.parametrize("recovered", [True, False])
def test_what_it_refers_to_may_be_as_new(runs, recovered):
    def program(session):
        session.add(Tag(name="hot", palette=Palette(name="p")))
        return session.commit(workers=1)

    session = runs.session()
    assert len(program(session).existing) == 1
    runs.died(session)
    for _ in range(2):
        with runs.session() as session:
            session.recover() if recovered else program(session)
    assert runs.patches() == [{"palette": 1}]


# -- two objects that are one ---------------------------------------------------------------------


def two(session, first="blue", second="blue"):
    tags = Tag(name="hot", colour=first), Tag(name="hot", colour=second)
    session.add(tags[0], tag="first")
    session.add(tags[1], tag="second")
    report = session.commit(workers=1)
    assert (tags[1].id, tags[1] in session) == (7, False)
    return report


@pytest.mark.parametrize("recovered", [True, False])
def test_two_that_say_the_same_are_one_that_says_it(runs, recovered):
    session = runs.session()
    assert len(two(session).existing) == 2
    runs.died(session)
    for _ in range(3):
        if recovered:
            recover(runs)
        with runs.session() as session:
            two(session)
            assert session.dirty == []
    assert runs.patches() == [{"colour": "blue"}]


def test_two_that_say_something_else_now_and_agree_are_one(runs):
    session = runs.session()
    two(session)
    runs.died(session)
    with runs.session() as session:
        two(session, "green", "green")
    assert runs.patches() == [{"colour": "green"}]


def test_the_order_in_which_the_two_come_again_does_not_matter(runs):
    session = runs.session()
    two(session)
    runs.died(session)
    with runs.session() as session:
        tags = Tag(name="hot", colour="blue"), Tag(name="hot", colour="blue")
        session.add(tags[1], tag="second")
        session.add(tags[0], tag="first")
        session.commit(workers=1)
        assert session.dirty == []
    assert runs.patches() == [{"colour": "blue"}]


# -- however it was found out ---------------------------------------------------------------------


class Together(Found):
    """New tags travel as a list, and each has an answer of its own."""

    max_batch = 10

    def company(self, draft):
        return draft.request.path if draft.kind == "create" else None

    def batch_request(self, requests):
        return Request("POST", "/tags/", body=Json([request.body.value for request in requests]))

    def batch_answers(self, response, requests):
        return [
            Response(each["status"], {}, response.content, "POST", "/tags/")
            if each["status"] < 300
            else refused(each)
            for each in response.json()
        ]


def refused(each):
    body = json.dumps(each["body"]).encode()
    return Conflict("there", Response(each["status"], {}, body, "POST", "/tags/"))


@pytest.mark.parametrize("again", [rerun, recover])
def test_found_by_an_answer_of_a_batch(runs, again):
    rows = [{"status": 409, "body": {"id": 7}}, {"status": 409, "body": {"id": 8}}]
    runs.server.tables["tags"].rows[8] = {**runs.row, "id": 8, "name": "cold"}
    runs.server.hook = lambda seen: None
    runs.server.fail("POST", "/tags", 200, rows)
    session = runs.session(dialect=Together)
    session.add_all([Tag(name="hot", colour="blue"), Tag(name="cold")])
    assert len(session.commit(workers=1).existing) == 2
    runs.died(session)
    again(runs, **({"colour": "blue"} if again is rerun else {}))
    assert runs.patches() == [{"colour": "blue"}]


class Repeating(Found):
    """A service that has one of each name, so that a create may be sent again."""

    def draft_create(self, change, mapper):
        return super().draft_create(change, mapper)._replace(settle=Settle.REPEAT)


@pytest.mark.parametrize("again", ["rerun", "recover"])
def test_found_by_a_repeat_of_what_a_dead_process_has_sent(runs, again):
    """The repeat meets what is there; then this process dies as well."""
    session = runs.session(dialect=Repeating)
    session.add(Tag(name="hot", colour="blue"))
    runs.dies_sending(session, "POST")
    session = runs.session(dialect=Repeating)
    if again == "rerun":
        session.add(Tag(name="hot", colour="blue"))
        session.commit(workers=1)
    else:
        session.recover()
    runs.died(session)
    rerun(runs, colour="blue")
    recover(runs)
    assert runs.patches() == [{"colour": "blue"}]


def test_found_by_its_natural_key_as_the_refusal_named_none(runs):
    """It is all as it was said, or nothing would tell that it is the one."""
    runs.answer = []
    first_run(runs, colour="red", size=1, words=[])
    rerun(runs, colour="red", size=1, words=[])
    recover(runs)
    assert runs.patches() == []


class Dated(Base):
    colour = fields.String(null=True)
    made = fields.DateTime(read_only=True)

    class Meta:
        created_field = "made"


def test_what_somebody_made_meanwhile_is_no_reason_to_forget_what_was_said(runs):
    """The refusal names no key, and what has the natural key was made since."""
    server = runs.server
    server.table(
        "dateds", [{"id": 3, "name": "d", "colour": "red", "made": "2100-01-01T00:00:00Z"}]
    )
    clock = {"Date": "Mon, 01 Jan 2029 00:00:00 GMT"}
    server.fail("POST", "/dateds", 409, [], headers=clock)
    with runs.session() as session:
        one = Dated(name="d", colour="blue")
        session.add(one)
        report = session.commit(workers=1)
        assert (report.existing.objects, one.id) == ([one], 3)
        assert one.changes == {"colour": ("red", "blue")}
        session.commit()
    assert runs.patches() == [{"colour": "blue"}]


@pytest.mark.parametrize("again", [rerun, recover])
def test_an_undo_leaves_it_and_what_it_says(runs, again):
    runs.server.fail("POST", "/palettes", 400, {"name": ["no"]})
    session = runs.session()
    tag = Tag(name="hot", colour="blue")
    session.add_all([tag, Palette(name="bad")])
    with pytest.raises(CommitError) as raised:
        session.commit(on_error="undo", workers=1)
    assert raised.value.report.existing.objects == [tag]
    runs.died(session)
    again(runs, **({"colour": "blue"} if again is rerun else {}))
    assert {"colour": "blue"} in runs.patches()
    assert runs.row["colour"] == "blue"


# -- the file -------------------------------------------------------------------------------------


def test_a_journal_of_the_format_before_is_read_and_goes_on(runs):
    """There, what was found stood like what was created."""
    with runs.session() as session:
        session.add_all([Tag(name="hot", colour="red"), Tag(name="new", colour="x")])
        session.commit(workers=1)
        session.rollback()
    with closing(sqlite3.connect(runs.path)) as database:
        detail = '[1,[["[7]",{"id":7,"name":"hot","colour":"red"},0]]]'
        database.execute(
            "UPDATE event SET detail = ? WHERE fate = 'done' AND detail LIKE '%[7]%'", (detail,)
        )
        database.execute("PRAGMA user_version = 1")
        database.commit()
    with runs.session() as session:
        session.add_all([Tag(name="hot", colour="red"), Tag(name="new", colour="x")])
        assert session.commit().counts() == {}
        session.add(Tag(name="other"))
        session.commit()
    with closing(sqlite3.connect(runs.path)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (2,)


@pytest.mark.parametrize(
    "row",
    [
        '["[7]",{},0,7,9]',
        '["[7]",{},0,["colour"],"x"]',
        '["[7]",{},0,["colour"]]',
        '["[7]",{},0,[7],9]',
    ],
)
def test_what_makes_no_sense_of_it_is_told(runs, row):
    first_run(runs, colour="blue")
    with closing(sqlite3.connect(runs.path)) as database:
        changed = database.execute(
            "UPDATE event SET detail = ? WHERE fate = 'done'", (f"[1,[{row}]]",)
        )
        assert changed.rowcount == 1
        database.commit()
    with pytest.raises(JournalError, match="an outcome in the journal makes no sense"):
        runs.session()


# -- a real death ---------------------------------------------------------------------------------


PROGRAM = """
    import os, signal, sys
    from objmapper import Session
    from objmapper.simvue import Client, Tag

    where, path = sys.argv[1:]
    child = os.fork()
    if child:
        # Before there is a client: of two processes that make one server's file, one may fail.
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    with Client(f"embedded://simvue?path={where}") as client:
        if child == 0:
            client.request("POST", "/tags", json={"name": "hot", "colour": "#ff0000"})
        with Session(client, journal=path) as session:
            if child == 0:
                session.add(Tag(name="hot", colour="#0000ff"))
                assert len(session.commit().existing) == 1
                os.kill(os.getpid(), signal.SIGKILL)
            assert len(session.recover().updated) == 1
            print(*(tag.colour for tag in Tag.objects.using(session)))
"""


def test_a_process_that_is_killed_leaves_it_to_a_recovery(tmp_path):
    program = [sys.executable, "-c", textwrap.dedent(PROGRAM), tmp_path / "server", tmp_path / "j"]
    ended = subprocess.run(program, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "#0000ff\n"), ended.stderr
