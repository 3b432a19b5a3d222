"""Nobody tells us anything: what was paid, given back or never paid is found by asking Paymob."""

import asyncio
from uuid import uuid4

from structlog.testing import capture_logs

from deploy.local.paymob.merchant import AUTHORIZE, WALLET
from schemas.database import Database
from schemas.paymob.client import Paymob
from schemas.settings import Settings
from tests.integration.worker.payments.conftest import Buyer
from tests.support.accounts import Accounts
from tests.support.orders import PRO, Order, Orders
from tests.support.waiting import eventually
from worker.payments import Payments


async def due_now(accounts: Accounts, order: Order) -> None:
    await accounts.database.execute("update public.orders set next_inquiry_at = now() where id = $1", order.id)


async def overdue(accounts: Accounts, order: Order) -> None:
    await accounts.database.execute(
        "update public.orders set next_inquiry_at = now(), expires_at = now() - interval '1 minute' where id = $1",
        order.id,
    )


async def test_with_the_webhook_switched_off_every_payment_is_granted(
    accounts: Accounts, orders: Orders, buyer: Buyer, payments: Payments, paymob: Paymob
) -> None:
    async def declined_at_first() -> Order:
        order, page = await buyer.order()
        await buyer.local.pay(page, "decline")
        await buyer.local.pay(page)
        return order

    async def voucher() -> Order:
        order = await buyer.bought(choice="pending", integration=WALLET)
        await buyer.local.finish(await buyer.transaction(order))
        return order

    bought = [
        *[await buyer.bought() for _ in range(8)],
        *[await declined_at_first() for _ in range(2)],
        *[await voucher() for _ in range(2)],
        await buyer.bought(plan=PRO),
    ]
    unpaid = await buyer.bought(choice="decline")
    while await payments.inquire(paymob):
        pass
    assert [await orders.status(order) for order in bought] == ["paid"] * len(bought)
    assert await orders.status(unpaid) == "open"
    assert await accounts.balance(buyer.id) == sum(order.credits for order in bought)
    assert (await orders.user(buyer.id))["plan_id"] == PRO
    assert await accounts.violations() == []


async def test_a_worker_does_it_by_itself(
    accounts: Accounts, orders: Orders, buyer: Buyer, database: Database, settings: Settings
) -> None:
    order = await buyer.bought()
    running = [asyncio.create_task(Payments(database, settings).run()) for _ in range(3)]
    try:

        async def is_paid() -> bool:
            return await orders.status(order) == "paid"

        await eventually(is_paid)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    assert await accounts.ledger(buyer.id, "purchase") == [order.credits]


async def test_without_integrations_of_ours_nothing_is_done(database: Database, settings: Settings) -> None:
    with capture_logs() as logs:
        await Payments(database, settings.model_copy(update={"paymob_integration_ids": ()})).run()
    assert [entry["event"] for entry in logs] == ["payments_off"]


async def test_a_voucher_that_is_paid_after_the_first_look_is_granted_at_the_next(
    accounts: Accounts, orders: Orders, buyer: Buyer, payments: Payments, paymob: Paymob
) -> None:
    order = await buyer.bought(choice="pending", integration=WALLET)
    await overdue(accounts, order)
    await payments.inquire(paymob)
    assert await orders.status(order) == "open"
    await buyer.local.finish(await buyer.transaction(order))
    await due_now(accounts, order)
    await payments.inquire(paymob)
    assert await orders.status(order) == "paid"


async def test_an_authorization_is_granted_when_all_of_it_is_captured(
    accounts: Accounts, orders: Orders, buyer: Buyer, payments: Payments, paymob: Paymob
) -> None:
    order = await buyer.bought(integration=AUTHORIZE)
    transaction = await buyer.transaction(order)
    outcomes = []
    for part in (0, order.amount // 2, order.amount - order.amount // 2):
        if part:
            await buyer.local.http.post(
                "/api/acceptance/capture",
                headers={"Authorization": "Token egy_sk_local"},
                json={"transaction_id": transaction, "amount_cents": part},
            )
        await due_now(accounts, order)
        await payments.inquire(paymob)
        outcomes.append(await orders.status(order))
    assert outcomes == ["open", "open", "paid"]
    assert await accounts.violations() == []


async def test_refunds_that_nobody_told_of_are_found(
    accounts: Accounts, orders: Orders, buyer: Buyer, payments: Payments, paymob: Paymob
) -> None:
    order = await buyer.bought()
    await due_now(accounts, order)
    await payments.inquire(paymob)
    transaction = await buyer.transaction(order)
    for given_back, left in ((100, order.amount - 100), (order.amount - 100, 0)):
        await paymob.refund(transaction, given_back)
        await due_now(accounts, order)
        await payments.inquire(paymob)
        assert await accounts.balance(buyer.id) == order.credits - order.credits * (order.amount - left) // order.amount
    assert await orders.status(order) == "refunded"
    assert await accounts.violations() == []


async def test_a_refunds_callback_leads_to_an_inquiry(
    accounts: Accounts, orders: Orders, buyer: Buyer, payments: Payments, paymob: Paymob
) -> None:
    order = await buyer.bought()
    await due_now(accounts, order)
    await payments.inquire(paymob)
    child = await paymob.refund(await buyer.transaction(order), order.amount)
    await orders.record({"type": "TRANSACTION", "obj": child})
    await payments.apply_callbacks(paymob)
    assert await orders.status(order) == "paid"
    await payments.inquire(paymob)
    assert await orders.status(order) == "refunded"
    assert await accounts.balance(buyer.id) == 0


async def test_an_order_that_nobody_paid_is_closed_after_its_time(
    accounts: Accounts, orders: Orders, buyer: Buyer, payments: Payments, paymob: Paymob
) -> None:
    untouched, _ = await buyer.order()
    declined = await buyer.bought(choice="decline")
    never_sent = await orders.create(buyer.id, pack=1)
    closing = [untouched, declined, Order(never_sent["id"], buyer.id, 0, 0, 0)]
    for order in closing:
        await overdue(accounts, order)
    await payments.inquire(paymob)
    assert [await orders.status(order) for order in closing] == ["expired"] * 3


async def test_while_paymob_does_not_answer_nothing_is_closed_or_lost_and_callbacks_are_applied(
    accounts: Accounts, orders: Orders, buyer: Buyer, payments: Payments, paymob: Paymob
) -> None:
    silent, told = await buyer.bought(), await buyer.bought()
    obj = await paymob.inquire_order(told.number)
    await overdue(accounts, silent)
    await buyer.local.behave({"kind": "status", "status": 503, "match": "inquire_order"})
    await orders.record({"type": "TRANSACTION", "obj": obj})
    await payments.inquire(paymob)
    await payments.apply_callbacks(paymob)
    assert (await orders.status(silent), await orders.status(told)) == ("open", "paid")
    await buyer.local.reset()
    await due_now(accounts, silent)
    await payments.inquire(paymob)
    assert await orders.status(silent) == "paid"


async def test_a_subscriptions_renewal_is_granted_after_asking_paymob(
    accounts: Accounts, orders: Orders, buyer: Buyer, payments: Payments, paymob: Paymob
) -> None:
    first = await buyer.bought(plan=PRO)
    await due_now(accounts, first)
    await payments.inquire(paymob)
    renewal, page = await buyer.intend(first, uuid4().hex, attach=False)
    await buyer.local.pay(page)
    body = {
        "subscription_data": {"id": first.number, "initial_transaction": await buyer.transaction(first)},
        "trigger_type": "Successful Transaction",
        "transaction_id": await buyer.transaction(renewal),
    }
    for _ in range(3):
        await orders.record(body, kind="SUBSCRIPTION")
    await orders.record({"type": "TRANSACTION", "obj": await paymob.inquire_order(renewal.number)})
    await payments.apply_callbacks(paymob)
    assert await accounts.ledger(buyer.id, "purchase") == [first.credits, first.credits]
    assert await accounts.violations() == []


async def test_a_callback_that_cannot_be_applied_holds_up_no_other(
    accounts: Accounts, orders: Orders, buyer: Buyer, payments: Payments, paymob: Paymob
) -> None:
    order = await buyer.bought()
    obj = await paymob.inquire_order(order.number)
    assert obj is not None
    # No callback gets so far: its amount was checked when it came in.
    await orders.record({"type": "TRANSACTION", "obj": {**obj, "amount_cents": 2**40}})
    await orders.record({"type": "TRANSACTION", "obj": obj})
    with capture_logs() as logs:
        await payments.apply_callbacks(paymob)
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["payment_not_applied"]
    assert await orders.status(order) == "paid"
