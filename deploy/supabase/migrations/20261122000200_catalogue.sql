-- What can be asked for and at what price: plans, tools, hairstyles, colours, credit packs. Filled by seed.sql.
set lock_timeout = '3s';

create table if not exists public.plans (
    id integer primary key,
    name text not null unique,
    monthly_credits integer not null check (monthly_credits >= 0),
    daily_credits integer not null check (daily_credits >= 0),
    max_in_flight integer not null check (max_in_flight > 0),
    is_paid boolean not null,
    price_usd numeric(10, 2),
    price_piastres integer check (price_piastres > 0),
    paymob_plan_id bigint,
    sort_order integer not null default 0,
    is_active boolean not null default true
);
comment on column public.plans.daily_credits is 'Most credits a user may spend in one UTC day: captures and holds.';
comment on column public.plans.max_in_flight is 'Most generations a user may have queued or processing at once.';
comment on column public.plans.price_piastres is 'What Paymob charges; null when the plan is not for sale online.';
comment on column public.plans.paymob_plan_id is 'Paymob''s own subscription plan, which renews this one by itself; null: bought month by month.';

create table if not exists public.tools (
    id text primary key,
    type text not null check (type in ('TRANSFORMATION', 'FILTER', 'ANALYSIS')),
    name_key text not null,
    description_key text not null,
    icon_name text not null,
    sort_order integer not null default 0,
    is_active boolean not null default true,
    credit_cost integer not null default 1 check (credit_cost >= 0),
    version integer not null default 1
);
comment on column public.tools.version is 'Part of the cache key: raise it when the tool''s prompt changes.';

create table if not exists public.hairstyles (
    id text primary key,
    name text not null,
    gender text not null check (gender in ('female', 'male')),
    is_pro boolean not null default false,
    category text not null,
    sort_order integer not null default 0,
    is_active boolean not null default true
);

create table if not exists public.colors (
    kind text not null check (kind in ('hair', 'skin')),
    hex text not null check (hex ~ '^[0-9a-f]{6}$'),
    name text,
    sort_order integer not null default 0,
    is_active boolean not null default true,
    primary key (kind, hex)
);

create table if not exists public.credit_packs (
    id integer primary key,
    name text not null,
    credits integer not null check (credits > 0),
    price_piastres integer not null check (price_piastres > 0),
    sort_order integer not null default 0,
    is_active boolean not null default true
);
