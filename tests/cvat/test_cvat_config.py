"""Config: what can be set before a client is made, and what its refusals say."""

import logging
from dataclasses import replace

import pytest
import requests

from objmapper.cvat import Client, Config, make_client

EMBEDDED = "embedded://cvat"


def test_the_defaults_are_those_of_the_sdk_but_for_the_folder():
    config = Config()
    assert config.status_check_period == 5
    assert config.allow_unsupported_server is True
    assert config.verify_ssl is None
    assert config.cache_dir is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status_check_period", "5"),
        ("status_check_period", True),
        ("status_check_period", None),
        ("allow_unsupported_server", 1),
        ("allow_unsupported_server", None),
        ("verify_ssl", "/etc/bundle.pem"),
        ("detect_scheme", "https"),
        ("logout_on_exit", "yes"),
        ("http", "http://proxy"),
        ("logger", "objmapper"),
    ],
)
def test_a_value_of_another_type_is_refused_when_it_is_set(name, value):
    with pytest.raises(TypeError, match=name):
        Config(**{name: value})
    config = Config()
    with pytest.raises(TypeError, match=name):
        setattr(config, name, value)
    assert config == Config()


@pytest.mark.parametrize("period", [0, -1, float("inf"), float("nan")])
def test_a_period_that_is_none_is_refused(period):
    with pytest.raises(ValueError, match="number of seconds above 0"):
        Config(status_check_period=period)


def test_a_bundle_is_given_otherwise():
    with pytest.raises(TypeError, match="verify="):
        Config(verify_ssl="/etc/bundle.pem")


def test_the_sdk_s_folder_of_datasets_is_refused_with_the_reason():
    with pytest.raises(ValueError, match="no copies of a server's data on disk"):
        Config(cache_dir="/var/cache/cvat")
    assert Config(cache_dir=None) == Config()


def test_what_is_no_option_is_told_with_the_nearest():
    config = Config()
    with pytest.raises(AttributeError, match="Did you mean 'verify_ssl'"):
        config.verify_sll = False
    with pytest.raises(AttributeError, match="Its options: status_check_period"):
        config.zzz = 1
    with pytest.raises(TypeError, match="verify_sll"):
        Config(verify_sll=False)


def test_one_can_be_made_from_another():
    config = replace(Config(allow_unsupported_server=False), verify_ssl=False)
    assert (config.allow_unsupported_server, config.verify_ssl) == (False, False)


def test_what_is_no_config_or_logger_is_refused():
    with pytest.raises(TypeError, match="config is a Config; a dict was given"):
        Client(EMBEDDED, config={"verify_ssl": False})
    with pytest.raises(TypeError, match=r"logger is a logging\.Logger; a str was given"):
        Client(EMBEDDED, logger="objmapper")


@pytest.mark.parametrize("make", [Client, make_client])
def test_a_client_keeps_its_config_and_logger(make):
    config, logger = Config(), logging.getLogger("of.the.user")
    with make(EMBEDDED, config=config, logger=logger) as client:
        assert client.config is config
        assert client.logger is logger


def test_the_config_s_logger_and_session_stand_in(told, noted, caplog):
    told({"/api/server/about": {"version": "9.9"}})
    config = Config(http=noted, logger=logging.getLogger("of.the.config"))
    make_client("http://cvat.example", config=config).close()
    assert len(noted.sent) == 1
    assert [record.name for record in caplog.records] == ["of.the.config"]
    make_client("http://cvat.example", config=config, logger=logging.getLogger("mine")).close()
    assert caplog.records[-1].name == "mine"


def test_what_is_given_to_the_client_wins_over_the_config(told, noted):
    told({"/api/server/about": {"version": "2.80.0"}})
    with requests.Session() as unused:
        Client("http://cvat.example", http=noted, config=Config(http=unused)).close()
    assert len(noted.sent) == 1


def test_make_client_hands_on_the_options_of_a_client(told):
    options = told({"/api/server/about": {"version": "2.80.0"}})
    with make_client("http://cvat.example", timeout=(3, 7), workers=2, **options) as client:
        assert client.transport.timeout == (3, 7)
        assert client.workers == 2
        assert client.retries == 0
