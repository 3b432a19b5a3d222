"""Stand-ins for Supabase Auth, Storage, REST and Realtime over the embedded Postgres, in one process.

They speak the wire of Supabase's own clients, use the same tables, roles and row level security, and are for
development and tests only: `python -m deploy.local.supabase`.
"""
