"""What a run tells while it runs: events and metrics. Sent as msgpack, without a key.

Each object is one request with many entries; a session that sends several runs' sends them side by
side, after the runs themselves where those are new.
"""

from __future__ import annotations

import datetime as dt
import enum
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from objmapper import Embedded, fields, validate
from objmapper.dialects.base import row_of
from objmapper.exceptions import ContractError, cut
from objmapper.operation import Json, Response
from objmapper.simvue.base import SimvueObject, id_of
from objmapper.simvue.client import session_for
from objmapper.simvue.kinds import Moment
from objmapper.simvue.questions import (
    Came,
    ask,
    pages,
    refuse_negative,
    rows_came,
    rows_in,
    session_about,
)
from objmapper.simvue.runs import Run

#: What simvue 2.6.2 takes as the name of a metric.
METRIC = validate.Regexp(r"[a-zA-Z0-9\-_\s/.:=><+()%]+\Z", error="Not the name of a metric.")


class LogLevel(enum.StrEnum):
    """How grave an event is."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class Event(Embedded):
    """What happened, and when."""

    message = fields.String(required=True)
    log_level = fields.Enum(LogLevel, null=True)
    timestamp = Moment(required=True)


class MetricValues(fields.Dict[dict[str, Any]]):
    """Numbers by the name of their metric."""

    def faults(self, value: Any, wire: Any) -> list[str]:
        found = super().faults(value, wire)
        for name, number in () if found else wire.items():
            found += [f"{name!r}: {text}" for text in _wrong_number(number)]
            try:
                METRIC(name)
            except Exception as error:  # marshmallow's own
                found.append(f"{name!r}: {error}")
        return found


class MetricSet(Embedded):
    """The values of metrics at one moment of a run; ``time`` is in seconds since it began."""

    time = fields.Float(required=True)
    timestamp = Moment(required=True)
    step = fields.Integer(required=True, validate=validate.Range(min=0))
    values = MetricValues(required=True)


class Events(SimvueObject):
    """Events of a run, sent in one request::

        Events.new(run=run, events=[{"message": "begun", "timestamp": datetime.now(UTC)}]).commit()

    They have no id: nothing of them is changed or deleted.
    """

    id = None  # type: ignore[assignment]
    run = fields.ForeignKey(Run, required=True, write_once=True)
    events = fields.List(fields.Nested(Event), required=True, write_once=True)

    class Meta:
        keyless = True
        endpoint = "events"
        dialect_options = {"msgpack": True, "read by": "Events.get(run_id)"}

    @classmethod
    def new(
        cls, *, run: str | Run, events: Iterable[Event | Mapping[str, Any]], **options: Any
    ) -> Self:
        """Return events of *run*, which ``commit()`` sends; *options* are those of every object."""
        return cls(run=run, events=list(events), **options)

    @classmethod
    def get(  # type: ignore[override]
        cls,
        run_id: str | Run,
        *,
        count: int | None = None,
        offset: int | None = None,
        server_url: str | None = None,
        server_token: str | None = None,
    ) -> Iterator[Event]:
        """Yield the events of a run, *count* of them at most, from *offset* on.

        Raises ValueError for numbers below 0, ContractError for what makes no events.
        """
        refuse_negative(count, offset)
        session, run = session_for(server_url, server_token), ("run", id_of(run_id))
        found = pages(session, "/events", (run,), count, offset, rows_came)
        return (_event(row, page) for page in found for row in rows_in(page))

    def histogram(
        self,
        timestamp_begin: dt.datetime,
        timestamp_end: dt.datetime,
        window: int,
        filters: Iterable[str] | None = None,
    ) -> list[dict[str, Any]]:
        """Return how many events there were in each *window* of so many seconds."""
        params: list[tuple[str, Any]] = [
            ("run", id_of(self.run)),
            ("window", window),
            ("timestamp_begin", Event.timestamp.to_wire(timestamp_begin)),
            ("timestamp_end", Event.timestamp.to_wire(timestamp_end)),
        ]
        if filters is not None:
            params.append(("filters", json.dumps(list(filters))))
        return rows_in(ask(session_about(self), "GET", "/events/histogram", *params))


class Metrics(SimvueObject):
    """Metrics of a run, sent in one request; they have no id."""

    id = None  # type: ignore[assignment]
    run = fields.ForeignKey(Run, required=True, write_once=True)
    metrics = fields.List(fields.Nested(MetricSet), required=True, write_once=True)

    class Meta:
        keyless = True
        endpoint = "metrics"
        dialect_options = {"msgpack": True, "read by": "Metrics.get(metrics, xaxis, runs)"}

    @classmethod
    def new(
        cls, *, run: str | Run, metrics: Iterable[MetricSet | Mapping[str, Any]], **options: Any
    ) -> Self:
        """Return metrics of *run*, which ``commit()`` sends; *options* are those of every object."""
        return cls(run=run, metrics=list(metrics), **options)

    @classmethod
    def get(  # type: ignore[override]
        cls,
        metrics: Iterable[str],
        xaxis: str,
        runs: Iterable[str | Run],
        *,
        count: int | None = None,
        offset: int | None = None,
        aggregate: bool | None = None,
        max_points: int | None = None,
        server_url: str | None = None,
        server_token: str | None = None,
    ) -> Iterator[dict[str, dict[str, list[dict[str, Any]]]]]:
        """Yield ``{run id: {metric: [{xaxis: ..., "value": ...}]}}``, page by page.

        *xaxis* is "step", "time" or "timestamp"; *count* and *offset* are of each metric of each run.
        With *aggregate* it is one dict by metric, of what the runs have together; *max_points* thins
        out. Both are one answer. Raises ValueError for any other axis and for numbers below 0.
        """
        if xaxis not in ("step", "time", "timestamp"):
            raise ValueError(f"xaxis is 'step', 'time' or 'timestamp', not {xaxis!r}.")
        refuse_negative(count, offset)
        said: dict[str, Any] = {
            "metrics": json.dumps(list(metrics)),
            "runs": json.dumps([id_of(run) for run in runs]),
            "xaxis": xaxis,
        }
        session = session_for(server_url, server_token)
        if not aggregate and max_points is None:
            found = pages(session, "/metrics", tuple(said.items()), count, offset, _points)
            return (row_of(page.json(), page) for page in found)
        more = {"aggregate": aggregate, "max_points": max_points, "count": count, "start": offset}
        said |= {name: value for name, value in more.items() if value is not None}
        answer = ask(session, "GET", "/metrics", *said.items())
        return iter([row_of(answer.json(), answer)])

    @staticmethod
    def span(
        run_ids: Iterable[str | Run],
        *,
        server_url: str | None = None,
        server_token: str | None = None,
    ) -> dict[str, Any]:
        """Return from when to when the metrics of runs go."""
        body = Json([id_of(run) for run in run_ids])
        session = session_for(server_url, server_token)
        response = ask(session, "GET", "/metrics/span", body=body)
        return row_of(response.json(), response)

    @staticmethod
    def names(
        run_ids: Iterable[str | Run],
        *,
        server_url: str | None = None,
        server_token: str | None = None,
    ) -> list[str]:
        """Return the names of the metrics of runs. Raises ContractError for what is no list of them."""
        runs = ("runs", json.dumps([id_of(run) for run in run_ids]))
        response = ask(session_for(server_url, server_token), "GET", "/metrics/names", runs)
        found = response.json()
        if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
            raise ContractError(f"{response.url} answered something else than a list of names.")
        return found


def _points(page: Response) -> Came:
    """Return how many points the longest of a page's metrics has. Raises ContractError."""
    longest = 0
    for run, metrics in row_of(page.json(), page).items():
        for name, points in row_of(metrics, page).items():
            if not isinstance(points, list):
                raise ContractError(f"{page.url} tells no list of points of {name!r} in {run!r}.")
            longest = max(longest, len(points))
    return Came(longest)


def _wrong_number(value: Any) -> list[str]:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return [] if number and math.isfinite(value) else [f"Not a number: {value!r}."]


def _event(row: dict[str, Any], page: Response) -> Event:
    for field in (Event.message, Event.timestamp):
        if not isinstance(row.get(field.key), str):
            raise ContractError(f"{page.url} tells of an event without {field.name!r}: {cut(row)}.")
    found: Event = Event.__embedded__.wrap(row, locked=True)
    return found


__all__ = [
    "Event",
    "Events",
    "LogLevel",
    "METRIC",
    "MetricSet",
    "MetricValues",
    "Metrics",
]
