"""A picture that arrives when nobody waits for it any more is removed, and one that somebody waits for never is."""

from uuid import UUID

import pytest

from tests.support.accounts import Accounts


async def upload(accounts: Accounts, name: str) -> None:
    """What an attempt that was frozen until now does first when it wakes."""
    await accounts.database.execute("insert into storage.objects (bucket_id, name) values ('generations', $1)", name)


async def object_name(accounts: Accounts, generation: UUID) -> str:
    return str((await accounts.generation(generation))["object_name"])


async def removals_done(accounts: Accounts) -> set[str]:
    """Carries out every removal that is planned, at once; answers the names in the bucket generations."""
    await accounts.database.execute("update sparky.object_removals set due_at = now()")
    done: set[str] = set()
    while page := await accounts.database.fetch("select * from sparky.due_removals(1000)"):
        done |= {row["object_name"] for row in page if row["bucket"] == "generations"}
        await accounts.database.execute("select sparky.removed_objects($1)", [row["id"] for row in page])
    return done


async def failed(accounts: Accounts, user: UUID, generation: UUID, fence: int) -> None:
    await accounts.fail(generation, fence)


async def retried(accounts: Accounts, user: UUID, generation: UUID, fence: int) -> None:
    await accounts.fail(generation, fence)
    assert await accounts.database.fetchval("select sparky.retry_generation($1)", generation) == "queued"


async def retried_and_settled(accounts: Accounts, user: UUID, generation: UUID, fence: int) -> None:
    await retried(accounts, user, generation, fence)
    attempt = await accounts.start(generation)
    assert attempt is not None
    await accounts.settle(generation, attempt["fence"])


async def cancelled(accounts: Accounts, user: UUID, generation: UUID, fence: int) -> None:
    await accounts.defer(generation, fence)
    assert await accounts.cancel(generation, user) == "canceled"


async def deleted(accounts: Accounts, user: UUID, generation: UUID, fence: int) -> None:
    await accounts.fail(generation, fence)
    await accounts.database.fetch("select sparky.delete_generation($1, $2)", generation, user)


async def settled_and_deleted(accounts: Accounts, user: UUID, generation: UUID, fence: int) -> None:
    attempt = await accounts.start(generation)
    assert attempt is not None
    await accounts.database.execute("select sparky.settle_generation($1, $2)", generation, attempt["fence"])
    await accounts.database.fetch("select sparky.delete_generation($1, $2)", generation, user)


@pytest.mark.parametrize("ending", [failed, retried, retried_and_settled, cancelled, deleted, settled_and_deleted])
async def test_an_upload_after_the_end_is_removed(accounts: Accounts, ending: object) -> None:
    user = await accounts.user()
    generation, fence = await accounts.started(user)
    name = await object_name(accounts, generation)
    await ending(accounts, user, generation, fence)  # type: ignore[operator]
    await removals_done(accounts)
    await upload(accounts, name)
    assert name in await removals_done(accounts)
    assert await accounts.violations() == []


@pytest.mark.parametrize("ending", [failed, retried, cancelled, deleted])
async def test_an_upload_before_the_end_is_removed(accounts: Accounts, ending: object) -> None:
    user = await accounts.user()
    generation, fence = await accounts.started(user)
    name = await object_name(accounts, generation)
    await upload(accounts, name)
    await ending(accounts, user, generation, fence)  # type: ignore[operator]
    assert name in await removals_done(accounts)


async def test_what_a_later_attempt_may_adopt_is_kept(accounts: Accounts) -> None:
    user = await accounts.user()
    generation, fence = await accounts.started(user)
    name = await object_name(accounts, generation)
    await accounts.defer(generation, fence)
    await upload(accounts, name)
    assert name not in await removals_done(accounts)
    attempt = await accounts.start(generation)
    assert attempt is not None
    answer = await accounts.database.fetchval("select sparky.settle_generation($1, $2)", generation, attempt["fence"])
    assert answer == "settled"
    assert name not in await removals_done(accounts)
    assert await accounts.violations() == []


async def test_only_names_of_results_are_looked_at(accounts: Accounts) -> None:
    user = await accounts.user()
    for name in ("welcome/banner.png", f"{user}/banner.png"):
        await upload(accounts, name)
    await accounts.photo(user)
    assert {name for name in await removals_done(accounts) if name.endswith((".png", ".jpg"))} == set()


async def test_an_upload_never_fails_because_of_us(accounts: Accounts) -> None:
    user = await accounts.user()
    generation, _ = await accounts.started(user)
    name = await object_name(accounts, generation)
    async with accounts.database.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("alter table public.generations rename column object_name to object_name_gone")
        await connection.execute("insert into storage.objects (bucket_id, name) values ('generations', $1)", name)
        stored = await connection.fetchval("select count(*) from storage.objects where name = $1", name)
        await transaction.rollback()
    assert stored == 1
