"""The SDK and objmapper side by side on one server: what one writes the other reads.

Both agree with each other field by field.
"""

import pytest
from cvat_sdk import models
from cvat_sdk.api_client.exceptions import NotFoundException
from cvat_sdk.core.helpers import get_paginated_collection

from objmapper import fields
from objmapper.cvat import (
    Comment,
    Invitation,
    Issue,
    Job,
    Label,
    Membership,
    Organization,
    Project,
    Task,
    User,
)

pytestmark = pytest.mark.foreign


@pytest.fixture
def running(open_server):
    with open_server(seed="2x4") as running:
        yield running


@pytest.mark.parametrize(
    ("model", "at_least"),
    [(Comment, 5), (Issue, 9), (Job, 20), (Organization, 8), (Project, 14), (Task, 25), (User, 11)],
)
def test_every_field_that_both_know_is_the_same(sdk, ours, told, model, at_least):
    sdk.issues.create({"frame": 0, "position": [1.0, 2.5], "job": 1, "message": "look"})
    sdk.organizations.create({"slug": "acme", "contact": {"email": "a@example.com"}})
    mapper = model.__mapper__
    for theirs in getattr(sdk, mapper.endpoint).list():
        mine, row = model.objects.get(id=theirs.id), theirs._model.to_dict()
        known = [field for field in mapper.by_key.values() if field.key in row]
        assert len(known) >= at_least
        for field in known:
            came, read = row[field.key], getattr(mine, field.name)
            if isinstance(field, fields.ForeignKey):
                came = came["id"] if isinstance(came, dict) else came
                read = read and read.id
            elif isinstance(field, fields.Nested) and read is not None:
                read = read.to_dict()
                came = {key: came[key] for key in read}
            assert read == came, field.name


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

    def test_each_sees_the_other_s_update(self, sdk, ours):
        theirs, mine = sdk.tasks.retrieve(1), Task.objects.get(id=1)
        theirs.update(models.PatchedTaskWriteRequest(name="by the SDK", assignee_id=None))
        assert mine.fetch().name == "by the SDK"
        assert mine.assignee is None
        mine.update({"name": "by objmapper", "project": 2})
        assert theirs.fetch().name == "by objmapper"
        assert theirs.project_id == 2

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
        found = get_paginated_collection(sdk.jobs.api.list_endpoint, state="completed")
        assert {job.id for job in found} == {
            job.id for job in Job.objects.filter(state="completed")
        }

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
        theirs.update({"labels": [{"name": "tram", "color": "#00ff00", "type": "any"}]})
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


class TestIssues:
    def test_what_the_sdk_creates_we_read(self, sdk, ours):
        theirs = sdk.issues.create(
            {"frame": 2, "position": [1.5, 2.0], "job": 2, "message": "look", "assignee": 3}
        )
        mine = Issue.objects.get(id=theirs.id)
        assert (mine.frame, mine.position, mine.job.id) == (2, [1.5, 2.0], 2)
        assert (mine.owner.username, mine.assignee.id, mine.resolved) == ("admin", 3, False)
        (comment,) = mine.comments
        assert (comment.message, comment.issue) == ("look", mine)

    def test_what_we_create_the_sdk_reads(self, sdk, ours):
        mine = Issue(job=2, frame=1, position=[3.0, 4.0], message="first")
        mine.commit()
        mine.comments.create(message="second")
        (theirs,) = sdk.jobs.retrieve(2).get_issues()
        assert (theirs.id, theirs.position, theirs.job) == (mine.id, [3.0, 4.0], 2)
        assert [each.message for each in theirs.get_comments()] == ["second", "first"]
        assert theirs.owner.username == "admin"

    def test_each_sees_the_other_s_update(self, sdk, ours):
        theirs = sdk.issues.create({"frame": 0, "position": [1.0, 2.0], "job": 1, "message": "a"})
        mine = Issue.objects.get(id=theirs.id)
        theirs.update({"resolved": True, "assignee": 2})
        mine.refresh()
        assert (mine.resolved, mine.assignee.id) == (True, 2)
        mine.assignee, mine.position = None, [5.0, 6.0]
        mine.commit()
        theirs.fetch()
        assert (theirs.assignee, theirs.position, theirs.resolved) == (None, [5.0, 6.0], True)

    def test_a_comment_goes_both_ways_and_so_does_a_removal(self, sdk, ours):
        theirs = sdk.issues.create({"frame": 0, "position": [1.0, 2.0], "job": 1, "message": "a"})
        (said,) = theirs.get_comments()
        mine = Comment.objects.get(id=said.id)
        mine.message = "b"
        mine.commit()
        assert said.fetch().message == "b"
        said.update({"message": "c"})
        mine.refresh()
        assert mine.message == "c"
        mine.delete()
        assert theirs.get_comments() == []
        Issue.objects.get(id=theirs.id).delete()
        assert sdk.issues.list() == []


class TestOrganizations:
    def test_each_sees_what_the_other_creates_changes_and_removes(self, sdk, ours):
        theirs = sdk.organizations.create({"slug": "acme", "contact": {"email": "a@example.com"}})
        mine = Organization.objects.get(slug="acme")
        assert (mine.id, mine.name, mine.contact) == (
            theirs.id,
            "acme",
            {"email": "a@example.com"},
        )
        assert mine.owner.username == theirs.owner.username == "admin"
        mine.name = "by objmapper"
        mine.commit()
        assert theirs.fetch().name == "by objmapper"
        theirs.update({"description": "by the SDK"})
        assert mine.fetch().description == "by the SDK"
        mine.delete()
        assert sdk.organizations.list() == []
        other = Organization.objects.create(slug="other", name="Other")
        assert sdk.organizations.retrieve(other.id).name == "Other"

    def test_both_make_the_same_of_a_context(self, sdk, ours):
        Organization.objects.create(slug="acme")
        with ours.organization_context("acme"):
            mine = Task.objects.create(name="mine", labels=[Label(name="car")])
        with sdk.organization_context("acme"):
            theirs = sdk.tasks.create({"name": "theirs", "labels": [{"name": "car"}]})
        for slug, found in (("acme", 2), ("", 8), (None, 10)):
            with sdk.organization_context(slug), ours.organization_context(slug):
                ids = [task.id for task in sdk.tasks.list()]
                assert [task.id for task in Task.objects.all()] == ids
                assert len(ids) == found
        assert sdk.tasks.retrieve(mine.id).organization == 1
        assert Task.objects.get(id=theirs.id).organization.slug == "acme"

    def test_an_invitation_of_ours_is_one_of_the_sdk_s(self, sdk, ours):
        acme = Organization.objects.create(slug="acme")
        mine = acme.invitations.create(email="alice@example.com", role="worker")
        theirs, _ = sdk.api_client.invitations_api.retrieve(mine.key)
        assert (theirs.user.username, theirs.role.value) == ("alice", "worker")
        member = Membership.objects.get(organization=acme, user__username="alice")
        told, _ = sdk.api_client.memberships_api.retrieve(member.id)
        assert (told.role, told.invitation, told.organization) == ("worker", mine.key, acme.id)
        member.role = "maintainer"
        member.commit()
        told, _ = sdk.api_client.memberships_api.retrieve(member.id)
        assert told.role == "maintainer"
        assert Invitation.objects.get(key=mine.key).user == User.objects.get(username="alice")
