"""Payments: bought once, granted once, whatever Paymob's callbacks say and however often."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.integration.sql.payments.conftest import events
from tests.support.accounts import Accounts
from tests.support.orders import MEDIUM, PRO, SMALL, Order, Orders, Payment, number

NOW = timedelta(0)


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
