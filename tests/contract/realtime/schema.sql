-- Tables and policies that the tests of Realtime listen to.

create table public.notes (
    id bigint generated always as identity primary key,
    user_id uuid not null,
    kind text not null default 'note',
    score int,
    price numeric,
    done boolean not null default false,
    details jsonb,
    tags text[],
    created_at timestamptz not null default now(),
    secret text
);
alter table public.notes enable row level security;
revoke all on public.notes from anon, authenticated;
grant select (id, user_id, kind, score, price, done, details, tags, created_at) on public.notes to authenticated;
create policy own_notes on public.notes for select to authenticated using ((select auth.uid()) = user_id);

create table public.full_notes (id uuid primary key, user_id uuid not null, body text not null);
alter table public.full_notes replica identity full;
alter table public.full_notes enable row level security;
revoke all on public.full_notes from anon;
grant select on public.full_notes to authenticated;
create policy own_full_notes on public.full_notes for select to authenticated using ((select auth.uid()) = user_id);

create table public.hidden (id int primary key, user_id uuid not null);
revoke all on public.hidden from anon, authenticated;

create table public.settings (id int primary key, label text not null);
grant select on public.settings to anon, authenticated;

create table public.unpublished (id int primary key);
grant select on public.unpublished to anon, authenticated;

alter publication supabase_realtime add table public.notes, public.full_notes, public.hidden, public.settings;

create policy listen_to_own_topic on realtime.messages for select to authenticated
using ((select realtime.topic()) = 'user:' || (select auth.uid())::text and extension = 'broadcast');
create policy send_to_rooms on realtime.messages for insert to authenticated
with check ((select realtime.topic()) like 'room:%');
create policy listen_to_rooms on realtime.messages for select to authenticated
using ((select realtime.topic()) like 'room:%');
