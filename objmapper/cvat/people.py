"""Who works with CVAT: users, organizations, and what users are in organizations.

Somebody becomes a member by an invitation: ``organization.invitations.create(email=..., role=...)``.
Read from the answers of CVAT 2.15.0 and from the models of cvat-sdk 2.80.0.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

from objmapper import fields, validate
from objmapper.cvat.base import CVATModel
from objmapper.operation import Request
from objmapper.state import live_session

if TYPE_CHECKING:
    from objmapper.cvat.models import Job, Project, Task


class User(CVATModel):
    """A user; who is no administrator sees only the names of others."""

    id = fields.Integer(primary_key=True)
    url = fields.String(read_only=True)
    username = fields.String(required=True)
    first_name = fields.String()
    last_name = fields.String()
    email = fields.String(null=True)
    groups = fields.List(fields.String(), null=True)
    is_staff = fields.Boolean(null=True)
    is_superuser = fields.Boolean(null=True)
    is_active = fields.Boolean(null=True)
    last_login = fields.DateTime(read_only=True, null=True)
    date_joined = fields.DateTime(read_only=True, null=True)
    has_analytics_access = fields.Boolean(read_only=True, null=True)
    email_verified = fields.Boolean(read_only=True, null=True)

    class Meta:
        natural_key = ("username",)
        dialect_options = {
            "context": "members",
            "filters": {
                name: name for name in ("id", "username", "first_name", "last_name", "is_active")
            },
        }


class Role(enum.StrEnum):
    """What a member is in an organization, from the one who may everything down."""

    OWNER = "owner"
    MAINTAINER = "maintainer"
    SUPERVISOR = "supervisor"
    WORKER = "worker"


class Organization(CVATModel):
    """An organization: projects and tasks belong to it, members work on them.

    Who makes one owns it. ``client.organization_context(organization.slug)`` speaks of it.
    """

    id = fields.Integer(primary_key=True)
    slug = fields.String(
        required=True,
        validate=[validate.Length(max=16), validate.Regexp(r"[-a-zA-Z0-9_]+\Z")],
    )
    name = fields.String(validate=validate.Length(max=64))
    description = fields.String()
    contact = fields.Raw()
    owner = fields.ForeignKey(User, read_only=True, null=True)
    created_date = fields.DateTime(read_only=True)
    updated_date = fields.DateTime(read_only=True)
    projects: fields.HasMany[Project] = fields.HasMany("Project", by="organization")
    tasks: fields.HasMany[Task] = fields.HasMany("Task", by="organization")
    jobs: fields.HasMany[Job] = fields.HasMany("Job", by="organization")
    memberships: fields.HasMany[Membership] = fields.HasMany("Membership", by="organization")
    invitations: fields.HasMany[Invitation] = fields.HasMany("Invitation", by="organization")

    class Meta:
        natural_key = ("slug",)
        created_field = "created_date"
        dialect_options = {
            "context": "none",
            "filters": {
                **{name: name for name in ("id", "slug", "name")},
                "owner__username": "owner",
            },
        }


#: An organization is named by parameters of its own, wherever objects belong to one.
IN_ORGANIZATION = {
    "organization": "org_id",
    "organization__id": "org_id",
    "organization__slug": "org",
}


class Membership(CVATModel):
    """What a user is in an organization; an invitation makes it, deleting it ends it.

    One with ``is_active`` False waits for its invitation to be accepted.
    """

    id = fields.Integer(primary_key=True)
    user = fields.ForeignKey(User, read_only=True)
    organization = fields.ForeignKey(Organization, read_only=True)
    is_active = fields.Boolean(read_only=True)
    joined_date = fields.DateTime(read_only=True, null=True)
    role = fields.Enum(Role)
    invitation: fields.ForeignKey[Invitation | None] = fields.ForeignKey(
        "Invitation", read_only=True, null=True
    )

    class Meta:
        natural_key = ("organization", "user")
        dialect_options = {
            "made by": "Invitation",
            "parameters": IN_ORGANIZATION,
            "filters": {"id": "id", "role": "role", "user__username": "user"},
        }


class Invitation(CVATModel):
    """An invitation to an organization; a known user is a member at once, others accept it.

    Without *organization* it is to the one that the thread speaks of (``organization_context``).
    It is found in the organization's context by its staff, and anywhere by who sent or got it.
    """

    key = fields.String(primary_key=True)
    # Sent, and told by no answer: the user is.
    email = fields.String(required=True, write_once=True, null=True)
    role = fields.Enum(Role, required=True, write_once=True)
    organization = fields.ForeignKey(Organization, data_key="organization_info", write_once=True)
    user = fields.ForeignKey(User, read_only=True)
    owner = fields.ForeignKey(User, read_only=True, null=True)
    created_date = fields.DateTime(read_only=True)
    expired = fields.Boolean(read_only=True, null=True)
    accepted = fields.Boolean(read_only=True, null=True)

    class Meta:
        ordering = ("-created_date",)
        dialect_options = {
            "context": "details",
            "parameters": IN_ORGANIZATION,
            "sorts": {"created_date": "created_date", "owner__username": "owner"},
            "filters": {
                "accepted": "accepted",
                "owner__username": "owner",
                "user": "user_id",
                "user__id": "user_id",
            },
        }

    def accept(self) -> None:
        """Become a member, now; only who was invited can. The object is loaded anew."""
        self._send("accept")
        self.refresh()

    def decline(self) -> None:
        """Refuse it, now; only who was invited can. Invitation and membership are gone."""
        session = self._send("decline")
        with session.using():
            session.members.forget(self)

    def resend(self) -> None:
        """Send it again, now, for whoever has let it expire; the object is loaded anew."""
        self._send("resend")
        self.refresh()

    def _send(self, action: str) -> Any:
        session = live_session(self, f"{action}()")
        request: Request = session.dialect.action(self, action)
        with session.using():
            session.send(request)
        return session


__all__ = ["IN_ORGANIZATION", "Invitation", "Membership", "Organization", "Role", "User"]
