"""`POST /webhooks/paymob` over HTTP: what Paymob signed is kept once; everything else changes nothing."""

import itertools
import os
from itertools import islice
from typing import Any

import httpx
import orjson
import pytest
from prometheus_client import REGISTRY

from deploy.local.paymob.merchant import HMAC_SECRET
from deploy.local.paymob.page import way_back
from deploy.local.stack import Stack
from schemas.paymob.signature import TRANSACTION_VALUES, sign, subscription_text, token_text
from tests.integration.producers.conftest import Intake, Running
from tests.integration.producers.paymob.conftest import inbox, settings
from tests.support.accounts import Accounts
from tests.support.mutations import mutants
from tests.support.paymob import Json, copies_at_once, digest, transaction
from tests.unit.schemas.paymob.test_callbacks import changed, shifts
from tests.unit.schemas.paymob.test_signature import TOKEN

_numbers = itertools.count(500_000_000)
CALLBACKS = int(os.environ.get("FUZZ_CALLBACKS", "3000")) // 20


def fresh(**changes: Any) -> Json:
    """A transaction that no other test sends."""
    return transaction(id=next(_numbers), **changes)


async def post(shop: Intake, body: Any, hmac: str | list[str] | None, **options: Any) -> httpx.Response:
    params = {} if hmac is None else {"hmac": hmac}
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    headers = {"Content-Type": "application/json"}
    return await shop.client.post("/webhooks/paymob", params=params, content=content, headers=headers, **options)


def of(obj: Json) -> Json:
    return {"type": "TRANSACTION", "obj": obj}


async def refused(shop: Intake, accounts: Accounts, body: Any, hmac: str | list[str] | None) -> None:
    """Answered 401, and nothing is let in."""
    before = await inbox(accounts)
    answer = await post(shop, body, hmac)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_signature")
    assert await inbox(accounts) == before


async def test_a_signed_callback_is_kept_whole(shop: Intake, accounts: Accounts) -> None:
    obj = fresh()
    answer = await post(shop, of(obj), digest(obj))
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    kept = (await inbox(accounts))[-1]
    assert (kept["kind"], kept["body"]) == ("TRANSACTION", of(obj))


async def test_a_copy_is_answered_200_and_kept_once(shop: Intake, accounts: Accounts) -> None:
    obj = fresh()
    before = len(await inbox(accounts))
    assert [(await post(shop, of(obj), digest(obj))).status_code for _ in range(3)] == [200] * 3
    assert len(await inbox(accounts)) == before + 1


async def test_two_hundred_copies_at_once_are_kept_once_and_none_is_a_5xx(shop: Intake, accounts: Accounts) -> None:
    before = len(await inbox(accounts))
    answers = await copies_at_once(f"{shop.client.base_url}/webhooks/paymob", fresh(), 200)
    assert {status for status, _ in answers} == {200}
    assert len(await inbox(accounts)) == before + 1


@pytest.mark.parametrize("name", TRANSACTION_VALUES)
async def test_a_change_of_any_signed_value_is_refused(shop: Intake, accounts: Accounts, name: str) -> None:
    await refused(shop, accounts, of(changed(name)), digest(transaction()))


@pytest.mark.parametrize("shift", shifts())
async def test_a_boundary_that_moved_is_refused(shop: Intake, accounts: Accounts, shift: str) -> None:
    moved = transaction(**shifts()[shift])
    await refused(shop, accounts, of(moved), digest(moved))


async def test_a_redirect_posted_back_as_it_came_is_refused(shop: Intake, accounts: Accounts) -> None:
    """The browser's query holds a good signature, but only text."""
    obj = fresh()
    query = dict(httpx.URL(way_back("http://shop.example/back", obj)).params)
    posted: Json = {**query, "order": {"id": query["order"]}}
    posted["source_data"] = {name: query[f"source_data.{name}"] for name in ("pan", "sub_type", "type")}
    await refused(shop, accounts, of(posted), query["hmac"])


async def test_a_redirect_posted_back_with_another_order_of_ours_is_one_copy_of_the_same_event(
    shop: Intake, accounts: Accounts
) -> None:
    """With its types made right it cannot be told from the callback, so it is the callback: it names the same order."""
    obj = fresh()
    assert (await post(shop, of(obj), digest(obj))).status_code == 200
    before = await accounts.contents()
    replay = {**obj, "order": {**obj["order"], "merchant_order_id": "11111111-2222-4333-8444-555555555555"}}
    assert (await post(shop, of(replay), digest(obj))).status_code == 200
    assert await accounts.contents() == before


@pytest.mark.parametrize("hmac", [None, "", "0" * 128, "é" * 128, ["0" * 128, "1" * 128]])
async def test_a_signature_that_is_missing_or_wrong_is_refused(
    shop: Intake, accounts: Accounts, hmac: str | list[str] | None
) -> None:
    await refused(shop, accounts, of(fresh()), hmac)


async def test_a_refused_callback_changes_no_row_anywhere(shop: Intake, accounts: Accounts) -> None:
    before = await accounts.contents()
    assert (await post(shop, of(fresh()), "0" * 128)).status_code == 401
    assert await accounts.contents() == before


async def test_a_second_signature_is_refused_although_both_are_right(shop: Intake, accounts: Accounts) -> None:
    obj = fresh()
    await refused(shop, accounts, of(obj), [digest(obj), digest(obj)])


async def test_a_signature_over_the_whole_body_is_not_paymobs(shop: Intake, accounts: Accounts) -> None:
    obj = fresh()
    await refused(shop, accounts, obj, digest(obj))


async def test_a_bad_signature_leaves_a_count(shop: Intake) -> None:
    def count(outcome: str) -> float:
        return REGISTRY.get_sample_value("sparky_paymob_callbacks_total", {"outcome": outcome}) or 0

    obj, before = fresh(), (count("signature"), count("taken"), count("duplicate"))
    await post(shop, of(obj), "0" * 128)
    await post(shop, of(obj), digest(obj))
    await post(shop, of(obj), digest(obj))
    assert (count("signature"), count("taken"), count("duplicate")) == tuple(n + 1 for n in before)


async def test_saved_cards_and_subscriptions_are_kept_too(shop: Intake, accounts: Accounts) -> None:
    body = {"type": "TOKEN", "obj": TOKEN}
    assert (await post(shop, body, sign(HMAC_SECRET, token_text(TOKEN)))).status_code == 200
    assert (await inbox(accounts))[-1]["kind"] == "TOKEN"
    signature = sign(HMAC_SECRET, subscription_text("Subscription Created", 1264))
    body = {"subscription_data": {"id": 1264}, "trigger_type": "Subscription Created", "hmac": signature}
    assert (await post(shop, body, None)).status_code == 200
    assert (await inbox(accounts))[-1]["kind"] == "SUBSCRIPTION"


async def test_a_type_that_nobody_needs_is_answered_200_and_not_kept(shop: Intake, accounts: Accounts) -> None:
    obj = fresh()
    before = await accounts.contents()
    assert (await post(shop, {"type": "DELIVERY_STATUS", "obj": obj}, digest(obj))).status_code == 200
    assert await accounts.contents() == before


async def test_a_body_that_is_too_large_is_refused(shop: Intake) -> None:
    obj = fresh(data={"message": "x" * 70_000})
    assert (await post(shop, of(obj), digest(obj))).status_code == 413


async def test_while_postgres_is_away_paymob_is_told_to_come_again(running: Running, stack: Stack) -> None:
    obj = fresh()
    async with running(**settings(stack, database_url="postgres://nobody@127.0.0.1:1/none")) as shop:
        answer = await post(shop, of(obj), digest(obj))
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert "retry-after" in answer.headers
        assert (await post(shop, of(obj), "0" * 128)).status_code == 401


async def test_without_the_secret_there_is_no_webhook(running: Running, stack: Stack) -> None:
    obj = fresh()
    async with running(**settings(stack, paymob_hmac_secret=None)) as shop:
        assert (await post(shop, of(obj), digest(obj))).status_code == 404
        assert (await shop.client.get("/webhooks/paymob")).status_code == 404


async def test_no_mutant_gets_in_over_http(shop: Intake, accounts: Accounts) -> None:
    before = await accounts.contents()
    for posted in islice(mutants(seed=5), CALLBACKS):
        assert (await post(shop, posted.body, list(posted.hmacs))).status_code == 401, posted
    assert await accounts.contents() == before


async def test_neither_card_nor_signature_nor_secret_is_in_any_log(
    shop: Intake, capfd: pytest.CaptureFixture[str]
) -> None:
    obj = fresh(source_data={"type": "card", "pan": "7531", "sub_type": "Meeza"})
    await post(shop, of(obj), digest(obj))
    await post(shop, of(obj), digest(obj)[::-1])
    await post(shop, {"type": "TOKEN", "obj": TOKEN}, sign(HMAC_SECRET, token_text(TOKEN)))
    written = "".join(capfd.readouterr())
    assert "paymob_callback_taken" in written
    secrets = (digest(obj), '"pan"', "7531", "Meeza", HMAC_SECRET, TOKEN["token"], TOKEN["masked_pan"], TOKEN["email"])
    assert [secret for secret in secrets if str(secret) in written] == []
