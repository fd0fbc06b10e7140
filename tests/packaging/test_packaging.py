"""What is published: the wheel, the archive of the sources, and what they bring when installed.

Left to ``tox -e packaging``: it builds, and it installs from the package index.
"""

import re
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ERRAND = Path(__file__).with_name("errand.py")
# Nothing was downloaded before on a new machine.
pytestmark = pytest.mark.timeout(600)

NEEDED = ("blinker", "cachetools", "marshmallow", "requests")
EXTRAS = ("dev", "docs", "progress", "server", "simvue", "speed")

MODULES = {path.relative_to(ROOT).as_posix() for path in (ROOT / "objmapper").rglob("*.py")}
CONTRACTS = {path.name for path in (ROOT / "schemas").glob("*.json")}


def files_of(wheel):
    """Return what a wheel installs, and what it says of itself, without its version in the names."""
    with zipfile.ZipFile(wheel) as archive:
        names = {re.sub(r"^objmapper-[^/]+\.", ".", name): name for name in archive.namelist()}
        return {name: archive.read(inside) for name, inside in names.items()}


@pytest.fixture(scope="module")
def metadata(built):
    return message_from_bytes(files_of(built.wheel)[".dist-info/METADATA"])


# -- what is inside -------------------------------------------------------------------------------


def test_the_wheel_has_the_modules_the_types_the_contracts_and_nothing_else(built):
    assert CONTRACTS
    about = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "top_level.txt", "licenses/LICENSE"}
    assert files_of(built.wheel).keys() == {
        *MODULES,
        "objmapper/py.typed",
        "objmapper/schemas/__init__.py",
        *(f"objmapper/schemas/{name}" for name in CONTRACTS),
        *(f".dist-info/{name}" for name in about),
    }


def test_the_archive_has_what_the_wheel_is_made_from_and_nothing_else(built):
    with tarfile.open(built.sdist) as archive:
        files = [member.name for member in archive.getmembers() if member.isfile()]
    names = {name.partition("/")[2] for name in files}
    assert {name for name in names if not name.startswith("objmapper.egg-info/")} == {
        *MODULES,
        "objmapper/py.typed",
        "schemas/__init__.py",
        *(f"schemas/{name}" for name in CONTRACTS),
        *("setup.py", "setup.cfg", "pyproject.toml", "MANIFEST.in", "PKG-INFO"),
        *("README.md", "CHANGELOG.md", "LICENSE"),
    }


def test_the_wheel_is_the_same_whether_made_from_the_archive_or_from_the_folder(built):
    made, direct = files_of(built.wheel), files_of(built.direct)
    # It lists the files in the order in which they were found.
    made[".dist-info/RECORD"] = sorted(made[".dist-info/RECORD"].splitlines())
    direct[".dist-info/RECORD"] = sorted(direct[".dist-info/RECORD"].splitlines())
    assert made == direct


# -- what they say of themselves ------------------------------------------------------------------


def test_it_needs_four_packages_and_no_more(metadata):
    required = [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    assert sorted(re.match(r"[\w.-]+", line)[0] for line in required) == list(NEEDED)


def test_the_extras_are_the_documented_ones(metadata):
    assert sorted(metadata.get_all("Provides-Extra")) == list(EXTRAS)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    install = readme.partition("\n## Install\n")[2].partition("\n## ")[0]
    assert all(f"`{extra}`" in install for extra in EXTRAS)


def test_it_says_its_license_and_its_python(metadata):
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["License-File"] == "LICENSE"
    assert metadata["Requires-Python"] == ">=3.11"


def test_it_is_one_wheel_for_every_system_and_python_3(built):
    assert built.wheel.name.endswith("-py3-none-any.whl")
    assert b"Tag: py3-none-any" in files_of(built.wheel)[".dist-info/WHEEL"].splitlines()


def test_the_index_would_take_it_and_show_its_description(built):
    command = (sys.executable, "-m", "twine", "--no-color", "check", "--strict")
    done = subprocess.run(
        [*command, built.sdist, built.wheel], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED") == 2


# -- installed, without an extra ------------------------------------------------------------------


def test_it_brings_the_four_packages_with_what_they_need_and_nothing_else(bare, new_environment):
    assert bare.installed() == new_environment("four").install(*NEEDED).installed()


def test_the_archive_installs_what_the_wheel_does(bare, built, new_environment):
    from_sources = new_environment("sources").install(built.sdist)
    assert from_sources.installed() == bare.installed()
    assert from_sources.run("-m", "objmapper", "--version").stdout.startswith("objmapper ")


def test_it_is_a_program(bare, metadata):
    told = bare.run("-m", "objmapper", "--version").stdout
    assert told == f"objmapper {metadata['Version']}\n"
    told = bare.run("-m", "objmapper", "--help").stdout
    assert "demo" in told
    assert "serve" in told


def test_the_types_and_the_contracts_are_found_where_it_is_installed(bare):
    code = """if True:
        import json
        from importlib.resources import files
        assert files("objmapper").joinpath("py.typed").is_file()
        found = [item for item in files("objmapper.schemas").iterdir() if item.suffix == ".json"]
        for item in found:
            assert json.loads(item.read_bytes())["openapi"].startswith("3.1")
        print(*sorted(item.name for item in found))
    """
    assert bare.run("-c", code).stdout.split() == sorted(CONTRACTS)


def test_the_dialects_are_known_by_name(bare):
    code = """if True:
        from objmapper import Client
        for name in ("rest", "drf", "kinto", "cvat", "simvue"):
            with Client("https://api.example", dialect=name) as client:
                print(client.dialect.name)
    """
    assert bare.run("-c", code).stdout.split() == ["rest", "drf", "kinto", "cvat", "simvue"]


def test_without_an_extra_objects_are_read_and_committed(bare):
    assert bare.run(ERRAND).stdout.split() == ["read", "json", "2"]


def test_without_the_extra_server_it_says_what_to_install(bare):
    wanted = 'pip install "objmapper[server]"'
    for command in (("serve", "cvat"), ("demo",)):
        told = bare.run("-m", "objmapper", *command, status=1).stderr
        assert wanted in told
        assert "Traceback" not in told
    for client in ("objmapper", "objmapper.cvat"):
        code = f"""if True:
            from {client} import Client
            try:
                Client("embedded://cvat")
            except ImportError as error:
                print(error)
        """
        assert wanted in bare.run("-c", code).stdout


def test_without_the_extra_progress_it_says_what_to_install(bare):
    told = bare.run(ERRAND, "progress", status=1).stderr
    assert told.splitlines()[-1].startswith("ImportError: progress=True needs rich")
    assert 'pip install "objmapper[progress]"' in told


# -- each extra, alone ----------------------------------------------------------------------------


def test_the_extra_server_embeds_and_serves(with_extra):
    environment = with_extra("server")
    environment.installed()
    code = """if True:
        import urllib.request
        from objmapper.cvat import Client, Task
        from objmapper.server import serve
        with Client("embedded://cvat?seed=1x2&check=1") as client:
            print(client.tasks.count(), *sorted(task.name for task in Task.objects.all()))
            assert client.server.violations == []
        with serve("cvat") as running:
            with urllib.request.urlopen(f"{running.url}/api/server/about") as answer:
                print(answer.status)
    """
    assert environment.run("-c", code).stdout.splitlines() == ["2 task 1-01 task 1-02", "200"]
    assert "All is as it should be." in environment.run("-m", "objmapper", "demo").stdout


def test_the_extra_progress_shows_a_bar(with_extra):
    environment = with_extra("progress")
    environment.installed()
    done = environment.run(ERRAND, "progress")
    assert done.stdout.split() == ["read", "json", "2"]
    assert "1/1" in done.stderr


def test_the_extra_simvue_sends_msgpack(with_extra):
    environment = with_extra("simvue")
    environment.installed()
    code = """if True:
        import http.server, threading
        import msgpack
        from objmapper import Client
        from objmapper.operation import Msgpack, Request

        class Taker(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                print(self.headers["Content-Type"], msgpack.unpackb(body))
                self.send_response(200)
                self.end_headers()
            def log_message(self, *args):
                pass

        with http.server.HTTPServer(("127.0.0.1", 0), Taker) as server:
            threading.Thread(target=server.handle_request).start()
            url = f"http://127.0.0.1:{server.server_port}"
            with Client(url, dialect="simvue") as client:
                client.send(Request("POST", "/events", body=Msgpack({"message": "begun"})))
    """
    told = environment.run("-c", code).stdout.strip()
    assert told == "application/msgpack {'message': 'begun'}"


def test_the_extra_speed_reads_with_orjson(with_extra):
    environment = with_extra("speed")
    environment.installed()
    assert environment.run(ERRAND).stdout.split() == ["read", "orjson", "2"]


def test_the_extra_docs_makes_a_site(with_extra, tmp_path):
    environment = with_extra("docs")
    environment.installed()
    (tmp_path / "conf.py").write_text(
        "extensions = ['myst_parser', 'sphinx.ext.autodoc']\nhtml_theme = 'furo'\n"
    )
    (tmp_path / "index.md").write_text(
        "# Site\n\n```{eval-rst}\n.. autoexception:: objmapper.NotFound\n```\n"
    )
    site = tmp_path / "site"
    environment.run("-W", "default", "-m", "sphinx", "-q", "-W", "-b", "html", tmp_path, site)
    assert "NotFound" in (site / "index.html").read_text(encoding="utf-8")


def test_the_extra_dev_checks_and_tests_code_against_the_installed_types(with_extra, tmp_path):
    environment = with_extra("dev")
    environment.installed()
    code = tmp_path / "test_user.py"
    code.write_text(
        "from objmapper import Model, fields\n"
        "class Task(Model):\n"
        "    id = fields.Integer(primary_key=True)\n"
        "    name = fields.String(null=True)\n"
        "def test_it() -> None:\n"
        "    name: str | None = Task(name='x').name\n"
        "    assert name == 'x'\n"
        "    reveal_type(Task(name='x').name)\n"
    )
    checked = environment.run("-m", "mypy", "--strict", "--cache-dir", tmp_path / "mypy", code)
    assert 'Revealed type is "str | None"' in checked.stdout.replace("builtins.", "")
    code.write_text(code.read_text().replace("    reveal_type(Task(name='x').name)\n", ""))
    environment.run("-m", "pytest", "-q", "-p", "no:cacheprovider", code)
    for tool in ("ruff", "tox", "coverage", "uv"):
        environment.run("-m", tool, "--version")
