"""`LeasedWorker`: arq's worker from start to stop; claiming and winding down."""

import asyncio
import gc
import inspect
import os
import secrets
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from signal import Signals
from typing import Any, Final

import arq.worker
import structlog
from arq.typing import WorkerCoroutine
from arq.worker import Function, Worker

from worker.leasing.claiming import Claiming
from worker.leasing.execution import Running
from worker.leasing.finisher import Finisher
from worker.leasing.guard import StallGuard
from worker.leasing.leases import Claimed, Finish, Leases
from worker.leasing.renewals import Leasing, Renewals
from worker.leasing.upkeep import keep_up
from worker.outage import REDIS_AWAY, Outage
from worker.tasks import end

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
        self._claiming: Claiming | None = None
        self._stopping = False
        self._grace = 0.0
        self._hooks: set[asyncio.Task[None]] = set()

    async def main(self) -> None:
        """Work until a signal, or in burst mode until the queue is empty."""
        self._claiming, self._stopping, self._grace = None, False, 0.0
        if self._pool is None:
            self._pool = self.leasing.open_pool()
        worker_id = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self.ctx |= {"redis": self.pool, "worker_id": worker_id}
        if self.on_startup:
            await self.on_startup(self.ctx)
        await self._first_beat()
        self._leases = Leases(self.pool, self.queue_name, worker_id, self.leasing.lease_seconds)
        self._finisher = Finisher(self._leases, self.leasing.checkpoint)
        guard = StallGuard(self.queue_name, worker_id, self.leasing, self.running)
        renewals = Renewals(self._leases, self.leasing, self.ctx, self.running, guard.turned)
        self._claiming = claiming = Claiming(self, self._leases)
        if self._stopping:
            claiming.stop()
        log.info("worker_started", worker=worker_id, functions=list(self.functions), slots=self.max_jobs)
        async with asyncio.TaskGroup() as group:
            background = [group.create_task(work) for work in (self._finisher.run(), renewals.run(), keep_up(self))]
            guard.start()
            try:
                await claiming.run()
            finally:
                await self._wind_down(claiming)
                await end(background)
                await guard.stop()
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

    def give_back(self, job: Claimed) -> None:
        """Make a job that was never started due at once."""
        self._finisher.add(Finish(job, again_ms=0, counts_try=False))

    def ended(self, running: Running, task: "asyncio.Task[Finish | None]") -> None:
        """A job's task is done: free its slot and commit how it ended."""
        job = running.job
        del self.running[job.token], self.tasks[job.token]
        if self._claiming:
            self._claiming.slot_freed()
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

    def handle_sig(self, signum: Signals) -> None:
        """Stop claiming and let running jobs end within the grace period; a second signal ends it at once."""
        hurry = self._stopping or signum == Signals.SIGUSR1
        log.info("worker_stopping", signal=Signals(signum).name, running=len(self.running), hurry=hurry)
        self._grace = 0 if hurry else self._job_completion_wait
        self.allow_pick_jobs = False
        self._stopping = True
        if hurry:
            self._hand_back()
        if self._claiming:
            self._claiming.stop()
        elif self.main_task:
            self.main_task.cancel()
        if self.on_stop:
            self.on_stop(signum)

    handle_sig_wait_for_completion = handle_sig

    def _hand_back(self) -> None:
        for running in list(self.running.values()):
            running.handed_back = True
            running.cancel()

    async def _wind_down(self, claiming: Claiming) -> None:
        with suppress(*REDIS_AWAY):  # then the lease of what was handed over runs out
            await claiming.withdraw()
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
    """Put `LeasedWorker` where arq's command line looks for its worker; to be called by the settings module, last.

    What has been imported by then stays for good: the garbage collector is told, whose full collections would go
    through all of it and stop the event loop for so long.
    """
    gc.freeze()
    arq.worker.Worker = LeasedWorker  # type: ignore[assignment, misc]
