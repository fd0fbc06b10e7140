"""A contract is an OpenAPI 3.1 document that requests and answers are held against."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

_PACKAGE = "objmapper.schemas"
_SHOWN = 5


def document(kind: str) -> Any:
    """The written contract of one kind of server, parsed."""
    name = f"{kind}.json"
    try:
        text = resources.files(_PACKAGE).joinpath(name).read_text("utf-8")
    except ModuleNotFoundError:
        # A checkout that is not installed: the folder stands beside the package.
        text = (Path(__file__).parents[2] / "schemas" / name).read_text("utf-8")
    return json.loads(text)


@cache
def contract(kind: str, version: str) -> Contract:
    """The contract of one kind and version, read and indexed once a process."""
    return Contract(document(kind), version)


class Contract:
    """An indexed document: which operation a path and method are, and what fits it.

    >>> contract("cvat", "2.80").answer_faults("GET", "/api/nowhere", 200, {}, b"")
    ['200 for a path that is not in the contract']
    """

    def __init__(self, document: Any, version: str) -> None:
        self.document = document = _of_version(document, version)
        # A look-up of the library's own takes longer than most of what it leads to.
        self._fits = extend(  # type: ignore[no-untyped-call]  # of jsonschema's the stubs say little
            Draft202012Validator, {"$ref": self._fits_reference}
        )
        self._validators: dict[tuple[str, ...], Any] = {}
        self._references: dict[str, Any] = {}
        # Paths without a variable come first: /api/users/self is not a user's id.
        self._paths = [
            (re.compile(self._pattern(path)), path)
            for path in sorted(document["paths"], key=lambda path: ("{" in path, path))
        ]

    def _pattern(self, path: str) -> str:
        """A path as a regular expression; a variable fits what its parameter's pattern says."""
        fits = {}
        for index, reference in enumerate(self.document["paths"][path].get("parameters", ())):
            at = ["paths", path, "parameters", str(index)]
            parameter, _ = self._resolve(reference, at)
            fits[parameter["name"]] = parameter["schema"].get("pattern", "[^/]+").strip("^$")
        slash = "x-slash" in self.document["paths"][path]
        parts = re.split(r"\{(\w+)\}", path.removesuffix("/") if slash else path)
        return "".join(
            fits.get(part, "[^/]+") if index % 2 else re.escape(part)
            for index, part in enumerate(parts)
        ) + ("/?" if slash else "")

    def template(self, path: str) -> str | None:
        """The path as the document writes it, with variables; None for an unknown one."""
        return next((name for pattern, name in self._paths if pattern.fullmatch(path)), None)

    def request_faults(
        self, method: str, path: str, query: str, body: bytes, content_type: str
    ) -> list[str]:
        """What in a request the contract does not allow; empty for a request it does not know."""
        template = self.template(path)
        item = self.document["paths"].get(template, {})
        operation = item.get(method.lower())
        if template is None or operation is None:
            return []
        pointer = ["paths", template, method.lower()]
        faults = [
            *self._parameters(["paths", template], item, query),
            *self._parameters(pointer, operation, query),
        ]
        wanted = operation.get("requestBody")
        if not wanted or (not body and not wanted.get("required")):
            return faults
        if _main(content_type) not in wanted["content"]:
            return [*faults, f"content type {content_type!r} is not in the contract"]
        kind = _main(content_type)
        at = [*pointer, "requestBody", "content", kind, "schema"]
        if kind == "application/msgpack":
            return [*faults, *self._check_packed("", at, body)]
        return [*faults, *self._check_json("", at, body)] if kind.endswith("json") else faults

    def answer_faults(
        self, method: str, path: str, status: int, headers: Mapping[str, str], body: bytes
    ) -> list[str]:
        """What in an answer the contract does not allow."""
        template = self.template(path)
        if template is None:
            return [] if status == 404 else [f"{status} for a path that is not in the contract"]
        item, name = self.document["paths"][template], method.lower()
        if name == "head" and name not in item:
            name = "get"
        operation = item.get(name)
        at = ["paths", template, name, "responses"]
        if operation is None:
            if method == "OPTIONS" and status == 200:
                return []
            at = ["x-refusals"]
        responses = self.document["x-refusals"] if operation is None else operation["responses"]
        if str(status) not in responses:
            what = "" if operation else " for a method that it does not have"
            return [f"status {status} is not in the contract{what}"]
        response, at = self._resolve(responses[str(status)], [*at, str(status)])
        faults = list(self._headers(response, at, headers))
        content = response.get("content")
        if method == "HEAD" or (not body and response.get("x-empty")):
            return faults
        if content is None:
            return [*faults, "a body, where the contract has none"] if body else faults
        given = _main(headers.get("content-type", ""))
        if given not in content:
            return [*faults, f"content type {given!r} is not one of {', '.join(content)}"]
        if given.endswith("json"):
            faults += self._check_json("", [*at, "content", given, "schema"], body)
        return faults

    def _parameters(self, at: list[str], holder: Any, query: str) -> Iterator[str]:
        given = dict(parse_qsl(query, keep_blank_values=True))
        for index, reference in enumerate(holder.get("parameters", ())):
            parameter, place = self._resolve(reference, [*at, "parameters", str(index)])
            name = parameter["name"]
            if parameter["in"] != "query" or name not in given:
                continue
            faults = list(self._check(f"?{name}", [*place, "schema"], given[name]))
            if faults and re.fullmatch(r"-?\d+", given[name]):
                faults = list(self._check(f"?{name}", [*place, "schema"], int(given[name])))
            yield from faults

    def _headers(self, response: Any, at: list[str], headers: Mapping[str, str]) -> Iterator[str]:
        for name, reference in response.get("headers", {}).items():
            header, place = self._resolve(reference, [*at, "headers", name])
            value = headers.get(name.lower())
            if value is not None:
                yield from self._check(f"header {name}", [*place, "schema"], value)
            elif header.get("required"):
                yield f"header {name} is missing"

    def _check_json(self, label: str, at: list[str], body: bytes) -> Iterable[str]:
        try:
            value = json.loads(body)
        except ValueError as error:
            return [f"body is not JSON: {error}"]
        return self._check(label, at, value)

    def _check_packed(self, label: str, at: list[str], body: bytes) -> Iterable[str]:
        import msgpack  # noqa: PLC0415 - who says it has read it

        return self._check(label, at, msgpack.unpackb(body))

    def _check(self, label: str, at: list[str], value: Any) -> Iterator[str]:
        key = tuple(at)
        validator = self._validators.get(key)
        if validator is None:
            # Several threads may build the same one; they are equal and the last one stays.
            validator = self._validators[key] = self._fits(self._at(at))
        for _, error in zip(range(_SHOWN), validator.iter_errors(value), strict=False):
            place = "".join(f"/{part}" for part in error.absolute_path)
            yield f"{label}{place or ('' if label else '/')}: {error.message[:300]}"

    def _fits_reference(
        self, _: Any, reference: str, value: Any, __: Any
    ) -> Iterator[ValidationError]:
        fits = self._references.get(reference)
        if fits is None:
            fits = self._references[reference] = self._fits(self._at(_place(reference)))
        yield from fits.iter_errors(value)

    def _at(self, at: Iterable[str]) -> Any:
        node = self.document
        for part in at:
            node = node[int(part) if isinstance(node, list) else part]
        return node

    def _resolve(self, node: Any, at: list[str]) -> tuple[Any, list[str]]:
        """A reusable part of the document in place of its ``$ref``, and where it stands."""
        while "$ref" in node:
            at = _place(node["$ref"])
            node = self._at(at)
        return node, at


def _main(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _place(reference: str) -> list[str]:
    return reference.removeprefix("#/").split("/")


def _of_version(node: Any, version: str) -> Any:
    """The document as one version has it: without what others have, with what it requires."""
    if isinstance(node, list):
        return [_of_version(each, version) for each in node if _has(each, version)]
    if not isinstance(node, dict):
        return node
    kept = {key: _of_version(each, version) for key, each in node.items() if _has(each, version)}
    more = node.get("x-required", {}).get(version, [])
    return kept | ({"required": [*node.get("required", ()), *more]} if more else {})


def _has(node: Any, version: str) -> bool:
    return not isinstance(node, dict) or version in node.get("x-versions", (version,))
