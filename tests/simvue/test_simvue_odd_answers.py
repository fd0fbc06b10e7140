"""Answers that no Simvue gives: each ends in ContractError, and loses nothing."""

import faulty
import pytest

from objmapper import CommitError, ContractError
from objmapper.simvue import Alert, Artifact, Client, Events, Folder, Grid, Metrics, Run, Stats

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjk5OTk5OTk5OTl9.c2lnbmF0dXJl"
KEY = "k" * 22


@pytest.fixture
def answered(faulty_server):
    """``answered(body, ...)``: the current client's server answers these, one after the other."""
    with Client(faulty_server.url, TOKEN, check_server_version=False) as client:

        def answer(*bodies):
            faulty_server.then(*map(faulty.say, bodies))
            return client

        yield answer
        client.session.rollback()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("alerts", [{"alert": {}}]),
        ("alerts", [{"x": 1}]),
        ("alerts", [7]),
        ("alerts", {"a": 1}),
        ("notifications", {"x": 1}),
        ("tags", "x"),
        ("tags", [1]),
        ("metadata", []),
        ("created", "yesterday"),
        ("runtime", "soon"),
        ("visibility", [1]),
        ("ttl", "5"),
        ("name", 7),
    ],
)
def test_a_malformed_value_is_told_when_it_is_touched(answered, name, value):
    answered({"id": KEY, "name": "n", name: value})
    run = Run(identifier=KEY)
    with pytest.raises(ContractError, match=name):
        getattr(run, name)


@pytest.mark.parametrize(
    "body",
    [None, 7, {}, {"data": None}, {"data": [1]}, {"data": [{}]}, {"data": [], "count": -1}],
)
def test_a_malformed_page_is_told(answered, body):
    answered(body)
    with pytest.raises(ContractError):
        assert list(Run.objects.all()) == "nothing"


def test_pages_that_do_not_end_are_left(answered, faulty_server):
    answered(*[{"data": [{"id": KEY}], "count": 10**9}] * 9)
    with pytest.raises(ContractError, match="don't end"):
        list(Run.ids())
    assert len(faulty_server.seen) < 9


@pytest.mark.parametrize("row", [{"id": "o" * 22}, {"id": 7}, [], None])
def test_the_row_of_another_is_refused(answered, row):
    answered(row)
    with pytest.raises(ContractError):
        Folder(identifier=KEY)


def test_which_alert_a_row_is_may_be_untold(answered):
    answered({"id": KEY, "source": ["events"], "alert": 7})
    assert type(Alert(identifier=KEY)) is Alert


@pytest.mark.parametrize("body", [[], {}, {"id": None}, 7])
def test_an_answer_without_an_id_leaves_the_fate_of_a_run_open(answered, body):
    client = answered(body)
    run = Run.new(folder="/")
    client.session.add(run)
    with pytest.raises(CommitError) as raised:
        client.session.commit()
    assert raised.value.report.uncertain.objects == [run]
    client.session.expunge(run)


@pytest.mark.parametrize(
    "body", [[{"id": KEY}], [], {"id": KEY}, [{"id": KEY}, {"id": KEY}, {"id": KEY}]]
)
def test_a_list_of_other_length_leaves_the_fate_of_its_runs_open(answered, body):
    client = answered(body)
    runs = [Run.new(folder="/"), Run.new(folder="/")]
    client.session.add_all(runs)
    with pytest.raises(CommitError) as raised:
        client.session.commit()
    assert set(raised.value.report.uncertain.objects) == set(runs)
    for run in runs:
        client.session.expunge(run)


@pytest.mark.parametrize(
    ("answer", "act"),
    [
        ({"status": "yes"}, lambda: Run(identifier=KEY).abort_trigger),
        ({"status": "burning"}, lambda: Alert(identifier=KEY).get_status(KEY)),
        ({"category": 7}, lambda: Artifact(identifier=KEY).get_category(KEY)),
        ({"alerts": 7}, lambda: Run(identifier=KEY).get_alert_details()),
        ([], lambda: Grid(identifier=KEY).get_run_metric_span(KEY, "m")),
    ],
)
def test_a_malformed_answer_to_a_verb_is_told(answered, answer, act):
    answered({"id": KEY, "url": 7}, answer)
    with pytest.raises(ContractError):
        act()


@pytest.mark.parametrize(
    ("answer", "act"),
    [
        ({"data": [{"message": 1}]}, lambda: list(Events.get(KEY))),
        ({"data": 7}, lambda: list(Events.get(KEY))),
        ([], lambda: list(Metrics.get(["m"], "step", [KEY]))),
        ({"a": 1}, lambda: Metrics.names([KEY])),
        ({"runs": 7}, lambda: Stats().runs),
    ],
)
def test_a_malformed_answer_to_a_question_is_told(answered, answer, act):
    answered(answer)
    with pytest.raises(ContractError):
        act()


def test_an_artifact_without_an_address_is_not_loaded(answered):
    answered({"id": KEY, "url": None, "checksum": "0" * 64, "name": "a"})
    with pytest.raises(ContractError, match="address"):
        list(Artifact(identifier=KEY).download_content())
