-- Accounts: sign-up, balance, ledger, periods. Internal building blocks; no login role may execute them.
set lock_timeout = '3s';

-- Tells the user's own private channel. A hint to re-fetch: it never fails the transaction that it tells of, and holds it up for
-- no longer than a second when Realtime's table is locked.
create or replace function sparky.announce(p_user uuid, p_event text, p_payload jsonb) returns void
language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '1s' as $$
begin
    perform realtime.send(p_payload, p_event, 'user:' || p_user, true);
exception when others then
    raise warning '% of user % was not announced: %', p_event, p_user, sqlerrm;
end
$$;

-- Guarantee: balance and ledger move together, by the same amount, under the user's row lock.
create or replace function sparky.write_ledger(
    p_user uuid, p_kind text, p_amount integer, p_generation uuid, p_tool text, p_reason text, p_payment bigint default null
) returns integer
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_balance integer;
begin
    update public.users set credits = credits + p_amount, updated_at = now() where id = p_user
    returning credits into strict v_balance;
    insert into public.credit_usage (user_id, kind, amount, balance_after, generation_id, tool_id, reason, payment_id)
    values (p_user, p_kind, p_amount, v_balance, p_generation, p_tool, p_reason, p_payment);
    return v_balance;
end
$$;

-- Guarantee: credits that come in pay a debt first; both movements are in the ledger, and the user's channel hears the balance.
create or replace function sparky.add_credits(
    p_user uuid, p_kind text, p_amount integer, p_reason text, p_payment bigint default null
) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_owed integer;
begin
    perform sparky.write_ledger(p_user, p_kind, p_amount, null, null, p_reason, p_payment);
    select least(credit_debt, p_amount) into strict v_owed from public.users where id = p_user;
    if v_owed > 0 then
        update public.users set credit_debt = credit_debt - v_owed where id = p_user;
        perform sparky.write_ledger(p_user, 'adjustment', -v_owed, null, null, 'debt paid');
    end if;
    perform sparky.announce(p_user, 'balance', jsonb_build_object('credits', credits)) from public.users where id = p_user;
end
$$;

-- The plan that counts now: a paid plan that was not renewed has lapsed to Free.
create or replace function sparky.effective_plan(p_user public.users) returns public.plans
language sql stable set search_path = pg_catalog, pg_temp as $$
    select plans from public.plans
    where plans.id = case when p_user.plan_expires_at <= now() then 1 else p_user.plan_id end
$$;

-- First day of the monthly period that a time falls into, in UTC. Periods begin at the anchor's time of day on the anchor's
-- day, in a shorter month on its last day.
create or replace function sparky.current_period(p_anchor timestamptz, p_now timestamptz default now()) returns date
language sql stable set search_path = pg_catalog, pg_temp as $$
    select (anchor + make_interval(months => months - (anchor + make_interval(months => months) > present)::integer))::date
    from (select p_anchor at time zone 'utc', p_now at time zone 'utc') as utc (anchor, present),
        lateral (select (12 * (extract(year from present) - extract(year from anchor))
            + extract(month from present) - extract(month from anchor))::integer) as passed (months)
$$;

-- Guarantee: the current period's credits are granted at most once, and no period before it. Needs the user's row lock.
create or replace function sparky.grant_current_period(p_user public.users) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_plan public.plans := sparky.effective_plan(p_user);
    v_period date := sparky.current_period(p_user.period_anchor);
begin
    insert into sparky.period_grants (user_id, period, credits)
    values (p_user.id, v_period, v_plan.monthly_credits) on conflict do nothing;
    if found and v_plan.monthly_credits > 0 then
        perform sparky.add_credits(p_user.id, 'grant', v_plan.monthly_credits, 'period ' || to_char(v_period, 'YYYY-MM-DD'));
    end if;
end
$$;

-- Guarantees: after this a user known to Auth has an account with its first credits, given exactly once, however often it is
-- called; a deleted account is not opened again, and an address that was given its first credits before gets none for this period.
create or replace function sparky.ensure_account(p_user uuid) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_user public.users;
begin
    insert into public.users (id) select id from auth.users where id = p_user
        and not exists (select from sparky.account_deletions where user_id = p_user)
    on conflict do nothing returning * into v_user;
    if found and sparky.address_was_here(p_user) then
        insert into sparky.period_grants (user_id, period, credits)
        values (p_user, sparky.current_period(v_user.period_anchor), 0);
    elsif v_user.id is not null then
        perform sparky.grant_current_period(v_user);
    end if;
end
$$;

-- Guarantee: nothing here can stop a sign-up, not even a lock on our tables. An account that could not be made now is made when
-- the user first acts.
create or replace function sparky.open_account() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '1s' as $$
begin
    perform sparky.ensure_account(new.id);
    return new;
exception when others then
    raise warning 'no account for new user %: %', new.id, sqlerrm;
    return new;
end
$$;

-- Locks the user's row, which every function that moves money or state does before anything else: one order, no deadlocks.
-- Guarantee: the row is current and the present period's credits are in it. Null for somebody Auth does not know, and for
-- whoever has deleted the account.
create or replace function sparky.lock_user(p_user uuid) returns public.users
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_user public.users;
begin
    select * into v_user from public.users where id = p_user for no key update;
    if exists (select from sparky.account_deletions where user_id = p_user) then
        return null;
    elsif v_user.id is null then
        perform sparky.ensure_account(p_user);
    elsif v_user.closed_at is null then
        perform sparky.grant_current_period(v_user);
    end if;
    select * into v_user from public.users where id = p_user for no key update;
    return v_user;
end
$$;

-- Last, as it keeps Auth from writing until the transaction ends.
create or replace trigger sparky_open_account after insert on auth.users
for each row execute function sparky.open_account();
