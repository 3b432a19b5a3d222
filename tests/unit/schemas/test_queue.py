"""Putting work into the queue: one round trip, arq's own keys, and nothing of an earlier job stands in the way."""

from datetime import UTC, datetime, timedelta

import pytest
from arq import ArqRedis
from arq.jobs import Job, JobStatus
from redis.exceptions import RedisError

from deploy.local.valkey import Valkey
from schemas.queue import QueuedJob, arq_settings, enqueue, lane_keys, open_queue
from tests.support.valkey import queue_settings

PAID, FREE, BULK = lane_keys()
LATER = datetime.now(UTC) + timedelta(hours=1)
SOONER = LATER - timedelta(minutes=30)


def job(key: str, generation: str = "generation", due_at: datetime | None = None, lane: str = "free") -> QueuedJob:
    return QueuedJob(key, generation, due_at, lane)


def milliseconds(moment: datetime) -> float:
    return round(moment.timestamp() * 1000)


@pytest.mark.parametrize("jobs", [1, 500])
async def test_one_or_many_jobs_take_one_round_trip(queue: ArqRedis, jobs: int) -> None:
    await enqueue(queue, [job("known")])  # Redis knows the script from here on
    before = (await queue.info("commandstats"))["cmdstat_evalsha"]["calls"]

    await enqueue(queue, [job(f"key-{number}") for number in range(jobs)])

    after = await queue.info("commandstats")
    assert after["cmdstat_evalsha"]["calls"] == before + 1
    assert await queue.zcard(FREE) == jobs + 1


async def test_a_redis_that_forgot_the_script_gets_it_again(queue: ArqRedis) -> None:
    await queue.script_flush()

    await enqueue(queue, [job("key")])

    assert await queue.zscore(FREE, "key")


async def test_nothing_to_enqueue_is_no_call(queue: ArqRedis) -> None:
    await enqueue(queue, [])

    assert await queue.keys() == []


async def test_the_payload_is_arqs_with_the_generation_as_its_only_argument(queue: ArqRedis) -> None:
    await enqueue(queue, [job("key", "a-generation")])

    (queued,) = await queue.queued_jobs()
    assert (queued.job_id, queued.function, list(queued.args), queued.kwargs) == (
        "key",
        "run_generation",
        ["a-generation"],
        {},
    )
    day = 86_400_000
    assert day - 60_000 < await queue.pttl("arq:job:key") <= day


@pytest.mark.parametrize(("due_at", "status"), [(None, JobStatus.queued), (LATER, JobStatus.deferred)])
async def test_arqs_own_status_understands_it(queue: ArqRedis, due_at: datetime | None, status: JobStatus) -> None:
    await enqueue(queue, [job("key", due_at=due_at)])

    assert await Job("key", queue).status() == status


async def test_each_lane_is_a_queue_of_its_own(queue: ArqRedis) -> None:
    await enqueue(queue, [job("paid", lane="paid"), job("free", lane="free")])

    assert await queue.zrange(PAID, 0, -1) == [b"paid"]
    assert await queue.zrange(FREE, 0, -1) == [b"free"]
    assert await Job("paid", queue, _queue_name=PAID).status() == JobStatus.queued


@pytest.mark.parametrize(("first", "second"), [(LATER, SOONER), (SOONER, LATER)])
async def test_a_job_can_only_become_due_earlier(queue: ArqRedis, first: datetime, second: datetime) -> None:
    await enqueue(queue, [job("key", due_at=first)])
    await enqueue(queue, [job("key", due_at=second)])

    assert await queue.zscore(FREE, "key") == milliseconds(SOONER)


async def test_a_job_that_waits_stays_in_its_lane(queue: ArqRedis) -> None:
    await enqueue(queue, [job("key", due_at=LATER, lane="free")])
    await enqueue(queue, [job("key", due_at=SOONER, lane="paid")])

    assert await queue.zscore(FREE, "key") == milliseconds(SOONER)
    assert await queue.zcard(PAID) == 0


async def test_the_newest_payload_wins(queue: ArqRedis) -> None:
    await enqueue(queue, [job("key", "old")])
    await enqueue(queue, [job("key", "new")])

    (queued,) = await queue.queued_jobs()
    assert list(queued.args) == ["new"]


async def test_neither_a_kept_result_nor_used_tries_stand_in_the_way(queue: ArqRedis) -> None:
    await queue.set("arq:result:key", b"{}")
    await queue.set("arq:retry:key", 99)

    await enqueue(queue, [job("key")])

    assert await queue.exists("arq:result:key", "arq:retry:key") == 0
    assert await Job("key", queue).status() == JobStatus.queued


async def test_with_nobody_idle_nothing_but_the_job_is_left(queue: ArqRedis) -> None:
    for number in range(5):
        await enqueue(queue, [job(f"key-{number}")])

    assert len(await queue.keys("arq:job:*")) == 5
    assert len(await queue.keys()) == 6


async def test_rubbish_where_the_queue_should_be_is_replaced(queue: ArqRedis) -> None:
    for key in (FREE, PAID, "arq:queue:idle", "arq:job:key"):
        await queue.set(key, "rubbish")

    await enqueue(queue, [job("key")])

    assert await Job("key", queue).status() == JobStatus.queued


async def test_stock_producers_share_the_free_lane(queue: ArqRedis) -> None:
    await queue.enqueue_job("run_generation", "stock", _job_id="stock")
    await enqueue(queue, [job("ours")])

    assert {queued.job_id for queued in await queue.queued_jobs()} == {"stock", "ours"}


async def test_an_unreachable_redis_is_an_error_at_once_and_forgotten_when_it_is_back(own_valkey: Valkey) -> None:
    queue = open_queue(queue_settings(own_valkey.url))
    await enqueue(queue, [job("key")])
    await own_valkey.stop()
    with pytest.raises((RedisError, OSError)):
        await enqueue(queue, [job("key")])
    await own_valkey.start()

    await enqueue(queue, [job("key")])

    assert await Job("key", queue).status() == JobStatus.queued
    await queue.aclose(close_connection_pool=True)


def test_arqs_own_settings_name_the_same_redis() -> None:
    settings = arq_settings(queue_settings("rediss://user:p%40ss@queue.example:6380/3"))

    assert (settings.host, settings.port, settings.database) == ("queue.example", 6380, 3)
    assert (settings.username, settings.password, settings.ssl) == ("user", "p@ss", True)
