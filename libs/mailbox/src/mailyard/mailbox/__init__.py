"""Mailboxes and messages: UID order, flags, changes and events."""
