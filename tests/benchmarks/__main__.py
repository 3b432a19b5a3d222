"""`python -m tests.benchmarks [ROWS]`: run these rows (comma-separated), all by default."""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import asyncpg
import redis.asyncio as redis

from deploy.local.postgres import Postgres
from deploy.local.valkey import Valkey
from tests.benchmarks.install import install_peers
from tests.benchmarks.report import PAGE, RESULTS, machine, write
from tests.benchmarks.rows.row import Row
from tests.benchmarks.runner import chosen, judge, run
from tests.benchmarks.trial import Bench


async def bench(rows: Sequence[Row]) -> None:
    """What is missed is part of the result, not an error."""
    missing = install_peers()
    folder = Path(tempfile.mkdtemp(prefix="sparky-bench-"))
    valkey, postgres = Valkey(folder), Postgres(folder, "bench", durable=False)
    try:
        await valkey.start()
        await postgres.start()
        outcomes = await run(Bench(valkey, postgres, folder / "trials"), rows, missing)
        about = machine(*await versions(valkey, postgres))
    finally:
        await valkey.stop()
        await postgres.stop()
        postgres.destroy()
        shutil.rmtree(folder, ignore_errors=True)
    entries = judge(rows, outcomes)
    write(entries, about)
    for entry in entries:
        print(f"{'reached' if entry['reached'] else 'MISSED':8} {entry['row']}, {entry['unit']}: {entry['to_reach']}")
    print(f"wrote {RESULTS.name} and {PAGE.name}")


async def versions(valkey: Valkey, postgres: Postgres) -> tuple[str, str]:
    """Valkey's and PostgreSQL's."""
    async with redis.Redis.from_url(valkey.url) as client:
        server = await client.info("server")
    connection = await asyncpg.connect(postgres.dsn())
    version = await connection.fetchval("show server_version")
    await connection.close()
    return str(server.get("valkey_version") or server["redis_version"]), str(version)


def main() -> None:
    try:
        rows = chosen(sys.argv[1].split(",") if len(sys.argv) > 1 else [])
    except ValueError as error:
        sys.exit(f"bench: {error}")
    asyncio.run(bench(rows))


if __name__ == "__main__":
    main()
