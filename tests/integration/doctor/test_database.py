"""Each fault of a database is found, and nothing else is."""

from pathlib import Path

import asyncpg
import pytest

from deploy.doctor.examination import CannotExamine, examine
from deploy.doctor.expectation import Expectation
from deploy.doctor.family import Connection
from deploy.local.migrate import migrate
from tests.integration.doctor.conftest import found
from tests.support.accounts import open_accounts
from tests.support.servers import platform_server

USER = "any signed-in user (role authenticated)"
ANYBODY = "anybody (role anon)"
SECRET_KEY = "the secret key (role service_role)"
ROW = "; tried as a real user, it changed 1 of their rows, and was rolled back"
WRITER = """
create function public.deduct() returns trigger language plpgsql security definer as
$$ begin update public.users set credits = credits - 1 where id = new.id; return new; end $$;
revoke execute on function public.deduct() from public, anon, authenticated, service_role;
"""

# What is planted, and the one thing that is found.
FAULTS = {
    "a_foreign_trigger_on_the_ledger": (
        WRITER
        + "create trigger deduct after insert on public.credit_usage for each row execute function public.deduct()",
        "public.credit_usage has a trigger that is not ours: deduct, running public.deduct()",
    ),
    "a_foreign_trigger_on_new_users_that_writes_to_ours": (
        WRITER + "create trigger on_auth_user_created after insert on auth.users for each row"
        " execute function public.deduct()",
        "the trigger on_auth_user_created on auth.users is not ours and writes to our tables (public.deduct())",
    ),
    "our_trigger_switched_off": (
        "alter table public.credit_usage disable trigger credit_usage_append_only",
        "the trigger credit_usage_append_only on public.credit_usage is switched off",
    ),
    "our_trigger_missing": (
        "drop trigger credit_usage_append_only on public.credit_usage",
        "the trigger credit_usage_append_only on public.credit_usage is missing",
    ),
    "a_rewrite_rule": (
        "create rule quietly as on delete to public.orders do also notify orders",
        "public.orders has a rewrite rule that is not ours: quietly",
    ),
    "an_update_grant_on_credits": (
        "grant update (credits) on public.users to authenticated",
        f"{USER} can update public.users (credits){ROW}",
    ),
    "an_update_grant_on_the_plan": (
        "grant update (plan_id) on public.users to authenticated",
        f"{USER} can update public.users (plan_id){ROW}",
    ),
    "an_update_grant_on_the_status": (
        "grant update (status) on public.generations to authenticated, anon",
        f"{ANYBODY} and {USER} can update public.generations (status)",
    ),
    "an_insert_grant_on_the_ledger": (
        "grant insert on public.credit_usage to authenticated",
        f"{USER} can insert into public.credit_usage",
    ),
    "a_delete_grant": (
        "grant delete on public.notifications to service_role",
        f"{SECRET_KEY} can delete from public.notifications",
    ),
    "a_truncate_grant": (
        "grant truncate on public.orders to anon",
        f"{ANYBODY} can truncate public.orders",
    ),
    "a_hidden_column_that_is_shown": (
        "grant select (usage) on public.generations to authenticated",
        f"{USER} can read public.generations (usage)",
    ),
    "a_right_that_apps_need_and_lost": (
        "revoke update (username) on public.users from authenticated",
        f"{USER} can no longer update public.users (username), as apps do",
    ),
    "a_view_past_the_policies": (
        (
            "create view public.everybody as select * from public.users;"
            " revoke all on public.everybody from anon, service_role; grant select on public.everybody to authenticated"
        ),
        f"the view public.everybody shows public.users with its owner's rights, past every policy, to {USER}",
    ),
    "row_level_security_off": (
        "alter table public.users disable row level security",
        "row level security is off on public.users: whoever may read it reads everybody's rows",
    ),
    "a_new_table_without_row_level_security": (
        "create table public.feedback (id integer)",
        "row level security is off on public.feedback: whoever may read it reads everybody's rows",
    ),
    "a_changed_policy": (
        'alter policy "users read their own ledger" on public.credit_usage using (true)',
        "the policy “users read their own ledger” on public.credit_usage is not as the migrations make it",
    ),
    "a_policy_too_many": (
        'create policy "all of them" on storage.objects for select to anon using (true)',
        "storage.objects has a policy that is not ours: “all of them”",
    ),
    "a_missing_policy": (
        'drop policy "users listen to their own channel" on realtime.messages',
        "the policy “users listen to their own channel” on realtime.messages is missing",
    ),
    "a_function_granted_to_anon": (
        "grant execute on function sparky.check_invariants() to anon",
        f"{ANYBODY} may execute the function sparky.check_invariants()",
    ),
    "a_function_granted_to_public": (
        "grant execute on function sparky.get_generation(uuid, uuid) to public",
        "everybody (PUBLIC) may execute the function sparky.get_generation(uuid,uuid)",
    ),
    "a_foreign_function_with_its_owners_rights": (
        "create function public.give() returns void language sql security definer as 'select 1'",
        "everybody (PUBLIC) may execute the function public.give()",
    ),
    "a_changed_function": (
        (
            "create or replace function sparky.removed_objects(p_ids bigint[]) returns void language sql"
            " security definer set search_path = pg_catalog, pg_temp as 'select 1'"
        ),
        "the function sparky.removed_objects(bigint[]) is not the one that the migrations make",
    ),
    "a_function_that_lost_its_search_path": (
        "alter function sparky.heartbeat(text, interval, integer, integer) reset search_path",
        "the function sparky.heartbeat(text,interval,integer,integer) is not the one that the migrations make",
    ),
    "a_table_missing_from_the_publication": (
        "alter publication supabase_realtime drop table public.tools",
        "changes of public.tools are not told: it is not in the publication supabase_realtime",
    ),
    "a_table_too_many_in_the_publication": (
        "alter publication supabase_realtime add table public.generations",
        (
            "changes of public.generations go out to subscribers: it is in the publication supabase_realtime and should"
            " not be"
        ),
    ),
    "a_replica_identity_lost": (
        "alter table public.users replica identity default",
        "updates of public.users reach apps without the columns that did not change",
    ),
    "uploads_made_public": (
        "update storage.buckets set public = true where id = 'user_uploads'",
        "the bucket user_uploads is public: anybody who learns a photo's name sees it without a key",
    ),
    "results_made_private_unknown_to_the_intake": (
        "update storage.buckets set public = false where id = 'generations'",
        "the bucket generations is private, and RESULTS_PRIVATE is off: no picture's address opens",
    ),
    "a_bucket_without_a_size_limit": (
        "update storage.buckets set file_size_limit = null where id = 'user_uploads'",
        "the bucket user_uploads takes files of any number of bytes instead of 15728640",
    ),
    "a_bucket_that_takes_any_type": (
        "update storage.buckets set allowed_mime_types = null where id = 'generations'",
        "the bucket generations takes any type",
    ),
    "a_login_role_that_reads_a_table": (
        "grant select on public.users to sparky_worker",
        "role sparky_worker may use table public.users, which the migrations do not grant",
    ),
    "a_login_role_with_anothers_function": (
        "grant execute on function sparky.heartbeat(text, interval, integer, integer) to sparky_intake",
        (
            "role sparky_intake may execute sparky.heartbeat(text,interval,integer,integer), which the"
            " migrations do not grant"
        ),
    ),
    "a_login_role_without_its_function": (
        "revoke execute on function sparky.heartbeat(text, interval, integer, integer) from sparky_worker",
        (
            "role sparky_worker may no longer execute sparky.heartbeat(text,interval,integer,integer): intake or"
            " workers fail there"
        ),
    ),
    "a_login_role_that_outgrew_its_rights": (
        "grant service_role to sparky_worker",
        "the role sparky_worker is member of service_role, which the migrations do not make it",
    ),
    "a_schema_opened_to_clients": (
        "grant usage on schema sparky to authenticated",
        f"{USER} may use schema sparky, which the migrations do not grant",
    ),
    "new_objects_granted_by_default": (
        "alter default privileges for role postgres in schema sparky grant execute on functions to authenticated",
        "functions that postgres makes in sparky are granted to authenticated by default",
    ),
    "a_migration_that_this_clone_does_not_have": (
        "insert into supabase_migrations.schema_migrations (version) values ('29991231000000')",
        "1 migrations have run here that this clone does not have: 29991231000000",
    ),
    "a_migration_that_did_not_run": (
        "delete from supabase_migrations.schema_migrations where version = '20261122001400'",
        "1 migrations have not run here: 20261122001400; other findings may follow from that",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_it_finds(database: Connection, expectation: Expectation, fault: str) -> None:
    planted, told = FAULTS[fault]
    await database.execute(planted)

    assert await found(database, expectation) == [told]


async def test_it_finds_a_broken_invariant(database: Connection, expectation: Expectation) -> None:
    user = await database.fetchval("update public.users set credits = credits + 5 returning id")

    assert await found(database, expectation) == [
        f"the rule “balance is the ledgers sum” is broken 1 times, for example by {user}"
    ]


async def test_it_finds_results_left_public_where_they_should_be_private(
    database: Connection, expectation: Expectation
) -> None:
    assert await found(database, expectation, results_private=True) == [
        "the bucket generations is public, and RESULTS_PRIVATE is on: pictures open without a signature"
    ]


async def test_tables_that_the_operator_took_out_of_the_publication_are_not_missed(
    database: Connection, expectation: Expectation
) -> None:
    await database.execute("select sparky.set_row_events(false)")

    assert await found(database, expectation) == []


async def test_a_database_that_was_never_migrated_is_told_to_be(tmp_path: Path, expectation: Expectation) -> None:
    async with platform_server(tmp_path) as postgres:
        connection = await asyncpg.connect(postgres.dsn("postgres"))
        findings = await found(connection, expectation)
        await connection.close()

    assert "the table public.users is missing" in findings


@pytest.mark.parametrize("world", ["18", "18-strict", "16", "15"])
async def test_a_sound_database_has_nothing_wrong(tmp_path: Path, expectation: Expectation, world: str) -> None:
    version, _, strict = world.partition("-")
    async with platform_server(tmp_path, version, legacy_privileges=not strict) as postgres:
        await migrate(postgres.dsn("postgres"))
        async with open_accounts(postgres.dsn("postgres")) as accounts:
            await accounts.succeeded(await accounts.user())
        connection = await asyncpg.connect(postgres.dsn("postgres"))
        findings = await found(connection, expectation)
        await connection.close()

    assert findings == []


async def test_nothing_of_it_stays(dsn: str, expectation: Expectation) -> None:
    async with open_accounts(dsn) as accounts:
        before = await accounts.contents()
        async with accounts.database.acquire() as connection:
            await accounts.database.execute("grant update on public.users to authenticated")
            await examine(connection, expectation)  # type: ignore[arg-type]
            await accounts.database.execute("revoke update on public.users from authenticated")
            await accounts.database.execute(
                "grant update (username, notification_preferences) on public.users to authenticated"
            )
        assert await accounts.contents() == before


async def test_a_login_role_cannot_be_the_doctor(database: Connection, expectation: Expectation) -> None:
    await database.execute("create role somebody; grant somebody to postgres; set local role somebody")

    with pytest.raises(CannotExamine, match="logs in as somebody"):
        await examine(database, expectation)
