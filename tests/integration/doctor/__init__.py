"""`sparky doctor`: each fault is planted, found and told; a sound database has none."""
