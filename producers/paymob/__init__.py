"""What Paymob tells: its callbacks, into the inbox, and the browsers it sends back."""
