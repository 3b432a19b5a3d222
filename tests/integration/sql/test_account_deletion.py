"""An account's end: work, files, rows, person, in this order, whatever interrupts it."""

import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.integration.sql.departures import advance, close, done, finish, mentions, remove_files, running
from tests.support.accounts import Accounts

CALLBACK = {
    "type": "TRANSACTION",
    "obj": {
        "id": 7,
        "amount_cents": 5000,
        "success": True,
        "order": {"id": 99, "shipping_data": {"email": "ada@example.com", "phone_number": "+201000000000"}},
        "source_data": {"type": "card", "pan": "2346", "sub_type": "Visa"},
        "payment_key_claims": {"billing_data": {"first_name": "Ada"}},
    },
}


async def order(accounts: Accounts, user: UUID) -> UUID:
    """A paid order with its callback."""
    await accounts.database.execute(
        "insert into public.credit_packs (id, name, credits, price_piastres) values (9, 'Pack', 10, 5000)"
        " on conflict do nothing"
    )
    made: UUID = await accounts.database.fetchval(
        "insert into public.orders"
        " (user_id, credit_pack_id, amount_piastres, expires_at, checkout_url, idempotency_key)"
        " values ($1, 9, 5000, now(), 'https://pay.example/secret', 'once') returning id",
        user,
    )
    await accounts.database.execute(
        "insert into public.payments"
        " (user_id, order_id, transaction_id, kind, amount_piastres, currency, success, callback)"
        " values ($1, $2, 7, 'transaction', 5000, 'EGP', true, $3)",
        user,
        made,
        CALLBACK,
    )
    return made


async def test_what_is_queued_is_cancelled_and_costs_nothing(accounts: Accounts) -> None:
    user = await accounts.user()
    queued = (await accounts.submit(user))["id"]
    assert await close(accounts, user) == "deleting"
    assert (await accounts.generation(queued))["status"] == "canceled"
    assert (await accounts.balance(user), await accounts.held(user)) == (10, 0)
    assert await accounts.violations() == []


async def test_closing_again_changes_nothing(accounts: Accounts) -> None:
    user = await accounts.user()
    await close(accounts, user)
    before = await accounts.contents()
    assert await close(accounts, user) == "deleting"
    assert await accounts.contents() == before


async def test_somebody_unknown_cannot_be_closed(accounts: Accounts) -> None:
    before = await accounts.contents()
    assert await close(accounts, uuid4()) == "account_not_found"
    assert await accounts.database.fetchval("select outcome from sparky.close_account(null)") == "account_not_found"
    assert await accounts.contents() == before


async def test_a_deleted_account_submits_nothing_and_is_granted_nothing(accounts: Accounts) -> None:
    user = await accounts.user()
    photo = await accounts.photo(user)
    await close(accounts, user)
    await accounts.database.execute(
        "update public.users set period_anchor = period_anchor - interval '40 days' where id = $1", user
    )
    before = await accounts.contents()
    for path in (photo, f"{user}/missing.jpg"):
        assert (await accounts.submit(user, path))["outcome"] == "account_deleted"
    assert await accounts.contents() == before


async def test_no_retry_brings_a_deleted_accounts_work_back(accounts: Accounts) -> None:
    user = await accounts.user()
    generation, fence = await accounts.started(user)
    await accounts.fail(generation, fence)
    await close(accounts, user)
    assert await accounts.database.fetchval("select sparky.retry_generation($1)", generation) == "account_deleted"


async def test_running_work_is_waited_out_and_ends_as_ever(accounts: Accounts) -> None:
    user = await accounts.user()
    generation, fence = await running(accounts, user)
    await close(accounts, user)
    assert await advance(accounts, user) == "waiting"
    assert await accounts.settle(generation, fence) == "settled"
    assert await accounts.ledger(user, "capture") == [-1]
    assert await advance(accounts, user) == "files"


async def test_what_a_dead_worker_ran_is_cancelled(accounts: Accounts) -> None:
    user = await accounts.user()
    generation, fence = await running(accounts, user)
    await accounts.database.execute("select sparky.retire_worker($1)", f"worker of {generation}")
    await close(accounts, user)
    assert (await accounts.generation(generation))["status"] == "canceled"
    assert await accounts.settle(generation, fence) == "stale"


async def test_no_attempt_is_begun_for_a_deleted_account(accounts: Accounts) -> None:
    user = await accounts.user()
    generation, fence = await running(accounts, user)
    await close(accounts, user)
    await accounts.defer(generation, fence, seconds=0)
    assert await accounts.start(generation) is None
    assert (await accounts.generation(generation))["status"] == "canceled"
    assert await accounts.violations() == []


async def test_nothing_is_forgotten_while_a_file_is_left(accounts: Accounts) -> None:
    user = await accounts.user()
    await accounts.photo(user, path=f"{user}/deep/in/a folder/photo.jpg")
    await accounts.succeeded(user)
    await close(accounts, user)
    before = await accounts.contents()
    assert await advance(accounts, user) == "files"
    assert await accounts.contents() == before
    assert len(await remove_files(accounts, user)) == 3
    assert await accounts.violations() == []
    assert await advance(accounts, user) == "person"


async def test_the_files_of_others_are_never_named(accounts: Accounts) -> None:
    user, other = await accounts.user(), await accounts.user()
    await accounts.photo(other)
    assert await accounts.database.fetch("select * from sparky.account_objects($1)", user) == []


async def test_ledger_orders_and_payments_are_kept_without_the_person(accounts: Accounts) -> None:
    user = await accounts.user(plan=3)
    email = await accounts.database.fetchval("select email from auth.users where id = $1", user)
    await accounts.database.execute("update public.users set username = 'Ada' where id = $1", user)
    await accounts.succeeded(user)
    paid = await order(accounts, user)
    ledger = await accounts.database.fetch(
        "select id, kind, amount from public.credit_usage where user_id = $1 order by id", user
    )
    await close(accounts, user)
    await finish(accounts, user)

    kept = await accounts.database.fetch(
        "select id, kind, amount from public.credit_usage where id = any ($1) order by id",
        [row["id"] for row in ledger],
    )
    assert kept == ledger
    row = await accounts.database.fetchrow("select * from public.orders where id = $1", paid)
    payment = await accounts.database.fetchrow("select * from public.payments where order_id = $1", paid)
    assert row is not None
    assert payment is not None
    assert row["user_id"] == payment["user_id"] != user
    assert (row["amount_piastres"], row["checkout_url"], row["idempotency_key"]) == (5000, None, None)
    assert payment["callback"] == {
        "type": "TRANSACTION",
        "obj": {"id": 7, "amount_cents": 5000, "success": True},
        "order": 99,
    }
    await accounts.database.execute("delete from sparky.object_removals")  # the sweep's: they go within minutes
    assert await mentions(accounts, str(user)) == []
    assert await mentions(accounts, email) == []
    assert await mentions(accounts, "Ada") == []
    assert await accounts.violations() == []


async def test_more_rows_than_a_page_go_a_page_at_a_time(accounts: Accounts) -> None:
    user = await accounts.user()
    generation = await accounts.succeeded(user)
    await accounts.database.execute(
        "insert into public.notifications (user_id, type, title_key, message_key)"
        " select $1, 'general', '', '' from generate_series(1, 450)",
        user,
    )
    await close(accounts, user)
    await remove_files(accounts, user)
    assert [await advance(accounts, user) for _ in range(4)] == ["rows", "rows", "person", "person"]
    assert await accounts.database.fetchval("select count(*) from public.generations where id = $1", generation) == 0


async def test_every_step_may_be_repeated(accounts: Accounts) -> None:
    user = await accounts.user()
    await accounts.succeeded(user)
    await close(accounts, user)
    assert [await advance(accounts, user) for _ in range(2)] == ["files", "files"]
    await remove_files(accounts, user)
    assert [await advance(accounts, user) for _ in range(3)] == ["person"] * 3
    assert not await done(accounts, user)  # Auth still has the user
    await accounts.database.execute("delete from auth.users where id = $1", user)
    assert await done(accounts, user)
    assert await advance(accounts, user) == "done"
    assert not await done(accounts, user)
    assert await accounts.violations() == []


async def test_a_user_who_is_left_in_auth_alone_gets_no_new_account(accounts: Accounts) -> None:
    user = await accounts.user()
    await close(accounts, user)
    assert await advance(accounts, user) == "person"
    assert (await accounts.submit(user, f"{user}/a.jpg"))["outcome"] == "account_deleted"
    await accounts.database.execute("select sparky.ensure_account($1)", user)
    assert await accounts.database.fetchval("select count(*) from public.users where id = $1", user) == 0


async def test_a_living_account_is_never_taken_apart(accounts: Accounts) -> None:
    user = await accounts.user()
    await accounts.succeeded(user)
    before = await accounts.contents()
    assert await advance(accounts, user) == "done"
    assert not await done(accounts, user)
    assert await accounts.contents() == before


async def test_a_user_removed_in_auth_is_deleted_like_one_who_asked(accounts: Accounts) -> None:
    user = await accounts.user()
    photo = await accounts.photo(user)
    await accounts.submit(user, photo)
    await accounts.database.execute("delete from auth.users where id = $1", user)
    assert (await accounts.submit(user, photo))["outcome"] == "account_deleted"
    due = await accounts.database.fetch("select * from sparky.due_deletions('1 minute', 1000)")
    assert user in {row[0] for row in due}
    await finish(accounts, user)
    assert await accounts.database.fetchval("select count(*) from storage.objects where name = $1", photo) == 0
    assert await accounts.violations() == []


async def test_a_user_whom_auth_only_marks_as_deleted_goes_too(accounts: Accounts) -> None:
    user = await accounts.user()
    await accounts.database.execute("update auth.users set deleted_at = now() where id = $1", user)
    assert (await accounts.submit(user, f"{user}/a.jpg"))["outcome"] == "account_deleted"
    await finish(accounts, user)


async def test_a_deletion_is_one_sweeps_at_a_time(accounts: Accounts) -> None:
    user = await accounts.user()
    await close(accounts, user)
    due = "select * from sparky.due_deletions('1 minute', 1000)"
    handed = await asyncio.gather(*(accounts.database.fetch(due) for _ in range(8)))
    assert sum(user in {row[0] for row in rows} for rows in handed) == 1


async def test_nothing_is_left_open_when_closing_races_with_submissions(accounts: Accounts) -> None:
    user = await accounts.user(plan=4, balance=100)
    photos = [await accounts.photo(user) for _ in range(12)]
    await asyncio.gather(*(accounts.submit(user, photo) for photo in photos), close(accounts, user))
    open_ = "select count(*) from public.generations where user_id = $1 and status in ('queued', 'processing')"
    assert await accounts.database.fetchval(open_, user) == 0
    assert await accounts.held(user) == 0


@pytest.mark.parametrize(
    "change",
    [
        "user_id = (select id from public.users where id <> credit_usage.user_id limit 1)",
        "user_id = (select anonymous_id from sparky.account_deletions where user_id = $1), amount = amount + 1",
        "amount = amount + 1",
        "created_at = now()",
    ],
)
async def test_the_ledger_lets_nothing_change_but_the_person(accounts: Accounts, change: str) -> None:
    user = await accounts.user()
    await accounts.user()
    await close(accounts, user)
    with pytest.raises(asyncpg.RestrictViolationError):
        await accounts.database.execute(
            f"update public.credit_usage set {change} where user_id = $1 and $1 is not null", user
        )
