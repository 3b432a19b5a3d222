-- The two buckets, and the tables whose changes Realtime tells.
set lock_timeout = '3s';

-- Whether Realtime tells changes of notifications and users as rows, which costs one query for each subscriber and change. An
-- operator of a large deployment turns it off; the private channels go on either way. Guarantee: repeating it changes nothing.
create or replace function sparky.set_row_events(p_on boolean) returns void
language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '3s' as $$
declare
    v_table text;
begin
    update sparky.operator_settings set row_events = p_on;
    foreach v_table in array array['notifications', 'users'] loop
        if p_on <> exists (
            select from pg_catalog.pg_publication_tables
            where pubname = 'supabase_realtime' and schemaname = 'public' and tablename = v_table
        ) then
            execute format(
                'alter publication supabase_realtime %s table public.%I', case when p_on then 'add' else 'drop' end, v_table
            );
        end if;
    end loop;
end
$$;
select sparky.set_row_events(row_events) from sparky.operator_settings;

do $$
declare
    wanted text;
begin
    foreach wanted in array array['tools', 'hairstyles', 'colors', 'plans'] loop
        if not exists (
            select from pg_catalog.pg_publication_tables
            where pubname = 'supabase_realtime' and schemaname = 'public' and tablename = wanted
        ) then
            execute format('alter publication supabase_realtime add table public.%I', wanted);
        end if;
    end loop;
end
$$;

-- Tells everybody that a table of the catalogue changed. The row's own event is not enough: a row that was switched off is hidden
-- by its policy, and so is its event. Guarantee: nothing here can fail the change, or hold it up for more than a second.
create or replace function sparky.announce_catalogue() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '1s' as $$
begin
    perform realtime.send(jsonb_build_object('table', tg_table_name), 'changed', 'catalogue', true);
    return null;
exception when others then
    raise warning 'a change of % was not announced: %', tg_table_name, sqlerrm;
    return null;
end
$$;
create or replace trigger sparky_announce_catalogue after insert or update or delete on public.plans
for each statement execute function sparky.announce_catalogue();
create or replace trigger sparky_announce_catalogue after insert or update or delete on public.tools
for each statement execute function sparky.announce_catalogue();
create or replace trigger sparky_announce_catalogue after insert or update or delete on public.hairstyles
for each statement execute function sparky.announce_catalogue();
create or replace trigger sparky_announce_catalogue after insert or update or delete on public.colors
for each statement execute function sparky.announce_catalogue();
create or replace trigger sparky_announce_catalogue after insert or update or delete on public.credit_packs
for each statement execute function sparky.announce_catalogue();

revoke execute on function sparky.set_row_events(boolean), sparky.announce_catalogue()
from public, anon, authenticated, service_role;

-- Last, as it locks the buckets' rows until the transaction ends.
insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types) values
    ('user_uploads', 'user_uploads', false, 15728640, array['image/jpeg', 'image/png', 'image/webp']),
    ('generations', 'generations', true, 31457280, array['image/jpeg', 'image/png', 'image/webp'])
-- A bucket that an operator made private stays private.
on conflict (id) do update set
    public = buckets.public and excluded.public,
    file_size_limit = excluded.file_size_limit, allowed_mime_types = excluded.allowed_mime_types;
