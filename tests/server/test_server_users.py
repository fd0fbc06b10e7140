"""Users, and who may see and do what."""

import pytest

ADMIN = ("admin", "secret")
ALICE = ("alice", "wonder")


@pytest.fixture
def alice(door):
    return door.as_user(ALICE)


def test_an_administrator_sees_all_of_everybody(door):
    page = door.get("/users").json()
    assert [each["username"] for each in page["results"]] == ["alice", "admin"]
    alice, admin = page["results"]
    assert (admin["is_superuser"], admin["groups"]) == (True, ["admin"])
    assert (alice["is_superuser"], alice["groups"]) == (False, ["user"])
    assert alice["email"] == "alice@example.com"
    assert door.get("/users/2").json() == alice


def test_others_see_themselves(door, alice):
    page = alice("GET", "/users").json()
    assert page["results"] == [
        {
            "url": f"{door.url}/api/users/2",
            "id": 2,
            "username": "alice",
            "first_name": "",
            "last_name": "",
        }
    ]
    mine = alice("GET", "/users/self").json()
    assert mine["email"] == "alice@example.com"
    assert alice("GET", "/users/2").json() == mine
    assert alice("GET", "/users/1").status_code == 403
    assert alice("GET", "/users/99").status_code == 404


def test_an_administrator_writes_all_of_a_user(door):
    body = {
        "username": "bob",
        "first_name": "B",
        "email": "b@example.com",
        "groups": ["worker"],
        "is_staff": "true",
        "last_login": "x",
    }
    user = door.patch("/users/2", body).json()
    assert (user["username"], user["groups"], user["is_staff"]) == ("bob", ["worker"], True)
    assert user["last_login"] is None
    assert door.patch("/users/2", {"groups": []}).json()["groups"] == []
    assert door.patch("/users/2", {}).json()["username"] == "bob"


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"username": "admin"}, {"username": ["A user with that username already exists."]}),
        ({"email": "nowhere"}, {"email": ["Enter a valid email address."]}),
        ({"groups": ["kings"]}, {"groups": {"0": ['"kings" is not a valid choice.']}}),
        ({"is_active": None}, {"is_active": ["This field may not be null."]}),
        (
            {"username": "a b"},
            {
                "username": [
                    "Enter a valid username. This value may contain only letters, numbers, and "
                    "@/./+/-/_ characters."
                ]
            },
        ),
    ],
)
def test_a_user_that_can_not_be_is_a_400(door, body, answer):
    response = door.patch("/users/2", body)
    assert (response.status_code, response.json()) == (400, answer)


def test_others_write_their_own_names_only(alice):
    assert alice("PATCH", "/users/2", json={"first_name": "Al"}).json()["first_name"] == "Al"
    answer = alice("PATCH", "/users/2", json={"email": "x"})
    assert answer.json() == {"non_field_errors": ["Got unknown fields: {'email'}"]}
    answer = alice("PATCH", "/users/2", json={"is_superuser": True})
    (problem,) = answer.json()["non_field_errors"]
    assert problem.startswith("You do not have permissions to access some of these fields")
    assert alice("PATCH", "/users/1", json={"first_name": "x"}).status_code == 403


def test_what_a_deleted_user_had_stays_without_them(seeded):
    assert seeded.get("/tasks/3").json()["assignee"]["username"] == "annotator2"
    key = seeded.get("/users?username=annotator2").json()["results"][0]["id"]
    assert seeded.delete(f"/users/{key}").status_code == 204
    assert seeded.get("/tasks/3").json()["assignee"] is None
    assert seeded.get(f"/users/{key}").status_code == 404


def test_others_see_only_what_is_theirs(seeded):
    alice = seeded.as_user(ALICE)
    for path in ("/tasks", "/projects", "/jobs", "/labels"):
        assert alice("GET", path).json()["count"] == 0
        assert alice("GET", f"{path}/1").status_code == 403
        assert alice("PATCH", f"{path}/1", json={}).status_code == 403
        assert alice("DELETE", f"{path}/1").status_code == 403
        assert alice("GET", f"{path}/999").status_code == 404
    assert alice("GET", "/labels?task_id=1").status_code == 403


def test_the_assignee_of_a_job_sees_it_and_sets_its_state(seeded):
    alice = seeded.as_user(ALICE)
    seeded.patch("/jobs/1", {"assignee": 2})
    assert [job["id"] for job in alice("GET", "/jobs").json()["results"]] == [1]
    assert alice("PATCH", "/jobs/1", json={"state": "completed"}).json()["state"] == "completed"
    assert alice("PATCH", "/jobs/1", json={"stage": "acceptance"}).status_code == 403
    assert alice("GET", "/labels?job_id=1").json()["count"] == 3
    assert alice("GET", "/tasks/1").status_code == 403


def test_the_assignee_of_a_task_edits_it_but_does_not_give_it_away(seeded):
    alice = seeded.as_user(ALICE)
    seeded.patch("/tasks/1", {"assignee_id": 2})
    assert alice("GET", "/tasks").json()["count"] == 1
    assert alice("PATCH", "/tasks/1", json={"name": "x"}).json()["name"] == "x"
    assert alice("PATCH", "/tasks/1", json={"assignee_id": None}).status_code == 403
    assert alice("DELETE", "/tasks/1").status_code == 403
    assert alice("PATCH", "/jobs/1", json={"stage": "acceptance"}).status_code == 200


def test_the_assignee_of_a_project_works_below_it(seeded):
    alice = seeded.as_user(ALICE)
    seeded.patch("/projects/1", {"assignee_id": 2})
    assert alice("GET", "/tasks").json()["count"] == 12
    assert alice("GET", "/labels").json()["count"] == 3
    body = {"labels": [{"name": "new"}]}
    assert alice("PATCH", "/projects/1", json=body).status_code == 200
    assert alice("DELETE", "/tasks/1").status_code == 204
    assert alice("POST", "/tasks", json={"name": "x", "project_id": 1}).status_code == 201
    assert alice("POST", "/tasks", json={"name": "x", "project_id": 2}).status_code == 403
    assert alice("PATCH", "/projects/1", json={"assignee_id": 2}).status_code == 200
    assert alice("PATCH", "/projects/1", json={"assignee_id": None}).status_code == 403
    assert alice("PATCH", "/projects/1", json={"owner_id": 2}).status_code == 403
    assert alice("DELETE", "/projects/1").status_code == 403


def test_an_owner_does_everything_with_their_own(door, alice):
    made = alice("POST", "/projects", json={"name": "p", "labels": [{"name": "a"}]}).json()
    path = f"/projects/{made['id']}"
    assert made["owner"]["username"] == "alice"
    assert alice("PATCH", path, json={"assignee_id": 2}).status_code == 200
    assert alice("PATCH", path, json={"assignee_id": 1}).status_code == 403
    assert alice("POST", "/projects", json={"name": "p", "owner_id": 1}).status_code == 403
    assert alice("DELETE", path).status_code == 204


def test_a_worker_makes_nothing(door, alice):
    door.patch("/users/2", {"groups": ["worker"]})
    assert alice("POST", "/projects", json={"name": "p"}).status_code == 403
    project = door.post("/projects", {"name": "p", "assignee_id": 2}).json()["id"]
    assert alice("POST", "/tasks", json={"name": "p", "project_id": project}).status_code == 403


def test_the_group_admin_makes_an_administrator(door, alice):
    door.patch("/users/2", {"groups": ["admin"]})
    assert alice("GET", "/users/1").status_code == 200
