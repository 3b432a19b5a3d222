"""The Redis side of leasing: claim, renew and finish, each one script and one round trip for any number of jobs."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from arq import ArqRedis
from arq.constants import abort_jobs_ss

from schemas.queue import IDLE_SUFFIX, LANE_SUFFIXES, lane_keys
from schemas.scripts import Argument, Script

# Turns of the lanes while all of them have due work, 40 in all. Every fifth is free, so that free users still move
# whatever is paid for; bulk has the last, out of the paid lane's share, and otherwise what the others leave.
_ROUND: Final = ("paid", "paid", "paid", "paid", "free")
LANE_TURNS: Final = (*_ROUND * 7, "paid", "paid", "paid", "free", "bulk")

# An idle worker that comes late is still handed jobs; a dead one no longer.
IDLE_MARGIN_SECONDS: Final = 1.0

_CYCLE: Final = tuple(list(LANE_SUFFIXES).index(lane) + 1 for lane in LANE_TURNS)
_CLAIM: Final = Script("worker.leasing", "claim")
_RENEW: Final = Script("worker.leasing", "renew")
_FINISH: Final = Script("worker.leasing", "finish")


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job that this worker holds until its lease ends. `token` is unique to this claim and fences it."""

    key: bytes
    lane: int
    token: str
    tries: int
    score: int
    payload: bytes
    aborted: bool

    @property
    def job_id(self) -> str:
        """The id as arq's callers know it; rubbish bytes are escaped."""
        return self.key.decode(errors="backslashreplace")


@dataclass(frozen=True, slots=True)
class Claim:
    """What one claim brought. `next_due` is in seconds, None when nothing waits; `queued` counts running jobs too.

    `idle`: from now on a job may be handed to this worker, which should wait for it.
    """

    jobs: list[Claimed]
    dropped: list[bytes]
    next_due: float | None
    queued: int
    idle: bool


@dataclass(frozen=True, slots=True)
class Renewal:
    """Tokens of jobs that could not be renewed: `lost` to another worker, or `gone` from Redis."""

    lost: set[str]
    gone: set[str]


@dataclass(frozen=True, slots=True)
class Finish:
    """How a claimed job ended: done, or (`again_ms` set) to be run again after that time."""

    job: Claimed
    again_ms: int | None = None
    counts_try: bool = True
    result: bytes | None = None
    result_ms: int = 0
    blocked_ms: int = 0
    committed: asyncio.Event | None = None


class Leases:
    """Calls raise `redis.RedisError` or `OSError` when Redis is away; a claim whose answer is lost costs one lease."""

    def __init__(self, redis: ArqRedis, queue_name: str, worker_id: str, lease_seconds: float) -> None:
        self._redis = redis
        self._idle_list = queue_name + IDLE_SUFFIX
        self._lanes = lane_keys(queue_name)
        self._worker_id = worker_id
        self._inbox = f"{self._idle_list}:inbox:{worker_id}"
        self._lease_ms = int(lease_seconds * 1000)
        self._serial = 0
        self._turn = 0
        self._maybe_idle = False

    async def claim(self, slots: int, idle_seconds: float = 0) -> Claim:
        """Take up to `slots` due jobs, and become idle for so long if that leaves a slot free and nothing due.

        Until then the worker is idle no more: what was handed to it meanwhile is among the jobs, and counts.
        """
        serial, was_idle = self._serial, self._maybe_idle
        # Before the call, whatever becomes of the answer: a token is never used twice, an inbox never forgotten.
        self._serial += slots + 1
        self._maybe_idle = was_idle or idle_seconds > 0
        idle_ms = int((idle_seconds + IDLE_MARGIN_SECONDS) * 1000) if idle_seconds else 0
        wait, queued, dropped, taken, inbox, idle = await _CLAIM(
            self._redis,
            [self._idle_list, abort_jobs_ss, *self._lanes],
            [slots, self._lease_ms, self._worker_id, serial, self._turn, int(was_idle), idle_ms, *_CYCLE],
        )
        self._maybe_idle = bool(idle)
        self._turn = (self._turn + len(taken)) % len(_CYCLE)
        jobs = [
            Claimed(key, lane, token.decode(), tries, int(float(score)), payload, bool(aborted))
            for key, lane, token, tries, score, payload, aborted in taken
        ]
        jobs += [_handed(message) for message in inbox if message]
        return Claim(jobs, dropped, None if wait < 0 else wait / 1000, queued, bool(idle))

    async def renew(self, jobs: Iterable[Claimed], *, retake: bool = False) -> Renewal:
        """Extend the leases; with `retake` also those that nobody holds any more."""
        arguments: list[Argument] = [self._lease_ms, int(retake)]
        for job in jobs:
            arguments += [job.key, job.lane, job.token]
        lost, gone = await _RENEW(self._redis, self._lanes, arguments)
        return Renewal({token.decode() for token in lost}, {token.decode() for token in gone})

    async def finish(self, finishes: Sequence[Finish]) -> set[str]:
        """End jobs; answers the tokens that were no longer valid, whose jobs were left as they are."""
        arguments: list[Argument] = []
        for finish in finishes:
            job = finish.job
            again = -1 if finish.again_ms is None else finish.again_ms
            arguments += [job.key, job.lane, job.token, job.payload, again, int(not finish.counts_try)]
            arguments += [finish.result or b"", finish.result_ms, finish.blocked_ms]
        stale = await _FINISH(self._redis, [self._idle_list, abort_jobs_ss, *self._lanes], arguments)
        return {token.decode() for token in stale}

    async def wait_for_job(self, seconds: float) -> Claimed | None:
        """While idle: the job that an enqueue hands over, None when there is reason to claim; at most `seconds`."""
        timeout = max(seconds, 0.001)  # 0 would wait for ever
        answer = await self._redis.execute_command("BLPOP", self._inbox, timeout)  # type: ignore[no-untyped-call]
        if answer is None:
            return None
        self._maybe_idle = False
        return _handed(answer[1]) if answer[1] else None


def _handed(message: bytes) -> Claimed:
    """A job as the enqueue script hands it over; it is the first try."""
    token, lane, score, length, rest = message.split(b" ", 4)
    end = int(length)
    return Claimed(rest[:end], int(lane), token.decode(), 1, int(score), rest[end:], aborted=False)
