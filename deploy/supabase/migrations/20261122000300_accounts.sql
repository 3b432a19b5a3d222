-- A user's account: balance, ledger, holds, notifications, orders and payments.
set lock_timeout = '3s';

-- No foreign key to auth.users: the ledger outlives the person, and a row of ours never keeps Auth from deleting its own.
create table if not exists public.users (
    id uuid primary key,
    username text check (length(username) between 1 and 50),
    plan_id integer not null default 1 references public.plans (id),
    plan_expires_at timestamptz,
    credits integer not null default 0 check (credits >= 0),
    credit_debt integer not null default 0 check (credit_debt >= 0),
    notification_preferences jsonb not null default '{}'
        check (jsonb_typeof(notification_preferences) = 'object' and length(notification_preferences::text) <= 2000),
    period_anchor timestamptz not null default now(),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
comment on column public.users.credits is 'Balance: always the sum of credit_usage.amount. What can be spent is this less the holds.';
comment on column public.users.credit_debt is 'Clawed back after it was spent; later grants and purchases pay it first.';
comment on column public.users.period_anchor is 'Monthly periods are counted from here.';
-- The whole old row goes into the WAL, so that Realtime never leaves out a column that an update did not touch.
alter table public.users replica identity full;

create table if not exists public.credit_usage (
    id bigint generated always as identity primary key,
    user_id uuid not null references public.users (id),
    kind text not null check (kind in ('grant', 'capture', 'purchase', 'refund', 'adjustment')),
    amount integer not null,
    balance_after integer not null,
    generation_id uuid,
    tool_id text,
    reason text,
    created_at timestamptz not null default now(),
    check (kind <> 'capture' or (amount <= 0 and generation_id is not null)),
    check (kind not in ('grant', 'purchase') or amount >= 0)
);
comment on table public.credit_usage is 'The ledger: append-only, signed amounts; its sum is the balance.';
create unique index if not exists credit_usage_one_capture on public.credit_usage (generation_id) where kind = 'capture';
create index if not exists credit_usage_by_user on public.credit_usage (user_id, created_at desc);

-- Guarantee: a ledger row, once written, is never changed or removed, whoever asks.
create or replace function sparky.refuse_ledger_change() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    raise exception 'credit_usage is append-only' using errcode = 'restrict_violation';
end
$$;
create or replace trigger credit_usage_append_only before update or delete or truncate on public.credit_usage
for each statement execute function sparky.refuse_ledger_change();

create table if not exists public.notifications (
    id bigint generated always as identity primary key,
    user_id uuid not null references public.users (id),
    type text not null check (type in ('offer', 'feature', 'general', 'generation', 'payment')),
    title_key text not null,
    message_key text not null,
    params jsonb not null default '{}' check (jsonb_typeof(params) = 'object'),
    read boolean not null default false,
    created_at timestamptz not null default now(),
    source_id uuid,
    source_event integer,
    unique (source_id, source_event)
);
comment on column public.notifications.source_event is
    'Which terminal transition of the generation source_id this tells of: one notification each, by the unique key.';
create index if not exists notifications_by_user on public.notifications (user_id, created_at desc);

-- Credits set aside for open generations. Private, so that a hold is no event for any client.
create table if not exists sparky.holds (
    generation_id uuid primary key,
    user_id uuid not null references public.users (id),
    amount integer not null check (amount >= 0),
    created_at timestamptz not null default now()
);
create index if not exists holds_by_user on sparky.holds (user_id);

-- Which monthly periods have been granted: the primary key makes it once per user and period.
create table if not exists sparky.period_grants (
    user_id uuid not null references public.users (id),
    period date not null,
    credits integer not null,
    granted_at timestamptz not null default now(),
    primary key (user_id, period)
);

create table if not exists public.orders (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references public.users (id),
    plan_id integer references public.plans (id),
    credit_pack_id integer references public.credit_packs (id),
    amount_piastres integer not null check (amount_piastres > 0),
    currency text not null default 'EGP',
    status text not null default 'open' check (status in ('open', 'paid', 'failed', 'expired', 'refunded')),
    checkout_url text,
    expires_at timestamptz not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    intention_order_id bigint unique,
    idempotency_key text,
    check (num_nonnulls(plan_id, credit_pack_id) = 1),
    unique (user_id, idempotency_key)
);

create table if not exists public.payments (
    id bigint generated always as identity primary key,
    user_id uuid references public.users (id),
    order_id uuid references public.orders (id),
    transaction_id bigint not null,
    kind text not null,
    amount_piastres integer not null,
    currency text not null,
    success boolean not null,
    created_at timestamptz not null default now(),
    callback jsonb not null
);
create index if not exists orders_by_user on public.orders (user_id, created_at desc);
create index if not exists payments_by_user on public.payments (user_id, created_at desc);
create index if not exists payments_by_order on public.payments (order_id);
