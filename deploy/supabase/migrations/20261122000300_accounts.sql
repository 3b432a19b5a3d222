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
    updated_at timestamptz not null default now(),
    closed_at timestamptz
);
comment on column public.users.closed_at is
    'Set on what is left of a deleted account: its balance and debt, under an id that names nobody.';
comment on column public.users.credits is 'Balance: always the sum of credit_usage.amount. What can be spent is this less the holds.';
comment on column public.users.credit_debt is 'Clawed back after it was spent; later grants and purchases pay it first.';
comment on column public.users.period_anchor is 'Monthly periods are counted from here.';
-- Accounts that are to go: whoever is in here can neither submit nor be worked for. Gone once the person is.
create table if not exists sparky.account_deletions (
    user_id uuid primary key,
    anonymous_id uuid not null unique default gen_random_uuid(),
    requested_at timestamptz not null default now(),
    due_at timestamptz not null default now()
);
comment on column sparky.account_deletions.anonymous_id is 'The id under which ledger, orders and payments are kept.';
create index if not exists account_deletions_due on sparky.account_deletions (due_at);

-- The whole old row goes into the WAL, so that Realtime never leaves out a column that an update did not touch.
alter table public.users replica identity full;

create table if not exists public.credit_usage (
    id bigint generated always as identity primary key,
    user_id uuid not null references public.users (id) on update cascade,
    kind text not null check (kind in ('grant', 'capture', 'purchase', 'refund', 'adjustment')),
    amount integer not null,
    balance_after integer not null,
    generation_id uuid,
    payment_id bigint,
    tool_id text,
    reason text,
    created_at timestamptz not null default now(),
    check (kind <> 'capture' or (amount <= 0 and generation_id is not null)),
    check (kind not in ('grant', 'purchase') or amount >= 0)
);
comment on table public.credit_usage is 'The ledger: append-only, signed amounts; its sum is the balance.';
comment on column public.credit_usage.payment_id is 'The row of payments that granted or clawed back these credits.';
create unique index if not exists credit_usage_one_capture on public.credit_usage (generation_id) where kind = 'capture';
create unique index if not exists credit_usage_one_payment on public.credit_usage (payment_id) where payment_id is not null;
create index if not exists credit_usage_by_user on public.credit_usage (user_id, created_at desc);

-- Guarantee: a ledger row, once written, is never changed or removed, whoever asks. The one exception: when an account is
-- deleted, the person's id gives way to the anonymous one that was drawn for it.
create or replace function sparky.refuse_ledger_change() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if tg_op = 'UPDATE' and to_jsonb(new) - 'user_id' = to_jsonb(old) - 'user_id' and exists (
        select from sparky.account_deletions where user_id = old.user_id and anonymous_id = new.user_id
    ) then
        return new;
    end if;
    raise exception 'credit_usage is append-only' using errcode = 'restrict_violation';
end
$$;
create or replace trigger credit_usage_append_only before delete or truncate on public.credit_usage
for each statement execute function sparky.refuse_ledger_change();
create or replace trigger credit_usage_never_changes before update on public.credit_usage
for each row execute function sparky.refuse_ledger_change();

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
create index if not exists notifications_by_age on public.notifications (created_at);
-- As for users.
alter table public.notifications replica identity full;

-- What an operator decides for the whole product: one row, changed with plain SQL or by the function named.
create table if not exists sparky.operator_settings (
    only_row boolean primary key default true check (only_row),
    row_events boolean not null default true,
    keep_notifications interval not null default '90 days' check (keep_notifications >= interval '1 day'),
    notifications_purged_before timestamptz not null default '-infinity'
);
comment on column sparky.operator_settings.row_events is
    'Whether Realtime tells changes of notifications and users as rows: change it with sparky.set_row_events().';
comment on column sparky.operator_settings.notifications_purged_before is
    'Notifications older than this may be gone; written by sparky.purge_notifications().';
insert into sparky.operator_settings default values on conflict do nothing;

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
    user_id uuid not null references public.users (id) on update cascade,
    plan_id integer references public.plans (id),
    credit_pack_id integer references public.credit_packs (id),
    amount_piastres integer not null check (amount_piastres > 0),
    currency text not null default 'EGP',
    credits integer not null default 0 check (credits >= 0),
    paid_piastres integer not null default 0,
    refunded_piastres integer not null default 0,
    status text not null default 'open' check (status in ('open', 'paid', 'expired', 'refunded')),
    checkout_url text,
    expires_at timestamptz not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    intention_order_id bigint unique,
    subscription_id bigint,
    idempotency_key text check (length(idempotency_key) between 1 and 255),
    next_inquiry_at timestamptz,
    failed_inquiries integer not null default 0,
    check (num_nonnulls(plan_id, credit_pack_id) = 1),
    unique (user_id, idempotency_key)
);
comment on column public.orders.credits is 'What the full amount buys; fixed when the order was made.';
comment on column public.orders.intention_order_id is 'Paymob''s order: what a callback signs as order.id, and all that binds it to us.';
comment on column public.orders.subscription_id is 'Paymob''s subscription that renewed the plan by itself with this order.';
comment on column public.orders.next_inquiry_at is
    'When Paymob is asked about this order; null: some minutes after it was made while it is open, then no more.';

create table if not exists public.payments (
    id bigint generated always as identity primary key,
    user_id uuid references public.users (id) on update cascade,
    order_id uuid references public.orders (id),
    transaction_id bigint not null,
    kind text not null,
    amount_piastres integer not null,
    currency text not null,
    success boolean not null,
    effect text not null default 'none' check (effect in ('none', 'granted', 'clawed_back')),
    credits integer not null default 0 check (credits >= 0),
    owed integer not null default 0 check (owed >= 0),
    plan_until timestamptz,
    created_at timestamptz not null default now(),
    callback jsonb not null
);
comment on table public.payments is 'Every callback about an order, whole, and every inquiry that moved something.';
comment on column public.payments.transaction_id is 'Paymob''s; of a claw-back that of the payment it takes back.';
comment on column public.payments.credits is 'Granted, or taken back from the balance, by this row.';
comment on column public.payments.owed is 'What a claw-back could not take, recorded as a debt.';
comment on column public.payments.plan_until is 'End of the month of a plan that this row bought.';
-- Whatever is repeated or replayed, a transaction grants once, for one order.
create unique index if not exists payments_one_grant on public.payments (transaction_id) where effect = 'granted';
create index if not exists orders_by_user on public.orders (user_id, created_at desc);
create index if not exists payments_by_user on public.payments (user_id, created_at desc);
create index if not exists payments_by_order on public.payments (order_id);
create index if not exists payments_by_transaction on public.payments (transaction_id);
create index if not exists orders_to_inquire on public.orders (next_inquiry_at) where next_inquiry_at is not null;
create index if not exists orders_not_inquired on public.orders (created_at) where status = 'open' and next_inquiry_at is null;
create index if not exists users_by_plan_end on public.users (plan_expires_at) where plan_expires_at is not null;
