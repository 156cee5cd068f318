"""A first-in-first-out queue of mails, kept as groups that were accepted in the same second.

Age counts from acceptance, as `mailyard_queue_oldest_seconds` does: a wait in an earlier queue is in it.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Group:
    """Mails that smtp-in took together."""

    accepted: int  # second in which smtp-in took them
    mails: int


@dataclass(slots=True)
class Queue:
    """What waits for one service."""

    depth: int = 0
    _groups: deque[Group] = field(default_factory=deque)

    def put(self, groups: Iterable[Group]) -> None:
        """Append, oldest first."""
        for group in groups:
            if group.mails:
                self._groups.append(group)
                self.depth += group.mails

    def take(self, most: int) -> list[Group]:
        """Remove up to `most` mails, oldest first."""
        taken: list[Group] = []
        left = min(most, self.depth)
        self.depth -= left
        while left:
            head = self._groups.popleft()
            part = min(left, head.mails)
            taken.append(Group(head.accepted, part))
            if part < head.mails:
                self._groups.appendleft(Group(head.accepted, head.mails - part))
            left -= part
        return taken

    def oldest_seconds(self, now: int) -> int:
        """How long ago the first mail was accepted; 0 when none waits."""
        return now - self._groups[0].accepted if self._groups else 0
