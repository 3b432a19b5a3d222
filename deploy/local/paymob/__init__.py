"""Stand-in of Paymob: intentions, a checkout page, signed callbacks, inquiries, refunds; and told to misbehave."""
