-- How an account ends: by the user's wish or by its removal in Auth, files first, and what is kept without the person.
set lock_timeout = '3s';

-- What is left of the addresses of deleted accounts: a keyed hash, so that they get no second first credits.
create table if not exists sparky.spent_addresses (
    hash bytea primary key,
    spent_on date not null default current_date
);
-- Drawn once, here. Whoever can read it can test addresses against the hashes, and nothing more.
create table if not exists sparky.address_key (
    only_row boolean primary key default true check (only_row),
    key bytea not null check (length(key) = 32)
);
insert into sparky.address_key (key)
select sha256(convert_to(string_agg(gen_random_uuid()::text, ''), 'UTF8')) from generate_series(1, 4)
on conflict do nothing;

alter table sparky.account_deletions enable row level security;
alter table sparky.muted_endings enable row level security;
alter table sparky.spent_addresses enable row level security;
alter table sparky.address_key enable row level security;
revoke all on
    sparky.account_deletions, sparky.muted_endings, sparky.spent_addresses, sparky.address_key
from public, anon, authenticated, service_role;

-- HMAC-SHA-256 (RFC 2104) from what PostgreSQL has built in; pgcrypto is not everywhere.
create or replace function sparky.hmac_sha256(p_key bytea, p_message bytea) returns bytea
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    v_key bytea := case when length(p_key) > 64 then sha256(p_key) else p_key end;
    v_inner bytea := decode(repeat('36', 64), 'hex');
    v_outer bytea := decode(repeat('5c', 64), 'hex');
begin
    for i in 0 .. length(v_key) - 1 loop
        v_inner := set_byte(v_inner, i, get_byte(v_inner, i) # get_byte(v_key, i));
        v_outer := set_byte(v_outer, i, get_byte(v_outer, i) # get_byte(v_key, i));
    end loop;
    return sha256(v_outer || sha256(v_inner || p_message));
end
$$;

-- One spelling for what ends up in one mailbox: lower case, no `+tag`, and none of the dots that Gmail ignores.
create or replace function sparky.mailbox(p_address text) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
    select case
        when host in ('gmail.com', 'googlemail.com') then replace(box, '.', '') || '@gmail.com'
        else box || '@' || host
    end
    from (select split_part(split_part(lower(btrim(p_address)), '@', 1), '+', 1), split_part(lower(btrim(p_address)), '@', -1))
        as parts (box, host)
$$;

create or replace function sparky.address_hash(p_address text) returns bytea
language sql stable set search_path = pg_catalog, pg_temp as $$
    select sparky.hmac_sha256(key, convert_to(sparky.mailbox(p_address), 'UTF8')) from sparky.address_key
$$;

-- Whether the user's address belonged to an account before.
create or replace function sparky.address_was_here(p_user uuid) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
    select exists (
        select from auth.users join sparky.spent_addresses on spent_addresses.hash = sparky.address_hash(users.email)
        where users.id = p_user and users.email <> ''
    )
$$;

-- Why somebody has no account to act with, as a refusal's code; null for everybody else.
create or replace function sparky.absence(p_user uuid) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
    select case
        when exists (select from sparky.account_deletions where user_id = p_user) then 'account_deleted'
        when not exists (select from auth.users where id = p_user) then 'account_not_found'
    end
$$;

-- Runs when Auth removes a user, or gives a user another address. Guarantees: an account whose user is removed by whatever way is
-- deleted like one whose user asked for it; a confirmed address that is given up gets no first credits again. An error here fails
-- the removal, which can be repeated; photos that nobody knows of could not.
create or replace function sparky.person_left() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '3s' as $$
begin
    if old.email_confirmed_at is not null and old.email <> '' and (tg_op = 'DELETE' or new.email is distinct from old.email) then
        insert into sparky.spent_addresses (hash) values (sparky.address_hash(old.email)) on conflict do nothing;
    end if;
    if tg_op = 'DELETE' or new.deleted_at is not null then
        insert into sparky.account_deletions (user_id) values (old.id) on conflict do nothing;
    end if;
    return null;
end
$$;

-- Cancels what can be cancelled: what is queued, and what no live worker runs any more. True when something still runs.
-- Needs the user's row lock, if there is a row.
create or replace function sparky.cancel_work(p_user uuid) returns boolean
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    g public.generations;
    v_runs boolean := false;
begin
    for g in
        select * from public.generations where user_id = p_user and status in ('queued', 'processing') for update
    loop
        if g.status = 'processing' and g.deadline_at > now()
            and exists (select from sparky.workers where id = g.worker_id and alive_until > now()) then
            v_runs := true;
        else
            perform sparky.end_without_result(g.id, 'canceled', null, null);
        end if;
    end loop;
    return v_runs;
end
$$;

-- The user deletes the account. Guarantees: from here on nothing can be submitted, stored or begun for it; what was queued is
-- cancelled and costs nothing; the sweep does the rest. Repeating it changes nothing. Outcomes: deleting, account_not_found.
create or replace function sparky.close_account(p_user uuid) returns table (outcome text, requested_at timestamptz)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
    perform from public.users where id = p_user for no key update;
    if not found and not exists (select from auth.users where id = p_user) then
        return query select 'account_not_found', null::timestamptz;
        return;
    end if;
    insert into sparky.account_deletions (user_id) values (p_user) on conflict do nothing;
    if found then
        perform sparky.announce(p_user, 'account', jsonb_build_object('status', 'deleting'));
    end if;
    perform sparky.cancel_work(p_user);
    return query select 'deleting', account_deletions.requested_at from sparky.account_deletions where user_id = p_user;
end
$$;

-- Deletions that want a next step; each is handed out again after `p_lease`, should its sweep not live to end it.
create or replace function sparky.due_deletions(p_lease interval, p_limit integer default 10) returns setof uuid
language sql security definer set search_path = pg_catalog, pg_temp as $$
    update sparky.account_deletions set due_at = now() + p_lease
    where user_id in (
        select user_id from sparky.account_deletions where due_at <= now() order by due_at limit p_limit for update skip locked
    )
    returning user_id
$$;

-- A user's files: of either bucket, by whatever name.
create or replace function sparky.account_objects(p_user uuid, p_limit integer default 100)
returns table (bucket text, object_name text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    -- Compared byte by byte, as the index on names is; '0' is the character after '/'.
    select bucket_id, name from storage.objects
    where bucket_id in ('user_uploads', 'generations') and name ~>=~ (p_user || '/') and name ~<~ (p_user || '0')
    limit p_limit
$$;

-- A callback without whoever paid: the fields that say what was paid for which order, by name; everything else goes.
create or replace function sparky.impersonal_callback(p_callback jsonb) returns jsonb
language sql immutable set search_path = pg_catalog, pg_temp as $$
    select jsonb_strip_nulls(jsonb_build_object(
        'type', p_callback -> 'type',
        'obj', (
            select jsonb_object_agg(key, value) from jsonb_each(case
                when jsonb_typeof(p_callback -> 'obj') = 'object' then p_callback -> 'obj' else '{}' end)
            where key = any (array[
                'id', 'pending', 'amount_cents', 'success', 'is_auth', 'is_capture', 'is_standalone_payment', 'is_voided',
                'is_refunded', 'is_3d_secure', 'integration_id', 'profile_id', 'has_parent_transaction', 'created_at', 'currency',
                'is_void', 'is_refund', 'error_occured', 'is_live', 'refunded_amount_cents', 'is_captured', 'captured_amount',
                'owner', 'parent_transaction', 'updated_at'
            ]) and jsonb_typeof(value) <> 'object'
        ),
        'order', p_callback #> '{obj,order,id}'
    ))
$$;

-- Takes a deletion as far as the database can. Guarantees: each step may be repeated; nothing is forgotten while work runs or a
-- file is left, so that no file stays behind without a row; ledger, orders and payments pass to an anonymous id in one transaction.
-- Answers what comes next: waiting (work runs; asked again in a second), files (remove `account_objects`, then call again),
-- rows (call again), person (delete the user in Auth, then call `deletion_done`), done (there is nothing to delete).
create or replace function sparky.advance_deletion(p_user uuid) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_page constant integer := 1000;
    -- Few, as Realtime may tell each removal to every subscriber of the table.
    v_notifications constant integer := 200;
    v_anonymous uuid;
    v_gone integer;
begin
    perform from public.users where id = p_user for update;
    select anonymous_id into v_anonymous from sparky.account_deletions where user_id = p_user;
    if not found then
        return 'done';
    end if;
    if sparky.cancel_work(p_user) then
        update sparky.account_deletions set due_at = now() + interval '1 second' where user_id = p_user;
        return 'waiting';
    end if;
    if exists (select from sparky.account_objects(p_user, 1)) then
        return 'files';
    end if;
    with page as (
        select id, cache_key from public.generations where user_id = p_user limit v_page
    ), uncached as (
        delete from cache.kv_store where key in (select cache_key from page)
    ), gone as (
        delete from public.generations where id in (select id from page) returning id
    )
    select count(*) into v_gone from gone;
    if v_gone = v_page then
        return 'rows';
    end if;
    with page as (
        select id from public.notifications where user_id = p_user limit v_notifications
    )
    delete from public.notifications using page where notifications.id = page.id;
    get diagnostics v_gone = row_count;
    if v_gone = v_notifications then
        return 'rows';
    end if;
    delete from sparky.period_grants where user_id = p_user;
    update public.orders set checkout_url = null, idempotency_key = null where user_id = p_user;
    update public.payments set callback = sparky.impersonal_callback(callback) where user_id = p_user;
    -- Ledger, orders and payments follow by their foreign keys.
    update public.users set
        id = v_anonymous, username = null, notification_preferences = '{}', plan_id = 1, plan_expires_at = null,
        updated_at = now(), closed_at = now()
    where id = p_user;
    return 'person';
end
$$;

-- The last step: forgets which anonymous id was whose. False, changing nothing, while the user or any of the account is there.
create or replace function sparky.deletion_done(p_user uuid) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    delete from sparky.account_deletions where user_id = p_user
        and not exists (select from auth.users where id = p_user) and not exists (select from public.users where id = p_user);
    return found;
end
$$;

revoke execute on all functions in schema sparky from public, anon, authenticated, service_role;
grant execute on function sparky.close_account(uuid) to sparky_intake;
grant execute on function
    sparky.due_deletions(interval, integer),
    sparky.advance_deletion(uuid),
    sparky.account_objects(uuid, integer),
    sparky.deletion_done(uuid)
to sparky_worker;

-- Last, as it keeps Auth from writing until the transaction ends.
create or replace trigger sparky_person_left after delete or update of email, deleted_at on auth.users
for each row execute function sparky.person_left();
