"""`mailyard replica-set`: makes one of MongoDB servers that are new."""
