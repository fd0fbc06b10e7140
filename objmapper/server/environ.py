"""A WSGI environ tells by which door a request came in."""

from __future__ import annotations

from typing import IO, Any
from urllib.parse import unquote_to_bytes, urlsplit

Environ = dict[str, Any]

_KEY = "objmapper.server.door"
# The value is an object of this process: no header and no other process can bring it along.
_IN_PROCESS = object()


def in_process(environ: Environ) -> bool:
    """A request is in process when the adapter made its environ; a socket can't claim that."""
    return environ.get(_KEY) is _IN_PROCESS


def build(
    method: str, url: str, headers: list[tuple[str, str]], body: IO[bytes], length: int | None
) -> Environ:
    """An environ for the in-process door; ``length`` is None when the body ends by itself."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    environ: Environ = {
        _KEY: _IN_PROCESS,
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(parts.path).decode("latin-1"),
        "QUERY_STRING": parts.query,
        "REQUEST_URI": parts.path + ("?" + parts.query if parts.query else ""),
        "SERVER_NAME": parts.hostname or "",
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": parts.netloc.rpartition("@")[2],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": parts.scheme,
        "wsgi.input": body,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in headers:
        key = name.upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = "HTTP_" + key
        if key == "CONTENT_LENGTH" or key == "HTTP_TRANSFER_ENCODING":
            continue
        environ[key] = value
    if length is None:
        environ["wsgi.input_terminated"] = True
    else:
        environ["CONTENT_LENGTH"] = str(length)
    return environ
