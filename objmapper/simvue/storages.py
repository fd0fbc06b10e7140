"""Storages: where the bytes of artifacts go."""

from __future__ import annotations

from typing import Any, Self

from objmapper import Embedded, fields
from objmapper.simvue.base import SimvueObject
from objmapper.simvue.kinds import Constant, Moment


class S3Config(Embedded):
    """A bucket, and what opens it; the server shows no credentials."""

    bucket = fields.String(required=True)
    endpoint_url = fields.String(null=True)
    region_name = fields.String(null=True)
    access_key_id = fields.String(write_only=True)
    secret_access_key = fields.String(write_only=True)
    ca_cert = fields.String(write_only=True)


def kind_of(row: dict[str, Any]) -> str:
    """Return which kind of storage a row is: the server is not asked for one of them."""
    return str(row.get("backend"))


class Storage(SimvueObject):
    """What all storages have; ``Storage(identifier=...)`` is an object of its kind, in one request."""

    name = fields.String(required=True)
    backend = fields.String(read_only=True)
    is_default = fields.Boolean()
    is_tenant_useable = fields.Boolean()
    is_enabled = fields.Boolean()
    #: Whether the server leaves out to try it, when it is made; it does not tell later.
    disable_check = fields.Boolean(null=True, write_once=True)
    created = Moment(read_only=True)

    class Meta:
        endpoint = "storage"
        polymorphic_on = staticmethod(kind_of)


class FileStorage(Storage):
    """A storage of files at the server."""

    backend = Constant(default="File")

    class Meta:
        polymorphic_identity = "File"

    @classmethod
    def new(
        cls,
        *,
        name: str,
        disable_check: bool = False,
        is_tenant_useable: bool = True,
        is_enabled: bool = True,
        is_default: bool = False,
        **values: Any,
    ) -> Self:
        """Return a new storage, which ``commit()`` sends."""
        return cls(
            name=name,
            disable_check=disable_check,
            is_tenant_useable=is_tenant_useable,
            is_enabled=is_enabled,
            is_default=is_default,
            **values,
        )


class S3Storage(Storage):
    """A storage in a bucket."""

    backend = Constant(default="S3")
    config = fields.Nested(S3Config, required=True)

    class Meta:
        polymorphic_identity = "S3"

    @classmethod
    def new(
        cls,
        *,
        name: str,
        bucket: str,
        endpoint_url: str | None = None,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        region_name: str | None = None,
        ca_cert: str | None = None,
        disable_check: bool = False,
        is_tenant_useable: bool = True,
        is_default: bool = False,
        is_enabled: bool = True,
        **values: Any,
    ) -> Self:
        """Return a new storage, which ``commit()`` sends."""
        config = {
            "endpoint_url": endpoint_url,
            "access_key_id": access_key_id,
            "secret_access_key": secret_access_key,
            "region_name": region_name,
            "ca_cert": ca_cert,
        }
        said = {key: value for key, value in config.items() if value is not None}
        return cls(
            name=name,
            config=S3Config(bucket=bucket, **said),
            disable_check=disable_check,
            is_tenant_useable=is_tenant_useable,
            is_default=is_default,
            is_enabled=is_enabled,
            **values,
        )


__all__ = ["FileStorage", "S3Config", "S3Storage", "Storage"]
