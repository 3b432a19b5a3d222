-- Plans that end, and plans that Paymob renews by itself.
set lock_timeout = '3s';

-- The order of a renewal, which Paymob makes without us: one for each of its order numbers, at the price of the order that began
-- the subscription. Null when the number belongs to somebody else's order, or when nothing was paid for it.
create or replace function sparky.renewal_order(p_first public.orders, p_subscription bigint, t jsonb) returns public.orders
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_number constant bigint := t #>> '{order,id}';
    o public.orders;
begin
    select * into o from public.orders where intention_order_id = v_number for update;
    if found then
        return case when o.user_id = p_first.user_id then o end;
    elsif sparky.went_through(t) and (t ->> 'amount_cents')::bigint = p_first.amount_piastres then
        insert into public.orders (
            user_id, plan_id, amount_piastres, currency, credits, expires_at, intention_order_id, subscription_id
        ) values (
            p_first.user_id, p_first.plan_id, p_first.amount_piastres, p_first.currency, p_first.credits,
            now(), v_number, p_subscription
        ) returning * into o;
        perform sparky.bind_waiting_events(v_number);
    end if;
    return o;
end
$$;

-- Applies a callback of kind SUBSCRIPTION. It signs no more than what happened to which subscription; `p_transactions` are what
-- Paymob answered about the transactions that it hints at, and only they count. Guarantees: a subscription belongs to whoever's
-- order its first transaction paid; each renewal is an order of its own and is granted like any other, once; everything else that
-- happens to a subscription is noted, and its plan simply ends when it is not renewed. Answers as `apply_payment_event`.
create or replace function sparky.apply_subscription_event(
    p_id bigint, p_transactions jsonb, p_integrations bigint[], p_live boolean
) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    e sparky.payment_events;
    v_subscription bigint;
    v_first uuid;
    v_order public.orders;
    o public.orders;
    t jsonb;
    v_refusal text;
    v_outcome text := 'noted';
begin
    select * into e from sparky.payment_events where id = p_id and kind = 'SUBSCRIPTION';
    v_subscription := (e.body #>> '{subscription_data,id}')::bigint;
    select order_id into v_first from sparky.subscriptions where id = v_subscription;
    if not found then
        select orders.id into v_first from jsonb_array_elements(p_transactions) with ordinality as answer (said, place)
        join public.orders on orders.intention_order_id = (said #>> '{order,id}')::bigint and plan_id is not null
        where sparky.refusal_of_transaction(orders, said, p_integrations, p_live) is null and sparky.went_through(said)
        order by place limit 1;
    end if;
    v_order := sparky.lock_order(v_first);
    select * into e from sparky.payment_events where id = p_id and handled_at is null for update;
    if not found then
        return 'already';
    elsif v_order.id is null then
        if e.received_at > now() - interval '7 days' then
            return 'waiting';
        end if;
        return sparky.end_payment_event(p_id, 'refused:unknown_order', null);
    end if;

    insert into sparky.subscriptions (id, order_id, state) values (v_subscription, v_first, e.body ->> 'trigger_type')
    on conflict (id) do update set state = excluded.state, updated_at = now();
    perform sparky.keep_payment(v_order, 'subscription', coalesce((
        select (said ->> 'id')::bigint from jsonb_array_elements(p_transactions) with ordinality as answer (said, place)
        where sparky.is_transaction(said) order by place desc limit 1
    ), 0), 0, true, e.body);
    for t in
        select value from jsonb_array_elements(p_transactions)
        where sparky.is_transaction(value) and value -> 'has_parent_transaction' = 'false'
    loop
        o := sparky.renewal_order(v_order, v_subscription, t);
        v_refusal := sparky.refusal_of_transaction(o, t, p_integrations, p_live);
        if o.id is null or v_refusal is not null then
            v_outcome := case v_outcome when 'noted' then coalesce(v_refusal, 'refused:other_order') else v_outcome end;
        elsif sparky.apply_answer(o, t) then
            v_outcome := 'applied';
        end if;
    end loop;
    return sparky.end_payment_event(p_id, v_outcome, v_first);
end
$$;

-- Plans that were not renewed go back to Free, and their users are told. Nothing hangs on when it runs: a plan past its end counts
-- as Free at once. Users that are busy right now are left for the next round.
create or replace function sparky.lapse_plans(p_limit integer default 500) returns integer
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_id uuid;
    u public.users;
    v_lapsed integer := 0;
begin
    for v_id in select id from public.users where plan_expires_at <= now() order by plan_expires_at limit p_limit loop
        select * into u from public.users where id = v_id and plan_expires_at <= now() for no key update skip locked;
        continue when not found;
        update public.users set plan_id = 1, plan_expires_at = null, updated_at = now() where id = v_id;
        perform sparky.announce_plan(v_id);
        perform sparky.notify_payment(v_id, 'plan.lapsed', jsonb_build_object('planId', u.plan_id), null, null);
        v_lapsed := v_lapsed + 1;
    end loop;
    return v_lapsed;
end
$$;

insert into sparky.upkeep (task, function_name, schedule, every, page) values
    ('lapse-plans', 'lapse_plans', '*/5 * * * *', '5 minutes', 500)
on conflict do nothing;

do $$
begin
    perform sparky.schedule_upkeep();
exception when others then
    raise warning 'pg_cron was not set up, so the workers let plans lapse: %', sqlerrm;
end
$$;
