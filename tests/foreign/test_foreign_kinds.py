"""All seven kinds that the SDK has: what it creates, reads, changes and removes, the server has so."""

import pytest
from cvat_sdk import models
from cvat_sdk.api_client.exceptions import NotFoundException

pytestmark = pytest.mark.foreign

CAR = {"name": "car", "color": "#ff00ff", "attributes": []}

#: What is sent to create one of each kind that can be created, as a dict.
SPECS = {
    "projects": {"name": "new", "bug_tracker": "https://bugs.example.com/1", "labels": [CAR]},
    "tasks": {"name": "new", "project_id": 1, "subset": "val", "assignee_id": 2},
    "issues": {"frame": 1, "position": [1.5, 2.0, 3.0, 4.0], "job": 1, "message": "look"},
    "comments": {"issue": 1, "message": "really"},
    "organizations": {
        "slug": "acme", "name": "Acme", "description": "d", "contact": {"email": "a@example.com"},
    },
}  # fmt: skip
MODELS = {
    "projects": models.ProjectWriteRequest,
    "tasks": models.TaskWriteRequest,
    "issues": models.IssueWriteRequest,
    "comments": models.CommentWriteRequest,
    "organizations": models.OrganizationWriteRequest,
}
CHANGES = {
    "projects": {"name": "changed", "assignee_id": 2},
    "tasks": {"name": "changed", "assignee_id": None, "subset": "train"},
    "jobs": {"stage": "validation", "state": "in progress", "assignee": 2},
    "issues": {"resolved": True, "assignee": 2, "position": [9.0, 8.0]},
    "comments": {"message": "changed"},
    "organizations": {"name": "changed", "description": "", "contact": {"location": "there"}},
    "users": {"first_name": "Al", "last_name": "Ice"},
}
PATCHES = {
    "projects": models.PatchedProjectWriteRequest,
    "tasks": models.PatchedTaskWriteRequest,
    "jobs": models.PatchedJobWriteRequest,
    "issues": models.PatchedIssueWriteRequest,
    "comments": models.PatchedCommentWriteRequest,
    "organizations": models.PatchedOrganizationWriteRequest,
    "users": models.PatchedUserRequest,
}
#: What is read under another name than it was sent by, and what has a place of its own.
READ_AS = {"assignee_id": "assignee"}
ELSEWHERE = {("projects", "labels"), ("issues", "message")}
#: What the server sets itself when something else changes.
FOLLOWS = {"updated_date", "assignee_updated_date", "status"}

each_kind = pytest.mark.parametrize("kind", CHANGES)
each_form = pytest.mark.parametrize("form", ["dict", "model"])


@pytest.fixture
def sdk(sdk):
    """The server has one object of every kind at least, and each has the id 1."""
    sdk.organizations.create({"slug": "first"})
    sdk.issues.create({"frame": 0, "position": [1.0, 2.0], "job": 1, "message": "first"})
    return sdk


def here(kind, values):
    """What of the values that were sent stands in the row itself, by the name it is read by."""
    return {
        READ_AS.get(name, name): value
        for name, value in values.items()
        if (kind, name) not in ELSEWHERE
    }


def said(row, names):
    """What a row says under these names, a user as their id."""
    return {
        name: row[name]["id"] if name == "assignee" and row[name] else row[name] for name in names
    }


@pytest.mark.parametrize("kind", SPECS)
@each_form
def test_what_is_created_is_on_the_server_as_it_was_sent(sdk, wire, told, kind, form):
    spec = SPECS[kind] if form == "dict" else MODELS[kind](**SPECS[kind])
    theirs = getattr(sdk, kind).create(spec)
    row, wanted = wire.get(f"/{kind}/{theirs.id}"), here(kind, SPECS[kind])
    assert said(row, wanted) == wanted
    assert told(theirs) == row
    assert row["owner"]["username"] == "admin"


def test_the_labels_of_a_new_project_are_on_the_server(sdk, wire):
    theirs = sdk.projects.create(SPECS["projects"])
    (label,) = wire.rows("/labels", project_id=theirs.id)
    assert {name: label[name] for name in CAR} == CAR


def test_the_message_of_a_new_issue_is_its_first_comment(sdk, wire):
    theirs = sdk.issues.create(SPECS["issues"])
    (comment,) = wire.rows("/comments", issue_id=theirs.id)
    assert (comment["message"], comment["owner"]["username"]) == ("look", "admin")
    assert theirs.comments.count == 1


@each_kind
def test_one_is_retrieved_as_the_server_has_it(sdk, wire, told, kind):
    theirs = getattr(sdk, kind).retrieve(1)
    assert told(theirs) == wire.get(f"/{kind}/1")
    assert repr(theirs).endswith(": id=1>")


@each_kind
def test_a_list_has_all_of_all_pages_as_the_server_has_them(sdk, wire, told, kind):
    rows = wire.rows(f"/{kind}")
    assert [told(theirs) for theirs in getattr(sdk, kind).list()] == rows
    assert len(rows) >= {"tasks": 12, "jobs": 36}.get(kind, 1)


@each_kind
@each_form
def test_an_update_is_on_the_server_and_in_the_object(sdk, wire, told, kind, form):
    theirs, before = getattr(sdk, kind).retrieve(1), wire.get(f"/{kind}/1")
    changes = CHANGES[kind] if form == "dict" else PATCHES[kind](**CHANGES[kind])
    wanted = here(kind, CHANGES[kind])
    assert said(before, wanted) != wanted
    assert theirs.update(changes) is theirs
    after = wire.get(f"/{kind}/1")
    assert said(after, wanted) == wanted
    assert told(theirs) == after
    changed = {name for name in after if after[name] != before[name]}
    assert changed - FOLLOWS <= set(wanted)


@each_kind
def test_what_another_client_changed_is_fetched(sdk, open_sdk, kind):
    theirs, others = getattr(sdk, kind).retrieve(1), getattr(open_sdk(), kind).retrieve(1)
    name, value = next(iter(CHANGES[kind].items()))
    others.update({name: value})
    assert getattr(theirs, name) != value
    assert theirs.fetch() is theirs
    assert getattr(theirs, name) == value


@pytest.mark.parametrize("kind", [kind for kind in CHANGES if kind != "jobs"])
def test_what_is_removed_is_gone(sdk, wire, kind):
    key = 2 if kind == "users" else 1
    assert key in wire.ids(f"/{kind}")
    theirs = getattr(sdk, kind).retrieve(key)
    theirs.remove()
    assert wire.status(f"/{kind}/{key}") == 404
    assert key not in [each.id for each in getattr(sdk, kind).list()]
    with pytest.raises(NotFoundException):
        theirs.fetch()
    with pytest.raises(NotFoundException):
        theirs.remove()


def test_jobs_have_neither_creation_nor_removal(sdk):
    assert not hasattr(sdk.jobs, "create")
    assert not hasattr(type(sdk.jobs.retrieve(1)), "remove")


def test_with_an_issue_go_its_comments_and_with_a_project_its_tasks(sdk, wire):
    sdk.issues.retrieve(1).remove()
    assert wire.rows("/comments") == []
    sdk.projects.retrieve(1).remove()
    assert set(wire.ids("/tasks")) == {7, 8, 9, 10, 11, 12}


def test_who_is_logged_in_is_a_user_too(sdk, wire, told, alice):
    assert told(sdk.users.retrieve_current_user()) == wire.get("/users/self")
    assert alice.users.retrieve_current_user().id == 2


def test_labels_that_an_update_added_renamed_and_deleted(sdk, wire):
    project = sdk.projects.retrieve(1)
    before = {label["name"]: label["id"] for label in wire.rows("/labels", project_id=1)}
    project.update(
        {
            "labels": [
                {"name": "tram", "color": "#00ff00", "type": "polygon"},
                {"id": before["car"], "name": "motor car", "color": "#ff0000"},
                {"id": before["tree"], "deleted": True},
            ]
        }
    )
    after = {label["name"]: label for label in wire.rows("/labels", project_id=1)}
    assert after.keys() == {"tram", "motor car", "person"}
    assert (after["motor car"]["id"], after["motor car"]["color"]) == (before["car"], "#ff0000")
    assert (after["tram"]["color"], after["tram"]["type"]) == ("#00ff00", "polygon")
    assert {label.name for label in project.get_labels()} == after.keys()


def test_tasks_are_removed_by_their_ids(sdk, wire):
    sdk.tasks.remove_by_ids([2, 3, 12])
    assert sorted(wire.ids("/tasks")) == [1, 4, 5, 6, 7, 8, 9, 10, 11]


def test_an_unknown_id_is_left_out_of_a_removal(sdk, wire):
    sdk.tasks.remove_by_ids([999, 2])
    assert wire.status("/tasks/2") == 404


def test_what_must_not_be_removed_stays(sdk, alice, wire):
    mine = alice.tasks.create({"name": "mine", "labels": [{"name": "car"}]})
    alice.tasks.remove_by_ids([1, mine.id])
    assert wire.status("/tasks/1") == 200
    assert wire.status(f"/tasks/{mine.id}") == 404
