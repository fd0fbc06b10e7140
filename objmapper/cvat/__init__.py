"""The CVAT binding: models, dialect, client.

``with make_client("https://host", credentials=("user", "password")) as client:`` makes
``Task.objects`` and ``client.tasks`` the tasks of that server.
"""

from objmapper.cvat import models
from objmapper.cvat.arguments import (
    ClientAuthParameters,
    configure_client_auth_arguments,
    make_client_from_cli,
    make_client_from_profile,
)
from objmapper.cvat.client import Client, make_client
from objmapper.cvat.configuration import Config
from objmapper.cvat.data import Data, ResourceType
from objmapper.cvat.login import AccessTokenCredentials, PasswordCredentials
from objmapper.cvat.models import (
    AnnotationUpdateAction,
    Comment,
    Guide,
    Interval,
    Invitation,
    Issue,
    Job,
    Label,
    Membership,
    Organization,
    Project,
    Request,
    Shape,
    Tag,
    Task,
    Track,
    User,
)
from objmapper.cvat.profiles import AuthStore, ProfileEntry, get_auth_store_path

__all__ = [
    "AccessTokenCredentials",
    "AuthStore",
    "AnnotationUpdateAction",
    "Client",
    "ClientAuthParameters",
    "Comment",
    "Config",
    "configure_client_auth_arguments",
    "Data",
    "get_auth_store_path",
    "Guide",
    "Interval",
    "Invitation",
    "Issue",
    "Job",
    "Label",
    "make_client",
    "make_client_from_cli",
    "make_client_from_profile",
    "Membership",
    "models",
    "Organization",
    "PasswordCredentials",
    "ProfileEntry",
    "Project",
    "Request",
    "ResourceType",
    "Shape",
    "Tag",
    "Task",
    "Track",
    "User",
]
