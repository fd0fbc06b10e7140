"""What is done with a run beside changing it: stars, heartbeats, aborts."""

from __future__ import annotations

from objmapper.server.simvue import run_search, stars
from objmapper.server.simvue.call import Answer, Call
from objmapper.server.simvue.validation import clean
from objmapper.server.simvue.values import Text


def starred(call: Call, key: str) -> Answer:
    stars.star(call, run_search.visible(call, key)["key"])
    return Answer({"id": key})


def heartbeat(call: Call, key: str) -> Answer:
    """A run says that it is alive; nobody watches here whether it does."""
    clean(call.json(), {})
    call.update("run", run_search.writable(call, key)["id"], {"heartbeat": call.now()})
    return Answer({})


def aborted(call: Call, key: str) -> Answer:
    """Whether the run is asked to end."""
    return Answer({"status": run_search.visible(call, key)["abort_reason"] is not None})


def abort(call: Call, key: str) -> Answer:
    """The run is asked to end; it ends itself when its client hears of it."""
    row = run_search.writable(call, key)
    said = clean(call.json(), {"reason": Text(required=True)})
    call.update("run", row["id"], {"abort_reason": said["reason"]})
    return Answer({"status": True})
