"""What was to be made in an organization is made there, whatever the recovering thread speaks of."""

import shutil

import pytest
import requests

from objmapper import Session
from objmapper.cvat import Client, Label, Organization, Project, Task
from objmapper.server import WSGIAdapter, embedded

USER = ("admin", "secret")


class Killed(BaseException):
    """Stands for SIGKILL: nothing that the package catches."""


class Deadly(WSGIAdapter):
    """Raises Killed at one write, and copies then what lies on the disk."""

    left: int | None = None

    def send(self, request, **options):
        if request.method == "GET" or self.left is None:
            return super().send(request, **options)
        self.left -= 1
        if self.left == 0:
            if self.done:
                super().send(request, **options)
            self.copy()
            raise Killed
        return super().send(request, **options)


@pytest.fixture(scope="module")
def world():
    """A client of an embedded CVAT with an organization, and the adapter that its requests pass."""
    server = embedded("cvat", users=[USER])
    http = requests.Session()
    http.trust_env = False
    deadly = Deadly(server.app)
    http.mount(server.base_url, deadly)
    with Client(server.base_url, http=http, settle_after=0) as client:
        client.login(USER)
        client.organizations.create(slug="acme")
        yield client, deadly
    http.close()
    server.close()


def program(session, name):
    project = Project(name=name, labels=[Label(name="car")])
    session.add_all([project, Task(name=name, project=project)])
    session.add(Task(name=f"{name}, alone", labels=[Label(name="car")]))


CONTEXTS = [None, "", "acme"]


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("then", CONTEXTS)
@pytest.mark.parametrize("now", [None, "acme"])
def test_a_recovery_makes_things_where_they_were_to_be_made(world, tmp_path, at, done, then, now):
    client, deadly = world
    path, dead, name = tmp_path / "it.journal", tmp_path / "dead", f"{at} {done} {then} {now}"
    deadly.left, deadly.done = at, done
    deadly.copy = lambda: shutil.copytree(tmp_path, dead)
    session = Session(client, journal=path)
    program(session, name)
    with client.organization_context(then), pytest.raises(Killed):
        session.commit(workers=1)
    deadly.left = None
    session.members.clear()
    session.close()
    with Session(client, journal=dead / path.name) as session:
        with client.organization_context(now):
            assert session.recover(workers=1).ok
        here = Organization.objects.get(slug="acme") if then == "acme" else None
        found = [
            *Project.objects.filter(name=name),
            *Task.objects.filter(name=name),
            *Task.objects.filter(name=f"{name}, alone"),
        ]
        assert [obj.organization for obj in found] == [here] * 3
