"""GET /api/server/about: name and version, for everybody.

cvat-sdk 2.80 fails without ``logo_url`` and ``subtitle``, which came with server 2.30.
"""

from __future__ import annotations

from objmapper.server.cvat.call import Answer, Call


def about(call: Call, _: dict[str, str]) -> Answer:
    return Answer(
        {
            "name": "Computer Vision Annotation Tool",
            "description": "An embedded server that behaves as CVAT does, for tests and offline "
            "work. It is not CVAT.",
            "version": call.version.release,
            "logo_url": "",
            "subtitle": "embedded",
        }
    )
