"""``python -m objmapper dispatch path`` sends what an offline session has left in a journal."""

import io
import json
import os
import signal
import subprocess
import sys

import pytest

from objmapper import Session
from objmapper.cli import main
from objmapper.cvat import Project, Task, make_client
from objmapper.server import serve
from objmapper.simvue import Client, FileStorage, Folder, Run, S3Storage, Tag, disconnect

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


def test_what_the_server_has_otherwise_already_is_sent_as_well(path, capsys, monkeypatch):
    with Session(offline=path) as session:
        session.add(Tag(name="hot", colour="#0000ff"))
        session.commit()
    with serve("simvue") as server:
        monkeypatch.setenv("SIMVUE_URL", server.url)
        monkeypatch.setenv("SIMVUE_TOKEN", server.server.credentials["TOKEN"])
        with Client() as client:
            client.request("POST", "/tags", json={"name": "hot", "colour": "#ff0000"})
            for now in ("1\ndone before  0\ndone now     1", "0"):
                assert main(["dispatch", str(path)]) == 0
                assert capsys.readouterr().out.partition("done now     ")[2] == f"{now}\n"
            assert [tag.colour for tag in Tag.objects.using(client.session)] == ["#0000ff"]
    assert main(["journal", str(path)]) == 0
    assert "not done  nothing" in capsys.readouterr().out


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


@pytest.fixture
def bucket(path, monkeypatch):
    """A storage with keys waits, and the server of Simvue's user is there; what it has is returned."""
    opened = {"bucket": "b", "access_key_id": "hunter2-a", "secret_access_key": "hunter2-b"}
    with Session(offline=path) as session:
        storage = S3Storage.new(name="s", endpoint_url="https://s3.example", **opened)
        session.add(storage, tag="bucket")
        session.add(FileStorage.new(name="f", disable_check=True))
        session.commit()
    with serve("simvue") as server:
        monkeypatch.setenv("SIMVUE_URL", server.url)
        monkeypatch.setenv("SIMVUE_TOKEN", server.server.credentials["TOKEN"])
        yield opened
        disconnect()


@pytest.mark.parametrize("by", ["class", "tag", "stdin"])
def test_what_no_journal_has_is_told_by_a_file(bucket, path, tmp_path, capsys, monkeypatch, by):
    assert main(["dispatch", str(path)]) == 1
    said = capsys.readouterr().err
    assert "S3Storage" in said
    assert "--secrets" in said
    told = {"bucket": {"config": bucket}} if by == "tag" else {"S3Storage.config": bucket}
    file = tmp_path / "secrets.json"
    file.write_text(json.dumps(told))
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(told)))
    named = "-" if by == "stdin" else str(file)
    assert main(["dispatch", str(path), "--secrets", named]) == 0
    said = capsys.readouterr()
    assert "hunter2" not in said.out + said.err
    assert [storage.config.bucket for _, storage in S3Storage.get()] == ["b"]
    assert "f" in [storage.name for _, storage in FileStorage.get()]


@pytest.mark.parametrize("text", [None, "[]", '{"hunter2"'])
def test_a_file_of_secrets_that_is_none_is_refused(path, tmp_path, capsys, text):
    file = tmp_path / "secrets.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SystemExit):
        main(["dispatch", str(path), "--secrets", str(file)])
    said = capsys.readouterr().err
    assert "secrets.json" in said
    assert "hunter2" not in said


def test_a_dispatch_that_is_killed_is_finished_by_another(path, monkeypatch):
    """The process dies by SIGKILL when the folder's answer has come, before it is written down."""
    with Session(offline=path) as session:
        session.add(Folder.new(path="/a"))
        session.add(Run.new(folder="/a", name="after the kill"))
        session.commit()
    program = (
        "import os, signal, sys\n"
        "from objmapper import signals\n"
        "from objmapper.cli import main\n"
        "from objmapper.simvue import Client\n"
        "def die(sender, request, response):\n"
        "    if response.url.endswith('/folders'): os.kill(os.getpid(), signal.SIGKILL)\n"
        "signals.response_received.connect(die, sender=Client)\n"
        "main(['dispatch', sys.argv[1]])\n"
    )
    with serve("simvue") as server:
        monkeypatch.setenv("SIMVUE_URL", server.url)
        monkeypatch.setenv("SIMVUE_TOKEN", server.server.credentials["TOKEN"])
        done = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
        assert done.returncode == -signal.SIGKILL
        assert main(["dispatch", str(path)]) == 0
        assert [run.name for run in Run.objects.all()] == ["after the kill"]
        assert sorted(folder.path for folder in Folder.objects.all()) == ["/", "/a"]
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
