-- What operators see of orders, and the record of what they did; then who may call what of the payments.
set lock_timeout = '3s';

-- Orders, the newest first; of one status or of all.
create or replace function sparky.list_orders(p_status text, p_limit integer) returns table (
    id uuid, user_id uuid, status text, item_name text, credits integer, amount_piastres integer, paid_piastres integer,
    refunded_piastres integer, currency text, intention_order_id bigint, created_at timestamptz, expires_at timestamptz
)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select orders.id, user_id, status, coalesce(plans.name, credit_packs.name), orders.credits, amount_piastres, paid_piastres,
        refunded_piastres, currency, intention_order_id, created_at, expires_at
    from public.orders
    left join public.plans on plans.id = plan_id
    left join public.credit_packs on credit_packs.id = credit_pack_id
    where p_status is null or status = p_status
    order by created_at desc, orders.id limit p_limit
$$;

-- The transactions that an order is known to have; `paid` ones were granted and can be given back.
create or replace function sparky.order_transactions(p_order uuid) returns table (
    transaction_id bigint, amount_piastres integer, refunded_piastres integer, paid boolean
)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select transaction_id, max(amount_piastres) filter (where effect <> 'clawed_back'),
        coalesce(sum(amount_piastres) filter (where effect = 'clawed_back'), 0)::integer, bool_or(effect = 'granted')
    from public.payments
    where order_id = p_order and (kind in ('payment', 'authorization') or effect = 'clawed_back')
    group by transaction_id order by min(id)
$$;

-- Everything that happened to an order, the oldest first.
create or replace function sparky.order_story(p_order uuid) returns table (
    at timestamptz, event text, transaction_id bigint, amount_piastres integer, credits integer, owed integer, details jsonb
)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select created_at, 'ordered', null::bigint, amount_piastres, credits, null::integer,
        jsonb_build_object('intentionOrderId', intention_order_id, 'subscriptionId', subscription_id, 'expiresAt', expires_at)
    from public.orders where id = p_order
    union all
    select created_at, kind, transaction_id, amount_piastres, credits, owed, jsonb_build_object(
        'effect', effect, 'success', success, 'pending', callback #> '{obj,pending}', 'source', coalesce(callback ->> 'type', 'SUBSCRIPTION')
    ) from public.payments where order_id = p_order
    union all
    select handled_at, 'callback_' || outcome, null, null, null, null, jsonb_build_object('receivedAt', received_at, 'tries', tries)
    from sparky.payment_events where order_id = p_order
    union all
    select created_at, 'operator_' || action, null, null, null, null,
        details || jsonb_build_object('operator', operator, 'reason', reason)
    from sparky.operator_actions where subject = p_order::text
    order by 1
$$;

-- Guarantee: who did what to which order and why, kept for good.
create or replace function sparky.record_operator_action(
    p_operator text, p_reason text, p_action text, p_subject text, p_details jsonb
) returns bigint
language sql security definer set search_path = pg_catalog, pg_temp as $$
    insert into sparky.operator_actions (operator, reason, action, subject, details)
    values (p_operator, p_reason, p_action, p_subject, coalesce(p_details, '{}')) returning id
$$;

revoke execute on all functions in schema sparky from public, anon, authenticated, service_role;

grant execute on function
    sparky.create_order(uuid, integer, integer, text, interval),
    sparky.attach_intention(uuid, bigint, text),
    sparky.get_order(uuid, uuid),
    sparky.record_payment_event(text, text, jsonb)
to sparky_intake;

grant execute on function
    sparky.due_payment_events(integer),
    sparky.apply_payment_event(bigint, bigint[], boolean),
    sparky.apply_subscription_event(bigint, jsonb, bigint[], boolean),
    sparky.due_orders(interval, integer),
    sparky.apply_inquiry(uuid, jsonb, bigint[], boolean, timestamptz),
    sparky.list_orders(text, integer),
    sparky.order_transactions(uuid),
    sparky.order_story(uuid),
    sparky.record_operator_action(text, text, text, text, jsonb)
to sparky_worker;
