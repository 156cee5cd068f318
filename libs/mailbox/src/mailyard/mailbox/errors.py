"""Errors of mailbox commands; the docstrings name the response codes of RFC 5530."""


class MailboxError(Exception):
    """A mailbox command failed; the text is for the user."""


class MailboxNotFound(MailboxError):
    """No such mailbox (RFC 5530: NONEXISTENT)."""

    def __init__(self, name: object) -> None:
        super().__init__(f"Mailbox {name} does not exist")


class MailboxExists(MailboxError):
    """A mailbox of that name exists (RFC 5530: ALREADYEXISTS)."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Mailbox {name} exists already")


class NotPermitted(MailboxError):
    """The protocol does not permit the command, or the name is not permitted (RFC 5530: CANNOT)."""


class MailboxLimitReached(MailboxError):
    """The account has the maximum of mailboxes or subscriptions (RFC 5530: LIMIT)."""
