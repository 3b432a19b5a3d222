"""Running one claimed job, and what follows from how it ended. Arguments and results are never logged."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from arq.constants import keep_cronjob_progress
from arq.cron import CronJob
from arq.utils import timestamp_ms
from arq.worker import JobExecutionFailed, Retry, RetryJob, Worker

from worker.leasing.calls import Call, RubbishError, read_call, stored_result
from worker.leasing.leases import Claimed, Finish

LEASE_LOST: Final = "lease_lost"

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class Running:
    """A job under way. At most one of the flags is set, just before its task is cancelled."""

    job: Claimed
    task: "asyncio.Task[Finish | None] | None" = None
    context: dict[Any, Any] = field(default_factory=dict)
    lost: bool = False
    handed_back: bool = False
    aborted: bool = False
    timed_out: bool = False

    def cancel(self) -> None:
        """End it; the job sees the message `lease_lost` when somebody else may be running it already."""
        if self.task is not None:
            self.task.cancel(LEASE_LOST if self.lost else None)

    def time_out(self) -> None:
        """Its time is over: to the job a cancellation, to whoever started it a TimeoutError."""
        if not (self.lost or self.handed_back or self.aborted):
            self.timed_out = True
            self.cancel()


async def execute(worker: Worker, running: Running) -> Finish | None:
    """Run the job to its end. None when its lease was lost: then the queue is somebody else's to change.

    Never raises for anything a job does: an error is final as in arq, `Retry`, `RetryJob` and a cancellation are not.
    """
    job = running.job
    try:
        call = read_call(job, worker.functions, worker.job_deserializer)
    except RubbishError as rubbish:
        worker.jobs_failed += 1
        log.warning("job_dropped", job_id=job.job_id, reason=rubbish.reason)
        return Finish(job)

    started_ms = timestamp_ms()
    try:
        outcome = await _run(worker, running, call)
    except (Exception, asyncio.CancelledError) as error:
        finish = _after_error(worker, running, call, error, started_ms)
    else:
        worker.jobs_complete += 1
        finish = None if running.lost else _done(worker, job, call, outcome, success=True, started_ms=started_ms)
    if worker.on_job_end:
        try:
            await worker.on_job_end(running.context)
        except Exception:
            log.exception("job_hook_failed", job_id=job.job_id, hook="on_job_end")
    return finish


async def _run(worker: Worker, running: Running, call: Call) -> Any:
    job, function = running.job, call.function
    if job.aborted and worker.allow_abort_jobs:
        running.aborted = True
        raise asyncio.CancelledError
    max_tries = worker.max_tries if function.max_tries is None else function.max_tries
    if call.tries > max_tries:
        raise JobExecutionFailed(f"max {max_tries} retries exceeded")
    running.context = {
        **worker.ctx,
        "job_id": job.job_id,
        "job_try": call.tries,
        "enqueue_time": call.enqueued_at,
        "score": job.score,
    }
    # A timer of our own: asyncio.timeout is a fifth of what it costs to start a job.
    seconds = worker.job_timeout_s if function.timeout_s is None else function.timeout_s
    timer = None if seconds is None else worker.loop.call_later(seconds, running.time_out)
    try:
        if worker.on_job_start:
            await worker.on_job_start(running.context)
        return await function.coroutine(running.context, *call.arguments, **call.keywords)
    except asyncio.CancelledError:
        if running.timed_out:
            raise TimeoutError from None
        raise
    finally:
        if timer is not None:
            timer.cancel()


def _after_error(worker: Worker, running: Running, call: Call, error: BaseException, started_ms: int) -> Finish | None:
    job = running.job
    if running.lost:
        log.warning("job_lease_lost", job_id=job.job_id)
        return None
    to_be_retried = isinstance(error, Retry | RetryJob | asyncio.CancelledError)
    if to_be_retried and worker.retry_jobs and not running.aborted:
        worker.jobs_retried += 1
        delay_ms = (error.defer_score or 0) if isinstance(error, Retry) else 0
        return Finish(job, again_ms=delay_ms, counts_try=not running.handed_back)
    worker.jobs_failed += 1
    log.error("job_failed", job_id=job.job_id, function=call.function.name, tries=call.tries, exc_info=error)
    return _done(worker, job, call, error, success=False, started_ms=started_ms)


def _done(worker: Worker, job: Claimed, call: Call, outcome: object, *, success: bool, started_ms: int) -> Finish:
    function = call.function
    forever = worker.keep_result_forever if function.keep_result_forever is None else function.keep_result_forever
    seconds = worker.keep_result_s if function.keep_result_s is None else function.keep_result_s
    result = None
    if forever or seconds > 0:
        result = stored_result(
            job,
            call,
            outcome,
            success=success,
            started_ms=started_ms,
            queue_name=worker.queue_name,
            serializer=worker.job_serializer,
        )
    # A cron job's id stays blocked for a while, for workers whose clock is behind and that still enqueue it.
    blocked = keep_cronjob_progress if isinstance(function, CronJob) else 0
    return Finish(job, result=result, result_ms=0 if forever else int(seconds * 1000), blocked_ms=int(blocked * 1000))
