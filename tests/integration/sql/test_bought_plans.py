"""Plans that were bought: a month each, with its credits once, then Free again; renewed by hand or by Paymob itself."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.support.accounts import Accounts
from tests.support.orders import PRO, Order, Orders, Payment, Transaction, number

# How often a time in the months that were bought lies in a period that could still be granted.
UNCOVERED = """
select count(*) from public.users,
    generate_series(now(), plan_expires_at - interval '1 minute', interval '7 hours') as moment
where id = $1 and not exists (
    select from sparky.period_grants where user_id = id and period = sparky.current_period(period_anchor, moment)
)
"""
AFTER_IT = """
select count(*) from public.users, sparky.period_grants
where id = $1 and user_id = id and period = sparky.current_period(period_anchor, plan_expires_at)
"""


@pytest.fixture
def orders(accounts: Accounts) -> Orders:
    return Orders(accounts)


@pytest.fixture
async def user(accounts: Accounts) -> UUID:
    return await accounts.user(balance=0)


async def act(accounts: Accounts, user: UUID) -> None:
    """The user does something that brings the present period's credits."""
    await accounts.database.execute("do $$ begin perform sparky.lock_user('" + str(user) + "'); end $$")


async def months_left(accounts: Accounts, user: UUID) -> int:
    """Whole months until the plan ends, rounded to the nearest."""
    row = await accounts.database.fetchrow("select plan_expires_at from public.users where id = $1", user)
    assert row is not None
    return 0 if row[0] is None else round((row[0] - datetime.now(UTC)) / timedelta(days=30.4))


async def lapse(accounts: Accounts) -> None:
    await accounts.database.execute("select sparky.lapse_plans()")


async def end_the_month(accounts: Accounts, user: UUID) -> None:
    """As if the plan had ended yesterday."""
    await accounts.database.execute(
        "update public.payments set plan_until = now() - interval '1 day' where user_id = $1", user
    )
    await accounts.database.execute(
        "update public.users set period_anchor = now() - interval '1 month 1 day',"
        " plan_expires_at = now() - interval '1 day' where id = $1",
        user,
    )


async def test_a_plan_lasts_a_month_and_brings_its_credits_once(accounts: Accounts, orders: Orders, user: UUID) -> None:
    payment = await orders.paid(user, plan=PRO)
    row = await orders.user(user)
    assert (row["plan_id"], await months_left(accounts, user)) == (PRO, 1)
    await act(accounts, user)
    await act(accounts, user)
    assert await accounts.balance(user) == payment.order.credits == 100
    assert await accounts.ledger(user, "purchase") == [100]
    assert await accounts.violations() == []


async def test_whoever_waited_for_the_purchase_to_be_booked_is_granted_nothing_besides(
    accounts: Accounts, orders: Orders, user: UUID
) -> None:
    payment = Payment(await orders.order(user, plan=PRO))
    async with accounts.database.acquire() as earlier, earlier.transaction():
        await earlier.execute("select now()")
        await orders.hear(payment.obj())
        await earlier.execute(f"do $$ begin perform sparky.lock_user('{user}'); end $$")
    assert await accounts.balance(user) == payment.order.credits
    assert await accounts.ledger(user, "grant") == [10]


async def test_a_paid_plan_opens_what_free_does_not(accounts: Accounts, orders: Orders, user: UUID) -> None:
    style = await accounts.database.fetchval("select id from public.hairstyles where is_pro limit 1")
    request: dict[str, Any] = {"tool": "hairstyle", "parameters": {"style": style}}
    assert (await accounts.submit(user, **request))["outcome"] == "plan_required"
    await orders.paid(user, plan=PRO)
    assert (await accounts.submit(user, **request))["outcome"] == "queued"


async def test_a_plan_bought_again_goes_on_where_the_first_month_ends(
    accounts: Accounts, orders: Orders, user: UUID
) -> None:
    for month in (1, 2, 3):
        await orders.paid(user, plan=PRO)
        assert await months_left(accounts, user) == month
    await act(accounts, user)
    assert await accounts.balance(user) == 300
    assert await accounts.violations() == []


@pytest.mark.parametrize("end", ["2027-01-31 10:00", "2027-02-28 23:59", "2028-01-29 00:00", "2027-03-30 12:00"])
async def test_no_period_of_the_months_that_were_bought_is_granted_besides(
    accounts: Accounts, orders: Orders, user: UUID, end: str
) -> None:
    await orders.paid(user, plan=PRO)
    ends = datetime.fromisoformat(end).replace(tzinfo=UTC)
    # As if the months until then had been bought one by one.
    await accounts.database.execute("update public.payments set plan_until = $2 where user_id = $1", user, ends)
    await accounts.database.execute("update public.users set plan_expires_at = $2 where id = $1", user, ends)
    for _ in range(4):
        await orders.paid(user, plan=PRO)
        assert await accounts.database.fetchval(UNCOVERED, user) == 0
        assert await accounts.database.fetchval(AFTER_IT, user) == 0


async def test_a_plan_that_is_not_renewed_lapses_to_free_and_is_granted_frees_credits(
    accounts: Accounts, orders: Orders, user: UUID
) -> None:
    await orders.paid(user, plan=PRO)
    await end_the_month(accounts, user)
    refused = await accounts.submit(user, tool="hairstyle", parameters={"style": "female-short-3"})
    assert refused["outcome"] == "plan_required"
    await lapse(accounts)
    await lapse(accounts)
    row = await orders.user(user)
    assert (row["plan_id"], row["plan_expires_at"]) == (1, None)
    assert await accounts.ledger(user, "grant") == [10, 10]
    told = await accounts.database.fetch(
        "select title_key from public.notifications where user_id = $1 order by id", user
    )
    assert [row["title_key"] for row in told] == ["notification.payment.paid.title", "notification.plan.lapsed.title"]
    assert await accounts.violations() == []


async def test_a_plan_renewed_after_it_lapsed_begins_anew(accounts: Accounts, orders: Orders, user: UUID) -> None:
    await orders.paid(user, plan=PRO)
    await end_the_month(accounts, user)
    await orders.paid(user, plan=PRO)
    assert await months_left(accounts, user) == 1
    assert await accounts.ledger(user, "purchase") == [100, 100]


async def test_a_plan_without_an_end_that_an_operator_gave_stays(
    accounts: Accounts, orders: Orders, user: UUID
) -> None:
    await accounts.database.execute("update public.users set plan_id = 4 where id = $1", user)
    payment = await orders.paid(user, plan=PRO)
    row = await orders.user(user)
    assert (row["plan_id"], row["plan_expires_at"]) == (4, None)
    await orders.inquire(payment.order, payment.obj(is_voided=True))
    row = await orders.user(user)
    assert (row["plan_id"], row["plan_expires_at"]) == (4, None)


async def test_a_month_given_back_as_a_whole_ends_the_plan(accounts: Accounts, orders: Orders, user: UUID) -> None:
    payment = await orders.paid(user, plan=PRO)
    await orders.inquire(payment.order, payment.refunded(payment.order.amount // 2))
    assert (await orders.user(user))["plan_id"] == PRO
    await orders.inquire(payment.order, payment.refunded(payment.order.amount))
    row = await orders.user(user)
    assert (row["plan_id"], row["plan_expires_at"], row["credits"]) == (1, None, 0)
    assert await accounts.violations() == []


@pytest.mark.parametrize("first", [True, False])
async def test_one_of_two_months_given_back_leaves_the_other(
    accounts: Accounts, orders: Orders, user: UUID, first: bool
) -> None:
    bought = [await orders.paid(user, plan=PRO) for _ in range(2)]
    given_back, other = bought if first else reversed(bought)
    await orders.inquire(given_back.order, given_back.refunded(given_back.order.amount))
    assert ((await orders.user(user))["plan_id"], await months_left(accounts, user)) == (PRO, 1)
    await orders.inquire(other.order, other.refunded(other.order.amount))
    assert ((await orders.user(user))["plan_id"], await months_left(accounts, user)) == (1, 0)
    assert await accounts.balance(user) == 0
    assert await accounts.violations() == []


async def test_a_month_that_is_over_takes_nothing_from_the_one_that_runs(
    accounts: Accounts, orders: Orders, user: UUID
) -> None:
    over = await orders.paid(user, plan=PRO)
    await end_the_month(accounts, user)
    await orders.paid(user, plan=PRO)
    await orders.inquire(over.order, over.refunded(over.order.amount))
    assert ((await orders.user(user))["plan_id"], await months_left(accounts, user)) == (PRO, 1)


# Renewed by Paymob


class Subscription:
    """A subscription at Paymob that a first order began."""

    def __init__(self, orders: Orders, first: Payment) -> None:
        self.orders, self.first, self.id = orders, first, number()

    def renewal(self) -> Payment:
        """A month later: an order and a transaction that only Paymob knows."""
        order = self.first.order
        return Payment(Order(uuid4(), order.user, number(), order.amount, order.credits))

    async def event(self, transaction: int, trigger: str = "Successful Transaction") -> int:
        body = {
            "subscription_data": {"id": self.id, "initial_transaction": self.first.id, "state": "active"},
            "trigger_type": trigger,
            "transaction_id": transaction,
        }
        return await self.orders.record(body, kind="SUBSCRIPTION")

    async def apply(self, event: int, *answers: Transaction) -> str:
        statement = "select sparky.apply_subscription_event($1, $2, $3, $4)"
        orders = self.orders
        return str(
            await orders.database.fetchval(statement, event, list(answers), list(orders.integrations), orders.live)
        )

    async def renewed(self, payment: Payment, **changes: Any) -> str:
        event = await self.event(payment.id)
        return await self.apply(event, self.first.obj(), payment.obj(**changes))


@pytest.fixture
async def subscription(orders: Orders, user: UUID) -> Subscription:
    return Subscription(orders, await orders.paid(user, plan=PRO))


async def test_a_renewal_by_paymob_extends_the_plan_and_grants_once(
    accounts: Accounts, orders: Orders, user: UUID, subscription: Subscription
) -> None:
    renewal = subscription.renewal()
    events = [await subscription.event(renewal.id) for _ in range(5)]
    answers = [await subscription.apply(event, subscription.first.obj(), renewal.obj()) for event in events]
    assert answers == ["applied", "noted", "noted", "noted", "noted"]
    assert await months_left(accounts, user) == 2
    assert await accounts.ledger(user, "purchase") == [100, 100]
    assert await orders.hear(renewal.obj()) == "already"
    assert await accounts.violations() == []


async def test_a_renewals_transactions_are_inquired_about_first(accounts: Accounts, subscription: Subscription) -> None:
    renewal = subscription.renewal()
    event = await subscription.event(renewal.id)
    rows = await accounts.database.fetch("select id, inquire from sparky.due_payment_events(1000)")
    assert next(row["inquire"] for row in rows if row["id"] == event) == [subscription.first.id, renewal.id]


async def test_a_renewals_ordinary_callback_waits_for_the_subscriptions(
    orders: Orders, subscription: Subscription
) -> None:
    renewal = subscription.renewal()
    event = await orders.record({"type": "TRANSACTION", "obj": renewal.obj()})
    assert await orders.apply(event) == "waiting"
    assert await subscription.renewed(renewal) == "applied"
    assert await orders.apply(event) == "already"


async def test_a_renewal_that_was_given_back_is_clawed_back(
    accounts: Accounts, orders: Orders, user: UUID, subscription: Subscription
) -> None:
    renewal = subscription.renewal()
    await subscription.renewed(renewal)
    assert await orders.hear(renewal.refund(renewal.order.amount)) == "inquire"
    order = await accounts.database.fetchval(
        "select id from public.orders where intention_order_id = $1", renewal.order.number
    )
    mine = Order(order, user, renewal.order.number, renewal.order.amount, renewal.order.credits)
    assert await orders.inquire(mine, renewal.refunded(renewal.order.amount)) == "applied"
    assert (await accounts.balance(user), await months_left(accounts, user)) == (100, 1)
    assert await accounts.violations() == []


@pytest.mark.parametrize(
    "change",
    [{"amount_cents": 1}, {"currency": "USD"}, {"integration_id": 666}, {"is_live": False}, {"success": False}],
)
async def test_a_renewal_that_does_not_fit_grants_nothing(
    accounts: Accounts, user: UUID, subscription: Subscription, change: dict[str, Any]
) -> None:
    assert (await subscription.renewed(subscription.renewal(), **change)).startswith("refused:")
    assert (await accounts.balance(user), await months_left(accounts, user)) == (100, 1)
    assert await accounts.violations() == []


async def test_somebody_elses_payment_renews_nothing(
    accounts: Accounts, orders: Orders, user: UUID, subscription: Subscription
) -> None:
    other = await orders.paid(await accounts.user(), plan=PRO)
    assert await subscription.renewed(other) == "refused:other_order"
    assert await months_left(accounts, user) == 1


async def test_a_subscription_that_nobody_ordered_renews_nothing(orders: Orders, user: UUID) -> None:
    unknown = Subscription(orders, Payment(Order(uuid4(), user, number(), 50000, 100)))
    assert await unknown.renewed(unknown.renewal()) == "waiting"


async def test_a_subscription_that_ends_is_noted_and_its_plan_runs_out(
    accounts: Accounts, user: UUID, subscription: Subscription
) -> None:
    event = await subscription.event(subscription.first.id, "canceled")
    assert await subscription.apply(event, subscription.first.obj()) == "noted"
    state = "select state from sparky.subscriptions where id = $1"
    assert await accounts.database.fetchval(state, subscription.id) == "canceled"
    assert await months_left(accounts, user) == 1
