"""The mail systems under measurement."""
