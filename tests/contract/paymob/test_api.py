"""Intentions, inquiries, refunds and voids: our client on the wire protocol, and each way in which a call can fail."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest

from deploy.local.paymob.merchant import AUTHORIZE
from deploy.local.stack import Stack
from schemas.paymob.client import (
    Paymob,
    PaymobAwayError,
    PaymobNotConfiguredError,
    PaymobRefusedError,
    open_http,
)
from tests.contract.paymob.conftest import paid, purchase, settings
from tests.support.paymob import LocalPaymob
from tests.support.waiting import eventually


async def test_an_intention_is_paid_once_and_found_by_its_order(client: Paymob, paymob: LocalPaymob) -> None:
    reference = str(uuid4())
    made, obj = await paid(client, paymob, reference)
    assert obj["order"]["id"] == made.order_id
    assert obj["order"]["merchant_order_id"] == reference
    assert (obj["success"], obj["amount_cents"], obj["currency"]) == (True, 29_900, "EGP")
    assert await client.inquire_transaction(obj["id"]) == obj
    assert "has been paid" in (await paymob.http.get(made.checkout_url)).text


async def test_nobody_knows_an_order_before_anybody_tried_to_pay(client: Paymob) -> None:
    made = await client.create_intention(purchase(str(uuid4())))
    assert await client.inquire_order(made.order_id) is None
    assert await client.inquire_transaction(1) is None


async def test_a_reference_is_good_once(client: Paymob) -> None:
    reference = str(uuid4())
    await client.create_intention(purchase(reference))
    with pytest.raises(PaymobRefusedError):
        await client.create_intention(purchase(reference))


async def test_a_declined_payment_can_be_tried_again(client: Paymob, paymob: LocalPaymob) -> None:
    made, obj = await paid(client, paymob, str(uuid4()), choice="decline")
    assert (obj["success"], obj["pending"]) == (False, False)
    await paymob.pay(made.checkout_url)
    now = await client.inquire_order(made.order_id)
    assert now is not None
    assert now["success"]


async def test_refunds_add_up_and_never_exceed_what_was_paid(client: Paymob, paymob: LocalPaymob) -> None:
    _, obj = await paid(client, paymob, str(uuid4()))
    child = await client.refund(obj["id"], 10_000)
    assert (child["is_refund"], child["parent_transaction"], child["amount_cents"]) == (True, obj["id"], 10_000)
    await client.refund(obj["id"], 19_900)
    now = await client.inquire_transaction(obj["id"])
    assert now is not None
    assert (now["is_refunded"], now["refunded_amount_cents"]) == (True, 29_900)
    with pytest.raises(PaymobRefusedError):
        await client.refund(obj["id"], 1)


async def test_a_void_takes_the_payment_back(client: Paymob, paymob: LocalPaymob) -> None:
    _, obj = await paid(client, paymob, str(uuid4()))
    assert (await client.void(obj["id"]))["is_void"]
    now = await client.inquire_transaction(obj["id"])
    assert now is not None
    assert now["is_voided"]
    with pytest.raises(PaymobRefusedError):
        await client.void(obj["id"])


async def test_an_authorization_is_no_payment_before_it_is_captured(client: Paymob, paymob: LocalPaymob) -> None:
    _, obj = await paid(client, paymob, str(uuid4()), integration=AUTHORIZE)
    assert (obj["is_auth"], obj["is_captured"]) == (True, False)
    headers = {"Authorization": "Token egy_sk_local"}
    body = {"transaction_id": obj["id"], "amount_cents": 29_900}
    child = (await paymob.http.post("/api/acceptance/capture", json=body, headers=headers)).raise_for_status().json()
    assert child["is_capture"]
    now = await client.inquire_transaction(obj["id"])
    assert now is not None
    assert (now["is_captured"], now["captured_amount"]) == (True, 29_900)


@pytest.mark.parametrize("rule", [{"kind": "status", "status": 500}, {"kind": "status", "status": 429},
                                  {"kind": "answer_lost"}, {"kind": "slow", "seconds": 5}])  # fmt: skip
@pytest.mark.parametrize("call", ["intention", "auth_token", "inquire_order", "inquire_transaction", "refund"])
async def test_no_answer_in_time_may_be_tried_again(
    stack: Stack, paymob: LocalPaymob, rule: dict[str, Any], call: str
) -> None:
    await paymob.behave({**rule, "match": call})
    ours = settings(stack, paymob_timeout_seconds=1)
    async with open_http(ours) as http:
        client = Paymob(ours, http)
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "intention": lambda: client.create_intention(purchase(str(uuid4()))),
            "refund": lambda: client.refund(1, 1),
            "inquire_transaction": lambda: client.inquire_transaction(1),
        }
        with pytest.raises(PaymobAwayError):
            await calls.get(call, lambda: client.inquire_order(1))()


async def test_a_token_is_fetched_once_and_again_when_paymob_forgot_it(client: Paymob, paymob: LocalPaymob) -> None:
    await client.inquire_order(1)
    await paymob.behave({"kind": "status", "status": 500, "match": "auth_token"})
    await client.inquire_order(1)
    await paymob.reset()
    await paymob.behave({"kind": "status", "status": 401, "match": "inquire_order", "times": 1})
    assert await client.inquire_order(1) is None


@pytest.mark.parametrize("name", ["paymob_secret_key", "paymob_api_key"])
async def test_a_wrong_key_is_refused_for_good(stack: Stack, name: str) -> None:
    ours = settings(stack, **{name: "wrong"})
    async with open_http(ours) as http:
        client = Paymob(ours, http)
        call = client.inquire_order(1) if name == "paymob_api_key" else client.refund(1, 1)
        with pytest.raises(PaymobRefusedError) as refused:
            await call
    assert refused.value.status == 401
    assert "wrong" not in str(refused.value)


async def test_a_key_that_is_not_set_is_named(stack: Stack) -> None:
    ours = settings(stack, paymob_api_key=None)
    async with open_http(ours) as http:
        with pytest.raises(PaymobNotConfiguredError, match="PAYMOB_API_KEY"):
            await Paymob(ours, http).inquire_order(1)


@pytest.mark.parametrize(
    "change", [{"amount": "29900"}, {"amount": 1}, {"payment_methods": ["4001"]}, {"payment_methods": [1]},
               {"billing_data": {}}, {"special_reference": ""}],
)  # fmt: skip
async def test_an_intention_is_checked_as_paymob_checks_it(paymob: LocalPaymob, change: dict[str, Any]) -> None:
    billing = {"first_name": "A", "last_name": "B", "email": "a@example.com", "phone_number": "+20100"}
    body: dict[str, Any] = {
        "amount": 500, "currency": "EGP", "payment_methods": [4001], "items": [{"name": "x", "amount": 500}],
        "billing_data": billing, "special_reference": str(uuid4()),
    }  # fmt: skip
    headers = {"Authorization": "Token egy_sk_local"}
    answer = await paymob.http.post("/v1/intention/", json={**body, **change}, headers=headers)
    assert answer.status_code == 400
    assert (await paymob.http.post("/v1/intention/", json=body, headers=headers)).status_code == 201


async def test_an_intention_expires(client: Paymob, paymob: LocalPaymob) -> None:
    made = await client.create_intention(purchase(str(uuid4()), expires_in_seconds=1))

    async def expired() -> bool:
        return "expired" in (await paymob.http.get(made.checkout_url)).text

    await eventually(expired)
