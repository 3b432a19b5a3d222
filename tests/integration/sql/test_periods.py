"""Monthly periods: each begins at the anchor's time of day on the anchor's day, or on a shorter month's last day."""

from datetime import UTC, date, datetime

import pytest

from tests.support.accounts import Accounts

ANCHORS = [
    datetime.fromisoformat(f"{day} 17:30").replace(tzinfo=UTC)
    for day in (
        "2027-12-28",
        "2027-12-31",
        "2028-01-29",
        "2028-01-30",
        "2028-01-31",
        "2028-02-28",
        "2028-02-29",
        "2028-03-01",
    )
]
PERIOD = "select sparky.current_period($1, $2)"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("anchor", "now", "period"),
    [
        ("2026-01-31 10:00", "2026-02-28 09:59", "2026-01-31"),
        ("2026-01-31 10:00", "2026-02-28 10:00", "2026-02-28"),
        ("2026-01-31 10:00", "2026-03-31 09:59", "2026-02-28"),
        ("2026-01-31 10:00", "2026-03-31 10:00", "2026-03-31"),
        ("2026-01-30 10:00", "2026-02-28 10:00", "2026-02-28"),
        ("2026-01-29 10:00", "2026-02-28 10:00", "2026-02-28"),
        ("2028-01-31 10:00", "2028-02-29 09:59", "2028-01-31"),
        ("2028-01-31 10:00", "2028-02-29 10:00", "2028-02-29"),
        ("2028-02-29 10:00", "2029-02-28 10:00", "2029-02-28"),
        ("2028-02-29 10:00", "2029-03-28 10:00", "2029-02-28"),
        ("2028-02-29 10:00", "2032-02-29 10:00", "2032-02-29"),
        ("2026-12-31 23:59", "2027-01-01 00:00", "2026-12-31"),
        ("2026-05-15 00:00", "2026-05-15 00:00", "2026-05-15"),
        ("2016-05-15 12:00", "2026-05-15 11:59", "2026-04-15"),
        # An anchor that is still to come: the period before it.
        ("2026-05-15 12:00", "2026-05-15 11:59", "2026-04-15"),
    ],
)
async def test_a_period_begins_on_the_anchors_day(accounts: Accounts, anchor: str, now: str, period: str) -> None:
    assert await accounts.database.fetchval(PERIOD, at(anchor), at(now)) == date.fromisoformat(period)


async def test_over_four_years_each_month_has_one_period_that_begins_in_it(accounts: Accounts) -> None:
    # From anchors around the end of months, looked at every 17 hours: periods only go forward.
    rows = await accounts.database.fetch(
        "select anchor, array_agg(distinct sparky.current_period(anchor, hour)) as periods,"
        " bool_and(sparky.current_period(anchor, hour) <= hour::date) as begun,"
        " bool_and(sparky.current_period(anchor, hour)"
        " <= sparky.current_period(anchor, hour + interval '1 hour')) as ordered"
        " from unnest($1::timestamptz[]) as anchor,"
        " generate_series(anchor, anchor + interval '4 years' - interval '1 hour', interval '17 hours') as hour"
        " group by anchor",
        ANCHORS,
    )
    assert len(rows) == len(ANCHORS)
    for row in rows:
        months = {(period.year, period.month) for period in row["periods"]}
        assert (len(row["periods"]), len(months), row["begun"], row["ordered"]) == (48, 48, True, True), row["anchor"]


async def test_the_day_is_utcs_whatever_the_session_says(accounts: Accounts) -> None:
    async with accounts.database.acquire() as connection, connection.transaction():
        await connection.execute("set local timezone = 'Pacific/Kiritimati'")
        found = await connection.fetchval(PERIOD, at("2026-01-10 23:00"), at("2026-03-10 23:30"))
    assert found == date(2026, 3, 10)


async def test_a_lapsed_plan_is_granted_frees_credits_in_the_period_after_it(accounts: Accounts) -> None:
    user = await accounts.user(plan=3)
    await accounts.database.execute(
        "update public.users set period_anchor = now() - interval '40 days', plan_expires_at = now() where id = $1",
        user,
    )
    await accounts.submit(user)
    assert await accounts.ledger(user, "grant") == [10, 10]


async def test_the_invariant_holds_whatever_dates_look_like_in_the_session_that_checks_it(accounts: Accounts) -> None:
    await accounts.user()
    async with accounts.database.acquire() as connection, connection.transaction():
        await connection.execute("set local datestyle = 'German'")
        broken = await connection.fetch("select name from sparky.check_invariants() where violations > 0")
    assert broken == []
