-- Who may do what. Explicit in both worlds of Supabase's default privileges: first everything is taken, then a little given.
set lock_timeout = '3s';

revoke all on
    public.plans, public.tools, public.hairstyles, public.colors, public.credit_packs, public.users, public.credit_usage,
    public.notifications, public.generations, public.orders, public.payments
from public, anon, authenticated, service_role;
revoke all on all tables in schema sparky, cache from public, anon, authenticated, service_role;
revoke all on all sequences in schema sparky from public, anon, authenticated, service_role;
revoke all on sequence
    public.credit_usage_id_seq, public.notifications_id_seq, public.payments_id_seq
from public, anon, authenticated, service_role;

grant select on public.plans, public.tools, public.hairstyles, public.colors, public.credit_packs to anon, authenticated;

grant select (
    id, username, plan_id, plan_expires_at, credits, credit_debt, notification_preferences, created_at, updated_at
) on public.users to authenticated;
grant update (username, notification_preferences) on public.users to authenticated;

grant select (id, user_id, kind, amount, balance_after, generation_id, tool_id, created_at) on public.credit_usage to authenticated;

grant select (id, user_id, type, title_key, message_key, params, read, created_at) on public.notifications to authenticated;
grant update (read) on public.notifications to authenticated;

grant select (
    id, user_id, tool_id, tool_parameters, status, source_path, image_path, result, error_code, error_message,
    credit_cost, created_at, started_at, finished_at
) on public.generations to authenticated;

grant select (
    id, user_id, plan_id, credit_pack_id, credits, amount_piastres, paid_piastres, refunded_piastres, currency, status, checkout_url,
    expires_at, created_at, updated_at
) on public.orders to authenticated;
grant select (
    id, user_id, order_id, kind, amount_piastres, currency, success, effect, credits, owed, created_at
) on public.payments to authenticated;

-- The secret key reads what support needs; money and state move in functions only, for it too.
grant select on
    public.plans, public.tools, public.hairstyles, public.colors, public.credit_packs, public.users, public.credit_usage,
    public.notifications, public.generations, public.orders, public.payments
to service_role;

-- PostgreSQL lets everybody execute a new function: take it back for all of ours, then name who may call what.
revoke execute on all functions in schema sparky from public, anon, authenticated, service_role;
revoke usage on type sparky.generation_body from public;
grant usage on type sparky.generation_body to sparky_intake, sparky_worker;

grant execute on function
    sparky.submit_generation(uuid, text, jsonb, text, text, bigint),
    sparky.get_generation(uuid, uuid),
    sparky.list_generations(uuid, integer, uuid),
    sparky.finished_generations(uuid[]),
    sparky.cancel_generation(uuid, uuid),
    sparky.delete_generation(uuid, uuid)
to sparky_intake;

grant execute on function
    sparky.start_generation(uuid, text, integer, interval),
    sparky.settle_generation(uuid, bigint, jsonb, interval, jsonb),
    sparky.fail_generation(uuid, bigint, text, text),
    sparky.defer_generation(uuid, bigint, timestamptz, text, boolean),
    sparky.save_draft(uuid, bigint, jsonb),
    sparky.heartbeat(text, interval, integer, integer),
    sparky.retire_worker(text),
    sparky.reset_sweep(),
    sparky.due_generations(integer),
    sparky.expire_generations(interval, integer),
    sparky.due_removals(integer),
    sparky.removed_objects(bigint[])
to sparky_worker;
