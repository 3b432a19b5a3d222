"""cancel, delete, retry, and reading one's own."""

import asyncio
from uuid import uuid4

from tests.support.accounts import Accounts


async def retry(accounts: Accounts, generation: object) -> str:
    return str(await accounts.database.fetchval("select sparky.retry_generation($1)", generation))


async def delete(accounts: Accounts, generation: object, user: object) -> str:
    return str(
        await accounts.database.fetchval("select outcome from sparky.delete_generation($1, $2)", generation, user)
    )


async def test_a_queued_generation_can_be_cancelled_and_costs_nothing(accounts: Accounts) -> None:
    user = await accounts.user()
    generation = (await accounts.submit(user))["id"]
    assert await accounts.cancel(generation, user) == "canceled"
    assert (await accounts.balance(user), await accounts.held(user)) == (10, 0)
    assert await accounts.notifications(user) == ["canceled"]
    assert await accounts.start(generation) is None
    assert await accounts.violations() == []


async def test_a_running_generation_cannot_be_cancelled(accounts: Accounts) -> None:
    user = await accounts.user()
    generation, _ = await accounts.started(user)
    assert await accounts.cancel(generation, user) == "not_cancelable"
    assert await accounts.held(user) == 1


async def test_nobody_cancels_or_deletes_another_users_generation(accounts: Accounts) -> None:
    user, other = await accounts.user(), await accounts.user()
    generation = (await accounts.submit(user))["id"]
    assert await accounts.cancel(generation, other) == "not_found"
    assert await delete(accounts, generation, other) == "not_found"
    assert (await accounts.generation(generation))["status"] == "queued"


async def test_a_cancelled_request_can_be_made_again(accounts: Accounts) -> None:
    user = await accounts.user()
    path = await accounts.photo(user)
    first = await accounts.submit(user, path)
    await accounts.cancel(first["id"], user)
    second = await accounts.submit(user, path)
    assert second["outcome"] == "queued"
    assert second["id"] != first["id"]


async def test_deleting_takes_row_cache_and_picture_and_leaves_the_ledger(accounts: Accounts) -> None:
    user = await accounts.user()
    path = await accounts.photo(user)
    generation = await accounts.succeeded(user, path=path)
    picture = (await accounts.generation(generation))["image_path"]
    assert await delete(accounts, generation, user) == "deleted"
    assert await delete(accounts, generation, user) == "not_found"
    removals = await accounts.database.fetch("select object_name from sparky.object_removals")
    assert picture in {row["object_name"] for row in removals}
    assert await accounts.ledger(user, "capture") == [-1]
    assert (await accounts.submit(user, path))["outcome"] == "queued"
    assert await accounts.violations() == []


async def test_open_work_cannot_be_deleted(accounts: Accounts) -> None:
    user = await accounts.user()
    generation = (await accounts.submit(user))["id"]
    assert await delete(accounts, generation, user) == "not_finished"


async def test_a_retry_takes_the_hold_again_and_a_new_object_name(accounts: Accounts) -> None:
    user = await accounts.user()
    generation, fence = await accounts.started(user)
    name = (await accounts.generation(generation))["object_name"]
    await accounts.fail(generation, fence)
    assert await retry(accounts, generation) == "queued"
    assert await accounts.held(user) == 1
    attempt = await accounts.start(generation)
    assert attempt is not None
    assert attempt["fence"] > fence
    assert attempt["object_name"] != name
    assert await accounts.settle(generation, attempt["fence"]) == "settled"
    assert await accounts.notifications(user) == ["failed", "succeeded"]
    assert await accounts.violations() == []


async def test_a_retry_is_refused_when_it_could_not_be_right(accounts: Accounts) -> None:
    user = await accounts.user(plan=3)
    path = await accounts.photo(user)
    generation, fence = await accounts.started(user, path=path)
    assert await retry(accounts, generation) == "not_failed"
    assert await retry(accounts, uuid4()) == "not_found"
    await accounts.fail(generation, fence)
    again = await accounts.submit(user, path)
    assert await retry(accounts, generation) == "superseded"
    await accounts.cancel(again["id"], user)
    await accounts.replace_photo(path)
    assert await retry(accounts, generation) == "source_gone"


async def test_a_retry_needs_the_credit(accounts: Accounts) -> None:
    user = await accounts.user(balance=1)
    generation, fence = await accounts.started(user)
    await accounts.fail(generation, fence)
    await accounts.submit(user)
    assert await retry(accounts, generation) == "insufficient_credits"


async def test_the_list_pages_through_ones_own_generations_newest_first(accounts: Accounts) -> None:
    user, other = await accounts.user(plan=3), await accounts.user()
    made = [(await accounts.submit(user))["id"] for _ in range(5)]
    await accounts.submit(other)
    listed = []
    before = None
    while page := await accounts.database.fetch("select id from sparky.list_generations($1, 2, $2)", user, before):
        listed += [row["id"] for row in page]
        before = listed[-1]
    assert listed == made[::-1]


async def test_a_generation_is_read_by_its_owner_only(accounts: Accounts) -> None:
    user, other = await accounts.user(), await accounts.user()
    generation = (await accounts.submit(user))["id"]
    read = "select status, queue_position, eta_seconds from sparky.get_generation($1, $2)"
    mine = await accounts.database.fetchrow(read, generation, user)
    assert mine is not None
    assert mine["status"] == "queued"
    assert mine["queue_position"] >= 0
    assert mine["eta_seconds"] > 0
    assert await accounts.database.fetchrow(read, generation, other) is None


async def test_waiters_are_told_what_is_over_or_gone(accounts: Accounts) -> None:
    user = await accounts.user()
    done = await accounts.succeeded(user)
    running, _ = await accounts.started(user)
    gone = uuid4()
    rows = await accounts.database.fetch("select * from sparky.finished_generations($1)", [done, running, gone])
    assert {row[0] for row in rows} == {done, gone}


async def test_two_functions_on_one_user_from_many_connections_never_deadlock(accounts: Accounts) -> None:
    user = await accounts.user(plan=4, balance=1000)
    path = await accounts.photo(user)

    async def life(number: int) -> None:
        parameters = {"age": 10 + number % 40}
        row = await accounts.submit(user, path, parameters=parameters)
        if row["id"] is None or row["outcome"] == "cached":
            return
        attempt, *_ = await asyncio.gather(
            accounts.start(row["id"], f"w-{number}"),
            accounts.cancel(row["id"], user),
            accounts.database.execute("select sparky.expire_generations(interval '1 hour')"),
            accounts.database.execute("select * from sparky.due_generations(10)"),
        )
        if attempt is not None:
            endings = (accounts.settle(row["id"], attempt["fence"]), accounts.fail(row["id"], attempt["fence"]))
            await asyncio.gather(*endings)

    await asyncio.gather(*(life(number) for number in range(60)))
    assert await accounts.violations() == []
