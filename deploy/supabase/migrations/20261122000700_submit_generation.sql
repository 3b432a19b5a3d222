-- Submitting: the one door through which work and holds come in.
set lock_timeout = '3s';

-- What a user may still spend now, or which limit refuses the cost. Needs the user's row lock.
create or replace function sparky.refusal(p_user public.users, p_plan public.plans, p_cost integer) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    v_held integer;
    v_open integer;
    v_spent integer;
begin
    select coalesce(sum(amount), 0) into v_held from sparky.holds where user_id = p_user.id;
    select coalesce(-sum(amount), 0) into v_spent from public.credit_usage
    where user_id = p_user.id and kind = 'capture'
        and created_at >= date_trunc('day', now() at time zone 'utc') at time zone 'utc';
    if v_spent + v_held + p_cost > p_plan.daily_credits then
        return 'daily_limit';
    end if;
    select count(*) into v_open from public.generations
    where user_id = p_user.id and status in ('queued', 'processing');
    if v_open >= p_plan.max_in_flight then
        return 'too_many_in_flight';
    end if;
    if p_user.credits - v_held < p_cost then
        return 'insufficient_credits';
    end if;
    return null;
end
$$;

-- Where a new request waits. Guarantee: nobody has more in the paid lane than an ordinary paid plan may have in flight, so that
-- one user with a large allowance delays others no more than one with a small one. Needs the user's row lock.
create or replace function sparky.lane(p_user uuid, p_plan public.plans) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
    select case
        when not p_plan.is_paid then 'free'
        when (
            select count(*) from public.generations
            where user_id = p_user and status in ('queued', 'processing') and lane = 'paid'
        ) < 10 then 'paid'
        else 'bulk'
    end
$$;

-- Seconds after which a refused request may do better; null where waiting does not help.
create or replace function sparky.retry_after(p_outcome text) returns integer
language sql stable set search_path = pg_catalog, pg_temp as $$
    select case p_outcome
        when 'too_many_in_flight' then 5
        when 'daily_limit' then ceil(extract(epoch from
            (date_trunc('day', now() at time zone 'utc') + interval '1 day') at time zone 'utc' - now()))::integer
    end
$$;

-- Guarantees: an equal request that is running or cached costs nothing and adds no row; otherwise one row and its hold are
-- written together; a refusal writes nothing. Outcomes: cached, in_flight, queued, or the refusal's code.
-- `p_parameters` are canonical, with defaults applied; `p_path` is the photo's name in the bucket user_uploads.
create or replace function sparky.submit_generation(
    p_user uuid, p_tool text, p_parameters jsonb, p_path text, p_model text, p_max_source_bytes bigint default 15728640
) returns table (
    outcome text, cache_key text, lane text, retry_after integer,
    id uuid, tool_id text, tool_parameters jsonb, status text, image_path text, result jsonb,
    error_code text, error_message text, credit_cost integer, queue_position integer, eta_seconds integer,
    created_at timestamptz, started_at timestamptz, finished_at timestamptz
)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    v_outcome text;
    v_user public.users;
    v_plan public.plans;
    v_tool public.tools;
    v_parameters jsonb := coalesce(p_parameters, '{}');
    v_pro boolean;
    v_etag text;
    v_size bigint;
    v_type text;
    v_key text;
    g public.generations;
begin
    <<decide>>
    begin
        select * into v_tool from public.tools where tools.id = p_tool and is_active;
        if not found then
            v_outcome := 'tool_unavailable';
            exit decide;
        end if;

        if jsonb_typeof(v_parameters) <> 'object' then
            v_outcome := 'invalid_parameters';
            exit decide;
        end if;
        select is_pro into v_pro from public.hairstyles where hairstyles.id = v_parameters ->> 'style' and is_active;
        if not found and v_parameters ? 'style' then
            v_outcome := 'invalid_parameters';
            exit decide;
        end if;

        select metadata ->> 'eTag', (metadata ->> 'size')::bigint, metadata ->> 'mimetype' into v_etag, v_size, v_type
        from storage.objects
        where bucket_id = 'user_uploads' and name = p_path and starts_with(p_path, p_user || '/')
            and coalesce(updated_at, created_at) > now() - sparky.photos_kept_for();
        if not found or v_etag is null or v_size is null then
            v_outcome := coalesce(sparky.absence(p_user), 'source_not_found');
            exit decide;
        elsif v_type is null or v_type not in ('image/jpeg', 'image/png', 'image/webp') then
            v_outcome := 'source_type_unsupported';
            exit decide;
        elsif v_size > coalesce(p_max_source_bytes, 0) then
            v_outcome := 'source_too_large';
            exit decide;
        end if;

        v_user := sparky.lock_user(p_user);
        if v_user.id is null then
            v_outcome := coalesce(sparky.absence(p_user), 'account_not_found');
            exit decide;
        end if;
        v_plan := sparky.effective_plan(v_user);
        if v_pro and not v_plan.is_paid then
            v_outcome := 'plan_required';
            exit decide;
        end if;

        v_key := sparky.cache_key(p_user, p_tool, v_etag, v_size, v_parameters, v_tool.version, p_model);
        select generations.* into g from cache.kv_store
        join public.generations on generations.id = (kv_store.value ->> 'generationId')::uuid
        where kv_store.key = v_key and kv_store.expires_at > now() and generations.status = 'succeeded';
        if found then
            v_outcome := 'cached';
            exit decide;
        end if;

        select * into g from public.generations
        where generations.cache_key = v_key and generations.status in ('queued', 'processing');
        if found then
            v_outcome := 'in_flight';
            exit decide;
        end if;

        v_outcome := sparky.refusal(v_user, v_plan, v_tool.credit_cost);
        if v_outcome is not null then
            exit decide;
        end if;

        insert into public.generations (
            user_id, tool_id, tool_parameters, source_path, source_etag, source_size, credit_cost,
            cache_key, tool_version, model, object_name, lane
        ) values (
            p_user, p_tool, v_parameters, p_path, v_etag, v_size, v_tool.credit_cost,
            v_key, v_tool.version, p_model, sparky.new_object_name(p_user),
            sparky.lane(p_user, v_plan)
        ) returning * into g;
        insert into sparky.holds (generation_id, user_id, amount) values (g.id, p_user, g.credit_cost);
        perform sparky.announce_generation(g);
        v_outcome := 'queued';
    end;
    return query
    select v_outcome, g.cache_key, g.lane, sparky.retry_after(v_outcome), body.* from sparky.body(g) as body;
end
$$;
