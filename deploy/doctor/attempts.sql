-- What each client role may do to our tables: tried for real, statement by statement, each undone at once.
-- Reads the tables from the setting `doctor.ours` (JSON, `schema.table`); leaves a JSON array of
-- {role, verb, relation, column, reached} in `doctor.abilities`: what was not denied, and how many rows of one real
-- user it reached. Run it in a transaction that is rolled back. Only what a privilege allows touches a row at all.
do $doctor$
declare
    somebody constant text := coalesce(
        (select id::text from public.users order by created_at desc limit 1), '00000000-0000-0000-0000-000000000000'
    );
    attempt record;
    found jsonb := '[]';
    reached bigint;
begin
    for attempt in
        with relation as (
            select class.oid, format('%I.%I', nspname, relname) as name, (
                select attname from pg_catalog.pg_attribute
                where attrelid = class.oid and not attisdropped
                    and attname = case when relname = 'users' then 'id' else 'user_id' end
            ) as owner
            from pg_catalog.pg_class as class
            join pg_catalog.pg_namespace as namespace on namespace.oid = relnamespace
            where relkind in ('r', 'p')
                and format('%I.%I', nspname, relname) in (
                    select value from pg_catalog.jsonb_array_elements_text(current_setting('doctor.ours')::jsonb)
                )
        ), statement as (
            select 'insert' as verb, name, null::name as "column", null::name as owner,
                format('insert into %s default values', name) as sql
            from relation
            union all
            select 'delete', name, null, owner, format('delete from %s', name) from relation
            union all
            select 'update', name, attname, owner, format('update %s set %I = default', name, attname)
            from relation
            join pg_catalog.pg_attribute on attrelid = relation.oid and attnum > 0 and not attisdropped
        )
        select role_name, statement.* from statement, unnest(array['anon', 'authenticated', 'service_role']) as role_name
    loop
        reached := null;
        begin
            perform set_config('request.jwt.claims', json_build_object(
                'role', attempt.role_name,
                'sub', case when attempt.role_name = 'authenticated' then somebody end
            )::text, true);
            execute format('set local role %I', attempt.role_name);
            -- `where false` needs the privilege and reaches nothing.
            execute attempt.sql || case when attempt.verb = 'insert' then '' else ' where false' end;
            if attempt.role_name = 'authenticated' and attempt.owner is not null then
                begin
                    execute attempt.sql || format(' where %I = %L', attempt.owner, somebody);
                    get diagnostics reached = row_count;
                exception when others then
                    reached := 0;
                end;
            end if;
            raise exception 'undo' using errcode = 'ZZ999';
        exception
            when insufficient_privilege then
                -- A row that a policy refuses has passed the privileges: other values may pass the policy too.
                continue when sqlerrm not like '%row-level security%';
            when others then
                null;
        end;
        found := found || jsonb_build_object(
            'role', attempt.role_name, 'verb', attempt.verb, 'relation', attempt.name, 'column', attempt."column",
            'reached', reached
        );
    end loop;
    perform set_config('doctor.abilities', found::text, true);
end
$doctor$
