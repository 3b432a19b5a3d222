"""The migrations need no runner: plain `psql`, file by file, gives the same schema, once or twice."""

import asyncio
import subprocess
from pathlib import Path

from deploy.local.migrate import SUPABASE, migrate, migrations_in
from deploy.local.postgres import Postgres
from tests.support.dump import dumped
from tests.support.servers import platform_server


def psql(server: Postgres, file: Path) -> None:
    command: list[str | Path] = [
        server.program("psql"),
        "-X",
        "-q",
        "-v",
        "ON_ERROR_STOP=1",
        "-f",
        file,
        server.dsn("postgres"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{file.name}: {done.stderr}"


async def test_psql_gives_the_same_schema_and_twice_is_as_good_as_once(tmp_path: Path) -> None:
    files = [*(migration.file for migration in migrations_in(SUPABASE / "migrations")), SUPABASE / "seed.sql"]
    async with platform_server(tmp_path / "runner") as by_runner, platform_server(tmp_path / "psql") as by_psql:
        await migrate(by_runner.dsn("postgres"))
        for _ in range(2):
            for file in files:
                await asyncio.to_thread(psql, by_psql, file)
        assert dumped(by_psql) == dumped(by_runner)
