"""Tenants, users and tokens: who asks, and what they may."""

import base64
import json
import time

import pytest
import requests

from objmapper.server import embedded, serve


def token_of(**said):
    parts = (json.dumps(part).encode() for part in ({"alg": "HS256"}, said))
    encoded = [base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, "signature"])


def payload(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def person(door, name, **values):
    """A user, asked as."""
    key = door.post("/users", {"username": name, **values})["id"]
    asking = door.by(door.server.create_token(name))
    asking.key = key
    return asking


def test_a_token_that_is_made_says_when_it_ends(socket_door):
    assert payload(socket_door.token)["exp"] > time.time() + 24 * 3600
    assert socket_door.get("/whoami")["username"] == "admin"


@pytest.mark.parametrize(
    ("header", "detail"),
    [
        (None, "Could not validate credentials"),
        ("Bearer none", "Could not validate credentials"),
        ("Bearer", "Could not validate credentials"),
        ("Basic YTpi", "Could not validate credentials"),
        ("Bearer \udcff", "Could not validate credentials"),
    ],
)
def test_who_has_no_token_is_nobody_on_a_socket(socket_door, header, detail):
    nobody = socket_door.by(None)
    headers = {} if header is None else {"Authorization": header.encode("utf-8", "surrogateescape")}
    answer = nobody("GET", "/version", headers=headers)
    assert (answer.status_code, answer.json()) == (401, {"detail": detail})


def test_a_token_that_has_expired_is_refused():
    old, new = token_of(exp=time.time() - 1), token_of(exp=time.time() + 3600)
    with serve("simvue", tokens=[("ann", new), f"bob:{old}"], check=True) as running:

        def ask(token):
            headers = {"Authorization": f"Bearer {token}"}
            with requests.Session() as session:
                session.trust_env = False
                return session.get(f"{running.url}/api/whoami", headers=headers)

        assert running.server.credentials == {"TOKEN": new}
        assert ask(new).json()["username"] == "ann"
        assert ask(new).json()["is_admin"]
        answer = ask(old)
        assert (answer.status_code, answer.json()) == (401, {"detail": "Token has expired"})


def test_in_process_no_token_is_needed_and_a_wrong_one_is_wrong(door):
    assert door.get("/whoami")["is_admin"]
    door.by("wrong").get("/whoami", status=401)


def test_a_token_for_nobody_is_refused(door):
    with pytest.raises(ValueError, match="'none', who is not a user of this server"):
        door.server.create_token("none")


def test_the_version_is_one_that_the_published_client_takes(door):
    assert door.get("/version") == {"version": "1.5.0"}
    assert door.get("/nosim/version") == {"version": "1.0.0"}


def test_who_only_reads_changes_nothing(door):
    key = door.run(visibility={"tenant": True})
    ann = person(door, "ann", is_readonly=True)
    assert ann.get(f"/runs/{key}")["id"] == key
    for verb, path in (("POST", "/runs"), ("PUT", f"/runs/{key}"), ("DELETE", f"/runs/{key}")):
        answer = ann(verb, path, json={})
        assert answer.status_code == 403
        assert "You do not have permission" in answer.json()["detail"]


def test_a_run_is_seen_by_whom_it_is_shown_to_and_changed_by_its_owner(door):
    ann, bob = person(door, "ann"), person(door, "bob")
    key = ann.run(name="mine")
    bob.get(f"/runs/{key}", status=404)
    assert bob.get("/runs")["count"] == 0
    for shown in ({"tenant": True}, {"public": True}, {"users": ["bob"]}):
        ann.put(f"/runs/{key}", {"visibility": shown})
        assert bob.get(f"/runs/{key}")["name"] == "mine"
        assert bob.get("/runs")["count"] == 1
        bob.put(f"/runs/{key}", {"name": "his"}, status=403)
        bob.delete(f"/runs/{key}", status=403)
    ann.put(f"/runs/{key}", {"visibility": {"users": ["carl"]}})
    bob.get(f"/runs/{key}", status=404)
    boss = person(door, "boss", is_manager=True)
    boss.put(f"/runs/{key}", {"name": "ours"})
    assert ann.get(f"/runs/{key}")["name"] == "ours"


def test_tenants_do_not_see_each_other_but_for_what_is_public(door):
    tenant = door.post("/tenants", {"name": "other"})["id"]
    eve = person(door, "eve", tenant=tenant)
    assert eve.get("/whoami")["tenant_name"] == "other"
    door.post("/folders", {"path": "/f"})
    hidden, public = door.run(folder="/f"), door.run(visibility={"public": True})
    tag = door.post("/tags", {"name": "t"})["id"]
    assert [run["id"] for run in eve.get("/runs")["data"]] == [public]
    eve.get(f"/runs/{hidden}", status=404)
    eve.put(f"/runs/{public}", {"name": "x"}, status=403)
    eve.get(f"/tags/{tag}", status=404)
    assert [each["path"] for each in eve.get("/folders")["data"]] == ["/"]
    assert eve.post("/tags", {"name": "t"})["id"] != tag
    assert eve.faults("/runs", {"folder": "/f"}) == {"body.folder": "folder"}


def test_users_and_tenants_are_for_administrators(door):
    ann, boss = person(door, "ann"), person(door, "boss", is_manager=True)
    for path, body in (("/tenants", {"name": "t"}), ("/users", {"username": "x"})):
        ann.get(path, status=403)
        assert "You do not have permission" in ann.post(path, body, status=403)["detail"]
    ann.post("/storage", {"name": "s", "backend": "File"}, status=403)
    ann.get("/stats", status=403, single=False)
    assert ann.get(f"/users/{ann.key}")["username"] == "ann"
    ann.get(f"/users/{boss.key}", status=403)
    ann.put(f"/users/{ann.key}", {"is_admin": True}, status=403)
    boss.get("/tenants", status=403)
    boss.put(f"/users/{ann.key}", {"fullname": "Ann"})
    boss.put(f"/users/{boss.key}", {"is_admin": True}, status=403)
    boss.post("/users", {"username": "x", "is_admin": True}, status=403)
    admin = door.get("/whoami")["id"]
    boss.put(f"/users/{admin}", {"fullname": "x"}, status=403)
    boss.delete(f"/users/{admin}", status=403)
    boss.delete(f"/users/{ann.key}")
    ann.get("/whoami", status=401)
    boss.get(f"/users/{ann.key}", status=404)


def test_a_user_may_be_said_twice_as_the_published_client_does(door):
    tenant = door.post("/tenants", {"name": "T"})["id"]
    said = {
        "username": "a",
        "fullname": "b",
        "email": "a@b.io",
        "is_manager": False,
        "is_readonly": True,
        "is_admin": False,
        "is_enabled": True,
        "welcome": False,
        "tenant": "T",
    }
    key = door.post("/users", {"user": said, "offline": False, **said})["id"]
    row = door.get(f"/users/{key}")
    assert (row["username"], row["email"], row["tenant"]) == ("a", "a@b.io", tenant)
    assert (row["is_readonly"], row["is_enabled"], row["is_deleted"]) == (True, True, False)
    assert door.post("/users", {"username": "a"}, status=409)["id"] == key
    other = door.post("/users", {"user": {"username": "inside"}})["id"]
    assert door.get(f"/users/{other}")["username"] == "inside"
    assert door.put(f"/users/{other}", {"username": "a"}, status=409)["id"] == key
    assert door.faults("/users", {"username": "c", "age": 3}) == {"body.age": "extra_forbidden"}
    assert door.faults("/users", {}) == {"body.username": "missing"}
    assert door.faults("/users", {"user": 5, "username": "d"}) == {"body.user": "dict_type"}


def test_a_deleted_name_is_free_again(door):
    key = door.post("/users", {"username": "a"})["id"]
    run = door.by(door.server.create_token("a")).run(visibility={"tenant": True})
    door.delete(f"/users/{key}")
    assert door.post("/users", {"username": "a"})["id"] != key
    assert door.get(f"/runs/{run}")["user"] == "a"


def test_a_tenant_has_a_name_and_can_be_shut(door):
    key = door.post("/tenants", {"name": "t", "max_runs": 5})["id"]
    row = door.get(f"/tenants/{key}")
    assert (row["name"], row["is_enabled"], row["max_runs"]) == ("t", True, 5)
    assert door.post("/tenants", {"name": "t"}, status=409)["id"] == key
    eve = person(door, "eve", tenant=key)
    door.put(f"/tenants/{key}", {"name": "t", "is_enabled": False})
    eve.get("/whoami", status=403)
    door.delete(f"/tenants/{key}")
    eve.get("/whoami", status=401)
    door.get(f"/tenants/{key}", status=404)
    assert [each["name"] for each in door.get("/tenants")["data"]] == ["default"]


def test_nobody_deletes_themselves(door):
    me = door.get("/whoami")
    door.delete(f"/users/{me['id']}", status=400)
    door.delete(f"/tenants/{me['tenant']}", status=400)


def test_a_user_that_is_off_is_let_in_no_more(door):
    ann = person(door, "ann")
    door.put(f"/users/{ann.key}", {"is_enabled": False})
    ann.get("/whoami", status=403)


def test_stats_count_what_is_there(door):
    for status in ("running", "running", "completed", "created"):
        door.run(status=status, tags=["a"])
    assert door.get("/stats") == {
        "runs": {
            "created": 1,
            "running": 2,
            "completed": 1,
            "failed": 0,
            "lost": 0,
            "terminated": 0,
            "data": 0,
        }
    }
    upload = door.artifact(b"12345")
    door("PUT", upload["url"], data=b"12345")
    assert door.get("/stats", single=False)["admin"] == {
        "runs": 4,
        "alerts": 0,
        "tags": 1,
        "files": 1,
        "volume": 5,
        "events": 0,
        "metrics": 0,
    }
    assert door.get("/stats", single=False, tenant="none") == {}


# -- files ----------------------------------------------------------------------------------------


def test_a_file_keeps_the_state_and_no_token(tmp_path):
    path = tmp_path / "simvue.sqlite"
    token = token_of(exp=time.time() + 3600)
    target = f"embedded://simvue?path={path}&seed=1x2"
    with embedded(f"{target}&token=ann:{token}") as server:
        assert server.credentials == {"TOKEN": token}
    assert token.encode() not in b"".join(each.read_bytes() for each in tmp_path.iterdir())
    with (
        serve("simvue", path=str(path), seed="1x2") as running,
        requests.Session() as session,
    ):
        session.trust_env = False
        for known in (token, running.server.credentials["TOKEN"]):
            headers = {"Authorization": f"Bearer {known}"}
            answer = session.get(f"{running.url}/api/runs", headers=headers)
            assert answer.json()["count"] == 2


def test_the_file_of_another_kind_of_server_is_refused(tmp_path):
    path = str(tmp_path / "cvat.sqlite")
    embedded("cvat", path=path).close()
    with pytest.raises(OSError, match="a database of another program"):
        embedded("simvue", path=path)
