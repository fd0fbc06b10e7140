"""Events: lines that a run logs, with a time and perhaps a level."""

from __future__ import annotations

from datetime import datetime, timedelta

from objmapper.server.simvue import run_search, watching
from objmapper.server.simvue.call import Answer, Call
from objmapper.server.simvue.errors import Unprocessable
from objmapper.server.simvue.filters import Terms, conditions
from objmapper.server.simvue.listing import page
from objmapper.server.simvue.validation import Many, Nested, clean, clean_one
from objmapper.server.simvue.values import Moment, Text, written

LEVELS = ("debug", "info", "warning", "error", "critical")
_EVENTS = {
    "run": Text(required=True),
    "events": Many(
        Nested(
            {
                "message": Text(required=True),
                "log_level": Text(choices=LEVELS, null=True),
                "timestamp": Moment(required=True),
            }
        ),
        required=True,
    ),
}
_TERMS = Terms("", texts={"event.message": "message", "event.log_level": "log_level"}, times={})
_MOST_BINS = 10_000


def logged(call: Call) -> Answer:
    said = clean(call.packed(), _EVENTS)
    (run,) = run_search.named(call, [said["run"]], "body", "run").values()
    run_search.writable(call, said["run"])
    call.connection.executemany(
        "INSERT INTO event (run_id, timestamp, message, log_level) VALUES (?, ?, ?, ?)",
        [(run, each["timestamp"], each["message"], each["log_level"]) for each in said["events"]],
    )
    watching.events(call, run, [each["message"] for each in said["events"]])
    return Answer({})


def _run(call: Call) -> int:
    key = call.parameter("run")
    if key is None:
        raise Unprocessable.at("missing", "Field required", "query", "run")
    return int(run_search.visible(call, key)["id"])


def listed(call: Call) -> Answer:
    run = _run(call)
    where, values = "run_id = ?", [run]
    for sql, more in conditions(call, _TERMS):
        where, values = f"{where} AND ({sql})", [*values, *more]
    total = call.rows(f"SELECT count(*) FROM event WHERE {where}", values)[0][0]
    rows = call.rows(
        f"SELECT message, log_level, timestamp FROM event WHERE {where}"
        " ORDER BY timestamp, id LIMIT ? OFFSET ?",
        (*values, *call.part()),
    )
    return Answer(page([dict(row) for row in rows], total))


def histogram(call: Call) -> Answer:
    """How many events each window of so many seconds has, from a time to another."""
    run = _run(call)
    window = call.number("window", least=1)
    begin, end = (_moment(call, f"timestamp_{name}") for name in ("begin", "end"))
    if window is None:
        raise Unprocessable.at("missing", "Field required", "query", "window")
    step = timedelta(seconds=min(window, 10**9))
    bins = -(-(end - begin) // step)
    if not 1 <= bins <= _MOST_BINS:
        text = f"From begin to end should be 1 to {_MOST_BINS} windows"
        raise Unprocessable.at("range", text, "query", "window")
    counts = [0] * bins
    for row in call.rows(
        "SELECT timestamp FROM event WHERE run_id = ? AND timestamp >= ? AND timestamp < ?",
        (run, written(begin), written(end)),
    ):
        counts[(datetime.fromisoformat(row["timestamp"]) - begin) // step] += 1
    data = [
        {"timestamp": written(begin + at * step), "count": count} for at, count in enumerate(counts)
    ]
    return Answer({"data": data})


def _moment(call: Call, name: str) -> datetime:
    text = call.parameter(name)
    return datetime.fromisoformat(clean_one(text, Moment(), ("query", name)))
