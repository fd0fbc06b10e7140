"""progress=True: a bar of rich's on standard error, on a terminal and where there is none."""

import os
import re
import sys
from contextlib import contextmanager

import pytest

from objmapper import CommitError, Model, Registry, Session, fields, signals
from objmapper.progress import progress_bar

registry = Registry("progress")
END = "\x04that is all\x04"


class Task(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String()

    class Meta:
        registry = registry


@pytest.fixture
def session(small):
    small.table("tasks")
    with Session(small.client()) as opened:
        yield opened


@contextmanager
def terminal(monkeypatch, columns=100):
    """Standard error as a terminal of so many columns; gives what tells what was shown there."""
    master, slave = os.openpty()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(columns))
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)

    def shown():
        # What was written comes in pieces, as the system hands it on: it ends with this.
        file.write(END)
        file.flush()
        told = b""
        while not told.endswith(END.encode()):
            told += os.read(master, 1 << 16)
        return told.decode().removesuffix(END)

    with os.fdopen(slave, "w", encoding="utf-8") as file, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", file)
        yield shown
    os.close(master)


def plain(text):
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_a_terminal_shows_what_is_done_at_which_rate_and_when_it_ends(session, monkeypatch):
    session.add_all(Task(name=f"t{n}") for n in range(3))
    with terminal(monkeypatch) as shown:
        session.commit(progress=True)
        last = plain(shown()).replace("\r", "\n").strip().splitlines()[-1]
    assert re.search(r"^commit +\S+ +100% +3/3 .*/s +\d+:\d\d:\d\d$", last), last


def test_in_a_narrow_terminal_no_number_is_cut(monkeypatch):
    with terminal(monkeypatch, 36) as shown:
        with progress_bar(True, 12_345) as told:
            told(12_345, 12_345)
        last = plain(shown()).replace("\r", "\n").strip().splitlines()[-1]
    assert re.search(r"^commit .* 100% 12345/12345 .*\d:\d\d:\d\d$", last), last
    assert len(last) <= 36


def test_where_there_is_no_terminal_the_end_is_one_line_without_control_codes(session, capfd):
    session.add_all(Task(name=f"t{n}") for n in range(3))
    session.commit(progress=True)
    told = capfd.readouterr()
    (line,) = told.err.splitlines()
    assert "3/3" in line
    assert "\x1b" not in line
    assert told.out == ""


def test_what_the_program_prints_meanwhile_goes_where_it_always_goes(session, monkeypatch, capfd):
    def heard(sender, instance, session):
        sys.stdout.write(f"heard {instance.name}\n")

    session.add(Task(name="t"))
    with signals.post_create.connected_to(heard), terminal(monkeypatch) as shown:
        session.commit(progress=True)
        assert "heard" not in shown()
    assert capfd.readouterr().out == "heard t\n"


def test_the_bar_of_a_commit_that_fails_stays_where_it_stopped(small, session, capfd):
    session.add_all(Task(name=f"t{n}") for n in range(3))
    small.fail("POST", "/tasks/", 400, {})
    with pytest.raises(CommitError):
        session.commit(progress=True, workers=1)
    assert "1/3" in capfd.readouterr().err
    session.rollback()
