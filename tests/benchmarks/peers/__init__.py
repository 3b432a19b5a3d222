"""One module a peer: its worker as documented, and its producer. Each has an environment of its own."""
