-- What is always true. One row for each rule; `violations` is 0 on a healthy database, `sample` names one offender.
set lock_timeout = '3s';

create or replace function sparky.check_invariants() returns table (name text, violations bigint, sample text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    with held as (
        select user_id, sum(amount) as amount from sparky.holds group by user_id
    ), ledger as (
        select user_id, sum(amount) as amount from public.credit_usage group by user_id
    ), broken (name, id) as (
        select 'balance_is_the_ledgers_sum', users.id::text from public.users left join ledger on ledger.user_id = users.id
        where users.credits <> coalesce(ledger.amount, 0)
        union all
        select 'balance_covers_the_holds', users.id::text from public.users join held on held.user_id = users.id
        where users.credits < held.amount
        union all
        select 'an_open_generation_has_its_hold', generations.id::text from public.generations
        left join sparky.holds on holds.generation_id = generations.id
        where generations.status in ('queued', 'processing')
            and (holds.amount is distinct from generations.credit_cost or holds.user_id is distinct from generations.user_id)
        union all
        select 'a_hold_belongs_to_an_open_generation', holds.generation_id::text from sparky.holds
        left join public.generations on generations.id = holds.generation_id
        where generations.status is null or generations.status not in ('queued', 'processing')
        union all
        select 'a_succeeded_generation_is_captured_once', generations.id::text from public.generations
        where status = 'succeeded' and (
            select count(*) from public.credit_usage
            where kind = 'capture' and generation_id = generations.id and user_id = generations.user_id and amount = -credit_cost
        ) <> 1
        union all
        select 'no_other_generation_is_captured', generations.id::text from public.generations
        join public.credit_usage on kind = 'capture' and generation_id = generations.id
        where status <> 'succeeded'
        union all
        -- Of those that may have been purged for their age, only the last is asked for.
        select 'one_notification_per_ending', generations.id::text
        from public.generations, sparky.operator_settings, lateral (
            select count(*) as number, coalesce(bool_or(event.ending = endings), false) as of_last_ending from (
                select source_event from public.notifications where source_id = generations.id
                union all
                select muted_endings.ending from sparky.muted_endings where generation_id = generations.id
            ) as event (ending)
        ) as told
        where endings <> told.number and (
            endings < told.number or generations.created_at >= notifications_purged_before
            or finished_at >= notifications_purged_before and not told.of_last_ending
        )
        union all
        select 'an_ended_generation_has_an_ending', generations.id::text from public.generations
        where (status in ('succeeded', 'failed', 'canceled')) and endings = 0
        union all
        select 'a_succeeded_picture_has_its_object', generations.id::text from public.generations
        join public.tools on tools.id = generations.tool_id and tools.type <> 'ANALYSIS'
        where status = 'succeeded' and not exists (
            select from storage.objects where bucket_id = 'generations' and objects.name = generations.image_path
        ) and not exists (select from sparky.account_deletions where account_deletions.user_id = generations.user_id)
        union all
        select 'a_succeeded_analysis_has_its_result', generations.id::text from public.generations
        join public.tools on tools.id = generations.tool_id and tools.type = 'ANALYSIS'
        where status = 'succeeded' and result is null
        union all
        select 'a_result_shows_only_after_success', generations.id::text from public.generations
        where status <> 'succeeded' and (image_path is not null or result is not null)
        union all
        select 'a_period_is_granted_once', period_grants.user_id::text from sparky.period_grants
        where credits > 0 and (
            select count(*) from public.credit_usage where kind = 'grant' and user_id = period_grants.user_id
                and reason = 'period ' || to_char(period_grants.period, 'YYYY-MM-DD')
        ) <> 1
        union all
        -- Of what was paid less what was given back, exactly what it buys: a return takes its share, rounded down.
        select 'a_payment_buys_what_it_paid_for', orders.id::text
        from public.payments as paid
        join public.orders on orders.id = paid.order_id, lateral (
            select coalesce(sum(amount_piastres), 0) as piastres, coalesce(sum(credits + owed), 0) as credits
            from public.payments where transaction_id = paid.transaction_id and effect = 'clawed_back'
        ) as back
        where paid.effect = 'granted' and (
            paid.credits <> orders.credits or paid.amount_piastres <> orders.amount_piastres
            or back.piastres > paid.amount_piastres
            or back.credits <> floor(orders.credits * back.piastres::numeric / orders.amount_piastres)
        )
        union all
        select 'a_payment_moves_the_ledger_once', order_id::text from public.payments
        where effect <> 'none' and (
            select count(*) from public.credit_usage where payment_id = payments.id and user_id = payments.user_id
                and kind = case effect when 'granted' then 'purchase' else 'refund' end
                and amount = case effect when 'granted' then payments.credits else -payments.credits end
        ) <> 1
        union all
        select 'a_purchase_has_its_payment', credit_usage.user_id::text from public.credit_usage
        left join public.payments on payments.id = payment_id and effect <> 'none'
        where credit_usage.kind in ('purchase', 'refund') and payments.id is null
        union all
        select 'an_order_sums_up_its_payments', orders.id::text from public.orders, lateral (
            select coalesce(sum(amount_piastres) filter (where effect = 'granted'), 0) as paid,
                coalesce(sum(amount_piastres) filter (where effect = 'clawed_back'), 0) as refunded
            from public.payments where order_id = orders.id
        ) as total
        where paid_piastres <> paid or refunded_piastres <> refunded or status <> case
            when paid > refunded then 'paid' when paid > 0 then 'refunded' when status = 'expired' then 'expired' else 'open'
        end
        union all
        select 'an_account_has_its_person', users.id::text from public.users
        where closed_at is null and not exists (select from auth.users as person where person.id = users.id)
            and not exists (select from sparky.account_deletions where user_id = users.id)
        union all
        select 'a_closed_account_names_nobody', users.id::text from public.users
        where closed_at is not null and (
            username is not null or notification_preferences <> '{}'
            or exists (select from auth.users as person where person.id = users.id)
            or exists (select from public.generations where user_id = users.id)
            or exists (select from public.notifications where user_id = users.id)
        )
    )
    select rule.name, count(broken.id), min(broken.id)
    from (values
        ('balance_is_the_ledgers_sum'), ('balance_covers_the_holds'), ('an_open_generation_has_its_hold'),
        ('a_hold_belongs_to_an_open_generation'), ('a_succeeded_generation_is_captured_once'),
        ('no_other_generation_is_captured'), ('one_notification_per_ending'), ('an_ended_generation_has_an_ending'),
        ('a_succeeded_picture_has_its_object'), ('a_succeeded_analysis_has_its_result'),
        ('a_result_shows_only_after_success'), ('a_period_is_granted_once'),
        ('a_payment_buys_what_it_paid_for'), ('a_payment_moves_the_ledger_once'), ('a_purchase_has_its_payment'),
        ('an_order_sums_up_its_payments'), ('an_account_has_its_person'),
        ('a_closed_account_names_nobody')
    ) as rule (name)
    left join broken on broken.name = rule.name
    group by rule.name
    order by rule.name
$$;
