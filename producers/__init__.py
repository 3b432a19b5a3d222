"""Everything that puts work in. Never imports the worker."""
