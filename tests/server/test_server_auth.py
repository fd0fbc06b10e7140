"""Who asks: sessions, tokens, Basic and Bearer credentials; organizations."""

import base64

import pytest

ADMIN = {"username": "admin", "password": "secret"}


def api(door, path):
    return f"{door.url}/api{path}"


def test_a_login_gives_a_key_and_two_cookies(door):
    session = door.session()
    answer = session.post(api(door, "/auth/login"), json=ADMIN)
    assert answer.status_code == 200
    assert len(answer.json()["key"]) == 40
    cookies = {cookie.name: cookie for cookie in session.cookies}
    assert set(cookies) == {"sessionid", "csrftoken"}


def test_every_login_of_a_user_gives_the_same_key(door):
    keys = {door.session().post(api(door, "/auth/login"), json=ADMIN).json()["key"] for _ in "12"}
    assert len(keys) == 1


def test_a_login_by_e_mail_works(door):
    login = {"email": "admin@example.com", "password": "secret"}
    assert door.session().post(api(door, "/auth/login"), json=login).status_code == 200


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (
            {"username": "admin", "password": "no"},
            {"non_field_errors": ["Unable to log in with provided credentials."]},
        ),
        (
            {"username": "nobody", "password": "secret"},
            {"non_field_errors": ["Unable to log in with provided credentials."]},
        ),
        ({"password": "x"}, {"non_field_errors": ['Must include "username" and "password".']}),
        (
            {"email": "nobody@example.com", "password": "x"},
            {"non_field_errors": ['Must include "username" and "password".']},
        ),
        ({"username": "admin"}, {"password": ["This field is required."]}),
    ],
)
def test_a_failed_login_is_a_400(door, body, answer):
    response = door.session().post(api(door, "/auth/login"), json=body)
    assert (response.status_code, response.json()) == (400, answer)


def test_logout_by_get_is_declared_and_refused(door):
    answer = door.session().get(api(door, "/auth/logout"))
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, POST, HEAD, OPTIONS"


def test_a_personal_access_token_is_a_bearer(open_door):
    door = open_door(tokens=["alice:let-me-in"])
    session = door.session(Authorization="Bearer let-me-in")
    answer = session.get(api(door, "/users/self"))
    assert answer.json()["username"] == "alice"
    assert not answer.cookies
    made = door.server.create_token("admin")
    session.headers["Authorization"] = f"Bearer {made}"
    assert session.get(api(door, "/users/self")).json()["username"] == "admin"


def test_a_token_for_nobody_is_an_error_at_once(open_door):
    with pytest.raises(ValueError, match="'carol', who is not a user"):
        open_door(tokens=["carol:x"])


BAD_BASE64 = "Invalid basic header. Credentials not correctly base64 encoded."


@pytest.mark.parametrize(
    ("header", "detail"),
    [
        ("Token nope", "Invalid token."),
        ("Bearer nope", "Invalid token."),
        ("Token", "Invalid token header. No credentials provided."),
        ("Token a b", "Invalid token header. Token string should not contain spaces."),
        ("Basic", "Invalid basic header. No credentials provided."),
        ("Basic !!", BAD_BASE64),
        ("Basic " + base64.b64encode(b"\xff\xfe").decode(), BAD_BASE64),
        ("Basic " + base64.b64encode(b"admin:no").decode(), "Invalid username/password."),
        ("Negotiate x", "Authentication credentials were not provided."),
    ],
)
def test_wrong_credentials_are_a_401_that_names_why(door, header, detail):
    answer = door.session(Authorization=header).get(api(door, "/tasks"))
    assert (answer.status_code, answer.json()) == (401, {"detail": detail})
    assert answer.headers["WWW-Authenticate"] == "Token"


def test_an_inactive_user_is_nobody(door):
    assert door.patch("/users/2", {"is_active": False}).status_code == 200
    answer = door.session(("alice", "wonder")).get(api(door, "/users/self"))
    assert (answer.status_code, answer.json()) == (401, {"detail": "User inactive or deleted."})
    login = {"username": "alice", "password": "wonder"}
    assert door.session().post(api(door, "/auth/login"), json=login).status_code == 400


def test_about_needs_no_login(door):
    answer = door.session().get(api(door, "/server/about"))
    assert answer.json()["version"] == "2.80.0"
    assert {"name", "description", "logo_url", "subtitle"} < set(answer.json())


BOTH = (
    'You cannot specify "org_id" query parameter with "org" query parameter or '
    '"X-Organization" HTTP header at the same time.'
)
DIFFERENT = (
    'You cannot specify "org" query parameter and "X-Organization" HTTP header with different '
    "values."
)


@pytest.mark.parametrize("path", ["/tasks", "/projects", "/jobs", "/labels", "/users"])
@pytest.mark.parametrize(
    ("query", "header", "status", "body"),
    [
        ("org=", None, 200, None),
        ("", "", 200, None),
        ("org_id=", None, 200, None),
        ("org=nope", None, 404, {"detail": "nope organization does not exist."}),
        ("", "nope", 404, {"detail": "nope organization does not exist."}),
        ("org_id=7", None, 404, {"detail": "7 organization does not exist."}),
        ("org=a&org_id=7", None, 400, [BOTH]),
        ("org_id=7", "", 400, [BOTH]),
        ("org=a", "b", 400, [DIFFERENT]),
    ],
)
def test_organizations_are_understood_and_none_exists(door, path, query, header, status, body):
    headers = {} if header is None else {"X-Organization": header}
    answer = door.get(f"{path}?{query}", headers=headers)
    assert answer.status_code == status
    if body is not None:
        assert answer.json() == body


def test_nothing_is_made_in_an_unknown_organization(door):
    for path in ("/tasks", "/projects"):
        body = {"name": "x", "labels": [{"name": "a"}]}
        assert door.post(path, body, headers={"X-Organization": "nope"}).status_code == 404
        assert door.get(path).json()["count"] == 0


def test_a_read_by_id_looks_at_no_organization(door, task):
    answer = door.get(f"/tasks/{task['id']}", headers={"X-Organization": "nope"})
    assert answer.status_code == 200
