"""What the login roles can make of functions that run as their owner: nothing."""

import asyncpg
import pytest

from tests.integration.sql.conftest import Server

CALLS = {
    "sparky_intake": (
        "sparky.submit_generation(gen_random_uuid(), 'age', '{}', 'nowhere/a.jpg', 'm')",
        "sparky.get_generation(gen_random_uuid(), gen_random_uuid())",
        "sparky.cancel_generation(gen_random_uuid(), gen_random_uuid())",
        "sparky.delete_generation(gen_random_uuid(), gen_random_uuid())",
        "sparky.close_account(gen_random_uuid())",
        "sparky.export_account(gen_random_uuid())",
        "sparky.export_page(gen_random_uuid(), 'ledger', null, null, 1)",
        "sparky.create_order(gen_random_uuid(), null, 1, 'k', '1 hour')",
        "sparky.attach_intention(gen_random_uuid(), 1, 'https://pay')",
        "sparky.get_order(gen_random_uuid(), gen_random_uuid())",
        "sparky.record_payment_event('TOKEN', 'definer', '{}')",
    ),
    "sparky_worker": (
        "sparky.start_generation(gen_random_uuid(), 'w')",
        "sparky.settle_generation(gen_random_uuid(), 1)",
        "sparky.fail_generation(gen_random_uuid(), 1, 'internal')",
        "sparky.expire_generations()",
        "sparky.due_removals()",
        "sparky.due_deletions('1 minute')",
        "sparky.advance_deletion(gen_random_uuid())",
        "sparky.account_objects(gen_random_uuid())",
        "sparky.deletion_done(gen_random_uuid())",
        "sparky.due_photos()",
        "(select count(*) from sparky.due_payment_events()) as handed_out",
        "sparky.apply_payment_event(1, array[1], true)",
        "sparky.apply_subscription_event(1, '[]', array[1], true)",
        "(select count(*) from sparky.due_orders('1 hour')) as handed_out",
        "sparky.apply_inquiry(gen_random_uuid(), '[]', array[1], true)",
        "sparky.list_orders(null, 1)",
        "sparky.order_transactions(gen_random_uuid())",
        "sparky.order_story(gen_random_uuid())",
    ),
}


@pytest.mark.parametrize("role", CALLS)
async def test_a_temporary_type_of_the_callers_is_never_taken_for_a_built_in_one(server: Server, role: str) -> None:
    # A temporary domain named like a built-in type would run its check as the functions' owner.
    connection = await asyncpg.connect(server.dsn(role))
    try:
        await connection.execute(
            "create function pg_temp.check_it(v anyelement) returns boolean language plpgsql as"
            " $$ begin raise exception 'run as %', current_user; end $$"
        )
        for name, of in (("text", "text"), ("uuid", "uuid"), ("jsonb", "jsonb"), ("timestamptz", "timestamptz")):
            await connection.execute(
                f"create domain pg_temp.{name} as pg_catalog.{of} check (pg_temp.check_it(value) is not null)"
            )
        await connection.execute("create temporary table plans as select 1 as id")
        for call in CALLS[role]:
            await connection.fetch(f"select * from {call}")
    finally:
        await connection.close()
