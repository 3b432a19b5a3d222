-- What `postgres` may not do on a hosted project, it may not do here: change Supabase's own schemas beyond triggers
-- and policies. A migration that would be refused there is refused here.

create function extensions.guard_supabase_schemas() returns event_trigger
language plpgsql as $$
declare
    command record;
begin
    if (select rolsuper from pg_catalog.pg_roles where rolname = current_user) then
        return;
    end if;
    for command in
        select command_tag, object_identity from pg_catalog.pg_event_trigger_ddl_commands()
        where command_tag not in ('CREATE TRIGGER', 'CREATE POLICY', 'ALTER POLICY')
            and object_identity ~ '(^| on )(auth|storage|realtime)(\.|$)'
    loop
        raise exception 'role % may not run % on %, which belongs to Supabase',
            current_user, command.command_tag, command.object_identity using errcode = '42501';
    end loop;
end
$$;
alter function extensions.guard_supabase_schemas() owner to supabase_admin;

create event trigger guard_supabase_schemas on ddl_command_end
execute function extensions.guard_supabase_schemas();
