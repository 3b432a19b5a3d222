-- Most existing projects: whatever `postgres` makes in `public` is granted to the API roles at once. Newer projects
-- may not have this; leaving the file out is how the suite checks migrations against them.

alter default privileges for role postgres in schema public
grant all on tables to anon, authenticated, service_role;
alter default privileges for role postgres in schema public
grant all on functions to anon, authenticated, service_role;
alter default privileges for role postgres in schema public
grant all on sequences to anon, authenticated, service_role;
