"""Rows of `storage.objects` and `storage.buckets`: every statement of Storage on objects."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson

from deploy.local.supabase.storage.errors import no_such_bucket, no_such_key
from deploy.local.supabase.storage.files import Written
from deploy.local.supabase.storage.service import Storage


@dataclass(frozen=True)
class NewObject:
    """What a row is written from."""

    bucket: str
    name: str
    owner: str | None
    content_type: str
    cache_control: str
    user_metadata: dict[str, Any] | None

    def metadata(self, written: Written) -> dict[str, Any]:
        return {
            "eTag": f'"{written.md5}"',
            "size": written.size,
            "mimetype": self.content_type,
            "cacheControl": self.cache_control,
            "lastModified": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "contentLength": written.size,
            "httpStatusCode": 200,
        }


async def find_bucket(storage: Storage, bucket: str) -> asyncpg.Record:
    """The bucket, whoever asks. Raises `StorageError`."""
    async with storage.context.storage_database.acquire() as connection:
        row = await connection.fetchrow("select * from storage.buckets where id = $1", bucket)
    if row is None:
        raise no_such_bucket()
    return row


async def find_unchecked(storage: Storage, bucket: str, name: str) -> asyncpg.Record:
    """The object without regard to policies: for public buckets and signed URLs. Raises `StorageError`."""
    async with storage.context.storage_database.acquire() as connection:
        return await find(connection, bucket, name)


async def current_version(storage: Storage, bucket: str, name: str) -> str | None:
    """The version that the object's row names, if there is one. Ask under the object's lock."""
    async with storage.context.storage_database.acquire() as connection:
        version: str | None = await connection.fetchval(
            "select version from storage.objects where bucket_id = $1 and name = $2", bucket, name
        )
    return version


async def find(connection: Any, bucket: str, name: str) -> asyncpg.Record:
    """The object, if the connection's role may see it. Raises `StorageError`."""
    row: asyncpg.Record | None = await connection.fetchrow(
        "select * from storage.objects where bucket_id = $1 and name = $2", bucket, name
    )
    if row is None:
        raise no_such_key()
    return row


async def insert(connection: Any, new: NewObject, written: Written | None) -> UUID:
    """A new row. Raises `asyncpg.UniqueViolationError`, `InsufficientPrivilegeError`.

    Nothing is read back, so that a role that may insert but not select can upload.
    """
    object_id = uuid4()
    await connection.execute(INSERT, object_id, *_values(new, written))
    return object_id


async def upsert(connection: Any, new: NewObject, written: Written | None) -> UUID:
    """A new row, or the existing one with the new content; it keeps its id."""
    object_id: UUID = await connection.fetchval(
        f"{INSERT} on conflict (bucket_id, name) do update set owner = excluded.owner, owner_id = excluded.owner_id,"
        " version = excluded.version, metadata = excluded.metadata, user_metadata = excluded.user_metadata,"
        " last_accessed_at = now() returning id",
        uuid4(),
        *_values(new, written),
    )
    return object_id


async def delete(connection: Any, bucket: str, names: list[str]) -> list[dict[str, Any]]:
    """The rows that went, whole: those of the names that the connection's role may see and delete."""
    await connection.execute("select set_config('storage.allow_delete_query', 'true', true)")
    rows = await connection.fetch(
        "with gone as (delete from storage.objects where bucket_id = $1 and name = any($2::text[]) returning *)"
        " select (to_jsonb(gone) - 'path_tokens')::text as content from gone",
        bucket,
        names,
    )
    return [orjson.loads(row["content"]) for row in rows]


def metadata_of(row: asyncpg.Record) -> dict[str, Any]:
    content: dict[str, Any] = orjson.loads(row["metadata"] or "{}")
    return content


def user_metadata_of(row: asyncpg.Record) -> Any:
    return orjson.loads(row["user_metadata"]) if row["user_metadata"] is not None else None


INSERT = (
    "insert into storage.objects (id, bucket_id, name, owner, owner_id, version, metadata, user_metadata)"
    " values ($1, $2, $3, $4, $5, $6, $7::text::jsonb, $8::text::jsonb)"
)


def _values(new: NewObject, written: Written | None) -> tuple[Any, ...]:
    return (
        new.bucket,
        new.name,
        _uuid(new.owner),
        new.owner,
        written.version if written is not None else None,
        _json(new.metadata(written) if written is not None else {"mimetype": new.content_type}),
        _json(new.user_metadata),
    )


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None


def _json(value: dict[str, Any] | None) -> str | None:
    return None if value is None else orjson.dumps(value).decode()
