"""The main paths of intake and worker through a transaction pooler: nothing is lost, charged twice or left behind."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import httpx
import pytest
from arq import ArqRedis

from deploy.local.pgbouncer import POOL_SIZE
from deploy.local.stack import Stack
from tests.support.accounts import Accounts
from tests.support.customers import Customer, signed_in
from tests.support.waiting import eventually

LEFT_IN_A_SESSION = """
    select 'prepared statement ' || name from pg_prepared_statements
    union all select 'cursor ' || name from pg_cursors where name <> ''
    union all select 'setting ' || name from pg_settings where source = 'session' and setting <> reset_val
    union all select 'listens to ' || name from pg_listening_channels() as name
    union all select 'advisory lock' from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()
    union all select 'temporary tables' where pg_my_temp_schema() <> 0
"""


@asynccontextmanager
async def working(stack: Stack, label: str) -> AsyncIterator[None]:
    worker = await stack.run("worker", label=f"worker-{label}")
    try:
        yield
    finally:
        await worker.stop()


@pytest.fixture
async def customers(stack: Stack) -> AsyncIterator[list[Customer]]:
    """More than the pooler has connections."""
    async with AsyncExitStack() as exits:
        yield [await exits.enter_async_context(signed_in(stack)) for _ in range(POOL_SIZE + 2)]


@pytest.fixture
async def customer(stack: Stack) -> AsyncIterator[Customer]:
    async with signed_in(stack) as customer:
        yield customer


async def test_requests_at_once_all_end_and_each_is_charged_once(
    stack: Stack, accounts: Accounts, customers: list[Customer]
) -> None:
    async with working(stack, "busy"), httpx.AsyncClient(base_url=stack.gemini_url or "", trust_env=False) as gemini:
        (await gemini.post("/local/script", json=[{"kind": "status", "status": 503, "times": 3}])).raise_for_status()
        paths = await asyncio.gather(*(customer.upload() for customer in customers))
        pairs = list(zip(customers, paths, strict=True))
        # Twice the same picture, which meets itself, and an analysis.
        answers = await asyncio.gather(
            *(customer.submit(path, wait=True) for customer, path in [*pairs, *pairs]),
            *(customer.analyse(path, wait=True) for customer, path in pairs),
        )
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["status"] for answer in answers} == {"succeeded"}
    for customer in customers:
        assert await accounts.ledger(customer.id, "capture") == [-1, -1]
        assert await accounts.held(customer.id) == 0
    assert await accounts.violations() == []


async def test_what_redis_lost_is_put_back(stack: Stack, accounts: Accounts, customers: list[Customer]) -> None:
    requests = [(customer, await customer.upload()) for customer in customers]
    assert {(await customer.submit(path)).status_code for customer, path in requests} == {202}
    async with ArqRedis.from_url(stack.redis_url) as queue:
        await queue.flushall()
    async with working(stack, "sweeping"):
        bodies = await asyncio.gather(*(customer.finished(path) for customer, path in requests))
    assert {body["status"] for body in bodies} == {"succeeded"}
    assert await accounts.violations() == []


async def test_every_other_call_of_the_intake_is_answered(stack: Stack, accounts: Accounts, customer: Customer) -> None:
    path = await customer.upload()
    waiting = (await customer.submit(path)).json()["id"]
    assert (await customer.intake.post(f"/v1/generations/{waiting}/cancel")).status_code == 200
    async with working(stack, "answering"):
        done = (await customer.finished(path))["id"]
    page = (await customer.intake.get("/v1/generations")).json()
    assert [body["id"] for body in page["generations"]] == [done, waiting]
    assert (await customer.intake.get(f"/v1/generations/{done}")).json()["status"] == "succeeded"
    assert (await customer.intake.delete(f"/v1/generations/{done}")).status_code == 204
    assert (await customer.intake.get(f"/v1/generations/{done}")).status_code == 404
    assert await accounts.violations() == []


async def test_postgres_may_restart_behind_the_pooler(stack: Stack, accounts: Accounts, customer: Customer) -> None:
    assert stack.postgres is not None
    path = await customer.upload()
    async with working(stack, "patient"):
        await stack.postgres.stop()
        assert (await customer.submit(path)).status_code == 503
        await stack.postgres.start()

        async def ready() -> bool:
            return (await customer.intake.get("/readyz")).status_code == 200

        await eventually(ready)
        assert (await customer.finished(path))["status"] == "succeeded"
    assert await accounts.violations() == []


async def test_nothing_is_left_in_any_session(stack: Stack, customers: list[Customer]) -> None:
    async with working(stack, "tidy"):
        requests = [(customer, await customer.upload()) for customer in customers]
        await asyncio.gather(*(customer.finished(path) for customer, path in requests))
    assert await left_in_sessions(stack, "sparky_intake") == [[]] * POOL_SIZE
    assert await left_in_sessions(stack, "sparky_worker") == [[]] * POOL_SIZE


async def left_in_sessions(stack: Stack, role: str) -> list[list[str]]:
    """What each of the pooler's connections to the server has kept of those who used it."""
    found: dict[int, list[str]] = {}
    async with AsyncExitStack() as exits:
        for _ in range(POOL_SIZE):
            connection = await asyncpg.connect(stack.database_url(role), statement_cache_size=0)
            exits.push_async_callback(connection.close)
            await exits.enter_async_context(connection.transaction())
            left = [row[0] for row in await connection.fetch(LEFT_IN_A_SESSION)]
            found[await connection.fetchval("select pg_backend_pid()")] = left
    return list(found.values())
