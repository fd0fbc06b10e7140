"""The written contract, held against a real server's recorded answers and against the check."""

import base64
import json
import re
from collections import Counter
from pathlib import Path

import pytest
import requests
from jsonschema import Draft202012Validator
from werkzeug.wrappers import Response

from objmapper.server import WSGIAdapter, embedded
from objmapper.server.contract import Contract, document
from objmapper.server.cvat.app import Cvat
from objmapper.server.front import Front

RECORDINGS = Path(__file__).parents[1] / "recordings" / "cvat-2.15"


# What was recorded and is left out of the contract: backups, files of annotations that come in
# pieces, other kinds, and a path that has no view, with a slash at its end.
NOT_COVERED = re.compile(
    r"/api/(analytics|cloudstorages|events|lambda|quality|webhooks)(/.*)?"
    r"|/api/(schema|server/annotation|server/plugins)(/.*)?"
    r"|/api/(jobs|tasks)/\d+/(annotations/[0-9a-f-]{36}|backup)"
    r"|/api/tasks/(backup/.*)?"
)
# Files of annotations: they are neither made nor read.
EXPORTS = re.compile(r"/annotations/?\?format=(?!Nope)|POST /api/tasks/\d+/annotations/")
# What the contract has and was not recorded.
NOT_RECORDED = {
    "/api/users/{id}", "/api/memberships/{id}", "/api/invitations/{key}",
    "/api/invitations/{key}/accept", "/api/invitations/{key}/decline",
    "/api/invitations/{key}/resend", "/api/guides", "/api/guides/{id}", "/api/projects/{id}/preview",
    "/api/tasks/{id}/data/{file}", "/api/jobs/{id}/data",
    "/api/jobs/{id}/data/meta", "/api/jobs/{id}/preview",
}  # fmt: skip


def lines():
    """Every recorded exchange with the name of its file."""
    for file in sorted(RECORDINGS.glob("*.jsonl")):
        for line in file.read_text("utf-8").splitlines():
            yield file.stem, json.loads(line)


def recorded():
    """Every recorded exchange with a covered path: where it stands, request, answer."""
    contract = Contract(document("cvat"), "2.15")
    for file, exchange in lines():
        request, answer = exchange["request"], exchange["response"]
        path, _, query = request["path"].partition("?")
        file_ = EXPORTS.search(f"{request['method']} {request['path']}")
        if contract.template(path) is not None and not file_:
            label = f"{file}-{exchange['n']}-{request['method']}-{answer['status']}"
            yield pytest.param(request, path, query, answer, id=label)


EXCHANGES = list(recorded())


def raw(body):
    if body is None:
        return b""
    if "bytes" in body:
        return base64.b64decode(body["base64_head"])
    return body["text"].encode() if "text" in body else json.dumps(body["json"]).encode()


@pytest.fixture(scope="module")
def old():
    return Contract(document("cvat"), "2.15")


@pytest.fixture(scope="module")
def new():
    return Contract(document("cvat"), "2.80")


def test_every_recorded_path_is_covered_or_named(old):
    paths = {exchange["request"]["path"].partition("?")[0] for _, exchange in lines()}
    for path in paths:
        assert (old.template(path) is None) == bool(NOT_COVERED.fullmatch(path)), path


def test_the_recordings_cover_the_contract(old):
    seen = Counter()
    for each in EXCHANGES:
        request, path, _, answer = each.values
        seen[request["method"], old.template(path), answer["status"]] += 1
    assert sum(seen.values()) > 200
    assert {path for _, path, _ in seen} == set(old.document["paths"]) - NOT_RECORDED
    assert {status for *_, status in seen} == {
        200, 201, 202, 204, 400, 401, 403, 404, 405, 406, 429, 500
    }  # fmt: skip


@pytest.mark.parametrize(("request_", "path", "query", "answer"), EXCHANGES)
def test_what_the_real_server_said_is_in_the_contract(old, request_, path, query, answer):
    method, status = request_["method"], answer["status"]
    headers = {name.lower(): value for name, value in answer["headers"].items()}
    faults = old.answer_faults(method, path, status, headers, raw(answer["body"]))
    assert faults == []
    if status < 400:
        kind = request_["headers"].get("content-type", "")
        assert old.request_faults(method, path, query, raw(request_["body"]), kind) == []


def test_the_document_is_complete_in_itself(new):
    text = json.dumps(new.document)
    for reference in set(_references(new.document)):
        node = new.document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
        assert f'"{reference}"' in text
    for schema in new.document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def _references(node):
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for each in node.values():
            yield from _references(each)
    elif isinstance(node, list):
        for each in node:
            yield from _references(each)


def test_every_claim_and_operation_names_its_sources(new):
    observed = new.document["info"]["x-observed"]
    for source in observed["sources"].values():
        assert set(source) == {"product", "version", "date", "how"}
    known = set(observed["sources"]) | {"pull request 11188 of cvat-ai/cvat"}
    for claim in observed["claims"]:
        assert claim["source"], claim
        assert set(claim["source"]) <= known
    for path, item in new.document["paths"].items():
        for method in set(item) - {"parameters", "x-slash", "x-versions"}:
            assert item[method]["x-source"], (method, path)
            assert set(item[method]["x-source"]) <= known
            assert item[method]["operationId"]
            assert item[method]["responses"]


def test_operation_ids_are_unique(new):
    ids = [
        item[method]["operationId"]
        for item in new.document["paths"].values()
        for method in set(item) - {"parameters", "x-slash", "x-versions"}
    ]
    assert len(ids) == len(set(ids))


def test_a_version_has_its_own_keys(old, new):
    def task(contract):
        return contract.document["components"]["schemas"]["Task"]

    assert "project_name" not in task(old)["properties"]
    assert "project_name" in task(new)["required"]
    assert "logo_url" not in old.document["components"]["schemas"]["About"]["properties"]
    assert "bearer" not in old.document["components"]["securitySchemes"]


CVAT = "application/vnd.cvat+json"
GOOD = {"content-type": CVAT, "allow": "GET"}
TEXT = GOOD | {"content-type": "text/plain"}
ODD = GOOD | {"x-request-id": "?"}


@pytest.mark.parametrize(
    ("method", "path", "status", "headers", "body", "fault"),
    [
        ("GET", "/api/nowhere", 200, GOOD, b"", "200 for a path that is not in the contract"),
        ("GET", "/api/tasks", 418, GOOD, b"", "status 418 is not in the contract"),
        ("PUT", "/api/tasks", 200, GOOD, b"", "for a method that it does not have"),
        ("GET", "/api/tasks", 200, {"content-type": CVAT}, b"{}", "header Allow is missing"),
        ("GET", "/api/tasks", 200, TEXT, b"", f"'text/plain' is not one of {CVAT}, text/html"),
        ("GET", "/api/tasks", 200, GOOD, b"{", "body is not JSON"),
        ("DELETE", "/api/tasks/1", 204, GOOD, b"x", "a body, where the contract has none"),
        ("GET", "/api/tasks/1", 404, GOOD, b'{"detail": 5}', "/detail: 5 is not of type 'string'"),
        ("GET", "/api/tasks/1", 404, GOOD, b'{"detail": "x", "a": 1}', "/: Additional properties"),
        ("GET", "/api/tasks/1", 404, ODD, b'{"detail": ""}', "header X-Request-Id: '?' does not"),
    ],
)  # fmt: skip
def test_a_fault_in_an_answer_is_named(new, method, path, status, headers, body, fault):
    found = new.answer_faults(method, path, status, headers, body)
    assert any(fault in each for each in found), found


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/api/nowhere", 404), ("OPTIONS", "/api/tasks", 200), ("HEAD", "/api/tasks", 200)],
)
def test_an_answer_in_the_contract_has_no_fault(new, method, path, status):
    assert new.answer_faults(method, path, status, GOOD, b"") == []


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "kind", "fault"),
    [
        ("POST", "/api/tasks", "", b'{"name": []}', "application/json", "/name: [] is not of type"),
        ("POST", "/api/tasks", "", b"{}", "application/json", "/: 'name' is a required property"),
        ("POST", "/api/tasks", "", b"", "application/json", "body is not JSON"),
        ("POST", "/api/tasks", "", b"{}", "text/plain", "content type 'text/plain' is not in the contract"),
        ("GET", "/api/tasks", "page=0", b"", "", "?page: 0 is not valid under any"),
        ("GET", "/api/tasks", "status=bogus", b"", "", "?status: 'bogus' is not one of"),
    ],
)  # fmt: skip
def test_a_fault_in_a_request_is_named(new, method, path, query, body, kind, fault):
    found = new.request_faults(method, path, query, body, kind)
    assert any(fault in each for each in found), found


@pytest.mark.parametrize(
    ("method", "path", "query", "body"),
    [
        ("PATCH", "/api/tasks/1", "", b'{"bogus": 1, "id": "x", "name": 5}'),
        ("PATCH", "/api/tasks/1", "", b""),
        ("GET", "/api/tasks", "page=2&page_size=x&bogus=1&status=", b""),
        ("BREW", "/api/tasks", "", b""),
        ("GET", "/api/nowhere", "", b""),
    ],
)
def test_what_cvat_tolerates_is_no_fault(new, method, path, query, body):
    assert new.request_faults(method, path, query, body, "application/json") == []


def behind_the_check(answer):
    """A server that answers wrongly, behind the check, and a session to it."""
    front = Front(answer, Contract(document("cvat"), "2.80"), Cvat.fault)
    session = requests.Session()
    session.mount("http://wrong.embedded", WSGIAdapter(front))
    return front, session


def test_an_answer_against_the_contract_becomes_a_500_that_names_it():
    def answer(request):
        body = '{"name": 5, "description": "", "version": "2.80", "logo_url": "", "subtitle": ""}'
        return Response(body, content_type="application/vnd.cvat+json", headers={"Allow": "GET"})

    front, session = behind_the_check(answer)
    with session:
        response = session.get("http://wrong.embedded/api/server/about")
    expected = "GET /api/server/about 200: /name: 5 is not of type 'string'"
    assert response.status_code == 500
    assert response.text == f"Contract violation\n{expected}\n"
    assert front.violations == [expected]


def test_a_request_against_the_contract_that_is_taken_is_recorded_and_served():
    def answer(request):
        return Response(status=204, headers={"Allow": "DELETE"}, content_type="")

    front, session = behind_the_check(answer)
    with session:
        session.patch("http://wrong.embedded/api/jobs/1", json={"stage": "bogus"})
        served = session.delete("http://wrong.embedded/api/tasks/1", json={})
    assert served.status_code == 204
    assert front.violations[0].startswith(
        "PATCH /api/jobs/1 204: request /stage: 'bogus' is not one of"
    )


def test_a_fault_of_the_server_itself_is_a_500_and_is_recorded(caplog):
    def answer(request):
        raise ZeroDivisionError("inside")

    front, session = behind_the_check(answer)
    with session:
        response = session.get("http://wrong.embedded/api/labels")
    assert response.status_code == 500
    assert "Server Error (500)" in response.text
    assert "ZeroDivisionError" in front.violations[0]
    assert "ZeroDivisionError" in caplog.text


def test_without_the_check_nothing_is_recorded():
    with embedded("cvat") as server, requests.Session() as session:
        session.mount(server.base_url, server.adapter())
        session.get(f"{server.base_url}/api/tasks")
        assert server.violations == []
