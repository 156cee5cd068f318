"""Commands as frozen values, and their parsers: one module for each family of commands."""
