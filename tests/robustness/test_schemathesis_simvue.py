"""schemathesis, unmodified, puts to the embedded Simvue what its contract allows and what it does not.

It runs where schemathesis is installed: ``tox -e robustness``.
"""

import os
import zlib
from http.cookiejar import DefaultCookiePolicy

import msgpack
import pytest
import requests
import schemathesis
from hypothesis import settings
from schemathesis.checks import CHECKS, load_all_checks

from objmapper.server import serve
from objmapper.server.contract import contract

EXAMPLES = int(os.environ.get("OBJMAPPER_EXAMPLES", "2"))
FIXED = settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)
load_all_checks()
#: The checks that are not held, and why. That no answer is against the contract, and none is a 500,
#: the server's list of violations tells.
OFF = {
    "positive_data_acceptance": "a run goes in a folder that is there, a filter is text to JSON Schema",
    "negative_data_rejection": "parameters that are not known are ignored",
}
EXCLUDED = [check for check in CHECKS.get_all() if getattr(check, "__name__", "") in OFF]
SCHEMA = schemathesis.openapi.from_dict(contract("simvue", "1.5").document)
SCHEMA.config.generation.update(with_security_parameters=False)


@schemathesis.serializer("application/msgpack")
def packed(ctx, value):
    """A body as msgpack has it; what it has no word for goes as a text."""
    return msgpack.packb(value, default=str, unicode_errors="surrogatepass")


@pytest.fixture(scope="module")
def running():
    with serve("simvue", seed="9x3", check=True) as server:
        yield server


@pytest.fixture(scope="module")
def session():
    """It keeps its connection and nothing else: no cookie, nothing of the environment."""
    with requests.Session() as session:
        session.trust_env = False
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        yield session


@pytest.fixture(scope="module")
def keys(running, session):
    """What is there, for paths to name."""
    headers = {"Authorization": f"Bearer {running.server.credentials['TOKEN']}"}
    found = {}
    for kind in ("runs", "folders"):
        rows = session.get(f"{running.url}/api/{kind}", headers=headers).json()["data"]
        found[kind] = [row["id"] for row in rows]
    return found


@SCHEMA.parametrize()
@FIXED
def test_the_server_keeps_to_its_contract(case, running, session, keys):
    kind = case.path.split("/")[2] if case.path.startswith("/api/") else ""
    number = zlib.crc32(repr(case.path_parameters).encode())
    if "key" in (case.path_parameters or {}) and kind in keys and number % 4:
        case.path_parameters["key"] = keys[kind][number // 4 % len(keys[kind])]
    headers = {"Authorization": f"Bearer {running.server.credentials['TOKEN']}"}
    case.call_and_validate(
        base_url=running.url, session=session, headers=headers, excluded_checks=EXCLUDED
    )
    said = [*running.server.violations]
    running.server.violations.clear()
    assert said == []
