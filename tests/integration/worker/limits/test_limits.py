"""The fleet's limits on a real Valkey: shared by all workers, what must wait is deferred, and Redis may be away."""

import asyncio
from collections import Counter
from typing import Any, cast

import pytest
from arq import ArqRedis
from structlog.testing import capture_logs

from deploy.local.valkey import Valkey
from schemas.queue import open_queue
from schemas.settings import Settings
from tests.support.valkey import queue_settings
from tests.support.waiting import eventually
from worker.failures import (
    BLOCKED,
    GEMINI_PAUSED,
    GEMINI_UNAVAILABLE,
    NO_PICTURE,
    RATE_LIMITED,
    SPENDING_CAPPED,
    AttemptError,
    Failure,
)
from worker.gemini import Gemini, Picture, Usage
from worker.limits import LimitedGemini, Limits
from worker.photos import Photo

PICTURE = Picture(b"picture", "image/jpeg", Usage("model", "response", 1, 1, 2))
PHOTO = cast(Photo, None)


class Model:
    """Answers each call as it was told last, and counts them."""

    def __init__(self) -> None:
        self.calls = 0
        self.failure: Failure | None = None
        self.release: asyncio.Event | None = None

    async def edit(self, *_: Any) -> Picture:
        self.calls += 1
        if self.release:
            await self.release.wait()
        if self.failure:
            raise AttemptError(self.failure)
        return PICTURE


@pytest.fixture
def model() -> Model:
    return Model()


def settings(**changes: Any) -> Settings:
    return queue_settings("redis://unused").model_copy(update=changes)


def worker(queue: ArqRedis, model: Model, **changes: Any) -> LimitedGemini:
    """A worker of the fleet."""
    chosen = settings(**changes)
    return LimitedGemini(cast(Gemini, model), Limits(queue, chosen), chosen)


async def outcome(gemini: LimitedGemini, name: str = "model") -> Failure | None:
    return error.failure if (error := await refusal(gemini, name)) else None


async def refusal(gemini: LimitedGemini, name: str = "model") -> AttemptError | None:
    try:
        await gemini.edit(name, PHOTO, "prompt")
    except AttemptError as error:
        return error
    return None


async def test_without_trouble_nothing_is_left_in_redis(queue: ArqRedis, model: Model) -> None:
    assert await outcome(worker(queue, model)) is None

    assert await queue.keys() == []


# The rate


async def test_the_fleet_shares_one_rate(queue: ArqRedis, model: Model) -> None:
    fleet = [worker(queue, model, gemini_calls_per_minute=30) for _ in range(3)]

    ends = await asyncio.gather(*(outcome(gemini) for gemini in fleet * 10))

    assert Counter(ends) == {None: 5, RATE_LIMITED: 25}
    assert model.calls == 5


async def test_calls_over_the_rate_get_places_one_after_another(queue: ArqRedis, model: Model) -> None:
    gemini = worker(queue, model, gemini_calls_per_minute=60)

    refusals = [await refusal(gemini) for _ in range(13)]

    delays = [error.delay for error in refusals if error and error.delay is not None]
    assert len(delays) == 3
    assert [round(delay) for delay in delays] == [1, 2, 3]


async def test_the_rate_is_each_models_own(queue: ArqRedis, model: Model) -> None:
    gemini = worker(queue, model, gemini_calls_per_minute=1)

    assert [await outcome(gemini, name) for name in ("one", "other", "one")] == [None, None, RATE_LIMITED]


async def test_the_bucket_fills_again(queue: ArqRedis, model: Model) -> None:
    gemini = worker(queue, model, gemini_calls_per_minute=1200)  # 200 at once, then one each 50 ms

    async def limited() -> bool:
        return await outcome(gemini) == RATE_LIMITED

    async def admitted() -> bool:
        return await outcome(gemini) is None

    await eventually(limited)
    await eventually(admitted)


# The breaker


async def test_a_model_that_keeps_failing_is_left_alone_by_the_whole_fleet(queue: ArqRedis, model: Model) -> None:
    one, other = (worker(queue, model, gemini_breaker_failures=4) for _ in range(2))
    model.failure = GEMINI_UNAVAILABLE
    with capture_logs() as events:
        ends = [await outcome(gemini) for gemini in (one, other, one, other, one, other)]

    assert ends == [GEMINI_UNAVAILABLE] * 4 + [GEMINI_PAUSED] * 2
    assert model.calls == 4
    assert [event["event"] for event in events] == ["breaker_opened"]
    assert await outcome(one, "another model") == GEMINI_UNAVAILABLE


async def test_a_paused_call_is_deferred_until_the_breaker_is_tried_again(queue: ArqRedis, model: Model) -> None:
    gemini = worker(queue, model, gemini_breaker_failures=1, gemini_breaker_seconds=60)
    model.failure = GEMINI_UNAVAILABLE
    await outcome(gemini)

    error = await refusal(gemini)

    assert error is not None
    assert error.delay is not None
    assert 55 < error.delay <= 60
    assert not error.failure.counts_try


async def test_one_success_starts_the_count_anew(queue: ArqRedis, model: Model) -> None:
    gemini = worker(queue, model, gemini_breaker_failures=2)
    for failure in (GEMINI_UNAVAILABLE, None, GEMINI_UNAVAILABLE, None, GEMINI_UNAVAILABLE, None):
        model.failure = failure
        assert await outcome(gemini) == failure


async def test_failures_of_single_photos_do_not_open_it(queue: ArqRedis, model: Model) -> None:
    gemini = worker(queue, model, gemini_breaker_failures=1)
    for failure in (BLOCKED, NO_PICTURE, BLOCKED):
        model.failure = failure
        assert await outcome(gemini) == failure


async def test_one_call_tries_whether_the_model_is_back(queue: ArqRedis, model: Model) -> None:
    one, other = (worker(queue, model, gemini_breaker_failures=1) for _ in range(2))
    model.failure = GEMINI_UNAVAILABLE
    await outcome(one)
    await queue.delete("sparky:limits:breaker:model:open")  # as it ends by itself
    model.failure, model.release = None, asyncio.Event()
    probe = asyncio.create_task(outcome(one))

    async def probing() -> bool:
        return model.calls == 2

    await eventually(probing)
    assert await outcome(other) == GEMINI_PAUSED
    model.release.set()
    assert await probe is None
    assert await outcome(other) is None
    assert await queue.keys() == []


async def test_a_failed_trial_opens_it_again(queue: ArqRedis, model: Model) -> None:
    gemini = worker(queue, model, gemini_breaker_failures=3)
    model.failure = GEMINI_UNAVAILABLE
    for _ in range(3):
        await outcome(gemini)
    await queue.delete("sparky:limits:breaker:model:open")

    assert [await outcome(gemini) for _ in range(2)] == [GEMINI_UNAVAILABLE, GEMINI_PAUSED]


# The money


async def test_no_call_is_made_over_the_daily_cap_whatever_the_model(queue: ArqRedis, model: Model) -> None:
    fleet = [worker(queue, model, gemini_daily_cap_usd=1, gemini_picture_price_usd=0.3) for _ in range(2)]

    ends = await asyncio.gather(*(outcome(gemini, name) for gemini in fleet for name in ("one", "other", "third")))

    assert Counter(ends) == {None: 3, SPENDING_CAPPED: 3}
    assert model.calls == 3


async def test_what_gemini_does_not_bill_is_given_back(queue: ArqRedis, model: Model) -> None:
    gemini = worker(queue, model, gemini_daily_cap_usd=1, gemini_picture_price_usd=1)
    model.failure = GEMINI_UNAVAILABLE
    assert await outcome(gemini) == GEMINI_UNAVAILABLE
    model.failure = NO_PICTURE  # billed all the same
    assert await outcome(gemini) == NO_PICTURE

    assert await outcome(gemini) == SPENDING_CAPPED


# Redis


async def test_without_redis_nothing_is_limited_and_the_log_says_so_once(own_valkey: Valkey, model: Model) -> None:
    queue = open_queue(queue_settings(own_valkey.url))
    gemini = worker(queue, model, gemini_calls_per_minute=1, gemini_breaker_failures=1, gemini_daily_cap_usd=0.01)
    await own_valkey.stop()
    with capture_logs() as events:
        assert [await outcome(gemini) for _ in range(3)] == [None, None, None]
        model.failure = GEMINI_UNAVAILABLE
        assert [await outcome(gemini) for _ in range(3)] == [GEMINI_UNAVAILABLE] * 3
    await queue.aclose(close_connection_pool=True)

    assert [event["event"] for event in events] == ["service_unreachable"]


async def test_rubbish_in_redis_stops_nothing(queue: ArqRedis, model: Model) -> None:
    gemini = worker(queue, model, gemini_calls_per_minute=60, gemini_daily_cap_usd=1)
    model.failure = GEMINI_UNAVAILABLE
    await outcome(gemini)
    for key in await queue.keys():
        await queue.delete(key)
        await queue.rpush(key, "rubbish")  # type: ignore[misc]
    model.failure = None

    assert await outcome(gemini) is None
