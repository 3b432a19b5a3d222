"""Whose request waits for how many others: requests submitted for real, taken by four slots. No clock is involved."""

from collections.abc import AsyncIterator
from statistics import median
from uuid import UUID

import pytest
from arq import ArqRedis

from schemas.queue import LANE_SUFFIXES, QueuedJob, deserialize, enqueue, open_queue
from tests.support.accounts import Accounts, open_accounts
from tests.support.stack import temporary_stack
from tests.support.valkey import queue_settings
from worker.leasing.leases import Finish, Leases

SLOTS = 4
FREE_USERS = 50
PRO, ENTERPRISE = 3, 4
ENTERPRISE_CAP = 50
ORDINARY_USERS = 10


class Crowd:
    """Users who submit, and one worker of four slots that does what it claims; `waits` has the round in which each
    Free user's request began."""

    def __init__(self, accounts: Accounts, queue: ArqRedis) -> None:
        self._accounts = accounts
        self._queue = queue
        self._worker = Leases(queue, "arq:queue", "worker", 10)
        self._owners: dict[str, UUID] = {}
        self._free: set[UUID] = set()
        self.waits: list[int] = []

    async def submit(self, user: UUID) -> None:
        row = await self._accounts.submit(user)
        assert row["outcome"] == "queued"
        self._owners[row["cache_key"]] = user
        await enqueue(self._queue, [QueuedJob(row["cache_key"], row["id"], None, row["lane"])])

    async def gather(self, paid_users: int, plan: int, in_flight_each: int) -> None:
        """Paying users submit all that they may, then fifty Free users one request each."""
        paying = [await self._accounts.user(plan, balance=1_000) for _ in range(paid_users)]
        for _ in range(in_flight_each):
            for user in paying:
                await self.submit(user)
        for _ in range(FREE_USERS):
            user = await self._accounts.user()
            self._free.add(user)
            await self.submit(user)

    async def work(self, *, paying_users_go_on: bool) -> None:
        """Until every Free user's request began; whoever pays may ask for the next as soon as one is done."""
        for number in range(1000):
            jobs = (await self._worker.claim(SLOTS)).jobs
            owners = [self._owners[job.job_id] for job in jobs]
            self.waits += [number for user in owners if user in self._free]
            if len(self.waits) == FREE_USERS:
                return
            for job in jobs:
                generation = UUID(deserialize(job.payload)["a"][0])
                attempt = await self._accounts.start(generation)
                assert attempt is not None
                await self._accounts.settle(generation, attempt["fence"])
            await self._worker.finish([Finish(job) for job in jobs])
            if paying_users_go_on:
                for user in owners:
                    if user not in self._free:
                        await self.submit(user)
        raise AssertionError("free users starve")


@pytest.fixture(scope="module")
async def services() -> AsyncIterator[tuple[Accounts, ArqRedis]]:
    async with (
        temporary_stack("postgres", "valkey") as stack,
        open_accounts(stack.database_url("postgres")) as accounts,
    ):
        await accounts.database.execute("update public.plans set daily_credits = 1000000")
        await accounts.database.execute("update sparky.operator_settings set upload_files = 1000000")
        queue = open_queue(queue_settings(stack.redis_url))
        yield accounts, queue
        await queue.aclose(close_connection_pool=True)


async def free_waits(
    services: tuple[Accounts, ArqRedis], paid_users: int, plan: int, in_flight_each: int, *, go_on: bool
) -> list[int]:
    accounts, queue = services
    await queue.flushall()
    await accounts.database.execute("select sparky.expire_generations('0 seconds', 1000)")
    crowd = Crowd(accounts, queue)
    await crowd.gather(paid_users, plan, in_flight_each)
    await crowd.work(paying_users_go_on=go_on)
    return crowd.waits


@pytest.mark.parametrize("go_on", [False, True], ids=["they submit once", "they always submit again"])
async def test_one_user_at_the_enterprise_cap_delays_free_users_no_more_than_ten_ordinary_ones(
    services: tuple[Accounts, ArqRedis], go_on: bool
) -> None:
    enterprise = await free_waits(services, 1, ENTERPRISE, ENTERPRISE_CAP, go_on=go_on)
    ordinary = await free_waits(services, ORDINARY_USERS, PRO, 1, go_on=go_on)

    assert median(enterprise) <= median(ordinary)


async def test_free_users_get_every_fifth_slot_whatever_is_paid_for(services: tuple[Accounts, ArqRedis]) -> None:
    waits = await free_waits(services, ORDINARY_USERS, PRO, 10, go_on=True)

    assert waits == [(number * 5 + 4) // SLOTS for number in range(FREE_USERS)]


async def test_what_goes_beyond_an_ordinary_plan_still_moves(services: tuple[Accounts, ArqRedis]) -> None:
    _, queue = services
    await queue.flushall()
    for lane in LANE_SUFFIXES:
        await enqueue(queue, [QueuedJob(f"{lane}-{number}", "generation", None, lane) for number in range(100)])

    taken = [job.job_id.split("-")[0] for job in (await Leases(queue, "arq:queue", "worker", 10).claim(80)).jobs]

    assert {lane: taken.count(lane) for lane in LANE_SUFFIXES} == {"paid": 62, "free": 16, "bulk": 2}
