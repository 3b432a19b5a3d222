"""`sparky doctor` as a person runs it."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator

import asyncpg
import pytest

from deploy.local.stack import Stack
from tests.support.stack import temporary_stack

MAIN = "from deploy.cli import main; main()"


@pytest.fixture(scope="module")
async def stack() -> AsyncIterator[Stack]:
    async with temporary_stack("supabase") as stack:
        yield stack


async def doctor(*arguments: str, **environment: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        MAIN,
        "doctor",
        *arguments,
        env={"PATH": os.environ["PATH"], **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(120):
        output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_the_running_embedded_stack_is_sound_in_every_check(stack: Stack) -> None:
    code, said = await doctor("--directory", str(stack.directory))

    assert code == 0, said
    assert said.endswith("Nothing is wrong.\n")
    assert "not checked" not in said


async def test_a_fault_is_told_with_what_to_do_and_fails(stack: Stack) -> None:
    connection = await asyncpg.connect(stack.database_url("postgres"))
    await connection.execute("alter table public.orders disable row level security")
    try:
        code, said = await doctor("--database", stack.database_url("postgres"))
    finally:
        await connection.execute("alter table public.orders enable row level security")
        await connection.close()

    assert code == 1, said
    assert "row level security is off on public.orders" in said
    assert "what to do: alter table public.orders enable row level security" in said
    assert said.endswith("1 findings.\n")


async def test_the_configured_database_and_project_are_examined_and_no_secret_is_shown(stack: Stack) -> None:
    url = stack.database_url("postgres")
    code, said = await doctor(
        DOCTOR_DATABASE_URL=url, SUPABASE_URL=stack.supabase_url, SUPABASE_SECRET_KEY=stack.secret_key
    )

    assert code == 0, said
    assert "not checked: code length and mail texts: SUPABASE_ACCESS_TOKEN is not set" in said
    assert stack.keys.passwords["postgres"] not in said
    assert stack.secret_key not in said


async def test_a_database_that_cannot_be_examined_is_no_sound_one(stack: Stack) -> None:
    code, said = await doctor(DATABASE_URL=stack.database_url("sparky_worker"))

    assert code == 2, said
    assert "logs in as sparky_worker" in said
    assert "Traceback" not in said
