"""`sparky up` beside a Supabase that runs elsewhere; here another embedded stack plays it."""

from collections.abc import AsyncIterator

import pytest

from deploy.local.services import Ports, choose_ports
from deploy.local.stack import Stack
from deploy.local.up import table
from tests.support.accounts import open_accounts
from tests.support.customers import signed_in
from tests.support.stack import temporary_stack


@pytest.fixture(scope="module")
async def elsewhere() -> AsyncIterator[Stack]:
    async with temporary_stack("supabase") as stack:
        yield stack


@pytest.fixture(scope="module")
async def stack(elsewhere: Stack) -> AsyncIterator[Stack]:
    environment = {
        "SUPABASE_URL": elsewhere.supabase_url,
        "SUPABASE_PUBLISHABLE_KEY": elsewhere.publishable_key,
        "SUPABASE_SECRET_KEY": elsewhere.secret_key,
        "DATABASE_URL": elsewhere.database_url("postgres"),
    }
    async with temporary_stack(environment=environment) as stack:
        yield stack


async def test_only_what_it_lacks_is_started(stack: Stack) -> None:
    assert stack.services >= {"valkey", "gemini", "intake", "worker"}
    assert not stack.services & {"postgres", "supabase"}


async def test_the_main_job_runs_on_it(elsewhere: Stack, stack: Stack) -> None:
    async with signed_in(stack) as customer:
        generation = await customer.finished(await customer.upload())
        picture = await customer.intake.get(generation["imageUrl"])

    assert generation["status"] == "succeeded"
    assert generation["imageUrl"].startswith(elsewhere.supabase_url)
    assert picture.status_code == 200
    async with open_accounts(elsewhere.database_url("postgres")) as accounts:
        assert await accounts.ledger(customer.id, "capture") == [-1]


async def test_it_says_where_everything_is(elsewhere: Stack, stack: Stack) -> None:
    said = table(stack)

    for shown in (elsewhere.supabase_url, elsewhere.publishable_key, stack.intake_url):
        assert shown in said
    assert elsewhere.secret_key not in said
    assert "mails" not in said


def test_its_ports_are_not_said_to_be_taken(elsewhere: Stack) -> None:
    said: list[str] = []
    taken = Ports(supabase=elsewhere.ports.supabase, postgres=elsewhere.ports.postgres)
    choose_ports(taken, said.append, unused=frozenset({"supabase", "postgres"}))

    assert said == []
