"""Runs, folders and tags: made, read, changed, deleted, and how many requests that takes."""

import datetime as dt
import json

import pytest

from objmapper import (
    CommitError,
    FieldDoesNotExist,
    ReadOnlyFieldError,
    UnsupportedLookup,
    ValidationError,
    inspect,
)
from objmapper.simvue import Folder, Run, Status, Tag, Visibility, get_folder_from_path


def made(**values):
    run = Run.new(folder="/", **values)
    run.commit()
    return run


# -- one run --------------------------------------------------------------------------------------


def test_the_seed_runs_as_written(client, capsys):
    new_run = Run.new(folder="/")
    new_run.name = "my_run"
    new_run.metadata = {"x": 2}
    new_run.commit()
    simvue_run = Run(identifier=new_run.id)
    assert (simvue_run.name, simvue_run.metadata) == ("my_run", {"x": 2})
    for identifier, run in Run.get():
        print(f"Run {identifier}:")  # noqa: T201
        print(json.dumps(run.to_dict(), indent=2))  # noqa: T201
    shown = capsys.readouterr().out
    assert f"Run {new_run.id}:" in shown
    assert '"name": "my_run"' in shown


def test_a_new_run_is_one_request(client, asked):
    run = Run.new(folder="/")
    run.name, run.description, run.tags = "n", "d", ["a", "b"]
    report = run.commit()
    assert asked == ["POST /runs"]
    assert report.created.objects == [run]
    assert len(run.id) == 22


def test_an_object_in_hand_is_changed_by_one_put_of_what_changed(client, asked):
    run = made(name="n", tags=["a"])
    del asked[:]
    run.name = "m"
    plan = client.session.plan()
    assert plan.operations[0].request.body.value == {"name": "m"}
    run.commit()
    assert asked == [f"PUT /runs/{run.id}"]
    run.commit()
    run.name = "m"
    run.commit()
    assert len(asked) == 1  # nothing changed, nothing is sent


def test_five_properties_of_a_run_that_is_read_to_be_written_are_one_request(client, asked):
    key = made(name="n", description="d").id
    client.session.close()
    del asked[:]
    run = Run(identifier=key)
    run.read_only(False)
    assert (run.name, run.description, run.status, run.folder, run.tags) == (
        "n",
        "d",
        Status.CREATED,
        "/",
        [],
    )
    assert asked == [f"GET /runs/{key}"]
    run.name = "m"
    run.commit()
    assert asked == [f"GET /runs/{key}", f"PUT /runs/{key}"]


def test_in_place_changes_count_and_equal_values_do_not(client, asked):
    run = made(metadata={"a": {"b": 1}}, tags=["x"])
    run.refresh()
    del asked[:]
    run.metadata["a"]["b"] = 2
    run.tags.append("y")
    assert run.changes == {
        "metadata": ({"a": {"b": 1}}, {"a": {"b": 2}}),
        "tags": (["x"], ["x", "y"]),
    }
    run.commit()
    assert len(asked) == 1
    run.refresh()
    assert (run.metadata, run.tags) == ({"a": {"b": 2}}, ["x", "y"])
    run.tags = ["x", "y"]
    assert run.changes == {}


def test_own_edits_are_read_before_they_are_sent(client):
    run = made()
    run.ttl = 120
    assert run.ttl == 120
    assert Run(identifier=run.id) is run


def test_every_property_of_a_committed_run_is_read(client, asked):
    run = made(name="n", system={"cwd": "/w"}, ttl=5, heartbeat_timeout=60)
    run.refresh()
    del asked[:]
    assert {name: getattr(run, name) for name in "ttl heartbeat_timeout system".split()} == {
        "ttl": 5,
        "heartbeat_timeout": 60,
        "system": {"cwd": "/w"},
    }
    assert run.notifications == "none"
    assert run.alerts == []
    assert run.visibility == Visibility(users=[], public=False, tenant=False)
    assert run.created.tzinfo is dt.UTC
    assert dt.datetime.now(dt.UTC) - run.created < dt.timedelta(minutes=5)
    for name in Run.__mapper__.fields:
        getattr(run, name)
    assert asked == []


def test_nested_values_are_tracked_in_place(client, asked):
    run = made()
    run.refresh()
    run.visibility.public = True
    run.visibility.tenant = True
    run.notifications = "all"
    del asked[:]
    run.commit()
    assert asked == [f"PUT /runs/{run.id}"]
    run.refresh()
    assert (run.visibility.public, run.visibility.tenant, run.notifications) == (True, True, "all")


def test_times_travel_as_utc_without_a_zone(client):
    run = made()
    run.started = dt.datetime(2026, 1, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    body = client.session.plan().operations[0].request.body.value
    assert body == {"started": "2026-01-01T10:00:00.000000"}
    run.commit()
    run.refresh()
    assert run.started == dt.datetime(2026, 1, 1, 10, tzinfo=dt.UTC)


def test_a_star_goes_in_a_request_of_its_own(client, asked):
    run = made()
    run.star = True
    run.name = "n"
    del asked[:]
    run.commit(), run.commit()
    assert asked == [f"PUT /runs/{run.id}", f"PUT /runs/{run.id}/starred"]
    run.refresh()
    assert run.star is True
    new = Run.new(folder="/")
    new.star = True
    del asked[:]
    new.commit()
    assert asked == ["POST /runs", f"PUT /runs/{new.id}/starred"]
    assert list(Run.objects.filter(star=True).order_by("created")) == [run, new]


def test_heartbeat_and_abort(client):
    run = made(status="running")
    run.send_heartbeat()
    assert run.abort_trigger is False
    run.abort("too hot")
    assert run.abort_trigger is True


def test_a_deleted_run_is_gone_and_keeps_its_values(client):
    run = made(name="n")
    run.delete()
    assert (run.name, inspect(run).lifecycle) == ("n", "detached")
    with pytest.raises(Run.DoesNotExist):
        Run(identifier=run.id)


# -- read-only ------------------------------------------------------------------------------------


@pytest.fixture
def fetched(client):
    key = made(name="n", metadata={"a": 1}).id
    client.session.close()
    return Run(identifier=key)


def test_what_is_fetched_is_read_only_until_it_is_unlocked(fetched, asked):
    assert fetched.is_read_only
    with pytest.raises(ReadOnlyFieldError, match=r"read_only\(False\)"):
        fetched.name = "m"
    for verb in (fetched.commit, fetched.delete):
        with pytest.raises(ReadOnlyFieldError, match=r"read_only\(False\)"):
            verb()
    assert asked == []
    fetched.read_only(False)
    fetched.name = "m"
    with pytest.raises(ValueError, match="name"):
        fetched.read_only(True)
    fetched.commit()
    fetched.read_only(True)
    with pytest.raises(ReadOnlyFieldError):
        fetched.name = "o"


def test_what_is_changed_inside_a_read_only_run_is_refused_before_it_is_sent(
    client, fetched, asked
):
    fetched.metadata["a"] = 2
    for commit in (fetched.commit, client.session.commit):
        with pytest.raises(ReadOnlyFieldError, match=r"read_only\(False\)"):
            commit()
    assert asked == []
    fetched.revert()
    client.session.commit()


def test_a_read_only_run_is_refreshed(client, fetched):
    client.request("PUT", f"/runs/{fetched.id}", json={"name": "other"})
    assert fetched.name == "n"
    fetched.refresh()
    assert (fetched.name, fetched.is_read_only) == ("other", True)


def test_objects_hands_out_what_is_writable(fetched):
    assert Run.objects.get(id=fetched.id) is fetched
    fetched.name = "m"
    fetched.commit()


def test_what_get_yields_is_read_only_unless_the_session_has_it(client):
    own = made(name="own")
    client.request("POST", "/runs", json={"folder": "/", "name": "other", "status": "created"})
    found = dict(Run.get())
    assert {run.name: run.is_read_only for run in found.values()} == {"own": False, "other": True}
    assert found[own.id] is own


# -- what is wrong --------------------------------------------------------------------------------


def test_a_misspelt_property_is_an_error(client):
    run = Run.new(folder="/")
    with pytest.raises(AttributeError):
        run.descriptoin = "x"
    with pytest.raises(FieldDoesNotExist, match="description"):
        Run.new(folder="/", descriptoin="x")
    with pytest.raises(TypeError):
        Run.new("/")
    with pytest.raises(TypeError, match="name"):
        Run(identifier="x", name="n")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("name", "a$b", "Not a name"),
        ("folder", "no/slash", "slash"),
        ("metadata", {"a": object()}, "metadata"),
        ("metadata", {"a": float("nan")}, "metadata"),
        ("status", "done", "Not one of"),
        ("ttl", -1, "ttl"),
        ("notifications", "sometimes", "Not one of"),
        ("tags", [1], "tags"),
        ("name", 7, "name"),
    ],
)
def test_what_can_not_be_sent_is_refused_before_it_is(client, asked, name, value, said):
    run = Run.new(folder="/")
    setattr(run, name, value)
    with pytest.raises(ValidationError, match=said):
        run.commit()
    assert asked == []


def test_what_only_the_server_sets_is_refused(client):
    run = Run.new(folder="/")
    for name in ("id", "created", "user", "metrics", "runtime"):
        with pytest.raises(ReadOnlyFieldError):
            setattr(run, name, "x")
    folder = Folder.new(path="/a")
    folder.commit()
    with pytest.raises(ReadOnlyFieldError):
        folder.path = "/b"


def test_what_is_not_there_does_not_exist(client):
    with pytest.raises(Run.DoesNotExist):
        Run(identifier="x" * 22)
    with pytest.raises(Folder.DoesNotExist):
        get_folder_from_path("/none")


# -- many -----------------------------------------------------------------------------------------


def fill(client, number, **values):
    runs = [Run.new(folder="/", name=f"r{n:04}", **values) for n in range(number)]
    client.session.add_all(runs)
    client.session.commit()
    return runs


def test_new_runs_of_one_commit_are_one_list(client, asked):
    runs = fill(client, 100)
    assert asked == ["POST /runs"]
    rows = client.request("GET", "/runs", params={"count": 100}).json()["data"]
    assert {row["id"]: row["name"] for row in rows} == {run.id: run.name for run in runs}


def test_a_hundred_runs_are_renamed_by_a_page_and_a_put_each(client, asked):
    fill(client, 100)
    client.session.close()
    del asked[:]
    for run in Run.objects.all():
        run.name = "renamed"
    client.session.commit()
    assert [line.partition(" ")[0] for line in asked] == ["GET"] + ["PUT"] * 100


@pytest.mark.parametrize(
    ("there", "count", "found", "requests"),
    [
        (150, 0, 0, 0),
        (150, 1, 1, 1),
        (150, 100, 100, 1),
        (150, 101, 101, 2),
        (150, 150, 150, 2),
        (150, None, 150, 2),
        (100, None, 100, 1),
        (100, 150, 100, 1),
        (0, None, 0, 1),
    ],
)
def test_as_many_come_as_are_asked_for(client, asked, there, count, found, requests):
    if there:
        fill(client, there)
    del asked[:]
    got = [identifier for identifier, _ in Run.get(count=count)]
    assert (len(got), len(set(got)), len(asked)) == (found, found, requests)
    del asked[:]
    ids = list(Run.ids(count=count))
    assert (sorted(ids), len(asked)) == (sorted(got), requests)


def test_an_offset_is_skipped(client):
    runs = fill(client, 5)
    names = {run.id: run.name for run in runs}
    sorting = [{"column": "name", "descending": False}]
    assert [names[key] for key in Run.ids(count=2, offset=1, sorting=sorting)] == ["r0001", "r0002"]
    assert [run.name for _, run in Run.get(offset=3, sorting=sorting)] == ["r0003", "r0004"]
    for wrong in ({"count": -1}, {"offset": -1}):
        with pytest.raises(ValueError, match="below 0"):
            Run.get(**wrong)


def test_the_count_is_exact_and_one_request(client, asked):
    fill(client, 101)
    del asked[:]
    assert Run.count() == 101
    assert len(asked) == 1
    assert Run.count(name="r0007") == 1
    assert Tag.count() == 0


def test_names_of_a_hundred_folders_are_one_request(client, asked):
    for n in range(99):  # and the root
        client.request("POST", "/folders", json={"path": f"/f{n:02}"})
    del asked[:]
    found = [folder.path for folder in Folder.objects.all()]
    assert (len(found), len(asked)) == (100, 1)
    assert [folder.name for _, folder in Folder.get()] == [None] * 100
    assert len(asked) == 2


def test_in_bulk_and_get_find_by_key(client):
    one, two = fill(client, 2)
    assert Run.objects.in_bulk([one.id, two.id, "x" * 22]) == {one.id: one, two.id: two}
    assert Run.objects.get(name="r0001") is two


def test_first_and_last_need_an_order_of_the_servers(client):
    fill(client, 3)
    assert Run.objects.order_by("name").first().name == "r0000"
    assert Run.objects.order_by("name").last().name == "r0002"
    assert Run.objects.first() is not None
    with pytest.raises(UnsupportedLookup, match="created"):
        Run.objects.last()


# -- folders and tags -----------------------------------------------------------------------------


def test_folders_go_before_the_runs_in_them(client):
    folder, run, below = Folder.new(path="/a"), Run.new(folder="/a"), Folder.new(path="/a/b")
    client.session.add_all([below, run, folder])
    plan = client.session.plan()
    waves = {repr(obj): op.wave for op in plan for obj in op.objects}
    assert waves[repr(folder)] < waves[repr(run)]
    assert waves[repr(folder)] < waves[repr(below)]
    assert client.session.commit().existing.objects == []


def test_two_new_folders_of_one_path_do_not_wait_for_each_other(client):
    run = Run.new(folder="/a/b")
    client.session.add_all(
        [Folder.new(path="/a/b"), run, Folder.new(path="/a/b/"), Folder.new(path="/a")]
    )
    plan = client.session.plan()
    assert [len(wave) for wave in plan.waves] == [1, 2, 1]
    client.session.rollback()


def test_what_is_there_already_is_bound_and_reported(client, asked):
    client.request("POST", "/folders", json={"path": "/a"})
    client.request("POST", "/tags", json={"name": "t", "colour": "#ff0000"})
    folder = Folder.new(path="/a")
    report = folder.commit()
    assert (report.existing.objects, report.created.objects) == ([folder], [])
    assert folder is get_folder_from_path("/a")
    tag = Tag.new(name="t")
    tag.colour = "blue"
    assert tag.commit().existing.objects == [tag]
    assert tag.changes == {"colour": (None, "#0000ff")}
    assert tag.commit().updated.objects == [tag]
    tag.refresh()
    assert tag.colour == "#0000ff"


def test_a_change_to_a_name_that_is_taken_is_refused(client):
    for name in ("a", "b"):
        Tag.new(name=name).commit()
    tag = Tag.objects.get(id=next(Tag.ids(count=1)))
    other = "b" if tag.name == "a" else "a"
    tag.name = other
    with pytest.raises(CommitError, match="409"):
        tag.commit()


def test_folders_are_deleted_with_what_is_in_them(client):
    for path in ("/a", "/a/b", "/c"):
        Folder.new(path=path).commit()
    run = Run.new(folder="/a/b")
    run.commit()
    below = get_folder_from_path("/a/b")
    folder = get_folder_from_path("/a")
    assert folder.tree == {"b": {}}
    folder.delete(recursive=True, delete_runs=True)
    assert {folder.path for folder in Folder.objects.all()} == {"/", "/c"}
    assert Run.count() == 0
    assert {inspect(obj).lifecycle for obj in (folder, below, run)} == {"detached"}


def test_the_runs_of_a_folder_alone_are_deleted(client):
    folder, run = Folder.new(path="/a"), Run.new(folder="/a")
    client.session.add_all([folder, run])
    client.session.commit()
    folder.delete(delete_runs=True, runs_only=True)
    assert (Run.count(), inspect(run).lifecycle) == (0, "detached")
    folder.description = "empty"
    assert folder.commit().updated.objects == [folder]


@pytest.mark.parametrize(
    ("colour", "wire"),
    [
        ("#F00", "#f00"),
        ("red", "#ff0000"),
        ((0, 128, 255), "#0080ff"),
        ((1.0, 0.0, 0.5), "#ff0080"),
    ],
)
def test_a_colour_is_sent_as_digits(client, colour, wire):
    tag = Tag.new(name="t")
    tag.colour = colour
    assert tag.colour == wire
    tag.commit()
    assert client.request("GET", f"/tags/{tag.id}").json()["colour"] == wire


def test_what_is_no_colour_is_refused(client):
    for wrong in ("reddish", "#12345", (1, 2), (0, 0, 256)):
        tag = Tag.new(name="t")
        tag.colour = wrong
        with pytest.raises(ValidationError, match="colour"):
            tag.commit()


def test_a_tag_that_a_run_names_is_made(client):
    made(tags=["night"])
    assert Tag.objects.order_by("name").first().name == "night"
