-- Schema realtime: broadcasts from the database, and the publications that Realtime reads.
-- Hosted Supabase keeps `messages` in daily partitions; one table behaves the same for its readers and writers.

create table realtime.messages (
    topic text not null,
    extension text not null,
    payload jsonb,
    event text,
    private boolean default false,
    updated_at timestamp not null default now(),
    inserted_at timestamp not null default now(),
    id uuid not null default gen_random_uuid(),
    primary key (id, inserted_at)
);
create index messages_inserted_at_topic_index on realtime.messages (inserted_at desc, topic)
where extension = 'broadcast' and private;

-- The topic that a policy on realtime.messages is asked about.
create function realtime.topic() returns text
language sql stable
return nullif(current_setting('realtime.topic', true), '');

-- Broadcast `payload` to a topic's listeners, in the caller's transaction and with the caller's rights.
-- Never fails its caller: whatever goes wrong is a warning and the message is lost.
create function realtime.send(payload jsonb, event text, topic text, private boolean default true) returns void
language plpgsql as $$
declare
    message_id constant uuid := gen_random_uuid();
begin
    perform set_config('realtime.topic', topic, true);
    insert into realtime.messages (id, payload, event, topic, private, extension)
    values (
        message_id,
        case when payload ? 'id' then payload else jsonb_set(payload, '{id}', to_jsonb(message_id)) end,
        event, topic, private, 'broadcast'
    );
exception when others then
    raise warning 'realtime.send lost a message: %', sqlerrm;
end
$$;

alter table realtime.messages enable row level security;
alter table realtime.messages owner to supabase_realtime_admin;
alter function realtime.topic() owner to supabase_realtime_admin;
alter function realtime.send(jsonb, text, text, boolean) owner to supabase_realtime_admin;

grant select, insert, update on realtime.messages to anon, authenticated, service_role;
grant all on realtime.messages to postgres;
-- Realtime evaluates policies as the subscriber.
grant anon, authenticated, service_role to supabase_realtime_admin;

create publication supabase_realtime;
alter publication supabase_realtime owner to postgres;
create publication supabase_realtime_messages_publication for table realtime.messages;
