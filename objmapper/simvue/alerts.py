"""Alerts: rules over events and over metrics, and what a user raises.

Which of them a row is, its ``source`` tells, and for metrics the definition: a threshold of 0 is one.
"""

from __future__ import annotations

import enum
from typing import Any, Self

from objmapper import Embedded, fields, validate
from objmapper.dialects.base import quote_key, unwrap
from objmapper.exceptions import ContractError, ValidationError
from objmapper.report import CommitReport
from objmapper.simvue.base import SimvueObject, id_of, of, part, say
from objmapper.simvue.kinds import Constant, Moment
from objmapper.simvue.questions import session_about
from objmapper.simvue.runs import NAME, Run

_ABOVE_ZERO = validate.Range(min=0, min_inclusive=False)


class Notification(enum.StrEnum):
    """Whether an alert sends an e-mail."""

    NONE = "none"
    EMAIL = "email"


class AlertStatus(enum.StrEnum):
    """How an alert stands in a run."""

    OK = "ok"
    CRITICAL = "critical"


class Aggregation(enum.StrEnum):
    """What of a metric's values in a window is compared."""

    AVERAGE = "average"
    SUM = "sum"
    AT_LEAST_ONE = "at least one"
    ALL = "all"


class EventsDefinition(Embedded):
    """What an alert on events looks for, and how often, in minutes."""

    pattern = fields.String(required=True, write_once=True)
    frequency = fields.Integer(required=True, validate=_ABOVE_ZERO)


class _MetricsDefinition(Embedded):
    """What alerts on metrics have in common."""

    metric = fields.String(required=True, write_once=True)
    aggregation = fields.Enum(Aggregation, required=True, write_once=True)
    window = fields.Integer(required=True, write_once=True, validate=_ABOVE_ZERO)
    frequency = fields.Integer(required=True, validate=_ABOVE_ZERO)


class ThresholdDefinition(_MetricsDefinition):
    """Beyond which value a metric raises an alert; window and frequency are minutes."""

    rule = fields.String(
        required=True, write_once=True, validate=validate.OneOf(["is above", "is below"])
    )
    threshold = fields.Float(required=True, write_once=True)


class RangeDefinition(_MetricsDefinition):
    """Inside or outside which range a metric raises an alert; window and frequency are minutes."""

    rule = fields.String(
        required=True,
        write_once=True,
        validate=validate.OneOf(["is inside range", "is outside range"]),
    )
    range_low = fields.Float(required=True, write_once=True)
    range_high = fields.Float(required=True, write_once=True)


def kind_of(row: dict[str, Any]) -> str:
    """Return which kind of alert a row is."""
    source, definition = row.get("source"), row.get("alert")
    if source != "metrics" or not isinstance(definition, dict):
        return str(source)
    return "metrics threshold" if definition.get("threshold") is not None else "metrics range"


class Alert(SimvueObject):
    """What all alerts have; ``Alert(identifier=...)`` is an object of its kind, in one request.

    An alert that equals one that is there is that one: ``report.existing`` has it then.
    """

    name = fields.String(required=True, validate=NAME)
    source = fields.String(read_only=True)
    description = fields.String(null=True, default=None)
    notification = fields.Enum(Notification, default=Notification.NONE)
    enabled = fields.Boolean(default=True)
    abort = fields.Boolean()
    auto = fields.Boolean()
    run_tags = fields.List(fields.String(), read_only=True)
    delay = fields.Integer(read_only=True, null=True)
    created = Moment(read_only=True)

    class Meta:
        polymorphic_on = staticmethod(kind_of)
        dialect_options = {
            "unique": True,
            "params": {"deduplicate": True},
            "sorts": ("name", "created"),
        }

    def get_status(self, run_id: str | Run) -> AlertStatus | None:
        """Return how the alert stands in a run; None where that is not known yet.

        Raises ContractError for a status that is none.
        """
        response = self._act("GET", "/status/", quote_key(id_of(run_id)))
        status = unwrap(response.json(), "status", response)
        try:
            return None if status is None else AlertStatus(status)
        except ValueError:
            raise ContractError(f"{response.url} tells {status!r} as the status.") from None

    def compare(self, other: Alert) -> bool:
        """Whether *other* is an alert of the same kind, name and definition."""
        if type(other) is not type(self):
            return False
        names = ("name", "description", "notification", "alert")
        fields_ = type(self).__mapper__.fields
        return all(getattr(self, n) == getattr(other, n) for n in names if n in fields_)


class Standing(SimvueObject):
    """A user's alert stands so in a run: "ok" or "critical"; what ``set_status`` says."""

    id = None  # type: ignore[assignment]
    alert = fields.ForeignKey(Alert, required=True, write_once=True)
    run = fields.ForeignKey(Run, required=True, write_once=True)
    status = fields.Enum(AlertStatus, required=True, write_once=True)

    class Meta:
        keyless = True
        endpoint = "alerts/{alert}/status/{run}"
        dialect_options = {"put": True, "shape": part("status")}


class EventsAlert(Alert):
    """An alert on what events say."""

    source = Constant(default="events")
    alert = fields.Nested(EventsDefinition)

    class Meta:
        polymorphic_identity = "events"
        natural_key = ("name", "description", "notification", "source", "alert")

    @classmethod
    def new(cls, *, name: str, pattern: str, frequency: int, **values: Any) -> Self:
        """Return a new alert that looks for *pattern* every *frequency* minutes.

        Other fields may be given, too: *description*, *notification*, *enabled*, *abort*.
        """
        definition = EventsDefinition(pattern=pattern, frequency=frequency)
        return cls(name=name, alert=definition, **values)


class MetricsThresholdAlert(Alert):
    """An alert on a metric that rises above a value, or falls below it."""

    source = Constant(default="metrics")
    alert = fields.Nested(ThresholdDefinition)

    class Meta:
        polymorphic_identity = "metrics threshold"
        natural_key = ("name", "description", "notification", "source", "alert")

    @classmethod
    def new(
        cls,
        *,
        name: str,
        metric: str,
        rule: str,
        window: int,
        threshold: float,
        frequency: int,
        aggregation: str = "average",
        **values: Any,
    ) -> Self:
        """Return a new alert: *metric* over *window* minutes, looked at every *frequency* minutes.

        Other fields may be given, too, as those of every alert.
        """
        definition = ThresholdDefinition(
            metric=metric,
            aggregation=aggregation,
            rule=rule,
            window=window,
            threshold=threshold,
            frequency=frequency,
        )
        return cls(name=name, alert=definition, **values)


class MetricsRangeAlert(Alert):
    """An alert on a metric that enters a range, or leaves it."""

    source = Constant(default="metrics")
    alert = fields.Nested(RangeDefinition)

    class Meta:
        polymorphic_identity = "metrics range"
        natural_key = ("name", "description", "notification", "source", "alert")

    @classmethod
    def new(
        cls,
        *,
        name: str,
        metric: str,
        rule: str,
        window: int,
        range_low: float,
        range_high: float,
        frequency: int,
        aggregation: str = "average",
        **values: Any,
    ) -> Self:
        """Return a new alert: *metric* over *window* minutes, looked at every *frequency* minutes.

        Other fields may be given, too, as those of every alert. Raises ValidationError unless
        *range_low* is below *range_high*.
        """
        numbers = all(isinstance(end, int | float) for end in (range_low, range_high))
        if numbers and not range_low < range_high:
            why = f"range_low={range_low} is not below range_high={range_high}."
            raise ValidationError.of([(cls.__name__, "alert", [why])])
        definition = RangeDefinition(
            metric=metric,
            aggregation=aggregation,
            rule=rule,
            window=window,
            range_low=range_low,
            range_high=range_high,
            frequency=frequency,
        )
        return cls(name=name, alert=definition, **values)


class UserAlert(Alert):
    """An alert that its user raises: ``alert.set_status(run, "critical")``."""

    source = Constant(default="user")

    class Meta:
        polymorphic_identity = "user"
        natural_key = ("name", "description", "notification", "source")

    @classmethod
    def new(cls, *, name: str, **values: Any) -> Self:
        """Return a new alert, which ``commit()`` sends; other fields may be given, too."""
        return cls(name=name, **values)

    def set_status(self, run_id: str | Run, status: str) -> CommitReport:
        """Say how the alert stands in a run: "ok" or "critical"; what is new of the two goes first.

        In an offline session it waits. Raises ValueError for any other status, CommitError.
        """
        said = Standing(alert=of(self), run=of(run_id), status=AlertStatus(status))
        return say(session_about(self), said)


__all__ = [
    "Aggregation",
    "Alert",
    "AlertStatus",
    "EventsAlert",
    "EventsDefinition",
    "MetricsRangeAlert",
    "MetricsThresholdAlert",
    "Notification",
    "RangeDefinition",
    "Standing",
    "ThresholdDefinition",
    "UserAlert",
]
