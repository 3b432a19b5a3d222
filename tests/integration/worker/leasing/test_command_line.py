"""arq's own command line starts the leased worker; processes are killed, frozen and terminated."""

import signal

import pytest
from arq import ArqRedis
from arq.jobs import Job, JobStatus

from tests.support.valkey import PATIENCE
from tests.support.waiting import eventually
from tests.support.workers import WorkerProcess


async def heard(queue: ArqRedis, key: str, count: int) -> list[str]:
    """What jobs pushed to a list, as soon as there are `count` entries."""

    async def enough() -> bool:
        return len(await entries(queue, key)) >= count

    await eventually(enough)
    return [entry.decode() for entry in await entries(queue, key)]


async def push(queue: ArqRedis, key: str, value: str = "go") -> None:
    await queue.execute_command("RPUSH", key, value)  # type: ignore[no-untyped-call]


async def entries(queue: ArqRedis, key: str) -> list[bytes]:
    found: list[bytes] = await queue.execute_command("LRANGE", key, 0, -1)  # type: ignore[no-untyped-call]
    return found


async def until_done(queue: ArqRedis) -> None:
    async def done() -> bool:
        return not await queue.exists("arq:queue")

    await eventually(done)


async def test_burst_runs_what_is_there_and_ends(queue: ArqRedis, redis_url: str) -> None:
    for number in range(20):
        await queue.enqueue_job("note", str(number))

    async with WorkerProcess(redis_url, "--burst") as worker:
        code, output = await worker.ended()

    assert code == 0, output
    assert sorted(await heard(queue, "ran", 20), key=int) == [str(number) for number in range(20)]
    assert not await queue.exists("arq:queue")


async def test_check_tells_whether_a_worker_lives(queue: ArqRedis, redis_url: str) -> None:
    async with WorkerProcess(redis_url, "--check") as check:
        assert (await check.ended())[0] == 1

    async with WorkerProcess(redis_url) as worker:

        async def recorded() -> bool:
            return bool(await queue.exists("arq:queue:health-check"))

        await eventually(recorded)
        async with WorkerProcess(redis_url, "--check") as check:
            code, output = await check.ended()
        assert code == 0, output
        worker.send(signal.SIGTERM)
        assert (await worker.ended())[0] == 0

    async with WorkerProcess(redis_url, "--check") as check:
        assert (await check.ended())[0] == 1


async def test_the_jobs_of_a_killed_worker_run_again(queue: ArqRedis, redis_url: str) -> None:
    for name in ("a", "b", "c"):
        await queue.enqueue_job("hold", name)
    async with WorkerProcess(redis_url) as victim:
        await heard(queue, "ran", 3)
        victim.send(signal.SIGKILL)
        await victim.ended()

    async with WorkerProcess(redis_url):
        ran = await heard(queue, "ran", 6)
        for name in ("a", "b", "c"):
            await push(queue, f"release:{name}")
        await until_done(queue)

    assert sorted(ran) == ["a", "a", "b", "b", "c", "c"]


async def test_a_worker_frozen_past_its_lease_changes_nothing_when_it_wakes(queue: ArqRedis, redis_url: str) -> None:
    await queue.enqueue_job("hold", "x", _job_id="key")
    async with WorkerProcess(redis_url) as frozen:
        await heard(queue, "ran", 1)
        frozen.send(signal.SIGSTOP)
        async with WorkerProcess(redis_url):
            await heard(queue, "ran", 2)
            frozen.send(signal.SIGCONT)
            assert await heard(queue, "cancelled", 1) == ["x"]
            assert await Job("key", queue).status() == JobStatus.in_progress
            await push(queue, "release:x")
            await until_done(queue)

    assert await heard(queue, "completed", 1) == ["x"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_terminated_worker_lets_running_jobs_end_within_its_grace(
    queue: ArqRedis, redis_url: str, number: signal.Signals
) -> None:
    await queue.enqueue_job("hold", "x")
    async with WorkerProcess(redis_url, GRACE=str(int(PATIENCE))) as worker:
        await heard(queue, "ran", 1)
        worker.send(number)
        await queue.enqueue_job("note", "too-late", _job_id="late")
        await push(queue, "release:x")
        code, output = await worker.ended()

    assert code == 0, output
    assert await heard(queue, "completed", 1) == ["x"]


async def test_a_terminated_worker_hands_back_what_does_not_end(queue: ArqRedis, redis_url: str) -> None:
    await queue.enqueue_job("hold", "x", _job_id="key")
    async with WorkerProcess(redis_url, GRACE="0") as worker:
        await heard(queue, "ran", 1)
        worker.send(signal.SIGTERM)
        code, output = await worker.ended()

    assert code == 0, output
    assert await heard(queue, "cancelled", 1) == ["x"]
    assert await Job("key", queue).status() == JobStatus.queued
    assert await queue.get("arq:retry:key") == b"0"
