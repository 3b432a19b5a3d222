-- Fills a migrated, empty database: :queued generations of Free users with two in flight each, as if they had been submitted
-- over the last half hour; and :submitting users (ids 1, 2, 3…) with a photo and credit. Triggers stay out of it.
set session_replication_role = replica;

create temporary table person as
select i, lpad(to_hex(i), 32, '0')::uuid as id, i <= :submitting as submitting
from generate_series(1, :submitting + :queued / 2) as i;

insert into public.users (id, plan_id, credits) select id, 1, 10 from person;
insert into public.credit_usage (user_id, kind, amount, balance_after) select id, 'grant', 10, 10 from person;
insert into sparky.period_grants (user_id, period, credits) select id, (now() at time zone 'utc')::date, 10 from person;
insert into storage.objects (bucket_id, name, metadata)
select 'user_uploads', id || '/photo.jpg',
    jsonb_build_object('eTag', '"' || md5(i::text) || '"', 'size', 1000, 'mimetype', 'image/jpeg')
from person;

insert into public.generations (
    user_id, tool_id, tool_parameters, source_path, source_etag, source_size, credit_cost,
    cache_key, tool_version, model, object_name, lane, created_at, queued_at, due_at, next_sweep_at
)
select id, 'age', '{"age": 40}', id || '/photo.jpg', md5(i::text), 1000, 1,
    encode(sha256((i || '/' || n)::bytea), 'hex'), 1, 'bench', id || '/' || md5(i || '/' || n), 'free',
    at, at, at, at + interval '1 hour'
from person, generate_series(1, 2) as n, lateral (select now() - random() * interval '30 minutes') as times (at)
where not submitting;

insert into sparky.holds (generation_id, user_id, amount) select id, user_id, 1 from public.generations;
reset session_replication_role;
