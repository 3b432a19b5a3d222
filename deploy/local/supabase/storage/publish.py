"""From a version on disk to the row that names it, and never the other way round.

The order keeps rows and files consistent: ask the policies with a row that is rolled back, write the file, write the
row in one transaction, and only then drop the version that the row named before.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

import asyncpg

from deploy.local.supabase.storage import objects
from deploy.local.supabase.storage.files import Written
from deploy.local.supabase.storage.service import Storage


class _Probed(Exception):  # noqa: N818 - rolls back, and is no error
    pass


async def may_write(storage: Storage, claims: Mapping[str, Any], new: objects.NewObject, *, upsert: bool) -> None:
    """Raises what writing this row would raise; changes nothing."""
    write = objects.upsert if upsert else objects.insert
    with suppress(_Probed):
        async with storage.context.as_caller(claims) as connection:
            await write(connection, new, None)
            raise _Probed


async def publish(
    storage: Storage, claims: Mapping[str, Any], new: objects.NewObject, written: Written, *, upsert: bool
) -> UUID:
    """Writes the row as the caller. When the database refuses, the version is removed again."""
    write = objects.upsert if upsert else objects.insert
    async with storage.lock(new.bucket, new.name):
        before = await objects.current_version(storage, new.bucket, new.name)
        try:
            async with storage.context.as_caller(claims) as connection:
                object_id = await write(connection, new, written)
        except asyncpg.PostgresConnectionError:
            raise  # the row may have been committed: better a file too many than one too few
        except asyncpg.PostgresError:
            await storage.files.remove(written.version)
            raise
        if before is not None:
            await storage.files.remove(before)
    return object_id
