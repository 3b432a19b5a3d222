"""The stack as a whole: all up or nothing left, one at a time, and its addresses work."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import httpx
import orjson
import pytest
import redis.asyncio as redis

from deploy.local import services
from deploy.local.keys import OWN_ROLES, PLATFORM_ROLES
from deploy.local.processes import ProcessFailed
from deploy.local.services import Ports
from deploy.local.stack import Stack, StackBusy
from tests.support.processes import until_gone
from tests.support.stack import temporary_stack


@pytest.fixture(scope="module")
async def stack() -> AsyncIterator[Stack]:
    async with temporary_stack() as stack:
        yield stack


@pytest.fixture
async def directory(tmp_path: Path) -> AsyncIterator[Path]:
    yield tmp_path / "stack"
    shutil.rmtree(tmp_path, ignore_errors=True)


def addresses(stack: Stack) -> dict[str, object]:
    content: dict[str, object] = orjson.loads((stack.directory / "stack.json").read_bytes())
    return content


@pytest.mark.parametrize("role", [*PLATFORM_ROLES, *OWN_ROLES])
async def test_every_role_logs_in(stack: Stack, role: str) -> None:
    connection = await asyncpg.connect(stack.database_url(role))
    assert await connection.fetchval("select session_user") == role
    await connection.close()


async def test_every_service_answers(stack: Stack) -> None:
    assert stack.gemini_url is not None
    async with httpx.AsyncClient(trust_env=False) as client:
        for url in (f"{stack.supabase_url}/health", f"{stack.gemini_url}/health", f"{stack.intake_url}/readyz"):
            assert (await client.get(url)).status_code == 200
    async with redis.Redis.from_url(stack.redis_url) as queue:
        assert await queue.ping()


async def test_addresses_are_written_down_for_their_owner_only(stack: Stack) -> None:
    written = addresses(stack)

    assert written["intake_url"] == stack.intake_url
    assert written["secret_key"] == stack.secret_key
    assert (stack.directory / "stack.json").stat().st_mode & 0o777 == 0o600


async def test_only_one_stack_runs_in_a_folder(stack: Stack) -> None:
    with pytest.raises(StackBusy, match=f"process {addresses(stack)['pid']}"):
        await Stack(stack.directory, ["postgres"], durable=False).start()

    assert addresses(stack)["intake_url"] == stack.intake_url, "the running one is not disturbed"


async def test_a_second_worker_runs_beside_the_first(stack: Stack) -> None:
    second = await stack.run("worker", label="worker-2")

    assert second.running
    await second.stop()
    assert second.process.returncode == 0


async def test_nothing_is_left_after_a_stop(directory: Path) -> None:
    async with Stack(directory, durable=False) as stack:
        pids = addresses(stack)["pids"]
        assert isinstance(pids, dict)
        assert set(pids) == services.ALL
    await until_gone(pids.values())

    assert not (directory / "stack.json").exists()


async def test_a_service_that_cannot_start_leaves_nothing_running(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(services.COMMANDS, "supabase", ("/bin/sh", "-c", "echo broken; exit 3"))
    stack = Stack(directory, ["supabase", "valkey"], durable=False)

    with pytest.raises(ProcessFailed, match="supabase ended with 3\nbroken"):
        await stack.start()

    assert not (directory / "stack.json").exists()
    async with Stack(directory, ["valkey"], durable=False):  # the folder is free again
        pass


async def test_data_and_keys_survive_a_restart(directory: Path) -> None:
    stack = Stack(directory, ["postgres"])
    try:
        async with stack:
            connection = await asyncpg.connect(stack.database_url("postgres"))
            await connection.execute("create table kept ()")
            await connection.close()
            keys = stack.keys
        async with stack:
            connection = await asyncpg.connect(stack.database_url("postgres"))
            assert await connection.fetchval("select to_regclass('kept')") == "kept"
            await connection.close()
            assert stack.keys == keys
    finally:
        assert stack.postgres is not None
        stack.postgres.destroy()


async def test_a_taken_port_is_said_and_another_used(directory: Path, stack: Stack) -> None:
    said: list[str] = []
    wanted = Ports(valkey=stack.ports.valkey)
    async with Stack(directory, ["valkey"], ports=wanted, durable=False, report=said.append) as other:
        assert other.ports.valkey != stack.ports.valkey

    assert f"port {stack.ports.valkey} is taken: valkey listens on {other.ports.valkey}" in said


async def test_with_a_real_supabase_nothing_of_it_is_started(directory: Path) -> None:
    environment = {
        "SUPABASE_URL": "https://project.supabase.co",
        "SUPABASE_SECRET_KEY": "sb_secret_theirs",
        "DATABASE_URL": "postgresql://theirs",
    }
    async with Stack(directory, ["valkey", "supabase", "postgres"], environment=environment) as stack:
        assert addresses(stack)["pids"].keys() == {"valkey"}  # type: ignore[attr-defined]
        assert stack.environment_of("worker")["DATABASE_URL"] == "postgresql://theirs"
        assert stack.env["SUPABASE_URL"] == "https://project.supabase.co"
