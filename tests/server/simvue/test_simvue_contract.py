"""The written contract of Simvue: complete in itself, and what the server has, no more and no less."""

import re

import pytest
from jsonschema import Draft202012Validator

from objmapper.server.contract import contract

METHODS = {"get", "put", "post", "patch", "delete"}
DOCUMENT = contract("simvue", "1.5").document
OPERATIONS = [
    (path, method, item[method])
    for path, item in DOCUMENT["paths"].items()
    for method in sorted(METHODS & set(item))
]
#: Nothing has this id.
KEY = "A" * 22


def references(node):
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for each in node.values():
            yield from references(each)
    elif isinstance(node, list):
        for each in node:
            yield from references(each)


def test_every_part_that_is_referred_to_is_there_and_every_part_is_referred_to():
    told = set(references(DOCUMENT))
    for kind in ("schemas", "responses", "parameters"):
        there = {f"#/components/{kind}/{name}" for name in DOCUMENT["components"][kind]}
        assert {each for each in told if each.startswith(f"#/components/{kind}/")} == there
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_claim_and_every_part_says_from_where_it_is_known():
    observed = DOCUMENT["info"]["x-observed"]
    for source in observed["sources"].values():
        assert set(source) == {"product", "version", "date", "how"}
    for claim in observed["claims"]:
        assert claim["source"]
        assert set(claim["source"]) <= set(observed["sources"]), claim
    known = [(f"{method} {path}", operation) for path, method, operation in OPERATIONS]
    for kind in ("schemas", "responses", "parameters"):
        known += DOCUMENT["components"][kind].items()
    for name, part in known:
        assert part["x-source"], name
        assert set(part["x-source"]) <= set(observed["sources"]), name
    ids = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("path", DOCUMENT["paths"])
def test_a_path_has_the_methods_of_the_contract_and_no_others(door, path):
    url = f"{door.url}{re.sub('{[^}]*}', KEY, path)}"
    for method in METHODS:
        answer = door(method.upper(), url)
        if method in DOCUMENT["paths"][path]:
            assert answer.status_code != 405
            assert str(answer.status_code) in DOCUMENT["paths"][path][method]["responses"]
            assert answer.text != '{"detail":"Not Found"}' or path.startswith("/storage/")
        else:
            assert (answer.status_code, answer.json()) == (405, {"detail": "Method Not Allowed"})


@pytest.mark.parametrize("path", ["/", "/api", "/api/", "/api/nowhere", "/api/runs//", "/storage"])
def test_a_path_that_is_not_in_the_contract_is_a_404(door, path):
    answer = door("GET", f"{door.url}{path}")
    assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})


def test_a_fault_in_msgpack_is_named():
    known = contract("simvue", "1.5")

    def faults(body):
        return known.request_faults("POST", "/api/events", "", body, "application/msgpack")

    assert faults(b"\x82\xa3run\xa1x\xa6events\x90") == []
    assert faults(b"\x82\xa3run\x01\xa6events\x90") == ["/run: 1 is not of type 'string'"]
