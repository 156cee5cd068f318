"""The state of a session, and what its handlers share: the selected mailbox, responses, search."""
