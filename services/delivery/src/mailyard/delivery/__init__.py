"""Inserts mail in mailboxes, exactly once."""
