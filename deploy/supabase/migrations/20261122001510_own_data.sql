-- What a user may keep, set, be told and take along.
set lock_timeout = '3s';

alter table sparky.operator_settings
    add column if not exists keep_photos interval not null default '30 days' check (keep_photos >= interval '1 day'),
    add column if not exists upload_files integer not null default 200 check (upload_files > 0),
    add column if not exists upload_bytes bigint not null default 524288000 check (upload_bytes > 0);
comment on column sparky.operator_settings.keep_photos is 'How long a photo in user_uploads is kept after it was stored.';
comment on column sparky.operator_settings.upload_files is 'Most files that a user may have in user_uploads.';
comment on column sparky.operator_settings.upload_bytes is 'Most bytes that a user may have in user_uploads.';

-- Where the search for old photos stands: it walks the whole bucket a page at a time, then rests.
create table if not exists sparky.photo_patrol (
    only_row boolean primary key default true check (only_row),
    after_name text not null default '',
    next_at timestamptz not null default now()
);
insert into sparky.photo_patrol default values on conflict do nothing;

alter table sparky.photo_patrol enable row level security;
revoke all on sparky.photo_patrol from public, anon, authenticated, service_role;

create or replace function sparky.photos_kept_for() returns interval
language sql stable set search_path = pg_catalog, pg_temp as $$
    select keep_photos from sparky.operator_settings
$$;

-- A page of the search for photos that were kept for long enough, for Storage to remove; an hour's rest after each round.
-- Guarantee: never a photo that an open generation needs, since a photo past its time is not taken for new ones, and what was
-- submitted just before is seen here an hour later.
create or replace function sparky.due_photos(p_page integer default 500) returns setof text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_after text;
    v_seen integer := 0;
    v_photo record;
begin
    select after_name into v_after from sparky.photo_patrol where next_at <= now() for update skip locked;
    if not found then
        return;
    end if;
    for v_photo in
        select name, coalesce(updated_at, created_at) as stored_at from storage.objects
        where bucket_id = 'user_uploads' and name ~>~ v_after order by name using ~<~ limit p_page
    loop
        v_seen := v_seen + 1;
        v_after := v_photo.name;
        continue when v_photo.stored_at >= now() - sparky.photos_kept_for() - interval '1 hour'
            or v_photo.name !~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/';
        continue when exists (
            select from public.generations where user_id = split_part(v_photo.name, '/', 1)::uuid
                and status in ('queued', 'processing') and source_path = v_photo.name
        );
        return next v_photo.name;
    end loop;
    update sparky.photo_patrol set
        after_name = case when v_seen < p_page then '' else v_after end,
        next_at = case when v_seen < p_page then now() + interval '1 hour' else now() end;
end
$$;

-- Runs with each change in user_uploads, whoever makes it and by whatever way: upload, overwriting, move, copy, signed upload.
-- Guarantees: exact, however many come at once, as they take turns at the user's row; a deleted or unknown account stores nothing;
-- what makes a full folder no fuller goes through. Storage answers a refusal with 403.
create or replace function sparky.check_upload() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_user uuid := split_part(new.name, '/', 1)::uuid;
    v_limits sparky.operator_settings;
    v_files bigint;
    v_bytes bigint;
begin
    perform from public.users where id = v_user for no key update;
    if not found then
        perform sparky.ensure_account(v_user);
        perform from public.users where id = v_user for no key update;
    end if;
    if not found or exists (select from sparky.account_deletions where user_id = v_user) then
        raise exception 'account_deleted' using errcode = 'insufficient_privilege',
            detail = 'There is no account that this folder belongs to.';
    end if;
    if tg_op = 'UPDATE' and old.bucket_id = new.bucket_id and starts_with(old.name, v_user || '/')
        and coalesce((new.metadata ->> 'size')::bigint, 0) <= coalesce((old.metadata ->> 'size')::bigint, 0) then
        return null;
    end if;
    select * into strict v_limits from sparky.operator_settings;
    select count(*), coalesce(sum(size), 0) into v_files, v_bytes from (
        select (metadata ->> 'size')::bigint as size from storage.objects
        where bucket_id = 'user_uploads' and name ~>=~ (v_user || '/') and name ~<~ (v_user || '0')
        limit v_limits.upload_files + 1
    ) as file;
    if v_files > v_limits.upload_files or v_bytes > v_limits.upload_bytes then
        raise exception 'upload_quota_exceeded' using errcode = 'insufficient_privilege',
            detail = format('At most %s files and %s bytes.', v_limits.upload_files, v_limits.upload_bytes);
    end if;
    return null;
end
$$;

-- What a user may write into the own row. Guarantee: refused with a code as the message and a sentence as the detail.
create or replace function sparky.check_profile() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_type text;
begin
    new.username := normalize(new.username, nfc);
    -- No control, invisible or direction-changing characters, and of ASCII's signs only those that names have.
    if new.username !~ ('^(?! )(?!.*  )[^\u0001-\u001f!-&(-,/:-@\[-^`{-\u00a0\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e'
        || '\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\U000e0000-\U000e0fff]{1,30}$')
        or new.username like '% ' then
        raise exception 'username_invalid' using errcode = 'check_violation', detail =
            'A username has 1 to 30 characters: letters, digits, single spaces between them, and . _ - ''.';
    end if;
    foreach v_type in array array['offer', 'feature', 'general', 'generation', 'payment'] loop
        if jsonb_typeof(new.notification_preferences -> v_type) <> 'boolean' then
            raise exception 'notification_preferences_invalid' using errcode = 'check_violation',
                detail = format('`%s` is true or false.', v_type);
        end if;
    end loop;
    if new.notification_preferences -> 'payment' = 'false' then
        raise exception 'notification_preferences_invalid' using errcode = 'check_violation',
            detail = 'Notifications about payments cannot be switched off.';
    end if;
    return new;
end
$$;
create or replace trigger sparky_check_profile before update of username, notification_preferences on public.users
for each row execute function sparky.check_profile();

-- Guarantees: nobody is told anything of a type they switched off (which payments cannot be), whoever writes it; an ending that is
-- not told is written down as muted instead, so that endings still add up.
create or replace function sparky.honour_preferences() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if not exists (
        select from public.users where id = new.user_id and notification_preferences -> new.type = 'false'
    ) then
        return new;
    end if;
    if new.type = 'generation' and new.source_id is not null then
        insert into sparky.muted_endings (generation_id, ending) values (new.source_id, new.source_event);
    end if;
    return null;
end
$$;
create or replace trigger sparky_honour_preferences before insert on public.notifications
for each row execute function sparky.honour_preferences();

-- The head of a user's own data. Outcomes: found, or why there is none.
create or replace function sparky.export_account(p_user uuid) returns table (outcome text, profile jsonb)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_user public.users := sparky.lock_user(p_user);
begin
    if v_user.id is null then
        return query select coalesce(sparky.absence(p_user), 'account_not_found'), null::jsonb;
        return;
    end if;
    return query select 'found', jsonb_build_object(
        'id', v_user.id, 'email', (select email from auth.users where id = p_user), 'username', v_user.username, 'plan_id', v_user.plan_id,
        'plan_expires_at', v_user.plan_expires_at, 'credits', v_user.credits, 'credit_debt', v_user.credit_debt,
        'notification_preferences', v_user.notification_preferences, 'created_at', v_user.created_at
    );
end
$$;

-- A page of one section of a user's own data, oldest first, after the row that ended the page before; no internal column.
create or replace function sparky.export_page(
    p_user uuid, p_section text, p_after timestamptz, p_after_id text, p_limit integer
) returns table (created_at timestamptz, id text, entry jsonb)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    v_after timestamptz := coalesce(p_after, '-infinity');
    v_after_id text := coalesce(p_after_id, '');
begin
    case p_section
        when 'generations' then return query
            select created_at, id::text, jsonb_build_object(
                'id', id, 'tool_id', tool_id, 'tool_parameters', tool_parameters, 'status', status, 'photo_path', source_path,
                'image_path', image_path, 'result', result, 'error_code', error_code, 'error_message', error_message,
                'credit_cost', credit_cost, 'created_at', created_at, 'started_at', started_at, 'finished_at', finished_at
            ) from public.generations where user_id = p_user and (created_at, id::text) > (v_after, v_after_id)
            order by created_at, id::text limit p_limit;
        when 'ledger' then return query
            select created_at, id::text, jsonb_build_object(
                'id', id, 'kind', kind, 'amount', amount, 'balance_after', balance_after, 'generation_id', generation_id,
                'tool_id', tool_id, 'created_at', created_at
            ) from public.credit_usage where user_id = p_user and (created_at, id::text) > (v_after, v_after_id)
            order by created_at, id::text limit p_limit;
        when 'notifications' then return query
            select created_at, id::text, jsonb_build_object(
                'id', id, 'type', type, 'title_key', title_key, 'message_key', message_key, 'params', params, 'read', read,
                'created_at', created_at
            ) from public.notifications where user_id = p_user and (created_at, id::text) > (v_after, v_after_id)
            order by created_at, id::text limit p_limit;
        when 'orders' then return query
            select created_at, id::text, jsonb_build_object(
                'id', id, 'plan_id', plan_id, 'credit_pack_id', credit_pack_id, 'amount_piastres', amount_piastres,
                'currency', currency, 'status', status, 'created_at', created_at
            ) from public.orders where user_id = p_user and (created_at, id::text) > (v_after, v_after_id)
            order by created_at, id::text limit p_limit;
        when 'payments' then return query
            select created_at, id::text, jsonb_build_object(
                'id', id, 'order_id', order_id, 'kind', kind, 'amount_piastres', amount_piastres, 'currency', currency,
                'success', success, 'created_at', created_at
            ) from public.payments where user_id = p_user and (created_at, id::text) > (v_after, v_after_id)
            order by created_at, id::text limit p_limit;
    end case;
end
$$;

revoke execute on all functions in schema sparky from public, anon, authenticated, service_role;
grant execute on function
    sparky.export_account(uuid),
    sparky.export_page(uuid, text, timestamptz, text, integer)
to sparky_intake;
grant execute on function sparky.due_photos(integer) to sparky_worker;

-- Last, as it keeps Storage from writing until the transaction ends.
create or replace trigger sparky_check_upload after insert or update of bucket_id, name, metadata on storage.objects
for each row when (
    new.bucket_id = 'user_uploads' and new.name ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/'
) execute function sparky.check_upload();
