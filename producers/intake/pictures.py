"""The one thing the intake does in Storage: take a deleted generation's picture away."""

import asyncio
from typing import Self

import httpx
import structlog
from storage3.exceptions import StorageApiError
from supabase import AsyncClient, AsyncClientOptions, acreate_client

from schemas.settings import Settings

log = structlog.get_logger()

BUCKET = "generations"
REMOVE_SECONDS = 5.0


class Pictures:
    """Pictures in the bucket `generations`, with this component's secret key."""

    def __init__(self, supabase: AsyncClient) -> None:
        self._supabase = supabase

    @classmethod
    async def open(cls, settings: Settings, client: httpx.AsyncClient) -> Self:
        """Set up the client on `client`'s connections; nothing is sent yet."""
        options = AsyncClientOptions(auto_refresh_token=False, persist_session=False, httpx_client=client)
        key = settings.supabase_secret_key.get_secret_value()
        return cls(await acreate_client(settings.supabase_url, key, options))

    async def remove(self, object_name: str) -> None:
        """Remove a picture, if that can be done soon. Never raises: what is left over, the sweep removes."""
        try:
            async with asyncio.timeout(REMOVE_SECONDS):
                await self._supabase.storage.from_(BUCKET).remove([object_name])
        except (StorageApiError, httpx.HTTPError, TimeoutError, ValueError) as error:
            log.warning("picture_removal_left_to_sweep", error=type(error).__name__)
