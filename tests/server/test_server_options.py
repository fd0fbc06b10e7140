"""What both doors accept, and how they refuse the rest."""

import pytest

from objmapper.server.options import Options


def test_a_bare_kind_makes_one_superuser_with_a_random_password():
    first, second = Options.parse("cvat"), Options.parse("embedded://cvat")
    assert [name for name, _ in first.users] == ["admin"]
    assert first.users[0][1] != second.users[0][1]
    assert first.version == "2.80"
    assert not first.check
    assert not first.throttle
    assert first.seed is None
    assert first.path is None


def test_the_url_and_the_keywords_say_the_same():
    url = (
        "embedded://cvat?seed=4x50&user=admin:secret&user=bob:p:w&token=bob:t&path=a/b.sqlite&check"
    )
    by_keywords = Options.parse(
        "cvat",
        seed="4x50",
        users=[("admin", "secret"), "bob:p:w"],
        tokens=["bob:t"],
        path="a/b.sqlite",
        check=True,
    )
    assert Options.parse(url) == by_keywords
    assert by_keywords.users == (("admin", "secret"), ("bob", "p:w"))
    assert by_keywords.seed == (4, 50)


def test_a_repr_shows_no_secret():
    shown = repr(Options.parse("embedded://cvat?user=admin:hush&token=admin:quiet"))
    assert "hush" not in shown
    assert "quiet" not in shown


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("2.80", "2.80"),
        ("2.80.0", "2.80"),
        ("2.80.7", "2.80"),
        ("2.15", "2.15"),
        ("2.15.0", "2.15"),
    ],
)
def test_two_versions_are_spoken(text, version):
    assert Options.parse("cvat", version=text).version == version
    assert Options.parse(f"embedded://cvat?version={text}").version == version


@pytest.mark.parametrize(
    ("word", "value"), [("1", True), ("yes", True), ("", True), ("0", False), ("off", False)]
)
def test_a_flag_is_yes_or_no(word, value):
    assert Options.parse(f"embedded://cvat?check={word}").check is value
    assert Options.parse(f"embedded://cvat?throttle={word}").throttle is value


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("girder", "no embedded server of kind 'girder'; known are: cvat, simvue"),
        (
            "embedded://simvue?user=a:b",
            "unknown option 'user'; known are: check, path, seed, token",
        ),
        ("embedded://simvue?version=2.80", "the embedded Simvue speaks 1.5"),
        ("embedded://simvue?seed=4", "FOLDERSxRUNS, such as 4x50, not '4'"),
        ("embedded://", "no embedded server of kind ''"),
        ("http://cvat", "not an embedded:// URL"),
        ("embedded://cvat/db.sqlite", "a file is \\?path="),
        (
            "embedded://cvat?sed=1x1",
            "unknown option 'sed'; known are: busy, check, lag, path, remote, seed, share, throttle,",
        ),
        ("embedded://cvat?seed=1x1&seed=2x2", "'seed' is given twice"),
        ("embedded://cvat?share=/nowhere/at/all", "'share' is a folder, and '/nowhere/at/all' is"),
        ("embedded://cvat?lag=-1", "'lag' is a number from 0 on, not '-1'"),
        ("embedded://cvat?busy=soon", "'busy' is a number from 0 on, not 'soon'"),
        ("embedded://cvat?seed=4", "PROJECTSxTASKS, such as 4x50, not '4'"),
        ("embedded://cvat?seed=-1x3", "PROJECTSxTASKS"),
        ("embedded://cvat?version=2.8", "2.8 is not spoken here: .* speaks 2.15 and 2.80"),
        ("embedded://cvat?version=2.155", "2.155 is not spoken here"),
        ("embedded://cvat?version=", "is not spoken here"),
        ("embedded://cvat?throttle=perhaps", "'throttle' is yes or no, not 'perhaps'"),
        ("embedded://cvat?user=admin", "NAME:PASSWORD; the name here is 'admin'"),
        ("embedded://cvat?user=a%20b:x", "NAME:PASSWORD"),
        ("embedded://cvat?user=a:x&user=a:y", "a user is given twice"),
        ("embedded://cvat?token=a:", "NAME:TOKEN"),
        ("embedded://cvat?check=perhaps", "'check' is yes or no, not 'perhaps'"),
        ("embedded://cvat?path=", "'path' is empty"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(target, message):
    with pytest.raises(ValueError, match=message):
        Options.parse(target)


@pytest.mark.parametrize(
    "target",
    [
        "embedded://cvat/db.sqlite?user=admin:secret",
        "embedded://cvat?user=admin:secret#db.sqlite",
        "embedded://cvat#user=admin:secret",
        "embedded://admin:secret@cvat",
        "http://cvat?user=admin:secret",
        "cvat?user=admin:secret",
        "embedded://cvat?user=admin:secret&check=1",
    ],
)
def test_a_refusal_shows_no_password(target):
    with pytest.raises(ValueError, match=r"cvat|both") as raised:
        Options.parse(target, check=True)
    assert "secret" not in str(raised.value)


def test_an_option_given_both_ways_is_refused():
    with pytest.raises(ValueError, match="both in the URL and as keywords: seed"):
        Options.parse("embedded://cvat?seed=1x1", seed="2x2")
