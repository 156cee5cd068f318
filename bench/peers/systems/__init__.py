"""The mail systems under measurement, each with the same few doors."""
