"""`sparky up` and `sparky migrate`, as a person runs them."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from deploy.local.postgres import Postgres
from tests.support.processes import until_gone

MAIN = "from deploy.cli import main; main()"
Process = asyncio.subprocess.Process


class Up:
    """One `sparky up` of a test, on free ports, in a folder of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.said = ""
        self.process: Process

    async def start(self, *services: str) -> None:
        """Returns when it has said where everything is."""
        self.said = ""
        self.process = await sparky("up", *services, "--free-ports", "--directory", str(self.directory))
        assert self.process.stdout is not None
        async with asyncio.timeout(60):
            while "Ctrl-C stops everything." not in self.said:
                line = await self.process.stdout.readline()
                assert line, self.said
                self.said += line.decode()

    @property
    def addresses(self) -> dict[str, Any]:
        content: dict[str, Any] = orjson.loads((self.directory / "stack.json").read_bytes())
        return content

    async def ended(self) -> int:
        async with asyncio.timeout(60):
            output, _ = await self.process.communicate()
        self.said += output.decode()
        assert self.process.returncode is not None
        return self.process.returncode


async def sparky(*arguments: str) -> Process:
    pipe, out = asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT
    return await asyncio.create_subprocess_exec(sys.executable, "-c", MAIN, *arguments, stdout=pipe, stderr=out)


@pytest.fixture
async def up(tmp_path: Path) -> AsyncIterator[Up]:
    up = Up(tmp_path / "stack")
    yield up
    if up.process.returncode is None:
        up.process.kill()
        await up.process.wait()
    keys = orjson.loads((up.directory / "keys.json").read_bytes())
    leftover = Postgres(up.directory, keys["passwords"]["supabase_admin"], identity=keys["stack_id"])
    await until_gone([int(line) for line in _pid_of(leftover)])
    leftover.destroy()
    shutil.rmtree(up.directory)


def _pid_of(server: Postgres) -> list[str]:
    file = server.data / "postmaster.pid"
    return file.read_text().splitlines()[:1] if file.exists() else []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_everything_cleanly(up: Up, number: signal.Signals) -> None:
    await up.start("postgres", "valkey")
    pids = up.addresses["pids"].values()
    up.process.send_signal(number)

    assert await up.ended() == 0
    await until_gone(pids)
    assert not (up.directory / "stack.json").exists()


async def test_it_says_where_everything_is_but_no_secret(up: Up) -> None:
    await up.start()
    addresses = up.addresses
    up.process.terminate()
    assert await up.ended() == 0

    for name in ("intake_url", "supabase_url", "publishable_key", "gemini_url", "outbox"):
        assert addresses[name] in up.said
    assert addresses["secret_key"] not in up.said


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children that their parent died")
async def test_a_killed_stack_leaves_nothing_running_and_starts_again(up: Up) -> None:
    await up.start()
    pids = up.addresses["pids"].values()
    up.process.kill()
    await up.process.wait()
    await until_gone(pids)

    await up.start("postgres")
    up.process.terminate()
    assert await up.ended() == 0


async def test_a_service_that_dies_ends_the_stack_and_is_named(up: Up) -> None:
    await up.start("postgres", "valkey")
    pids = up.addresses["pids"]
    os.kill(pids["valkey"], signal.SIGKILL)

    assert await up.ended() == 1
    assert "valkey ended with -9" in up.said
    await until_gone(pids.values())


async def test_migrate_brings_a_database_up_to_date_once(up: Up) -> None:
    await up.start("postgres")
    again = await sparky("migrate", up.addresses["database_urls"]["postgres"])
    output, _ = await again.communicate()

    assert (again.returncode, output.decode()) == (0, "up to date\n")


async def test_migrate_says_why_it_cannot() -> None:
    process = await sparky("migrate", "postgresql://nobody@127.0.0.1:9/none")
    output, _ = await process.communicate()

    assert process.returncode == 1
    assert output.decode().startswith("Error: ")
    assert "Traceback" not in output.decode()


async def test_an_unknown_service_is_refused_by_name(tmp_path: Path) -> None:
    process = await sparky("up", "nginx", "--directory", str(tmp_path))
    output, _ = await process.communicate()

    assert process.returncode == 1
    assert "no such service: nginx" in output.decode()
