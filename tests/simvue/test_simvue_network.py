"""How many connections the work takes, and what a server is asked that is away, stalls or breaks.

The published client opens a connection for each request, tries a dead server for twenty seconds, and
sends a POST that failed five times.
"""

import faultproxy
import faulty
import pytest

from objmapper import CommitError, ConnectError, Timeout
from objmapper.server import serve
from objmapper.simvue import (
    Client,
    Events,
    EventsAlert,
    FileStorage,
    Folder,
    Grid,
    GridMetrics,
    Metrics,
    ObjectArtifact,
    Run,
    Tag,
    Tenant,
    User,
)

#: A token that is looked into and sent, and that nobody has to take.
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjk5OTk5OTk5OTl9.c2lnbmF0dXJl"
KEY = "k" * 22
NOON = "2026-01-31T12:00:00.000000"
POINT = {"time": 0.0, "timestamp": NOON, "step": 0}

#: What is sent by a POST that would make a second one, were it said again.
NOT_AGAIN = {
    "artifact": lambda: ObjectArtifact.new(name="o", obj=[1]),
    "events": lambda: Events.new(run=KEY, events=[{"message": "m", "timestamp": NOON}]),
    "grid": lambda: Grid.new(name="g", grid=[[0, 1]], labels=["x"]),
    "grid metrics": lambda: GridMetrics.new(
        run=KEY, data=[{**POINT, "array": [1.0, 2.0], "grid": KEY, "metric": "m"}]
    ),
    "metrics": lambda: Metrics.new(run=KEY, metrics=[{**POINT, "values": {"x": 1}}]),
    "run": lambda: Run.new(folder="/"),
    "storage": lambda: FileStorage.new(name="s"),
    "tenant": lambda: Tenant.new(name="t"),
    "user": lambda: User.new(
        username="ann",
        fullname="Ann",
        email="ann@example.com",
        is_manager=False,
        is_admin=False,
        is_readonly=True,
        welcome=False,
        tenant=KEY,
    ),
}
#: What a server has one of, so that it tells the id of the first when it is said again.
ONE_OF_EACH = {
    "alert": lambda: EventsAlert.new(name="e", pattern="p", frequency=1),
    "folder": lambda: Folder.new(path="/a"),
    "tag": lambda: Tag.new(name="t"),
}
BREAKS = {
    "reset": faulty.reset(),
    "closed": faulty.hang_up(),
    "502": faulty.answer("", 502),
    "503": faulty.answer("", 503, Retry_After="0"),
}


def posts(server):
    return [seen for seen in server.seen if seen.method == "POST"]


# -- one pool -------------------------------------------------------------------------------------


@pytest.fixture
def passing(faulty_server):
    """What stands before a served Simvue, and a client of it that has four requests under way."""
    with serve("simvue", check=True) as running:
        faulty_server.then(faultproxy.passed_on(running.url))
        token = running.server.credentials["TOKEN"]
        with Client(faulty_server.url, token, workers=4) as client:
            yield faulty_server, client
            client.session.rollback()
        assert running.server.violations == []


def test_one_after_the_other_all_requests_take_one_connection(passing):
    server, _ = passing
    run = Run.new(folder="/", name="n")
    run.commit()
    Metrics.new(run=run, metrics=[{**POINT, "values": {"x": 1}}]).commit()
    for number in range(9):
        run.name = f"n{number}"
        run.commit()
        run.refresh()
    assert [found.name for _, found in Run.get()] == ["n8"]
    assert len(server.seen) == 1 + 2 + 9 * 2 + 1
    assert server.connections == 1


def test_a_commit_takes_as_many_connections_as_it_has_workers_and_keeps_them(passing):
    server, client = passing
    runs = [Run.new(folder="/", name="before") for _ in range(40)]
    Run.objects.bulk_create(runs)
    for name in ("during", "after"):
        for run in runs:
            run.name = name
        client.session.commit()
    assert [seen.method for seen in server.seen].count("PUT") == 80
    assert server.connections <= 4


# -- a server that is away ------------------------------------------------------------------------


@pytest.mark.timeout(30)
def test_a_port_that_nobody_listens_on_is_told_at_the_first_request():
    with (
        faulty.closed_port() as port,
        pytest.raises(ConnectError, match=f"127.0.0.1:{port}"),
    ):
        Client(f"http://127.0.0.1:{port}", TOKEN, retries=0)


@pytest.mark.timeout(30)
def test_a_port_that_takes_nobody_is_left_when_the_time_is_over():
    with faulty.deaf_port() as port, pytest.raises(Timeout, match="no connection in time"):
        Client(f"http://127.0.0.1:{port}", TOKEN, timeout=0.1, retries=0)


@pytest.mark.timeout(30)
def test_a_server_that_never_answers_is_left_when_the_time_is_over(faulty_server):
    faulty_server.then(faulty.stall())
    with (
        Client(faulty_server.url, TOKEN, timeout=0.1, retries=0, check_server_version=False),
        pytest.raises(Timeout, match="/api/runs"),
    ):
        Run(identifier=KEY)


@pytest.mark.timeout(30)
def test_what_is_configured_and_away_is_told_by_the_first_verb(home, monkeypatch):
    with faulty.closed_port() as port:
        (home / "simvue.toml").write_text(
            f'[server]\nurl = "http://127.0.0.1:{port}"\ntoken = "{TOKEN}"\n'
        )
        run = Run.new(folder="/", name="n")
        with pytest.raises(ConnectError, match=str(port)):
            run.commit()
    assert run.name == "n"


# -- a POST is said once --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", NOT_AGAIN)
def test_a_post_whose_answer_is_lost_is_not_repeated(faulty_server, kind):
    faulty_server.then(faulty.reset())
    with Client(faulty_server.url, TOKEN, settle_after=0, check_server_version=False) as client:
        made = NOT_AGAIN[kind]()
        client.session.add(made)
        with pytest.raises(CommitError) as raised:
            client.session.commit()
        assert raised.value.report.uncertain.objects == [made]
        assert len(posts(faulty_server)) == 1
        with pytest.raises(CommitError):  # nor by another commit
            client.session.commit()
        client.session.expunge(made)
    assert len(posts(faulty_server)) == 1


@pytest.mark.parametrize("name", BREAKS)
def test_a_run_is_posted_once_however_the_answer_is_lost(faulty_server, name):
    faulty_server.then(BREAKS[name])
    with Client(faulty_server.url, TOKEN, settle_after=0, check_server_version=False) as client:
        run = Run.new(folder="/")
        client.session.add(run)
        with pytest.raises(CommitError) as raised:
            client.session.commit()
        assert raised.value.report.uncertain.objects == [run]
        client.session.expunge(run)
    assert len(posts(faulty_server)) == 1


@pytest.mark.parametrize("kind", ONE_OF_EACH)
def test_what_there_is_one_of_is_said_again_and_is_there_once(faulty_server, kind):
    with serve("simvue", check=True) as running:
        passed = faultproxy.passed_on(running.url)
        faulty_server.then(faultproxy.after(running.url, faulty.reset()), passed)
        token = running.server.credentials["TOKEN"]
        with Client(faulty_server.url, token, settle_after=0, check_server_version=False):
            made = ONE_OF_EACH[kind]()
            made.commit()
            made.commit()  # what it may not have been made with, if it was there already
            assert dict(type(made).get())[made.id] is made
            same = ONE_OF_EACH[kind]()
            same.commit()
            assert same.id == made.id
            assert made.changes == {}
    assert len(posts(faulty_server)) == 3
