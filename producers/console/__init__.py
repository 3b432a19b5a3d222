"""What operators do by hand, from a terminal; every change is recorded with who made it and why."""
