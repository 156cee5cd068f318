"""A position in the octets of one command, and the two errors of parsing."""

import re

from mailyard.imap.limits import ImapLimits


class CommandRefused(Exception):
    """The command cannot be accepted: the response is NO, with a response code if there is one."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.code = code


class CommandSyntaxError(CommandRefused):
    """The command does not follow the grammar: the response is BAD."""


class Cursor:
    """Reader of `octets` from left to right. Each production of the grammar is a function of a cursor."""

    __slots__ = ("_end", "limits", "octets", "position")

    def __init__(self, octets: bytes, limits: ImapLimits | None = None) -> None:
        self.octets = octets
        self.limits = limits or ImapLimits()
        self.position = 0
        self._end = len(octets)

    @property
    def at_end(self) -> bool:
        """Whether all octets are read."""
        return self.position >= self._end

    def sees(self, octets: bytes) -> bool:
        """Whether `octets` come next."""
        return self.octets.startswith(octets, self.position)

    def skip(self, octets: bytes) -> bool:
        """Step over `octets` if they come next; return whether they did."""
        if not self.octets.startswith(octets, self.position):
            return False
        self.position += len(octets)
        return True

    def expect(self, octets: bytes, name: str) -> None:
        """Step over `octets`; raises CommandSyntaxError, which names what was expected."""
        if not self.skip(octets):
            raise CommandSyntaxError(f"Expected {name}")

    def match(self, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
        """Match `pattern` here, and step over the match."""
        found = pattern.match(self.octets, self.position)
        if found is not None:
            self.position = found.end()
        return found

    def require(self, pattern: re.Pattern[bytes], name: str) -> bytes:
        """Read the octets that `pattern` matches here; raises CommandSyntaxError, which names what was expected."""
        found = self.match(pattern)
        if found is None:
            raise CommandSyntaxError(f"Expected {name}")
        return found[0]

    def take(self, size: int) -> bytes:
        """Read the next `size` octets; raises CommandSyntaxError where fewer are left."""
        start, self.position = self.position, self.position + size
        if self.position > self._end:
            raise CommandSyntaxError("The literal is cut short")
        return self.octets[start : self.position]
