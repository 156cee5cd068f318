"""The UIDs that one IMAP client was shown of a mailbox, and whether one came too late.

RFC 3501, section 2.3.1.1: UIDs are strictly ascending. A client asks for what is above the highest UID that it
knows, so a mail that appears below it is stored and never seen.
"""

from collections.abc import Sequence
from itertools import pairwise


class View:
    """Pure: fed with answers in the order in which the client got them; complaints are sentences."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._uid_validity: int | None = None
        self._announced_next = 0
        self._highest = 0
        self._seen: set[int] = set()
        self.complaints: list[str] = []

    @property
    def highest(self) -> int:
        """No mail may appear at or below this UID any more."""
        return self._highest

    @property
    def seen(self) -> frozenset[int]:
        """All UIDs shown so far."""
        return frozenset(self._seen)

    def selected(self, uid_validity: int, uid_next: int) -> None:
        """SELECT's answer. UIDNEXT binds once what lies below it has been listed."""
        if self._uid_validity not in (None, uid_validity):
            self._complain(f"UIDVALIDITY changed from {self._uid_validity} to {uid_validity}")
        if uid_next <= self._highest:
            self._complain(f"UIDNEXT {uid_next} is not above UID {self._highest}, which was shown before")
        self._uid_validity = uid_validity
        self._announced_next = uid_next

    def shown(self, uids: Sequence[int], *, first: int | None = None) -> None:
        """An answer with UIDs: all of the mailbox (`first` None), or those from `first` on."""
        if len(set(uids)) != len(uids):
            self._complain(f"a UID stands twice in one answer of {len(uids)}")
        for uid in sorted(set(uids) - self._seen):
            if uid <= self._highest:
                self._complain(f"UID {uid} appeared after UID {self._highest} had been shown")
        gone = {uid for uid in self._seen if first is None or uid >= first} - set(uids)
        if gone:
            self._complain(f"{len(gone)} UIDs vanished, the lowest is {min(gone)}")
            self._seen -= gone
        self._seen.update(uids)
        self._highest = max(self._highest, *uids, 0) if uids else self._highest
        if first is None:
            self._highest = max(self._highest, self._announced_next - 1)

    def listed_in_order(self, uids: Sequence[int]) -> None:
        """UIDs by message sequence number must ascend strictly."""
        if any(later <= earlier for earlier, later in pairwise(uids)):
            self._complain("UIDs do not ascend with the message sequence numbers")

    def _complain(self, sentence: str) -> None:
        self.complaints.append(f"{self._name}: {sentence}")
