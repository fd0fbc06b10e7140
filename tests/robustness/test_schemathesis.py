"""schemathesis, which is others' and unmodified, puts what the contract allows and what it does not.

It runs where schemathesis is installed: ``tox -e robustness``. ``OBJMAPPER_EXAMPLES`` tells how many
requests it makes up for each operation, beside those that it derives from the contract.
"""

import json
import os
import re
import zlib
from contextlib import contextmanager
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import unquote, urlsplit

import pytest
import requests
import schemathesis
from hypothesis import settings
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.generation import GenerationMode

from objmapper.server import serve
from objmapper.server.contract import contract

EXAMPLES = int(os.environ.get("OBJMAPPER_EXAMPLES", "2"))
FIXED = settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)
ADMIN = ("admin", "secret")
#: A CSRF token goes with a session cookie; schemathesis takes any for credentials by themselves.
HEADERS = {"Authorization": requests.auth._basic_auth_str(*ADMIN), "X-CSRFToken": "none"}
load_all_checks()
#: The checks that are not held, and why.
OFF = {
    "positive_data_acceptance": (
        "CVAT refuses by what it has as well, as a project_id that is nobody's, and a filter in "
        "JSON Logic is text to the contract"
    ),
    "negative_data_rejection": (
        "CVAT ignores parameters and fields that it does not know, and coerces: a name may be 5"
    ),
}
#: Where CVAT's own code fails, as the contract says of which requests. That no other fails, and no
#: answer is against the contract, the server's list of violations tells.
FAILS = {"not_a_server_error": "the contract has a 500"}


@schemathesis.serializer("application/offset+octet-stream")
def as_they_are(context, value):
    """Serialize the pieces of an upload."""
    return value if isinstance(value, bytes) else str(value).encode()


REFERENCES = {"project_id", "owner_id", "assignee_id", "assignee", "task_id", "job", "issue"}


def excluded(operation):
    names = OFF | (FAILS if "500" in operation.definition.raw["responses"] else {})
    return [check for check in CHECKS.get_all() if getattr(check, "__name__", "") in names]


def asked(version, path, method):
    """Return all that the contract of a version says of what an operation takes, as texts."""
    document = contract("cvat", version).document
    item = document["paths"].get(path, {})
    operation = item.get(method, {})
    texts = [
        json.dumps([item.get("parameters"), *map(operation.get, ("parameters", "requestBody"))])
    ]
    seen = set()
    for text in texts:
        for place in {*re.findall(r'"\$ref": "#/([^"]+)"', text)} - seen:
            seen.add(place)
            node = document
            for name in place.split("/"):
                node = node[name]
            texts.append(json.dumps(node))
    return sorted(texts)


def takes_the_same(context):
    operation = context.operation
    one, other = (asked(each, operation.path, operation.method) for each in ("2.15", "2.80"))
    return one == other


def schema_of(version, *modes):
    """Return the contract of one version as schemathesis reads it."""
    schema = schemathesis.openapi.from_dict(contract("cvat", version).document)
    schema.config.generation.update(modes=[*modes], with_security_parameters=False)

    @schema.hook
    def map_path_parameters(context, path_parameters):
        """Name what is there, mostly: the first half is kept, of the other half much is deleted."""
        deletes = context.operation.method.lower() == "delete"
        for name, value in (path_parameters or {}).items():
            number = zlib.crc32(repr(value).encode())
            if number % 4:
                path_parameters[name] = str(number // 4 % 4 + (6 if deletes else 2))
        return path_parameters

    @schema.hook
    def map_body(context, body):
        for name in REFERENCES & body.keys() if isinstance(body, dict) else ():
            if type(body[name]) is int:
                body[name] = 1 + body[name] % 5
        return body

    return schema


def fill(url, version):
    """Make some of what the seed has none of, and so much that some may be deleted."""
    tokens = "/api/auth/access_tokens" in contract("cvat", version).document["paths"]

    def post(path, **body):
        answer = requests.post(f"{url}/api/{path}", json=body, auth=ADMIN, timeout=30)
        assert answer.status_code == 201, answer.text

    for number in range(9):
        post("issues", job=1, frame=0, position=[1, 2], message="first")
        post("organizations", slug=f"org{number}")
        post(f"invitations?org=org{number}", email="alice@example.com", role="worker")
        if tokens:
            post("auth/access_tokens", name="token")


@contextmanager
def keeping():
    """A session that keeps its connection and nothing else: no cookie, nothing of the environment."""
    with requests.Session() as session:
        session.trust_env = False
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        yield session


def running(version):
    users = [ADMIN, *((f"user{number}", "secret") for number in range(9)), ("alice", "wonder")]
    target = f"embedded://cvat?seed=9x3&check=1&version={version}"
    with serve(target, users=users) as server, keeping() as session:
        fill(server.url, version)
        yield server, session


@pytest.fixture(scope="module")
def new():
    yield from running("2.80")


@pytest.fixture(scope="module")
def old():
    yield from running("2.15")


def put(case, running, version):
    """Send one request and check its answer."""
    server, session = running
    address = urlsplit(case.as_transport_kwargs(base_url=server.url)["url"])
    if contract("cvat", version).template(unquote(address.path)) != case.operation.path:
        return  # the path of something else, or of nothing that the contract has
    case.call_and_validate(
        base_url=server.url,
        session=session,
        headers=HEADERS,
        excluded_checks=excluded(case.operation),
    )
    assert server.server.violations == []


@schema_of("2.80", *GenerationMode).parametrize()
@FIXED
def test_the_server_keeps_to_its_contract(case, new):
    put(case, new, "2.80")


@schema_of("2.15", *GenerationMode).exclude(takes_the_same).parametrize()
@FIXED
def test_the_older_server_keeps_to_its_contract(case, old):
    put(case, old, "2.15")


# What is wrong of these has been put to 2.80, whose code it is that refuses it.
@schema_of("2.15", GenerationMode.POSITIVE).include(takes_the_same).parametrize()
@FIXED
def test_the_older_server_answers_what_is_asked_alike(case, old):
    put(case, old, "2.15")
