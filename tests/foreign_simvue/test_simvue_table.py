"""The page about Simvue has a row for each public name of the published client, and says the truth.

Run with the published client, so that a name that it gets is missed here.
"""

import inspect
import re
from pathlib import Path

import pytest
from simvue.api import objects
from simvue.api.objects import filter as filters
from simvue.api.objects.alert.events import EventAlertDefinition
from simvue.api.objects.alert.metrics import (
    MetricRangeAlertDefinition,
    MetricThresholdAlertDefinition,
)
from simvue.api.objects.run import Visibility
from simvue.api.objects.stats import RunStatistics
from simvue.api.objects.storage.s3 import Config

from objmapper import simvue as binding
from objmapper.simvue.alerts import EventsDefinition, RangeDefinition, ThresholdDefinition
from objmapper.simvue.people import RunCounts
from objmapper.simvue.runs import Visibility as OurVisibility
from objmapper.simvue.storages import S3Config

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "simvue.md"
CLASSES = {
    name: found for name in objects.__all__ if inspect.isclass(found := getattr(objects, name))
}
#: What is reached through an object, and what it is here.
INSIDE = {
    Visibility: OurVisibility,
    EventAlertDefinition: EventsDefinition,
    MetricThresholdAlertDefinition: ThresholdDefinition,
    MetricRangeAlertDefinition: RangeDefinition,
    Config: S3Config,
    RunStatistics: RunCounts,
}
#: What an object is given when it is made, so that its class does not show it.
GIVEN = {
    "Run": {"visibility"},
    "EventsAlert": {"alert"},
    "MetricsThresholdAlert": {"alert"},
    "MetricsRangeAlert": {"alert"},
    "S3Storage": {"config"},
    "Stats": {"runs"},
}


def part(title):
    """The text below a heading."""
    return PAGE.read_text(encoding="utf-8").partition(f"{title}\n")[2].partition("\n#")[0]


def rows():
    """``(classes, names, here)`` of each row of the table."""
    for line in part("### Name by name").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| `"):
            yield (
                set(re.findall(r"`(\w+)`", cells[0])),
                set(re.findall(r"`(\w+)`", cells[1])),
                cells[2],
            )


def names_of(cls):
    """The public names of a class that Simvue gave it."""
    for name in dir(cls):
        owner = next((each for each in cls.__mro__ if name in vars(each)), object)
        if not name.startswith("_") and owner.__module__.startswith("simvue"):
            yield name
    yield from GIVEN.get(cls.__name__, ())


@pytest.mark.parametrize("cls", [*CLASSES.values(), *INSIDE], ids=lambda cls: cls.__name__)
def test_each_public_name_of_a_class_has_a_row(cls):
    kinds = {each.__name__ for each in cls.__mro__}
    told = set().union(*(names for classes, names, _ in rows() if classes & kinds))
    assert sorted(set(names_of(cls)) - told) == []


def test_what_an_object_is_given_when_it_is_made_is_known():
    """So that nothing is missed above."""
    for name, cls in CLASSES.items():
        made = [each for each in cls.__mro__ if each.__module__.startswith("simvue")]
        set_there = {
            found
            for each in made
            for found in re.findall(
                r"^        self\.([a-z]\w*)\b[^=\n]*= ", inspect.getsource(each), re.MULTILINE
            )
            if not isinstance(inspect.getattr_static(cls, found, None), property)
        }
        assert set_there == GIVEN.get(name, set()), name


#: What is said there and does nothing, or what there is no need of here.
UNSAID = {"clear_staged", "spans"}


@pytest.mark.parametrize("name", CLASSES)
def test_what_a_verb_is_told_there_it_may_be_told_here(name):
    theirs, ours, missing = CLASSES[name], getattr(binding, name), []
    for verb in [each for each in dir(theirs) if each[0] != "_"]:
        said, here = getattr(theirs, verb), getattr(ours, verb, None)
        if not callable(said) or not callable(here):
            continue
        known = inspect.signature(here).parameters
        # What every object takes when it is made, and its fields, are taken by keyword.
        open_ = any(each.kind is each.VAR_KEYWORD for each in known.values()) and (
            {"offline", "server_url", "server_token"} | ours.__mapper__.fields.keys()
        )
        for each in inspect.signature(inspect.unwrap(said)).parameters.values():
            taken = each.name in known or each.name in (open_ or ())
            if not taken and each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL):
                missing.append(f"{verb}({each.name})")
            elif taken and each.default is not each.empty and each.name in known:
                mine = known[each.name]
                if mine.default is mine.empty and mine.kind is not mine.VAR_KEYWORD:
                    missing.append(f"{verb}({each.name}) must be said")
    told = {f"{verb}({each})" for verb in dir(theirs) for each in {"cls", "self", *UNSAID}}
    assert sorted(set(missing) - told) == []


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{min(row[0])}-{min(row[1])}")
def test_what_is_called_the_same_is_there_by_that_name(row):
    classes, names, here = row
    mine = {theirs.__name__: ours for theirs, ours in INSIDE.items()} | {
        name: getattr(binding, name) for name in CLASSES
    }
    theirs = {**CLASSES, **{cls.__name__: cls for cls in INSIDE}}
    meant = [name for name, cls in theirs.items() if classes & {c.__name__ for c in cls.__mro__}]
    assert meant, f"no class is one of {classes}"
    for name in meant:
        there = {each for each in names if hasattr(mine[name], each)}
        if here == "the same":
            assert there == names, name
        elif here == "none":
            assert there == set(), name


@pytest.mark.parametrize("cls", [filters.RunsFilter, filters.FoldersFilter])
def test_each_operator_of_a_filter_has_a_row(cls):
    told = set(re.findall(r"\b([a-z_]+)\b", part("## Questions")))
    assert sorted(name for name in dir(cls) if name[0] != "_" and name not in told) == []
