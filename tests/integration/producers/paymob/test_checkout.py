"""Ordering over HTTP: the price is ours, a repetition orders nothing twice, and Paymob's bad days are survived."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from deploy.local.stack import Stack
from tests.integration.producers.conftest import Intake, Running
from tests.integration.producers.paymob.conftest import settings
from tests.support.accounts import Accounts
from tests.support.paymob import LocalPaymob

PACK = 1
PRO = 3


async def order(shop: Intake, user: UUID, key: str | None = None, **body: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await shop.call("POST", "/v1/checkout", user, json=body or {"creditPackId": PACK}, headers=headers)


async def orders_of(accounts: Accounts, user: UUID) -> int:
    return int(await accounts.database.fetchval("select count(*) from public.orders where user_id = $1", user))


@pytest.mark.parametrize("body", [{"creditPackId": PACK}, {"planId": PRO}])
async def test_an_order_has_our_price_and_an_address_to_pay_at(
    shop: Intake, accounts: Accounts, paymob: LocalPaymob, body: dict[str, Any]
) -> None:
    user = await accounts.user()
    answer = await order(shop, user, **body)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert set(made) == {"orderId", "checkoutUrl"}
    shown = (await shop.call("GET", answer.headers["location"], user)).json()
    assert shown["id"] == made["orderId"]
    assert (shown["status"], shown["checkoutUrl"], shown["currency"]) == ("open", made["checkoutUrl"], "EGP")
    assert shown["amountPiastres"] > 0
    page = await paymob.http.get(made["checkoutUrl"])
    assert f"{shown['amountPiastres'] / 100:.2f} EGP" in page.text
    row = await accounts.database.fetchrow("select * from public.orders where id = $1", UUID(made["orderId"]))
    assert row is not None
    assert row["intention_order_id"] is not None


async def test_the_same_key_answers_the_same_order(shop: Intake, accounts: Accounts) -> None:
    user = await accounts.user()
    first = await order(shop, user, "a-key")
    answers = await asyncio.gather(*(order(shop, user, "a-key") for _ in range(5)))
    assert {(a.status_code, a.text) for a in answers} == {(201, first.text)}
    assert await orders_of(accounts, user) == 1


async def test_a_key_used_at_once_makes_one_order_with_one_address(shop: Intake, accounts: Accounts) -> None:
    user = await accounts.user()
    answers = await asyncio.gather(*(order(shop, user, "at-once") for _ in range(8)))
    assert {a.status_code for a in answers} == {201}
    assert len({a.text for a in answers}) == 1
    assert await orders_of(accounts, user) == 1


async def test_a_key_for_something_else_is_a_conflict(shop: Intake, accounts: Accounts) -> None:
    user = await accounts.user()
    await order(shop, user, "taken")
    answer = await order(shop, user, "taken", planId=PRO)
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_conflict")
    assert (await order(shop, await accounts.user(), "taken")).status_code == 201


async def test_without_a_key_every_request_is_an_order(shop: Intake, accounts: Accounts) -> None:
    user = await accounts.user()
    references = {(await order(shop, user)).json()["orderId"] for _ in range(3)}
    assert len(references) == 3


async def test_an_ended_order_is_not_revived_by_its_key(shop: Intake, accounts: Accounts) -> None:
    user = await accounts.user()
    await accounts.database.execute(
        "insert into public.orders"
        " (user_id, credit_pack_id, credits, amount_piastres, status, expires_at, idempotency_key)"
        " values ($1, $2, 50, 29900, 'expired', now() - interval '1 hour', 'old')",
        user,
        PACK,
    )
    answer = await order(shop, user, "old")
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_conflict")


@pytest.mark.parametrize("body", [{"planId": 1}, {"planId": 4}, {"planId": 99}, {"creditPackId": 99}])
async def test_what_has_no_price_is_not_for_sale(shop: Intake, accounts: Accounts, body: dict[str, Any]) -> None:
    user = await accounts.user()
    answer = await order(shop, user, **body)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_for_sale")
    assert await orders_of(accounts, user) == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"planId": "3"}, "planId"),
        ({"planId": True}, "planId"),
        ({"planId": None}, "planId"),
        ({"planId": 0}, "planId"),
        ({"creditPackId": 2**31}, "creditPackId"),
        ({"creditPackId": 1, "planId": 3}, "planId"),
        ({"creditPackId": 1, "amountPiastres": 1}, "amountPiastres"),
        ({"creditPackId": 1, "billing": {"firstName": "A"}}, "billing.lastName"),
    ],
)
async def test_a_wrong_field_is_named_and_nothing_is_ordered(
    shop: Intake, accounts: Accounts, body: dict[str, Any], field: str
) -> None:
    user = await accounts.user()
    answer = await order(shop, user, **body)
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (422, "invalid_parameters", field)
    assert await orders_of(accounts, user) == 0


@pytest.mark.parametrize("key", ["", "a key", "k" * 256])
async def test_a_key_that_is_none_is_refused(shop: Intake, accounts: Accounts, key: str) -> None:
    answer = await shop.call(
        "POST", "/v1/checkout", await accounts.user(), json={"creditPackId": PACK}, headers={"Idempotency-Key": key}
    )
    assert (answer.status_code, answer.json()["field"]) == (422, "Idempotency-Key")


async def test_nobody_orders_without_a_token_and_nobody_sees_the_order_of_another(
    shop: Intake, accounts: Accounts
) -> None:
    assert (await shop.call("POST", "/v1/checkout", json={"creditPackId": PACK})).status_code == 401
    made = (await order(shop, await accounts.user())).json()
    stranger = await accounts.user()
    for path in (f"/v1/orders/{made['orderId']}", f"/v1/orders/{uuid4()}", "/v1/orders/no-id"):
        assert (await shop.call("GET", path, stranger)).json()["code"] == "not_found"
    assert (await shop.call("GET", f"/v1/orders/{made['orderId']}")).status_code == 401


@pytest.mark.parametrize(
    "rule", [{"kind": "status", "status": 500}, {"kind": "answer_lost"}, {"kind": "slow", "seconds": 6}]
)
async def test_one_bad_answer_of_paymob_is_made_good_at_once(
    shop: Intake, accounts: Accounts, paymob: LocalPaymob, rule: dict[str, Any]
) -> None:
    await paymob.behave({**rule, "match": "intention", "times": 1})
    user = await accounts.user()
    answer = await order(shop, user)
    assert answer.status_code == 201, answer.text
    assert (await paymob.pay(answer.json()["checkoutUrl"])).status_code == 303


async def test_a_paymob_that_stays_away_is_said_and_the_same_key_tries_again(
    shop: Intake, accounts: Accounts, paymob: LocalPaymob
) -> None:
    user = await accounts.user()
    await paymob.behave({"kind": "answer_lost", "match": "intention"})
    answer = await order(shop, user, "patience")
    assert (answer.status_code, answer.json()["code"]) == (503, "payments_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    await paymob.reset()
    answer = await order(shop, user, "patience")
    assert answer.status_code == 201
    assert await orders_of(accounts, user) == 1
    assert (await paymob.pay(answer.json()["checkoutUrl"])).status_code == 303


async def test_a_paymob_that_refuses_is_not_asked_twice(running: Running, stack: Stack, accounts: Accounts) -> None:
    async with running(**settings(stack, paymob_secret_key="revoked")) as shop:
        answer = await order(shop, await accounts.user())
    assert (answer.status_code, answer.json()["code"]) == (503, "payments_unavailable")
    assert "retry-after" not in answer.headers


@pytest.mark.parametrize("missing", ["paymob_secret_key", "paymob_public_key", "paymob_integration_ids"])
async def test_without_its_keys_nothing_is_for_sale_and_nothing_is_ordered(
    running: Running, stack: Stack, accounts: Accounts, missing: str
) -> None:
    user = await accounts.user()
    async with running(**settings(stack, **{missing: None if missing.endswith("key") else ()})) as shop:
        answer = await order(shop, user)
    assert (answer.status_code, answer.json()["code"]) == (503, "payments_unavailable")
    assert await orders_of(accounts, user) == 0


async def test_the_address_of_a_checkout_is_in_no_log(
    shop: Intake, accounts: Accounts, capfd: pytest.CaptureFixture[str]
) -> None:
    made = (await order(shop, await accounts.user())).json()
    written = "".join(capfd.readouterr())
    assert made["orderId"] in written
    assert "egy_csk" not in written
    assert "egy_sk" not in written
