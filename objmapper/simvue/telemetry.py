"""What a run tells while it runs: events, metrics, metrics on grids. Sent as msgpack, without a key.

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
from objmapper.dialects.base import quote_key, row_of, rows_of, total_of, unwrap
from objmapper.exceptions import ContractError, cut
from objmapper.operation import Json, Request, Response
from objmapper.simvue.base import SimvueObject, id_of
from objmapper.simvue.client import session_for
from objmapper.simvue.dialect import PAGE_SIZE
from objmapper.simvue.kinds import Moment
from objmapper.simvue.runs import NAME, Run

_METRIC = validate.Regexp(r"[a-zA-Z0-9\-_\s/.:=><+()%]+\Z", error="Not the name of a metric.")


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
                _METRIC(name)
            except Exception as error:  # marshmallow's own
                found.append(f"{name!r}: {error}")
        return found


class MetricSet(Embedded):
    """The values of metrics at one moment of a run; ``time`` is in seconds since it began."""

    time = fields.Float(required=True)
    timestamp = Moment(required=True)
    step = fields.Integer(required=True, validate=validate.Range(min=0))
    values = MetricValues(required=True)


class GridMetricSet(Embedded):
    """The values of a metric over a grid at one moment of a run."""

    time = fields.Float(required=True)
    timestamp = Moment(required=True)
    step = fields.Integer(required=True, validate=validate.Range(min=0))
    array = fields.Raw(required=True)
    grid = fields.String(required=True)
    metric = fields.String(required=True, validate=_METRIC)


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
        cls, *, run: str | Run, events: Iterable[Event | Mapping[str, Any]], offline: bool = False
    ) -> Self:
        """Return events of *run*, which ``commit()`` sends."""
        return cls(run=run, events=list(events), offline=offline)

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
        """Yield the events of a run, *count* of them at most, from *offset* on."""
        session = session_for(server_url, server_token)
        params = (("run", id_of(run_id)),)
        for page in _pages(session, "/events", params, count, offset):
            rows = rows_of(unwrap(page.json(), "data", page), page)
            yield from (_event(row, page) for row in rows)

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
        response = _ask(session_for(), Request("GET", "/events/histogram", tuple(params)))
        return rows_of(unwrap(response.json(), "data", response), response)


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
        cls,
        *,
        run: str | Run,
        metrics: Iterable[MetricSet | Mapping[str, Any]],
        offline: bool = False,
    ) -> Self:
        """Return metrics of *run*, which ``commit()`` sends."""
        return cls(run=run, metrics=list(metrics), offline=offline)

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

        *xaxis* is "step", "time" or "timestamp". With *aggregate* it is one dict by metric, of what
        the runs have together. Raises ValueError for any other axis.
        """
        if xaxis not in ("step", "time", "timestamp"):
            raise ValueError(f"xaxis is 'step', 'time' or 'timestamp', not {xaxis!r}.")
        params: list[tuple[str, Any]] = [
            ("metrics", json.dumps(list(metrics))),
            ("runs", json.dumps([id_of(run) for run in runs])),
            ("xaxis", xaxis),
        ]
        if aggregate is not None:
            params.append(("aggregate", str(aggregate)))
        if max_points is not None:
            params.append(("max_points", max_points))
        session = session_for(server_url, server_token)
        size = PAGE_SIZE if count is None else count
        told = (*params, ("count", size), ("start", offset or 0))
        response = _ask(session, Request("GET", "/metrics", told))
        yield row_of(response.json(), response)

    @staticmethod
    def span(run_ids: Iterable[str | Run]) -> dict[str, Any]:
        """Return from when to when the metrics of runs go."""
        body = Json([id_of(run) for run in run_ids])
        response = _ask(session_for(), Request("GET", "/metrics/span", body=body))
        return row_of(response.json(), response)

    @staticmethod
    def names(run_ids: Iterable[str | Run]) -> list[str]:
        """Return the names of the metrics of runs. Raises ContractError for what is no list of them."""
        params = (("runs", json.dumps([id_of(run) for run in run_ids])),)
        response = _ask(session_for(), Request("GET", "/metrics/names", params))
        found = response.json()
        if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
            raise ContractError(f"{response.url} answered something else than a list of names.")
        return found


class Grid(SimvueObject):
    """The axes that metrics are given over: one or two lists of ascending numbers."""

    name = fields.String(required=True, write_once=True, validate=NAME)
    grid = fields.List(fields.List(fields.Float()), required=True, write_once=True)
    labels = fields.List(fields.String(), required=True, write_once=True)
    created = Moment(read_only=True)

    class Meta:
        pass

    @classmethod
    def new(
        cls, *, name: str, grid: Iterable[Iterable[float]], labels: Iterable[str], **values: Any
    ) -> Self:
        """Return a new grid, which ``commit()`` sends. Raises ValueError for axes that can't be."""
        axes = [[float(tick) for tick in axis] for axis in grid]
        told = list(labels)
        if not 1 <= len(axes) <= 2 or len(told) != len(axes):
            raise ValueError(
                f"A grid has one or two axes and a label for each, not {len(axes)} and {len(told)}."
            )
        for label, axis in zip(told, axes, strict=True):
            if axis != sorted(axis):
                raise ValueError(f"The axis {label!r} of a grid ascends: sort its numbers.")
        return cls(name=name, grid=axes, labels=told, **values)

    @property
    def dimensions(self) -> int:
        """How many axes it has."""
        return len(self.grid)

    def attach_metric_for_run(self, run_id: str | Run, metric_name: str) -> None:
        """Have *metric_name* of a run be given over this grid."""
        path = f"/runs/{quote_key(id_of(run_id))}/grids/{quote_key(id_of(self))}"
        body = Json({"metric": metric_name})
        _ask(session_for(), Request("PUT", path, body=body, repeatable=True))

    def get_run_metric_values(self, run_id: str | Run, metric_name: str, step: int) -> Any:
        """Return the values of a metric of a run at one step."""
        response = _ask(session_for(), _of_metric(run_id, metric_name, "values", step=step))
        return row_of(response.json(), response)

    def get_run_metric_span(self, run_id: str | Run, metric_name: str) -> dict[str, Any]:
        """Return from when to when a metric of a run goes. Raises ContractError where none is told."""
        response = _ask(session_for(), _of_metric(run_id, metric_name, "span"))
        found = rows_of(response.json(), response)
        if not found:
            raise ContractError(f"{response.url} tells no span.")
        return found[0]


class GridMetrics(SimvueObject):
    """Metrics of a run over grids, sent in one request; they have no id."""

    id = None  # type: ignore[assignment]
    run = fields.ForeignKey(Run, required=True, write_once=True)
    data = fields.List(fields.Nested(GridMetricSet), required=True, write_once=True)

    class Meta:
        keyless = True
        endpoint = "runs/{run}/metrics"
        dialect_options = {
            "msgpack": True,
            "shape": staticmethod(lambda said: said["data"]),
            "read by": "GridMetrics.get(runs=..., metrics=..., step=...)",
        }

    @classmethod
    def new(
        cls,
        *,
        run: str | Run,
        data: Iterable[GridMetricSet | Mapping[str, Any]],
        offline: bool = False,
    ) -> Self:
        """Return metrics of *run*, which ``commit()`` sends."""
        return cls(run=run, data=list(data), offline=offline)

    @classmethod
    def get(  # type: ignore[override]
        cls,
        *,
        runs: Iterable[str | Run],
        metrics: Iterable[str],
        step: int,
        count: int | None = None,
        offset: int | None = None,
        server_url: str | None = None,
        server_token: str | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Yield the values of each metric of each run at one step: a request each."""
        session, names = session_for(server_url, server_token), list(metrics)
        more = {"count": PAGE_SIZE if count is None else count, "start": offset or 0}
        for run in runs:
            for name in names:
                response = _ask(session, _of_metric(run, name, "values", step=step, **more))
                yield row_of(response.json(), response)


def _of_metric(run: str | Run, metric: str, what: str, **params: Any) -> Request:
    path = f"/runs/{quote_key(id_of(run))}/metrics/{quote_key(metric)}/{what}"
    return Request("GET", path, tuple(params.items()))


def _wrong_number(value: Any) -> list[str]:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return [] if number and math.isfinite(value) else [f"Not a number: {value!r}."]


def _ask(session: Any, request: Request) -> Response:
    with session.using():
        response: Response = session.send(request)
    return response


def _pages(
    session: Any,
    path: str,
    params: tuple[tuple[str, Any], ...],
    count: int | None,
    offset: int | None,
) -> Iterator[Response]:
    """Yield the pages of a list of what has no key, up to *count* entries."""
    for name, number in (("count", count), ("offset", offset)):
        if number is not None and number < 0:
            raise ValueError(f"{name}={number} is below 0.")
    start, left = offset or 0, count
    while left is None or left > 0:
        size = PAGE_SIZE if left is None else min(left, PAGE_SIZE)
        page = _ask(session, Request("GET", path, (*params, ("count", size), ("start", start))))
        yield page
        came = len(rows_of(unwrap(page.json(), "data", page), page))
        total = total_of(page.json().get("count"), page)
        start += came
        left = None if left is None else left - came
        if not came or (came < size if total is None else start >= total):
            return


def _event(row: dict[str, Any], page: Response) -> Event:
    for field in (Event.message, Event.timestamp):
        if not isinstance(row.get(field.key), str):
            raise ContractError(f"{page.url} tells of an event without {field.name!r}: {cut(row)}.")
    found: Event = Event.__embedded__.wrap(row, locked=True)
    return found


__all__ = [
    "Event",
    "Events",
    "Grid",
    "GridMetricSet",
    "GridMetrics",
    "LogLevel",
    "MetricSet",
    "MetricValues",
    "Metrics",
]
