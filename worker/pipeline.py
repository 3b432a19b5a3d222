"""One attempt at a generation, from its start to the call that ends it.

start → download → header and metadata → Gemini → upload → settle. Whatever happens ends in exactly one of: settled,
failed (the hold is voided), deferred (another attempt is due), or nothing written, as another attempt has taken over.
A picture is stored under one name for all attempts and an analysis is kept as a draft, so neither is paid for twice
once it got that far. The worker may die at any instruction: the fence decides which attempt counts.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import structlog
from arq import Retry

from schemas.tools import InvalidParametersError, UnknownToolError
from worker.failures import (
    ATTEMPT_TIMEOUT,
    INTERNAL,
    INVALID_PARAMETERS,
    SHUTDOWN,
    AttemptError,
    may_retry,
    retry_delay,
)
from worker.gemini import Usage
from worker.leasing.execution import LEASE_LOST
from worker.ledger import Attempt
from worker.metrics import ATTEMPTS_ENDED, ATTEMPTS_STARTED
from worker.photos import Photo, prepare_photo
from worker.prompts import picture_prompt
from worker.resources import RESOURCES, Resources

_HAND_BACK_SECONDS: Final = 5.0

log: structlog.stdlib.BoundLogger = structlog.get_logger()


async def run_generation(ctx: Mapping[str, Any], generation_id: str) -> None:
    """The job. Raises `arq.Retry` when the next attempt is due later, which Postgres then knows already.

    Cancelled, it hands the generation back without counting a try, unless the message is `LEASE_LOST`: then the job
    is another worker's, and nothing may be written.
    """
    resources: Resources = ctx[RESOURCES]
    attempt = await resources.ledger.start(generation_id)
    if attempt is None:
        log.debug("generation_not_startable", generation_id=generation_id)
        return
    ATTEMPTS_STARTED.inc()
    run = _Run(resources, attempt)
    try:
        async with asyncio.timeout(resources.settings.worker_attempt_seconds):
            await resources.checkpoint("after_start")
            result = await run.result()
        await run.settle(result)
    except asyncio.CancelledError as cancelled:
        if LEASE_LOST in cancelled.args:
            log.warning("generation_lease_lost", **run.facts())
        else:
            await run.hand_back()
        raise
    except TimeoutError:
        await run.end_without_result(AttemptError(ATTEMPT_TIMEOUT))
    except AttemptError as error:
        await run.end_without_result(error)
    except Exception as error:
        # The traceback names places in code; values (a photo, a key) are not part of it.
        log.exception("generation_attempt_crashed", **run.facts())
        await run.end_without_result(AttemptError(INTERNAL, type(error).__name__))


@dataclass(slots=True)
class _Run:
    resources: Resources
    attempt: Attempt
    timings_ms: dict[str, float] = field(default_factory=dict)
    usage: Usage | None = None
    adopted: bool = False

    async def result(self) -> dict[str, object] | None:
        """Produce what settles the attempt: an analysis, or none for a picture, which then is in Storage."""
        if self.attempt.tool_type == "ANALYSIS":
            return await self._analysis()
        await self._picture()
        return None

    async def _analysis(self) -> dict[str, object]:
        if self.attempt.draft is not None:
            self.adopted = True
            return self.attempt.draft
        photo = await self._photo()
        with self._timed("gemini"):
            analysis = await self.resources.gemini.analyse(self.attempt.model, photo)
        self.usage = analysis.usage
        await self.resources.checkpoint("after_gemini")
        result = analysis.result.model_dump()
        with self._timed("save"):
            await self.resources.ledger.save_draft(self.attempt, result)
        await self.resources.checkpoint("after_upload")
        return result

    async def _picture(self) -> None:
        storage, name = self.resources.storage, self.attempt.object_name
        # The name is random and new with the generation: only an earlier attempt can have used it.
        if self.attempt.fence > 1:
            with self._timed("exists"):
                self.adopted = await storage.result_exists(name)
            if self.adopted:
                return
        try:
            prompt = picture_prompt(self.attempt.tool_id, self.attempt.parameters, self.attempt.style_name)
        except (InvalidParametersError, UnknownToolError) as error:
            raise AttemptError(INVALID_PARAMETERS, str(error)) from None
        photo = await self._photo()
        with self._timed("gemini"):
            picture = await self.resources.gemini.edit(self.attempt.model, photo, prompt)
        self.usage = picture.usage
        await self.resources.checkpoint("after_gemini")
        with self._timed("upload"):
            self.adopted = not await storage.upload_result(name, picture.content, picture.mime_type)
        await self.resources.checkpoint("after_upload")

    async def _photo(self) -> Photo:
        with self._timed("download"):
            data = await self.resources.storage.download_source(self.attempt.source_path, self.attempt.source_etag)
        with self._timed("prepare"):
            photo = prepare_photo(data, self.resources.settings.source_max_pixels)
        await self.resources.checkpoint("after_download")
        return photo

    async def settle(self, result: dict[str, object] | None) -> None:
        await self.resources.checkpoint("before_settle")
        used = asdict(self.usage) if self.usage is not None else {}
        with self._timed("settle"):
            answer = await self.resources.ledger.settle(
                self.attempt, result, {**used, "adopted": self.adopted, "timingsMs": self.timings_ms}
            )
        await self.resources.checkpoint("after_settle")
        if answer == "stale":
            log.warning("generation_settle_stale", **self.facts())
        else:
            ATTEMPTS_ENDED.labels("settled", "").inc()
            log.info("generation_settled", adopted=self.adopted, usage=used, **self.facts())

    async def end_without_result(self, error: AttemptError) -> None:
        """Fail the generation or defer it, as the failure's row says. Raises `arq.Retry` after deferring."""
        failure, attempt = error.failure, self.attempt
        seen = attempt.failures.get(failure.code, 0)
        write = log.error if failure.operator else log.warning
        facts = {"code": failure.code, "detail": error.detail, **self.facts()}
        if not may_retry(failure, seen, attempt.tries, self.resources.settings.worker_max_tries):
            failed = await self.resources.ledger.fail(attempt, failure.code, failure.message)
            ATTEMPTS_ENDED.labels("failed", failure.code).inc()
            write("generation_failed", stale=failed == "stale", **facts)
            return
        delay = retry_delay(error, seen, self.resources.settings)
        deferred = await self.resources.ledger.defer(attempt, delay, failure.code, count_try=failure.counts_try)
        ATTEMPTS_ENDED.labels("deferred", failure.code).inc()
        write("generation_deferred", delay_seconds=round(delay, 2), stale=deferred == "stale", **facts)
        if deferred == "deferred":
            raise Retry(defer=delay)

    async def hand_back(self) -> None:
        """Shutting down: anyone may take it now. Where this does not get through, the lease and the sweep will."""
        try:
            async with asyncio.timeout(_HAND_BACK_SECONDS):
                answer = await self.resources.ledger.defer(
                    self.attempt, 0, SHUTDOWN.code, count_try=SHUTDOWN.counts_try
                )
        except TimeoutError:
            log.warning("generation_hand_back_failed", **self.facts())
        else:
            log.info("generation_handed_back", stale=answer == "stale", **self.facts())

    def facts(self) -> dict[str, object]:
        """What every event of this attempt says."""
        return {
            "generation_id": self.attempt.id,
            "user_id": self.attempt.user_id,
            "tool_id": self.attempt.tool_id,
            "model": self.attempt.model,
            "fence": self.attempt.fence,
            "tries": self.attempt.tries,
            "timings_ms": self.timings_ms,
        }

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.timings_ms[step] = round((time.perf_counter() - began) * 1000, 1)
