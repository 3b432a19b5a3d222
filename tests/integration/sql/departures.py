"""What the tests of an account's end have in common."""

from uuid import UUID

from tests.support.accounts import Accounts


async def close(accounts: Accounts, user: UUID) -> str:
    return str(await accounts.database.fetchval("select outcome from sparky.close_account($1)", user))


async def advance(accounts: Accounts, user: UUID) -> str:
    return str(await accounts.database.fetchval("select sparky.advance_deletion($1)", user))


async def done(accounts: Accounts, user: UUID) -> bool:
    return bool(await accounts.database.fetchval("select sparky.deletion_done($1)", user))


async def remove_files(accounts: Accounts, user: UUID) -> list[str]:
    """As Storage would; answers the names."""
    rows = await accounts.database.fetch("select object_name from sparky.account_objects($1, 1000)", user)
    names = [row["object_name"] for row in rows]
    async with accounts.database.acquire() as connection, connection.transaction():
        await connection.execute("select set_config('storage.allow_delete_query', 'true', true)")
        await connection.execute("delete from storage.objects where name = any ($1)", names)
    return names


async def finish(accounts: Accounts, user: UUID) -> None:
    """Everything after the request: what the sweep, Storage and Auth do."""
    for _ in range(100):
        match await advance(accounts, user):
            case "files":
                await remove_files(accounts, user)
            case "person":
                break
    await accounts.database.execute("delete from auth.users where id = $1", user)
    assert await done(accounts, user)


async def running(accounts: Accounts, user: UUID) -> tuple[UUID, int]:
    """A generation that a live worker of its own runs: its id and fence."""
    generation = (await accounts.submit(user))["id"]
    await accounts.database.execute("select sparky.heartbeat($1, '1 minute', 1, 1)", f"worker of {generation}")
    attempt = await accounts.start(generation, f"worker of {generation}")
    assert attempt is not None
    return generation, attempt["fence"]


async def mentions(accounts: Accounts, text: str) -> list[str]:
    """Tables of ours in which a row has this text somewhere."""
    tables = await accounts.database.fetch(
        "select format('%I.%I', schemaname, tablename) as name from pg_catalog.pg_tables"
        " where schemaname in ('public', 'sparky', 'cache') order by 1"
    )
    found = []
    for row in tables:
        query = f"select exists (select from {row['name']} as t where strpos(t::text, $1) > 0)"
        if await accounts.database.fetchval(query, text):
            found.append(row["name"])
    return found
