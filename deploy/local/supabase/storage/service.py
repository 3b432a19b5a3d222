"""What all handlers of Storage share."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

from starlette.requests import Request

from deploy.local.supabase.caller import resolve
from deploy.local.supabase.context import Context
from deploy.local.supabase.storage.files import Files


@dataclass(frozen=True)
class Storage:
    """The open context, and the files on disk."""

    context: Context
    files: Files
    _locks: "WeakValueDictionary[tuple[str, str], asyncio.Lock]" = field(default_factory=WeakValueDictionary)

    def caller(self, request: Request) -> dict[str, Any]:
        """Claims of whoever calls. Raises `CallerError`."""
        return resolve(self.context.keys, request.headers, request.query_params, need_apikey=False)

    @asynccontextmanager
    async def lock(self, bucket: str, name: str) -> AsyncIterator[None]:
        """One change of an object's version at a time."""
        key = (bucket, name)
        held = self._locks.get(key)
        if held is None:
            held = self._locks[key] = asyncio.Lock()
        async with held:
            yield
