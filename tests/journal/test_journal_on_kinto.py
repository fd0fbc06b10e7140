"""A journal on a real Kinto, where operations share requests: a death leaves whole batches unknown."""

import shutil

import pytest
import requests

from objmapper import Model, Registry, Session, fields

registry = Registry("a journal on Kinto")
COUNT = 60  # three batches


class Task(Model):
    id = fields.String(primary_key=True)
    name = fields.String(required=True)
    size = fields.Integer(default=0)
    last_modified = fields.Integer(read_only=True)

    class Meta:
        registry = registry
        natural_key = ("name",)
        version = "etag"


class Killed(BaseException):
    """Stands for SIGKILL: nothing that the package catches."""


class Deadly(requests.adapters.HTTPAdapter):
    """Dies at a batch, before or after it has reached the server; what lies on the disk is kept."""

    def __init__(self, at, done, journal, dead):
        super().__init__()
        self.at, self.done, self.journal, self.dead = at, done, journal, dead

    def send(self, request, **options):
        if not request.path_url.endswith("/batch"):
            return super().send(request, **options)
        self.at -= 1
        if self.at:
            return super().send(request, **options)
        self.dead.mkdir()
        for file in self.journal.parent.glob(f"{self.journal.name}*"):
            shutil.copy(file, self.dead)
        if self.done:
            super().send(request, **options)
        raise Killed


@pytest.fixture
def bucket(kinto_server):
    return kinto_server.bucket("tasks")


@pytest.fixture
def opened(kinto_server, bucket):
    clients = []

    def opened(journal, **options):
        clients.append(kinto_server.client(bucket, settle_after=0.0, **options))
        return Session(clients[-1], journal=journal)

    yield opened
    for client in clients:
        client.close()


@pytest.fixture
def stored(kinto_server, bucket):
    def stored():
        rows = kinto_server.ask("GET", f"/buckets/{bucket}/collections/tasks/records")
        return sorted((row["name"], row["size"]) for row in rows)

    return stored


def die(opened, tmp_path, mark, *, at, done):
    """Commit what is marked, and die at the batch of that number; return where the journal lies."""
    journal, dead = tmp_path / "it.journal", tmp_path / "dead"
    http = requests.Session()
    http.mount("http://", Deadly(at, done, journal, dead))
    session = opened(journal, http=http)
    mark(session)
    with pytest.raises(Killed):
        session.commit(workers=1)
    session.members.clear()
    session.close()
    return dead / journal.name


def new(session):
    session.add_all(Task(name=f"t{number:02}") for number in range(COUNT))


WANTED = [(f"t{number:02}", 0) for number in range(COUNT)]


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("at", [1, 2, 3])
@pytest.mark.parametrize("again", ["recovered", "run again"])
def test_a_death_at_a_batch_of_creations(opened, stored, tmp_path, at, done, again):
    journal = die(opened, tmp_path, new, at=at, done=done)
    with opened(journal) as session:
        if again == "recovered":
            assert len(session.recover().created) == COUNT
        else:
            new(session)
            session.commit()
    assert stored() == WANTED
    with opened(journal) as session:
        new(session)
        assert session.commit().requests == 0
    assert stored() == WANTED


@pytest.mark.parametrize("done", [False, True])
def test_a_death_at_a_batch_of_changes_that_mind_versions(opened, stored, tmp_path, done):
    with opened(None) as session:
        new(session)
        session.commit()

    def grow(session):
        for task in Task.objects.using(session).all():
            task.size = 7

    journal = die(opened, tmp_path, grow, at=2, done=done)
    with opened(journal) as session:
        report = session.recover()
        assert (len(report.updated), report.conflicts, report.uncertain) == (COUNT, [], [])
    assert stored() == [(name, 7) for name, _ in WANTED]


def test_an_undo_is_written_down_too(opened, stored, tmp_path, kinto_server, bucket):
    journal = tmp_path / "it.journal"
    with opened(journal) as session:
        new(session)
        report = session.commit()
        before = session.client.transport.requests_sent
        undone = report.undo()
        assert len(undone.undone) == COUNT
        # Three batches of deletions, and what there is compared in one request or a few.
        assert session.client.transport.requests_sent - before <= 3 + 1 + COUNT // 25
        assert stored() == []
        session.rollback()
    with opened(journal) as session:
        assert session.recover().requests == 0
    assert stored() == []
    with opened(journal) as session:
        new(session)
        assert len(session.commit().created) == COUNT
    assert stored() == WANTED
