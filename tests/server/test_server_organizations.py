"""Organizations, memberships and invitations of the embedded CVAT."""

import re
import sqlite3
from contextlib import closing

import pytest

ADMIN = ("admin", "secret")
ALICE = ("alice", "wonder")
BOB = ("bob", "builder")
NO = {"detail": "You do not have permission to perform this action."}
USERS = [ADMIN, ALICE, BOB]


@pytest.fixture
def door(open_door):
    return open_door(users=USERS)


@pytest.fixture
def alice(door):
    return door.as_user(ALICE)


@pytest.fixture
def bob(door):
    return door.as_user(BOB)


@pytest.fixture
def acme(alice):
    """Alice's organization."""
    return alice("POST", "/organizations", json={"slug": "acme"}).json()


def invite(who, email, role="worker", slug="acme"):
    return who("POST", f"/invitations?org={slug}", json={"email": email, "role": role})


def results(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


# -- organizations --------------------------------------------------------------------------------


def test_who_makes_an_organization_owns_it_and_is_its_first_member(door, alice):
    answer = alice("POST", "/organizations", json={"slug": "acme", "contact": {"email": "a@b.c"}})
    assert answer.status_code == 201
    assert "Location" not in answer.headers
    made = answer.json()
    owner = {
        "url": f"{door.url}/api/users/2",
        "id": 2,
        "username": "alice",
        "first_name": "",
        "last_name": "",
    }
    assert made == {
        "id": 1,
        "slug": "acme",
        "name": "acme",
        "description": "",
        "created_date": made["created_date"],
        "updated_date": made["updated_date"],
        "contact": {"email": "a@b.c"},
        "owner": owner,
    }
    assert results(alice("GET", "/memberships?org=acme")) == [
        {
            "id": 1,
            "user": owner,
            "organization": 1,
            "is_active": True,
            "joined_date": made["created_date"],
            "role": "owner",
            "invitation": None,
        }
    ]


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({}, {"slug": ["This field is required."]}),
        ({"slug": " "}, {"slug": ["This field may not be blank."]}),
        (
            {"slug": "a b"},
            {
                "slug": [
                    'Enter a valid "slug" consisting of letters, numbers, underscores or hyphens.'
                ]
            },
        ),
        (
            {"slug": "x" * 17},
            {"slug": ["Ensure this field has no more than 16 characters."]},
        ),
        (
            {"slug": "other", "name": "x" * 65, "contact": None},
            {
                "name": ["Ensure this field has no more than 64 characters."],
                "contact": ["This field may not be null."],
            },
        ),
        ({"slug": "acme"}, {"slug": ["organization with this slug already exists."]}),
    ],
)
def test_an_organization_that_can_not_be_is_a_400_of_the_field(alice, acme, body, answer):
    response = alice("POST", "/organizations", json=body)
    assert (response.status_code, response.json()) == (400, answer)


def test_an_organization_is_changed_and_keeps_its_owner(alice, acme):
    answer = alice("PATCH", "/organizations/1", json={"name": "Acme", "owner": 1, "id": 9})
    assert answer.status_code == 200
    changed = answer.json()
    assert changed | {"updated_date": ""} == acme | {"name": "Acme", "updated_date": ""}
    assert changed["updated_date"] > acme["updated_date"]
    assert alice("PATCH", "/organizations/1", json={"slug": "acme"}).status_code == 200
    alice("POST", "/organizations", json={"slug": "taken"})
    answer = alice("PATCH", "/organizations/1", json={"slug": "taken"})
    assert answer.json() == {"slug": ["organization with this slug already exists."]}


def test_an_organization_is_unknown_to_all_others_but_the_administrator(door, bob, acme):
    for method in ("GET", "PATCH", "DELETE"):
        answer = bob(method, "/organizations/1", json={})
        assert (answer.status_code, answer.json()) == (404, {"detail": "Not found."})
    assert results(bob("GET", "/organizations")) == []
    assert door.get("/organizations/1").json()["slug"] == "acme"


def test_organizations_are_filtered_searched_and_sorted(door, alice, acme):
    alice("POST", "/organizations", json={"slug": "beta", "name": "Second"})
    door.post("/organizations", {"slug": "gamma"})

    def slugs(query):
        return [each["slug"] for each in results(door.get(f"/organizations?{query}"))]

    assert slugs("") == ["gamma", "beta", "acme"]
    assert slugs("sort=slug") == ["acme", "beta", "gamma"]
    assert slugs("slug=beta") == slugs("name=Second") == slugs("search=second") == ["beta"]
    assert slugs("owner=alice") == slugs("search=alice") == ["beta", "acme"]
    assert slugs('filter={"in":[{"var":"id"},[1,3]]}') == ["gamma", "acme"]
    assert door.get('/organizations?filter={"==":[{"var":"contact"},1]}').status_code == 400


def test_what_a_deleted_organization_had_belongs_to_none(alice, acme):
    body = {"name": "t", "labels": [{"name": "a"}]}
    task = alice("POST", "/tasks?org=acme", json=body).json()
    assert (task["organization"], task["organization_id"]) == (1, 1)
    assert alice("DELETE", "/organizations/1").status_code == 204
    assert alice("DELETE", "/organizations/1").status_code == 404
    assert alice("GET", f"/tasks/{task['id']}").json()["organization"] is None
    assert results(alice("GET", "/memberships")) == []


def test_workers_of_the_server_make_no_organization(door, alice):
    door.patch("/users/2", {"groups": ["worker"]})
    assert alice("POST", "/organizations", json={"slug": "acme"}).status_code == 403


# -- invitations ----------------------------------------------------------------------------------


def test_a_known_user_who_is_invited_is_a_member_at_once(alice, bob, acme):
    answer = invite(alice, "BOB@example.com")
    assert answer.status_code == 201
    assert "Location" not in answer.headers
    made = answer.json()
    assert re.fullmatch(r"[0-9A-Za-z]{64}", made["key"])
    told = {name: value for name, value in made.items() if name not in ("key", "created_date")}
    assert told == {
        "owner": acme["owner"],
        "role": "worker",
        "user": bob("GET", "/users").json()["results"][0],
        "organization": 1,
        "expired": None,
        "accepted": True,
        "organization_info": {"id": 1, "slug": "acme"},
    }
    (own,) = results(bob("GET", "/memberships"))
    assert (own["role"], own["is_active"], own["invitation"]) == ("worker", True, made["key"])
    assert bob("GET", "/organizations/1").status_code == 200


def test_who_is_a_member_already_is_not_invited_again(alice, bob, acme):
    invite(alice, "bob@example.com")
    answer = invite(alice, "bob@example.com", "supervisor")
    problem = ["The user is a member of the organization already."]
    assert (answer.status_code, answer.json()) == (400, problem)


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"role": "worker"}, {"email": ["This field is required."]}),
        ({"email": "bob@example.com"}, {"role": ["This field is required."]}),
        ({"email": "bob", "role": "worker"}, {"email": ["Enter a valid email address."]}),
        ({"email": "b@b.b", "role": "king"}, {"role": ['"king" is not a valid choice.']}),
    ],
)
def test_an_invitation_that_can_not_be_is_a_400_of_the_field(alice, acme, body, answer):
    response = alice("POST", "/invitations?org=acme", json=body)
    assert (response.status_code, response.json()) == (400, answer)


def test_nobody_is_invited_to_no_organization(door, alice, acme):
    body = {"email": "bob@example.com", "role": "worker"}
    answer = alice("POST", "/invitations", json=body)
    assert (answer.status_code, answer.json()) == (403, NO)
    assert door.post("/invitations", body).status_code == 500  # CVAT's own code fails
    assert door.post("/invitations?org=nope", body).status_code == 404


class Newcomer:
    """Somebody whom the server does not know, with the invitation that waits for them."""

    def __init__(self, door, alice):
        self.invitation = invite(alice, "carol@example.com", "supervisor").json()
        self.path = f"/invitations/{self.invitation['key']}"
        token = door.server.create_token("carol@example.com")
        session = door.session(Authorization=f"Bearer {token}")
        self._send = lambda method, path: session.request(method, f"{door.url}/api{path}")

    def __call__(self, method, path):
        return self._send(method, path)


@pytest.fixture
def carol(door, alice, acme):
    return Newcomer(door, alice)


def test_somebody_unknown_becomes_a_user_whose_invitation_waits(alice, bob, carol):
    assert carol.invitation["user"]["username"] == "carol@example.com"
    assert (carol.invitation["expired"], carol.invitation["accepted"]) == (False, False)
    assert results(carol("GET", "/memberships")) == []
    assert carol("GET", "/organizations/1").status_code == 404
    assert carol("GET", "/tasks?org=acme").status_code == 403
    waiting = results(alice("GET", "/memberships?org=acme"))[0]
    assert (waiting["is_active"], waiting["joined_date"]) == (False, None)
    invite(alice, "bob@example.com")
    # Only the organization's staff sees who has not accepted.
    assert {each["is_active"] for each in results(bob("GET", "/memberships?org=acme"))} == {True}
    assert bob("GET", f"/memberships/{waiting['id']}").status_code == 403


def test_who_was_invited_accepts_once(alice, bob, carol):
    assert alice("POST", f"{carol.path}/accept").status_code == 403
    assert bob("POST", f"{carol.path}/accept").status_code == 404
    answer = carol("POST", f"{carol.path}/accept")
    assert (answer.status_code, answer.json()) == (200, {"organization_slug": "acme"})
    (own,) = results(carol("GET", "/memberships"))
    assert (own["role"], own["is_active"]) == ("supervisor", True)
    assert own["joined_date"] > carol.invitation["created_date"]
    answer = carol("POST", f"{carol.path}/accept")
    problem = "Your invitation is already accepted."
    assert (answer.status_code, answer.json()) == (400, problem)
    answer = alice("POST", f"{carol.path}/resend")
    assert (answer.status_code, answer.json()) == (400, "This invitation is already accepted.")


def test_who_was_invited_declines_and_is_gone(alice, bob, carol):
    assert alice("POST", f"{carol.path}/decline").status_code == 403
    assert carol("POST", f"{carol.path}/decline").status_code == 204
    assert carol("GET", carol.path).status_code == 404
    assert len(results(alice("GET", "/memberships?org=acme"))) == 1
    assert invite(alice, "carol@example.com").status_code == 201


def test_an_invitation_is_sent_again_by_its_sender_and_staff(alice, bob, carol):
    assert carol("POST", f"{carol.path}/resend").status_code == 403
    assert alice("POST", f"{carol.path}/resend").status_code == 204
    invite(alice, "bob@example.com", "maintainer")
    assert bob("POST", f"{carol.path}/resend").status_code == 404
    assert bob("POST", f"{carol.path}/resend?org=acme").status_code == 204


def test_an_invitation_is_taken_back_and_leaves_its_membership(alice, carol):
    assert carol("DELETE", carol.path).status_code == 403
    assert alice("DELETE", carol.path).status_code == 204
    assert alice("GET", carol.path).status_code == 404
    waiting = results(alice("GET", "/memberships?org=acme"))[0]
    assert (waiting["is_active"], waiting["invitation"]) == (False, None)


def test_invitations_are_seen_by_who_sent_or_got_them_and_by_staff(door, alice, bob, carol):
    def keys(who, query=""):
        return [each["key"] for each in results(who("GET", f"/invitations{query}"))]

    mine = invite(alice, "bob@example.com").json()["key"]
    theirs = carol.invitation["key"]
    assert keys(alice) == keys(door) == [mine, theirs]
    assert keys(bob) == keys(bob, "?org=acme") == [mine]
    assert keys(carol) == [theirs]
    assert keys(alice, "?org=") == []
    assert keys(alice, "?accepted=true") == keys(alice, "?user_id=3") == [mine]
    assert keys(alice, "?sort=created_date") == [theirs, mine]
    assert keys(alice, '?filter={"==":[{"var":"owner"},"bob"]}') == []
    answer = alice("GET", '/invitations?filter={"==":[{"var":"created_date"},"2024-01-01"]}')
    assert answer.json() == ["filter: 'created_date' term is not supported"]


def test_an_invitation_is_found_in_no_other_organization(alice, carol):
    alice("POST", "/organizations", json={"slug": "other"})
    assert alice("GET", f"{carol.path}?org=acme").status_code == 200
    assert alice("GET", f"{carol.path}?org=other").status_code == 404
    assert alice("POST", f"{carol.path}/resend?org=other").status_code == 404


def test_an_invitation_is_not_changed(alice, carol):
    answer = alice("PATCH", carol.path, json={"role": "worker"})
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, DELETE, HEAD, OPTIONS")
    assert alice("GET", f"{carol.path}/accept").headers["Allow"] == "POST, OPTIONS"


# -- memberships ----------------------------------------------------------------------------------


def test_memberships_are_filtered_and_found(alice, bob, acme):
    invite(alice, "bob@example.com")
    assert [each["id"] for each in results(alice("GET", "/memberships?org=acme"))] == [2, 1]
    (found,) = results(alice("GET", "/memberships?org=acme&user=bob"))
    assert found == alice("GET", "/memberships/2").json() == bob("GET", "/memberships/2").json()
    assert results(alice("GET", "/memberships?org=acme&role=worker")) == [found]
    assert results(alice("GET", "/memberships?org=acme&search=BOB")) == [found]
    assert results(alice("GET", "/memberships?org=")) == []
    answer = alice("GET", "/memberships?role=king")
    problem = "Select a valid choice. king is not one of the available choices."
    assert (answer.status_code, answer.json()) == (400, {"role": [problem]})


def test_a_membership_is_forbidden_outside_and_unknown_nowhere_else(bob, acme):
    answer = bob("GET", "/memberships/1")
    assert (answer.status_code, answer.json()) == (403, NO)
    assert bob("GET", "/memberships/9").status_code == 404


def test_a_membership_is_made_by_no_post(alice, acme):
    answer = alice("POST", "/memberships", json={"role": "worker"})
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")


def test_the_owner_gives_roles_and_keeps_their_own(alice, bob, acme):
    invite(alice, "bob@example.com")
    answer = alice("PATCH", "/memberships/2", json={"role": "maintainer", "is_active": False})
    assert answer.status_code == 200
    assert (answer.json()["role"], answer.json()["is_active"]) == ("maintainer", True)
    assert alice("PATCH", "/memberships/1", json={"role": "worker"}).status_code == 403
    assert bob("PATCH", "/memberships/1", json={"role": "worker"}).status_code == 403
    assert bob("PATCH", "/memberships/2", json={"role": "worker"}).status_code == 403
    answer = alice("PATCH", "/memberships/2", json={"role": "king"})
    assert answer.json() == {"role": ['"king" is not a valid choice.']}


def test_members_leave_and_the_owner_stays(alice, bob, acme):
    invite(alice, "bob@example.com")
    assert alice("DELETE", "/memberships/1").status_code == 403
    assert bob("DELETE", "/memberships/1").status_code == 403
    assert bob("DELETE", "/memberships/2").status_code == 204
    assert bob("GET", "/organizations/1").status_code == 404


def test_a_deleted_user_is_a_member_no_more(door, alice, acme):
    invite(alice, "bob@example.com")
    door.delete("/users/3")
    assert len(results(alice("GET", "/memberships?org=acme"))) == 1
    door.delete("/users/2")
    assert door.get("/organizations/1").json()["owner"] is None


def test_an_invitation_of_more_than_seven_days_ago_is_expired(open_door, tmp_path):
    path = tmp_path / "cvat.sqlite"
    door = open_door(users=USERS, path=str(path))
    alice = door.as_user(ALICE)
    alice("POST", "/organizations", json={"slug": "acme"})
    carol = Newcomer(door, alice)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE invitation SET sent_date = '2024-01-01T00:00:00.000000Z'")
    assert carol("GET", carol.path).json()["expired"] is True
    answer = carol("POST", f"{carol.path}/accept")
    problem = "Your invitation is expired. Please contact organization owner to renew it."
    assert (answer.status_code, answer.json()) == (400, problem)
    assert alice("POST", f"{carol.path}/resend").status_code == 204
    assert carol("GET", carol.path).json()["expired"] is False
    assert carol("POST", f"{carol.path}/accept").status_code == 200
