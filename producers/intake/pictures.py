"""What the intake does in Storage: say where a picture can be fetched, and take a deleted generation's picture away."""

import asyncio
from collections.abc import Sequence
from typing import Self

import httpx
import structlog
from storage3.exceptions import StorageApiError
from supabase import AsyncClient, AsyncClientOptions, acreate_client

from schemas.problems import ProblemError
from schemas.settings import Settings

log = structlog.get_logger()

BUCKET = "generations"
REMOVE_SECONDS = 5.0
SIGN_SECONDS = 5.0
_FAILURES = (StorageApiError, httpx.HTTPError, TimeoutError, ValueError)


class Pictures:
    """Pictures in the bucket `generations`, with this component's secret key."""

    def __init__(self, supabase: AsyncClient, settings: Settings) -> None:
        self._supabase = supabase
        self._storage_url = f"{settings.public_url}/storage/v1"
        self._private = settings.results_private
        self._seconds = settings.result_url_seconds

    @classmethod
    async def open(cls, settings: Settings, client: httpx.AsyncClient) -> Self:
        """Set up the client on `client`'s connections; nothing is sent yet."""
        options = AsyncClientOptions(auto_refresh_token=False, persist_session=False, httpx_client=client)
        key = settings.supabase_secret_key.get_secret_value()
        return cls(await acreate_client(settings.supabase_url, key, options), settings)

    async def urls(self, names: Sequence[str]) -> dict[str, str]:
        """Where clients fetch these pictures, by name.

        Public results have a lasting address. With `RESULTS_PRIVATE` each is signed afresh, by one call for all, and
        works for `RESULT_URL_SECONDS`; a picture that is gone has none. Raises `unavailable` when that cannot be done.
        """
        if not self._private:
            return {name: f"{self._storage_url}/object/public/{BUCKET}/{name}" for name in names}
        return await self._signed(names) if names else {}

    async def _signed(self, names: Sequence[str]) -> dict[str, str]:
        try:
            async with asyncio.timeout(SIGN_SECONDS):
                answers = await self._supabase.storage.from_(BUCKET).create_signed_urls(list(names), self._seconds)
        except _FAILURES as error:
            log.warning("pictures_not_signed", error=type(error).__name__)
            raise ProblemError("unavailable", "Pictures cannot be reached for a moment.", retry_after=2) from error
        found: dict[str, str] = {}
        for answer in answers:
            # The client puts its own address in front, which is not always the one that clients reach.
            _, _, signed = (answer["signedURL"] or "").partition("/object/sign/")
            if signed:
                found[answer["path"]] = f"{self._storage_url}/object/sign/{signed}"
        if missing := set(names) - found.keys():
            log.warning("pictures_missing", count=len(missing))
        return found

    async def remove(self, object_name: str) -> None:
        """Remove a picture, if that can be done soon. Never raises: what is left over, the sweep removes."""
        try:
            async with asyncio.timeout(REMOVE_SECONDS):
                await self._supabase.storage.from_(BUCKET).remove([object_name])
        except _FAILURES as error:
            log.warning("picture_removal_left_to_sweep", error=type(error).__name__)
