"""The command that takes the README's figures runs, and says what it found where it belongs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*arguments):
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def benchmarks(*arguments):
    return run("-m", "benchmarks", *arguments)


@pytest.fixture(scope="module")
def bodies(tmp_path_factory):
    """The row P5, in one turn: what it printed, and the Markdown file that it wrote into."""
    page = tmp_path_factory.mktemp("benchmarks") / "page.md"
    page.write_text("# Before\n\n<!-- figures -->\nold\n<!-- /figures -->\n\nafter\n")
    done = benchmarks("P5", "--turns", 1, "--write", page)
    assert done.returncode == 0, done.stderr
    return done.stdout, page.read_text()


def test_the_five_changes_that_other_libraries_miss_are_told_from_no_change(bodies):
    assert "probes passed: 5 of 5" in bodies[0]


def test_what_it_claims_stands_beside_floors_and_says_whether_the_goal_is_met(bodies):
    lines = [line for line in bodies[0].splitlines() if line.startswith(("objmapper", "floor"))]
    claims = [line for line in lines if line.endswith(("yes", "no", "with gc off"))]
    assert len(claims) == 1
    assert len(lines) > 4


def test_a_markdown_file_takes_the_table_between_its_marks(bodies):
    before, figures, after = (
        bodies[1].replace("<!-- /figures -->", "<!-- figures -->").split("<!-- figures -->")
    )
    assert before == "# Before\n\n"
    assert after == "\n\nafter\n"
    assert "| **P5** |" in figures
    assert "old" not in figures


def test_a_row_that_does_not_exist_is_refused():
    done = benchmarks("P5", "P77")
    assert done.returncode == 2
    assert "no such row: P77" in done.stderr


def test_a_commit_whose_bookkeeping_is_measured_sends_what_it_should():
    code = """
from benchmarks.commits import by_hand, creations, journaled, rows_of, sample, updates
for make in (updates, creations):
    sample(make, 20, collect=True)  # it counts the requests of the report
    journaled(make, 20, collect=True)
    session, tasks = make(3)
    session.commit()
    print([task.id for task in tasks], session.dirty, session.new)
print([(row["id"], request.method, status) for row, request, status in by_hand(rows_of(2))])
"""
    done = run("-c", code)
    loop = "[(1, 'POST', 201), (2, 'POST', 201)]\n"
    assert (done.stdout, done.stderr) == ("[1, 2, 3] [] []\n" * 2 + loop, "")


def test_a_server_of_measurements_lets_a_connection_go_that_has_ended():
    code = """
import signal, socket
from benchmarks import origin, sink
signal.alarm(60)  # one that goes on reading nothing never ends
pages = lambda connection: origin.serve(connection, [b"page"], 0.0)
for serve, asked in (pages, b"GET /?page=1 "), (sink.serve, b"GET /api/server/about "):
    for last in b"", b"GET /api/ser":
        with socket.create_server(("127.0.0.1", 0)) as listener:
            with socket.create_connection(listener.getsockname()) as client:
                client.sendall(asked + b"HTTP/1.1\\r\\n\\r\\n" + last)
                client.shutdown(socket.SHUT_WR)
                serve(listener.accept()[0])
                print(bool(client.recv(1000)))
"""
    done = run("-c", code)
    assert (done.stdout, done.stderr) == ("True\n" * 4, "")


def test_what_is_lost_and_what_is_there_twice_is_counted_by_row():
    code = """
from benchmarks.worlds import Rows
due = Rows({("task", "p", "a", "Train"): 1, ("task", "p", "b", "Train"): 1, ("label", "p", "c"): 1})
for there in (
    due,
    Rows({("task", "p", "a", "Train"): 2, ("task", "p", "b", "Train"): 1, ("label", "p", "c"): 1}),
    Rows({("task", "p", "a", ""): 1, ("task", "q", "b", "Train"): 1, ("label", "p", "c"): 3}),
):
    print(there.lost(due), there.duplicated(due))
"""
    done = run("-c", code)
    assert (done.stdout, done.stderr) == ("0 0\n0 1\n2 2\n", "")


def test_a_migration_through_the_proxy_that_harms_it_ends_as_one_over_a_good_network():
    code = """
from benchmarks import faults, migration
migration.PATIENCE = 0.6
work = migration.Work.of(30)
for world in faults.worlds():
    due = faults.expected(world, work)
    end = faults.ended("objmapper", world, work, due, 0.2, 1)
    print(due.total(), end.harmed.total() > 0, end[:3])
"""
    done = run("-c", code)
    # A project, its four labels, and 14 tasks.
    assert (done.stdout, done.stderr) == ("19 True (0, 0, 0)\n" * 3, "")


def test_what_updates_are_measured_with_writes_what_it_should():
    code = """
from benchmarks import served, updater
from benchmarks.origin import origin, relayed
with origin(9, 9) as url:
    for way in ("objmapper", "requests"):
        print(way, updater.WAYS[way](url, 9) > 0)
with served.cvat(seed="1x4") as server, relayed(server, 0.001) as url:
    for way in ("cvat objmapper", "cvat requests"):
        updater.NAME = way
        print(way, updater.WAYS[way](url, 4) > 0)
        names = {row["name"] for row in updater.requests.get(
            server + "/api/tasks", auth=served.USER).json()["results"]}
        assert names == {way}, names
world = updater.OnKinto("kinto")
with world.serve() as url:
    with world.client(url) as client, updater.Session(client) as session:
        session.add_all(world.Task(name=str(number)) for number in range(30))
        session.commit()
    for way in ("kinto alone", "kinto batched"):
        updater.NAME = way
        print(way, updater.WAYS[way](url, 30) > 0)
        assert {row[2] for row in world.rows(url)} == {way}
"""
    done = run("-c", code)
    ways = ("objmapper", "requests", "cvat objmapper", "cvat requests")
    ways += ("kinto alone", "kinto batched")
    assert (done.stdout, done.stderr) == ("".join(f"{way} True\n" for way in ways), "")


def test_what_lists_are_measured_with_finds_all_there_is():
    code = """
from benchmarks import reader, served
with served.simvue(seed="1x150") as (url, token):
    print(*(reader.WAYS["simvue, " + way](url, token)[1] for way in ("objmapper", "requests")))
with served.cvat(seed="1x3") as url:
    print(*(reader.WAYS["cvat, " + way](url, "")[1] for way in ("objmapper", "requests")))
"""
    done = run("-c", code)
    assert (done.stdout, done.stderr) == ("150 150\n3 3\n", "")


def test_the_readme_has_a_line_for_every_row():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    figures = text.partition("<!-- figures -->")[2].partition("<!-- /figures -->")[0]
    known = re.search(r"which of ([\w, ]+)", benchmarks("--help").stdout.replace("\n", " "))[1]
    found = re.findall(r"^\| \*\*(\w+)\*\* \|", figures, re.MULTILINE)
    assert found == re.findall(r"\b[A-Z]\d\b", known)
    assert "C3" in found
