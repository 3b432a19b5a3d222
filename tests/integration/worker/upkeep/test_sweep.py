"""The net under the queue: what Redis lost comes back, what waited too long ends, what nobody needs goes."""

from uuid import UUID

import pytest
from arq import ArqRedis
from arq.jobs import Job, JobStatus
from pydantic import SecretStr
from redis.exceptions import RedisError

from deploy.local.processes import free_port
from schemas.queue import open_queue
from tests.support.accounts import Accounts
from worker.resources import Resources
from worker.sweep import EPOCH, Sweep


@pytest.fixture
def sweep(resources: Resources, queue: ArqRedis) -> Sweep:
    return Sweep(resources, queue)


async def queued(accounts: Accounts) -> tuple[UUID, str]:
    """A submitted generation that nobody enqueued, and its cache key."""
    row = await accounts.submit(await accounts.user())
    return row["id"], row["cache_key"]


async def make_due(accounts: Accounts, generation: UUID) -> None:
    await accounts.database.execute("update public.generations set next_sweep_at = now() where id = $1", generation)


async def test_everything_open_is_enqueued_when_redis_was_emptied_and_only_then(
    sweep: Sweep, queue: ArqRedis, accounts: Accounts
) -> None:
    waiting = [await queued(accounts) for _ in range(5)]  # more than two pages

    await sweep.requeue()

    for _, cache_key in waiting:
        assert await Job(cache_key, queue).status() == JobStatus.queued
    await queue.delete("arq:queue")
    await sweep.requeue()
    assert not await queue.exists("arq:queue")


async def test_one_lost_job_is_found(sweep: Sweep, queue: ArqRedis, accounts: Accounts) -> None:
    await sweep.requeue()
    generation, cache_key = await queued(accounts)
    await make_due(accounts, generation)

    await sweep.requeue()

    info = await Job(cache_key, queue, _deserializer=queue.job_deserializer).info()
    assert info is not None
    assert (info.function, list(info.args)) == ("run_generation", [str(generation)])


async def test_a_generation_that_could_not_be_enqueued_stays_due(
    sweep: Sweep, queue: ArqRedis, accounts: Accounts
) -> None:
    await sweep.requeue()
    generation, cache_key = await queued(accounts)
    await make_due(accounts, generation)
    await queue.execute_command("CLIENT PAUSE", 5000, "WRITE")  # type: ignore[no-untyped-call]

    with pytest.raises((RedisError, OSError)):
        await sweep.requeue()

    await queue.execute_command("CLIENT UNPAUSE")  # type: ignore[no-untyped-call]
    await queue.delete("arq:queue")
    await sweep.requeue()
    assert await Job(cache_key, queue).status() == JobStatus.queued


async def test_a_request_that_waited_too_long_expires_and_costs_nothing(
    sweep: Sweep, accounts: Accounts, resources: Resources
) -> None:
    old = [await queued(accounts) for _ in range(3)]  # more than a page
    age = resources.settings.queued_max_age_seconds + 1
    await accounts.database.execute(
        "update public.generations set queued_at = now() - make_interval(secs => $2) where id = any ($1)",
        [generation for generation, _ in old],
        age,
    )

    await sweep.expire()

    for generation, _ in old:
        row = await accounts.generation(generation)
        assert (row["status"], row["error_code"]) == ("failed", "expired")
        assert (await accounts.balance(row["user_id"]), await accounts.held(row["user_id"])) == (10, 0)


async def test_the_picture_of_a_failed_generation_is_removed(
    sweep: Sweep, accounts: Accounts, resources: Resources
) -> None:
    generation, fence = await accounts.started(await accounts.user())
    name = (await accounts.generation(generation))["object_name"]
    await resources.storage.upload_result(name, b"\x89PNG\r\n\x1a\n", "image/png")
    await accounts.fail(generation, fence)
    await accounts.database.execute("update sparky.object_removals set due_at = now() where object_name = $1", name)

    await sweep.remove()

    assert not await resources.storage.result_exists(name)
    left = await accounts.database.fetchval("select count(*) from sparky.object_removals where object_name = $1", name)
    assert left == 0


async def test_a_step_that_fails_does_not_stop_the_others(resources: Resources, accounts: Accounts) -> None:
    url = SecretStr(f"redis://127.0.0.1:{free_port()}/0")
    nowhere = open_queue(resources.settings.model_copy(update={"redis_url": url}))
    generation, fence = await accounts.started(await accounts.user())
    await accounts.fail(generation, fence)
    await accounts.database.execute("update sparky.object_removals set due_at = now()")

    await Sweep(resources, nowhere).once()

    assert await accounts.database.fetchval("select count(*) from sparky.object_removals") == 0
    await nowhere.aclose(close_connection_pool=True)


async def test_the_epoch_is_set_only_after_everything_was_enqueued(sweep: Sweep, queue: ArqRedis) -> None:
    await sweep.once()

    assert await queue.exists(EPOCH)
