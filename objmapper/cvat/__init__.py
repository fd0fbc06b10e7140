"""The CVAT binding: models, dialect, client.

``with make_client("https://host", credentials=("user", "password")) as client:`` makes
``Task.objects`` and ``client.tasks`` the tasks of that server.
"""

from objmapper.cvat import models
from objmapper.cvat.client import Client, make_client
from objmapper.cvat.configuration import Config
from objmapper.cvat.data import Data, ResourceType
from objmapper.cvat.login import AccessTokenCredentials, PasswordCredentials
from objmapper.cvat.models import (
    Comment,
    Guide,
    Invitation,
    Issue,
    Job,
    Label,
    Membership,
    Organization,
    Project,
    Request,
    Task,
    User,
)

__all__ = [
    "AccessTokenCredentials",
    "Client",
    "Comment",
    "Config",
    "Data",
    "Guide",
    "Invitation",
    "Issue",
    "Job",
    "Label",
    "make_client",
    "Membership",
    "models",
    "Organization",
    "PasswordCredentials",
    "Project",
    "Request",
    "ResourceType",
    "Task",
    "User",
]
