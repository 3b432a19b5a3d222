"""Gemini as the pipeline calls it: the same two calls, within the fleet's limits."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from schemas.settings import Settings
from worker.failures import (
    GEMINI_INTERRUPTED,
    GEMINI_MISCONFIGURED,
    GEMINI_REJECTED,
    GEMINI_UNAVAILABLE,
    QUOTA_EXHAUSTED,
    RATE_LIMITED,
    AttemptError,
)
from worker.gemini import Analysis, Gemini, Picture
from worker.limits.limits import Limits
from worker.photos import Photo

# The model or our access to it is broken; every other failure is about one photo, or proves that the model answers.
BREAKING: Final = frozenset({GEMINI_UNAVAILABLE, GEMINI_INTERRUPTED, GEMINI_MISCONFIGURED, QUOTA_EXHAUSTED})
# Refused before any work was done. An interrupted call and an answer that cannot be used may have been billed.
UNBILLED: Final = frozenset({GEMINI_UNAVAILABLE, GEMINI_MISCONFIGURED, GEMINI_REJECTED, QUOTA_EXHAUSTED, RATE_LIMITED})

_Outcome = TypeVar("_Outcome", Picture, Analysis)


class LimitedGemini:
    """Raises `AttemptError` like `Gemini`, and with a delay when a call must wait; then nothing was sent."""

    def __init__(self, gemini: Gemini, limits: Limits, settings: Settings) -> None:
        self._gemini = gemini
        self._limits = limits
        self._settings = settings

    async def edit(self, model: str, photo: Photo, prompt: str) -> Picture:
        """See `Gemini.edit`."""
        price = self._settings.gemini_picture_price_usd
        return await self._within_limits(model, price, lambda: self._gemini.edit(model, photo, prompt))

    async def analyse(self, model: str, photo: Photo) -> Analysis:
        """See `Gemini.analyse`."""
        price = self._settings.gemini_analysis_price_usd
        return await self._within_limits(model, price, lambda: self._gemini.analyse(model, photo))

    async def _within_limits(self, model: str, price: float, call: Callable[[], Awaitable[_Outcome]]) -> _Outcome:
        await self._limits.admit(model, price)
        try:
            outcome = await call()
        except AttemptError as error:
            refund = price if error.failure in UNBILLED else 0
            await self._limits.report(model, failed=error.failure in BREAKING, refund_usd=refund)
            raise
        await self._limits.report(model, failed=False)
        return outcome
