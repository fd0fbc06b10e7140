"""Artifacts and storages: what is told of a file, where its bytes go, where they come from."""

import hashlib

import pytest

CONTENT = b"Hello World!"


def send(door, upload, content=CONTENT):
    """The bytes go without a token, as the published client sends them."""
    return door.by("none")("PUT", upload["url"], data=content)


def test_an_artifact_is_told_sent_and_said_to_be_there(socket_door):
    door = socket_door
    upload = door.artifact(
        CONTENT, mime_type="text/plain", original_path="/a.txt", metadata={"a": 1}
    )
    key = upload["id"]
    assert set(upload) == {"id", "url"}
    row = door.get(f"/artifacts/{key}")
    assert (row["uploaded"], row["size"], row["mime_type"]) == (False, 12, "text/plain")
    assert (row["original_path"], row["metadata"]) == ("/a.txt", {"a": 1})
    assert row["checksum"] == hashlib.sha256(CONTENT).hexdigest()
    assert send(door, upload).status_code == 200
    door.put(f"/artifacts/{key}", {"uploaded": True})
    row = door.get(f"/artifacts/{key}")
    assert row["uploaded"]
    answer = door.by("none")("GET", row["url"])
    assert (answer.content, answer.headers["Content-Length"]) == (CONTENT, "12")
    door.delete(f"/artifacts/{key}")
    assert door("GET", row["url"]).status_code == 404


def test_bytes_of_another_checksum_are_refused_in_the_words_that_the_client_knows(door):
    upload = door.artifact(CONTENT)
    answer = send(door, upload, b"File changed!")
    assert answer.status_code == 400
    assert "The SHA256 you specified did not match the calculated checksum." in answer.text
    assert door("GET", upload["url"]).status_code == 404
    door.put(f"/artifacts/{upload['id']}", {"uploaded": True}, status=400)
    assert send(door, upload).status_code == 200


def test_an_empty_file_is_a_file(door):
    upload = door.artifact(b"")
    assert send(door, upload, b"").status_code == 200
    door.put(f"/artifacts/{upload['id']}", {"uploaded": True})
    answer = door("GET", upload["url"])
    assert (answer.status_code, answer.content) == (200, b"")


def test_a_storage_of_kind_s3_takes_a_form(socket_door):
    door = socket_door
    config = {"bucket": "b", "endpoint_url": "https://s3/", "secret_access_key": "hush"}
    body = {"name": "s3", "backend": "S3", "config": config, "is_default": True}
    key = door.post("/storage", body)["id"]
    upload = door.artifact(CONTENT)
    assert set(upload) == {"id", "url", "fields"}
    nobody = door.by("none")
    for form, files in (
        (upload["fields"], {"other": CONTENT}),
        ({"key": "other"}, {"file": CONTENT}),
    ):
        assert nobody("POST", upload["url"], data=form, files=files).status_code == 422
    wrong = nobody("POST", upload["url"], data=upload["fields"], files={"file": b"other"})
    assert wrong.status_code == 400
    answer = nobody("POST", upload["url"], data=upload["fields"], files={"file": CONTENT})
    assert answer.status_code == 204
    assert nobody("GET", upload["url"]).content == CONTENT
    assert door.get(f"/artifacts/{upload['id']}")["storage_id"] == key


def test_a_form_is_taken_whatever_was_told(door):
    upload = door.artifact(CONTENT)
    assert "fields" not in upload
    answer = door.by("none")("POST", upload["url"], files={"file": CONTENT})
    assert answer.status_code == 204
    assert door("GET", upload["url"]).content == CONTENT


def test_an_unknown_place_has_nothing(door):
    for verb in ("GET", "PUT", "POST"):
        answer = door(verb, f"{door.url}/storage/nowhere", data=b"x")
        assert answer.status_code == (422 if verb == "POST" else 404)


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"checksum": "short"}, {"body.checksum": "string_pattern_mismatch"}),
        ({"size": -1}, {"body.size": "greater_than_equal"}),
        ({"size": "1"}, {"body.size": "int_type"}),
        ({"name": ""}, {"body.name": "string_too_short"}),
        ({"storage": "x"}, {"body.storage": "storage"}),
        ({"store": "x"}, {"body.store": "extra_forbidden"}),
    ],
)
def test_an_artifact_that_is_none_is_refused(door, values, fault):
    body = {"name": "f", "size": 1, "checksum": "0" * 64, **values}
    assert door.faults("/artifacts", body) == fault


def test_an_artifact_is_written_once(door):
    key = door.artifact()["id"]
    assert door.faults(f"/artifacts/{key}", {"name": "other"}, "put") == {
        "body.name": "frozen_field"
    }


def test_artifacts_of_a_run_have_a_category(door):
    run, (one, two) = door.run(), (door.artifact(name=name)["id"] for name in ("a", "b"))
    for key, category in ((one, "code"), (two, "input")):
        door.put(f"/runs/{run}/artifacts/{key}", {"category": category})
    told = {row["id"]: row["category"] for row in door.get(f"/runs/{run}/artifacts")}
    assert told == {one: "code", two: "input"}
    assert [row["id"] for row in door.get(f"/runs/{run}/artifacts", category="input")] == [two]
    assert [row["id"] for row in door.get(f"/runs/{run}/artifacts", name="a")] == [one]
    door.put(f"/runs/{run}/artifacts/{one}", {"category": "output"})
    assert door.get(f"/runs/{run}/artifacts/{one}")["category"] == "output"
    assert door.faults(f"/runs/{run}/artifacts/{one}", {"category": "x"}, "put") == {
        "body.category": "literal_error"
    }
    door.get(f"/runs/{run}/artifacts/none", status=404)
    door.get(f"/runs/{door.run()}/artifacts/{one}", status=404)


# -- storages -------------------------------------------------------------------------------------


def test_storages_are_a_bare_list_without_credentials(door):
    config = {"bucket": "b", "endpoint_url": "https://s3/", "region_name": "eu"}
    secrets = {"access_key_id": "hush1", "secret_access_key": "hush2", "ca_cert": "hush3"}
    body = {"name": "s3", "backend": "S3", "config": config | secrets, "disable_check": True}
    key = door.post("/storage", body)["id"]
    listed = door.get("/storage")
    assert [(row["name"], row["backend"]) for row in listed] == [("s3", "S3"), ("default", "File")]
    assert listed[0]["config"] == config
    door.put(f"/storage/{key}", {"config": {"bucket": "c", "secret_access_key": "hush4"}})
    row = door.get(f"/storage/{key}")
    assert row["config"] == config | {"bucket": "c"}
    assert "hush" not in str(row)


def test_one_storage_is_the_default_and_without_any_there_are_no_artifacts(door):
    (first,) = (row["id"] for row in door.get("/storage"))
    second = door.post("/storage", {"name": "n", "backend": "File", "is_default": True})["id"]
    assert {row["id"]: row["is_default"] for row in door.get("/storage")} == {
        first: False,
        second: True,
    }
    assert door.get(f"/artifacts/{door.artifact()['id']}")["storage_id"] == second
    door.delete(f"/storage/{second}")
    door.put(f"/storage/{first}", {"is_enabled": False})
    body = {"name": "f", "size": 0, "checksum": "0" * 64}
    assert door.post("/artifacts", body, status=400) == {"detail": "No storage is enabled"}


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"name": "s"}, {"body.backend": "missing"}),
        ({"name": "s", "backend": "Tape"}, {"body.backend": "literal_error"}),
        ({"name": "s", "backend": "S3"}, {"body.config.bucket": "missing"}),
        (
            {"name": "s", "backend": "File", "config": {"password": "x"}},
            {"body.config.password": "extra_forbidden"},
        ),
        ({"name": "s", "backend": "File", "disable_check": 1}, {"body.disable_check": "bool_type"}),
    ],
)
def test_a_storage_that_is_none_is_refused(door, body, fault):
    assert door.faults("/storage", body) == fault
