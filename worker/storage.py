"""Photos and results in Supabase Storage, through the genuine client with the service's own key.

Each call has `STORAGE_TIMEOUT_SECONDS` and one try: whoever called decides about the next. Failures are `AttemptError`
with a code of `worker.failures`; a photo is never held beyond `SOURCE_MAX_BYTES`.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from json import JSONDecodeError
from typing import Final

import httpx
from storage3.exceptions import StorageApiError
from supabase import AsyncClient, AsyncClientOptions, acreate_client

from schemas.settings import Settings
from worker.failures import (
    SOURCE_CHANGED,
    SOURCE_MISSING,
    SOURCE_TOO_LARGE,
    STORAGE_REFUSED,
    STORAGE_UNAVAILABLE,
    AttemptError,
    Failure,
)
from worker.transport import ResponseTooLargeError, Transport

SOURCES: Final = "user_uploads"
RESULTS: Final = "generations"
# A result's name is random and its content never changes.
_CACHE_SECONDS = "31536000"
_TRANSIENT_STATUSES = frozenset({408, 423, 425, 429, 544})

_answer_headers: ContextVar[list[httpx.Headers] | None] = ContextVar("answer_headers", default=None)


class Storage:
    """The two buckets as the worker uses them. Open with `open_storage`, close with `close`."""

    def __init__(self, client: AsyncClient, http: httpx.AsyncClient, timeout: float) -> None:
        self._storage = client.storage
        self._http = http
        self._timeout = timeout

    async def download_source(self, path: str, etag: str) -> bytes:
        """The photo that was submitted: `etag` is its identity then, with or without quotes.

        Raises `source_missing`, `source_changed` or `source_too_large` besides the storage failures.
        """
        seen: list[httpx.Headers] = []
        bucket = self._storage.from_(SOURCES)
        token = _answer_headers.set(seen)
        try:
            async with self._call("download", missing=SOURCE_MISSING):
                content = await bucket.download(path)
        except ResponseTooLargeError:
            raise AttemptError(SOURCE_TOO_LARGE) from None
        finally:
            _answer_headers.reset(token)
        found = seen[-1].get("etag") if seen else None
        if found is None:
            found = await self._etag(path)
        if _bare(found) != _bare(etag):
            raise AttemptError(SOURCE_CHANGED)
        return content

    async def _etag(self, path: str) -> str:
        async with self._call("info", missing=SOURCE_MISSING):
            info = await self._storage.from_(SOURCES).info(path)
        return str(info.get("etag", ""))

    async def result_exists(self, name: str) -> bool:
        """Whether an earlier attempt has already stored the result under this name."""
        async with self._call("exists"):
            return await self._storage.from_(RESULTS).exists(name)

    async def upload_result(self, name: str, content: bytes, mime_type: str) -> bool:
        """Store a result for good; false when another attempt's is there already, which then is the result."""
        try:
            async with self._call("upload"):
                await self._storage.from_(RESULTS).upload(
                    name,
                    content,
                    {"content-type": mime_type, "cache-control": _CACHE_SECONDS, "upsert": "false"},
                )
        except _DuplicateError:
            return False
        return True

    async def remove(self, bucket: str, names: Sequence[str]) -> None:
        """Delete objects; one that is not there is no failure."""
        async with self._call("remove"):
            await self._storage.from_(bucket).remove(list(names))

    async def close(self) -> None:
        await self._http.aclose()

    @asynccontextmanager
    async def _call(self, what: str, missing: Failure = STORAGE_REFUSED) -> AsyncIterator[None]:
        """The deadline, and what each way to fail means; `missing` is for an object that is not there."""
        try:
            async with asyncio.timeout(self._timeout):
                yield
        except StorageApiError as error:
            raise _meaning(what, error, missing) from None
        except (httpx.TransportError, TimeoutError, JSONDecodeError) as error:
            raise AttemptError(STORAGE_UNAVAILABLE, f"{what}: {type(error).__name__}") from error


class _DuplicateError(Exception):
    """Storage has an object of this name."""


def _meaning(what: str, error: StorageApiError, missing: Failure) -> Exception:
    """Storage answers HTTP 400 to nearly everything; the status that counts is in the body."""
    status = int(error.status) if str(error.status).isdigit() else 400
    detail = f"{what}: {status} {error.code}"
    if status == 404 and "bucket" not in error.message.lower():
        return AttemptError(missing, detail)
    if status == 409:
        return _DuplicateError(detail)
    if status >= 500 or status in _TRANSIENT_STATUSES:
        return AttemptError(STORAGE_UNAVAILABLE, detail)
    return AttemptError(STORAGE_REFUSED, detail)


def _bare(etag: str) -> str:
    return etag.strip().removeprefix("W/").strip('"')


async def _keep_headers(response: httpx.Response) -> None:
    """The client hands back a download's bytes only; its eTag is in the headers."""
    seen = _answer_headers.get()
    if seen is not None:
        seen.append(response.headers)


async def open_storage(settings: Settings) -> Storage:
    """Make the client; nothing is sent yet."""
    http = httpx.AsyncClient(
        transport=Transport(settings.source_max_bytes),
        timeout=settings.storage_timeout_seconds,
        event_hooks={"response": [_keep_headers]},
        headers={"Accept-Encoding": "identity"},
    )
    client = await acreate_client(
        settings.supabase_url,
        settings.supabase_secret_key.get_secret_value(),
        AsyncClientOptions(httpx_client=http, auto_refresh_token=False, persist_session=False),
    )
    return Storage(client, http, settings.storage_timeout_seconds)
