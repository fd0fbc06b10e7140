"""The offline cache of simvue's own client is sent: the files are as 2.6.2 writes them."""

import hashlib
import json
import os
import subprocess
import sys

import pytest

from objmapper import CommitInterrupted, JournalError, OfflineError, Session, signals
from objmapper.cli import main
from objmapper.server import serve
from objmapper.simvue import (
    Alert,
    Artifact,
    Client,
    Events,
    FileStorage,
    Folder,
    Grid,
    GridMetrics,
    Metrics,
    MetricsRangeAlert,
    MetricsThresholdAlert,
    ObjectArtifact,
    Run,
    S3Storage,
    Tag,
    Tenant,
    User,
    UserAlert,
    disconnect,
    import_cache,
)

NOON = "2026-01-31T12:00:00.000000"
METRIC = {"rule": "is above", "frequency": 1, "window": 1, "metric": "x", "aggregation": "sum"}


def named(number):
    return f"offline_{number:08x}-e5f1-11f1-9d93-02fc00000001"


RUN, ALERT, GRID = named(1), named(2), named(3)


@pytest.fixture
def cache(home):
    return home / "cache"


def put(cache, where, file, kind, /, **data):
    path = cache / where / f"{file}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"obj_type": kind, **data}, indent=2), encoding="utf-8")
    return path


def put_run(cache, **data):
    told = {"folder": "/sweep", "system": None, "status": "created", "name": "off", **data}
    return put(cache, "runs", RUN, "Run", **told)


def put_folder(cache):
    return put(cache, "folders", named(9), "Folder", path="/sweep", description="d")


def put_events(cache, number=20, run=RUN, message="m"):
    events = [{"message": message, "log_level": "info", "timestamp": NOON}]
    return put(cache, "events", named(number), "Events", run=run, events=events)


def put_alert(cache, **data):
    told = {"name": "u", "description": None, "notification": "none", "source": "user"}
    return put(cache, "alerts", ALERT, "UserAlert", **told, enabled=True, **data)


def put_file(cache, number, name, content, *, keep="file", **data):
    """Put an artifact; what it is made of is a file elsewhere, a snapshot, or an object."""
    path = cache / "artifacts" / f"{named(number)}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    places = {
        "file": cache.parent / f"{name}.txt",
        "snapshot": path.parent / f"{name}_2026-01-31_12-00-00_000.file",
        "object": path.with_suffix(".object"),
    }
    places[keep].write_bytes(content)
    told = {
        "name": name,
        "storage": None,
        "size": len(content) + 33 * (keep == "object"),
        "mime_type": "text/plain",
        "checksum": hashlib.sha256(content).hexdigest(),
        "metadata": None,
        "runs": {RUN: "input"},
    }
    if keep == "object":
        return put(
            cache, "artifacts", path.stem, "ObjectArtifact", original_path="", obj=None, **told
        )
    place = str(places[keep])
    told |= {"original_path": place, "file_path": place}
    return put(cache, "artifacts", path.stem, "FileArtifact", **told)


def there(cache):
    names = ("imported.journal", "server_ids")
    return sorted(
        path.relative_to(cache).as_posix()
        for path in cache.rglob("*")
        if path.is_file() and not path.relative_to(cache).as_posix().startswith(names)
    )


def put_everything(cache):
    put_folder(cache)
    put(cache, "tags", named(10), "Tag", name="t", colour="#f00")
    put_alert(cache, status={RUN: "critical"})
    put(
        cache,
        "alerts",
        named(11),
        "MetricsThresholdAlert",
        name="th",
        description=None,
        notification="none",
        source="metrics",
        enabled=True,
        alert={**METRIC, "threshold": 0.0},
        **METRIC,
        threshold=0.0,
    )
    ends = {"rule": "is inside range", "range_low": 0.0, "range_high": 1.0}
    put(
        cache,
        "alerts",
        named(12),
        "MetricsRangeAlert",
        name="rg",
        description=None,
        notification="email",
        source="metrics",
        enabled=False,
        alert={**METRIC, **ends},
        **{**METRIC, **ends},
    )
    put_run(
        cache,
        tags=["t"],
        metadata={"a": 1},
        alerts=[ALERT, named(11)],
        visibility={"public": True},
        notifications={"state": "all"},
        created=NOON,
        started=NOON,
        description="later",
        ttl=5,
        upload_failed=True,
        folder_id=named(9),
    )
    put_events(cache)
    points = [{"time": 0, "timestamp": NOON, "step": 0, "values": {"x": 1.5}}]
    put(cache, "metrics", named(21), "Metrics", run=RUN, metrics=points)
    axes = [[0.0, 1.0], [0.0, 1.0]]
    put(cache, "grids", GRID, "Grid", grid=axes, labels=["x", "y"], name="g", runs=[[RUN, "A"]])
    arrays = [{"time": 0, "timestamp": NOON, "step": 0, "array": axes, "grid": GRID, "metric": "A"}]
    put(cache, "grid_metrics", named(22), "GridMetrics", run=RUN, data=arrays)
    put_file(cache, 30, "file", b"Hello")
    put_file(cache, 31, "snap", b"Hello, snap", keep="snapshot")
    put_file(cache, 32, "object", b"Hello, object", keep="object")
    flags = {"disable_check": True, "is_tenant_useable": True, "is_default": False}
    put(
        cache,
        "storage",
        named(40),
        "FileStorage",
        name="fs",
        backend="File",
        is_enabled=True,
        **flags,
    )
    opened = {"bucket": "b", "access_key_id": "k", "secret_access_key": "geheim"}
    opened |= {"endpoint_url": "https://s3.example.com/", "region_name": "eu"}
    put(
        cache,
        "storage",
        named(41),
        "S3Storage",
        name="s3",
        backend="S3",
        config=opened,
        is_enabled=True,
        **flags,
        **opened,
    )
    limits = {"max_request_rate": 0, "max_runs": 7, "max_data_volume": 0}
    put(cache, "tenants", named(42), "Tenant", name="T", is_enabled=True, **limits)
    user = {"username": "ann", "fullname": "Ann", "email": "a@b.io", "is_manager": False}
    user |= {"is_readonly": True, "welcome": False, "is_admin": False, "is_enabled": True}
    put(cache, "users", named(43), "User", user=user, tenant="T", offline=True, **user)


def test_every_kind_of_file_is_sent_and_taken_out(client, cache, asked):
    put_everything(cache)
    imported = import_cache(cache)
    assert (imported.ok, imported.left) == (True, {})
    assert there(cache) == []
    ((key, run),) = Run.get()
    assert (run.name, run.folder, run.tags, run.metadata) == ("off", "/sweep", ["t"], {"a": 1})
    assert (run.description, run.ttl, run.notifications) == ("later", 5, "all")
    assert run.visibility.public is True
    assert run.started.isoformat() == "2026-01-31T12:00:00+00:00"
    assert {type(Alert(identifier=alert)) for alert in run.alerts} == {
        UserAlert,
        MetricsThresholdAlert,
    }
    ((_, alert),) = UserAlert.get()
    assert alert.get_status(key) == "critical"
    ((_, ranged),) = MetricsRangeAlert.get()
    assert (ranged.alert.range_high, ranged.enabled, ranged.notification) == (1.0, False, "email")
    assert [event.message for event in Events.get(key)] == ["m"]
    assert Metrics.names([key]) == ["x"]
    assert [grid["metric"] for grid in run.grids] == ["A"]
    (array,) = GridMetrics.get(runs=[key], metrics=["A"])
    assert array["grid"] == next(Grid.ids())
    found = {kept.name: kept for _, kept in Artifact.from_run(key, category="input")}
    assert {name: b"".join(kept.download_content()) for name, kept in found.items()} == {
        "file": b"Hello",
        "snap": b"Hello, snap",
        "object": b"Hello, object",
    }
    assert (type(found["object"]), found["object"].size) == (ObjectArtifact, 13)
    assert {tag.name for _, tag in Tag.get()} == {"t"}
    assert {storage.name for _, storage in FileStorage.get()} >= {"fs"}
    ((_, bucket),) = S3Storage.get()
    assert (bucket.config.bucket, bucket.config.region_name) == ("b", "eu")
    assert {tenant.max_runs for _, tenant in Tenant.get()} >= {7}
    assert {user.username for _, user in User.get()} >= {"ann"}
    assert {folder.description for _, folder in Folder.get()} >= {"d"}
    kept = b"".join(path.read_bytes() for path in cache.rglob("*") if path.is_file())
    assert b"geheim" not in kept
    del asked[:]
    again = import_cache(cache)
    assert (again.ok, asked) == (True, [])


def test_what_has_no_journal_any_more_is_told_by_the_ids_of_the_original(client, cache, asked):
    put_run(cache)
    put_folder(cache)
    import_cache(cache)
    key = (cache / "server_ids" / f"{RUN}.txt").read_text()
    assert key == next(Run.ids())
    for path in cache.glob("imported.journal*"):
        path.unlink()
    put_run(cache, description="since then", alerts=[])
    put_events(cache)
    del asked[:]
    assert import_cache(cache).ok
    assert asked == [f"PUT /runs/{key}", "POST /events"] or asked == [
        "POST /events",
        f"PUT /runs/{key}",
    ]
    assert Run.count() == 1
    assert Run.objects.get(id=key).description == "since then"


def test_what_several_runs_have_made_each_is_one_on_the_server(client, cache):
    """The original keeps a folder, a tag, an alert anew for each run that names it."""
    put(cache, "folders", named(80), "Folder", path="/sweep")
    put(cache, "folders", named(81), "Folder", path="/sweep", description="of the second")
    put(cache, "tags", named(82), "Tag", name="t")
    put(cache, "tags", named(83), "Tag", name="t")
    told = {"name": "u", "description": None, "notification": "none", "source": "user"}
    put(cache, "alerts", named(84), "UserAlert", **told, enabled=True)
    put(cache, "alerts", named(85), "UserAlert", **told, enabled=True)
    run = {"folder": "/sweep", "status": "created"}
    put(cache, "runs", named(86), "Run", name="a", alerts=[named(84)], **run)
    put(cache, "runs", named(87), "Run", name="b", alerts=[named(85)], **run)
    imported = import_cache(cache)
    assert imported.ok, str(imported)
    (alert,) = UserAlert.ids()
    assert [(run.name, run.alerts) for run in Run.objects.order_by("name")] == [
        ("a", [alert]),
        ("b", [alert]),
    ]
    assert [tag.name for _, tag in Tag.get()] == ["t"]
    (folder,) = [folder for _, folder in Folder.get() if folder.path == "/sweep"]
    assert folder.description == "of the second"
    assert {path.read_text() for path in cache.glob("server_ids/*")} >= {alert, folder.id}
    assert len(list(cache.glob("server_ids/*"))) == 8


def broken(cache):
    """Files that can't be sent, and what is said of them."""
    truncated = put_events(cache, 50)
    truncated.write_text('{"obj_type": "Events", "run": "off', encoding="utf-8")
    no_object = put_events(cache, 51)
    no_object.write_text("[1]", encoding="utf-8")
    deep = put_events(cache, 52)
    deep.write_text("[" * 100_000, encoding="utf-8")
    sum_ = put_file(cache, 53, "changed", b"Hello")
    (cache.parent / "changed.txt").write_bytes(b"Other")
    gone = put_file(cache, 54, "gone", b"Hello", keep="object")
    gone.with_suffix(".object").unlink()
    axes = {"name": "g", "grid": [[0.0, 1.0]], "labels": ["x"]}
    return {
        truncated: "no JSON",
        no_object: "no JSON object",
        deep: "no JSON",
        sum_: "has changed since",
        gone: "can't be read",
        put(cache, "events", named(55), "Runs", run=RUN, events=[]): "obj_type is 'Runs'",
        put(cache, "tags", named(56), "Tag", name="x", colur="#f00"): "'colur'",
        put(cache, "tags", named(57), "Tag", name=7): "name",
        put_events(cache, 58, run=named(99)): f"server_ids/{named(99)}.txt",
        put_events(cache, 59, run=None): "no id",
        put(cache, "grids", named(60), "Grid", **axes, runs=[[RUN]]): "'runs'",
        put(cache, "grids", named(61), "Grid", name="g"): "labels",
    }


def test_what_is_broken_stays_and_is_told_and_the_rest_is_sent(client, cache):
    put_folder(cache)
    put_run(cache)
    told = broken(cache)
    put_events(cache, 70)
    imported = import_cache(cache)
    assert not imported.ok
    assert imported.left.keys() == told.keys()
    for path, said in told.items():
        assert said in imported.left[path]
        assert path.exists()
        assert str(path) in str(imported)
    ((key, _),) = Run.get()
    assert [event.message for event in Events.get(key)] == ["m"]


def test_what_refers_to_what_is_broken_waits_with_it(client, cache):
    put_folder(cache)
    run = put_run(cache)
    events = put_events(cache)
    whole = run.read_text()
    run.write_text(whole[:-9])
    assert import_cache(cache).left.keys() == {run, events}
    run.write_text(whole)
    assert import_cache(cache).ok
    ((key, _),) = Run.get()
    assert len(list(Events.get(key))) == 1


def test_what_the_server_refuses_stays_with_what_waits_for_it(client, cache):
    run, events = put_run(cache), put_events(cache)  # there is no folder /sweep
    imported = import_cache(cache)
    assert imported.left.keys() == {run, events}
    assert "No folder with path" in imported.left[run]
    put_folder(cache)
    assert import_cache(cache).ok
    assert Run.count() == 1


def test_a_file_that_is_written_to_meanwhile_stays(client, cache):
    put_folder(cache)
    path = put_run(cache)

    def write(sender, **said):
        put_run(cache, description="later")

    with signals.post_create.connected_to(write, sender=Run):
        assert "meanwhile" in import_cache(cache).left[path]
    assert import_cache(cache).ok
    ((_, run),) = Run.get()
    assert run.description == "later"


@pytest.mark.parametrize("at", ["folders", "runs", "events"])
def test_an_import_that_is_interrupted_is_finished_and_sends_nothing_unasked_twice(
    client, cache, at
):
    """The answer is lost: a folder is said again, of a run and of events somebody has to tell."""
    put_folder(cache)
    run, events = put_run(cache), put_events(cache)
    sent = []

    # Requests and not answers: which of two receivers of one answer is called first is not told.
    def hear(sender, request):
        sent.append((request.method, request.path))

    def interrupt(sender, request, response):
        if response.url.endswith(at):
            raise KeyboardInterrupt

    signals.request_sent.connect(hear, sender=Client)
    with (
        signals.response_received.connected_to(interrupt, sender=Client),
        pytest.raises((CommitInterrupted, KeyboardInterrupt)),
    ):
        import_cache(cache)
    assert len(there(cache)) == 3
    imported = import_cache(cache)
    lost = {"folders": {}, "runs": {run, events}, "events": {events}}[at]
    assert imported.left.keys() == set(lost)
    if at == "runs":
        assert "may have been sent" in imported.left[run]
        assert "waits" in imported.left[events]
    assert Run.count() == 1
    (key,) = Run.ids()
    told = {run: key, events: None}
    assert import_cache(cache, settle=told.__getitem__).ok
    assert (Run.count(), sent.count(("POST", "/runs"))) == (1, 1)
    assert len(list(Events.get(key))) == 1 + (at == "events")


def test_heartbeats_go_while_a_run_does(client, cache, asked):
    put_folder(cache)
    put_run(cache)
    beat = cache / "runs" / f"{RUN}.heartbeat"
    beat.touch()
    import_cache(cache)
    (key,) = Run.ids()
    assert f"PUT /runs/{key}/heartbeat" in asked
    assert beat.exists()
    beat.with_suffix(".closed").touch()
    del asked[:]
    assert import_cache(cache).ok
    assert (asked, there(cache)) == ([], [])
    assert not (cache / "server_ids" / f"{RUN}.txt").exists()


def test_two_senders_at_once_are_one_too_many(client, cache):
    put_folder(cache)
    lock = cache / "sender.lock"
    lock.write_text(str(os.getppid()))  # a process that lives
    with pytest.raises(JournalError, match=f"process {os.getppid()}"):
        import_cache(cache)
    assert lock.exists()
    for gone in ("2147483646", "nonsense", "-1"):
        lock.write_text(gone)
        assert import_cache(cache).ok
        assert not lock.exists()
    with (
        Session(client, journal=cache / "imported.journal"),
        pytest.raises(JournalError, match="open in another session"),
    ):
        import_cache(cache)


def test_the_configured_cache_is_meant_and_one_that_is_not_there_is_told(
    client, cache, monkeypatch
):
    monkeypatch.setenv("SIMVUE_OFFLINE_DIRECTORY", str(cache))
    with pytest.raises(JournalError, match="no cache at"):
        import_cache()
    put_folder(cache)
    with (
        Session(offline=cache.parent / "it.journal"),
        pytest.raises(OfflineError, match="import_cache"),
    ):
        import_cache()
    assert import_cache().ok


# -- as a command ---------------------------------------------------------------------------------


@pytest.fixture
def served():
    with serve("simvue", check=True) as running:
        yield running
        assert running.server.violations == []


@pytest.fixture
def configured(served, home, monkeypatch):
    monkeypatch.setenv("SIMVUE_URL", served.url)
    monkeypatch.setenv("SIMVUE_TOKEN", served.server.credentials["TOKEN"])


def test_dispatch_takes_a_cache(configured, cache, capsys):
    put_folder(cache)
    put_run(cache, tags=["by command"])
    path = put_events(cache, run=named(99))
    assert main(["dispatch", str(cache)]) == 3
    said = capsys.readouterr().out
    assert said.startswith("2 done, 1 files left\n")
    assert str(path) in said
    path.unlink()
    assert main(["dispatch", str(cache)]) == 0
    assert Run.count(tags__contains="by command") == 1


def test_dispatch_takes_what_both_have_kept_in_one_folder(configured, cache, capsys, monkeypatch):
    monkeypatch.setenv("SIMVUE_OFFLINE_DIRECTORY", str(cache))
    put_folder(cache)
    put_run(cache, tags=["theirs"])
    made = ObjectArtifact.new(name="by both", obj=[1, 2], offline=True)
    made.attach_to_run(Run.new(folder="/", tags=["ours"], offline=True), "input")
    disconnect()
    assert main(["dispatch", str(cache)]) == 0
    said = capsys.readouterr().out
    assert said.endswith(" done, 0 files left\ndone before  0\ndone now     5\n")
    assert (Run.count(tags__contains="theirs"), Run.count(tags__contains="ours")) == (1, 1)
    ((_, run),) = Run.get(tags__contains="ours")
    assert Artifact.from_name(run, "by both").load() == [1, 2]
    assert main(["dispatch", str(cache)]) == 0
    assert Run.count(tags__contains="ours") == 1


def test_a_dispatch_that_is_killed_is_finished_by_another(configured, cache, served):
    """The process dies by SIGKILL when the first answer has come, before it is written down."""
    put_folder(cache)
    put_run(cache, tags=["killed"])
    put_events(cache, message="after a kill")
    program = (
        "import os, signal, sys\n"
        "from objmapper import signals\n"
        "from objmapper.cli import main\n"
        "from objmapper.simvue import Client\n"
        "def die(sender, request, response):\n"
        "    if response.url.endswith('/runs'): os.kill(os.getpid(), signal.SIGKILL)\n"
        "signals.response_received.connect(die, sender=Client)\n"
        "main(['dispatch', sys.argv[1]])\n"
    )
    before = Run.count()
    done = subprocess.run([sys.executable, "-c", program, str(cache)], check=False)
    assert done.returncode == -9
    assert Run.count() == before + 1
    # Whether the run was made, its answer being lost, nobody knows: it is not made again.
    assert main(["dispatch", str(cache)]) == 3
    assert Run.count() == before + 1
    ((key, _),) = Run.get(tags__contains="killed")
    (cache / "server_ids" / f"{RUN}.txt").write_text(key)
    assert main(["dispatch", str(cache)]) == 0
    assert (Run.count(), there(cache)) == (before + 1, [])
    assert [event.message for event in Events.get(key)] == ["after a kill"]
