"""Why a mailbox command cannot be carried out, with the response code for the client."""


class MailboxError(Exception):
    """A mailbox command that cannot be carried out; the text is for the user."""


class MailboxNotFound(MailboxError):
    """No such mailbox (RFC 5530: NONEXISTENT)."""

    def __init__(self, name: object) -> None:
        super().__init__(f"Mailbox {name} does not exist")


class MailboxExists(MailboxError):
    """A mailbox of that name is there (RFC 5530: ALREADYEXISTS)."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Mailbox {name} exists already")


class NotPermitted(MailboxError):
    """The protocol or the name forbids it (RFC 5530: CANNOT)."""


class MailboxLimitReached(MailboxError):
    """The account has as many mailboxes or subscriptions as it may have (RFC 5530: LIMIT)."""
