"""Artifacts: made, uploaded, attached, loaded; what their bytes must be."""

import faulty
import numpy
import pandas
import pytest

from objmapper import (
    CommitError,
    ContractError,
    NotFound,
    ReadOnlyFieldError,
    Session,
    Timeout,
    ValidationError,
    signals,
)
from objmapper.server import serve
from objmapper.simvue import (
    Artifact,
    Client,
    FileArtifact,
    FileStorage,
    ObjectArtifact,
    Run,
    S3Storage,
    Storage,
)


@pytest.fixture
def path(home):
    found = home / "grüße.txt"
    found.write_bytes(b"bytes of a file")
    return found


def test_an_artifact_is_three_requests(client, asked, path):
    artifact = FileArtifact.new(name="f", file_path=path, metadata={"a": 1})
    assert asked == []
    report = artifact.commit()
    assert [line.partition(" ")[0] for line in asked] == ["POST", "PUT", "PUT"]
    assert asked[0] == "POST /artifacts"
    assert asked[2] == f"PUT /artifacts/{artifact.id}"
    assert (report.created.objects, report.requests, report.ok) == ([artifact], 3, True)
    assert artifact.uploaded is True
    assert artifact.changes == {}


def test_what_is_told_of_a_file(client, path):
    artifact = FileArtifact.new(name="f", file_path=path, metadata={"a": 1})
    artifact.commit()
    key = artifact.id
    client.session.close()
    found = Artifact(identifier=key)
    assert type(found) is FileArtifact
    assert (found.name, found.original_path, found.size) == ("f", str(path), 15)
    assert (found.mime_type, found.metadata, found.uploaded) == ("text/plain", {"a": 1}, True)
    assert b"".join(found.download_content()) == b"bytes of a file"
    assert found.download(path.parent / "copy").read_bytes() == b"bytes of a file"
    with pytest.raises(ReadOnlyFieldError):
        found.name = "g"


def test_the_upload_goes_without_the_token(client, path):
    sent = []

    def hear(sender, request):
        sent.append(request)

    with signals.request_sent.connected_to(hear, sender=type(client)):
        FileArtifact.new(name="f", file_path=path).commit()
    upload = sent[1]
    assert (upload.outside, [request.outside for request in sent]) == (True, [False, True, False])


def test_the_storage_that_is_named_is_taken(client, path):
    for name in ("first", "second"):
        FileStorage.new(name=name).commit()
    second = next(storage for _, storage in FileStorage.get() if storage.name == "second")
    for named in ("second", second.id):
        artifact = FileArtifact.new(name="f", file_path=path, storage=named)
        artifact.commit()
        artifact.refresh()
        assert artifact.storage_id == second.id
    with pytest.raises(CommitError, match="No storage 'third' is enabled"):
        FileArtifact.new(name="f", file_path=path, storage="third").commit()
    client.session.rollback()


def test_a_storage_in_a_bucket_needs_no_more_than_its_name(client):
    storage = S3Storage.new(name="s", bucket="b")
    client.session.add(storage)
    (operation,) = client.session.plan()
    assert operation.request.resolved().body.value["config"] == {"bucket": "b"}
    storage.commit()
    storage.refresh()
    assert storage.config.bucket == "b"


def test_a_storage_in_a_bucket_takes_a_form(client, path):
    storage = S3Storage.new(
        name="s",
        bucket="b",
        endpoint_url="https://s3.example",
        access_key_id="geheim-1",
        secret_access_key="geheim-2",
        is_default=True,
    )
    client.session.add(storage)
    assert "geheim" not in str(client.session.plan()) + repr(client.session.plan().to_json())
    storage.commit()
    assert "geheim" not in repr(storage.to_dict()) + repr(storage.config) + repr(storage._row)
    artifact = FileArtifact.new(name="f", file_path=path)
    with_form = []

    def hear(sender, request, response):
        with_form.append(response.method)

    with signals.response_received.connected_to(hear, sender=type(client)):
        artifact.commit()
    assert with_form == ["POST", "POST", "PUT"]
    assert b"".join(artifact.download_content()) == b"bytes of a file"


@pytest.mark.parametrize(
    "obj",
    [
        b"bytes",
        {"a": [1, None]},
        numpy.arange(6.0).reshape(2, 3),
        pandas.DataFrame({"a": [1, 2]}),
    ],
    ids=lambda obj: type(obj).__name__,
)
def test_an_object_comes_back(client, obj):
    artifact = ObjectArtifact.new(name="o", obj=obj)
    artifact.commit()
    key = artifact.id
    client.session.close()
    found = Artifact(identifier=key)
    assert type(found) is ObjectArtifact
    back = found.load()
    assert type(back) is type(obj)
    assert back.equals(obj) if hasattr(obj, "equals") else numpy.array_equal(back, obj)


def test_an_object_is_pickled_only_where_that_is_allowed(client):
    with pytest.raises(TypeError, match="allow_pickling"):
        ObjectArtifact.new(name="o", obj={1, 2})
    artifact = ObjectArtifact.new(name="o", obj={1, 2}, allow_pickling=True)
    artifact.commit()
    assert artifact.load().startswith(b"\x80")
    assert artifact.load(allow_pickling=True) == {1, 2}


def test_an_upload_that_failed_is_done_by_the_next_commit(client, asked, path):
    artifact = FileArtifact.new(name="f", file_path=path)
    path.write_bytes(b"others, of len.")  # the file has changed since it was read: as many bytes
    with pytest.raises(CommitError, match="SHA256"):
        artifact.commit()
    assert len(artifact.id) == 22
    assert list(artifact.changes) == ["content"]
    path.write_bytes(b"bytes of a file")
    del asked[:]
    report = artifact.commit()
    assert (len(asked), report.ok, artifact.uploaded) == (2, True, True)
    assert b"".join(artifact.download_content()) == b"bytes of a file"


@pytest.mark.parametrize("now", [b"longer than the bytes of a file", b"short", None])
def test_a_file_of_another_length_is_refused_before_anything_is_sent(client, asked, path, now):
    artifact = FileArtifact.new(name="f", file_path=path)
    path.unlink() if now is None else path.write_bytes(now)
    with pytest.raises(ValidationError, match=r"grüße\.txt"):
        artifact.commit()
    assert asked == []
    path.write_bytes(b"bytes of a file")
    assert artifact.commit().ok


def test_a_file_that_shrinks_during_the_commit_fails_at_once_and_is_uploaded_later(
    client, asked, path
):
    artifact = FileArtifact.new(name="f", file_path=path)

    def shrink(sender, **said):
        path.write_bytes(b"short")

    with (
        signals.post_create.connected_to(shrink, sender=FileArtifact),
        pytest.raises(CommitError, match="has 5 bytes by now") as raised,
    ):
        artifact.commit()
    assert raised.value.report.counts() == {"created": 1, "failed": 1, "skipped": 1}
    path.write_bytes(b"bytes of a file")
    assert artifact.commit().ok
    assert asked.count("POST /artifacts") == 1


@pytest.mark.parametrize("form", [False, True])
def test_a_body_that_ends_short_is_refused_by_the_server(client, form):
    class Short:
        def __init__(self):
            self.left = b"--b\r\nx" if form else b"bytes"

        def __len__(self):
            return 100

        def read(self, size=-1):
            left, self.left = self.left, b""
            if not left:
                raise OSError("ended")
            return left

    storage = S3Storage.new(
        name="s",
        bucket="b",
        endpoint_url="https://s3.example",
        access_key_id="k",
        secret_access_key="s",
        is_default=form,
    )
    storage.commit()
    said = {"name": "f", "size": 100, "mime_type": "text/plain", "checksum": "0" * 64}
    url = client.request("POST", "/artifacts", json=said).json()["url"]
    headers = {"Content-Length": "100"}
    if form:
        headers["Content-Type"] = "multipart/form-data; boundary=b"
    answer = client.transport.http.request(
        "POST" if form else "PUT", url, data=Short(), headers=headers
    )
    assert (answer.status_code, answer.json()["detail"]) == (
        400,
        "The body ended before its Content-Length",
    )


def test_a_snapshot_is_what_the_file_was(client, path):
    artifact = FileArtifact.new(name="f", file_path=path, snapshot=True)
    path.write_bytes(b"other")
    artifact.commit()
    assert b"".join(artifact.download_content()) == b"bytes of a file"


def test_a_file_that_is_not_there_is_an_error_at_once(client, home):
    with pytest.raises(FileNotFoundError):
        FileArtifact.new(name="f", file_path=home / "none")


def test_artifacts_are_attached_to_runs_and_found_there(client, asked, path):
    run = Run.new(folder="/")
    run.commit()
    file, other = FileArtifact.new(name="f", file_path=path), ObjectArtifact.new(name="o", obj=[1])
    file.attach_to_run(run, "input")
    other.attach_to_run(run.id, "output")
    assert file.get_category(run) == "input"
    del asked[:]
    assert dict(Artifact.from_run(run)) == {file.id: file, other.id: other}
    assert [found for _, found in Artifact.from_run(run, category="output")] == [other]
    assert [found for _, found in ObjectArtifact.from_run(run)] == [other]
    assert Artifact.from_name(run.id, "f") is file
    assert len(asked) == 4
    assert list(file.runs) == [run.id]
    with pytest.raises(Artifact.DoesNotExist, match="'none'"):
        Artifact.from_name(run, "none")
    with pytest.raises(ValueError, match="'code', 'input', 'output'"):
        file.attach_to_run(run, "result")
    with pytest.raises(NotFound):
        ObjectArtifact(identifier=_other(client)).get_category(run)
    again = ObjectArtifact.new(name="f", obj=[2])
    again.attach_to_run(run, "code")
    with pytest.raises(Artifact.MultipleObjectsReturned, match="2 artifacts"):
        Artifact.from_name(run, "f")


def _other(client):
    artifact = ObjectArtifact.new(name="x", obj=[3])
    artifact.commit()
    return artifact.id


def test_of_several_of_a_name_the_first_is_taken_where_that_is_said(client, path):
    run = Run.new(folder="/")
    made = [ObjectArtifact.new(name="o", obj=n) for n in range(2)]
    for artifact in made:
        artifact.attach_to_run(run, "input")
    with pytest.raises(Artifact.MultipleObjectsReturned, match="2 artifacts"):
        Artifact.from_name(run, "o")
    assert Artifact.from_name(run, "o", force_overwrite=True) in made


@pytest.mark.parametrize("kind", ["file", "object"])
def test_how_long_a_storage_may_take_is_said_with_the_artifact(path, faulty_server, kind):
    where = f"{faulty_server.url}/storage/x"
    faulty_server.then(faulty.say({"id": "k" * 22, "url": where}), faulty.stall())
    options = {"retries": 0, "settle_after": 0, "check_server_version": False}
    token = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjk5OTk5OTk5OTl9.c2lnbmF0dXJl"
    with Client(faulty_server.url, token, **options) as client:
        artifact = (
            FileArtifact.new(name="f", file_path=path, upload_timeout=0.1)
            if kind == "file"
            else ObjectArtifact.new(name="f", obj=1, upload_timeout=0.1)
        )
        with pytest.raises(CommitError) as slow:
            artifact.commit()
        (entry,) = slow.value.report.uncertain
        assert isinstance(entry.error, Timeout)
        assert entry.error.request.timeout == (0.1, 0.1)
        client.session.expunge(artifact)


def test_a_time_that_is_none_is_refused(path):
    for wrong in (0, -1, float("inf"), "5", True):
        with pytest.raises(ValueError, match="upload_timeout"):
            FileArtifact.new(name="f", file_path=path, upload_timeout=wrong)


def test_a_commit_of_the_session_uploads_what_is_new(client, asked, path):
    client.session.add_all(
        [ObjectArtifact.new(name=f"o{n}", obj=[n]) for n in range(3)]
        + [FileArtifact.new(name="f", file_path=path)]
    )
    plan = client.session.plan()
    assert [len(wave) for wave in plan.waves] == [4, 4, 4]
    assert client.session.commit().ok
    assert {found.uploaded for found in Artifact.objects.all()} == {True}


def test_bytes_that_are_not_those_that_were_sent_are_refused(client, path):
    artifact = FileArtifact.new(name="f", file_path=path)
    artifact.commit()
    artifact.refresh()
    artifact._row["checksum"] = "0" * 64
    with pytest.raises(ContractError, match="SHA-256"):
        list(artifact.download_content())
    target = path.parent / "copy"
    with pytest.raises(ContractError, match="SHA-256"):
        artifact.download(target)
    assert not target.exists()


def test_a_script_that_is_run_again_uploads_what_it_could_not(home, path):
    def script(content):
        client = Client(running.url, running.server.credentials["TOKEN"])
        with client, Session(client, journal=home / "script.journal") as session:
            path.write_bytes(b"bytes of a file")
            artifact = FileArtifact.new(name="f", file_path=path)
            path.write_bytes(content)
            session.add(artifact, tag="f")
            try:
                return session.commit(), artifact
            except CommitError:
                session.rollback()
                raise

    with serve("simvue") as running:
        with pytest.raises(CommitError, match="SHA256"):
            script(b"others, of len.")
        report, artifact = script(b"bytes of a file")
    assert (report.requests, artifact.uploaded) == (2, True)  # it was made already


def test_an_artifact_may_be_larger_than_an_answer(home):
    with Client("embedded://simvue", max_response_bytes=10_000) as client:
        artifact = ObjectArtifact.new(name="o", obj=bytes(50_000))
        artifact.commit()
        assert artifact.load() == bytes(50_000)
        assert artifact.download(home / "copy").stat().st_size == 50_000
        assert [path.name for path in home.iterdir()] == ["copy"]
        assert client.session.dirty == []


def test_what_is_uploaded_is_shown_nowhere(client, path):
    client.session.add(ObjectArtifact.new(name="o", obj=b"geheim"))
    plan = client.session.plan()
    assert "geheim" not in str(plan) + repr(plan.to_json())
    client.session.rollback()


def test_without_a_storage_it_is_said_so(client):
    for _, storage in Storage.get():
        storage.read_only(False)
        storage.is_enabled = False
        storage.commit()
    artifact = ObjectArtifact.new(name="o", obj=[1])
    client.session.add(artifact)
    with pytest.raises(CommitError, match="storage"):
        client.session.commit()
    assert client.session.new == [artifact]
    client.session.expunge(artifact)
