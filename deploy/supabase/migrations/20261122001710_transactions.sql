-- What a transaction of Paymob's means, as a callback or as the answer to an inquiry. Internal building blocks.
set lock_timeout = '3s';

-- Whether what decides is there and of the right types. Callbacks were checked before; inquiries come from Paymob directly.
create or replace function sparky.is_transaction(t jsonb) returns boolean
language sql immutable set search_path = pg_catalog, pg_temp as $$
    select coalesce(
        jsonb_typeof(t) = 'object' and jsonb_typeof(t -> 'currency') = 'string'
        and (select bool_and(coalesce(jsonb_typeof(t #> path) = 'number' and t #>> path ~ '^[0-9]{1,18}$', false))
            from (values ('{id}'::text[]), ('{amount_cents}'), ('{integration_id}'), ('{order,id}')) as number (path))
        and (select bool_and(coalesce(jsonb_typeof(t -> name) = 'boolean', false)) from unnest(array[
            'success', 'pending', 'error_occured', 'has_parent_transaction', 'is_auth', 'is_refunded', 'is_voided'
        ]) as flag (name)), false)
$$;

-- Why a transaction is not this order's payment; null when it may be. A refund's own transaction has an amount of its own.
-- `p_integrations` are ours; `p_live` is false where Paymob's test mode counts, and then nothing else does.
create or replace function sparky.refusal_of_transaction(o public.orders, t jsonb, p_integrations bigint[], p_live boolean)
returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
    select case
        when not sparky.is_transaction(t) then 'refused:malformed'
        when (t #>> '{order,id}')::bigint is distinct from o.intention_order_id then 'refused:other_order'
        when (t ->> 'integration_id')::bigint <> all (coalesce(p_integrations, '{}')) then 'refused:integration'
        when t -> 'is_live' is distinct from to_jsonb(p_live) then 'refused:mode'
        when t ->> 'currency' <> o.currency then 'refused:currency'
        when not (t ->> 'has_parent_transaction')::boolean and (t ->> 'amount_cents')::bigint <> o.amount_piastres
            then 'refused:amount'
        when exists (
            select from public.payments
            where transaction_id = (t ->> 'id')::bigint and effect = 'granted' and order_id <> o.id
        ) then 'refused:other_order'
    end
$$;

-- Money moved, or will have: neither refused by the bank nor waiting for the buyer.
create or replace function sparky.went_through(t jsonb) returns boolean
language sql immutable set search_path = pg_catalog, pg_temp as $$
    select (t ->> 'success')::boolean and not (t ->> 'pending')::boolean and not (t ->> 'error_occured')::boolean
$$;

-- What a transaction is called in `payments`; for people, nothing depends on it.
create or replace function sparky.kind_of_transaction(t jsonb) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
    select case
        when not (t ->> 'has_parent_transaction')::boolean and (t ->> 'is_auth')::boolean then 'authorization'
        when not (t ->> 'has_parent_transaction')::boolean then 'payment'
        when t -> 'is_void' = 'true' then 'void'
        when t -> 'is_capture' = 'true' then 'capture'
        else 'refund'
    end
$$;

-- Brings an order to what Paymob says about one of its payments, in answer to an inquiry that `refusal_of_transaction` let pass.
-- Guarantees: an answer that is older than what is known takes nothing away and gives nothing again; a payment that was given back
-- before we heard of it is granted and clawed back. An authorization counts once all of it is captured. True when something moved.
create or replace function sparky.apply_answer(o public.orders, t jsonb) returns boolean
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_id constant bigint := t ->> 'id';
    v_callback constant jsonb := jsonb_build_object('type', 'INQUIRY', 'obj', t);
    v_returned bigint := case
        when t -> 'is_voided' = 'true' then o.amount_piastres
        when t -> 'is_refunded' = 'true' then coalesce(nullif((t ->> 'refunded_amount_cents')::bigint, 0), o.amount_piastres)
        else coalesce((t ->> 'refunded_amount_cents')::bigint, 0)
    end;
    v_moved boolean := false;
    g public.payments;
begin
    select * into g from public.payments where transaction_id = v_id and effect = 'granted';
    if not found and sparky.went_through(t) and (not (t ->> 'is_auth')::boolean
        or t -> 'is_captured' = 'true' and (t ->> 'captured_amount')::bigint >= o.amount_piastres) then
        perform sparky.grant_payment(o, sparky.keep_payment(o, sparky.kind_of_transaction(t), v_id, o.amount_piastres, true, v_callback));
        select * into strict g from public.payments where transaction_id = v_id and effect = 'granted';
        v_moved := true;
    elsif not found and (t ->> 'pending')::boolean and not exists (select from public.payments where transaction_id = v_id) then
        -- Known from now on, so that inquiries ask for it by name.
        perform sparky.keep_payment(o, sparky.kind_of_transaction(t), v_id, o.amount_piastres, false, v_callback);
    end if;
    if g.id is not null and least(v_returned, o.amount_piastres) > (
        select coalesce(sum(amount_piastres), 0) from public.payments where transaction_id = v_id and effect = 'clawed_back'
    ) then
        perform sparky.claw_back(o, g, case when t -> 'is_voided' = 'true' then 'void' else 'refund' end,
            least(v_returned, o.amount_piastres)::integer, v_callback);
        v_moved := true;
    end if;
    return v_moved;
end
$$;
