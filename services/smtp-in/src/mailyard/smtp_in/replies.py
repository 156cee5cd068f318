"""The replies of smtp-in beyond the protocol core: policy, pressure, the end of a message."""

from collections.abc import Mapping

from mailyard.directory.identity import Refusal, RefusalReason
from mailyard.message.address import Address
from mailyard.smtp.reply import Reply, reply

SENDER_OK = reply(250, "2.1.0", "Ok")
RECIPIENT_OK = reply(250, "2.1.5", "Ok")
WELCOME = reply(235, "2.7.0", "Authentication successful")

RELAY_DENIED = reply(550, "5.7.1", "Relaying denied")
NOT_LOCAL = reply(550, "5.7.1", "Only local recipients are taken here")
NOT_YET_VERIFIED = reply(450, "4.7.1", "This domain is not set up completely yet, please try again later")
BAD_SENDER = reply(553, "5.1.8", "The sender's domain is not valid")
BAD_RECIPIENT = reply(553, "5.1.2", "The recipient's domain is not valid")
NO_POSTMASTER = reply(550, "5.1.1", "No domain here has a postmaster yet")
ACTS_AS_ANOTHER = reply(535, "5.7.8", "One account cannot act as another")

# RFC 3463: X.3.0 other mail system status, X.3.1 mail system full, X.3.2 system not accepting messages.
UNAVAILABLE = reply(451, "4.3.0", "Temporary server problem, please try again later")
STORE_SLOW = reply(451, "4.3.2", "Too many messages wait to be stored, please try again later")
QUEUE_OLD = reply(451, "4.3.2", "Mail processing is behind, please try again later")
MEMORY_FULL = reply(452, "4.3.1", "Insufficient memory for this message, please try again later")
MEMORY_NEEDED = reply(421, "4.3.1", "Memory is scarce and the client is slow, please connect again")
DISK_FULL = reply(452, "4.3.1", "Insufficient system storage")

TOO_MANY_CONNECTIONS = reply(421, "4.3.2", "Too many connections, please try again later")
TOO_MANY_FROM_ADDRESS = reply(421, "4.7.0", "Too many connections from your address")
SHUTTING_DOWN = reply(421, "4.3.2", "Server is shutting down, please connect again")
TIMED_OUT = reply(421, "4.4.2", "Timed out waiting for input")
ACCESS_ENDED = reply(421, "4.7.0", "Your access has changed, please log in again")
CONNECTION_OLD = reply(421, "4.4.2", "The connection has been open for long, please connect again")

# RFC 4954 section 6, RFC 5248 section 2.4.
_LOGIN_REFUSALS: Mapping[RefusalReason, Reply] = {
    RefusalReason.BAD_CREDENTIALS: reply(535, "5.7.8", "Authentication credentials invalid"),
    RefusalReason.ACCOUNT_DISABLED: reply(525, "5.7.13", "Account disabled"),
    RefusalReason.TOO_MANY_ATTEMPTS: reply(454, "4.7.0", "Too many failed logins, please try again later"),
    RefusalReason.UNAVAILABLE: reply(454, "4.7.0", "Temporary authentication failure"),
}


def login_refused(refusal: Refusal) -> Reply:
    """Return the reply to a refused login."""
    return _LOGIN_REFUSALS[refusal.reason]


def not_your_address(address: Address, login: Address) -> Reply:
    """Return the reply to a sender address of another account."""
    text = f"Sender address {address} rejected: not an address of {login}; use {login} or one of its aliases"
    return Reply(550, "5.7.1", (text.encode("ascii", "replace").decode(),))


def queued(spool_id: str) -> Reply:
    """Return the reply that accepts responsibility for a message (RFC 5321 section 6.1)."""
    return Reply(250, "2.0.0", (f"Ok: queued as {spool_id}",))
