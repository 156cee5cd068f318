"""A mail sent through Mailyard and found again, and the sink that it ends in."""
