-- The roles of a hosted Supabase project, its database's owner and its schemas.
-- Roles belong to the whole server, so each is made only where it is missing; passwords are set by the stack.

do $$
declare
    wanted constant text[][] := array[
        ['supabase_admin',          'superuser login createdb createrole replication bypassrls'],
        ['postgres',                'login createdb createrole replication bypassrls'],
        ['anon',                    'nologin noinherit'],
        ['authenticated',           'nologin noinherit'],
        ['service_role',            'nologin noinherit bypassrls'],
        ['authenticator',           'login noinherit'],
        ['supabase_auth_admin',     'login noinherit createrole'],
        ['supabase_storage_admin',  'login noinherit createrole'],
        ['supabase_realtime_admin', 'login noinherit']
    ];
    role_name text;
begin
    for i in 1 .. array_length(wanted, 1) loop
        role_name := wanted[i][1];
        if not exists (select from pg_catalog.pg_roles where rolname = role_name) then
            execute format('create role %I %s', role_name, wanted[i][2]);
        end if;
    end loop;
end
$$;

grant anon, authenticated, service_role to authenticator;
grant anon, authenticated, service_role, authenticator to postgres with admin option;
grant pg_read_all_data, pg_monitor, pg_signal_backend to postgres;

-- Hosted Supabase lets `postgres` manage triggers and policies on tables it does not own through an extension.
-- Here it is a member of the owners, and 80_guards.sql takes away what that would allow beyond.
grant supabase_auth_admin, supabase_storage_admin, supabase_realtime_admin to postgres;

alter role anon set statement_timeout = '3s';
alter role authenticated set statement_timeout = '8s';
alter role authenticator set statement_timeout = '8s';
alter role authenticator set lock_timeout = '8s';
alter role supabase_auth_admin set search_path = auth;
alter role supabase_auth_admin set idle_in_transaction_session_timeout = '60s';
alter role supabase_storage_admin set search_path = storage;

do $$
begin
    execute format('alter database %I owner to postgres', current_database());
    execute format('alter database %I set search_path = "$user", public, extensions', current_database());
end
$$;

create schema extensions authorization postgres;
create schema auth authorization supabase_admin;
create schema storage authorization supabase_admin;
create schema realtime authorization supabase_admin;

grant usage on schema public, extensions, auth, storage, realtime to postgres, anon, authenticated, service_role;
grant all on schema auth to supabase_auth_admin;
grant all on schema storage to supabase_storage_admin;
grant all on schema realtime to supabase_realtime_admin;
