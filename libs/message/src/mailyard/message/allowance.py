"""A limit on the octets of ENVELOPE and BODYSTRUCTURE, whatever the header section holds."""

from dataclasses import dataclass


@dataclass(slots=True)
class Allowance:
    """Octets that are left for an answer. `exceeded` says that something was left out because of it."""

    left: int
    exceeded: bool = False

    def cut(self, value: bytes | None, most: int) -> bytes | None:
        """The value, or its first `most` octets (fewer if fewer are left); they are taken from the allowance."""
        if value is None:
            return None
        if not len(value) <= most <= self.left:
            size = max(0, min(most, self.left))
            self.exceeded |= len(value) > size
            value = value[:size]
        self.left -= len(value)
        return value

    def share(self, most: int) -> "Allowance":
        """An allowance of at most `most` octets for a part of the answer; settle it with `settle`."""
        return Allowance(max(0, min(most, self.left)))

    def settle(self, share: "Allowance", used: int) -> None:
        """Take what a part of the answer has used."""
        self.left -= used
        self.exceeded |= share.exceeded
