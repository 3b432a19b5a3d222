"""The fleet's shared limits, as one question before each Gemini call and one report after it."""

from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from arq import ArqRedis

from schemas.scripts import Script
from schemas.settings import Settings
from worker.failures import GEMINI_PAUSED, RATE_LIMITED, SPENDING_CAPPED, AttemptError, Failure
from worker.metrics import BREAKER_OPEN, SPENT_USD
from worker.outage import REDIS_AWAY, Outage

PREFIX: Final = "sparky:limits"
MICRO: Final = 1_000_000
# Somebody may raise the cap before midnight.
LONGEST_SPENDING_WAIT_SECONDS: Final = 300.0

_ADMIT: Final = Script("worker.limits", "admit")
_REPORT: Final = Script("worker.limits", "report")
_REASONS: Final[dict[bytes, Failure]] = {
    b"rate": RATE_LIMITED,
    b"breaker": GEMINI_PAUSED,
    b"spending": SPENDING_CAPPED,
}

log = structlog.get_logger()


class Limits:
    """While Redis is away every call is admitted and nothing is counted; the log says so once."""

    def __init__(self, redis: ArqRedis, settings: Settings) -> None:
        self._redis = redis
        self._settings = settings
        self._cap = round(settings.gemini_daily_cap_usd * MICRO)
        self._probe_ms = int(settings.gemini_timeout_seconds * 1000) + 5000
        self._open_ms = int(settings.gemini_breaker_seconds * 1000)
        self._outage = Outage("gemini_limits")
        self._failing: set[str] = set()

    async def admit(self, model: str, price_usd: float) -> None:
        """Count one call. Raises `AttemptError` with the time to wait when it must not be made now."""
        settings, breaker = self._settings, f"{PREFIX}:breaker:{model}"
        keys = [breaker, f"{breaker}:open", f"{breaker}:probe", f"{PREFIX}:rate:{model}", f"{PREFIX}:places:{model}"]
        per_minute = settings.gemini_calls_per_minute
        try:
            reason, wait_ms, failures, spent = await _ADMIT(
                self._redis,
                [*keys, self._spent_key()],
                [
                    settings.gemini_breaker_failures,
                    self._probe_ms,
                    per_minute,
                    max(1, per_minute // 6),
                    round(price_usd * MICRO),
                    self._cap,
                ],
            )
        except REDIS_AWAY as error:
            self._outage.failed(error)
            return
        self._outage.over()
        self._seen(model, failures)
        SPENT_USD.set(spent / MICRO)
        if reason:
            wait = _until_spending_is_looked_at() if reason == b"spending" else wait_ms / 1000
            raise AttemptError(_REASONS[reason], f"{reason.decode()} {model}", wait)

    async def report(self, model: str, *, failed: bool, refund_usd: float = 0) -> None:
        """How an admitted call ended; `refund_usd` is its price when Gemini does not bill it."""
        refund = round(refund_usd * MICRO) if self._cap else 0
        if not failed and not refund and model not in self._failing:
            return
        breaker, threshold = f"{PREFIX}:breaker:{model}", self._settings.gemini_breaker_failures
        try:
            before, after = await _REPORT(
                self._redis,
                [breaker, f"{breaker}:open", f"{breaker}:probe", self._spent_key()],
                [int(failed), threshold, self._open_ms, refund],
            )
        except REDIS_AWAY as error:
            self._outage.failed(error)
            return
        self._seen(model, after)
        if before < threshold <= after:
            log.error("breaker_opened", model=model, failures=after)
        elif before >= threshold > after:
            log.warning("breaker_closed", model=model)

    def _seen(self, model: str, failures: int) -> None:
        (self._failing.add if failures else self._failing.discard)(model)
        BREAKER_OPEN.labels(model).set(failures >= self._settings.gemini_breaker_failures)

    def _spent_key(self) -> str:
        return f"{PREFIX}:spent:{datetime.now(UTC):%Y-%m-%d}"


def _until_spending_is_looked_at() -> float:
    now = datetime.now(UTC)
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return min((midnight - now).total_seconds(), LONGEST_SPENDING_WAIT_SECONDS)
