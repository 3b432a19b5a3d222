-- Takes schema.sql out of a database that is not the tests' own.
drop table if exists public.notes, public.full_notes, public.hidden, public.settings, public.unpublished;
drop policy if exists listen_to_own_topic on realtime.messages;
drop policy if exists send_to_rooms on realtime.messages;
drop policy if exists listen_to_rooms on realtime.messages;
