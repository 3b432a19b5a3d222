"""A missing argument is an error or a refusal, never a wildcard."""

from typing import Any
from uuid import UUID

import asyncpg
import pytest

from tests.support.accounts import MODEL, Accounts

# Calls on a running generation ($1) of somebody, with what says whose or which attempt it is left out.
WITHOUT_THE_FENCE = (
    "sparky.settle_generation($1, null)",
    "sparky.fail_generation($1, null, 'internal')",
    "sparky.defer_generation($1, null, now(), 'busy')",
    "sparky.save_draft($1, null, '{}')",
)
WITHOUT_THE_USER = ("sparky.cancel_generation($1, null)", "sparky.delete_generation($1, null)")
WITHOUT_THE_GENERATION = (
    "sparky.start_generation(null, 'w')",
    "sparky.settle_generation(null, 1)",
    "sparky.fail_generation(null, 1, 'internal')",
    "sparky.defer_generation(null, 1, now(), 'busy')",
    "sparky.save_draft(null, 1, '{}')",
    "sparky.retry_generation(null)",
    "sparky.get_generation(null, null)",
    "sparky.cancel_generation(null, null)",
    "sparky.delete_generation(null, null)",
    "sparky.get_order(null, null)",
    "sparky.attach_intention(null, null, null)",
    "sparky.create_order(null, null, null, null, null)",
    "sparky.create_order(null, null, 1, null, '1 hour')",
    "sparky.apply_payment_event(null, null, null)",
    "sparky.apply_inquiry(null, null, null, null)",
    "sparky.apply_inquiry(null, '[{}]', '{}', true)",
    "sparky.apply_subscription_event(null, '[]', '{}', true)",
)
# Arguments of submit_generation, by position after the user.
SUBMITTED: dict[str, Any] = {"tool": "age", "parameters": {"age": 40}, "path": "", "model": MODEL, "max_bytes": 1000}


async def call(accounts: Accounts, function: str, generation: UUID | None = None) -> str | None:
    """What the first column says; None when there is no row."""
    arguments = () if generation is None else (generation,)
    row = await accounts.database.fetchrow(f"select * from {function}", *arguments)
    return None if row is None else row[0]


@pytest.mark.parametrize("function", WITHOUT_THE_FENCE)
async def test_no_attempt_ends_without_its_fence(accounts: Accounts, function: str) -> None:
    generation, _ = await accounts.started(await accounts.user())
    before = await accounts.contents()
    assert await call(accounts, function, generation) == "stale"
    assert await accounts.contents() == before


@pytest.mark.parametrize("function", WITHOUT_THE_USER)
async def test_nothing_is_cancelled_or_deleted_for_nobody(accounts: Accounts, function: str) -> None:
    user = await accounts.user()
    queued, finished = (await accounts.submit(user))["id"], await accounts.succeeded(user)
    before = await accounts.contents()
    assert [await call(accounts, function, generation) for generation in (queued, finished)] == ["not_found"] * 2
    assert await accounts.contents() == before


@pytest.mark.parametrize("function", WITHOUT_THE_GENERATION)
async def test_a_call_about_no_generation_changes_nothing(accounts: Accounts, function: str) -> None:
    before = await accounts.contents()
    assert await call(accounts, function) in {None, "stale", "not_found", "unknown", "account_not_found", "already"}
    assert await accounts.contents() == before


@pytest.mark.parametrize("missing", [*SUBMITTED, "user"])
async def test_a_submission_without_one_of_its_arguments_writes_nothing(accounts: Accounts, missing: str) -> None:
    user = await accounts.user()
    arguments = SUBMITTED | {"path": await accounts.photo(user), "user": user, missing: None}
    before = await accounts.contents()
    try:
        outcome = await accounts.database.fetchval(
            "select outcome from sparky.submit_generation($6, $1, $2, $3, $4, $5)", *arguments.values()
        )
    except asyncpg.NotNullViolationError:
        outcome = "refused"
    # Parameters may be left out: then they are the defaults.
    assert (outcome == "queued") is (missing == "parameters"), outcome
    if missing != "parameters":
        assert await accounts.contents() == before


@pytest.mark.parametrize("parameters", [[], ["style"], "style", 7, True])
async def test_parameters_that_are_no_object_are_refused(accounts: Accounts, parameters: object) -> None:
    user = await accounts.user()
    path = await accounts.photo(user)
    before = await accounts.contents()
    row = await accounts.submit(user, path, parameters=parameters)  # type: ignore[arg-type]
    assert row["outcome"] == "invalid_parameters"
    assert await accounts.contents() == before


async def test_an_attempt_without_a_worker_does_not_begin(accounts: Accounts) -> None:
    generation = (await accounts.submit(await accounts.user()))["id"]
    before = await accounts.contents()
    with pytest.raises(asyncpg.NotNullViolationError):
        await accounts.database.fetchrow("select * from sparky.start_generation($1, null)", generation)
    assert await accounts.contents() == before


@pytest.mark.parametrize("until", ["'infinity'", "'-infinity'", "now() + interval '100 years'"])
async def test_a_generation_deferred_to_any_time_keeps_its_hold_and_still_expires(
    accounts: Accounts, until: str
) -> None:
    user = await accounts.user()
    generation, fence = await accounts.started(user)
    assert await call(accounts, f"sparky.defer_generation($1, {fence}, {until}, 'busy')", generation) == "deferred"
    assert await accounts.held(user) == 1
    await accounts.database.execute(
        "update public.generations set queued_at = now() - interval '2 hours' where id = $1", generation
    )
    await accounts.database.fetchval("select sparky.expire_generations(interval '1 hour')")
    assert (await accounts.generation(generation))["error_code"] == "expired"
    assert await accounts.violations() == []
