"""Heartbeats, due work, expiry, removals: the net under the queue."""

from uuid import UUID

from tests.support.accounts import Accounts


async def due(accounts: Accounts) -> set[UUID]:
    found: set[UUID] = set()
    while page := await accounts.database.fetch("select id from sparky.due_generations(100)"):
        found |= {row["id"] for row in page}
    return found


async def make_due(accounts: Accounts, generation: UUID) -> None:
    await accounts.database.execute("update public.generations set next_sweep_at = now() where id = $1", generation)


async def test_a_queued_generation_that_was_lost_is_found_and_then_left_for_a_while(accounts: Accounts) -> None:
    generation = (await accounts.submit(await accounts.user()))["id"]
    assert generation not in await due(accounts)
    await make_due(accounts, generation)
    assert generation in await due(accounts)
    assert generation not in await due(accounts)


async def test_everything_open_is_due_once_more_after_redis_was_emptied(accounts: Accounts) -> None:
    user = await accounts.user()
    queued = (await accounts.submit(user))["id"]
    finished = await accounts.succeeded(user)
    await due(accounts)
    await accounts.database.execute("select sparky.reset_sweep()")
    found = await due(accounts)
    assert queued in found
    assert finished not in found
    assert queued not in await due(accounts)


async def test_work_of_a_dead_worker_is_due_and_of_a_live_one_is_not(accounts: Accounts) -> None:
    user = await accounts.user()
    await accounts.database.execute("select sparky.heartbeat('lively', interval '1 minute', 1, 1)")
    generation = (await accounts.submit(user))["id"]
    await accounts.start(generation, "lively")
    assert generation not in await due(accounts)
    await accounts.database.execute(
        "update sparky.workers set alive_until = now() - interval '1 second' where id = 'lively'"
    )
    assert generation in await due(accounts)


async def test_work_past_its_own_deadline_is_due_even_on_a_live_worker(accounts: Accounts) -> None:
    user = await accounts.user()
    await accounts.database.execute("select sparky.heartbeat('hanging', interval '1 minute', 1, 1)")
    generation = (await accounts.submit(user))["id"]
    await accounts.start(generation, "hanging")
    await accounts.database.execute(
        "update public.generations set deadline_at = now() - interval '1 second' where id = $1", generation
    )
    assert generation in await due(accounts)
    assert await accounts.start(generation, "other") is not None


async def test_a_deferred_generation_comes_back_with_its_due_time(accounts: Accounts) -> None:
    generation, fence = await accounts.started(await accounts.user())
    await accounts.defer(generation, fence, seconds=3600)
    assert generation not in await due(accounts)
    await accounts.database.execute("select sparky.reset_sweep()")
    rows = await accounts.database.fetch("select id, due_at > now() as later from sparky.due_generations(1000)")
    assert {row["id"]: row["later"] for row in rows}[generation] is True


async def test_a_request_that_waited_too_long_expires_and_costs_nothing(accounts: Accounts) -> None:
    user = await accounts.user()
    old, fresh = (await accounts.submit(user))["id"], (await accounts.submit(user))["id"]
    await accounts.database.execute(
        "update public.generations set queued_at = now() - interval '2 hours' where id = $1", old
    )
    await accounts.database.fetchval("select sparky.expire_generations(interval '1 hour')")
    row = await accounts.generation(old)
    assert (row["status"], row["error_code"]) == ("failed", "expired")
    assert (await accounts.generation(fresh))["status"] == "queued"
    assert await accounts.held(user) == 1
    assert await accounts.notifications(user) == ["failed"]
    assert await accounts.violations() == []


async def test_a_removal_is_handed_out_again_until_it_is_done_and_never_for_a_shown_picture(accounts: Accounts) -> None:
    user = await accounts.user()
    shown = (await accounts.generation(await accounts.succeeded(user)))["image_path"]
    for name in (shown, f"{user}/left-over"):
        await accounts.database.execute(
            "insert into sparky.object_removals (bucket, object_name) values ('generations', $1)", name
        )
    rows = {
        row["object_name"]: row["id"]
        for row in await accounts.database.fetch("select * from sparky.due_removals(1000)")
    }
    assert shown not in rows
    again = "update sparky.object_removals set due_at = now() where object_name = $1"
    await accounts.database.execute(again, f"{user}/left-over")
    rows = {
        row["object_name"]: row["id"]
        for row in await accounts.database.fetch("select * from sparky.due_removals(1000)")
    }
    await accounts.database.execute("select sparky.removed_objects($1)", [rows[f"{user}/left-over"]])
    await accounts.database.execute(again, f"{user}/left-over")
    names = {row["object_name"] for row in await accounts.database.fetch("select * from sparky.due_removals(1000)")}
    assert f"{user}/left-over" not in names
