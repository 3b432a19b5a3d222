"""Waiting out a service that is away: growing pauses, one log event when it goes and one when it is back."""

import asyncio
import random

import structlog
from redis.exceptions import RedisError

REDIS_AWAY = (RedisError, OSError)
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 2.0

log = structlog.get_logger()


class Outage:
    """One activity's view of a service: call `failed` after each failure and `over` after each success."""

    def __init__(self, activity: str) -> None:
        self._activity = activity
        self._failures = 0

    def failed(self, error: BaseException) -> None:
        if not self._failures:
            log.warning("service_unreachable", activity=self._activity, error=type(error).__name__, detail=str(error))
        self._failures += 1

    def over(self) -> None:
        if self._failures:
            log.info("service_back", activity=self._activity, failures=self._failures)
            self._failures = 0

    async def pause(self) -> None:
        """Before the next try: 0.1 s doubling to 2 s, with jitter so that a fleet does not come back at once."""
        longest = min(FIRST_PAUSE * 2 ** min(self._failures, 10), LONGEST_PAUSE)
        await asyncio.sleep(longest * random.uniform(0.5, 1))  # noqa: S311
