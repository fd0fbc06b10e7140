"""objmapper: objects of a REST server, declared as classes, changed freely, committed as one.

**Model**: *what* the data is. **QuerySet**: *how to read* it. **Session**: *how to change* it.
**Dialect**: *how the server says it*. **Transport**: *how it travels*.
"""

from objmapper import fields, signals
from objmapper.client import Client
from objmapper.connection import connect
from objmapper.embedded import Embedded
from objmapper.exceptions import (
    AlreadyExists,
    BackgroundRequestError,
    BackgroundRequestTimeout,
    BadRequest,
    CircularDependencyError,
    CommitError,
    CommitInterrupted,
    Conflict,
    ConflictError,
    ConnectError,
    ContractError,
    DeclarationError,
    DetachedError,
    FieldDoesNotExist,
    FieldError,
    FieldFetchBlocked,
    FieldNotLoaded,
    FilterIgnored,
    Forbidden,
    JournalError,
    MethodNotAllowed,
    MultipleObjectsReturned,
    NoActiveSession,
    NotAuthenticated,
    NotFound,
    ObjectDoesNotExist,
    ObjMapperError,
    OfflineError,
    QueryError,
    ReadOnlyFieldError,
    RequestBudgetExceeded,
    ResponseTooLarge,
    ServerError,
    SessionError,
    SessionThreadError,
    StalePlanError,
    StatusError,
    Timeout,
    TooManyRequests,
    TransportError,
    UndoError,
    UnsupportedLookup,
    ValidationError,
)
from objmapper.fields import validate
from objmapper.mapper import Registry
from objmapper.models import Model, inspect
from objmapper.operation import Plan
from objmapper.query import FETCH_ONE, FETCH_PEERS, RAISE, Q
from objmapper.queryset import Manager, QuerySet
from objmapper.report import CommitReport, MergeConflict
from objmapper.session import Session
from objmapper.transport import BearerAuth, TokenAuth

__version__ = "0.1.0"

__all__ = [
    "__version__",
    "AlreadyExists",
    "BackgroundRequestError",
    "BackgroundRequestTimeout",
    "BadRequest",
    "BearerAuth",
    "CircularDependencyError",
    "Client",
    "CommitError",
    "CommitInterrupted",
    "CommitReport",
    "Conflict",
    "ConflictError",
    "connect",
    "ConnectError",
    "ContractError",
    "DeclarationError",
    "DetachedError",
    "Embedded",
    "FETCH_ONE",
    "FETCH_PEERS",
    "FieldDoesNotExist",
    "FieldError",
    "FieldFetchBlocked",
    "FieldNotLoaded",
    "fields",
    "FilterIgnored",
    "Forbidden",
    "inspect",
    "JournalError",
    "Manager",
    "MergeConflict",
    "MethodNotAllowed",
    "Model",
    "MultipleObjectsReturned",
    "NoActiveSession",
    "NotAuthenticated",
    "NotFound",
    "ObjectDoesNotExist",
    "ObjMapperError",
    "OfflineError",
    "Plan",
    "Q",
    "QueryError",
    "QuerySet",
    "RAISE",
    "ReadOnlyFieldError",
    "Registry",
    "RequestBudgetExceeded",
    "ResponseTooLarge",
    "ServerError",
    "Session",
    "SessionError",
    "SessionThreadError",
    "signals",
    "StalePlanError",
    "StatusError",
    "Timeout",
    "TokenAuth",
    "TooManyRequests",
    "TransportError",
    "UndoError",
    "UnsupportedLookup",
    "validate",
    "ValidationError",
]
