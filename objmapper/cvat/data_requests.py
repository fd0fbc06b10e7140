"""What is sent of a task's data and annotations, as value classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from objmapper.cvat.values import UNSET, Items, Value


class ValidationParamsRequest(Value):
    """Which frames of a task become its ground truth."""

    mode: str
    frame_selection_method: str = UNSET
    random_seed: int = UNSET
    frames: Sequence[str] = UNSET
    frame_count: int = UNSET
    frame_share: float = UNSET
    frames_per_job_count: int = UNSET
    frames_per_job_share: float = UNSET


class DataRequest(Value):
    """How the files of a task become its frames."""

    chunk_size: int | None = UNSET
    image_quality: int = UNSET
    start_frame: int = UNSET
    stop_frame: int = UNSET
    frame_filter: str = UNSET
    client_files: Sequence[Any] = UNSET
    server_files: Sequence[str] = UNSET
    remote_files: Sequence[str] = UNSET
    use_zip_chunks: bool = UNSET
    server_files_exclude: Sequence[str] = UNSET
    cloud_storage_id: int | None = UNSET
    use_cache: bool = UNSET
    copy_data: bool = UNSET
    storage_method: str = UNSET
    sorting_method: str = UNSET
    filename_pattern: str | None = UNSET
    job_file_mapping: Sequence[Sequence[str]] = UNSET
    upload_file_order: Sequence[str] = UNSET
    validation_params: Mapping[str, Any] = UNSET


class PatchedDataMetaWriteRequest(Value):
    """What changes of a task's data."""

    deleted_frames: Sequence[int] = UNSET
    cloud_storage_id: int | None = UNSET


class PatchedJobDataMetaWriteRequest(Value):
    """What changes of a job's data."""

    deleted_frames: Sequence[int] = UNSET


# -- annotations ----------------------------------------------------------------------------------


class AttributeValRequest(Value):
    """The value of an attribute."""

    spec_id: int
    value: str


class _Annotation(Value):
    label_id: int
    id: int | None = UNSET
    group: int | None = UNSET
    source: str = UNSET
    attributes: Items = UNSET


class LabeledImageRequest(_Annotation):
    """A tag of a frame."""

    frame: int


class LabeledIntervalRequest(_Annotation):
    """A label from one moment to another; newer than 2.15."""

    start: int
    stop: int | None
    score: float = UNSET


class SubLabeledShapeRequest(_Annotation):
    """A shape of a skeleton."""

    type: str
    frame: int
    occluded: bool = UNSET
    outside: bool = UNSET
    z_order: int = UNSET
    rotation: float = UNSET
    points: Sequence[float] = UNSET
    score: float = UNSET


class LabeledShapeRequest(SubLabeledShapeRequest):
    """A shape on a frame."""

    elements: Items = UNSET


class TrackedShapeRequest(Value):
    """What a track is from a frame on."""

    type: str
    frame: int
    occluded: bool = UNSET
    outside: bool = UNSET
    z_order: int = UNSET
    rotation: float = UNSET
    points: Sequence[float] = UNSET
    attributes: Items = UNSET
    id: int | None = UNSET


class SubLabeledTrackRequest(_Annotation):
    """A track of a skeleton's point."""

    frame: int
    shapes: Items


class LabeledTrackRequest(SubLabeledTrackRequest):
    """A track over frames."""

    elements: Items = UNSET


class PatchedLabeledDataRequest(Value):
    """Some annotations of a task or a job."""

    version: int = UNSET
    tags: Items = UNSET
    shapes: Items = UNSET
    tracks: Items = UNSET
    intervals: Items = UNSET


class LabeledDataRequest(PatchedLabeledDataRequest):
    """All annotations of a task or a job."""


__all__ = [
    "AttributeValRequest",
    "DataRequest",
    "LabeledDataRequest",
    "LabeledImageRequest",
    "LabeledIntervalRequest",
    "LabeledShapeRequest",
    "LabeledTrackRequest",
    "PatchedDataMetaWriteRequest",
    "PatchedJobDataMetaWriteRequest",
    "PatchedLabeledDataRequest",
    "SubLabeledShapeRequest",
    "SubLabeledTrackRequest",
    "TrackedShapeRequest",
    "ValidationParamsRequest",
]
