"""Alice with a SQL prompt of her own, under the role and claims that the Data API would give her.

A transaction that is not refused is committed. What a login role of the platform itself could do, such as taking
another of its client roles, is no part of it: clients have no such login.
"""

import asyncpg
import orjson
import pytest

from tests.attack.world import World

pytestmark = pytest.mark.usefixtures("nothing_changes")

REFUSED = (
    "update public.users set credits = credits + 100 where id = '{alice}'",
    "update public.users set plan_id = 4 where id = '{alice}'",
    "update public.users set username = 'rich', credits = 100 where id = '{alice}'",
    "update public.users set id = '{bob}' where id = '{alice}'",
    "insert into public.users (id, credits) values ('{alice}', 100) on conflict (id) do update set credits = 100",
    "insert into public.users (id, username) values ('{alice}', 'x') on conflict (id) do update set username = 'x'",
    "with paid as (update public.users set credits = 100 where id = '{alice}' returning 1) select * from paid",
    "merge into public.users using (values (1)) as one on id = '{alice}' when matched then update set credits = 100",
    "insert into public.credit_usage (user_id, kind, amount, balance_after) values ('{alice}', 'grant', 100, 109)",
    "update public.credit_usage set amount = 100 where user_id = '{alice}'",
    "delete from public.credit_usage where user_id = '{alice}'",
    "truncate public.credit_usage",
    "truncate public.users cascade",
    "truncate public.generations, public.notifications",
    "insert into public.generations (user_id, tool_id, tool_parameters) values ('{alice}', 'age', '{{}}')",
    "update public.generations set status = 'succeeded', image_path = '{picture}' where user_id = '{alice}'",
    "update public.generations set credit_cost = 0 where user_id = '{alice}'",
    "delete from public.generations where user_id = '{alice}'",
    "update public.notifications set user_id = '{bob}' where user_id = '{alice}'",
    "update public.notifications set params = '{{}}' where user_id = '{alice}'",
    "insert into public.notifications (user_id, type, title_key, message_key) values ('{bob}', 'offer', 'a', 'b')",
    "delete from public.notifications where user_id = '{alice}'",
    "update public.orders set status = 'paid' where user_id = '{alice}'",
    "insert into public.orders (user_id, plan_id, amount_piastres, expires_at) values ('{alice}', 4, 1, now())",
    "insert into public.payments (user_id, transaction_id, kind, callback) values ('{alice}', 1, 'x', '{{}}')",
    "update public.plans set daily_credits = 1000 where id = 1",
    "update public.tools set credit_cost = 0 where id = 'age'",
    "update public.hairstyles set is_pro = false where is_pro",
    "delete from public.credit_packs where id = 1",
    # What is internal.
    "select * from public.users",
    "select * from public.generations",
    "select period_anchor from public.users",
    "select object_name from public.generations where user_id = '{alice}'",
    "select usage from public.generations where user_id = '{alice}'",
    "select callback from public.payments where user_id = '{alice}'",
    "select id from public.generations order by object_name",
    "select id from public.generations where cache_key > ''",
    "select to_jsonb(generations) from public.generations",
    "select generations from public.generations",
    "table public.users",
    "copy public.users to stdout",
    "select * from sparky.holds",
    "select * from sparky.period_grants",
    "select * from sparky.workers",
    "select * from sparky.object_removals",
    "select * from sparky.sweep_state",
    "select * from cache.kv_store",
    "insert into sparky.period_grants values ('{alice}', now(), 10)",
    "delete from sparky.holds where user_id = '{alice}'",
    "update cache.kv_store set expires_at = 'infinity'",
    "select * from auth.users",
    "select * from auth.sessions",
    "select * from auth.refresh_tokens",
    "select * from supabase_migrations.schema_migrations",
    "select * from pg_catalog.pg_authid",
    "select * from pg_catalog.pg_shadow",
    "select nextval('public.credit_usage_id_seq')",
    "select setval('public.notifications_id_seq', 1)",
    "select last_value from public.payments_id_seq",
    # Files' rows.
    "insert into storage.objects (bucket_id, name) values ('user_uploads', '{bob}/planted.jpg')",
    "insert into storage.objects (bucket_id, name) values ('user_uploads', 'planted.jpg')",
    "insert into storage.objects (bucket_id, name) values ('generations', '{alice}/planted.jpg')",
    "update storage.objects set name = '{bob}/planted.jpg' where name = '{photo}'",
    "update storage.objects set bucket_id = 'generations' where name = '{photo}'",
    "delete from storage.objects where name = '{photo}'",
    "insert into storage.buckets (id, name, public) values ('mine', 'mine', true)",
    "delete from storage.buckets",
    # Channels.
    "insert into realtime.messages (topic, extension) values ('user:{bob}', 'broadcast')",
    "insert into realtime.messages (topic, extension) values ('user:{alice}', 'broadcast')",
    # Definitions.
    "alter table public.users disable row level security",
    "alter table public.users add column mine int",
    "alter table public.users owner to authenticated",
    "create policy mine on public.users for all to authenticated using (true)",
    "drop policy \"users read their own row\" on public.users",
    "create trigger t before update on public.users for each row execute function suppress_redundant_updates_trigger()",
    "drop trigger credit_usage_append_only on public.credit_usage",
    "alter publication supabase_realtime drop table public.users",
    "grant all on public.users to authenticated",
    "grant service_role to authenticated",
    "alter role authenticated bypassrls",
    "create role mine",
    "create schema mine",
    "create table public.mine ()",
    "create function public.mine() returns int language sql as 'select 1'",
    "comment on table public.users is 'mine'",
    "lock table public.users in access exclusive mode",
    "set role postgres",
    "set role supabase_admin",
    "set role sparky_worker",
    "set session authorization postgres",
    "set session_replication_role = replica",
    "copy (select 1) to program 'id'",
    "copy public.users from '/etc/passwd'",
    "select pg_read_file('/etc/passwd')",
    "select lo_import('/etc/passwd')",
    "do $$ begin perform sparky.write_ledger('{alice}', 'grant', 100, null, null, null); end $$",
)  # fmt: skip
# Allowed and without effect: no such row for her.
NOTHING = (
    "update public.users set username = 'gone' where id = '{bob}'",
    "update public.users set notification_preferences = '{{}}' where id <> '{alice}'",
    "update public.notifications set read = true where user_id = '{bob}'",
    "select id from public.users where id <> '{alice}'",
    "select id from public.generations where user_id = '{bob}'",
    "select id from public.credit_usage where user_id = '{bob}'",
    "select id from public.notifications where user_id = '{bob}'",
    "select id from public.orders where user_id = '{bob}'",
    "select id from public.payments where user_id = '{bob}'",
    "select id from storage.objects where name like '{bob}/%'",
    "update storage.objects set metadata = '{{}}' where name like '{bob}/%'",
    "update storage.objects set metadata = '{{}}' where bucket_id = 'generations'",
    "update storage.buckets set public = true where id = 'user_uploads'",
    "select id from realtime.messages",
)


async def attempt(world: World, role: str, statement: str) -> int:
    """How many rows it showed or changed; raises when it is refused."""
    connection = await asyncpg.connect(world.stack.database_url("authenticator"))
    try:
        async with connection.transaction():
            await connection.execute(f"set local role {role}")
            claims = {"role": role} | ({"sub": str(world.alice.id)} if role == "authenticated" else {})
            await connection.execute("select set_config('request.jwt.claims', $1, true)", orjson.dumps(claims).decode())
            status = await connection.execute(filled(world, statement))
            return int(status.split()[-1]) if status.split()[-1].isdigit() else 0
    finally:
        await connection.close()


def filled(world: World, statement: str) -> str:
    return statement.format(
        alice=world.alice.id, bob=world.bob.id, photo=world.alices.photo, picture=world.bobs.picture
    )


@pytest.mark.parametrize("statement", REFUSED)
async def test_it_is_refused(world: World, statement: str) -> None:
    for role in ("authenticated", "anon"):
        if role == "anon" and "storage.objects" in statement and not statement.startswith("insert"):
            continue  # without a policy there is no row to change for anon
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await attempt(world, role, statement)


@pytest.mark.parametrize("statement", NOTHING)
async def test_it_finds_nothing(world: World, statement: str) -> None:
    assert await attempt(world, "authenticated", statement) == 0


@pytest.mark.parametrize("role", ["authenticated", "anon"])
async def test_no_function_of_ours_can_be_executed(world: World, role: str) -> None:
    functions = await world.accounts.database.fetch(
        "select format('%s(%s)', oid::regproc, (select string_agg('null::' || format_type(type, null), ', ')"
        " from unnest(proargtypes) as type)) as call from pg_catalog.pg_proc"
        " where pronamespace in ('sparky'::regnamespace, 'cache'::regnamespace)"
    )
    assert len(functions) > 30
    for function in functions:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await attempt(world, role, f"select {function['call']}")


@pytest.mark.parametrize("topic", ["user:{bob}", "user:{alice}"])
@pytest.mark.parametrize("private", ["true", "false"])
async def test_a_broadcast_of_her_own_is_never_written(world: World, topic: str, private: str) -> None:
    # The function may be called by everybody and only warns; row level security keeps the message out.
    assert await attempt(world, "authenticated", f"select realtime.send('{{{{}}}}', 'e', '{topic}', {private})") == 1


async def test_claims_without_a_subject_own_nothing(world: World) -> None:
    connection = await asyncpg.connect(world.stack.database_url("authenticator"))
    try:
        for claims in ("", "{}", '{"role": "service_role"}', '{"sub": null}'):
            async with connection.transaction():
                await connection.execute("set local role authenticated")
                await connection.execute("select set_config('request.jwt.claims', $1, true)", claims)
                for table in ("users", "generations", "notifications", "credit_usage", "orders", "payments"):
                    assert await connection.fetchval(f"select count(id) from public.{table}") == 0
    finally:
        await connection.close()


async def test_the_attacker_is_who_we_think(world: World) -> None:
    assert await attempt(world, "authenticated", "select id from public.users where id = '{alice}'") == 1
