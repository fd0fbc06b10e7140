"""Alerts: which kind a row is, their definitions, their status in runs."""

import pytest

from objmapper import ReadOnlyFieldError, ValidationError, fields
from objmapper.simvue import (
    Alert,
    EventsAlert,
    MetricsRangeAlert,
    MetricsThresholdAlert,
    Run,
    SimvueObject,
    UserAlert,
)
from objmapper.simvue.base import registry


def threshold(value=0.0, **values):
    told = {"metric": "x", "rule": "is above", "window": 1, "frequency": 1, "threshold": value}
    return MetricsThresholdAlert.new(name=values.pop("name", "t"), **told, **values)


def ranged(**values):
    told = {"metric": "x", "rule": "is inside range", "window": 2, "frequency": 1}
    return MetricsRangeAlert.new(name="r", range_low=0, range_high=2.5, **told, **values)


KINDS = {
    EventsAlert: lambda: EventsAlert.new(name="e", pattern="*.log", frequency=2),
    MetricsThresholdAlert: threshold,
    MetricsRangeAlert: ranged,
    UserAlert: lambda: UserAlert.new(name="u", notification="email"),
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_alert_by_id_is_of_its_kind_in_one_request(client, asked, kind):
    alert = KINDS[kind]()
    assert alert.commit().created.objects == [alert]
    key = alert.id
    client.session.close()
    del asked[:]
    found = Alert(identifier=key)
    assert type(found) is kind
    assert found is kind(identifier=key)
    assert asked == [f"GET /alerts/{key}"] * 2
    assert found.name == alert.name
    assert found.source == {EventsAlert: "events", UserAlert: "user"}.get(kind, "metrics")


def test_a_threshold_of_zero_is_a_threshold(client):
    threshold(0).commit()
    ((_, found),) = Alert.get()
    assert type(found) is MetricsThresholdAlert
    assert found.alert.threshold == 0.0


def test_definitions_are_read_without_a_request_each(client, asked):
    for n in range(3):
        EventsAlert.new(name=f"e{n}", pattern=f"p{n}", frequency=1).commit()
    client.session.close()
    del asked[:]
    assert [
        found.alert.pattern
        for _, found in Alert.get(sorting=[{"column": "name", "descending": False}])
    ] == ["p0", "p1", "p2"]
    assert asked == ["GET /alerts"]


def test_what_is_created_is_what_the_published_client_sends(client):
    client.session.add(threshold(0.5, description="d"))
    request = client.session.plan().operations[0].request
    assert request.params == (("deduplicate", True),)
    assert request.body.value == {
        "name": "t",
        "description": "d",
        "notification": "none",
        "source": "metrics",
        "enabled": True,
        "alert": {
            "rule": "is above",
            "metric": "x",
            "aggregation": "average",
            "window": 1,
            "threshold": 0.5,
            "frequency": 1,
        },
    }


def test_the_frequency_may_be_changed_and_the_rest_of_a_definition_not(client, asked):
    alert = KINDS[EventsAlert]()
    alert.commit()
    alert.refresh()
    with pytest.raises(ReadOnlyFieldError):
        alert.alert.pattern = "x"
    alert.alert.frequency = 7
    alert.enabled = False
    del asked[:]
    alert.commit()
    assert asked == [f"PUT /alerts/{alert.id}"]
    alert.refresh()
    assert (alert.alert.frequency, alert.alert.pattern, alert.enabled) == (7, "*.log", False)


def test_an_alert_that_equals_one_is_that_one(client):
    first, second, other = threshold(), threshold(), threshold(1.0)
    first.commit()
    report = second.commit()
    assert (report.existing.objects, second.id) == ([second], first.id)
    assert other.commit().created.objects == [other]
    assert first.compare(threshold())
    assert not first.compare(other)
    assert not first.compare(ranged())


def test_kinds_are_asked_for_apart(client):
    for make in KINDS.values():
        make().commit()
    assert [type(found) for found in MetricsRangeAlert.objects.all()] == [MetricsRangeAlert]
    ((key, found),) = UserAlert.get()
    assert (type(found), list(UserAlert.ids())) == (UserAlert, [key])
    assert (UserAlert.count(), Alert.count()) == (1, 4)
    assert list(EventsAlert.get(offset=1)) == []


def test_a_user_raises_an_alert_in_a_run(client):
    run, alert = Run.new(folder="/"), UserAlert.new(name="u")
    run.commit(), alert.commit()
    run.alerts = [alert]
    run.commit()
    run.refresh()
    assert (run.to_dict()["alerts"], run.to_dict()["notifications"]) == ([alert.id], "none")
    assert run.alerts == [alert.id] == run.to_dict()["alerts"]
    assert alert.get_status(run) is None
    alert.set_status(run, "critical")
    assert alert.get_status(run.id) == "critical"
    with pytest.raises(ValueError, match="terrible"):
        alert.set_status(run, "terrible")
    assert list(Run.objects.filter(alerts__name="u", alerts__status="critical")) == [run]
    assert [told["alert"]["id"] for told in run.get_alert_details()] == [alert.id]
    run.alerts.clear()
    run.commit()
    run.refresh()
    assert run.alerts == []


def test_what_is_asked_of_an_alert_in_a_run_needs_the_ids_of_both(client):
    with pytest.raises(ValueError, match="commit it"):
        UserAlert.objects.reference("k" * 22).get_status(Run.new(folder="/"))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: MetricsRangeAlert.new(
                name="r",
                metric="x",
                rule="is inside range",
                window=1,
                frequency=1,
                range_low=2,
                range_high=2,
            ),
            "below",
        ),
        (
            lambda: (
                threshold(frequency=0)
                if False
                else MetricsThresholdAlert.new(
                    name="t", metric="x", rule="is above", window=1, frequency=0, threshold=1
                )
            ),
            "frequency",
        ),
        (
            lambda: MetricsThresholdAlert.new(
                name="t", metric="x", rule="is inside range", window=1, frequency=1, threshold=1
            ),
            "rule",
        ),
        (
            lambda: MetricsThresholdAlert.new(
                name="t", metric="x", rule="is above", window=1, frequency=1, threshold="1"
            ),
            "threshold",
        ),
        (lambda: EventsAlert.new(name="a$", pattern="x", frequency=1), "Not a name"),
        (lambda: UserAlert.new(name="a", notification="phone"), "notification"),
    ],
)
def test_what_makes_no_alert_is_refused_before_it_is_sent(client, asked, make, said):
    with pytest.raises(ValidationError, match=said):
        make().commit()
    assert asked == []


def test_the_source_is_never_set(client):
    with pytest.raises(ReadOnlyFieldError):
        UserAlert.new(name="u").source = "events"


def test_an_alert_of_a_kind_that_nobody_knows_is_an_alert(small):
    class Beacon(Alert):
        """An integration's own kind."""

        class Meta:
            polymorphic_identity = "beacon"

    row = {"id": "k" * 22, "source": "beacon", "name": "b"}
    assert Alert.__mapper__.classes_of([row, {**row, "source": "new"}]) == [Beacon, Alert]
    Alert.__mapper__.polymorphic.pop("beacon")


def test_an_integration_adds_a_class_for_an_endpoint_of_its_own(client):
    class Widget(SimvueObject):
        name = fields.String(required=True)

    assert Widget.__mapper__.endpoint == "widgets"
    assert registry["widgets"] is Widget
    client.session.add(Widget.new(name="w"))
    (operation,) = client.session.plan()
    assert (operation.request.method, operation.request.body.value) == ("POST", {"name": "w"})
    client.session.rollback()
    del registry._by_endpoint["widgets"]
