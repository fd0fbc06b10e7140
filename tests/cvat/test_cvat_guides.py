"""Guides: of a project or a task, which leads to it; there is no list of them."""

import pytest

from objmapper import NotFound, ValidationError
from objmapper.cvat import Guide, Project
from objmapper.exceptions import QueryError


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
