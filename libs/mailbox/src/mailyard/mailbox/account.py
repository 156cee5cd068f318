"""The row of an account in `mailbox_accounts`: the state that all its mailboxes share.

| field | |
|---|---|
| `_id` | the account |
| `uid_validity` | the highest UIDVALIDITY that a mailbox of the account ever had |
| `subscriptions` | the subscribed names, with or without a mailbox (RFC 3501, section 6.3.6) |
| `defaults_made` | true: the special-use mailboxes were made once, and a missing one was removed by the user |

An account of version 0.2.0 has no row: its state follows from its mailboxes, and its first change writes the row. Pure;
`mailyard.mailbox.change` reads and writes the row.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from mailyard.mailbox.model import DEFAULTS
from mailyard.store.client import Row

MAX_SUBSCRIPTIONS = 10_000  # names of an account; with names of 1,000 octets the row is under 16 MiB


@dataclass(frozen=True, slots=True)
class AccountState:
    """The row of an account as a value."""

    uid_validity: int = 0
    subscriptions: frozenset[str] = frozenset()
    defaults_made: bool = False


def state_of(row: Row | None, mailboxes: Iterable[Row]) -> AccountState:
    """Read the account's row; without a row, the state follows from the account's mailboxes.

    UIDVALIDITY is never below that of an existing mailbox: a restored row may be older than the mailboxes.
    """
    mailboxes = list(mailboxes)
    highest = max((each["uid_validity"] for each in mailboxes), default=0)
    if row is None:
        subscribed = frozenset(each["name"] for each in mailboxes if each.get("subscribed"))
        return AccountState(highest, subscribed, has_defaults(each.get("special_use") for each in mailboxes))
    return AccountState(
        max(highest, row["uid_validity"]), frozenset(row["subscriptions"]), row.get("defaults_made", False)
    )


def has_defaults(uses: Iterable[str | None]) -> bool:
    """Return whether every special use of a new account exists."""
    return set(uses) >= set(DEFAULTS.values()) - {None}


def uid_validities(last: int, now: datetime, count: int) -> range:
    """Return `count` new UIDVALIDITY values above `last`, the first not below the present second.

    Name, UIDVALIDITY and UID together mean one message for ever (RFC 3501, section 2.3.1.1). The values of an account
    only grow, also when the clock steps back or two pods have different clocks.
    """
    first = max(int(now.timestamp()), last + 1)
    return range(first, first + count)
