"""Names of mailboxes: INBOX in any case, levels, and invalid names (RFC 3501, section 5.1)."""

from mailyard.imap.wellknown import INBOX, SEPARATOR
from mailyard.mailbox.errors import NotPermitted


def canonical(name: str) -> str:
    """Return the name with INBOX, also as its first level, in upper case (RFC 3501, section 5.1)."""
    first, separator, rest = name.partition(SEPARATOR)
    return (INBOX if first.upper() == INBOX else first) + separator + rest


def names_above(name: str) -> list[str]:
    """Return every level above a name, the highest first."""
    parts = name.split(SEPARATOR)
    return [SEPARATOR.join(parts[:count]) for count in range(1, len(parts))]


def checked(name: str) -> str:
    """Return the canonical name.

    Raises:
        NotPermitted: the name is not valid for a mailbox.

    """
    name = canonical(name)
    if not name or any(not part for part in name.split(SEPARATOR)):
        raise NotPermitted("A mailbox name has no empty part")
    if any(ord(char) < 0x20 or char == "\x7f" for char in name):
        raise NotPermitted("A mailbox name has no control characters")
    if len(name.encode()) > 1000:
        raise NotPermitted("A mailbox name has at most 1000 octets")
    return name
