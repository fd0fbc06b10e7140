"""What a version of CVAT does, where the versions differ: the one place that knows.

2.80 is what the rooms around are written for (known from cvat-sdk 2.80.0); 2.15 is told by what it
has less or otherwise (recorded, its OpenAPI document, its code). Kinds are named as in the paths.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from objmapper.server.cvat.terms import Listing

Names = Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Version:
    """One version of CVAT."""

    #: What the server says that it is.
    release: str
    #: The most rows of a page; None for as many as asked for, ``all`` too.
    max_page_size: int | None
    #: Whether personal access tokens are taken.
    access_tokens: bool
    #: Whether a request with a Token and no session is given one.
    token_starts_session: bool
    #: Whether it tells of background requests, and answers with their ids.
    requests: bool = True
    #: Whether the address of a file in pieces is built on what the client says of itself.
    tus_needs_origin: bool = False
    #: Whether data can't do without a quality of their pictures.
    data_needs_quality: bool = False
    #: Whether a task's frames are checked by their numbers in the source, as its data start.
    counts_from_source: bool = False
    #: Whether a job's chunks may be asked for by their place in the job.
    job_chunks: bool = True
    #: Whether an attribute can be deleted from its label.
    attributes_go: bool = True
    #: Whether shapes have a score, and annotations intervals.
    scores: bool = True
    #: Paths that it does not have, by how they begin.
    paths: tuple[str, ...] = ()
    #: Keys that its rows don't have and its bodies don't know, by kind.
    keys: Names = field(default_factory=dict)
    #: Names that it neither filters nor sorts by, by kind.
    terms: Names = field(default_factory=dict)
    #: Names that JSON Logic alone may say, by kind: it neither sorts by them nor has parameters.
    filtered_only: Names = field(default_factory=dict)
    #: Names that it searches in beside the others, by kind.
    searched: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def has(self, path: str) -> bool:
        """Whether it knows a path at all."""
        return not path.startswith(self.paths)

    def heard(self, kind: str, body: Any) -> Any:
        """A request's body, without the keys that are none to this version."""
        return _without(body, self.keys.get(kind))

    def told(self, kind: str, body: Any) -> Any:
        """An answer of rows, one or a page, without the keys that this version does not have."""
        unknown = self.keys.get(kind)
        if unknown and isinstance(body, dict) and "results" in body:
            return body | {"results": [_without(row, unknown) for row in body["results"]]}
        return _without(body, unknown)

    def listing(self, kind: str, listing: Listing) -> Listing:
        """A list with the names that this version knows."""
        unknown, more = self.terms.get(kind, frozenset()), self.searched.get(kind, ())
        filtered_only = self.filtered_only.get(kind, frozenset())
        if not (unknown or more or filtered_only):
            return listing
        return replace(
            listing,
            terms={name: term for name, term in listing.terms.items() if name not in unknown},
            simple=tuple(name for name in listing.simple if name not in unknown | filtered_only),
            search=(*listing.search, *more),
            filtered_only=listing.filtered_only | filtered_only,
        )


def _without(row: Any, unknown: frozenset[str] | None) -> Any:
    if not unknown or not isinstance(row, dict):
        return row
    return {key: value for key, value in row.items() if key not in unknown}


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


VERSIONS = {
    "2.15": Version(
        release="2.15.0",
        max_page_size=None,
        access_tokens=False,
        token_starts_session=True,
        requests=False,
        tus_needs_origin=True,
        data_needs_quality=True,
        counts_from_source=True,
        job_chunks=False,
        attributes_go=False,
        scores=False,
        paths=("/api/auth/access_tokens", "/api/requests"),
        keys={
            "server": _names("logo_url subtitle"),
            "users": _names("has_analytics_access"),
            "projects": _names("organization_id assignee_updated_date"),
            "tasks": _names(
                "project_name initial_replicas data_cloud_storage_id media_type validation_mode"
                " organization_id assignee_updated_date"
            ),
            "jobs": _names(
                "task_name project_name media_type data_original_chunk_type assignee_updated_date"
                " parent_job_id replicas_count"
                " frame_share frames_per_job_count frames_per_job_share random_seed"
            ),
            "invitations": _names("accepted"),
            "data/meta": _names("chunks_updated_date chapters storage cloud_storage_id"),
        },
        terms={
            "tasks": _names("created_date media_type validation_mode"),
            "jobs": _names("media_type mode parent_job_id"),
            "invitations": _names("id"),
        },
        filtered_only={"invitations": _names("accepted user_id")},
        searched={
            "projects": ("status",),
            "tasks": ("status", "mode", "dimension"),
            "jobs": ("state", "stage"),
        },
    ),
    "2.80": Version(
        release="2.80.0",
        # The server's own maximum could not be observed.
        max_page_size=500,
        access_tokens=True,
        token_starts_session=False,
    ),
}
