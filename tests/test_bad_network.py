"""A commit through a proxy that breaks, on a real socket, ends as one through a good network.

The server has neither idempotency keys nor ETags, and takes two objects of one name.
"""

import random
import sys
from collections import Counter
from contextlib import contextmanager

import pytest
import requests

from objmapper import Client, CommitError, Model, Registry, Session, SessionError, fields
from objmapper.cvat import Comment, Issue, Label, Organization, Project, Task
from objmapper.dialects import Kinto
from objmapper.server import serve
from objmapper.transport.policy import Policy

faultproxy, faulty = sys.modules["faultproxy"], sys.modules["faulty"]
FaultyProxy = faultproxy.FaultyProxy
USER = ("admin", "secret")
#: Each way in which a request can be harmed; the server acted in those that end in "after", and "cut".
WAYS = sorted(faultproxy.faults("http://localhost"))
#: Seconds after which a stalled answer is given up.
PATIENCE = 1.0


@pytest.fixture
def running():
    with serve("cvat", users=[USER]) as server:
        yield server


@contextmanager
def session_through(url, *, settle_after=0.05, retries=6):
    client = Client(
        f"{url}/api", dialect="cvat", auth=USER, timeout=PATIENCE, settle_after=settle_after
    )
    client.transport.policy = Policy(retries, backoff=0.01)
    with client, Session(client) as session:
        yield session


class Looker:
    """Reads the server with plain requests."""

    def __init__(self, url):
        self._url = url
        self._http = requests.Session()
        self._http.auth = USER

    def rows(self, endpoint):
        rows, url = [], f"{self._url}/api/{endpoint}?page_size=500&sort=id"
        while url:
            page = self._http.get(url, timeout=30).json()
            rows += page["results"]
            url = page["next"]
        return rows

    def state(self):
        """Return what there is, without what two runs of one migration don't share: keys and times."""
        projects = {row["id"]: row["name"] for row in self.rows("projects")}
        tasks = [(projects[t["project_id"]], t["name"], t["subset"]) for t in self.rows("tasks")]
        labels = [(projects[row["project_id"]], row["name"]) for row in self.rows("labels")]
        return Counter(projects.values()), Counter(tasks), Counter(labels)


def migrate(session, projects, tasks):
    """Create, change and delete; commit again what a commit leaves, as its report says to."""
    labels = [[Label(name=f"red{n}"), Label(name=f"blue{n}")] for n in range(projects)]
    made = [Project(name=f"p{n}", labels=labels[n]) for n in range(projects)]
    rows = [Task(name=f"t{n}", project=made[n % projects]) for n in range(tasks)]
    session.add_all(rows)
    commits = [commit(session)]
    for task in rows:
        task.subset = "Train"
    for task in rows[::10]:
        session.delete(task)
    for red, _ in labels:
        red.name = "green"
    commits.append(commit(session))
    return commits


def commit(session):
    for _ in range(5):
        try:
            return session.commit(on_error="continue")
        except CommitError as error:
            last = error
    raise last


PROJECTS, TASKS = 4, 80


def expected():
    names = [f"p{n}" for n in range(PROJECTS)]
    tasks = [(f"p{n % PROJECTS}", f"t{n}", "Train") for n in range(TASKS) if n % 10]
    labels = [(f"p{n}", name) for n in range(PROJECTS) for name in ("green", f"blue{n}")]
    return Counter(names), Counter(tasks), Counter(labels)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_migration_over_a_bad_network_ends_as_over_a_good_one(running, seed):
    with FaultyProxy(running.url, rate=0.15, seed=seed) as proxy:
        with session_through(proxy.url) as session:
            migrate(session, PROJECTS, TASKS)
            assert session.uncertain == session.new == session.dirty == session.deleted == []
        assert sum(proxy.harmed.values()) > 15
    assert Looker(running.url).state() == expected()


# -- on a server of another kind ------------------------------------------------------------------

kinto_registry = Registry("bad network")


class KintoProject(Model):
    id = fields.String(primary_key=True)
    name = fields.String(required=True)

    class Meta:
        endpoint = "projects"
        natural_key = ("name",)
        registry = kinto_registry


class KintoTask(Model):
    id = fields.String(primary_key=True)
    name = fields.String(required=True)
    project = fields.ForeignKey(KintoProject)
    subset = fields.String()

    class Meta:
        endpoint = "tasks"
        natural_key = ("project", "name")
        registry = kinto_registry


@contextmanager
def kinto_session(kinto_server, bucket, proxy, *, retries=6, **capabilities):
    client = Client(
        f"{proxy.url}/v1",
        dialect=Kinto(bucket=bucket, **capabilities),
        auth=kinto_server.auth,
        timeout=PATIENCE,
        settle_after=0.05,
    )
    client.transport.policy = Policy(retries, backoff=0.01)
    with client, Session(client) as session:
        yield session


def kinto_proxy(kinto_server, **options):
    return FaultyProxy(kinto_server.url.removesuffix("/v1"), **options)


def kinto_rows(kinto_server, bucket, collection):
    return kinto_server.ask("GET", f"/buckets/{bucket}/collections/{collection}/records")


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(("max_batch", "rate"), [(0, 0.15), (5, 0.4)], ids=["alone", "in batches"])
def test_on_kinto_too_it_ends_as_over_a_good_network(kinto_server, seed, max_batch, rate):
    bucket = kinto_server.bucket("projects", "tasks")
    with kinto_proxy(kinto_server, rate=rate, seed=seed) as proxy:
        with kinto_session(kinto_server, bucket, proxy, max_batch=max_batch) as session:
            projects = [KintoProject(name=f"p{n}") for n in range(PROJECTS)]
            tasks = [KintoTask(name=f"t{n}", project=projects[n % PROJECTS]) for n in range(TASKS)]
            session.add_all(tasks)
            commit(session)
            for task in tasks:
                task.subset = "Train"
            for task in tasks[::10]:
                session.delete(task)
            commit(session)
            assert session.uncertain == session.new == session.dirty == session.deleted == []
        assert sum(proxy.harmed.values()) > 8
    names = {row["id"]: row["name"] for row in kinto_rows(kinto_server, bucket, "projects")}
    rows = kinto_rows(kinto_server, bucket, "tasks")
    found = [(names[row["project"]], row["name"], row["subset"]) for row in rows]
    assert (Counter(names.values()), Counter(found)) == expected()[:2]


@pytest.mark.parametrize("way", WAYS)
def test_a_field_that_was_never_set_is_set_once_where_rows_leave_out_what_is_not_set(
    kinto_server, way
):
    bucket = kinto_server.bucket("projects", "tasks")
    path = f"/buckets/{bucket}/collections/tasks/records/t"
    kinto_server.ask("PUT", path, {"name": "a task without a subset"})
    with kinto_proxy(kinto_server, rate=1, only=[way], most=1) as proxy:
        with kinto_session(kinto_server, bucket, proxy) as session:
            task = KintoTask.objects.get(id="t")
            task.subset = "Train"
            assert session.commit().updated.objects == [task]
        assert proxy.harmed == {way: 1}
    assert kinto_server.ask("GET", path)["subset"] == "Train"


def create_by_hand(url, again):
    """Create tasks with a loop over requests, as people do; *again*: whether errors are repeated."""
    with requests.Session() as http:
        http.auth = USER
        for number in range(TASKS):
            for _ in range(10 if again else 1):
                try:
                    body = {"name": f"t{number}", "labels": [{"name": "car"}]}
                    answer = http.post(f"{url}/api/tasks", json=body, timeout=PATIENCE)
                    answer.raise_for_status()
                    answer.json()
                    break
                except (requests.RequestException, ValueError):
                    continue


@pytest.mark.parametrize("again", [True, False], ids=["repeats everything", "repeats nothing"])
def test_on_the_same_network_a_loop_makes_duplicates_or_loses(running, again):
    with FaultyProxy(running.url, rate=0.15, seed=1) as proxy:
        create_by_hand(proxy.url, again)
    names = Counter(row["name"] for row in Looker(running.url).rows("tasks"))
    duplicates = sum(names.values()) - len(names)
    lost = TASKS - len(names)
    assert (duplicates > 0, lost > 0) == (again, not again)


# -- each way, met by each kind of write ----------------------------------------------------------


@pytest.fixture(scope="module")
def shared():
    with serve("cvat", users=[USER]) as server:
        with session_through(server.url) as session:
            session.add(Project(name="of all tasks"))
            session.commit()
        yield server


def harmed(shared, way):
    return FaultyProxy(shared.url, rate=1, only=[way], most=1)


@pytest.mark.parametrize("way", WAYS)
def test_a_create_that_is_harmed_is_done_once(shared, way):
    name = f"{way} {random.random()}"
    with harmed(shared, way) as proxy, session_through(proxy.url) as session:
        task = Task(name=name, project=1)
        session.add(task)
        report = session.commit()
        assert report.created.objects == [task]
        assert proxy.harmed == {way: 1}
    rows = [row["id"] for row in Looker(shared.url).rows("tasks") if row["name"] == name]
    assert rows == [task.id]


def test_a_create_of_a_name_that_cvat_trims_is_done_once(shared):
    name = f"trimmed {random.random()}"
    with harmed(shared, "reset after") as proxy, session_through(proxy.url) as session:
        task = Task(name=f"  {name} ", project=1)
        session.add(task)
        assert session.commit().created.objects == [task]
        assert proxy.harmed == {"reset after": 1}
    rows = [row["id"] for row in Looker(shared.url).rows("tasks") if row["name"] == name]
    assert rows == [task.id]


@pytest.mark.parametrize("way", WAYS)
def test_a_create_with_labels_in_it_is_done_once(shared, way):
    name = f"{way} {random.random()}"
    with harmed(shared, way) as proxy, session_through(proxy.url) as session:
        labels = [Label(name="car"), Label(name="bus")]
        project = Project(name=name, labels=labels)
        session.add(project)
        assert session.commit().created.objects == [project, *labels]
        assert proxy.harmed == {way: 1}
    looker = Looker(shared.url)
    assert [row["id"] for row in looker.rows("projects") if row["name"] == name] == [project.id]
    found = [row["name"] for row in looker.rows("labels") if row["project_id"] == project.id]
    assert sorted(found) == ["bus", "car"]


@pytest.mark.parametrize("way", WAYS)
def test_labels_in_the_patch_of_their_parent_are_done_once(shared, way):
    with session_through(shared.url) as session:
        project = Project(
            name=f"{way} {random.random()}", labels=[Label(name="a"), Label(name="b")]
        )
        session.add(project)
        session.commit()
        key = project.id
    with harmed(shared, way) as proxy, session_through(proxy.url) as session:
        project = Project.objects.get(id=key)
        first, second = project.labels.all().order_by("id")
        first.name = "A"
        session.delete(second)
        new = Label(name="c", project=project)
        session.add(new)
        report = session.commit()
        assert (report.created.objects, report.updated.objects) == ([new], [first])
        assert report.deleted.objects == [second]
        assert proxy.harmed == {way: 1}
    rows = [row for row in Looker(shared.url).rows("labels") if row["project_id"] == key]
    assert sorted(row["name"] for row in rows) == ["A", "c"]


@pytest.mark.parametrize("way", WAYS)
def test_an_update_and_a_deletion_that_are_harmed_are_done(shared, way):
    with session_through(shared.url) as session:
        tasks = [Task(name=f"{way} {random.random()}", project=1) for _ in range(2)]
        session.add_all(tasks)
        session.commit()
        changed, gone = (task.id for task in tasks)
    for key, change in ((changed, "change"), (gone, "delete")):
        with harmed(shared, way) as proxy, session_through(proxy.url) as session:
            task = Task.objects.get(id=key)
            if change == "change":
                task.subset = "Test"
            else:
                session.delete(task)
            report = session.commit()
            assert report.ok
            assert proxy.harmed == {way: 1}
    rows = {row["id"]: row["subset"] for row in Looker(shared.url).rows("tasks")}
    assert rows[changed] == "Test"
    assert gone not in rows


@pytest.mark.parametrize("way", ["reset before", "reset after", "502 before", "502 after"])
def test_an_undo_takes_labels_back_with_their_project(shared, way):
    name = f"{way} {random.random()}"
    with harmed(shared, way) as proxy, session_through(proxy.url) as session:
        project = Project(name=name, labels=[Label(name="car")])
        session.add(project)
        proxy.rate = 0
        report = session.commit()
        (car,) = report.created.objects[1:]
        proxy.rate = 1
        assert report.undo().undone.objects == [project, car]
        assert proxy.harmed == {way: 1}
        assert (session.uncertain, session.new) == ([], [project, car])
        session.rollback()
    assert name not in {row["name"] for row in Looker(shared.url).rows("projects")}


@contextmanager
def undo_of_unknown_fate(shared):
    """A project with a label that an undo has deleted, which nobody here knows; then all works again."""
    pass_on = faultproxy.passed_on(shared.url)
    lost = faultproxy.after(shared.url, faulty.reset())

    def until_it_is_deleted(to):
        if to.seen.method != "DELETE":
            return pass_on(to)
        proxy.then(faulty.answer(b"", 503))
        return lost(to)

    with FaultyProxy(shared.url, rate=0) as proxy, session_through(proxy.url, retries=0) as session:
        project = Project(name="undone", labels=[Label(name="car")])
        session.add(project)
        report = session.commit()
        (car,) = report.created.objects[1:]
        proxy.then(until_it_is_deleted)
        with pytest.raises(CommitError):
            report.undo()
        assert session.uncertain == [project, car]
        proxy.then(pass_on)
        yield session, project, car
        session.rollback()


def test_what_is_to_be_deleted_whether_it_was_undone_or_not_goes_with_its_labels(shared):
    with undo_of_unknown_fate(shared) as (session, project, _):
        session.delete(project)
        assert session.commit().counts() == {"undone": 2}
        assert session.uncertain == session.new == session.deleted == []


def test_an_undo_that_is_settled_by_hand_is_settled_with_its_labels(shared):
    with undo_of_unknown_fate(shared) as (session, project, car):
        with pytest.raises(SessionError, match="settle that one"):
            session.settle(car, found=None)
        assert session.settle(project, found=None)
        assert (session.uncertain, session.new) == ([], [project, car])
        assert session.commit().created.objects == [project, car]
    with undo_of_unknown_fate(shared) as (session, project, _):
        assert session.settle(project, found=project.id)  # somebody says that it is there
        assert (session.uncertain, session.new) == ([], [])


@pytest.mark.parametrize("way", ["reset before", "reset after"])
def test_an_issue_with_its_first_comment_is_made_once(way):
    with serve("cvat", users=[USER], seed="1x1") as server:
        with harmed(server, way) as proxy, session_through(proxy.url) as session:
            first, second = Comment(message="here"), Comment(message="there")
            issue = Issue(job=1, frame=0, position=[0.0, 0.0, 1.0, 1.0], comments=[first, second])
            session.add(issue)
            assert session.commit().created.objects == [issue, first, second]
            assert proxy.harmed == {way: 1}
        told = [(row["issue"], row["message"]) for row in Looker(server.url).rows("comments")]
        assert told == [(issue.id, "here"), (issue.id, "there")]


def test_what_was_sent_in_an_organization_is_looked_for_there(running):
    with FaultyProxy(running.url, rate=0, only=["reset after"]) as proxy:
        with session_through(proxy.url, retries=0) as session:
            organization, project = Organization(slug="here"), Project(name="p")
            session.add(organization)
            session.commit()
            session.add(project)
            proxy.rate = 1  # also when it is asked what became of it
            with session.client.dialect.context.within("here"), pytest.raises(CommitError):
                session.commit()
            proxy.rate = 0
            assert session.uncertain == [project]
            with session_through(running.url) as other:
                other.add(Project(name="p"))  # of one name, and newer, in no organization
                other.commit()
            assert session.commit().created.objects == [project]
        mine, _ = Looker(running.url).rows("projects")
    assert (mine["id"], mine["organization"]) == (project.id, organization.id)
