"""Seeds: always the same, and something for every filter."""

import pytest


def content(door, path):
    page = door.get(f"{path}?page_size=500&sort=id").json()["results"]
    host = door.url
    return str(page).replace(host, "")


def test_a_seed_is_always_the_same(open_door):
    one, other = open_door(seed="3x7"), open_door(seed="3x7")
    for path in ("/projects", "/tasks", "/jobs", "/labels"):
        assert content(one, path) == content(other, path)


def test_a_seed_makes_projects_tasks_labels_and_three_jobs_a_task(open_door):
    door = open_door(seed="4x50")
    counts = {path: door.get(path).json()["count"] for path in ("/projects", "/tasks", "/jobs")}
    assert counts == {"/projects": 4, "/tasks": 200, "/jobs": 600}
    assert door.get("/labels?project_id=4").json()["count"] == 3
    assert door.get("/projects/1").json()["name"] == "project 1"
    assert door.get("/tasks/1").json()["name"] == "task 1-01"
    assert door.get("/tasks/200").json()["name"] == "task 4-50"


def test_a_seed_has_something_for_every_filter(seeded):
    tasks = seeded.get("/tasks?page_size=100").json()["results"]
    jobs = seeded.get("/jobs?page_size=100").json()["results"]
    assert {each["subset"] for each in tasks} == {"train", "val", "test", ""}
    assert {each["status"] for each in tasks} == {"annotation", "completed", "validation"}
    assert len({each["assignee"] and each["assignee"]["username"] for each in tasks}) == 4
    assert {each["stage"] for each in jobs} == {"annotation", "validation", "acceptance"}
    assert {each["state"] for each in jobs} == {"new", "in progress", "completed", "rejected"}
    assert len({each["created_date"] for each in tasks}) == len(tasks)


@pytest.mark.parametrize("password", ["", "?", "!", "annotator1"])
def test_nobody_can_log_in_as_a_seeded_person(seeded, password):
    login = {"username": "annotator1", "password": password}
    answer = seeded.session().post(f"{seeded.url}/api/auth/login", json=login)
    assert answer.status_code == 400
    assert (
        seeded.session(("annotator1", password)).get(f"{seeded.url}/api/tasks").status_code == 401
    )


@pytest.mark.parametrize("seed", ["0x0", "0x5", "2x0"])
def test_a_seed_may_be_of_nothing(open_door, seed):
    door = open_door(seed=seed)
    assert door.get("/tasks").json()["count"] == 0
    assert door.get("/projects").json()["count"] == int(seed[0])
