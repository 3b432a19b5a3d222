"""What the stand-in sends is what the verifier takes, and each way in which it can be told to misbehave."""

from uuid import uuid4

import httpx
import orjson
import pytest

from deploy.local.paymob.merchant import HMAC_SECRET
from schemas.paymob.callbacks import RefusedCallbackError, verified_callback
from schemas.paymob.client import Paymob
from schemas.paymob.signature import redirect_text, verifies
from tests.contract.paymob.conftest import Listener, paid, purchase
from tests.support.paymob import LocalPaymob


async def test_a_payment_is_told_once_and_verifies(client: Paymob, paymob: LocalPaymob, listener: Listener) -> None:
    made, obj = await paid(client, paymob, str(uuid4()))
    (told,) = await listener.count(1)
    callback = verified_callback(HMAC_SECRET, *told)
    assert callback.kind == "TRANSACTION"
    assert callback.body["obj"] == obj
    assert obj["order"]["id"] == made.order_id


async def test_the_browser_carries_the_same_signature(client: Paymob, paymob: LocalPaymob, listener: Listener) -> None:
    made = await client.create_intention(purchase(str(uuid4())))
    query = dict(httpx.URL((await paymob.pay(made.checkout_url)).headers["location"]).params)
    ((_, hmac),) = await listener.count(1)
    assert query["hmac"] == hmac
    assert verifies(HMAC_SECRET, redirect_text(query), query["hmac"])


@pytest.mark.parametrize("choice", ["decline", "pending"])
async def test_what_did_not_go_through_is_told_too(
    client: Paymob, paymob: LocalPaymob, listener: Listener, choice: str
) -> None:
    await paid(client, paymob, str(uuid4()), choice=choice)
    (told,) = await listener.count(1)
    obj = verified_callback(HMAC_SECRET, *told).body["obj"]
    assert (obj["success"], obj["pending"]) == (False, choice == "pending")


async def test_a_pending_payment_is_told_again_when_it_ends(
    client: Paymob, paymob: LocalPaymob, listener: Listener
) -> None:
    _, obj = await paid(client, paymob, str(uuid4()), choice="pending")
    await paymob.finish(obj["id"])
    told = [verified_callback(HMAC_SECRET, *one).body["obj"] for one in await listener.count(2)]
    assert sorted((one["id"], one["pending"], one["success"]) for one in told) == [
        (obj["id"], False, True),
        (obj["id"], True, False),
    ]


async def test_a_refund_is_told_as_a_child(client: Paymob, paymob: LocalPaymob, listener: Listener) -> None:
    _, obj = await paid(client, paymob, str(uuid4()))
    await listener.count(1)
    await client.refund(obj["id"], 100)
    told = (await listener.count(2))[-1]
    child = verified_callback(HMAC_SECRET, *told).body["obj"]
    assert (child["has_parent_transaction"], child["parent_transaction"]) == (True, obj["id"])
    assert (child["success"], child["is_refund"], child["amount_cents"]) == (True, True, 100)


async def test_a_saved_card_is_told_with_a_signature_of_its_own(
    client: Paymob, paymob: LocalPaymob, listener: Listener
) -> None:
    await paid(client, paymob, str(uuid4()), saveCard="yes")
    kinds = {verified_callback(HMAC_SECRET, *told).kind for told in await listener.count(2)}
    assert kinds == {"TRANSACTION", "TOKEN"}


async def test_a_renewal_is_told_as_a_subscription_and_as_a_transaction(
    client: Paymob, paymob: LocalPaymob, listener: Listener
) -> None:
    made, obj = await paid(client, paymob, str(uuid4()))
    await listener.count(1)
    answer = await paymob.http.post("/local/subscriptions", json={"initial_transaction": obj["id"]})
    told = {c.kind: c.body for c in (verified_callback(HMAC_SECRET, *one) for one in (await listener.count(3))[1:])}
    assert told["SUBSCRIPTION"]["transaction_id"] == answer.json()["transaction_id"]
    renewal = told["TRANSACTION"]["obj"]
    assert renewal["id"] == answer.json()["transaction_id"]
    assert renewal["order"]["id"] != made.order_id
    assert renewal["order"]["merchant_order_id"] is None


async def test_lost_is_never_sent(client: Paymob, paymob: LocalPaymob, listener: Listener) -> None:
    await paymob.behave({"kind": "lost", "times": 1})
    await paid(client, paymob, str(uuid4()))
    _, second = await paid(client, paymob, str(uuid4()))
    (told,) = await listener.count(1)
    assert orjson.loads(told[0])["obj"]["id"] == second["id"]


async def test_duplicated_is_sent_so_often(client: Paymob, paymob: LocalPaymob, listener: Listener) -> None:
    await paymob.behave({"kind": "duplicated", "copies": 7, "times": 1})
    await paid(client, paymob, str(uuid4()))
    assert len(set(await listener.count(7))) == 1


async def test_reordered_comes_after_the_next(client: Paymob, paymob: LocalPaymob, listener: Listener) -> None:
    await paymob.behave({"kind": "reordered", "times": 1})
    _, first = await paid(client, paymob, str(uuid4()))
    _, second = await paid(client, paymob, str(uuid4()))
    told = [orjson.loads(body)["obj"]["id"] for body, _ in await listener.count(2)]
    assert told == [second["id"], first["id"]]


async def test_delayed_comes_later_than_what_followed(client: Paymob, paymob: LocalPaymob, listener: Listener) -> None:
    await paymob.behave({"kind": "delayed", "seconds": 1, "times": 1})
    _, first = await paid(client, paymob, str(uuid4()))
    _, second = await paid(client, paymob, str(uuid4()))
    told = [orjson.loads(body)["obj"]["id"] for body, _ in await listener.count(2)]
    assert told == [second["id"], first["id"]]


@pytest.mark.parametrize("kind", ["corrupted", "forged"])
async def test_what_was_tampered_with_does_not_verify(
    client: Paymob, paymob: LocalPaymob, listener: Listener, kind: str
) -> None:
    await paymob.behave({"kind": kind, "times": 1})
    await paid(client, paymob, str(uuid4()))
    (told,) = await listener.count(1)
    with pytest.raises(RefusedCallbackError, match="signature"):
        verified_callback(HMAC_SECRET, *told)


async def test_test_mode_is_only_said_and_not_signed(client: Paymob, paymob: LocalPaymob, listener: Listener) -> None:
    await paymob.behave({"kind": "test_mode", "times": 1})
    await paid(client, paymob, str(uuid4()))
    (told,) = await listener.count(1)
    assert verified_callback(HMAC_SECRET, *told).body["obj"]["is_live"] is False


@pytest.mark.parametrize(("kind", "success"), [("declined", False), ("pending", False)])
async def test_a_payment_can_be_made_to_fail(client: Paymob, paymob: LocalPaymob, kind: str, success: bool) -> None:
    await paymob.behave({"kind": kind, "times": 1})
    _, obj = await paid(client, paymob, str(uuid4()))
    assert obj["success"] is success
