"""Which requests say where they are about: the endpoints that CVAT has the parameters for, and children."""

import pytest

from objmapper.cvat import Issue, Label, Project, Task

#: Those whose lists take an organization (cvat-sdk 2.80); an organization's own list does not.
PLACED = ["comments", "invitations", "issues", "jobs", "labels", "memberships", "projects"]
PLACED += ["tasks", "users"]


@pytest.fixture
def acme(seeded):
    seeded.organizations.create(slug="other")
    return seeded.organizations.create(slug="acme")


@pytest.mark.parametrize("name", PLACED)
def test_lists_name_the_context_where_cvat_takes_it(seeded, acme, requests_of, name):
    repository = getattr(seeded, name)
    parent = {"task": 1} if name == "labels" else {}
    for slug in ("acme", "", None):
        with seeded.organization_context(slug), requests_of() as sent:
            repository.filter(**parent).count()
        assert [dict(request.params).get("org") for request in sent.requests] == [slug]


@pytest.mark.parametrize("slug", ["acme", ""])
def test_the_list_of_organizations_is_the_same_in_all_of_them(seeded, acme, requests_of, slug):
    with seeded.organization_context(slug), requests_of() as sent:
        assert {each.slug for each in seeded.organizations.all()} == {"acme", "other"}
    assert not any(dict(request.params).get("org") for request in sent.requests)


@pytest.mark.parametrize("slug", ["acme", "", None])
def test_what_has_an_address_of_its_own_needs_no_context(seeded, acme, slug):
    with seeded.organization_context(slug):
        task = seeded.tasks.retrieve(1)
        task.update({"name": f"in {slug!r}"})
        assert seeded.jobs.retrieve(1).id == 1
    assert seeded.request("GET", "/tasks/1").json()["name"] == f"in {slug!r}"


@pytest.fixture
def inside(seeded, acme):
    """A task of the organization with a job, an issue and two comments."""
    with seeded.organization_context("acme"):
        project = Project(name="p", labels=[Label(name="car")])
        task = Task(name="t", project=project)
        seeded.session.add(task)
        seeded.session.commit()
    return task


@pytest.mark.parametrize("slug", [None, "", "acme", "other"])
def test_children_of_children_are_found_whatever_is_spoken_of(seeded, inside, slug):
    """As the SDK's own did not (cvat-ai/cvat issue 8914): a child is asked for where its parent is."""
    job = seeded.jobs.first()
    with seeded.organization_context(slug):
        issue = Issue(
            job=job, frame=0, position=[1, 2], comments=[{"message": "a"}, {"message": "b"}]
        )
        issue.commit()
        assert [each.message for each in issue.comments.order_by("id")] == ["a", "b"]
        assert job.issues.get(id=issue.id) is issue
        assert job.task.jobs.filter(id=job.id).exists()
        assert job.task.labels.count() > 0
        assert [label.name for label in inside.labels.all()] == ["car"]
        assert inside.project.tasks.get() is inside
        assert (job.task.organization, inside.organization.slug) == (None, "acme")


@pytest.mark.parametrize("slug", [None, "", "other"])
def test_what_is_made_in_something_lives_with_it(seeded, inside, slug):
    with seeded.organization_context(slug):
        task = inside.project.tasks.create(name="a sibling")
    assert task.organization is inside.organization
    assert task.project is inside.project
