"""check_invariants: each rule is broken once, on purpose, and must be reported by name."""

import pytest

from tests.support.accounts import Accounts

# Statements run for a user ($1) with a succeeded generation ($2) and a queued one ($3), and rolled back.
BREAKS = {
    "balance_is_the_ledgers_sum": "update public.users set credits = credits + 1 where id = $1",
    "balance_covers_the_holds": "update sparky.holds set amount = 1000 where generation_id = $3",
    "an_open_generation_has_its_hold": "delete from sparky.holds where generation_id = $3",
    "a_hold_belongs_to_an_open_generation": (
        "insert into sparky.holds (generation_id, user_id, amount) values ($2, $1, 1)"
    ),
    "a_succeeded_generation_is_captured_once": "update public.generations set credit_cost = 2 where id = $2",
    "no_other_generation_is_captured": (
        "insert into public.credit_usage (user_id, kind, amount, balance_after, generation_id)"
        " values ($1, 'capture', 0, 0, $3)"
    ),
    "one_notification_per_ending": (
        "insert into public.notifications (user_id, type, title_key, message_key, source_id, source_event)"
        " values ($1, 'generation', '', '', $2, 99)"
    ),
    "an_ended_generation_has_an_ending": "update public.generations set endings = 0 where id = $2",
    "a_succeeded_picture_has_its_object": "update public.generations set image_path = 'elsewhere' where id = $2",
    "a_succeeded_analysis_has_its_result": (
        "update public.generations set tool_id = 'analysis', image_path = null where id = $2"
    ),
    "a_result_shows_only_after_success": "update public.generations set image_path = 'early' where id = $3",
    "a_period_is_granted_once": (
        "insert into sparky.period_grants (user_id, period, credits) values ($1, '2001-01-01', 10)"
    ),
}


async def test_every_rule_has_its_break(accounts: Accounts) -> None:
    rows = await accounts.database.fetch("select name from sparky.check_invariants()")
    assert {row["name"] for row in rows} == set(BREAKS)


@pytest.mark.parametrize("rule", BREAKS)
async def test_a_broken_rule_is_reported_by_name_with_a_sample(accounts: Accounts, rule: str) -> None:
    user = await accounts.user()
    ids = {"$1": user, "$2": await accounts.succeeded(user), "$3": (await accounts.submit(user))["id"]}
    statement = BREAKS[rule]
    for placeholder, value in ids.items():
        statement = statement.replace(placeholder, f"'{value}'")
    async with accounts.database.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(statement)
        found = await connection.fetchrow(
            "select violations, sample from sparky.check_invariants() where name = $1", rule
        )
        await transaction.rollback()
    assert found is not None
    assert found["violations"] >= 1
    assert found["sample"] in {str(value) for value in ids.values()}
