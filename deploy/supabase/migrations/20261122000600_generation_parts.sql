-- Building blocks of a generation's transitions. Internal; no login role may execute them.
set lock_timeout = '3s';

-- What a client may see of a generation; the HTTP body has the same fields.
do $$
begin
    create type sparky.generation_body as (
        id uuid, tool_id text, tool_parameters jsonb, status text, image_path text, result jsonb,
        error_code text, error_message text, credit_cost integer, queue_position integer, eta_seconds integer,
        created_at timestamptz, started_at timestamptz, finished_at timestamptz
    );
exception when duplicate_object then null;
end
$$;

-- How many requests are ahead, counted up to 1,000 so that a long queue costs no more than a short one.
create or replace function sparky.queue_position(p_queued_at timestamptz) returns integer
language sql stable set search_path = pg_catalog, pg_temp as $$
    select count(*)::integer from (
        select from public.generations where status = 'queued' and queued_at < p_queued_at limit 1000
    ) as ahead
$$;

-- Seconds until a request at this position is likely to be done: recent durations over the fleet's slots.
create or replace function sparky.eta_seconds(p_position integer) returns integer
language sql stable set search_path = pg_catalog, pg_temp as $$
    select ceil(coalesce(typical.seconds, 10) * (1 + p_position / greatest(fleet.slots, 1)))::integer
    from (
        select avg(extract(epoch from finished_at - started_at))::double precision as seconds from (
            select finished_at, started_at from public.generations where status = 'succeeded'
            order by finished_at desc limit 20
        ) as recent
    ) as typical,
    (select coalesce(sum(slots), 0)::integer as slots from sparky.workers where alive_until > now()) as fleet
$$;

create or replace function sparky.body(g public.generations) returns sparky.generation_body
language sql stable set search_path = pg_catalog, pg_temp as $$
    select g.id, g.tool_id, g.tool_parameters, g.status, g.image_path, g.result, g.error_code, g.error_message,
        g.credit_cost, place.position, case when place.position is not null then sparky.eta_seconds(place.position) end,
        g.created_at, g.started_at, g.finished_at
    from (select case when g.status = 'queued' then sparky.queue_position(g.queued_at) end) as place (position)
$$;

-- The key under which equal requests meet. jsonb's text is canonical: sorted keys, no spaces, one
-- spelling of each string; numbers keep theirs (40, 40.0), so that canonical parameters spell them in one way.
create or replace function sparky.cache_key(
    p_user uuid, p_tool text, p_etag text, p_size bigint, p_parameters jsonb, p_tool_version integer, p_model text
) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
    select encode(sha256(convert_to(
        jsonb_build_array(p_user, p_tool, p_etag, p_size, p_parameters, p_tool_version, p_model)::text, 'UTF8'
    )), 'hex')
$$;

create or replace function sparky.new_object_name(p_user uuid) returns text
language sql volatile set search_path = pg_catalog, pg_temp as $$
    select p_user || '/' || replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '')
$$;

create or replace function sparky.announce_generation(g public.generations) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform sparky.announce(g.user_id, 'generation', jsonb_build_object(
        'generationId', g.id, 'toolId', g.tool_id, 'status', g.status,
        'imagePath', g.image_path, 'errorCode', g.error_code
    ));
end
$$;

-- Terminal transitions that the user did not want to be told of.
create table if not exists sparky.muted_endings (
    generation_id uuid not null references public.generations (id) on delete cascade,
    ending integer not null,
    primary key (generation_id, ending)
);

-- Guarantee: one notification per terminal transition, in the transition's own transaction; for a user who switched them off a
-- row of muted_endings instead, which the table's own trigger writes.
create or replace function sparky.notify_ending(g public.generations) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_params jsonb := jsonb_strip_nulls(jsonb_build_object(
        'generationId', g.id, 'toolId', g.tool_id, 'status', g.status, 'errorCode', g.error_code
    ));
    v_id bigint;
begin
    insert into public.notifications (user_id, type, title_key, message_key, params, source_id, source_event)
    values (
        g.user_id, 'generation',
        'notification.generation.' || g.status || '.title', 'notification.generation.' || g.status || '.message',
        v_params, g.id, g.endings
    ) returning id into v_id;
    if v_id is null then
        return;
    end if;
    perform sparky.announce(g.user_id, 'notification', v_params || jsonb_build_object('notificationId', v_id, 'type', 'generation'));
end
$$;

-- Ends an open generation without a result. Needs the locks on the user's row and on the generation's.
-- Guarantee: the hold is voided, nothing is charged, the notification is written, and whatever an attempt uploaded will go.
create or replace function sparky.end_without_result(p_id uuid, p_status text, p_code text, p_message text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    g public.generations;
begin
    update public.generations set
        status = p_status, error_code = p_code, error_message = p_message, finished_at = now(),
        endings = endings + 1, draft = null, worker_id = null, deadline_at = null
    where id = p_id returning * into strict g;
    delete from sparky.holds where generation_id = p_id;
    if g.fence > 0 then
        -- After a while, so that an attempt that is just uploading has ended.
        insert into sparky.object_removals (bucket, object_name, due_at)
        values ('generations', g.object_name, now() + interval '1 minute');
    end if;
    perform sparky.notify_ending(g);
    perform sparky.announce_generation(g);
end
$$;

-- Locks the user's row, then the generation's. Null when there is no such generation.
create or replace function sparky.lock_generation(p_id uuid) returns public.generations
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_user uuid;
    g public.generations;
begin
    select user_id into v_user from public.generations where id = p_id;
    if found then
        perform from public.users where id = v_user for no key update;
        select * into g from public.generations where id = p_id for update;
    end if;
    return g;
end
$$;
