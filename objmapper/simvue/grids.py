"""Grids, and the metrics of runs over them: a grid has an id, what stands on it is sent as msgpack."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from objmapper import Embedded, fields, validate
from objmapper.dialects.base import quote_key, row_of, rows_of
from objmapper.exceptions import ContractError
from objmapper.report import CommitReport
from objmapper.simvue.base import SimvueObject, id_of, of, part, say
from objmapper.simvue.client import session_for
from objmapper.simvue.kinds import Key, Moment
from objmapper.simvue.questions import (
    ask,
    pages,
    refuse_negative,
    rows_came,
    rows_in,
    session_about,
)
from objmapper.simvue.runs import NAME, Run
from objmapper.simvue.telemetry import METRIC


class GridMetricSet(Embedded):
    """The values of a metric over a grid at one moment of a run."""

    time = fields.Float(required=True)
    timestamp = Moment(required=True)
    step = fields.Integer(required=True, validate=validate.Range(min=0))
    array = fields.Raw(required=True)
    #: The grid, or its id.
    grid = Key("grids", required=True)
    metric = fields.String(required=True, validate=METRIC)


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

    def attach_metric_for_run(self, run_id: str | Run, metric_name: str) -> CommitReport:
        """Have *metric_name* of a run be given over this grid; what is new of the two goes first.

        In an offline session it waits. Raises ValidationError for no name of a metric, CommitError.
        """
        said = Placement(run=of(run_id), grid=of(self), metric=metric_name)
        return say(session_about(self), said)

    def get_run_metric_values(self, run_id: str | Run, metric_name: str, step: int) -> Any:
        """Return the values of a metric of a run at one step."""
        path = _of_metric(run_id, metric_name, "values")
        response = ask(session_about(self), "GET", path, ("step", step))
        return row_of(response.json(), response)

    def get_run_metric_span(self, run_id: str | Run, metric_name: str) -> dict[str, Any]:
        """Return from when to when a metric of a run goes. Raises ContractError where none is told."""
        response = ask(session_about(self), "GET", _of_metric(run_id, metric_name, "span"))
        found = rows_of(response.json(), response)
        if not found:
            raise ContractError(f"{response.url} tells no span.")
        return found[0]


class Placement(SimvueObject):
    """A metric of a run is given over a grid; what ``attach_metric_for_run`` says."""

    id = None  # type: ignore[assignment]
    run = fields.ForeignKey(Run, required=True, write_once=True)
    grid = fields.ForeignKey(Grid, required=True, write_once=True)
    metric = fields.String(required=True, write_once=True, validate=METRIC)

    class Meta:
        keyless = True
        endpoint = "runs/{run}/grids/{grid}"
        dialect_options = {"put": True, "shape": part("metric")}


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
            "after": Placement.__mapper__.endpoint,
            "read by": "GridMetrics.get(runs=..., metrics=..., step=...)",
        }

    @classmethod
    def new(
        cls, *, run: str | Run, data: Iterable[GridMetricSet | Mapping[str, Any]], **options: Any
    ) -> Self:
        """Return metrics of *run*, which ``commit()`` sends; *options* are those of every object."""
        return cls(run=run, data=list(data), **options)

    @classmethod
    def get(  # type: ignore[override]
        cls,
        *,
        runs: Iterable[str | Run],
        metrics: Iterable[str],
        step: int | None = None,
        count: int | None = None,
        offset: int | None = None,
        server_url: str | None = None,
        server_token: str | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Yield what each metric of each run has at one step: a request each.

        Without a *step* it is what they have at each, page by page, *count* of each metric at most,
        from *offset* on. Raises ValueError for numbers below 0.
        """
        refuse_negative(count, offset)
        session = session_for(server_url, server_token)
        paths = [_of_metric(run, name, "values") for name in [*metrics] for run in [*runs]]
        return _arrays(session, paths, step, count, offset)


def _arrays(
    session: Any, paths: list[str], step: int | None, count: int | None, offset: int | None
) -> Iterator[dict[str, Any]]:
    for path in paths:
        if step is None:
            for page in pages(session, path, (), count, offset, rows_came):
                yield from rows_in(page)
        else:
            response = ask(session, "GET", path, ("step", step))
            yield row_of(response.json(), response)


def _of_metric(run: str | Run, metric: str, what: str) -> str:
    return f"/runs/{quote_key(id_of(run))}/metrics/{quote_key(metric)}/{what}"


__all__ = ["Grid", "GridMetricSet", "GridMetrics", "Placement"]
