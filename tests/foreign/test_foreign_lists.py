"""Lists with filters, and the children of an object."""

import json

import pytest
from cvat_sdk import make_client
from cvat_sdk.core.helpers import get_paginated_collection

pytestmark = pytest.mark.foreign

ADMIN = ("admin", "secret")


def var(name):
    return {"var": name}


def listed(repository, **params):
    """Ids of all pages, asked for with any parameter that the endpoint has."""
    if "filter" in params:
        params["filter"] = json.dumps(params["filter"])
    return [each.id for each in get_paginated_collection(repository.api.list_endpoint, **params)]


@pytest.fixture(scope="module")
def running(open_server):
    """One server for all: issues on two jobs of a task, the second with two comments."""
    with open_server() as running, make_client(running.url, credentials=ADMIN) as sdk:
        for job, message in ((1, "one"), (2, "two")):
            sdk.issues.create({"frame": 0, "position": [1.0, 2.0], "job": job, "message": message})
        sdk.comments.create({"issue": 2, "message": "three"})
        sdk.issues.retrieve(2).update({"resolved": True})
        sdk.organizations.create({"slug": "acme"})
        sdk.tasks.create({"name": "empty", "project_id": 1})
        sdk.projects.create({"name": "bare"})
        yield running


@pytest.mark.parametrize(
    ("kind", "params", "wanted"),
    [
        ("tasks", {"subset": "val"}, lambda row: row["subset"] == "val"),
        ("tasks", {"project_id": 2}, lambda row: row["project_id"] == 2),
        ("tasks", {"owner": "admin", "name": "task 1-02"}, lambda row: row["name"] == "task 1-02"),
        ("tasks", {"search": "task 1-0"}, lambda row: row["name"].startswith("task 1-0")),
        ("tasks", {"page_size": 5}, lambda row: True),
        (
            "tasks",
            {"filter": {"in": [var("id"), [1, 5, 99]]}},
            lambda row: row["id"] in (1, 5, 99),
        ),
        ("tasks", {"filter": {"in": ["1-0", var("name")]}}, lambda row: "1-0" in row["name"]),
        ("tasks", {"filter": {"<=": [2, var("id"), 4]}}, lambda row: 2 <= row["id"] <= 4),
        ("tasks", {"filter": {"!": var("assignee")}}, lambda row: row["assignee"] is None),
        (
            "tasks",
            {"filter": {"and": [{">": [var("id"), 6]}, {"==": [var("subset"), "train"]}]}},
            lambda row: row["id"] > 6 and row["subset"] == "train",
        ),
        (
            "tasks",
            {"filter": {"or": [{"==": [var("id"), 1]}, {"==": [var("name"), "task 2-06"]}]}},
            lambda row: row["id"] == 1 or row["name"] == "task 2-06",
        ),
        ("projects", {"search": "PROJECT 2"}, lambda row: row["name"] == "project 2"),
        ("projects", {"filter": {"==": [var("name"), "project 1"]}}, lambda row: row["id"] == 1),
        ("jobs", {"task_id": 3}, lambda row: row["task_id"] == 3),
        (
            "jobs",
            {"stage": "annotation", "state": "new"},
            lambda row: (row["stage"], row["state"]) == ("annotation", "new"),
        ),
        (
            "jobs",
            {"filter": {"in": [var("task_id"), [2, 4]]}},
            lambda row: row["task_id"] in (2, 4),
        ),
        ("issues", {"job_id": 2}, lambda row: row["job"] == 2),
        ("issues", {"task_id": 1}, lambda row: row["job"] in (1, 2, 3)),
        ("issues", {"resolved": True}, lambda row: row["resolved"]),
        ("issues", {"filter": {"in": [var("job_id"), [1, 3]]}}, lambda row: row["job"] in (1, 3)),
        ("comments", {"issue_id": 2}, lambda row: row["issue"] == 2),
        ("comments", {"job_id": 1}, lambda row: row["issue"] == 1),
        ("comments", {"owner": "admin"}, lambda row: True),
        ("users", {"username": "alice"}, lambda row: row["username"] == "alice"),
        ("users", {"search": "annotator"}, lambda row: "annotator" in row["username"]),
        ("organizations", {"slug": "acme"}, lambda row: row["slug"] == "acme"),
        ("organizations", {"owner": "admin"}, lambda row: True),
    ],
    ids=lambda value: "" if callable(value) else str(value),
)
def test_a_filter_finds_what_the_rows_say(sdk, wire, kind, params, wanted):
    rows = wire.rows(f"/{kind}")
    found = [row["id"] for row in rows if wanted(row)]
    assert found
    assert listed(getattr(sdk, kind), **params) == found


@pytest.mark.parametrize(
    ("kind", "sort", "key"),
    [
        ("tasks", "name", lambda row: row["name"]),
        ("tasks", "id", lambda row: row["id"]),
        ("jobs", "task_id,-id", lambda row: (row["task_id"], -row["id"])),
        ("issues", "id", lambda row: row["id"]),
        ("comments", "issue_id,id", lambda row: (row["issue"], row["id"])),
        ("users", "username", lambda row: row["username"]),
        ("organizations", "slug", lambda row: row["slug"]),
    ],
)
def test_a_list_is_sorted_across_its_pages(sdk, wire, kind, sort, key):
    rows = sorted(wire.rows(f"/{kind}"), key=key)
    assert listed(getattr(sdk, kind), sort=sort, page_size=5) == [row["id"] for row in rows]


class TestChildren:
    """What is below an object, in the personal workspace."""

    def test_jobs_and_labels_of_a_task(self, sdk, wire, told):
        task = sdk.tasks.retrieve(2)
        assert [told(job) for job in task.get_jobs()] == wire.rows("/jobs", task_id=2)
        assert [told(label) for label in task.get_labels()] == wire.rows("/labels", task_id=2)
        assert len(task.get_jobs()) == len(task.get_labels()) == 3

    def test_tasks_and_labels_of_a_project(self, sdk, wire, told):
        project = sdk.projects.retrieve(2)
        assert [told(task) for task in project.get_tasks()] == wire.rows("/tasks", project_id=2)
        assert [told(label) for label in project.get_labels()] == wire.rows("/labels", project_id=2)
        assert [task.id for task in project.get_tasks()] == [12, 11, 10, 9, 8, 7]

    def test_issues_and_labels_of_a_job(self, sdk, wire, told):
        job = sdk.jobs.retrieve(2)
        assert [told(issue) for issue in job.get_issues()] == wire.rows("/issues", job_id=2)
        assert [told(label) for label in job.get_labels()] == wire.rows("/labels", job_id=2)
        assert [issue.id for issue in job.get_issues()] == [2]
        assert job.issues.count == 1

    def test_comments_of_an_issue(self, sdk, wire, told):
        issue = sdk.issues.retrieve(2)
        assert [told(each) for each in issue.get_comments()] == wire.rows("/comments", issue_id=2)
        assert [comment.message for comment in issue.get_comments()] == ["three", "two"]
        assert issue.comments.count == 2

    def test_what_has_none_gives_an_empty_list(self, sdk):
        assert sdk.tasks.retrieve(13).get_jobs() == []
        assert sdk.jobs.retrieve(3).get_issues() == []
        project = sdk.projects.retrieve(3)
        assert project.get_tasks() == project.get_labels() == []
