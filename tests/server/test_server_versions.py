"""CVAT 2.15 and 2.80: what one has and the other has not, as the contract says it."""

import json

import pytest

from objmapper.server.contract import Contract, document

DOCUMENT = document("cvat")
SCHEMAS = DOCUMENT["components"]["schemas"]
KINDS = {"tasks": "Task", "projects": "Project", "jobs": "Job", "users": "User", "labels": "Label"}


@pytest.fixture(scope="module")
def contracts():
    return {version: Contract(DOCUMENT, version) for version in ("2.15", "2.80")}


@pytest.fixture
def both(open_door):
    """The two versions, with the same content."""
    return {version: open_door(version=version, seed="1x3") for version in ("2.15", "2.80")}


@pytest.fixture
def old(both):
    return both["2.15"]


@pytest.fixture
def new(both):
    return both["2.80"]


def rows(door, kind, query=""):
    return door.get(f"/{kind}?{query}").json()["results"]


def test_each_names_itself(both):
    for version, door in both.items():
        about = door.get("/server/about").json()
        assert about["version"].startswith(f"{version}.")
        assert ("logo_url" in about) == ("subtitle" in about) == (version == "2.80")


@pytest.mark.parametrize("kind", KINDS)
def test_the_keys_of_a_row_differ_as_the_contract_says(both, kind):
    properties = SCHEMAS[KINDS[kind]]["properties"]
    added = {key for key, each in properties.items() if each.get("x-versions") == ["2.80"]}
    always = set(SCHEMAS[KINDS[kind]].get("x-required", {}).get("2.80", []))
    old, new = (set().union(*rows(door, kind)) for door in both.values())
    assert old < new if always else old == new
    assert always <= new - old <= added


@pytest.mark.parametrize("kind", ["tasks", "projects", "jobs"])
def test_what_is_made_or_changed_has_the_keys_of_its_version(both, kind):
    for door in both.values():
        known = rows(door, kind)[0].keys()
        assert door.get(f"/{kind}/1").json().keys() == known
        assert door.patch(f"/{kind}/1", {}).json().keys() == known


def test_a_key_that_is_none_yet_is_ignored_as_any_other(old, new):
    body = {"name": "t", "project_id": 1, "initial_replicas": "many"}
    assert old.post("/tasks", body).status_code == 201
    assert new.post("/tasks", body).status_code == 400
    move = {"organization_id": 77}
    assert old.patch("/tasks/1", move).status_code == 200
    assert new.patch("/tasks/1", move).status_code == 400


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("tasks", "created_date"),
        ("tasks", "media_type"),
        ("tasks", "validation_mode"),
        ("jobs", "media_type"),
        ("jobs", "mode"),
        ("jobs", "parent_job_id"),
    ],
)
def test_a_name_that_is_none_yet_does_not_filter(old, new, kind, name):
    query = f'filter={{"==":[{{"var":"{name}"}},null]}}'
    answer = old.get(f"/{kind}?{query}")
    assert answer.status_code == 400
    assert answer.json() == [f"filter: '{name}' term is not supported"]
    assert new.get(f"/{kind}?{query}").status_code == 200


def test_a_name_that_is_none_yet_is_no_order(old, new):
    for door in (old, new):
        door.patch("/tasks/1", {"name": "changed"})
    assert [row["id"] for row in rows(old, "tasks", "sort=created_date")] == [3, 2, 1]
    assert [row["id"] for row in rows(new, "tasks", "sort=created_date")] == [1, 2, 3]
    assert [row["id"] for row in rows(old, "tasks", "sort=updated_date")][-1] == 1


def test_a_parameter_that_is_none_yet_is_ignored(old, new):
    assert len(rows(old, "tasks", "media_type=point_cloud")) == 3
    assert rows(new, "tasks", "media_type=point_cloud") == []


def test_2_15_takes_some_names_of_invitations_in_filters_alone(both):
    for version, door in both.items():
        door.post("/organizations", {"slug": "acme"})
        for name in ("annotator1", "nobody"):
            invitation = {"email": f"{name}@example.com", "role": "worker"}
            assert door.post("/invitations?org=acme", invitation).status_code == 201

        def invited(query, door=door):
            return [row["user"]["id"] for row in rows(door, "invitations", query)]

        newest, oldest = invited("")
        assert invited(f'filter={{"==":[{{"var":"user_id"}},{oldest}]}}') == [oldest]
        knows = version == "2.80"
        assert invited(f"user_id={oldest}") == ([oldest] if knows else [newest, oldest])
        assert invited("sort=user_id") == ([oldest, newest] if knows else [newest, oldest])
        assert invited("sort=created_date") == [oldest, newest]


@pytest.mark.parametrize(
    ("kind", "key", "word"),
    [
        ("tasks", "status", "annotation"),
        ("tasks", "mode", "annotation"),
        ("tasks", "dimension", "2d"),
        ("projects", "status", "annotation"),
        ("jobs", "stage", "acceptance"),
        ("jobs", "state", "rejected"),
    ],
)
def test_2_15_searches_in_more(old, new, kind, key, word):
    for door in (old, new):
        if kind == "jobs":
            door.patch("/jobs/2", {key: word})
    found = {row["id"] for row in rows(old, kind, f"search={word}")}
    assert found >= {row["id"] for row in rows(old, kind) if row[key] == word} > set()
    assert rows(new, kind, f"search={word}") == []


def test_2_15_has_no_largest_page(open_door):
    options = {"seed": "1x501", "check": False}
    old, new = (open_door(version=version, **options) for version in ("2.15", "2.80"))
    for size in ("all", "501", "1000000000000000000000000000000"):
        answer = old.get(f"/tasks?page_size={size}").json()
        assert len(answer["results"]) == answer["count"] == 501
        assert answer["next"] is None
    assert len(rows(old, "tasks", "page_size=ALL")) == 10
    assert len(rows(new, "tasks", "page_size=501")) == 500
    assert len(rows(new, "tasks", "page_size=all")) == 10


def test_location_is_where_a_row_has_a_url_in_both(both):
    labels = [{"name": "car"}]
    for door in both.values():
        for path, body in (
            ("/projects", {"name": "p"}),
            ("/tasks", {"name": "t", "labels": labels}),
        ):
            answer = door.post(path, body)
            assert answer.headers["Location"] == answer.json()["url"]
    assert "Location" not in door.post("/auth/access_tokens", {"name": "mine"}).headers


class TestTheContract:
    """--check holds each version against its own part of the document."""

    def about(self, contract, **keys):
        body = {"name": "CVAT", "description": "", "version": "2"} | keys
        return contract.answer_faults(
            "GET",
            "/api/server/about",
            200,
            {"content-type": "application/vnd.cvat+json", "allow": "GET", "x-request-id": "1" * 36},
            json.dumps(body).encode(),
        )

    def test_a_key_is_held_against_the_version(self, contracts):
        more = {"logo_url": "", "subtitle": ""}
        assert any("logo_url" in fault for fault in self.about(contracts["2.15"], **more))
        assert any("logo_url" in fault for fault in self.about(contracts["2.80"]))
        for contract, keys in ((contracts["2.15"], {}), (contracts["2.80"], more)):
            assert not [fault for fault in self.about(contract, **keys) if "logo_url" in fault]

    def test_a_path_is_held_against_the_version(self, contracts):
        path = "/api/auth/access_tokens"
        assert contracts["2.15"].template(path) is None
        assert contracts["2.80"].template(path) == path

    def test_each_claim_belongs_to_both_or_says_to_which(self, contracts):
        claims = {
            version: [each["claim"] for each in contract.document["info"]["x-observed"]["claims"]]
            for version, contract in contracts.items()
        }
        told = DOCUMENT["info"]["x-observed"]["claims"]
        for claim in told:
            for version, known in claims.items():
                assert (claim["claim"] in known) or version not in claim.get("x-versions", claims)
        assert set(claims["2.15"]) - set(claims["2.80"])
        assert set(claims["2.80"]) - set(claims["2.15"])
