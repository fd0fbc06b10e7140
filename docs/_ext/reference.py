"""The reference is complete: each public name that it lacks is a warning of the build.

Types that annotations name without their module, as only type checkers import them, lead to their
classes; errors that a docstring names lead to what is said of them; defaults are shown as a reader can
read them.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterator
from typing import Any

import public
from sphinx.addnodes import pending_xref
from sphinx.util import logging
from sphinx.util.nodes import make_refnode

from objmapper import exceptions

_log = logging.getLogger(__name__)
#: What a bare name means where there are several: CVAT has requests of its own.
_MEANT = {"Request": "objmapper.operation.Request"}
#: What stands in a signature, and how a reader can read it.
_SHOWN = {
    r"_Unset\.UNSET|<factory>": "...",
    r"<function (\w+)>": r"\1",
    r"~requests\.": "requests.",  # there is a Session of ours, too
    r"mappingproxy\((\{\})\)": r"\1",
}
#: Errors that are named by more than one word, so that the name means nothing else.
_ERRORS = re.compile(
    r"(?<![\w.`])"
    rf"(?:{'|'.join(name for name in vars(exceptions) if re.match('([A-Z][a-z]+){2}', name))})"
    r"(?!\w)"
)


def _names_in(objects: dict[str, Any]) -> Iterator[str]:
    """Yield the names in Sphinx's list of Python objects, members also below their class's home."""
    homes = {entry.node_id: name for name, entry in objects.items() if entry.aliased}
    for name in objects:
        yield name
        owner, _, member = name.rpartition(".")
        if owner in objects and objects[owner].node_id in homes:
            yield f"{homes[objects[owner].node_id]}.{member}"


def _check(app: Any, env: Any) -> None:
    for name in sorted(set(public.missing(_names_in(env.domains["py"].objects)))):
        _log.warning("the reference lacks %s", name)


def _builtins_are_builtin(app: Any, doctree: Any) -> None:
    """Keep Sphinx from taking ``object`` and ``list`` for members of those names, or one for another."""
    for node in doctree.findall(pending_xref):
        if node.get("refdomain") == "py" and node["reftarget"] in _MEANT:
            node["reftarget"] = _MEANT[node["reftarget"]]
        elif node.get("refdomain") == "py" and hasattr(builtins, node["reftarget"]):
            for scope in ("refspecific", "py:class", "py:module"):
                node.attributes.pop(scope, None)


def _by_last_name(app: Any, env: Any, node: Any, contnode: Any) -> Any:
    """Return the link to the one class of that name, whichever of our modules has it."""
    module, _, wanted = node["reftarget"].rpartition(".")
    if node.get("refdomain") != "py" or not re.match(r"objmapper\b|$", module):
        return None
    found = {
        (entry.docname, entry.node_id)
        for name, entry in env.domains["py"].objects.items()
        if name.rpartition(".")[2] == wanted and entry.objtype in ("class", "exception")
    }
    if len(found) != 1:
        return None
    return make_refnode(app.builder, node["refdoc"], *found.pop(), contnode)


def _link_errors(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Make the names of errors in a docstring lead to them; code and literals stay as they are."""
    code = False
    for number, line in enumerate(lines):
        if code or line.startswith((">>>", "...")):
            code = not line or line.startswith(" ")
            continue
        parts = line.split("``")
        parts[::2] = [_ERRORS.sub(r":exc:`~objmapper.\g<0>`", part) for part in parts[::2]]
        lines[number] = "``".join(parts)
        code = line.endswith("::")


def _readable(
    app: Any, what: str, name: str, obj: Any, options: Any, signature: str | None, returns: Any
) -> tuple[str | None, Any]:
    for pattern, shown in _SHOWN.items():
        signature, returns = (
            text and re.sub(pattern, shown, text) for text in (signature, returns)
        )
    return signature, returns


def setup(app: Any) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("env-check-consistency", _check)
    app.connect("doctree-read", _builtins_are_builtin)
    app.connect("missing-reference", _by_last_name)
    app.connect("autodoc-process-docstring", _link_errors)
    app.connect("autodoc-process-signature", _readable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
