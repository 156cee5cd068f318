"""`mailyard replica-set`: initiate a replica set of new MongoDB servers."""
