"""Repositories: each has the verbs of CVAT's SDK, and an entity is asked for its children by name."""

import pytest
import requests

from objmapper import (
    CommitError,
    FieldDoesNotExist,
    Forbidden,
    NotFound,
    Q,
    QueryError,
    ValidationError,
)
from objmapper.cvat import Client, Comment, Issue, Job, Organization, Task, User, models
from objmapper.exceptions import UnsupportedLookup
from objmapper.queryset import Manager

ALICE = ("alice", "wonder")
KINDS = (
    "comments guides invitations issues jobs labels memberships organizations projects tasks users"
).split()


@pytest.fixture(scope="module", params=["2.80", "2.15"])
def server(request):
    """One server for all of the module; what is changed, a test has made itself."""
    users = "user=admin:secret&user=alice:wonder"
    with Client(f"embedded://cvat?seed=2x3&{users}&version={request.param}&check=1") as client:
        yield client
        assert client.server.violations == []


@pytest.fixture
def task(server):
    return server.tasks.create(name="own", labels=[{"name": "car"}])


@pytest.fixture
def issue(server):
    return server.issues.create(frame=0, position=[1, 2], job=1, message="first")


@pytest.mark.parametrize("kind", KINDS)
def test_a_repository_is_a_manager_with_the_verbs_of_the_sdk(server, kind):
    repository = getattr(server, kind)
    assert isinstance(repository, Manager)
    for verb in "create retrieve list filter remove_by_ids get all count".split():
        assert callable(getattr(repository, verb))
    for verb in "fetch update remove".split():
        assert callable(getattr(repository.model, verb))


class TestList:
    @pytest.mark.parametrize(
        ("kind", "asked", "means"),
        [
            ("jobs", {"task_id": 2}, {"task": 2}),
            ("jobs", {"task_id__in": [1, 2]}, {"task__in": [1, 2]}),
            ("tasks", {"project_id": 1, "status": "annotation"}, {"project": 1, "status": "annotation"}),
            ("tasks", {"owner": "admin"}, {"owner__username": "admin"}),
            ("tasks", {"assignee": "annotator1"}, {"assignee__username": "annotator1"}),
            ("labels", {"task_id": 1}, {"task": 1}),
            ("issues", {"job_id": 1}, {"job": 1}),
            ("users", {"username": "alice"}, {"username": "alice"}),
        ],
        ids=str,
    )  # fmt: skip
    def test_cvat_s_words_mean_what_they_say(self, server, requests_of, kind, asked, means):
        repository = getattr(server, kind)
        with requests_of() as sent:
            found = repository.list(**asked)
        assert len(sent) == 1
        assert isinstance(found, list)
        assert found == list(repository.filter(**means))

    def test_it_sorts_and_asks_in_pages_as_told(self, server, requests_of):
        expected = list(server.tasks.order_by("-project", "name"))
        with requests_of() as sent:
            found = server.tasks.list(sort="-project_id, name", page_size=4)
        assert found == expected
        assert len(sent) == 2  # of six tasks

    def test_it_takes_conditions_and_all_of_them_are_anded(self, server):
        found = server.tasks.list(Q(name__contains="1-") | Q(id=99), Task.id > 1, project_id=1)
        assert [task.id for task in found] == [3, 2]

    def test_without_conditions_it_is_everything(self, server):
        assert len(server.jobs.list()) == server.jobs.count() == 18

    def test_a_name_that_is_none_is_refused_with_the_names_there_are(self, server, requests_of):
        with requests_of() as sent:
            with pytest.raises(FieldDoesNotExist, match=r"project_idd.*project"):
                server.tasks.list(project_idd=1)
            with pytest.raises(TypeError, match=r"return_json.*values\(\)"):
                server.tasks.list(return_json=True)
            with pytest.raises(UnsupportedLookup, match="frame_count"):
                server.jobs.list(frame_count=3)
        assert len(sent) == 0


class TestChildren:
    def test_each_entity_has_its_children_under_both_names(self, server, issue):
        project, task, job = (
            server.projects.retrieve(1), server.tasks.retrieve(1), server.jobs.retrieve(1)
        )  # fmt: skip
        assert project.get_tasks() == list(project.tasks) == list(Task.objects.filter(project=1))
        assert project.get_labels() == list(project.labels)
        assert task.get_jobs() == list(task.jobs) == list(Job.objects.filter(task=1))
        assert task.get_labels() == list(task.labels)
        assert job.get_labels() == list(job.labels) == project.get_labels()
        assert issue in job.get_issues()
        assert job.get_issues() == list(job.issues)
        assert [comment.message for comment in issue.get_comments()] == ["first"]
        assert issue.get_comments() == list(issue.comments)

    def test_they_are_asked_anew_in_one_request(self, server, requests_of):
        project = server.projects.retrieve(1)
        before = project.get_tasks()
        made = server.tasks.create(name="more", project=project)
        with requests_of() as sent:
            assert set(project.get_tasks()) == {*before, made}
        assert list(sent) == [("GET", "/tasks")]
        made.remove()


class TestFewRequests:
    def test_an_update_is_one_request(self, server, task, requests_of):
        with requests_of() as sent:
            task.update({"name": "renamed"})
        assert list(sent) == [("PATCH", f"/tasks/{task.id}")]

    def test_tasks_with_all_their_jobs_are_two_requests(self, server, requests_of):
        with requests_of() as sent:
            tasks = list(server.tasks.filter(project__in=[1, 2]).prefetch_related("jobs"))
            jobs = [job for task in tasks for job in task.jobs.all()]
        assert (len(tasks), len(jobs)) == (6, 18)
        assert list(sent) == [("GET", "/tasks"), ("GET", "/jobs")]


def test_a_hundred_tasks_with_their_jobs_are_two_requests(requests_of):
    with Client("embedded://cvat?seed=1x100") as client, requests_of() as sent:
        jobs = [job for task in client.tasks.prefetch_related("jobs") for job in task.jobs.all()]
        assert len(jobs) == 300
    assert list(sent) == [("GET", "/tasks"), ("GET", "/jobs")]


class TestVerbs:
    def test_an_issue_and_a_comment_live_through_all_of_them(self, server, issue):
        comment = server.comments.create(models.CommentWriteRequest(issue=issue.id, message="two"))
        assert server.comments.retrieve(comment.id) is comment
        comment.update(models.PatchedCommentWriteRequest(message="three"))
        issue.update(models.PatchedIssueWriteRequest(resolved=True, assignee=1, position=[3, 4]))
        assert (issue.resolved, issue.assignee.id, issue.position) == (True, 1, [3, 4])
        assert server.request("GET", f"/issues/{issue.id}").json()["assignee"]["id"] == 1
        server.request("PATCH", f"/comments/{comment.id}", json={"message": "there"})
        assert comment.fetch().message == "there"
        comment.remove()
        assert comment.message == "there"
        issue.remove()
        with pytest.raises(Issue.DoesNotExist):
            server.issues.retrieve(issue.id)
        with pytest.raises(Comment.DoesNotExist):
            server.comments.retrieve(comment.id)

    def test_an_organization_lives_through_all_of_them(self, server):
        made = server.organizations.create({"slug": "firm", "contact": {"email": "a@b.example"}})
        made.update(models.PatchedOrganizationWriteRequest(name="Firm"))
        assert server.organizations.list(slug="firm") == [made]
        assert (made.fetch().name, made.contact) == ("Firm", {"email": "a@b.example"})
        made.remove()
        with pytest.raises(Organization.DoesNotExist):
            server.organizations.retrieve(made.id)

    def test_a_user_is_changed_by_an_administrator(self, server):
        alice = server.users.list(username="alice")[0]
        alice.update(models.PatchedUserRequest(first_name="Alice"))
        assert alice.fetch().first_name == "Alice"
        assert server.users.retrieve_current_user().username == "admin"

    def test_a_user_is_removed_by_an_administrator(self, server):
        user = server.users.list(username="annotator3")[0]
        user.remove()
        with pytest.raises(User.DoesNotExist):
            server.users.retrieve(user.id)

    def test_an_invitation_and_the_membership_that_it_makes(self, server):
        firm = server.organizations.create(slug="club")
        spec = models.InvitationWriteRequest(role="worker", email="alice@example.com")
        invitation = server.invitations.create(spec, organization=firm)
        assert server.invitations.retrieve(invitation.key) is invitation
        membership = firm.memberships.get(user__username="alice")
        membership.update(models.PatchedMembershipWriteRequest(role="supervisor"))
        assert server.memberships.retrieve(membership.id).role == "supervisor"
        membership.remove()
        assert firm.memberships.filter(user__username="alice").count() == 0
        firm.remove()

    def test_objects_are_removed_by_their_ids_and_every_failure_is_told(self, server):
        made = [server.tasks.create(name="x", project=1) for _ in range(2)]
        with pytest.raises(CommitError) as failed:
            server.tasks.remove_by_ids([made[0].id, 9998, made[1].id, 9999])
        report = failed.value.report
        assert len(report.deleted) == 2
        assert [type(entry.error) for entry in report.failed] == [NotFound, NotFound]
        assert server.tasks.list(name="x") == []

    def test_ids_that_can_be_none_are_refused_before_anything_is_sent(self, server, requests_of):
        with requests_of() as sent, pytest.raises(QueryError, match="'x' is no key"):
            server.tasks.remove_by_ids([1, "x"])
        for wrong in ("12", 7, None):
            with pytest.raises(TypeError, match="ids is a list of ids"):
                server.tasks.remove_by_ids(wrong)
        assert len(sent) == 0


class TestBadInput:
    def test_another_user_s_task_is_forbidden_and_one_that_is_not_there_is_none(self, server):
        session = requests.Session()
        session.mount(server.server.base_url, server.server.adapter())
        with Client(server.server.base_url, http=session) as alice:
            alice.login(ALICE)
            with pytest.raises(Forbidden, match="permission"):
                alice.tasks.retrieve(1)
            with pytest.raises(Task.DoesNotExist, match="99"):
                alice.tasks.retrieve(99)
            assert alice.tasks.list() == []
            with pytest.raises(CommitError) as failed:
                alice.tasks.remove_by_ids([1])
            assert [type(entry.error) for entry in failed.value.report.failed] == [Forbidden]

    def test_an_organization_that_is_not_there_is_told_by_its_slug(self, server):
        with (
            server.organization_context("nowhere"),
            pytest.raises(NotFound, match="nowhere organization does not exist"),
        ):
            server.tasks.list()

    @pytest.mark.parametrize("spec", ["name", 7, ["name"], [("name", "x")]], ids=str)
    def test_what_is_no_spec_is_refused(self, server, spec):
        with pytest.raises(TypeError, match="A dict, or a value class"):
            server.tasks.create(spec)
        with pytest.raises(TypeError, match="A dict, or a value class"):
            server.tasks.retrieve(1).update(spec)

    def test_a_label_that_is_not_there_is_none(self, server):
        with pytest.raises(models.Label.DoesNotExist):
            server.labels.retrieve(9999)

    def test_a_task_without_a_name_is_not_sent(self, server, requests_of):
        with requests_of() as sent, pytest.raises(ValidationError, match="name"):
            server.tasks.create({"labels": [{"name": "car"}]})
        assert len(sent) == 0
        server.session.rollback()

    def test_an_assignee_who_is_not_there_is_told_as_the_server_tells_it(self, server, issue):
        with pytest.raises(CommitError, match="assignee"):
            issue.update({"assignee": 999})
        issue.revert()
        assert User.objects.filter(id=999).count() == 0
