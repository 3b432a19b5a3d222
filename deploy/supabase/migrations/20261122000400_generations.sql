-- Generations, the result cache, and what the workers keep about themselves.
set lock_timeout = '3s';

create table if not exists public.generations (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references public.users (id),
    tool_id text not null references public.tools (id),
    tool_parameters jsonb not null,
    status text not null default 'queued'
        check (status in ('queued', 'processing', 'succeeded', 'failed', 'canceled')),
    source_path text not null,
    image_path text,
    result jsonb,
    error_code text,
    error_message text,
    credit_cost integer not null check (credit_cost >= 0),
    created_at timestamptz not null default now(),
    started_at timestamptz,
    finished_at timestamptz,
    -- From here on internal: no client role is granted these columns.
    cache_key text not null,
    source_etag text not null,
    source_size bigint not null,
    tool_version integer not null,
    model text not null,
    object_name text not null,
    lane text not null check (lane in ('paid', 'free', 'bulk')),
    fence bigint not null default 0,
    tries integer not null default 0,
    failures jsonb not null default '{}',
    draft jsonb,
    usage jsonb,
    worker_id text,
    deadline_at timestamptz,
    queued_at timestamptz not null default now(),
    due_at timestamptz not null default now(),
    swept_at timestamptz not null default now(),
    sweeps integer not null default 0,
    next_sweep_at timestamptz not null default now() + interval '5 seconds',
    endings integer not null default 0,
    check ((status in ('succeeded', 'failed', 'canceled')) = (finished_at is not null)),
    check ((status = 'failed') = (error_code is not null))
);
comment on column public.generations.object_name is
    'Name of the picture in the bucket generations: one random name for all attempts, shown as image_path once settled.';
comment on column public.generations.fence is 'Raised by each start, never lowered: an attempt with an older fence changes nothing.';
comment on column public.generations.tries is 'Attempts that count; a shutdown or a rate limit is taken off again.';
comment on column public.generations.failures is 'How often an attempt failed with each code.';
comment on column public.generations.draft is 'An analysis that was made but not yet settled.';
comment on column public.generations.endings is 'Terminal transitions so far; each has one notification.';

-- Single flight, whatever the queue does.
create unique index if not exists generations_single_flight on public.generations (cache_key)
where status in ('queued', 'processing');
create index if not exists generations_by_user on public.generations (user_id, created_at desc, id desc);
create index if not exists generations_open_by_user on public.generations (user_id) where status in ('queued', 'processing');
create index if not exists generations_queued on public.generations (queued_at) where status = 'queued';
create index if not exists generations_sweep on public.generations (next_sweep_at) where status = 'queued';
create index if not exists generations_swept on public.generations (swept_at) where status = 'queued';
create index if not exists generations_by_worker on public.generations (worker_id) where status = 'processing';
create index if not exists generations_deadline on public.generations (deadline_at) where status = 'processing';
create index if not exists generations_finished on public.generations (finished_at desc) where status = 'succeeded';
create index if not exists generations_by_image on public.generations (image_path) where image_path is not null;
create index if not exists generations_by_cache_key on public.generations (cache_key);

create table if not exists cache.kv_store (
    key text primary key,
    value jsonb not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null
);
create index if not exists kv_store_expiry on cache.kv_store (expires_at);

-- One heartbeat row a worker, instead of an update a job.
create table if not exists sparky.workers (
    id text primary key,
    alive_until timestamptz not null,
    slots integer not null default 0,
    running integer not null default 0,
    started_at timestamptz not null default now()
);

-- Objects that must go from Storage: deleted through its API, since a row deleted by SQL would orphan the file.
create table if not exists sparky.object_removals (
    id bigint generated always as identity primary key,
    bucket text not null,
    object_name text not null,
    due_at timestamptz not null default now(),
    created_at timestamptz not null default now()
);
create index if not exists object_removals_due on sparky.object_removals (due_at);

-- When Redis was last found empty: whatever was swept before then is due once more.
create table if not exists sparky.sweep_state (
    only_row boolean primary key default true check (only_row),
    emptied_at timestamptz not null default '-infinity'
);
insert into sparky.sweep_state default values on conflict do nothing;
