"""Two calls about one generation at once: the first is held open in its transaction while the second begins.

Whichever takes the user's row first decides, and the other answers as if it had come after it.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, cast
from uuid import UUID

import asyncpg
import pytest

from schemas.database import Connection, Database, prepare_connection
from tests.integration.sql.conftest import Server
from tests.support.accounts import Accounts


@dataclass(frozen=True)
class Case:
    """A generation with its user, photo and the fence of its latest attempt, seen over one connection."""

    accounts: Accounts
    user: UUID
    path: str
    generation: UUID
    fence: int = 0


Call = Callable[[Case], Awaitable[Any]]


async def submit(case: Case) -> str:
    return str((await case.accounts.submit(case.user, case.path))["outcome"])


async def submit_another(case: Case) -> str:
    return str((await case.accounts.submit(case.user, case.path, parameters={"age": 41}))["outcome"])


async def start(case: Case) -> str:
    return "started" if await case.accounts.start(case.generation) else "nothing"


async def settle(case: Case) -> str:
    return await case.accounts.settle(case.generation, case.fence)


async def fail(case: Case) -> str:
    return await case.accounts.fail(case.generation, case.fence)


async def defer(case: Case) -> str:
    return await case.accounts.defer(case.generation, case.fence)


async def cancel(case: Case) -> str:
    return await case.accounts.cancel(case.generation, case.user)


async def delete(case: Case) -> str:
    statement = "select outcome from sparky.delete_generation($1, $2)"
    return str(await case.accounts.database.fetchval(statement, case.generation, case.user))


async def retry(case: Case) -> str:
    return str(await case.accounts.database.fetchval("select sparky.retry_generation($1)", case.generation))


async def expire(case: Case) -> str:
    await case.accounts.database.execute("select sparky.expire_generations(interval '0')")
    return str((await case.accounts.generation(case.generation))["status"])


async def queued(accounts: Accounts, balance: int | None = None) -> Case:
    user = await accounts.user(plan=3, balance=balance)
    path = await accounts.photo(user)
    return Case(accounts, user, path, (await accounts.submit(user, path))["id"])


async def running(accounts: Accounts) -> Case:
    case = await queued(accounts)
    await start(case)
    return replace(case, fence=1)


async def failed(accounts: Accounts) -> Case:
    case = await running(accounts)
    await fail(case)
    return case


async def succeeded(accounts: Accounts) -> Case:
    case = await running(accounts)
    await settle(case)
    return case


async def waits_or_ends(accounts: Accounts, connection: Connection, call: "asyncio.Task[Any]") -> None:
    """Until the call is stopped by a lock, or over."""
    pid = connection.get_server_pid()
    stopped = "select wait_event_type = 'Lock' from pg_catalog.pg_stat_activity where pid = $1"
    while not call.done() and not await accounts.database.fetchval(stopped, pid):
        await asyncio.wait({call}, timeout=0.005)


async def overlapping(accounts: Accounts, case: Case, first: Call, second: Call) -> tuple[str, str]:
    """The answers of two calls, of which the second begins before the first commits."""

    def over(connection: Any) -> Case:
        return replace(case, accounts=Accounts(cast(Database, connection)))

    async with accounts.database.acquire() as one, accounts.database.acquire() as two:
        async with one.transaction():
            earlier = await first(over(one))
            call = asyncio.ensure_future(second(over(two)))
            await waits_or_ends(accounts, cast(Connection, two), call)
        return earlier, await call


RACES: list[tuple[Callable[[Accounts], Awaitable[Case]], Call, Call, tuple[str, str]]] = [
    (queued, cancel, start, ("canceled", "nothing")),
    (queued, start, cancel, ("started", "not_cancelable")),
    (queued, start, expire, ("started", "queued")),
    (queued, expire, start, ("failed", "nothing")),
    (queued, cancel, cancel, ("canceled", "not_cancelable")),
    (queued, cancel, submit, ("canceled", "queued")),
    (queued, submit_another, submit_another, ("queued", "in_flight")),
    (queued, cancel, delete, ("canceled", "deleted")),
    (running, settle, fail, ("settled", "stale")),
    (running, fail, settle, ("failed", "stale")),
    (running, settle, settle, ("settled", "already_settled")),
    (running, fail, fail, ("failed", "already_failed")),
    (running, defer, settle, ("deferred", "stale")),
    (running, settle, defer, ("settled", "stale")),
    (running, start, settle, ("started", "stale")),
    (running, settle, start, ("settled", "nothing")),
    (running, settle, submit, ("settled", "cached")),
    (running, fail, submit, ("failed", "queued")),
    (running, fail, retry, ("failed", "queued")),
    (running, settle, delete, ("settled", "deleted")),
    (running, defer, cancel, ("deferred", "canceled")),
    (failed, retry, submit, ("queued", "in_flight")),
    (failed, submit, retry, ("queued", "superseded")),
    (failed, retry, retry, ("queued", "not_failed")),
    (failed, retry, start, ("queued", "started")),
    (failed, retry, delete, ("queued", "not_finished")),
    (failed, delete, retry, ("deleted", "not_found")),
    (succeeded, delete, submit, ("deleted", "queued")),
    (succeeded, submit, delete, ("cached", "deleted")),
    (succeeded, delete, settle, ("deleted", "stale")),
    (succeeded, delete, delete, ("deleted", "not_found")),
]


@pytest.mark.parametrize(
    ("state", "first", "second", "answers"),
    [pytest.param(*race, id="-".join(part.__name__ for part in race[:3])) for race in RACES],
)
async def test_the_second_of_two_calls_answers_as_if_it_came_later(
    accounts: Accounts,
    state: Callable[[Accounts], Awaitable[Case]],
    first: Call,
    second: Call,
    answers: tuple[str, str],
) -> None:
    case = await state(accounts)
    assert await overlapping(accounts, case, first, second) == answers
    assert await accounts.violations() == []


async def test_two_submissions_at_once_share_the_last_credit_in_no_way(accounts: Accounts) -> None:
    user = await accounts.user(plan=3, balance=1)
    path = await accounts.photo(user)
    case = Case(accounts, user, path, UUID(int=0))
    assert await overlapping(accounts, case, submit, submit_another) == ("queued", "insufficient_credits")
    assert await accounts.violations() == []


async def test_two_submissions_at_once_grant_a_new_period_once(accounts: Accounts) -> None:
    user = await accounts.user()
    await accounts.database.execute(
        "update public.users set period_anchor = now() - interval '40 days' where id = $1", user
    )
    case = Case(accounts, user, await accounts.photo(user), UUID(int=0))
    assert await overlapping(accounts, case, submit, submit_another) == ("queued", "queued")
    assert await accounts.ledger(user, "grant") == [10, 10]
    assert await accounts.violations() == []


@pytest.mark.parametrize("call", [settle, fail, defer])
async def test_a_call_that_ran_out_of_time_has_changed_nothing_and_can_be_repeated(
    server: Server, accounts: Accounts, call: Call
) -> None:
    case = await running(accounts)
    before = await accounts.generation(case.generation)
    hurried = await asyncpg.connect(server.dsn("postgres"))
    await prepare_connection(hurried)
    await hurried.execute("set statement_timeout = '50ms'")
    async with accounts.database.acquire() as holding, holding.transaction():
        await holding.execute("select from public.users where id = $1 for update", case.user)
        with pytest.raises(asyncpg.QueryCanceledError):
            await call(replace(case, accounts=Accounts(cast(Database, hurried))))
    await hurried.close()
    assert await accounts.generation(case.generation) == before
    assert await call(case) in {"settled", "failed", "deferred"}
    assert await accounts.violations() == []


async def test_a_generation_that_was_retried_while_others_expire_is_left_alone(accounts: Accounts) -> None:
    ahead, case = await queued(accounts), await queued(accounts)
    await accounts.database.execute(
        "update public.generations"
        " set queued_at = now() - make_interval(hours => case id when $1 then 900 else 800 end)"
        " where id in ($1, $2)",
        ahead.generation,
        case.generation,
    )
    async with accounts.database.acquire() as holding, accounts.database.acquire() as sweeping:
        async with holding.transaction():
            # The sweep has seen both and is stopped at the first.
            await holding.execute("select from sparky.holds where generation_id = $1 for update", ahead.generation)
            sweep = asyncio.ensure_future(sweeping.execute("select sparky.expire_generations(interval '1 hour')"))
            await waits_or_ends(accounts, cast(Connection, sweeping), sweep)
            assert not sweep.done()
            await start(case)
            await fail(replace(case, fence=1))
            assert await retry(case) == "queued"
        await sweep
    assert (await accounts.generation(ahead.generation))["error_code"] == "expired"
    assert (await accounts.generation(case.generation))["status"] == "queued"
    assert await accounts.violations() == []


async def test_sweeps_that_run_at_once_hand_out_each_row_once(accounts: Accounts) -> None:
    users = [await accounts.user(plan=4) for _ in range(3)]
    for user in users:
        path = await accounts.photo(user)
        for number in range(40):
            await accounts.submit(user, path, parameters={"age": number})
    for _ in range(3):
        await accounts.database.execute(
            "update public.generations set next_sweep_at = now(), sweeps = 0 where user_id = any ($1)", users
        )
        pages = await asyncio.gather(
            *(accounts.database.fetch("select id from sparky.due_generations(15)") for _ in range(20))
        )
        times = Counter(row["id"] for page in pages for row in page)
        assert {row for row, number in times.items() if number > 1} == set()
