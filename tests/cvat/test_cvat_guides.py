"""Guides: of a project or a task, which leads to it; there is no list of them."""

import io
import json

import pytest
import requests

from objmapper import CommitError, NotFound, Session, ValidationError
from objmapper.cvat import Client, Guide, Project
from objmapper.exceptions import QueryError
from objmapper.server import WSGIAdapter, embedded


def test_a_project_leads_to_its_guide(seeded, requests_of):
    project = seeded.projects.retrieve(1)
    assert project.guide is None
    guide = seeded.guides.create(project=project, markdown="# Look")
    assert guide.project is project
    assert guide.task is None
    assert project.fetch().guide is guide
    with requests_of() as sent:
        assert project.guide.markdown == "# Look"
    assert len(sent) == 0


def test_a_task_without_a_project_leads_to_its_own(client):
    task = client.tasks.create(name="t", labels=[{"name": "car"}])
    guide = Guide(task=task, markdown="x")
    guide.commit()
    assert task.fetch().guide is guide


def test_a_job_leads_to_the_guide_of_its_project(seeded, requests_of):
    made = seeded.request("POST", "/guides", json={"project_id": 1, "markdown": "x"}).json()
    jobs = seeded.jobs.list(task=1)
    with requests_of() as sent:
        assert {job.guide.markdown for job in jobs} == {"x"}
    assert list(sent) == [("GET", f"/guides/{made['id']}")]


def test_a_guide_is_changed_in_one_request_and_removed(seeded, requests_of):
    guide = seeded.guides.create({"project_id": 1, "markdown": "x"})
    with requests_of() as sent:
        guide.update({"markdown": "y"})
    assert list(sent) == [("PATCH", f"/guides/{guide.id}")]
    assert sent.bodies == [{"markdown": "y"}]
    assert guide.fetch().markdown == "y"
    assert guide.created_date < guide.updated_date
    assert seeded.guides.retrieve(guide.id) is guide
    guide.remove()
    with pytest.raises(Guide.DoesNotExist):
        seeded.guides.retrieve(guide.id)


def test_a_new_project_and_its_guide_are_committed_together(client):
    project = Project(name="p", labels=[{"name": "car"}])
    client.session.add(Guide(project=project, markdown="x"))
    assert client.session.commit().requests == 2
    assert project.fetch().guide.markdown == "x"


@pytest.mark.parametrize("given", [{}, {"project": 1, "task": 1}], ids=["neither", "both"])
def test_a_guide_of_nothing_or_of_two_is_not_sent(seeded, requests_of, given):
    with requests_of() as sent, pytest.raises(ValidationError, match="one of project and task"):
        seeded.guides.create(markdown="x", **given)
    assert len(sent) == 0
    seeded.session.rollback()


@pytest.mark.parametrize("asked", ["list", "first", "count", "exists"])
def test_a_list_of_guides_is_refused_with_the_way_out(seeded, requests_of, asked):
    with requests_of() as sent, pytest.raises(QueryError, match=r"project\.guide"):
        getattr(seeded.guides, asked)()
    assert len(sent) == 0


def test_a_guide_that_is_gone_is_told(seeded):
    guide = seeded.guides.create(project=1, markdown="x")
    seeded.request("DELETE", f"/guides/{guide.id}")
    with pytest.raises(Guide.DoesNotExist):
        guide.fetch()
    with pytest.raises(NotFound):
        seeded.request("GET", f"/guides/{guide.id}")


class TestUnknownFate:
    """Whether a guide was made is told by what it is of."""

    @pytest.fixture
    def server(self):
        with embedded("embedded://cvat?seed=1x1") as server:
            yield server

    @pytest.fixture
    def broken(self, server):
        """``broken(before)`` gives a client whose next POST breaks, when *before* has run its request."""
        opened = []

        def open_(before):
            waiting = [before]

            def between(environ, start_response):
                if environ["REQUEST_METHOD"] == "POST" and waiting:
                    waiting.pop()(environ)
                    raise requests.exceptions.ConnectionError("the connection broke")
                return server.app(environ, start_response)

            http = requests.Session()
            http.mount(server.base_url, WSGIAdapter(between))
            http.headers["Authorization"] = f"Bearer {server.create_token(server.users[0][0])}"
            opened.append((Client(server.base_url, http=http, settle_after=0), http))
            return opened[-1][0]

        yield open_
        for client, http in opened:
            client.close()
            http.close()

    @staticmethod
    def made(server):
        """What has a POST done before its answer is lost."""
        return lambda environ: b"".join(
            server.app(environ, lambda status, headers, info=None: None)
        )

    def test_one_that_was_made_is_found(self, server, broken, requests_of):
        client = broken(self.made(server))
        with Session(client) as session:
            guide = Guide(project=1, markdown="# Look  ")
            session.add(guide)
            with requests_of() as sent:
                report = session.commit()
            assert report.created.objects == [guide]
            assert session.uncertain == []
            path = f"/guides/{guide.id}"
            assert list(sent) == [("POST", "/guides"), ("GET", "/projects/1"), ("GET", path)]
            assert client.request("GET", "/projects/1").json()["guide_id"] == guide.id
            guide.remove()

    def test_one_that_was_not_made_is_sent_again(self, server, broken, requests_of):
        client = broken(lambda environ: None)
        with Session(client) as session:
            session.add(guide := Guide(project=1, markdown="x"))
            with requests_of() as sent:
                assert session.commit().created.objects == [guide]
            assert [verb for verb, _ in sent] == ["POST", "GET", "POST"]
            guide.remove()

    def test_another_s_is_not_taken_for_it(self, server, broken):
        other = self.made(server)

        def somebody_else(environ):
            body = json.dumps({"project_id": 1, "markdown": "theirs"}).encode()
            size = str(len(body))
            other(environ | {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": size})

        client = broken(somebody_else)
        with Session(client) as session:
            session.add(guide := Guide(project=1, markdown="mine"))
            with pytest.raises(CommitError, match="whose text is another one") as caught:
                session.commit()
            assert caught.value.report.uncertain.objects == [guide]
            session.settle(guide, found=None)
            assert session.uncertain == []
            session.expunge(guide)
            client.request("DELETE", f"/guides/{Project.objects.get(id=1).guide.id}")
