"""Which organization a request speaks of, and what its user is there.

``X-Organization``, ``org`` and ``org_id`` say it to lists and creates; what is addressed by its id is
judged in the organization that it belongs to (recorded from CVAT 2.15, and its code).
"""

from __future__ import annotations

from typing import NamedTuple

from objmapper.server.cvat.call import Call, key_in
from objmapper.server.cvat.errors import Invalid, NotFound

#: From the one who may everything down.
ROLES = ("owner", "maintainer", "supervisor", "worker")
#: What users are on the whole server, from the one who may everything down.
GROUPS = ("admin", "business", "user", "worker")


class Context(NamedTuple):
    """What a request says of organizations."""

    #: The id of the organization; None for none.
    organization: int | None
    #: Whether it says anything at all: an empty name is the personal workspace.
    given: bool


def asked(call: Call) -> Context:
    """The organization that a request names. 400 for two that differ, 404 for an unknown one."""
    slug, key = call.parameter("org"), call.parameter("org_id")
    header = call.request.headers.get("X-Organization")
    if key is not None and (slug is not None or header is not None):
        raise Invalid(
            [
                'You cannot specify "org_id" query parameter with "org" query parameter or '
                '"X-Organization" HTTP header at the same time.'
            ]
        )
    if slug is not None and header is not None and slug != header:
        raise Invalid(
            [
                'You cannot specify "org" query parameter and "X-Organization" HTTP header with '
                "different values."
            ]
        )
    slug = slug if slug is not None else header
    given = slug is not None or key is not None
    if not (slug or key):
        return Context(None, given)
    found = (
        call.row("SELECT id FROM organization WHERE slug = ?", (slug,))
        if slug
        else call.row("SELECT id FROM organization WHERE id = ?", (key_in((key or "").strip()),))
    )
    if found is None:
        raise NotFound(f"{slug or key} organization does not exist.")
    return Context(int(found["id"]), given)


def role_in(call: Call, organization: int | None) -> str | None:
    """The role of who asks in an organization; None for who is no member, or not one yet."""
    if organization is None:
        return None
    row = call.row(
        "SELECT role FROM membership WHERE organization_id = ? AND user_id = ? AND is_active",
        (organization, call.actor["id"]),
    )
    return None if row is None else str(row["role"])


def is_at_least(role: str | None, least: str) -> bool:
    """Whether a role has the powers of another one.

    >>> is_at_least("owner", "maintainer"), is_at_least("worker", "supervisor")
    (True, False)
    """
    return role is not None and ROLES.index(role) <= ROLES.index(least)


def has_group(call: Call, least: str) -> bool:
    """Whether who asks is in a group, or in one that is above it."""
    above = GROUPS[: GROUPS.index(least) + 1]
    return call.is_admin or not set(above).isdisjoint(call.actor["roles"].split(","))
