"""Runs, folders and tags: what is made, changed, listed, and what follows from it."""

import re

import pytest


def test_a_run_has_what_was_said_and_the_rest_as_nothing(door):
    key = door.post("/runs", {"folder": "/", "name": "n", "system": None, "status": "created"})[
        "id"
    ]
    assert re.fullmatch("[A-Za-z0-9]{22}", key)
    run = door.get(f"/runs/{key}")
    moments = {name: run.pop(name) for name in ("created", "modified")}
    assert all(
        re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}", each) for each in moments.values()
    )
    assert run == {
        "id": key,
        "name": "n",
        "folder": "/",
        "status": "created",
        "user": "admin",
        "description": None,
        "tags": [],
        "metadata": {},
        "system": None,
        "ttl": None,
        "heartbeat_timeout": None,
        "notifications": {"state": "none"},
        "visibility": {"users": [], "public": False, "tenant": False},
        "alerts": [],
        "metrics": {},
        "events": {},
        "starred": False,
        "started": None,
        "endtime": None,
        "runtime": None,
    }


def test_a_put_changes_what_it_says_and_nothing_else(door):
    key = door.run(name="n", description="d", metadata={"x": 1}, tags=["a"])
    door.put(f"/runs/{key}", {"name": "m", "metadata": {"y": [2]}})
    run = door.get(f"/runs/{key}")
    assert (run["name"], run["description"], run["metadata"]) == ("m", "d", {"y": [2]})
    assert run["tags"] == ["a"]
    door.put(f"/runs/{key}", {"description": None})
    assert door.get(f"/runs/{key}")["description"] is None


def test_a_run_moves_to_a_folder_that_is_there(door):
    key = door.run()
    door.post("/folders", {"path": "/other"})
    door.put(f"/runs/{key}", {"folder": "/other"})
    assert door.get(f"/runs/{key}")["folder"] == "/other"
    assert door.faults(f"/runs/{key}", {"folder": "/none"}, "put") == {"body.folder": "folder"}


def test_a_put_without_a_body_changes_nothing(door):
    key = door.run(name="n")
    assert door("PUT", f"/runs/{key}").json() == {"id": key}
    assert door.get(f"/runs/{key}")["name"] == "n"


def test_a_list_is_as_many_runs_in_its_order_or_none(door):
    made = door.post("/runs", [{"folder": "/", "name": f"r{n}"} for n in range(3)])
    assert [door.get(f"/runs/{each['id']}")["name"] for each in made] == ["r0", "r1", "r2"]
    bad = [{"folder": "/", "name": "new"}, {"folder": "/nowhere"}]
    assert door.faults("/runs", bad) == {"body.1.folder": "folder"}
    assert door.get("/runs")["count"] == 3


def test_a_run_that_runs_has_started_and_one_that_is_over_has_ended(door):
    key = door.run()
    door.put(f"/runs/{key}", {"status": "running"})
    run = door.get(f"/runs/{key}")
    assert run["started"] > run["created"]
    assert run["endtime"] is None
    door.put(f"/runs/{key}", {"status": "completed"})
    run = door.get(f"/runs/{key}")
    assert run["endtime"] > run["started"]
    assert re.fullmatch(r"00:00:\d\d\.\d{6}", run["runtime"])


def test_times_that_are_said_are_kept(door):
    started, ended = "2026-01-31T12:00:00.000000", "2026-01-31T13:02:03.500000"
    key = door.run(status="completed", started=started, endtime=ended)
    run = door.get(f"/runs/{key}")
    assert (run["started"], run["endtime"], run["runtime"]) == (started, ended, "01:02:03.500000")
    door.put(f"/runs/{key}", {"started": "0031-01-31 14:00:00+02:00"})
    assert door.get(f"/runs/{key}")["started"] == "0031-01-31T12:00:00.000000"
    assert door.faults(f"/runs/{key}", {"started": "0001-01-01T00:00:00+14:00"}, "put") == {
        "body.started": "datetime_parsing"
    }


def test_a_run_without_a_name_is_given_one_that_is_allowed(door):
    run = door.get(f"/runs/{door.run()}")
    assert re.fullmatch(r"[a-zA-Z0-9\-_\s/.:]+", run["name"])


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({}, {"body.folder": "missing"}),
        ([], None),
        ([3], {"body.0": "dict_type"}),
        ("text", {"body": "dict_type"}),
        ({"folder": "a"}, {"body.folder": "string_pattern_mismatch"}),
        ({"folder": "/nowhere"}, {"body.folder": "folder"}),
        ({"folder": "/", "name": "a?"}, {"body.name": "string_pattern_mismatch"}),
        ({"folder": "/", "name": None}, {"body.name": "string_type"}),
        ({"folder": "/", "status": "gone"}, {"body.status": "literal_error"}),
        ({"folder": "/", "ttl": -1}, {"body.ttl": "greater_than_equal"}),
        ({"folder": "/", "ttl": True}, {"body.ttl": "int_type"}),
        ({"folder": "/", "ttl": 2**63}, {"body.ttl": "less_than_equal"}),
        ({"folder": "/", "tags": ["a", 1]}, {"body.tags.1": "string_type"}),
        ({"folder": "/", "tags": "a"}, {"body.tags": "list_type"}),
        ({"folder": "/", "tags": [""]}, {"body.tags.0": "string_too_short"}),
        ({"folder": "/", "metadata": [1]}, {"body.metadata": "dict_type"}),
        ({"folder": "/", "metadata": {"a": "\ud800"}}, {"body.metadata.a": "string_unicode"}),
        ({"folder": "/", "notifications": {}}, {"body.notifications.state": "missing"}),
        (
            {"folder": "/", "visibility": {"publik": True}},
            {"body.visibility.publik": "extra_forbidden"},
        ),
        ({"folder": "/", "started": "now"}, {"body.started": "datetime_parsing"}),
        ({"folder": "/", "alerts": ["none"]}, {"body.alerts": "alert"}),
        (
            {"folder": 1, "nmae": "x"},
            {"body.folder": "string_type", "body.nmae": "extra_forbidden"},
        ),
    ],
)
def test_a_body_is_refused_with_each_of_its_faults(door, body, faults):
    if faults is None:
        assert door.post("/runs", body) == []
    else:
        assert door.faults("/runs", body) == faults
    assert door.get("/runs") == {"data": [], "count": 0}


@pytest.mark.parametrize(
    ("content", "kind", "fault"),
    [
        (b"{", "application/json", "json_invalid"),
        (b"\xff", "application/json", "json_invalid"),
        (b'{"folder": NaN}', "application/json", "json_invalid"),
        (b"[" * 100_000, "application/json", "json_invalid"),
        (b'{"folder": "/"}', "text/plain", "content_type"),
    ],
)
def test_a_body_that_is_no_json_is_a_422(door, content, kind, fault):
    answer = door("POST", "/runs", data=content, headers={"Content-Type": kind})
    assert answer.status_code == 422
    assert [each["type"] for each in answer.json()["detail"]] == [fault]


def test_a_deleted_run_is_gone_with_its_parts(door):
    key = door.run()
    door.put(f"/runs/{key}/starred", {"starred": True})
    assert door.delete(f"/runs/{key}") == {}
    for path in ("", "/artifacts", "/grids", "/abort"):
        assert "detail" in door.get(f"/runs/{key}{path}", status=404)
    door.put(f"/runs/{key}", {"name": "x"}, status=404)
    door.delete(f"/runs/{key}", status=404)


def test_a_star_is_that_of_who_gave_it(door):
    key, folder = door.run(visibility={"tenant": True}), door.post("/folders", {"path": "/f"})["id"]
    door.post("/users", {"username": "ann"})
    ann = door.by(door.server.create_token("ann"))
    door.put(f"/runs/{key}/starred", {"starred": True})
    ann.put(f"/folders/{folder}/starred", {"starred": True})
    assert door.get(f"/runs/{key}")["starred"]
    assert not ann.get(f"/runs/{key}")["starred"]
    assert ann.get(f"/folders/{folder}")["starred"]
    assert [run["id"] for run in door.get("/runs", filters='["starred"]')["data"]] == [key]
    assert ann.get("/runs", filters='["starred"]')["count"] == 0
    door.put(f"/runs/{key}/starred", {"starred": False})
    assert not door.get(f"/runs/{key}")["starred"]


def test_a_run_is_asked_to_end(door):
    key = door.run()
    assert door.get(f"/runs/{key}/abort") == {"status": False}
    assert door.faults(f"/runs/{key}/abort", {}, "put") == {"body.reason": "missing"}
    door.put(f"/runs/{key}/abort", {"reason": "why"})
    assert door.get(f"/runs/{key}/abort") == {"status": True}
    assert door("PUT", f"/runs/{key}/heartbeat").json() == {}
    assert door.faults(f"/runs/{key}/heartbeat", {"a": 1}, "put") == {"body.a": "extra_forbidden"}


# -- folders and tags -----------------------------------------------------------------------------


def paths(door, **params):
    return sorted(folder["path"] for folder in door.get("/folders", **params)["data"])


def test_a_folder_comes_with_its_parents(door):
    door.post("/folders", {"path": "/a/b//c/"})
    assert paths(door) == ["/", "/a", "/a/b", "/a/b/c"]
    assert paths(door, filters='["path contains /b"]') == ["/a/b", "/a/b/c"]


def test_a_folder_that_is_there_is_told_by_its_id(door):
    key = door.post("/folders", {"path": "/a"})["id"]
    assert door.post("/folders", {"path": "/a"}, status=409)["id"] == key


def test_a_folder_moves_nowhere(door):
    key = door.post("/folders", {"path": "/a"})["id"]
    door.put(f"/folders/{key}", {"path": "/a", "description": "d"})
    assert door.faults(f"/folders/{key}", {"path": "/b"}, "put") == {"body.path": "frozen_field"}
    assert door.get(f"/folders/{key}")["description"] == "d"


@pytest.fixture
def tree(door):
    """/a with a run, and /a/b with another."""
    keys = {path: door.post("/folders", {"path": path})["id"] for path in ("/a", "/a/b")}
    keys |= {f"{path} run": door.run(folder=path) for path in ("/a", "/a/b")}
    door.post("/folders", {"path": "/ab"})
    return keys


def test_a_folder_is_deleted_with_what_is_below_if_that_is_asked_for(door, tree):
    url = f"/folders/{tree['/a']}"
    door.delete(url, status=400)
    door.delete(url, status=400, recursive=True)
    door.delete(url, status=400, runs=True)
    assert len(paths(door)) == 4
    gone = door.delete(url, recursive="True", runs="True", runs_only="False")
    assert set(gone["folders"]) == {tree["/a"], tree["/a/b"]}
    assert set(gone["runs"]) == {tree["/a run"], tree["/a/b run"]}
    assert paths(door) == ["/", "/ab"]
    assert door.get("/runs")["count"] == 0


def test_runs_alone_are_deleted_from_a_folder(door, tree):
    gone = door.delete(f"/folders/{tree['/a']}", runs_only=True)
    assert gone == {"folders": [], "runs": [tree["/a run"]]}
    assert paths(door) == ["/", "/a", "/a/b", "/ab"]
    assert door.get("/runs")["count"] == 1


def test_the_root_stays(door):
    (root,) = door.get("/folders")["data"]
    door.delete(f"/folders/{root['id']}", status=400, recursive=True)


def test_tags_that_are_borne_become_rows(door):
    key = door.run(tags=["a", "b"])
    folder = door.post("/folders", {"path": "/f", "tags": ["b", "c"]})["id"]
    door.put(f"/runs/{key}", {"tags": ["d"]})
    door.put(f"/folders/{folder}", {"tags": ["e"]})
    tags = door.get("/tags", sorting='[{"id": "name", "desc": false}]')
    assert [tag["name"] for tag in tags["data"]] == ["a", "b", "c", "d", "e"]
    assert all(re.fullmatch("#[0-9a-f]{6}", tag["colour"]) for tag in tags["data"])


def test_a_tag_has_a_name_of_its_own(door):
    first = door.post("/tags", {"name": "a", "colour": "#f00"})["id"]
    assert door.get(f"/tags/{first}")["colour"] == "#f00"
    assert door.post("/tags", {"name": "a"}, status=409)["id"] == first
    second = door.post("/tags", {"name": "b"})["id"]
    assert door.put(f"/tags/{second}", {"name": "a"}, status=409)["id"] == first
    door.put(f"/tags/{second}", {"name": "b", "description": "d"})
    assert door.faults("/tags", {"name": "c", "colour": "red"}) == {
        "body.colour": "string_pattern_mismatch"
    }
    assert door.delete(f"/tags/{second}") == {}
    door.get(f"/tags/{second}", status=404)
