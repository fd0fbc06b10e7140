"""``python -m objmapper journal path`` tells what a journal holds, and changes nothing."""

from contextlib import closing

import pytest

from objmapper import CommitError
from objmapper.cli import main


def tasks(models):
    project = models.Project(name="p")
    return [models.Task(name=name, project=project, secret="hunter2") for name in "abcd"]


def test_it_lists_what_is_not_done_and_says_so_by_its_status(place, models, capsys):
    session = place.session()
    session.add_all(tasks(models))
    place.die(session, 4, done=False)
    before = place.path.read_bytes()
    assert main(["journal", str(place.path)]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert lines[:5] == [
        "server    http://small.test/api",
        "dialect   drf",
        "models    Project, Task",
        "done      3 created",
        "not done  1 not sent, 1 sent, no answer",
    ]
    assert [line.split()[:5] for line in lines[6:7]] == [["no", "what", "object", "sends", "fate"]]
    assert lines[8].startswith("4   create  Task #1 c  name, project, secret  sent, no answer  20")
    assert lines[9].rstrip() == "5   create  Task #1 d  name, project, secret  not sent"
    assert len(lines) == 10
    assert main(["journal", str(place.path)]) == 3
    assert len(place.path.read_bytes()) >= len(before)
    with place.session() as session:
        assert len(session.recover(secrets=lambda *asked: "hunter2").created) == 5


def test_all_done_is_status_0(place, models, capsys):
    with place.session() as session:
        session.add_all(tasks(models))
        session.commit()
    assert main(["journal", str(place.path)]) == 0
    said = capsys.readouterr().out
    assert "done      5 created\nnot done  nothing\n" in said
    assert "hunter" not in said


def test_changes_tags_and_refusals_are_told(place, models, capsys):
    place.server.tables["tasks"].rows[7] = {"id": 7, "name": "seven", "note": None}
    place.server.fail("PATCH", "/tasks/7", 400, {"note": ["no"]})
    with closing(place.session()) as session:
        models.Task.objects.using(session).get(id=7).note = "x"
        session.add(models.Nameless(note="y"), tag="row-1")
        with pytest.raises(CommitError):
            session.commit(on_error="continue")
    assert main(["journal", str(place.path)]) == 3
    said = capsys.readouterr().out
    assert "done      1 created" in said
    assert "update  Task 7  note   failed (BadRequest 400)" in said


def test_a_journal_in_use_is_refused(place, capsys):
    with place.session():
        assert main(["journal", str(place.path)]) == 1
    assert "open in another session" in capsys.readouterr().err


def test_a_path_without_a_journal_is_told_and_makes_none(tmp_path, capsys):
    assert main(["journal", str(tmp_path / "none")]) == 1
    assert "There is no journal at" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "empty").touch()
    assert main(["journal", str(tmp_path / "empty")]) == 1
    assert "no journal of objmapper" in capsys.readouterr().err
    assert (tmp_path / "empty").read_bytes() == b""
