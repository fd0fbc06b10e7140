"""What the tests of journals share: models of a small server, and processes that die on the way."""

import shutil
from types import SimpleNamespace

import pytest

from objmapper import Model, Registry, Session, fields

registry = Registry("journal")


class Base(Model):
    id = fields.Integer(primary_key=True)

    class Meta:
        abstract = True
        registry = registry


class Project(Base):
    name = fields.String(required=True)
    note = fields.String(null=True)

    class Meta:
        natural_key = ["name"]


class Task(Base):
    name = fields.String(required=True)
    note = fields.String(null=True)
    project = fields.ForeignKey(Project, null=True)
    tags = fields.List(fields.String())
    secret = fields.String(write_only=True)

    class Meta:
        natural_key = ["project", "name"]


class Nameless(Base):
    """Nothing tells one from another."""

    note = fields.String(null=True)


class Versioned(Base):
    name = fields.String()
    note = fields.String(null=True)
    size = fields.Integer(null=True)

    class Meta:
        endpoint = "versioned"
        natural_key = ["name"]
        version = "etag"


class Killed(BaseException):
    """Stands for SIGKILL: nothing that the package catches."""


class Place:
    """Where a journal lies, and a small server to write to."""

    def __init__(self, server, tmp_path):
        self.server, self.path = server, tmp_path / "it.journal"
        self._folder, self._deaths = tmp_path, 0

    def session(self, **options):
        """Open a session on the journal; one request goes at a time, so that ids are in order."""
        options = {"recommended_workers": 1} | options
        return Session(self.server.client(**options), journal=self.path)

    def names(self, endpoint="tasks"):
        return sorted(row["name"] for row in self.server.tables[endpoint].rows.values())

    def writes(self):
        return [str(seen) for seen in self.server.seen if seen.method != "GET"]

    def die(self, session, at, *, done, **options):
        """Commit, and die when the write of that number reaches the server; *done*: which does it.

        The journal of later sessions is what lay on the disk at that moment.
        """
        self._deaths += 1
        dead = self._folder / f"dead-{self._deaths}"
        writes = 0

        def hook(seen):
            nonlocal writes
            writes += seen.method != "GET"
            if seen.method == "GET" or writes < at:
                return
            if not dead.exists():
                dead.mkdir()
                for file in self.path.parent.glob(f"{self.path.name}*"):
                    shutil.copy(file, dead)
            if not done or writes > at:
                raise Killed

        def progress(through, of):
            if dead.exists():
                raise Killed

        self.server.hook = hook
        with pytest.raises(Killed):
            session.commit(workers=1, progress=progress, **options)
        self.server.hook = lambda seen: None
        session.members.clear()
        session.close()
        self.path = dead / self.path.name


@pytest.fixture
def place(small, tmp_path):
    small.table("projects")
    small.table("tasks", secret=("secret",), foreign={"project": "projects"})
    small.table("namelesses")
    return Place(small, tmp_path)


@pytest.fixture
def models():
    return SimpleNamespace(
        Project=Project, Task=Task, Nameless=Nameless, Versioned=Versioned, registry=registry
    )
