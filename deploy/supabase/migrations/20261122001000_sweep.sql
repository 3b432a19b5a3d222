-- The net under the queue: heartbeats, what is due, what has expired, what must go from Storage.
set lock_timeout = '3s';

-- Guarantee: while a worker renews this, nobody else starts what it runs.
create or replace function sparky.heartbeat(p_worker text, p_alive interval, p_slots integer, p_running integer) returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
    insert into sparky.workers (id, alive_until, slots, running) values (p_worker, now() + p_alive, p_slots, p_running)
    on conflict (id) do update set alive_until = excluded.alive_until, slots = excluded.slots, running = excluded.running
$$;

-- Guarantee: whatever the worker still holds is due at once. Rows of workers long gone are cleared on the way.
create or replace function sparky.retire_worker(p_worker text) returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
    update sparky.workers set alive_until = now() where id = p_worker;
    delete from sparky.workers where alive_until < now() - interval '1 day'
        and not exists (select from public.generations where worker_id = workers.id and status = 'processing')
$$;

-- Redis was found empty: everything open is due once more, whatever was swept lately.
create or replace function sparky.reset_sweep() returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
    update sparky.sweep_state set emptied_at = clock_timestamp()
$$;

-- What should be in the queue and may not be. Guarantees: at most `p_limit` rows, found by index however long the queue is; each
-- row comes back at growing intervals (5 s doubling to 10 min) until it is started; sweeps that run at once share the rows.
-- It locks generations only, and waits for none, so it cannot deadlock with the functions that lock the user first.
create or replace function sparky.due_generations(p_limit integer default 500) returns table (
    id uuid, cache_key text, lane text, due_at timestamptz
)
language sql security definer set search_path = pg_catalog, pg_temp as $$
    with candidate as (
        (select id from public.generations where status = 'queued' and next_sweep_at <= now()
            order by next_sweep_at limit p_limit)
        union
        (select id from public.generations where status = 'queued' and swept_at < (select emptied_at from sparky.sweep_state)
            order by swept_at limit p_limit)
        union
        (select generations.id from sparky.workers
            join public.generations on generations.worker_id = workers.id and generations.status = 'processing'
            where workers.alive_until < now()
                and (next_sweep_at <= now() or swept_at < (select emptied_at from sparky.sweep_state))
            limit p_limit)
        union
        (select id from public.generations where status = 'processing' and deadline_at < now()
            and (next_sweep_at <= now() or swept_at < (select emptied_at from sparky.sweep_state))
            order by deadline_at limit p_limit)
    ), mine as (
        -- Asked again of each row as it is once locked: another sweep may just have handed it out.
        select generations.id from public.generations where id in (select id from candidate)
            and status in ('queued', 'processing')
            and (next_sweep_at <= now() or swept_at < (select emptied_at from sparky.sweep_state))
        limit p_limit for no key update skip locked
    )
    update public.generations set
        swept_at = clock_timestamp(), sweeps = sweeps + 1,
        next_sweep_at = greatest(now(), generations.due_at)
            + least(interval '5 seconds' * 2 ^ least(sweeps, 10), interval '10 minutes')
    from mine where generations.id = mine.id
    returning generations.id, generations.cache_key, generations.lane, generations.due_at
$$;

-- Guarantee: a request queued for longer than `p_max_age`, and no other, fails as `expired` and costs nothing. Users that are
-- busy right now are left for the next sweep, so that it never waits while it holds other users' rows.
create or replace function sparky.expire_generations(p_max_age interval default '1 hour', p_limit integer default 500) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_candidate record;
    v_expired integer := 0;
begin
    for v_candidate in
        select id, user_id from public.generations where status = 'queued' and queued_at < now() - p_max_age
        order by queued_at limit p_limit
    loop
        perform from public.users where id = v_candidate.user_id for no key update skip locked;
        continue when not found;
        perform from public.generations
        where id = v_candidate.id and status = 'queued' and queued_at < now() - p_max_age for update skip locked;
        continue when not found;
        perform sparky.end_without_result(v_candidate.id, 'failed', 'expired',
            'The request waited for too long. You have not been charged.');
        v_expired := v_expired + 1;
    end loop;
    return v_expired;
end
$$;

-- Objects to remove through the Storage API; each is handed out again after a minute until it is reported as removed.
-- Guarantee: never the picture of a generation that succeeded.
create or replace function sparky.due_removals(p_limit integer default 100) returns table (id bigint, bucket text, object_name text)
language sql security definer set search_path = pg_catalog, pg_temp as $$
    with page as (
        select id, bucket, object_name from sparky.object_removals where due_at <= now()
        order by due_at limit p_limit for update skip locked
    ), shown as (
        select page.id from page join public.generations on generations.image_path = page.object_name
        where page.bucket = 'generations'
    ), dropped as (
        delete from sparky.object_removals where id in (select id from shown)
    )
    update sparky.object_removals set due_at = now() + interval '1 minute'
    where id in (select id from page) and id not in (select id from shown)
    returning id, bucket, object_name
$$;

-- Runs with each upload of a result. Guarantees: a picture that no open generation waits for is removed, however late an
-- attempt wakes up to upload it (its generation may have failed, been retried under another name, cancelled or deleted since);
-- nothing here can fail the upload. Objects with names that are not ours are left alone.
create or replace function sparky.collect_late_upload() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '1s' as $$
begin
    if not exists (
        select from public.generations
        where user_id = split_part(new.name, '/', 1)::uuid and status in ('queued', 'processing') and object_name = new.name
    ) then
        insert into sparky.object_removals (bucket, object_name) values (new.bucket_id, new.name);
    end if;
    return new;
exception when others then
    raise warning 'upload of % was not checked: %', new.name, sqlerrm;
    return new;
end
$$;

create or replace function sparky.removed_objects(p_ids bigint[]) returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
    delete from sparky.object_removals where id = any (p_ids)
$$;

-- Last, as it keeps Storage from writing until the transaction ends.
create or replace trigger sparky_collect_late_upload after insert on storage.objects
for each row when (new.bucket_id = 'generations' and new.name ~ '^[0-9a-f-]{36}/[0-9a-f]{64}$')
execute function sparky.collect_late_upload();
