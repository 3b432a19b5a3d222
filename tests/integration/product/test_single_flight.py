"""Equal requests meet, unequal ones are bounded by the credits, whatever the concurrency."""

import asyncio
from collections import Counter

from tests.integration.product.conftest import Gemini
from tests.support.accounts import Accounts
from tests.support.customers import Customer

PRO = "update public.users set plan_id = 3 where id = $1"


async def test_fifty_identical_submissions_make_one_generation_one_gemini_call_and_one_charge(
    customer: Customer, accounts: Accounts, gemini: Gemini
) -> None:
    path = await customer.upload()
    answers = await asyncio.gather(*(customer.submit(path, wait=True) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert {answer.json()["status"] for answer in answers} == {"succeeded"}
    assert await gemini.calls() == 1
    assert await accounts.ledger(customer.id, "capture") == [-1]
    assert await accounts.notifications(customer.id) == ["succeeded"]


async def test_twenty_different_submissions_with_three_credits_make_exactly_three(
    customer: Customer, accounts: Accounts, gemini: Gemini
) -> None:
    await accounts.database.execute(PRO, customer.id)
    await accounts.database.execute("select sparky.write_ledger($1, 'adjustment', -7, null, null, 'test')", customer.id)
    await gemini.behave({"kind": "delay", "seconds": 0.2})
    path = await customer.upload()
    answers = await asyncio.gather(*(customer.submit(path, "age", {"age": 10 + n}, wait=True) for n in range(20)))
    assert Counter(answer.status_code for answer in answers) == {200: 3, 402: 17}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 402} == {"insufficient_credits"}
    assert await gemini.calls() == 3
    assert await accounts.balance(customer.id) == 0
    assert await accounts.violations() == []


async def test_a_hit_in_the_cache_calls_nobody_and_charges_nothing(
    customer: Customer, accounts: Accounts, gemini: Gemini
) -> None:
    path = await customer.upload()
    first = await customer.finished(path)
    again = (await customer.submit(path)).json()
    assert (again["cached"], again["id"], again["imageUrl"]) == (True, first["id"], first["imageUrl"])
    assert await gemini.calls() == 1
    assert await accounts.ledger(customer.id, "capture") == [-1]


async def test_an_expired_entry_misses(customer: Customer, accounts: Accounts, gemini: Gemini) -> None:
    path = await customer.upload()
    first = await customer.finished(path)
    await accounts.database.execute(
        "update cache.kv_store set expires_at = now() where value ->> 'generationId' = $1", first["id"]
    )
    second = await customer.finished(path)
    assert second["cached"] is False
    assert second["id"] != first["id"]
    assert await gemini.calls() == 2
    assert await accounts.ledger(customer.id, "capture") == [-1, -1]
