"""``python -m benchmarks.mutants '*.journal.*' --draw 450 --seed 12``: would the tests notice?

The rooms that ``[mutmut]`` of setup.cfg names are changed a little, one place at a time. mutmut makes
these mutants. What runs them is here: the tests are collected once, and a fork runs them all, and finds
out which functions each reaches. Then each mutant has a fork of its own, with the tests that reach the
changed function, the quickest first, until one fails. What the processes that a test starts reach is not
seen.
"""

from __future__ import annotations

import argparse
import contextlib
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
from itertools import accumulate, zip_longest
from pathlib import Path
from typing import Any

import pytest
from mutmut.configuration import config
from mutmut.mutation import trampoline
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.mutation.file_mutation import mutate_file_contents

#: What starts a server for all tests, which each fork would start again; what other processes do.
_LEFT = ["--ignore=tests/journal/test_journal_on_kinto.py", "--ignore=tests/journal/test_kills.py"]

Items = list[pytest.Item]


def copy(folder: Path) -> list[str]:
    """Copy the project, its rooms changed; return the names of the mutants."""
    names = []
    for path in [*config().source_paths, *config().also_copy]:
        if path.is_dir():
            shutil.copytree(path, folder / path, ignore=shutil.ignore_patterns("__pycache__"))
        elif path.exists():
            shutil.copy(path, folder / path)
    for room in sorted(filter(config().should_mutate, Path("objmapper").rglob("*.py"))):
        changed = mutate_file_contents(str(room), room.read_text())
        (folder / room).write_text(changed.code)
        names += [f"{'.'.join(room.with_suffix('').parts)}.{name}" for name in changed.mutant_names]
    return names


def room_of(mutant: str) -> str:
    return mutant.rpartition(".")[0]


def function_of(mutant: str) -> str:
    return mutant.rpartition("__mutmut_")[0]


class Fork:
    """A process in which some of the tests run until one fails; *cpu*: how long they take."""

    def __init__(self, runner: Runner, mutant: str, items: Items, cpu: float) -> None:
        self.mutant, self.items = mutant, items
        #: The test that failed and how, None if none did; no test where it ended before that.
        self.told: Any = None, "it took too long"
        self.folder = Path(tempfile.mkdtemp())
        self.latest = time.monotonic() + 60 + 20 * cpu
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self.told = self.run(runner, int(30 + 5 * cpu))
            except BaseException as error:
                self.told = None, repr(error)
            finally:
                (self.folder / "told").write_text(json.dumps(self.told))
                os._exit(0)

    def run(self, runner: Runner, seconds: int) -> Any:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        os.environ["PYTEST_DEBUG_TEMPROOT"] = str(self.folder)
        trampoline.set_mutant_under_test(self.mutant)
        return runner.map(self.items) if self.mutant == "stats" else runner.failure(self.items)

    def is_over(self) -> bool:
        """Whether it has ended, or is ended as it took too long."""
        if os.waitpid(self.pid, os.WNOHANG)[0] == 0:
            if time.monotonic() < self.latest:
                return False
            self.end()
            os.waitpid(self.pid, 0)
        self.end()
        if (self.folder / "told").exists():
            self.told = json.loads((self.folder / "told").read_text())
        shutil.rmtree(self.folder, ignore_errors=True)
        return True

    def end(self) -> None:
        """End it, and the processes that its tests have left."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


class Runner:
    """A pytest plugin that runs what is collected again and again, in forks."""

    def __init__(self, arguments: argparse.Namespace, names: list[str]) -> None:
        self.arguments, self.names = arguments, names
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
            raise session.Interrupted(f"without any mutant fails {failed}")
        ordered = sorted(session.items, key=lambda item: tests[item.nodeid][0])
        for run in self.forks([("", ordered, 300)] * self.arguments.runs):
            print("without any mutant fails", "nothing" if run.told is None else run.told)
        self.tell(self.forks(self.queue(ordered, tests)))
        return True

    def queue(self, items: Items, tests: dict[str, Any]) -> Iterator[tuple[str, Items, float]]:
        """Yield each mutant with the tests that reach it, what told one of its function first."""
        for mutant in self.names:
            function = function_of(mutant)
            reach = [item for item in items if function in tests[item.nodeid][1]]
            taken = accumulate((tests[item.nodeid][0] for item in reach), initial=0.0)
            reach = [
                item
                for item, cpu in zip(reach, taken, strict=False)
                if cpu < self.arguments.seconds
            ]
            reach.sort(key=lambda item: self.tellers[function][item.nodeid], reverse=True)
            yield mutant, reach, sum(tests[item.nodeid][0] for item in reach)

    def forks(self, queue: Iterable[tuple[str, Items, float]]) -> Iterator[Fork]:
        """Run forks, some at a time; yield those that are over."""
        waiting, running = iter(queue), set[Fork]()
        try:
            while True:
                while len(running) < self.arguments.workers and (task := next(waiting, None)):
                    running.add(Fork(self, *task))
                if not running:
                    return
                time.sleep(0.01)
                over = {fork for fork in running if fork.is_over()}
                running -= over
                yield from over
        finally:
            for fork in running:
                fork.end()

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
            room = room_of(fork.mutant)
            drawn[room] += 1
            if fork.told is None:
                print(f"{fork.mutant} survives {len(fork.items)} tests:")
                path = Path(room.replace(".", "/")).with_suffix(".py")
                print(get_diff_for_mutant(fork.mutant, path.read_text(), path))
                continue
            test, how = fork.told
            noticed[room] += 1
            strange += test is None
            self.tellers[function_of(fork.mutant)][test] += 1
            print(fork.mutant, f"is noticed by {test}" if test else f"ends otherwise: {how}")
        for room, number in sorted(drawn.items()):
            print(f"| `{room}` | {number} | {noticed[room]} |")
        print(share(noticed.total(), drawn.total()), f"{strange} otherwise than by a failing test")


def share(noticed: int, drawn: int) -> str:
    """Return how many are noticed, with Wilson's interval of 95%."""
    part, z = noticed / drawn, 1.96
    middle = part + z * z / 2 / drawn
    width = z * math.sqrt(part * (1 - part) / drawn + (z / 2 / drawn) ** 2)
    low, high = ((middle + side) / (1 + z * z / drawn) for side in (-width, width))
    return f"{noticed} of {drawn} are noticed, {part:.1%}, by chance {low:.1%} to {high:.1%};"


def main() -> int:
    parser = argparse.ArgumentParser("python -m benchmarks.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", default=["*"], help="of mutants, with * and ?")
    parser.add_argument("--draw", type=int, help="how many of them, by chance (default: all)")
    parser.add_argument("--seed", type=int, default=1, help="of chance (default: 1)")
    parser.add_argument("--runs", type=int, default=1, help="without any mutant (default: 1)")
    parser.add_argument(
        "--seconds",
        type=float,
        default=math.inf,
        help="of CPU time that a mutant's tests may take without it, the quickest first (default: all)",
    )
    parser.add_argument("--workers", type=int, default=1, help="at once (default: 1)")
    arguments = parser.parse_args()
    command = [*config().pytest_add_cli_args, "-q", "-s", *_LEFT]
    command += config().pytest_add_cli_args_test_selection
    with tempfile.TemporaryDirectory() as folder:
        names = copy(Path(folder))
        names = [name for name in names if any(fnmatch.fnmatch(name, n) for n in arguments.names)]
        print(f"{len(names)} mutants are asked for")
        if arguments.draw is not None:
            names = random.Random(arguments.seed).sample(names, min(arguments.draw, len(names)))
        os.chdir(folder)
        sys.path.insert(0, folder)
        os.environ["PYTHONPATH"] = folder  # for the processes that tests start
        return pytest.main(command, plugins=[Runner(arguments, names)])


if __name__ == "__main__":
    sys.exit(main())
