"""Runs that refer to alerts which are not on the server yet: those are made first, in the same commit."""

import pytest

from objmapper import CommitError, Plan, Session, ValidationError, inspect
from objmapper.simvue import Client, Folder, MetricsThresholdAlert, Run, UserAlert


def alert(name="u"):
    return UserAlert.new(name=name)


def watched(*alerts):
    run = Run.new(folder="/", name="r")
    run.alerts = list(alerts)
    return run


def told(client, run):
    """The names of the alerts that the server has of a run; alerts of one wave are made in any order."""
    rows = client.request("GET", f"/runs/{run.id}").json()["alerts"]
    return sorted(row["alert"]["name"] for row in rows)


def test_new_alerts_go_before_the_run_that_refers_to_them(client, asked):
    known = alert("known")
    known.commit()
    del asked[:]
    new = [alert("one"), alert("two")]
    run = watched(new[0], known.id, new[1])
    report = run.commit()
    assert sorted(report.created.objects, key=repr) == sorted([run, *new], key=repr)
    assert asked == ["POST /alerts", "POST /alerts", "POST /runs"]
    assert run.alerts == [new[0].id, known.id, new[1].id]
    assert told(client, run) == ["known", "one", "two"]
    assert run.changes == {}
    assert client.session.commit().requests == 0


def test_a_new_alert_is_put_into_a_run_that_is_there(client, asked):
    run = watched(first := alert("first"))
    run.commit()
    run.alerts.append(second := alert("second"))
    assert list(run.changes) == ["alerts"]
    assert run.to_dict()["alerts"] == [first.id, None]
    del asked[:]
    run.commit()
    assert asked == ["POST /alerts", f"PUT /runs/{run.id}"]
    assert run.alerts == [first.id, second.id]
    run.refresh()
    assert (run.alerts, run.changes) == ([first.id, second.id], {})
    run.alerts.append(alert("never"))
    run.revert()
    assert (run.alerts, run.changes) == ([first.id, second.id], {})


def test_runs_of_one_list_share_a_new_alert(client, asked):
    new = alert()
    client.session.add_all(runs := [watched(new) for _ in range(3)])
    client.session.commit()
    assert asked == ["POST /alerts", "POST /runs"]
    assert [run.alerts for run in runs] == [[new.id]] * 3


def test_a_plan_shows_what_waits_and_is_read_back(client):
    new = alert()
    client.session.add(run := watched(new))
    plan = client.session.plan()
    assert [op.wave for op in plan] == [1, 2]
    assert plan.operations[1].after == {1}
    assert "key of" in str(plan.operations[1].to_json())
    written = plan.to_json()
    client.session.rollback()
    again = Plan.from_json(written, client.session)
    client.session.apply(again)
    ((_, found),) = Run.get()
    assert told(client, found) == ["u"]
    assert run.alerts == [new]


@pytest.mark.parametrize("wrong", [7, "", None, ["a"]])
def test_what_is_no_alert_is_refused_before_anything_is_sent(client, asked, wrong):
    run = Run.new(folder="/")
    run.alerts = [wrong]
    with pytest.raises(ValidationError, match="alerts"):
        run.commit()
    assert asked == []


def test_an_object_of_another_kind_is_no_alert(client):
    run = Run.new(folder="/")
    with pytest.raises(TypeError, match="takes alerts"):
        run.alerts = [Folder.new(path="/a")]


def test_a_run_waits_for_an_alert_that_is_refused(client):
    good = {"metric": "x", "rule": "is above", "window": 1, "frequency": 1, "threshold": 0}
    new = MetricsThresholdAlert.new(name="m", **good)
    run = watched(new, "n" * 22)  # one that the server does not know
    with pytest.raises(CommitError, match="No alert with id") as raised:
        run.commit()
    assert raised.value.report.counts() == {"created": 1, "failed": 1}
    run.alerts = [new]
    assert run.commit().ok
    assert told(client, run) == ["m"]


def test_what_is_undone_refers_to_the_alert_again(client, asked):
    new = alert()
    client.session.add(run := watched(new))
    report = client.session.commit()
    ids = (run.id, new.id)
    del asked[:]
    report.undo()
    # The run goes before the alert that it was made after, which still has its id then.
    deleted = [each for each in asked if each.startswith("DELETE")]
    assert deleted == [f"DELETE /runs/{ids[0]}", f"DELETE /alerts/{ids[1]}"]
    assert (Run.count(), UserAlert.count()) == (0, 0)
    assert run.alerts == [new]
    client.session.commit()
    assert told(client, run) == ["u"]


# -- offline, and with a journal ------------------------------------------------------------------


def recovered(client, path):
    with Session(client, journal=path) as session:
        return session.recover()


def test_a_run_with_new_alerts_waits_offline(client, asked, home):
    path = home / "it.journal"
    with Session(offline=path) as session:
        new = alert()
        session.add_all([watched(new), watched(new, alert("v"))])
        assert session.commit().counts() == {"pending": 4}
    assert asked == []
    assert recovered(client, path).counts() == {"created": 4}
    assert recovered(client, path).counts() == {"created": 4}
    assert asked[:2] == ["POST /alerts"] * 2
    assert asked.count("POST /runs") == 1
    assert sorted(told(client, run) for _, run in Run.get()) == [["u"], ["u", "v"]]


def test_a_run_of_known_id_gets_a_new_alert_offline(client, home):
    run = watched()
    run.commit()
    path = home / "it.journal"
    with Session(offline=path) as session:
        other = Run.objects.using(session).reference(run.id)
        other.alerts = [alert()]
        session.commit()
    assert recovered(client, path).counts() == {"created": 1, "updated": 1}
    assert told(client, run) == ["u"]


def test_a_program_that_is_run_again_finds_run_and_alert(client, asked, home):
    def program(*names):
        with Session(client, journal=home / "it.journal") as session:
            session.add(run := watched(*map(alert, names)), tag="run")
            return session.commit(), run.alerts

    _, first = program("u")
    del asked[:]
    report, second = program("u")
    assert (report.requests, second) == (0, first)
    program("u", "v")
    assert asked == ["POST /alerts", asked[-1]]
    ((_, run),) = Run.get()
    assert told(client, run) == ["u", "v"]


def test_a_commit_that_ended_between_alert_and_run_is_finished(home, faulty_server):
    path = home / "it.journal"
    with Client("embedded://simvue?check=1") as client:
        with Session(client, journal=path) as session:
            session.add(watched(alert(), "n" * 22), tag="run")
            with pytest.raises(CommitError):
                session.commit()
            session.rollback()
        with Session(client, journal=path) as session:
            session.add(run := watched(alert()), tag="run")
            assert session.commit().ok
        assert told(client, run) == ["u"]
        assert UserAlert.count() == 1
        assert inspect(run).lifecycle == "detached"
