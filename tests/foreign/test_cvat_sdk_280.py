"""The published cvat-sdk 2.80.0, unmodified, over a socket: it works against the embedded CVAT.

What the SDK writes objmapper reads, and the reverse; both agree with each other field by field.
"""

import importlib.metadata
import logging

import pytest
from cvat_sdk import make_client as make_sdk_client
from cvat_sdk import models
from cvat_sdk.api_client.exceptions import ApiException, NotFoundException
from cvat_sdk.core.client import AccessTokenCredentials, Config
from cvat_sdk.core.client import Client as SDKClient
from cvat_sdk.core.filters import F
from cvat_sdk.core.helpers import get_paginated_collection

from objmapper.cvat import Job, Label, Project, Task, User, make_client
from objmapper.server import serve

pytestmark = pytest.mark.foreign

ADMIN, ALICE = ("admin", "secret"), ("alice", "wonder")
TOKEN = "a-personal-access-token"


@pytest.fixture
def running():
    """An embedded CVAT with two projects of four tasks; nothing the SDK does is against the contract."""
    options = {"users": [ADMIN, ALICE], "tokens": [("alice", TOKEN)], "check": True}
    with serve("cvat", seed="2x4", **options) as running:
        yield running
        assert running.server.violations == []


@pytest.fixture
def sdk(running):
    """The SDK's client, logged in."""
    with make_sdk_client(running.url, credentials=ADMIN) as client:
        yield client


@pytest.fixture
def ours(running):
    """Our client, logged in; its session is the current one."""
    with make_client(running.url, credentials=ADMIN) as client:
        yield client


def test_it_is_the_published_one():
    assert importlib.metadata.version("cvat-sdk") == "2.80.0"


class TestClient:
    def test_the_version_check_warns_of_nothing(self, running, caplog):
        with caplog.at_level(logging.WARNING):
            client = SDKClient(running.url, config=Config(allow_unsupported_server=False))
        client.check_server_version(fail_if_unsupported=True)
        assert str(client.get_server_version()) == "2.80.0"
        assert caplog.records == []

    def test_a_login_is_a_session_that_ends(self, running):
        with SDKClient(running.url) as client:
            client.login(ALICE)
            assert {"sessionid", "csrftoken"} <= set(client.api_client.cookies)
            assert client.users.retrieve_current_user().username == "alice"
            client.logout()
            with pytest.raises(ApiException) as refused:
                client.users.retrieve_current_user()
            assert refused.value.status == 401

    def test_a_wrong_password_is_refused(self, running):
        with pytest.raises(ApiException) as refused:
            make_sdk_client(running.url, credentials=("admin", "wrong"))
        assert refused.value.status == 400

    def test_a_personal_access_token_works(self, running):
        with SDKClient(running.url) as client:
            client.login(AccessTokenCredentials(TOKEN))
            assert client.users.retrieve_current_user().username == "alice"


class TestProjects:
    def test_what_the_sdk_creates_we_read(self, sdk, ours):
        theirs = sdk.projects.create(
            {
                "name": "from the SDK",
                "bug_tracker": "https://bugs.example.com/1",
                "labels": [
                    {
                        "name": "car",
                        "color": "#ff00ff",
                        "attributes": [
                            {
                                "name": "a",
                                "mutable": True,
                                "input_type": "number",
                                "default_value": "5",
                                "values": ["4", "5", "6"],
                            }
                        ],
                    }
                ],
            }
        )
        mine = Project.objects.get(name="from the SDK")
        assert mine.id == theirs.id
        assert mine.bug_tracker == theirs.bug_tracker
        assert mine.owner.username == theirs.owner.username == "admin"
        assert mine.created_date == theirs.created_date
        (label,) = mine.labels
        assert (label.name, label.color) == ("car", "#ff00ff")
        (attribute,) = label.attributes
        assert (attribute.name, attribute.mutable, attribute.values) == ("a", True, ["4", "5", "6"])

    def test_what_we_create_the_sdk_reads(self, sdk, ours):
        mine = Project(
            name="from objmapper",
            assignee=User.objects.get(username="annotator1"),
            labels=[Label(name="car", color="#ff00ff"), {"name": "bus"}],
        )
        mine.commit()
        theirs = sdk.projects.retrieve(mine.id)
        assert theirs.name == "from objmapper"
        assert theirs.assignee.username == "annotator1"
        labels = {label.name: label for label in theirs.get_labels()}
        assert labels.keys() == {"car", "bus"}
        assert labels["car"].color == "#ff00ff"
        assert {label.id for label in labels.values()} == {label.id for label in mine.labels}

    def test_each_sees_the_other_s_update(self, sdk, ours):
        theirs, mine = sdk.projects.retrieve(1), Project.objects.get(id=1)
        theirs.update({"name": "by the SDK"})
        assert theirs.name == "by the SDK"
        mine.refresh()
        assert mine.name == "by the SDK"
        mine.name, mine.assignee = "by objmapper", 2
        mine.commit()
        theirs.fetch()
        assert (theirs.name, theirs.assignee.id) == ("by objmapper", 2)
        assert mine.updated_date == theirs.updated_date

    def test_listing_and_removing(self, sdk, ours):
        assert [project.id for project in sdk.projects.list()] == [2, 1]
        assert [task.id for task in sdk.projects.retrieve(1).get_tasks()] == [4, 3, 2, 1]
        sdk.projects.retrieve(1).remove()
        assert [project.id for project in Project.objects.all()] == [2]
        Project.objects.get(id=2).delete()
        assert sdk.projects.list() == []
        with pytest.raises(NotFoundException):
            sdk.projects.retrieve(2)


class TestTasks:
    def test_what_the_sdk_creates_we_read(self, sdk, ours):
        theirs = sdk.tasks.create(
            models.TaskWriteRequest(name="from the SDK", project_id=1, subset="val", assignee_id=3)
        )
        mine = Task.objects.get(id=theirs.id)
        assert (mine.name, mine.subset, mine.project.name) == ("from the SDK", "val", "project 1")
        assert mine.assignee.id == theirs.assignee.id == 3
        assert mine.size is None
        assert not hasattr(theirs, "size")

    def test_what_we_create_the_sdk_reads(self, sdk, ours):
        session = ours.session
        session.add_all(
            Task(name=f"from objmapper {n}", project=1, segment_size=7) for n in range(3)
        )
        report = session.commit()
        for mine in report.created.objects:
            theirs = sdk.tasks.retrieve(mine.id)
            assert (theirs.name, theirs.project_id, theirs.segment_size) == (mine.name, 1, 7)
            assert theirs.created_date == mine.created_date

    def test_every_field_that_both_know_is_the_same(self, sdk, ours):
        relations = {"owner", "assignee", "project"}
        for theirs in sdk.tasks.list():
            mine, row = Task.objects.get(id=theirs.id), theirs._model.to_dict()
            known = {field.name for field in Task.__mapper__.by_key.values() if field.key in row}
            assert len(known) > 25
            for name in known - relations:
                field = Task.__mapper__.fields[name]
                came, read = row[field.key], getattr(mine, name)
                if isinstance(came, dict):
                    assert {key: came[key] for key in read.to_dict()} == read.to_dict()
                else:
                    assert read == came, name
            assert mine.owner.username == row["owner"]["username"]
            assert mine.project.id == row["project_id"]

    def test_each_sees_the_other_s_update(self, sdk, ours):
        theirs, mine = sdk.tasks.retrieve(1), Task.objects.get(id=1)
        theirs.update(models.PatchedTaskWriteRequest(name="by the SDK", assignee_id=None))
        assert mine.fetch().name == "by the SDK"
        assert mine.assignee is None
        mine.update({"name": "by objmapper", "project": 2})
        assert theirs.fetch().name == "by objmapper"
        assert theirs.project_id == 2

    @pytest.mark.parametrize(
        ("theirs", "mine"),
        [
            ({"subset": "train"}, {"subset": "train"}),
            ({"project_id": 2}, {"project": 2}),
            ({"filter": F.name == "task 1-02"}, {"name": "task 1-02"}),
            (
                {"filter": F.name.contains("1-0") & (F.id > 2)},
                {"name__contains": "1-0", "id__gt": 2},
            ),
            ({"filter": F.id.one_of([1, 5, 99])}, {"id__in": [1, 5, 99]}),
            ({"filter": F.id.between(2, 4)}, {"id__range": (2, 4)}),
            ({"filter": F.assignee.is_set()}, {"assignee__username__isnull": False}),
            ({"filter": ~F.assignee.is_set()}, {"assignee__username": None}),
            ({"name__contains": "-01"}, {"name__contains": "-01"}),
            ({"sort": "name", "page_size": 3}, {}),
        ],
        ids=lambda value: ",".join(value),
    )
    def test_a_filter_of_the_sdk_finds_what_ours_finds(self, sdk, ours, theirs, mine):
        wanted = {task.id for task in Task.objects.filter(**mine)}
        assert wanted
        assert {task.id for task in sdk.tasks.list(**theirs)} == wanted

    def test_removing_one_and_several(self, sdk, ours, caplog):
        sdk.tasks.retrieve(1).remove()
        sdk.tasks.remove_by_ids([2, 3])
        assert {task.id for task in Task.objects.all()} == {4, 5, 6, 7, 8}
        ours.tasks.remove_by_ids([4, 5])
        assert {task.id for task in sdk.tasks.list()} == {6, 7, 8}
        with pytest.raises(NotFoundException):
            sdk.tasks.retrieve(1)


class TestJobs:
    def test_jobs_are_listed_and_found_from_their_task(self, sdk, ours):
        assert {job.id for job in sdk.jobs.list()} == {job.id for job in Job.objects.all()}
        task = sdk.tasks.retrieve(2)
        assert {job.id for job in task.get_jobs()} == {
            job.id for job in Task.objects.get(id=2).jobs
        }
        found = {job.id for job in sdk.jobs.list(state="completed")}
        assert found == {job.id for job in Job.objects.filter(state="completed")}

    def test_each_sees_the_other_s_update(self, sdk, ours):
        theirs, mine = sdk.jobs.retrieve(1), Job.objects.get(id=1)
        theirs.update({"stage": "validation", "assignee": 2})
        mine.refresh()
        assert (mine.stage, mine.assignee.id, mine.status) == ("validation", 2, "validation")
        mine.assignee, mine.state = None, "completed"
        mine.commit()
        theirs.fetch()
        assert (theirs.assignee, theirs.state, theirs.stage) == (None, "completed", "validation")


class TestLabels:
    def test_labels_go_both_ways(self, sdk, ours):
        theirs = sdk.projects.retrieve(1)
        theirs.update({"labels": [{"name": "tram", "color": "#00ff00"}]})
        mine = Project.objects.get(id=1)
        assert {label.name for label in mine.labels} == {"car", "person", "tree", "tram"}
        tram = mine.labels.get(name="tram")
        tram.name = "tramway"
        tram.commit()
        mine.labels.get(name="tree").delete()
        labels = {label.name: label.color for label in theirs.get_labels()}
        assert labels.keys() == {"car", "person", "tramway"}
        assert labels["tramway"] == "#00ff00"
        assert {label.name for label in sdk.tasks.retrieve(1).get_labels()} == labels.keys()

    def test_the_labels_endpoint_of_the_low_level_api(self, sdk, ours):
        found = get_paginated_collection(sdk.api_client.labels_api.list_endpoint, project_id=1)
        assert [label.id for label in found] == [
            label.id for label in Label.objects.filter(project=1)
        ]


class TestUsers:
    def test_users_are_the_same(self, sdk, ours):
        theirs = {user.id: (user.username, user.email) for user in sdk.users.list()}
        assert theirs == {user.id: (user.username, user.email) for user in User.objects.all()}
        assert sdk.users.retrieve_current_user().id == ours.users.retrieve_current_user().id
