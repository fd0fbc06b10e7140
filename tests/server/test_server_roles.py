"""What each role may see and do in an organization, and where requests are about.

The expectations are CVAT 2.15's rule files, read row by row.
"""

import pytest
import requests

from objmapper.server import embedded

ADMIN = ("admin", "secret")
ROLES = ("owner", "maintainer", "supervisor", "worker")
EVERYBODY = (*ROLES, "stranger")


class World:
    """A project of two tasks with jobs in the organization acme, and one user of each role."""

    def __init__(self):
        users = [ADMIN, *((name, name) for name in EVERYBODY)]
        self.server = embedded("cvat", seed="1x2", users=users, check=True)
        self.sessions = {}
        self("owner", "POST", "/organizations", {"slug": "acme"})
        for role in ROLES[1:]:
            body = {"email": f"{role}@example.com", "role": role}
            assert self("owner", "POST", "/invitations?org=acme", body).status_code == 201
        assert self("admin", "PATCH", "/projects/1", {"organization_id": 1}).status_code == 200

    def __call__(self, who, method, path, body=None, **headers):
        if who not in self.sessions:
            session = self.sessions[who] = requests.Session()
            session.auth = ADMIN if who == "admin" else (who, who)
            session.mount(self.server.base_url, self.server.adapter())
        url = f"{self.server.base_url}/api{path}"
        return self.sessions[who].request(method, url, json=body, headers=headers)

    def statuses(self, method, path, body=None, **headers):
        """What each role and a stranger are answered."""
        return [self(who, method, path, body, **headers).status_code for who in EVERYBODY]

    def key(self, who):
        return self(who, "GET", "/users/self").json()["id"]

    def close(self):
        for session in self.sessions.values():
            session.close()
        self.server.close()
        assert self.server.violations == []


@pytest.fixture
def world():
    world = World()
    yield world
    world.close()


LABELS = [{"name": "new"}]
THINGS = ["/projects/1", "/tasks/1", "/jobs/1", "/labels/1"]


def test_staff_sees_what_others_have(world):
    for path in (*THINGS, "/labels?project_id=1", "/labels?task_id=1", "/labels?job_id=1"):
        assert world.statuses("GET", path) == [200, 200, 403, 403, 403], path
        assert world("admin", "GET", path).status_code == 200


def test_staff_changes_what_others_have(world):
    changes = [
        ("/projects/1", {"name": "x"}),
        ("/projects/1", {"labels": [{"id": 1, "color": "#112233"}]}),
        ("/projects/1", {"assignee_id": 1}),
        ("/projects/1", {"owner_id": 7}),
        ("/tasks/1", {"subset": "x"}),
        ("/tasks/1", {"assignee_id": 1}),
        ("/jobs/1", {"state": "completed"}),
        ("/jobs/1", {"stage": "validation"}),
        ("/jobs/1", {"assignee": 1}),
        ("/labels/1", {"name": "lorry"}),
    ]
    for path, body in changes:
        # Whom it names (the administrator, an annotator) is none of those who ask.
        assert world.statuses("PATCH", path, body) == [200, 200, 403, 403, 403], (path, body)


@pytest.mark.parametrize("who", ["owner", "maintainer"])
def test_staff_deletes_what_others_have(world, who):
    for path in ("/labels/1", "/tasks/1", "/projects/1"):
        for other in ("stranger", "worker", "supervisor"):
            assert world(other, "DELETE", path).status_code == 403
        assert world(who, "DELETE", path).status_code == 204


def test_jobs_are_deleted_by_staff_only_and_only_some(world):
    assert world.statuses("DELETE", "/jobs/1") == [400, 400, 403, 403, 403]
    world("admin", "PATCH", "/tasks/1", {"assignee_id": world.key("worker")})
    world("admin", "PATCH", "/tasks/2", {"assignee_id": world.key("supervisor")})
    assert world("worker", "DELETE", "/jobs/1").status_code == 403
    assert world("supervisor", "DELETE", "/jobs/4").status_code == 400


@pytest.mark.parametrize("path", ["/projects", "/tasks"])
def test_from_supervisors_on_members_make_things(world, path):
    body = {"name": "n", "labels": LABELS}
    assert world.statuses("POST", f"{path}?org=acme", body) == [201, 201, 201, 403, 403]
    made = world("supervisor", "POST", f"{path}?org_id=1", body).json()
    assert (made["organization"], made["organization_id"]) == (1, 1)
    assert made["owner"]["username"] == "supervisor"
    assert world("supervisor", "DELETE", f"{path}/{made['id']}").status_code == 204


def test_a_project_that_is_none_is_no_way_to_make_a_task(world):
    body = {"name": "n", "labels": LABELS, "project_id": "0"}
    assert world.statuses("POST", "/tasks?org=acme", body) == [201, 201, 201, 403, 403]


def test_a_project_takes_tasks_of_its_staff_and_the_organizations(world):
    body = {"name": "n", "project_id": 1}
    assert world.statuses("POST", "/tasks?org=acme", body) == [201, 201, 403, 403, 403]
    world("admin", "PATCH", "/projects/1", {"assignee_id": world.key("worker")})
    assert world("worker", "POST", "/tasks?org=acme", body).status_code == 201
    assert world("worker", "PATCH", "/projects/1", {"name": "x"}).status_code == 200
    assert world("worker", "PATCH", "/projects/1", {"assignee_id": None}).status_code == 403
    assert world("worker", "DELETE", "/projects/1").status_code == 403


def test_the_owner_of_a_project_gives_it_away_only_as_staff(world):
    body = {"name": "n", "labels": LABELS}
    for query, who in (("?org=acme", "supervisor"), ("", "stranger")):
        made = world(who, "POST", f"/projects{query}", body).json()
        path, key = f"/projects/{made['id']}", world.key(who)
        assert world(who, "PATCH", path, {"owner_id": key}).status_code == 200
        assert world(who, "PATCH", path, {"owner_id": None}).status_code == 403
        assert world(who, "PATCH", path, {"assignee_id": key}).status_code == 200
    assert world("maintainer", "PATCH", "/projects/2", {"owner_id": None}).status_code == 200


def test_members_work_on_what_names_them(world):
    world("admin", "PATCH", "/tasks/1", {"assignee_id": world.key("worker")})
    assert [
        world("worker", "GET", path).status_code
        for path in ("/tasks/1", "/jobs/1", "/labels?task_id=1", "/tasks/2", "/projects/1")
    ] == [200, 200, 200, 403, 403]
    assert world("worker", "PATCH", "/tasks/1", {"name": "x"}).status_code == 200
    assert world("worker", "PATCH", "/jobs/1", {"stage": "validation"}).status_code == 200
    assert world("worker", "PATCH", "/tasks/1", {"assignee_id": None}).status_code == 403
    assert world("worker", "DELETE", "/tasks/1").status_code == 403


def test_the_assignee_of_a_job_sets_its_state_alone(world):
    world("admin", "PATCH", "/jobs/1", {"assignee": world.key("worker")})
    assert world("worker", "GET", "/labels?job_id=1").status_code == 200
    assert world("worker", "GET", "/tasks/1").status_code == 403
    assert world("worker", "PATCH", "/jobs/1", {"state": "completed"}).status_code == 200
    assert world("worker", "PATCH", "/jobs/1", {"stage": "validation"}).status_code == 403
    (job,) = world("worker", "GET", "/jobs?org=acme").json()["results"]
    assert (job["id"], job["organization"]) == (1, 1)


def test_who_left_may_do_nothing_with_what_still_names_them(world):
    world("admin", "PATCH", "/tasks/1", {"assignee_id": world.key("worker")})
    (membership,) = world("worker", "GET", "/memberships").json()["results"]
    assert world("worker", "DELETE", f"/memberships/{membership['id']}").status_code == 204
    assert world("worker", "GET", "/tasks/1").status_code == 403
    assert world("worker", "GET", "/tasks?org=acme").status_code == 403


def test_the_power_of_staff_needs_more_than_a_worker_of_the_server(world):
    key = world.key("maintainer")
    world("admin", "PATCH", f"/users/{key}", {"groups": ["worker"]})
    assert world("maintainer", "GET", "/tasks/1").status_code == 403
    assert world("maintainer", "GET", "/tasks?org=acme").json()["count"] == 0
    assert world("maintainer", "POST", "/projects?org=acme", {"name": "n"}).status_code == 403


def test_people_without_a_group_read_what_names_them(world):
    key = world.key("worker")
    world("admin", "PATCH", "/tasks/1", {"assignee_id": key})
    world("admin", "PATCH", f"/users/{key}", {"groups": []})
    assert world("worker", "GET", "/tasks/1").status_code == 200
    assert world("worker", "PATCH", "/tasks/1", {"name": "x"}).status_code == 403


# -- people ---------------------------------------------------------------------------------------


def names(answer):
    return [each["username"] for each in answer.json()["results"]]


def test_members_see_each_other(world):
    fellows = ["worker", "supervisor", "maintainer", "owner"]
    assert names(world("worker", "GET", "/users?org=acme")) == fellows
    assert names(world("admin", "GET", "/users?org=acme")) == fellows
    assert names(world("worker", "GET", "/users")) == ["worker"]
    assert world("stranger", "GET", "/users?org=acme").status_code == 403
    path = f"/users/{world.key('owner')}"
    assert world("worker", "GET", path).status_code == 403
    shown = world("worker", "GET", f"{path}?org=acme").json()
    assert set(shown) == {"url", "id", "username", "first_name", "last_name"}


def test_who_belongs_to_no_organization_is_asked_for_by_an_empty_name(world):
    assert "stranger" in names(world("admin", "GET", "/users?org="))
    assert "owner" not in names(world("admin", "GET", "/users?org="))
    assert names(world("stranger", "GET", "/users?org=")) == ["stranger"]
    assert names(world("worker", "GET", "/users?org=")) == []


def test_members_give_work_to_anybody(world):
    body = {"name": "n", "labels": LABELS, "assignee_id": world.key("stranger")}
    assert world("supervisor", "POST", "/tasks?org=acme", body).status_code == 201
    assert world("supervisor", "POST", "/tasks", body).status_code == 403
    body = {"assignee": world.key("worker")}
    assert world("maintainer", "PATCH", "/jobs/1", body).status_code == 200


# -- organizations, memberships, invitations ------------------------------------------------------


def test_an_organization_is_changed_by_its_staff_and_deleted_by_its_owner(world):
    assert world.statuses("GET", "/organizations/1") == [200, 200, 200, 200, 404]
    assert world.statuses("PATCH", "/organizations/1", {"name": "x"}) == [200, 200, 403, 403, 404]
    for who, status in zip(reversed(EVERYBODY), (404, 403, 403, 403, 204), strict=True):
        assert world(who, "DELETE", "/organizations/1").status_code == status


def test_one_invites_to_roles_below_ones_own(world):
    allowed = {
        "owner": ("maintainer", "supervisor", "worker"),
        "maintainer": ("supervisor", "worker"),
    }
    for who in EVERYBODY:
        for role in ROLES:
            body = {"email": f"{role}-of-{who}@example.com", "role": role}
            status = 201 if role in allowed.get(who, ()) else 403
            assert world(who, "POST", "/invitations?org=acme", body).status_code == status


def test_roles_are_changed_and_ended_by_who_is_above(world):
    memberships = {
        each["role"]: f"/memberships/{each['id']}"
        for each in world("owner", "GET", "/memberships?org=acme").json()["results"]
    }
    body = {"role": "worker"}
    assert world.statuses("PATCH", memberships["owner"], body) == [403] * 5
    assert world.statuses("DELETE", memberships["owner"]) == [403] * 5
    assert world.statuses("PATCH", memberships["worker"], body) == [200, 200, 403, 403, 403]
    for who in ("stranger", "worker", "supervisor", "maintainer"):
        assert world(who, "PATCH", memberships["maintainer"], body).status_code == 403
    assert world("owner", "PATCH", memberships["maintainer"], body).status_code == 200
    for who in ("stranger", "worker", "maintainer"):
        assert world(who, "DELETE", memberships["supervisor"]).status_code == 403
    assert world("owner", "DELETE", memberships["supervisor"]).status_code == 204


# -- where a request is about ---------------------------------------------------------------------


def test_a_list_is_of_one_organization_of_none_or_of_all(world):
    world("admin", "POST", "/projects", {"name": "personal", "labels": LABELS})
    world("admin", "POST", "/tasks", {"name": "personal", "labels": LABELS})

    def count(kind, query="", **headers):
        return world("admin", "GET", f"/{kind}{query}", None, **headers).json()["count"]

    known = [("projects", 1, 1), ("tasks", 2, 1), ("jobs", 6, 0), ("labels", 3, 2)]
    for kind, inside, outside in known:
        ways = (("?org=acme", {}), ("?org_id=1", {}), ("", {"X-Organization": "acme"}))
        assert [count(kind, query, **headers) for query, headers in ways] == [inside] * 3
        ways = (("?org=", {}), ("?org_id=", {}), ("", {"X-Organization": ""}))
        assert [count(kind, query, **headers) for query, headers in ways] == [outside] * 3
        assert count(kind) == inside + outside


def test_members_list_all_of_it_as_staff_and_else_what_names_them(world):
    world("admin", "PATCH", "/tasks/1", {"assignee_id": world.key("worker")})
    counts = [world(who, "GET", "/tasks?org=acme").json()["count"] for who in ROLES]
    assert counts == [2, 2, 0, 1]
    assert [world(who, "GET", "/tasks").json()["count"] for who in ROLES] == [0, 0, 0, 1]
    for kind in ("tasks", "projects", "jobs", "labels", "users", "memberships", "invitations"):
        assert world("stranger", "GET", f"/{kind}?org=acme").status_code == 403


def test_pages_keep_the_organization(world):
    page = world("admin", "GET", "/tasks?org=acme&page_size=1").json()
    assert page["next"].endswith("/api/tasks?org=acme&page=2&page_size=1")


def test_labels_of_a_task_are_asked_where_the_task_is(world):
    def count(query):
        return world("admin", "GET", f"/labels?{query}").json()["count"]

    assert [count(f"task_id=1{rest}") for rest in ("", "&org_id=1", "&org=")] == [3, 3, 0]


@pytest.mark.parametrize("who", ["admin", "owner"])
def test_a_task_and_its_project_are_in_one_organization(world, who):
    problem = ["The task and its project should be in the same organization."]
    personal = world(who, "POST", "/projects", {"name": "p", "labels": LABELS}).json()["id"]
    elsewhere = {"name": "n", "project_id": personal}
    answer = world(who, "POST", "/tasks?org=acme", elsewhere)
    if who == "admin":
        assert (answer.status_code, answer.json()) == (400, problem)
        answer = world(who, "POST", "/tasks", {"name": "n", "project_id": 1})
        assert (answer.status_code, answer.json()) == (400, problem)
    else:
        assert answer.status_code == 403  # an owner has no power over what is elsewhere
    labels = [{"name": name} for name in ("car", "person", "tree")]
    task = world(who, "POST", "/tasks", {"name": "n", "labels": labels}).json()["id"]
    if who == "admin":
        answer = world(who, "PATCH", f"/tasks/{task}", {"project_id": 1})
        assert (answer.status_code, answer.json()) == (400, problem)


# -- from one organization to another -------------------------------------------------------------


def test_a_project_takes_its_tasks_and_jobs_along(world):
    for path in ("/projects/1", "/tasks/1", "/tasks/2"):
        assert world("admin", "GET", path).json()["organization_id"] == 1
    assert world("admin", "GET", "/jobs/6").json()["organization"] == 1
    assert world("admin", "PATCH", "/projects/1", {"organization_id": None}).status_code == 200
    assert world("admin", "GET", "/tasks/2").json()["organization_id"] is None
    assert world("admin", "GET", "/jobs/6").json()["organization"] is None


def test_a_task_of_a_project_stays_with_it(world):
    answer = world("admin", "PATCH", "/tasks/1", {"organization_id": None})
    problem = ["Cannot change the organization for a task inside a project"]
    assert (answer.status_code, answer.json()) == (400, problem)
    assert world("admin", "PATCH", "/tasks/1", {"organization_id": 1}).status_code == 200


def test_things_are_moved_by_who_may_delete_them_to_where_they_may_make_some(world):
    body = {"name": "n", "labels": LABELS, "assignee_id": world.key("worker")}
    for kind in ("tasks", "projects"):
        path = f"/{kind}/{world('supervisor', 'POST', f'/{kind}?org=acme', body).json()['id']}"
        assert world("worker", "PATCH", path, {"organization_id": None}).status_code == 403
        moved = world("supervisor", "PATCH", path, {"organization_id": None})
        assert moved.json()["organization_id"] is None
        world("supervisor", "PATCH", path, {"organization_id": 1})
        assert world("maintainer", "PATCH", path, {"organization_id": None}).status_code == 200
        world("stranger", "POST", "/organizations", {"slug": "other"})
        assert world("supervisor", "PATCH", path, {"organization_id": 2}).status_code == 403
        answer = world("supervisor", "PATCH", path, {"organization_id": 99})
        problem = ["The specified organization #99 does not exist."]
        assert (answer.status_code, answer.json()) == (400, problem)
