"""`LeasedWorker`: arq's worker from start to stop; claiming and winding down."""

import asyncio
import inspect
import os
import secrets
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from signal import Signals
from typing import Any, Final

import arq.worker
import structlog
from arq.constants import abort_job_max_age, abort_jobs_ss
from arq.typing import WorkerCoroutine
from arq.utils import timestamp_ms
from arq.worker import Function, Worker

from worker.leasing.execution import Running, execute
from worker.leasing.finisher import Finisher
from worker.leasing.leases import Claimed, Finish, Leases
from worker.leasing.renewals import Leasing, Renewals
from worker.outage import REDIS_AWAY, Outage
from worker.tasks import end

CLAIM_BATCH: Final = 64  # so that one worker does not take what others would start sooner
STARTS_PER_TURN: Final = 8  # so that a large claim does not hold up the event loop
STOP_SECONDS: Final = 6.0  # for cancelled jobs to hand themselves back, and once more for the last commits

log = structlog.get_logger()


class LeasedWorker(Worker):
    """Takes arq's own options, and `leasing`.

    Guarantees: a job is lost by no crash; it runs again within one lease of its worker's death; a worker that lost
    a lease changes nothing in the queue any more; Redis being away is waited out. `job_completion_wait` is the grace
    period after SIGTERM; what still runs then is cancelled and due at once, without counting a try. `poll_delay` is the
    longest wait between two looks at the queue, a net under the wake-ups. `queue_read_limit` means nothing here.
    `ctx["worker_id"]` names this run.
    """

    def __init__(
        self, functions: Sequence[Function | WorkerCoroutine] = (), *, leasing: Leasing, **options: Any
    ) -> None:
        super().__init__(functions, **options)
        self.leasing = leasing
        self.running: dict[str, Running] = {}
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()
        self._began = False
        self._grace = 0.0
        self._hooks: set[asyncio.Task[None]] = set()

    async def main(self) -> None:
        """Work until a signal, or in burst mode until the queue is empty."""
        self._stopping.clear()
        self._began, self._grace = False, 0.0
        if self._pool is None:
            self._pool = self.leasing.open_pool()
        worker_id = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self.ctx |= {"redis": self.pool, "worker_id": worker_id}
        if self.on_startup:
            await self.on_startup(self.ctx)
        await self._first_beat()
        self._leases = Leases(self.pool, self.queue_name, worker_id, self.leasing.lease_seconds)
        self._finisher = Finisher(self._leases, self.leasing.checkpoint)
        renewals = Renewals(self._leases, self.leasing, self.ctx, self.running)
        self._began = True
        log.info("worker_started", worker=worker_id, functions=list(self.functions), slots=self.max_jobs)
        async with asyncio.TaskGroup() as group:
            background = [group.create_task(work) for work in (self._finisher.run(), renewals.run(), self._tick())]
            try:
                await self._claim_until_stopped()
            finally:
                await self._wind_down()
                await end(background)
        log.info("worker_stopped", worker=worker_id, complete=self.jobs_complete, failed=self.jobs_failed)

    async def _first_beat(self) -> None:
        outage = Outage("heartbeat")
        while self.leasing.beat:
            try:
                return await self.leasing.beat(self.ctx, 0)
            except Exception as error:  # whatever the other service raises is waited out
                outage.failed(error)
                await outage.pause()
        return None

    async def _claim_until_stopped(self) -> None:
        outage = Outage("claim")
        while not self._stopping.is_set():
            if self.burst and 0 <= self.max_burst_jobs <= self._jobs_started():
                return await self._until_idle()
            slots = min(self.max_jobs - len(self.running), CLAIM_BATCH)
            if self.burst and self.max_burst_jobs >= 0:
                slots = min(slots, self.max_burst_jobs - self._jobs_started())
            if slots < 1:
                self._changed.clear()
                await self._changed.wait()
                continue
            try:
                claim = await self._leases.claim(slots)
                for key in claim.dropped:
                    log.warning("job_dropped", job_id=key.decode(errors="backslashreplace"), reason="payload_missing")
                if claim.jobs:
                    await self.leasing.checkpoint("after_claim")
                    await self._start(claim.jobs)
                if self.burst and claim.queued == 0:
                    return None
                if claim.next_due is None or claim.next_due > 0:
                    await self._leases.wait_for_work(min(claim.next_due or self.poll_delay_s, self.poll_delay_s))
            except REDIS_AWAY as error:
                outage.failed(error)
                await outage.pause()
            else:
                outage.over()
        return None

    async def _until_idle(self) -> None:
        if self.tasks:
            await asyncio.wait(self.tasks.values())

    async def _start(self, jobs: list[Claimed]) -> None:
        for number, job in enumerate(jobs, start=1):
            if self._stopping.is_set():
                self._finisher.add(Finish(job, again_ms=0, counts_try=False))
                continue
            running = Running(job)
            running.task = self.loop.create_task(execute(self, running))
            running.task.add_done_callback(partial(self._ended, running))
            self.running[job.token] = running
            self.tasks[job.token] = running.task
            if number % STARTS_PER_TURN == 0:
                await asyncio.sleep(0)

    def _ended(self, running: Running, task: "asyncio.Task[Finish | None]") -> None:
        job = running.job
        del self.running[job.token], self.tasks[job.token]
        self._changed.set()
        if task.cancelled():  # before it took its first step
            finish = None if running.lost else Finish(job, again_ms=0, counts_try=False)
        elif error := task.exception():
            log.error("job_crashed", job_id=job.job_id, exc_info=error)  # due again when its lease ends
            return
        else:
            finish = task.result()
        if finish is not None:
            if self.after_job_end:
                finish = replace(finish, committed=asyncio.Event())
                hook = self.loop.create_task(self._after(running, finish))
                self._hooks.add(hook)
                hook.add_done_callback(self._hooks.discard)
            self._finisher.add(finish)

    async def _after(self, running: Running, finish: Finish) -> None:
        if finish.committed and self.after_job_end:
            await finish.committed.wait()
            try:
                await self.after_job_end(running.context)
            except Exception:
                log.exception("job_hook_failed", job_id=finish.job.job_id, hook="after_job_end")

    async def _tick(self) -> None:
        """arq's own upkeep: the health key, cron jobs, aborts."""
        outage = Outage("upkeep")
        while True:
            try:
                await self.heart_beat()
                if self.allow_abort_jobs:
                    await self._cancel_aborted_jobs()
                outage.over()
            except REDIS_AWAY as error:
                outage.failed(error)
                await outage.pause()
            await asyncio.sleep(self.poll_delay_s)

    async def _cancel_aborted_jobs(self) -> None:
        """Cancel what producers asked to abort. A request for a job that is not there is forgotten after a minute."""
        await self.pool.zremrangebyscore(abort_jobs_ss, "-inf", timestamp_ms() - abort_job_max_age * 1000)
        asked = set(await self.pool.zrange(abort_jobs_ss, 0, -1))
        for running in list(self.running.values()):
            if running.job.key in asked:
                running.aborted = True
                running.cancel()
                await self.pool.zrem(abort_jobs_ss, running.job.key)

    def handle_sig(self, signum: Signals) -> None:
        """Stop claiming and let running jobs end within the grace period; a second signal ends it at once."""
        hurry = self._stopping.is_set() or signum == Signals.SIGUSR1
        log.info("worker_stopping", signal=Signals(signum).name, running=len(self.running), hurry=hurry)
        self._grace = 0 if hurry else self._job_completion_wait
        self.allow_pick_jobs = False
        self._stopping.set()
        self._changed.set()
        if hurry:
            self._hand_back()
        if not self._began and self.main_task:
            self.main_task.cancel()
        if self.on_stop:
            self.on_stop(signum)

    handle_sig_wait_for_completion = handle_sig

    def _hand_back(self) -> None:
        for running in list(self.running.values()):
            running.handed_back = True
            running.cancel()

    async def _wind_down(self) -> None:
        if self.tasks:
            await asyncio.wait(self.tasks.values(), timeout=self._grace)
        self._hand_back()
        if self.tasks:
            await asyncio.wait(self.tasks.values(), timeout=STOP_SECONDS)
        await self._finisher.drain(STOP_SECONDS)
        if self._hooks:
            await asyncio.wait(self._hooks, timeout=STOP_SECONDS)

    async def close(self) -> None:
        """Wait for the work to wind down and release what startup opened; Redis may be away."""
        if not self._handle_signals:
            self.handle_sig(Signals.SIGUSR1)
        if self._pool is None:
            return
        if self.main_task and not self.main_task.done():
            await asyncio.wait([self.main_task])
        with suppress(*REDIS_AWAY):
            await self.pool.delete(self.health_check_key)
        if self.on_shutdown:
            await self.on_shutdown(self.ctx)
        await self.pool.aclose(close_connection_pool=True)
        self._pool = None

    # arq's command line passes on only the options that it finds in the signature.
    __signature__ = inspect.Signature(
        [
            *(p for p in inspect.signature(Worker).parameters.values()),
            inspect.Parameter("leasing", inspect.Parameter.KEYWORD_ONLY),
        ]
    )


def install() -> None:
    """Put `LeasedWorker` where arq's command line looks for its worker; to be called by the settings module."""
    arq.worker.Worker = LeasedWorker  # type: ignore[assignment, misc]
