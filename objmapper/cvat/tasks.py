"""The repository of tasks: a task and its data are made in one go."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from objmapper.cvat.base import by_field_name, plain
from objmapper.cvat.data import Data, ResourceType
from objmapper.cvat.filling import metered
from objmapper.cvat.models import Task
from objmapper.cvat.repositories import Repository
from objmapper.exceptions import ObjMapperError
from objmapper.progress import Progress
from objmapper.state import is_new


class Tasks(Repository[Task]):
    """The tasks of a server, with what makes them of files."""

    def create_from_data(
        self,
        spec: Mapping[str, Any],
        resources: Iterable[str | os.PathLike[str]],
        *,
        resource_type: ResourceType | str = ResourceType.LOCAL,
        data_params: Mapping[str, Any] | None = None,
        annotation_path: str = "",
        annotation_format: str = "CVAT XML 1.1",
        status_check_period: float | None = None,
        pbar: Any = None,
        progress: bool | Progress = False,
        timeout: float | None = None,
        keep: bool = False,
    ) -> Task:
        """Create a task with its data, and return it when CVAT has made frames of them.

        *spec* is what ``create`` takes; *resources*, *resource_type* and *data_params* are those of
        ``Data``, the rest is as in ``Task.upload_data``. Where anything fails after the task was made,
        it is removed again, unless *keep*; a task of which nobody knows whether it was made stays
        where it may be.

        Raises NotImplementedError for annotations; TypeError, ValueError and OSError for what can't
        be uploaded, before anything is sent; CommitError, BackgroundRequestError,
        BackgroundRequestTimeout.
        """
        if annotation_path:
            raise NotImplementedError(
                f"annotation_path={annotation_path!r} in {annotation_format!r}: files of annotations are "
                "not imported yet. Leave it out."
            )
        data = Data(resources, resource_type=resource_type, **plain(data_params or {}))
        task: Task = self.model(**by_field_name(self.model, spec), data=data)
        try:
            with metered(data, pbar, progress):
                self._chain(self.query).bulk_create([task])
            task.wait_for_data(timeout, status_check_period=status_check_period)
        except BaseException as error:
            if not keep:
                self._remove(task, error)
            raise
        return task

    def _remove(self, task: Task, error: BaseException) -> None:
        """Remove a task whose data can't be had; what keeps it from that is told with the error."""
        if is_new(task):
            return
        # Whatever became of a step of the upload, it goes with the task.
        self.session.members.uncertain.pop(id(task), None)
        try:
            self.session.delete_objects([task])
        except ObjMapperError as failure:
            error.add_note(f"{task!r} was made for it, and could not be removed: {failure}")
        else:
            error.add_note(f"{task!r}, which was made for it, is removed; keep=True keeps it.")


__all__ = ["Tasks"]
