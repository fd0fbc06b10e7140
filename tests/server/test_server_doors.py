"""Both doors, and what each has of its own."""

import contextlib
import io
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from objmapper.server import WSGIAdapter, embedded, serve


@pytest.fixture
def server():
    with embedded("embedded://cvat?user=admin:secret&check=1") as server:
        yield server


@pytest.fixture
def session(server):
    with requests.Session() as session:
        session.mount(server.base_url, server.adapter())
        yield session


def test_each_embedded_server_has_a_database_and_a_host_of_its_own():
    with embedded("embedded://cvat") as one, embedded("embedded://cvat") as other:
        assert one.base_url != other.base_url
        with requests.Session() as session:
            for server in (one, other):
                session.mount(server.base_url, server.adapter())
            made = session.post(f"{one.base_url}/api/projects", json={"name": "only here"})
            assert made.status_code == 201
            assert session.get(f"{one.base_url}/api/projects").json()["count"] == 1
            assert session.get(f"{other.base_url}/api/projects").json()["count"] == 0
            with embedded("embedded://cvat") as later:
                session.mount(later.base_url, later.adapter())
                assert session.get(f"{later.base_url}/api/projects").json()["count"] == 0


def test_in_process_no_credentials_count_as_the_superuser(server, session):
    answer = session.get(f"{server.base_url}/api/users/self")
    assert answer.json()["username"] == "admin"
    assert answer.json()["is_superuser"] is True


@pytest.mark.parametrize(
    "header", ["Basic YWRtaW46bm8=", "Token nope", "Bearer nope", "Digest username=admin"]
)
def test_in_process_a_wrong_credential_is_a_401(server, session, header):
    answer = session.get(f"{server.base_url}/api/users/self", headers={"Authorization": header})
    assert answer.status_code == 401


def test_in_process_an_unknown_session_is_a_401(server, session):
    answer = session.get(f"{server.base_url}/api/users/self", cookies={"sessionid": "gone"})
    assert answer.status_code == 401


def test_over_a_socket_no_credentials_are_a_401_whatever_the_headers_say():
    with serve("cvat") as running, requests.Session() as session:
        session.trust_env = False
        claims = {"objmapper.server.door": "1", "Objmapper-Server-Door": "in process"}
        answer = session.get(f"{running.url}/api/users/self", headers=claims)
        assert answer.status_code == 401


def test_several_cookies_of_one_answer_reach_the_jar(server, session):
    login = {"username": "admin", "password": "secret"}
    answer = session.post(f"{server.base_url}/api/auth/login", json=login)
    assert set(answer.cookies.keys()) == {"sessionid", "csrftoken"}
    assert set(session.cookies.keys()) == {"sessionid", "csrftoken"}
    assert len(answer.raw.headers.getlist("Set-Cookie")) == 2


def test_an_in_process_answer_is_a_whole_response(server, session):
    answer = session.get(f"{server.base_url}/api/server/about")
    assert answer.ok
    assert answer.reason == "OK"
    assert answer.url == f"{server.base_url}/api/server/about"
    assert answer.request.method == "GET"
    assert answer.raw.version == 11
    assert answer.elapsed.total_seconds() > 0


@pytest.mark.parametrize("chunked", [False, True], ids=["file", "generator"])
def test_an_in_process_body_may_be_a_stream(server, session, chunked):
    text = b'{"name": "streamed", "labels": [{"name": "a"}]}'
    body = (bytes([byte]) for byte in text) if chunked else io.BytesIO(text)
    answer = session.post(
        f"{server.base_url}/api/tasks", data=body, headers={"Content-Type": "application/json"}
    )
    assert answer.json()["name"] == "streamed"


def test_an_in_process_body_may_be_text(server, session):
    answer = session.post(
        f"{server.base_url}/api/projects",
        data='{"name": "text"}',
        headers={"Content-Type": "application/json"},
    )
    assert answer.json()["name"] == "text"


def test_an_answer_is_drawn_as_it_is_read_and_closed_at_the_end():
    drawn, closed = [], []

    class Body:
        def __iter__(self):
            for number in range(3):
                drawn.append(number)
                yield b"%d" % number * 1000

        def close(self):
            closed.append(True)

    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return Body()

    with requests.Session() as session:
        session.mount("http://stream.embedded", WSGIAdapter(application))
        answer = session.get("http://stream.embedded/", stream=True)
        assert drawn == []
        assert answer.raw.read(10) == b"0" * 10
        assert len(drawn) < 3
        assert len(answer.raw.read()) == 2990
        answer.close()
    assert closed == [True]


def test_an_application_may_write_and_start_late():
    def application(environ, start_response):
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"first,")
        yield b"second"

    with requests.Session() as session:
        session.mount("http://late.embedded", WSGIAdapter(application))
        assert session.get("http://late.embedded/").text == "first,second"


def test_requests_are_counted(open_door):
    door = open_door()
    before = door.server.requests
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: door.get("/server/about"), range(40)))
    assert door.server.requests - before == 40


def test_sixteen_writers_at_once_lose_nothing(open_door):
    door = open_door()
    project = door.post("/projects", {"name": "p", "labels": [{"name": "a"}]}).json()["id"]

    def work(number):
        ask = door.as_user(("admin", "secret"))
        made = ask("POST", "/tasks", json={"name": f"t{number}", "project_id": project}).json()
        answer = ask("PATCH", f"/tasks/{made['id']}", json={"subset": f"s{number % 3}"})
        listed = ask("GET", "/tasks", params={"name": f"t{number}"}).json()
        return made["id"], answer.status_code, listed["count"]

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(work, range(96)))
    assert len({key for key, _, _ in found}) == 96
    assert {(status, count) for _, status, count in found} == {(200, 1)}
    assert door.get("/tasks").json()["count"] == 96
    assert sorted(door.get(f"/projects/{project}").json()["task_subsets"]) == ["s0", "s1", "s2"]


def test_updated_date_grows_with_every_write_however_fast(open_door):
    door = open_door()
    key = door.post("/projects", {"name": "p"}).json()["id"]
    moments = [door.patch(f"/projects/{key}", {}).json()["updated_date"] for _ in range(30)]
    assert moments == sorted(set(moments))


def test_a_path_keeps_the_state_between_servers(open_door, tmp_path):
    path = str(tmp_path / "cvat.sqlite")
    first = open_door(path=path, seed="1x3")
    made = first.post("/projects", {"name": "kept"}).json()
    first.server.close()
    second = open_door(path=path, seed="1x3", users=[("admin", "other")])
    ask = second.as_user(("admin", "other"))
    assert ask("GET", f"/projects/{made['id']}").json()["name"] == "kept"
    assert ask("GET", "/projects").json()["count"] == 2
    assert second.as_user(("admin", "secret"))("GET", "/users/self").status_code == 401


def test_a_deleted_id_is_never_given_again(open_door, tmp_path):
    path = str(tmp_path / "cvat.sqlite")
    first = open_door(path=path)
    key = first.post("/projects", {"name": "gone"}).json()["id"]
    assert first.delete(f"/projects/{key}").status_code == 204
    first.server.close()
    second = open_door(path=path, seed="1x1")
    assert second.get("/projects").json()["results"][0]["id"] == key + 1


def test_a_file_that_is_no_database_of_ours_is_left_alone(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("not a database, but a text of some length" * 100)
    with pytest.raises(OSError, match=r"notes\.txt"):
        embedded("cvat", path=str(text))
    with pytest.raises(OSError, match="missing"):
        embedded("cvat", path=str(tmp_path / "missing" / "db.sqlite"))


def test_a_database_of_another_program_is_refused(tmp_path):
    import sqlite3

    other = tmp_path / "other.sqlite"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    with pytest.raises(OSError, match="another program"):
        embedded("cvat", path=str(other))


def test_closing_twice_does_nothing():
    server = embedded("cvat")
    server.close()
    server.close()
    running = serve("cvat")
    running.close()
    running.close()


def test_a_served_url_is_on_loopback_with_a_free_port():
    with serve("cvat") as one, serve("cvat") as other:
        assert one.url.startswith("http://127.0.0.1:")
        assert one.url != other.url


@pytest.mark.parametrize("host", ["0.0.0.0", "example.com", "192.168.1.1", ""])
def test_another_host_than_loopback_is_refused(host):
    with pytest.raises(ValueError, match=r"127\.0\.0\.1"):
        serve("cvat", host=host)


def test_a_taken_port_is_an_error_and_leaves_nothing_open():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            serve("cvat", port=taken.getsockname()[1])


def test_a_connection_is_kept_alive_over_many_requests():
    with serve("cvat", users=["admin:secret"]) as running, requests.Session() as session:
        session.trust_env = False
        session.auth = ("admin", "secret")
        for _ in range(5):
            session.get(f"{running.url}/api/server/about")
            session.delete(f"{running.url}/api/tasks/7")
        pools = session.get_adapter(running.url).poolmanager.pools
        (pool,) = (pools[key] for key in pools.keys())  # noqa: SIM118
        assert (pool.num_connections, pool.num_requests) == (1, 10)


def test_two_hundred_connections_are_open_at_once():
    with serve("cvat") as running, contextlib.ExitStack() as stack:
        address = ("127.0.0.1", int(running.url.rpartition(":")[2]))
        for _ in range(200):
            connection = stack.enter_context(socket.create_connection(address, timeout=60))
            connection.sendall(b"GET /api/server/about HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(15) == b"HTTP/1.1 200 OK"


def test_who_tries_https_is_hung_up_on_and_http_goes_on():
    with serve("cvat") as running:
        address = ("127.0.0.1", int(running.url.rpartition(":")[2]))
        with (
            socket.create_connection(address, timeout=60) as connection,
            pytest.raises(ssl.SSLError),
        ):
            ssl.create_default_context().wrap_socket(connection, server_hostname="localhost")
        assert requests.get(f"{running.url}/api/server/about", timeout=60).status_code == 200


def test_after_close_nothing_listens_and_no_loop_runs():
    with serve("cvat") as running:
        host, port = running.url.removeprefix("http://").split(":")
        client = socket.create_connection((host, int(port)))
        name = f"serve {running.url}"
        assert name in {each.name for each in threading.enumerate()}
    assert name not in {each.name for each in threading.enumerate()}
    with client, pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)))
