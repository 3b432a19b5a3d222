"""Staying alive in the eyes of others: the heartbeat and the leases of all running jobs, renewed together."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from arq import ArqRedis

from worker.checkpoints import Checkpoint, pass_through
from worker.leasing.execution import Running
from worker.leasing.leases import Leases
from worker.outage import REDIS_AWAY, Outage


@dataclass(frozen=True)
class Leasing:
    """How a worker leases. `beat(ctx, running)` comes before the first claim and before every renewal.

    `checkpoint` is told when jobs were claimed and when ended ones are about to be committed.
    """

    open_pool: Callable[[], ArqRedis]
    lease_seconds: float = 10
    renew_seconds: float = 3
    beat: Callable[[dict[Any, Any], int], Awaitable[None]] | None = None
    checkpoint: Checkpoint = pass_through


class Renewals:
    """Renews while jobs run; a job whose lease was lost is cancelled, because somebody else may be running it."""

    def __init__(
        self,
        leases: Leases,
        leasing: Leasing,
        context: dict[Any, Any],
        running: Mapping[str, Running],
        turned: Callable[[], None],
    ) -> None:
        self._leases = leases
        self._leasing = leasing
        self._context = context
        self._running = running
        self._turned = turned

    async def run(self) -> None:
        """Renew for ever; ended by cancelling it.

        The heartbeat comes first: when a lease has run out, so has the heartbeat, and whoever takes the job next is
        not told that it still runs. Without a heartbeat the leases are renewed all the same.
        """
        heartbeat, renewal = Outage("heartbeat"), Outage("renewal")
        alive_at, stalled = time.monotonic(), False
        while True:
            await asyncio.sleep(self._leasing.renew_seconds)
            began = time.monotonic()
            self._turned()
            stalled = stalled or began - alive_at >= self._leasing.lease_seconds
            try:
                if self._leasing.beat:
                    await self._leasing.beat(self._context, len(self._running))
                alive_at = began
                heartbeat.over()
            except Exception as error:  # whatever the other service raises
                heartbeat.failed(error)
            try:
                await self._renew(retake=not stalled)
                stalled = False
                renewal.over()
            except REDIS_AWAY as error:
                renewal.failed(error)

    async def _renew(self, *, retake: bool) -> None:
        """`retake`: this worker was alive all along, so a lease that is gone was lost by Redis and given to nobody."""
        answer = await self._leases.renew([running.job for running in self._running.values()])
        lost = answer.lost
        # Jobs that ended during the call are gone too; only those that still run matter.
        if gone := [running.job for token, running in self._running.items() if token in answer.gone]:
            lost |= (await self._leases.renew(gone, retake=True)).lost if retake else answer.gone
        for token in lost & self._running.keys():
            self._running[token].lost = True
            self._running[token].cancel()
