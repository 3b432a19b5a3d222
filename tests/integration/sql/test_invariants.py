"""check_invariants: each rule is broken once, on purpose, and must be reported by name."""

import pytest

from tests.support.accounts import Accounts
from tests.support.orders import Orders

# Statements run for a user ($1) with a succeeded generation ($2), a queued one ($3) and a paid order ($4); rolled back.
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
    "an_account_has_its_person": (
        "delete from auth.users where id = $1; delete from sparky.account_deletions where user_id = $1"
    ),
    "a_payment_buys_what_it_paid_for": "update public.orders set credits = credits + 1 where id = $4",
    "a_payment_moves_the_ledger_once": "update public.payments set credits = credits + 1 where order_id = $4",
    "a_purchase_has_its_payment": "select sparky.add_credits($1, 'purchase', 1, 'for nothing')",
    "an_order_sums_up_its_payments": "update public.orders set refunded_piastres = 1 where id = $4",
    "a_closed_account_names_nobody": "update public.users set closed_at = now() where id = $1",
}


async def test_every_rule_has_its_break(accounts: Accounts) -> None:
    rows = await accounts.database.fetch("select name from sparky.check_invariants()")
    assert {row["name"] for row in rows} == set(BREAKS)


@pytest.mark.parametrize("rule", BREAKS)
async def test_a_broken_rule_is_reported_by_name_with_a_sample(accounts: Accounts, rule: str) -> None:
    user = await accounts.user()
    ids = {"$1": user, "$2": await accounts.succeeded(user), "$3": (await accounts.submit(user))["id"]}
    ids["$4"] = (await Orders(accounts).paid(user)).order.id
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
