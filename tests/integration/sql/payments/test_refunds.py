"""Payments given back, asked about and looked at: refunds, inquiries, deleted accounts, operators."""

import asyncio
from collections import Counter
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.integration.sql.conftest import Server
from tests.support.accounts import Accounts
from tests.support.orders import INTEGRATIONS, Orders, Payment, number

NOW = timedelta(0)


# Given back


async def test_mistake_05_a_refund_never_grants_credits_again(accounts: Accounts, orders: Orders, user: UUID) -> None:
    payment = await orders.paid(user)
    granted = payment.order.credits
    for told in (
        payment.refund(payment.order.amount),
        payment.obj(is_refunded=True, refunded_amount_cents=payment.order.amount),
        payment.obj(is_voided=True),
        payment.obj(id=number(), has_parent_transaction=True, is_void=True, parent_transaction=payment.id),
        payment.obj(id=number(), has_parent_transaction=True, is_capture=True, parent_transaction=payment.id),
    ):
        assert await orders.hear(told) == "inquire"
    assert await accounts.ledger(user, "purchase") == [granted]
    assert await accounts.balance(user) == granted
    assert await orders.inquire(payment.order, payment.refunded(payment.order.amount)) == "applied"
    assert await accounts.balance(user) == 0


async def test_a_refunds_amount_is_never_taken_from_a_callback(accounts: Accounts, orders: Orders, user: UUID) -> None:
    payment = await orders.paid(user)
    assert not await orders.due(payment.order)
    assert await orders.hear(payment.refunded(payment.order.amount)) == "inquire"
    assert await accounts.ledger(user, "refund") == []
    assert await orders.due(payment.order)


async def test_refunds_in_part_add_up_and_are_rounded_down(accounts: Accounts, orders: Orders, user: UUID) -> None:
    payment = await orders.paid(user)
    order = payment.order
    for refunded in (1, 100, order.amount // 3, order.amount // 2, order.amount - 1, order.amount):
        assert await orders.inquire(order, payment.refunded(refunded)) == "applied"
        assert await orders.inquire(order, payment.refunded(refunded)) == "nothing"
        assert await accounts.balance(user) == order.credits - order.credits * refunded // order.amount
        assert await orders.status(order) == ("refunded" if refunded == order.amount else "paid")
    assert len(await accounts.ledger(user, "refund")) == 6
    assert await accounts.violations() == []


async def test_an_older_answer_gives_nothing_back(accounts: Accounts, orders: Orders, user: UUID) -> None:
    payment = await orders.paid(user)
    await orders.inquire(payment.order, payment.refunded(payment.order.amount))
    for older in (payment.obj(), payment.refunded(1), payment.obj(success=False, pending=True)):
        assert await orders.inquire(payment.order, older) == "nothing"
    assert (await accounts.balance(user), await orders.status(payment.order)) == (0, "refunded")


async def test_a_claw_back_takes_what_is_free_never_what_is_held_and_the_rest_is_a_debt(
    accounts: Accounts, orders: Orders, user: UUID
) -> None:
    payment = await orders.paid(user)
    await accounts.succeeded(user)
    await accounts.started(user, parameters={"age": 50})
    await orders.inquire(payment.order, payment.obj(is_voided=True))
    assert (await accounts.balance(user), await accounts.held(user), await orders.debt(user)) == (1, 1, 2)
    assert await accounts.violations() == []


async def test_a_debt_is_paid_by_the_next_purchase_first(accounts: Accounts, orders: Orders, user: UUID) -> None:
    payment = await orders.paid(user)
    await accounts.succeeded(user)
    await orders.inquire(payment.order, payment.refunded(payment.order.amount))
    assert await orders.debt(user) == 1
    again = await orders.paid(user)
    assert (await accounts.balance(user), await orders.debt(user)) == (again.order.credits - 1, 0)
    assert await accounts.violations() == []


async def test_a_refund_heard_of_before_the_payment_comes_out_the_same(
    accounts: Accounts, orders: Orders, user: UUID
) -> None:
    payment = Payment(await orders.order(user))
    order = payment.order
    assert await orders.hear(payment.refund(order.amount // 2)) == "inquire"
    assert await orders.inquire(order, payment.refunded(order.amount // 2)) == "applied"
    assert await orders.hear(payment.obj()) == "already"
    assert await accounts.balance(user) == order.credits - order.credits * (order.amount // 2) // order.amount
    assert await accounts.violations() == []


async def test_a_refund_that_failed_takes_nothing(accounts: Accounts, orders: Orders, user: UUID) -> None:
    payment = await orders.paid(user)
    assert await orders.hear(payment.refund(100, success=False)) == "noted"
    assert not await orders.due(payment.order)


async def test_more_refunded_than_paid_takes_no_more_than_was_granted(
    accounts: Accounts, orders: Orders, user: UUID
) -> None:
    payment = await orders.paid(user)
    await orders.inquire(payment.order, payment.refunded(10 * payment.order.amount))
    assert (await accounts.balance(user), await orders.debt(user)) == (0, 0)
    assert await accounts.violations() == []


async def test_an_authorization_counts_once_all_of_it_is_captured(
    accounts: Accounts, orders: Orders, user: UUID
) -> None:
    payment = Payment(await orders.order(user))
    order = payment.order
    assert await orders.hear(payment.obj(is_auth=True, is_captured=True, captured_amount=order.amount)) == "inquire"
    for captured in (0, order.amount - 1):
        answer = payment.obj(is_auth=True, is_captured=captured > 0, captured_amount=captured)
        assert await orders.inquire(order, answer) == "nothing"
    full = payment.obj(is_auth=True, is_captured=True, captured_amount=order.amount)
    assert await orders.inquire(order, full) == "applied"
    assert await accounts.balance(user) == order.credits
    assert await accounts.violations() == []


async def test_an_authorization_that_was_voided_moves_nothing(accounts: Accounts, orders: Orders, user: UUID) -> None:
    payment = Payment(await orders.order(user))
    assert await orders.inquire(payment.order, payment.obj(is_auth=True, is_voided=True)) == "nothing"
    assert await accounts.ledger(user, "purchase") == []


# The sweep's orders


async def test_an_order_is_inquired_about_after_some_minutes_and_then_ever_more_seldom(
    accounts: Accounts, orders: Orders, user: UUID
) -> None:
    order = await orders.order(user)
    assert not await orders.due(order)
    await accounts.database.execute(
        "update public.orders set created_at = now() - interval '20 minutes' where id = $1", order.id
    )
    assert not await orders.due(order, timedelta(minutes=21))
    rows = await accounts.database.fetch("select * from sparky.due_orders(interval '5 minutes', 1000)")
    mine = next(row for row in rows if row["id"] == order.id)
    assert (mine["intention_order_id"], mine["known"]) == (order.number, [])
    assert not await orders.due(order, NOW)
    assert await orders.inquire(order, lease=mine["lease"]) == "nothing"
    wait = await accounts.database.fetchval("select next_inquiry_at - now() from public.orders where id = $1", order.id)
    assert timedelta(minutes=9) < wait < timedelta(minutes=11)


async def test_each_order_goes_to_one_sweep(accounts: Accounts, orders: Orders, user: UUID) -> None:
    mine = {(await orders.order(user)).id for _ in range(20)}
    pages = await asyncio.gather(
        *(accounts.database.fetch("select id from sparky.due_orders(interval '0', 7)") for _ in range(20))
    )
    times = Counter(row["id"] for page in pages for row in page if row["id"] in mine)
    assert set(times.values()) <= {1}


async def test_an_answer_from_before_a_refund_does_not_put_off_the_inquiry_that_the_refund_asked_for(
    accounts: Accounts, orders: Orders, user: UUID
) -> None:
    order = await orders.order(user)
    rows = await accounts.database.fetch("select * from sparky.due_orders(interval '0', 1000)")
    lease = next(row["lease"] for row in rows if row["id"] == order.id)
    payment = Payment(order)
    assert await orders.hear(payment.refund(100)) == "inquire"
    await orders.inquire(order, lease=lease)
    assert await orders.due(order)


async def test_pending_and_paid_transactions_are_asked_for_by_name(
    accounts: Accounts, orders: Orders, user: UUID
) -> None:
    order = await orders.order(user)
    declined, pending, seen = Payment(order), Payment(order), Payment(order)
    await orders.hear(declined.obj(success=False))
    await orders.hear(pending.obj(success=False, pending=True))
    await orders.inquire(order, seen.obj(success=False, pending=True))
    rows = await accounts.database.fetch("select * from sparky.due_orders(interval '0', 1000)")
    assert next(set(row["known"]) for row in rows if row["id"] == order.id) == {pending.id, seen.id}


async def test_a_paid_order_is_asked_about_for_sixty_days(accounts: Accounts, orders: Orders, user: UUID) -> None:
    order = (await orders.paid(user)).order
    asked = 0
    for _ in range(100):
        gone = await accounts.database.fetchval(
            "select next_inquiry_at - now() from public.orders where id = $1", order.id
        )
        if gone is None:
            break
        await accounts.database.execute(
            "update public.orders set created_at = created_at - $2::interval, next_inquiry_at = now() where id = $1",
            order.id,
            gone,
        )
        rows = await accounts.database.fetch("select * from sparky.due_orders(interval '1 hour', 1000)")
        lease = next(row["lease"] for row in rows if row["id"] == order.id)
        await orders.inquire(order, lease=lease)
        asked += 1
    age = await accounts.database.fetchval("select now() - created_at from public.orders where id = $1", order.id)
    assert 5 <= asked <= 10
    assert timedelta(days=60) <= age < timedelta(days=130)


# Who is gone


async def test_money_for_a_deleted_account_is_booked_without_the_person(
    accounts: Accounts, orders: Orders, user: UUID
) -> None:
    paid, late = await orders.paid(user), Payment(await orders.order(user))
    await accounts.database.execute("select * from sparky.close_account($1)", user)
    assert await orders.hear(Payment(paid.order).obj()) == "applied"
    await accounts.database.execute("select sparky.advance_deletion($1)", user)
    assert await orders.hear(late.obj()) == "applied"
    assert await orders.inquire(paid.order, paid.refunded(paid.order.amount)) == "applied"
    rows = await accounts.database.fetch("select callback from public.payments where order_id = $1", late.order.id)
    assert all("source_data" not in row["callback"]["obj"] for row in rows)
    anonymous = (await orders.row(late.order))["user_id"]
    assert anonymous != user
    assert await accounts.balance(anonymous) == 2 * paid.order.credits
    assert await accounts.notifications(anonymous) == []
    await accounts.database.execute("delete from auth.users where id = $1", user)
    await accounts.database.execute("select sparky.deletion_done($1)", user)
    assert await accounts.violations() == []


# The operators'


async def test_an_orders_story_is_told_from_its_making_to_its_refund(
    accounts: Accounts, orders: Orders, user: UUID
) -> None:
    payment = await orders.paid(user)
    await accounts.database.execute(
        "select sparky.record_operator_action('mona', 'asked by mail', 'refund', $1, '{}')", str(payment.order.id)
    )
    await orders.hear(payment.refund(payment.order.amount))
    await orders.inquire(payment.order, payment.refunded(payment.order.amount))
    rows = await accounts.database.fetch("select * from sparky.order_story($1)", payment.order.id)
    assert [row["event"] for row in rows] == [
        "ordered", "payment", "callback_applied", "operator_refund", "refund", "callback_inquire", "refund",
    ]  # fmt: skip
    rows = await accounts.database.fetch("select * from sparky.order_transactions($1)", payment.order.id)
    amount = payment.order.amount
    assert [tuple(row) for row in rows if row["paid"]] == [(payment.id, amount, amount, True)]
    listed = await accounts.database.fetch("select * from sparky.list_orders('refunded', 1000)")
    assert payment.order.id in {row["id"] for row in listed}


@pytest.mark.parametrize("call", ["create_order(null, 1, null, null, null)", "attach_intention(null, 1, '')",
                                  "record_payment_event('TRANSACTION', 'k', '{}')"])  # fmt: skip
async def test_the_worker_takes_no_orders_and_no_callbacks(server: Server, call: str) -> None:
    connection = await asyncpg.connect(server.dsn("sparky_worker"))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch(f"select sparky.{call}")
    finally:
        await connection.close()


@pytest.mark.parametrize("call", ["apply_payment_event(1, null, true)", "apply_inquiry(null, '[]', null, true)",
                                  "apply_subscription_event(1, '[]', null, true)"])  # fmt: skip
async def test_the_intake_applies_no_payment(server: Server, call: str) -> None:
    connection = await asyncpg.connect(server.dsn("sparky_intake"))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch(f"select sparky.{call}")
    finally:
        await connection.close()


async def test_both_login_roles_can_do_their_part(server: Server, accounts: Accounts, user: UUID) -> None:
    intake, worker = (
        await asyncpg.connect(server.dsn("sparky_intake")),
        await asyncpg.connect(server.dsn("sparky_worker")),
    )
    try:
        order = await intake.fetchrow("select * from sparky.create_order($1, null, 1, null, interval '1 hour')", user)
        assert order is not None
        await intake.fetch("select sparky.attach_intention($1, $2, 'https://pay')", order["id"], number())
        await intake.fetch("select * from sparky.get_order($1, $2)", order["id"], user)
        assert await intake.fetchval("select sparky.record_payment_event('TOKEN', $1, '{}')", uuid4().hex)
        for row in await worker.fetch("select * from sparky.due_payment_events(1000)"):
            await worker.fetch("select sparky.apply_payment_event($1, $2, true)", row["id"], INTEGRATIONS)
        for row in await worker.fetch("select * from sparky.due_orders(interval '0', 1000)"):
            await worker.fetch(
                "select sparky.apply_inquiry($1, '[]', $2, true, $3)", row["id"], INTEGRATIONS, row["lease"]
            )
        await worker.fetch("select * from sparky.list_orders(null, 10)")
        await worker.fetch("select * from sparky.order_story($1)", order["id"])
        await worker.fetch("select * from sparky.order_transactions($1)", order["id"])
        await worker.fetch("select sparky.record_operator_action('a', 'b', 'c', 'd', null)")
    finally:
        await intake.close()
        await worker.close()
