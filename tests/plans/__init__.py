"""The plan of every query that the product sends, looked at on large data."""
