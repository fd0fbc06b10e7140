"""Credentials are planted in every place they can be given; none shows in a log, repr or error."""

import json
import logging
import pickle
import re
import traceback
from base64 import b64encode

import faulty
import pytest

from objmapper.client import Client
from objmapper.exceptions import ObjMapperError
from objmapper.operation import Json, Multipart, Request, Secret
from objmapper.transport import BearerAuth, TokenAuth
from objmapper.transport.auth import credentials_in
from objmapper.transport.masking import (
    is_sensitive,
    masked_url,
    masked_values,
    scrubbed,
    secrets_in,
)

# Each has a character that URLs, JSON or shells write in another way.
WORDS = {
    "user": "geheim-in/url",
    "token": "geheim-t0k'en",
    "header": "geheim-h/eader",
    "parameter": "geheim-p&r",
    "signature": "geheim-s?g",
    "body": 'geheim-b"dy',
    "secret": "geheim-s\\ü",
    "cookie": "geheim-c00kie",
}


def everything_in(error):
    """All that a person or a crash reporter that respects chains could see of an error."""
    seen = ["".join(traceback.format_exception(error)), repr(error), str(error), repr(vars(error))]
    seen.append(pickle.dumps(error).decode("utf-8", "replace"))
    while error := error.__cause__ or error.__context__:
        seen += [repr(error), repr(vars(error))]
    return "\n".join(seen)


def quote_everything(status):
    """A server that quotes the whole request in its error."""

    def act(to):
        seen = to.seen
        told = {
            "detail": f"{seen.target} {seen.headers}",
            "body": seen.body.decode(),
            "as": seen.headers,
        }
        return faulty.say(told, status, Set_Cookie=f"sessionid={WORDS['cookie']}")(to)

    return act


FAULTS = {
    "works": faulty.echo(),
    "sets a cookie": faulty.answer(b"{}", Set_Cookie=f"sessionid={WORDS['cookie']}; Path=/"),
    "quotes all, 400": quote_everything(400),
    "quotes all, 401": quote_everything(401),
    "quotes all, 404": quote_everything(404),
    "quotes all, 500": quote_everything(500),
    "text, 500": lambda to: faulty.answer(str(to.seen.headers), 500, "text/plain")(to),
    "redirects home": faulty.redirect("/x?access_token=geheim-redirect"),
    "redirects away": faulty.redirect(
        "http://u:geheim-redirect@other.invalid/?token=geheim-redirect"
    ),
    "redirects in a circle": faulty.redirect("/api/a?api_key=geheim-redirect", 307),
    "hangs up": faulty.hang_up(),
    "cuts": faulty.cut(b"[1", 100),
    "speaks no HTTP": faulty.raw(b"SSH-2.0-x\r\n"),
    "is too large": faulty.answer(bytes(5000)),
    "stalls": faulty.stall(),
}


def clients(server, timeout):
    with_user = server.url.replace("//", "//me:geheim-in%2Furl@")
    options = {"echo": True, "timeout": timeout, "retries": 0, "max_response_bytes": 4000}
    header = {"X-Api-Key": WORDS["header"], "X-Plain": "visible"}
    yield Client(f"{with_user}/api", headers=header, **options)
    yield Client(f"{server.url}/api", auth=("me", WORDS["user"]), headers=header, **options)
    yield Client(f"{server.url}/api", auth=TokenAuth(WORDS["token"]), headers=header, **options)
    yield Client(f"{server.url}/api", auth=BearerAuth(WORDS["token"]), **options)
    yield Client(f"{server.url}/api", auth=TokenAuth(WORDS["token"], "", "X-Odd"), **options)


def sends(client):
    params = (("api_key", WORDS["parameter"]), ("X-Amz-Signature", WORDS["signature"]), ("page", 2))
    password = Secret(WORDS["secret"])
    yield lambda: client.request(
        "POST",
        f"/a?token={WORDS['signature'][:6]}-inline",
        params=dict(params),
        json={
            "name": "visible",
            "password": WORDS["body"],
            "deep": [{"secret_key": WORDS["body"]}],
        },
        headers={"X-Auth-Token": WORDS["header"]},
    )
    yield lambda: client.request("POST", "/a", data={"password": WORDS["body"]})
    yield lambda: client.request("POST", "/a", data={"password": WORDS["body"]}, files={"f": b"x"})
    yield lambda: client.send(
        Request("PATCH", "/a", (("q", password),), body=Json({"pin": password}))
    )
    yield lambda: client.send(Request("PUT", "/a", body=Multipart({"pin": password})))
    yield lambda: client.transport.follow(
        f"{client.base_url}/s3?X-Amz-Signature={WORDS['signature'][:8]}"
    )


@pytest.mark.parametrize("name", FAULTS)
def test_no_credential_shows_anywhere(name, server, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    server.then(FAULTS[name])
    shown = []
    sent = 0
    for client in clients(server, 0.1 if name == "stalls" else 5):
        with client:
            shown += [
                repr(client),
                str(client),
                repr(client.transport),
                repr(client.transport.base_url),
            ]
            shown += [repr(client.transport._auth), f"{client.transport._auth}"]
            for send in sends(client):
                sent += 1
                try:
                    shown.append(send().url)
                except ObjMapperError as error:
                    shown.append(everything_in(error))
    assert len(server.seen) >= sent
    shown += [caplog.text, *(repr(vars(record)) for record in caplog.records), *capfd.readouterr()]
    text = "\n".join(shown)
    assert "visible" in text
    leaks = re.findall(".{0,40}geheim.{0,20}", text, re.IGNORECASE)
    assert set(leaks) == set()
    # What is sent is the real thing.
    wire = json.dumps([[seen.target, seen.headers, seen.body.decode()] for seen in server.seen])
    assert wire.count("geheim") > sent


def test_echo_is_a_curl_command_that_can_be_pasted(server, caplog):
    import shlex

    with Client(f"{server.url}/api", auth=TokenAuth("geheim"), echo=True) as client:
        client.request("GET", "/tasks", params={"q": "it's"})
        client.request(
            "PATCH",
            "/tasks/1",
            json={"name": "it's", "password": "geheim"},
            headers={"If-Match": '"5"'},
        )
        client.request("HEAD", "/tasks")
        client.request("POST", "/f", data={"a": "b", "n": [1, 2]}, files={"f": ("x.txt", b"abc")})
        client.request("PUT", "/f", data=b"abc")
    commands = [
        shlex.split(r.getMessage()) for r in caplog.records if r.getMessage().startswith("curl")
    ]
    auth = ["-H", "Authorization: ***"]
    url = f"{server.url}/api"
    assert commands == [
        ["curl", f"{url}/tasks?q=it%27s", *auth],
        ["curl", "-X", "PATCH", f"{url}/tasks/1", "-H", "Content-Type: application/json", "-H",
         'If-Match: "5"', *auth, "--data-raw", '{"name": "it\'s", "password": "***"}'],
        ["curl", "-I", f"{url}/tasks", *auth],
        ["curl", "-X", "POST", f"{url}/f", *auth, "--form-string", "a=b", "--form-string", "n=1",
         "--form-string", "n=2", "-F", "f=@x.txt"],
        ["curl", "-X", "PUT", f"{url}/f", "-H", "Content-Type: application/octet-stream", *auth,
         "--data-binary", "@<3 bytes>"],
    ]  # fmt: skip
    answers = [r.getMessage() for r in caplog.records if r.getMessage().startswith("->")]
    assert len(answers) == 5
    assert all("-> 200, " in a and " bytes, " in a and a.endswith(" ms") for a in answers)


def test_echo_shows_on_stderr_where_nobody_set_up_logging(server):
    import subprocess
    import sys

    program = f"""
from objmapper.client import Client
with Client({server.url!r}, echo=True, auth=("me", "geheim")) as client:
    client.request("GET", "/a")
with Client({server.url!r}) as client:
    client.request("GET", "/quiet")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines[0] == f"curl {server.url}/a -H 'Authorization: ***'"
    assert lines[1].startswith("-> 200, ")
    assert len(lines) == 2


def test_without_echo_and_debug_nothing_is_logged(server, caplog):
    caplog.set_level(logging.INFO)
    with Client(server.url) as client:
        client.request("GET", "/a")
    assert caplog.records == []


@pytest.mark.parametrize(
    "name",
    "token access_token api_key apikey API-KEY X-Api-Key password passwd db_password secret "
    "client_secret signature X-Amz-Signature X-Amz-Credential X-Amz-Security-Token sig auth jwt "
    "X-Goog-Signature Authorization Cookie Set-Cookie sessionid session_id csrftoken X-CSRFToken "
    "X-Auth-Token private_key AWSAccessKeyId refreshToken".split(),
)
def test_names_of_credentials(name):
    assert is_sensitive(name)


@pytest.mark.parametrize(
    "name",
    "key name page_token next_token skiptoken $skiptoken _token cursor author design assignee sign "
    "id session tokens max_tokens Idempotency-Key passed keyword".split(),
)
def test_names_that_are_not(name):
    assert not is_sensitive(name)


def test_urls_lose_userinfo_and_credentials_only():
    url = "see https://u:p@h/x?a=1&token=t;sig=s&b=2#token=f or http://u@h/?password=x y"
    assert (
        masked_url(url)
        == "see https://h/x?a=1&token=***;sig=***&b=2#token=f or http://h/?password=*** y"
    )
    assert masked_url("https://u:p@ss@h/x@y") == "https://h/x@y"


def test_credentials_in_headers_are_known_in_each_part():
    headers = {
        "Authorization": b"basic " + b64encode(b"me:pass:word"),
        "Proxy-Authorization": "Basic no base64",
        "Cookie": "a=one; sessionid=two",
        "X-Set": "three",
        "Accept": "*/*",
    }
    found = set(credentials_in(headers, {"x-set"}))
    assert {"pass:word", "no base64", "one", "two", "three"} <= found
    assert "*/*" not in found


def test_values_and_quotes():
    assert masked_values({"a": [{"token": "x", "b": 1}], "secret": None}) == {
        "a": [{"token": "***", "b": 1}],
        "secret": None,
    }
    assert set(secrets_in({"a": Secret({"b": ["x", 7]}), "pin": "no", "password": None})) == {
        "x",
        "7",
    }
    content = b'{"a": "p\\"w \\u00fc", "b": "abc"}'
    assert scrubbed(content, ['p"w ü', "abc", ""]) == b'{"a": "***", "b": "abc"}'
