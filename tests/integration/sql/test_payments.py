"""Payments: bought once, granted once, whatever Paymob's callbacks say and however often."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.integration.sql.conftest import Server
from tests.support.accounts import Accounts
from tests.support.orders import INTEGRATIONS, MEDIUM, PRO, SMALL, Order, Orders, Payment, number

NOW = timedelta(0)


@pytest.fixture
def orders(accounts: Accounts) -> Orders:
    return Orders(accounts)


@pytest.fixture
async def user(accounts: Accounts) -> UUID:
    return await accounts.user(balance=0)


async def events(accounts: Accounts, user: UUID, event: str) -> list[dict[str, Any]]:
    """What the user's own channel was told."""
    rows = await accounts.database.fetch(
        "select payload from realtime.messages where topic = $1 and event = $2 order by inserted_at",
        f"user:{user}",
        event,
    )
    return [row["payload"] for row in rows]


# Orders


async def test_an_order_has_the_catalogues_price_and_is_announced(
    accounts: Accounts, orders: Orders, user: UUID
) -> None:
    row = await orders.create(user, pack=SMALL)
    catalogue = await accounts.database.fetchrow("select * from public.credit_packs where id = $1", SMALL)
    assert catalogue is not None
    assert (row["outcome"], row["status"], row["currency"]) == ("created", "open", "EGP")
    assert (row["amount_piastres"], row["credits"]) == (catalogue["price_piastres"], catalogue["credits"])
    assert [told["orderId"] for told in await events(accounts, user, "order")] == [str(row["id"])]


async def test_the_same_key_is_one_order_and_another_item_under_it_is_refused(orders: Orders, user: UUID) -> None:
    first = await orders.create(user, pack=SMALL, key="k")
    again = await asyncio.gather(*(orders.create(user, pack=SMALL, key="k") for _ in range(5)))
    assert {(row["outcome"], row["id"]) for row in again} == {("existing", first["id"])}
    assert (await orders.create(user, plan=PRO, key="k"))["outcome"] == "idempotency_conflict"


async def test_a_key_is_the_users_own(accounts: Accounts, orders: Orders, user: UUID) -> None:
    first = await orders.create(user, pack=SMALL, key="k")
    other = await orders.create(await accounts.user(), pack=SMALL, key="k")
    assert (other["outcome"], other["id"] == first["id"]) == ("created", False)


@pytest.mark.parametrize("item", [{}, {"plan": 1}, {"plan": 4}, {"plan": 99}, {"pack": 99}, {"plan": 3, "pack": 1}])
async def test_what_has_no_price_is_not_for_sale(orders: Orders, user: UUID, item: dict[str, Any]) -> None:
    row = await orders.create(user, **item)
    assert (row["outcome"], row["id"]) == ("not_for_sale", None)


async def test_nobody_unknown_orders(orders: Orders) -> None:
    assert (await orders.create(uuid4(), pack=SMALL))["outcome"] == "account_not_found"


async def test_mistake_06_two_purchases_of_the_same_thing_have_references_of_their_own(
    orders: Orders, user: UUID
) -> None:
    first, second = await orders.create(user, plan=PRO), await orders.create(user, plan=PRO)
    assert first["id"] != second["id"]


async def test_an_intention_is_attached_once_and_never_moves(orders: Orders, user: UUID) -> None:
    one, other, mine = (
        (await orders.create(user, pack=SMALL))["id"],
        (await orders.create(user, pack=SMALL))["id"],
        number(),
    )
    assert await orders.attach(one, mine) == "attached"
    assert await orders.attach(one, mine) == "already"
    assert await orders.attach(one, number()) == "refused"
    assert await orders.attach(other, mine) == "refused"
    assert await orders.attach(uuid4(), number()) == "unknown"


async def test_an_order_is_shown_to_its_owner_only(accounts: Accounts, orders: Orders, user: UUID) -> None:
    order = await orders.order(user)
    shown = "select status from sparky.get_order($1, $2)"
    assert await accounts.database.fetchval(shown, order.id, user) == "open"
    assert await accounts.database.fetchval(shown, order.id, await accounts.user()) is None


# Paid


async def test_a_payment_grants_what_was_bought_and_tells(accounts: Accounts, orders: Orders, user: UUID) -> None:
    order = await orders.order(user, pack=MEDIUM)
    assert await orders.hear(Payment(order).obj()) == "applied"
    assert await accounts.ledger(user, "purchase") == [order.credits]
    assert await accounts.balance(user) == order.credits
    assert (await orders.row(order))["paid_piastres"] == order.amount
    assert await accounts.notifications(user) == ["paid"]
    assert [told["status"] for told in await events(accounts, user, "order")] == ["open", "paid"]
    assert (await events(accounts, user, "balance"))[-1]["credits"] == order.credits
    assert await accounts.violations() == []


async def test_a_callback_is_kept_whole_with_its_payment_and_nowhere_else(
    accounts: Accounts, orders: Orders, user: UUID
) -> None:
    body = {"type": "TRANSACTION", "obj": Payment(await orders.order(user)).obj(), "extra": ["kept"]}
    event = await orders.record(body)
    await orders.apply(event)
    assert await accounts.database.fetchval("select callback from public.payments where user_id = $1", user) == body
    assert await accounts.database.fetchval("select body from sparky.payment_events where id = $1", event) is None


async def test_two_hundred_copies_of_a_callback_grant_once(accounts: Accounts, orders: Orders, user: UUID) -> None:
    payment = Payment(await orders.order(user))
    body = {"type": "TRANSACTION", "obj": payment.obj()}
    key = uuid4().hex
    new = await asyncio.gather(
        *(
            accounts.database.fetchval("select sparky.record_payment_event('TRANSACTION', $1, $2)", key, body)
            for _ in range(200)
        )
    )
    assert Counter(new) == {True: 1, False: 199}
    event = await orders.record(body, key=key)
    outcomes = await asyncio.gather(*(orders.apply(event) for _ in range(20)))
    assert Counter(outcomes) == {"applied": 1, "already": 19}
    assert await accounts.ledger(user, "purchase") == [payment.order.credits]


async def test_callbacks_of_one_payment_that_differ_grant_once(accounts: Accounts, orders: Orders, user: UUID) -> None:
    payment = Payment(await orders.order(user))
    variants = [payment.obj(created_at=f"2026-11-22T10:00:0{second}") for second in range(10)]
    outcomes = await asyncio.gather(*(orders.hear(variant) for variant in variants))
    assert Counter(outcomes) == {"applied": 1, "already": 9}
    assert await accounts.ledger(user, "purchase") == [payment.order.credits]
    assert await accounts.violations() == []


async def test_an_order_that_was_paid_twice_over_grants_twice(accounts: Accounts, orders: Orders, user: UUID) -> None:
    order = await orders.order(user)
    assert [await orders.hear(Payment(order).obj()) for _ in range(2)] == ["applied", "applied"]
    assert await accounts.balance(user) == 2 * order.credits
    assert (await orders.row(order))["paid_piastres"] == 2 * order.amount
    assert await accounts.violations() == []


@pytest.mark.parametrize(
    "change",
    [
        {"success": False},
        {"success": False, "error_occured": True},
        {"success": True, "error_occured": True},
        {"success": False, "pending": True},
        {"success": True, "pending": True},
    ],
)
async def test_a_declined_or_pending_attempt_leaves_the_order_open(
    accounts: Accounts, orders: Orders, user: UUID, change: dict[str, bool]
) -> None:
    order = await orders.order(user)
    assert await orders.hear(Payment(order).obj(**change)) == "noted"
    assert (await orders.status(order), await accounts.balance(user)) == ("open", 0)
    assert await orders.hear(Payment(order).obj()) == "applied"


async def test_a_voucher_that_was_pending_and_is_paid_later_grants(
    accounts: Accounts, orders: Orders, user: UUID
) -> None:
    payment = Payment(await orders.order(user))
    assert await orders.hear(payment.obj(pending=True, success=False)) == "noted"
    assert await orders.hear(payment.obj()) == "applied"
    assert await accounts.balance(user) == payment.order.credits


# What is not our order's payment


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param({"amount_cents": 1}, "amount", id="wrong_amount"),
        pytest.param({"amount_cents": 10**9}, "amount", id="too_much"),
        pytest.param({"currency": "USD"}, "currency", id="wrong_currency"),
        pytest.param({"integration_id": 666}, "integration", id="wrong_integration"),
        pytest.param({"is_live": False}, "mode", id="test_mode_callback_in_live_mode"),
        pytest.param({"is_live": None}, "mode", id="no_mode"),
        pytest.param({"is_live": "true"}, "mode", id="mode_of_another_type"),
    ],
)
async def test_a_callback_that_does_not_fit_the_order_grants_nothing(
    accounts: Accounts, orders: Orders, user: UUID, change: dict[str, Any], reason: str
) -> None:
    order = await orders.order(user)
    payment = Payment(order)
    assert await orders.hear(payment.obj(**change)) == f"refused:{reason}"
    assert await orders.inquire(order, payment.obj(**change)) == f"refused:{reason}"
    assert (await orders.status(order), await accounts.ledger(user, "purchase")) == ("open", [])
    assert await orders.hear(payment.obj()) == "applied"


async def test_a_live_callback_in_test_mode_grants_nothing(orders: Orders, user: UUID) -> None:
    testing = orders.in_mode(live=False)
    payment = Payment(await testing.order(user))
    assert await testing.hear(payment.obj()) == "refused:mode"
    assert await testing.hear(payment.obj(is_live=False)) == "applied"


@pytest.mark.parametrize("integrations", [[], None])
async def test_without_integrations_of_ours_nothing_is_granted(
    accounts: Accounts, orders: Orders, user: UUID, integrations: list[int] | None
) -> None:
    event = await orders.record({"type": "TRANSACTION", "obj": Payment(await orders.order(user)).obj()})
    outcome = await accounts.database.fetchval("select sparky.apply_payment_event($1, $2, true)", event, integrations)
    assert outcome == "refused:integration"


async def test_a_replay_with_another_merchant_order_id_pays_the_order_that_was_signed(
    accounts: Accounts, orders: Orders, user: UUID
) -> None:
    payment, other = Payment(await orders.order(user)), await orders.order(await accounts.user(balance=0), pack=MEDIUM)
    forged = {"id": payment.order.number, "merchant_order_id": str(other.id)}
    assert await orders.hear(payment.obj(order=forged)) == "applied"
    assert (await orders.status(payment.order), await orders.status(other)) == ("paid", "open")
    assert await accounts.balance(other.user) == 0


async def test_a_transaction_pays_one_order_only(accounts: Accounts, orders: Orders, user: UUID) -> None:
    payment = await orders.paid(user)
    second = await orders.order(user)
    replayed = Payment(second, payment.id)
    assert await orders.hear(replayed.obj()) == "refused:other_order"
    assert await orders.inquire(second, replayed.obj()) == "refused:other_order"
    assert await accounts.balance(user) == payment.order.credits


@pytest.mark.parametrize(
    "change",
    [{"id": None}, {"id": "7"}, {"id": -7}, {"id": 10**18}, {"amount_cents": 1.5}, {"order": 7}, {"order": {}},
     {"success": "true"}, {"currency": None}, {"pending": None}],
)  # fmt: skip
async def test_what_is_not_in_paymobs_shape_is_refused_and_kept(
    accounts: Accounts, orders: Orders, user: UUID, change: dict[str, Any]
) -> None:
    order = await orders.order(user)
    obj = Payment(order).obj(**change)
    body = {"type": "TRANSACTION", "obj": obj}
    event = await orders.record(body)
    assert await orders.apply(event) == "refused:malformed"
    assert await accounts.database.fetchval("select body from sparky.payment_events where id = $1", event) == body
    assert await orders.inquire(order, obj) == "refused:malformed"


async def test_a_saved_card_is_not_kept(accounts: Accounts, orders: Orders) -> None:
    event = await orders.record({"type": "TOKEN", "obj": {"token": "tok", "email": "a@example.com"}}, kind="TOKEN")
    assert await orders.apply(event) == "ignored"
    assert await accounts.database.fetchval("select body from sparky.payment_events where id = $1", event) is None


# Early and late


async def test_a_callback_that_beats_our_own_storing_of_the_intention_is_applied_later(
    accounts: Accounts, orders: Orders, user: UUID
) -> None:
    row, mine = await orders.create(user, pack=SMALL), number()
    payment = Payment(Order(row["id"], user, mine, row["amount_piastres"], row["credits"]))
    event = await orders.record({"type": "TRANSACTION", "obj": payment.obj()})
    await accounts.database.execute("select * from sparky.due_payment_events(1000)")
    assert await orders.apply(event) == "waiting"
    assert await orders.attach(row["id"], mine) == "attached"
    due = await accounts.database.fetch("select id from sparky.due_payment_events(1000)")
    assert event in {row["id"] for row in due}
    assert await orders.apply(event) == "applied"


async def test_even_after_a_week_of_waiting(accounts: Accounts, orders: Orders, user: UUID) -> None:
    row, mine = await orders.create(user, pack=SMALL), number()
    payment = Payment(Order(row["id"], user, mine, row["amount_piastres"], row["credits"]))
    event = await orders.record({"type": "TRANSACTION", "obj": payment.obj()})
    old = "update sparky.payment_events set received_at = now() - interval '8 days' where id = $1"
    await accounts.database.execute(old, event)
    assert await orders.apply(event) == "refused:unknown_order"
    await orders.attach(row["id"], mine)
    assert await orders.apply(event) == "applied"


async def test_a_late_payment_of_an_expired_order_is_granted(accounts: Accounts, orders: Orders, user: UUID) -> None:
    order = await orders.order(user, lifetime=NOW)
    assert await orders.inquire(order) == "expired"
    assert await orders.hear(Payment(order).obj()) == "applied"
    assert (await orders.status(order), await accounts.balance(user)) == ("paid", order.credits)
    assert await accounts.violations() == []


async def test_an_order_is_closed_only_after_its_time_and_not_while_a_payment_is_pending(
    orders: Orders, user: UUID
) -> None:
    waiting, over = await orders.order(user), await orders.order(user, lifetime=NOW)
    pending = Payment(over).obj(pending=True, success=False)
    assert await orders.inquire(waiting) == "nothing"
    assert await orders.inquire(over, pending) == "nothing"
    assert await orders.inquire(over) == "expired"
    assert (await orders.status(waiting), await orders.status(over)) == ("open", "expired")


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
