"""Every error of objmapper descends from one root; each is also the builtin a caller would catch.

::

    ObjMapperError
    ├ DeclarationError (TypeError)                  a class statement is wrong
    ├ FieldError
    │ ├ FieldDoesNotExist (AttributeError, TypeError)   no field of that name
    │ ├ ReadOnlyFieldError (AttributeError)         the field can't be set (any more)
    │ ├ FieldNotLoaded (AttributeError)             the server's answer lacks it
    │ ├ FieldFetchBlocked                           fetch mode RAISE met a lazy load
    │ └ ValidationError (ValueError)                values that must not be sent
    ├ QueryError (ValueError)                       the query makes no sense
    │ ├ UnsupportedLookup                           the server can't do that
    │ ├ ObjectDoesNotExist (LookupError)            parent of every Model.DoesNotExist
    │ └ MultipleObjectsReturned (LookupError)       parent of every Model.MultipleObjectsReturned
    ├ SessionError (RuntimeError)
    │ ├ NoActiveSession                             there is no session here
    │ ├ DetachedError                               the object's session is closed
    │ ├ SessionThreadError                          two threads use one session at once
    │ ├ RequestBudgetExceeded                       more requests than a block may send; .request .line
    │ ├ CircularDependencyError                     objects that need each other first
    │ ├ StalePlanError                              a plan whose objects have changed; .objects
    │ ├ JournalError (OSError)                      a journal that can't serve
    │ ├ OfflineError (ConnectionError)              an offline session would have to ask the server
    │ ├ UndoError                                   why something that is done can't be taken back
    │ └ CommitError                                 a commit that did not do everything; .report
    │   ├ CommitInterrupted (KeyboardInterrupt)     stopped by Ctrl-C; .report
    │   └ ConflictError                             of one object: .base .mine .theirs .report
    ├ AuthStoreError (OSError)                      saved profiles that can't serve
    ├ TransportError (OSError)                      .request
    │ ├ ConnectError (ConnectionError)              no connection, or it broke
    │ ├ Timeout (TimeoutError)                      no answer in time
    │ ├ ResponseTooLarge                            more bytes than the client's limit
    │ └ StatusError                                 .status .body .messages .method .url .response
    │   ├ BadRequest                                400, 422; .errors by wire name
    │   ├ NotAuthenticated (PermissionError)        401
    │   ├ Forbidden (PermissionError)               403
    │   ├ NotFound (LookupError)                    404, 410
    │   ├ MethodNotAllowed                          405
    │   ├ Conflict                                  409, 412, 428
    │   │ └ AlreadyExists                           a create met an older object, which was answered
    │   ├ TooManyRequests                           429; .retry_after in seconds
    │   └ ServerError                               5xx
    ├ BackgroundRequestError (RuntimeError)         work in the background failed; .request_id .status .reason
    │ └ BackgroundRequestTimeout (TimeoutError)     it goes on, and was waited for long enough
    └ ContractError (ValueError)                    the server answered something it never should
      └ FilterIgnored                               it answered another question
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from objmapper.operation import Request, Response
    from objmapper.report import CommitReport, MergeConflict


class ObjMapperError(Exception):
    """The root of all errors of this package: ``except ObjMapperError`` catches every one of them.

    A pickled one has its words and what it tells of them, without what was sent or answered.
    """

    def __reduce__(self) -> Any:
        return _again, (type(self), self.args), self._portable()

    def _portable(self) -> dict[str, Any]:
        """Return the attributes that travel; a request may hold what is secret, or waited for."""
        kept, request = dict(self.__dict__), self.__dict__.get("request")
        if request is not None:
            path = request.shown_path
            kept["request"] = request._replace(
                path=path, params=(), headers={}, body=None, into=None
            )
        return kept


def _again(kind: type[ObjMapperError], args: tuple[Any, ...]) -> ObjMapperError:
    """Return an error that was pickled, before it has its attributes."""
    base: Any = kind
    while issubclass(
        base, ObjMapperError
    ):  # to the builtin that makes it, which may be any of several
        base = base.__base__
    error: ObjMapperError = base.__new__(kind, *args)
    error.args = args  # an OSError keeps none before its __init__
    return error


def near_misses(word: str, known: Iterable[str]) -> str:
    """Return " Did you mean ...?" for words like *word*, else an empty string."""
    close = difflib.get_close_matches(word, list(known), n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(map(repr, close))}?" if close else ""


def cut(value: object, width: int = 80) -> str:
    """Return any value as messages show it; one that can't be shown, by its class."""
    try:
        text = repr(value)
    except Exception:  # nested too deeply, too many digits, or a class of the user's that fails
        return f"an object of {type(value).__name__}"
    return text if len(text) <= width else text[: width - 1] + "…"


class DeclarationError(ObjMapperError, TypeError):
    """A class statement declares something that can't work.

    It is raised when the class is made, or, for a relation whose target is a string, when the
    relation is first used.
    """


class FieldError(ObjMapperError):
    """Something is wrong with one field; the parent of what fields raise."""


class FieldDoesNotExist(FieldError, AttributeError, TypeError):
    """A model has no field of the name that was given; the message has the nearest names.

    A constructor, a query and ``update()`` raise it. To read or set an attribute that is not there
    raises a plain AttributeError.
    """

    @classmethod
    def of(cls, model: str, name: str, known: Iterable[str], asked: str = "") -> FieldDoesNotExist:
        """Build the message: what was asked, the near misses, the fields there are."""
        names = sorted(known)
        hint = near_misses(name, names) or f" Its fields: {', '.join(names)}."
        where = f" ({asked})" if asked not in ("", name) else ""
        return cls(f"{model} has no field {name!r}{where}.{hint}")


class ReadOnlyFieldError(FieldError, AttributeError):
    """A field was assigned that only the server sets, or that is settable no longer."""


class FieldNotLoaded(FieldError, AttributeError):
    """A field has no value: the server's full answer lacks it and it has neither default nor null.

    A new object raises it for what was never set, any object for a ``write_only`` field that was sent.
    """


class FieldFetchBlocked(FieldError):
    """A lazy load was needed while the fetch mode is ``RAISE``."""


class ValidationError(FieldError, ValueError):
    """Values that must not be sent; nothing was sent."""

    def __init__(
        self, message: str, errors: Iterable[tuple[object, str | None, list[str]]] = ()
    ) -> None:
        #: ``(object, field name or None, [messages])`` of every object and field.
        self.errors: list[tuple[object, str | None, list[str]]] = list(errors)
        super().__init__(message)

    @classmethod
    def of(cls, errors: list[tuple[object, str | None, list[str]]]) -> ValidationError:
        """Build the error that lists every object and field at once."""
        lines = [
            f"  {label(obj)}{'.' + name if name else ''}: {' '.join(messages)}"
            for obj, name, messages in errors
        ]
        count = len({id(obj) for obj, _, _ in errors})
        head = f"{count} object{'s are' if count != 1 else ' is'} not valid; nothing was sent:"
        return cls("\n".join([head, *lines]), errors)

    @property
    def messages(self) -> dict[str, list[str]]:
        """The messages by field name, of all objects together."""
        found: dict[str, list[str]] = {}
        for _, name, messages in self.errors:
            found.setdefault(name or "_schema", []).extend(messages)
        return found


def label(obj: object) -> str:
    """Return a short name of *obj* for messages; never sends anything."""
    return obj if isinstance(obj, str) else repr(obj)


class QueryError(ObjMapperError, ValueError):
    """A query that makes no sense, told before anything is sent."""


class UnsupportedLookup(QueryError):
    """The server can't do a lookup, an ordering or a combination that a query asks for.

    Nothing was sent. The message has what the dialect can do instead.
    """


class ObjectDoesNotExist(QueryError, LookupError):
    """No object matches; every model has its own ``DoesNotExist`` below this one."""


class MultipleObjectsReturned(QueryError, LookupError):
    """Several objects match where one was asked for."""


class SessionError(ObjMapperError, RuntimeError):
    """A session can't do what was asked."""


class NoActiveSession(SessionError):
    """Something needs the current session and there is none."""


class DetachedError(SessionError):
    """An object needs its session, which is closed or gone: for a lazy load, or for a commit."""


class SessionThreadError(SessionError):
    """A session is used by two threads at once."""


class RequestBudgetExceeded(SessionError):
    """A block has asked for more requests than it may send; this one was not sent."""

    def __init__(
        self, message: str, request: Request | None = None, line: str | None = None
    ) -> None:
        #: The request that was one too many.
        self.request = request
        #: The line that asked for it: "file:line in function"; None for a thread of the session's.
        self.line = line
        super().__init__(message)


class CircularDependencyError(SessionError):
    """Objects refer to each other such that none can be created first; nothing was sent."""


class StalePlanError(SessionError):
    """A plan was to be applied, and its objects are not as they were when it was made."""

    def __init__(self, message: str, objects: Iterable[object] = ()) -> None:
        #: The objects that changed.
        self.objects = list(objects)
        super().__init__(message)


class JournalError(SessionError, OSError):
    """A journal can't serve: not one, damaged, in use, of another server or of other models, disk full.

    What is not in the journal is not sent.
    """


class OfflineError(SessionError, ConnectionError):
    """An offline session would have to ask the server something."""


class UndoError(SessionError):
    """Why something that a commit did can't be taken back; the report of the undo has it."""


class CommitError(SessionError):
    """A commit did not do everything; ``report`` has every object with its outcome."""

    def __init__(self, message: str, report: CommitReport) -> None:
        #: What became of every object.
        self.report: CommitReport = report
        super().__init__(message)


class CommitInterrupted(CommitError, KeyboardInterrupt):
    """A commit was stopped by Ctrl-C; ``report`` says what went."""


class ConflictError(CommitError):
    """Somebody else has changed the object that its own ``commit()`` or ``delete()`` was to change.

    The object keeps its changes and its base, and what the server has waits
    (``inspect(obj).theirs``): ``refresh()`` takes that, ``commit(on_conflict=...)`` decides.
    """

    def __init__(self, message: str, report: CommitReport, conflict: MergeConflict) -> None:
        #: What both sides did, by field name.
        self.conflict: MergeConflict = conflict
        super().__init__(message, report)

    @property
    def base(self) -> dict[str, Any]:
        """The values that both sides began with, by field name."""
        return self.conflict.base

    @property
    def mine(self) -> dict[str, Any] | None:
        """The values here, by field name; None where the object was to be deleted."""
        return self.conflict.mine

    @property
    def theirs(self) -> dict[str, Any] | None:
        """The values on the server, by field name; None where it has the object no more."""
        return self.conflict.theirs


class AuthStoreError(ObjMapperError, OSError):
    """Saved profiles of CVAT that can't serve: a file that others could read, or that is no such file.

    So is a profile that a command line names and that is not there.
    """


class TransportError(ObjMapperError, OSError):
    """A request got no usable answer."""

    def __init__(self, message: str, request: Request | None = None) -> None:
        #: What was to be sent, as it was given; credentials in its headers are masked.
        self.request: Request | None = request
        #: Whether the server can have received the request; True unless it surely did not.
        self.sent: bool = True
        #: How often it was sent again before this.
        self.retries: int = 0
        #: Whether nobody knows what became of an earlier attempt of the same request.
        self.doubtful: bool = False
        super().__init__(message)

    def __str__(self) -> str:
        return str(self.args[0])


class ConnectError(TransportError, ConnectionError):
    """The connection could not be made, or broke; ``sent`` tells which where it is known."""


class Timeout(TransportError, TimeoutError):
    """No answer came in time: the client's ``timeout``, in seconds, for the connection or a read."""


class ResponseTooLarge(TransportError):
    """An answer is larger than the client's limit, ``max_response_bytes``."""


class StatusError(TransportError):
    """The server answered with an error status."""

    def __init__(
        self,
        message: str,
        response: Response,
        request: Request | None = None,
        *,
        body: Any = None,
        messages: Iterable[str] = (),
        errors: Mapping[str, list[str]] | None = None,
    ) -> None:
        super().__init__(message, request)
        #: The whole answer.
        self.response: Response = response
        #: The status, as 404.
        self.status: int = response.status
        #: The verb that was sent.
        self.method: str = response.method
        #: The address that was asked, without credentials.
        self.url: str = response.url
        #: The parsed body: JSON of any shape, else the text.
        self.body: Any = body
        #: Every message of the body, flat.
        self.messages: list[str] = list(messages)
        #: Messages by wire name, where the body says which field is meant.
        self.errors: dict[str, list[str]] = dict(errors or {})

    def _portable(self) -> dict[str, Any]:
        # An answer may hold a key, as a login's does: its messages travel, the rest stays here.
        told = self.response._replace(headers={}, content=b"")
        return {**super()._portable(), "response": told, "body": None}


class BadRequest(StatusError):
    """400 or 422: the server refused the values; ``errors`` has them by wire name."""


class NotAuthenticated(StatusError, PermissionError):
    """401: no credentials, or wrong ones."""


class Forbidden(StatusError, PermissionError):
    """403: these credentials may not do that."""


class NotFound(StatusError, LookupError):
    """404 or 410: there is no such thing for these credentials."""


class MethodNotAllowed(StatusError):
    """405: the address does not take this verb."""


class Conflict(StatusError):
    """409, 412 or 428: the server's state is not the one that the request assumes."""


class AlreadyExists(Conflict):
    """A create was answered with an object that was there before, or with another of the session."""


class TooManyRequests(StatusError):
    """429: refused for now; the client has waited and sent it again as often as it may."""

    #: The seconds that the server asks to wait, None when it names no time.
    retry_after: float | None = None


class ServerError(StatusError):
    """5xx: the server failed; what became of a write is unknown."""


class BackgroundRequestError(ObjMapperError, RuntimeError):
    """What a server does in the background after its answer has failed, or was cancelled."""

    def __init__(
        self, message: str, *, request_id: str | None = None, status: str = "", reason: str = ""
    ) -> None:
        #: What the server calls the request; None where it has no name.
        self.request_id: str | None = request_id
        #: How it stands: "failed" or "cancelled"; of one that goes on, "queued" or "started".
        self.status: str = status
        #: What the server says about it.
        self.reason: str = reason
        super().__init__(message)


class BackgroundRequestTimeout(BackgroundRequestError, TimeoutError):
    """Work in the background was waited for as long as was asked, in seconds; it goes on."""


class ContractError(ObjMapperError, ValueError):
    """The server's answer breaks its contract: not JSON, a wrong type, keys that lack."""


class FilterIgnored(ContractError):
    """The server sent rows that don't meet the query: it does not know the filter.

    Without it, what is done to the rows of a query would be done to all rows there are.
    """


#: Which class stands for which status; every other 4xx is a plain StatusError.
BY_STATUS: dict[int, type[StatusError]] = {
    400: BadRequest,
    401: NotAuthenticated,
    403: Forbidden,
    404: NotFound,
    405: MethodNotAllowed,
    409: Conflict,
    410: NotFound,
    412: Conflict,
    422: BadRequest,
    428: Conflict,
    429: TooManyRequests,
}
