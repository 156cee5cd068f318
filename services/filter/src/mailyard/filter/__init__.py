"""Checks mail in the Local and Remote queues."""
