"""The database before the first migration, on each PostgreSQL: what hosted Supabase allows, refuses and answers."""

import asyncio
from uuid import uuid4

import asyncpg
import pytest

from deploy.local.base import apply_base
from deploy.local.postgres import Postgres

TRIGGER = """
create function public.noticed() returns trigger language plpgsql security definer set search_path = ''
as $$ begin return new; end $$;
"""

ALLOWED = {
    "a trigger on auth.users": f"{TRIGGER} create trigger t after insert on auth.users for each row"
    " execute function public.noticed(); drop trigger t on auth.users",
    "a trigger on storage.objects": f"{TRIGGER} create or replace trigger t after insert on storage.objects"
    " for each row execute function public.noticed()",
    "a foreign key to auth.users": "create table public.x (id uuid references auth.users on delete cascade)",
    "policies on storage.objects": "create policy p on storage.objects for select to authenticated using (true);"
    " alter policy p on storage.objects using (false); drop policy p on storage.objects",
    "policies on realtime.messages": "create policy p on realtime.messages for select to authenticated"
    " using ((select realtime.topic()) = 'user:' || (select auth.uid())::text); drop policy p on realtime.messages",
    "buckets": "insert into storage.buckets (id, name) values ('b', 'b'); update storage.buckets set public = true",
    "its table in the publication": "create table public.x (id int primary key);"
    " alter publication supabase_realtime add table public.x",
    "a publication of its own": "create publication mine",
    "settings of client roles": "alter role anon set statement_timeout = '5s'",
    "roles of its own": "create role mine login; grant service_role to mine",
    "schemas of its own": "create schema mine; create table mine.x (); comment on schema mine is 'mine'",
}
REFUSED = {
    "altering storage.objects": "alter table storage.objects add column x int",
    "row security on realtime.messages": "alter table realtime.messages enable row level security",
    "an index on auth.users": "create index on auth.users (phone)",
    "a table in auth": "create table auth.mine ()",
    "a function in storage": "create function storage.mine() returns int language sql return 1",
    "deleting objects in SQL": "delete from storage.objects",
    "deleting buckets in SQL": "delete from storage.buckets",
    "becoming a superuser": "alter role postgres superuser",
}


@pytest.mark.parametrize("what", ALLOWED)
async def test_postgres_may_have(postgres_role: "asyncpg.Connection[asyncpg.Record]", what: str) -> None:
    await postgres_role.execute(ALLOWED[what])


@pytest.mark.parametrize("what", REFUSED)
async def test_postgres_is_refused(postgres_role: "asyncpg.Connection[asyncpg.Record]", what: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await postgres_role.execute(REFUSED[what])


async def test_laying_the_base_again_changes_nothing(platform: Postgres) -> None:
    assert not await apply_base(platform.dsn())


async def test_two_that_lay_the_base_at_once_take_turns(platform: Postgres) -> None:
    assert await asyncio.gather(*(apply_base(platform.dsn()) for _ in range(3))) == [False] * 3


@pytest.mark.parametrize(
    "settings",
    [
        ("request.jwt.claims", '{"sub": "%s", "role": "authenticated", "email": "a@b.c"}'),
        ("request.jwt.claim.sub", "%s"),
    ],
)
async def test_auth_uid_is_the_subject_of_the_request(
    postgres_role: "asyncpg.Connection[asyncpg.Record]", settings: tuple[str, str]
) -> None:
    user = uuid4()
    await postgres_role.fetchval("select set_config($1, $2, true)", settings[0], settings[1] % user)

    assert await postgres_role.fetchval("select auth.uid()") == user


async def test_nobody_is_asking_without_claims(postgres_role: "asyncpg.Connection[asyncpg.Record]") -> None:
    row = await postgres_role.fetchrow("select auth.uid(), auth.role(), auth.jwt(), auth.email()")

    assert row is not None
    assert list(row) == [None] * 4


async def test_the_parts_of_a_path(postgres_role: "asyncpg.Connection[asyncpg.Record]") -> None:
    row = await postgres_role.fetchrow(
        "select storage.foldername(n), storage.filename(n), storage.extension(n) from (values ('a/b/c.tar.gz')) v (n)"
    )

    assert row is not None
    assert list(row) == [["a", "b"], "c.tar.gz", "gz"]
    assert await postgres_role.fetchval("select storage.foldername('top.png')") == []


async def test_the_storage_service_may_delete(platform: Postgres) -> None:
    connection = await asyncpg.connect(platform.dsn("supabase_storage_admin"))
    async with connection.transaction():
        await connection.execute("set local storage.allow_delete_query = 'true'")
        await connection.execute("delete from storage.objects")
    await connection.close()


async def test_a_broadcast_is_a_private_message_with_an_id(
    postgres_role: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    await postgres_role.execute("""select realtime.send('{"a": 1}', 'changed', 'user:1')""")

    row = await postgres_role.fetchrow(
        "select topic, event, extension, private, payload ->> 'a' as a, payload ->> 'id' = id::text as same_id"
        " from realtime.messages"
    )
    assert row is not None
    assert dict(row) == {
        "topic": "user:1",
        "event": "changed",
        "extension": "broadcast",
        "private": True,
        "a": "1",
        "same_id": True,
    }


@pytest.mark.parametrize("role", ["postgres", "authenticated"])
async def test_a_broadcast_that_fails_only_warns(
    postgres_role: "asyncpg.Connection[asyncpg.Record]", role: str
) -> None:
    """A payload that is no object; and a sender that no policy lets send."""
    await postgres_role.execute(f"set local role {role}")
    payload = "3" if role == "postgres" else "{}"
    await postgres_role.execute("select realtime.send($1::text::jsonb, 'e', 't')".replace("$1", f"'{payload}'"))

    await postgres_role.execute("reset role")
    assert await postgres_role.fetchval("select count(*) from realtime.messages") == 0


@pytest.mark.parametrize("role", ["anon", "authenticated"])
async def test_clients_see_no_object_without_a_policy(
    postgres_role: "asyncpg.Connection[asyncpg.Record]", role: str
) -> None:
    await postgres_role.execute("insert into storage.buckets (id, name) values ('b', 'b')")
    await postgres_role.execute("insert into storage.objects (bucket_id, name) values ('b', 'x')")
    await postgres_role.execute(f"set local role {role}")

    assert await postgres_role.fetchval("select count(*) from storage.objects") == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await postgres_role.fetchval("select count(*) from auth.users")
