"""Serves mailboxes by IMAP4rev1."""
