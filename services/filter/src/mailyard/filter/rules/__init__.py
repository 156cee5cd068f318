"""Content rules: what an operator writes down about mail, and the check that applies it."""
