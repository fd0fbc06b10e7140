"""Personal access tokens: made, told once, used, revoked; CVAT 2.15 has none."""

import sqlite3
from datetime import datetime

import pytest

TOKENS = "/auth/access_tokens"


@pytest.fixture
def door(open_door):
    return open_door(tokens=["alice:given-to-alice"])


@pytest.fixture
def alice(door):
    return door.as_user(("alice", "wonder"))


def bearer(door, value):
    session = door.session(Authorization=f"Bearer {value}")
    return lambda method, path, **options: session.request(
        method, f"{door.url}/api{path}", **options
    )


def made(ask, **body):
    answer = ask("POST", TOKENS, json={"name": "mine"} | body)
    assert answer.status_code == 201
    return answer.json()


def test_its_value_is_told_once(door, alice):
    token = made(alice, name="for the night")
    assert token["name"] == "for the night"
    assert token["read_only"] is True
    assert token["expiry_date"] is token["last_used_date"] is None
    assert token["owner"]["username"] == "alice"
    value = token.pop("value")
    path = f"{TOKENS}/{token['id']}"
    assert alice("GET", path).json() == token
    assert token in alice("GET", TOKENS).json()["results"]
    assert alice("PATCH", path, json={}).json().keys() == token.keys()
    assert bearer(door, value)("GET", "/users/self").json()["username"] == "alice"


def test_it_is_not_kept_as_it_is(open_door, tmp_path):
    path = tmp_path / "cvat.sqlite"
    door = open_door(path=str(path), tokens=["admin:given-to-admin"])
    value = made(door)["value"]
    door.server.close()
    with sqlite3.connect(path) as connection:
        dump = "\n".join(connection.iterdump())
    connection.close()
    assert "access_token" in dump
    assert value not in dump
    assert "given-to-admin" not in dump


def test_self_is_the_token_of_the_request(door, alice):
    value = made(alice)["value"]
    token = bearer(door, value)("GET", f"{TOKENS}/self").json()
    assert token["name"] == "mine"
    assert datetime.fromisoformat(token["last_used_date"])
    assert "value" not in token


def test_without_one_self_is_refused(door, alice):
    for ask in (alice, door.as_user(None), bearer(door, "nope")):
        answer = ask("GET", f"{TOKENS}/self")
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_its_last_use_is_noted_once_in_two_hours(door, alice):
    use = bearer(door, made(alice)["value"])
    first, second = (use("GET", f"{TOKENS}/self").json()["last_used_date"] for _ in range(2))
    assert first == second


def test_a_read_only_one_reads(door, alice):
    use = bearer(door, made(alice)["value"])
    assert use("GET", "/projects").status_code == 200
    assert use("OPTIONS", "/projects").status_code == 200
    refused = use("POST", "/projects", json={"name": "p"})
    assert refused.status_code == 403
    assert refused.json() == {"detail": "You do not have permission to perform this action."}


def test_another_writes_too(door, alice):
    use = bearer(door, made(alice, read_only=False)["value"])
    assert use("POST", "/projects", json={"name": "p"}).status_code == 201
    given = bearer(door, "given-to-alice")
    assert given("POST", "/projects", json={"name": "p"}).status_code == 201


def test_none_changes_users_or_tokens(door):
    given = bearer(door, "given-to-alice")
    (key,) = (each["id"] for each in given("GET", TOKENS).json()["results"])
    assert given("GET", f"{TOKENS}/{key}").status_code == 200
    assert given("POST", TOKENS, json={"name": "more"}).status_code == 403
    assert given("PATCH", f"{TOKENS}/{key}", json={"name": "other"}).status_code == 403
    assert given("DELETE", f"{TOKENS}/{key}").status_code == 403
    assert given("PATCH", "/users/2", json={"first_name": "Al"}).status_code == 403
    assert given("GET", "/users/2").status_code == 200


def test_a_revoked_one_is_gone(door, alice):
    token = made(alice)
    path, use = f"{TOKENS}/{token['id']}", bearer(door, token["value"])
    assert alice("DELETE", path).status_code == 204
    assert use("GET", "/users/self").json() == {"detail": "Invalid token."}
    for method in ("GET", "PATCH", "DELETE"):
        assert alice(method, path).status_code == 404
    assert token["id"] not in {row["id"] for row in alice("GET", TOKENS).json()["results"]}


def test_an_expired_one_is_gone(door, alice):
    token = made(alice, expiry_date="2126-01-02T03:04:05+01:00")
    assert token["expiry_date"] == "2126-01-02T02:04:05.000000Z"
    path, use = f"{TOKENS}/{token['id']}", bearer(door, token["value"])
    assert use("GET", "/users/self").status_code == 200
    changed = alice("PATCH", path, json={"expiry_date": "2026-01-01T00:00:00"})
    assert changed.json()["expiry_date"] == "2026-01-01T00:00:00.000000Z"
    assert use("GET", "/users/self").status_code == 401
    assert alice("GET", path).status_code == 404


def test_one_that_was_long_unused_is_gone(open_door, tmp_path):
    options = {"path": str(tmp_path / "cvat.sqlite")}
    value = made(open_door(**options))["value"]
    with sqlite3.connect(options["path"]) as connection:
        connection.execute("UPDATE access_token SET created_date = '2026-01-01T00:00:00.000000Z'")
    connection.close()
    assert bearer(open_door(**options), value)("GET", "/users/self").status_code == 401


def test_everybody_sees_their_own_and_an_administrator_all(door, alice):
    hers, mine = made(alice), made(door)
    path = f"{TOKENS}/{mine['id']}"
    assert mine["id"] not in {row["id"] for row in alice("GET", TOKENS).json()["results"]}
    for method in ("GET", "PATCH", "DELETE"):
        assert alice(method, path, json={} if method == "PATCH" else None).status_code == 403
    assert {hers["id"], mine["id"]} < {row["id"] for row in door.get(TOKENS).json()["results"]}
    assert door.delete(f"{TOKENS}/{hers['id']}").status_code == 204


def test_fifty_are_enough(door, alice):
    tokens = [made(alice) for _ in range(49)]
    refused = alice("POST", TOKENS, json={"name": "one more"})
    text = "You have reached the maximum allowed number of Personal Access Tokens for a user"
    assert (refused.status_code, refused.json()) == (400, [text])
    assert alice("DELETE", f"{TOKENS}/{tokens[0]['id']}").status_code == 204
    made(alice)


MOMENT = (
    "Datetime has wrong format. Use one of these formats instead: "
    "YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."
)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({}, {"name": ["This field is required."]}),
        ({"name": ""}, {"name": ["This field may not be blank."]}),
        ({"name": "x" * 51}, {"name": ["Ensure this field has no more than 50 characters."]}),
        ({"name": "x", "expiry_date": "soon"}, {"expiry_date": [MOMENT]}),
        ({"name": "x", "expiry_date": 5}, {"expiry_date": [MOMENT]}),
        ({"name": "x", "read_only": "maybe"}, {"read_only": ["Must be a valid boolean."]}),
    ],
)
def test_what_makes_no_token_is_a_400_of_the_field(door, body, problem):
    answer = door.post(TOKENS, body)
    assert (answer.status_code, answer.json()) == (400, problem)


def test_lists_are_filtered_sorted_and_searched(door, alice):
    for name, read_only in (("day", True), ("night", False), ("nightly", True)):
        made(alice, name=name, read_only=read_only)

    def names(query):
        return [row["name"] for row in alice("GET", f"{TOKENS}?{query}").json()["results"]]

    assert names("") == ["nightly", "night", "day", "given"]
    assert names("sort=name") == ["day", "given", "night", "nightly"]
    assert names("name=night") == ["night"]
    assert names("read_only=true&sort=id") == ["day", "nightly"]
    assert names("search=NIGHT&sort=id") == ["night", "nightly"]
    assert names('filter={"==":[{"var":"read_only"},false]}&sort=id') == ["given", "night"]


def test_2_15_knows_none(open_door):
    door = open_door(version="2.15", tokens=["alice:given-to-alice"])
    for path in (TOKENS, f"{TOKENS}/self", f"{TOKENS}/1"):
        answer = door.get(path)
        assert answer.status_code == 404
        assert answer.headers["Content-Type"].startswith("text/html")
    answer = bearer(door, "given-to-alice")("GET", "/users/self")
    assert answer.status_code == 401
    assert answer.json() == {"detail": "Authentication credentials were not provided."}
