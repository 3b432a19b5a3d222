-- A small app's schema for the contract tests: what a project's own migrations would make.

create table public.people (
    id uuid primary key references auth.users (id) on delete cascade,
    name text,
    credits int not null default 10
);
create table public.notes (
    id bigint generated always as identity primary key,
    user_id uuid not null default auth.uid(),
    title text not null unique,
    stars int,
    tags text[] not null default '{}',
    details jsonb,
    created_at timestamptz not null default now()
);
create table public.colours (id text primary key, hex text not null);
insert into public.colours values ('red', 'f44336'), ('blue', '3f51b5'), ('a,b', '000000'), ('100%', 'ffffff');

alter table public.people enable row level security;
alter table public.notes enable row level security;
alter table public.colours enable row level security;
revoke all on public.people, public.notes, public.colours from anon, authenticated, service_role;
grant select on public.people to authenticated;
grant update (name) on public.people to authenticated;
grant select, insert, update, delete on public.notes to authenticated, service_role;
grant select on public.colours to anon, authenticated;
create policy own on public.people to authenticated using (id = (select auth.uid()));
create policy own on public.notes to authenticated using (user_id = (select auth.uid()));
create policy everybody on public.colours for select to anon, authenticated using (true);

create schema hidden;
create table hidden.secrets (id int);

create function public.add(a int, b int default 1) returns int language sql immutable return a + b;
create function public.my_titles() returns table (title text) language sql stable
as $$ select title from public.notes order by id $$;
create function public.forget() returns void language sql as $$ delete from public.notes where true $$;

create function public.on_new_user() returns trigger language plpgsql security definer set search_path = '' as $$
begin
    if new.raw_user_meta_data ->> 'name' = 'refused' then
        raise exception 'no such name';
    end if;
    insert into public.people (id, name) values (new.id, new.raw_user_meta_data ->> 'name');
    return new;
end
$$;
create trigger on_new_user after insert on auth.users for each row execute function public.on_new_user();

insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types) values
    ('photos', 'photos', false, 100000, '{image/png,image/jpeg}'),
    ('gallery', 'gallery', true, null, null);
create policy "own folder" on storage.objects to authenticated
using (bucket_id = 'photos' and (storage.foldername(name))[1] = (select auth.uid())::text);
