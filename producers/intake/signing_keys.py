"""The project's signing keys (JWKS), fetched rarely and by one task at a time.

Guarantees: a key is trusted for no longer than `JWKS_CACHE_SECONDS` after the fetch that brought it; tokens with
made-up key ids cause at most one fetch in `JWKS_REFETCH_SECONDS`; while the address cannot be reached, keys that are
still fresh go on working. Half-way through their time they are fetched anew in the background, so that nobody waits.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
import structlog

log = structlog.get_logger()

FETCH_SECONDS = 3.0
RETRY_SECONDS = 0.5
# What each kind of key may sign with. The token's own word for it is only ever compared with this.
_ALGORITHMS = {"EC P-256": "ES256", "RSA": "RS256"}


class KeysUnavailableError(Exception):
    """The keys cannot be fetched and none are fresh: no token can be checked now."""


@dataclass(frozen=True)
class SigningKey:
    """A public key and the one algorithm that it is for."""

    key: Any
    algorithm: str


class SigningKeys:
    """The keys at `url`, by key id. `clock` is in seconds and never goes back."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        url: str,
        *,
        cache_seconds: float,
        refetch_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._url, self._clock = client, url, clock
        self._cache_seconds, self._refetch_seconds = cache_seconds, refetch_seconds
        self._keys: Mapping[str, SigningKey] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def get(self, key_id: str) -> SigningKey | None:
        """The key with this id, or None when the project has no such key; the same object until the next fetch.

        Raises `KeysUnavailableError` when no fresh keys are to be had.
        """
        if not self._fresh(self._cache_seconds):
            if self._fetching is not None or self._rested():
                await self._fetch_once()
            if not self._fresh(self._cache_seconds):
                raise KeysUnavailableError
        elif key_id not in self._keys:
            if self._fetching is not None or self._may_fetch():
                await self._fetch_once()
        elif not self._fresh(self._cache_seconds / 2) and self._may_fetch():
            self._begin()
        return self._keys.get(key_id)

    async def close(self) -> None:
        """End a fetch that is still under way."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

    def _fresh(self, seconds: float) -> bool:
        return self._fetched_at is not None and self._clock() - self._fetched_at < seconds

    def _may_fetch(self) -> bool:
        return self._tried_at is None or self._clock() - self._tried_at >= self._refetch_seconds

    def _rested(self) -> bool:
        """Without keys every caller needs a fetch; after one that failed there is still a pause."""
        return self._tried_at is None or self._clock() - self._tried_at >= RETRY_SECONDS

    def _begin(self) -> asyncio.Task[None]:
        if self._fetching is None:
            self._tried_at = self._clock()
            self._fetching = asyncio.create_task(self._fetch())
            self._fetching.add_done_callback(self._done)
        return self._fetching

    def _done(self, _: asyncio.Task[None]) -> None:
        self._fetching = None

    async def _fetch_once(self) -> None:
        await asyncio.shield(self._begin())

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                answer = await self._client.get(self._url)
            answer.raise_for_status()
            keys = _usable(answer.json())
        except (httpx.HTTPError, TimeoutError, ValueError) as error:
            log.warning("signing_keys_unavailable", error=type(error).__name__)
            return
        self._keys, self._fetched_at = keys, self._clock()


def _usable(document: Any) -> Mapping[str, SigningKey]:
    """The public signing keys of a JWKS document; raises `ValueError` when it is none. Others are left out."""
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise ValueError("not a JWKS document")
    keys = {}
    for entry in document["keys"]:
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
            continue
        algorithm = _ALGORITHMS.get(f"{entry.get('kty')} {entry.get('crv', '')}".strip())
        key_id = entry.get("kid")
        if algorithm is None or not isinstance(key_id, str) or entry.get("alg", algorithm) != algorithm:
            continue
        try:
            keys[key_id] = SigningKey(jwt.PyJWK(entry, algorithm).key, algorithm)
        except (jwt.PyJWTError, ValueError):
            log.warning("signing_key_unusable", key_id=key_id)
    return keys
