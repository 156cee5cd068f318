"""Hygiene: hooks before the queue that judge clients and senders of unauthenticated mail.

`settings` switches checks on; `gate` is the hook that asks them at RCPT, each with the mode that listener, tenant and domain give it;
`checks` is their contract. `clientlimits` and `probing` limit what one client may do, and `tarpit` slows down the refused.
"""
