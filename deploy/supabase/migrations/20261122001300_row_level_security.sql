-- Rows: one's own, and the catalogue's active ones. In a migration of its own, since on hosted Supabase creating a policy
-- locks Auth's and Storage's tables until the transaction ends. Existing policies are left alone, not dropped and made again.
set lock_timeout = '3s';

alter table public.plans enable row level security;
alter table public.tools enable row level security;
alter table public.hairstyles enable row level security;
alter table public.colors enable row level security;
alter table public.credit_packs enable row level security;
alter table public.users enable row level security;
alter table public.credit_usage enable row level security;
alter table public.notifications enable row level security;
alter table public.generations enable row level security;
alter table public.orders enable row level security;
alter table public.payments enable row level security;
alter table cache.kv_store enable row level security;
alter table sparky.holds enable row level security;
alter table sparky.period_grants enable row level security;
alter table sparky.workers enable row level security;
alter table sparky.object_removals enable row level security;
alter table sparky.sweep_state enable row level security;
alter table sparky.operator_settings enable row level security;

do $$
declare
    policy record;
begin
    for policy in
        select * from (values
            ('public', 'plans', 'active plans are for everybody', 'select', 'anon, authenticated', 'is_active', null),
            ('public', 'tools', 'active tools are for everybody', 'select', 'anon, authenticated', 'is_active', null),
            ('public', 'hairstyles', 'active hairstyles are for everybody', 'select', 'anon, authenticated', 'is_active', null),
            ('public', 'colors', 'active colours are for everybody', 'select', 'anon, authenticated', 'is_active', null),
            ('public', 'credit_packs', 'active packs are for everybody', 'select', 'anon, authenticated', 'is_active', null),
            ('public', 'users', 'users read their own row', 'select', 'authenticated', '(select auth.uid()) = id', null),
            ('public', 'users', 'users change their own row', 'update', 'authenticated',
                '(select auth.uid()) = id', '(select auth.uid()) = id'),
            ('public', 'credit_usage', 'users read their own ledger', 'select', 'authenticated', '(select auth.uid()) = user_id', null),
            ('public', 'notifications', 'users read their own notifications', 'select', 'authenticated',
                '(select auth.uid()) = user_id', null),
            ('public', 'notifications', 'users mark their own notifications', 'update', 'authenticated',
                '(select auth.uid()) = user_id', '(select auth.uid()) = user_id'),
            ('public', 'generations', 'users read their own generations', 'select', 'authenticated',
                '(select auth.uid()) = user_id', null),
            ('public', 'orders', 'users read their own orders', 'select', 'authenticated', '(select auth.uid()) = user_id', null),
            ('public', 'payments', 'users read their own payments', 'select', 'authenticated', '(select auth.uid()) = user_id', null),
            ('realtime', 'messages', 'users listen to their own channel', 'select', 'authenticated',
                '(select realtime.topic()) = ''user:'' || (select auth.uid())::text and extension = ''broadcast''', null),
            ('realtime', 'messages', 'everybody listens to the catalogue', 'select', 'anon, authenticated',
                '(select realtime.topic()) = ''catalogue'' and extension = ''broadcast''', null),
            ('storage', 'objects', 'users read their own uploads', 'select', 'authenticated',
                'bucket_id = ''user_uploads'' and (storage.foldername(name))[1] = (select auth.uid())::text', null),
            ('storage', 'objects', 'users add to their own uploads', 'insert', 'authenticated', null,
                'bucket_id = ''user_uploads'' and (storage.foldername(name))[1] = (select auth.uid())::text'),
            ('storage', 'objects', 'users replace their own uploads', 'update', 'authenticated',
                'bucket_id = ''user_uploads'' and (storage.foldername(name))[1] = (select auth.uid())::text',
                'bucket_id = ''user_uploads'' and (storage.foldername(name))[1] = (select auth.uid())::text'),
            ('storage', 'objects', 'users remove their own uploads', 'delete', 'authenticated',
                'bucket_id = ''user_uploads'' and (storage.foldername(name))[1] = (select auth.uid())::text', null),
            -- Only what is settled: a picture that was uploaded but not yet paid for shows nothing.
            ('storage', 'objects', 'users list their own results', 'select', 'authenticated',
                'bucket_id = ''generations'' and exists (select from public.generations '
                'where generations.user_id = (select auth.uid()) and generations.image_path = objects.name)', null)
        ) as wanted (schema_name, table_name, policy_name, command, roles, using_expression, check_expression)
        where not exists (
            select from pg_catalog.pg_policies
            where schemaname = schema_name and tablename = table_name and policyname = policy_name
        )
    loop
        execute format('create policy %I on %I.%I for %s to %s', policy.policy_name, policy.schema_name, policy.table_name,
                policy.command, policy.roles)
            || coalesce(' using (' || policy.using_expression || ')', '')
            || coalesce(' with check (' || policy.check_expression || ')', '');
    end loop;
end
$$;
