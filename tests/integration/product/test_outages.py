"""What happens to work when something under it dies."""

import asyncio
import signal
from collections.abc import AsyncIterator

import httpx
import pytest
from arq import ArqRedis

from deploy.local.portrait import jpeg, portrait
from deploy.local.stack import Stack
from tests.integration.product.conftest import QUICK
from tests.support.accounts import Accounts, open_accounts
from tests.support.customers import signed_in
from tests.support.stack import temporary_stack
from tests.support.waiting import eventually

ENTERPRISE = "update public.users set plan_id = 4 where id = $1"
OPEN = "select count(*) from public.generations where user_id = $1 and status in ('queued', 'processing')"
PATIENCE_SECONDS = 60


@pytest.fixture
async def own_stack() -> AsyncIterator[Stack]:
    """Everything but a worker, for tests that kill things; each starts the workers that it needs."""
    async with temporary_stack("intake", "gemini", environment=QUICK) as stack:
        yield stack


@pytest.fixture
async def own_accounts(own_stack: Stack) -> AsyncIterator[Accounts]:
    async with open_accounts(own_stack.database_url("postgres")) as accounts:
        yield accounts


async def test_a_photo_that_kills_its_worker_ends_in_attempts_exhausted(
    own_stack: Stack, own_accounts: Accounts
) -> None:
    async with signed_in(own_stack) as customer:
        path = await customer.upload()
        answer = asyncio.create_task(customer.submit(path, wait=True))
        for number in range(3):
            worker = await own_stack.run(
                "worker", label=f"worker-{number}", environment={"WORKER_CRASH_POINT": "after_download"}
            )
            assert await worker.finished(PATIENCE_SECONDS) == -signal.SIGKILL
        await own_stack.run("worker", label="worker-last")
        body = (await answer).json()
        assert (body["status"], body["error"]["code"]) == ("failed", "attempts_exhausted")
        assert await own_accounts.balance(customer.id) == 10
        assert await own_accounts.held(customer.id) == 0
        assert await own_accounts.violations() == []


async def test_two_hundred_queued_all_finish_after_redis_was_emptied(own_stack: Stack, own_accounts: Accounts) -> None:
    async with signed_in(own_stack) as customer:
        await own_accounts.database.execute(ENTERPRISE, customer.id)
        await own_accounts.database.execute(
            "update public.plans set max_in_flight = 200, daily_credits = 5000 where id = 4"
        )
        await own_accounts.database.execute(
            "select sparky.write_ledger($1, 'adjustment', 990, null, null, 'test')", customer.id
        )
        paths = [await customer.upload(content=jpeg(portrait(192, 256, seed))) for seed in range(4)]
        requests = [(path, {"age": age}) for path in paths for age in range(20, 70)]
        answers = await asyncio.gather(*(customer.submit(path, "age", parameters) for path, parameters in requests))
        assert {answer.status_code for answer in answers} == {202}
        async with ArqRedis.from_url(own_stack.redis_url) as queue:
            await queue.flushall()
        await own_stack.run("worker")
        last = await asyncio.gather(
            *(customer.submit(path, "age", parameters, wait=True) for path, parameters in requests)
        )
        assert {answer.json()["status"] for answer in last} == {"succeeded"}
        assert await own_accounts.ledger(customer.id, "capture") == [-1] * 200
        assert await own_accounts.database.fetchval(OPEN, customer.id) == 0
        assert await own_accounts.violations() == []


async def test_a_worker_told_to_stop_hands_its_work_back_without_using_a_try(
    own_stack: Stack, own_accounts: Accounts
) -> None:
    async with signed_in(own_stack) as customer:
        async with httpx.AsyncClient(base_url=own_stack.gemini_url or "", trust_env=False) as gemini:
            await gemini.post("/local/script", json=[{"kind": "hang", "times": 1}])
            path = await customer.upload()
            answer = asyncio.create_task(customer.submit(path, wait=True))
            worker = await own_stack.run("worker", environment={"WORKER_GRACE_SECONDS": "0"})

            async def called() -> bool:
                return bool((await gemini.get("/local/calls")).json()["calls"])

            await eventually(called)
            await worker.stop()
        await own_stack.run("worker", label="worker-next")
        body = (await answer).json()
        assert body["status"] == "succeeded"
        row = await own_accounts.database.fetchrow(
            "select fence, tries from public.generations where user_id = $1", customer.id
        )
        assert row is not None
        assert tuple(row) == (2, 1)
        assert await own_accounts.ledger(customer.id, "capture") == [-1]
