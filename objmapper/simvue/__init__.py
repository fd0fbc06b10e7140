"""The Simvue binding: models, dialect, client, configuration.

``Run.new(folder="/")`` and ``Run.objects.filter(...)`` ask the server that the user has configured,
or that of ``with Client(url, token): ...``.
"""

from objmapper.simvue.alerts import (
    Alert,
    EventsAlert,
    MetricsRangeAlert,
    MetricsThresholdAlert,
    UserAlert,
)
from objmapper.simvue.artifacts import Artifact, FileArtifact, ObjectArtifact
from objmapper.simvue.base import SimvueObject, registry
from objmapper.simvue.cache import Imported, import_cache
from objmapper.simvue.client import Client, disconnect
from objmapper.simvue.configuration import Configuration
from objmapper.simvue.grids import Grid, GridMetrics
from objmapper.simvue.people import Stats, Tenant, User
from objmapper.simvue.runs import Folder, Run, Status, Tag, Visibility, get_folder_from_path
from objmapper.simvue.storages import FileStorage, S3Storage, Storage
from objmapper.simvue.telemetry import Events, Metrics

__all__ = [
    "Alert",
    "Artifact",
    "Client",
    "Configuration",
    "disconnect",
    "Events",
    "EventsAlert",
    "FileArtifact",
    "FileStorage",
    "Folder",
    "get_folder_from_path",
    "Grid",
    "GridMetrics",
    "import_cache",
    "Imported",
    "Metrics",
    "MetricsRangeAlert",
    "MetricsThresholdAlert",
    "ObjectArtifact",
    "registry",
    "Run",
    "S3Storage",
    "SimvueObject",
    "Stats",
    "Status",
    "Storage",
    "Tag",
    "Tenant",
    "User",
    "UserAlert",
    "Visibility",
]
