"""What is done with a run beside changing it: stars, heartbeats, aborts."""

from __future__ import annotations

from objmapper.server.simvue import runs, stars
from objmapper.server.simvue.call import Answer, Call
from objmapper.server.simvue.validation import Text, clean


def starred(call: Call, key: str) -> Answer:
    stars.star(call, runs.visible(call, key)["key"])
    return Answer({"id": key})


def heartbeat(call: Call, key: str) -> Answer:
    """A run says that it is alive; nobody watches here whether it does."""
    clean(call.json(), {})
    call.update("run", runs.writable(call, key)["id"], {"heartbeat": call.now()})
    return Answer({})


def aborted(call: Call, key: str) -> Answer:
    """Whether the run is asked to end."""
    return Answer({"status": runs.visible(call, key)["abort_reason"] is not None})


def abort(call: Call, key: str) -> Answer:
    """The run is asked to end; it ends itself when its client hears of it."""
    row = runs.writable(call, key)
    said = clean(call.json(), {"reason": Text(required=True)})
    call.update("run", row["id"], {"abort_reason": said["reason"]})
    return Answer({"status": True})
