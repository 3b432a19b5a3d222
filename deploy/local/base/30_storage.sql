-- Schema storage: buckets and the objects' rows. The bytes are the Storage service's business.

create table storage.buckets (
    id text primary key,
    name text not null unique,
    owner uuid,
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    public boolean default false,
    avif_autodetection boolean default false,
    file_size_limit bigint,
    allowed_mime_types text[],
    owner_id text
);

create table storage.objects (
    id uuid primary key default gen_random_uuid(),
    bucket_id text references storage.buckets (id),
    name text,
    owner uuid,
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    last_accessed_at timestamptz default now(),
    metadata jsonb,
    path_tokens text[] generated always as (string_to_array(name, '/')) stored,
    version text,
    owner_id text,
    user_metadata jsonb
);
create unique index bucketid_objname on storage.objects (bucket_id, name);
create index name_prefix_search on storage.objects (name text_pattern_ops);

-- The folders of a path, from the top; the last part is the file and is left out.
create function storage.foldername(name text) returns text[]
language sql immutable
return trim_array(string_to_array(name, '/'), 1);

create function storage.filename(name text) returns text
language sql immutable
return split_part(name, '/', -1);

create function storage.extension(name text) returns text
language sql immutable
return split_part(split_part(name, '/', -1), '.', -1);

create function storage.update_updated_at_column() returns trigger
language plpgsql as $$
begin
    new.updated_at = now();
    return new;
end
$$;
create trigger update_objects_updated_at before update on storage.objects
for each row execute function storage.update_updated_at_column();

-- A row deleted in SQL would leave its bytes behind: only the Storage service, which sets this, may do it.
create function storage.protect_delete() returns trigger
language plpgsql as $$
begin
    if current_setting('storage.allow_delete_query', true) is distinct from 'true' then
        raise exception 'Direct deletion from storage tables is not allowed. Use the Storage API instead.'
            using errcode = '42501';
    end if;
    return null;
end
$$;
create trigger protect_objects_delete before delete on storage.objects
for each statement execute function storage.protect_delete();
create trigger protect_buckets_delete before delete on storage.buckets
for each statement execute function storage.protect_delete();

alter table storage.objects enable row level security;
alter table storage.buckets enable row level security;
alter table storage.objects owner to supabase_storage_admin;
alter table storage.buckets owner to supabase_storage_admin;
alter function storage.foldername(text) owner to supabase_storage_admin;
alter function storage.filename(text) owner to supabase_storage_admin;
alter function storage.extension(text) owner to supabase_storage_admin;
alter function storage.update_updated_at_column() owner to supabase_storage_admin;
alter function storage.protect_delete() owner to supabase_storage_admin;

grant all on storage.objects, storage.buckets to anon, authenticated, service_role;
grant all on storage.objects, storage.buckets to postgres with grant option;
-- The Storage service acts as its caller; it needs the callers' roles.
grant anon, authenticated, service_role to supabase_storage_admin;
