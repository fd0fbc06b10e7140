"""``python -m benchmarks.mutants 'objmapper.journal*' --draw 450 --seed 12``: do the tests notice?

The rooms that ``[mutmut]`` of setup.cfg names are changed a little, one place at a time. mutmut makes
these mutants; what runs them is here, as it takes minutes where mutmut takes hours. The tests are collected
once. A fork runs them all, and finds out which functions each reaches. Then each mutant has a fork of its
own, with the tests that reach the changed function, the quickest first, until one fails. What the processes
that a test starts reach is not seen.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import difflib
import fnmatch
import json
import math
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from mutmut.configuration import config
from mutmut.mutation import trampoline
from mutmut.mutation.file_mutation import mutate_file_contents

#: What starts a server for all tests, which each fork would start again; what other processes do.
_LEFT = ("journal/test_journal_on_kinto.py", "journal/test_kills.py")
#: What mutmut writes behind each line.
_MARK = " # type: ignore # mutmut generated"

Items = list[pytest.Item]


def function_of(mutant: str) -> str:
    return mutant.rpartition("__mutmut_")[0]


def copy(folder: Path) -> list[str]:
    """Copy the project, its rooms changed; return the names of the mutants."""
    chosen, names = config(), []
    for path in [*chosen.source_paths, *chosen.also_copy]:
        if path.is_dir():
            shutil.copytree(path, folder / path, ignore=shutil.ignore_patterns("__pycache__"))
        elif path.exists():
            shutil.copy(path, folder / path)
    for room in sorted(
        path for path in Path("objmapper").rglob("*.py") if config().should_mutate(path)
    ):
        changed = mutate_file_contents(str(room), room.read_text())
        (folder / room).write_text(changed.code)
        module = ".".join(room.with_suffix("").parts)
        names += [f"{module}.{name}" for name in changed.mutant_names]
    return names


def difference(folder: Path, mutant: str) -> str:
    """Return what a mutant changes, line by line."""
    module, _, name = mutant.rpartition(".")
    source = (folder / module.replace(".", "/")).with_suffix(".py").read_text()
    lines, bodies = source.replace(_MARK, "").splitlines(), {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            bodies[node.name] = lines[node.lineno : node.end_lineno]
    original = bodies[f"{function_of(name)}__mutmut_orig"]
    found = difflib.unified_diff(original, bodies[name], n=0, lineterm="")
    return "\n".join(f"    {line}" for line in found if line[:2] not in ("--", "++", "@@"))


class Fork:
    """A process in which some of the tests run until one fails; *cpu*: how long they take."""

    def __init__(self, runner: Runner, mutant: str, items: Items, cpu: float) -> None:
        self.mutant, self.items = mutant, items
        self.folder = Path(tempfile.mkdtemp())
        self.latest = time.monotonic() + 60 + 20 * cpu
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            self._run(runner, int(30 + 5 * cpu))

    def _run(self, runner: Runner, seconds: int) -> None:
        told: Any = None, "what runs the tests has ended"
        try:
            os.setsid()
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
            for stream in (1, 2):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
            os.environ["PYTEST_DEBUG_TEMPROOT"] = str(self.folder)
            trampoline.set_mutant_under_test(self.mutant)
            told = runner.map(self.items) if self.mutant == "stats" else runner.failure(self.items)
        except BaseException as error:
            told = None, repr(error)
        finally:
            (self.folder / "told").write_text(json.dumps(told))
            os._exit(0)

    def over(self) -> bool:
        """Return whether it has ended, or is ended as it took too long."""
        if os.waitpid(self.pid, os.WNOHANG)[0] == 0:
            if time.monotonic() < self.latest:
                return False
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        told = self.folder / "told"
        #: The test that failed and how, None if none did; no test where it ended before that.
        self.told: Any = (
            json.loads(told.read_text()) if told.exists() else (None, "it took too long")
        )
        shutil.rmtree(self.folder, ignore_errors=True)
        return True


class Runner:
    """A pytest plugin that runs what is collected again and again, in forks."""

    def __init__(self, arguments: argparse.Namespace, folder: Path, names: list[str]) -> None:
        self.arguments, self.folder, self.names = arguments, folder, names
        self.failed: tuple[str, str] | None = None
        #: What a test reaches; and how many mutants of a function each test has told.
        self.hits: set[str] = set()
        self.tellers: defaultdict[str, Counter[str]] = defaultdict(Counter)
        trampoline.record_trampoline_hit = lambda name, caller=None: self.hits.add(name)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and self.failed is None:
            self.failed = report.nodeid, report.longreprtext[-1500:]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise session.Interrupted(f"{session.testsfailed} errors while tests were collected")
        (first,) = self.forks([("stats", session.items, 300)])
        tests, failed = first.told
        if tests is None or failed is not None:
            raise session.Interrupted(f"without any mutant: {failed}")
        ordered = sorted(session.items, key=lambda item: tests[item.nodeid][0])
        for run in self.forks([("", ordered, 300)] * self.arguments.runs):
            print("without any mutant fails", "nothing" if run.told is None else run.told)
        self.tell(self.forks(self.queue(ordered, tests)))
        return True

    def queue(self, items: Items, tests: dict[str, Any]) -> Iterator[tuple[str, Items, float]]:
        """Yield each mutant with the tests that reach it, what told one of its function first."""
        for mutant in self.names:
            function, reach, seconds = function_of(mutant), [], 0.0
            for item in items:
                if function in tests[item.nodeid][1] and seconds < self.arguments.seconds:
                    reach.append(item)
                    seconds += tests[item.nodeid][0]
            reach.sort(key=lambda item: self.tellers[function][item.nodeid], reverse=True)
            yield mutant, reach, seconds

    def forks(self, queue: Iterable[tuple[str, Items, float]]) -> Iterator[Fork]:
        """Run forks, some at a time; yield those that are over."""
        waiting, running = iter(queue), set[Fork]()
        while True:
            while len(running) < self.arguments.workers and (task := next(waiting, None)):
                running.add(Fork(self, *task))
            if not running:
                return
            time.sleep(0.01)
            over = {fork for fork in running if fork.over()}
            running -= over
            yield from over

    def run(self, items: Items) -> Iterator[pytest.Item]:
        for item, following in zip_longest(items, items[1:]):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            yield item

    def failure(self, items: Items) -> tuple[str, str] | None:
        return next((self.failed for _ in self.run(items) if self.failed), None)

    def map(self, items: Items) -> tuple[dict[str, Any], tuple[str, str] | None]:
        """Return the seconds of each test and the functions that it reaches."""
        # For this process alone: those that tests start have nobody to tell.
        del os.environ["MUTANT_UNDER_TEST"]
        tests, begun = {}, time.process_time()
        for item in self.run(items):
            tests[item.nodeid] = time.process_time() - begun, sorted(self.hits)
            self.hits.clear()
            begun = time.process_time()
        return tests, self.failed

    def tell(self, forks: Iterator[Fork]) -> None:
        """Print what becomes of each mutant, and how many of each room are noticed."""
        drawn, noticed, strange = Counter[str](), Counter[str](), 0
        for fork in forks:
            room = fork.mutant.rpartition(".")[0].removeprefix("objmapper.")
            drawn[room] += 1
            if fork.told is None:
                print(f"{fork.mutant} survives {len(fork.items)} tests:")
                print(difference(self.folder, fork.mutant))
                continue
            test, how = fork.told
            noticed[room] += 1
            strange += test is None
            self.tellers[function_of(fork.mutant)][test] += 1
            print(fork.mutant, f"is noticed by {test}" if test else f"ends otherwise: {how}")
        for room, number in sorted(drawn.items()):
            print(f"| `{room}` | {number} | {noticed[room]} |")
        print(
            share(noticed.total(), drawn.total()), f"{strange} otherwise than by a test that fails"
        )


def share(noticed: int, drawn: int) -> str:
    """Return how many are noticed, with Wilson's interval of 95%."""
    part, z = noticed / drawn, 1.96
    middle, width = (
        part + z * z / 2 / drawn,
        z * math.sqrt(part * (1 - part) / drawn + (z / 2 / drawn) ** 2),
    )
    low, high = ((middle + side) / (1 + z * z / drawn) for side in (-width, width))
    return f"{noticed} of {drawn} are noticed, {part:.1%}, by chance {low:.1%} to {high:.1%};"


def main() -> int:
    parser = argparse.ArgumentParser("python -m benchmarks.mutants", description=__doc__)
    parser.add_argument(
        "names", nargs="*", default=["*"], help="of mutants, with * and ? (default: all)"
    )
    parser.add_argument("--draw", type=int, help="how many of them, by chance (default: all)")
    parser.add_argument("--seed", type=int, default=1, help="of chance (default: 1)")
    parser.add_argument("--runs", type=int, default=1, help="without any mutant (default: 1)")
    parser.add_argument("--workers", type=int, default=1, help="mutants side by side (default: 1)")
    parser.add_argument(
        "--seconds", type=float, default=15.0, help="of the quickest tests, for each (default: 15)"
    )
    arguments = parser.parse_args()
    chosen = config()
    with tempfile.TemporaryDirectory() as folder:
        names = [
            name
            for name in copy(Path(folder))
            if any(fnmatch.fnmatch(name, one) for one in arguments.names)
        ]
        print(f"{len(names)} mutants are asked for")
        if arguments.draw is not None:
            names = random.Random(arguments.seed).sample(names, min(arguments.draw, len(names)))
        os.chdir(folder)
        sys.path.insert(0, folder)
        os.environ["PYTHONPATH"] = folder  # for the processes that tests start
        tests = chosen.pytest_add_cli_args_test_selection
        left = [f"--ignore=tests/{path}" for path in _LEFT]
        plugins = [Runner(arguments, Path(folder), names)]
        return pytest.main([*chosen.pytest_add_cli_args, "-q", "-s", *left, *tests], plugins)


if __name__ == "__main__":
    sys.exit(main())
