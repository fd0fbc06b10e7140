"""The script of docs/howto/resumable-migration.md, killed in the middle and run again."""

import collections
import importlib.util
import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import blocks
import pytest

from objmapper import server
from objmapper.cvat import Project, Task, make_client

TESTS = Path(__file__).parents[1]
for _name in ("faulty", "faultproxy"):
    if _name not in sys.modules:
        _spec = importlib.util.spec_from_file_location(_name, TESTS / f"{_name}.py")
        assert _spec
        assert _spec.loader
        sys.modules[_name] = importlib.util.module_from_spec(_spec)
        _spec.loader.exec_module(sys.modules[_name])

faulty, faultproxy = sys.modules["faulty"], sys.modules["faultproxy"]
PAGE = blocks.ROOT / "docs" / "howto" / "resumable-migration.md"
WANTED = {
    f"round {number}": sorted(f"round {number}, part {part}" for part in range(1, 6))
    for number in range(1, 21)
}


def script():
    (found,) = re.findall(r":caption: rounds\.py\n\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    return found


class Killer(faulty.FaultyServer):
    """Passes requests on, and kills a process when the server has done so many writes."""

    def __init__(self, upstream, after):
        super().__init__()
        self.left, self.victim = after, None
        self._counting = threading.Lock()
        self._pass_on, self._upstream = faultproxy.passed_on(upstream), upstream
        self.then(self._pass_or_kill)

    def _pass_or_kill(self, to):
        if to.seen.method != "POST" or to.seen.path.endswith("/login"):
            return self._pass_on(to)
        with self._counting:
            self.left -= 1
            kills = self.left == 0
        if not kills:
            return self._pass_on(to)
        return faultproxy.after(self._upstream, self._kill)(to)  # done, and never answered

    def _kill(self, to):
        os.kill(self.victim.pid, signal.SIGKILL)
        self.victim.wait(timeout=60)
        return False


def rounds(url):
    """Return the names of the tasks on the server, by the name of their project."""
    found = collections.defaultdict(list)
    with make_client(url, credentials=("admin", "secret")):
        for project in Project.objects.all():
            found[project.name] += []
        for task in Task.objects.all():
            found[task.project.name].append(task.name)
        assert len(found) == Project.objects.count()
    return {name: sorted(names) for name, names in found.items()}


@pytest.fixture
def upstream():
    with server.serve("cvat", users=["admin:secret"]) as running:
        yield running.url


@pytest.fixture
def run(tmp_path):
    (tmp_path / "rounds.py").write_text(script(), "utf-8")

    def run(url):
        env = {**os.environ, "CVAT_URL": url, "CVAT_USER": "admin", "CVAT_PASSWORD": "secret"}
        return subprocess.Popen(
            [sys.executable, "rounds.py"],
            cwd=tmp_path,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return run


def test_it_is_under_forty_lines():
    assert len(script().splitlines()) < 40


# Among the projects, in the middle of the tasks, and at the last request of all.
@pytest.mark.parametrize("after", [7, 60, 120])
def test_killed_in_the_middle_and_run_again_it_makes_the_rest(upstream, run, after):
    with closing(Killer(upstream, after)) as way:  # a journal is of one address: all runs take it
        way.victim = first = run(way.url)
        first.communicate(timeout=60)
        assert first.returncode == -signal.SIGKILL
        there = rounds(upstream)
        made = len(there) + sum(map(len, there.values()))
        assert after <= made <= 120

        second = run(way.url)
        out, err = second.communicate(timeout=60)
        assert (second.returncode, err) == (0, "")
        assert rounds(upstream) == WANTED

        third = run(way.url)
        out, err = third.communicate(timeout=60)
        assert (third.returncode, out.partition(";")[0], err) == (0, "nothing to do", "")
        assert rounds(upstream) == WANTED
