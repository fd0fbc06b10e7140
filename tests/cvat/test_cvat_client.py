"""Logging in to CVAT, the sessions of threads, repositories; and servers that answer strangely."""

import json
import logging
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from objmapper import NoActiveSession, Session, inspect
from objmapper.cvat import (
    AccessTokenCredentials,
    Client,
    Config,
    PasswordCredentials,
    Project,
    Task,
    make_client,
)
from objmapper.exceptions import (
    BadRequest,
    ContractError,
    DetachedError,
    Forbidden,
    NotAuthenticated,
    TooManyRequests,
    TransportError,
    UnsupportedLookup,
)
from objmapper.queryset import Manager
from objmapper.server import WSGIAdapter, embedded, serve

ADMIN, ALICE = ("admin", "secret-of-admin"), ("alice", "secret-of-alice")
TOKEN = "personal-access-token-of-alice"
ABOUT = {"name": "CVAT", "version": "2.80.0"}


@pytest.fixture(params=["2.15", "2.80"])
def running(request):
    """An embedded server on a socket, which knows admin and alice."""
    with serve("cvat", seed="1x3", users=[ADMIN, ALICE], version=request.param, check=True) as it:
        yield it
        assert it.server.violations == []


@pytest.fixture
def newer():
    """One of 2.80, which knows a personal access token of alice's."""
    tokens = [("alice", TOKEN)]
    with serve("cvat", seed="1x3", users=[ADMIN, ALICE], tokens=tokens, check=True) as it:
        yield it
        assert it.server.violations == []


def paths(session):
    return [(request.method, request.path_url.partition("?")[0]) for request in session.sent]


class TestLogin:
    def test_a_password_starts_a_session_with_cookies_and_csrf(self, running, noted):
        with Client(running.url, http=noted) as client:
            client.login(ADMIN)
            Task.objects.get(id=1).update({"name": "renamed"})
            get, patch = noted.sent[-2:]
        assert "sessionid=" in get.headers["Cookie"]
        assert "X-CSRFToken" not in get.headers
        assert f"csrftoken={patch.headers['X-CSRFToken']}" in patch.headers["Cookie"]
        assert all("Authorization" not in request.headers for request in noted.sent)

    def test_a_server_without_sessions_is_signed_with_its_token(self, told, noted):
        def tasks(environ):
            if environ.get("HTTP_AUTHORIZATION") == "Token abcdef":
                return {"count": 0, "next": None, "previous": None, "results": []}
            return 401, [], b'{"detail": "Invalid token."}'

        answers = {
            "/api/auth/login": {"key": "abcdef"},
            "/api/auth/logout": {"detail": "out"},
            "/api/tasks": tasks,
        }
        client = Client("http://cvat.example", check_server_version=False, **told(answers))
        client.login(ADMIN)
        assert client.tasks.list() == []
        client.logout()
        assert noted.sent[-1].headers["Authorization"] == "Token abcdef"
        assert paths(noted)[-1] == ("POST", "/api/auth/logout")
        with pytest.raises(NotAuthenticated):
            client.tasks.list()
        client.close()

    def test_a_personal_access_token_goes_as_bearer_and_asks_nothing(self, newer):
        with make_client(newer.url, access_token=TOKEN) as client:
            before = newer.server.requests
            client.login(AccessTokenCredentials(TOKEN))
            assert newer.server.requests == before
            assert client.users.retrieve_current_user().username == "alice"
            client.logout()
            assert newer.server.requests == before + 1
            with pytest.raises(NotAuthenticated):
                client.tasks.list()

    def test_a_wrong_token_is_told_by_the_first_request(self, running):
        with (
            make_client(running.url, access_token="nope") as client,
            pytest.raises(NotAuthenticated),
        ):
            client.tasks.list()

    def test_a_wrong_password_is_the_server_s_refusal(self, running):
        with Client(running.url) as client:
            with pytest.raises(BadRequest, match="Unable to log in with provided credentials"):
                client.login(("admin", "wrong-password"))
            assert not client.has_credentials()
        with pytest.raises(BadRequest):
            make_client(running.url, credentials=("admin", "wrong-password"))

    def test_logging_out_ends_it_and_twice_is_harmless(self, running, noted):
        with Client(running.url, http=noted) as client:
            client.login(ADMIN)
            assert client.has_credentials()
            client.logout()
            client.logout()
            assert not client.has_credentials()
            with pytest.raises(NotAuthenticated):
                client.tasks.list()
        assert paths(noted).count(("POST", "/api/auth/logout")) == 1
        assert "Cookie" not in noted.sent[-1].headers

    def test_what_another_user_owns_is_forbidden(self, running):
        with make_client(running.url, credentials=ALICE) as client, pytest.raises(Forbidden):
            client.tasks.retrieve(1)

    def test_a_session_that_ended_meanwhile_is_told_and_begun_again(self, running, noted):
        with Client(running.url, http=noted) as client, requests.Session() as other:
            client.login(ADMIN)
            other.cookies.update(noted.cookies)
            other.headers["X-CSRFToken"] = other.cookies["csrftoken"]
            assert other.post(f"{running.url}/api/auth/logout").ok
            with pytest.raises(NotAuthenticated):
                client.tasks.list()
            client.login(ADMIN)
            assert len(client.tasks.list()) == 3

    def test_a_lent_session_that_is_logged_in_reads_and_writes(self, running, noted):
        login = {"username": ADMIN[0], "password": ADMIN[1]}
        noted.post(f"{running.url}/api/auth/login", json=login)
        with Client(running.url, http=noted) as client:
            Task.objects.get(id=1).update({"name": "renamed"})
            assert client.users.retrieve_current_user().username == "admin"
            # Django asks for the token of the session that a login takes the place of.
            client.login(ALICE)
            assert client.users.retrieve_current_user().username == "alice"

    def test_a_server_without_personal_access_tokens_refuses_the_first_request(self):
        with (
            serve("cvat", users=[ADMIN], tokens=[("admin", TOKEN)], version="2.15") as old,
            make_client(old.url, access_token=TOKEN) as client,
            pytest.raises(NotAuthenticated),
        ):
            client.tasks.list()

    def test_cookies_of_others_in_a_lent_jar_stay(self, running, noted):
        noted.cookies.set("theme", "dark", domain="127.0.0.1", path="/")
        noted.cookies.set("sessionid", "other", domain="other.example", path="/")
        with Client(running.url, http=noted) as client:
            client.login(ADMIN)
        assert sorted((c.domain, c.name, c.value) for c in noted.cookies) == [
            ("127.0.0.1", "theme", "dark"),
            ("other.example", "sessionid", "other"),
        ]

    def test_the_auth_of_a_lent_session_signs_while_nobody_is_logged_in(self, running, noted):
        noted.auth = ALICE
        with Client(running.url, http=noted) as client:
            assert client.users.retrieve_current_user().username == "alice"
            client.login(ADMIN)
            assert client.users.retrieve_current_user().username == "admin"
            client.logout()
            assert client.users.retrieve_current_user().username == "alice"

    def test_the_csrf_token_is_found_among_cookies_of_any_name(self, running, noted):
        noted.cookies.set("odd[name]", "1", domain="127.0.0.1", path="/")
        with Client(running.url, http=noted) as client:
            client.login(ADMIN)
            Task.objects.get(id=1).update({"name": "renamed"})

    def test_https_sends_the_referer_that_django_asks_for(self, told, noted):
        answers = {"/api/server/about": ABOUT}
        Client("https://cvat.example", **told(answers, "https://cvat.example")).close()
        Client("http://cvat.example", **told(answers)).close()
        secure, plain = noted.sent
        assert secure.headers["Referer"].startswith("https://cvat.example")
        assert "Referer" not in plain.headers

    @pytest.mark.parametrize(
        "wrong",
        [None, "user:password", ("user",), ("user", 7), ["user", "pass-word"], {"user": "p"}],
    )
    def test_credentials_of_another_shape_are_refused_without_showing_them(self, running, wrong):
        with Client(running.url) as client, pytest.raises(TypeError) as refused:
            client.login(wrong)
        assert "pass" not in str(refused.value).replace("(user, password)", "").replace(
            "PasswordCredentials", ""
        )

    @pytest.mark.parametrize(
        ("answer", "shown"),
        [
            ((200, [("Content-Type", "text/html")], b"<html>Welcome to the hotel</html>"), "login"),
            (["key"], "login"),
            ({"key": 5}, "login"),
            ((200, [], b'{"key": "0123456789abcdef'), "login"),
            ((204, [], b""), "login"),
            ({}, "neither a token nor"),
        ],
        ids=["html", "list", "number", "cut", "empty", "nothing in it"],
    )
    def test_a_strange_answer_to_a_login_is_a_contract_error(self, told, answer, shown):
        options = told({"/api/auth/login": answer})
        client = Client("http://cvat.example", check_server_version=False, **options)
        with pytest.raises(ContractError, match=shown) as caught:
            client.login(ADMIN)
        assert "0123456789abcdef" not in str(caught.value)
        assert not client.has_credentials()
        client.close()

    def test_a_strange_answer_to_a_login_starts_no_session_of_its_cookies(self, told, noted):
        cookies = [
            ("Set-Cookie", f"{name}={'x' * 32}; Path=/") for name in ("sessionid", "csrftoken")
        ]
        options = told({"/api/auth/login": (200, cookies, b"[]"), "/api/tasks/1": {"id": 1}})
        client = Client("http://cvat.example", check_server_version=False, **options)
        with pytest.raises(ContractError):
            client.login(ADMIN)
        client.request("GET", "/tasks/1")
        assert "Cookie" not in noted.sent[-1].headers
        client.close()

    def test_secrets_are_in_no_repr_log_error_or_pickle(self, newer, caplog, noted):
        caplog.set_level(logging.DEBUG)
        texts = []
        with Client(newer.url, http=noted, echo=True) as client:
            for credentials in (ADMIN, AccessTokenCredentials(TOKEN)):
                client.login(credentials)
                cookies = [cookie.value for cookie in noted.cookies]
                texts += [
                    repr(client),
                    repr(client.session),
                    repr(client.tasks),
                    repr(client._signature),
                ]
                with pytest.raises(TransportError) as refused:
                    client.request("GET", "/tasks/999")
                texts += [str(refused.value), repr(refused.value), repr(vars(refused.value))]
                with pytest.raises(TypeError):
                    pickle.dumps(client)
                with pytest.raises(TypeError):
                    pickle.dumps(client.session)
                secrets = [ADMIN[1], TOKEN, *cookies]
                said = "\n".join([*texts, caplog.text])
                assert [secret for secret in secrets if secret in said] == []
            assert repr(PasswordCredentials(*ADMIN)) == "PasswordCredentials(user='admin')"
            assert TOKEN not in repr(AccessTokenCredentials(TOKEN))
        assert "POST" in caplog.text

    def test_a_refused_login_does_not_quote_the_password(self, told):
        def login(environ):
            body = environ["wsgi.input"].read().decode()
            return 400, [], json.dumps({"detail": f"what is {body}?"}).encode()

        client = Client(
            "http://cvat.example", check_server_version=False, **told({"/api/auth/login": login})
        )
        with pytest.raises(BadRequest) as refused:
            client.login(ADMIN)
        assert "admin" in str(refused.value)
        assert ADMIN[1] not in str(refused.value) + repr(vars(refused.value))
        client.close()


class TestThrottle:
    """Logins and questions for the version come without credentials, so they are what is counted."""

    @pytest.fixture(params=["2.15", "2.80"])
    def throttled(self, request):
        """A server that takes no more requests without credentials."""
        with serve("cvat", users=[ADMIN], version=request.param, throttle=True) as it:
            with requests.Session() as session:
                for _ in range(100):
                    assert session.get(f"{it.url}/api/server/about").ok
            yield it

    def test_the_refusal_tells_when_to_come_back(self, throttled):
        with (
            Client(throttled.url, check_server_version=False, retries=0) as client,
            pytest.raises(TooManyRequests, match="Request was throttled") as refused,
        ):
            client.login(ADMIN)
        assert 0 < refused.value.retry_after <= 60
        assert ADMIN[1] not in str(refused.value)

    def test_who_is_logged_in_is_not_refused(self):
        with (
            serve("cvat", users=[ADMIN], throttle=True) as server,
            make_client(server.url, credentials=ADMIN) as client,
        ):
            for _ in range(101):
                client.get_server_version()

    def test_a_login_is_sent_again_when_it_may_come_back(self, noted):
        refusals = [b'{"detail": "Request was throttled. Expected available in 0 seconds."}']

        def application(environ, start_response):
            if not refusals:
                return server.app(environ, start_response)
            headers = [("Content-Type", "application/vnd.cvat+json"), ("Retry-After", "0")]
            start_response("429 Too Many Requests", headers)
            return [refusals.pop()]

        with embedded("cvat", users=[ADMIN]) as server:
            noted.mount("http://cvat.example", WSGIAdapter(application))
            options = {"check_server_version": False, "http": noted}
            with Client("http://cvat.example", **options) as client:
                client.login(ADMIN)
                assert paths(noted) == [("POST", "/api/auth/login")] * 2
                assert client.users.retrieve_current_user().username == "admin"


class TestMakeClient:
    def test_it_is_logged_in(self, running):
        with make_client(host=running.url, credentials=ALICE) as client:
            assert client.users.retrieve_current_user().username == "alice"

    @pytest.mark.parametrize("ending", ["", "/", "/api", "/api/"])
    def test_the_end_of_the_address_does_not_matter(self, running, ending):
        with Client(running.url + ending) as client:
            assert client.base_url == f"{running.url}/api"

    @pytest.mark.parametrize(
        ("host", "options"),
        [
            ("http://localhost:8080", {"port": 8080}),
            ("embedded://cvat", {"port": 8080}),
            ("http://localhost", {"port": "many"}),
            ("http://localhost", {"credentials": ADMIN, "access_token": "x"}),
            ("ftp://localhost", {}),
            ("http://", {}),
            ("", {}),
        ],
        ids=str,
    )
    def test_what_contradicts_itself_is_a_value_error(self, host, options):
        with pytest.raises(ValueError):  # noqa: PT011 - each has words of its own
            make_client(host, **options)

    @pytest.mark.parametrize("url", ["http://bob:hush-hush@localhost", "bob:hush-hush@localhost"])
    def test_credentials_in_the_address_are_refused_and_not_shown(self, url):
        with pytest.raises(ValueError, match="credentials") as refused:
            make_client(url)
        assert "hush-hush" not in str(refused.value)

    @pytest.mark.parametrize("name", ["auth", "dialect"])
    def test_what_a_cvat_client_chooses_itself_is_no_option(self, name):
        with pytest.raises(TypeError, match=name):
            Client("http://localhost", **{name: "x"})

    def test_an_embedded_server_is_used_as_its_superuser(self):
        with Client("embedded://cvat?seed=2x3&user=root:x") as client:
            assert client.users.retrieve_current_user().username == "root"
            assert Task.objects.count() == 6

    def test_a_user_of_an_embedded_server_can_log_in(self):
        with Client("embedded://cvat?seed=1x1&user=root:x&user=bob:y") as client:
            client.login(("bob", "y"))
            assert client.users.retrieve_current_user().username == "bob"
            assert client.tasks.list() == []
            client.tasks.create(name="mine", labels=[{"name": "a"}])
            assert [task.owner.username for task in client.tasks.list()] == ["bob"]

    @pytest.mark.parametrize(
        ("options", "verify"),
        [
            ({}, True),
            ({"verify": "/etc/bundle.pem"}, "/etc/bundle.pem"),
            ({"config": Config(verify_ssl=False)}, False),
            ({"config": Config(verify_ssl=True), "verify": False}, True),
        ],
        ids=str,
    )
    def test_certificates_are_checked_as_the_config_says(self, noted, monkeypatch, options, verify):
        class Noting(WSGIAdapter):
            def send(self, request, **settings):
                seen.append(settings["verify"])
                return super().send(request, **settings)

        def about(environ, start_response):
            start_response("200 OK", [("Content-Type", "application/vnd.cvat+json")])
            return [json.dumps(ABOUT).encode()]

        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            monkeypatch.delenv(name, raising=False)
        seen = []
        noted.mount("https://cvat.example", Noting(about))
        Client("https://cvat.example", http=noted, **options).close()
        assert seen == [verify]


class TestVersion:
    def test_it_is_asked_for_once_and_is_fine(self, running, caplog):
        Client(running.url).close()
        assert running.server.requests == 1
        assert caplog.records == []

    def test_it_is_not_asked_for_when_not_wanted(self, running):
        Client(running.url, check_server_version=False).close()
        assert running.server.requests == 0

    @pytest.mark.parametrize("version", ["2.14.3", "2.90.0", "3.0", "1.80", "latest"])
    def test_a_version_that_the_binding_was_not_written_for_is_warned_of_or_refused(
        self, told, caplog, version
    ):
        options = told({"/api/server/about": {"version": version}})
        Client("http://cvat.example", **options).close()
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert version in caplog.text
        with pytest.raises(ContractError, match=version):
            Client("http://cvat.example", config=Config(allow_unsupported_server=False), **options)

    @pytest.mark.parametrize("version", ["2.15.0.dev20240702123822", "2.15.0", "2.80.1", "2.81.0"])
    def test_versions_from_2_15_to_2_81_are_fine(self, told, caplog, version):
        options = told({"/api/server/about": {"version": version}})
        Client(
            "http://cvat.example", config=Config(allow_unsupported_server=False), **options
        ).close()
        assert caplog.records == []

    def test_the_warning_goes_to_the_logger_that_was_given(self, told, caplog):
        logger = logging.getLogger("of.the.user")
        options = told({"/api/server/about": {"version": "9.9"}})
        Client("http://cvat.example", logger=logger, **options).close()
        assert [record.name for record in caplog.records] == ["of.the.user"]

    @pytest.mark.parametrize("status", [401, 404, 500])
    def test_a_server_that_does_not_tell_is_warned_of_or_refused(self, told, caplog, status):
        options = told({"/api/server/about": (status, [], b"")})
        Client("http://cvat.example", **options).close()
        assert "does not tell its version" in caplog.text
        with pytest.raises(TransportError):
            Client("http://cvat.example", config=Config(allow_unsupported_server=False), **options)

    @pytest.mark.parametrize(
        "answer",
        [
            (200, [], b"<html>"),
            (200, [], b""),
            ["2.80"],
            {},
            {"version": 2.8},
            {"version": None},
            "2.80",
        ],
        ids=["html", "empty", "list", "no version", "number", "null", "text"],
    )
    def test_an_answer_that_is_not_cvat_s_is_a_contract_error(self, told, answer):
        options = told({"/api/server/about": answer})
        with pytest.raises(ContractError):
            Client("http://cvat.example", **options)


class TestVersionThatWasNotAskedFor:
    """It is asked for once, when something depends on it."""

    ABOUT = ("GET", "/server/about")

    @pytest.fixture(params=["2.80", "2.15"])
    def unasked(self, request):
        url = f"embedded://cvat?seed=1x2&version={request.param}"
        with Client(url, check_server_version=False) as client:
            yield client

    def test_what_does_not_depend_on_it_asks_for_nothing_more(self, unasked, requests_of):
        with requests_of() as sent:
            list(unasked.tasks.filter(name="x").order_by("-updated_date"))
            unasked.projects.retrieve(1).update({"name": "renamed"})
        assert self.ABOUT not in list(sent)

    def test_a_name_that_2_15_lacks_is_refused_there_and_not_ignored(self, unasked, requests_of):
        old = unasked.get_server_version().startswith("2.15")
        with requests_of() as sent:
            for ask in (
                lambda: unasked.tasks.order_by("-created_date").first(),
                lambda: unasked.tasks.filter(media_type="image").first(),
            ):
                if old:
                    with pytest.raises(UnsupportedLookup, match=r"created_date|media_type"):
                        ask()
                else:
                    ask()
        assert list(sent).count(self.ABOUT) == 1
        assert len(sent) == (1 if old else 3)

    def test_background_requests_are_those_of_2_80(self, unasked, requests_of):
        old = unasked.get_server_version().startswith("2.15")
        with requests_of() as sent:
            if old:
                with pytest.raises(UnsupportedLookup, match=r"CVAT 2\.15 has no requests"):
                    unasked.requests.list()
            else:
                assert unasked.requests.list() == []
        assert next(iter(sent)) == self.ABOUT

    def test_a_server_that_does_not_tell_is_asked_once_and_taken_for_new(self, told, noted):
        page = {"count": 0, "next": None, "previous": None, "results": []}
        answers = {"/api/server/about": (403, [], b"{}"), "/api/tasks": page}
        with Client("http://cvat.example", check_server_version=False, **told(answers)) as client:
            for _ in range(2):
                assert list(client.tasks.order_by("created_date")) == []
        paths = [request.path_url.partition("?")[0] for request in noted.sent]
        assert paths == ["/api/server/about", "/api/tasks", "/api/tasks"]


class TestSessions:
    def test_with_makes_the_client_s_session_the_current_one(self, seeded):
        task = Task.objects.get(id=1)
        assert inspect(task).session is seeded.session
        assert seeded.tasks.get(id=1) is task

    def test_each_thread_finds_a_session_of_its_own(self, seeded):
        mine = Task.objects.get(id=1)

        def work(_):
            task = Task.objects.get(id=1)
            assert inspect(task).session is seeded.session
            assert seeded.tasks.get(id=1) is task
            barrier.wait()
            return task, seeded.session

        barrier = threading.Barrier(4)
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(work, range(4)))
        assert len({id(session) for _, session in found} | {id(seeded.session)}) == 5
        assert len({id(task) for task, _ in found} | {id(mine)}) == 5

    def test_a_repository_kept_in_a_variable_asks_for_the_session_of_the_thread(self, seeded):
        tasks = seeded.tasks
        mine = tasks.get(id=1)
        with ThreadPoolExecutor(1) as pool:
            theirs = pool.submit(tasks.get, id=1).result()
        assert theirs is not mine
        assert inspect(mine).session is seeded.session

    def test_leaving_closes_the_sessions_of_all_threads(self, open_client):
        with open_client("1x1") as client:
            mine = Task.objects.get(id=1)
            with ThreadPoolExecutor(1) as pool:
                theirs = pool.submit(Task.objects.get, id=1).result()
        for task in (mine, theirs):
            assert task.name == "task 1-01"
            task.name = "later"
            with pytest.raises(DetachedError):
                task.commit()
        with pytest.raises(NoActiveSession):
            Task.objects.count()
        with pytest.raises(TransportError, match="closed"):
            client.request("GET", "/tasks")

    def test_leaving_with_changes_warns_and_closes_all_the_same(self, open_client):
        client = open_client("1x1")
        with pytest.warns(UserWarning, match="1 new, 1 dirty") as warned, client:  # noqa: PT031
            Task.objects.get(id=1).name = "never sent"
            client.session.add(Project(name="never sent"))
        assert warned[0].filename == __file__
        assert client.transport.closed

    def test_an_error_inside_is_not_followed_by_a_warning(self, open_client):
        client = open_client("1x1")
        with pytest.raises(KeyError, match="mine"), client:  # noqa: PT012
            Task.objects.get(id=1).name = "never sent"
            raise KeyError("mine")
        assert client.transport.closed

    def test_the_innermost_is_the_current_one(self, seeded):
        outer = seeded.session
        with Client("embedded://cvat?seed=1x1") as inner:
            assert inspect(Task.objects.get(id=1)).session is inner.session
            with Session(seeded) as innermost:
                assert inspect(Task.objects.get(id=1)).session is innermost
            assert Task.objects.count() == 1
        assert inspect(Task.objects.get(id=1)).session is outer

    def test_a_thread_without_a_session_does_not_guess_between_two_clients(self, seeded):
        with Client("embedded://cvat"), ThreadPoolExecutor(1) as pool:
            with pytest.raises(NoActiveSession, match="2 clients"):
                pool.submit(Task.objects.count).result()
            assert pool.submit(seeded.tasks.count).result() == 8

    def test_a_closed_session_is_followed_by_a_new_one(self, seeded):
        first = seeded.session
        with first:
            Task.objects.get(id=1)
        assert first.closed
        assert Task.objects.get(id=1) is seeded.session.get(Task, 1)

    def test_without_with_the_client_s_own_names_work(self, open_client):
        client = open_client("1x2")
        assert client.tasks.count() == 2
        with pytest.raises(NoActiveSession):
            Task.objects.count()
        client.session.add(Project(name="p"))
        assert client.session.commit().ok
        client.close()
        client.close()


class TestRepositories:
    @pytest.mark.parametrize("name", ["jobs", "labels", "projects", "tasks", "users"])
    def test_each_is_the_manager_of_its_model(self, seeded, name):
        repository = getattr(seeded, name)
        assert isinstance(repository, Manager)
        assert repository.model.__mapper__.endpoint == name
        assert name.rstrip("s").capitalize() in repr(repository)
        assert len(repository.list()) == repository.count() > 0

    def test_it_filters_lists_and_chains(self, seeded):
        found = seeded.tasks.list(subset="train", id__gt=1)
        assert [task.subset for task in found] == ["train"] * len(found)
        assert isinstance(found, list)
        assert seeded.tasks.filter(subset="train").exclude(id=1).count() == len(found)
        assert seeded.tasks.order_by("-id").first().id == 8
        assert {task.id for task in seeded.tasks} == set(range(1, 9))

    def test_retrieve_asks_anew_and_misses_as_get_does(self, seeded):
        task = seeded.tasks.retrieve(1)
        before = seeded.transport.requests_sent
        assert seeded.tasks.retrieve(1) is task
        assert seeded.transport.requests_sent == before + 1
        with pytest.raises(Task.DoesNotExist):
            seeded.tasks.retrieve(999)

    def test_the_current_user(self, seeded, requests_of):
        with requests_of() as sent:
            user = seeded.users.retrieve_current_user()
            assert (user.username, user.is_superuser) == ("admin", True)
        assert list(sent) == [("GET", "/users/self")]
        assert seeded.users.retrieve(user.id) is user
