"""Buying, whole: checkout, Paymob's page, its callbacks on good and bad days, the balance. Granted once, always."""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import orjson
import pytest

from deploy.local.paymob.merchant import CARD, HMAC_SECRET
from deploy.local.stack import Stack
from schemas.paymob.callbacks import verified_callback
from tests.support.accounts import Accounts
from tests.support.customers import Customer, signed_in
from tests.support.paymob import Json, LocalPaymob, copies_at_once, digest, local_paymob, transaction
from tests.support.waiting import eventually

PACK, PACK_CREDITS, PACK_PRICE = 1, 50, 29_900
PRO, PRO_CREDITS = 3, 100
WELCOME = 10


@dataclass(frozen=True)
class Shop:
    """A customer at the till."""

    customer: Customer
    paymob: LocalPaymob
    accounts: Accounts
    webhook: str

    async def order(self, **what: int) -> Json:
        answer = await self.customer.intake.post("/v1/checkout", json=what or {"creditPackId": PACK})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def bought(self, choice: str = "pay", **what: int) -> str:
        """Order and go through the checkout page; answers the order's id."""
        order = await self.order(**what)
        assert (await self.paymob.pay(order["checkoutUrl"], choice)).status_code == 303
        return str(order["orderId"])

    async def shown(self, order_id: str) -> Json:
        return dict((await self.customer.intake.get(f"/v1/orders/{order_id}")).raise_for_status().json())

    async def until(self, order_id: str, status: str) -> None:
        async def so() -> bool:
            return bool((await self.shown(order_id))["status"] == status)

        await eventually(so)

    async def until_balance(self, balance: int) -> None:
        async def so() -> bool:
            return await self.balance() == balance

        await eventually(so)

    async def balance(self) -> int:
        return await self.accounts.balance(self.customer.id)

    async def purchases(self) -> list[int]:
        return await self.accounts.ledger(self.customer.id, "purchase")

    async def posted(self, obj: Json) -> str:
        """Post a signed transaction of our own making, and wait until it is dealt with; answers what came of it."""
        body = orjson.dumps({"type": "TRANSACTION", "obj": obj})
        key = verified_callback(HMAC_SECRET, body, digest(obj)).key
        async with httpx.AsyncClient(trust_env=False) as http:
            assert (await http.post(self.webhook, params={"hmac": digest(obj)}, content=body)).status_code == 200
        outcome: list[str | None] = []

        async def handled() -> bool:
            outcome[:] = [
                await self.accounts.database.fetchval("select outcome from sparky.payment_events where key = $1", key)
            ]
            return outcome != [None]

        await eventually(handled)
        return str(outcome[0])

    async def number(self, order_id: str) -> int:
        return int(
            await self.accounts.database.fetchval(
                "select intention_order_id from public.orders where id = $1", UUID(order_id)
            )
        )


@pytest.fixture
async def shop(stack: Stack, customer: Customer, accounts: Accounts) -> AsyncIterator[Shop]:
    async with local_paymob(stack.paymob_url or "") as paymob:
        yield Shop(customer, paymob, accounts, f"{stack.intake_url}/webhooks/paymob")
    assert await accounts.violations() == []


async def test_a_pack_is_paid_and_its_credits_are_there(shop: Shop) -> None:
    order = await shop.bought()
    await shop.until(order, "paid")
    assert await shop.balance() == WELCOME + PACK_CREDITS
    assert await shop.purchases() == [PACK_CREDITS]
    kinds = await shop.accounts.database.fetch(
        "select type from public.notifications where user_id = $1", shop.customer.id
    )
    assert [row["type"] for row in kinds] == ["payment"]


async def test_a_plan_is_paid_and_lasts_a_month(shop: Shop) -> None:
    order = await shop.bought(planId=PRO)
    await shop.until(order, "paid")
    user = await shop.accounts.database.fetchrow("select * from public.users where id = $1", shop.customer.id)
    assert user is not None
    assert user["plan_id"] == PRO
    assert timedelta(days=27) < user["plan_expires_at"] - datetime.now(UTC) < timedelta(days=32)
    assert user["credits"] == WELCOME + PRO_CREDITS


async def test_a_lost_callback_is_made_good_by_the_sweep(shop: Shop) -> None:
    await shop.paymob.behave({"kind": "lost"})
    order = await shop.bought()
    await shop.until(order, "paid")
    assert await shop.purchases() == [PACK_CREDITS]
    assert await shop.paymob.callbacks() == []


async def test_with_the_webhook_switched_off_every_payment_is_granted(shop: Shop, stack: Stack) -> None:
    await shop.paymob.behave({"kind": "lost"})

    async def buys() -> tuple[Shop, str]:
        async with signed_in(stack) as customer:
            other = Shop(customer, shop.paymob, shop.accounts, shop.webhook)
            order = await other.bought()
            await other.until(order, "paid")
            return other, order

    everybody = await asyncio.gather(*(buys() for _ in range(5)))
    assert [await other.purchases() for other, _ in everybody] == [[PACK_CREDITS]] * 5


@pytest.mark.parametrize("kind", ["corrupted", "forged"])
async def test_a_callback_tampered_with_is_refused_and_the_payment_granted_once_all_the_same(
    shop: Shop, kind: str
) -> None:
    await shop.paymob.behave({"kind": kind})
    order = await shop.bought()
    await shop.until(order, "paid")
    await eventually(shop.paymob.answered)
    assert [sent["status"] for sent in await shop.paymob.callbacks()] == [401]
    assert await shop.purchases() == [PACK_CREDITS]


async def test_two_hundred_copies_at_once_grant_once(shop: Shop) -> None:
    await shop.paymob.behave({"kind": "corrupted"})
    order = await shop.bought()
    await eventually(shop.paymob.callbacks)
    (sent,) = await shop.paymob.callbacks()
    obj = sent["body"]["obj"]
    answers = await copies_at_once(shop.webhook, obj, 200)
    print(f"200 copies at once: slowest answer {max(seconds for _, seconds in answers) * 1000:.0f} ms")
    assert {status for status, _ in answers} == {200}
    await shop.until(order, "paid")
    assert await shop.purchases() == [PACK_CREDITS]


async def test_what_paymob_repeats_by_itself_grants_once(shop: Shop) -> None:
    await shop.paymob.behave({"kind": "duplicated", "copies": 5})
    order = await shop.bought()
    await shop.until(order, "paid")

    async def all_answered() -> bool:
        return [sent["status"] for sent in await shop.paymob.callbacks()] == [200] * 5

    await eventually(all_answered)
    assert await shop.purchases() == [PACK_CREDITS]


async def test_a_declined_payment_grants_nothing_and_the_next_try_does(shop: Shop) -> None:
    order = await shop.order()
    await shop.paymob.pay(order["checkoutUrl"], "decline")
    await shop.paymob.pay(order["checkoutUrl"])
    await shop.until(order["orderId"], "paid")
    assert await shop.purchases() == [PACK_CREDITS]


async def test_a_pending_payment_grants_when_it_ends(shop: Shop) -> None:
    order = await shop.bought("pending")
    await eventually(shop.paymob.callbacks)
    (sent,) = await shop.paymob.callbacks()
    obj = sent["body"]["obj"]
    assert (await shop.shown(order))["status"] == "open"
    assert await shop.purchases() == []
    await shop.paymob.finish(obj["id"])
    await shop.until(order, "paid")
    assert await shop.purchases() == [PACK_CREDITS]


async def test_coming_back_from_the_page_grants_nothing(shop: Shop) -> None:
    order = await shop.order()
    own = transaction(amount_cents=PACK_PRICE, order={"id": await shop.number(order["orderId"])})
    query = {"success": "true", "pending": "false", "order": own["order"]["id"], "hmac": digest(own)}
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(shop.webhook, params=query)).status_code == 200
    assert await shop.purchases() == []


@pytest.mark.parametrize(
    "change",
    [
        {"amount_cents": PACK_PRICE - 1},
        {"amount_cents": 1},
        {"currency": "USD"},
        {"integration_id": CARD + 1000},
        {"is_live": False},
        {"is_voided": True},
        {"is_refunded": True},
        {"error_occured": True},
        {"has_parent_transaction": True},
    ],
    ids=lambda change: "-".join(f"{name}-{value}" for name, value in change.items()),
)
async def test_a_signed_callback_that_does_not_fit_the_order_grants_nothing(shop: Shop, change: Json) -> None:
    order = await shop.order()
    number = await shop.number(order["orderId"])
    fitting = {"id": number + 500_000_000_000, "amount_cents": PACK_PRICE, "order": {"id": number}}
    outcome = await shop.posted(transaction(**{**fitting, **change}))
    assert outcome != "applied"
    assert (await shop.shown(order["orderId"]))["status"] == "open"
    assert await shop.balance() == WELCOME


async def test_a_replay_with_the_reference_of_another_order_grants_that_order_nothing(shop: Shop, stack: Stack) -> None:
    """The buyer's browser holds a good signature; another order's name in what is not signed does not move it."""
    await shop.until(await shop.bought(), "paid")
    (sent,) = await shop.paymob.callbacks()
    async with signed_in(stack) as customer:
        thief = Shop(customer, shop.paymob, shop.accounts, shop.webhook)
        order = await thief.order()
        obj = {**sent["body"]["obj"], "order": {**sent["body"]["obj"]["order"], "merchant_order_id": order["orderId"]}}
        await thief.posted(obj)
        assert (await thief.shown(order["orderId"]))["status"] == "open"
        assert await thief.purchases() == []
    assert await shop.purchases() == [PACK_CREDITS]


async def test_a_refund_from_the_console_takes_back_what_it_bought_and_is_on_record(shop: Shop, stack: Stack) -> None:
    order = await shop.bought()
    await shop.until(order, "paid")
    said = await console(stack, "refund", order, "--operator", "amira", "--reason", "bought twice")
    assert "refunded 29900 piastres" in said
    await shop.until(order, "refunded")
    assert await shop.balance() == WELCOME
    story = await console(stack, "show", order)
    assert "operator_refunded" in story
    assert "amira" in story
    assert "bought twice" in story
    assert order in await console(stack, "list", "--status", "refunded")
    again = await console(stack, "refund", order, "--operator", "amira", "--reason", "again", fails=True)
    assert "0 piastres are left" in again or "name one paid transaction" in again


async def test_a_part_refund_takes_back_a_part(shop: Shop, stack: Stack) -> None:
    order = await shop.bought()
    await shop.until(order, "paid")
    await console(stack, "refund", order, "--operator", "amira", "--reason", "goodwill", "--piastres", "14950")
    await shop.until_balance(WELCOME + PACK_CREDITS // 2)
    assert (await shop.shown(order))["refundedPiastres"] == 14_950


async def test_a_refund_without_an_answer_is_on_record_and_an_inquiry_settles_it(shop: Shop, stack: Stack) -> None:
    order = await shop.bought()
    await shop.until(order, "paid")
    await shop.paymob.behave({"kind": "answer_lost", "match": "refund"}, {"kind": "lost"})
    said = await console(stack, "refund", order, "--operator", "amira", "--reason", "asked for it", fails=True)
    assert "inquire before you try again" in said
    await console(stack, "inquire", order, "--operator", "amira", "--reason", "did it happen?")
    await shop.until(order, "refunded")
    assert "operator_refund_unanswered" in await console(stack, "show", order)
    assert await shop.balance() == WELCOME


async def test_an_operator_has_to_say_who_and_why(shop: Shop, stack: Stack) -> None:
    order = (await shop.order())["orderId"]
    assert "--reason" in await console(stack, "refund", order, "--operator", "amira", fails=True)
    assert "--operator" in await console(stack, "inquire", order, "--reason", "curious", fails=True)
    assert "must say something" in await console(
        stack, "inquire", order, "--operator", " ", "--reason", "x", fails=True
    )


async def test_paymobs_own_renewal_extends_a_plan(shop: Shop) -> None:
    order = await shop.bought(planId=PRO)
    await shop.until(order, "paid")
    ends = "select plan_expires_at from public.users where id = $1"
    first = await shop.accounts.database.fetchval(ends, shop.customer.id)
    (sent,) = await shop.paymob.callbacks()
    body = {"initial_transaction": sent["body"]["obj"]["id"]}
    (await shop.paymob.http.post("/local/subscriptions", json=body)).raise_for_status()

    async def extended() -> Any:
        return await shop.accounts.database.fetchval(ends, shop.customer.id) > first

    await eventually(extended)


async def console(stack: Stack, *arguments: str, fails: bool = False) -> str:
    """What `sparky orders …` prints."""
    child = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("sparky"), "orders", "--directory", str(stack.directory), *arguments,
        env={"NO_PROXY": "127.0.0.1"}, cwd=stack.directory,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await child.communicate()
    text = output.decode()
    assert bool(child.returncode) == fails, text
    return text
