"""start, settle, fail, defer: fenced, and each all or nothing."""

import asyncio

import asyncpg
import pytest

from tests.support.accounts import Accounts

ANALYSIS = {"faceShape": "oval"}


async def test_a_start_raises_the_fence_and_hands_back_what_the_work_needs(accounts: Accounts) -> None:
    user = await accounts.user(plan=3)
    path = await accounts.photo(user)
    submitted = await accounts.submit(user, path, tool="hairstyle", parameters={"style": "female-short-3"}, model="m-1")
    attempt = await accounts.start(submitted["id"])
    assert attempt is not None
    assert (attempt["fence"], attempt["tries"], attempt["model"], attempt["source_path"]) == (1, 1, "m-1", path)
    assert (attempt["tool_type"], attempt["style_name"]) == ("TRANSFORMATION", "Layered Bob")
    assert attempt["object_name"].startswith(f"{user}/")


async def test_settling_charges_once_tells_once_and_fills_the_cache(accounts: Accounts) -> None:
    user = await accounts.user()
    generation = await accounts.succeeded(user)
    row = await accounts.generation(generation)
    assert (row["status"], row["image_path"]) == ("succeeded", row["object_name"])
    assert await accounts.balance(user) == 9
    assert await accounts.held(user) == 0
    assert await accounts.ledger(user, "capture") == [-1]
    assert await accounts.notifications(user) == ["succeeded"]
    assert await accounts.violations() == []


async def test_a_settle_repeated_after_a_lost_answer_says_so_and_charges_nothing_more(accounts: Accounts) -> None:
    user = await accounts.user()
    generation, fence = await accounts.started(user)
    assert await accounts.settle(generation, fence) == "settled"
    before = await accounts.contents()
    assert await accounts.settle(generation, fence) == "already_settled"
    assert await accounts.contents() == before


async def test_a_settle_with_an_old_fence_changes_nothing(accounts: Accounts) -> None:
    user = await accounts.user()
    generation, old = await accounts.started(user)
    await accounts.start(generation, "worker-b")
    before = await accounts.contents()
    assert await accounts.settle(generation, old) == "stale"
    assert await accounts.contents() == before


@pytest.mark.parametrize("call", ["fail", "defer"])
async def test_no_ending_with_an_old_fence_changes_anything(accounts: Accounts, call: str) -> None:
    user = await accounts.user()
    generation, old = await accounts.started(user)
    await accounts.start(generation, "worker-b")
    before = await accounts.contents()
    assert await getattr(accounts, call)(generation, old) == "stale"
    assert await accounts.contents() == before


async def test_ten_settles_at_once_charge_once(accounts: Accounts) -> None:
    user = await accounts.user()
    generation, fence = await accounts.started(user)
    answers = await asyncio.gather(*(accounts.settle(generation, fence) for _ in range(10)))
    assert sorted(answers) == ["already_settled"] * 9 + ["settled"]
    assert await accounts.ledger(user, "capture") == [-1]


async def test_an_analysis_settles_with_its_result(accounts: Accounts) -> None:
    user = await accounts.user()
    generation, fence = await accounts.started(user, tool="analysis", parameters={})
    assert await accounts.settle(generation, fence, ANALYSIS) == "settled"
    row = await accounts.generation(generation)
    assert (row["result"], row["image_path"]) == (ANALYSIS, None)
    assert await accounts.violations() == []


async def test_a_picture_cannot_settle_as_an_analysis(accounts: Accounts) -> None:
    user = await accounts.user()
    generation, fence = await accounts.started(user)
    with pytest.raises(asyncpg.InvalidParameterValueError):
        await accounts.settle(generation, fence, ANALYSIS)
    assert (await accounts.generation(generation))["status"] == "processing"


async def test_a_failure_voids_the_hold_and_shows_nothing(accounts: Accounts) -> None:
    user = await accounts.user()
    generation, fence = await accounts.started(user)
    assert await accounts.fail(generation, fence, "blocked") == "failed"
    row = await accounts.generation(generation)
    assert (row["status"], row["error_code"], row["image_path"]) == ("failed", "blocked", None)
    assert (await accounts.balance(user), await accounts.held(user)) == (10, 0)
    assert await accounts.notifications(user) == ["failed"]
    assert await accounts.fail(generation, fence, "blocked") == "already_failed"
    assert await accounts.notifications(user) == ["failed"]
    assert await accounts.violations() == []


async def test_a_deferred_generation_keeps_its_hold_and_counts_the_failure(accounts: Accounts) -> None:
    user = await accounts.user()
    generation, fence = await accounts.started(user)
    assert await accounts.defer(generation, fence, code="provider_timeout") == "deferred"
    assert await accounts.held(user) == 1
    attempt = await accounts.start(generation)
    assert attempt is not None
    assert (attempt["fence"], attempt["tries"], attempt["failures"]) == (2, 2, {"provider_timeout": 1})


async def test_a_shutdown_is_no_try_but_raises_the_fence(accounts: Accounts) -> None:
    user = await accounts.user()
    generation, fence = await accounts.started(user)
    await accounts.defer(generation, fence, seconds=0, code="shutdown", count=False)
    attempt = await accounts.start(generation)
    assert attempt is not None
    assert (attempt["fence"], attempt["tries"]) == (2, 1)


async def test_a_generation_that_kills_its_workers_ends_as_attempts_exhausted(accounts: Accounts) -> None:
    user = await accounts.user()
    submitted = await accounts.submit(user)
    for attempt in range(3):
        assert await accounts.start(submitted["id"], f"worker-{attempt}") is not None
    assert await accounts.start(submitted["id"], "worker-3") is None
    row = await accounts.generation(submitted["id"])
    assert (row["status"], row["error_code"]) == ("failed", "attempts_exhausted")
    assert (await accounts.balance(user), await accounts.held(user)) == (10, 0)
    assert await accounts.violations() == []


async def test_what_runs_on_a_live_worker_is_not_started_again(accounts: Accounts) -> None:
    user = await accounts.user()
    await accounts.database.execute("select sparky.heartbeat('alive', interval '1 minute', 1, 1)")
    submitted = await accounts.submit(user)
    assert await accounts.start(submitted["id"], "alive") is not None
    assert await accounts.start(submitted["id"], "eager") is None
    await accounts.database.execute("select sparky.retire_worker('alive')")
    taken = await accounts.start(submitted["id"], "eager")
    assert taken is not None
    assert taken["fence"] == 2


async def test_finished_work_is_not_started_again(accounts: Accounts) -> None:
    user = await accounts.user()
    generation = await accounts.succeeded(user)
    assert await accounts.start(generation) is None


async def test_a_kept_analysis_is_handed_to_the_next_attempt(accounts: Accounts) -> None:
    user = await accounts.user()
    generation, fence = await accounts.started(user, tool="analysis", parameters={})
    saved = await accounts.database.fetchval("select sparky.save_draft($1, $2, $3)", generation, fence, ANALYSIS)
    attempt = await accounts.start(generation, "worker-b")
    assert attempt is not None
    assert (saved, attempt["draft"]) == ("saved", ANALYSIS)
    stale = await accounts.database.fetchval("select sparky.save_draft($1, $2, $3)", generation, fence, ANALYSIS)
    assert stale == "stale"
