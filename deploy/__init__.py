"""How Sparky is run: the Supabase files, the embedded stack and the `sparky` command."""
