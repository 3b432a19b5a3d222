"""pg_cron for real: our jobs, made by role postgres on Debian's PostgreSQL 15 with its package postgresql-15-cron."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from deploy.local.migrate import SUPABASE, migrate
from deploy.local.postgres import Postgres
from tests.support.accounts import Accounts, open_accounts
from tests.support.servers import platform_server
from tests.support.waiting import eventually

EXTENSION_INSTALLED = Path("/usr/share/postgresql/15/extension/pg_cron.control").exists()
CONFIGURATION = """
shared_preload_libraries = 'pg_cron'
cron.database_name = 'postgres'
cron.use_background_workers = on
"""
# What a hosted project does when its role postgres creates the extension.
ENABLE = """
create extension pg_cron;
grant usage on schema cron to postgres;
grant all on all tables in schema cron to postgres;
grant execute on all functions in schema cron to postgres;
"""
JOBS = {
    "cleanup-cache": ("0 3 * * *", "select sparky.purge_cache()"),
    "cleanup-run-log": ("30 3 * * *", "select sparky.purge_run_log()"),
    "cleanup-notifications": ("*/5 * * * *", "select sparky.purge_notifications()"),
    "lapse-plans": ("*/5 * * * *", "select sparky.lapse_plans()"),
    "monthly-credits": ("*/10 * * * *", "select sparky.grant_period_credits()"),
}
DUE = "update sparky.upkeep set next_at = now() - interval '1 second'"
RUN = "select task from sparky.run_upkeep()"


async def as_superuser(server: Postgres, statements: str) -> None:
    connection = await asyncpg.connect(server.dsn())
    try:
        await connection.execute(statements)
    finally:
        await connection.close()


async def restart(server: Postgres) -> None:
    await server.stop()
    await server.start()


@asynccontextmanager
async def server_with_cron(folder: Path) -> AsyncIterator[Postgres]:
    """A server that has pg_cron loaded; nothing of ours in it."""
    if not EXTENSION_INSTALLED:
        pytest.skip("pg_cron is not installed (Debian's package postgresql-15-cron)")
    async with platform_server(folder, "15") as server:
        with (server.data / "postgresql.conf").open("a") as file:
            file.write(CONFIGURATION)
        await restart(server)
        yield server


@pytest.fixture(scope="session")
async def cron(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Postgres]:
    """Migrated where pg_cron is available."""
    async with server_with_cron(tmp_path_factory.mktemp("cron")) as server:
        await as_superuser(server, ENABLE)
        await migrate(server.dsn("postgres"))
        yield server


@pytest.fixture
async def project(cron: Postgres) -> AsyncIterator[Accounts]:
    """As the migrations left it; put back in order afterwards."""
    async with open_accounts(cron.dsn("postgres")) as accounts:
        yield accounts
        await accounts.database.execute("select cron.unschedule(jobid) from cron.job")
        for task, (schedule, _) in JOBS.items():
            await accounts.database.execute("update sparky.upkeep set schedule = $2 where task = $1", task, schedule)
        await accounts.database.execute("select sparky.schedule_upkeep()")


async def jobs(accounts: Accounts) -> dict[str, tuple[str, str]]:
    rows = await accounts.database.fetch("select jobname, schedule, command from cron.job where active")
    return {row["jobname"]: (row["schedule"], row["command"]) for row in rows}


async def test_migrating_makes_one_job_a_task_and_doing_it_again_changes_nothing(project: Accounts) -> None:
    assert await jobs(project) == JOBS
    again = (SUPABASE / "migrations" / "20261122001600_upkeep.sql").read_text()
    await project.database.execute(again)
    assert await jobs(project) == JOBS
    assert await project.database.fetchval("select count(*) from cron.job") == len(JOBS)


async def test_while_pg_cron_has_the_jobs_the_workers_do_nothing(project: Accounts) -> None:
    assert await project.database.fetchval("select sparky.upkeep_by_cron()") is True
    await project.database.execute(DUE)
    assert await project.database.fetch(RUN) == []


async def test_a_job_that_is_switched_off_is_the_workers_and_stays_off(project: Accounts) -> None:
    await project.database.execute(
        "select cron.alter_job(jobid, active := false) from cron.job where jobname = 'cleanup-cache'"
    )
    await project.database.execute(DUE)
    assert await project.database.fetchval("select sparky.schedule_upkeep()") is False
    assert [row["task"] for row in await project.database.fetch(RUN)] == ["cleanup-cache"]
    assert await project.database.fetch(RUN) == []


async def test_a_job_of_the_same_name_that_does_something_else_is_not_ours(project: Accounts) -> None:
    await project.database.execute("select cron.schedule('cleanup-cache', '0 0 * * *', 'select 1')")
    assert await project.database.fetchval("select sparky.upkeep_by_cron('cleanup-cache')") is False
    assert await project.database.fetchval("select sparky.upkeep_by_cron('monthly-credits')") is True


async def test_the_jobs_run(cron: Postgres, project: Accounts) -> None:
    """At the server's start, so that nobody waits for 03:00: their schedule is a setting."""
    database = project.database
    expired, kept = uuid4().hex, uuid4().hex
    await database.execute(
        "insert into cache.kv_store (key, value, expires_at)"
        " values ($1, '{}', now() - interval '1 second'), ($2, '{}', now() + interval '1 hour')",
        expired,
        kept,
    )
    user = await project.user()
    await database.execute("update public.users set period_anchor = now() - interval '40 days' where id = $1", user)
    await database.execute(
        "insert into public.notifications (user_id, type, title_key, message_key, created_at)"
        " values ($1, 'general', 'old', '', now() - interval '91 days'), ($1, 'general', 'new', '', now())",
        user,
    )
    await as_superuser(
        cron,
        "insert into cron.job_run_details (runid, username, start_time, end_time)"
        " values (-1, 'postgres', now() - interval '8 days', now() - interval '8 days'),"
        " (-2, 'postgres', now() - interval '6 days', now() - interval '6 days')",
    )
    await database.execute("update sparky.upkeep set schedule = '@reboot'")
    assert await database.fetchval("select sparky.schedule_upkeep()") is True

    await database.expire_connections()
    await restart(cron)

    async def all_have_run() -> bool:
        rows = await database.fetch(
            "select jobname, status from cron.job_run_details join cron.job using (jobid) where runid > 0"
        )
        assert {row["status"] for row in rows} <= {"starting", "running", "sending", "connecting", "succeeded"}, rows
        return {row["jobname"] for row in rows if row["status"] == "succeeded"} == set(JOBS)

    await eventually(all_have_run)
    entries = await database.fetch("select key from cache.kv_store where key = any ($1)", [expired, kept])
    notifications = await database.fetch("select title_key from public.notifications where user_id = $1", user)
    runs = await database.fetch("select runid from cron.job_run_details where runid < 0")
    assert [row["key"] for row in entries] == [kept]
    assert [row["title_key"] for row in notifications] == ["new"]
    assert [row["runid"] for row in runs] == [-2]
    assert await project.ledger(user, "grant") == [10, 10]
    assert await project.violations() == []


async def test_pg_cron_takes_over_when_it_is_enabled_later_and_the_workers_when_it_goes(tmp_path: Path) -> None:
    async with server_with_cron(tmp_path) as server:
        # Role postgres may not create the extension here: the migrations go through all the same.
        await migrate(server.dsn("postgres"))
        async with open_accounts(server.dsn("postgres"), 1) as accounts:
            assert await accounts.database.fetchval("select sparky.upkeep_by_cron()") is False
            await as_superuser(server, ENABLE)
            assert await accounts.database.fetchval("select sparky.schedule_upkeep()") is True
            await as_superuser(server, "drop extension pg_cron")
            await accounts.database.execute(DUE)
            assert await accounts.database.fetchval("select sparky.upkeep_by_cron()") is False
            assert len(await accounts.database.fetch(RUN)) == 1
