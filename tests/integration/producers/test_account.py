"""A user leaves, or takes the own data along."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from producers.intake import account
from schemas.account import SECTIONS, AccountExport
from tests.integration.producers.conftest import Intake
from tests.support.accounts import Accounts

EXPORT = "/v1/account/export"


async def exported(intake: Intake, user: UUID) -> AccountExport:
    answer = await intake.call("GET", EXPORT, user)
    assert answer.status_code == 200
    return AccountExport.model_validate(answer.json())


async def test_an_account_is_deleted_at_ones_own_word_and_as_often_as_one_says_it(
    intake: Intake, accounts: Accounts
) -> None:
    user = await accounts.user()
    queued = (await accounts.submit(user))["id"]
    first = await intake.call("DELETE", "/v1/account", user)
    again = await intake.call("DELETE", "/v1/account", user)
    assert (first.status_code, first.json()["status"]) == (202, "deleting")
    assert again.json() == first.json()
    assert (await accounts.generation(queued))["status"] == "canceled"


async def test_a_deleted_account_is_refused_by_name(intake: Intake, accounts: Accounts) -> None:
    user = await accounts.user()
    photo = await accounts.photo(user)
    await intake.call("DELETE", "/v1/account", user)
    for answer in (
        await intake.submit(user, photo),
        await intake.call("POST", "/v1/analyze-face", user, json={"originalImageStoragePath": photo}),
        await intake.call("GET", EXPORT, user),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "account_deleted")


@pytest.mark.parametrize(("method", "path"), [("DELETE", "/v1/account"), ("GET", EXPORT)])
async def test_nobody_and_whoever_is_gone_are_refused(intake: Intake, method: str, path: str) -> None:
    for user in (None, uuid4()):
        answer = await intake.call(method, path, user)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_an_export_has_everything_of_ones_own(intake: Intake, accounts: Accounts) -> None:
    user = await accounts.user(plan=3)
    photo = await accounts.photo(user)
    generation = await accounts.succeeded(user, path=photo)
    await accounts.database.execute(
        "update public.users set username = 'Ada', notification_preferences = $2 where id = $1", user, {"offer": False}
    )
    await accounts.database.execute(
        "insert into public.credit_packs (id, name, credits, price_piastres) values (9, 'Pack', 10, 5000)"
        " on conflict do nothing"
    )
    order = await accounts.database.fetchval(
        "insert into public.orders (user_id, credit_pack_id, amount_piastres, expires_at) values ($1, 9, 5000, now())"
        " returning id",
        user,
    )
    await accounts.database.execute(
        "insert into public.payments"
        " (user_id, order_id, transaction_id, kind, amount_piastres, currency, success, callback)"
        " values ($1, $2, 7, 'transaction', 5000, 'EGP', true, '{\"hidden\": 1}')",
        user,
        order,
    )
    own = await exported(intake, user)
    profile = own.profile
    assert (profile.id, profile.email, profile.username) == (user, f"{user}@example.com", "Ada")
    assert (profile.credits, profile.notification_preferences) == (9, {"offer": False})
    assert [(each.id, each.photo_path, each.status) for each in own.generations] == [(generation, photo, "succeeded")]
    assert own.generations[0].image_path
    assert [(each.kind, each.amount) for each in own.ledger] == [("grant", 10), ("capture", -1)]
    assert [each.params["generationId"] for each in own.notifications] == [str(generation)]
    assert [(each.id, each.amount_piastres) for each in own.orders] == [(order, 5000)]
    assert [(each.order_id, each.success) for each in own.payments] == [(order, True)]


async def test_an_export_shows_neither_internals_nor_anything_of_others(intake: Intake, accounts: Accounts) -> None:
    user, other = await accounts.user(), await accounts.user()
    await accounts.succeeded(other)
    await accounts.succeeded(user)
    answer = await intake.call("GET", EXPORT, user)
    assert str(other) not in answer.text
    schemas: dict[str, Any] = intake.app.openapi()["components"]["schemas"]
    for section, model in SECTIONS.items():
        for entry in answer.json()[section]:
            assert set(entry) == set(schemas[model.__name__]["properties"])


async def test_an_export_of_many_pages_misses_and_repeats_nothing(
    intake: Intake, accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producers.intake.export.PAGE", 7)
    user = await accounts.user()
    await accounts.database.execute(
        "select sparky.write_ledger($1, 'adjustment', 1, null, null, null) from generate_series(1, 30)", user
    )
    await accounts.database.execute(
        "insert into public.notifications (user_id, type, title_key, message_key, created_at)"
        " select $1, 'general', n::text, '', now() + n * interval '1 ms' from generate_series(1, 21) as n",
        user,
    )
    own = await exported(intake, user)
    assert len({each.id for each in own.ledger}) == len(own.ledger) == 31
    assert sum(each.amount for each in own.ledger) == own.profile.credits == 40
    assert [each.title_key for each in own.notifications] == [str(n) for n in range(1, 22)]


async def test_an_export_that_breaks_off_does_not_look_whole(
    intake: Intake, accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await accounts.user()

    async def failing(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(intake.app.state.services.accounts, "page", failing, raising=False)
    with pytest.raises(httpx.RemoteProtocolError):
        await intake.call("GET", EXPORT, user)


async def test_more_exports_than_there_are_places_are_asked_to_come_back(intake: Intake, accounts: Accounts) -> None:
    user = await accounts.user()
    for _ in range(account.EXPORTS_AT_ONCE):
        await account._places.acquire()
    try:
        answer = await intake.call("GET", EXPORT, user)
    finally:
        for _ in range(account.EXPORTS_AT_ONCE):
            account._places.release()
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert int(answer.headers["retry-after"]) > 0
    assert (await exported(intake, user)).profile.id == user


async def test_places_are_given_back(intake: Intake, accounts: Accounts) -> None:
    user = await accounts.user()
    for _ in range(3 * account.EXPORTS_AT_ONCE):
        await exported(intake, user)
    assert not account._places.locked()


async def test_closing_and_submitting_at_once_leaves_nothing_running(intake: Intake, accounts: Accounts) -> None:
    user = await accounts.user(plan=4, balance=50)
    photos = [await accounts.photo(user) for _ in range(8)]
    answers = await asyncio.gather(
        *(intake.submit(user, photo) for photo in photos), intake.call("DELETE", "/v1/account", user)
    )
    assert {answer.status_code for answer in answers} <= {202, 403}
    open_ = "select count(*) from public.generations where user_id = $1 and status in ('queued', 'processing')"
    assert await accounts.database.fetchval(open_, user) == 0
