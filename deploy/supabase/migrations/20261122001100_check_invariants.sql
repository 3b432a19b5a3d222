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
        select 'one_notification_per_ending', generations.id::text from public.generations
        where endings <> (select count(*) from public.notifications where source_id = generations.id)
        union all
        select 'an_ended_generation_has_an_ending', generations.id::text from public.generations
        where (status in ('succeeded', 'failed', 'canceled')) and endings = 0
        union all
        select 'a_succeeded_picture_has_its_object', generations.id::text from public.generations
        join public.tools on tools.id = generations.tool_id and tools.type <> 'ANALYSIS'
        where status = 'succeeded' and not exists (
            select from storage.objects where bucket_id = 'generations' and objects.name = generations.image_path
        )
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
    )
    select rule.name, count(broken.id), min(broken.id)
    from (values
        ('balance_is_the_ledgers_sum'), ('balance_covers_the_holds'), ('an_open_generation_has_its_hold'),
        ('a_hold_belongs_to_an_open_generation'), ('a_succeeded_generation_is_captured_once'),
        ('no_other_generation_is_captured'), ('one_notification_per_ending'), ('an_ended_generation_has_an_ending'),
        ('a_succeeded_picture_has_its_object'), ('a_succeeded_analysis_has_its_result'),
        ('a_result_shows_only_after_success'), ('a_period_is_granted_once')
    ) as rule (name)
    left join broken on broken.name = rule.name
    group by rule.name
    order by rule.name
$$;
