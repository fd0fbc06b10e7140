"""Where a CVAT is when its address has no scheme; and what an address may take."""

import socketserver
import threading

import pytest
import requests
from requests.adapters import BaseAdapter

from objmapper.cvat import AccessTokenCredentials, Client, Config, make_client
from objmapper.cvat.address import address
from objmapper.exceptions import BadRequest, ConnectError, TransportError
from objmapper.server import WSGIAdapter, embedded, serve

ADMIN = ("admin", "secret-of-admin")
HOST = "cvat.example"


class Asking(BaseAdapter):
    """Notes who is asked, in order, and answers as ``said`` says of the scheme: a status or an error."""

    def __init__(self, said):
        super().__init__()
        self.said, self.asked, self.requests = said, [], []

    def send(self, request, **settings):
        scheme = request.url.partition(":")[0]
        self.asked.append(scheme)
        self.requests.append(request)
        said = self.said[scheme]
        if isinstance(said, Exception):
            raise said
        return said.send(request, **settings)

    def close(self):
        pass


def says(what):
    """Return who answers with a status; whoever answers already, and errors, as they are."""
    if not isinstance(what, int):
        return what

    def application(environ, start_response):
        start_response(f"{what} said", [("Content-Type", "application/vnd.cvat+json")])
        return [b'{"version": "2.80.0"}']

    return WSGIAdapter(application)


@pytest.fixture
def elsewhere():
    """``elsewhere(https=..., http=...)`` is a requests.Session for which another machine says that."""
    opened = []

    def open_(https=None, http=None):
        session = requests.Session()
        nobody = requests.ConnectionError("nobody is there")
        said = {"https": https or nobody, "http": http or nobody}
        asking = Asking({scheme: says(what) for scheme, what in said.items()})
        session.mount("https://", asking)
        session.mount("http://", asking)
        session.asking = asking
        opened.append(session)
        return session

    yield open_
    for session in opened:
        session.close()


@pytest.fixture(scope="module")
def cvat():
    """An embedded CVAT; ``WSGIAdapter`` takes a session to it."""
    with embedded("cvat", users=[ADMIN]) as server:
        yield WSGIAdapter(server.app)


class TestOrder:
    @pytest.mark.parametrize("status", [200, 401, 429])
    def test_https_is_asked_first_and_counts_when_it_answers(self, elsewhere, status):
        http = elsewhere(https=status, http=200)
        assert address(HOST, http=http).base_url == f"https://{HOST}/api"
        assert http.asking.asked == ["https"]
        assert http.asking.requests[0].method == "GET"
        assert http.asking.requests[0].path_url == "/api/server/about"

    @pytest.mark.parametrize("status", [400, 403, 404, 500, 503])
    def test_what_is_no_answer_of_a_cvat_leads_to_http(self, elsewhere, status):
        http = elsewhere(https=status, http=200)
        assert address(HOST, http=http).base_url == f"http://{HOST}/api"
        assert http.asking.asked == ["https", "http"]

    @pytest.mark.parametrize("port", ["", ":8443"])
    def test_a_slow_https_wins_over_what_http_is_refused(self, elsewhere, port):
        http = elsewhere(https=requests.ConnectTimeout("slow"), http=400)
        with pytest.raises(ConnectError):
            address(HOST + port, http=http)
        # A port speaks one of the two: TLS gets more time there, once plain http was refused.
        assert http.asking.asked == (["https", "http", "https"] if port else ["https", "http"])

    def test_neither_is_an_error_that_names_both(self, elsewhere):
        http = elsewhere(https=404)
        with pytest.raises(ConnectError) as failed:
            Client(HOST, http=http, check_server_version=False)
        told = str(failed.value)
        assert f"https://{HOST}/api: it answered 404" in told
        assert f"http://{HOST}/api: GET http://{HOST}/api/server/about: the connection" in told
        assert isinstance(failed.value, ConnectionError)

    @pytest.mark.parametrize("scheme", ["https", "http"])
    def test_a_scheme_that_is_given_is_not_tried(self, elsewhere, scheme):
        http = elsewhere()
        client = Client(f"{scheme}://{HOST}", http=http, check_server_version=False)
        assert client.base_url == f"{scheme}://{HOST}/api"
        assert http.asking.asked == []
        client.close()

    def test_nothing_that_signs_goes_along(self, elsewhere):
        http = elsewhere(https=200)
        http.auth, http.headers["X-Api-Key"] = ADMIN, "secret-of-a-proxy"
        http.cookies.set("sessionid", "secret-of-a-session", domain=HOST, path="/")
        http.params = {"access_token": "secret-of-a-parameter"}
        address(HOST, http=http)
        (asked,) = http.asking.requests
        assert "secret" not in f"{asked.headers} {asked.url}"
        assert "Authorization" not in asked.headers


class TestThisMachine:
    @pytest.mark.parametrize("version", ["2.15", "2.80"])
    def test_a_port_that_speaks_plain_http_is_found_and_takes_credentials(self, version):
        with serve("cvat", users=[ADMIN], version=version) as running:
            port = running.url.rpartition(":")[2]
            with make_client("localhost", port=port, credentials=ADMIN) as client:
                assert client.base_url == f"http://localhost:{port}/api"
                assert client.users.retrieve_current_user().username == "admin"
            assert address(f"127.0.0.1:{port}").base_url == f"http://127.0.0.1:{port}/api"

    def test_a_port_that_speaks_tls_is_https(self, tls_server, certificate):
        place = f"127.0.0.1:{tls_server.port}"
        assert address(place, verify=str(certificate)).base_url == f"https://{place}/api"
        with Client(place, check_server_version=False, verify=str(certificate)) as client:
            assert client.request("GET", "/tasks").status == 200

    def test_a_certificate_that_nobody_signed_is_told(self, tls_server):
        with pytest.raises(ConnectError, match="certificate"):
            address(f"127.0.0.1:{tls_server.port}")

    def test_nobody_there_names_both(self):
        with pytest.raises(
            ConnectError, match=r"https://localhost:1/api: .*http://localhost:1/api"
        ):
            Client("localhost:1", retries=0)

    def test_who_says_something_else_is_told(self):
        class Other(socketserver.StreamRequestHandler):
            def handle(self):
                self.rfile.read(1)
                self.wfile.write(b"220 mail.example ESMTP\r\n")

        with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Other) as server:
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            try:
                with pytest.raises(ConnectError, match="No CVAT answers"):
                    address(f"127.0.0.1:{server.server_address[1]}")
            finally:
                server.shutdown()


class TestCredentials:
    """Over an http on another machine that nobody named, and that was only found."""

    @pytest.mark.parametrize("given", [ADMIN, AccessTokenCredentials("secret-token")], ids=repr)
    def test_none_are_sent(self, elsewhere, cvat, given):
        http = elsewhere(http=cvat)
        with Client(HOST, http=http) as client:
            before = len(http.asking.requests)
            with pytest.raises(TransportError, match="detect_scheme=True") as refused:
                client.login(given)
            assert len(http.asking.requests) == before
            assert not client.has_credentials()
            assert f"http://{HOST}" in str(refused.value)
            assert not refused.value.sent
            with pytest.raises(TransportError, match="no credentials are sent"):
                client.request("GET", "/tasks", headers={"Authorization": "Token abc"})
            assert client.get_server_version() == "2.80.0"

    def test_make_client_refuses_them_and_closes(self, elsewhere, cvat):
        with pytest.raises(TransportError, match="no credentials are sent"):
            make_client(HOST, credentials=ADMIN, http=elsewhere(http=cvat))

    @pytest.mark.parametrize(
        "lend",
        [
            lambda http: setattr(http, "auth", ADMIN),
            lambda http: http.headers.update({"Authorization": "Token abc"}),
            lambda http: http.cookies.set("sessionid", "abc", domain=HOST, path="/"),
        ],
        ids=["auth", "header", "cookie"],
    )
    def test_nor_those_of_a_lent_session(self, elsewhere, cvat, lend):
        http = elsewhere(http=cvat)
        lend(http)
        with pytest.raises(TransportError, match="no credentials are sent"):
            Client(HOST, http=http)
        assert all("Authorization" not in request.headers for request in http.asking.requests)
        assert all("Cookie" not in request.headers for request in http.asking.requests)

    def test_they_are_with_detect_scheme(self, elsewhere, cvat):
        config = Config(detect_scheme=True)
        with make_client(HOST, credentials=ADMIN, config=config, http=elsewhere(http=cvat)) as it:
            assert it.base_url == f"http://{HOST}/api"
            assert it.users.retrieve_current_user().username == "admin"

    def test_they_are_where_the_scheme_was_said(self, elsewhere, cvat):
        http = elsewhere(http=cvat)
        with make_client(f"http://{HOST}", credentials=ADMIN, http=http) as client:
            assert client.users.retrieve_current_user().username == "admin"

    def test_they_are_over_an_https_that_was_found(self, elsewhere, cvat):
        http = elsewhere(https=cvat)
        with Client(HOST, http=http) as client, pytest.raises(BadRequest):
            client.login(("admin", "wrong-password"))


class TestWords:
    @pytest.mark.parametrize(
        "url",
        ["", "  ", "http://", "https:///api", "localhost:many", "localhost:99999", "[::1", ":8080"],
    )
    def test_what_names_no_server_says_what_does(self, url):
        with pytest.raises(ValueError, match="names no server: give its host"):
            Client(url)

    @pytest.mark.parametrize("url", ["ftp://localhost", "://localhost", "HTTP+unix://localhost"])
    def test_another_scheme_names_those_there_are(self, url):
        with pytest.raises(ValueError, match="https, http, or none"):
            Client(url)

    @pytest.mark.parametrize("url", [None, 7, b"localhost", ("localhost", 80)])
    def test_what_is_no_text_is_a_type_error(self, url):
        with pytest.raises(TypeError, match="address of a server is text"):
            make_client(url)

    @pytest.mark.parametrize("port", [0, -1, 65536, "many", "80a", "", True, 8.5, "²"])
    def test_what_is_no_port_is_told(self, port):
        with pytest.raises(ValueError, match="from 1 to 65535"):
            make_client("http://localhost", port=port)

    @pytest.mark.parametrize("host", ["localhost:80", "http://localhost:80", "embedded://cvat"])
    def test_a_port_said_twice_is_told(self, host):
        with pytest.raises(ValueError, match="give one of them"):
            make_client(host, port=8080)

    @pytest.mark.parametrize(
        ("host", "port", "url"),
        [
            ("http://cvat.example/", 8080, "http://cvat.example:8080/api"),
            ("https://cvat.example/sub", "8443", "https://cvat.example:8443/sub/api"),
            ("http://[::1]", 8080, "http://[::1]:8080/api"),
        ],
    )
    def test_a_port_goes_behind_the_host(self, host, port, url):
        client = make_client(host, port=port, check_server_version=False)
        assert client.base_url == url
        client.close()
