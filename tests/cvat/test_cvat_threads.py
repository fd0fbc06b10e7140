"""One client of CVAT, shared by threads that each speak of an organization of their own."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from objmapper import Session
from objmapper.cvat import Label, Organization, Project, Task
from objmapper.cvat.models import Role
from objmapper.exceptions import NotFound, SessionThreadError

THREADS = 16
TASKS = 3


@pytest.fixture
def together():
    """``together(work)`` runs ``work(number, wait)`` on all threads; ``wait()`` brings them level."""

    def run(work):
        barrier = threading.Barrier(THREADS, timeout=60)

        def begin(number):
            try:
                return work(number, barrier.wait)
            except BaseException:
                barrier.abort()  # or the others would wait for this one
                raise

        with ThreadPoolExecutor(THREADS) as pool:
            threads = [pool.submit(begin, number) for number in range(THREADS)]
        errors = [error for thread in threads if (error := thread.exception())]
        for error in sorted(errors, key=lambda e: isinstance(e, threading.BrokenBarrierError)):
            raise error
        return [thread.result() for thread in threads]

    return run


@pytest.fixture
def slugs(client):
    """The organizations, one for each thread."""
    slugs = [f"org-{number}" for number in range(THREADS)]
    client.session.add_all(Organization(slug=slug) for slug in slugs)
    client.session.commit()
    return slugs


def test_sixteen_threads_work_in_sixteen_organizations(client, slugs, together):
    def work(number, wait):
        slug = slugs[number]
        with Session(client) as session, client.organization_context(slug):
            wait()
            project = Project(name=f"project of {slug}", labels=[Label(name="car")])
            session.add_all(Task(name=f"{slug}/{n}", project=project) for n in range(TASKS))
            session.commit(workers=2)  # on threads of the commit's own
            wait()
            pages = Task.objects.iterator(page_size=1, prefetch_pages=2)
            names = sorted(task.name for task in pages)
            wait()
            assert client.organization_slug == slug
            return names, project.organization.slug

    found = together(work)
    wanted = [([f"{slug}/{number}" for number in range(TASKS)], slug) for slug in slugs]
    assert found == wanted
    assert client.organization_slug is None
    assert client.tasks.count() == THREADS * TASKS
    for slug in slugs:
        assert client.tasks.filter(organization__slug=slug).count() == TASKS


def test_contexts_of_threads_end_apart_also_by_errors(client, slugs, together):
    def work(number, wait):
        seen = [client.organization_slug]
        with client.organization_context(slugs[number]):
            wait()
            if number % 2:
                with pytest.raises(NotFound), client.organization_context(f"no-{number}"):
                    client.tasks.list()
            seen.append(client.organization_slug)
            wait()
        seen.append(client.organization_slug)
        return seen

    client.organization_slug = ""  # what all threads speak of that have no context
    assert together(work) == [["", slug, ""] for slug in slugs]


def test_children_are_found_whatever_other_threads_speak_of(client, slugs, together):
    with client.organization_context(slugs[0]):
        project = client.projects.create(name="p", labels=[{"name": "car"}])
        project.tasks.create(name="t")
    key = project.id

    def work(number, wait):
        with Session(client), client.organization_context(slugs[number]):
            wait()
            mine = Project.objects.get(id=key)
            return [task.name for task in mine.tasks.all()], Task.objects.count()

    found = together(work)
    assert [names for names, _ in found] == [["t"]] * THREADS
    assert [count for _, count in found] == [1] + [0] * (THREADS - 1)


@pytest.mark.parametrize("action", ["accept", "decline", "resend"])
def test_an_invitation_of_a_session_that_is_busy_is_not_answered(client, requests_of, action):
    acme = client.organizations.create(slug="acme")
    invitation = acme.invitations.create(email="new@example.com", role=Role.WORKER)
    answer = getattr(invitation, action)
    with (
        client.session.using(),
        ThreadPoolExecutor(1) as pool,
        requests_of() as sent,
        pytest.raises(SessionThreadError),
    ):
        pool.submit(answer).result()
    assert len(sent) == 0
