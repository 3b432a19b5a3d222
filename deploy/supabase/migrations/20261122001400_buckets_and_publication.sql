-- The two buckets, and the tables whose changes Realtime tells.
set lock_timeout = '3s';

insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types) values
    ('user_uploads', 'user_uploads', false, 15728640, array['image/jpeg', 'image/png', 'image/webp']),
    ('generations', 'generations', true, 31457280, array['image/jpeg', 'image/png', 'image/webp'])
on conflict (id) do update set
    public = excluded.public, file_size_limit = excluded.file_size_limit, allowed_mime_types = excluded.allowed_mime_types;

do $$
declare
    wanted text;
begin
    foreach wanted in array array['notifications', 'users', 'tools', 'hairstyles', 'colors', 'plans'] loop
        if not exists (
            select from pg_catalog.pg_publication_tables
            where pubname = 'supabase_realtime' and schemaname = 'public' and tablename = wanted
        ) then
            execute format('alter publication supabase_realtime add table public.%I', wanted);
        end if;
    end loop;
end
$$;
