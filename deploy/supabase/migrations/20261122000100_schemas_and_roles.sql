-- Schemas and login roles. `sparky` and `cache` are private: never add them to the Data API's schemas.
-- Every function of ours pins `search_path = pg_catalog, pg_temp`. Left out of the path, a caller's temporary types would be
-- found before the built-in ones, and their checks would run as the function's owner.
set lock_timeout = '3s';

create schema if not exists sparky;
create schema if not exists cache;
revoke all on schema sparky, cache from public, anon, authenticated;

-- Intake and worker log in with these and may execute their own functions, nothing else.
-- They come without a password: set one (`alter role sparky_intake password '…'`) before the first start.
do $$
declare
    role_name text;
begin
    foreach role_name in array array['sparky_intake', 'sparky_worker'] loop
        if not exists (select from pg_catalog.pg_roles where rolname = role_name) then
            execute format('create role %I login noinherit', role_name);
        end if;
    end loop;
end
$$;

grant usage on schema sparky to sparky_intake, sparky_worker;
