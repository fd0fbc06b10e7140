"""The versions that a client asks for before anything else (``simvue.config.user``)."""

from __future__ import annotations

from objmapper.server.simvue.call import Answer, Call


def version(call: Call) -> Answer:
    """Between 1.1.0 and 2.0.0, or the published client goes no further."""
    return Answer({"version": "1.5.0"})


def nosim(call: Call) -> Answer:
    """The server of the documentation; who is told of none can't be built a second time."""
    return Answer({"version": "1.0.0"})
