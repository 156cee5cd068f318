"""Content rules: the file that an operator writes, and the check that applies it."""
