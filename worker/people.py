"""Users in Supabase Auth, through the genuine client with the service's own key."""

import asyncio
from uuid import UUID

import httpx
from supabase import AsyncClient, AsyncClientOptions, AuthApiError, acreate_client

from schemas.settings import Settings


class People:
    """Auth's users as the worker needs them. Open with `open_people`, close with `close`."""

    def __init__(self, client: AsyncClient, http: httpx.AsyncClient, timeout: float) -> None:
        self._admin = client.auth.admin
        self._http = http
        self._timeout = timeout

    async def remove(self, user_id: UUID) -> None:
        """Delete the user with all sessions; one that is not there is no failure.

        Raises `AuthError`, `httpx.TransportError` or `TimeoutError`; repeating it is safe.
        """
        try:
            async with asyncio.timeout(self._timeout):
                await self._admin.delete_user(str(user_id))
        except AuthApiError as error:
            if error.status != 404:
                raise

    async def close(self) -> None:
        await self._http.aclose()


async def open_people(settings: Settings) -> People:
    """Make the client; nothing is sent yet."""
    http = httpx.AsyncClient(timeout=settings.storage_timeout_seconds)
    client = await acreate_client(
        settings.supabase_url,
        settings.supabase_secret_key.get_secret_value(),
        AsyncClientOptions(httpx_client=http, auto_refresh_token=False, persist_session=False),
    )
    return People(client, http, settings.storage_timeout_seconds)
