"""Django REST framework behind a proxy that breaks: what a commit leaves is what it leaves without faults.

The framework has neither idempotency keys nor versions, and takes two tasks of one name; a project that is
deleted takes its tasks along.
"""

import sys
from collections import Counter
from contextlib import contextmanager

import pytest

from objmapper import Client, CommitError, Model, Registry, Session, TokenAuth, fields
from objmapper.transport.policy import Policy

faultproxy = sys.modules["faultproxy"]
drf_service = sys.modules["drf_service"]
registry = Registry("broken network of a framework")
#: The ways to harm a request that take no time: each stalled answer would take a second of it.
WAYS = sorted(way for way in faultproxy.faults("http://localhost") if "stalled" not in way)


class Project(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String(required=True)
    created = fields.DateTime(read_only=True)

    class Meta:
        registry = registry
        natural_key = ("name",)
        created_field = "created"


class Task(Model):
    id = fields.Integer(primary_key=True)
    name = fields.String(required=True)
    note = fields.String(null=True)
    size = fields.Integer(default=0)
    project = fields.ForeignKey(Project, null=True)
    tags = fields.List(fields.String(), default=list)

    class Meta:
        registry = registry
        natural_key = ("project", "name")


#: One request goes at a time, so that the same are harmed in each run: with these seeds a client that
#: repeats every write makes something twice.
@contextmanager
def session_at(url, **options):
    client = Client(
        f"{url}/api", dialect="drf", auth=TokenAuth(drf_service.TOKEN), settle_after=0.0, workers=1
    )
    client.transport.policy = Policy(6, backoff=0.001)
    with client, Session(client, **options) as session:
        yield session


def program(session, commit):
    """Create, change, move and delete, parents and children, in three commits."""
    projects = [Project(name=f"p{n}") for n in range(4)]
    tasks = [Task(name=f"t{n}", project=projects[n % 4], tags=[str(n)]) for n in range(12)]
    session.add_all(tasks)
    commit(session)
    for number, task in enumerate(tasks):
        task.size = number
        task.tags.append("again")
    for task in tasks[:4]:
        task.project = projects[1]
    for task in [task for task in tasks if task.project is projects[3]]:
        session.delete(task)
    session.delete(projects[3])
    commit(session)
    projects[2].name = "renamed"
    session.delete(tasks[0])
    session.add(Task(name="last", project=Project(name="p3")))
    commit(session)


def patiently(session):
    """Commit again what a commit leaves, as its report says to."""
    for _ in range(5):
        try:
            return session.commit(on_error="continue")
        except CommitError as error:
            last = error
    raise last


def contents(drf):
    """Return what the framework has, by names instead of keys."""
    url = drf.client.base_url
    projects = drf.http.get(f"{url}/projects/?page_size=50").json()["results"]
    names = {row["id"]: row["name"] for row in projects}
    tasks = [
        (names[row["project"]], row["name"], row["note"], row["size"], *row["tags"])
        for row in drf.plain("GET", "/bare-tasks")
    ]
    return Counter(names.values()), Counter(tasks)


@pytest.fixture
def empty(drf):
    drf_service.restart()
    return drf


def expected():
    projects = {0: "p0", 1: "p1", 2: "renamed"}
    kept = [n for n in range(1, 12) if n not in (7, 11)]
    tasks = [("p1" if n < 4 else projects[n % 4], f"t{n}", None, n, str(n), "again") for n in kept]
    return Counter(["p0", "p1", "renamed", "p3"]), Counter([*tasks, ("p3", "last", None, 0)])


@pytest.mark.parametrize(("seed", "rate"), [(4, 0.1), (5, 0.2)])
def test_a_program_over_a_bad_network_ends_as_over_a_good_one(empty, drf_url, seed, rate, tmp_path):
    journal = tmp_path / "it.journal"
    with faultproxy.FaultyProxy(drf_url, rate=rate, seed=seed, only=WAYS) as proxy:
        with session_at(proxy.url, journal=journal) as session:
            program(session, patiently)
            assert session.uncertain == session.new == session.dirty == session.deleted == []
        assert sum(proxy.harmed.values()) >= 3
        assert contents(empty) == expected()
        proxy.rate = 0
        with session_at(proxy.url, journal=journal) as session:
            report = session.recover()
    assert (report.ok, report.requests) == (True, 0)
    assert report.counts() == {"created": 18, "updated": 11, "deleted": 4}
