"""Uploads in forms and in pieces: side by side, over bad networks, taken up again after a crash."""

import base64
import shutil

import faulty
import pytest
from faultproxy import FaultyProxy
from PIL import Image
from requests import Session as HTTPSession
from requests.adapters import BaseAdapter

from objmapper import CommitError, ConnectError, ContractError, Session, signals
from objmapper.cvat import Client, Data, Task, make_client, tus
from objmapper.cvat.data import LocalFile
from objmapper.exceptions import Conflict, JournalError, ValidationError
from objmapper.server import embedded, serve
from objmapper.transport import patience

ADMIN = ("admin", "secret")
SPEC = {"name": "t", "labels": [{"name": "car"}]}
VERSIONS = ["2.80", "2.15"]
FORM, PIECE = 16_000, 3_000


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Five pictures of 7 to 8 kB: two go in one form."""
    folder = tmp_path_factory.mktemp("images")
    paths = [folder / f"{number}.bmp" for number in range(5)]
    for number, path in enumerate(paths):
        Image.new("RGB", (60, 40 + number), (50 * number, 80, 120)).save(path)
    return paths


@pytest.fixture
def sent():
    """The requests that go out."""
    found = []

    def note(sender, request, **_):
        found.append(request)

    signals.request_sent.connect(note)
    yield found
    signals.request_sent.disconnect(note)


def shortened(client, form=FORM, piece=PIECE):
    """A client whose forms and pieces are as short as the files of these tests."""
    client.dialect.form_bytes, client.dialect.piece_bytes = form, piece
    return client


@pytest.fixture(params=VERSIONS)
def client(request):
    with shortened(Client(f"embedded://cvat?check=1&version={request.param}")) as client:
        yield client
        assert client.server.violations == []


def kept(task):
    """What the server has of a task's frames."""
    numbers = range(task.size or 0)
    return [task.get_frame(number, quality="original").getvalue() for number in numbers]


def written(paths):
    return [path.read_bytes() for path in paths]


def test_files_go_in_forms_of_so_many_bytes_beside_each_other(client, images, sent):
    task = Task(**SPEC, data=Data(images))
    client.session.add(task)
    plan = client.session.plan()
    assert [operation.wave for operation in plan] == [1, 2, 3, 3, 3, 4]
    *_, last = plan
    assert last.after == {1, 3, 4, 5}
    client.session.commit()
    forms = [each.body.files for each in sent if "Upload-Multiple" in each.headers]
    assert sorted([name for name, *_ in form.values()] for form in forms) == [
        ["0.bmp", "1.bmp"], ["2.bmp", "3.bmp"], ["4.bmp"]
    ]  # fmt: skip
    task.wait_for_data()
    assert kept(task) == written(images)


def test_a_file_that_is_longer_than_a_form_goes_in_pieces(client, images, sent):
    shortened(client, form=7_300)
    task = client.tasks.create_from_data(SPEC, images[:2])
    large = images[1].stat().st_size
    assert images[0].stat().st_size < 7_300 < large
    (announced,) = [each for each in sent if "Upload-Length" in each.headers]
    assert announced.headers["Upload-Length"] == str(large)
    name = announced.headers["Upload-Metadata"].removeprefix("filename ")
    assert base64.b64decode(name) == b"1.bmp"
    offsets = [each.headers["Upload-Offset"] for each in sent if each.method == "PATCH"]
    assert offsets == ["0", "3000", "6000"]
    assert kept(task) == written(images[:2])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("form", [FORM, 1], ids=["in forms", "in pieces"])
def test_an_upload_over_a_bad_network_ends_as_over_a_good_one(images, version, form):
    harms = ["reset before", "reset after", "closed after", "500 before", "502 after", "cut", "429"]
    with (
        serve("cvat", users=[ADMIN], version=version) as running,
        FaultyProxy(running.url, rate=0, seed=5, only=harms, most=12) as proxy,
        # As often as it takes: of five writes four meet something.
        make_client(proxy.url, credentials=ADMIN, settle_after=0.01, retries=20) as client,
    ):
        client.transport.policy = quick(client.transport.policy)
        shortened(client, form)
        task = client.tasks.create(SPEC)
        proxy.rate = 0.8
        task.upload_data(images)
        proxy.rate = 0
        assert kept(task) == written(images)
        assert sum(proxy.harmed.values()) >= 3


def quick(policy):
    return type(policy)(policy.retries, backoff=0.001)


def test_a_connection_that_breaks_for_good_leaves_no_task_behind(images):
    with (
        serve("cvat", users=[ADMIN]) as running,
        FaultyProxy(running.url, rate=0, only=["reset before"]) as proxy,
        make_client(proxy.url, credentials=ADMIN, settle_after=0.01, retries=1) as client,
    ):
        client.transport.policy = quick(client.transport.policy)

        def harm(sender, request, **_):
            proxy.rate = float(not {"Upload-Multiple", "Upload-Length"}.isdisjoint(request.headers))

        signals.request_sent.connect(harm)
        with pytest.raises(CommitError) as caught:
            client.tasks.create_from_data(SPEC, images)
        signals.request_sent.disconnect(harm)
        assert isinstance(caught.value.report.uncertain[0].error, ConnectError)
        proxy.rate = 0
        assert client.tasks.count() == 0


# -- the protocol of pieces, by a server that is told what to say ------------------------------------


class Talk:
    """A server that plays acts, and the upload of one file of ten bytes to it."""

    def __init__(self, folder, *acts, retries=3):
        self.server = faulty.FaultyServer().then(*acts)
        path = folder / "ten.png"
        path.write_bytes(b"0123456789")
        self.file = LocalFile.of(path)
        self.client = Client(self.server.url, check_server_version=False, retries=retries)
        self.client.transport.policy = quick(self.client.transport.policy)

    def upload(self, piece=4, **options):
        return tus.upload(self.client.session, "/tasks/1/data/", self.file, piece=piece, **options)

    def seen(self):
        return [
            (each.method, each.path, each.headers.get("upload-offset"), each.body)
            for each in self.server.seen
        ]


@pytest.fixture
def talk(tmp_path):
    opened = []

    def open_(*acts, **options):
        opened.append(Talk(tmp_path, *acts, **options))
        return opened[-1]

    yield open_
    for each in opened:
        each.client.close()
        each.server.close()


def begun(location="/api/tasks/1/data/abc"):
    return faulty.answer(b"", 201, Location=location)


def reached(offset, status=204):
    return faulty.answer(b"", status, Upload_Offset=str(offset))


CREATED = ("POST", "/api/tasks/1/data/", None, b"")
ABC = "/api/tasks/1/data/abc"


def test_a_wrong_offset_is_asked_for_and_gone_on_from(talk):
    told = talk(begun(), faulty.answer(b"", 409), reached(6, 200), reached(10))
    told.upload()
    assert told.seen() == [
        CREATED,
        ("PATCH", ABC, "0", b"0123"),
        ("HEAD", ABC, None, b""),
        ("PATCH", ABC, "6", b"6789"),
    ]


def test_a_broken_connection_is_gone_on_from_where_the_server_is(talk):
    told = talk(begun(), faulty.reset(), reached(2, 200), reached(6), reached(10))
    told.upload()
    assert [each[2:] for each in told.seen()[1:]] == [
        ("0", b"0123"), (None, b""), ("2", b"2345"), ("6", b"6789")
    ]  # fmt: skip


def test_an_upload_that_the_server_forgets_as_it_is_complete_is_done(talk):
    gone, there = faulty.answer(b"", 404), faulty.say("File with same name already exists", 409)
    told = talk(begun(), reached(4), reached(8), faulty.hang_up(), gone, there)
    assert told.upload() is None
    assert told.seen()[-1] == CREATED


def test_an_upload_that_the_server_forgets_half_way_begins_anew(talk):
    gone = faulty.answer(b"", 404)
    told = talk(begun(), faulty.reset(), gone, begun("/api/tasks/1/data/def"), reached(10))
    assert told.upload(piece=10).status == 204
    assert told.seen()[-1] == ("PATCH", "/api/tasks/1/data/def", "0", b"0123456789")


def test_a_file_of_that_name_is_an_error_unless_it_may_be_there(talk):
    there = faulty.say("File with same name already exists", 409)
    assert talk(there).upload(may_be_there=True) is None
    with pytest.raises(Conflict, match="File with same name already exists"):
        talk(there).upload()


def test_an_upload_that_breaks_is_not_gone_on_with_when_its_commit_is_over(talk):
    told = talk(begun(), faulty.answer(b"", 409), reached(6, 200), reached(10))
    with patience.until(lambda: len(told.server.seen) == 2), pytest.raises(Conflict):
        told.upload()
    assert [each[0] for each in told.seen()] == ["POST", "PATCH"]


def test_a_server_that_never_takes_a_piece_is_given_up(talk):
    told = talk(
        begun(), *[act for _ in range(3) for act in (faulty.answer(b"", 409), reached(0, 200))],
        retries=2,
    )  # fmt: skip
    with pytest.raises(Conflict):
        told.upload()
    assert len([each for each in told.seen() if each[0] == "PATCH"]) == 3


@pytest.mark.parametrize(
    "acts",
    [
        [faulty.answer(b"", 201)],
        [begun("ftp://127.0.0.1/x")],
        [begun("http://[::1/x")],
        [begun(), faulty.answer(b"", 204)],
        [begun(), reached("many")],
        [begun(), reached(0)],
        [begun(), reached(11)],
        [begun(), reached(-4)],
        [begun(), faulty.reset(), faulty.answer(b"", 200)],
        [begun(), faulty.reset(), reached(99, 200)],
    ],
)
def test_what_no_server_of_pieces_answers_is_an_error_of_ours(talk, acts):
    with pytest.raises(ContractError):
        talk(*acts).upload()


def test_pieces_never_go_to_another_host(talk):
    elsewhere = faulty.FaultyServer().then(reached(10))
    told = talk(begun(elsewhere.url.replace("127.0.0.1", "localhost") + "/x"))
    with pytest.raises(ContractError, match="another host"):
        told.upload()
    assert elsewhere.seen == []
    assert told.seen() == [CREATED]
    elsewhere.close()


def test_an_address_of_another_scheme_and_port_is_the_proxys(talk):
    told = talk(begun("https://127.0.0.1:8443/api/tasks/1/data/abc"), reached(10))
    told.upload(piece=10)
    assert told.seen()[-1] == ("PATCH", ABC, "0", b"0123456789")


def test_a_file_that_changes_between_two_pieces_is_no_more_sent(talk):
    told = talk(begun(), reached(4), reached(8), reached(10))

    def change(sender, request, **_):
        if request.method == "PATCH":
            with open(told.file.path, "ab") as file:
                file.write(b"more")

    signals.request_sent.connect(change)
    with pytest.raises(ValidationError, match="has changed since it was given"):
        told.upload()
    signals.request_sent.disconnect(change)
    assert len(told.seen()) == 2


# -- a process that dies on the way ------------------------------------------------------------------


class Killed(BaseException):
    """Stands for SIGKILL: nothing that the package catches."""


class Dying(BaseAdapter):
    """Passes requests on; at the write of a number the process dies, before or after it is done."""

    def __init__(self, inner, journal, at, *, done):
        super().__init__()
        self.inner, self.journal, self.at, self.done = inner, journal, at, done
        self.writes = 0
        self.dead = journal.parent / "dead"

    def send(self, request, **options):
        if self.dead.exists():
            raise Killed
        self.writes += request.method != "GET"
        if self.writes < self.at:
            return self.inner.send(request, **options)
        self.dead.mkdir()
        for file in self.journal.parent.glob(f"{self.journal.name}*"):
            shutil.copy(file, self.dead)
        if self.done:
            self.inner.send(request, **options)
        raise Killed

    def close(self):
        self.inner.close()


def connected(server, adapter):
    http = HTTPSession()
    http.mount(server.base_url, adapter)
    client = Client(server.base_url, http=http, check_server_version=False, settle_after=0)
    return shortened(client)


def killed(server, images, folder, at, *, done, **params):
    """Make a task of images, and die at the write of a number; return the journal that is left."""
    journal = folder / "it.journal"
    dying = Dying(server.adapter(), journal, at, done=done)
    client = connected(server, dying)
    session = Session(client, journal=journal)
    session.add(Task(**SPEC, data=Data(images, **params)))
    with pytest.raises(Killed):
        session.commit(workers=1)
    session.members.clear()
    session.close()
    return dying.dead / journal.name


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    "at", range(1, 7), ids=["create", "start", "form 1", "form 2", "form 3", "finish"]
)
def test_an_upload_whose_process_died_is_finished_by_a_recovery(
    images, tmp_path, sent, version, at, done
):
    with embedded("cvat", users=["admin:secret"], version=version) as server:
        journal = killed(server, images, tmp_path, at, done=done)
        sent.clear()
        with connected(server, server.adapter()) as client:
            session = Session(client, journal=journal)
            report = session.recover()
            forms = [each for each in sent if "Upload-Multiple" in each.headers]
            # Once it was begun each file is asked for, and none is sent that is there.
            assert len(forms) == (0 if (at, done) > (2, False) else 3)
            (task,) = (
                {*report.created.objects}
                - {*session.new}
                - {each for each in report.created.objects if not isinstance(each, Task)}
            )
            task.wait_for_data()
            assert kept(task) == written(images)
            assert client.tasks.count() == 1
            assert session.recover().requests == 0
            assert not list(session.journal.book.open())
            session.close()


def test_a_journal_has_paths_and_no_contents(images, tmp_path):
    with embedded("cvat", users=["admin:secret"]) as server:
        journal = killed(server, images, tmp_path, 3, done=False)
    text = b"".join(file.read_bytes() for file in journal.parent.iterdir())
    assert str(images[0]).encode() in text
    assert images[0].read_bytes()[100:200] not in text


def test_a_recovery_refuses_a_file_that_has_changed_since(images, tmp_path):
    path = tmp_path / "a.bmp"
    path.write_bytes(images[0].read_bytes())
    with embedded("cvat", users=["admin:secret"]) as server:
        journal = killed(server, [path], tmp_path, 2, done=True)
        path.write_bytes(b"another picture")
        with connected(server, server.adapter()) as client:
            session = Session(client, journal=journal)
            with pytest.raises(ValidationError, match="has changed since it was given"):
                session.recover()
            session.rollback()
            session.close()


def test_addresses_with_credentials_stand_in_no_plan_and_no_journal(tmp_path):
    url = "http://someone:hunter2@127.0.0.1:1/a.png"
    with embedded("cvat", users=["admin:secret"]) as server:
        journal = killed(server, [url], tmp_path, 2, done=False, resource_type="remote")
        text = b"".join(file.read_bytes() for file in journal.parent.iterdir())
        assert b"hunter2" not in text
        with connected(server, server.adapter()) as client:
            session = Session(client, journal=journal)
            with pytest.raises(JournalError, match="data"):
                session.recover()
            task = Task(**SPEC, data=Data([url], resource_type="remote"))
            session.add(task)
            plan = session.plan()
            assert "hunter2" not in f"{plan}{plan.to_json()}{task.data!r}{task!r}{task.changes}"
            report = session.recover(
                secrets=lambda obj, name, tag: Data([url], resource_type="remote")
            )
            assert report.ok
            session.rollback()
            session.close()
