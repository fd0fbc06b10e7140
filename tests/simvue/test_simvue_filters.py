"""Each operator of RunsFilter and FoldersFilter, as the published client 2.6.2 says it."""

import datetime as dt
import json

import pytest

from objmapper import FieldDoesNotExist, Q, QueryError, UnsupportedLookup
from objmapper.simvue import Folder, Run, Tag
from objmapper.simvue.dialect import Simvue


def said(query):
    params = dict(Simvue().list_request(query.query, None).params)
    return json.loads(params.get("filters", "[]"))


HOURS, DAYS = dt.timedelta(hours=5), dt.timedelta(days=3)


@pytest.mark.parametrize(
    ("question", "strings"),
    [
        (Q(name="a b"), ["name == a b"]),  # has_name
        (Q(name__contains="a"), ["name contains a"]),  # has_name_containing
        (~Q(name="a"), ["name != a"]),  # exclude_name
        (Q(description__contains="x"), ["description contains x"]),
        (~Q(description__contains="x"), ["description not contains x"]),
        (Q(tags__contains="t"), ["has tag.t"]),  # has_tag
        (~Q(tags__contains="t"), ["has not tag.t"]),  # exclude_tag
        (Q(star=True), ["starred"]),
        (Q(user="self"), ["user == self"]),  # owner
        (~Q(user="ann"), ["user != ann"]),  # exclude_owner
        (Q(status="running"), ["status == running"]),  # has_status and its like
        (Q(folder="/a"), ["folder.path == /a"]),  # in_folder
        (Q(folder__contains="/a"), ["folder.path contains /a"]),
        (~Q(folder="/a"), ["folder.path != /a"]),  # exclude_in_folder
        (Q(created__within=HOURS), ["created < 5h"]),
        (Q(started__within=DAYS), ["started < 3d"]),
        (Q(modified__within=HOURS), ["modified < 5h"]),
        (Q(endtime__within=DAYS), ["ended < 3d"]),
        (Q(created__within=dt.timedelta(days=365)), ["created < 365d"]),
        (Q(metadata__k__isnull=False), ["metadata.k exists"]),
        (Q(metadata__k__isnull=True), ["metadata.k not exists"]),
        (~Q(metadata__k__isnull=True), ["metadata.k exists"]),
        (~Q(metadata__k__isnull=False), ["metadata.k not exists"]),
        (Q(metadata__k=None), ["metadata.k not exists"]),
        (Q(metadata__k=0.5), ["metadata.k == 0.5"]),
        (~Q(metadata__k="v"), ["metadata.k != v"]),
        (Q(metadata__k__gt=1), ["metadata.k > 1"]),
        (Q(metadata__k__gte=1), ["metadata.k >= 1"]),
        (Q(metadata__k__lt=1), ["metadata.k < 1"]),
        (Q(metadata__k__lte=1), ["metadata.k <= 1"]),
        (Q(**{"metadata__a.b": "v"}), ["metadata.a.b == v"]),
        (Q(alerts__name="n"), ["alert.name == n"]),  # has_alert
        (Q(alerts__name="n", alerts__status="ok"), ["alert.name == n", "alert.status == ok"]),
        (Q(system__cwd="/w"), ["system.cwd == /w"]),  # has_working_directory
        (~Q(system__cwd="/w"), ["system.cwd != /w"]),
        (Q(system__hostname="h"), ["system.hostname == h"]),
        (Q(system__cpu__arch="x86"), ["system.cpu.arch == x86"]),
        # RunsFilter.has_gpu(processor="A100") asks for None.
        (Q(system__gpu__processor="A100"), ["system.gpu.processor == A100"]),
        (Q(system__gpu__name="n"), ["system.gpu.name == n"]),
        (Q(system__pythonversion="3.11.7"), ["system.pythonversion == 3.11.7"]),
        # RunsFilter.exclude_platform("Linux") loses what it excludes.
        (~Q(system__platform__system="Linux"), ["system.platform.system != Linux"]),
        (Q(system__platform__release="6"), ["system.platform.release == 6"]),
        (Q(name="a") & ~Q(tags__contains="t"), ["name == a", "has not tag.t"]),
        (~~Q(name="a"), ["name == a"]),
    ],
)
def test_runs_are_asked_for_as_runsfilter_asks(question, strings):
    assert said(Run.objects.filter(question)) == strings


@pytest.mark.parametrize(
    ("question", "strings"),
    [
        (Q(path="/a"), ["path == /a"]),
        (Q(path__contains="/a"), ["path contains /a"]),
        (Q(tags__contains="t"), ["has tag.t"]),
        (~Q(description__contains="x"), ["description not contains x"]),
        (Q(metadata__k__isnull=False), ["metadata.k exists"]),
        (Q(star=True), ["starred"]),
        (Q(created__within=DAYS), ["created < 3d"]),
    ],
)
def test_folders_are_asked_for_as_foldersfilter_asks(question, strings):
    assert said(Folder.objects.filter(question)) == strings


@pytest.mark.parametrize(
    ("question", "told"),
    [
        (Q(name="a") | Q(name="b"), "neither ORs"),
        (~(Q(name="a") & Q(tags__contains="t")), "neither ORs"),
        (Q(name__startswith="a"), "contains, exact"),
        (Q(created__gt=dt.datetime(2026, 1, 1)), "within"),
        (Q(created__within=dt.timedelta(minutes=5)), "whole hours"),
        (Q(created__within=-HOURS), "whole hours"),
        (Q(star=False), "has a star"),
        (~Q(star=True), "exact"),
        (Q(ttl=5), "does by"),
        (Q(metadata={"a": 1}), "metadata__"),
        (Q(metadata__k=[1]), "text and numbers"),
        (Q(name=""), "text and numbers"),
        (Q(tags__contains=["a"]), "text and numbers"),
        (~Q(status="lost"), "exact"),
        (Q(id__in=["a"]), "does by"),
    ],
)
def test_what_the_server_is_not_known_to_do_is_refused(question, told):
    with pytest.raises(UnsupportedLookup, match=told):
        said(Run.objects.filter(question))


def test_kinds_without_filters_say_so():
    with pytest.raises(UnsupportedLookup, match="filter_locally"):
        said(Tag.objects.filter(name="t"))


def test_what_is_no_field_is_an_error():
    with pytest.raises(FieldDoesNotExist):
        Run.objects.filter(nam="x")
    with pytest.raises(QueryError):
        Run.objects.filter(alerts__colour="x")


def sorting(query):
    return json.loads(dict(Simvue().list_request(query.query, None).params)["sorting"])


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("-created",), [{"id": "created", "desc": True}]),
        (("metadata__lr",), [{"id": "metadata.lr", "desc": False}]),
        (
            ("-metrics__loss", "name"),
            [{"id": "metrics.loss", "desc": True}, {"id": "name", "desc": False}],
        ),
        (
            ("modified", "endtime"),
            [{"id": "modified", "desc": False}, {"id": "endtime", "desc": False}],
        ),
    ],
)
def test_runs_are_sorted_by_columns(names, told):
    assert sorting(Run.objects.order_by(*names)) == told


def test_an_order_that_the_server_lacks_is_refused():
    for query in (
        Run.objects.order_by("ttl"),
        Run.objects.order_by("metadata"),
        Tag.objects.order_by("id"),
    ):
        with pytest.raises(UnsupportedLookup, match="does not sort"):
            sorting(query)
