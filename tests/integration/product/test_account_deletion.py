"""An account's end on the whole stack: photos, pictures, rows and the person, wherever a worker dies on the way."""

import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from supabase import AsyncClient, AsyncClientOptions, AuthApiError, acreate_client

from deploy.local.stack import Stack
from tests.integration.product.conftest import QUICK, Gemini
from tests.integration.sql.departures import mentions
from tests.support.accounts import Accounts, open_accounts
from tests.support.customers import Customer, signed_in
from tests.support.stack import temporary_stack
from tests.support.waiting import eventually
from worker.checkpoints import DELETION_POINTS, Point

PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Leaving:
    """A stack of our own, with a worker while `working`, and what is left of whoever leaves."""

    stack: Stack
    accounts: Accounts
    admin: AsyncClient
    http: httpx.AsyncClient

    async def work(self) -> None:
        await self.stack.run("worker")

    async def rest(self) -> None:
        await self.stack._children["worker"].stop()

    async def crash(self, point: Point) -> None:
        """A worker that dies at this point; its lease on the deletion is over at once."""
        worker = await self.stack.run("worker", label=f"worker-{point}", environment={"WORKER_CRASH_POINT": point})
        assert await worker.finished(PATIENCE_SECONDS) == -signal.SIGKILL
        await self.accounts.database.execute("update sparky.account_deletions set due_at = now()")

    def files(self) -> set[Path]:
        folder = self.stack.directory / "storage"
        return {path for path in folder.rglob("*") if path.is_file()}

    async def fail_next(self, **fault: Any) -> None:
        headers = {"apikey": self.stack.secret_key}
        (
            await self.http.post(f"{self.stack.supabase_url}/local/faults", json=fault, headers=headers)
        ).raise_for_status()

    async def until_gone(self, customer: Customer) -> None:
        """Wait for the end of the deletion; then nothing of the person is left anywhere, and all invariants hold."""
        ours = "select exists (select from sparky.account_deletions where user_id = $1)"

        async def over() -> bool:
            return not await self.accounts.database.fetchval(ours, customer.id)

        await eventually(over)
        with pytest.raises(AuthApiError, match="not found"):
            await self.admin.auth.admin.get_user_by_id(str(customer.id))
        objects = "select count(*) from storage.objects where starts_with(name, $1)"
        assert await self.accounts.database.fetchval(objects, f"{customer.id}/") == 0
        for table in ("auth.users where id", "auth.sessions where user_id", "auth.identities where user_id"):
            assert await self.accounts.database.fetchval(f"select count(*) from {table} = $1", customer.id) == 0
        await self.accounts.database.execute("delete from sparky.object_removals")  # the sweep's, a minute later
        assert await mentions(self.accounts, str(customer.id)) == []
        assert await self.accounts.violations() == []


@pytest.fixture(scope="module")
async def leaving() -> AsyncIterator[Leaving]:
    async with (
        temporary_stack("intake", "gemini", environment=QUICK) as stack,
        open_accounts(stack.database_url("postgres")) as accounts,
        httpx.AsyncClient(trust_env=False) as http,
    ):
        options = AsyncClientOptions(auto_refresh_token=False, persist_session=False)
        yield Leaving(stack, accounts, await acreate_client(stack.supabase_url, stack.secret_key, options), http)


@pytest.fixture
async def working(leaving: Leaving) -> AsyncIterator[Leaving]:
    await leaving.work()
    yield leaving
    await leaving.rest()


@pytest.fixture
async def leaver(leaving: Leaving) -> AsyncIterator[Customer]:
    async with signed_in(leaving.stack) as customer:
        yield customer


async def ask_to_leave(customer: Customer) -> None:
    answer = await customer.intake.delete("/v1/account")
    assert answer.status_code == 202, answer.text


async def test_everything_of_a_person_goes_and_the_books_stay(working: Leaving, leaver: Customer) -> None:
    before = working.files()
    body = await leaver.finished(await leaver.upload())
    await leaver.upload("deep/in/a folder/photo.jpg")
    ledger = "select id, amount from public.credit_usage where user_id = $1 order by id"
    kept = await working.accounts.database.fetch(ledger, leaver.id)
    assert (await working.http.get(body["imageUrl"])).status_code == 200

    await ask_to_leave(leaver)
    await working.until_gone(leaver)

    assert working.files() == before
    assert (await working.http.get(body["imageUrl"])).status_code == 400
    by_id = "select id, amount from public.credit_usage where id = any ($1) order by id"
    assert await working.accounts.database.fetch(by_id, [row["id"] for row in kept]) == kept
    answer = await leaver.submit(f"{leaver.id}/photo.jpg")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    with pytest.raises(AuthApiError):
        await leaver.supabase.auth.refresh_session()


@pytest.mark.parametrize("point", DELETION_POINTS)
async def test_a_worker_killed_after_any_step_leaves_it_to_the_next(
    leaving: Leaving, leaver: Customer, point: Point
) -> None:
    before = leaving.files()
    await leaving.work()
    await leaver.finished(await leaver.upload())
    await leaving.rest()
    await ask_to_leave(leaver)
    await leaving.crash(point)
    assert await leaving.accounts.violations() == []
    assert await leaving.accounts.database.fetchval(
        "select exists (select from sparky.account_deletions where user_id = $1)", leaver.id
    )

    await leaving.work()
    await leaving.until_gone(leaver)
    await leaving.rest()

    assert leaving.files() == before


async def test_running_work_is_waited_out(working: Leaving, leaver: Customer) -> None:
    async with httpx.AsyncClient(base_url=working.stack.gemini_url or "", trust_env=False) as client:
        gemini = Gemini(client)
        await gemini.behave({"kind": "delay", "seconds": 2})
        answer = (await leaver.submit(await leaver.upload())).json()

        async def runs() -> bool:
            return bool((await working.accounts.generation(answer["id"]))["status"] == "processing")

        await eventually(runs)
        await ask_to_leave(leaver)
        await working.until_gone(leaver)
        await client.delete("/local/script")
    captured = "select amount from public.credit_usage where generation_id = $1"
    assert await working.accounts.database.fetchval(captured, answer["id"]) == -1


async def test_a_user_deleted_in_the_dashboard_leaves_no_file_behind(working: Leaving, leaver: Customer) -> None:
    before = working.files()
    await leaver.finished(await leaver.upload())
    await working.admin.auth.admin.delete_user(str(leaver.id))
    await working.until_gone(leaver)
    assert working.files() == before


@pytest.mark.parametrize("match", ["storage remove", "auth admin"])
@pytest.mark.parametrize("kind", ["status", "lost", "reset"])
async def test_services_that_fail_are_asked_again(working: Leaving, leaver: Customer, match: str, kind: str) -> None:
    await leaver.upload()
    await working.fail_next(match=match, kind=kind)
    await ask_to_leave(leaver)

    async def tried() -> bool:
        await working.accounts.database.execute("update sparky.account_deletions set due_at = now()")
        return not await working.accounts.database.fetchval("select count(*) from sparky.account_deletions")

    await eventually(tried)
    await working.until_gone(leaver)


async def test_a_token_that_is_still_good_uploads_nothing_more(leaving: Leaving, leaver: Customer) -> None:
    await ask_to_leave(leaver)
    with pytest.raises(Exception, match="account_deleted"):
        await leaver.upload()
    await leaving.work()
    await leaving.until_gone(leaver)
    with pytest.raises(Exception, match="account_deleted"):
        await leaver.upload()
    await leaving.rest()


async def test_the_same_address_starts_again_without_free_credits(working: Leaving, leaver: Customer) -> None:
    user = await leaver.supabase.auth.get_user()
    assert user is not None
    address = str(user.user.email)
    await ask_to_leave(leaver)
    await working.until_gone(leaver)
    again = await working.admin.auth.admin.create_user(
        {"email": address.replace("@", "+again@"), "password": "correct horse", "email_confirm": True}
    )
    row = await working.accounts.database.fetchrow("select credits from public.users where id = $1", again.user.id)
    assert row is not None
    assert row["credits"] == 0
