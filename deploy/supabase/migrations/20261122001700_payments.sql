-- Payments: Paymob's callbacks as they came, and what a payment or its return does to credits, plans and orders.
-- Internal building blocks; no login role may execute them. All need the locks that `lock_order` takes.
set lock_timeout = '3s';

-- The inbox. A body stays until it has been applied; after that `payments` has it, or nobody needs it.
create table if not exists sparky.payment_events (
    id bigint generated always as identity primary key,
    kind text not null check (kind in ('TRANSACTION', 'TOKEN', 'SUBSCRIPTION')),
    key text not null unique,
    body jsonb,
    received_at timestamptz not null default now(),
    due_at timestamptz not null default now(),
    tries integer not null default 0,
    outcome text,
    handled_at timestamptz,
    order_id uuid references public.orders (id),
    check ((outcome is null) = (handled_at is null))
);
comment on column sparky.payment_events.key is 'The same for all copies of a callback, whatever stands around its signed values.';
create index if not exists payment_events_due on sparky.payment_events (due_at) where handled_at is null;
create index if not exists payment_events_unbound on sparky.payment_events ((body #>> '{obj,order,id}')) where order_id is null;
create index if not exists payment_events_by_order on sparky.payment_events (order_id);

-- Paymob's subscriptions, each known by the order that began it.
create table if not exists sparky.subscriptions (
    id bigint primary key,
    order_id uuid not null references public.orders (id),
    state text not null,
    updated_at timestamptz not null default now()
);

-- What operators did to orders, and why.
create table if not exists sparky.operator_actions (
    id bigint generated always as identity primary key,
    operator text not null check (operator <> ''),
    reason text not null check (reason <> ''),
    action text not null,
    subject text not null,
    details jsonb not null default '{}',
    created_at timestamptz not null default now()
);
create index if not exists operator_actions_by_subject on sparky.operator_actions (subject);

alter table sparky.payment_events enable row level security;
alter table sparky.subscriptions enable row level security;
alter table sparky.operator_actions enable row level security;
revoke all on sparky.payment_events, sparky.subscriptions, sparky.operator_actions from public, anon, authenticated, service_role;

-- Locks the user's row, then the order's, also while the account passes to its anonymous id. Null when there is no such order.
create or replace function sparky.lock_order(p_order uuid) returns public.orders
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_user uuid;
    o public.orders;
begin
    loop
        select user_id into v_user from public.orders where id = p_order;
        exit when not found;
        perform sparky.lock_user(v_user);
        select * into o from public.orders where id = p_order and user_id = v_user for update;
        exit when found;
    end loop;
    return o;
end
$$;

-- Whether there is nobody left behind an account: it has been deleted, or is about to be.
create or replace function sparky.is_closed(p_user uuid) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
    select exists (select from public.users where id = p_user and closed_at is not null)
        or exists (select from sparky.account_deletions where user_id = p_user)
$$;

create or replace function sparky.announce_order(o public.orders) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform sparky.announce(o.user_id, 'order', jsonb_build_object(
        'orderId', o.id, 'status', o.status, 'planId', o.plan_id, 'creditPackId', o.credit_pack_id, 'credits', o.credits,
        'amountPiastres', o.amount_piastres, 'refundedPiastres', o.refunded_piastres
    ));
end
$$;

create or replace function sparky.notify_payment(p_user uuid, p_event text, p_params jsonb, p_source uuid, p_number integer)
returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_params jsonb := jsonb_strip_nulls(p_params);
    v_id bigint;
begin
    if sparky.is_closed(p_user) then
        return;
    end if;
    insert into public.notifications (user_id, type, title_key, message_key, params, source_id, source_event) values (
        p_user, 'payment', 'notification.' || p_event || '.title', 'notification.' || p_event || '.message',
        v_params, p_source, p_number
    ) returning id into v_id;
    perform sparky.announce(p_user, 'notification', v_params || jsonb_build_object('notificationId', v_id, 'type', 'payment'));
end
$$;

create or replace function sparky.announce_plan(p_user uuid) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform sparky.announce(p_user, 'plan', jsonb_build_object('planId', plan_id, 'planExpiresAt', plan_expires_at))
    from public.users where id = p_user;
end
$$;

-- A month of a plan, from now or from the end of the month that already runs; answers its end. Guarantees: the credits of the
-- months that are bought come with the purchase and with nothing else, so their periods count as granted; a paid plan that an
-- operator gave without an end is left as it is.
create or replace function sparky.extend_plan(p_user uuid, p_plan integer) returns timestamptz
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    u public.users;
    v_runs boolean;
    v_bought boolean;
    v_from timestamptz;
    v_until timestamptz;
begin
    select * into strict u from public.users where id = p_user;
    if sparky.is_closed(p_user) or (u.plan_expires_at is null and (select is_paid from public.plans where id = u.plan_id)) then
        return null;
    end if;
    v_runs := coalesce(u.plan_id = p_plan and u.plan_expires_at > now(), false);
    v_bought := not v_runs or exists (
        select from public.payments where user_id = p_user and effect = 'granted' and plan_until = u.plan_expires_at
    );
    v_from := case when v_runs then u.plan_expires_at else now() end;
    v_until := (v_from at time zone 'utc' + interval '1 month') at time zone 'utc';
    update public.users set plan_id = p_plan, plan_expires_at = v_until, period_anchor = v_from, updated_at = now() where id = p_user;
    insert into sparky.period_grants (user_id, period, credits)
    select p_user, period, 0
    from generate_series(0, 2 + ceil(greatest(extract(epoch from v_from - now()), 0) / 2419200)::integer) as back,
        lateral (select (v_from at time zone 'utc' - make_interval(months => back))::date) as earlier (period),
        -- For a transaction that began a little earlier and gets the lock after us, it is a little earlier.
        lateral (select sparky.current_period(v_from), sparky.current_period(v_from, now() - interval '1 hour'))
            as present (day, day_before)
    where back = 0 or period in (day, day_before) or (v_bought and period > day)
    on conflict do nothing;
    perform sparky.announce_plan(p_user);
    return v_until;
end
$$;

-- Takes a month of a plan back, if it is not over. Guarantee: periods that are no longer bought can be granted again.
create or replace function sparky.shorten_plan(p_user uuid, p_plan integer, p_until timestamptz) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    u public.users;
    v_until timestamptz;
begin
    select * into strict u from public.users where id = p_user;
    if u.plan_id = p_plan and u.plan_expires_at > now() and p_until > now() then
        v_until := (u.plan_expires_at at time zone 'utc' - interval '1 month') at time zone 'utc';
        update public.users set
            plan_id = case when v_until > now() then plan_id else 1 end,
            plan_expires_at = case when v_until > now() then v_until end, updated_at = now()
        where id = p_user;
        delete from sparky.period_grants where user_id = p_user and credits = 0
            and period >= (v_until at time zone 'utc')::date and period > (now() at time zone 'utc')::date;
        perform sparky.announce_plan(p_user);
    end if;
end
$$;

-- Keeps what was heard about an order; of a closed account without the person.
create or replace function sparky.keep_payment(
    o public.orders, p_kind text, p_transaction bigint, p_amount integer, p_success boolean, p_callback jsonb
) returns bigint
language sql set search_path = pg_catalog, pg_temp as $$
    insert into public.payments (user_id, order_id, transaction_id, kind, amount_piastres, currency, success, callback)
    values (
        o.user_id, o.id, p_transaction, p_kind, p_amount, o.currency, p_success,
        case when sparky.is_closed(o.user_id) then sparky.impersonal_callback(p_callback) else p_callback end
    ) returning id
$$;

-- What the order's payments come to, and everything that hangs on it: status, the next inquiry, the client's channel.
create or replace function sparky.sum_up_order(p_order uuid, p_event text, p_credits integer) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_events integer;
    v_paid integer;
    v_refunded integer;
    o public.orders;
begin
    select count(*), sum(amount_piastres) filter (where effect = 'granted'),
        coalesce(sum(amount_piastres) filter (where effect = 'clawed_back'), 0)
    into v_events, v_paid, v_refunded
    from public.payments where order_id = p_order and effect <> 'none';
    update public.orders set
        paid_piastres = v_paid, refunded_piastres = v_refunded, updated_at = now(),
        status = case when v_refunded < v_paid then 'paid' else 'refunded' end,
        -- A return whose callback gets lost is found by asking again, less and less often.
        next_inquiry_at = case when v_refunded < v_paid then now() + interval '1 day' end, failed_inquiries = 0
    where id = p_order returning * into strict o;
    perform sparky.announce_order(o);
    perform sparky.notify_payment(o.user_id, p_event, jsonb_build_object(
        'orderId', o.id, 'status', o.status, 'credits', p_credits, 'planId', o.plan_id, 'creditPackId', o.credit_pack_id,
        'amountPiastres', o.amount_piastres, 'refundedPiastres', o.refunded_piastres
    ), o.id, v_events);
end
$$;

-- Guarantees: the credits that the order's full amount buys, with one ledger row, once for each transaction (a second try fails on
-- the unique index, whichever order it names); a plan gets its month; the user is told.
create or replace function sparky.grant_payment(o public.orders, p_payment bigint) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    update public.payments set effect = 'granted', credits = o.credits,
        plan_until = case when o.plan_id is not null then sparky.extend_plan(o.user_id, o.plan_id) end
    where id = p_payment;
    perform sparky.add_credits(o.user_id, 'purchase', o.credits, 'order ' || o.id, p_payment);
    perform sparky.sum_up_order(o.id, 'payment.paid', o.credits);
end
$$;

-- Guarantees: of a payment of which `p_refunded` piastres in all were given back, this much of the credits is gone, rounded down:
-- what is free is taken, never what is held, and the rest becomes a debt; one ledger row; the whole of it back ends the plan's month.
create or replace function sparky.claw_back(o public.orders, p_grant public.payments, p_kind text, p_refunded integer, p_callback jsonb)
returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_before integer;
    v_gone integer;
    v_wanted integer;
    v_taken integer;
    v_payment bigint;
begin
    select coalesce(sum(amount_piastres), 0), coalesce(sum(credits + owed), 0) into v_before, v_gone
    from public.payments where transaction_id = p_grant.transaction_id and effect = 'clawed_back';
    v_wanted := p_grant.credits::bigint * p_refunded / p_grant.amount_piastres - v_gone;
    select least(v_wanted, greatest(credits - (select coalesce(sum(amount), 0) from sparky.holds where user_id = users.id), 0))
    into strict v_taken from public.users where id = o.user_id;
    v_payment := sparky.keep_payment(o, p_kind, p_grant.transaction_id, p_refunded - v_before, true, p_callback);
    update public.payments set effect = 'clawed_back', credits = v_taken, owed = v_wanted - v_taken where id = v_payment;
    update public.users set credit_debt = credit_debt + v_wanted - v_taken where id = o.user_id;
    perform sparky.announce(o.user_id, 'balance', jsonb_build_object('credits',
        sparky.write_ledger(o.user_id, 'refund', -v_taken, null, null, 'order ' || o.id, v_payment)));
    if p_grant.plan_until is not null and p_refunded = p_grant.amount_piastres then
        perform sparky.shorten_plan(o.user_id, o.plan_id, p_grant.plan_until);
    end if;
    perform sparky.sum_up_order(o.id, 'payment.refunded', v_wanted);
end
$$;
