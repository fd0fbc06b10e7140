"""The main job: a data migration on a CVAT, planned, committed, reported and checked.

Without arguments it runs on an embedded CVAT with 4 projects, 200 tasks and 600 jobs. With ``--url``
and ``--user`` it makes 4 projects and 200 tasks of its own on a real one, works on these alone, and
deletes them at the end.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import os
import secrets
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from objmapper import signals
from objmapper.cli import checking
from objmapper.cli.migration import Audit, migrate
from objmapper.cvat import Client, Job, Label, Project, Task, make_client
from objmapper.operation import Kind, Plan
from objmapper.report import CommitReport

PROJECTS, TASKS = 4, 50
LABELS = ("car", "person", "tree")
SUBSETS = ("train", "train", "val", "test", "")
#: Without the extra "progress" it runs as well, but shows no bar.
HAS_RICH = importlib.util.find_spec("rich") is not None
#: Lines of the plan that are printed of many that are alike.
SHOWN = 3


def add_arguments(arguments: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    arguments.description = __doc__
    arguments.formatter_class = argparse.RawDescriptionHelpFormatter
    arguments.add_argument("--url", help="a real CVAT; without it an embedded one is started")
    arguments.add_argument(
        "--user", type=name_and_password, metavar="NAME:PASSWORD", help="who logs in there"
    )


def name_and_password(text: str) -> tuple[str, str]:
    """Return both parts. Raises ArgumentTypeError, without showing the text."""
    name, _, password = text.partition(":")
    if not name or not password:
        raise argparse.ArgumentTypeError("it reads NAME:PASSWORD")
    return name, password


def main(url: str | None = None, user: tuple[str, str] | None = None) -> int:
    """Run the demo and return the exit status; 1 if the check found a difference."""
    if url is not None and user is not None:
        with make_client(url, credentials=user) as client, own_content(client) as projects:
            return run(client, projects, user)
    with embedded() as (url, user), make_client(url, credentials=user) as client:
        say(f"An embedded CVAT was started at {url}.")
        return run(client, list(Project.objects.order_by("id")), user)


def run(client: Client, projects: list[Project], credentials: tuple[str, str]) -> int:
    """Migrate *projects* and check the result."""
    session = client.session
    http = checking.PlainHTTP(client.base_url, *credentials)
    before = checking.snapshot(http, [project.id for project in projects])
    say(f"It holds {before}, declared as classes in objmapper/cvat/models.py.", "")

    say("1. The migration reads and marks (objmapper/cli/migration.py); nothing is changed yet.")
    with counted() as reads:
        me = client.users.retrieve_current_user()
        migrate(session, projects, me)
    say(f"   {sum(reads.values())} requests: {told(reads)}", "")

    say("2. session.plan(): what a commit would send, in waves.")
    plan = session.plan()
    say(*shortened(plan), "")

    say("3. session.commit(progress=True), with a receiver of signals that writes an audit.")
    log = io.StringIO()
    with Audit(log):
        report = session.commit(progress=HAS_RICH)
    lines = log.getvalue().splitlines()
    first = {line.partition(" ")[0]: f"   {line}" for line in reversed(lines)}
    say(*reversed(first.values()), f"   ... {len(lines)} lines of audit", "")
    say("4. The report:", f"   {report}", *compared(sum(reads.values()), report), "")

    say("5. The check: all rows are read again over plain HTTP (urllib, nothing of objmapper), and")
    say("   the rows of before, changed by the same rules on plain dicts, must be the same.")
    new = [entry.object.id for entry in report.created if isinstance(entry.object, Project)]
    after = checking.snapshot(http, [*before["projects"], *new])
    wrong = list(checking.differences(before, after, me.id))
    say(f"   Before: {before}.", f"   After:  {after}.")
    say(*(f"   WRONG: {text}" for text in wrong))
    say(f"   {len(wrong)} are not as they should be." if wrong else "   All is as it should be.")
    return 1 if wrong else 0


def say(*lines: str) -> None:
    for line in lines:
        print(line, flush=True)


@contextmanager
def embedded() -> Iterator[tuple[str, tuple[str, str]]]:
    """Give address and credentials of an embedded CVAT that listens on this machine."""
    try:
        from objmapper.server import serve  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise ImportError(
            f'the embedded CVAT needs the extra "server": pip install "objmapper[server]" ({error}).'
        ) from None
    # A proxy that the environment names has nothing to do with this machine's own loopback.
    os.environ["no_proxy"] = ",".join(filter(None, (os.environ.get("no_proxy"), "127.0.0.1")))
    credentials = ("admin", secrets.token_urlsafe(12))
    with serve("cvat", seed=f"{PROJECTS}x{TASKS}", users=[credentials]) as running:
        yield running.url, credentials


@contextmanager
def own_content(client: Client) -> Iterator[list[Project]]:
    """Make projects and tasks on a server that has others, and delete them at the end."""
    session, mark = client.session, secrets.token_hex(3)
    me = client.users.retrieve_current_user()
    projects = [
        Project(name=f"objmapper demo {mark}-{p}", labels=[Label(name=name) for name in LABELS])
        for p in range(1, PROJECTS + 1)
    ]
    session.add_all(projects)
    for number in range(PROJECTS * TASKS):
        project, subset = projects[number // TASKS], SUBSETS[number % len(SUBSETS)]
        task = Task(name=f"{project.name} task {number}", project=project, subset=subset)
        task.assignee = me if number % 4 else None
        session.add(task)
    say(f"Making {PROJECTS} projects and {PROJECTS * TASKS} tasks, 'objmapper demo {mark}-...':")
    try:
        session.commit(progress=HAS_RICH)
        yield sorted(projects, key=lambda project: project.id)
    finally:
        session.rollback()
        made = Project.objects.filter(name__contains=f"objmapper demo {mark}-")
        count = made.delete()
        say(
            "", f"The {count} projects of this demo are deleted again, with their tasks and labels."
        )


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Count the requests that are sent, by verb and kind of object."""
    seen: Counter[str] = Counter()

    def count(sender: Any, request: Any) -> None:
        seen[f"{request.method} {kind_of(request.shown_path)}"] += 1

    with signals.request_sent.connected_to(count):
        yield seen


def kind_of(path: str) -> str:
    """Return ``/tasks`` of ``/tasks/42?page=1``."""
    return "/" + path.strip("/").partition("?")[0].partition("/")[0]


def told(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items())


def shortened(plan: Plan) -> Iterator[str]:
    """Yield the plan's table, of many similar lines the first few."""
    head, rule, *lines = str(plan).splitlines()
    yield f"   {head}"
    yield f"   {rule}"
    seen: Counter[tuple[int, str, str]] = Counter()
    groups = [(op.wave, op.request.method, kind_of(op.request.shown_path)) for op in plan]
    total = Counter(groups)
    for group, line in zip(groups, lines, strict=True):
        seen[group] += 1
        if seen[group] <= SHOWN:
            yield f"   {line}"
        elif seen[group] == total[group]:
            yield f"   ... {total[group] - SHOWN} more of wave {group[0]}: {group[1]} {group[2]}"
    yield f"   {len(plan)} requests in {len(plan.waves)} waves."


def compared(reads: int, report: CommitReport) -> Iterator[str]:
    """Yield our number of requests beside that of a loop over whole objects, and how it is made."""
    labels = [entry for entry in report.created if isinstance(entry.object, Label)]
    added = [entry for entry in labels if entry.operation and entry.operation.kind == Kind.UPDATE]
    jobs = [entry for entry in report.updated if isinstance(entry.object, Job)]
    terms = {
        "the same reads, but for the tasks of the jobs": reads - bool(jobs),
        "a GET and a PATCH for each object that changed": 2 * len(report.updated),
        "a GET for each job's task, which came here in one request": len(jobs),
        "a POST for each new object": len(report.created) - len(labels),
        "a PATCH for each label added": len(added),
        "a DELETE for each object that went": len(report.deleted),
    }
    yield f"   Requests: {reads} reads + {report.requests} writes = {reads + report.requests}."
    yield f"   A loop that reads and writes whole objects, one by one: {sum(terms.values())}, counted as"
    yield from (f"   {count:6d}  {what}" for what, count in terms.items() if count)
