"""Private results: the bucket answers nobody without a signature, and the intake signs whatever it shows."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.integration.producers.conftest import Intake, Running
from tests.support.accounts import Accounts
from tests.support.forwarder import forwarding
from tests.support.waiting import eventually

PICTURE = b"\x89PNG\r\n\x1a\n private"


@pytest.fixture(autouse=True)
async def private_bucket(accounts: Accounts) -> AsyncIterator[None]:
    """As docs/how-to/storage.md has it."""
    switch = "update storage.buckets set public = $1 where id = 'generations'"
    await accounts.database.execute(switch, False)
    yield
    await accounts.database.execute(switch, True)


@pytest.fixture(scope="module")
async def private(running: Running) -> AsyncIterator[Intake]:
    async with running(results_private=True) as intake:
        yield intake


@pytest.fixture
async def anybody() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


async def with_picture(stack: Any, accounts: Accounts, user: UUID, photo: str | None = None) -> tuple[str, str]:
    """A generation that succeeded, its object stored as the worker stores it: its id and the object's name."""
    submitted = await accounts.submit(user, photo, model="gemini-nano-banana-2.1")
    attempt = await accounts.start(submitted["id"])
    assert attempt is not None
    name = attempt["object_name"]
    headers = {"apikey": stack.secret_key, "Authorization": f"Bearer {stack.secret_key}", "Content-Type": "image/png"}
    async with httpx.AsyncClient(trust_env=False) as client:
        address = f"{stack.supabase_url}/storage/v1/object/generations/{name}"
        assert (await client.post(address, content=PICTURE, headers=headers)).status_code == 200
    assert await accounts.settle(submitted["id"], attempt["fence"]) == "settled"
    return str(submitted["id"]), name


async def test_the_signed_address_works_and_the_public_one_does_not(
    private: Intake, accounts: Accounts, stack: Any, anybody: httpx.AsyncClient
) -> None:
    user = await accounts.user()
    generation, name = await with_picture(stack, accounts, user)
    url = (await private.call("GET", f"/v1/generations/{generation}", user)).json()["imageUrl"]
    assert (await anybody.get(url)).content == PICTURE
    assert (await anybody.get(url.partition("?")[0])).status_code in (400, 404)
    public = f"{stack.supabase_url}/storage/v1/object/public/generations/{name}"
    assert (await anybody.get(public)).status_code in (400, 404)


async def test_an_address_that_has_expired_is_replaced_by_asking_again(
    running: Running, accounts: Accounts, stack: Any, anybody: httpx.AsyncClient
) -> None:
    user = await accounts.user()
    generation, _ = await with_picture(stack, accounts, user)
    async with running(results_private=True, result_url_seconds=1) as intake:

        async def address() -> str:
            return str((await intake.call("GET", f"/v1/generations/{generation}", user)).json()["imageUrl"])

        first = await address()

        async def expired() -> bool:
            return (await anybody.get(first)).status_code in (400, 404)

        await eventually(expired)
        assert (await anybody.get(await address())).content == PICTURE


async def test_a_cached_answer_carries_a_fresh_address(
    private: Intake, accounts: Accounts, stack: Any, anybody: httpx.AsyncClient
) -> None:
    user = await accounts.user()
    photo = await accounts.photo(user)
    generation, _ = await with_picture(stack, accounts, user, photo)
    answer = await private.submit(user, photo, age=40)
    assert (answer.status_code, answer.json()["cached"], answer.json()["id"]) == (200, True, generation)
    assert (await anybody.get(answer.json()["imageUrl"])).content == PICTURE


async def test_a_page_of_results_is_signed_with_one_call(
    private: Intake, accounts: Accounts, stack: Any, anybody: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    user = await accounts.user()
    made = [await with_picture(stack, accounts, user) for _ in range(2)]
    queued = str((await accounts.submit(user))["id"])
    caplog.set_level("INFO", logger="httpx")
    page = (await private.call("GET", "/v1/generations", user)).json()["generations"]
    assert sum("/storage/v1/object/sign" in message for message in caplog.messages) == 1
    assert [body["id"] for body in page] == [queued, *(generation for generation, _ in reversed(made))]
    assert page[0]["imageUrl"] is None
    for body in page[1:]:
        assert (await anybody.get(body["imageUrl"])).content == PICTURE


async def test_addresses_are_those_that_clients_reach(running: Running, accounts: Accounts, stack: Any) -> None:
    user = await accounts.user()
    generation, _ = await with_picture(stack, accounts, user)
    async with forwarding(stack.ports.supabase) as inside:
        changes = {"supabase_url": f"http://127.0.0.1:{inside.port}", "supabase_public_url": stack.supabase_url}
        async with running(results_private=True, **changes) as intake:
            body = (await intake.call("GET", f"/v1/generations/{generation}", user)).json()
    assert body["imageUrl"].startswith(f"{stack.supabase_url}/storage/v1/object/sign/generations/")


@pytest.mark.parametrize("fault", ["freeze", "cut"])
async def test_while_storage_is_away_a_result_is_unavailable_and_then_is_there(
    running: Running, accounts: Accounts, stack: Any, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producers.intake.pictures.SIGN_SECONDS", 0.5)
    user = await accounts.user()
    generation, _ = await with_picture(stack, accounts, user)
    async with forwarding(stack.ports.supabase) as storage:
        changes = {"supabase_url": f"http://127.0.0.1:{storage.port}", "supabase_public_url": stack.supabase_url}
        async with running(results_private=True, **changes) as intake:
            assert (await intake.call("GET", f"/v1/generations/{generation}", user)).status_code == 200
            getattr(storage, fault)()
            away = await intake.call("GET", f"/v1/generations/{generation}", user)
            assert (away.status_code, away.json()["code"]) == (503, "unavailable")
            assert int(away.headers["retry-after"]) >= 1
            storage.mend()
            assert (await intake.call("GET", f"/v1/generations/{generation}", user)).status_code == 200


async def test_a_picture_that_is_gone_has_no_address(private: Intake, accounts: Accounts) -> None:
    user = await accounts.user()
    generation = await accounts.succeeded(user)
    await accounts.database.execute(
        "update public.generations set image_path = image_path || 'x' where id = $1", generation
    )
    body = (await private.call("GET", f"/v1/generations/{generation}", user)).json()
    assert (body["status"], body["imageUrl"]) == ("succeeded", None)
    await accounts.database.execute("update public.generations set image_path = object_name where id = $1", generation)


async def test_owners_may_also_fetch_and_sign_their_own_pictures_and_nobody_else_may(
    private: Intake, accounts: Accounts, stack: Any, anybody: httpx.AsyncClient
) -> None:
    owner, other = await accounts.user(), await accounts.user()
    _, name = await with_picture(stack, accounts, owner)
    storage = f"{stack.supabase_url}/storage/v1/object"
    answers = {}
    for user in (owner, other):
        headers = {"apikey": stack.publishable_key, "Authorization": f"Bearer {private.token(user)}"}
        own = await anybody.get(f"{storage}/authenticated/generations/{name}", headers=headers)
        signed = await anybody.post(f"{storage}/sign/generations/{name}", json={"expiresIn": 60}, headers=headers)
        answers[user] = own.status_code, signed.status_code
    assert answers == {owner: (200, 200), other: (400, 400)}
