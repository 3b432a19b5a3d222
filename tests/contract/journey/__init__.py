"""One scripted journey through the whole product by both genuine clients: supabase-py here, supabase-js in `../js`."""
