"""The genuine Supabase CLI and our runner make the same of a database, and either goes on where the other stopped."""

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.migrate import SUPABASE, migrate, migrations_in
from deploy.local.postgres import Postgres
from tests.support.dump import dumped
from tests.support.servers import platform_server

CLI = Path(__file__).with_name("cli") / "node_modules" / ".bin" / "supabase"
DEADLINE_SECONDS = 120


class Cli:
    """The command, working on a copy of `deploy/supabase`, as it writes notes beside the files that it reads."""

    def __init__(self, folder: Path) -> None:
        if not CLI.exists():
            pytest.skip("the Supabase CLI is not installed: `make test` installs it")
        self._folder = folder
        shutil.copytree(SUPABASE, folder / "supabase")

    async def __call__(self, *arguments: str) -> str:
        """What it said; fails the test when it fails."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        process = await asyncio.create_subprocess_exec(
            str(CLI),
            *arguments,
            "--workdir",
            str(self._folder),
            env={"PATH": path, "HOME": str(self._folder), "DO_NOT_TRACK": "1", "SUPABASE_TELEMETRY_DISABLED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode == 0, output.decode()
        return output.decode()

    async def migrate(self, server: Postgres) -> str:
        """Run the files that the database's books lack, and the seed."""
        return await self("db", "push", "--include-seed", "--yes", "--db-url", server.dsn("postgres"))


async def test_it_gives_the_same_schema_as_our_runner_and_twice_is_as_good_as_once(tmp_path: Path) -> None:
    cli = Cli(tmp_path / "project")
    async with platform_server(tmp_path / "runner") as by_runner, platform_server(tmp_path / "cli") as by_cli:
        await migrate(by_runner.dsn("postgres"))
        await cli("migration", "up", "--yes", "--db-url", by_cli.dsn("postgres"))
        await cli.migrate(by_cli)
        once = dumped(by_cli)
        assert once == dumped(by_runner)
        await cli("migration", "up", "--yes", "--db-url", by_cli.dsn("postgres"))
        await cli.migrate(by_cli)
        assert dumped(by_cli) == once


async def test_either_goes_on_where_the_other_stopped(tmp_path: Path) -> None:
    cli = Cli(tmp_path / "project")
    files = migrations_in(SUPABASE / "migrations")
    half = tmp_path / "half"
    (half / "migrations").mkdir(parents=True)
    for migration in files[: len(files) // 2]:
        shutil.copy(migration.file, half / "migrations")
    async with platform_server(tmp_path / "server") as server:
        await migrate(server.dsn("postgres"), folder=half)
        await cli.migrate(server)
        whole = dumped(server)
        assert await migrate(server.dsn("postgres")) == []
        assert dumped(server) == whole
