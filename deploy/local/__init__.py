"""The embedded stack: real PostgreSQL and Valkey, and stand-ins for what cannot run here."""
