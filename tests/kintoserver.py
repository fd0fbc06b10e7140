"""A real Kinto in a process of its own, on a free port of the loopback, its data in memory.

::

    def test_something(kinto_server):            # one a test process; see conftest.py
        bucket = kinto_server.bucket("projects", "tasks")        # a fresh one
        client = kinto_server.client(bucket)
        kinto_server.ask("POST", f"/buckets/{bucket}/collections/tasks/records", {"name": "x"})

``KintoServer(folder, max_requests=3)`` is one of other settings, to be closed with ``close()``.
"""

import os
import re
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any

import requests

from objmapper import Client
from objmapper.dialects import Kinto

INI = """\
[app:main]
use = egg:kinto
kinto.includes = kinto.plugins.default_bucket
kinto.storage_backend = kinto.core.storage.memory
kinto.cache_backend = kinto.core.cache.memory
kinto.permission_backend = kinto.core.permission.memory
kinto.userid_hmac_secret = a test's own
kinto.bucket_create_principals = system.Authenticated
kinto.experimental_collection_schema_validation = true
kinto.batch_max_requests = {max_requests}
multiauth.policies = basicauth
multiauth.policy.basicauth.use = kinto.core.authentication.BasicAuthAuthenticationPolicy

[server:main]
use = egg:waitress#main
host = 127.0.0.1
port = 0
threads = 8

[loggers]
keys = root
[handlers]
keys = console
[formatters]
keys =
[logger_root]
level = INFO
handlers = console
[handler_console]
class = StreamHandler
args = (sys.stderr,)
level = NOTSET
"""
#: What its script does: as a module, Kinto runs nothing.
_MAIN = "import sys; from kinto.__main__ import main; sys.exit(main())"
_SERVING = re.compile(r"[Ss]erving on http://127\.0\.0\.1:(\d+)")
#: Seconds; it takes less than one.
_PATIENCE = 30


class KintoServer:
    """The process, from its start to ``close()``."""

    #: Any user and any password are one principal.
    auth = ("tests", "secret")

    def __init__(self, folder: Path, *, max_requests: int = 25) -> None:
        ini, self._log = folder / "kinto.ini", folder / "kinto.log"
        ini.write_text(INI.format(max_requests=max_requests))
        command = [sys.executable, "-c", _MAIN, "start", "--ini", str(ini), "--port", "0"]
        # What is measured is objmapper: a tracer would only make Kinto slow.
        env = {name: text for name, text in os.environ.items() if not name.startswith("COVERAGE_")}
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env
            )
        self._buckets = count(1)
        self.http = requests.Session()
        self.http.trust_env, self.http.auth = False, self.auth
        try:
            #: Where it is, with the version that a client's base URL ends in.
            self.url: str = f"http://127.0.0.1:{self._port()}/v1"
            self.ask("GET", "/")
        except BaseException:
            self.close()
            raise

    def _port(self) -> str:
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            if found := _SERVING.search(self._log.read_text()):
                return found[1]
            time.sleep(0.02)
        raise RuntimeError(f"Kinto did not start:\n{self._log.read_text()}")

    def close(self) -> None:
        """End the process."""
        self.http.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def ask(self, method: str, path: str, data: Any = None, **headers: str) -> Any:
        """Send what no dialect touched; return the answer's ``data``."""
        body = None if data is None else {"data": data}
        answer = self.http.request(method, f"{self.url}{path}", json=body, headers=headers)
        assert answer.status_code < 400, answer.text
        return answer.json().get("data")

    def bucket(self, *collections: str, **schemas: Any) -> str:
        """Make a fresh bucket with these collections; *schemas* has JSON schemas by their names."""
        name = f"bucket-{next(self._buckets)}"
        self.ask("PUT", f"/buckets/{name}")
        for collection in {*collections, *schemas}:
            schema = schemas.get(collection)
            data = {} if schema is None else {"schema": schema}
            self.ask("PUT", f"/buckets/{name}/collections/{collection}", data)
        return name

    def client(self, bucket: str, *, dialect: Any = None, **options: Any) -> Client:
        """Return a client whose endpoints are collections of *bucket*; the caller closes it."""
        dialect = Kinto(bucket=bucket) if dialect is None else dialect
        return Client(self.url, **{"dialect": dialect, "auth": self.auth} | options)
