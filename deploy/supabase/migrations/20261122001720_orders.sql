-- Orders: making one, hearing from Paymob about it, asking Paymob about it.
set lock_timeout = '3s';

-- Guarantees: the price and what it buys are the catalogue's of this moment, and stay; with the same key there is one order,
-- however often it is asked for. Outcomes: created, existing, or a refusal, which writes nothing: not_for_sale,
-- idempotency_conflict (the key was used for something else), account_not_found, account_deleted.
create or replace function sparky.create_order(
    p_user uuid, p_plan integer, p_pack integer, p_idempotency_key text, p_lifetime interval
) returns table (
    outcome text, id uuid, amount_piastres integer, currency text, status text, checkout_url text, item_name text,
    expires_at timestamptz, intention_order_id bigint, credits integer, subscription_plan_id bigint
)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    v_user public.users := sparky.lock_user(p_user);
    v_outcome text;
    v_name text;
    v_price integer;
    v_credits integer;
    v_subscription bigint;
    o public.orders;
begin
    if num_nonnulls(p_plan, p_pack) = 1 then
        select name, case when is_active and is_paid then price_piastres end, monthly_credits, paymob_plan_id
        into v_name, v_price, v_credits, v_subscription
        from public.plans where plans.id = p_plan
        union all
        select name, case when is_active then price_piastres end, credit_packs.credits, null
        from public.credit_packs where credit_packs.id = p_pack;
    end if;
    if v_user.id is null then
        v_outcome := sparky.absence(p_user);
    else
        select * into o from public.orders where user_id = p_user and idempotency_key = p_idempotency_key;
        if found then
            v_outcome := case
                when (o.plan_id, o.credit_pack_id) is not distinct from (p_plan, p_pack) then 'existing'
                else 'idempotency_conflict'
            end;
        elsif v_price is null then
            v_outcome := 'not_for_sale';
        else
            insert into public.orders (user_id, plan_id, credit_pack_id, amount_piastres, credits, expires_at, idempotency_key)
            values (p_user, p_plan, p_pack, v_price, v_credits, now() + p_lifetime, p_idempotency_key) returning * into o;
            perform sparky.announce_order(o);
            v_outcome := 'created';
        end if;
    end if;
    if v_outcome not in ('created', 'existing') then
        o := null;
    end if;
    return query select v_outcome, o.id, o.amount_piastres, o.currency, o.status, o.checkout_url, v_name, o.expires_at,
        o.intention_order_id, o.credits, v_subscription;
end
$$;

-- Callbacks that were heard before their order was known by Paymob's number are due at once.
create or replace function sparky.bind_waiting_events(p_intention_order_id bigint) returns void
language sql set search_path = pg_catalog, pg_temp as $$
    update sparky.payment_events set due_at = now(), tries = 0, outcome = null, handled_at = null
    where order_id is null and body #>> '{obj,order,id}' = p_intention_order_id::text
        and (outcome is null or outcome = 'refused:unknown_order')
$$;

-- Guarantees: an order's number at Paymob, once known, never changes, and no two orders share one. Answers attached, already (the
-- same again), refused (the order or the number is bound elsewhere) or unknown.
create or replace function sparky.attach_intention(p_order uuid, p_intention_order_id bigint, p_checkout_url text) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_known bigint;
begin
    update public.orders set intention_order_id = p_intention_order_id, checkout_url = p_checkout_url, updated_at = now()
    where id = p_order and intention_order_id is null and status = 'open';
    if found then
        perform sparky.bind_waiting_events(p_intention_order_id);
        return 'attached';
    end if;
    select intention_order_id into v_known from public.orders where id = p_order;
    return case when not found then 'unknown' when v_known = p_intention_order_id then 'already' else 'refused' end;
exception when unique_violation then
    return 'refused';
end
$$;

-- The user's own order, or no row.
create or replace function sparky.get_order(p_id uuid, p_user uuid) returns table (
    id uuid, status text, plan_id integer, credit_pack_id integer, credits integer, amount_piastres integer,
    refunded_piastres integer, currency text, checkout_url text, expires_at timestamptz, created_at timestamptz,
    updated_at timestamptz
)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select id, status, plan_id, credit_pack_id, credits, amount_piastres, refunded_piastres, currency, checkout_url, expires_at,
        created_at, updated_at
    from public.orders where orders.id = p_id and user_id = p_user
$$;

-- Guarantee: kept once, whatever is repeated; true when it is new. Waits for nothing but a copy that arrives at the same moment.
create or replace function sparky.record_payment_event(p_kind text, p_key text, p_body jsonb) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    insert into sparky.payment_events (kind, key, body) values (p_kind, p_key, p_body) on conflict (key) do nothing;
    return found;
end
$$;

-- Callbacks to apply; each is handed out again after half a minute, doubling to an hour, until it has been. `inquire` names the
-- transactions that have to be inquired about first: a subscription's callback is no more than a hint at them.
create or replace function sparky.due_payment_events(p_limit integer default 100) returns table (
    id bigint, kind text, tries integer, inquire bigint[]
)
language sql security definer set search_path = pg_catalog, pg_temp as $$
    with page as (
        select id from sparky.payment_events where handled_at is null and due_at <= now()
        order by due_at limit p_limit for update skip locked
    )
    update sparky.payment_events set
        tries = tries + 1, due_at = now() + least(interval '30 seconds' * 2 ^ least(tries, 10), interval '1 hour')
    from page where payment_events.id = page.id
    returning payment_events.id, kind, tries, case when kind = 'SUBSCRIPTION' then array(
        select (body #>> path)::bigint from (values (1, '{subscription_data,initial_transaction}'::text[]), (2, '{transaction_id}'))
            as hint (place, path)
        where jsonb_typeof(body #> path) = 'number' and body #>> path ~ '^[0-9]{1,18}$' order by place
    ) else '{}' end
$$;

-- An event is over. Its body goes, unless it is all that is left of money that nobody could be found for. Event rows are locked
-- after everything else.
create or replace function sparky.end_payment_event(p_id bigint, p_outcome text, p_order uuid) returns text
language sql set search_path = pg_catalog, pg_temp as $$
    update sparky.payment_events set
        outcome = p_outcome, handled_at = now(), order_id = p_order,
        body = case when p_order is null and p_outcome like 'refused:%' then body end
    where id = p_id returning outcome
$$;

-- Applies a callback of kind TRANSACTION or TOKEN. Guarantees: payment, ledger, plan, notification and the event's end are one
-- transaction, once; only signed values grant anything, and only for the order that they name, at its amount and currency, by one
-- of our integrations, in our mode; what is given back is never taken from a callback: the order becomes due for an inquiry.
-- Answers applied, noted (declined, pending), already, inquire, waiting (no order has this number yet), ignored or refused:….
create or replace function sparky.apply_payment_event(p_id bigint, p_integrations bigint[], p_live boolean) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    e sparky.payment_events;
    t jsonb;
    o public.orders;
    v_payment bigint;
    v_outcome text;
begin
    select * into e from sparky.payment_events where id = p_id;
    t := e.body -> 'obj';
    if sparky.is_transaction(t) then
        o := sparky.lock_order((select id from public.orders where intention_order_id = (t #>> '{order,id}')::bigint));
    end if;
    select * into e from sparky.payment_events where id = p_id and handled_at is null for update;
    if not found then
        return 'already';
    elsif e.kind <> 'TRANSACTION' then
        return sparky.end_payment_event(p_id, 'ignored', null);
    elsif not sparky.is_transaction(t) then
        return sparky.end_payment_event(p_id, 'refused:malformed', null);
    elsif o.id is null then
        if e.received_at > now() - interval '7 days' then
            return 'waiting';
        end if;
        return sparky.end_payment_event(p_id, 'refused:unknown_order', null);
    end if;

    v_payment := sparky.keep_payment(
        o, sparky.kind_of_transaction(t), (t ->> 'id')::bigint, (t ->> 'amount_cents')::integer, (t ->> 'success')::boolean, e.body
    );
    v_outcome := sparky.refusal_of_transaction(o, t, p_integrations, p_live);
    if v_outcome is not null then
        null;
    elsif not sparky.went_through(t) then
        v_outcome := 'noted';
    elsif (t ->> 'has_parent_transaction')::boolean or (t ->> 'is_auth')::boolean
        or (t ->> 'is_refunded')::boolean or (t ->> 'is_voided')::boolean then
        update public.orders set next_inquiry_at = now(), failed_inquiries = 0 where id = o.id;
        v_outcome := 'inquire';
    elsif exists (select from public.payments where transaction_id = (t ->> 'id')::bigint and effect = 'granted') then
        v_outcome := 'already';
    else
        perform sparky.grant_payment(o, v_payment);
        v_outcome := 'applied';
    end if;
    return sparky.end_payment_event(p_id, v_outcome, o.id);
end
$$;

-- Orders to inquire about: open for longer than `p_after`, or due again. Each is handed out again after a minute, doubling to an
-- hour, until `apply_inquiry` is told the answer, to which `lease` belongs. `known` are its transactions so far.
create or replace function sparky.due_orders(p_after interval, p_limit integer default 100) returns table (
    id uuid, intention_order_id bigint, known bigint[], lease timestamptz
)
language sql security definer set search_path = pg_catalog, pg_temp as $$
    with page as (
        select id from public.orders
        where next_inquiry_at <= now() or (next_inquiry_at is null and status = 'open' and created_at <= now() - p_after)
        order by coalesce(next_inquiry_at, created_at) limit p_limit for update skip locked
    )
    update public.orders set
        next_inquiry_at = now() + least(interval '1 minute' * 2 ^ least(failed_inquiries, 10), interval '1 hour'),
        failed_inquiries = failed_inquiries + 1
    from page where orders.id = page.id
    returning orders.id, intention_order_id, array(
        select distinct transaction_id from public.payments
        where order_id = orders.id and kind in ('payment', 'authorization') and (success or callback #> '{obj,pending}' = 'true')
    ), next_inquiry_at
$$;

-- What Paymob answered about an order: an array of transactions, empty when there are none. Guarantees: all of it is applied or
-- none; an order that is past its time without a payment, nor one that is still pending (for a week at most), is closed, which
-- stops no late payment from being granted. Answers applied, expired, nothing, unknown or refused:….
create or replace function sparky.apply_inquiry(
    p_order uuid, p_transactions jsonb, p_integrations bigint[], p_live boolean, p_lease timestamptz default null
) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    o public.orders := sparky.lock_order(p_order);
    t jsonb;
    v_refusal text;
    v_pending boolean := false;
    v_outcome text := 'nothing';
begin
    if o.id is null then
        return 'unknown';
    end if;
    for t in select value from jsonb_array_elements(p_transactions) where value -> 'has_parent_transaction' is distinct from 'true'
    loop
        v_refusal := sparky.refusal_of_transaction(o, t, p_integrations, p_live);
        if v_refusal is not null then
            v_outcome := case v_outcome when 'nothing' then v_refusal else v_outcome end;
        elsif sparky.apply_answer(o, t) then
            v_outcome := 'applied';
        end if;
        v_pending := v_pending or (v_refusal is null and (t ->> 'pending')::boolean);
    end loop;

    select * into strict o from public.orders where id = p_order;
    if o.status = 'open' and o.expires_at <= now() and (not v_pending or o.expires_at <= now() - interval '7 days') then
        update public.orders set status = 'expired', updated_at = now() where id = p_order returning * into o;
        perform sparky.announce_order(o);
        v_outcome := case v_outcome when 'nothing' then 'expired' else v_outcome end;
    end if;
    -- Unless a callback has made it due anew since it was handed out.
    update public.orders set failed_inquiries = 0, next_inquiry_at = sparky.next_inquiry(o)
    where id = p_order and next_inquiry_at = p_lease;
    return v_outcome;
end
$$;

-- When to ask again: while an order is open each time it has become half as old again, and when its time is over; a paid one daily
-- at first, for refunds that nobody told of; a closed one ever more seldom; null when no more.
create or replace function sparky.next_inquiry(o public.orders) returns timestamptz
language sql stable set search_path = pg_catalog, pg_temp as $$
    select case
        when o.status = 'open' and o.expires_at > now()
            then least(now() + greatest(age / 2, interval '1 second'), o.expires_at + interval '1 second')
        when o.status = 'open' then now() + least(greatest(age / 2, interval '1 second'), interval '1 day')
        when o.status = 'paid' and age < interval '60 days' then now() + greatest(age, interval '1 day')
        when o.status = 'expired' and age < interval '14 days' then now() + greatest(age, interval '1 minute')
    end
    from (select now() - o.created_at) as passed (age)
$$;
