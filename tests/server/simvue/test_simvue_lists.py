"""Lists: pages, sorting, filters as the published client writes them."""

import json

import pytest


@pytest.fixture
def runs(door):
    """Three runs that differ in everything that a filter can speak of."""
    door.post("/folders", {"path": "/other"})
    alert = {"name": "watch", "source": "user"}
    key = door.post("/alerts", alert)["id"]
    made = {
        "one": door.run(
            name="one",
            description="a first run",
            tags=["a", "b"],
            metadata={"n": 1, "flag": True, "text": "x", "deep": {"er": 5}, "a.b": "dotted"},
            system={"cwd": "/home", "cpu": {"arch": "arm"}, "pythonversion": "3.12.1"},
            status="running",
            alerts=[key],
        ),
        "two": door.run(
            name="two words", tags=["b"], metadata={"n": 2.5}, folder="/other", status="failed"
        ),
        "three": door.run(name="three", metadata={"n": "7", "flag": False}),
    }
    door.put(f"/alerts/{key}/status/{made['one']}", {"status": "critical"})
    return {key: name for name, key in made.items()}


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ([], {"one", "two", "three"}),
        (["name == two words"], {"two"}),
        (["name != three"], {"one", "two"}),
        (["name contains o"], {"one", "two"}),
        (["has tag.b"], {"one", "two"}),
        (["has tag.b", "has not tag.a"], {"two"}),
        (["description contains first"], {"one"}),
        (["description not contains first"], {"two", "three"}),
        (["status == running"], {"one"}),
        (["folder.path == /other"], {"two"}),
        (["folder.path contains oth"], {"two"}),
        (["folder.path != /other"], {"one", "three"}),
        (["user == self"], {"one", "two", "three"}),
        (["user != self"], set()),
        (["user == admin"], {"one", "two", "three"}),
        (["created < 2h"], {"one", "two", "three"}),
        (["created > 1d"], set()),
        (["created < 9999y"], {"one", "two", "three"}),
        (["not starred"], {"one", "two", "three"}),
        (["modified < 1y"], {"one", "two", "three"}),
        (["started < 1h"], {"one"}),
        (["ended < 1h"], {"two"}),
        (["starred"], set()),
        (["metadata.flag exists"], {"one", "three"}),
        (["metadata.flag not exists"], {"two"}),
        (["metadata.flag == True"], {"one"}),
        (["metadata.flag != True"], {"two", "three"}),
        (["metadata.n == 1"], {"one"}),
        (["metadata.n == 1.0"], {"one"}),
        (["metadata.n == 7"], {"three"}),
        (["metadata.n > 1"], {"two"}),
        (["metadata.n >= 1"], {"one", "two"}),
        (["metadata.n < 2.5"], {"one"}),
        (["metadata.n <= 2.5"], {"one", "two"}),
        (["metadata.text contains x"], {"one"}),
        (["metadata.deep.er == 5"], {"one"}),
        (["metadata.a.b == dotted"], {"one"}),
        (["metadata.none == x"], set()),
        (["system.cwd == /home"], {"one"}),
        (["system.cpu.arch == arm"], {"one"}),
        (["system.cpu.arch != arm"], {"two", "three"}),
        (["system.pythonversion == 3.12.1"], {"one"}),
        (["alert.name == watch", "alert.status == critical"], {"one"}),
        (["alert.name == watch", "alert.status == ok"], set()),
    ],
)
def test_filters_are_anded(door, runs, filters, names):
    page = door.get("/runs", filters=json.dumps(filters))
    assert {runs[run["id"]] for run in page["data"]} == names
    assert page["count"] == len(names)


def test_a_filter_may_be_a_parameter_of_its_own(door, runs):
    key = next(key for key, name in runs.items() if name == "two")
    artifact = door.artifact()["id"]
    door.put(f"/runs/{key}/artifacts/{artifact}", {"category": "code"})
    found = door.get("/runs", filters=[f"artifact.id == {artifact}"])
    assert [run["id"] for run in found["data"]] == [key]


@pytest.mark.parametrize(
    "filters",
    [
        '["nmae == x"]',
        '["name ~ x"]',
        '["name"]',
        '["metadata. == x"]',
        '["metadata.a\\" == x"]',
        '["created < yesterday"]',
        '["has tga.x"]',
        '["alert.nmae == x"]',
        '["alert.name > x"]',
        '["name > x"]',
        '["system. exists"]',
        "[1]",
        "[",
        "something",
    ],
)
def test_a_filter_that_is_none_is_refused(door, filters):
    assert door.get("/runs", filters=filters, status=422)["detail"][0]["loc"] == [
        "query",
        "filters",
    ]


def names_by(door, *sorting, kind="runs"):
    asked = json.dumps([{"id": column, "desc": desc} for column, desc in sorting])
    return [row["name"] for row in door.get(f"/{kind}", sorting=asked)["data"]]


def test_lists_come_newest_first_or_as_they_are_sorted(door, runs):
    assert names_by(door) == ["three", "two words", "one"]
    assert names_by(door, ("name", False)) == ["one", "three", "two words"]
    assert names_by(door, ("name", True)) == ["two words", "three", "one"]
    assert names_by(door, ("started", False))[0] == "one"
    assert names_by(door, ("metadata.n", False))[:2] == ["one", "two words"]


def test_runs_are_sorted_by_the_figures_of_a_metric(door, runs):
    for key, values in zip(runs, ([5], [1, 9], [7]), strict=True):
        sets = [
            {"step": at, "time": at, "timestamp": None, "values": {"m.x": value}}
            for at, value in enumerate(values)
        ]
        door.post("/metrics", {"run": key, "metrics": sets})
    assert names_by(door, ("metrics.m.x", True)) == ["two words", "three", "one"]
    assert names_by(door, ("metrics.m.x.min", False)) == ["two words", "one", "three"]


@pytest.mark.parametrize(
    "sorting", ["name", "{}", "[1]", '[{"desc": true}]', '[{"id": "nmae"}]', '[{"id": 5}]']
)
def test_a_sorting_that_is_none_is_refused(door, sorting):
    detail = door.get("/runs", sorting=sorting, status=422)["detail"]
    assert detail[0]["loc"] == ["query", "sorting"]


def test_a_page_tells_how_many_there_are_in_all(open_door):
    door = open_door(seed="2x75")
    first = door.get("/runs")
    assert (len(first["data"]), first["count"]) == (100, 150)
    rest = door.get("/runs", start=100, count=100)
    assert (len(rest["data"]), rest["count"]) == (50, 150)
    assert len({run["id"] for run in first["data"] + rest["data"]}) == 150
    assert door.get("/runs", start=150, count=100) == {"data": [], "count": 150}
    assert len(door.get("/runs", count=0)["data"]) == 150
    assert len(door.get("/runs", count=3, start=2)["data"]) == 3


@pytest.mark.parametrize("name", ["count", "start"])
@pytest.mark.parametrize("value", ["-1", "x", "1.5", "", "\u0663", "9" * 30])
def test_a_page_that_is_none_is_refused(door, name, value):
    assert door.get("/runs", status=422, **{name: value})["detail"][0]["loc"] == ["query", name]


def test_of_several_parameters_of_one_name_the_last_counts(open_door):
    door = open_door(seed="1x3")
    assert len(door.get("/runs", count=[1, 2])["data"]) == 2


def test_a_list_has_the_parts_that_are_asked_for(door, runs):
    whole = door.get("/runs", count=1)["data"][0]
    assert set(whole) == set(door.get(f"/runs/{whole['id']}"))
    thin = door.get("/runs", count=1, return_basic=True, return_metadata=True, return_alerts=False)
    row = thin["data"][0]
    assert "metadata" in row
    assert {"id", "name", "status", "folder", "tags"} <= set(row)
    assert not {"alerts", "metrics", "system", "started"} & set(row)


def test_what_is_seeded_is_always_the_same(open_door):
    first, second = ([*rows(open_door(seed="2x3"))] for _ in range(2))
    assert first == second
    assert [name for name, _, _ in first] == [f"run {n}" for n in range(6, 0, -1)]
    assert {folder for _, folder, _ in first} == {"/folder 1", "/folder 2"}
    assert first[-1][2] == {
        "loss": {"count": 3, "min": 1 / 3, "max": 1, "average": pytest.approx(11 / 18)}
    }


def rows(door):
    for run in door.get("/runs")["data"]:
        yield run["name"], run["folder"], run["metrics"]
