"""One module a peer: its worker as its documentation sets it up, and its producer. Each runs in an environment of its own."""
