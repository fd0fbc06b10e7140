"""The main job, as users run it: a process of its own, on the embedded and on a served CVAT."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from objmapper import signals
from objmapper.cli import checking, demo, main, migration
from objmapper.cvat import Label, Project, Task, make_client
from objmapper.server import serve

ADMIN = ("admin", "secret")


PLAIN = "import sys; from objmapper.cli import main; sys.exit(main(sys.argv[1:]))"
#: The command line, with a Ctrl-C in the middle of the commit.
INTERRUPTED = """
import os, signal, sys
from objmapper import signals
from objmapper.cli import main

def interrupt(sender, request):
    if request.method == "DELETE":
        signals.request_sent.disconnect(interrupt)
        os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
signals.request_sent.connect(interrupt)
sys.exit(main(sys.argv[1:]))
"""
#: The command line without one of the packages of an extra.
WITHOUT = """
import sys
sys.modules["{}"] = None
from objmapper.cli import main
sys.exit(main(sys.argv[1:]))
"""


def run(*arguments, code):
    """Run *code* in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=100
    )


@pytest.fixture(scope="module")
def done():
    """``python -m objmapper demo``, done."""
    return subprocess.run(
        [sys.executable, "-m", "objmapper", "demo"], capture_output=True, text=True, timeout=100
    )


@pytest.fixture
def served():
    """A checked CVAT 2.15 on a socket that has content of its own: two projects of three tasks."""
    with serve("cvat", seed="2x3", users=[ADMIN], version="2.15", check=True) as running:
        yield running
        assert running.server.violations == []


@pytest.fixture
def admin(served):
    with make_client(served.url, credentials=ADMIN) as client:
        yield client


def content(client):
    """All that the server has, but for what a read changes."""
    kinds = ("projects", "tasks", "jobs", "labels")
    return {
        kind: client.request("GET", f"/{kind}?page_size=100").json()["results"] for kind in kinds
    }


class TestOnTheEmbeddedServer:
    def test_it_succeeds(self, done):
        assert done.returncode == 0, done.stdout + done.stderr
        assert "All is as it should be." in done.stdout

    def test_it_says_what_it_starts_with(self, done):
        assert "4 projects, 200 tasks, 600 jobs, 12 labels" in done.stdout

    def test_it_shows_the_plan_shortened(self, done):
        lines = done.stdout.splitlines()
        start = next(n for n, line in enumerate(lines) if line.startswith("2. session.plan()"))
        table = lines[start + 1 : lines.index("", start)]
        assert table[0].split()[:4] == ["wave", "no", "verb", "url"]
        assert len(table) < 30
        assert re.fullmatch(r" *(\d+) requests in 2 waves\.", table[-1])
        told = int(table[-1].split()[0])
        shown = sum(line.split()[0].isdigit() for line in table[2:-1])
        more = sum(
            int(found[1]) for found in map(re.compile(r".*\.\.\. (\d+) more").match, table) if found
        )
        assert shown + more == told

    def test_it_shows_a_progress_bar(self, done):
        assert re.search(r"100%.*\b(\d+)/\1\b", done.stderr)

    def test_it_shows_the_report_and_an_audit(self, done):
        created, updated, deleted = map(
            int, re.search(r"(\d+) created, (\d+) updated, (\d+) deleted;", done.stdout).groups()
        )
        assert created > 40
        assert deleted == 40
        assert f"... {updated} lines of audit" in done.stdout
        for kind in ("Project", "Label", "Task", "Job"):
            assert re.search(rf"   <{kind} \d+ .*>: \w+: .* -> ", done.stdout)

    def test_it_compares_with_a_loop_and_says_how_that_number_is_made(self, done):
        ours = re.search(r"Requests: (\d+) reads \+ (\d+) writes = (\d+)\.", done.stdout)
        reads, writes, both = map(int, ours.groups())
        assert reads + writes == both
        loop, _, terms = done.stdout.partition("one by one: ")[2].partition(", counted as")
        parts = re.findall(r"^ +(\d+)  \w", terms.partition("\n\n")[0], re.MULTILINE)
        assert sum(map(int, parts)) == int(loop)
        assert both < int(loop)
        done_ = re.search(
            r"(\d+) created, (\d+) updated, (\d+) deleted; (\d+) requests", done.stdout
        )
        created, updated, deleted, sent = map(int, done_.groups())
        assert sent == writes < created + updated + deleted  # labels travel with their parents

    def test_it_says_that_the_check_does_without_objmapper(self, done):
        assert "plain HTTP" in done.stdout
        assert "nothing of objmapper" in done.stdout
        source = Path(checking.__file__).read_text("utf-8")
        assert not re.search(r"^(import|from) objmapper", source, re.MULTILINE)

    def test_it_shows_no_password(self, done):
        assert "password" not in (done.stdout + done.stderr).lower()


def test_without_the_extra_progress_it_runs_without_a_bar():
    done = run("demo", code=WITHOUT.format("rich"))
    assert done.returncode == 0
    assert done.stderr == ""


def test_without_the_extra_server_it_says_what_to_install():
    done = run("demo", code=WITHOUT.format("werkzeug"))
    assert done.returncode == 1
    assert 'pip install "objmapper[server]"' in done.stderr
    assert "Traceback" not in done.stderr


class TestOnAServedOne:
    def test_it_works_on_projects_of_its_own_and_leaves_nothing(self, served, admin):
        before = content(admin)
        done = run("demo", "--url", served.url, "--user", ":".join(ADMIN), code=PLAIN)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "It holds 4 projects, 200 tasks, 0 jobs, 12 labels" in done.stdout
        assert "All is as it should be." in done.stdout
        assert "The 5 projects of this demo are deleted again" in done.stdout
        assert content(admin) == before

    def test_it_leaves_nothing_when_it_fails(self, served, admin, capsys):
        before = content(admin)

        def veto(sender, instance, session):
            if instance.name.endswith("again"):
                raise signals.Veto("not this one")

        with signals.pre_create.connected_to(veto, sender=Task):
            status = main(["demo", "--url", served.url, "--user", ":".join(ADMIN)])
        assert status == 1
        assert "not this one" in capsys.readouterr().err
        assert content(admin) == before

    def test_it_leaves_nothing_when_it_is_interrupted(self, served, admin):
        before = content(admin)
        done = run("demo", "--url", served.url, "--user", ":".join(ADMIN), code=INTERRUPTED)
        assert done.returncode == 130, done.stdout + done.stderr
        assert "interrupted" in done.stderr
        assert "Traceback" not in done.stderr
        assert content(admin) == before

    def test_a_wrong_password_is_told(self, served, capsys):
        assert main(["demo", "--url", served.url, "--user", "admin:mistaken"]) == 1
        told = capsys.readouterr()
        assert "Unable to log in with provided credentials" in told.err
        assert "mistaken" not in told.out + told.err


class TestCheck:
    @pytest.fixture
    def rows(self, served, admin):
        """The rows before and after the migration, and how to read them again."""
        http = checking.PlainHTTP(admin.base_url, *ADMIN)
        projects = list(Project.objects.order_by("id"))
        before = checking.snapshot(http, [project.id for project in projects])
        migration.migrate(admin.session, projects, admin.users.retrieve_current_user())
        made = [o for o in admin.session.commit().created.objects if isinstance(o, Project)]
        keys = [project.id for project in [*projects, *made]]
        return before, lambda: checking.snapshot(http, keys)

    def found(self, rows):
        before, again = rows
        return list(checking.differences(before, again(), 1))

    def test_nothing_is_wrong_after_the_migration(self, rows):
        assert self.found(rows) == []

    @pytest.mark.parametrize(
        ("tamper", "told"),
        [
            (lambda c: c.request("PATCH", "/tasks/1", json={"name": "x"}), "tasks/1 has name 'x'"),
            (lambda c: c.request("PATCH", "/tasks/2", json={"subset": "x"}), "tasks/2 has subset"),
            (lambda c: c.request("DELETE", "/tasks/1"), "tasks/1 is gone"),
            (
                lambda c: c.request("PATCH", "/jobs/1", json={"stage": "acceptance"}),
                "jobs/1 has stage",
            ),
            (
                lambda c: c.request("PATCH", "/jobs/2", json={"assignee": 1}),
                "jobs/2 has assignee 1",
            ),
            (
                lambda c: c.request(
                    "PATCH", "/labels/2", json={"name": "pedestrian", "color": "#000000"}
                ),
                "labels/2 has color '#000000'",
            ),
            (lambda c: c.request("DELETE", "/labels/1"), "labels/1 is gone"),
            (lambda c: c.projects.retrieve(1).labels.create(name="x"), "The new labels"),
            (lambda c: c.tasks.create(name="x", project=1), "The new tasks"),
            (lambda c: c.projects.retrieve(3).update({"name": "x"}), "The new projects"),
            (lambda c: c.tasks.filter(project=3).update(assignee=None), "The new tasks"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_what_is_wrong_is_told(self, rows, admin, tamper, told):
        tamper(admin)
        differences = self.found(rows)
        assert any(told in text for text in differences), differences

    def test_what_should_be_gone_and_is_there_is_told(self, rows):
        before, again = rows
        after = again()
        gone = next(key for key, task in before["tasks"].items() if task["subset"] == "")
        after["tasks"][gone] = before["tasks"][gone]
        assert f"tasks/{gone} should be gone." in checking.differences(before, after, 1)

    def test_the_demo_fails_when_something_is_wrong(self, served, admin, capsys):
        def meddle(sender, session, report):
            admin.request("PATCH", "/projects/1", json={"name": "meddled with"})

        with signals.post_commit.connected_to(meddle):
            status = demo.run(admin, list(Project.objects.order_by("id")), ADMIN)
        assert status == 1
        told = capsys.readouterr().out
        assert "WRONG: projects/1 has name 'meddled with'" in told
        assert "not as they should be" in told


class TestMigration:
    def test_it_only_reads_before_the_commit(self, served, admin):
        before = content(admin)
        projects = list(Project.objects.order_by("id"))
        migration.migrate(admin.session, projects, admin.users.retrieve_current_user())
        plan = admin.session.plan()
        assert content(admin) == before
        assert len(plan.waves) == 2
        admin.session.rollback()

    def test_the_audit_is_heard_only_while_it_is_open(self, served, admin, tmp_path):
        with (tmp_path / "audit").open("w+") as log:
            with migration.Audit(log):
                Task.objects.get(id=1).update({"name": "heard"})
            Task.objects.get(id=1).update({"name": "not heard"})
            log.seek(0)
            assert log.read().splitlines() == ["<Task 1 name='heard'>: name: task 1-01 -> heard"]

    def test_it_is_the_readme_s_example_word_for_word(self):
        readme = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
        assert f"```python\n{Path(migration.__file__).read_text('utf-8')}```\n" in readme

    def test_it_is_short(self):
        assert len(Path(migration.__file__).read_text("utf-8").splitlines()) <= 70


def test_labels_of_the_demo_s_own_projects_are_those_of_the_seed(served, admin):
    seeded = Label.objects.filter(project=1).order_by("id").values_list("name", flat=True)
    assert tuple(seeded) == demo.LABELS
