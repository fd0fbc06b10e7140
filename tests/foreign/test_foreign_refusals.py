"""What the server refuses reaches the SDK's user as the exception that the SDK has for it."""

import json
from contextlib import closing

import pytest
import requests
from cvat_sdk import make_client, models
from cvat_sdk.api_client.exceptions import (
    ApiException,
    ForbiddenException,
    NotFoundException,
    ServiceException,
)
from cvat_sdk.core.client import Client

pytestmark = pytest.mark.foreign

ADMIN = ("admin", "secret")
FORBIDDEN = {"detail": "You do not have permission to perform this action."}
NOT_FOUND = {"detail": "Not found."}


@pytest.fixture(scope="module")
def running(open_server):
    """One server for all, as a refusal changes nothing: an organization and an issue."""
    with open_server() as running, make_client(running.url, credentials=ADMIN) as sdk:
        sdk.organizations.create({"slug": "acme"})
        sdk.issues.create({"frame": 0, "position": [1.0, 2.0], "job": 1, "message": "first"})
        yield running


def refused(call, error, body=None):
    """The status of the refusal of a call."""
    with pytest.raises(error) as caught:
        call()
    assert type(caught.value) is error
    if body is not None:
        assert json.loads(caught.value.body) == body
    return caught.value.status


@pytest.mark.parametrize("kind", ["tasks", "projects", "jobs", "issues", "comments", "users"])
def test_another_s_object_is_forbidden(sdk, alice, kind):
    call = getattr(alice, kind).retrieve
    assert refused(lambda: call(1), ForbiddenException, FORBIDDEN) == 403


def test_another_s_organization_is_not_found(sdk, alice):
    call = alice.organizations.retrieve
    assert refused(lambda: call(1), NotFoundException, NOT_FOUND) == 404


def test_the_context_of_another_s_organization_is_forbidden(sdk, alice):
    with alice.organization_context("acme"):
        assert refused(alice.tasks.list, ForbiddenException, FORBIDDEN) == 403


@pytest.mark.parametrize(
    "kind", ["tasks", "projects", "jobs", "issues", "comments", "organizations", "users"]
)
def test_what_is_unknown_is_not_found(sdk, kind):
    call = getattr(sdk, kind).retrieve
    assert refused(lambda: call(999), NotFoundException, NOT_FOUND) == 404


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("tasks", {"name": "x"}),
        ("projects", {"name": "x"}),
        ("issues", {"resolved": True}),
        ("comments", {"message": "x"}),
    ],
)
def test_another_s_object_is_neither_changed_nor_removed(sdk, alice, wire, kind, change):
    before = wire.get(f"/{kind}/1")
    theirs = getattr(sdk, kind).retrieve(1)
    # The same object, in the hands of somebody else.
    theirs._client = alice
    assert refused(lambda: theirs.update(change), ForbiddenException, FORBIDDEN) == 403
    assert refused(theirs.remove, ForbiddenException, FORBIDDEN) == 403
    assert wire.get(f"/{kind}/1") == before


@pytest.mark.parametrize(
    ("kind", "spec", "body"),
    [
        ("tasks", {"name": "no labels"}, ["Label set or project_id must be present"]),
        ("organizations", {"slug": "acme"}, {"slug": ["organization with this slug already exists."]}),
        (
            "tasks",
            {"name": "x", "project_id": 999},
            ["The specified project #999 does not exist."],
        ),
    ],
    ids=["a task without labels", "a slug twice", "an unknown project"],
)  # fmt: skip
def test_what_can_not_be_created_is_a_bad_request(sdk, wire, kind, spec, body):
    before = wire.ids(f"/{kind}")
    create = getattr(sdk, kind).create
    assert refused(lambda: create(spec), ApiException, body) == 400
    assert wire.ids(f"/{kind}") == before


@pytest.mark.parametrize(
    ("kind", "change", "error", "body"),
    [
        (
            "users",
            {"username": "admin"},
            ApiException,
            {"username": ["A user with that username already exists."]},
        ),
        (
            "projects",
            {"labels": [{"id": 999, "name": "x"}]},
            NotFoundException,
            {"detail": "Not found label with id #999 to change"},
        ),
    ],
    ids=["a name that is taken", "a label that is not there"],
)
def test_what_can_not_be_changed_stays(sdk, wire, kind, change, error, body):
    theirs, before = getattr(sdk, kind).retrieve(2), wire.get(f"/{kind}/2")
    assert refused(lambda: theirs.update(change), error, body) == (
        404 if error is NotFoundException else 400
    )
    assert wire.get(f"/{kind}/2") == before


@pytest.mark.parametrize(
    ("params", "body"),
    [
        ({"filter": '{"!=": [{"var": "name"}, "x"]}'}, None),
        ({"filter": '{"==": [{"var": "nope"}, 1]}'}, ["filter: 'nope' term is not supported"]),
        ({"filter": "no json"}, ["filter: Json syntax should be used"]),
        (
            {"org": "acme", "org_id": 1},
            [
                'You cannot specify "org_id" query parameter with "org" query parameter or '
                '"X-Organization" HTTP header at the same time.'
            ],
        ),
    ],
    ids=["an operator", "a name", "no JSON", "two organizations"],
)
def test_what_can_not_be_asked_is_a_bad_request(sdk, params, body):
    assert refused(lambda: sdk.tasks.api.list(**params), ApiException, body) == 400


def test_a_page_beyond_the_last_is_not_found(sdk):
    call = sdk.tasks.api.list
    assert refused(lambda: call(page=99), NotFoundException, {"detail": "Invalid page."}) == 404


def test_a_job_is_not_removed(sdk, wire):
    body = ["Only ground truth jobs can be removed"]
    assert refused(lambda: sdk.jobs.api.destroy(1), ApiException, body) == 400
    assert wire.status("/jobs/1") == 200


def test_where_cvat_itself_fails_it_is_a_service_exception(sdk, wire):
    """An assignee that does not exist: CVAT leaves that to its database."""
    task = sdk.tasks.retrieve(1)
    change = models.PatchedTaskWriteRequest(assignee_id=999)
    assert refused(lambda: task.update(change), ServiceException) == 500
    assert wire.get("/tasks/1")["assignee"] is None


def test_who_is_not_logged_in_is_throttled(open_server):
    """A login counts as a request of nobody, and it is not repeated."""
    with open_server(throttle=True) as running, requests.Session() as nobody:
        answers = (nobody.get(f"{running.url}/api/server/about").status_code for _ in range(101))
        assert [*answers] == [200] * 100 + [429]
        with closing(Client(running.url, check_server_version=False)) as client:
            arrived = running.server.requests
            with pytest.raises(ApiException) as caught:
                client.login(ADMIN)
        assert caught.value.status == 429
        assert 0 < int(caught.value.headers["Retry-After"]) <= 60
        assert "Request was throttled. Expected available in" in caught.value.body
        assert running.server.requests == arrived + 1
