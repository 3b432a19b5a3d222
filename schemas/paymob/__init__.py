"""What Paymob sends and what it is asked: signatures, callbacks, and its API."""
