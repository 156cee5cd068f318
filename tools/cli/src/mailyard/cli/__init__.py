"""The mailyard command."""
