"""``python -m objmapper dispatch path`` sends what an offline session has left in a journal."""

import os
import subprocess
import sys

import pytest

from objmapper import Session
from objmapper.cli import main
from objmapper.cvat import Project, Task, make_client
from objmapper.server import serve
from objmapper.simvue import Run, disconnect

USER = ("admin", "hunter2-x")


@pytest.fixture(scope="module")
def cvat():
    with serve("cvat", users=[":".join(USER)]) as server:
        yield server


@pytest.fixture
def path(tmp_path):
    return tmp_path / "offline.journal"


def kept(path, name, client=None):
    with Session(client, offline=path) as session:
        project = Project(name=name)
        session.add_all(Task(name=f"{name} {n}", project=project) for n in range(2))
        session.commit()


def there(cvat, name):
    with make_client(cvat.url, credentials=USER) as client:
        return sorted(task.name for task in client.tasks.filter(name=name))


def test_it_sends_what_was_kept_and_twice_is_once(cvat, path, capsys):
    kept(path, "one")
    arguments = ["dispatch", str(path), "--url", cvat.url, "--user", ":".join(USER)]
    assert main(arguments) == 0
    assert capsys.readouterr().out == "done before  0\ndone now     3\n"
    assert main(["dispatch", str(path), "--user", ":".join(USER)]) == 0
    assert capsys.readouterr().out == "done before  3\ndone now     0\n"
    assert [there(cvat, f"one {n}") for n in range(3)] == [["one 0"], ["one 1"], []]


def test_what_is_refused_stays_and_is_status_3(cvat, path, capsys):
    with Session(offline=path) as session:
        session.add(Project(name="two"))
        session.add(Task(name="homeless", project=424242))
        session.commit()
    arguments = ["dispatch", str(path), "--url", cvat.url, "--user", ":".join(USER)]
    assert main(arguments) == 3
    said = capsys.readouterr().out
    assert said.startswith("done before  0\ndone now     1\n")
    assert "failed: <Task name='homeless'>" in said
    assert USER[1] not in said
    assert main(["journal", str(path)]) == 3


def test_a_simvue_is_found_as_its_user_has_configured_it(path, capsys, monkeypatch):
    with Session(offline=path) as session:
        session.add(Run.new(folder="/", name="kept"))
        session.commit()
    with serve("simvue") as server:
        monkeypatch.setenv("SIMVUE_URL", server.url)
        monkeypatch.setenv("SIMVUE_TOKEN", server.server.credentials["TOKEN"])
        assert main(["dispatch", str(path), "--user", "a:b"]) == 1
        assert "SIMVUE_TOKEN" in capsys.readouterr().err
        assert main(["dispatch", str(path)]) == 0
        assert [run.name for run in Run.objects.all()] == ["kept"]
        disconnect()


def test_nobody_else_may_have_the_journal(cvat, path, capsys):
    kept(path, "three")
    arguments = ["dispatch", str(path), "--url", cvat.url, "--user", ":".join(USER)]
    with Session(offline=path):
        assert main(arguments) == 1
    assert "open in another session" in capsys.readouterr().err
    assert there(cvat, "three 0") == []


@pytest.mark.parametrize("url", [None, "another"])
def test_a_server_that_nobody_names_or_another_one_is_refused(cvat, path, capsys, url):
    if url is None:
        kept(path, "four")
    else:
        with make_client("embedded://cvat") as client:
            kept(path, "four", client)
    told = [] if url is None else ["--url", cvat.url]
    assert main(["dispatch", str(path), *told]) == 1
    assert ("give --url" if url is None else "is of the server") in capsys.readouterr().err


def test_a_path_without_a_journal_is_told_and_makes_none(tmp_path, capsys):
    assert main(["dispatch", str(tmp_path / "none"), "--url", "http://localhost:1"]) == 1
    assert "There is no journal at" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_models_of_ones_own_are_imported_by_name(cvat, tmp_path, path):
    (tmp_path / "fieldwork.py").write_text(
        "from objmapper import Model, Registry, fields\n"
        "class Issue(Model):\n"
        "    id = fields.Integer(primary_key=True)\n"
        "    name = fields.String(required=True)\n"
        "    class Meta:\n"
        "        endpoint = 'projects'\n"
        "        registry = Registry('fieldwork', dialect='cvat')\n"
    )
    keep = (
        "import sys; from objmapper import Session; from fieldwork import Issue\n"
        "with Session(offline=sys.argv[1]) as s: s.add(Issue(name='five')); s.commit()"
    )
    options = {"cwd": tmp_path, "capture_output": True, "text": True, "env": {**os.environ}}
    done = subprocess.run([sys.executable, "-c", keep, str(path)], **options)
    assert (done.returncode, done.stderr) == (0, "")
    send = [sys.executable, "-m", "objmapper", "dispatch", str(path)]
    send += ["--url", cvat.url, "--user", ":".join(USER)]
    done = subprocess.run(send, **options)
    assert done.returncode == 1
    assert "import the module" in done.stderr
    done = subprocess.run([*send, "--import", "fieldwork"], **options)
    assert (done.returncode, done.stdout) == (0, "done before  0\ndone now     1\n")
