"""Everything that takes work out. Never imports the producers."""
