"""Batches with what stands around them: journals, versions, conflicts."""

import shutil

import pytest
import requests
from requests.adapters import HTTPAdapter

from objmapper import CommitError, Model, Registry, Session, fields

registry = Registry("batches, and what stands around them")


class Task(Model):
    id = fields.String(primary_key=True)
    name = fields.String()
    size = fields.Integer()
    last_modified = fields.Integer(read_only=True)

    class Meta:
        registry = registry
        natural_key = ["name"]
        version = "etag"


@pytest.fixture
def bucket(kinto_server):
    return kinto_server.bucket("tasks")


@pytest.fixture
def rows(kinto_server, bucket):
    return lambda: kinto_server.ask("GET", f"/buckets/{bucket}/collections/tasks/records")


def tasks(count):
    return [Task(name=f"t{n}") for n in range(count)]


# -- versions -------------------------------------------------------------------------------------


def test_each_of_a_batch_is_refused_for_its_own_version(kinto_server, bucket, rows):
    with kinto_server.client(bucket) as client, Session(client) as session:
        made = tasks(5)
        session.add_all(made)
        session.commit()
        path = f"/buckets/{bucket}/collections/tasks/records/{made[2].id}"
        kinto_server.ask("PATCH", path, {"size": 7})
        for task in made:
            task.size = 1
        with pytest.raises(CommitError) as caught:
            session.commit(on_error="continue")
        report = caught.value.report
        assert report.updated.objects == [*made[:2], *made[3:]]
        (entry,) = report.conflicts
        assert entry.object is made[2]
        assert entry.conflict.theirs == {"size": 7}
        assert sorted(row["size"] for row in rows()) == [1, 1, 1, 1, 7]
        assert session.commit(on_conflict="overwrite").updated.objects == [made[2]]
    assert {row["size"] for row in rows()} == {1}


# -- journals -------------------------------------------------------------------------------------


class Killed(BaseException):
    """Stands for SIGKILL: nothing that the package catches."""


class Dying(HTTPAdapter):
    """Dies at a batch, with what lies on the disk at that moment; *done*: the server has done it."""

    def __init__(self, at, folder, *, done):
        super().__init__()
        self._left, self._folder, self._done = at, folder, done

    def send(self, request, *args, **options):
        self._left -= request.url.endswith("/batch")
        if self._left:
            return super().send(request, *args, **options)
        if self._done:
            super().send(request, *args, **options)
        (self._folder / "dead").mkdir()
        for file in self._folder.glob("it.journal*"):
            shutil.copy(file, self._folder / "dead")
        raise Killed


@pytest.mark.parametrize("done", [True, False], ids=["done", "not done"])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_process_that_dies_in_a_batch_is_recovered(
    kinto_server, bucket, rows, tmp_path, at, done
):
    http = requests.Session()
    http.mount("http://", Dying(at, tmp_path, done=done))
    with kinto_server.client(bucket, http=http) as client:
        session = Session(client, journal=tmp_path / "it.journal")
        session.add_all(tasks(60))
        with pytest.raises(Killed):
            session.commit(workers=1)
        session.members.clear()
        session.close()
    with (
        kinto_server.client(bucket, settle_after=0.0) as client,
        Session(client, journal=tmp_path / "dead" / "it.journal") as session,
    ):
        report = session.recover()
        assert len(report.created) == 60
        assert sorted(row["name"] for row in rows()) == sorted(f"t{n}" for n in range(60))
        assert client.transport.requests_sent <= 2 + 3
    http.close()
