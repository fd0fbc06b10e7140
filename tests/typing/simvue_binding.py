"""The Simvue binding as mypy --strict and pyright see it; nothing here is run."""

import datetime as dt
from typing import assert_type

from objmapper import fields
from objmapper.simvue import (
    Artifact,
    Folder,
    Run,
    SimvueObject,
    Status,
    Tag,
    UserAlert,
    Visibility,
    get_folder_from_path,
)


class Widget(SimvueObject):
    """An integration's own kind."""

    name = fields.String(required=True)


def what_things_are() -> None:
    run = Run.new(folder="/")
    assert_type(run, Run)
    assert_type(run.name, str)
    assert_type(run.description, str | None)
    assert_type(run.status, Status)
    assert_type(run.tags, list[str])
    assert_type(run.alerts, list[str])
    assert_type(run.notifications, str)
    assert_type(run.created, dt.datetime)
    assert_type(run.visibility, Visibility)
    assert_type(run.visibility.public, bool)
    assert_type(Run(identifier="x"), Run)
    assert_type(Run.objects.get(id="x"), Run)
    for key, each in Run.get(count=3):
        assert_type(key, str)
        assert_type(each, Run)
    assert_type(Run.count(), int)
    assert_type(get_folder_from_path("/"), Folder)
    assert_type(UserAlert.new(name="x"), UserAlert)
    assert_type(Tag.new(name="x").colour, str | None)
    assert_type(run.started, dt.datetime | None)
    assert_type(Artifact(identifier="a").size, int)
    assert_type(Widget.new(name="w"), Widget)
    assert_type(Widget(identifier="w").name, str)
