"""How CVAT says it, 2.15 to 2.80: pages, JSON Logic, what travels in the request of what it is part of.

Each fact was observed on CVAT 2.15.0, or read in cvat-sdk 2.80.0 where that is said.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from objmapper import wire
from objmapper.cvat import json_logic, tus, uploads
from objmapper.cvat.annotating import Annotating
from objmapper.cvat.annotation_models import kind_of
from objmapper.cvat.filters import Searched
from objmapper.cvat.label_names import Said, one_by_one
from objmapper.cvat.label_parts import attributes_told, points_told
from objmapper.cvat.places import PERSONAL, asks_for_none
from objmapper.dialects.base import (
    RowPage,
    link_of,
    rows_of,
    total_of,
    unwrap,
    with_params,
)
from objmapper.exceptions import QueryError, UnsupportedLookup, ValidationError
from objmapper.fields.relations import wire_key
from objmapper.operation import Change, Draft, Json, Kind, Pending, Request, Response, Settle
from objmapper.query import And, Condition, Node, Order, Query, conditions

#: The oldest version that the binding was written for.
OLDEST = (2, 15)
#: A URL of this many keys stays below the 8 KiB that front proxies allow.
MAX_KEYS = 500
#: The server's own interface asks for pages of this size; newer servers clamp larger ones.
PAGE_SIZE = 500


class CVAT(Annotating):
    """CVAT's REST API.

    A model names what its endpoint filters and sorts by in ``Meta.dialect_options``: "filters" maps
    paths of field names to the names of JSON Logic, "newer" has those of them that 2.15 lacks, where
    a sort by an unknown name is ignored without a word; "sorts" is for an endpoint that is sorted by
    others than it is filtered by; "parameters" maps to plain query parameters; "unlisted" says what
    leads to objects of which there is no list; "unsearched" says that no text is looked for in it;
    "completed by" puts into a row what it tells elsewhere, "newer than 2.15" says what to do where
    there is no such endpoint.
    "carried by" names the fields of the parents whose PATCH carries the model's changes, "opened by"
    the HasMany whose first object travels in the POST of the model's, "in turn by" the ForeignKey to
    the object of which one after the other is made, "one of" the parents of which a new object has one,
    "looked for by" what makes the question that tells whether a new object was made.
    """

    name = "cvat"
    lookups = json_logic.LOOKUPS
    can_join = True
    can_combine = True
    can_order = True
    lists_are_full = True
    answers_are_full = True
    trims_text = True
    can_jump = True
    can_skip = True
    max_keys = MAX_KEYS
    page_size = PAGE_SIZE
    # Parallel writers gain nothing on one server process (measured on 2.15); a deployment has
    # several of them, and what is under way beside the one that works hides the network.
    recommended_workers = 4
    #: How many bytes of files go in one form at most; a larger file goes in pieces.
    form_bytes: int = uploads.FORM
    #: How many bytes go in one piece at most.
    piece_bytes: int = tus.PIECE
    # `Accept: application/json` is answered with 406.
    headers: Mapping[str, str] = {"Accept": "application/vnd.cvat+json, */*;q=0.5"}

    # -- reading ----------------------------------------------------------------------------------

    def list_request(self, query: Query, page_size: int | None) -> Request:
        instead = self._names(query.mapper, "unlisted")
        if instead:
            raise QueryError(f"CVAT lists no {query.mapper.endpoint}: {instead}.")
        return super().list_request(query, page_size)

    def _names(self, mapper: Any, kind: str) -> Any:
        """Return what a model names under *kind* in its Meta.dialect_options."""
        options = mapper.options.get("dialect_options") or {}
        found, newer = options.get(kind, {}), options.get("newer", ())
        if kind == "filters" and newer and self.version is not None and self.version <= OLDEST:
            return {path: name for path, name in found.items() if name not in newer}
        return found

    def _asked_by(self, mapper: Any, kind: str, name: str) -> str | None:
        """Return CVAT's name for a path of field names; None where it has none."""
        found: str | None = self._names(mapper, kind).get(name)
        if found is None or self.version is not None:
            return found
        if found in (mapper.options.get("dialect_options") or {}).get("newer", ()):
            self.known_version()
            found = self._names(mapper, kind).get(name)
        return found

    def _mapper_of(self, path: tuple[Any, ...]) -> Any:
        return path[0].model.__mapper__

    def lookups_of(self, path: tuple[Any, ...]) -> frozenset[str]:
        mapper, name = self._mapper_of(path), "__".join(field.name for field in path)
        if kind_of(mapper) is not None:
            return super().lookups_of(path)
        if self._asked_by(mapper, "filters", name) is not None:
            return self.lookups
        if name in self._names(mapper, "parameters"):
            return frozenset({"exact"})
        return frozenset()

    def require(self, condition: Condition) -> None:
        if not self.lookups_of(condition.path):
            raise self._unknown(condition)
        super().require(condition)

    def _does(self, condition: Condition | Order) -> str:
        """Return what is asked for: "sorts" where that goes by other names, else "filters"."""
        options = self._mapper_of(condition.path).options.get("dialect_options") or {}
        return "sorts" if isinstance(condition, Order) and "sorts" in options else "filters"

    def wire_name(self, condition: Condition | Order) -> str:
        mapper, name = self._mapper_of(condition.path), "__".join(f.name for f in condition.path)
        found = self._asked_by(mapper, self._does(condition), name)
        if found is None:
            raise self._unknown(condition)
        return found

    def _unknown(self, condition: Condition | Order) -> UnsupportedLookup:
        mapper = self._mapper_of(condition.path)
        name = "__".join(field.name for field in condition.path)
        does, apart = self._does(condition), self._names(mapper, "sorts")
        told = f"does not {does.removesuffix('s')}" if apart else "neither filters nor sorts"
        filters = ", ".join(sorted({*self._names(mapper, does)}))
        known = filters or f"nothing that {mapper.model.__name__}'s Meta.dialect_options name"
        plain = ", ".join(sorted({*self._names(mapper, "parameters")}))
        also = f" It takes {plain} as plain equality." if plain else ""
        return UnsupportedLookup(
            f"{name}: CVAT {told} {mapper.endpoint} by it; it does by {known}."
            f"{also} Evaluate it here with .filter_locally(lambda obj: ...)."
        )

    def collection(self, mapper: Any, values: Mapping[str, Any]) -> tuple[Any, ...]:
        instead = self._names(mapper, "newer than 2.15")
        version = self.known_version() if instead else None
        if version is not None and version <= OLDEST:
            told = ".".join(map(str, version))
            raise UnsupportedLookup(f"CVAT {told} has no {mapper.endpoint}. {instead}")
        return super().collection(mapper, values)

    def where(self, query: Query) -> Iterator[tuple[str, Any]]:
        """Yield plain parameters for what only they can say, and one JSON Logic filter for the rest."""
        parameters = self._names(query.mapper, "parameters")
        plain: dict[str, Any] = {}
        logic: list[Node] = []
        for node in self._top(query.where):
            pair = self._plain(node, parameters)
            if pair is None:
                logic.append(node)
            elif plain.setdefault(*pair) != pair[1]:
                raise UnsupportedLookup(
                    f"{node}: CVAT takes one {pair[0]}, and {plain[pair[0]]!r} is asked for beside "
                    "it. Ask twice, or evaluate one of them here with .filter_locally(lambda obj: ...)."
                )
        yield from plain.items()
        if isinstance(query, Searched):
            if self._names(query.mapper, "unsearched"):
                raise UnsupportedLookup(
                    f"CVAT looks for no text in {query.mapper.endpoint}: filter them instead."
                )
            yield "search", query.text
        for node in logic:
            for condition in conditions(node):
                self.require(condition)
                if condition.name in parameters and condition.name not in self._names(
                    query.mapper, "filters"
                ):
                    raise UnsupportedLookup(
                        f"{condition.name}: CVAT takes it as a plain parameter, so it can be ANDed "
                        "with other conditions, not inside | or ~."
                    )
        if logic:
            node = logic[0] if len(logic) == 1 else And(tuple(logic))
            compiled = json_logic.compile_node(node, self.wire_name)
            yield "filter", json.dumps(compiled, separators=(",", ":"))

    def _plain(self, node: Node, parameters: Mapping[str, str]) -> tuple[str, Any] | None:
        """Return what a plain parameter says of a query; None for what it can't say."""
        if not isinstance(node, Condition) or node.name not in parameters:
            return None
        if node.lookup == "exact":
            return parameters[node.name], self.text(node.value)
        return PERSONAL if asks_for_none(node) else None

    def _top(self, node: Node | None) -> list[Node]:
        """Return the conditions that are ANDed, nested or not."""
        if isinstance(node, And):
            return [found for child in node.children for found in self._top(child)]
        return [] if node is None else [node]

    def order_parameter(self, keys: Sequence[Order]) -> tuple[str, Any]:
        names = [("-" if key.descending else "") + self.wire_name(key) for key in keys]
        return "sort", ",".join(names)

    def paging(self, query: Query, page_size: int | None) -> Iterator[tuple[str, Any]]:
        yield "page", 1
        if page_size is not None:
            yield "page_size", page_size

    def page_request(self, first: Request, number: int, query: Query) -> Request:
        return with_params(first, [("page", number)])

    def skip(self, query: Query, page_size: int | None) -> tuple[Request, int]:
        """Begin at the page that holds the first row, where the page size is surely obeyed.

        Newer servers clamp large pages without saying so, and page N of a clamped size begins
        elsewhere; pages up to the interface's own size are taken as they are asked for.
        """
        request = self.list_request(query, page_size)
        if kind_of(query.mapper) is not None:
            return super().skip(query, page_size)
        if not query.offset or page_size is None or page_size > PAGE_SIZE:
            return request, query.offset
        number, drop = divmod(query.offset, page_size)
        return with_params(request, [("page", number + 1)]), drop

    def read_page(self, query: Query, request: Request, response: Response) -> RowPage:
        if kind_of(query.mapper) is not None:
            return super().read_page(query, request, response)
        body = response.json()
        rows = rows_of(unwrap(body, "results", response), response)
        total = total_of(unwrap(body, "count", response), response)
        complete = self._names(query.mapper, "completed by")
        for row in rows if complete else ():
            complete(row)
        return RowPage(rows, total, link_of(body.get("next"), response))

    def read_row(self, mapper: Any, response: Response) -> dict[str, Any]:
        row = super().read_row(mapper, response)
        complete = self._names(mapper, "completed by")
        if complete:
            complete(row)
        return row

    def count_request(self, query: Query) -> Request | None:
        if kind_of(query.mapper) is not None:
            return super().count_request(query)
        return self.list_request(query, 1)

    def read_count(self, response: Response) -> int:
        return total_of(unwrap(response.json(), "count", response), response) or 0

    # -- writing ----------------------------------------------------------------------------------

    def operations(self, changes: Sequence[Change]) -> Iterator[Draft]:
        """Yield one request a change, but for labels and first comments: they travel in others'.

        The data of tasks are uploaded after that, in several requests.
        """
        annotations = [c for c in changes if kind_of(type(c.object).__mapper__) is not None]
        if annotations:
            told = {id(change) for change in annotations}
            others = [change for change in changes if id(change) not in told]
            yield from self.operations(others)
            yield from self.annotating(annotations)
            return
        changes, later = uploads.split(changes)
        carried: dict[Any, list[Change]] = {}
        parents: dict[Any, Any] = {}
        alone: list[Change] = []
        for change in changes:
            parent = self._carrier(change)
            if parent is None:
                alone.append(change)
            else:
                carried.setdefault(_identity(parent), []).append(change)
                parents[_identity(parent)] = parent
        gone = {_identity(c.object) for c in alone if c.kind == Kind.DELETE}
        yield from map(self.put_in_place, self._own(alone, carried))
        for identity, labels in carried.items():
            if identity in gone:  # they go with their parent
                for label in labels:
                    if label.kind != Kind.CREATE:
                        yield self.put_in_place(self.draft(label))
            else:
                yield self.put_in_place(self.with_labels(parents[identity], None, labels))
        if later:
            yield from uploads.drafts(self, later)

    def _own(self, changes: list[Change], carried: dict[Any, list[Change]]) -> Iterator[Draft]:
        """Yield the requests of what travels in no other one, with what travels in theirs."""
        self._refuse_of_nothing(changes)
        openers = self._openers(changes)
        brought = {id(opener.object) for opener in openers.values()}
        for change in changes:
            obj = change.object
            labels = carried.pop(_identity(obj), []) if change.kind != Kind.DELETE else []
            if labels:
                yield self.with_labels(obj, change, labels)
            elif id(obj) in openers:
                yield self.opened(change, openers[id(obj)])
            elif id(obj) not in brought:
                draft, awaited = self.draft(change), self._left_out(change)
                yield draft._replace(after=awaited) if awaited else draft

    def _refuse_of_nothing(self, changes: list[Change]) -> None:
        """Raise ValidationError for new objects of neither parent, or of both, where it is one's."""
        problems: list[tuple[object, str | None, list[str]]] = []
        for change in changes:
            obj = change.object
            mapper = type(obj).__mapper__
            names = self._names(mapper, "one of") if change.kind == Kind.CREATE else ()
            given = [name for name in names if obj._row.get(mapper.fields[name].key) is not None]
            if names and len(given) != 1:
                told = f"It is of one of {' and '.join(names)}; {len(given)} were given."
                problems.append((obj, names[0], [told]))
        if problems:
            raise ValidationError.of(problems)

    def _carrier(self, change: Change) -> Any:
        """Return the object whose request carries a change, None where it goes alone."""
        obj = change.object
        mapper = type(obj).__mapper__
        for name in self._names(mapper, "carried by"):
            if obj._row.get(mapper.fields[name].key) is not None:
                parent = getattr(obj, name)
                if change.kind == Kind.CREATE:
                    self._refuse_unheard(obj, parent)
                return parent
        if change.kind == Kind.CREATE and mapper.endpoint == "labels":
            raise QueryError(f"{obj!r} has no parent: give it a project or a task.")
        return None

    def _refuse_unheard(self, label: Any, parent: Any) -> None:
        """Raise QueryError for a label of a task in a project: CVAT takes it and does nothing."""
        if parent._row.get("project_id") is not None:
            raise QueryError(
                f"{label!r} can't be added to {parent!r}: the task is in a project, so its labels are "
                "the project's. Give the label that project."
            )

    def draft(self, change: Change) -> Draft:
        """Return the request for one change; what is said in turn is never sent side by side."""
        draft, mapper = super().draft(change), type(change.object).__mapper__
        if change.kind != Kind.CREATE:
            return draft
        looked_for = self._names(mapper, "looked for by")
        if looked_for:
            draft = draft._replace(settle=Settle.LOOK_UP, look=looked_for(self, change))
        name = self._names(mapper, "in turn by")
        if not name:
            return draft
        field = mapper.fields[name]
        of = change.object._row[field.key]
        key = field.key_value(of)
        return draft._replace(lane=(mapper.endpoint, id(of) if key is None else key))

    def _openers(self, changes: list[Change]) -> dict[int, Change]:
        """Return what travels in the POST of an issue, by the number of that: its first comment.

        Raises ValidationError for issues without one: CVAT makes none.
        """
        creates = [change for change in changes if change.kind == Kind.CREATE]
        opened = {id(c.object): c for c in creates if self._opening(c)}
        by = {self._opening(change).target: self._opening(change).by for change in opened.values()}
        found: dict[int, Change] = {}
        for change in creates if opened else ():
            field = by.get(type(change.object))
            parent = None if field is None else id(change.object._row.get(field.key))
            if parent in opened:
                found.setdefault(parent, change)
        told = ["CVAT makes none without a first one: give a message, or a list of them."]
        missing = [
            (change.object, self._opening(change).name, told)
            for number, change in opened.items()
            if number not in found and not self._left_out(change)
        ]
        if missing:
            raise ValidationError.of(missing)
        return found

    def _opening(self, change: Change) -> Any:
        """Return the relation whose first object travels in a change's POST; None without one."""
        mapper = type(change.object).__mapper__
        name = self._names(mapper, "opened by")
        return mapper.has_many[name] if name else None

    def _left_out(self, change: Change) -> tuple[Any, ...]:
        """Return the comments that a new issue was made with; asked where the plan has none of them."""
        relation = self._opening(change)
        if relation is None or change.kind != Kind.CREATE:
            return ()
        return tuple((change.object._state.children or {}).get(relation.name, ()))

    def opened(self, change: Change, first: Change) -> Draft:
        """Return an issue's POST with what its first comment says.

        The answer does not tell the comment's id, but whose it is: the issue's owner's.
        """
        draft, mapper = self.draft(change), type(change.object).__mapper__
        by = self._opening(change).by
        said = {key: value for key, value in wire.body(first).items() if key != by.write_key}

        def read(response: Response) -> list[Any]:
            row = self.read_row(mapper, response)
            # CVAT keeps texts trimmed.
            kept = {key: value.strip() for key, value in first.sent.items() if type(value) is str}
            return [row, kept | ({"owner": row["owner"]} if "owner" in row else {})]

        body = Json({**wire.body(change), **said})
        request = draft.request._replace(body=body)
        return draft._replace(changes=(change, first), request=request, read=read)

    def with_labels(self, parent: Any, change: Change | None, labels: list[Change]) -> Draft:
        """Return the parent's POST or PATCH with its labels in it."""
        body = wire.body(change) if change is not None else {}
        said = [item for label in labels for item in self.label_items(label)]
        body["labels"] = one_by_one(said, ("color",))
        creates = change is not None and change.kind == Kind.CREATE
        mapper = type(parent).__mapper__
        path = self.collection(mapper, {}) if creates else self.address(parent)
        own = (change,) if change is not None else ()

        def read(response: Response) -> list[Any]:
            row = self.read_row(mapper, response)
            # The answer has a summary of the labels, not the labels.
            return [*([row] if own else []), *(None for _ in labels)]

        return Draft(
            change.kind if change is not None else Kind.UPDATE,
            (*own, *labels),
            Request("POST" if creates else "PATCH", path, body=Json(body), repeatable=False),
            settle=Settle.LOOK_UP,
            lane=("labels", _identity(parent)),
            read=read,
        )

    def label_items(self, change: Change) -> list[Said]:
        """Return the items of the parent's ``labels`` that say a change: new, changed or deleted."""
        label = change.object
        mapper = type(label).__mapper__
        key = mapper.key_in(label._row)
        known = {"id": Pending(label, wire_key) if key is None else key}
        was = label._row.get("name")
        if change.kind == Kind.DELETE:
            return [Said({**known, "deleted": True}, was)]
        parents = {mapper.fields[name].write_key for name in self._names(mapper, "carried by")}
        item = {key: value for key, value in wire.body(change).items() if key not in parents}
        if change.kind == Kind.CREATE:
            return [Said(item, None)]
        if "attributes" in item:
            item["attributes"] = attributes_told(change, self.known_version)
        points = points_told(change)
        item.pop("sublabels", None)
        if points and not item:
            return points
        # An edit that does not tell the colour gets one made anew from the name.
        if "color" not in item:
            known["color"] = label._row.get("color") or Pending(label, _color)
        if "name" in change.changes:
            was = change.changes["name"][0]
        return [Said(known | item, was), *points]


def _color(label: Any) -> Any:
    """Return the colour that came with the label's key."""
    return label._row.get("color")


def _identity(obj: Any) -> Any:
    mapper = type(obj).__mapper__
    key = mapper.key_in(obj._row)
    return (mapper.root, id(obj) if key is None else key)
