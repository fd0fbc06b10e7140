"""Mapper and Registry: one class, one endpoint.

A class body becomes a Mapper: its fields by name and by wire name, its key, its endpoint, its
options. A Registry knows the classes of one server, by endpoint and by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from objmapper import lookups, scope
from objmapper.exceptions import ContractError, DeclarationError, QueryError, cut, near_misses
from objmapper.fields import Field, ForeignKey, HasMany, Integer, String
from objmapper.query import Node, Order, Q, Query
from objmapper.queryset import RelatedManager
from objmapper.state import Page

BRACES = re.compile(r"\{(\w+)\}")


class Registry:
    """The models of one server: ``registry["tasks"] is Task``.

    ``class Meta: registry = ...`` puts a model and its subclasses into one; the default registry has
    the others. Looking up an endpoint that no model has raises KeyError; ``in``, ``len`` and
    iteration are about endpoints.
    """

    def __init__(self, name: str = "", *, dialect: str | None = None) -> None:
        #: What its repr shows.
        self.name: str = name
        #: The dialect of its server, None where its models don't say.
        self.dialect: str | None = dialect
        self._by_endpoint: dict[str, Any] = {}
        #: ``{class name: {full name: model}}``: two modules may each have a Task.
        self._by_name: dict[str, dict[str, Any]] = {}

    def __getitem__(self, endpoint: str) -> type:
        try:
            model: type = self._by_endpoint[endpoint]
        except KeyError:
            hint = near_misses(endpoint, self._by_endpoint)
            raise KeyError(f"no model has the endpoint {endpoint!r}.{hint}") from None
        return model

    def __contains__(self, endpoint: object) -> bool:
        return endpoint in self._by_endpoint

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_endpoint)

    def __len__(self) -> int:
        return len(self._by_endpoint)

    def session(self) -> Any:
        """Return the session that its models ask: the current one. Raises NoActiveSession.

        A binding may say otherwise: which sessions suit it, and where one comes from.
        """
        return scope.session()

    def __repr__(self) -> str:
        return f"<Registry {self.name or hex(id(self))}: {', '.join(self._by_endpoint) or 'empty'}>"

    def add(self, model: Any) -> None:
        """Register *model*; the same class declared again takes the place of the first.

        Raises DeclarationError when an unrelated class has the endpoint.
        """
        mapper = model.__mapper__
        holder = self._by_endpoint.get(mapper.endpoint)
        kind = mapper.root is not model and holder is not None and _same_class(holder, mapper.root)
        if holder is not None and not kind and not _same_class(holder, model):
            raise DeclarationError(
                f"{_full(model)} and {_full(holder)} both have the endpoint {mapper.endpoint!r}. "
                "Give one another `endpoint` in its Meta, or, if they belong to different servers, "
                "a registry of its own:\n\n    registry = Registry()\n\n"
                f"    class {model.__name__}(Model):\n        class Meta:\n"
                "            registry = registry"
            )
        namesakes = self._by_name.setdefault(model.__name__, {})
        if _full(model) in namesakes:
            replaced = namesakes[_full(model)].__mapper__
            replaced.replaced_by = model
            if self._by_endpoint.get(replaced.endpoint) is replaced.model:
                del self._by_endpoint[replaced.endpoint]
        namesakes[_full(model)] = model
        if not kind:
            self._by_endpoint[mapper.endpoint] = model

    def resolve(self, name: str, asked_by: Any) -> Any:
        """Return the model of that class name: of several, the one declared beside the one that asks.

        A name that this registry has not may be one of a parent's, whose field was inherited. Raises
        DeclarationError.
        """
        if name not in self._by_name:
            above = (vars(base).get("__mapper__") for base in asked_by.model.__mro__[1:])
            for mapper in filter(None, above):
                if name in mapper.registry._by_name:
                    return mapper.registry.resolve(name, asked_by)
        found = list(self._by_name.get(name, {}).values())
        for beside in (_module, _scope):
            if len(found) > 1:
                found = [model for model in found if beside(model) == beside(asked_by.model)]
        if len(found) == 1:
            return found[0]
        if name in self._by_name:
            several = " and ".join(self._by_name[name])
            raise DeclarationError(
                f"{asked_by} refers to {name!r}, which may be {several}; give the class itself."
            )
        hint = near_misses(name, self._by_name)
        raise DeclarationError(
            f"{asked_by} refers to {name!r}, which is not declared in its registry.{hint}"
        )


def _full(model: type) -> str:
    return f"{model.__module__}.{model.__qualname__}"


def _module(model: type) -> str:
    return model.__module__


def _scope(model: type) -> str:
    return model.__qualname__.rpartition(".")[0]


def _same_class(one: type, other: type) -> bool:
    return _full(one) == _full(other)


default_registry = Registry("default")


class Mapper:
    """How one class and one endpoint correspond: ``Task.__mapper__``. Dialects read it."""

    def __init__(
        self,
        model: Any,
        fields: dict[str, Field[Any]],
        options: dict[str, Any],
        root: Any,
        by_key: dict[str, Field[Any]],
        schema_base: type | None,
    ) -> None:
        #: The class.
        self.model: Any = model
        #: The fields by name, relations among them.
        self.fields: dict[str, Field[Any]] = fields
        #: The class whose key space it shares: the polymorphic parent, else the class itself.
        self.root: Any = root
        #: The ``Schema`` that the class body declares, if it does.
        self.schema_base: type | None = schema_base
        #: Whether it has no endpoint and no objects.
        self.abstract: bool = options["abstract"]
        #: The registry that it stands in.
        self.registry: Registry = options["registry"]
        #: The path of the collection, without slashes around it; braces name fields.
        self.endpoint: str = options["endpoint"]
        #: Whether its objects have no identity.
        self.keyless: bool = options["keyless"]
        #: Whether there is one object, at the address of the collection.
        self.singleton: bool = options["singleton"]
        #: Whether values are validated when they are set.
        self.validate_assignment: bool = options["validate_assignment"]
        #: "etag" where the version of an object is its entity tag, else None.
        self.version: str | None = options["version"]
        #: The name of the field that tells the version, or None.
        self.version_field: str | None = options["version_field"]
        #: Whether a commit compares versions.
        self.is_versioned: bool = self.version is not None or self.version_field is not None
        #: The name of the field that says when the server made an object, or None.
        self.created_field: str | None = options["created_field"]
        #: The names of the fields that make two objects the same while the id is not known.
        self.natural_key: tuple[str, ...] = tuple(options["natural_key"])
        #: The names that queries are ordered by unless they say otherwise.
        self.declared_ordering: tuple[str, ...] = tuple(options["ordering"])
        #: What tells a row's class: a field's name, or a callable of the row.
        self.polymorphic_on: str | Callable[[dict[str, Any]], Any] | None
        self.polymorphic_on = options["polymorphic_on"]
        #: What the rows of this very class say.
        self.polymorphic_identity: Any = options["polymorphic_identity"]
        #: All of them, a binding's own dialect's too.
        self.options: dict[str, Any] = options
        #: The marshmallow Schema, once it is asked for.
        self.schema: Any = None
        #: Whether that Schema loads objects, as those of value objects do.
        self.schema_makes_objects: bool = False
        #: The class that was declared anew in this one's place, as a notebook does.
        self.replaced_by: Any = None
        #: The fields of a row by wire name.
        self.by_key: dict[str, Field[Any]] = by_key
        #: Whether a field is sent under another name than rows have for it.
        self.renamed: bool = any(field.write_key != key for key, field in by_key.items())
        #: The reverse relations by name.
        self.has_many: dict[str, HasMany[Any]] = {}
        #: The forward relations by name.
        self.foreign_keys: dict[str, ForeignKey[Any]] = {}
        #: The other fields whose values may hold new objects.
        self.referring: list[Field[Any]] = []
        self._pk = self._key_field(self._index())
        #: Whether its objects have a key: it is neither keyless nor a singleton without one.
        self.has_key: bool = self._pk is not None
        #: Whether the client chooses the keys of its objects.
        self.chooses_keys: bool = self._pk is not None and self._pk.generated == "client"
        #: The fields that fill the endpoint's braces, in order.
        self.path_fields: tuple[Field[Any], ...] = ()
        if not self.abstract:
            self._check_names()
        #: What a raw key must be to serve as it is: the class that needs no normalising.
        self.key_class = {Integer: int, String: str}.get(type(self._pk), Mapper)
        #: The classes by what their rows say, shared by all kinds of one root.
        self.polymorphic: dict[Any, Any] = root.__mapper__.polymorphic if root is not model else {}
        if self.polymorphic_identity is not None:
            self._join_kinds()
        #: The shared state of objects that no page has brought.
        self.blank_page: Page = Page(None, self, [])

    @property
    def is_polymorphic(self) -> bool:
        """Whether subclasses share endpoint and identity."""
        return not self.abstract and self.polymorphic_on is not None

    def _check_names(self) -> None:
        """Make sure that the fields which Meta names are there. Raises DeclarationError."""
        self.path_fields = tuple(self._field_named(name) for name in BRACES.findall(self.endpoint))
        ordering = [name.removeprefix("-").partition("__")[0] for name in self.declared_ordering]
        named = [*self.natural_key, *(name for name in ordering if name != "pk")]
        for option in (self.version_field, self.created_field, self.polymorphic_on):
            if isinstance(option, str):
                named.append(option)
        for field in (*map(self._field_named, named), *self.path_fields):
            if field.write_only:  # it would stand in addresses, which logs and errors show
                raise DeclarationError(
                    f"{self.model.__name__}.Meta names {field.name!r}, which is write-only: the server "
                    "never shows it, so that nothing is told from others by it, nor found."
                )

    def _join_kinds(self) -> None:
        """Be the class of rows that say this identity. Raises DeclarationError if one is already."""
        if self.polymorphic_on is None:
            raise DeclarationError(
                f"{self.model.__name__}.Meta has a polymorphic_identity, but neither it nor a parent "
                "says polymorphic_on: a field's name, or a callable of the row."
            )
        holder = self.polymorphic.get(self.polymorphic_identity)
        if holder is not None and not _same_class(holder, self.model):
            raise DeclarationError(
                f"{_full(self.model)} and {_full(holder)} both have the polymorphic_identity "
                f"{self.polymorphic_identity!r}."
            )
        self.polymorphic[self.polymorphic_identity] = self.model

    def _index(self) -> list[Field[Any]]:
        """Sort the fields into their kinds; return those of the key."""
        keys = []
        for name, field in self.fields.items():
            if isinstance(field, HasMany):
                self.has_many[name] = field
                continue
            if field.primary_key:
                keys.append(field)
            if isinstance(field, ForeignKey):
                self.foreign_keys[name] = field
            if field.refers:
                self.referring.append(field)
        return keys

    def _key_field(self, keys: list[Field[Any]]) -> Field[Any] | None:
        name = self.model.__name__
        if len(keys) > 1:
            raise DeclarationError(
                f"{name} has {len(keys)} primary keys; composite keys are not supported (yet)."
            )
        if self.keyless and (keys or self.singleton):
            other = "singleton" if self.singleton else f"the primary key {keys[0].name!r}"
            raise DeclarationError(f"{name} is keyless and has {other}: it can't be both.")
        if keys and not keys[0].keeps:
            raise DeclarationError(
                f"{keys[0]} can't be the primary key: its Python values can't be told from JSON. Give "
                "it a python_type of its own, or say keeps = True if converting twice does no harm."
            )
        if keys or self.keyless or self.singleton or self.abstract:
            return keys[0] if keys else None
        raise DeclarationError(
            f"{name} has no primary key: declare one, as id = fields.Integer(primary_key=True), or "
            "say keyless = True (append-only) or singleton = True (one object, no id) in its Meta."
        )

    def _field_named(self, name: str) -> Field[Any]:
        if name not in self.fields:
            raise DeclarationError(
                f"{self.model.__name__}.Meta names {name!r}, which is no field of it."
                + near_misses(name, self.fields)
            )
        return self.fields[name]

    def __repr__(self) -> str:
        return f"<Mapper {self.model.__name__} <-> {self.endpoint}>"

    # -- identity ---------------------------------------------------------------------------------

    @property
    def pk(self) -> Field[Any]:
        """The field of the key. Raises DeclarationError for a class that has none."""
        if self._pk is None:
            kind = "singleton" if self.singleton else "keyless"
            raise DeclarationError(f"{self.model.__name__} is {kind}: it has no primary key.")
        return self._pk

    def key_in(self, row: dict[str, Any]) -> Any:
        """Return the normalised key of a row, or None where it has none.

        Raises ContractError for a key that can't be one.
        """
        if self._pk is None:
            return "" if self.singleton else None
        key = row.get(self._pk.key)
        if key is None or key.__class__ is self.key_class:
            return key
        return self.normalise(key)

    def told_key(self, row: dict[str, Any]) -> Any:
        """Return what `key_in` does of an answer's row; one that is null tells nothing, and goes."""
        key = self.key_in(row)
        if key is None and self._pk is not None:
            row.pop(self._pk.key, None)
        return key

    def normalise(self, key: Any) -> Any:
        """Return the one form of a key. Raises ContractError for what is none."""
        try:
            found = self.pk.key_of(key)
            hash(found)
        except (ValueError, TypeError) as error:
            raise ContractError(f"{self.model.__name__}: {cut(key)} is no key: {error}") from None
        return found

    def asked_key(self, key: Any) -> Any:
        """Return the one form of a key that somebody asks for. Raises QueryError for what is none."""
        try:
            return self.pk.key_of(key)
        except (ValueError, TypeError) as error:
            raise QueryError(f"{self.model.__name__}: {cut(key)} is no key: {error}.") from None

    def identity_in(self, row: dict[str, Any]) -> Any:
        """Return what tells the row's object from all others of its root class, or None.

        Raises ContractError for a key, or a part of the path, that can't be one.
        """
        key = self.key_in(row)
        if not self.path_fields or key is None:
            return key
        try:
            values = tuple(self.path_value(field, row) for field in self.path_fields)
        except (ValueError, TypeError) as error:
            raise ContractError(f"where a row of {self.endpoint} lives: {error}") from None
        return None if None in values else (*values, key)

    def path_value(self, field: Field[Any], row: dict[str, Any]) -> Any:
        """Return the normalised value of one brace of the endpoint, or None."""
        value = row.get(field.key)
        if isinstance(field, ForeignKey):
            return field.key_value(value)
        return None if value is None else field.key_of(value)

    def classes_of(self, rows: list[dict[str, Any]]) -> list[Any]:
        """Return the class of each row: a polymorphic subclass, else the root of them all.

        Raises ContractError where that can't be told.
        """
        on = self.polymorphic_on
        if on is None:
            return [self.model] * len(rows)
        try:
            if isinstance(on, str):
                key = self.fields[on].key
                told = [row.get(key) for row in rows]
            else:
                told = [on(row) for row in rows]
            kinds = {value: self.polymorphic.get(value) for value in set(told)}
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            raise ContractError(
                f"{self.model.__name__}: which class a row belongs to can't be told: {error!r}"
            ) from None
        for value, kind in kinds.items():
            if kind is None:
                kinds[value] = self.root
        return [kinds[value] for value in told]

    def instance(self, row: dict[str, Any], page: Page, kind: Any = None) -> Any:
        """Return a new object over *row*, sharing *page* as its state; of *kind*, if that is known."""
        obj = object.__new__(kind or self.classes_of([row])[0])
        obj._row = row
        obj._state = page
        return obj

    # -- queries ----------------------------------------------------------------------------------

    def everything(self) -> Query:
        """Return the query for all objects of the model; of one kind of several, for that kind."""
        query, on, model = Query(self), self.polymorphic_on, self.model
        if self.root is model or on is None:
            return query
        if not isinstance(on, str):
            return replace(query, local=(lambda obj: isinstance(obj, model),))
        kinds = [value for value, kind in self.polymorphic.items() if issubclass(kind, model)]
        lookup = {on: kinds[0]} if len(kinds) == 1 else {f"{on}__in": kinds}
        return query.having(self.resolve(Q(**lookup)))

    def resolve(self, q: Q) -> Node | None:
        """Return the checked tree of conditions of *q*."""
        return lookups.resolve(self, q)

    def order(self, names: tuple[str, ...]) -> tuple[Order, ...]:
        """Return the checked keys of an ordering."""
        return lookups.order(self, names)

    def related_manager(self, obj: Any, field: HasMany[Any]) -> RelatedManager[Any]:
        """Return the manager of what refers to *obj* through *field*."""
        return RelatedManager.of(obj, field)
