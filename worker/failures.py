"""What can go wrong in an attempt, and what follows: the one table of failure codes.

A code is stable: it is stored on the generation, counted per generation, shown to clients and documented. Whether a
failure is tried again, how often, and what the person reads hangs on its row; the delay may come with the instance.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from schemas.settings import Settings

_OURS = "Something is wrong on our side, not with your photo. You have not been charged."
_BUSY = "The picture service is busy at the moment. You have not been charged; please try again later."


@dataclass(frozen=True, slots=True)
class Failure:
    """One row: `retries` is how many more tries this code gets (none: as many as the generation has)."""

    code: str
    message: str
    retries: int | None = 0
    counts_try: bool = True
    operator: bool = False
    """The operator must act: logged as an error."""


SOURCE_MISSING: Final = Failure("source_missing", "The photo is no longer there. Please upload it again.")
SOURCE_CHANGED: Final = Failure(
    "source_changed", "The photo was replaced after you sent the request. Please send it again."
)
SOURCE_INVALID: Final = Failure("source_invalid", "The file is not a JPEG, PNG or WebP photo that can be read.")
SOURCE_TOO_LARGE: Final = Failure("source_too_large", "The photo is too large.")
INVALID_PARAMETERS: Final = Failure("invalid_parameters", _OURS, operator=True)

STORAGE_UNAVAILABLE: Final = Failure("storage_unavailable", _BUSY, retries=None)
STORAGE_REFUSED: Final = Failure("storage_refused", _OURS, operator=True)

RATE_LIMITED: Final = Failure("rate_limited", _BUSY, retries=None, counts_try=False)
QUOTA_EXHAUSTED: Final = Failure("quota_exhausted", _BUSY, operator=True)
GEMINI_PAUSED: Final = Failure("gemini_paused", _BUSY, retries=None, counts_try=False)
SPENDING_CAPPED: Final = Failure("spending_capped", _BUSY, retries=None, counts_try=False, operator=True)
GEMINI_UNAVAILABLE: Final = Failure("gemini_unavailable", _BUSY, retries=None)
GEMINI_INTERRUPTED: Final = Failure("gemini_interrupted", _BUSY, retries=1)
GEMINI_REJECTED: Final = Failure("gemini_rejected", "The picture service could not work with this photo.")
GEMINI_MISCONFIGURED: Final = Failure("gemini_misconfigured", _OURS, operator=True)
BLOCKED: Final = Failure("blocked", "The picture service's safety rules refused this photo or the result.")
NO_PICTURE: Final = Failure(
    "no_picture", "The picture service returned no picture. Please try another photo.", retries=2
)
RESULT_INVALID: Final = Failure("result_invalid", "The picture service returned no usable result.", retries=2)

ATTEMPT_TIMEOUT: Final = Failure("attempt_timeout", "It took too long. You have not been charged.", retries=1)
INTERNAL: Final = Failure("internal", _OURS, retries=None, operator=True)
SHUTDOWN: Final = Failure("shutdown", _BUSY, retries=None, counts_try=False)

FAILURES: Final[Mapping[str, Failure]] = {
    failure.code: failure
    for failure in (
        SOURCE_MISSING,
        SOURCE_CHANGED,
        SOURCE_INVALID,
        SOURCE_TOO_LARGE,
        INVALID_PARAMETERS,
        STORAGE_UNAVAILABLE,
        STORAGE_REFUSED,
        RATE_LIMITED,
        QUOTA_EXHAUSTED,
        GEMINI_PAUSED,
        SPENDING_CAPPED,
        GEMINI_UNAVAILABLE,
        GEMINI_INTERRUPTED,
        GEMINI_REJECTED,
        GEMINI_MISCONFIGURED,
        BLOCKED,
        NO_PICTURE,
        RESULT_INVALID,
        ATTEMPT_TIMEOUT,
        INTERNAL,
        SHUTDOWN,
    )
}


class AttemptError(Exception):
    """An attempt ended with `failure`. `detail` is for the log: ids and statuses, never a photo, prompt or secret.

    `delay` is the wait in seconds that the other side asked for, if it did.
    """

    def __init__(self, failure: Failure, detail: str = "", delay: float | None = None) -> None:
        super().__init__(f"{failure.code}: {detail}" if detail else failure.code)
        self.failure = failure
        self.detail = detail
        self.delay = delay


def may_retry(failure: Failure, seen: int, tries: int, max_tries: int) -> bool:
    """Whether another try follows: `seen` is how often this code ended a try before, `tries` includes this one."""
    if failure.retries is not None and seen >= failure.retries:
        return False
    return not failure.counts_try or tries < max_tries


def retry_delay(error: AttemptError, seen: int, settings: Settings) -> float:
    """Seconds until the next try.

    A wait that the other side asked for is honoured, with up to a tenth (at least a second) on top so that a fleet
    does not come back at once. Otherwise exponential backoff, between half and all of the step. Neither is longer
    than a request may be queued.
    """
    if error.delay is not None:
        delay = error.delay + random.uniform(0, max(1.0, error.delay / 10))  # noqa: S311
        return min(delay, settings.queued_max_age_seconds)
    step: float = min(settings.worker_backoff_seconds * 2 ** min(seen, 32), settings.worker_backoff_max_seconds)
    return step * random.uniform(0.5, 1)  # noqa: S311
