-- What users do with their generations, through the intake, and what operators do for them.
set lock_timeout = '3s';

-- The user's own generation, or no row.
create or replace function sparky.get_generation(p_id uuid, p_user uuid) returns setof sparky.generation_body
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select body.* from public.generations cross join lateral sparky.body(generations) as body
    where generations.id = p_id and generations.user_id = p_user
$$;

-- The user's own generations, newest first; `p_before` is the id that ended the page before.
create or replace function sparky.list_generations(p_user uuid, p_limit integer, p_before uuid default null)
returns setof sparky.generation_body
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select body.* from (
        select * from public.generations
        where user_id = p_user and (p_before is null or (created_at, id) < (
            select created_at, id from public.generations where id = p_before and user_id = p_user
        ))
        order by created_at desc, id desc limit p_limit
    ) as page
    cross join lateral sparky.body(page::public.generations) as body
    order by page.created_at desc, page.id desc
$$;

-- Which of these are over: for the intake's waiting requests, all in one call.
create or replace function sparky.finished_generations(p_ids uuid[]) returns setof uuid
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select asked.id from unnest(p_ids) as asked (id)
    left join public.generations on generations.id = asked.id
    where generations.status is null or generations.status not in ('queued', 'processing')
$$;

-- Guarantee: only the owner's queued generation is cancelled, its hold voided; anything else stays as it is.
create or replace function sparky.cancel_generation(p_id uuid, p_user uuid) returns table (
    outcome text,
    id uuid, tool_id text, tool_parameters jsonb, status text, image_path text, result jsonb,
    error_code text, error_message text, credit_cost integer, queue_position integer, eta_seconds integer,
    created_at timestamptz, started_at timestamptz, finished_at timestamptz
)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    g public.generations := sparky.lock_generation(p_id);
    v_outcome text;
begin
    if g.id is null or g.user_id is distinct from p_user then
        v_outcome := 'not_found';
        g := null;
    elsif g.status <> 'queued' then
        v_outcome := 'not_cancelable';
    else
        perform sparky.end_without_result(p_id, 'canceled', null, null);
        select * into strict g from public.generations where generations.id = p_id;
        v_outcome := 'canceled';
    end if;
    return query select v_outcome, body.* from sparky.body(g) as body;
end
$$;

-- Guarantee: row, cache entry and picture go together (the picture through object_removals); the ledger stays.
create or replace function sparky.delete_generation(p_id uuid, p_user uuid) returns table (outcome text, object_name text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    g public.generations := sparky.lock_generation(p_id);
begin
    if g.id is null or g.user_id is distinct from p_user then
        return query select 'not_found', null;
    elsif g.status in ('queued', 'processing') then
        return query select 'not_finished', null;
    else
        delete from cache.kv_store where value ->> 'generationId' = p_id::text and key = g.cache_key;
        delete from public.generations where generations.id = p_id;
        if g.image_path is not null then
            insert into sparky.object_removals (bucket, object_name) values ('generations', g.image_path);
        end if;
        return query select 'deleted', g.image_path;
    end if;
end
$$;

-- An operator's second chance for a failed generation. Guarantee: the hold is taken again or nothing changes; refused when an
-- equal request succeeded since or runs now, when the photo has gone or changed, when the account is deleted,
-- or when the credits do not suffice.
create or replace function sparky.retry_generation(p_id uuid) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_user uuid;
    v_account public.users;
    v_held integer;
    g public.generations;
begin
    select user_id into v_user from public.generations where id = p_id;
    if not found then
        return 'not_found';
    end if;
    v_account := sparky.lock_user(v_user);
    if v_account.id is null then
        return 'account_deleted';
    end if;
    select * into g from public.generations where id = p_id for update;
    if g.id is null then  -- deleted while we waited for the lock
        return 'not_found';
    elsif g.status <> 'failed' then
        return 'not_failed';
    end if;
    if exists (
        select from public.generations
        where cache_key = g.cache_key and id <> g.id
            and (status in ('queued', 'processing') or status = 'succeeded' and finished_at > g.finished_at)
    ) then
        return 'superseded';
    end if;
    if not exists (
        select from storage.objects where bucket_id = 'user_uploads' and name = g.source_path
            and coalesce(updated_at, created_at) > now() - sparky.photos_kept_for()
            and metadata ->> 'eTag' = g.source_etag and (metadata ->> 'size')::bigint = g.source_size
    ) then
        return 'source_gone';
    end if;
    select coalesce(sum(amount), 0) into v_held from sparky.holds where user_id = v_user;
    if v_account.credits - v_held < g.credit_cost then
        return 'insufficient_credits';
    end if;
    update public.generations set
        status = 'queued', error_code = null, error_message = null, finished_at = null, started_at = null,
        tries = 0, failures = '{}', object_name = sparky.new_object_name(v_user),
        queued_at = now(), due_at = now(), swept_at = now(), sweeps = 0, next_sweep_at = now()
    where id = p_id returning * into strict g;
    insert into sparky.holds (generation_id, user_id, amount) values (g.id, v_user, g.credit_cost);
    perform sparky.announce_generation(g);
    return 'queued';
end
$$;
