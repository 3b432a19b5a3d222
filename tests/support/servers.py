"""PostgreSQL servers of every version that we promise, and what one needs before a test can use it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from deploy.local.base import apply_base, set_passwords
from deploy.local.installation import Installation, installation_at, installation_in_wheel
from deploy.local.keys import PLATFORM_ROLES
from deploy.local.postgres import Postgres

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
PASSWORD = "secret/with:signs@"


def installation(version: str) -> Installation:
    """18 and 16 come with the wheel, 15 with Debian's packages; without these the test is skipped."""
    if version == "15":
        if not (DEBIAN_15 / "postgres").exists():
            pytest.skip("PostgreSQL 15 is not installed (Debian's package postgresql-15)")
        return installation_at(DEBIAN_15)
    return installation_in_wheel(int(version))


@asynccontextmanager
async def platform_server(
    directory: Path, version: str = "18", *, legacy_privileges: bool = True
) -> AsyncIterator[Postgres]:
    """A fresh Supabase-like database, nothing of ours in it; every role logs in with `PASSWORD`."""
    postgres = Postgres(directory, PASSWORD, installation=installation(version), durable=False)
    await postgres.start()
    try:
        await apply_base(postgres.dsn(), legacy_privileges=legacy_privileges)
        await set_passwords(postgres.dsn(), dict.fromkeys((*PLATFORM_ROLES, "postgres"), PASSWORD))
        yield postgres
    finally:
        await postgres.stop()
        postgres.destroy()
