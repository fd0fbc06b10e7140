"""What only cvat-sdk 2.15.0 does: tokens beside sessions, a guessed scheme, children of a context."""

import logging

import pytest
import requests
from cvat_sdk import make_client
from cvat_sdk.api_client.exceptions import ApiTypeError, UnauthorizedException
from cvat_sdk.core.client import Client, Config
from cvat_sdk.core.exceptions import IncompatibleVersionException

pytestmark = pytest.mark.foreign

ADMIN = ("admin", "secret")


class TestLogin:
    def test_the_token_of_a_login_works_by_itself_until_the_logout(self, running, open_sdk):
        def status():
            url = f"{running.url}/api/users/self"
            return requests.get(url, headers={"Authorization": header}, timeout=30).status_code

        client = open_sdk()
        header = client.api_client.default_headers["Authorization"]
        assert header.startswith("Token ")
        assert status() == 200
        client.logout()
        assert status() == 401

    def test_one_logout_ends_all_logins_of_a_user(self, open_sdk):
        one, other = open_sdk(), open_sdk()
        one.logout()
        with pytest.raises(UnauthorizedException) as refused:
            other.users.retrieve_current_user()
        assert "Invalid token." in refused.value.body

    def test_an_address_without_a_scheme_is_tried_as_https_and_then_as_http(self, running):
        address = running.url.removeprefix("http://")
        with make_client(address, credentials=ADMIN) as client:
            assert client.users.retrieve_current_user().username == "admin"


class TestNewServer:
    """The SDK warns of a 2.80, or refuses it, and works with it."""

    @pytest.fixture
    def running(self, open_server):
        with open_server(version="2.80") as running:
            yield running

    def test_it_warns(self, running, caplog):
        with caplog.at_level(logging.WARNING), make_client(running.url):
            pass
        (record,) = caplog.records
        assert "Server version '2.80.0' is not compatible with SDK version '2.15.0'" in (
            record.getMessage()
        )

    def test_it_refuses_if_it_is_told_to(self, running):
        with pytest.raises(IncompatibleVersionException, match=r"2\.80\.0"):
            Client(running.url, config=Config(allow_unsupported_server=False))

    def test_it_works(self, running, sdk, wire, told):
        theirs = sdk.tasks.create({"name": "new", "project_id": 1})
        assert told(theirs) == wire.get(f"/tasks/{theirs.id}")
        assert theirs.project_name == "project 1"
        theirs.update({"name": "changed"})
        assert wire.get(f"/tasks/{theirs.id}")["name"] == "changed"
        assert [job.id for job in sdk.tasks.retrieve(1).get_jobs()] == [3, 2, 1]


class TestChildrenInAnOrganization:
    """They are found where the context lets them be seen: the SDK asks in that of the client."""

    @pytest.fixture
    def project(self, sdk):
        sdk.organizations.create({"slug": "acme"})
        sdk.organizations.create({"slug": "other"})
        with sdk.organization_context("acme"):
            project = sdk.projects.create({"name": "theirs", "labels": [{"name": "car"}]})
            sdk.tasks.create({"name": "inside", "project_id": project.id})
        return project

    @pytest.mark.parametrize(
        ("slug", "found"), [("acme", ["inside"]), (None, ["inside"]), ("", []), ("other", [])]
    )
    def test_tasks_of_a_project(self, sdk, wire, project, slug, found):
        assert wire.get(f"/projects/{project.id}")["organization"] == 1
        with sdk.organization_context(slug):
            assert [task.name for task in project.get_tasks()] == found


def test_projects_are_not_removed_by_their_ids_and_lists_take_no_filters(sdk):
    assert not hasattr(sdk.projects, "remove_by_ids")
    with pytest.raises(TypeError, match="subset"):
        sdk.tasks.list(subset="val")


def test_a_label_that_an_update_added_without_a_type_can_not_be_read(sdk, wire):
    """CVAT 2.15 gives it null, where its own SDK wants a text."""
    project = sdk.projects.retrieve(1)
    project.update({"labels": [{"name": "tram"}]})
    assert {row["name"]: row["type"] for row in wire.rows("/labels", project_id=1)} == {
        "car": "any",
        "person": "any",
        "tree": "any",
        "tram": None,
    }
    with pytest.raises(ApiTypeError):
        project.get_labels()
