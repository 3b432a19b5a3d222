"""What producers and workers agree on. Imports neither side."""
