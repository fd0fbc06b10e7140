"""Which view stands behind which path and method of the embedded CVAT."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from werkzeug.exceptions import NotFound
from werkzeug.routing import BaseConverter, Map, Rule

from objmapper.server.cvat import (
    about,
    access_tokens,
    annotation_views,
    auth,
    background,
    comments,
    ground_truth,
    guides,
    invitations,
    issues,
    jobs,
    labels,
    media,
    media_meta,
    memberships,
    organizations,
    projects,
    shares,
    tasks,
    uploads,
    users,
)
from objmapper.server.cvat.call import View
from objmapper.server.cvat.errors import UnknownPath
from objmapper.server.cvat.versions import Version


@dataclass(frozen=True)
class Route:
    """A path with its views by method; a public one needs no login."""

    title: str
    views: dict[str, View]
    public: bool = False
    # logout declares GET, and then refuses it (observed on CVAT 2.15).
    declared: tuple[str, ...] = ()
    # Whether personal access tokens can't change it.
    fixed: bool = False
    # Whether a slash may stand at its end.
    slash: bool = False
    # What a 401 asks for.
    challenge: str = "Token"

    @property
    def allow(self) -> str:
        """The Allow header, which CVAT sends with every answer of a view."""
        methods = [*self.declared, *self.views]
        more = ["HEAD"] if "GET" in methods else []
        return ", ".join(dict.fromkeys([*methods, *more, "OPTIONS"]))

    def is_closed_to(self, token: sqlite3.Row | None) -> bool:
        """Whether a personal access token may change nothing here."""
        return token is not None and (self.fixed or (token["read_only"] and not self.public))


class Key(BaseConverter):
    """A key in a path is anything without a slash or a dot; the view looks whether it is known."""

    regex = "[^/.]+"


def _collection(title: str, listed: View, created: View | None = None) -> Route:
    views = {"GET": listed} | ({"POST": created} if created else {})
    return Route(f"{title} List", views)


def _detail(
    title: str, retrieved: View, updated: View, removed: View, *, fixed: bool = False
) -> Route:
    views = {"GET": retrieved, "PATCH": updated, "DELETE": removed}
    return Route(f"{title} Instance", views, fixed=fixed)


def _annotations(title: str, views: dict[str, View]) -> Route:
    return Route(f"{title} Annotations", views, slash=True)


_ROUTES = {
    "/api/server/about": Route("About", {"GET": about.about}, public=True),
    "/api/auth/login": Route("Login", {"POST": auth.login}, public=True),
    "/api/auth/logout": Route("Logout", {"POST": auth.logout}, public=True, declared=("GET",)),
    "/api/auth/access_tokens": Route(
        "Access Token List",
        {"GET": access_tokens.listed, "POST": access_tokens.created},
        fixed=True,
    ),
    "/api/auth/access_tokens/self": Route(
        "Access Token Self", {"GET": access_tokens.myself}, challenge="Bearer"
    ),
    "/api/auth/access_tokens/<key:key>": _detail(
        "Access Token",
        access_tokens.retrieved,
        access_tokens.updated,
        access_tokens.removed,
        fixed=True,
    ),
    "/api/users": _collection("User", users.listed),
    "/api/users/self": Route("User Self", {"GET": users.myself}),
    "/api/users/<key:key>": _detail(
        "User", users.retrieved, users.updated, users.removed, fixed=True
    ),
    "/api/projects": _collection("Project", projects.listed, projects.created),
    "/api/projects/<key:key>": _detail(
        "Project", projects.retrieved, projects.updated, projects.removed
    ),
    "/api/projects/<key:key>/preview": Route("Project Preview", {"GET": media.preview_of_project}),
    "/api/tasks": _collection("Task", tasks.listed, tasks.created),
    "/api/tasks/<key:key>": _detail("Task", tasks.retrieved, tasks.updated, tasks.removed),
    "/api/tasks/<key:key>/data": Route(
        "Task Data",
        {"GET": media.of_task, "POST": uploads.posted, "OPTIONS": uploads.refused_options},
        slash=True,
    ),
    "/api/tasks/<key:key>/data/meta": Route(
        "Task Metadata", {"GET": media_meta.of_task, "PATCH": media_meta.of_task_updated}
    ),
    "/api/tasks/<key:key>/data/<uuid:file>": Route(
        "Task Data Chunk", {"PATCH": uploads.patched, "HEAD": uploads.asked}
    ),
    "/api/tasks/<key:key>/annotations": _annotations("Task", annotation_views.TASK),
    "/api/tasks/<key:key>/preview": Route("Task Preview", {"GET": media.preview_of_task}),
    "/api/tasks/<key:key>/status": Route("Task Status", {"GET": background.status}),
    "/api/jobs": _collection("Job", jobs.listed, ground_truth.created),
    "/api/jobs/<key:key>": _detail("Job", jobs.retrieved, jobs.updated, jobs.removed),
    "/api/jobs/<key:key>/data": Route("Job Data", {"GET": media.of_job}),
    "/api/jobs/<key:key>/data/meta": Route(
        "Job Metadata", {"GET": media_meta.of_job, "PATCH": media_meta.of_job_updated}
    ),
    "/api/jobs/<key:key>/annotations": _annotations("Job", annotation_views.JOB),
    "/api/jobs/<key:key>/preview": Route("Job Preview", {"GET": media.preview_of_job}),
    "/api/requests": _collection("Request", background.listed),
    "/api/requests/<key:key>": Route("Request Instance", {"GET": background.retrieved}),
    "/api/requests/<key:key>/cancel": Route("Cancel", {"POST": background.cancelled}),
    "/api/server/share": Route("Share", {"GET": shares.listed}),
    "/api/labels": _collection("Label", labels.listed),
    "/api/labels/<key:key>": _detail("Label", labels.retrieved, labels.updated, labels.removed),
    "/api/issues": _collection("Issue", issues.listed, issues.created),
    "/api/issues/<key:key>": _detail("Issue", issues.retrieved, issues.updated, issues.removed),
    "/api/comments": _collection("Comment", comments.listed, comments.created),
    "/api/comments/<key:key>": _detail(
        "Comment", comments.retrieved, comments.updated, comments.removed
    ),
    "/api/guides": Route("Annotation Guide List", {"POST": guides.created}),
    "/api/guides/<key:key>": _detail(
        "Annotation Guide", guides.retrieved, guides.updated, guides.removed
    ),
    "/api/organizations": _collection("Organization", organizations.listed, organizations.created),
    "/api/organizations/<key:key>": _detail(
        "Organization", organizations.retrieved, organizations.updated, organizations.removed
    ),
    "/api/memberships": _collection("Membership", memberships.listed),
    "/api/memberships/<key:key>": _detail(
        "Membership", memberships.retrieved, memberships.updated, memberships.removed
    ),
    "/api/invitations": _collection("Invitation", invitations.listed, invitations.created),
    "/api/invitations/<key:key>": Route(
        "Invitation Instance", {"GET": invitations.retrieved, "DELETE": invitations.removed}
    ),
    "/api/invitations/<key:key>/accept": Route("Accept", {"POST": invitations.accepted}),
    "/api/invitations/<key:key>/decline": Route("Decline", {"POST": invitations.declined}),
    "/api/invitations/<key:key>/resend": Route("Resend", {"POST": invitations.resent}),
}

_MAP = Map(
    [
        Rule(f"{path}{end}", endpoint=path)
        for path, route in _ROUTES.items()
        for end in ("", *(["/"] if route.slash else []))
    ],
    strict_slashes=True,
    converters={"key": Key},
    merge_slashes=False,
)
_ADAPTER = _MAP.bind("embedded")


def find(path: str, version: Version) -> tuple[Route, dict[str, str]]:
    """The route of a path and the variables in it; a trailing slash belongs to no path."""
    if not version.has(path):
        raise UnknownPath
    try:
        endpoint, variables = _ADAPTER.match(path)
    except NotFound:
        raise UnknownPath from None
    return _ROUTES[endpoint], dict(variables)
