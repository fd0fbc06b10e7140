"""Model: a class body becomes a Mapper.

``class Task(Model): id = fields.Integer(primary_key=True)`` registers Task with its endpoint, gives
it a manager, its own DoesNotExist, and objects of three slots that nothing else can be stored on.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self, TypeVar, cast

from objmapper import copying, declaration, wire
from objmapper.exceptions import (
    CommitError,
    CommitInterrupted,
    ConflictError,
    ContractError,
    DeclarationError,
    FieldDoesNotExist,
    MultipleObjectsReturned,
    ObjectDoesNotExist,
    ValidationError,
    cut,
)
from objmapper.fields import UUID, Field
from objmapper.mapper import Mapper, default_registry
from objmapper.queryset import Manager, Objects
from objmapper.state import (
    ABSENT,
    InstanceState,
    Lifecycle,
    Stateful,
    lifecycle,
    live_session,
    revert,
    session_of,
)
from objmapper.versions import ETAG

if TYPE_CHECKING:
    import marshmallow

    from objmapper.conflicts import OnConflict
    from objmapper.report import CommitReport
    from objmapper.session import Session

M = TypeVar("M", bound="Model")


class IdentityKey(NamedTuple):
    """What tells an object from all others of one session: its root class and its key."""

    #: The class whose key space it is: kinds of one polymorphic class share their root's.
    model: type
    #: The normalised key; below a nested endpoint, a tuple of the parents' keys and its own.
    key: Any


class ModelMeta(type):
    """Turns a class body into a Mapper and registers the class with its endpoint."""

    __mapper__: Mapper
    __fields__: dict[str, Field[Any]]
    #: The options that Metas have named, which subclasses inherit.
    __told__: dict[str, Any]

    def __new__(
        mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **kwargs: Any
    ) -> ModelMeta:
        parents = [base for base in bases if isinstance(base, ModelMeta)]
        if not parents:
            return super().__new__(mcls, name, bases, namespace, **kwargs)
        declaration.slots(name, bases, namespace)
        fields = declaration.fields_of(name, bases, namespace)
        schema = namespace.pop("Schema", None)
        cls = super().__new__(mcls, name, bases, namespace, **kwargs)
        declaration.refuse_dict(cls)
        mapped = [base for base in parents if "__mapper__" in vars(base)]
        cls.__told__ = declaration.told(name, namespace.get("Meta"), mapped)
        options = declaration.options(name, cls.__told__)
        if options["registry"] is None:
            options["registry"] = default_registry
        for key, field in fields.items():
            if options["validate_assignment"]:
                field.fast = False
            field.bind(cls, key)
            type.__setattr__(cls, key, field)
        cls.__fields__ = fields
        root = next((b.__mapper__.root for b in mapped if b.__mapper__.is_polymorphic), cls)
        if schema is None:
            schema = next((b.__mapper__.schema_base for b in mapped), None)
        by_key = declaration.by_key(name, fields)
        cls.__mapper__ = mapper = Mapper(cls, fields, options, root, by_key, schema)
        for error in (ObjectDoesNotExist, MultipleObjectsReturned):
            short = "DoesNotExist" if error is ObjectDoesNotExist else error.__name__
            above = tuple(getattr(base, short) for base in parents) or (error,)
            body = {"__module__": cls.__module__, "__qualname__": f"{cls.__qualname__}.{short}"}
            type.__setattr__(cls, short, type(short, above, body))
        if not mapper.abstract:
            mapper.registry.add(cls)
        return cls

    def __setattr__(cls, name: str, value: Any) -> None:
        declaration.refuse_field(cls, name, value)
        super().__setattr__(name, value)


class _SchemaOf:
    """``Task.Schema``: the marshmallow Schema class, made when it is first asked for."""

    def __get__(self, instance: object, owner: type[Model]) -> type[marshmallow.Schema]:
        return wire.schema_class(owner.__mapper__)


class Model(Stateful, metaclass=ModelMeta):
    """A server object as a class with typed fields.

    >>> from objmapper import Registry, fields
    >>> class Task(Model):
    ...     id = fields.Integer(primary_key=True)
    ...     name = fields.String(required=True)
    ...
    ...     class Meta:
    ...         registry = Registry()
    >>> Task(name="t")
    <Task name='t'>

    A new object is made with field names as keywords; FieldDoesNotExist names what is none, and
    ReadOnlyFieldError what only the server sets. It is of no session until it is added to one, or
    committed. Objects are equal only to themselves: a session has one for each object of the server.
    Pickle and copy give a detached one with its row and its changes. ``repr`` sends nothing.
    """

    __slots__ = ()

    #: What ``get`` of this model raises where nothing matches; each model has its own.
    DoesNotExist: ClassVar[type[ObjectDoesNotExist]] = ObjectDoesNotExist
    #: What ``get`` of this model raises where several match; each model has its own.
    MultipleObjectsReturned: ClassVar[type[MultipleObjectsReturned]] = MultipleObjectsReturned
    # Not annotated: pyright would hold what subclasses declare to the annotation.
    #: The marshmallow Schema class of the fields, made when it is first asked for.
    Schema = _SchemaOf()
    #: Where queries begin: the model's Manager, or the one that it declares.
    objects = cast("Objects[Any]", Manager())

    def __init__(self, **values: Any) -> None:
        mapper = type(self).__mapper__
        if mapper.abstract:
            raise DeclarationError(f"{type(self).__name__} is abstract: it has no objects.")
        self._row = {}
        self._state = state = InstanceState(mapper.blank_page, Lifecycle.TRANSIENT)
        for name, value in values.items():
            field = mapper.fields.get(name)
            if field is None:
                raise FieldDoesNotExist.of(
                    mapper.model.__name__, name, mapper.fields, "constructor"
                )
            if name in mapper.has_many:
                _give_children(self, name, value)
            else:
                field.__set__(self, value)
        for key, default in _defaults(mapper, self._row).items():
            if state.originals is None:
                state.originals = {}
            state.originals[key] = ABSENT
            self._row[key] = default

    # -- verbs: each acts at once, on this object alone -------------------------------------------

    def commit(self, *, on_conflict: OnConflict = "error") -> CommitReport:
        """Send this object's changes now, with the pending parents it refers to.

        A transient object joins the current session and is created. *on_conflict* is that of
        ``Session.commit``. Raises NoActiveSession where there is none, DetachedError when the object's
        own session is closed, ValidationError before anything is sent, ConflictError, CommitError.
        """
        session = _session_for(self)
        with _conflict_of(self):
            report: CommitReport = session.commit_objects([self], on_conflict=on_conflict)
        return report

    def delete(self, *, on_conflict: OnConflict = "error") -> CommitReport:
        """Delete this object on the server now; it keeps its values.

        *on_conflict* is that of ``Session.commit``. Raises DetachedError, ConflictError, CommitError.
        """
        session = live_session(self, "Deletion")
        with _conflict_of(self):
            report: CommitReport = session.delete_objects([self], on_conflict=on_conflict)
        return report

    def refresh(self) -> None:
        """Load this object anew; its uncommitted changes are given up.

        Raises the model's DoesNotExist, DetachedError, and SessionError for a new one.
        """
        live_session(self, "A refresh").refresh(self)

    def revert(self) -> None:
        """Take back this object's uncommitted changes; nothing is sent."""
        revert(self)

    def validate(self) -> None:
        """Check what a commit would send. Raises ValidationError."""
        problems = wire.problems(self)
        if problems:
            raise ValidationError.of(problems)

    def to_dict(self) -> dict[str, Any]:
        """Return field names with JSON-ready values, of what is loaded; nothing is sent."""
        return wire.to_dict(self)

    @property
    def changes(self) -> dict[str, tuple[Any, Any]]:
        """What a commit would send: ``{field name: (old, new)}``."""
        return wire.shown_changes(self)

    @property
    def extra(self) -> dict[str, Any]:
        """What the server sent beside the declared fields, as it came."""
        by_key = type(self).__mapper__.by_key
        row = self._row.items()
        return {key: value for key, value in row if key not in by_key and key != ETAG}

    # -- what Python asks -------------------------------------------------------------------------

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {_label(self)}>"

    def __reduce__(self) -> Any:
        # Blank first, filled later: a new parent and its children refer to each other.
        return copying.blank, (type(self),), copying.portable(self), None, None, copying.fill

    def __copy__(self) -> Self:
        return copying.twin(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return copying.twin(self, memo)


def _label(obj: Model) -> str:
    mapper, row, key = type(obj).__mapper__, obj._row, None
    if mapper.has_key:
        try:
            key = mapper.key_in(row)
        except ContractError:  # one that the user set
            key = cut(row[mapper.pk.key])
    names = mapper.natural_key or (("name",) if "name" in mapper.fields else ())
    shown = [
        f"{name}={cut(row[field.key])}"
        for name in names
        if (field := mapper.fields[name]).key in row
        and name not in mapper.foreign_keys
        and not field.write_only
    ]
    if key is not None or not shown:
        shown.insert(0, "new" if key is None else str(key))
    return " ".join(shown)


def _defaults(mapper: Mapper, row: dict[str, Any]) -> dict[str, Any]:
    """Return what a new object sends although nothing was said: defaults, and what names its class."""
    found = {
        key: field.store(field.make_default())
        for key, field in mapper.by_key.items()
        if field.has_default and key not in row and not field.read_only
    }
    on = mapper.polymorphic_on
    if isinstance(on, str) and mapper.polymorphic_identity is not None:
        found.setdefault(mapper.fields[on].key, mapper.polymorphic_identity)
    pk = mapper.pk if mapper.has_key else None
    if isinstance(pk, UUID) and pk.generated == "client" and pk.key not in row:
        found.setdefault(pk.key, uuid.uuid4())
    return found


def _give_children(parent: Model, name: str, given: Any) -> None:
    """Take the list that a constructor was given for a HasMany: objects, or dicts of field names."""
    relation = type(parent).__mapper__.has_many[name]
    target, by = relation.target, relation.by
    if isinstance(given, str | bytes | dict) or not hasattr(given, "__iter__"):
        raise TypeError(f"{relation} takes a list of {target.__name__} or of dicts, not {given!r}.")
    children = []
    for item in given:
        child = target(**item) if isinstance(item, dict) else item
        if not isinstance(child, target):
            raise TypeError(f"{relation} takes {target.__name__} objects or dicts, not {item!r}.")
        by.__set__(child, parent)
        children.append(child)
    state = parent._state
    assert isinstance(state, InstanceState)
    state.children = {**(state.children or {}), name: children}


def _session_for(obj: Model) -> Any:
    """Return the session of an object; a transient one joins the current session."""
    if lifecycle(obj) is not Lifecycle.TRANSIENT:
        return live_session(obj, "A commit")
    session = type(obj).__mapper__.registry.session()
    session.add(obj)
    return session


@contextmanager
def _conflict_of(obj: Model) -> Iterator[None]:
    """Have a commit of one object say in its error that somebody else has changed that one."""
    try:
        yield
    except CommitInterrupted:
        raise
    except CommitError as error:
        entries = (entry for entry in error.report.conflicts if entry.object is obj)
        conflict = next((entry.conflict for entry in entries if entry.conflict), None)
        if conflict is None:
            raise
        raise ConflictError(str(error), error.report, conflict) from error.__cause__


class Inspection:
    """What objmapper knows about one object; asking sends nothing."""

    __slots__ = ("_obj",)

    def __init__(self, obj: Model) -> None:
        self._obj = obj

    @property
    def lifecycle(self) -> Lifecycle:
        """Where the object stands: transient, pending, persistent, deleted or detached."""
        return lifecycle(self._obj)

    @property
    def session(self) -> Session | None:
        """The session that the object belongs to, None when it has none or the session is closed."""
        session = session_of(self._obj)
        return None if session is None or session.closed else session

    @property
    def identity(self) -> IdentityKey | None:
        """Root class and key; None while the object has no key."""
        mapper = type(self._obj).__mapper__
        key = mapper.identity_in(self._obj._row)
        return None if key is None else IdentityKey(mapper.root, key)

    @property
    def changes(self) -> dict[str, tuple[Any, Any]]:
        """What a commit would send: ``{field name: (old, new)}``."""
        return wire.shown_changes(self._obj)

    @property
    def loaded_fields(self) -> frozenset[str]:
        """The names of the fields that have a value without asking the server."""
        mapper = type(self._obj).__mapper__
        return frozenset(f.name for key, f in mapper.by_key.items() if key in self._obj._row)

    @property
    def theirs(self) -> dict[str, Any] | None:
        """A newer row of the server's, that waits because the object has changes; no secrets of it."""
        theirs, by_key = self._obj._state.theirs, type(self._obj).__mapper__.by_key
        if theirs is None:
            return None
        hidden = {key for key, field in by_key.items() if field.write_only} | {ETAG}
        return {
            key: copying.shown(field, value)
            if value is not None and (field := by_key.get(key)) is not None and field.hides
            else value
            for key, value in theirs.items()
            if key not in hidden
        }

    def __repr__(self) -> str:
        return f"<Inspection of {self._obj!r}: {self.lifecycle}>"


def inspect(obj: Model) -> Inspection:
    """Return what objmapper knows about *obj*. Raises TypeError for what is no model object."""
    if not isinstance(obj, Model):
        raise TypeError(f"inspect() takes a model object, not {obj!r}.")
    return Inspection(obj)
