-- The worker's calls: start an attempt, and end it in one of four ways. Each names the fence that it was started with.
set lock_timeout = '3s';

-- Guarantees: the fence rises with every start, so that whatever an earlier attempt still does changes nothing; a generation
-- that is finished, or that runs on a live worker within its deadline, is left alone (no row comes back); one whose tries are
-- used up is failed as attempts_exhausted, and one of a deleted account is cancelled, its hold voided.
create or replace function sparky.start_generation(
    p_id uuid, p_worker text, p_max_tries integer default 3, p_deadline interval default '5 minutes'
) returns table (
    fence bigint, tries integer, user_id uuid, tool_id text, tool_type text, parameters jsonb, style_name text,
    source_path text, source_etag text, source_size bigint, model text, object_name text, failures jsonb, draft jsonb
)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    g public.generations := sparky.lock_generation(p_id);
begin
    if g.id is null or g.status not in ('queued', 'processing') then
        return;
    end if;
    if g.status = 'processing' and g.worker_id <> p_worker and g.deadline_at > now()
        and exists (select from sparky.workers where workers.id = g.worker_id and alive_until > now()) then
        return;
    end if;
    if exists (select from sparky.account_deletions where account_deletions.user_id = g.user_id) then
        perform sparky.end_without_result(p_id, 'canceled', null, null);
        return;
    end if;
    if g.tries >= p_max_tries then
        perform sparky.end_without_result(p_id, 'failed', 'attempts_exhausted',
            'It did not work after several attempts. You have not been charged.');
        return;
    end if;

    -- A worker without a heartbeat counts as dead, so that what it started is found again.
    insert into sparky.workers (id, alive_until) values (p_worker, now()) on conflict do nothing;
    update public.generations set
        status = 'processing', fence = generations.fence + 1, tries = generations.tries + 1, worker_id = p_worker,
        started_at = coalesce(started_at, now()), deadline_at = now() + p_deadline,
        sweeps = 0, swept_at = now(), next_sweep_at = now()
    where id = p_id returning * into strict g;
    if g.fence = 1 then
        perform sparky.announce_generation(g);
    end if;
    return query
    select g.fence, g.tries, g.user_id, g.tool_id, tools.type, g.tool_parameters, hairstyles.name,
        g.source_path, g.source_etag, g.source_size, g.model, g.object_name, g.failures, g.draft
    from public.tools left join public.hairstyles on hairstyles.id = g.tool_parameters ->> 'style'
    where tools.id = g.tool_id;
end
$$;

-- Guarantees: result, capture, ledger row, cache entry and notification are written together or not at all, once; a second
-- call with the same fence answers already_settled; any other fence answers stale and changes nothing.
create or replace function sparky.settle_generation(
    p_id uuid, p_fence bigint, p_result jsonb default null, p_cache_ttl interval default '30 days', p_usage jsonb default null
) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    g public.generations := sparky.lock_generation(p_id);
    v_is_picture boolean;
    v_balance integer;
begin
    if g.status = 'succeeded' and g.fence = p_fence then
        return 'already_settled';
    end if;
    if g.id is null or g.status <> 'processing' or g.fence is distinct from p_fence then
        return 'stale';
    end if;

    select type <> 'ANALYSIS' into strict v_is_picture from public.tools where id = g.tool_id;
    if v_is_picture <> (p_result is null) then
        raise exception 'a picture settles without a result, an analysis with one' using errcode = 'invalid_parameter_value';
    end if;
    update public.generations set
        status = 'succeeded', result = p_result, image_path = case when v_is_picture then object_name end,
        finished_at = now(), endings = endings + 1, usage = p_usage, draft = null, worker_id = null, deadline_at = null
    where id = p_id returning * into strict g;
    delete from sparky.holds where generation_id = p_id;
    v_balance := sparky.write_ledger(g.user_id, 'capture', -g.credit_cost, g.id, g.tool_id, null);
    insert into cache.kv_store (key, value, expires_at)
    values (g.cache_key, jsonb_build_object('generationId', g.id), now() + p_cache_ttl)
    on conflict (key) do update set value = excluded.value, created_at = now(), expires_at = excluded.expires_at;
    perform sparky.notify_ending(g);
    perform sparky.announce_generation(g);
    perform sparky.announce(g.user_id, 'balance', jsonb_build_object('credits', v_balance));
    return 'settled';
end
$$;

-- Guarantees: the hold is voided and nothing is charged; repeated with the same fence it answers already_failed; any other
-- fence answers stale and changes nothing. `p_code` is a stable failure code, `p_message` what the user may read.
create or replace function sparky.fail_generation(p_id uuid, p_fence bigint, p_code text, p_message text default null) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    g public.generations := sparky.lock_generation(p_id);
begin
    if g.status = 'failed' and g.fence = p_fence then
        return 'already_failed';
    end if;
    if g.id is null or g.status <> 'processing' or g.fence is distinct from p_fence then
        return 'stale';
    end if;
    perform sparky.end_without_result(p_id, 'failed', p_code, p_message);
    return 'failed';
end
$$;

-- Guarantees: the hold stays, the generation is queued again and due at `p_until`; without `p_count_try` (a shutdown, a rate
-- limit) the attempt is taken off the tries, while the fence stays raised. Any other fence answers stale and changes nothing.
create or replace function sparky.defer_generation(
    p_id uuid, p_fence bigint, p_until timestamptz, p_code text, p_count_try boolean default true
) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    g public.generations := sparky.lock_generation(p_id);
begin
    if g.id is null or g.status <> 'processing' or g.fence is distinct from p_fence then
        return 'stale';
    end if;
    update public.generations set
        status = 'queued', due_at = p_until, worker_id = null, deadline_at = null,
        tries = tries - case when p_count_try then 0 else 1 end,
        failures = failures || jsonb_build_object(p_code, coalesce((failures ->> p_code)::integer, 0) + 1),
        sweeps = 0, swept_at = now(), next_sweep_at = greatest(p_until, now()) + interval '5 seconds'
    where id = p_id returning * into strict g;
    perform sparky.announce_generation(g);
    return 'deferred';
end
$$;

-- Guarantee: a paid-for analysis survives its attempt, so that the next one need not ask for it again.
create or replace function sparky.save_draft(p_id uuid, p_fence bigint, p_result jsonb) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    g public.generations := sparky.lock_generation(p_id);
begin
    if g.id is null or g.status <> 'processing' or g.fence is distinct from p_fence then
        return 'stale';
    end if;
    update public.generations set draft = p_result where id = p_id;
    return 'saved';
end
$$;
