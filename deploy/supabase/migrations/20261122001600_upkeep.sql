-- Upkeep: what is done every so often by pg_cron where it is available, and by the workers otherwise; never by both.
set lock_timeout = '3s';

-- One row a task, named like its cron job.
create table if not exists sparky.upkeep (
    task text primary key,
    function_name text not null,
    schedule text not null,
    every interval not null check (every > interval '0'),
    page integer check (page > 0),
    next_at timestamptz not null default now()
);
comment on column sparky.upkeep.function_name is 'In schema sparky: does one bounded batch, answers how many rows.';
comment on column sparky.upkeep.schedule is 'When pg_cron runs it, UTC; what the operator set here stays.';
comment on column sparky.upkeep.every is 'How often a worker runs it, counted from 03:00 UTC, when pg_cron does not.';
comment on column sparky.upkeep.page is
    'Rows of a worker''s batch; a full one is followed by the next at once. Null: the function''s own choice, one at a time.';
alter table sparky.upkeep enable row level security;

insert into sparky.upkeep (task, function_name, schedule, every, page) values
    ('cleanup-cache', 'purge_cache', '0 3 * * *', '1 day', 10000),
    ('cleanup-run-log', 'purge_run_log', '30 3 * * *', '1 day', 10000),
    ('cleanup-notifications', 'purge_notifications', '*/5 * * * *', '5 minutes', null),
    ('monthly-credits', 'grant_period_credits', '*/10 * * * *', '10 minutes', null)
on conflict do nothing;

-- How far the round over all users has got.
create table if not exists sparky.grant_round (
    only_row boolean primary key default true check (only_row),
    last_user uuid not null default '00000000-0000-0000-0000-000000000000'
);
alter table sparky.grant_round enable row level security;
insert into sparky.grant_round default values on conflict do nothing;

-- Guarantee: only entries that have expired go, the oldest first, at most `p_limit` of them.
create or replace function sparky.purge_cache(p_limit integer default 200000) returns integer
language sql set search_path = pg_catalog, pg_temp as $$
    with expired as (
        select key from cache.kv_store where expires_at <= now() order by expires_at limit p_limit for update skip locked
    ), gone as (
        delete from cache.kv_store using expired where kv_store.key = expired.key returning 1
    )
    select count(*)::integer from gone
$$;

-- Guarantee: only notifications older than `operator_settings.keep_notifications` go, the oldest first. Where Realtime tells their
-- rows it also tells each removal, to every subscriber of the table: then few go at a time.
create or replace function sparky.purge_notifications(p_limit integer default null) returns integer
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_before timestamptz;
    v_limit integer;
    v_gone integer;
begin
    select now() - keep_notifications, coalesce(p_limit, case when row_events then 200 else 5000 end) into strict v_before, v_limit
    from sparky.operator_settings;
    with old as (
        select id from public.notifications where created_at < v_before order by created_at limit v_limit for update skip locked
    )
    delete from public.notifications using old where notifications.id = old.id;
    get diagnostics v_gone = row_count;
    if v_gone > 0 then
        update sparky.operator_settings set notifications_purged_before = greatest(notifications_purged_before, v_before);
    end if;
    return v_gone;
end
$$;

-- Monthly credits for those who have not acted in their present period. Each call goes on where the last one stopped and looks at
-- up to 20 users for each grant that it may make, so that one round covers everybody.
-- Guarantees: once per user and period, whoever grants it; users that are busy right now are left for the next round; somebody
-- whom Auth no longer knows, or whose account is being deleted, gets nothing.
create or replace function sparky.grant_period_credits(p_limit integer default 500) returns integer
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_page constant integer := 20 * p_limit;
    v_last uuid;
    v_seen integer;
    v_due uuid[];
    v_user uuid;
    v_granted integer := 0;
begin
    select last_user into v_last from sparky.grant_round for update skip locked;
    if not found then
        return 0;
    end if;
    with page as (
        select id, period_anchor from public.users where id > v_last order by id limit v_page
    ), due as (
        select id from page
        where exists (select from auth.users as person where person.id = page.id)
            and not exists (select from sparky.account_deletions where user_id = page.id)
            and not exists (
                select from sparky.period_grants where user_id = page.id and period = sparky.current_period(page.period_anchor)
            )
        order by id limit p_limit
    )
    select
        (select array_agg(id order by id) from due), (select count(*) from page),
        (select id from page order by id desc limit 1)
    into v_due, v_seen, v_last;
    if cardinality(v_due) = p_limit then
        v_last := v_due[p_limit];
    elsif v_seen < v_page then
        v_last := '00000000-0000-0000-0000-000000000000';
    end if;
    foreach v_user in array coalesce(v_due, '{}') loop
        perform from public.users where id = v_user for no key update skip locked;
        if found then
            perform sparky.lock_user(v_user);
            v_granted := v_granted + 1;
        end if;
    end loop;
    update sparky.grant_round set last_user = v_last;
    return v_granted;
end
$$;

-- Whether pg_cron is here and may be used.
create or replace function sparky.has_cron() returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
    select exists (select from pg_catalog.pg_extension where extname = 'pg_cron')
        and coalesce((select has_schema_privilege(oid, 'usage') from pg_catalog.pg_namespace where nspname = 'cron'), false)
$$;

-- pg_cron never cleans its log. Guarantee: only runs that ended, or began, more than 7 days ago go; nothing without pg_cron.
create or replace function sparky.purge_run_log(p_limit integer default 100000) returns integer
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_gone integer := 0;
begin
    if sparky.has_cron() then
        execute 'with old as (
            select runid from cron.job_run_details where coalesce(end_time, start_time) < now() - interval ''7 days'' limit $1
        ) delete from cron.job_run_details using old where job_run_details.runid = old.runid' using p_limit;
        get diagnostics v_gone = row_count;
    end if;
    return v_gone;
end
$$;

-- Who owns a task, or all of them: true while pg_cron has an active job of ours for it. Switching a job off hands it to the workers.
create or replace function sparky.upkeep_by_cron(p_task text default null) returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    v_owned boolean := false;
begin
    if sparky.has_cron() then
        execute 'select bool_and(exists (
            select from cron.job where active and database = current_database() and jobname = upkeep.task
                and position(''sparky.'' || function_name || ''('' in command) > 0
        )) from sparky.upkeep where task = coalesce($1, task)' into v_owned using p_task;
    end if;
    return coalesce(v_owned, false);
end
$$;

-- Makes the cron jobs, for when pg_cron was enabled later or a schedule was changed. Guarantees: one job a task, however often it is
-- called; a job that an operator switched off stays off. Answers whether pg_cron now owns all tasks.
create or replace function sparky.schedule_upkeep() returns boolean
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_task sparky.upkeep;
begin
    if sparky.has_cron() then
        for v_task in select * from sparky.upkeep order by task loop
            execute format('select cron.schedule(%L, %L, %L)', v_task.task, v_task.schedule,
                format('select sparky.%I()', v_task.function_name));
        end loop;
    end if;
    return sparky.upkeep_by_cron();
end
$$;

-- For the workers: does a batch of one task that is due and that pg_cron does not own, and says how many rows; no row when there is
-- none. Guarantees: one worker at a time has a task, by its row's lock; a task that fails changes nothing, is due again within a
-- minute, and holds up no other.
create or replace function sparky.run_upkeep() returns table (task text, affected integer, failure text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    v_task sparky.upkeep;
    v_affected integer;
    v_failure text;
begin
    select * into v_task from sparky.upkeep where next_at <= now() and not sparky.upkeep_by_cron(upkeep.task)
    order by next_at limit 1 for update skip locked;
    if not found then
        return;
    end if;
    begin
        execute format('select sparky.%I(%s)', v_task.function_name, v_task.page) into v_affected;
    exception when others then
        v_failure := sqlerrm;
    end;
    update sparky.upkeep set next_at = case
        when v_failure is not null then now() + least(every, interval '1 minute')
        when v_affected >= page then now()
        else date_bin(every, now(), timestamptz '2000-01-01 03:00+00') + every
    end where upkeep.task = v_task.task;
    return query select v_task.task, v_affected, v_failure;
end
$$;

revoke all on sparky.upkeep, sparky.grant_round from public, anon, authenticated, service_role;
revoke execute on function
    sparky.purge_cache(integer), sparky.purge_notifications(integer), sparky.grant_period_credits(integer), sparky.has_cron(),
    sparky.purge_run_log(integer), sparky.upkeep_by_cron(text), sparky.schedule_upkeep(), sparky.run_upkeep()
from public, anon, authenticated, service_role;
grant execute on function sparky.run_upkeep() to sparky_worker;

-- Without pg_cron, or where it may not be set up, all of it is the workers'.
do $$
begin
    if exists (select from pg_catalog.pg_available_extensions where name = 'pg_cron') then
        create extension if not exists pg_cron;
        perform sparky.schedule_upkeep();
    end if;
exception when others then
    raise warning 'pg_cron was not set up, so the workers do the upkeep: %', sqlerrm;
end
$$;
