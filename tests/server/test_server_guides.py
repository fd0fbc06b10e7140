"""Guides of the embedded CVAT: of a project or a task, shown where they are of, read by who works there."""

import pytest

# The doors are the same for every kind: one is enough here.
pytestmark = pytest.mark.parametrize("open_door", ["in process"], indirect=True)

ALICE = ("alice", "wonder")


@pytest.fixture
def alice(seeded):
    return seeded.as_user(ALICE)


@pytest.fixture
def own_task(door):
    """A task without a project."""
    return door.post("/tasks", {"name": "t", "labels": [{"name": "car"}]}).json()["id"]


def test_a_guide_of_a_project_is_shown_by_it_and_by_the_jobs_of_its_tasks(seeded):
    before = seeded.get("/projects/1").json()
    answer = seeded.post("/guides", {"project_id": 1, "markdown": " # Look \n"})
    assert answer.status_code == 201
    assert answer.json() == {"id": 1, "task_id": None, "project_id": 1, "markdown": "# Look"}
    assert "Location" not in answer.headers
    project = seeded.get("/projects/1").json()
    assert (before["guide_id"], project["guide_id"]) == (None, 1)
    assert project["updated_date"] > before["updated_date"]
    assert seeded.get("/jobs/1").json()["guide_id"] == 1
    assert seeded.get("/tasks/1").json()["guide_id"] is None
    assert seeded.get("/projects/2").json()["guide_id"] is None
    read = seeded.get("/guides/1").json()
    assert read["markdown"] == "# Look"
    assert read["created_date"] == read["updated_date"]


def test_a_guide_of_a_task_is_shown_by_it(door, own_task):
    made = door.post("/guides", {"task_id": own_task, "markdown": "x"}).json()
    assert door.get(f"/tasks/{own_task}").json()["guide_id"] == made["id"]


def test_a_guide_is_changed_and_deleted_and_touches_what_it_is_of(seeded):
    seeded.post("/guides", {"project_id": 1})
    before = seeded.get("/projects/1").json()["updated_date"]
    answer = seeded.patch("/guides/1", {"markdown": "new"})
    assert answer.json() == {"id": 1, "task_id": None, "project_id": 1, "markdown": "new"}
    changed = seeded.get("/projects/1").json()["updated_date"]
    assert changed > before
    assert seeded.delete("/guides/1").status_code == 204
    project = seeded.get("/projects/1").json()
    assert project["guide_id"] is None
    assert project["updated_date"] > changed
    assert seeded.get("/guides/1").status_code == 404


def test_a_guide_goes_with_what_it_is_of(seeded):
    seeded.post("/guides", {"project_id": 1})
    seeded.delete("/projects/1")
    assert seeded.get("/guides/1").status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "answer"),
    [
        ({"project_id": 99}, 400, ["Project matching query does not exist."]),
        ({"task_id": 99}, 400, ["Task matching query does not exist."]),
        (
            {"project_id": 1, "task_id": 1},
            400,
            ["Both project_id and task_id must not be specified"],
        ),
        ({"project_id": 1, "markdown": []}, 400, {"markdown": ["Not a valid string."]}),
        ({"markdown": "x"}, 500, None),
        ([], 500, None),
    ],
    ids=str,
)
def test_a_bad_guide_is_not_made(seeded, body, status, answer):
    refused = seeded.post("/guides", body)
    assert refused.status_code == status
    if answer is not None:
        assert refused.json() == answer
    assert seeded.get("/projects/1").json()["guide_id"] is None


def test_a_second_guide_of_one_breaks_cvat(seeded):
    seeded.post("/guides", {"project_id": 1})
    assert seeded.post("/guides", {"project_id": 1}).status_code == 500


def test_no_list_has_guides(seeded):
    answer = seeded.get("/guides")
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST, OPTIONS"


def test_whoever_works_on_it_may_read_a_guide_and_its_owner_may_write_one(seeded, alice):
    seeded.post("/guides", {"project_id": 1, "markdown": "x"})
    assert alice("GET", "/guides/1").status_code == 403
    who = alice("GET", "/users/self").json()["id"]
    seeded.patch("/jobs/1", {"assignee": who})
    assert alice("GET", "/guides/1").json()["markdown"] == "x"
    assert alice("PATCH", "/guides/1", json={"markdown": "y"}).status_code == 403
    assert alice("DELETE", "/guides/1").status_code == 403
    assert alice("POST", "/guides", json={"project_id": 2}).status_code == 403
    mine = alice("POST", "/tasks", json={"name": "t", "labels": [{"name": "car"}]}).json()["id"]
    assert alice("POST", "/guides", json={"task_id": mine}).status_code == 201
