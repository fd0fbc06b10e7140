"""Logins that end, lack something or may not: what is told, and that nothing is lost."""

import pytest
import requests

from objmapper import CommitError, Forbidden, NotAuthenticated, TokenAuth
from objmapper.cvat import Client, Config, Project, Task, make_client
from objmapper.operation import Json, Request
from objmapper.server import serve

ADMIN, ALICE = ("admin", "secret-of-admin"), ("alice", "secret-of-alice")


@pytest.fixture(scope="module", params=["2.15", "2.80"])
def running(request):
    with serve("cvat", seed="1x2", users=[ADMIN, ALICE], version=request.param, check=True) as it:
        yield it
        assert it.server.violations == []


def end(running, noted):
    """End the session that a client's jar holds, as another program of the user's might."""
    with requests.Session() as other:
        other.cookies.update(noted.cookies)
        other.headers["X-CSRFToken"] = other.cookies["csrftoken"]
        assert other.post(f"{running.url}/api/auth/logout").ok


def test_a_session_that_ends_before_a_commit_loses_nothing(running, noted):
    config = Config(logout_on_exit=False)
    with make_client(running.url, credentials=ADMIN, http=noted, config=config) as client:
        before = client.projects.count()
        task = Task.objects.get(id=1)
        task.name = "renamed"
        new = Project(name="made later")
        client.session.add(new)
        end(running, noted)
        with pytest.raises(CommitError) as failed:
            client.session.commit()
        report = failed.value.report
        assert not report.uncertain
        assert {type(entry.error) for entry in report.failed} == {NotAuthenticated}
        assert set(client.session.dirty) == {task}
        assert set(client.session.new) == {new}
        client.login(ADMIN)
        assert client.session.commit().ok
        assert client.projects.count() == before + 1
        assert client.request("GET", "/tasks/1").json()["name"] == "renamed"


def test_a_personal_access_token_that_is_revoked_is_told():
    with (
        serve("cvat", users=[ADMIN, ALICE]) as running,
        make_client(running.url, credentials=ALICE) as client,
    ):
        made = client.request("POST", "/auth/access_tokens", json={"name": "n"}).json()
        with make_client(running.url, access_token=made["value"]) as by_token:
            assert by_token.users.retrieve_current_user().username == "alice"
            client.request("DELETE", f"/auth/access_tokens/{made['id']}")
            with pytest.raises(NotAuthenticated, match="Invalid token") as refused:
                by_token.tasks.list()
            assert made["value"] not in f"{refused.value}{refused.value.request}"


def test_a_token_that_may_only_read_writes_nothing():
    with (
        serve("cvat", seed="1x1", users=[ADMIN]) as running,
        make_client(running.url, credentials=ADMIN) as client,
    ):
        body = {"name": "n", "read_only": True}
        value = client.request("POST", "/auth/access_tokens", json=body).json()["value"]
        with make_client(running.url, access_token=value) as by_token:
            task = by_token.tasks.get(id=1)
            with pytest.raises(CommitError) as failed:
                task.update({"name": "not to be"})
            assert [type(entry.error) for entry in failed.value.report.failed] == [Forbidden]
            assert client.tasks.get(id=1).name != "not to be"
            task.revert()


class Renewing(TokenAuth):
    """A token that is over, and a new one for who asks; ``renewed`` counts."""

    renewed = 0

    def renew(self, transport):
        self.renewed += 1
        body = Json({"username": ADMIN[0], "password": ADMIN[1]})
        self.token = transport.send(Request("POST", "/auth/login", body=body)).json()["key"]
        return True


def test_the_auth_of_a_lent_session_is_renewed_in_the_middle_of_a_commit(running, noted):
    noted.auth = Renewing("over")
    with Client(running.url, http=noted) as client:
        before = client.request("GET", "/projects").json()["count"]
        noted.auth.token = "over again"
        client.session.add_all(Project(name=f"p{number}") for number in range(3))
        report = client.session.commit()
        assert (len(report.created), noted.auth.renewed) == (3, 2)
        assert client.projects.count() == before + 3
        client.login(ALICE)
        end(running, noted)
        # Who logged in is not somebody else's token.
        with pytest.raises(NotAuthenticated):
            client.tasks.list()
        assert noted.auth.renewed == 2


def test_a_session_without_its_csrf_token_reads_and_is_refused_to_write(running, noted):
    login = {"username": ADMIN[0], "password": ADMIN[1]}
    noted.post(f"{running.url}/api/auth/login", json=login)
    del noted.cookies["csrftoken"]
    with Client(running.url, http=noted) as client:
        assert client.request("GET", "/tasks/1").status == 200
        with pytest.raises(Forbidden, match="CSRF Failed: CSRF cookie not set"):
            client.request("PATCH", "/tasks/1", json={"name": "not to be"})


def test_another_user_s_task_is_neither_read_nor_changed(running):
    with make_client(running.url, credentials=ALICE) as client:
        with pytest.raises(Forbidden, match="do not have permission"):
            client.tasks.retrieve(1)
        task = Task.objects.reference(1)
        task.name = "not to be"
        with pytest.raises(CommitError) as failed:
            client.session.commit()
        (entry,) = failed.value.report.failed
        assert isinstance(entry.error, Forbidden)
        assert isinstance(entry.error, PermissionError)
        assert task.changes
        task.revert()
