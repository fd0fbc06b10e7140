"""Which server is asked: the one that is open, the one that is configured, the one that is named."""

import json
import threading

import faultproxy
import faulty
import pytest

from objmapper import (
    Client as AnyClient,
)
from objmapper import (
    CommitError,
    ContractError,
    Forbidden,
    NoActiveSession,
    NotAuthenticated,
    Session,
)
from objmapper.server import serve
from objmapper.simvue import Client, Folder, Run, Tag, User, disconnect
from objmapper.simvue.client import default_session


@pytest.fixture(scope="module")
def served():
    """A Simvue on a socket, as ``serve simvue`` opens it."""
    running = serve("simvue", check=True)
    yield running
    assert running.server.violations == []
    running.close()


@pytest.fixture
def configured(served, home):
    """The user's own configuration names it."""
    (home / "simvue.toml").write_text(
        f'[server]\nurl = "{served.url}"\ntoken = "{served.server.credentials["TOKEN"]}"\n'
    )
    return served


def test_the_seed_needs_no_session_in_sight(configured):
    new = Run.new(folder="/")
    new.name = "my_run"
    new.commit()
    run = Run(identifier=new.id)
    assert run.name == "my_run"
    assert new.id in dict(Run.get())
    assert Run.objects.filter(name="my_run").exists()


def test_the_configuration_and_the_version_are_asked_for_once(configured, home):
    before = configured.server.requests
    Tag.count()
    (home / "simvue.toml").unlink()
    Tag.count()
    Folder.count()
    assert configured.server.requests - before == 4  # the version is one
    assert default_session() is default_session()


def test_each_thread_has_a_session_of_its_own(configured):
    found = []
    threads = [threading.Thread(target=lambda: found.append(default_session())) for _ in range(2)]
    for thread in threads:
        thread.start()
        thread.join()
    assert len({id(session) for session in [*found, default_session()]}) == 3
    assert {session.client for session in found} == {default_session().client}


def test_without_a_configuration_it_is_said_what_lacks(home):
    for act in (
        lambda: Run.new(folder="/").commit(),
        Run.get,
        Run.count,
        lambda: Run(identifier="x"),
    ):
        with pytest.raises(NoActiveSession, match="SIMVUE_URL"):
            act()


def test_the_environment_names_another_server(configured, monkeypatch):
    Tag.count()
    before = default_session().client
    monkeypatch.setenv("SIMVUE_TOKEN", configured.server.create_token("admin"))
    Tag.count()
    assert default_session().client is not before


def test_a_server_is_named_by_argument(served, home):
    url, token = served.url, served.server.credentials["TOKEN"]
    tag = Tag.new(name="named", server_url=url, server_token=token)
    tag.commit()
    assert Tag(identifier=tag.id, server_url=url, server_token=token) is tag
    assert tag.id in dict(Tag.get(server_url=url, server_token=token))
    assert Tag.count(server_url=url, server_token=token) >= 1
    with pytest.raises(NoActiveSession):
        Tag.count()


def test_an_open_client_comes_before_the_configured_one(configured, client):
    Tag.new(name="inside").commit()
    assert [tag.name for tag in Tag.objects.all()] == ["inside"]


def test_the_sessions_of_other_servers_are_passed_over(configured, small):
    small.table("runs", [])
    with Session(small.client()):
        run = Run.new(folder="/")
        run.commit()
        assert Run(identifier=run.id) is run
    assert small.asked == []


def test_disconnect_closes_what_was_opened_unasked(configured):
    Tag.count()
    client = default_session().client
    disconnect()
    assert client.transport.closed
    Tag.count()
    assert default_session().client is not client


def test_a_wrong_token_is_told_at_once(served):
    from_elsewhere = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjk5OTk5OTk5OTl9.c2lnbmF0dXJl"
    with pytest.raises(NotAuthenticated) as raised:
        Client(served.url, from_elsewhere)
    assert from_elsewhere not in str(raised.value)


@pytest.mark.parametrize(
    ("version", "taken"),
    [
        ("1.1.0", True),
        ("1.99.0", True),
        ("1.0.9", False),
        ("2.0.0", False),
        ("dev", False),
        (7, False),
    ],
)
def test_a_server_of_another_age_is_refused(faulty_server, version, taken, monkeypatch):
    token = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjk5OTk5OTk5OTl9.c2lnbmF0dXJl"
    faulty_server.then(
        faulty.answer(json.dumps({"version": version}).encode(), kind="application/json")
    )
    if taken:
        Client(faulty_server.url, token).close()
        assert faulty_server.seen[0].target == "/api/version"
        return
    with pytest.raises(ContractError):
        Client(faulty_server.url, token)
    monkeypatch.setenv("SIMVUE_NO_SERVER_CHECK", "1")
    Client(faulty_server.url, token).close()
    assert len(faulty_server.seen) == 1


def test_who_may_not_is_told_so(served):
    url, token = served.url, served.server.credentials["TOKEN"]
    told = {"fullname": "A", "email": "a@b.io", "is_manager": False, "is_admin": False}
    named = {"username": "ann", "is_readonly": True, "welcome": False, "tenant": "default"}
    with Client(url, token):
        User.new(**named, **told).commit()
    with Client(url, served.server.create_token("ann")) as client:
        client.session.add(Tag.new(name="t"))
        with pytest.raises(CommitError) as raised:
            client.session.commit()
        assert isinstance(raised.value.report.failed[0].error, Forbidden)
        client.session.rollback()


def test_a_lost_answer_makes_nothing_twice(served, faulty_server):
    """The server did what was asked, and nobody heard: a tag is said again, a run is not."""
    token, upstream = served.server.credentials["TOKEN"], served.url
    lost, passed = faultproxy.after(upstream, faulty.reset()), faultproxy.passed_on(upstream)
    with Client(upstream, token):
        before = Run.count()
    faulty_server.then(passed, lost, passed, lost, *[passed] * 9)
    with Client(faulty_server.url, token, settle_after=0) as client:
        assert Tag.new(name="once").commit().ok
        run = Run.new(folder="/", name="once")
        client.session.add(run)
        with pytest.raises(CommitError) as raised:
            client.session.commit()
        assert raised.value.report.uncertain.objects == [run]
        client.session.expunge(run)
    with Client(upstream, token):
        assert [tag.name for _, tag in Tag.get()].count("once") == 1
        assert Run.count() == before + 1
    asked = [f"{seen.method} {seen.path}" for seen in faulty_server.seen]
    assert asked.count("POST /api/tags") == 2
    assert asked.count("POST /api/runs") == 1


def test_a_post_is_not_repeated_when_the_connection_breaks(client):
    assert not client.session.client.dialect.idempotent & {"create"}
    client.session.add(Run.new(folder="/"))
    (operation,) = client.session.plan()
    assert not operation.repeatable
    assert not operation.request.may_repeat
    client.session.rollback()


def test_the_client_says_no_secret(client):
    token = client.server.credentials["TOKEN"]
    assert token not in repr(client) + repr(client.configuration) + repr(vars(client))


def test_the_dialect_is_found_by_its_name(served):
    with AnyClient(f"{served.url}/api", dialect="simvue") as plain:
        assert plain.dialect.name == "simvue"
