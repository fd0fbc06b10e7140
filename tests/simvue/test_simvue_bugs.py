"""What simvue 2.6.2 does wrongly, done rightly here, as far as no other test tells; and own endpoints."""

import datetime as dt
import re
from pathlib import Path

import faultproxy
import faulty
import pytest

from objmapper import BadRequest, CommitError, ConnectError, NotAuthenticated, fields
from objmapper.server import serve
from objmapper.simvue import (
    Artifact,
    Client,
    Events,
    EventsAlert,
    FileArtifact,
    Folder,
    Grid,
    GridMetrics,
    Metrics,
    MetricsThresholdAlert,
    ObjectArtifact,
    Run,
    SimvueObject,
    UserAlert,
)

ROOT = Path(__file__).parents[2]
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjk5OTk5OTk5OTl9.c2lnbmF0dXJl"
KEY = "k" * 22


def test_kinds_that_are_listed_come_to_the_last(client, asked):
    """Alert.get and Artifact.get send one request there, and yield what is in that."""
    for n in range(101):
        client.request("POST", "/alerts", json={"name": f"a{n}", "source": "user"})
        said = {"name": f"f{n}", "size": 0, "checksum": "0" * 64}
        client.request("POST", "/artifacts", json=said)
    there = {kind: kind.count() for kind in (UserAlert, Artifact)}
    del asked[:]
    for kind in there:
        assert len(list(kind.get())) == there[kind] == 101
        assert len(asked) == 2
        assert len(list(kind.ids(count=100))) == 100
        assert len(list(kind.get(count=101, offset=1))) == 100
        del asked[:]


def test_alerts_are_compared_without_a_request(client, asked):
    """``==`` of two alerts is 8 requests there."""
    metric = {"metric": "x", "rule": "is above", "window": 1, "frequency": 1}
    one = MetricsThresholdAlert.new(name="t", threshold=0, **metric)
    one.commit()
    del asked[:]
    assert one.compare(MetricsThresholdAlert.new(name="t", threshold=0, **metric))
    assert not one.compare(MetricsThresholdAlert.new(name="t", threshold=1, **metric))
    assert not one.compare(EventsAlert.new(name="t", pattern="x", frequency=1))
    assert asked == []


def test_what_is_listed_is_read_without_a_request_and_unlocked_it_sends_nothing_back(client, asked):
    """There a list's row was kept as if it were set, with ``is_read_only`` as a field of the server's."""
    run = Run.new(folder="/", name="r", star=True)
    folder = Folder.new(path="/f", description="d", metadata={"a": 1}, star=True)
    client.session.add_all([run, folder])
    client.session.commit()
    client.session.close()
    del asked[:]
    ((_, found),) = Run.get()
    there = {each.path: each for _, each in Folder.get()}["/f"]
    assert (found.star, found.visibility.public, found.notifications) == (True, False, "none")
    assert (there.name, there.description, there.metadata, there.star) == (
        None,
        "d",
        {"a": 1},
        True,
    )
    for obj in (found, there):
        obj.read_only(False)
        assert obj.changes == {}
        assert obj.commit().requests == 0
    assert asked == ["GET /runs", "GET /folders"]


def test_alerts_of_a_run_keep_their_order_and_may_be_taken_out(client):
    """There what is set is joined with what is there, in any order."""
    alerts = [UserAlert.new(name=name) for name in "cab"]
    client.session.add_all(alerts)
    client.session.commit()
    keys = [alert.id for alert in alerts]
    run = Run.new(folder="/")
    run.alerts = keys
    client.session.add(run)
    (operation,) = client.session.plan()
    assert operation.request.body.value["alerts"] == keys
    run.commit()
    run.alerts = keys[1:]
    run.commit()
    run.refresh()
    assert sorted(run.alerts) == sorted(keys[1:])


def test_a_deletion_without_a_word_is_one(faulty_server):
    """There an answer without a body to a DELETE is an error."""
    with Client(faulty_server.url, TOKEN, check_server_version=False):
        for answer in (faulty.answer("", 204), faulty.say({})):
            faulty_server.then(faulty.say({"id": KEY}), answer)
            run = Run.new(folder="/")
            run.commit()
            assert run.delete().deleted.objects == [run]


def test_what_a_sender_noted_of_versions_locks_nobody_out(home, monkeypatch):
    """There a sender's ``version.json`` of a server without noSim keeps every process from beginning."""
    monkeypatch.setenv("SIMVUE_OFFLINE_DIRECTORY", str(home))
    (home / "version.json").write_text('{"server": "1.5.0", "nosim": "None"}')
    with Client("embedded://simvue") as client:
        Run.new(folder="/").commit()
        assert client.get_server_version() != "None"
    Run.new(folder="/", offline=True).commit()
    assert (home / "version.json").exists()


def test_an_object_artifact_goes_to_the_server_that_is_named(home):
    """There the server that is named is dropped; others that are told in lots go there as well."""
    with serve("simvue") as running:
        named = {"server_url": running.url, "server_token": running.server.credentials["TOKEN"]}
        artifact = ObjectArtifact.new(name="o", obj=[1], **named)
        assert artifact.commit().ok
        assert [found for _, found in Artifact.get(**named)] == [artifact]
        run = Run.new(folder="/", **named)
        told = {"message": "m", "timestamp": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)}
        point = {**told, "time": 0, "step": 0}
        del point["message"]
        grid = Grid.new(name="g", grid=[[0, 1]], labels=["x"], **named)
        grid.attach_metric_for_run(run, "A")
        array = {**point, "array": [1, 2], "grid": grid, "metric": "A"}
        for said in (
            Events.new(run=run, events=[told], **named),
            Metrics.new(run=run, metrics=[{**point, "values": {"x": 1}}], **named),
            GridMetrics.new(run=run, data=[array], **named),
        ):
            assert said.commit().ok
        assert [event.message for event in Events.get(run, **named)] == ["m"]
        assert Metrics.names([run], **named) == ["x"]
        assert [each["array"] for each in GridMetrics.get(runs=[run], metrics=["A"], **named)] == [
            [1, 2]
        ]


def test_a_run_without_artifacts_has_none(client):
    run = Run.new(folder="/")
    run.commit()
    assert list(Artifact.from_run(run)) == []
    with pytest.raises(Artifact.DoesNotExist):
        Artifact.from_name(run, "none")


def test_nothing_is_sent_that_was_not_said(client):
    """There a new run says ``system: null``, and keys of its own have to be taken out again."""
    bodies = {
        Run.new(folder="/"): {"folder": "/", "status": "created"},
        Folder.new(path="/a"): {"path": "/a"},
        UserAlert.new(name="u"): {
            "name": "u",
            "description": None,
            "notification": "none",
            "source": "user",
            "enabled": True,
        },
    }
    client.session.add_all(bodies)
    assert [op.request.body.value for op in client.session.plan()] == [*bodies.values()]
    client.session.rollback()


@pytest.mark.parametrize("is_new", [True, False])
def test_what_the_server_finds_wrong_is_told_field_by_field(client, is_new):
    """There that of a POST alone is."""
    run = Run.new(folder="/nowhere" if is_new else "/")
    if not is_new:
        run.commit()
        run.folder = "/nowhere"
    with pytest.raises(CommitError, match="No folder with path") as raised:
        run.commit()
    error = raised.value.report.failed[0].error
    assert isinstance(error, BadRequest)
    assert error.status == 422
    assert any("No folder with path" in text for texts in error.errors.values() for text in texts)
    client.session.rollback()


def test_a_token_that_ends_while_it_is_used_is_told_and_shown_nowhere(faulty_server):
    with Client(faulty_server.url, TOKEN, check_server_version=False) as client:
        over = faulty.say({"detail": "Token has expired"}, 401)
        faulty_server.then(faulty.say({"id": KEY}), over)
        run = Run.new(folder="/")
        run.commit()
        run.name = "n"
        with pytest.raises(CommitError, match="Token has expired") as raised:
            run.commit()
        assert isinstance(raised.value.report.failed[0].error, NotAuthenticated)
        assert TOKEN not in str(raised.value) + repr(raised.value.report.to_json())
        with pytest.raises(NotAuthenticated):
            list(Run.get())
        faulty_server.then(faulty.say({"id": KEY}))
        assert client.session.commit().updated.objects == [run]
    assert [seen.method for seen in faulty_server.seen] == ["POST", "PUT", "GET", "PUT"]


def test_an_upload_that_is_sent_again_is_sent_whole(home, faulty_server):
    """There a second attempt once sent what the first one had left of the file: nothing."""
    path = home / "f.txt"
    path.write_bytes(content := b"0123456789" * 20_000)
    with serve("simvue") as running:
        passed = faultproxy.passed_on(running.url)
        faulty_server.then(passed, faulty.say({}, 503, Retry_After="0"), *[passed] * 9)
        token = running.server.credentials["TOKEN"]
        with Client(faulty_server.url, token, check_server_version=False):
            artifact = FileArtifact.new(name="f", file_path=path)
            assert artifact.commit().ok
            assert b"".join(artifact.download_content()) == content
    puts = [seen.body for seen in faulty_server.seen if "/storage/" in seen.path]
    assert [len(body) for body in puts[:2]] == [len(content)] * 2


def test_the_certificate_that_is_configured_counts_for_lists_as_well(home, tls_server, certificate):
    """There ``get_paginated`` forgets it."""
    tls_server.then(faulty.say({"data": [{"id": KEY, "name": "r"}], "count": 1}))
    (home / "simvue.toml").write_text(
        f'[server]\nurl = "{tls_server.url}"\ntoken = "{TOKEN}"\n'
        f'[server.certificates]\nserver_ca_cert = "{certificate}"\n'
    )
    with Client(check_server_version=False):
        assert list(Run.ids()) == [KEY]
        assert [key for key, _ in Run.get()] == [KEY]
    (home / "simvue.toml").write_text(f'[server]\nurl = "{tls_server.url}"\ntoken = "{TOKEN}"\n')
    with Client(check_server_version=False, retries=0), pytest.raises(ConnectError):
        list(Run.ids())


# -- an endpoint that the binding does not know ---------------------------------------------------


@pytest.fixture
def dashboard():
    """The class of the how-to, as it stands there."""
    page = (ROOT / "docs" / "howto" / "simvue.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"^class Dashboard.*?\n\n", page, re.DOTALL | re.MULTILINE)
    assert len(text.splitlines()) < 10
    # As the how-to's own block has it: declared again, a class takes the place of the first.
    space = {"__name__": "__main__", "SimvueObject": SimvueObject, "fields": fields}
    exec(text, space)
    yield space["Dashboard"]
    SimvueObject.__mapper__.registry._by_endpoint.pop("dashboards", None)


def test_a_class_of_under_ten_lines_reaches_an_endpoint_of_ones_own(faulty_server, dashboard):
    row = {"id": KEY, "name": "night", "layout": {"columns": 2}, "created": "2026-01-01T00:00:00.0"}
    with Client(faulty_server.url, TOKEN, check_server_version=False) as client:
        faulty_server.then(faulty.say({"id": KEY}))
        new = dashboard.new(name="night", layout={"columns": 2})
        assert new.commit().created.objects == [new]
        client.session.close()
        faulty_server.then(
            faulty.say(row), faulty.say({"id": KEY}), faulty.say({"data": [row], "count": 1})
        )
        found = dashboard(identifier=KEY)
        assert (found.name, found.layout, found.created.year) == ("night", {"columns": 2}, 2026)
        found.read_only(False)
        found.layout["columns"] = 3
        found.commit()
        assert dict(dashboard.get()) == {KEY: found}
        faulty_server.then(faulty.say({}))
        found.delete()
    assert [f"{seen.method} {seen.path}" for seen in faulty_server.seen] == [
        "POST /api/dashboards",
        f"GET /api/dashboards/{KEY}",
        f"PUT /api/dashboards/{KEY}",
        "GET /api/dashboards",
        f"DELETE /api/dashboards/{KEY}",
    ]
    assert faulty_server.seen[2].json() == {"layout": {"columns": 3}}
