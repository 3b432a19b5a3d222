"""submit_generation: one door for work and holds."""

import asyncio
from collections import Counter
from typing import Any
from uuid import uuid4

import pytest

from tests.support.accounts import Accounts

PRO, ENTERPRISE = 3, 4


async def test_a_submission_is_queued_and_holds_its_credit(accounts: Accounts) -> None:
    user = await accounts.user()
    row = await accounts.submit(user)
    assert (row["outcome"], row["status"], row["credit_cost"]) == ("queued", "queued", 1)
    assert await accounts.held(user) == 1
    assert await accounts.balance(user) == 10
    assert await accounts.ledger(user, "capture") == []


async def test_beyond_ten_in_the_paid_lane_a_paying_users_requests_are_bulk(accounts: Accounts) -> None:
    user = await accounts.user(plan=ENTERPRISE, balance=20)
    first = [await accounts.submit(user) for _ in range(12)]
    assert [row["lane"] for row in first] == ["paid"] * 10 + ["bulk"] * 2

    await accounts.cancel(first[0]["id"], user)
    assert (await accounts.submit(user))["lane"] == "paid"
    assert (await accounts.submit(await accounts.user()))["lane"] == "free"


async def test_fifty_identical_submissions_at_once_make_one_generation_and_one_hold(accounts: Accounts) -> None:
    user = await accounts.user()
    path = await accounts.photo(user)
    rows = await asyncio.gather(*(accounts.submit(user, path) for _ in range(50)))
    assert Counter(row["outcome"] for row in rows) == {"queued": 1, "in_flight": 49}
    assert len({row["id"] for row in rows}) == 1
    assert await accounts.held(user) == 1


async def test_twenty_different_submissions_with_three_credits_make_exactly_three(accounts: Accounts) -> None:
    user = await accounts.user(plan=PRO, balance=3)
    path = await accounts.photo(user)
    rows = await asyncio.gather(*(accounts.submit(user, path, parameters={"age": 10 + n}) for n in range(20)))
    assert Counter(row["outcome"] for row in rows) == {"queued": 3, "insufficient_credits": 17}
    assert await accounts.held(user) == 3
    assert await accounts.violations() == []


async def test_a_hit_in_the_cache_answers_the_earlier_result_and_charges_nothing(accounts: Accounts) -> None:
    user = await accounts.user()
    path = await accounts.photo(user)
    generation = await accounts.succeeded(user, path=path)
    again = await accounts.submit(user, path)
    assert (again["outcome"], again["id"], again["status"]) == ("cached", generation, "succeeded")
    assert again["image_path"] is not None
    assert await accounts.ledger(user, "capture") == [-1]
    assert await accounts.held(user) == 0


async def test_a_cached_result_is_answered_even_without_credits(accounts: Accounts) -> None:
    user = await accounts.user(balance=1)
    path = await accounts.photo(user)
    await accounts.succeeded(user, path=path)
    assert (await accounts.submit(user, path))["outcome"] == "cached"


async def test_an_expired_entry_misses(accounts: Accounts) -> None:
    user = await accounts.user()
    path = await accounts.photo(user)
    generation, fence = await accounts.started(user, path=path)
    await accounts.settle(generation, fence, ttl_seconds=0)
    again = await accounts.submit(user, path)
    assert again["outcome"] == "queued"
    assert again["id"] != generation


@pytest.mark.parametrize("difference", ["photo", "parameters", "tool", "model", "tool_version"])
async def test_whatever_changes_the_result_changes_the_key(accounts: Accounts, difference: str) -> None:
    user = await accounts.user()
    path = await accounts.photo(user)
    first = await accounts.submit(user, path, tool="smile", parameters={"intensity": 50})
    if difference == "photo":
        await accounts.replace_photo(path)
    async with accounts.database.acquire() as connection, connection.transaction():
        if difference == "tool_version":
            await connection.execute("update public.tools set version = version + 1 where id = 'smile'")
        second = await connection.fetchval(
            "select cache_key from sparky.submit_generation($1, $2, $3, $4, $5)",
            user,
            "fat" if difference == "tool" else "smile",
            {"intensity": 51 if difference == "parameters" else 50},
            path,
            "another-model" if difference == "model" else "gemini-test",
        )
        if difference == "tool_version":
            await connection.execute("update public.tools set version = version - 1 where id = 'smile'")
    assert second is not None
    assert second != first["cache_key"]


async def test_equal_requests_of_two_users_never_meet(accounts: Accounts) -> None:
    first, second = await accounts.user(), await accounts.user()
    keys = {(await accounts.submit(user))["cache_key"] for user in (first, second)}
    assert len(keys) == 2


async def test_a_pro_hairstyle_needs_a_paid_plan(accounts: Accounts) -> None:
    free, pro = await accounts.user(), await accounts.user(plan=PRO)
    request: dict[str, Any] = {"tool": "hairstyle", "parameters": {"style": "female-short-3"}}
    assert (await accounts.submit(free, **request))["outcome"] == "plan_required"
    assert (await accounts.submit(pro, **request))["outcome"] == "queued"


async def test_a_lapsed_plan_counts_as_free(accounts: Accounts) -> None:
    user = await accounts.user(plan=PRO)
    await accounts.database.execute(
        "update public.users set plan_expires_at = now() - interval '1 second' where id = $1", user
    )
    row = await accounts.submit(user, tool="hairstyle", parameters={"style": "female-short-3"})
    assert row["outcome"] == "plan_required"


async def test_free_users_have_two_in_flight_and_are_told_when_to_come_back(accounts: Accounts) -> None:
    user = await accounts.user()
    await accounts.submit(user)
    await accounts.submit(user)
    third = await accounts.submit(user)
    assert third["outcome"] == "too_many_in_flight"
    assert third["retry_after"] > 0


async def test_the_daily_cap_counts_captures_and_holds(accounts: Accounts) -> None:
    user = await accounts.user()
    for _ in range(4):
        await accounts.succeeded(user)
    held = await accounts.submit(user)
    assert held["outcome"] == "queued"
    refused = await accounts.submit(user)
    assert refused["outcome"] == "daily_limit"
    assert 0 < refused["retry_after"] <= 86_400
    await accounts.cancel(held["id"], user)
    assert (await accounts.submit(user))["outcome"] == "queued"


async def test_yesterdays_captures_do_not_count_today(accounts: Accounts) -> None:
    user = await accounts.user()
    await accounts.database.execute(
        "insert into public.credit_usage (user_id, kind, amount, balance_after, generation_id, created_at)"
        " select $1, 'capture', -1, 9, gen_random_uuid(),"
        " date_trunc('day', now() at time zone 'utc') at time zone 'utc' - interval '1 second'"
        " from generate_series(1, 5)",
        user,
    )
    await accounts.database.execute("update public.users set credits = credits - 5 where id = $1", user)
    assert (await accounts.submit(user))["outcome"] == "queued"


@pytest.mark.parametrize(
    ("photo", "outcome"),
    [
        ({"mimetype": "image/gif"}, "source_type_unsupported"),
        ({"mimetype": "application/pdf"}, "source_type_unsupported"),
        ({"size": 15_728_641}, "source_too_large"),
    ],
)
async def test_a_photo_that_cannot_be_used_is_refused_by_name(
    accounts: Accounts, photo: dict[str, Any], outcome: str
) -> None:
    user = await accounts.user()
    path = await accounts.photo(user, **photo)
    before = await accounts.contents()
    assert (await accounts.submit(user, path))["outcome"] == outcome
    assert await accounts.contents() == before


async def test_refusals_write_nothing(accounts: Accounts) -> None:
    user, other = await accounts.user(balance=0), await accounts.user()
    path, foreign = await accounts.photo(user), await accounts.photo(other)
    before = await accounts.contents()
    outcomes = [
        (await accounts.submit(user, path))["outcome"],
        (await accounts.submit(user, foreign))["outcome"],
        (await accounts.submit(user, f"{user}/missing.jpg"))["outcome"],
        (await accounts.submit(user, path, tool="unheard-of"))["outcome"],
        (await accounts.submit(user, path, tool="hairstyle", parameters={"style": "no-such-style"}))["outcome"],
        (await accounts.submit(user, path, tool="hairstyle", parameters={"style": "female-short-3"}))["outcome"],
    ]
    assert outcomes == [
        "insufficient_credits",
        "source_not_found",
        "source_not_found",
        "tool_unavailable",
        "invalid_parameters",
        "plan_required",
    ]
    assert await accounts.contents() == before


async def test_somebody_unknown_to_auth_gets_no_account(accounts: Accounts) -> None:
    nobody = uuid4()
    assert (await accounts.submit(nobody, f"{nobody}/a.jpg"))["outcome"] == "account_not_found"
    assert await accounts.database.fetchval("select count(*) from public.users where id = $1", nobody) == 0


async def test_an_account_that_sign_up_could_not_open_is_opened_at_the_first_submission(accounts: Accounts) -> None:
    user = uuid4()
    async with accounts.database.acquire() as connection:
        await connection.execute("insert into auth.users (id, email) values ($1, $2)", user, f"{user}@example.com")
        async with connection.transaction():
            await connection.execute("alter table public.credit_usage disable trigger user")
            await connection.execute("delete from sparky.period_grants where user_id = $1", user)
            await connection.execute("delete from public.credit_usage where user_id = $1", user)
            await connection.execute("delete from public.users where id = $1", user)
            await connection.execute("alter table public.credit_usage enable trigger user")
    assert (await accounts.submit(user))["outcome"] == "queued"
    assert await accounts.ledger(user, "grant") == [10]


async def test_the_next_periods_credits_come_with_the_next_submission_once(accounts: Accounts) -> None:
    user = await accounts.user()
    await accounts.database.execute(
        "update public.users set period_anchor = now() - interval '3 months 1 day' where id = $1", user
    )
    await accounts.submit(user)
    await accounts.submit(user)
    assert await accounts.ledger(user, "grant") == [10, 10]
    assert await accounts.violations() == []


async def test_credits_that_come_in_pay_a_debt_first(accounts: Accounts) -> None:
    user = await accounts.user()
    await accounts.database.execute("update public.users set credit_debt = 4 where id = $1", user)
    await accounts.database.execute("select sparky.add_credits($1, 'grant', 10, 'test')", user)
    assert await accounts.balance(user) == 16
    assert await accounts.ledger(user, "adjustment") == [-4]
    assert await accounts.violations() == []
