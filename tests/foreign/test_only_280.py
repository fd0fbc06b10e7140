"""What only cvat-sdk 2.80.0 does: access tokens, filters, children of an organization's objects."""

from inspect import signature

import pytest
import requests
from cvat_sdk import make_client, models
from cvat_sdk.api_client.exceptions import ForbiddenException, UnauthorizedException
from cvat_sdk.core import filters as core_filters
from cvat_sdk.core.client import AccessTokenCredentials, Client, PasswordCredentials
from cvat_sdk.core.filters import F, all_, any_, not_

from objmapper.cvat import Task, data_requests, write_requests

pytestmark = pytest.mark.foreign

ADMIN, ALICE = ("admin", "secret"), ("alice", "wonder")
TOKEN = "a-personal-access-token"
VALUES = [getattr(room, name) for room in (write_requests, data_requests) for name in room.__all__]


def status(running, **options):
    return requests.get(f"{running.url}/api/users/self", timeout=30, **options).status_code


def session_of(client):
    return {"sessionid": client.api_client.cookies["sessionid"].value}


class TestLogin:
    @pytest.fixture
    def running(self, open_server):
        with open_server(tokens=[("alice", TOKEN)]) as running:
            yield running

    def test_an_access_token_works_and_a_logout_only_forgets_it(self, running):
        with make_client(running.url, access_token=TOKEN) as client:
            assert client.users.retrieve_current_user().username == "alice"
            client.logout()
            with pytest.raises(UnauthorizedException):
                client.users.retrieve_current_user()
        assert status(running, headers={"Authorization": f"Bearer {TOKEN}"}) == 200

    def test_a_wrong_access_token_is_found_out_by_the_first_request(self, running):
        with Client(running.url) as client:
            client.login(AccessTokenCredentials("nope"))
            with pytest.raises(UnauthorizedException) as refused:
                client.users.retrieve_current_user()
        assert "Invalid token." in refused.value.body

    def test_an_access_token_may_write(self, running, wire):
        with make_client(running.url, access_token=TOKEN) as client:
            theirs = client.tasks.create({"name": "mine", "labels": [{"name": "car"}]})
        assert wire.get(f"/tasks/{theirs.id}")["owner"]["username"] == "alice"

    def test_who_logs_in_again_is_logged_out_first(self, running, open_sdk):
        client = open_sdk(ADMIN)
        before = session_of(client)
        client.login(PasswordCredentials(*ALICE))
        assert client.users.retrieve_current_user().username == "alice"
        assert status(running, cookies=before) == 401

    def test_a_logout_ends_no_other_session(self, open_sdk):
        one, other = open_sdk(ADMIN), open_sdk(ADMIN)
        one.logout()
        assert other.users.retrieve_current_user().username == "admin"


@pytest.mark.parametrize(
    ("theirs", "mine"),
    [
        ({"subset": "train"}, {"subset": "train"}),
        ({"project_id": 2}, {"project": 2}),
        ({"filter": F.name == "task 1-02"}, {"name": "task 1-02"}),
        ({"filter": F.name.contains("1-0") & (F.id > 2)}, {"name__contains": "1-0", "id__gt": 2}),
        ({"filter": F.id.one_of([1, 5, 99])}, {"id__in": [1, 5, 99]}),
        ({"filter": F.id.between(2, 4)}, {"id__range": (2, 4)}),
        ({"filter": F.assignee.is_set()}, {"assignee__username__isnull": False}),
        ({"filter": ~F.assignee.is_set()}, {"assignee__username": None}),
        ({"name__contains": "-01"}, {"name__contains": "-01"}),
        ({"sort": "name", "page_size": 3}, {}),
    ],
    ids=lambda value: ",".join(value),
)
def test_a_filter_of_the_sdk_finds_what_ours_finds(sdk, ours, theirs, mine):
    wanted = {task.id for task in Task.objects.filter(**mine)}
    assert wanted
    assert {task.id for task in sdk.tasks.list(**theirs)} == wanted


ASKED = [
    {"filter": F.name == "task 1-02"},
    {"filter": (F.id > 2) & ~(F.subset == "val") | (F.id == 1)},
    {"filter": any_(F.id.between(2, 3), F.assignee == "annotator1")},
    {"filter": not_(all_(F.owner.one_of(["admin"]), F.project_id == 1))},
    {"filter": {"in": ["1-0", {"var": "name"}]}},
    {"filter": '{"<=": [2, {"var": "id"}, 4]}'},
    {"name__ne": "task 1-02", "id__between": (1, 4)},
    {"assignee__isset": False},
    {"assignee__in": ["annotator1", "annotator2"], "filter": F.id < 7},
    {"search": "task 1-0", "sort": "name", "page_size": 3},
    {"project_id": 2, "search": "ADMIN", "filter": F.assignee.is_set()},
]


@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_a_list_is_asked_of_ours_in_the_same_words(sdk, ours, asked):
    """The same call, with the SDK's own expressions, and with ours of the same names."""
    wanted = [task.id for task in sdk.tasks.list(**asked)]
    assert wanted
    assert [task.id for task in ours.tasks.list(**asked)] == wanted


def test_expressions_are_written_as_the_sdk_s_are(sdk, ours):
    from objmapper.cvat import filters

    def asked(of):
        return of.any_(
            of.F.id.one_of([1, 2]), of.not_(of.F["name"].contains("1-")) & (of.F.id <= 6)
        )

    wanted = [task.id for task in sdk.tasks.list(filter=asked(core_filters))]
    assert [task.id for task in ours.tasks.list(filter=asked(filters))] == wanted


def test_projects_are_removed_by_their_ids(sdk, wire):
    sdk.projects.remove_by_ids([1, 99])
    assert wire.ids("/projects") == [2]


class TestChildrenInAnOrganization:
    """They are found whatever the context is: the SDK asks in that of the object."""

    @pytest.fixture
    def project(self, sdk):
        """Project 1 is an organization's; its first job has an issue."""
        acme = sdk.organizations.create({"slug": "acme"})
        sdk.organizations.create({"slug": "other"})
        sdk.issues.create({"frame": 0, "position": [1.0, 2.0], "job": 1, "message": "look"})
        return sdk.projects.retrieve(1).update({"organization_id": acme.id})

    def test_a_project_takes_along_all_that_is_below_it(self, wire, project):
        for path in ("/projects/1", "/tasks/1", "/tasks/6", "/jobs/1", "/jobs/18"):
            assert wire.get(path)["organization"] == project.organization == 1
        assert wire.get("/tasks/7")["organization"] is None

    @pytest.mark.parametrize("slug", ["acme", "", "other", None])
    def test_they_are_found_in_every_context(self, sdk, project, slug):
        with sdk.organization_context(slug):
            tasks = project.get_tasks()
            assert [task.id for task in tasks] == [6, 5, 4, 3, 2, 1]
            assert len(project.get_labels()) == len(tasks[-1].get_labels()) == 3
            jobs = tasks[-1].get_jobs()
            assert [job.id for job in jobs] == [3, 2, 1]
            (issue,) = jobs[-1].get_issues()
            assert [comment.message for comment in issue.get_comments()] == ["look"]

    def test_a_plain_list_goes_by_the_context(self, sdk, project):
        with sdk.organization_context("acme"):
            assert len(sdk.issues.list()) == len(sdk.comments.list()) == 1
            assert len(sdk.jobs.list()) == 18
        with sdk.organization_context(""):
            assert sdk.issues.list() == sdk.comments.list() == []
            assert {job.task_id for job in sdk.jobs.list()} == {7, 8, 9, 10, 11, 12}


def test_an_access_token_is_made_told_once_narrowed_and_revoked(running, sdk, wire):
    tokens = sdk.api_client.auth_api
    made, _ = tokens.create_access_tokens(
        models.AccessTokenWriteRequest(name="script", read_only=False)
    )
    (row,) = wire.rows("/auth/access_tokens")
    assert (row["id"], row["name"], row["read_only"]) == (made.id, "script", False)
    assert "value" not in row
    with make_client(running.url, access_token=made.value) as client:
        client.projects.create({"name": "by the script"})
        assert wire.rows("/projects")[0]["name"] == "by the script"
        tokens.partial_update_access_tokens(
            made.id,
            patched_access_token_write_request=models.PatchedAccessTokenWriteRequest(
                read_only=True
            ),
        )
        assert client.projects.retrieve(3).name == "by the script"
        with pytest.raises(ForbiddenException):
            client.projects.retrieve(3).remove()
        tokens.destroy_access_tokens(made.id)
        with pytest.raises(UnauthorizedException):
            client.projects.list()
    assert wire.rows("/auth/access_tokens") == []
    assert wire.status("/projects/3") == 200


class TestOldServer:
    """A 2.15 tells no logo, and the SDK fails on that before it can warn."""

    @pytest.fixture
    def running(self, open_server):
        with open_server(version="2.15") as running:
            yield running

    def test_the_version_check_fails(self, running):
        with pytest.raises(TypeError, match="logo_url"):
            make_client(running.url)

    def test_without_the_check_it_works(self, running, wire, told):
        with Client(running.url, check_server_version=False) as client:
            client.login(ADMIN)
            theirs = client.tasks.create({"name": "new", "project_id": 1})
            assert told(theirs) == wire.get(f"/tasks/{theirs.id}")
            assert "project_name" not in told(theirs)
            theirs.update({"name": "changed"})
            assert wire.get(f"/tasks/{theirs.id}")["name"] == "changed"
            assert [job.id for job in client.tasks.retrieve(1).get_jobs()] == [3, 2, 1]
            client.logout()


@pytest.mark.parametrize("ours", VALUES, ids=lambda ours: ours.__name__)
def test_a_value_class_has_the_names_of_the_sdk_s(ours):
    if ours is write_requests.LabelRequest:  # 2.15 had it
        assert not hasattr(models, "LabelRequest")
        return
    theirs = getattr(models, ours.__name__)
    told = theirs.openapi_types() if callable(theirs.openapi_types) else theirs.openapi_types
    # What somebody plans to do with CVAT is asked of new users alone.
    assert set(told) - set(ours.__fields__) <= {
        "cvat_usage_reason", "data_types", "discovery_source", "planned_activities", "primary_role"
    }  # fmt: skip
    assert set(ours.__fields__) <= set(told)
    made = signature(theirs._from_openapi_data).parameters.values()
    needed = {p.name for p in made if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD}
    assert needed == {key for key, asked in ours.__fields__.items() if asked}
